"""What checks and changes leave in the record: rows with their events, exceptions within six months, versions in order."""

from datetime import date, timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from chatbot_service import hardening_report
from chatbot_service.claims import Claim
from chatbot_service.environment_contract import Change
from chatbot_service.jobs.hardening import as_data, judge
from chatbot_service.jobs.hardening_check import months_after
from chatbot_service.jobs.step import Fenced
from chatbot_service.models import CapabilityException, EnvironmentVersion, HardeningCheck, Job, JobState, Service
from chatbot_service.operation_records import JobOperation, contract_of, end_exception, except_capability, set_contract
from deploy_records.errors import Invalid, Refused
from deploy_records.models import AuditEvent
from tests import factories
from tests.chatbot_service.operation_fakes import HARDENED
from tests.chatbot_service.test_hardening import WANTED

pytestmark = pytest.mark.django_db


@pytest.fixture
def service() -> Service:
    return factories.service()


@pytest.fixture
def olga() -> User:
    return factories.person("Operator", name="olga")


@pytest.fixture
def operation(service: Service, olga: User) -> JobOperation:
    return of_job(service, olga)


def of_job(service: Service, person: User, kind: str = "restart") -> JobOperation:
    Job.objects.filter(service=service).update(state=JobState.SUCCEEDED)
    job = Job.objects.create(
        kind=kind, state=JobState.RUNNING, host=service.host, service=service, by=person, reason="because", fence=1
    )
    return JobOperation(job, Claim(job.pk, 1, recovered=False))


def events(action: str) -> list[AuditEvent]:
    return list(AuditEvent.objects.filter(action=action).order_by("sequence"))


def check(operation: JobOperation, *, passed: bool = True) -> HardeningCheck:
    operation.hardening_checked(as_data(judge(HARDENED, WANTED)), passed=passed, due_on=date(2026, 5, 1), digest="sha256:a")
    return HardeningCheck.objects.get()


def test_a_check_is_kept_with_its_event_once_even_if_the_job_is_repeated(operation: JobOperation) -> None:
    check(operation)
    kept = check(operation)
    assert (kept.passed, kept.due_on, len(kept.results)) == (True, date(2026, 5, 1), 16)
    assert len(events("hardening.passed")) == 1


def test_a_worker_that_lost_its_job_writes_nothing(operation: JobOperation) -> None:
    Job.objects.update(fence=2)
    with pytest.raises(Fenced):
        check(operation)
    with pytest.raises(Fenced):
        operation.keep_version("sealed", (), found=False)
    assert not HardeningCheck.objects.exists()
    assert not EnvironmentVersion.objects.exists()


@pytest.mark.parametrize(("passed", "code", "says"), [(True, 0, "is met"), (False, 1, "is not met")])
def test_a_check_is_told_to_a_terminal_and_to_a_pipeline(operation: JobOperation, passed: bool, code: int, says: str) -> None:
    kept = check(operation, passed=passed)
    assert hardening_report.exit_code(kept) == code
    assert says in hardening_report.as_lines(kept)[-1]
    assert hardening_report.as_data(kept)["results"][0]["rule"] == "user"


def test_an_exception_excuses_until_it_is_ended(service: Service, olga: User, operation: JobOperation) -> None:
    made = except_capability(service, "net_raw", "it pings its gateway", timezone.localdate() + timedelta(days=30), olga)
    assert [(one.capability, one.reason) for one in operation.excuses()] == [("CAP_NET_RAW", "it pings its gateway")]
    end_exception(made, olga)
    assert operation.excuses() == ()
    assert [len(events(action)) for action in ("capability.excepted", "capability.exception-ended")] == [1, 1]
    with pytest.raises(Refused, match="ended already"):
        end_exception(made, olga)


def test_a_second_exception_for_a_capability_replaces_the_first(service: Service, olga: User, operation: JobOperation) -> None:
    for days in (10, 20):
        except_capability(service, "CAP_NET_RAW", "reason", timezone.localdate() + timedelta(days=days), olga)
    assert [one.review_on for one in operation.excuses()] == [timezone.localdate() + timedelta(days=20)]
    assert CapabilityException.objects.count() == 2


@pytest.mark.parametrize(("name", "reason"), [("CAP_FLY", "why"), ("", "why"), ("NET_RAW", " "), ("NET_RAW", "x" * 1001)])
def test_an_exception_without_a_capability_or_a_reason_is_refused(service: Service, olga: User, name: str, reason: str) -> None:
    with pytest.raises(Invalid):
        except_capability(service, name, reason, timezone.localdate() + timedelta(days=1), olga)


def test_the_review_lies_within_six_months(service: Service, olga: User) -> None:
    today = timezone.localdate()
    latest = months_after(today, 6)
    for day in (today, today - timedelta(days=1), latest + timedelta(days=1)):
        with pytest.raises(Refused, match="six months"):
            except_capability(service, "NET_RAW", "why", day, olga)
    assert except_capability(service, "NET_RAW", "why", latest, olga).review_on == latest


CHANGES = (Change("PORT", "changed", sensitive=False, before="1", after="2"), Change("KEY", "changed", sensitive=True))


def test_versions_are_numbered_and_told_without_what_is_secret(service: Service, olga: User) -> None:
    first = of_job(service, olga)
    assert first.keep_version("found", (), found=True) == 1
    assert first.keep_version("one", CHANGES, found=False) == 2
    assert first.keep_version("one", CHANGES, found=False) == 2  # a job that is repeated
    second = of_job(service, olga)
    assert second.keep_version("two", CHANGES, found=False, went_back_to=1) == 3
    newest, earlier = second.version(0), second.version(1)
    assert newest
    assert earlier
    assert (newest.sealed, earlier.sealed, second.version(9)) == ("two", "found", None)
    (changed, _) = events("environment.changed")
    assert changed.changes == {"version": [None, 2], "PORT": ["1", "2"], "KEY": [None, "changed"]}
    assert [version.by for version in EnvironmentVersion.objects.order_by("number")] == [None, olga, olga]


def test_a_contract_of_its_own_replaces_the_default_and_can_be_taken_away(service: Service, olga: User) -> None:
    assert contract_of(service).key("OPENROUTER_MODEL")
    set_contract(service, "version: 1\nkeys: {TOKEN: {type: string, sensitive: true, required: true}}", olga)
    assert [key.name for key in contract_of(service).keys] == ["TOKEN"]
    with pytest.raises(Invalid):
        set_contract(service, "version: 1\nkeys: []", olga)
    assert [key.name for key in contract_of(service).keys] == ["TOKEN"]
    set_contract(service, "", olga)
    assert contract_of(service).key("OPENROUTER_MODEL")
    assert len(events("environment.contract")) == 2
