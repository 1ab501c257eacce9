"""What a digest and an image reference look like. Pure.

The grammar is that of the OCI distribution specification, narrowed: SHA-256 only,
lower case, and always pinned by digest.
"""

import re
from dataclasses import dataclass

from deploy_records.errors import Invalid

_MOST_CHARACTERS = 512
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_HOST = r"(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*|\[[0-9a-f:]+\])(?::[0-9]{1,5})?"
_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REPOSITORY = re.compile(rf"(?:{_HOST}/)?{_PART}(?:/{_PART})*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_FLOATING = frozenset({"latest", "main", "master", "edge", "nightly", "stable"})


@dataclass(frozen=True)
class Reference:
    """`repository[:tag][@digest]`, taken apart. The tag is a label only; the digest decides."""

    repository: str
    tag: str = ""
    digest: str = ""

    @property
    def pinned(self) -> str:
        return f"{self.repository}@{self.digest}"

    def __str__(self) -> str:
        return self.repository + (f":{self.tag}" if self.tag else "") + (f"@{self.digest}" if self.digest else "")


def shown(text: str) -> str:
    """Foreign text made safe to repeat in a message: one line, printable, short."""
    clean = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text[:80])
    return f"“{clean}…”" if len(text) > 80 else f"“{clean}”"  # noqa: PLR2004 - the length just above


def parse_digest(text: str) -> str:
    """`text` as a digest, or `Invalid` that says what is wrong with it."""
    if len(text) > _MOST_CHARACTERS:
        raise Invalid(f"A digest has 71 characters; this text has {len(text):,}. Nothing was changed.")
    if _DIGEST.fullmatch(text):
        return text
    name, _, hexes = text.rpartition(":")
    looks = "A digest looks like sha256: followed by 64 characters 0-9 a-f, all lower case."
    if name != "sha256" or not re.fullmatch(r"[0-9A-Za-z]*", hexes):
        raise Invalid(f"{shown(text)} is not a digest; a tag can move, so pin by digest. {looks}")
    if len(hexes) != 64:  # noqa: PLR2004 - SHA-256 in hex
        raise Invalid(f"This digest has {len(hexes)} characters after sha256:, it needs 64. {looks}")
    raise Invalid(f"This digest has characters other than 0-9 a-f. {looks}")


def parse_repository(text: str) -> str:
    """`text` as a repository name without tag and digest, or `Invalid`."""
    if len(text) > _MOST_CHARACTERS:
        raise Invalid(f"A repository name has at most {_MOST_CHARACTERS} characters; this has {len(text):,}.")
    if not _REPOSITORY.fullmatch(text):
        raise Invalid(f"{shown(text)} is not a repository name. One looks like ghcr.io/owner/name, in lower case.")
    return text


def parse_reference(text: str) -> Reference:
    """`repository[:tag][@sha256:…]` taken apart, or `Invalid` that says which part is wrong."""
    if len(text) > _MOST_CHARACTERS:
        raise Invalid(f"A reference has at most {_MOST_CHARACTERS} characters; this has {len(text):,}.")
    name, at, digest = text.partition("@")
    head, slash, last = name.rpartition("/")
    last, colon, tag = last.partition(":")
    repository = parse_repository(head + slash + last)
    if colon:
        parse_tag(tag)
    return Reference(repository, tag, parse_digest(digest) if at else "")


def parse_pinned(text: str) -> Reference:
    """A reference that names its digest, or `Invalid`."""
    reference = parse_reference(text)
    if not reference.digest:
        raise Invalid(f"{shown(text)} names a tag, and a tag can move. Pin by digest: {reference.repository}@sha256:…")
    return reference


def parse_tag(text: str) -> str:
    """`text` as a tag, or `Invalid`."""
    if not _TAG.fullmatch(text):
        raise Invalid(f"{shown(text)} is not a tag: letters, digits, dot, dash and underscore, at most 128.")
    return text


def is_floating(tag: str) -> bool:
    """Whether a tag is made to move. Such tags are refused as the label of a pin."""
    return tag in _FLOATING or tag.startswith("branch-")


def registry_of(repository: str) -> str:
    """The registry's host[:port]; Docker Hub when the first part is no host name."""
    first, slash, _ = repository.partition("/")
    return first if slash and ("." in first or ":" in first or first == "localhost") else "docker.io"
