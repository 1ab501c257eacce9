import json

import pytest

from deploy_records import scans, verdict
from deploy_records.models import ImageDigest, LedgerState, ScanMatch, ScanReport
from portal.demo import evidence, people, records
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def made(settings: object, tmp_path: object) -> list[ImageDigest]:
    settings.STATE_DIR = tmp_path  # type: ignore[attr-defined]
    records.make(people.make(), factories.host())
    return list(ImageDigest.objects.order_by("pk"))


def test_the_demos_builds_pass_the_default_gate_by_reports_that_say_who_made_them(made: list[ImageDigest]) -> None:
    assert [one.state for one in made] == [LedgerState.KNOWN_GOOD, LedgerState.KNOWN_GOOD, LedgerState.APPROVED]
    for one in made:
        decision = verdict.ask(one)
        assert decision.allowed, decision.sentence
        (report,) = (rule.why for rule in decision.rules if rule.key == "report-image")
        assert "made by the demo, not by a scanner" in report
    assert ScanReport.objects.filter(is_demo=True, tool=evidence.TOOL).count() == 3


def test_each_report_names_its_digest_and_says_in_the_file_that_nobody_scanned(made: list[ImageDigest]) -> None:
    for match in ScanMatch.objects.select_related("report__file", "entry"):
        assert match.by == "manifest"
        file = json.loads(b"".join(scans.original(match.report)))
        assert "No scanner has looked at this image" in file["metadata"]["component"]["description"]


def test_between_builds_findings_come_and_go(made: list[ImageDigest]) -> None:
    one, two, _three = made
    found = scans.compare(one, two)
    assert {finding.name for finding in found.gone} >= {"DEMO-2026-0002"}
    assert {finding.name for finding in found.new} >= {"DEMO-2026-0003"}


def test_playing_the_demo_again_leaves_the_approvals_as_they_are(made: list[ImageDigest]) -> None:
    operator = people.make().operator
    evidence.bring(made[0], "1", operator)
    assert verdict.ask(made[0]).allowed
