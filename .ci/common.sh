# Sourced by every script here: where things are, how to speak, how to become root.
# shellcheck shell=bash
set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
STATE=$(realpath -m "${KG_STATE_DIR:-$ROOT/var}")
[ -z "${KG_STATE_DIR:-}" ] || export KG_STATE_DIR=$STATE
LOG=$STATE/log/setup.log
export DEBIAN_FRONTEND=noninteractive
# Debian keeps dockerd, debootstrap and iptables where an ordinary user's PATH does not look.
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
export HOME=${HOME:-$(getent passwd "$(id -u)" | cut -d: -f6)}
mkdir -p "$STATE/log" "$STATE/bin"

say() { printf '· %s\n' "$*"; }

# give_up WHAT WHY DO: one message, three sentences, no trace.
give_up() {
  printf '\n✗ %s\n  Why: %s\n  To do: %s\n' "$1" "$2" "$3" >&2
  exit 1
}

# logged COMMAND…: quiet on success; on failure the last lines are shown and the whole is in the log.
logged() {
  printf '\n$ %s\n' "$*" >>"$LOG"
  "$@" >>"$LOG" 2>&1 && return
  local code=$?
  { printf '  failed (%s): %s\n' "$code" "$*"; tail -n 8 "$LOG" | sed 's/^/    /'; } >&2
  return "$code"
}

can_be_root() { [ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null; }

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

have() { command -v "$1" >/dev/null 2>&1; }

distribution() { (. /etc/os-release && printf '%s' "${ID:-}"); }
codename() { (. /etc/os-release && printf '%s' "${VERSION_CODENAME:-}"); }

# A membership of the group docker counts from the next sign-in on; sg makes it count for one command.
enter_engine_group() {
  local socket=/var/run/docker.sock
  if [ -S "$socket" ] && [ ! -w "$socket" ] && [ -z "${KG_IN_GROUP:-}" ] && id -nG "$(id -un)" | grep -qw docker; then
    KG_IN_GROUP=1 exec sg docker -c "$(printf '%q ' "$@")"
  fi
}

# For a home folder that cannot be written: the portal looks in the usual places, not in our state folder.
name_own_compose() {
  [ ! -x "$STATE/bin/docker-compose" ] || export KG_COMPOSE_BINARY=${KG_COMPOSE_BINARY:-$STATE/bin/docker-compose}
}

# The first apt source of this machine that carries its own release's main component: "URI keyring".
apt_source() {
  apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT) $(SIGNED_BY)' 2>/dev/null |
    awk -v release="$(codename)" '$2 == release && $3 == "main" { print $1, ($4 ~ /^\//) ? $4 : ""; exit }'
}
