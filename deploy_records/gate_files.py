"""The gate on files alone: reports and a poam.yaml, without a ledger and without a database.

The default policy holds, and approvals are not asked. An exception of the file counts if its status there is approved.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from deploy_records.errors import Invalid, Refused
from deploy_records.poam_files import reading
from deploy_records.poam_files.tree import MOST_BYTES
from deploy_records.rules.blocking import Fact, would_block
from deploy_records.rules.case import Case, Decision, ReportFact
from deploy_records.rules.component import Place
from deploy_records.rules.digest import Reference, shown
from deploy_records.rules.evidence import EVIDENCE
from deploy_records.rules.exceptions import Excuse, Excuses
from deploy_records.rules.gate import decide
from deploy_records.rules.matching import named
from deploy_records.rules.merging import Seen, merged
from deploy_records.rules.policy import DEFAULT, Policy
from deploy_records.scanners import opened_report
from deploy_records.scanners.report import Finding, Report

_PIECE = 1024 * 1024


@dataclass(frozen=True)
class Asked:
    """What is asked: may this image be deployed at this moment? `now`: how old a report is that does not say it."""

    image: Reference
    at: datetime
    now: datetime
    environment: str = "production"
    service: str = ""
    policy: Policy = DEFAULT


@dataclass(frozen=True)
class Answer:
    """`remarks`: sentences on what could not be told for certain."""

    decision: Decision
    remarks: tuple[str, ...] = ()


def judge(asked: Asked, scans: Sequence[Path], poam: Path | None) -> Answer:
    """Raises `Invalid` or `Refused` for files that cannot be used, and for reports of another image."""
    with ExitStack() as files:
        opened = [_Opened.of(path, files) for path in scans]
        remarks = [remark for one in opened for remark in _identity(one, asked.image)]
        facts = tuple(one.fact(asked.now) for one in opened)
        findings = tuple(_facts([one.report for one in opened], asked.policy))
    case = Case(
        state="", at=asked.at, policy=asked.policy, environment=asked.environment, digest=asked.image.digest, reports=facts,
        findings=findings, excuses=Excuses.of(_excuses(poam)), place=_place(asked),
    )  # fmt: skip
    return Answer(decide(case, EVIDENCE), tuple(remarks))


@dataclass(frozen=True)
class _Opened:
    name: str
    sha256: str
    report: Report

    @classmethod
    def of(cls, path: Path, files: ExitStack) -> "_Opened":
        try:
            file = files.enter_context(path.open("rb"))
            sha256 = _hash(file)
        except (OSError, ValueError) as error:
            raise _unreadable(path, error) from error
        return cls(path.name, sha256, files.enter_context(opened_report(file, path.name)))

    def fact(self, now: datetime) -> ReportFact:
        report = self.report
        return ReportFact(self.sha256, report.kinds, report.tool, report.created_at or now, report.digests.platform)


def _hash(file: BinaryIO) -> str:
    digest = hashlib.sha256()
    while piece := file.read(_PIECE):
        digest.update(piece)
    file.seek(0)
    return digest.hexdigest()


def _identity(one: _Opened, image: Reference) -> Iterator[str]:
    """Refuses a report that names another image; remarks on what cannot be compared without the registry's word."""
    said = one.report.digests
    if image.digest in named(said):
        return
    by_digest = [digest for digest in named(said) if digest != said.image_id]
    if by_digest:
        raise Refused(
            f"{shown(one.name)} names {' and '.join(by_digest)}, not {image.digest}. A report of another image says nothing "
            "about this one. Without a ledger the platforms of an index are not known: ask for the digest that was scanned.",
            code="other-digest",
        )
    which = f"names the image ID {said.image_id} only" if said.image_id else "names no digest"
    yield f"{shown(one.name)} {which}; that it is about {image.digest} is taken from the command line."


def _facts(reports: Sequence[Report], policy: Policy) -> Iterator[Fact]:
    """Each thing once, as the ledger would have it. Only those that may block are held."""

    def all_findings() -> Iterator[Seen]:
        found = ((one, report.tool) for report in reports for one in report.findings)
        return (_seen(one, tool, number) for number, (one, tool) in enumerate(found))

    for one in merged(all_findings):
        fact = Fact.of(one)
        if would_block(fact, policy):
            yield fact


def _seen(found: Finding, tool: str, number: int) -> Seen:
    return Seen(
        number, found.tool or tool, found.kind, found.id, found.severity, found.fingerprint, found.aliases, found.purl,
        found.package, found.version, found.fixed_version, found.state,
    )  # fmt: skip


def _excuses(path: Path | None) -> Iterable[Excuse]:
    """Of the file's entries those that are approved there: what has no approval has no time in which it holds."""
    if path is None:
        return ()
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error
    return [entry.excuse() for entry in reading.read(data).or_refuse(path.name).entries]


def _place(asked: Asked) -> Place:
    tags = (asked.image.tag,) if asked.image.tag else ()
    return Place(asked.image.repository, frozenset({asked.image.digest}), asked.service, tags)


def _unreadable(path: Path, error: Exception) -> Invalid:
    why = error.strerror if isinstance(error, OSError) else error
    return Invalid(f"{shown(str(path))} cannot be read: {why}.", code="unreadable")
