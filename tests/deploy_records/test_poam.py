from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.db import IntegrityError, transaction
from django.utils import timezone

from deploy_records import poam
from deploy_records.errors import Invalid, NotAllowed, Refused
from deploy_records.models import AuditEvent, PoamComment, PoamGrant, PoamItem, PoamState
from deploy_records.rules.component import Place
from deploy_records.rules.exceptions import judge
from deploy_records.rules.terms import Milestone
from deploy_records.scanners.report import Finding, FindingKind, Severity
from tests.deploy_records.exceptions import actions, approved, drafted, now, requested, requester, reviewer, soon, terms
from tests.deploy_records.people import anew, person

pytestmark = pytest.mark.django_db

FINDING = Finding("trivy", FindingKind.VULNERABILITY, "CVE-2026-1000", Severity.HIGH, "f" * 64, purl="pkg:pypi/starlette@0.49.0")


def is_excused(days: float = 0) -> bool:
    return judge(FINDING, poam.excuses(), Place("ghcr.io/acme/bot"), timezone.now() + timedelta(days=days)).excused


class TestDrafting:
    def test_a_draft_has_a_number_and_excuses_nothing(self) -> None:
        item = drafted()
        assert (item.name, item.state, item.drafted_by, item.requested_by) == ("POAM-1", "draft", requester(), None)
        assert not is_excused()
        event = AuditEvent.objects.get(action="poam.drafted")
        assert (event.object_name, event.changes["vulnerabilities"]) == ("POAM-1", [None, ["CVE-2026-1000"]])

    def test_numbers_grow_and_none_is_used_twice_even_after_a_row_was_lost(self) -> None:
        assert [drafted().number for _ in range(3)] == [1, 2, 3]
        PoamItem.objects.filter(number=3).delete()
        assert drafted().number == 4

    def test_a_draft_may_still_lack_what_a_request_needs(self) -> None:
        item = drafted(component="", justification="", owner="")
        with pytest.raises(Refused, match="say the component and the justification and the owner first"):
            poam.request(item, requester())
        assert now(item).state == PoamState.DRAFT

    @pytest.mark.parametrize(("wrong", "why"), [
        ({"vulnerabilities": ("CVE-1",)}, "not a CVE id"),
        ({"vulnerabilities": ("CVE-2026-1000", "cve-2026-1000")}, "twice"),
        ({"component": "*"}, "fits almost every image"),
        ({"owner": "x" * 151}, "151 characters"),
        ({"justification": "a\u202eb"}, "cannot be seen"),
        ({"repository": "--privileged"}, "dash"),
        ({"digest": "latest"}, "digest"),
        ({"service": "../x"}, "not the name of a service"),
        ({"expires_at": soon(-1)}, "is past"),
        ({"expires_at": soon().replace(tzinfo=None)}, "names no zone"),
        ({"expires_at": soon().replace(year=9999)}, "The year 9999"),
        ({"milestones": (Milestone(" ", soon().date()),)}, "milestone is blank"),
        ({"severity": "Unknown"}, "not a severity that can be excused"),
    ])  # fmt: skip
    def test_what_is_not_of_the_form_is_refused_and_nothing_is_stored(self, wrong: dict[str, object], why: str) -> None:
        with pytest.raises(Invalid, match=why):
            drafted(**wrong)
        assert not PoamItem.objects.exists()
        assert not AuditEvent.objects.exists()

    def test_nobody_drafts_without_the_role(self) -> None:
        for who in (person("sten"), AnonymousUser()):
            with pytest.raises(NotAllowed, match="Drafting an exception takes the role"):
                poam.draft(terms(), who)
        assert not PoamItem.objects.exists()


class TestRequesting:
    def test_what_is_requested_waits_and_excuses_nothing(self) -> None:
        item = requested()
        assert (now(item).state, now(item).requested_by) == ("requested", requester())
        assert not is_excused()
        assert actions() == ["poam.drafted", "poam.requested"]

    @pytest.mark.parametrize(("severity", "days", "allowed"), [
        (Severity.HIGH, 30, True), (Severity.HIGH, 32, False), (Severity.CRITICAL, 32, False), (Severity.MEDIUM, 32, True),
    ])  # fmt: skip
    def test_it_must_not_last_longer_than_the_policy_allows(self, severity: Severity, days: int, allowed: bool) -> None:
        item = drafted(severity=severity, expires_at=soon(days))
        if allowed:
            assert poam.request(item, requester()).state == PoamState.REQUESTED
        else:
            with pytest.raises(Refused, match="the policy allows 30 days"):
                poam.request(item, requester())

    def test_a_policy_may_allow_less(self) -> None:
        with pytest.raises(Refused, match="allows 7 days"):
            poam.request(drafted(), requester(), limits={Severity.HIGH: timedelta(days=7)})

    def test_a_second_request_is_refused(self) -> None:
        with pytest.raises(Refused, match="only a draft can be requested"):
            poam.request(requested(), requester())


class TestApproving:
    def test_a_reviewers_yes_puts_it_in_force_until_its_end(self) -> None:
        item = requested()
        given = poam.approve(item, reviewer(), "Looked at.", address="10.0.0.7")
        assert (given.by, given.requested_by, given.until) == (reviewer(), requester(), item.expires_at)
        assert now(item).state == PoamState.APPROVED
        assert is_excused()
        assert is_excused(9.9)
        assert not is_excused(10.1)
        assert now(item).status_at(soon(10.1)) == "expired"
        event = AuditEvent.objects.get(action="poam.approved")
        assert (event.reason, event.actor, event.changes["state"]) == ("Looked at.", "sara", ["requested", "approved"])

    def test_the_requester_cannot_even_as_a_reviewer(self) -> None:
        item = poam.request(poam.draft(terms(), reviewer("ben")), reviewer("ben"))
        with pytest.raises(NotAllowed, match="You wrote or requested POAM-1"):
            poam.approve(item, reviewer("ben"))
        assert not PoamGrant.objects.exists()

    def test_who_wrote_it_cannot_although_another_requested_it(self) -> None:
        item = poam.request(poam.draft(terms(), reviewer("ben")), requester())
        with pytest.raises(NotAllowed, match="somebody else has to decide"):
            poam.approve(item, reviewer("ben"))
        assert poam.approve(item, reviewer()).by == reviewer()

    def test_two_accounts_with_one_address_are_one_person(self) -> None:
        item = requested()
        twin = person("olga2", "request_poam", "approve_poam", email="Olga@Example.com")
        with pytest.raises(NotAllowed):
            poam.approve(item, twin)

    def test_nobody_approves_without_the_role(self) -> None:
        item = requested()
        for who in (person("sten"), person("otto", "request_poam"), AnonymousUser(), User.objects.create_superuser("root")):
            with pytest.raises(NotAllowed, match="Approving an exception takes the role"):
                poam.approve(item, who)
        User.objects.filter(pk=reviewer().pk).update(is_active=False)
        with pytest.raises(NotAllowed):
            poam.approve(item, anew(reviewer()))
        assert now(item).state == PoamState.REQUESTED

    def test_what_was_not_requested_cannot_be_approved(self) -> None:
        with pytest.raises(Refused, match="only what is requested can be approved"):
            poam.approve(drafted(), reviewer())
        with pytest.raises(Refused, match="is approved; only"):
            poam.approve(approved(), reviewer())

    def test_what_was_changed_since_the_reviewer_looked_is_refused(self) -> None:
        item = requested()
        poam.request(poam.revise(item, terms(component="pkg:pypi/anything"), requester()), requester())
        with pytest.raises(Refused, match="was changed since you looked"):
            poam.approve(item, reviewer(), seen=item.version)
        assert poam.approve(item, reviewer(), seen=now(item).version).by == reviewer()

    def test_a_request_whose_end_has_passed_cannot_be_approved(self) -> None:
        item = requested()
        with pytest.raises(Refused, match="which is past"):
            poam.approve(item, reviewer(), now=soon(11))

    def test_nor_can_one_in_the_last_second_of_its_time(self) -> None:
        item = requested()
        with pytest.raises(Refused, match="which is past"):
            poam.approve(item, reviewer(), now=item.expires_at + timedelta(milliseconds=500))
        assert poam.approve(item, reviewer(), now=item.expires_at - timedelta(seconds=1)).until == item.expires_at

    def test_pages_learn_why_not(self) -> None:
        item = requested()
        assert poam.may_approve(item, reviewer()).allowed
        assert "You wrote or requested" in poam.may_approve(item, person("x", "approve_poam", email="olga@example.com")).reason
        assert "takes a role" in poam.may_approve(item, requester()).reason
        assert "Sign in" in poam.may_approve(item, AnonymousUser()).reason

    def test_the_database_takes_no_approval_by_the_requester_and_no_incomplete_item(self) -> None:
        item = requested()
        with pytest.raises(IntegrityError), transaction.atomic():
            PoamGrant.objects.create(item=item, by=requester(), requested_by=requester(), at=soon(0), until=soon(1))
        with pytest.raises(IntegrityError), transaction.atomic():
            PoamItem.objects.filter(pk=item.pk).update(state="approved", component="")


class TestRejecting:
    def test_a_rejected_one_excuses_nothing_and_can_be_reworked(self) -> None:
        item = poam.reject(requested(), reviewer(), "Reachable after all.")
        assert (now(item).state, now(item).ended_because) == ("rejected", "Reachable after all.")
        again = poam.revise(item, terms(justification="Switched off."), requester())
        assert (again.state, again.ended_because) == ("draft", "")
        assert poam.approve(poam.request(again, requester()), reviewer()).by == reviewer()

    def test_it_takes_a_reason_the_role_and_somebody_else(self) -> None:
        item = requested()
        with pytest.raises(Invalid, match="The reason is blank"):
            poam.reject(item, reviewer(), " ")
        with pytest.raises(NotAllowed):
            poam.reject(item, requester(), "No.")
        with pytest.raises(Refused, match="only what is requested can be rejected"):
            poam.reject(approved(), reviewer(), "Too late.")
        assert now(item).state == PoamState.REQUESTED


class TestRevising:
    def test_a_change_is_noted_field_by_field_and_takes_a_request_back(self) -> None:
        item = poam.revise(requested(), terms(owner="sten", milestones=(Milestone("Build", soon(3).date()),)), requester())
        assert (item.state, now(item).owner, item.milestones.count()) == ("draft", "sten", 1)
        changes = AuditEvent.objects.get(action="poam.revised").changes
        assert changes["owner"] == ["olga", "sten"]
        assert set(changes) == {"owner", "milestones"}
        assert actions()[-1] == "poam.taken-back"

    def test_what_was_approved_or_ended_stays_as_it_was(self) -> None:
        for item in (approved(), poam.close(drafted(), requester(), "Not needed.")):
            with pytest.raises(Refused, match="its text stays as it was decided on"):
                poam.revise(item, terms(owner="x"), requester())
            assert now(item).owner == "olga"


class TestEnding:
    def test_what_is_mitigated_excuses_nothing_from_then_on(self) -> None:
        item = approved()
        assert is_excused()
        poam.mitigate(item, requester(), "Took 0.49.1.")
        assert not is_excused()
        assert (now(item).state, now(item).ended_because) == ("mitigated", "Took 0.49.1.")
        excuse = poam.excuse_of(now(item))
        assert excuse.ended_at == now(item).ended_at

    def test_closing_what_was_mitigated_does_not_move_the_moment_of_its_end(self) -> None:
        item = poam.mitigate(approved(), requester(), "Took 0.49.1.")
        ended = now(item).ended_at
        poam.close(item, reviewer(), "Verified.")
        assert (now(item).state, now(item).ended_at) == ("closed", ended)

    @pytest.mark.parametrize("deed", ["request", "approve", "reject", "revise", "extend", "mitigate", "close"])
    def test_a_closed_one_never_opens_again(self, deed: str) -> None:
        item = poam.close(approved(), requester(), "Service retired.")
        deeds: dict[str, Callable[[], object]] = {
            "request": lambda: poam.request(item, requester()),
            "approve": lambda: poam.approve(item, reviewer()),
            "reject": lambda: poam.reject(item, reviewer(), "No."),
            "revise": lambda: poam.revise(item, terms(), requester()),
            "extend": lambda: poam.ask_to_extend(item, requester(), soon(20), "More time."),
            "mitigate": lambda: poam.mitigate(item, requester(), "Done."),
            "close": lambda: poam.close(item, requester(), "Again."),
        }
        with pytest.raises(Refused):
            deeds[deed]()
        assert now(item).state == PoamState.CLOSED

    def test_a_draft_is_closed_and_not_mitigated(self) -> None:
        with pytest.raises(Refused, match="Close it instead"):
            poam.mitigate(drafted(), requester(), "Done.")
        assert poam.close(drafted(), requester(), "Not needed.").state == PoamState.CLOSED

    def test_it_takes_a_reason_and_a_role(self) -> None:
        item = approved()
        with pytest.raises(Invalid, match="blank"):
            poam.close(item, requester(), "")
        with pytest.raises(NotAllowed, match="Ending an exception takes the role"):
            poam.close(item, person("sten"), "Why not.")
        assert is_excused()


class TestExtending:
    def test_it_lasts_longer_only_once_somebody_else_approved_and_exactly_as_long_as_asked(self) -> None:
        item = approved()
        until = soon(20) + timedelta(seconds=7)
        poam.ask_to_extend(item, requester(), until, "The vendor is late.")
        assert not is_excused(11)
        given = poam.approve_extension(item, reviewer(), "One more time.")
        assert (given.until, now(item).expires_at, now(item).extend_to) == (until, until, None)
        assert is_excused(11)
        assert [one.until for one in now(item).grants.all()] == [item.expires_at, until]
        assert actions()[-2:] == ["poam.extension-asked", "poam.extended"]

    def test_who_asked_cannot_approve_it(self) -> None:
        item = poam.ask_to_extend(approved(), reviewer(), soon(20), "Later.")
        with pytest.raises(NotAllowed, match="somebody else has to decide"):
            poam.approve_extension(item, reviewer())
        assert poam.approve_extension(item, reviewer("ben")).by == reviewer("ben")

    def test_each_extension_is_within_the_maximum_from_its_approval_on(self) -> None:
        item = approved()
        with pytest.raises(Refused, match="the policy allows 30 days"):
            poam.ask_to_extend(item, requester(), soon(40), "For long.")
        poam.ask_to_extend(item, requester(), soon(30), "Later.")
        with pytest.raises(Refused, match="the policy allows 5 days"):
            poam.approve_extension(item, reviewer(), limits={Severity.HIGH: timedelta(days=5)})

    def test_what_has_expired_can_be_extended_but_was_not_in_force_in_between(self) -> None:
        item = approved(expires_at=soon(1))
        later = soon(3)
        poam.ask_to_extend(item, requester(), soon(6), "Late.", now=later)
        poam.approve_extension(item, reviewer(), now=later)
        assert [is_excused(days) for days in (0.5, 2, 4, 7)] == [True, False, True, False]

    @pytest.mark.parametrize("days", [10, 5, -1])
    def test_an_extension_ends_later_than_it_would_anyway(self, days: int) -> None:
        item = approved()
        with pytest.raises(Refused, match="An extension ends later"):
            poam.ask_to_extend(item, requester(), min(soon(days), item.expires_at), "Shorter.")

    def test_one_request_at_a_time_and_a_rejected_one_leaves_the_end_as_it_was(self) -> None:
        item = poam.ask_to_extend(approved(), requester(), soon(20), "Later.")
        with pytest.raises(Refused, match="waits for a decision already"):
            poam.ask_to_extend(item, requester(), soon(25), "Even later.")
        poam.reject_extension(item, reviewer(), "Fix it now.")
        assert (now(item).extend_to, now(item).state) == (None, "approved")
        assert not is_excused(11)
        with pytest.raises(Refused, match="No extension of POAM-1 waits"):
            poam.approve_extension(item, reviewer())

    def test_ending_it_ends_the_wait(self) -> None:
        item = poam.ask_to_extend(approved(), requester(), soon(20), "Later.")
        poam.close(item, requester(), "Gone.")
        assert now(item).extend_to is None
        with pytest.raises(Refused):
            poam.approve_extension(item, reviewer())

    def test_pages_learn_why_not(self) -> None:
        item = poam.ask_to_extend(approved(), requester(), soon(20), "Later.")
        assert poam.may_approve_extension(item, reviewer()).allowed
        assert not poam.may_approve_extension(item, requester()).allowed
        assert not poam.may_approve_extension(item, AnonymousUser()).allowed
        assert "waits" in poam.may_approve_extension(approved(), reviewer()).reason


class TestCommentsAndMilestones:
    def test_people_of_either_role_comment_and_strangers_do_not(self) -> None:
        item = drafted()
        poam.comment(item, requester(), "Asked the vendor.")
        poam.comment(item, reviewer(), "And?")
        with pytest.raises(NotAllowed):
            poam.comment(item, person("sten"), "Me too.")
        with pytest.raises(Invalid, match="blank"):
            poam.comment(item, requester(), " ")
        assert [one.text for one in PoamComment.objects.all()] == ["Asked the vendor.", "And?"]

    def test_a_milestone_is_done_once_and_by_somebody(self) -> None:
        item = drafted(milestones=(Milestone("Build", soon(3).date()),))
        milestone = item.milestones.get()
        done = poam.complete(milestone, requester())
        assert (done.done_by, item.milestones.get().done_at) == (requester(), done.done_at)
        with pytest.raises(Refused, match="done already"):
            poam.complete(milestone, requester())
        assert AuditEvent.objects.get(action="poam.milestone-done").changes == {"milestone": [None, "Build"]}

    def test_the_milestones_of_an_ended_one_stay_as_they_were(self) -> None:
        item = poam.close(drafted(milestones=(Milestone("Build", soon(3).date()),)), requester(), "Gone.")
        with pytest.raises(Refused, match="stay as they were"):
            poam.complete(item.milestones.get(), requester())


def test_what_the_ledger_says_can_be_written_for_files() -> None:
    item = approved(milestones=(Milestone("Build", soon(3).date()),), repository="ghcr.io/acme/bot")
    poam.comment(item, requester(), "Asked the vendor.")
    (entry,) = poam.entries("ghcr.io/acme/bot")
    assert (entry.id, entry.status, entry.approved_by, entry.comments) == (
        "POAM-0001",
        "approved",
        "sara",
        ("Asked the vendor.",),
    )
    assert replace(entry.terms, milestones=()) == terms(expires_at=item.expires_at, repository="ghcr.io/acme/bot")
    assert poam.entries("ghcr.io/acme/other") == ()
