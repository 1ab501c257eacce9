"""A rollback to a digest with findings that block: it goes on, and what it goes past is in the record for review."""

import pytest

from chatbot_service import claims, dispatch
from chatbot_service.dispatch import Request
from chatbot_service.jobs.step import Fenced
from chatbot_service.models import Job, JobState, Service
from chatbot_service.records import JobRecords
from deploy_records import poam, poam_drafting
from deploy_records.errors import Broken, Refused
from deploy_records.models import AuditEvent, ImageDigest, LedgerState, PoamItem, PoamState
from tests import factories
from tests.chatbot_service.test_runner import Stage
from tests.deploy_records.evidence import scan
from tests.portal import exceptions
from tests.portal.gate_scene import excused

pytestmark = pytest.mark.django_db


@pytest.fixture
def before() -> ImageDigest:
    """It ran here before; since then a finding has come to be known in it."""
    return factories.entry("before", is_index=True)


@pytest.fixture
def service(before: ImageDigest) -> Service:
    made = factories.service(runs=factories.entry("faulty"))
    factories.ran_before(made, before)
    return made


@pytest.fixture
def operator() -> Request:
    return Request(exceptions.olga(), "Answers time out", "192.0.2.7")


def fails(*_given: object) -> None:
    raise Broken("Nothing can be drafted today.")


class TestAskedFor:
    def test_what_blocks_is_drafted_in_the_name_of_who_asked(
        self, service: Service, before: ImageDigest, operator: Request
    ) -> None:
        scan(before, "CVE-2026-1000")
        job = dispatch.rollback(service, "", operator)
        item = PoamItem.objects.get()
        assert (item.state, item.by_rollback, item.owner, item.digest) == (PoamState.DRAFT, job.pk, "olga", before.digest)
        assert "personal_chatbot on prod-1" in item.justification
        event = AuditEvent.objects.get(action="poam.drafted-by-rollback")
        assert (event.actor, event.address, event.job, event.reason) == ("olga", "192.0.2.7", job.pk, "Answers time out")

    @pytest.mark.parametrize("because", ["clean", "excused"])
    def test_nothing_is_drafted_where_nothing_blocks(
        self, service: Service, before: ImageDigest, operator: Request, because: str
    ) -> None:
        if because == "excused":
            scan(before, "CVE-2026-1000")
            excused(component="*/personal-chatbot")
        dispatch.rollback(service, "", operator)
        assert not PoamItem.objects.filter(state=PoamState.DRAFT).exists()

    def test_an_upgrade_never_drafts_one(self, service: Service, operator: Request) -> None:
        new = factories.entry("new", LedgerState.APPROVED, is_index=True)
        scan(new, "CVE-2026-1000")
        with pytest.raises(Refused, match="Must not be deployed"):
            dispatch.upgrade(service, new.digest, operator)
        assert not PoamItem.objects.exists()

    def test_a_rollback_that_is_refused_drafts_none(self, service: Service, before: ImageDigest, operator: Request) -> None:
        scan(before, "CVE-2026-1000")
        with pytest.raises(Refused, match="note is blank"):
            dispatch.rollback(service, "", operator, deprecate=True)
        factories.job("restart", service, JobState.RUNNING)
        with pytest.raises(Refused, match="holds"):
            dispatch.rollback(service, "", operator)
        assert not PoamItem.objects.exists()

    def test_that_drafting_fails_stops_nothing_and_is_in_the_log(
        self, service: Service, before: ImageDigest, operator: Request,
        monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
    ) -> None:  # fmt: skip
        scan(before, "CVE-2026-1000")
        monkeypatch.setattr(poam_drafting, "by_rollback", fails)
        job = dispatch.rollback(service, "", operator)
        assert Job.objects.get().state == JobState.QUEUED
        assert f"{job}: no exception could be drafted" in caplog.text
        assert not PoamItem.objects.exists()


class Back(Stage):
    """Build 2 runs; build 1, which ran before it, has a finding that blocks."""

    def __init__(self) -> None:
        super().__init__()
        ImageDigest.objects.filter(pk=self.old_entry.pk).update(is_index=True)
        self.run(dispatch.upgrade(self.service, self.new.digest, self.request))

    def roll_back(self) -> Job:
        return dispatch.rollback(self.service_now(), self.old.digest, self.request)

    def note(self, job: Job) -> str:
        return job.steps.get(key="choose").note


@pytest.fixture
def back() -> Back:
    return Back()


class TestRun:
    def test_the_job_names_the_draft_that_was_made_when_it_was_asked_for(self, back: Back) -> None:
        scan(back.old_entry, "CVE-2026-1000")
        job = back.run(back.roll_back())
        assert job.state == JobState.SUCCEEDED
        assert "POAM-1 waits for a security reviewer" in back.note(job)
        assert PoamItem.objects.count() == 1
        assert not AuditEvent.objects.filter(action="poam.met-by-rollback").exists()

    def test_a_job_drafts_what_came_to_be_known_while_it_waited(self, back: Back) -> None:
        job = back.roll_back()
        scan(back.old_entry, "CVE-2026-1000")
        assert back.run(job).state == JobState.SUCCEEDED
        item = PoamItem.objects.get()
        assert (item.by_rollback, item.drafted_by) == (job.pk, back.operator)
        assert AuditEvent.objects.get(action="poam.drafted-by-rollback").actor == "olga"

    def test_without_findings_it_says_nothing_of_exceptions(self, back: Back) -> None:
        job = back.run(back.roll_back())
        assert job.state == JobState.SUCCEEDED
        assert "POAM" not in back.note(job)
        assert not PoamItem.objects.exists()

    def test_another_rollback_past_the_same_makes_no_second_draft(self, back: Back) -> None:
        scan(back.old_entry, "CVE-2026-1000")
        first = back.run(back.roll_back())
        back.run(dispatch.rollback(back.service_now(), back.new.digest, back.request))
        second = back.run(back.roll_back())
        assert second.state == JobState.SUCCEEDED
        (item,) = poam_drafting.of_rollback(second.pk)
        assert item.by_rollback == first.pk
        poam.close(item, exceptions.sara(), "The fix is in.")
        assert poam_drafting.of_rollback(first.pk)[0].state == PoamState.CLOSED

    def test_it_succeeds_although_drafting_fails_every_time(
        self, back: Back, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        scan(back.old_entry, "CVE-2026-1000")
        monkeypatch.setattr(poam_drafting, "by_rollback", fails)
        job = back.run(back.roll_back())
        assert job.state == JobState.SUCCEEDED
        assert back.world.running_digest() == back.old.digest
        assert "could not be noted for review" in back.note(job)
        assert caplog.text.count("no exception could be drafted") == 2

    def test_a_worker_that_lost_its_job_drafts_nothing(self, back: Back) -> None:
        job = back.roll_back()
        scan(back.old_entry, "CVE-2026-1000")
        held = claims.claim(job.pk)
        assert held
        Job.objects.filter(pk=job.pk).update(fence=held.fence + 1)
        ours = JobRecords(Job.objects.with_people().get(pk=job.pk), held, lambda *_: pytest.fail("not asked"))
        with pytest.raises(Fenced):
            ours.draft_for_review(back.old.digest)
        assert not PoamItem.objects.exists()
