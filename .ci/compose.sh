#!/usr/bin/env bash
# Finds Docker Compose v2, or takes it out of a Debian or Ubuntu package into the state folder and ~/.docker/cli-plugins.
# It is not installed as a package: beside Debian 12's docker.io the package of a later release would remove the engine.
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/packages.sh"

PLUGIN=$STATE/bin/docker-compose
HOME_PLUGIN=${DOCKER_CONFIG:-$HOME/.docker}/cli-plugins/docker-compose

is_v2() { "$@" version --short 2>/dev/null | grep -Eq '^v?([2-9]|[1-9][0-9])\.'; }

already_there() {
  is_v2 "$PLUGIN" || { have docker && is_v2 docker compose; } || { have docker-compose && is_v2 docker-compose; }
}

unpack_plugin() {
  case "$(distribution) $(codename)" in
    "ubuntu "*) unpack_from docker-compose-v2 "$(codename)" "main universe" '*/cli-plugins/docker-compose' "$PLUGIN" ;;
    "debian bookworm") unpack_from docker-compose trixie main '*/cli-plugins/docker-compose' "$PLUGIN" ;;
    "debian "*) unpack_from docker-compose "$(codename)" main '*/cli-plugins/docker-compose' "$PLUGIN" ;;
    *) return 1 ;;
  esac
}

if ! already_there; then
  say "Docker Compose v2: taking it out of its $(distribution) package into $PLUGIN"
  unpack_plugin && is_v2 "$PLUGIN" || give_up "Docker Compose v2 could not be had." \
    "its package was not found, not reached, or does not run here; the details are in $LOG" \
    "put a Compose v2 binary at $HOME_PLUGIN and run this again."
fi
# `docker compose` typed by hand finds it as well; a plugin that is there already is not touched.
if [ -x "$PLUGIN" ] && [ ! -e "$HOME_PLUGIN" ] && mkdir -p "$(dirname "$HOME_PLUGIN")" 2>/dev/null; then
  cp "$PLUGIN" "$HOME_PLUGIN"
fi
