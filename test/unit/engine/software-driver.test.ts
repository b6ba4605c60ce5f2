import { hasGpuDevice, isSoftwareDriver } from '../../../src/engine/gpu/software-driver.js';

const line = (library: string): string => `7f00-7f01 r-xp 00000000 08:01 1 ${library}\n`;
const SWIFTSHADER = line('/usr/lib/chromium/libvk_swiftshader.so');
const LAVAPIPE = line('/usr/lib/x86_64-linux-gnu/libvulkan_lvp.so');
const RADV = line('/usr/lib/x86_64-linux-gnu/libvulkan_radeon.so');
const NVIDIA = line('/usr/lib/x86_64-linux-gnu/libGLX_nvidia.so.550.54.14');

test.each([
  { title: 'no device at all', paths: ['/dev/null', '/dev/dri/card0'], maps: NVIDIA, software: true },
  {
    title: 'SwiftShader beside a GPU without a driver',
    paths: ['/dev/dri/renderD128'],
    maps: SWIFTSHADER,
    software: true,
  },
  { title: 'lavapipe', paths: ['/dev/dri/renderD128'], maps: LAVAPIPE, software: true },
  { title: 'an AMD GPU', paths: ['/dev/dri/renderD128'], maps: LAVAPIPE + RADV, software: false },
  { title: 'an NVIDIA GPU', paths: ['/dev/nvidia0'], maps: NVIDIA, software: false },
])('$title', ({ paths, maps, software }) => {
  expect(isSoftwareDriver(paths, maps)).toBe(software);
});

test('what stands for a GPU', () => {
  expect(hasGpuDevice(['/dev/nvidiactl', '/dev/dri/card0'])).toBe(false);
  expect(hasGpuDevice(['/dev/dxg'])).toBe(true);
});
