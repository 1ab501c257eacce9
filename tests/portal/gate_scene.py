"""What runs and what the gate says of it: findings, exceptions that excuse them, policies, approvals that rest on them."""

from typing import Any

from django.contrib.auth.models import User
from django.utils import timezone

from chatbot_service.models import Service
from deploy_records import ledger, policies
from deploy_records.models import GatePolicy, ImageDigest, LedgerState, PoamItem
from deploy_records.rules.policy import Policy
from tests import factories
from tests.deploy_records.evidence import scan
from tests.deploy_records.scan_files import vulnerability
from tests.portal import exceptions
from tests.portal.exceptions import somebody

STARLETTE = vulnerability(
    "CVE-2026-1000", package="starlette", PkgIdentifier={"PURL": "pkg:pypi/starlette@0.46.2"}, FixedVersion="0.49.1"
)
"""High, and what `exceptions.approved()` excuses."""
ZLIB = vulnerability("CVE-2026-3000", "MEDIUM", package="zlib", PkgIdentifier={"PURL": "pkg:deb/debian/zlib@1.2"})
LIBC = vulnerability("CVE-2026-2000", "CRITICAL", package="libc6", PkgIdentifier={"PURL": "pkg:deb/debian/glibc@2.36"})


def rolf() -> User:
    return somebody("Release manager", "rolf")


def build(word: str, *findings: dict[str, Any], days: float = 0, **fields: Any) -> ImageDigest:
    """A candidate with an image scan of so many days ago."""
    fields.setdefault("registered_by", exceptions.olga())
    made = factories.entry(word, LedgerState.CANDIDATE, scanned=False, is_index=True, **fields)
    scan(made, *findings, target=word, days=days)
    return made


def approved(word: str, *findings: dict[str, Any], days: float = 0, **fields: Any) -> ImageDigest:
    """Approved by rolf on what is known of it now."""
    made = build(word, *findings, days=days, **fields)
    ledger.approve(made, rolf())
    return now(made)


def runs(name: str, *findings: dict[str, Any], days: float = 0, **fields: Any) -> Service:
    """A service whose digest was approved, whatever has been found in it since."""
    made = build(name, *findings, days=days)
    ImageDigest.objects.filter(pk=made.pk).update(state=LedgerState.KNOWN_GOOD, known_good_at=timezone.now())
    factories.approval(made, rolf())
    return factories.service(name, runs=now(made), **fields)


def excused(days: int = 4, **changes: Any) -> PoamItem:
    """The finding `STARLETTE`, until the end of the day so many days from now."""
    return exceptions.approved(expires_at=exceptions.day(days), **changes)


def policy(environment: str = "production", reason: str = "As agreed.", **rules: Any) -> GatePolicy:
    """One more version, set by sara."""
    held = policies.in_force(environment)
    kept = (held.policy or Policy()).as_data()
    return policies.save(Policy.from_data(kept | rules), environment, exceptions.sara(), reason, seen=held.version)


def now(entry: ImageDigest) -> ImageDigest:
    return ImageDigest.objects.get(pk=entry.pk)
