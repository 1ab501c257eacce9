from dataclasses import replace
from datetime import timedelta

import pytest

from deploy_records.rules.case import Running
from deploy_records.rules.component import Place
from deploy_records.rules.exceptions import Excuses
from deploy_records.rules.gate import TO_ROLL_BACK, decide
from deploy_records.scanners.report import FindingKind, ReportKind, Severity
from tests.deploy_records.rules.cases import (
    APPROVED,
    ENDS,
    KNOWN_GOOD,
    NOW,
    excuse,
    excused,
    found,
    policy,
    refused,
    report,
    why,
)

SECOND = timedelta(seconds=1)


class TestReports:
    def test_without_a_report_the_answer_is_no(self) -> None:
        decision = decide(replace(APPROVED, reports=()))
        assert refused(decision) == ["report-image"]
        assert decision.sentence == "Must not be deployed. There is no image scan of it."
        assert decision.refusals[0].to_clear == "Upload an image scan of this digest."

    def test_the_last_second_in_which_it_is_not_too_old(self) -> None:
        made = APPROVED.reports[0].made_at
        assert decide(replace(APPROVED, at=made + timedelta(days=30))).allowed
        assert decide(replace(APPROVED, at=made + timedelta(days=30, microseconds=999_999))).allowed
        late = decide(replace(APPROVED, at=made + timedelta(days=30, seconds=1)))
        assert not late.allowed
        assert "Its image scan is too old: it is of 2026-02-28 12:00 UTC." in late.sentence

    def test_one_from_the_future_does_not_count_beyond_what_clocks_differ(self) -> None:
        assert decide(replace(APPROVED, reports=(report(made_at=NOW + timedelta(minutes=5)),))).allowed
        ahead = decide(replace(APPROVED, reports=(report(made_at=NOW + timedelta(minutes=5, seconds=1)),)))
        assert "which is to come" in why(ahead, "report-image")
        assert not ahead.allowed

    def test_an_older_one_counts_beside_one_from_the_future(self) -> None:
        assert decide(replace(APPROVED, reports=(report(), report(days=-40)))).allowed

    def test_the_newest_counts(self) -> None:
        assert decide(replace(APPROVED, reports=(report(days=40), report(days=3)))).allowed

    @pytest.mark.parametrize("kind", [ReportKind.DEPENDENCIES, ReportKind.SAST, ReportKind.SBOM])
    def test_each_kind_that_is_asked_for_has_to_be_there(self, kind: ReportKind) -> None:
        asking = replace(APPROVED, policy=policy(reports={ReportKind.IMAGE: 30, kind: 7}))
        assert refused(decide(asking)) == [f"report-{kind}"]
        assert decide(replace(asking, reports=(report(), report(kind, days=6)))).allowed
        assert refused(decide(replace(asking, reports=(report(), report(kind, days=8))))) == [f"report-{kind}"]

    def test_one_report_may_be_of_several_kinds(self) -> None:
        asking = policy(reports={ReportKind.IMAGE: 30, ReportKind.SBOM: 30})
        both = (report(ReportKind.IMAGE, ReportKind.SBOM),)
        assert decide(replace(APPROVED, policy=asking, reports=both)).allowed

    def test_one_of_another_platform_than_the_hosts_does_not_count(self) -> None:
        arm = replace(APPROVED, reports=(report(platform="linux/arm64"),), platform="linux/amd64")
        assert "is of linux/arm64, and it would run on linux/amd64" in decide(arm).sentence
        for known in ("linux/amd64", "linux/amd64/v2", ""):
            assert decide(replace(arm, reports=(report(platform=known),))).allowed

    def test_a_demos_report_says_so(self) -> None:
        decision = decide(replace(APPROVED, reports=(report(is_demo=True),)))
        assert "made by the demo, not by a scanner" in why(decision, "report-image")


class TestFindings:
    @pytest.mark.parametrize("severity", [Severity.CRITICAL, Severity.HIGH, Severity.UNKNOWN])
    def test_one_that_blocks_means_no(self, severity: Severity) -> None:
        decision = decide(replace(excused(found(severity=severity)), excuses=Excuses()))
        assert "findings" in refused(decision)
        assert f"A finding blocks: CVE-2026-1000 in starlette 0.49.0 ({severity})." in decision.sentence

    @pytest.mark.parametrize("severity", [Severity.MEDIUM, Severity.LOW, Severity.INFO])
    def test_a_lesser_one_does_not(self, severity: Severity) -> None:
        assert decide(replace(APPROVED, findings=(found(severity=severity),))).allowed

    def test_one_that_is_excused_does_not_and_the_exception_is_named_with_its_end(self) -> None:
        decision = decide(excused(found()))
        assert decision.allowed
        assert "excused by POAM-7, until 2026-03-20 23:59:59 UTC" in why(decision, "findings")
        assert [(one.name, one.until) for one in decision.exceptions] == [("POAM-7", ENDS)]

    def test_to_the_last_second_of_the_exception(self) -> None:
        case = excused(found())
        assert decide(replace(case, at=ENDS)).allowed
        assert decide(replace(case, at=ENDS + SECOND - timedelta(microseconds=1))).allowed
        late = decide(replace(case, at=ENDS + SECOND))
        assert "as POAM-7 ended on 2026-03-20 23:59:59 UTC" in why(late, "findings")
        assert refused(late) == ["approvals", "findings"]

    def test_unfixed_ones_block_unless_the_policy_says_otherwise(self) -> None:
        case = replace(APPROVED, findings=(found(fixed=""),))
        assert "findings" in refused(decide(case))
        lenient = policy(unfixed_block=False)
        assert "findings" not in refused(decide(replace(case, policy=lenient)))
        assert "findings" in refused(decide(replace(case, policy=lenient, findings=(found(),))))

    @pytest.mark.parametrize("kind", [FindingKind.SECRET, FindingKind.CODE, FindingKind.MISCONFIGURATION])
    def test_what_is_no_vulnerability_has_no_fix_to_wait_for(self, kind: FindingKind) -> None:
        case = replace(APPROVED, findings=(found(fixed="", kind=kind),), policy=policy(unfixed_block=False))
        assert "findings" in refused(decide(case))

    def test_what_a_report_itself_calls_harmless_blocks_unless_the_policy_says_otherwise(self) -> None:
        case = replace(APPROVED, findings=(found(claimed="not affected"),))
        assert "findings" in refused(decide(case))
        assert "findings" not in refused(decide(replace(case, policy=policy(claims_count=True))))

    def test_an_unknown_severity_blocks_under_any_policy(self) -> None:
        lenient = policy(blocks=frozenset(), unfixed_block=False, claims_count=True)
        case = replace(APPROVED, policy=lenient, findings=(found(severity=Severity.UNKNOWN, fixed="", claimed="suppressed"),))
        assert "findings" in refused(decide(case))

    def test_a_few_are_named_and_the_others_counted(self) -> None:
        many = tuple(found(f"CVE-2026-{number}") for number in range(1000, 1070))
        decision = decide(replace(APPROVED, findings=many))
        result = next(one for one in decision.refusals if one.key == "findings")
        assert result.why.startswith("70 findings block: CVE-2026-1000 in starlette")
        assert result.why.endswith("; and 67 more.")
        assert len(result.lines) == 50
        assert decision.as_data()["findings"] == {"blocking": 70, "excused": 0}

    def test_what_two_tools_found_is_one_finding_and_blocks_if_it_does_by_either(self) -> None:
        twice = (found(tool="Trivy"), found(tool="Grype", severity=Severity.CRITICAL))
        case = replace(APPROVED, findings=twice, excuses=Excuses.of([excuse(severity=Severity.HIGH)]))
        decision = decide(case)
        assert [(one.fact.tool, one.blocks) for one in decision.findings] == [("Trivy, Grype", True)]
        assert not decision.allowed

    def test_too_many_to_judge_mean_no(self) -> None:
        assert "12,000 findings that may block" in decide(replace(APPROVED, uncounted=12_000)).sentence

    def test_where_no_report_is_asked_for_and_none_is_there_that_is_warned_of(self) -> None:
        decision = decide(replace(APPROVED, reports=(), policy=policy(reports={})))
        assert decision.allowed
        assert "Nobody has looked" in decision.sentence


class TestAge:
    def test_a_digest_waits_as_long_as_the_policy_says_to_the_second(self) -> None:
        assert APPROVED.registered_at is not None
        due = APPROVED.registered_at + timedelta(hours=144)
        case = replace(APPROVED, policy=policy(minimum_age_hours=144))
        assert decide(replace(case, at=due)).allowed
        early = decide(replace(case, at=due - SECOND))
        assert refused(early) == ["age"]
        assert early.refusals[0].to_clear == "Wait until 2026-03-02 12:00:00 UTC."

    def test_one_of_which_it_is_not_known_since_when_it_is_there_does_not_pass(self) -> None:
        assert refused(decide(replace(APPROVED, registered_at=None, policy=policy(minimum_age_hours=1)))) == ["age"]


class TestNoWorseThanWhatRuns:
    CASE = replace(
        excused(found("CVE-2026-1000"), found("CVE-2026-2000")), policy=policy(no_worse=True),
        place=replace(APPROVED.place, service="chatbot"),
    )  # fmt: skip

    def test_a_finding_that_blocks_and_is_new_means_no_although_it_is_excused(self) -> None:
        running = Running("sha256:" + "b" * 64, (found("CVE-2026-1000", version="0.48.0", fingerprint="other"),))
        decision = decide(replace(self.CASE, running=running))
        assert refused(decision) == ["no-worse"]
        assert "What runs does not have CVE-2026-2000 in starlette 0.49.0 (High)." in decision.sentence

    def test_with_the_same_weaknesses_in_other_versions_it_passes(self) -> None:
        same = tuple(replace(one, version="0.48.0", fingerprint="") for one in self.CASE.findings)
        assert decide(replace(self.CASE, running=Running("sha256:" + "b" * 64, same))).allowed

    def test_a_worse_severity_of_the_same_means_no(self) -> None:
        lesser = tuple(replace(one, severity=Severity.HIGH) for one in self.CASE.findings)
        worse = tuple(replace(one, severity=Severity.CRITICAL) for one in self.CASE.findings)
        decision = decide(replace(self.CASE, findings=worse, running=Running("sha256:" + "b" * 64, lesser)))
        assert "no-worse" in refused(decision)

    def test_without_a_report_of_what_runs_nothing_can_be_compared(self) -> None:
        assert refused(decide(replace(self.CASE, running=Running("sha256:" + "b" * 64, None)))) == ["no-worse"]

    def test_where_nothing_runs_or_it_runs_itself_or_no_service_is_named_it_passes(self) -> None:
        assert decide(self.CASE).allowed
        assert decide(replace(self.CASE, running=Running(self.CASE.digest, None))).allowed
        assert decide(replace(self.CASE, place=Place(), excuses=self.CASE.excuses)).allowed


def test_going_back_is_warned_of_all_this_and_never_stopped() -> None:
    bad = replace(KNOWN_GOOD, findings=(found(severity=Severity.CRITICAL),), reports=(), policy=policy(minimum_age_hours=8760))
    decision = decide(bad, TO_ROLL_BACK)
    assert decision.allowed
    assert {one.key for one in decision.warnings} >= {"approvals", "report-image", "findings", "age"}
