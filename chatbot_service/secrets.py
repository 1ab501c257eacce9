"""Secrets at rest: sealed with the key ring of the settings. What is sealed is opened by workers only."""

from typing import TYPE_CHECKING

from django.conf import settings

from deploy_records.errors import Broken

if TYPE_CHECKING:
    from cryptography.fernet import MultiFernet


def _ring() -> "MultiFernet":
    """The first key seals, all open: that is how keys are rotated."""
    # 7 MB in each process that loads it, and most never seal or open anything.
    from cryptography.fernet import Fernet, MultiFernet  # noqa: PLC0415 - as said

    return MultiFernet([Fernet(key) for key in settings.SECRETS_KEY.split(",")])


def seal(plain: str) -> str:
    return _ring().encrypt(plain.encode()).decode() if plain else ""


def unseal(sealed: str) -> str:
    """Raises `Broken` when no key of the ring opens it."""
    if not sealed:
        return ""
    from cryptography.fernet import InvalidToken  # noqa: PLC0415 - as above

    try:
        return _ring().decrypt(sealed.encode()).decode()
    except InvalidToken as error:
        raise Broken("A stored secret cannot be opened with the keys at hand. Enter it anew.") from error
