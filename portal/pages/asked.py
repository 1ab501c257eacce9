"""What an address asks for, made harmless before it reaches the database: printable, bounded, one of the known."""

from collections.abc import Iterable

from django.http import HttpRequest

MOST_CHARACTERS = 200


def text(request: HttpRequest, name: str) -> str:
    """What was typed into a filter. PostgreSQL takes no NUL, and nobody searches for what cannot be seen."""
    typed = request.GET.get(name, "")[:MOST_CHARACTERS]
    return "".join(character for character in typed if character.isprintable()).strip()


def one_of(request: HttpRequest, name: str, known: Iterable[str]) -> str:
    """One of the known values; anything else counts as not asked for."""
    value = request.GET.get(name, "")
    return value if value in known else ""


def number(request: HttpRequest, name: str) -> int | None:
    """A whole number that a database column can hold, or nothing."""
    value = request.GET.get(name, "")
    return int(value) if value.isascii() and value.isdigit() and len(value) <= len("999999999999999999") else None
