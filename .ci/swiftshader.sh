# SwiftShader, a Vulkan driver made of software, which Debian's chromium package holds: tests on `webgpu` run on it.
# start_swiftshader exports what the driver's loader and the tests read, or fails where there is none to be had.

start_swiftshader() {
  local driver=/usr/lib/chromium/vk_swiftshader_icd.json
  if [ ! -e "$driver" ] || ! ldconfig -p | grep -q 'libvulkan\.so\.1'; then
    local sudo=''
    [ "$(id -u)" = 0 ] || sudo=sudo
    $sudo apt-get update -q || return 1
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends chromium libvulkan1 || return 1
    [ -e "$driver" ] || return 1
  fi
  SWIFTSHADER_FOLDER=$(mktemp -d)
  export VK_DRIVER_FILES=$driver XDG_RUNTIME_DIR=$SWIFTSHADER_FOLDER ESPALIER_TEST_WEBGPU=1
}

stop_swiftshader() {
  rm -rf "${SWIFTSHADER_FOLDER:-}"
}
