"""What is seen of a service is written down once, and drift is told of."""

from dataclasses import replace
from datetime import timedelta

import pytest
from django.utils import timezone

from chatbot_service import observe
from chatbot_service.models import HealthTransition, JobState, Kind, Service
from chatbot_service.observe import Sight
from deploy_records.models import AuditEvent, Deployment, LedgerState, PlatformImage
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def service() -> Service:
    return factories.service(runs=factories.entry("old"))


def sight(service: Service, **changes: str | None) -> Sight:
    usual = Sight("running", "healthy", service.seen_digest, factories.sha("config"), service.seen_pin)
    return replace(usual, **changes)  # type: ignore[arg-type]  # fields of a sight


def states(service: Service) -> list[str]:
    return list(HealthTransition.objects.filter(service=service).order_by("at", "id").values_list("state", flat=True))


def test_the_same_sight_again_is_no_transition(service: Service) -> None:
    observe.note(service.pk, sight(service))
    observe.note(service.pk, sight(service))
    assert states(service) == ["healthy"]


def test_a_change_of_health_is_a_transition_and_the_row_says_since_when(service: Service) -> None:
    at = timezone.now() + timedelta(seconds=5)
    observe.note(service.pk, sight(service, health="unhealthy"), at=at)
    service.refresh_from_db()
    assert states(service) == ["healthy", "unhealthy"]
    assert service.seen_since == at


def test_a_look_with_a_clock_set_back_keeps_the_order(service: Service) -> None:
    observe.note(service.pk, sight(service, health="unhealthy"), at=timezone.now() - timedelta(days=30))
    assert states(service) == ["healthy", "unhealthy"]


def test_one_that_is_gone_is_down_but_one_stopped_by_a_job_is_stopped(service: Service) -> None:
    observe.note(service.pk, sight(service, state="exited", health="none"))
    assert states(service)[-1] == "down"
    factories.job(Kind.STOP, service, JobState.SUCCEEDED)
    observe.note(service.pk, sight(service, state="exited", health="unhealthy"))
    assert states(service)[-1] == "stopped"


def test_a_time_in_which_nobody_could_look_is_unknown(service: Service) -> None:
    unseen = Sight("unknown", "none", service.seen_digest, service.seen_image_id, None, note="the engine does not answer")
    observe.note(service.pk, unseen)
    assert states(service)[-1] == "unknown"
    service.refresh_from_db()
    assert not service.drift


def test_a_watcher_that_was_away_leaves_a_gap_and_not_what_it_saw_last(service: Service) -> None:
    Service.objects.update(seen_at=timezone.now() - timedelta(minutes=10))
    observe.note(service.pk, sight(service))
    assert states(service) == ["healthy", "unknown", "healthy"]
    observe.note(service.pk, sight(service))
    assert states(service) == ["healthy", "unknown", "healthy"]


def test_a_service_that_a_job_saw_serve_is_not_starting_again_until_docker_says_so(service: Service) -> None:
    observe.note(service.pk, sight(service, health="starting"))
    observe.served(service, service.seen_digest)
    observe.note(service.pk, sight(service, health="starting"))
    assert states(service) == ["healthy", "starting", "healthy"]
    observe.note(service.pk, sight(service, health="unhealthy"))
    assert states(service)[-1] == "unhealthy"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"digest": factories.sha("other")}, "changed outside the portal"),
        ({"digest": ""}, "not in the ledger"),
        ({"pin": f"{factories.REPOSITORY}@{factories.sha('third')}"}, "the pin names"),
    ],
    ids=["another digest", "an unknown image", "another pin"],
)
def test_drift_is_said_on_the_service_and_in_the_audit_trail(service: Service, changes: dict[str, str], words: str) -> None:
    well = sight(service)
    observe.note(service.pk, sight(service, **changes))
    service.refresh_from_db()
    assert words in service.drift
    assert service.drift_since is not None
    assert AuditEvent.objects.filter(action="service.drifted").count() == 1
    observe.note(service.pk, well)
    service.refresh_from_db()
    assert not service.drift
    assert AuditEvent.objects.filter(action="service.drift_ended").count() == 1


def test_what_a_job_does_is_no_drift(service: Service) -> None:
    factories.job(Kind.UPGRADE, service, JobState.RUNNING)
    observe.note(service.pk, sight(service, digest=factories.sha("other")))
    service.refresh_from_db()
    assert not service.drift


def test_an_approved_digest_that_is_seen_healthy_becomes_known_good() -> None:
    entry = factories.entry("found running", LedgerState.APPROVED)
    service = factories.service(runs=entry)
    Deployment.objects.update(healthy_at=None)
    observe.note(service.pk, sight(service))
    entry.refresh_from_db()
    assert entry.state == LedgerState.KNOWN_GOOD
    assert Deployment.objects.get().healthy_at is not None


def test_a_candidate_that_runs_stays_a_candidate() -> None:
    entry = factories.entry("found running", LedgerState.CANDIDATE)
    service = factories.service(runs=entry)
    observe.note(service.pk, sight(service))
    entry.refresh_from_db()
    assert entry.state == LedgerState.CANDIDATE


def test_drift_goes_on_while_nobody_can_look(service: Service) -> None:
    observe.note(service.pk, sight(service, digest=factories.sha("other")))
    observe.note(service.pk, Sight("unknown", "none", factories.sha("other"), "", None, note="the engine does not answer"))
    service.refresh_from_db()
    assert "changed outside the portal" in service.drift
    assert not AuditEvent.objects.filter(action="service.drift_ended").exists()


def test_a_pin_that_names_the_platform_of_what_runs_is_no_drift(service: Service) -> None:
    manifest = PlatformImage.objects.get(entry__digest=service.seen_digest).manifest_digest
    observe.note(service.pk, sight(service, pin=f"{factories.REPOSITORY}@{manifest}"))
    service.refresh_from_db()
    assert not service.drift


@pytest.mark.parametrize(
    ("kind", "state", "done"),
    [
        (Kind.UPGRADE, JobState.REFUSED, ()),
        (Kind.UPGRADE, JobState.RUNNING, ("gate",)),
        (Kind.UPGRADE, JobState.FAILED, ("gate", "image", "verify", "rehearse", "pin")),
        (Kind.START, JobState.REFUSED, ()),
    ],
    ids=["refused", "not there yet", "undone", "a start that could not begin"],
)
def test_one_that_was_stopped_stays_so_through_jobs_that_leave_it_as_it_is(
    service: Service, kind: Kind, state: JobState, done: tuple[str, ...]
) -> None:
    factories.job(Kind.STOP, service, JobState.SUCCEEDED)
    factories.job(kind, service, state, done=done, asked=timezone.now())
    observe.note(service.pk, sight(service, state="exited", health="none"))
    assert states(service)[-1] == "stopped"


def test_one_that_does_not_come_up_again_is_down(service: Service) -> None:
    factories.job(Kind.STOP, service, JobState.SUCCEEDED)
    factories.job(Kind.START, service, JobState.FAILED, done=("look", "start"), failed="serving", asked=timezone.now())
    observe.note(service.pk, sight(service, state="exited", health="none"))
    assert states(service)[-1] == "down"
