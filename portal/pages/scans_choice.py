"""The digest that a person chooses for a report: typed or picked, looked up in the ledger."""

from collections.abc import Sequence
from dataclasses import dataclass

from deploy_records import lookup
from deploy_records.errors import Invalid, Refused
from deploy_records.models import ImageDigest
from deploy_records.rules.digest import parse_digest, parse_pinned

_MOST_OFFERED = 50
LONGEST = 512


@dataclass(frozen=True)
class Offered:
    """One of the digests to pick from: what is typed for it, and what it is called."""

    reference: str
    label: str


def offered() -> Sequence[Offered]:
    """The newest of the ledger, for the field to suggest."""
    newest = ImageDigest.objects.order_by("-registered_at", "-pk")[:_MOST_OFFERED]
    return [Offered(one.reference, f"{one.tag or 'no tag'}, {one.get_state_display().lower()}") for one in newest]


def prefilled(number: int | None) -> str:
    """By the number of an entry, as its page links here."""
    entry = ImageDigest.objects.filter(pk=number).first() if number is not None else None
    return entry.reference if entry else ""


def chosen(typed: str) -> ImageDigest | None:
    """None for nothing typed. Raises `Invalid` or `Refused` for what is no digest of the ledger, or one of several."""
    text = typed.strip()
    if not text:
        return None
    if len(text) > LONGEST:
        raise Invalid("A digest is repository@sha256:… with 64 hex digits; this is longer. Nothing was stored.")
    if "@" in text:
        pinned = parse_pinned(text)
        return lookup.get(pinned.repository, pinned.digest)
    digest = parse_digest(text)
    repositories = lookup.repositories_of(digest)
    if len(repositories) > 1:
        raise Refused(
            f"{len(repositories)} repositories have {digest}: {', '.join(repositories)}. Say which, as "
            f"REPOSITORY@{digest}. Nothing was stored."
        )
    if not repositories:
        raise Refused(f"{digest} is not in the ledger. Register it first. Nothing was stored.", code="not-in-ledger", status=404)
    return lookup.get(repositories[0], digest)
