# Sourced after common.sh: Debian and Ubuntu packages, installed or unpacked.
# shellcheck shell=bash

APT=(apt-get -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3)

available() { apt-cache show "$1" >/dev/null 2>&1; }

# install_packages WHAT_FOR PACKAGE…: fails without a word where this user may not; `to_install` says what to type.
install_packages() {
  local what=$1
  shift
  have apt-get && can_be_root || return 1
  say "$what: installing $*"
  refresh_package_lists
  # Keeps what the owner of the machine configured; leaves out what is only recommended.
  logged as_root env DEBIAN_FRONTEND=noninteractive "${APT[@]}" install -y -q --no-install-recommends \
    -o Dpkg::Options::=--force-confold "$@"
}

to_install() {
  if have apt-get; then echo "sudo apt-get install --no-install-recommends $*"; else echo "install $* with the package manager of this system"; fi
}

refresh_package_lists() {
  have apt-get && can_be_root && [ -z "${LISTS_ARE_FRESH:-}" ] || return 0
  logged as_root "${APT[@]}" update -q || say "the package lists could not be refreshed; going on with those at hand"
  LISTS_ARE_FRESH=1
}

# unpack_from PACKAGE RELEASE "COMPONENTS" PATTERN TARGET: takes one file out of a package, without installing it and
# without root. The private configuration lets a release other than the machine's own be asked.
unpack_from() {
  local package=$1 release=$2 components=$3 pattern=$4 target=$5 mirror keyring scratch=$STATE/apt
  read -r mirror keyring < <(apt_source) || return 1
  rm -rf "$scratch"
  mkdir -p "$scratch"/{lists/partial,cache/archives/partial,unpacked,none}
  local suite
  for suite in "$release" "$release-updates"; do
    echo "deb ${keyring:+[signed-by=$keyring] }$mirror $suite $components"
  done >"$scratch/sources.list"
  local options=(
    -o "Dir::State=$scratch" -o "Dir::State::lists=$scratch/lists" -o Dir::State::status=/var/lib/dpkg/status
    -o "Dir::Cache=$scratch/cache" -o "Dir::Etc::sourcelist=$scratch/sources.list"
    -o "Dir::Etc::sourceparts=$scratch/none" -o Dir::Etc::preferences=/dev/null
    -o "Dir::Etc::preferencesparts=$scratch/none" -o APT::Sandbox::User=
  )
  logged apt-get "${options[@]}" update || return
  (cd "$scratch" && logged apt-get "${options[@]}" download "$package") || return
  logged dpkg -x "$scratch/${package}"_*.deb "$scratch/unpacked" || return
  install -m 755 "$(find "$scratch/unpacked" -path "$pattern" -type f | head -n 1)" "$target"
  rm -rf "$scratch"
}
