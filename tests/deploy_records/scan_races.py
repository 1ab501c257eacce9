"""What a child process of `test_scans_together` does: `python -m tests.deploy_records.scan_races DEED [ARGUMENT…]`."""

import sys
from collections.abc import Callable

import django

django.setup()

from django.contrib.auth.models import User  # noqa: E402 - after set-up

from deploy_records import ledger, scan_imports, scans  # noqa: E402
from deploy_records.audit_check import verify  # noqa: E402
from deploy_records.errors import Refused  # noqa: E402
from deploy_records.models import DigestFinding, ScanFinding, ScanImport, ScanMatch, ScanReport, StoredFile  # noqa: E402
from tests.deploy_records.images import single  # noqa: E402
from tests.deploy_records.people import person  # noqa: E402
from tests.deploy_records.scan_files import IMPORTER, file, grype, trivy, vulnerability  # noqa: E402

MANY = tuple(vulnerability(f"CVE-2026-{number}") for number in range(1000, 1500))


def prepare() -> str:
    person("imre", *IMPORTER)
    person("ida", *IMPORTER)
    return "prepared"


def bring(name: str, build: str) -> str:
    done = scans.import_report(file(trivy(single(build).digest, findings=MANY)), "report.json", who(name))
    return f"{done.report.pk} {'new' if done.is_new else 'known'}"


def bring_another(name: str, build: str) -> str:
    matches = tuple((f"CVE-2026-{number}", "Low", "") for number in range(1000, 1200))
    return str(scans.import_report(file(grype(manifest=single(build).digest, matches=matches)), "other.json", who(name)).is_new)


def hand_over(name: str, build: str) -> str:
    asked = scan_imports.hand_over(file(trivy(single(build).digest, findings=MANY)), "report.json", who(name))
    return "waits" if isinstance(asked, ScanImport) else "known"


def read_all() -> str:
    for asked in ScanImport.objects.all():
        scan_imports.read(asked.pk)
    return "read"


def register(name: str, build: str) -> str:
    return str(ledger.register(single(build), who(name)).pk)


def look() -> str:
    """What holds after a race, on one line."""
    ours = ScanReport.objects.filter(name__in=("report.json", "other.json"))
    return "; ".join([
        f"{ours.count()} reports, {StoredFile.objects.filter(report__in=ours).count()} files",
        f"{ScanFinding.objects.count()} findings, {DigestFinding.objects.count()} merged",
        f"{ScanMatch.objects.filter(report__in=ours).count()} matches", verify().sentence,
    ])  # fmt: skip


def who(name: str) -> User:
    return User.objects.get(username=name)


DEEDS: dict[str, Callable[..., str]] = {
    one.__name__: one for one in (prepare, bring, bring_another, hand_over, read_all, register, look)
}

if __name__ == "__main__":
    deed = DEEDS[sys.argv[1]]
    sys.stdin.readline()
    try:
        print(deed(*sys.argv[2:]))  # noqa: T201 - read by the test
    except Refused as refusal:
        print(f"refused: {refusal}")  # noqa: T201 - likewise
