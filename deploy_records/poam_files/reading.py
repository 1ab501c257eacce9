"""Reading a poam.yaml of either dialect: all of it, or every problem with its line. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from deploy_records.errors import Invalid
from deploy_records.poam_files import values
from deploy_records.poam_files.entry import Entry, same_id
from deploy_records.poam_files.fields import Fields, in_words, mapping_of
from deploy_records.poam_files.tree import MOST_PROBLEMS, Mapping, Node, Problem, parse
from deploy_records.rules.digest import shown
from deploy_records.rules.exceptions import key
from deploy_records.rules.terms import MOST_MILESTONES, MOST_VULNERABILITIES, Milestone, Terms, missing
from deploy_records.scanners.report import Severity

MOST_ENTRIES = 5000
_NO_MOMENT = datetime(2000, 1, 1, tzinfo=UTC)
"""Stands for a date that could not be read; the problem that says so keeps the entry from being used."""
_ONE_OF_BOTH = (
    "The field version: 1 (with createdAt, expiresAt, …) or the field meta (with created_on, due_by, …) has to tell"
    " which of the two known forms this file has."
)


@dataclass(frozen=True, slots=True)
class PoamFile:
    """What a file says. With problems, `entries` is what could be read of it: to show, never to act on."""

    entries: tuple[Entry, ...]
    problems: tuple[Problem, ...]
    dialect: Literal["A", "B", ""] = ""

    def or_refuse(self, name: str) -> "PoamFile":
        """Itself, or `Invalid` that lists every problem of the file `name`."""
        if not self.problems:
            return self
        raise Invalid(refusal(name, self.problems), code="poam-file")


def refusal(name: str, problems: Iterable[Problem]) -> str:
    """The message of a file that is refused."""
    listed = sorted(problems, key=lambda one: one.line)
    count = f"{len(listed)} problems" if len(listed) > 1 else "a problem"
    return f"{name} has {count}; nothing of it was taken over.\n" + "\n".join(f"{name}, {one}" for one in listed[:MOST_PROBLEMS])


def read(data: bytes) -> PoamFile:
    """Never raises for what a file holds; what is wrong is in `problems`."""
    tree, problems = parse(data)
    if tree is None:
        return PoamFile((), tuple(problems))
    if not isinstance(tree, Mapping):
        return PoamFile((), (*problems, Problem(tree.line, "", f"It has to be a mapping, and it is {in_words(tree)}.")))
    top = Fields(tree, "", problems)
    dialect: Literal["A", "B", ""] = "A" if top.has("version") else "B" if top.has("meta") else ""
    if not dialect:
        problems.append(Problem(tree.line, "", _ONE_OF_BOTH))
        return PoamFile((), tuple(problems))
    entries = _entries(top, dialect, problems)
    top.close()
    _note_doubles(entries, problems)
    return PoamFile(entries, tuple(problems[:MOST_PROBLEMS]), dialect)


def _entries(top: Fields, dialect: str, problems: list[Problem]) -> tuple[Entry, ...]:
    if dialect == "A":
        top.scalar("version", values.version, None, required=True)
    else:
        top.knows("meta")  # who keeps the file and the like: kept by nobody, so any form is right
    nodes = top.listing("exceptions", mapping_of, required=True)
    if len(nodes) > MOST_ENTRIES:
        top.note(f"It has {len(nodes):,} entries; at most {MOST_ENTRIES:,} are read.", "exceptions")
        return ()
    one = _entry_a if dialect == "A" else _entry_b
    return tuple(one(Fields(node, f"exceptions[{number}]", problems)) for number, node in enumerate(nodes, start=1))


def _entry_a(fields: Fields) -> Entry:
    entry_id = fields.scalar("id", values.entry_id, "", required=True)
    created = fields.scalar("createdAt", values.beginning, None, required=True)
    ends = fields.scalar("expiresAt", values.end, None, required=True)
    approved = fields.scalar("approvedAt", values.beginning, None)
    terms = Terms(
        vulnerabilities=fields.listing("cves", values.vulnerability, required=True),
        component=fields.scalar("component", values.component, "", required=True),
        severity=fields.scalar("severity", values.severity, Severity.LOW, required=True),
        owner=fields.scalar("owner", values.owner, "", required=True),
        expires_at=ends or _NO_MOMENT,
        justification=fields.scalar("justification", values.words, "", required=True),
        remediation_plan=fields.scalar("mitigationPlan", values.words, ""),
        compensating_controls=fields.scalar("compensatingControls", values.words, ""),
        vendor_dependency=fields.scalar("vendorDependency", values.vendor, ""),
        repository=fields.scalar("repository", values.repository, ""),
        digest=fields.scalar("digest", values.digest, ""),
        service=fields.scalar("service", values.service, ""),
        milestones=fields.listing("milestones", lambda node: _milestone(fields, node), most=MOST_MILESTONES),
    )
    entry = Entry(
        entry_id, terms, fields.scalar("status", values.status_a, "draft", required=True), created or _NO_MOMENT,
        approved_at=approved, approved_by=fields.scalar("approvedBy", values.owner, ""),
        comments=fields.listing("comments", values.words), line=fields.line,
    )  # fmt: skip
    fields.close()
    _check_order(fields, created, ends, "expiresAt")
    if approved and created and ends and not created <= approved <= ends:
        fields.note("It was approved before it was created or after it ended.", "approvedAt")
    _check_vulnerabilities(fields, terms)
    if entry.status == "approved" and ends:
        _check_complete(fields, terms)
    return entry


def _entry_b(fields: Fields) -> Entry:
    """The older form names no component and no reason: what it says excuses nothing until somebody adds them."""
    entry_id = fields.scalar("id", values.entry_id, "", required=True)
    ids = (fields.scalar("cve", values.vulnerability, ""), fields.scalar("finding_id", values.vulnerability, ""))
    if not fields.has("cve") and not fields.has("finding_id"):
        fields.note("The field cve or finding_id is missing.")
    created = fields.scalar("created_on", values.beginning, None, required=True)
    ends = fields.scalar("due_by", values.end, None, required=True)
    terms = Terms(
        vulnerabilities=tuple(one for one in ids if one),
        component=fields.scalar("component", values.component, ""),
        severity=fields.scalar("severity", values.severity, Severity.LOW, required=True),
        owner=fields.scalar("owner", values.owner, "", required=True),
        expires_at=ends or _NO_MOMENT,
        justification=fields.scalar("justification", values.words, ""),
        remediation_plan=fields.scalar("remediation_plan", values.words, "", required=True),
    )
    status = fields.scalar("status", values.status_b, "draft", required=True)
    fields.close()
    _check_order(fields, created, ends, "due_by")
    _check_vulnerabilities(fields, terms)
    return Entry(entry_id, terms, status, created or _NO_MOMENT, line=fields.line)


def _check_order(fields: Fields, begins: datetime | None, ends: datetime | None, name: str) -> None:
    if begins and ends and ends <= begins:
        fields.note("It ends before it begins.", name)


def _check_vulnerabilities(fields: Fields, terms: Terms) -> None:
    if len(terms.vulnerabilities) > MOST_VULNERABILITIES:
        fields.note(f"It names more than {MOST_VULNERABILITIES} vulnerabilities.", "cves")
    if len({key(one) for one in terms.vulnerabilities}) < len(terms.vulnerabilities):
        fields.note("It names a vulnerability twice.", "cves")


def _check_complete(fields: Fields, terms: Terms) -> None:
    for what, name in zip(missing(terms), _fields_of(terms), strict=True):
        if fields.has(name) and not fields.failed(name):
            fields.note(f"It is approved, but does not say {what}.", name)


def _fields_of(terms: Terms) -> list[str]:
    said = {
        "cves": terms.vulnerabilities,
        "component": terms.component,
        "justification": terms.justification,
        "owner": terms.owner,
    }
    return [name for name, value in said.items() if not value]


def _note_doubles(entries: Iterable[Entry], problems: list[Problem]) -> None:
    first: dict[str, Entry] = {}
    for number, entry in enumerate(entries, start=1):
        known = first.setdefault(same_id(entry.id), entry) if entry.id else entry
        if known is not entry:
            message = f"The id {shown(entry.id)} is that of the entry in line {known.line} already. An id is used once."
            problems.append(Problem(entry.line, f"exceptions[{number}].id", message))


def _milestone(fields: Fields, node: Node) -> Milestone:
    inner = fields.inner(mapping_of(node), "milestones")
    made = Milestone(
        inner.scalar("title", values.title, "", required=True),
        inner.scalar("due", values.day, _NO_MOMENT.date(), required=True),
        inner.scalar("doneAt", values.beginning, None),
    )
    inner.close()
    return made
