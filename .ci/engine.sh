#!/usr/bin/env bash
# Makes a Docker Engine answer: the one that runs, the one that systemd manages, or one of our own start.
# Where none can be had, one line in STATE/engine-missing says why and what to do, and the portal starts without.
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/packages.sh"

SOCKET=/var/run/docker.sock
MISSING=$STATE/engine-missing
ANSWER_WITHIN=40

ask() { timeout 10 docker version --format '{{.Server.Version}}' 2>&1; }

answers() { have docker && ask >/dev/null; }

without() {
  echo "Docker Engine: $1. To have one: $2" >"$MISSING"
  say "Docker Engine: none can be had here; going on without"
  exit 3
}

wait_for_answer() {
  local end=$((SECONDS + ANSWER_WITHIN))
  until answers; do
    # Running, but not for us: waiting longer does not help.
    case "$(ask || true)" in *"permission denied"*) return 1 ;; esac
    [ "$SECONDS" -lt "$end" ] && { [ -z "${1:-}" ] || kill -0 "$1" 2>/dev/null; } || return 1
    sleep 0.2
  done
}

install_engine() {
  local packages=(docker.io iptables)
  refresh_package_lists
  # From Debian 13 on the client is a package of its own.
  ! available docker-cli || packages+=(docker-cli)
  install_packages "Docker Engine" "${packages[@]}"
}

system_managed() { [ -d /run/systemd/system ] && systemctl cat docker.service >/dev/null 2>&1; }

start_with_systemd() {
  can_be_root || without "the service docker does not run" "sudo systemctl start docker"
  say "Docker Engine: systemctl start docker"
  logged as_root systemctl start docker || true
  wait_for_answer || true
}

# Outlives this script and the portal: the services that were deployed keep running when the portal stops.
start_own() {
  can_be_root || without "none runs, and starting one needs root" "sudo dockerd --group $(id -gn) &"
  local log=$STATE/log/dockerd.log
  say "Docker Engine: starting dockerd, log in $log"
  mount_cgroups
  # A session of its own, sudo included: Ctrl-C in this terminal is not meant for it.
  local launch=(setsid)
  [ "$(id -u)" = 0 ] || launch+=(sudo -n)
  # live-restore: containers survive the end of the engine itself. The pool: as set out of the box there are addresses
  # for 31 networks, and every project and rehearsal has one of its own.
  "${launch[@]}" dockerd --live-restore --group "$(id -gn)" --default-address-pool base=172.16.0.0/12,size=24 </dev/null >>"$log" 2>&1 &
  wait_for_answer $! && return
  without "dockerd does not start here ($(why_not "$log"))" \
    "use a machine or container that may run it (root with CAP_SYS_ADMIN and CAP_NET_ADMIN), or set DOCKER_HOST to an engine elsewhere"
}

why_not() {
  sed -n 's/.*failed to start daemon: //p' "$1" | tail -n 1 | cut -c -400
}

mount_cgroups() {
  ! mountpoint -q /sys/fs/cgroup || return 0
  logged as_root mount -t cgroup2 none /sys/fs/cgroup || true
}

# A user with password-less sudo may do all that the group docker may; without it they have to be told.
join_group() {
  can_be_root || without "this user may not use it" "sudo usermod -aG docker $(id -un), then sign in again"
  id -nG "$(id -un)" | grep -qw docker || {
    say "Docker Engine: adding $(id -un) to the group docker"
    logged as_root usermod -aG docker "$(id -un)"
  }
}

denied() { case "$(ask || true)" in *"permission denied"*) ;; *) false ;; esac; }

ready() {
  rm -f "$MISSING"
  exit 0
}

main() {
  ! answers || ready
  [ -z "${DOCKER_HOST:-}" ] || without "none answers at DOCKER_HOST ($DOCKER_HOST)" "start it, or unset DOCKER_HOST"
  have docker && { [ -S "$SOCKET" ] || have dockerd; } || install_engine ||
    without "none is installed" "$(to_install docker.io iptables)"
  ! system_managed || start_with_systemd
  if denied; then join_group && ready; fi
  ! answers || ready
  ! system_managed || without "the service docker does not start" "look at: systemctl status docker"
  start_own
  ready
}
main
