from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from deploy_records import deployments, ledger, policies, verdict
from deploy_records.models import ImageDigest, PlatformImage, PoamGrant, PoamItem
from deploy_records.rules.case import Decision
from deploy_records.rules.policy import DEFAULT
from deploy_records.scanners.report import Severity
from deploy_records.verdict import Question
from tests.deploy_records.evidence import excused, scan, security
from tests.deploy_records.images import index, single
from tests.deploy_records.rules.cases import policy
from tests.deploy_records.scan_files import vulnerability

pytestmark = pytest.mark.django_db


@pytest.fixture
def build(operator: User) -> ImageDigest:
    return ledger.register(single("build 1", tag="1.0.0"), operator)


def refused(decision: Decision) -> list[str]:
    return [one.key for one in decision.refusals]


def set_policy(environment: str = "production", **fields: object) -> None:
    seen = policies.in_force(environment).version
    policies.save(policy(**fields), environment, security(), "Tried.", seen=seen)


class TestAsking:
    def test_the_decision_names_the_policy_the_reports_and_the_exceptions_it_relies_on(
        self, build: ImageDigest, manager: User
    ) -> None:
        report = scan(build, "CVE-2026-1000")
        item = excused()
        ledger.approve(build, manager)
        decision = verdict.ask(ImageDigest.objects.get())
        assert decision.allowed, decision.sentence
        data = decision.as_data()
        assert (data["environment"], data["policy"]) == ("production", 0)
        assert [one["sha256"] for one in data["reports"]] == [report.file.sha256]
        assert [one["name"] for one in data["exceptions"]] == [item.name]

    def test_who_registered_it_and_who_approved_it_are_told_apart_by_their_addresses_too(
        self, build: ImageDigest, operator: User, manager: User
    ) -> None:
        scan(build)
        ledger.approve(build, manager)
        assert verdict.ask(ImageDigest.objects.get()).allowed
        User.objects.filter(pk__in=[operator.pk, manager.pk]).update(email="one@example.com")
        decision = verdict.ask(ImageDigest.objects.get())
        assert refused(decision) == ["approvals"]
        assert "they registered it" in decision.sentence

    def test_two_approvals_of_one_person_under_two_names_are_one(
        self, build: ImageDigest, manager: User, other_manager: User
    ) -> None:
        set_policy("production", approvals=2)
        scan(build)
        ledger.approve(build, manager)
        ledger.approve(build, other_manager)
        assert verdict.ask(ImageDigest.objects.get()).allowed
        User.objects.filter(pk__in=[manager.pk, other_manager.pk]).update(email="one@example.com")
        decision = verdict.ask(ImageDigest.objects.get())
        assert refused(decision) == ["approvals"]
        assert "under another name" in decision.sentence

    def test_each_environment_is_judged_by_its_own_policy(self, build: ImageDigest, manager: User) -> None:
        scan(build, vulnerability(severity="MEDIUM"))
        ledger.approve(build, manager)
        set_policy("production", blocks=frozenset(DEFAULT.blocks | {Severity.MEDIUM}))
        entry = ImageDigest.objects.get()
        assert refused(verdict.ask(entry)) == ["approvals", "findings"]
        assert verdict.ask(entry, environment="staging").allowed
        assert not verdict.ask(entry, environment="nowhere").allowed

    def test_reports_of_one_platform_do_not_speak_for_another(self, operator: User, manager: User) -> None:
        both = ledger.register(index("both"), operator)
        arm = both.platforms.get(platform="linux/arm64")
        scan(ImageDigest(digest=arm.manifest_digest), platform="linux/arm64")
        ledger.approve(both, manager)
        entry = ImageDigest.objects.get()
        assert verdict.ask(entry, platform="linux/arm64/v8").allowed
        assert refused(verdict.ask(entry, platform="linux/amd64")) == ["report-image"]

    def test_a_digest_that_is_worse_than_what_runs(self, build: ImageDigest, operator: User, manager: User) -> None:
        set_policy("production", no_worse=True)
        excused("CVE-2026-1000", "CVE-2026-2000")
        new = ledger.register(single("build 2"), operator)
        scan(build, "CVE-2026-1000")
        scan(new, "CVE-2026-1000", "CVE-2026-2000")
        for entry in (build, new):
            ledger.approve(entry, manager)
        deployments.begin("prod-1", "chatbot", build, "upgrade")
        new.refresh_from_db()
        here = verdict.ask(new, service="chatbot", host="prod-1")
        assert refused(here) == ["no-worse"]
        assert "What runs does not have CVE-2026-2000" in here.sentence
        assert verdict.ask(new, service="chatbot", host="prod-2").allowed
        assert verdict.ask(build, service="chatbot", host="prod-1").rules

    def test_what_only_git_approved_counts_only_where_the_policy_trusts_it(self, build: ImageDigest, manager: User) -> None:
        scan(build, "CVE-2026-1000")
        excused()
        PoamGrant.objects.update(by=None, in_git="grace")
        assert "findings" in refused(verdict.ask(build))
        set_policy("staging", trusts_git=True)
        assert "findings" not in refused(verdict.ask(build, environment="staging"))
        assert "findings" in refused(verdict.ask(build))

    def test_more_findings_than_are_judged_one_by_one_mean_no(self, build: ImageDigest, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("deploy_records.gate_facts.MOST_FINDINGS", 2)
        scan(build, "CVE-2026-1000", "CVE-2026-2000", "CVE-2026-3000", vulnerability("CVE-2026-4000", "LOW"))
        decision = verdict.ask(build)
        assert "It has 3 findings that may block" in decision.sentence
        assert decision.findings == ()

    def test_many_places_are_asked_about_in_as_many_queries_as_one(
        self, operator: User, manager: User, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        set_policy("production", no_worse=True)
        excused("CVE-2026-1000")
        questions = []
        for number in range(4):
            entry = ledger.register(single(f"build {number}"), operator)
            scan(entry, "CVE-2026-1000", target=f"build {number}")
            ledger.approve(entry, manager)
            deployments.begin("prod-1", f"service-{number}", entry, "upgrade")
            questions.append(Question(ImageDigest.objects.get(pk=entry.pk), "production", f"service-{number}", "prod-1"))
        for asked in (questions[:1], questions):
            with django_assert_num_queries(9):
                assert all(answer.allowed for answer in verdict.ask_each(asked))


class TestAheadOfTime:
    def test_an_exception_that_ends_lets_it_fall_out_of_compliance_with_date_and_reason(
        self, build: ImageDigest, manager: User
    ) -> None:
        scan(build, "CVE-2026-1000")
        item = excused()
        ledger.approve(build, manager)
        entry = ImageDigest.objects.get()
        first = verdict.next_changes(entry)[0]
        assert first.because == f"{item.name} ends"
        assert first.last_good == item.expires_at
        assert first.sentence.startswith("Falls out of compliance after ")
        assert verdict.ask(entry, at=first.last_good).allowed
        assert refused(verdict.ask(entry, at=first.at)) == ["approvals", "findings"]

    def test_a_report_that_grows_too_old(self, build: ImageDigest, manager: User) -> None:
        report = scan(build, days=3)
        ledger.approve(build, manager)
        (turn,) = verdict.next_changes(ImageDigest.objects.get())
        assert turn.because == "its image scan is too old then"
        assert turn.last_good == (report.made_at + timedelta(days=30)).replace(microsecond=0)

    def test_further_ahead_than_asked_for_nothing_is_told(self, build: ImageDigest, manager: User) -> None:
        scan(build)
        ledger.approve(build, manager)
        entry = ImageDigest.objects.get()
        assert verdict.next_changes(entry, until=timezone.now() + timedelta(days=29)) == ()
        assert verdict.next_changes_each([Question(entry), Question(entry, "staging")]) != []

    def test_what_is_refused_today_has_no_day_on_which_it_falls_out(self, build: ImageDigest) -> None:
        assert verdict.next_changes(build) == ()


def test_an_exception_for_a_tag_or_a_manifest_fits_the_image(build: ImageDigest, manager: User) -> None:
    scan(build, "CVE-2026-1000")
    manifest = PlatformImage.objects.get().manifest_digest
    for component in (f"{build.repository}:1.0.*", f"*@{manifest}"):
        item = excused(component=component)
        assert "findings" not in refused(verdict.ask(build))
        PoamItem.objects.filter(pk=item.pk).update(state="closed", ended_at=timezone.now())
        assert "findings" in refused(verdict.ask(build))
