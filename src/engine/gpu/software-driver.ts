/** Whether the Vulkan driver of a Linux process that opened a GPU computes on the CPU. */
import { readdirSync } from 'node:fs';

/** What stands for a GPU in /dev: of the kernel's graphics drivers, of NVIDIA's own, and of Windows under WSL. */
const GPU_DEVICE = /^\/dev\/(dri\/renderD\d+|nvidia\d+|dxg)$/;
/** Mapped libraries that are Vulkan drivers: Mesa's, NVIDIA's, AMD's, and SwiftShader. */
const VULKAN_DRIVER = /\/(libvulkan_\w+\.so|libGLX_nvidia\.so|libnvidia-vulkan|amdvlk\w*\.so|libvk_swiftshader\.so)/g;
const SOFTWARE = /libvulkan_lvp|libvk_swiftshader/;

/** Paths in /dev that may stand for a GPU. */
export function devices(): string[] {
  return ['/dev', '/dev/dri'].flatMap((folder) => list(folder).map((name) => `${folder}/${name}`));
}

export function hasGpuDevice(paths: readonly string[]): boolean {
  return paths.some((path) => GPU_DEVICE.test(path));
}

/** paths: in /dev. maps: /proc/self/maps. */
export function isSoftwareDriver(paths: readonly string[], maps: string): boolean {
  if (!hasGpuDevice(paths)) return true;
  // A GPU is preferred to software where both have a driver.
  return [...maps.matchAll(VULKAN_DRIVER)].every(([driver]) => SOFTWARE.test(driver));
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return []; // There is none: a container without a GPU.
  }
}
