"""Sessions in the database, asked for by keys that could be ours only."""

from django.contrib.sessions.backends import db


class SessionStore(db.SessionStore):
    def _validate_session_key(self, key: str | None) -> bool:
        """A quoted cookie brings any character; PostgreSQL takes no NUL, not even to look for it."""
        known: bool = bool(super()._validate_session_key(key))  # type: ignore[misc]  # its stub leaves it out
        return known and key is not None and key.isascii() and key.isalnum()
