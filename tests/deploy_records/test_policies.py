from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from pytest_django import DjangoAssertNumQueries

from deploy_records import deployments, ledger, policies
from deploy_records.errors import Invalid, NotAllowed, Refused
from deploy_records.models import AuditEvent, GatePolicy, ImageDigest
from deploy_records.rules.exceptions import DEFAULT_LIMITS
from deploy_records.rules.policy import DEFAULT
from deploy_records.scanners.report import Severity
from tests.deploy_records.evidence import POLICY, scan, security
from tests.deploy_records.images import single
from tests.deploy_records.people import RELEASE_MANAGER, person
from tests.deploy_records.rules.cases import policy
from tests.deploy_records.scan_files import vulnerability

pytestmark = pytest.mark.django_db

TWO = policy(approvals=2)


def save(environment: str = "production", seen: int = 0, reason: str = "We are more now.", **fields: Any) -> GatePolicy:
    return policies.save(policy(**fields), environment, security(), reason, seen=seen)


class TestWhichHolds:
    def test_without_a_version_the_default_holds_everywhere_as_version_0(self) -> None:
        held = policies.all_in_force()
        assert list(held) == ["production", "staging", "development"]
        assert all((one.version, one.policy) == (0, DEFAULT) for one in held.values())

    def test_the_newest_version_of_its_environment_holds_and_no_other(self) -> None:
        save(approvals=2)
        save(seen=1, approvals=3)
        assert (policies.in_force().version, policies.in_force().policy) == (2, policy(approvals=3))
        assert policies.in_force().by == "petra"
        assert policies.in_force("staging").version == 0

    def test_all_are_read_in_one_query(self, django_assert_num_queries: DjangoAssertNumQueries) -> None:
        save(approvals=2)
        save("staging", approvals=3)
        with django_assert_num_queries(1):
            assert [one.version for one in policies.all_in_force().values()] == [1, 1, 0]

    def test_one_that_cannot_be_read_is_none_and_its_limits_are_the_defaults(self) -> None:
        save(exception_days={Severity.HIGH: 7})
        assert policies.limits()[Severity.HIGH].days == 7
        GatePolicy.objects.update(rules={"blocks": ["Dire"]})
        assert policies.in_force().policy is None
        assert policies.limits() == DEFAULT_LIMITS

    def test_git_is_trusted_where_one_environment_does(self) -> None:
        assert not policies.trusts_git()
        save("development", trusts_git=True)
        assert policies.trusts_git()


class TestSaving:
    def test_a_new_version_is_kept_with_who_why_and_what_changed(self) -> None:
        made = save(approvals=2)
        assert (made.environment, made.version, made.reason, made.rules) == ("production", 1, "We are more now.", TWO.as_data())
        event = AuditEvent.objects.get(action="policy.set")
        assert (event.actor, event.reason, event.changes) == ("petra", "We are more now.", {"approvals": [1, 2]})

    def test_every_version_stays_newest_first_with_its_changes(self) -> None:
        save(approvals=2)
        save(seen=1, approvals=2, no_worse=True)
        found = policies.versions("production")
        assert [(one.held.version, one.changes) for one in found] == [
            (2, {"no_worse": [False, True]}), (1, {"approvals": [1, 2]}), (0, {}),
        ]  # fmt: skip

    def test_whoever_may_not_is_refused(self) -> None:
        for one in (person("mira", *RELEASE_MANAGER), person("sten")):
            with pytest.raises(NotAllowed, match="Setting the gate policy takes the role"):
                policies.save(TWO, "production", one, "Because.", seen=0)
        assert not GatePolicy.objects.exists()

    def test_a_reason_is_needed(self) -> None:
        with pytest.raises(Invalid, match="The reason is blank"):
            save(reason=" ", approvals=2)

    def test_the_same_again_is_refused(self) -> None:
        with pytest.raises(Refused, match="like this already"):
            save()
        save(approvals=2)
        with pytest.raises(Refused, match="like this already"):
            save(seen=1, approvals=2)

    def test_who_saves_what_somebody_else_has_changed_meanwhile_is_told(self) -> None:
        save(approvals=2)
        other = person("paul", *POLICY)
        with pytest.raises(Refused, match="petra saved version 1 of the policy of production since you opened it"):
            policies.save(policy(no_worse=True), "production", other, "Because.", seen=0)
        assert policies.in_force().policy == TWO

    def test_production_cannot_do_without_any_look(self) -> None:
        with pytest.raises(Invalid, match="production needs an image scan or a dependency scan"):
            save(reports={})

    def test_an_unknown_environment_is_refused(self) -> None:
        with pytest.raises(Invalid, match="no environment of that name"):
            save("nowhere", approvals=2)

    def test_the_database_keeps_one_row_a_version(self) -> None:
        made = save(approvals=2)
        with pytest.raises(IntegrityError), transaction.atomic():
            GatePolicy.objects.create(environment="production", version=1, rules={}, made_by=made.made_by, reason="Twice.")

    def test_one_that_cannot_be_read_can_be_replaced(self) -> None:
        save(approvals=2)
        GatePolicy.objects.update(rules=7)
        assert save(seen=1, approvals=2).version == 2
        assert policies.in_force().policy == TWO


class TestPreview:
    @pytest.fixture
    def three(self, operator: User, manager: User) -> list[ImageDigest]:
        """Approved: one without findings, one with a Medium that runs, one with a Medium that does not."""
        found = []
        for number, findings in enumerate(((), ("MEDIUM",), ("MEDIUM",))):
            entry = ledger.register(single(f"build {number}"), operator)
            scan(entry, *(vulnerability(f"CVE-2026-{number}000", one) for one in findings), target=f"build {number}")
            found.append(ledger.approve(entry, manager).entry)
        deployments.begin("prod-1", "chatbot", found[1], "upgrade")
        return found

    def test_it_says_what_would_fall_out_and_changes_nothing(self, three: list[ImageDigest]) -> None:
        seen = policies.preview(policy(blocks=DEFAULT.blocks | {Severity.MEDIUM}), "production")
        assert {one.entry.pk for one in seen.falling_out} == {one.pk for one in three}
        assert {(one.entry.pk, one.service, one.host) for one in seen.effects} == {
            (three[1].pk, "chatbot", "prod-1"), (three[0].pk, "", ""), (three[2].pk, "", ""),
        }  # fmt: skip
        assert not GatePolicy.objects.exists()
        assert policies.in_force().version == 0

    def test_what_runs_and_would_fall_out_comes_first(self, three: list[ImageDigest]) -> None:
        first = policies.preview(policy(blocks=DEFAULT.blocks | {Severity.MEDIUM}), "production").effects[0]
        assert (first.entry.pk, first.service, first.turns_to_no) == (three[1].pk, "chatbot", True)
        assert "CVE-2026-1000" in first.after.sentence
        assert first.before.allowed

    def test_a_policy_that_only_asks_for_more_approvals_takes_all_out(self, three: list[ImageDigest]) -> None:
        assert len(policies.preview(TWO, "production").falling_out) == len(three)

    def test_one_that_asks_for_less_lets_in_what_was_refused(self, three: list[ImageDigest]) -> None:
        save(approvals=2)
        seen = policies.preview(DEFAULT, "production")
        assert (len(seen.coming_in), seen.falling_out) == (3, [])

    def test_only_the_places_of_the_environment_are_looked_at_if_they_are_named(self, three: list[ImageDigest]) -> None:
        seen = policies.preview(TWO, "production", places=[("prod-2", "other")])
        assert [one.service for one in seen.effects] == ["", "", ""]

    def test_another_environments_policy_is_left_as_it_is(self, three: list[ImageDigest]) -> None:
        save("production", approvals=2)
        assert policies.preview(policy(no_worse=True), "staging").falling_out == []

    def test_it_takes_as_many_queries_for_many_as_for_few(
        self, three: list[ImageDigest], django_assert_max_num_queries: DjangoAssertNumQueries
    ) -> None:
        with django_assert_max_num_queries(20):
            policies.preview(policy(blocks=DEFAULT.blocks | {Severity.MEDIUM}), "production")

    def test_the_oldest_are_left_out_and_counted_when_there_are_too_many(
        self, three: list[ImageDigest], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(policies, "MOST_PREVIEWED", 1)
        seen = policies.preview(TWO, "production")
        assert (len(seen.effects), seen.left_out) == (2, 1)
