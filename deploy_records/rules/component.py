"""What an exception's component names, and whether a finding is in it. Pure.

Two forms: a package URL, which names a package wherever it is found (`pkg:pypi/starlette`, with or without version), or
an image pattern, which names every package of the images it fits (`ghcr.io/acme/*`, `*/personal-chatbot:1.9.*`).
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from packageurl import PackageURL

from deploy_records.errors import Invalid
from deploy_records.rules.digest import shown
from deploy_records.rules.words import cannot_be_seen, named

MOST_CHARACTERS = 500
_LOOKS = "A component is a package URL such as pkg:pypi/starlette@0.49.0, or an image pattern such as ghcr.io/acme/bot."
_FEWEST_LETTERS = 3
"""In one piece, of the repository's name. A digest that is named in full says enough by itself."""
_WHOLE_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a finding is: an image, by all the digests it is known under, and the service that runs it, if one does."""

    repository: str = ""
    digests: frozenset[str] = frozenset()
    service: str = ""
    tags: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """What an image pattern may fit: the repository, alone, with a tag, or with a digest."""
        if not self.repository:
            return ()
        tagged = (f"{self.repository}:{tag}" for tag in self.tags)
        return (self.repository, *tagged, *(f"{self.repository}@{digest}" for digest in sorted(self.digests)))


def is_purl(component: str) -> bool:
    return component[:4].lower() == "pkg:"


def checked_component(text: str) -> str:
    """`text` as a component in its plain form, or `Invalid`."""
    kept = text.strip()
    if not kept:
        raise Invalid(f"No component is named. {_LOOKS}")
    if len(kept) > MOST_CHARACTERS:
        raise Invalid(f"The component has {len(kept):,} characters; none is longer than {MOST_CHARACTERS}. {_LOOKS}")
    for place, character in enumerate(kept, start=1):
        if cannot_be_seen(character) or character.isspace():
            name = "a space" if character == " " else named(character)
            raise Invalid(f"The component has {name} at place {place}, which does not belong there: {shown(kept)}. {_LOOKS}")
    if is_purl(kept):
        return _checked_purl(kept)
    return _checked_pattern(kept)


def covers(component: str, purl: str, place: Place) -> bool:
    """Whether a finding in the package `purl`, at `place`, is in what `component` names. The repository is looked at by
    itself as well: a star stands for none of the words that every digest has, such as sha256.
    """
    return _covers_package(component, purl) if is_purl(component) else is_image(component, place)


def is_image(component: str, place: Place) -> bool:
    """Whether the image at `place` is one of those that an image pattern names."""
    return fits(_of_repository(component), place.repository) and any(fits(component, name) for name in place.names)


def fits(pattern: str, name: str) -> bool:
    """Whether an image's name is of the pattern, in which `*` stands for any characters. Takes no longer than both are."""
    first, *rest = pattern.split("*")
    if not rest:
        return pattern == name
    if not name.startswith(first):
        return False
    at = len(first)
    for part in rest[:-1]:
        found = name.find(part, at)
        if found < 0:
            return False
        at = found + len(part)
    return name.endswith(rest[-1]) and len(name) - len(rest[-1]) >= at


def _of_repository(pattern: str) -> str:
    """The pattern without what it says of a tag or a digest."""
    head, slash, last = pattern.partition("@")[0].rpartition("/")
    return head + slash + last.partition(":")[0]


def _covers_package(component: str, purl: str) -> bool:
    wanted, found = _parsed(component), _parsed(purl)
    if wanted is None or found is None:
        return False
    same = (wanted.type, wanted.namespace, wanted.name) == (found.type, found.namespace, found.name)
    version = not wanted.version or wanted.version == found.version
    narrowed = _pairs(wanted.qualifiers) <= _pairs(found.qualifiers)
    return same and version and narrowed and (not wanted.subpath or wanted.subpath == found.subpath)


@lru_cache(maxsize=4096)
def _parsed(purl: str) -> PackageURL | None:
    try:
        return PackageURL.from_string(purl)
    except ValueError:
        return None


def parsed_purl(component: str) -> PackageURL | None:
    """The package URL that a component is, or None for an image pattern."""
    return _parsed(component) if is_purl(component) else None


def _pairs(qualifiers: object) -> set[tuple[str, str]]:
    items: Iterable[tuple[str, str]] = qualifiers.items() if isinstance(qualifiers, dict) else ()
    return set(items)


def _checked_purl(text: str) -> str:
    try:
        plain = PackageURL.from_string(text).to_string()
    except ValueError as error:
        raise Invalid(f"{shown(text)} is not a package URL. {_LOOKS}") from error
    if "*" in plain or "%2A" in plain.upper():
        raise Invalid(f"{shown(text)} has a *, which a package URL does not know. Leave the version out to name all versions.")
    return plain


def _checked_pattern(text: str) -> str:
    letters = max(sum(character.isalnum() for character in part) for part in _of_repository(text).split("*"))
    if letters < _FEWEST_LETTERS and not _WHOLE_DIGEST.fullmatch(text.partition("@")[2]):
        raise Invalid(f"{shown(text)} fits almost every image. Name at least a part of the image. {_LOOKS}")
    return text
