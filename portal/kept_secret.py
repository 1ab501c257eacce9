"""Secrets that are made at the first start and kept in the state folder."""

import base64
import os
import secrets
from pathlib import Path


def kept_secret(file: Path, *, fernet: bool = False) -> str:
    """The secret in `file`, made now if there is none; mode 0600, and safe when several processes start at once."""
    if not file.exists():
        made = _fernet_key() if fernet else secrets.token_urlsafe(48)
        fresh = file.with_name(f".{file.name}.{os.getpid()}")
        fresh.touch(mode=0o600)
        fresh.write_text(made)
        try:
            os.link(fresh, file)  # fails if another process was first: then that one's secret holds
        except FileExistsError:
            pass
        finally:
            fresh.unlink()
    return file.read_text().strip()


def _fernet_key() -> str:
    """As Fernet makes it; every process reads the settings, and few need the library behind it."""
    return base64.urlsafe_b64encode(os.urandom(32)).decode()
