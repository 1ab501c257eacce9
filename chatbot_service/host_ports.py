"""Is a port of this machine taken? Found out by asking the kernel for it."""

import errno
import socket


def is_taken(port: str) -> bool:
    """`address:number/protocol`. False as well where it cannot be told: a range, a low port, another machine's address."""
    address, _, rest = port.rpartition(":")
    number, _, protocol = rest.partition("/")
    if not number.isdigit():
        return False
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    kind = socket.SOCK_DGRAM if protocol == "udp" else socket.SOCK_STREAM
    try:
        with socket.socket(family, kind) as plug:
            plug.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, int(kind is socket.SOCK_STREAM))
            plug.bind((address.strip("[]"), int(number)))
    except (OSError, OverflowError) as error:
        return getattr(error, "errno", None) == errno.EADDRINUSE
    return False
