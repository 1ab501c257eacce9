#!/usr/bin/env bash
# Makes the image `known-good-base` from this machine's own Debian or Ubuntu packages, once, where the
# public registry that the Dockerfile's pinned base image comes from cannot be reached.
# `--always` makes it even where it can (tests want no network).
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/packages.sh"

IMAGE=known-good-base
PACKAGES=python3,python3-venv,ca-certificates,tini,bash

registry_answers() {
  python3 - <<'PYTHON'
import sys, urllib.error, urllib.request
try:
    urllib.request.urlopen("https://registry-1.docker.io/v2/", timeout=4)
except urllib.error.HTTPError as error:
    sys.exit(error.code != 401)  # 401 is how it says "I am here, sign in"
except OSError:
    sys.exit(1)
PYTHON
}

bootstrap() {
  local mirror keyring components=main
  read -r mirror keyring < <(apt_source) || return 1
  [ "$(distribution)" != ubuntu ] || components=main,universe
  logged as_root debootstrap --variant=minbase --include="$PACKAGES" --components="$components" \
    ${keyring:+--keyring="$keyring"} "$(codename)" "$1" "$mirror"
}

# For machines whose way out of the house is a proxy with a certificate of its own.
trust_extra_ca() {
  [ -n "${KG_EXTRA_CA:-}" ] || return 0
  as_root install -m 644 "$KG_EXTRA_CA" "$1/usr/local/share/ca-certificates/known-good-extra.crt" &&
    cat "$KG_EXTRA_CA" | as_root tee -a "$1/etc/ssl/certs/ca-certificates.crt" >/dev/null
}

import() {
  as_root tar -C "$1" -c --exclude=./proc/* --exclude=./sys/* --exclude=./dev/* --exclude=./var/cache/apt/* \
    --exclude=./var/lib/apt/lists/* --exclude=./usr/share/doc/* --exclude=./usr/share/man/* \
    --exclude=./usr/share/locale/* . |
    docker import --change 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8' \
      --message "from $(distribution) $(codename) packages" - "$IMAGE" >>"$LOG"
}

main() {
  if docker image inspect "$IMAGE" >/dev/null 2>&1; then return; fi
  if [ "${1:-}" != --always ] && registry_answers; then return; fi
  say "base image: making $IMAGE from $(distribution) $(codename) packages, about a minute, once"
  have debootstrap || install_packages "debootstrap" debootstrap ||
    give_up "The base image cannot be made." "debootstrap is missing and may not be installed by this user" \
      "$(to_install debootstrap), then run this again"
  can_be_root || give_up "The base image cannot be made." "debootstrap needs root" "run once as root: .ci/base-image.sh"
  local tree
  tree=$(as_root mktemp -d "${TMPDIR:-/tmp}/$IMAGE.XXXXXX")
  trap "as_root rm -rf --one-file-system '$tree'" EXIT
  as_root chmod 755 "$tree"
  # Once more where a download failed: what is there already is not fetched again.
  { { bootstrap "$tree/root" || bootstrap "$tree/root"; } && trust_extra_ca "$tree/root" && import "$tree/root"; } ||
    give_up "The base image could not be made." "see the last lines above and $LOG" \
      "check that the package mirror is reachable, then run this again."
}
main "$@"
