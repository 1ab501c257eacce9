"""A key of a repository that opens quickly.

Restic stretches every password for half a second in every command, to protect those that people choose. Ours has 256
random bits and needs none of it. So beside the key that `init` made another is written with the least stretching, for the
same password, and the slow one is removed. Only in folders on this host: nothing but restic writes to other places.
"""

import base64
import hashlib
import json
import os
import socket
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.poly1305 import Poly1305

LEAST_PASSWORD = 32
"""Characters. A shorter one may have been chosen by a person."""
_N, _R, _P = 2, 8, 1
_USER = "known-good"


def slow_key(folder: Path, password: str) -> str:
    """The name of the repository's only key if it is slow and need not be, else empty."""
    if len(password) < LEAST_PASSWORD:
        return ""
    keys = [path for path in (folder / "keys").iterdir() if path.is_file()]
    return keys[0].name if len(keys) == 1 and json.loads(keys[0].read_bytes())["N"] > _N else ""


def quick_key(master: dict[str, Any], password: str, now: datetime | None = None) -> tuple[str, bytes]:
    """Name and content of a file for the folder keys/. `master`: what `cat masterkey` says."""
    salt, nonce = os.urandom(64), os.urandom(16)
    # AES-256 key, then AES-128 key and r of Poly1305-AES, as restic derives them.
    derived = hashlib.scrypt(password.encode(), salt=salt, n=_N, r=_R, p=_P, dklen=64)
    content = json.dumps(
        {
            "created": (now or datetime.now(UTC)).isoformat(),
            "username": _USER,
            "hostname": socket.gethostname(),
            "kdf": "scrypt",
            "N": _N,
            "r": _R,
            "p": _P,
            "salt": base64.b64encode(salt).decode(),
            "data": base64.b64encode(_sealed(json.dumps(master).encode(), derived, nonce)).decode(),
        }
    ).encode()
    return hashlib.sha256(content).hexdigest(), content


def write_key(folder: Path, name: str, content: bytes) -> None:
    """Whole or not at all: restic reads every file in there."""
    unfinished = folder / f".{name}.tmp"
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o400)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    unfinished.rename(folder / "keys" / name)


def _sealed(plain: bytes, derived: bytes, nonce: bytes) -> bytes:
    encryption, mac_k, mac_r = derived[:32], derived[32:48], derived[48:]
    encryptor = Cipher(algorithms.AES(encryption), modes.CTR(nonce)).encryptor()
    sealed = encryptor.update(plain) + encryptor.finalize()
    aes = Cipher(algorithms.AES(mac_k), modes.ECB()).encryptor()  # noqa: S305 - one block: how Poly1305-AES makes its s
    return nonce + sealed + Poly1305.generate_tag(mac_r + aes.update(nonce), sealed)
