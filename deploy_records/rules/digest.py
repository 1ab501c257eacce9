"""What a digest and an image reference look like. Pure.

The grammar is that of the OCI distribution specification, narrowed: SHA-256 only,
lower case, and always pinned by digest.
"""

import re
from dataclasses import dataclass

from deploy_records.errors import Invalid
from deploy_records.rules.words import cannot_be_seen, named

_MOST_CHARACTERS = 512
_LONGEST_REPOSITORY = 255
_HEX_DIGITS = 64
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_BARE_HEX = re.compile(r"[0-9a-f]{64}")
_HOST = r"(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*|\[[0-9a-f:]+\])(?::[0-9]{1,5})?"
_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REPOSITORY = re.compile(rf"(?:{_HOST}/)?{_PART}(?:/{_PART})*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_FLOATING = frozenset({"latest", "main", "master", "edge", "nightly", "stable"})
_HUB = "docker.io"

_DIGEST_LOOKS = "A digest looks like sha256: followed by 64 characters 0-9 a-f, all lower case."
_REPOSITORY_LOOKS = "A repository looks like ghcr.io/owner/name, in lower case."
_UNCHANGED = "Nothing was changed."


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
    if _DIGEST.fullmatch(text):
        return text
    _refuse_foreign_text("digest", text, _DIGEST_LOOKS)
    raise _invalid(f"{_wrong_with_digest(text)} {_DIGEST_LOOKS}")


def parse_repository(text: str) -> str:
    """`text` as a repository name without tag and digest, or `Invalid`. Docker Hub's names come back in their short
    form, as engines show them: `docker.io/library/redis` is `redis`.
    """
    _refuse_foreign_text("repository", text, _REPOSITORY_LOOKS, _LONGEST_REPOSITORY)
    if _BARE_HEX.fullmatch(text):
        raise _invalid(f"{shown(text)} is an image ID or a bare digest, not a repository. {_REPOSITORY_LOOKS}")
    if not _REPOSITORY.fullmatch(text):
        raise _invalid(f"{_wrong_with_repository(text)} {_REPOSITORY_LOOKS}")
    return _short_form(text)


def parse_tag(text: str) -> str:
    """`text` as a tag, or `Invalid`."""
    if not _TAG.fullmatch(text):
        raise _invalid(f"{shown(text)} is not a tag: letters, digits, dot, dash and underscore, at most 128.")
    return text


def parse_reference(text: str) -> Reference:
    """`repository[:tag][@sha256:…]` taken apart, or `Invalid` that says which part is wrong."""
    looks = f"A reference looks like ghcr.io/owner/name@sha256:…, with the digest's {_HEX_DIGITS} characters."
    _refuse_foreign_text("reference", text, looks)
    if text.startswith("sha256:"):
        raise _invalid(f"{shown(text)} is a digest alone. Put the repository and an @ in front of it. {looks}")
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
        names = f"names the tag {reference.tag}" if reference.tag else "names no digest, which means the tag latest"
        raise _invalid(
            f"{shown(text)} {names}, and a tag can move. Pin by digest: {shown(f'{reference.repository}@sha256:')}"
            " followed by its 64 characters."
        )
    return reference


def is_floating(tag: str) -> bool:
    """Whether a tag is made to move. Such tags are refused as the label of a pin."""
    return tag in _FLOATING or tag.startswith("branch-")


def registry_of(repository: str) -> str:
    """The registry's host[:port]; Docker Hub when the first part is no host name."""
    first, slash, _ = repository.partition("/")
    return first if slash and _is_host(first) else _HUB


def _refuse_foreign_text(what: str, text: str, looks: str, most: int = _MOST_CHARACTERS) -> None:
    """The faults that any of the texts can have: too long, blank, spaces, options, characters that are not seen."""
    if not text.strip():
        raise _invalid(f"No {what} was given. {looks}")
    if len(text) > most:
        raise _invalid(f"This {what} has {len(text):,} characters; none is longer than {most}. {looks}")
    for place, character in enumerate(text, start=1):
        if cannot_be_seen(character) or character.isspace():
            name = "a space" if character == " " else named(character)
            raise _invalid(f"This {what} has {name} at place {place}, which does not belong there: {shown(text)}. {looks}")
    if text.startswith("-"):
        raise _invalid(f"{shown(text)} begins with a dash like an option of a command; a {what} does not. {looks}")


def _wrong_with_digest(text: str) -> str:
    name, _colon, hexes = text.rpartition(":")
    if "@" in text:
        return f"{shown(text)} is more than a digest. Give only what follows the @."
    if _BARE_HEX.fullmatch(text):
        return "This digest lacks sha256: in front of it."
    if re.fullmatch(r"sha[0-9]+", name.lower()):
        return _wrong_with_hexes(name, hexes)
    return f"{shown(text)} is not a digest; a tag can move, so pin by digest."


def _wrong_with_hexes(name: str, hexes: str) -> str:
    if name.lower() != "sha256":
        return f"Only SHA-256 digests are kept; this one says {shown(name)}."
    odd = next((character for character in hexes if character not in "0123456789abcdefABCDEF"), "")
    if odd:
        return f"This digest has {shown(odd)} in it, which is not one of 0-9 a-f."
    if len(hexes) != _HEX_DIGITS:
        return f"This digest has {len(hexes)} characters after sha256:, it needs {_HEX_DIGITS}."
    return "This digest has upper-case letters. Registries write it in lower case; copy it from there."


def _wrong_with_repository(text: str) -> str:
    if "://" in text:
        return f"{shown(text)} is a web address. Leave out what stands before and with ://."
    if "@" in text or re.search(r":[^/]*$", text):
        return f"{shown(text)} is more than a repository. Leave out the tag and the digest."
    odd = next((character for character in text if not re.match(r"[A-Za-z0-9._/:\[\]-]", character)), "")
    if odd:
        return f"{shown(text)} is not a repository name: it has {shown(odd)} in it."
    if text != text.lower():
        return f"{shown(text)} is not a repository name: it has upper-case letters."
    if ".." in text or "//" in text or text.startswith("/") or text.endswith("/"):
        return f"{shown(text)} is not a repository name: it has an empty part, or two dots in a row."
    return f"{shown(text)} is not a repository name: each part begins and ends with a letter or digit."


def _short_form(repository: str) -> str:
    host, slash, rest = repository.partition("/")
    if not slash or host not in {_HUB, f"index.{_HUB}"}:
        return repository
    official = rest.removeprefix("library/")
    return rest if "/" in official else official


def _is_host(first: str) -> bool:
    return "." in first or ":" in first or first == "localhost"


def _invalid(sentence: str) -> Invalid:
    return Invalid(f"{sentence} {_UNCHANGED}")
