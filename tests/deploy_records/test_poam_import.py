from datetime import timedelta

import pytest
import yaml
from django.contrib.auth.models import AnonymousUser
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis.extra.django import TestCase

from deploy_records import poam, poam_import
from deploy_records.errors import Invalid, NotAllowed, Refused
from deploy_records.models import AuditEvent, PoamGrant, PoamItem, PoamState
from deploy_records.poam_files.canonical import write_poam
from deploy_records.poam_files.entry import Entry
from deploy_records.poam_files.moments import moment_text
from deploy_records.poam_import import Source, bring_in, compare, look, preview
from deploy_records.rules.terms import Milestone
from tests.deploy_records.exceptions import actions, approved, drafted, now, requested, requester, reviewer, soon
from tests.deploy_records.people import person
from tests.deploy_records.poam_files.entries import NOW, lists_of_entries

pytestmark = pytest.mark.django_db


def entry(**changes: object) -> dict[str, object]:
    usual: dict[str, object] = {
        "id": "POAM-0007", "cves": ["CVE-2026-1000"], "component": "pkg:pypi/starlette", "severity": "High",
        "justification": "Not reachable.", "mitigationPlan": "Take 0.49.1.", "owner": "olga",
        "createdAt": moment_text(soon(-1)), "expiresAt": moment_text(soon(10)), "status": "approved",
    }  # fmt: skip
    return usual | changes


def source(*entries: dict[str, object], **fields: str) -> Source:
    return Source(yaml.safe_dump({"version": 1, "exceptions": list(entries)}).encode(), **fields)


def older(**changes: object) -> Source:
    usual = {
        "id": "EXC-3", "severity": "HIGH", "owner": "olga", "created_on": soon(-1).date().isoformat(),
        "due_by": soon(10).date().isoformat(), "status": "approved", "remediation_plan": "Wait.", "cve": "CVE-2026-1000",
    }  # fmt: skip
    return Source(yaml.safe_dump({"meta": {}, "exceptions": [usual | changes]}).encode())


def exported() -> Source:
    return Source(write_poam(poam.entries(), timezone.now()).encode())


def get(number: int = 7) -> PoamItem:
    return PoamItem.objects.get(number=number)


class TestNewEntries:
    def test_what_ends_in_this_very_second_is_refused_with_its_line(self) -> None:
        with pytest.raises(Invalid, match="It ended on"):
            bring_in(source(entry()), requester(), trusted=True, now=soon(10) + timedelta(milliseconds=500))

    def test_what_git_approved_is_a_request_here_with_a_note_of_it(self) -> None:
        plan = bring_in(source(entry(approvedBy="mara")), requester())
        item = get()
        assert (item.state, item.requested_by, item.approved_in_git) == ("requested", requester(), "mara")
        assert not PoamGrant.objects.exists()
        assert plan.changes[0].sentence == "It is new, and approved in the file only: requested here."
        event = AuditEvent.objects.get(action="poam.imported")
        assert event.changes["approved in Git by"] == "mara"

    def test_without_a_name_in_the_file_the_committer_is_noted_or_that_nobody_is_named(self) -> None:
        bring_in(source(entry(), committer="Mara <mara@example.com>"), requester())
        bring_in(source(entry(id="POAM-0008")), requester())
        assert get(7).approved_in_git == "Mara <mara@example.com>"
        assert get(8).approved_in_git == "somebody whom the file does not name"

    def test_a_trusted_files_approval_counts_from_now_on_and_never_before(self) -> None:
        begun = timezone.now()
        bring_in(source(entry(approvedBy="mara", approvedAt=moment_text(soon(-0.5)))), requester(), trusted=True)
        given = PoamGrant.objects.get()
        assert (given.by, given.in_git, given.until) == (None, "mara", get().expires_at)
        assert given.at >= begun
        assert get().state == PoamState.APPROVED

    def test_even_a_trusted_file_approves_nothing_that_names_no_component(self) -> None:
        bring_in(older(), requester(), trusted=True)
        assert (get(1).state, get(1).file_id) == ("requested", "EXC-3")

    @pytest.mark.parametrize(("status", "state"), [
        ("draft", "draft"), ("requested", "requested"), ("rejected", "rejected"), ("mitigated", "mitigated"),
        ("closed", "closed"), ("expired", "closed"),
    ])  # fmt: skip
    def test_every_other_status_is_kept(self, status: str, state: str) -> None:
        bring_in(source(entry(status=status)), requester())
        assert (get().state, get().approved_in_git) == (state, "")

    def test_numbers_in_ids_are_kept_and_others_get_one_that_is_free(self) -> None:
        drafted()
        bring_in(source(entry(id="EXC-9"), entry(id="POAM-0002")), requester())
        assert {one.exported_id: one.number for one in PoamItem.objects.all()} == {"POAM-0001": 1, "POAM-0002": 2, "EXC-9": 3}
        assert drafted().number == 4

    def test_a_number_that_is_taken_by_another_id_is_refused(self) -> None:
        bring_in(older(), requester())
        with pytest.raises(Invalid, match="The number 1 is that of EXC-3 in the ledger"):
            bring_in(source(entry(id="POAM-0001")), requester())

    def test_entries_are_for_the_repository_that_the_file_is_for(self) -> None:
        other = entry(id="POAM-0008", repository="ghcr.io/acme/other")
        bring_in(source(entry(), other, repository="ghcr.io/acme/bot"), requester())
        assert [get(7).repository, get(8).repository] == ["ghcr.io/acme/bot", "ghcr.io/acme/other"]


class TestAllOrNothing:
    @pytest.mark.parametrize(("wrong", "why"), [
        ({"expiresAt": moment_text(soon(-0.5))}, "It ended on"),
        ({"expiresAt": moment_text(soon(60))}, "the policy allows 30 days"),
        ({"createdAt": moment_text(soon(1))}, "which is to come"),
        ({"owner": 12}, "is read as 12"),
        ({"severity": "Awful"}, "not a severity"),
    ])  # fmt: skip
    def test_one_wrong_entry_keeps_all_of_them_out(self, wrong: dict[str, object], why: str) -> None:
        with pytest.raises(Invalid, match=why) as refusal:
            bring_in(source(entry(id="POAM-0001"), entry(**wrong)), requester())
        assert "poam.yaml, line" in str(refusal.value)
        assert not PoamItem.objects.exists()
        assert not AuditEvent.objects.exists()

    def test_every_conflict_is_told_at_once(self) -> None:
        closed = poam.close(drafted(), requester(), "Gone.")
        there = approved()
        wrong = [entry(id=closed.exported_id), entry(id=there.exported_id, owner="sten"), entry(expiresAt=moment_text(soon(90)))]
        with pytest.raises(Invalid, match=r"poam\.yaml has 3 problems"):
            bring_in(source(*wrong), requester())

    def test_it_takes_the_role(self) -> None:
        for who in (person("sten"), AnonymousUser()):
            with pytest.raises(NotAllowed, match="Taking over a file of exceptions takes the role"):
                bring_in(source(entry()), who)
        assert not PoamItem.objects.exists()

    def test_a_preview_changes_nothing(self) -> None:
        assert [step.deed for step in preview(source(entry())).changes] == ["add"]
        assert not PoamItem.objects.exists()


class TestAgain:
    def test_the_same_file_twice_changes_nothing(self) -> None:
        for file in (source(entry(), entry(id="EXC-1", status="draft")), older()):
            assert bring_in(file, requester()).changes
            before = actions()
            assert bring_in(file, reviewer()).changes == ()
            assert actions() == before

    def test_what_was_exported_changes_nothing_when_it_comes_back(self) -> None:
        drafted(component="")
        requested(milestones=(Milestone("Build", soon(3).date()),))
        poam.comment(approved(digest="sha256:" + "a" * 64), requester(), "Asked.")
        poam.reject(requested(), reviewer(), "No.")
        poam.mitigate(approved(), requester(), "Done.")
        poam.close(approved(), requester(), "Gone.")
        before = actions()
        assert bring_in(exported(), requester()).changes == ()
        assert not compare(exported())
        assert actions() == before

    def test_it_changes_nothing_after_the_end_either(self) -> None:
        approved()
        text = Source(write_poam(poam.entries(), soon(11)).encode())
        assert bring_in(text, requester(), now=soon(11)).changes == ()
        as_before = exported()  # still says approved, and its end has passed meanwhile
        assert bring_in(as_before, requester(), now=soon(11)).changes == ()

    def test_a_file_may_end_what_it_named(self) -> None:
        item, other = approved(), approved()
        ended = [entry(id=one.exported_id, status=status) for one, status in ((item, "mitigated"), (other, "closed"))]
        bring_in(source(*ended), requester())
        assert (now(item).state, now(other).state) == ("mitigated", "closed")
        assert now(item).ended_because == "Mitigated in Git."

    def test_a_later_end_of_what_was_approved_is_a_request_to_extend(self) -> None:
        item = approved()
        later = soon(20)
        file = source(entry(id=item.exported_id, expiresAt=moment_text(later)))
        bring_in(file, requester())
        assert (now(item).expires_at, now(item).extend_to, now(item).extend_by) == (item.expires_at, later, requester())
        assert bring_in(file, requester()).changes == ()
        poam.approve_extension(item, reviewer())
        assert bring_in(file, requester()).changes == ()

    def test_what_was_approved_is_never_changed_or_shortened(self) -> None:
        item = approved()
        for wrong in ({"component": "pkg:pypi/anything"}, {"severity": "Critical"}, {"expiresAt": moment_text(soon(5))}):
            with pytest.raises(Invalid, match="It is approved"):
                bring_in(source(entry(id=item.exported_id, **{"expiresAt": moment_text(item.expires_at)} | wrong)), requester())
        assert now(item).version == item.version

    def test_an_ended_one_is_not_opened_by_a_file(self) -> None:
        item = poam.close(approved(), requester(), "Gone.")
        with pytest.raises(Invalid, match="an ended exception is not opened again"):
            bring_in(source(entry(id=item.exported_id)), requester())
        assert now(item).state == PoamState.CLOSED

    def test_what_nobody_approved_follows_the_file(self) -> None:
        bring_in(source(entry(status="draft")), requester())
        bring_in(source(entry(status="requested", owner="sten")), reviewer("ben"))
        assert (get().state, get().owner, get().requested_by) == ("requested", "sten", reviewer("ben"))
        with pytest.raises(NotAllowed, match="You wrote or requested"):
            poam.approve(get(), reviewer("ben"))

    def test_a_rejected_one_stays_rejected_until_its_text_changes(self) -> None:
        file = source(entry())
        bring_in(file, requester())
        poam.reject(get(), reviewer(), "Reachable.")
        assert bring_in(file, requester()).changes == ()
        assert get().state == PoamState.REJECTED
        bring_in(source(entry(justification="Switched off.", expiresAt=moment_text(get().expires_at))), requester())
        assert (get().state, get().ended_because) == ("requested", "")

    def test_when_a_file_is_trusted_later_its_approval_counts_then(self) -> None:
        file = source(entry(approvedBy="mara"))
        bring_in(file, requester())
        bring_in(file, requester(), trusted=True)
        assert (get().state, PoamGrant.objects.get().in_git) == ("approved", "mara")
        assert bring_in(file, requester(), trusted=True).changes == ()


class TestDrift:
    def test_it_is_shown_in_both_directions_and_field_by_field(self) -> None:
        same, differs, missing = approved(), approved(), approved()
        ends = moment_text(same.expires_at)
        created = moment_text(same.created_at)
        here = {"expiresAt": ends, "createdAt": created}
        file = source(
            entry(id=same.exported_id, **here | {"expiresAt": ends}),
            entry(id=differs.exported_id, **here, owner="sten", status="closed"),
            entry(id="POAM-0099"),
        )
        drift = compare(file)
        assert [one.id for one in drift.only_in_file] == ["POAM-0099"]
        assert [one.id for one in drift.only_in_ledger] == [missing.exported_id]
        found = {
            one.file.id: {field.field: (field.in_file, field.in_ledger) for field in one.differences} for one in drift.differing
        }
        assert found[differs.exported_id]["owner"] == ("sten", "olga")
        assert found[differs.exported_id]["status"] == ("closed", "approved")

    def test_what_git_approved_and_the_ledger_did_not_is_drift(self) -> None:
        file = source(entry())
        bring_in(file, requester())
        (one,) = compare(file).differing
        assert [(field.field, field.in_file, field.in_ledger) for field in one.differences] == [
            ("status", "approved", "requested")
        ]

    def test_a_file_may_drop_what_has_ended(self) -> None:
        poam.close(drafted(), requester(), "Gone.")
        approved()
        assert compare(source(), now=soon(11)).only_in_ledger == ()
        assert len(compare(source()).only_in_ledger) == 1

    def test_a_repositorys_file_is_held_beside_what_is_for_that_repository(self) -> None:
        approved(repository="ghcr.io/acme/bot")
        approved(repository="ghcr.io/acme/other")
        (only,) = compare(source(repository="ghcr.io/acme/bot")).only_in_ledger
        assert only.terms.repository == "ghcr.io/acme/bot"


class TestRoundTrip(TestCase):
    @given(lists_of_entries())
    @settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow])
    def test_taking_over_then_exporting_then_taking_over_changes_nothing(self, entries: list[Entry]) -> None:
        text = Source(write_poam(entries, NOW).encode())
        later = NOW + timedelta(seconds=1)
        try:
            bring_in(text, requester(), now=later)
        except Invalid:
            return  # what the policy does not allow; tried above
        out = Source(write_poam(poam.entries(), later).encode())
        assert poam_import.parsed(out).problems == ()
        assert bring_in(out, requester(), now=later).changes == ()
        assert not compare(out, now=later)


# Looked at before it is taken over


def test_a_look_shows_plan_and_drift_and_changes_nothing() -> None:
    approved()
    looked = look(source(entry()))
    assert [step.becomes for step in looked.plan.changes] == ["requested"]
    assert [one.id for one in looked.drift.only_in_file] == ["POAM-0007"]
    assert [one.id for one in looked.drift.only_in_ledger] == ["POAM-0001"]
    assert looked.problems == ()
    assert PoamItem.objects.count() == 1


def test_a_look_shows_every_problem_with_its_line_of_form_and_of_time_alike() -> None:
    form = look(source(entry(severity="Awful"), entry(id="POAM-0008", cves=["CVE-1"])))
    assert [one.line > 0 for one in form.problems] == [True] * len(form.problems)
    assert len(form.problems) >= 2
    late = look(source(entry(expiresAt=moment_text(soon(80)))))
    assert "the policy allows 30 days" in late.problems[0].message
    assert late.problems[0].place == "POAM-0007"


def test_what_was_seen_is_what_is_taken_over() -> None:
    file = source(entry())
    assert bring_in(file, requester(), seen=look(file).plan.stamp).changes


def test_another_ledger_by_then_means_that_it_has_to_be_looked_at_again() -> None:
    file = source(entry(), entry(id="POAM-0008"))
    seen = look(file).plan.stamp
    bring_in(source(entry()), requester())
    with pytest.raises(Refused, match="changed since you looked"):
        bring_in(file, requester(), seen=seen)
    assert not PoamItem.objects.filter(number=8).exists()
