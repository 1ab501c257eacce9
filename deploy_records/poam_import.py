"""Taking a repository's poam.yaml over into the ledger: all of it or nothing, and holding the two side by side."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from django.contrib.auth.models import User
from django.utils import timezone

from deploy_records import audit
from deploy_records.audit import Actor, Event, about
from deploy_records.errors import Invalid, Refused
from deploy_records.models import PoamGrant, PoamItem, PoamState
from deploy_records.models.poam import ENDED
from deploy_records.people import Person, require
from deploy_records.poam_entries import entry_of, whole
from deploy_records.poam_extending import asked_for
from deploy_records.poam_files.comparing import Drift, drift
from deploy_records.poam_files.entry import Entry, number_in, same_id
from deploy_records.poam_files.planning import Deed, Known, Plan, Step, plan
from deploy_records.poam_files.reading import PoamFile, read, refusal
from deploy_records.poam_files.tree import Problem
from deploy_records.poam_items import MAY_REQUEST, add_comment, create, end, move, rewrite
from deploy_records.rules.digest import parse_repository
from deploy_records.rules.exceptions import DEFAULT_LIMITS, Limits
from deploy_records.rules.words import checked_words

_NOT_NAMED = "somebody whom the file does not name"


@dataclass(frozen=True)
class Source:
    """A file. `repository`: what its entries are for where they do not say; `committer`: who approved it in Git, if known."""

    data: bytes
    name: str = "poam.yaml"
    repository: str = ""
    committer: str = ""

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()


def parsed(source: Source) -> PoamFile:
    """The file as it is meant for its repository, or `Invalid` with every problem and its line."""
    repository = parse_repository(source.repository) if source.repository else ""
    file = read(source.data).or_refuse(source.name)
    return replace(file, entries=tuple(_for(entry, repository) for entry in file.entries))


def preview(source: Source, *, limits: Limits = DEFAULT_LIMITS, trusted: bool = False, now: datetime | None = None) -> Plan:
    """What taking it over would do. Changes nothing."""
    return _planned(source, parsed(source), limits, now or timezone.now(), trusted=trusted)


@dataclass(frozen=True)
class Looked:
    """What a file says beside the ledger. With problems nothing of it can be taken over; `drift` is what could be read."""

    file: PoamFile
    plan: Plan
    problems: tuple[Problem, ...]
    drift: Drift


def look(source: Source, *, limits: Limits = DEFAULT_LIMITS, trusted: bool = False, now: datetime | None = None) -> Looked:
    """For pages: all that is to be known before a file is taken over. Refuses only a repository that is none."""
    at, repository = now or timezone.now(), parse_repository(source.repository) if source.repository else ""
    file = read(source.data)
    if file.problems:
        return Looked(file, Plan((), ()), tuple(sorted(file.problems, key=lambda one: one.line)), Drift())
    made = plan([_for(entry, repository) for entry in file.entries], _ledger(), at, limits=limits, trusted=trusted)
    return Looked(file, made, tuple(sorted(made.problems, key=lambda one: one.line)), compare(source, now=at))


def bring_in(
    source: Source, by: Person, *, address: str = "", limits: Limits = DEFAULT_LIMITS, trusted: bool = False,
    seen: str | None = None, now: datetime | None = None,
) -> Plan:  # fmt: skip
    """Takes the whole file over, or raises `Invalid` with every problem and changes nothing.

    `seen`: the stamp of the plan that the person looked at; another one by now is refused.

    `trusted` is the policy's word that what is approved in this file counts as approved here. Without it, nothing is
    approved: such an entry is a request, with a note of who approved it in Git.
    """
    person = require(by, MAY_REQUEST, "Taking over a file of exceptions")
    actor, at = Actor.of(person, address), now or timezone.now()
    committer = checked_words("The committer", source.committer, most=300)
    file = parsed(source)
    with audit.changing():
        whole_plan = _planned(source, file, limits, at, trusted=trusted)
        if seen is not None and seen != whole_plan.stamp:
            raise Refused(
                "The ledger has changed since you looked at this file, and so has what it would do. "
                "Look again. Nothing was changed.", code="changed",
            )  # fmt: skip
        applied = _Applied(person, actor, committer or _NOT_NAMED, limits, at)
        for step in sorted(whole_plan.changes, key=_numbered_first):
            applied.step(step)
        if whole_plan.changes:
            changes = {"sha256": source.sha256, "entries": len(file.entries), "changed": len(whole_plan.changes)}
            audit.record(actor, Event("poam.file-read", object_name=source.name, changes=changes))
    return whole_plan


def compare(source: Source, *, now: datetime | None = None) -> Drift:
    """The file beside the ledger, in both directions. With a repository, beside what the ledger holds for it."""
    file = parsed(source)
    rows = PoamItem.objects.order_by("number")
    ids = {same_id(one.id) for one in file.entries}
    ours = [entry_of(item) for item in whole(rows)]
    if source.repository:
        ours = [one for one in ours if one.terms.repository == parse_repository(source.repository) or same_id(one.id) in ids]
    return drift(file.entries, ours, now or timezone.now())


def _numbered_first(step: Step) -> bool:
    """So that the next free number, given to an id without one, is not that of an entry further down."""
    return number_in(step.entry.id) is None


def _for(entry: Entry, repository: str) -> Entry:
    return entry if entry.terms.repository else replace(entry, terms=replace(entry.terms, repository=repository))


def _planned(source: Source, file: PoamFile, limits: Limits, now: datetime, *, trusted: bool) -> Plan:
    made = plan(file.entries, _ledger(), now, limits=limits, trusted=trusted)
    if made.problems:
        raise Invalid(refusal(source.name, made.problems), code="poam-file")
    return made


def _ledger() -> Iterable[Known]:
    return [Known(entry_of(item), item.number, item.extend_to, item.approved_in_git) for item in whole()]


class _Applied:
    """Inside `audit.changing`: what each step of a plan does."""

    def __init__(self, person: User, actor: Actor, committer: str, limits: Limits, at: datetime) -> None:
        self._person, self._actor, self._committer = person, actor, committer
        self._limits, self._at = limits, at
        self._items = {same_id(item.exported_id): item for item in PoamItem.objects.all()}

    def step(self, step: Step) -> None:
        {
            Deed.ADD: self._add,
            Deed.CHANGE: self._change,
            Deed.REQUEST: self._become,
            Deed.APPROVE: self._become,
            Deed.EXTEND: self._extend,
            Deed.MITIGATE: self._end,
            Deed.CLOSE: self._end,
        }[step.deed](step)

    def _add(self, step: Step) -> None:
        entry, ended = step.entry, step.becomes in ENDED
        item = create(
            entry.terms, self._person, created_at=entry.created_at, number=number_in(entry.id), file_id=entry.id,
            state=PoamState.DRAFT if step.becomes == "approved" else step.becomes,
            requested_by=self._person if step.becomes == "requested" else None, approved_in_git=self._in_git(step),
            ended_at=self._at if ended else None, ended_because=f"{entry.status.capitalize()} in Git." if ended else "",
        )  # fmt: skip
        for text in entry.comments:
            add_comment(item, text, None)
        changes = {"state": [None, step.becomes], "status in the file": entry.status, "approved in Git by": item.approved_in_git}
        audit.record(self._actor, Event("poam.imported", **about(item), changes=changes))
        if step.becomes == "approved":
            self._approve(item, step)

    def _change(self, step: Step) -> None:
        item = self._item(step)
        rewrite(item, step.entry.terms, self._person, self._actor, "poam.revised", created_at=step.entry.created_at)
        self._become(step)

    def _become(self, step: Step) -> None:
        item = self._item(step)
        if step.becomes == "approved":
            self._approve(item, step)
        else:
            asked = step.becomes == "requested"
            move(
                item, step.becomes, self._actor, "poam.requested" if asked else "poam.imported", ended_because="",
                approved_in_git=self._in_git(step), requested_by=self._person if asked else item.requested_by,
            )  # fmt: skip

    def _approve(self, item: PoamItem, step: Step) -> None:
        """By the trusted file: in the name of whoever approved it there."""
        in_git = self._in_git(step)
        changes = {"approved in Git by": in_git, "until": [None, item.expires_at]}
        move(
            item, PoamState.APPROVED, self._actor, "poam.approved", changes=changes,
            requested_by=self._person, approved_in_git=in_git,
        )  # fmt: skip
        PoamGrant.objects.create(item=item, by=None, requested_by=self._person, in_git=in_git, at=self._at, until=item.expires_at)

    def _extend(self, step: Step) -> None:
        why = f"The file of the repository asks for it: {step.entry.terms.justification}"[:2000]
        until = step.entry.terms.expires_at
        asked_for(self._item(step), self._person, until, why, self._actor, limits=self._limits, now=self._at)

    def _end(self, step: Step) -> None:
        to = PoamState.MITIGATED if step.deed == Deed.MITIGATE else PoamState.CLOSED
        end(self._item(step), to, self._actor, f"{step.entry.status.capitalize()} in Git.")

    def _in_git(self, step: Step) -> str:
        return (step.entry.approved_by or self._committer) if step.entry.status == "approved" else ""

    def _item(self, step: Step) -> PoamItem:
        return self._items[same_id(step.entry.id)]
