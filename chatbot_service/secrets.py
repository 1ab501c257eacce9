"""Secrets at rest: sealed with the key ring of the settings. What is sealed is opened by workers only."""

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings

from deploy_records.errors import Broken


def _ring() -> MultiFernet:
    """The first key seals, all open: that is how keys are rotated."""
    return MultiFernet([Fernet(key) for key in settings.SECRETS_KEY.split(",")])


def seal(plain: str) -> str:
    return _ring().encrypt(plain.encode()).decode() if plain else ""


def unseal(sealed: str) -> str:
    """Raises `Broken` when no key of the ring opens it."""
    try:
        return _ring().decrypt(sealed.encode()).decode() if sealed else ""
    except InvalidToken as error:
        raise Broken("A stored secret cannot be opened with the keys at hand. Enter it anew.") from error
