"""What may be started, by whom, and what is said when it may not."""

import pytest

from chatbot_service import dispatch
from chatbot_service.dispatch import Request
from chatbot_service.models import Job, JobState, Kind, Service
from deploy_records.errors import NotAllowed, Refused
from deploy_records.models import AuditEvent, Deployment, LedgerState, Outcome
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def running() -> Service:
    return factories.service(runs=factories.entry("old"))


@pytest.fixture
def operator() -> Request:
    return Request(factories.person("Operator", name="olga"), "refresh")


def test_an_approved_digest_becomes_a_waiting_job_with_all_its_steps(running: Service, operator: Request) -> None:
    new = factories.entry("new", LedgerState.APPROVED)
    job = dispatch.upgrade(running, new.digest, operator)
    assert job.state == JobState.QUEUED
    assert job.steps.count() == 12
    assert AuditEvent.objects.get(action="job.asked").actor == "olga"


def test_the_second_person_is_told_who_holds_the_service(running: Service, operator: Request) -> None:
    first, second = (factories.entry(word, LedgerState.APPROVED) for word in ("a", "b"))
    dispatch.upgrade(running, first.digest, operator)
    with pytest.raises(Refused, match=r"Upgrade \d+ by olga holds .* since \d\d:\d\d:\d\d UTC"):
        dispatch.upgrade(running, second.digest, Request(factories.person("Operator")))
    assert Job.objects.count() == 1


def test_two_services_do_not_hold_each_other(running: Service, operator: Request) -> None:
    other = factories.service("other", runs=factories.entry("old of other"))
    new = factories.entry("new", LedgerState.APPROVED)
    dispatch.upgrade(running, new.digest, operator)
    dispatch.upgrade(other, new.digest, operator)
    assert Job.objects.count() == 2


@pytest.mark.parametrize("role", ["Viewer", "Release manager", "Auditor", "Administrator", "Security reviewer"])
def test_without_the_role_nothing_is_started(running: Service, role: str) -> None:
    new = factories.entry("new", LedgerState.APPROVED)
    with pytest.raises(NotAllowed, match="operator"):
        dispatch.upgrade(running, new.digest, Request(factories.person(role)))
    assert not Job.objects.exists()


def test_a_superuser_without_a_role_starts_nothing(running: Service) -> None:
    with pytest.raises(NotAllowed):
        dispatch.lifecycle(Kind.RESTART, running, Request(factories.person(is_superuser=True)))


BAD = {
    "a tag": ("v1.2.3", "pin by digest"),
    "a reference with a tag only": (f"{factories.REPOSITORY}:v1", "digest"),
    "63 hex": ("sha256:" + "a" * 63, "63"),
    "65 hex": ("sha256:" + "a" * 65, "65"),
    "upper case": ("sha256:" + "A" * 64, "lower case"),
    "another repository": ("ghcr.io/other/app@" + factories.sha("x"), "another repository"),
    "an unknown digest": (factories.sha("unknown"), "not in the ledger"),
    "spaces": (" sha256:" + "a" * 64, "digest"),
    "quotes": ("'sha256:" + "a" * 64 + "'", "digest"),
    "a newline": ("sha256:" + "a" * 64 + "\n", "digest"),
    "flags": ("--privileged", "digest"),
    "a shell": ("$(reboot)", "digest"),
    "10 kB": ("sha256:" + "a" * 10_240, "10,247"),
    "nothing": ("", "digest"),
}


@pytest.mark.parametrize(("text", "words"), BAD.values(), ids=BAD.keys())
def test_a_bad_digest_gets_a_clear_message_and_nothing_is_started(
    running: Service, operator: Request, text: str, words: str
) -> None:
    with pytest.raises(Refused) as refused:
        dispatch.upgrade(running, text, operator)
    assert words in str(refused.value)
    assert len(str(refused.value)) < 400
    assert not Job.objects.exists()


def test_the_digest_that_runs_already_is_refused(running: Service, operator: Request) -> None:
    with pytest.raises(Refused, match="runs already"):
        dispatch.upgrade(running, running.seen_digest, operator)


@pytest.mark.parametrize("state", [LedgerState.CANDIDATE, LedgerState.REVOKED, LedgerState.DEPRECATED])
def test_a_digest_that_may_not_run_is_refused_at_once(running: Service, operator: Request, state: str) -> None:
    with pytest.raises(Refused, match="Must not be deployed"):
        dispatch.upgrade(running, factories.entry("new", state).digest, operator)
    assert not Job.objects.exists()


def test_a_rollback_goes_to_the_one_before_by_itself(running: Service, operator: Request) -> None:
    before = factories.entry("before")
    factories.ran_before(running, before)
    assert dispatch.rollback(running, "", operator).target_digest == before.digest


def test_a_rollback_without_a_digest_that_ran_here_is_refused(running: Service, operator: Request) -> None:
    with pytest.raises(Refused, match="nothing to roll back to"):
        dispatch.rollback(running, "", operator)


def test_a_rollback_to_what_is_known_good_elsewhere_only_is_refused(running: Service, operator: Request) -> None:
    """It came past the rules of another environment, and past those of this one it would go as an upgrade."""
    elsewhere = factories.entry("elsewhere", scanned=False)
    factories.service("tried", runs=elsewhere, host=factories.host("dev-1"), environment="development")
    with pytest.raises(Refused, match="never run healthy as personal_chatbot there"):
        dispatch.rollback(running, elsewhere.digest, operator)
    assert not Job.objects.exists()


def test_a_rollback_to_what_was_undone_here_is_refused(running: Service, operator: Request) -> None:
    undone = factories.entry("undone")
    factories.ran_before(running, undone)
    Deployment.objects.filter(entry=undone).update(outcome=Outcome.UNDONE)
    with pytest.raises(Refused, match="never run healthy"):
        dispatch.rollback(running, undone.digest, operator)


def test_deprecating_in_a_rollback_takes_a_note(running: Service, operator: Request) -> None:
    factories.ran_before(running, factories.entry("before"))
    with pytest.raises(Refused, match="note is blank"):
        dispatch.rollback(running, "", operator, deprecate=True)


def test_a_waiting_job_that_is_cancelled_ends_at_once(running: Service, operator: Request) -> None:
    job = dispatch.lifecycle(Kind.RESTART, running, operator)
    dispatch.cancel(job, operator)
    job.refresh_from_db()
    assert job.state == JobState.CANCELLED
    with pytest.raises(Refused, match="nothing to cancel"):
        dispatch.cancel(job, operator)


def test_what_is_said_on_cancelling_must_be_readable(running: Service, operator: Request) -> None:
    job = dispatch.lifecycle(Kind.RESTART, running, operator)
    with pytest.raises(Refused, match="cannot be seen"):
        dispatch.cancel(job, Request(operator.by, "as agreed\u202e"))
    job.refresh_from_db()
    assert job.state == JobState.QUEUED


def test_a_demo_record_is_not_operated(running: Service, operator: Request) -> None:
    Service.objects.update(is_demo=True)
    running.refresh_from_db()
    with pytest.raises(Refused, match="demo record"):
        dispatch.lifecycle(Kind.RESTART, running, operator)
    assert not Job.objects.exists()


def test_a_broker_that_is_down_loses_nothing(running: Service, operator: Request, monkeypatch: pytest.MonkeyPatch) -> None:
    woken: list[int] = []

    def down(_job: int, _queue: str) -> None:
        raise ConnectionError("no broker")

    monkeypatch.setattr(dispatch, "_wake", [down])
    job = dispatch.lifecycle(Kind.RESTART, running, operator)
    assert dispatch.publish_waiting() == 0
    monkeypatch.setattr(dispatch, "_wake", [lambda number, _queue: woken.append(number)])
    assert dispatch.publish_waiting() == 1
    assert woken == [job.pk]
