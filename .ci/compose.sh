#!/usr/bin/env bash
# Finds Docker Compose v2, or unpacks it from a Debian or Ubuntu package into the state folder and
# ~/.docker/cli-plugins. Needs no root and installs no package: beside Debian 12's docker.io the
# package of a later release would remove the engine.
. "$(dirname "$0")/common.sh"

PLUGIN=$STATE/bin/docker-compose
HOME_PLUGIN=${DOCKER_CONFIG:-${HOME:?}/.docker}/cli-plugins/docker-compose

is_v2() { "$@" version --short 2>/dev/null | grep -Eq '^v?([2-9]|[1-9][0-9])\.'; }

already_there() {
  is_v2 "$PLUGIN" || { have docker && is_v2 docker compose; } || is_v2 docker-compose
}

# release and package that carry v2: Ubuntu its own docker-compose-v2, Debian docker-compose from 13 on
release_with_v2() {
  case "$(distribution) $(codename)" in
    "ubuntu "*) echo "$(codename) docker-compose-v2 main universe" ;;
    "debian bookworm" | "debian bullseye") echo "trixie docker-compose main" ;;
    "debian "*) echo "$(codename) docker-compose main" ;;
    *) return 1 ;;
  esac
}

download() {
  local release package components mirror keyring scratch
  read -r release package components < <(release_with_v2) || return 1
  read -r mirror keyring < <(apt_source) || return 1
  scratch=$STATE/apt
  mkdir -p "$scratch"/{lists/partial,cache/archives/partial,unpacked,none}
  echo "deb ${keyring:+[signed-by=$keyring] }$mirror $release $components" >"$scratch/sources.list"
  # apt_source names the main archive only; Ubuntu puts newer builds into -updates.
  [ "$(distribution)" != ubuntu ] ||
    echo "deb ${keyring:+[signed-by=$keyring] }$mirror $release-updates $components" >>"$scratch/sources.list"
  local options=(
    -o "Dir::State=$scratch" -o "Dir::State::lists=$scratch/lists" -o "Dir::State::status=/var/lib/dpkg/status"
    -o "Dir::Cache=$scratch/cache" -o "Dir::Etc::sourcelist=$scratch/sources.list" -o "Dir::Etc::sourceparts=$scratch/none"
    -o Dir::Etc::preferences=/dev/null -o Dir::Etc::preferencesparts=- -o APT::Sandbox::User=
  )
  logged apt-get "${options[@]}" update || return
  (cd "$scratch" && rm -f ./*.deb && logged apt-get "${options[@]}" download "$package") || return
  logged dpkg -x "$scratch"/"$package"_*.deb "$scratch/unpacked" || return
  install -m 755 "$(find "$scratch/unpacked" -path '*cli-plugins/docker-compose' | head -n 1)" "$PLUGIN"
  rm -rf "$scratch"
}

main() {
  if ! already_there; then
    say "Docker Compose v2: unpacking it from the $(distribution) package into ${PLUGIN#"$ROOT"/}"
    download || give_up "Docker Compose v2 could not be had." \
      "the package of this release was not found or not reached; the details are in ${LOG#"$ROOT"/}" \
      "install Compose v2 by hand (docker-compose-plugin, docker-compose-v2 or a binary in ~/.docker/cli-plugins) and run this again."
    is_v2 "$PLUGIN" || give_up "The unpacked Docker Compose does not run." \
      "it needs a C library of 2.34 or newer" "use Debian 12, Ubuntu 22.04 or newer."
  fi
  # `docker compose` by hand finds it as well; a plugin that is there already is not touched.
  if [ -x "$PLUGIN" ] && [ ! -e "$HOME_PLUGIN" ]; then
    mkdir -p "$(dirname "$HOME_PLUGIN")" && cp "$PLUGIN" "$HOME_PLUGIN"
  fi
}
main
