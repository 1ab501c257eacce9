#!/usr/bin/env bash
# A throw-away PostgreSQL for the tests.
#   postgres.sh install       see to it that the server's programs are here
#   postgres.sh start FOLDER  make a cluster in FOLDER, start it on a free port, print its DATABASE_URL
#   postgres.sh stop FOLDER   stop it and remove it
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/packages.sh"

programs() {
  local folder
  folder=$(find /usr/lib/postgresql -mindepth 2 -maxdepth 2 -name bin 2>/dev/null | sort -V | tail -n 1)
  [ -n "$folder" ] && [ -x "$folder/initdb" ] && echo "$folder"
}

# PostgreSQL refuses to run as root.
as_owner() {
  if [ "$(id -u)" = 0 ]; then runuser -u postgres -- "$@"; else "$@"; fi
}

install_postgres() {
  ! programs >/dev/null || return 0
  # The package would make and start a cluster of its own on port 5432; the tests want none of that.
  if can_be_root && [ ! -e /etc/postgresql-common/createcluster.conf ]; then
    as_root mkdir -p /etc/postgresql-common
    echo "create_main_cluster = false" | as_root tee /etc/postgresql-common/createcluster.conf >/dev/null
  fi
  install_packages "PostgreSQL" postgresql || true
}

free_port() {
  python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

start() {
  local folder=$1 bin port
  bin=$(programs) || return 1
  port=$(free_port)
  [ "$(id -u)" != 0 ] || chown postgres "$folder"
  cd /
  logged as_owner "$bin/initdb" -D "$folder/data" -U known_good -A trust -E UTF8 --locale=C.UTF-8 --no-sync
  # Speed over safety: nothing here outlives the run.
  cat >>"$folder/data/postgresql.conf" <<SETTINGS
listen_addresses = '127.0.0.1'
port = $port
unix_socket_directories = '$folder'
fsync = off
synchronous_commit = off
full_page_writes = off
max_connections = 60
SETTINGS
  logged as_owner "$bin/pg_ctl" -D "$folder/data" -l "$folder/log" -w -t 30 start
  echo "postgres://known_good@127.0.0.1:$port/postgres"
}

stop() {
  [ ! -e "$1/data/postmaster.pid" ] || logged as_owner "$(programs)/pg_ctl" -D "$1/data" -m immediate -w stop || true
  rm -rf "$1"
}

case $1 in
  install) install_postgres ;;
  start) start "$2" ;;
  stop) stop "$2" ;;
esac
