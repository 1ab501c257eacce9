"""Keeps the secrets of a container's environment out of what it says. Pure.

A value counts as secret by the name of its variable, and the password in an address whatever its variable is called.
Short values are left: masking `on` or `8000` would make a log unreadable and keep nothing.
"""

import re
from collections.abc import Iterable, Mapping
from urllib.parse import unquote, urlsplit

_TELLING = re.compile(
    r"(?i)key|token|secret|passw|passphrase|pwd|credential|auth|private|cookie|salt|signature|session|webhook|dsn|connection_?string"
)
LEAST_CHARACTERS = 6


def secrets_of(environment: Iterable[str]) -> dict[str, str]:
    """Value → name of its variable, from lines NAME=value."""
    found: dict[str, str] = {}
    for line in environment:
        name, _, value = line.partition("=")
        for secret in (value if _TELLING.search(name) else "", *_passwords(value)):
            for one in (secret, *secret.splitlines()):
                if len(one.strip()) >= LEAST_CHARACTERS:
                    found[one.strip()] = name
    return found


def masked(text: str, secrets: Mapping[str, str]) -> str:
    """With each secret replaced by the name of its variable in brackets; the longest first, as one may hold another."""
    if not any(secret in text for secret in secrets):
        return text
    longest_first = sorted(secrets, key=len, reverse=True)
    pattern = re.compile("|".join(re.escape(secret) for secret in longest_first))
    return pattern.sub(lambda found: f"[{secrets[found[0]]}]", text)


def _passwords(value: str) -> tuple[str, ...]:
    try:
        password = urlsplit(value).password or ""
    except ValueError:
        return ()
    return (password, unquote(password))
