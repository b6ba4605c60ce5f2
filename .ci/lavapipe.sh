# Lavapipe, the Vulkan driver of Mesa that computes on the CPU: unlike SwiftShader's, its shaders have float16. It takes
# Mesa 25 or newer, for Dawn refuses older ones: from Debian's own packages, or on Debian 12 from its backports. Nothing is
# installed but what the driver links to: two Vulkan drivers side by side would be one too many for other tests.
# start_lavapipe exports what the driver's loader and the tests read, or fails where there is none to be had.

start_lavapipe() {
  local release sudo=''
  release=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
  [ "$release" = bookworm ] && release=bookworm-backports
  [ "$(id -u)" = 0 ] || sudo=sudo
  LAVAPIPE_FOLDER=$(mktemp -d)
  mkdir -p "$LAVAPIPE_FOLDER/lists/partial" "$LAVAPIPE_FOLDER/runtime" || return 1
  echo "deb http://deb.debian.org/debian $release main" >"$LAVAPIPE_FOLDER/sources.list"
  local apt=(-o "Dir::Etc::sourcelist=$LAVAPIPE_FOLDER/sources.list" -o Dir::Etc::sourceparts=/dev/null
    -o "Dir::State::lists=$LAVAPIPE_FOLDER/lists" -o APT::Sandbox::User=root)
  (
    cd "$LAVAPIPE_FOLDER" &&
      apt-get "${apt[@]}" -q update &&
      apt-get "${apt[@]}" -q download mesa-vulkan-drivers libdrm2 libdrm-amdgpu1 || exit 1
    for package in *.deb; do dpkg-deb -x "$package" files || exit 1; done
  ) || return 1
  local libraries=$LAVAPIPE_FOLDER/files/usr/lib/$(uname -m)-linux-gnu
  if LD_LIBRARY_PATH=$libraries ldd "$libraries/libvulkan_lvp.so" | grep -q 'not found' || ! ldconfig -p | grep -q 'libvulkan\.so\.1'; then
    # What Debian's own Mesa links to.
    $sudo apt-get update -q || return 1
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends \
      libvulkan1 libllvm15 libelf1 libwayland-client0 libx11-xcb1 libxcb-dri3-0 libxcb-present0 libxcb-randr0 \
      libxcb-shm0 libxcb-sync1 libxcb-xfixes0 libxshmfence1 || return 1
  fi
  sed "s#\"library_path\": *\"#&$libraries/#" "$LAVAPIPE_FOLDER"/files/usr/share/vulkan/icd.d/lvp_icd*.json >"$LAVAPIPE_FOLDER/lavapipe.json"
  export VK_DRIVER_FILES=$LAVAPIPE_FOLDER/lavapipe.json XDG_RUNTIME_DIR=$LAVAPIPE_FOLDER/runtime
  export LD_LIBRARY_PATH=$libraries${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH} ESPALIER_TEST_WEBGPU=float16
}

stop_lavapipe() {
  rm -rf "${LAVAPIPE_FOLDER:-}"
}
