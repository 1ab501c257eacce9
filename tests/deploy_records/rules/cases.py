"""Cases for the gate, each with as few words as a test needs."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from deploy_records.rules.blocking import Fact
from deploy_records.rules.case import Case, Decision, ReportFact, Yes
from deploy_records.rules.component import Place
from deploy_records.rules.exceptions import Excuse, Excuses, Grant
from deploy_records.rules.policy import DEFAULT, Policy
from deploy_records.rules.review import Relied
from deploy_records.scanners.report import ReportKind, Severity

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
BEFORE = NOW - timedelta(hours=1)
DIGEST = "sha256:" + "a" * 64
ENDS = datetime(2026, 3, 20, 23, 59, 59, tzinfo=UTC)
PLACE = Place("ghcr.io/acme/bot", frozenset({DIGEST}))


def report(*kinds: ReportKind, days: float = 1, **fields: Any) -> ReportFact:
    usual: dict[str, Any] = {"sha256": "f" * 64, "tool": "Trivy", "made_at": NOW - timedelta(days=days)}
    return ReportFact(kinds=kinds or (ReportKind.IMAGE,), **usual | fields)


def found(name: str = "CVE-2026-1000", severity: Severity = Severity.HIGH, **fields: Any) -> Fact:
    usual: dict[str, Any] = {"purl": "pkg:pypi/starlette@0.49.0", "package": "starlette", "version": "0.49.0", "fixed": "0.49.1"}
    return Fact((name,), severity, **usual | {"fingerprint": f"of {name}"} | fields)


def excuse(*names: str, name: str = "POAM-7", until: datetime = ENDS, **fields: Any) -> Excuse:
    usual: dict[str, Any] = {"component": "pkg:pypi/starlette", "severity": Severity.CRITICAL}
    grants = (Grant(NOW - timedelta(days=3), until),)
    return Excuse(name, names or ("CVE-2026-1000",), grants=grants, **usual | fields)


def relied(*exceptions: str, on: tuple[Fact, ...] = (), policy: Policy = DEFAULT, allowed: bool = True) -> Relied:
    return Relied(allowed, policy, exceptions, {mark: one.severity for one in on for mark in one.marks})


def yes(by: str = "mira", at: datetime = BEFORE, flaw: str = "", then: Relied | None = None) -> Yes:
    return Yes(by, at, flaw, then or relied())


APPROVED = Case("approved", NOW, (yes(),), registered_at=NOW - timedelta(days=5), digest=DIGEST, reports=(report(),), place=PLACE)
KNOWN_GOOD = replace(APPROVED, state="known-good", known_good_at=BEFORE)


def excused(*facts: Fact, excuses: tuple[Excuse, ...] | None = None, **fields: Any) -> Case:
    """Approved, by somebody who knew these findings and the exceptions that excuse them."""
    given = (excuse(*(one.name for one in facts)),) if excuses is None else excuses
    approval = yes(then=relied(*(one.name for one in given), on=facts))
    return replace(APPROVED, findings=facts, excuses=Excuses.of(given), approvals=(approval,), **fields)


def policy(**fields: Any) -> Policy:
    return replace(DEFAULT, **fields)


def why(decision: Decision, key: str) -> str:
    return next(result.why for result in decision.rules if result.key == key)


def refused(decision: Decision) -> list[str]:
    return [result.key for result in decision.refusals]
