# An S3 server of our own: Ceph's object gateway over one monitor and one storage daemon that keeps everything in memory,
# in a temporary folder, on free ports; nothing that runs already is touched. Ceph is a production server that checks
# signatures, stores parts, and comes from Debian's packages.
# start_s3 sets S3_ENDPOINT, S3_ACCESS_KEY and S3_SECRET_KEY, or fails where there is none to be had; stop_s3 ends the servers and removes the folder.

start_s3() {
  S3_PIDS=()
  if ! command -v radosgw >/dev/null || ! command -v ceph-mon >/dev/null || ! command -v ceph-osd >/dev/null; then
    local sudo=''
    [ "$(id -u)" = 0 ] || sudo=sudo
    $sudo apt-get update -q || return 1
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends \
      radosgw ceph-mon ceph-osd ceph-common || return 1
  fi
  S3_FOLDER=$(mktemp -d)
  local mon rgw
  read -r mon rgw < <(node -e "
    const open = () => new Promise((ok) => { const s = require('net').createServer().listen(0, '127.0.0.1', () => ok(s)) });
    Promise.all([open(), open()]).then((all) => { console.log(all.map((s) => s.address().port).join(' ')); all.map((s) => s.close()) })")
  cat >"$S3_FOLDER/ceph.conf" <<CONF
[global]
fsid = $(cat /proc/sys/kernel/random/uuid)
mon_host = v2:127.0.0.1:$mon
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
auth_cluster_required = none
auth_service_required = none
auth_client_required = none
run_dir = $S3_FOLDER
admin_socket = $S3_FOLDER/\$name.\$pid.asok
log_file = $S3_FOLDER/\$name.log
mon_data = $S3_FOLDER/mon
osd_data = $S3_FOLDER/osd
osd_objectstore = memstore
memstore_device_bytes = 4294967296
osd_crush_chooseleaf_type = 0
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 8
mon_allow_pool_size_one = true
mon_data_avail_warn = 2
mon_data_avail_crit = 1
mon_warn_on_pool_no_redundancy = false
rgw_frontends = beast endpoint=127.0.0.1:$rgw
# Its own lists of what to delete later are of no use here.
rgw_enable_gc_threads = false
rgw_enable_lc_threads = false
# The gateway wants an encrypted line to the monitor, which there is none without keys.
ms_mon_client_mode = crc
[mon.a]
public_addrv = v2:127.0.0.1:$mon
CONF
  mkdir "$S3_FOLDER/mon" "$S3_FOLDER/osd"
  local osd
  osd=$(cat /proc/sys/kernel/random/uuid)
  local ceph=(-c "$S3_FOLDER/ceph.conf")
  ceph-mon "${ceph[@]}" --mkfs -i a --keyring /dev/null >"$S3_FOLDER/mkfs" 2>&1
  ceph-mon "${ceph[@]}" -f -i a >"$S3_FOLDER/mon.out" 2>&1 &
  S3_PIDS+=($!)
  timeout 60 ceph "${ceph[@]}" osd new "$osd" >"$S3_FOLDER/ceph.out" 2>&1 || { s3_failed; return 1; }
  ceph-osd "${ceph[@]}" --mkfs -i 0 --osd-uuid "$osd" >>"$S3_FOLDER/mkfs" 2>&1
  ceph-osd "${ceph[@]}" -f -i 0 >"$S3_FOLDER/osd.out" 2>&1 &
  S3_PIDS+=($!)
  S3_ACCESS_KEY=espalier
  S3_SECRET_KEY=espalier-tests-only
  # Waits for the storage daemon, and makes the gateway's pools.
  timeout 120 radosgw-admin "${ceph[@]}" user create --uid espalier --display-name Espalier \
    --access-key "$S3_ACCESS_KEY" --secret-key "$S3_SECRET_KEY" >"$S3_FOLDER/user.out" 2>&1 || { s3_failed; return 1; }
  radosgw "${ceph[@]}" -f -n client.rgw >"$S3_FOLDER/rgw.out" 2>&1 &
  S3_PIDS+=($!)
  S3_ENDPOINT="http://127.0.0.1:$rgw"
  local tries=0
  until curl -s -o /dev/null "$S3_ENDPOINT"; do
    tries=$((tries + 1))
    [ $tries -le 120 ] || { s3_failed; return 1; }
    sleep 0.5
  done
}

s3_failed() {
  echo 'The S3 server did not start. Its logs:' >&2
  tail -n 20 "$S3_FOLDER"/*.out "$S3_FOLDER"/*.log >&2 || true
}

stop_s3() {
  [ -n "${S3_FOLDER:-}" ] || return 0
  if [ ${#S3_PIDS[@]} -gt 0 ]; then
    kill -9 "${S3_PIDS[@]}" 2>/dev/null || true
    wait "${S3_PIDS[@]}" 2>/dev/null || true
  fi
  rm -rf "$S3_FOLDER"
}
