import json
import os
import subprocess
import sys
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.core.management import call_command

from deploy_records import ledger, scans
from deploy_records.models import AuditEvent, ImageDigest, ScanReport
from tests.deploy_records.images import single
from tests.deploy_records.scan_files import UNKNOWN, pip_audit, trivy, vulnerability
from tests.deploy_records.scanned import entry as entry
from tests.deploy_records.scanned import importer as importer

DONE, REFUSED, UNUSABLE = 0, 1, 2


def run(*arguments: object) -> tuple[int, str, str]:
    """How it ended, what it wrote, and what it complained of."""
    out, err, code = StringIO(), StringIO(), 0
    try:
        call_command("import_scan", *map(str, arguments), stdout=out, stderr=err)
    except SystemExit as ended:
        code = int(str(ended.code))
    return code, out.getvalue(), err.getvalue()


def written(folder: Path, data: bytes, name: str = "report.json") -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def test_a_report_is_imported_in_the_name_of_a_person(tmp_path: Path, importer: User, entry: ImageDigest) -> None:
    code, out, _ = run(written(tmp_path, trivy(entry.digest)), "--by", "imre")
    assert code == DONE
    assert entry.digest in out
    assert ScanReport.objects.get().imported_by == importer
    assert AuditEvent.objects.get(action="report.imported").address == "shell"


def test_without_a_name_the_trail_names_the_shell(tmp_path: Path, entry: ImageDigest) -> None:
    assert run(written(tmp_path, trivy(entry.digest)))[0] == DONE
    assert AuditEvent.objects.get(action="report.imported").actor == "shell"


@pytest.mark.parametrize("alone", [True, False])
def test_a_digest_can_be_chosen_with_or_without_its_repository(tmp_path: Path, entry: ImageDigest, alone: bool) -> None:
    chosen = entry.digest if alone else entry.reference
    code, out, _ = run(written(tmp_path, pip_audit("CVE-2026-1")), "--digest", chosen, "--json")
    assert code == DONE
    told = json.loads(out)
    assert told["matches"] == [{"repository": entry.repository, "digest": entry.digest, "by": "person", "platform": ""}]
    assert (told["new"], told["quarantined"], told["findings"]) == (True, False, {"Unknown": 1})


def test_a_digest_of_two_repositories_has_to_be_told_apart(tmp_path: Path, importer: User, entry: ImageDigest) -> None:
    ledger.register(single("build 1", repository="registry.example.com/mirror/chatbot"), importer)
    code, _, err = run(written(tmp_path, pip_audit()), "--digest", entry.digest)
    assert code == REFUSED
    assert "registry.example.com/mirror/chatbot" in err


@pytest.mark.parametrize(
    ("digest", "code"), [(UNKNOWN, REFUSED), ("latest", UNUSABLE), (f"x@{UNKNOWN}", REFUSED), ("sha256:12", UNUSABLE)]
)
def test_a_digest_that_is_none_or_is_not_known_is_refused(tmp_path: Path, entry: ImageDigest, digest: str, code: int) -> None:
    assert run(written(tmp_path, pip_audit()), "--digest", digest)[0] == code
    assert not ScanReport.objects.exists()


def test_a_report_on_another_digest_is_refused_and_the_trail_says_so(tmp_path: Path, entry: ImageDigest) -> None:
    code, _, err = run(written(tmp_path, trivy(UNKNOWN)), "--digest", entry.reference)
    assert code == REFUSED
    assert UNKNOWN in err
    assert AuditEvent.objects.get(action="refused").reason == err.strip()


def test_all_files_are_tried_and_each_is_told_of(tmp_path: Path, entry: ImageDigest) -> None:
    files = [
        written(tmp_path, b"\x00\x01", "odd.bin"), tmp_path / "missing.json", tmp_path,
        written(tmp_path, trivy(entry.digest), "good.json"), written(tmp_path, trivy(entry.digest), "again.json"),
    ]  # fmt: skip
    code, out, _ = run(*files, "--json")
    told = [json.loads(line) for line in out.splitlines()]
    assert code == UNUSABLE
    assert [("refused" in one, one.get("new")) for one in told] == [
        (True, None), (True, None), (True, None), (False, True), (False, False),
    ]  # fmt: skip


def test_a_person_who_is_none_or_may_not_is_refused(tmp_path: Path, stranger: User) -> None:
    path = written(tmp_path, trivy())
    assert run(path, "--by", "nobody")[0] == UNUSABLE
    code, _, err = run(path, "--by", "sten")
    assert code == REFUSED
    assert "takes the role" in err
    assert not ScanReport.objects.exists()


def dry(*arguments: object, **more: Any) -> subprocess.CompletedProcess[bytes]:
    """In a process whose database does not answer."""
    return subprocess.run(
        [sys.executable, "manage.py", "import_scan", "--dry-run", *map(str, arguments)],
        cwd=settings.BASE_DIR, env=os.environ | {"DATABASE_URL": "postgres://nobody@127.0.0.1:1/nothing"},
        capture_output=True, timeout=60, check=False, **more,
    )  # fmt: skip


def test_a_dry_run_tells_what_it_understood_and_needs_no_database(tmp_path: Path) -> None:
    more = vulnerability("CVE-2026-2", VendorIDs=["GHSA-2222-3333-4444"], FixedVersion="1.1", PkgPath="usr/lib/x")
    done = dry(written(tmp_path, trivy(UNKNOWN, findings=(vulnerability(), more))), "--json")
    assert done.returncode == DONE, done.stderr
    told = json.loads(done.stdout)
    assert (told["format"], told["tool"], told["target"], told["kinds"]) == ("trivy", "Trivy", "app", ["image"])
    assert told["digests"]["repo_digests"] == [f"registry.example.com/any/name@{UNKNOWN}"]
    last = told["findings"][1]
    keys = ("id", "aliases", "severity", "purl", "version", "fixed_version", "location")
    assert [last[key] for key in keys] == [
        "CVE-2026-2", ["GHSA-2222-3333-4444"], "High", "pkg:deb/debian/openssl@1.0", "1.0", "1.1", "usr/lib/x",
    ]  # fmt: skip


def test_a_dry_run_of_a_broken_report_tells_nothing_but_what_is_wrong(tmp_path: Path) -> None:
    findings = (*(vulnerability(f"CVE-2026-{number}") for number in range(1000, 3000)), {"Severity": "HIGH"})
    done = dry(written(tmp_path, trivy(findings=findings)), "--json")
    assert done.returncode == UNUSABLE
    assert set(json.loads(done.stdout)) == {"file", "refused", "code"}


def test_a_dry_run_takes_what_another_program_pipes(tmp_path: Path) -> None:
    done = dry("/dev/stdin", input=trivy(UNKNOWN))
    assert done.returncode == DONE
    assert f"names {UNKNOWN}" in done.stdout.decode()


@pytest.mark.django_db
def test_a_dry_run_stores_nothing(tmp_path: Path) -> None:
    code, out, _ = run(written(tmp_path, trivy(UNKNOWN)), "--dry-run")
    assert code == DONE
    assert "1 finding: 1 High" in out
    assert not scans.is_known("")
    assert not ScanReport.objects.exists()
    assert not AuditEvent.objects.exists()
