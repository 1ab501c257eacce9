#!/usr/bin/env bash
# For the tests alone: finds rclone, which serves restic repositories over HTTP, or takes it out of its Debian or Ubuntu
# package into the state folder. One test is left out without it.
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/packages.sh"

TARGET=$STATE/bin/rclone

if have rclone || [ -x "$TARGET" ]; then exit; fi
components=main
[ "$(distribution)" != ubuntu ] || components="main universe"
say "rclone: taking it out of its $(distribution) package into $TARGET"
unpack_from rclone "$(codename)" "$components" '*/bin/rclone' "$TARGET" ||
  say "rclone: could not be had; the details are in $LOG"
