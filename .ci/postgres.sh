# A PostgreSQL server of our own in a temporary folder, on a free port: nothing that runs already is touched.
# start_postgres sets POSTGRES_URL; stop_postgres ends the server and removes the folder.

start_postgres() {
  local bin
  bin=$(postgres_bin)
  if [ -z "$bin" ]; then
    local sudo=''
    [ "$(id -u)" = 0 ] || sudo=sudo
    $sudo apt-get update -q
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends postgresql
    bin=$(postgres_bin)
  fi
  POSTGRES_BIN=$bin
  POSTGRES_FOLDER=$(mktemp -d)
  local port
  port=$(node -e "const s=require('net').createServer().listen(0,'127.0.0.1',()=>{console.log(s.address().port);s.close()})")
  # The server refuses to run as root: give it to the postgres account there.
  if [ "$(id -u)" = 0 ]; then
    chown postgres "$POSTGRES_FOLDER"
    POSTGRES_AS=(su postgres -s /bin/bash -c)
  else
    POSTGRES_AS=(bash -c)
  fi
  "${POSTGRES_AS[@]}" "cd /; '$bin/initdb' -D '$POSTGRES_FOLDER/data' -U espalier -A trust -E UTF8 --no-sync >/dev/null"
  "${POSTGRES_AS[@]}" "cd /; '$bin/pg_ctl' -D '$POSTGRES_FOLDER/data' -w -l '$POSTGRES_FOLDER/log' \
    -o '-p $port -c listen_addresses=127.0.0.1 -c unix_socket_directories=$POSTGRES_FOLDER -c max_connections=200' start >/dev/null"
  POSTGRES_URL="postgresql://espalier@127.0.0.1:$port/postgres"
}

stop_postgres() {
  "${POSTGRES_AS[@]}" "cd /; '$POSTGRES_BIN/pg_ctl' -D '$POSTGRES_FOLDER/data' -m immediate stop >/dev/null" || true
  rm -rf "$POSTGRES_FOLDER"
}

postgres_bin() {
  local candidate
  for candidate in /usr/lib/postgresql/*/bin /usr/local/opt/postgresql*/bin /usr/pgsql-*/bin; do
    [ -x "$candidate/initdb" ] && echo "$candidate" && return
  done
  command -v initdb >/dev/null && dirname "$(command -v initdb)"
  return 0
}
