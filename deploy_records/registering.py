"""Entering images into the ledger, by what their registry says of them."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User

from deploy_records import audit, scan_matching
from deploy_records.audit import Actor, Event, about
from deploy_records.errors import Invalid, Refused
from deploy_records.models import ImageDigest, PlatformImage
from deploy_records.people import Person, require
from deploy_records.rules.digest import parse_digest, parse_repository, parse_tag, shown

MAY_REGISTER = "deploy_records.register_digest"

_MOST_TAGS = 50
_MOST_PLATFORMS = 64
_PLATFORM = re.compile(r"[a-z0-9]+/[a-z0-9_]+(?:/[a-z0-9]+)?")


@dataclass(frozen=True)
class Platform:
    """One platform of an image, as its registry says. `size`: bytes of the compressed layers."""

    platform: str
    manifest_digest: str
    config_digest: str
    size: int = 0


@dataclass(frozen=True)
class Resolved:
    """An image as its registry says. `digest` is the index if there is one, else the manifest."""

    repository: str
    digest: str
    platforms: tuple[Platform, ...]
    is_index: bool = False
    tag: str = ""
    built_at: datetime | None = None


def register(image: Resolved, by: Person, *, address: str = "", job: int | None = None, is_demo: bool = False) -> ImageDigest:
    """The ledger's entry for `image`: a new candidate, or the known one with its tag noted."""
    person = require(by, MAY_REGISTER, "Registering a digest")
    return _enter(image, person, Actor.of(person, address), "digest.registered", job, is_demo=is_demo)


def register_found(image: Resolved, by: User, *, job: int | None = None, is_demo: bool = False) -> ImageDigest:
    """Enters what was found running when a service is put under management. It takes no permission of its own,
    as it allows nothing: the entry is a candidate.
    """
    return _enter(image, by, Actor.of(by), "digest.found", job, is_demo=is_demo)


def _enter(image: Resolved, person: User, actor: Actor, action: str, job: int | None, *, is_demo: bool) -> ImageDigest:
    _check(image)
    repository = parse_repository(image.repository)
    with audit.changing():
        entry = ImageDigest.objects.filter(repository=repository, digest=image.digest).first()
        if entry is not None:
            _refuse_other_content(entry, image)
            _note_tag(entry, image.tag, actor, job)
            return entry
        entry = ImageDigest.objects.create(
            repository=repository, digest=image.digest, is_index=image.is_index, registered_by=person,
            tags=[image.tag] if image.tag else [], built_at=image.built_at, is_demo=is_demo,
        )  # fmt: skip
        PlatformImage.objects.bulk_create(PlatformImage(entry=entry, **vars(one)) for one in image.platforms)
        changes: dict[str, Any] = {"state": [None, entry.state], "platforms": [None, [p.platform for p in image.platforms]]}
        if image.tag:
            changes["tag"] = [None, image.tag]
        audit.record(actor, Event(action, **about(entry), job=job, changes=changes))
        scan_matching.adopt_quarantined(entry, actor, job)
        return entry


def _check(image: Resolved) -> None:
    parse_digest(image.digest)
    if image.tag:
        parse_tag(image.tag)
    if not 1 <= len(image.platforms) <= _MOST_PLATFORMS:
        raise Invalid(f"An image has 1 to {_MOST_PLATFORMS} platforms; this one names {len(image.platforms)}.")
    for one in image.platforms:
        parse_digest(one.manifest_digest)
        parse_digest(one.config_digest)
        if not _PLATFORM.fullmatch(one.platform):
            raise Invalid(f"{shown(one.platform)} is not a platform. One looks like linux/amd64 or linux/arm/v7.")
    if not image.is_index and [one.manifest_digest for one in image.platforms] != [image.digest]:
        raise Invalid("An image without an index has one platform, and its manifest digest is the digest itself.")


def _refuse_other_content(entry: ImageDigest, image: Resolved) -> None:
    """One digest is one content: whatever says otherwise is damaged or forged."""
    known = set(entry.platforms.values_list("platform", "manifest_digest", "config_digest"))
    said = {(one.platform, one.manifest_digest, one.config_digest) for one in image.platforms}
    if known != said or entry.is_index != image.is_index:
        raise Refused(
            f"{entry.reference} is in the ledger with other contents than the registry says now. A digest cannot "
            "change its contents: check the registry. Nothing was changed.",
            code="other-content",
        )


def _note_tag(entry: ImageDigest, tag: str, actor: Actor, job: int | None) -> None:
    if not tag or (entry.tags and entry.tags[-1] == tag):
        return
    before = entry.tags
    entry.tags = [*(known for known in before if known != tag), tag][-_MOST_TAGS:]
    entry.save(update_fields=["tags"])
    audit.record(actor, Event("digest.tagged", **about(entry), job=job, changes={"tags": [before, entry.tags]}))
