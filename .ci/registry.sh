#!/usr/bin/env bash
# Finds a registry server, or takes it out of its Debian or Ubuntu package into the state folder.
# It is not installed as a package: that would start a system-wide registry on the same port.
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/packages.sh"

TARGET=$STATE/bin/docker-registry

if have docker-registry || [ -x "$TARGET" ]; then exit; fi
components=main
[ "$(distribution)" != ubuntu ] || components="main universe"
say "image registry: taking it out of its $(distribution) package into $TARGET"
unpack_from docker-registry "$(codename)" "$components" '*/bin/docker-registry' "$TARGET" ||
  say "image registry: could not be had; the details are in $LOG"
