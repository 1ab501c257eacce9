#!/usr/bin/env bash
# Does the chatbot answer GET /health with 200? Exit 0: yes. Exit 1: no, with the reason in one line.
# Runs as the service's own user, reads only, starts no Python, and ends within DEADLINE seconds whatever happens.
set -u
readonly DEADLINE=2

main() {
    if [[ ${1:-} == --probe ]]; then
        probe
        return
    fi
    timeout --kill-after=0.2 "$DEADLINE" bash "${BASH_SOURCE[0]}" --probe
    case $? in
        0) return 0 ;;
        124 | 137) fail "no answer within $DEADLINE s" ;;
        *) return 1 ;;
    esac
}

probe() {
    local port=${PORT:-8000} status='' line='' last=''
    [[ $port =~ ^[0-9]{1,5}$ ]] || fail 'PORT is not a number'
    # The connection is opened in this shell; bash says itself why it failed.
    { exec 3<>"/dev/tcp/$(address)/$port"; } 2>/dev/null || fail "nothing listens on port $port"
    trap '' PIPE # a service that hangs up early is a finding, not the end of this shell
    printf 'GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' >&3 2>/dev/null
    IFS= read -r -n 200 -u 3 status 2>/dev/null || fail 'the connection was closed without an answer'
    if [[ $status == 'HTTP/1.'[01]' 200 '* ]]; then
        echo healthy
        return 0
    fi
    while IFS= read -r -n 4000 -u 3 line; do last=${line:-$last}; done 2>/dev/null # the answer's body is its last line
    status=${status%$'\r'} last=${last%$'\r'}
    fail "$status${last:+ $last}"
}

# Where the service listens, seen from inside the container.
address() {
    case ${HOST:-0.0.0.0} in
        0.0.0.0) echo 127.0.0.1 ;;
        ::) echo ::1 ;;
        *) echo "$HOST" ;;
    esac
}

fail() {
    local reason=${1//[^[:print:]]/?}
    echo "unhealthy: ${reason:0:300}"
    exit 1
}

main "$@"
