import re
from dataclasses import replace

import pytest
from django.contrib.auth.models import AnonymousUser, User
from pytest_django import DjangoAssertNumQueries

from deploy_records import deployments, ledger, verdict
from deploy_records.errors import Invalid, NotAllowed, Refused
from deploy_records.ledger import Platform
from deploy_records.models import Approval, AuditEvent, ImageDigest, LedgerState
from tests.deploy_records.images import index, sha, single
from tests.deploy_records.people import RELEASE_MANAGER, anew, person
from tests.factories import approval, scanned

pytestmark = pytest.mark.django_db


def now(entry: ImageDigest) -> ImageDigest:
    return ImageDigest.objects.get(pk=entry.pk)


def actions() -> list[str]:
    return list(AuditEvent.objects.order_by("sequence").values_list("action", flat=True))


class TestRegistering:
    def test_a_new_digest_is_a_candidate_with_all_its_digests(self, operator: User) -> None:
        entry = ledger.register(index("build 1", tag="sha-1111111"), operator, address="10.0.0.7", job=5)
        assert (entry.state, entry.is_index, entry.tags, entry.registered_by) == ("candidate", True, ["sha-1111111"], operator)
        assert [(one.platform, one.manifest_digest) for one in entry.platforms.all()] == [
            ("linux/amd64", sha("build 1 amd64")),
            ("linux/arm64", sha("build 1 arm64")),
        ]
        event = AuditEvent.objects.get()
        assert (event.action, event.actor, event.address, event.job) == ("digest.registered", "otto", "10.0.0.7", 5)
        assert event.changes["state"] == [None, "candidate"]

    def test_the_same_digest_again_is_the_same_entry_and_its_tag_is_noted(self, operator: User, manager: User) -> None:
        first = ledger.register(single("build 1", tag="sha-1111111"), operator)
        second = ledger.register(single("build 1", tag="1.0.0"), manager)
        third = ledger.register(single("build 1", tag="1.0.0"), manager)
        assert first.pk == second.pk == third.pk
        assert now(first).tags == ["sha-1111111", "1.0.0"]
        assert now(first).registered_by == operator
        assert actions() == ["digest.registered", "digest.tagged"]

    def test_a_tag_seen_again_is_the_newest_one(self, operator: User) -> None:
        for tag in ("1.0.0", "sha-1111111", "1.0.0"):
            entry = ledger.register(single("build 1", tag=tag), operator)
        assert entry.tags == ["sha-1111111", "1.0.0"]

    def test_the_number_of_tags_kept_is_bounded(self, operator: User) -> None:
        for number in range(60):
            entry = ledger.register(single("build 1", tag=f"1.0.{number}"), operator)
        assert len(entry.tags) == 50
        assert entry.tag == "1.0.59"

    def test_a_tag_that_moves_is_shown_but_never_written_into_a_pin(self, operator: User) -> None:
        entry = ledger.register(single("build 1", tag="branch-main"), operator)
        assert (entry.tag, entry.pin_tag) == ("branch-main", "")
        entry = ledger.register(single("build 1", tag="sha-1111111"), operator)
        entry = ledger.register(single("build 1", tag="latest"), operator)
        assert (entry.tag, entry.pin_tag) == ("sha-1111111", "sha-1111111")

    def test_a_new_tag_on_an_approved_digest_leaves_it_approved(self, approved: ImageDigest, operator: User) -> None:
        ledger.register(single("build 1", tag="1.0.0"), operator)
        assert now(approved).state == LedgerState.APPROVED

    def test_the_same_digest_of_another_repository_is_another_entry(self, operator: User) -> None:
        here = ledger.register(single("build 1"), operator)
        there = ledger.register(single("build 1", repository="registry.example.com/other"), operator)
        assert here.pk != there.pk

    def test_docker_hubs_long_name_and_short_name_are_one_repository(self, operator: User) -> None:
        long = ledger.register(single("build 1", repository="docker.io/library/redis"), operator)
        short = ledger.register(single("build 1", repository="redis"), operator)
        assert long.pk == short.pk

    def test_a_digest_that_comes_back_with_other_contents_is_refused(self, operator: User) -> None:
        entry = ledger.register(single("build 1", tag="1.0.0"), operator)
        forged = replace(
            single("build 1"), platforms=(Platform("linux/amd64", sha("build 1"), sha("other config")),), tag="2.0.0"
        )
        with pytest.raises(Refused, match="cannot change its contents"):
            ledger.register(forged, operator)
        assert now(entry).tags == ["1.0.0"]

    @pytest.mark.parametrize(
        "wrong",
        [
            replace(single("x"), digest="latest"),
            replace(single("x"), digest=sha("x").upper()),
            replace(single("x"), repository="--privileged"),
            replace(single("x"), repository="Registry.example.com/Team"),
            replace(single("x"), tag="$(id)"),
            replace(single("x"), platforms=()),
            replace(single("x"), platforms=(Platform("linux/amd64\n", sha("x"), sha("y")),)),
            replace(single("x"), platforms=(Platform("linux/amd64", sha("other"), sha("y")),)),
            replace(single("x"), platforms=(Platform("linux/amd64", sha("x"), "sha256:123"),)),
            replace(index("x"), platforms=index("x").platforms * 40),
        ],
    )
    def test_what_is_not_of_the_form_is_refused_and_nothing_is_stored(self, wrong: ledger.Resolved, operator: User) -> None:
        with pytest.raises(Invalid):
            ledger.register(wrong, operator)
        assert not ImageDigest.objects.exists()
        assert not AuditEvent.objects.exists()

    def test_nobody_registers_without_the_role(self, stranger: User) -> None:
        for who in (stranger, AnonymousUser()):
            with pytest.raises(NotAllowed, match="Registering a digest takes the role"):
                ledger.register(single("build 1"), who)
        assert not ImageDigest.objects.exists()

    def test_what_was_found_running_enters_as_a_candidate_whoever_put_it_under_management(self, stranger: User) -> None:
        entry = ledger.register_found(single("build 1"), stranger, job=3)
        assert entry.state == LedgerState.CANDIDATE
        assert AuditEvent.objects.get().action == "digest.found"


class TestApproving:
    def test_another_persons_yes_approves_a_candidate(self, candidate: ImageDigest, manager: User) -> None:
        given = ledger.approve(candidate, manager, "  Scanned and tried.\r\n", address="10.0.0.7")
        assert given.comment == "Scanned and tried."
        assert now(candidate).state == LedgerState.APPROVED
        assert verdict.ask(now(candidate)).allowed
        assert actions()[-2:] == ["approval.given", "digest.approved"]
        assert AuditEvent.objects.get(action="digest.approved").changes == {"state": ["candidate", "approved"]}

    def test_ones_own_registration_is_refused_whatever_ones_roles(self, manager: User) -> None:
        entry = ledger.register(single("build 9"), manager)
        User.objects.filter(pk=manager.pk).update(username="mira-renamed")
        with pytest.raises(NotAllowed, match="You registered this digest"):
            ledger.approve(entry, anew(manager))
        assert now(entry).state == LedgerState.CANDIDATE
        assert not Approval.objects.exists()

    def test_a_superuser_without_the_role_is_refused(self, candidate: ImageDigest) -> None:
        root = User.objects.create_superuser("root")
        with pytest.raises(NotAllowed):
            ledger.approve(candidate, root)

    def test_an_account_that_was_closed_is_refused(self, candidate: ImageDigest, manager: User) -> None:
        User.objects.filter(pk=manager.pk).update(is_active=False)
        with pytest.raises(NotAllowed):
            ledger.approve(candidate, anew(manager))

    def test_a_second_click_is_told_that_it_was_approved_already(self, candidate: ImageDigest, manager: User) -> None:
        ledger.approve(candidate, manager)
        with pytest.raises(Refused, match="approved this digest already"):
            ledger.approve(candidate, manager)
        assert Approval.objects.count() == 1

    def test_a_second_person_may_add_their_yes(self, approved: ImageDigest, other_manager: User) -> None:
        ledger.approve(approved, other_manager)
        assert len(verdict.case_of(now(approved)).counted()) == 2
        assert now(approved).state == LedgerState.APPROVED

    def test_a_comment_with_a_hidden_character_is_refused(self, candidate: ImageDigest, manager: User) -> None:
        with pytest.raises(Invalid, match=re.escape("The comment has a character that cannot be seen, U+202E")):
            ledger.approve(candidate, manager, "fine\u202e")
        assert now(candidate).state == LedgerState.CANDIDATE

    def test_a_comment_can_be_required(self, candidate: ImageDigest, manager: User) -> None:
        with pytest.raises(Invalid, match="The comment is blank"):
            ledger.approve(candidate, manager, " ", comment_needed=True)

    def test_what_has_run_healthy_already_is_known_good_once_approved(self, candidate: ImageDigest, manager: User) -> None:
        deployments.begin("prod-1", "chatbot", candidate, "adopted")
        deployments.healthy("prod-1", "chatbot", candidate)
        assert now(candidate).state == LedgerState.CANDIDATE
        ledger.approve(candidate, manager)
        assert now(candidate).state == LedgerState.KNOWN_GOOD

    def test_pages_know_whether_a_person_may_approve_before_they_try(
        self, candidate: ImageDigest, operator: User, manager: User
    ) -> None:
        assert ledger.may_approve(candidate, manager).allowed
        assert not ledger.may_approve(candidate, operator).allowed
        assert not ledger.may_approve(candidate, AnonymousUser()).allowed


class TestTheGate:
    def test_an_approver_who_loses_the_role_no_longer_counts(self, approved: ImageDigest, manager: User) -> None:
        manager.groups.clear()
        decision = verdict.ask(approved)
        assert not decision.allowed
        assert "mira does not count: they no longer hold a role" in decision.sentence

    def test_an_approver_whose_account_was_closed_no_longer_counts(self, approved: ImageDigest, manager: User) -> None:
        User.objects.filter(pk=manager.pk).update(is_active=False)
        assert not verdict.ask(approved).allowed

    def test_an_approval_by_the_one_who_registered_never_counts(self, candidate: ImageDigest, manager: User) -> None:
        own = scanned(ledger.register(single("build 2"), manager))
        approval(own, manager)
        ImageDigest.objects.filter(pk=own.pk).update(state=LedgerState.APPROVED)
        decision = verdict.ask(now(own))
        assert not decision.allowed
        assert "they registered it" in decision.sentence

    def test_many_are_asked_in_as_many_queries_as_one(
        self, operator: User, manager: User, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        entries = [scanned(ledger.register(single(f"build {number}"), operator)) for number in range(5)]
        for entry in entries[:3]:
            ledger.approve(entry, manager)
        entries = list(ImageDigest.objects.order_by("pk"))
        with django_assert_num_queries(5):
            answers = verdict.ask_all(entries)
        assert [answers[entry.pk].allowed for entry in entries] == [True, True, True, False, False]


class TestWithdrawing:
    def test_a_withdrawn_approval_stays_visible_and_the_digest_is_a_candidate_again(
        self, approved: ImageDigest, manager: User
    ) -> None:
        given = approved.approvals.get()
        result = ledger.withdraw(given, manager, "Wrong build.")
        given.refresh_from_db()
        assert given.ended_at is not None
        assert given.ended_because == "Wrong build."
        assert result.entry.state == now(approved).state == LedgerState.CANDIDATE
        assert not verdict.ask(now(approved)).allowed
        assert actions()[-2:] == ["approval.withdrawn", "digest.candidate"]

    def test_it_can_be_given_anew(self, approved: ImageDigest, manager: User) -> None:
        ledger.withdraw(approved.approvals.get(), manager, "Wrong build.")
        ledger.approve(approved, manager, "Right after all.")
        assert now(approved).state == LedgerState.APPROVED
        assert approved.approvals.count() == 2

    def test_with_another_approval_left_it_stays_approved(
        self, approved: ImageDigest, manager: User, other_manager: User
    ) -> None:
        ledger.approve(approved, other_manager)
        ledger.withdraw(approved.approvals.get(by=manager), manager, "Not mine to say.")
        assert now(approved).state == LedgerState.APPROVED

    def test_a_known_good_digest_without_approvals_stays_known_good_but_is_not_deployed_anew(
        self, known_good: ImageDigest, manager: User
    ) -> None:
        ledger.withdraw(known_good.approvals.get(), manager, "Found a leak.")
        assert now(known_good).state == LedgerState.KNOWN_GOOD
        assert not verdict.ask(now(known_good)).allowed
        back = verdict.ask(now(known_good), rolling_back=True)
        assert back.allowed
        assert back.warnings

    def test_another_persons_approval_cannot_be_withdrawn(self, approved: ImageDigest, other_manager: User) -> None:
        with pytest.raises(NotAllowed, match="Only mira can withdraw"):
            ledger.withdraw(approved.approvals.get(), other_manager, "No.")

    def test_twice_is_refused_and_a_reason_is_needed(self, approved: ImageDigest, manager: User) -> None:
        given = approved.approvals.get()
        with pytest.raises(Invalid, match="The reason is blank"):
            ledger.withdraw(given, manager, " ")
        ledger.withdraw(given, manager, "Wrong build.")
        with pytest.raises(Refused, match="ended already"):
            ledger.withdraw(given, manager, "Wrong build.")


class TestTakingOutOfUse:
    def test_a_deprecated_digest_is_refused_and_its_approvals_have_ended(self, known_good: ImageDigest, manager: User) -> None:
        result = ledger.deprecate(known_good, manager, "Leaks memory.")
        assert result.sentence == "Deprecated."
        assert (now(known_good).state, now(known_good).note) == ("deprecated", "Leaks memory.")
        assert known_good.approvals.get().ended_because == "The digest was deprecated."
        assert "Leaks memory." in verdict.ask(now(known_good)).sentence

    def test_taking_out_what_runs_is_allowed_and_says_where_it_runs(self, known_good: ImageDigest, manager: User) -> None:
        deployments.begin("prod-1", "chatbot", known_good, "upgrade")
        deployments.begin("prod-2", "chatbot", known_good, "upgrade")
        result = ledger.revoke(known_good, manager, "Backdoor.")
        assert result.runs_on == ("chatbot on prod-1", "chatbot on prod-2")
        assert "still runs as chatbot on prod-1, chatbot on prod-2" in result.sentence
        assert deployments.current("prod-1", "chatbot") is not None

    def test_a_revoked_digest_is_so_for_good(self, known_good: ImageDigest, manager: User, operator: User) -> None:
        ledger.revoke(known_good, manager, "Backdoor.")
        for again in (
            lambda: ledger.approve(known_good, manager),
            lambda: ledger.deprecate(known_good, manager, "x"),
            lambda: ledger.revoke(known_good, manager, "x"),
            lambda: ledger.reinstate(known_good, manager, "x"),
        ):
            with pytest.raises(Refused, match="revoked"):
                again()
        ledger.register(single("build 1", tag="2.0.0"), operator)
        ledger.note_healthy(known_good)
        assert (now(known_good).state, now(known_good).note) == ("revoked", "Backdoor.")
        assert not verdict.ask(now(known_good), rolling_back=True).allowed

    def test_a_deprecated_digest_can_be_revoked_but_not_deprecated_twice(self, candidate: ImageDigest, manager: User) -> None:
        ledger.deprecate(candidate, manager, "Slow.")
        with pytest.raises(Refused, match="deprecated already"):
            ledger.deprecate(candidate, manager, "Slow.")
        ledger.revoke(candidate, manager, "Worse than slow.")
        assert now(candidate).state == LedgerState.REVOKED

    def test_a_note_is_needed(self, candidate: ImageDigest, manager: User) -> None:
        for deed in (ledger.deprecate, ledger.revoke, ledger.reinstate):
            with pytest.raises(Invalid, match="is blank"):
                deed(candidate, manager, "\n")
        assert now(candidate).state == LedgerState.CANDIDATE

    def test_nobody_does_it_without_the_role(self, candidate: ImageDigest, operator: User) -> None:
        for deed in (ledger.deprecate, ledger.revoke, ledger.reinstate):
            with pytest.raises(NotAllowed):
                deed(candidate, operator, "Because.")

    def test_a_rollback_deprecates_in_the_operators_name_and_may_be_repeated(
        self, known_good: ImageDigest, operator: User
    ) -> None:
        ledger.deprecate_by_rollback(known_good, operator, "Answers too slowly.", job=7)
        ledger.deprecate_by_rollback(known_good, operator, "Answers too slowly.", job=7)
        assert now(known_good).state == LedgerState.DEPRECATED
        event = AuditEvent.objects.get(action="digest.deprecated")
        assert (event.actor, event.job, event.reason) == ("otto", 7, "Answers too slowly.")

    def test_a_deprecated_digest_comes_back_only_by_a_new_approval_of_somebody_else(
        self, known_good: ImageDigest, manager: User, other_manager: User
    ) -> None:
        ledger.deprecate(known_good, manager, "Slow.")
        ledger.reinstate(known_good, manager, "It was the network.")
        assert (now(known_good).state, now(known_good).note) == ("candidate", "")
        assert not verdict.ask(now(known_good)).allowed
        with pytest.raises(NotAllowed, match="You offered this digest again"):
            ledger.approve(known_good, manager)
        ledger.approve(known_good, other_manager)
        assert now(known_good).state == LedgerState.APPROVED

    def test_a_reinstated_digest_has_to_run_healthy_anew_to_be_known_good(
        self, approved: ImageDigest, manager: User, other_manager: User
    ) -> None:
        deployments.begin("prod-1", "chatbot", approved, "upgrade")
        deployments.healthy("prod-1", "chatbot", approved)
        ledger.deprecate(approved, manager, "Slow.")
        ledger.reinstate(approved, manager, "It was the network.")
        ledger.approve(approved, other_manager)
        assert now(approved).state == LedgerState.APPROVED

    def test_only_a_deprecated_digest_can_be_offered_again(self, candidate: ImageDigest, manager: User) -> None:
        with pytest.raises(Refused, match="this one is candidate"):
            ledger.reinstate(candidate, manager, "x")


class TestWhatJobsFound:
    def test_an_approved_digest_that_ran_healthy_is_known_good_from_then_on(self, approved: ImageDigest) -> None:
        assert ledger.note_healthy(approved, job=4)
        assert not ledger.note_healthy(approved, job=4)
        assert now(approved).state == LedgerState.KNOWN_GOOD
        assert now(approved).known_good_at is not None
        assert actions().count("digest.known-good") == 1

    def test_a_candidate_that_runs_stays_a_candidate(self, candidate: ImageDigest) -> None:
        assert not ledger.note_healthy(candidate)
        assert now(candidate).state == LedgerState.CANDIDATE

    def test_a_failure_is_noted_with_its_reason_and_the_gate_warns_of_it(self, approved: ImageDigest) -> None:
        ledger.note_failure(approved, "It never became healthy.", job=4)
        assert (now(approved).state, now(approved).note) == ("approved", "It never became healthy.")
        decision = verdict.ask(now(approved))
        assert decision.allowed
        assert "It never became healthy." in decision.sentence

    def test_a_failure_does_not_overwrite_why_it_was_deprecated(self, approved: ImageDigest, manager: User) -> None:
        ledger.deprecate(approved, manager, "Leaks memory.")
        ledger.note_failure(approved, "Port taken.")
        assert now(approved).note == "Leaks memory."


def test_a_change_whose_event_cannot_be_written_does_not_happen(
    candidate: ImageDigest, manager: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_room(*_: object) -> None:
        raise OSError("no room")

    monkeypatch.setattr("deploy_records.audit.record", no_room)
    for deed in (
        lambda: ledger.approve(candidate, manager),
        lambda: ledger.revoke(candidate, manager, "x"),
        lambda: deployments.begin("prod-1", "chatbot", candidate, "upgrade"),
    ):
        with pytest.raises(OSError, match="no room"):
            deed()
    assert now(candidate).state == LedgerState.CANDIDATE
    assert not Approval.objects.exists()
    assert deployments.current("prod-1", "chatbot") is None


def test_release_managers_cannot_excuse_each_other_by_one_account(candidate: ImageDigest, operator: User) -> None:
    User.objects.filter(pk=operator.pk).update(email="otto@example.com")
    second_account = person("otto2", *RELEASE_MANAGER, email="Otto@example.com")
    with pytest.raises(NotAllowed, match="You registered this digest"):
        ledger.approve(now(candidate), second_account)
