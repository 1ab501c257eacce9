"""The ledger of image digests: registering, approving, and taking out of use. Every change has its audit event."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.utils import timezone

from deploy_records import audit
from deploy_records.audit import Actor, Event, about
from deploy_records.errors import Invalid, Refused
from deploy_records.lookup import find as find  # the ledger's questions are asked here, too
from deploy_records.lookup import find_by_image as find_by_image
from deploy_records.lookup import get as get
from deploy_records.lookup import repositories_of as repositories_of
from deploy_records.models import Approval, Deployment, ImageDigest, LedgerState, Outcome, PlatformImage
from deploy_records.people import Person, holds, require
from deploy_records.rules import approval as approval_rules
from deploy_records.rules import gate
from deploy_records.rules.approval import Who
from deploy_records.rules.digest import parse_digest, parse_repository, parse_tag, shown
from deploy_records.rules.words import checked_words
from deploy_records.verdict import MAY_APPROVE, case_of

MAY_REGISTER = "deploy_records.register_digest"
MAY_DEPRECATE = "deploy_records.deprecate_digest"
MAY_REVOKE = "deploy_records.revoke_digest"

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


@dataclass(frozen=True)
class Result:
    """What a change led to, in one sentence for the person, and where the digest still runs."""

    entry: ImageDigest
    sentence: str
    runs_on: tuple[str, ...] = ()


def register(
    image: Resolved, by: Person, *, address: str = "", job: int | None = None, is_demo: bool = False
) -> ImageDigest:
    """The ledger's entry for `image`: a new candidate, or the known one with its tag noted."""
    person = require(by, MAY_REGISTER, "Registering a digest")
    return _enter(image, person, Actor.of(person, address), "digest.registered", job, is_demo=is_demo)


def register_found(image: Resolved, by: User, *, job: int | None = None, is_demo: bool = False) -> ImageDigest:
    """Enters what was found running when a service is put under management. It takes no permission of its own,
    as it allows nothing: the entry is a candidate."""
    return _enter(image, by, Actor.of(by), "digest.found", job, is_demo=is_demo)


def approve(
    entry: ImageDigest, by: Person, comment: str = "", *, address: str = "", comment_needed: bool = False
) -> Approval:
    """One person's yes. With enough of them the digest is approved, and known good if it has run healthy."""
    person = require(by, MAY_APPROVE, "Approving a digest")
    comment = checked_words("The comment", comment, required=comment_needed)
    actor = Actor.of(person, address)
    with audit.changing():
        now = _fresh(entry)
        _answer_to_approve(now, person).or_refuse()
        given = Approval.objects.create(entry=now, by=person, comment=comment)
        audit.record(actor, Event("digest.approved", **about(now), reason=comment))
        if len(case_of(now).counted()) >= gate.DEFAULT_NEEDED and now.state == LedgerState.CANDIDATE:
            _move(now, LedgerState.APPROVED, actor)
        if _ran_healthy(now):
            _become_known_good(now, actor)
    return given


def may_approve(entry: ImageDigest, by: Person) -> approval_rules.Answer:
    """For pages: whether this person may approve now, and why not."""
    if not isinstance(by, User):
        return approval_rules.Answer(False, "Sign in to approve.", "not-allowed")
    return _answer_to_approve(entry, by)


def withdraw(approval: Approval, by: Person, why: str, *, address: str = "") -> Result:
    """One's own yes taken back. Without enough others, an approved digest is a candidate again."""
    person = require(by, MAY_APPROVE, "Withdrawing an approval")
    why = checked_words("The reason", why, required=True, most=300)
    actor = Actor.of(person, address)
    with audit.changing():
        given = Approval.objects.select_related("entry", "by").get(pk=approval.pk)
        approval_rules.may_withdraw(
            _who(person), holds_role=True, approved_by=_who(given.by), has_ended=given.ended_at is not None
        ).or_refuse()
        entry = given.entry
        _end_approvals(entry, why, pk=given.pk)
        audit.record(actor, Event("approval.withdrawn", **about(entry), reason=why))
        if entry.state == LedgerState.APPROVED and len(case_of(entry).counted()) < gate.DEFAULT_NEEDED:
            _move(entry, LedgerState.CANDIDATE, actor, reason=why)
    return _result(entry, "Your approval is withdrawn.")


def deprecate(entry: ImageDigest, by: Person, note: str, *, address: str = "") -> Result:
    """Marks a digest as faulty. Its approvals end; it may come back by `reinstate` and a new approval."""
    person = require(by, MAY_DEPRECATE, "Deprecating a digest")
    note = checked_words("The note", note, required=True)
    return _take_out(entry, LedgerState.DEPRECATED, note, Actor.of(person, address))


def deprecate_by_rollback(entry: ImageDigest, by: User, note: str, *, job: int) -> Result:
    """What a rollback does to the digest it leaves, in the name of who asked for the rollback. Safe to repeat."""
    now = _fresh(entry)
    if now.state in {LedgerState.DEPRECATED, LedgerState.REVOKED}:
        return _result(now, "It is out of use already.")
    return _take_out(now, LedgerState.DEPRECATED, note, Actor.of(by), job=job)


def revoke(entry: ImageDigest, by: Person, reason: str, *, address: str = "") -> Result:
    """Forbids a digest for good."""
    person = require(by, MAY_REVOKE, "Revoking a digest")
    reason = checked_words("The reason", reason, required=True)
    return _take_out(entry, LedgerState.REVOKED, reason, Actor.of(person, address))


def reinstate(entry: ImageDigest, by: Person, reason: str, *, address: str = "") -> Result:
    """Offers a deprecated digest again: a candidate, for somebody else to approve."""
    person = require(by, MAY_DEPRECATE, "Offering a digest again")
    reason = checked_words("The reason", reason, required=True)
    with audit.changing():
        now = _fresh(entry)
        if now.state != LedgerState.DEPRECATED:
            state = now.get_state_display().lower()
            raise Refused(f"Only a deprecated digest can be offered again; this one is {state}. Nothing was changed.")
        now.reinstated_by, now.reinstated_at = person, timezone.now()
        fields: dict[str, Any] = {"reinstated_by": person, "reinstated_at": now.reinstated_at}
        _move(now, LedgerState.CANDIDATE, Actor.of(person, address), "digest.reinstated", reason, **fields)
    return _result(now, "It is a candidate again. Somebody else has to approve it.")


def note_healthy(entry: ImageDigest, *, actor: Actor = audit.WORKER, job: int | None = None) -> bool:
    """It has run healthy: approved becomes known good. Whether that changed anything; safe to repeat."""
    with audit.changing():
        return _become_known_good(_fresh(entry), actor, job)


def note_failure(entry: ImageDigest, why: str, *, actor: Actor = audit.WORKER, job: int | None = None) -> None:
    """Marks a digest with the job that was undone. Its state stays: what failed may have been the host."""
    with audit.changing():
        now = _fresh(entry)
        kept = {LedgerState.DEPRECATED, LedgerState.REVOKED}
        note = now.note if now.state in kept else why[:2000]
        ImageDigest.objects.filter(pk=now.pk).update(failed_at=timezone.now(), note=note)
        audit.record(actor, Event("digest.failed", **about(now), reason=why[:2000], job=job))


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


def _take_out(entry: ImageDigest, to: LedgerState, note: str, actor: Actor, job: int | None = None) -> Result:
    with audit.changing():
        now = _fresh(entry)
        if now.state == to or now.state == LedgerState.REVOKED:
            state = now.get_state_display().lower()
            raise Refused(f"This digest is {state} already. Nothing was changed.", code="already-out")
        _end_approvals(now, f"The digest was {to.label.lower()}.")
        _move(now, to, actor, f"digest.{to.value}", note, job, note=note)
    return _result(now, f"{to.label}.")


def _end_approvals(entry: ImageDigest, why: str, **only: Any) -> None:
    Approval.objects.filter(entry=entry, ended_at__isnull=True, **only).update(ended_at=timezone.now(), ended_because=why)


def _become_known_good(entry: ImageDigest, actor: Actor, job: int | None = None) -> bool:
    if entry.state != LedgerState.APPROVED:
        return False
    since = entry.known_good_at or timezone.now()
    _move(entry, LedgerState.KNOWN_GOOD, actor, "digest.known-good", job=job, known_good_at=since)
    return True


def _ran_healthy(entry: ImageDigest) -> bool:
    """Whether it ran healthy, and that since it was last offered again."""
    ran = Deployment.objects.filter(entry=entry, healthy_at__isnull=False).exclude(outcome=Outcome.UNDONE)
    return (ran.filter(healthy_at__gte=entry.reinstated_at) if entry.reinstated_at else ran).exists()


def _move(  # noqa: PLR0913 - one place for all changes of state
    entry: ImageDigest, to: LedgerState, actor: Actor, action: str = "digest.state", reason: str = "",
    job: int | None = None, **fields: Any,
) -> None:  # fmt: skip
    """Changes the state if it still is what `entry` says, and writes the event."""
    changed = ImageDigest.objects.filter(pk=entry.pk, state=entry.state).update(state=to, **fields)
    if changed != 1:
        raise Refused("Somebody else changed this digest in the same moment. Look again. Nothing was changed.")
    changes = {"state": [entry.state, to.value]}
    audit.record(actor, Event(action, **about(entry), reason=reason, job=job, changes=changes))
    for name, value in {"state": to.value, **fields}.items():
        setattr(entry, name, value)


def _fresh(entry: ImageDigest) -> ImageDigest:
    return ImageDigest.objects.select_related("registered_by", "reinstated_by").get(pk=entry.pk)


def _answer_to_approve(entry: ImageDigest, person: User) -> approval_rules.Answer:
    valid = Approval.objects.filter(entry=entry, ended_at__isnull=True).select_related("by")
    return approval_rules.may_approve(
        _who(person),
        holds_role=holds(person, MAY_APPROVE),
        state=entry.state,
        registered_by=_who(entry.registered_by),
        offered_again_by=_who(entry.reinstated_by) if entry.reinstated_by else None,
        approved_by=[_who(one.by) for one in valid],
    )


def _who(person: User) -> Who:
    return Who(person.pk, person.get_username(), person.email)


def _result(entry: ImageDigest, sentence: str) -> Result:
    running = Deployment.objects.filter(entry=entry, ended_at__isnull=True).order_by("service", "host")
    places = tuple(f"{one.service} on {one.host}" for one in running)
    still = f" It still runs as {', '.join(places)}: nothing there was changed." if places else ""
    return Result(entry, sentence + still, places)
