import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command

from deploy_records import ledger
from deploy_records.models import ImageDigest
from tests.deploy_records.evidence import excused, scan
from tests.deploy_records.images import REPOSITORY, sha, single
from tests.deploy_records.scan_files import grype, pip_audit, trivy, vulnerability

DIGEST = sha("build 1")
IMAGE = f"{REPOSITORY}@{DIGEST}"
MOMENT = "2026-11-21T12:00:00Z"
"""A day after the reports that `scan_files` makes."""
POAM = """\
version: 1
exceptions:
  - id: POAM-0007
    cves: [CVE-2026-1000]
    component: "{component}"
    severity: High
    justification: Not reachable.
    mitigationPlan: Take the fix.
    owner: olga
    createdAt: "2026-11-01T00:00:00Z"
    expiresAt: "2026-11-30"
    status: {status}
"""


def asked(*words: str) -> tuple[int, str]:
    """The exit code, and what was printed."""
    out = StringIO()
    try:
        call_command("check_gate", *words, stdout=out)
    except SystemExit as end:
        return int(str(end.code)), out.getvalue()
    except CommandError as error:
        return error.returncode, str(error)
    return 0, out.getvalue()


@pytest.fixture
def kept(tmp_path: Path) -> Any:
    """Writes a file and returns its path."""

    def write(name: str, data: bytes | str) -> str:
        path = tmp_path / name
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        return str(path)

    return write


def poam(status: str = "approved", component: str = REPOSITORY) -> str:
    return POAM.format(status=status, component=component)


class TestByFiles:
    """No test of these may touch a database: none is marked for it."""

    def test_a_clean_report_allows(self, kept: Any) -> None:
        code, said = asked(IMAGE, "--at", MOMENT, "--scan", kept("scan.json", trivy(DIGEST, findings=())))
        assert code == 0
        assert f"{IMAGE}: allowed in production." in said
        assert "approv" not in said

    def test_a_finding_blocks_and_is_named_with_what_would_clear_it(self, kept: Any) -> None:
        code, said = asked(IMAGE, "--at", MOMENT, "--scan", kept("scan.json", trivy(DIGEST)))
        assert code == 1
        assert "BLOCKS  Every finding that blocks is excused: A finding blocks: CVE-2026-1000 in openssl 1.0 (High)." in said
        assert "To clear it: Deploy a build in which it is fixed" in said

    @pytest.mark.parametrize(("status", "code"), [("approved", 0), ("requested", 1), ("closed", 1), ("draft", 1)])
    def test_an_entry_counts_if_its_status_is_approved(self, kept: Any, status: str, code: int) -> None:
        files = ("--scan", kept("scan.json", trivy(DIGEST)), "--poam", kept("poam.yaml", poam(status)))
        assert asked(IMAGE, "--at", MOMENT, *files)[0] == code

    def test_an_entry_counts_to_the_last_second_of_its_day(self, kept: Any) -> None:
        files = ("--scan", kept("scan.json", trivy(DIGEST)), "--poam", kept("poam.yaml", poam()))
        assert asked(IMAGE, "--at", "2026-11-30T23:59:59Z", *files)[0] == 0
        assert asked(IMAGE, "--at", "2026-12-01T00:00:00Z", *files)[0] == 1

    def test_an_entry_for_another_component_does_not_count(self, kept: Any) -> None:
        files = ("--scan", kept("scan.json", trivy(DIGEST)), "--poam", kept("poam.yaml", poam(component="pkg:deb/debian/zlib")))
        assert asked(IMAGE, "--at", MOMENT, *files)[0] == 1

    def test_a_report_that_is_too_old_or_from_the_future_blocks(self, kept: Any) -> None:
        scanned = ("--scan", kept("scan.json", trivy(DIGEST, findings=())))
        assert asked(IMAGE, "--at", "2026-12-20T08:00:00Z", *scanned)[0] == 0
        assert asked(IMAGE, "--at", "2026-12-20T08:00:01Z", *scanned)[0] == 1
        assert asked(IMAGE, "--at", "2026-11-19T08:00:00Z", *scanned)[0] == 1

    def test_a_report_of_another_kind_is_no_image_scan(self, kept: Any) -> None:
        code, said = asked(IMAGE, "--scan", kept("pip.json", pip_audit()))
        assert code == 1
        assert "There is no image scan of it." in said

    def test_all_reports_count_together_and_one_thing_is_named_once(self, kept: Any) -> None:
        files = [
            kept("trivy.json", trivy(DIGEST)),
            kept("grype.json", grype(manifest=DIGEST, matches=(("CVE-2026-1000", "High", ""),))),
        ]
        code, said = asked(IMAGE, "--at", MOMENT, "--json", "--scan", *files)
        data = json.loads(said)
        assert code == 1
        assert [one["name"] for one in data["findings"]["listed"]] == ["CVE-2026-1000"]
        assert len(data["reports"]) == 2

    def test_a_report_that_names_another_image_is_unusable(self, kept: Any) -> None:
        code, said = asked(IMAGE, "--scan", kept("scan.json", trivy(sha("another"))))
        assert code == 2
        assert "A report of another image says nothing about this one" in said

    def test_one_that_names_none_is_taken_at_the_callers_word_and_that_is_said(self, kept: Any) -> None:
        code, said = asked(IMAGE, "--at", MOMENT, "--scan", kept("scan.json", trivy(image_id=sha("config"), findings=())))
        assert code == 0
        assert "is taken from the command line" in said

    def test_the_answer_as_json(self, kept: Any) -> None:
        files = ("--scan", kept("scan.json", trivy(DIGEST)), "--poam", kept("poam.yaml", poam()))
        data = json.loads(asked(IMAGE, "--at", MOMENT, "--json", *files)[1])
        assert (data["allowed"], data["image"], data["policy"], data["at"]) == (True, IMAGE, 0, "2026-11-21T12:00:00.000000Z")
        assert data["exceptions"] == [{"name": "POAM-0007", "until": "2026-11-30T23:59:59.000000Z"}]
        assert data["findings"]["excused"] == 1

    @pytest.mark.parametrize(("words", "says"), [
        (["ghcr.io/acme/bot:1.0"], "names the tag"),
        (["ghcr.io/acme/bot@sha256:short"], "A digest looks like"),
        ([IMAGE, "--at", "yesterday"], "is no moment"),
        ([IMAGE, "--at", "2026-11-21T12:00:00"], "does not say in which zone"),
        ([IMAGE, "--scan", "/nowhere/scan.json"], "cannot be read"),
    ])  # fmt: skip
    def test_what_cannot_be_used_is_told_apart_from_a_no(self, words: list[str], says: str) -> None:
        code, said = asked(*words)
        assert code == 2
        assert says in said

    @pytest.mark.parametrize(("name", "data"), [
        ("empty.json", b""), ("cut.json", trivy(DIGEST)[:200]), ("unknown.json", b'{"hello": 1}'), ("binary", bytes(range(256))),
    ])  # fmt: skip
    def test_a_broken_report_is_unusable(self, kept: Any, name: str, data: bytes) -> None:
        assert asked(IMAGE, "--scan", kept(name, data))[0] == 2

    @pytest.mark.parametrize("text", ["version: 1\nexceptions: 7\n", "- &a [*a]\n", "version: 1\nversion: 1\n", "\0"])
    def test_a_broken_file_of_exceptions_is_unusable(self, kept: Any, text: str) -> None:
        files = ("--scan", kept("scan.json", trivy(DIGEST)), "--poam", kept("poam.yaml", text))
        assert asked(IMAGE, "--at", MOMENT, *files)[0] == 2

    def test_it_needs_no_database_in_a_process_of_its_own(self, kept: Any, tmp_path: Path) -> None:
        argv = [sys.executable, "manage.py", "check_gate", IMAGE, "--at", MOMENT, "--scan", kept("s.json", trivy(DIGEST))]
        nowhere = {"DATABASE_URL": "postgres://nobody@127.0.0.1:1/nothing", "KG_STATE_DIR": str(tmp_path)}
        done = subprocess.run(argv, cwd=settings.BASE_DIR, env=os.environ | nowhere, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (1, "")
        by_ledger = [*argv[:4]]
        done = subprocess.run(
            by_ledger, cwd=settings.BASE_DIR, env=os.environ | nowhere, capture_output=True, text=True, check=False
        )
        assert done.returncode == 2
        assert "The database does not answer" in done.stderr


@pytest.mark.django_db
class TestByTheLedger:
    @pytest.fixture
    def approved(self, operator: User, manager: User) -> ImageDigest:
        entry = ledger.register(single("build 1"), operator)
        scan(entry, "CVE-2026-1000")
        excused(until=datetime.now(UTC).replace(microsecond=0) + timedelta(days=5))
        return ledger.approve(entry, manager).entry

    def test_what_may_run_is_allowed(self, approved: ImageDigest) -> None:
        code, said = asked(IMAGE)
        assert code == 0
        assert "Approved by mira." in said

    def test_another_moment_gives_the_answer_of_that_moment(self, approved: ImageDigest) -> None:
        code, said = asked(IMAGE, "--at", (datetime.now(UTC) + timedelta(days=6)).isoformat())
        assert code == 1
        assert "as POAM-1 ended on" in said
        assert "is to come. Exceptions end and reports grow older until then" in said

    def test_a_moment_that_is_past_is_judged_by_what_was_known_then_and_that_is_said(
        self, approved: ImageDigest, manager: User
    ) -> None:
        then = datetime.now(UTC).isoformat()
        scan(approved, vulnerability("CVE-2026-2000", "CRITICAL"))
        assert asked(IMAGE)[0] == 1
        code, said = asked(IMAGE, "--at", then)
        assert code == 0
        assert "CVE-2026-2000" not in said
        assert "is past. Reports, findings, exceptions, approvals, the policy and the state in the ledger are taken as" in said
        data = json.loads(asked(IMAGE, "--at", then, "--json")[1])
        assert [one["name"] for one in data["findings"]["listed"]] == ["CVE-2026-1000"]
        (remark,) = data["remarks"]
        assert remark.endswith("Who may approve, and which tags the digest has, are taken as they are now.")

    def test_before_it_was_registered_it_is_blocked_as_unknown(self, approved: ImageDigest) -> None:
        code, said = asked(IMAGE, "--at", (approved.registered_at - timedelta(seconds=1)).isoformat())
        assert code == 1
        assert "It was not in the ledger at" in said

    def test_nothing_is_remarked_of_now(self, approved: ImageDigest) -> None:
        assert json.loads(asked(IMAGE, "--json")[1])["remarks"] == []

    def test_the_environment_says_by_which_policy(self, approved: ImageDigest) -> None:
        assert json.loads(asked(IMAGE, "--environment", "staging", "--json")[1])["environment"] == "staging"

    def test_it_is_the_same_verdict_as_by_the_files_it_came_from(self, approved: ImageDigest) -> None:
        data = json.loads(asked(IMAGE, "--json")[1])
        assert [(one["name"], one["excused_by"]) for one in data["findings"]["listed"]] == [("CVE-2026-1000", "POAM-1")]

    def test_a_candidate_is_blocked(self, operator: User) -> None:
        ledger.register(single("build 1"), operator)
        code, said = asked(IMAGE)
        assert code == 1
        assert "No approval is in force." in said

    def test_what_the_ledger_does_not_know_is_blocked_in_words(self) -> None:
        code, said = asked(IMAGE, "--json")
        assert code == 1
        assert "is not in the ledger" in json.loads(said)["sentence"]

    def test_a_file_of_exceptions_alone_is_unusable(self, kept: Any) -> None:
        assert asked(IMAGE, "--poam", kept("poam.yaml", poam()))[0] == 2

    def test_reports_given_as_files_leave_the_ledger_out_of_it(self, approved: ImageDigest, kept: Any) -> None:
        file = kept("scan.json", trivy(DIGEST, findings=(vulnerability("CVE-2026-9000", "CRITICAL"),)))
        assert asked(IMAGE, "--at", MOMENT, "--scan", file)[0] == 1
