"""How signals open, are acknowledged and close, from the facts in the database."""

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from chatbot_service import resource_history
from chatbot_service.ansi import Span
from chatbot_service.dispatch import Request
from chatbot_service.facts import SeenContainer
from chatbot_service.health.blocks import Event, block_of, micros, pack_events, unpack_events
from chatbot_service.jobs.look_ports import LogLine, LogPage, LogQuery, Usage
from chatbot_service.models import (
    BackupPlan,
    BackupRepository,
    HealthEventBlock,
    Job,
    JobState,
    JobStep,
    Kind,
    Service,
    Signal,
    SignalSight,
    StepState,
)
from chatbot_service.signals import acknowledging, looking, records
from deploy_records.audit_check import verify
from deploy_records.errors import Invalid, NotAllowed, Refused
from deploy_records.models import AuditEvent, PoamItem
from tests import factories
from tests.factories import person
from tests.portal import exceptions

pytestmark = pytest.mark.django_db


@pytest.fixture
def bot() -> Service:
    return factories.service("bot", runs=factories.entry())


@pytest.fixture
def operator() -> User:
    return person("Operator", name="olga")


def open_kinds() -> list[str]:
    return sorted(Signal.objects.filter(closed_at=None).values_list("kind", flat=True))


def seen(of: Service, at: datetime) -> None:
    Service.objects.filter(pk=of.pk).update(seen_at=at)


def happens(of: Service, *events: Event) -> None:
    for event in events:
        start = block_of(event.at)
        kept, _new = HealthEventBlock.objects.get_or_create(service=of, start=start, defaults={"data": pack_events(start, [])})

        kept.data = pack_events(start, sorted([*unpack_events(start, bytes(kept.data)), event], key=lambda one: one.at))
        kept.save()


def flap(of: Service, now: datetime, *minutes: float) -> None:
    for one in minutes:
        factories.transition(of, "unhealthy", now - timedelta(minutes=one))
        factories.transition(of, "healthy", now - timedelta(minutes=one - 0.5))


def test_nothing_is_noticed_of_what_is_well(bot: Service) -> None:
    records.look()
    assert open_kinds() == []


def test_a_signal_opens_once_with_its_evidence_and_on_record(bot: Service) -> None:
    now = timezone.now()
    flap(bot, now, 20, 10, 5)
    for seconds in (0, 30, 60):
        seen(bot, now + timedelta(seconds=seconds))
        records.look(now + timedelta(seconds=seconds))
    signal = Signal.objects.get()
    assert (signal.kind, signal.about, signal.urgent) == ("flapping", "bot on prod-1", True)
    assert signal.evidence["says"] == "It became unhealthy 3 times within 30 min."
    event = AuditEvent.objects.get(action="signal.opened")
    assert (event.actor, event.object_name) == ("watcher", "Flapping: bot on prod-1")
    assert event.reason == "It became unhealthy 3 times within 30 min."


def test_it_closes_only_when_its_rule_has_not_held_for_a_while_and_is_one_signal_till_then(bot: Service) -> None:
    now = timezone.now()
    flap(bot, now, 20, 10, 5)
    records.look(now)

    def look_after(minutes: float) -> None:
        seen(bot, now + timedelta(minutes=minutes))
        records.look(now + timedelta(minutes=minutes))

    look_after(26)
    assert Signal.objects.get().quiet_since
    look_after(30)
    assert open_kinds() == ["flapping"]
    factories.transition(bot, "unhealthy", now + timedelta(minutes=31))
    look_after(32)
    assert not Signal.objects.get().quiet_since
    look_after(62)
    look_after(73)
    signal = Signal.objects.get()
    assert signal.closed_at
    assert AuditEvent.objects.filter(action="signal.closed").count() == 1


def test_what_nobody_can_see_neither_opens_nor_closes(bot: Service) -> None:
    now = timezone.now()
    flap(bot, now, 20, 10, 5)
    seen(bot, now - timedelta(hours=1))
    records.look(now)
    assert open_kinds() == []
    seen(bot, now)
    records.look(now)
    later = now + timedelta(hours=3)
    for minutes in (0, 11, 22):
        records.look(later + timedelta(minutes=minutes))
    assert open_kinds() == ["flapping"]


def test_restart_loop_and_lack_of_memory_are_read_from_what_the_engine_told(bot: Service) -> None:
    now = timezone.now()
    died = [Event("c1", micros(now - timedelta(minutes=one)), "die", 137, "") for one in (1, 3, 7)]
    happens(bot, *died, Event("c1", micros(now - timedelta(minutes=7, seconds=1)), "oom", 0, ""))
    records.look(now)
    assert open_kinds() == ["oom", "restart-loop"]
    assert ["Exit codes", "137"] in Signal.objects.get(kind="restart-loop").evidence["facts"]


def test_two_processes_that_notice_the_same_open_one_signal(bot: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    now = timezone.now()
    flap(bot, now, 20, 10, 5)
    records.look(now)
    monkeypatch.setattr(records, "_opened", dict)
    records.look(now)
    assert Signal.objects.count() == 1
    assert verify().intact


def test_drift_that_the_watcher_saw_opens_and_closes_a_signal(bot: Service) -> None:
    now = timezone.now()
    Service.objects.update(drift="runs aaaa…, the record says bbbb…: changed outside the portal", drift_since=now)
    records.look(now)
    assert open_kinds() == ["drift"]
    Service.objects.update(drift="", drift_since=None)
    SignalSight.objects.create(service=bot, looked_at=now, kept={})
    records.look(now)
    SignalSight.objects.update(looked_at=now + timedelta(minutes=3))
    records.look(now + timedelta(minutes=3))
    assert open_kinds() == []


def test_a_job_that_could_not_pull_opens_a_signal_until_one_could(bot: Service) -> None:
    failed = factories.job(Kind.UPGRADE, bot, JobState.FAILED, done=["gate"], failed="image", why="the registry timed out")
    records.look()
    signal = Signal.objects.get()
    assert (signal.kind, signal.evidence["facts"]) == (
        "pull-failure", [["Job", str(failed.pk)], ["Why", "the registry timed out"]],
    )  # fmt: skip
    factories.job(Kind.UPGRADE, bot, asked=timezone.now())
    JobStep.objects.filter(key="image", state=StepState.DONE).update(ended_at=timezone.now())
    records.look()
    assert open_kinds() == []


def test_a_backup_later_than_its_recovery_point_objective_opens_a_signal(bot: Service) -> None:
    place = BackupRepository.objects.create(name="local", url="/srv/backups", sealed_password="x")
    BackupPlan.objects.create(service=bot, repository=place, rpo_hours=24, scheduled=False)
    records.look()
    signal = Signal.objects.get()
    assert signal.kind == "backups"
    assert "never backed up, RPO 24 h" in signal.evidence["says"]


def test_an_exception_about_to_end_opens_a_signal_until_it_is_extended() -> None:
    item = exceptions.approved(expires_at=exceptions.day(3))
    records.look()
    signal = Signal.objects.get()
    assert (signal.kind, signal.exception, signal.service) == ("exceptions", item.number, None)
    PoamItem.objects.filter(pk=item.pk).update(expires_at=timezone.now() + timedelta(days=25))
    records.look()
    assert open_kinds() == []


def test_more_memory_than_is_recommended_on_average_over_the_last_samples_opens_a_signal(bot: Service) -> None:
    now = timezone.now()

    def sample(minutes: float, mebibytes: int, cpu_seconds: float) -> None:
        at = now - timedelta(minutes=minutes)
        resource_history.keep(bot, Usage(at, cpu_seconds, 2, mebibytes * 2**20, 0, 5, 0, 0, 0, 0))

    sample(12, 1300, 100)
    sample(7, 1300, 550)
    records.look(now)
    assert open_kinds() == [], "two samples are too few"
    sample(2, 1300, 1000)
    records.look(now)
    says = Signal.objects.get(kind="resources").evidence["says"]
    assert says.startswith("It used 1,300 MiB of memory and 1.50 processors on average")
    records.look(now + timedelta(hours=2))
    assert open_kinds() == ["resources"], "nobody has measured since, so nobody knows"


def test_a_demo_record_is_not_judged(bot: Service) -> None:
    Service.objects.update(is_demo=True, drift="runs something else")
    records.look()
    assert open_kinds() == []


def test_looking_takes_the_same_queries_however_many_services(bot: Service) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            records.look()
        return len(captured)

    few = queries()
    for number in range(10):
        factories.service(f"more-{number}", runs=factories.entry(number))
    assert queries() == few


# Acknowledging


def opened(bot: Service) -> Signal:
    flap(bot, timezone.now(), 20, 10, 5)
    records.look()
    return Signal.objects.get()


def test_whoever_acknowledges_leaves_a_note_and_the_signal_stays_open(bot: Service, operator: User) -> None:
    acknowledging.acknowledge(opened(bot), Request(operator, "The model API is slow; told the provider."))
    signal = Signal.objects.get()
    assert (signal.acknowledged_by, signal.note, signal.is_open) == (operator, "The model API is slow; told the provider.", True)
    event = AuditEvent.objects.get(action="signal.acknowledged")
    assert (event.actor, event.reason) == ("olga", "The model API is slow; told the provider.")


@pytest.mark.parametrize("note", ["", "   ", "a\u202eb"])
def test_a_note_that_says_nothing_is_refused(bot: Service, operator: User, note: str) -> None:
    signal = opened(bot)
    with pytest.raises(Invalid):
        acknowledging.acknowledge(signal, Request(operator, note))
    assert not Signal.objects.get().acknowledged_at


def test_a_second_acknowledgement_and_one_of_what_has_closed_are_refused(bot: Service, operator: User) -> None:
    signal = opened(bot)
    acknowledging.acknowledge(signal, Request(operator, "Seen."))
    with pytest.raises(Refused, match="olga has acknowledged this signal already"):
        acknowledging.acknowledge(signal, Request(person("Operator"), "Seen as well."))
    Signal.objects.update(acknowledged_at=None, acknowledged_by=None, closed_at=timezone.now())
    with pytest.raises(Refused, match="has closed by itself"):
        acknowledging.acknowledge(signal, Request(operator, "Seen."))


def test_a_viewer_may_not_acknowledge(bot: Service) -> None:
    with pytest.raises(NotAllowed, match="takes the role"):
        acknowledging.acknowledge(opened(bot), Request(person("Viewer"), "Seen."))


# A worker's look


class Log:
    def __init__(self, *texts: str) -> None:
        self.texts = texts
        self.asked: list[LogQuery] = []

    def __call__(self, container: str, query: LogQuery) -> LogPage:
        self.asked.append(query)
        at = timezone.now().strftime("%Y-%m-%dT%H:%M:%S.%f000Z")
        return LogPage(tuple(LogLine(at, "stdout", (Span(text),)) for text in self.texts))


def runs(of: Service) -> tuple[SeenContainer, ...]:
    return (SeenContainer("c1", "bot-1", of.project_name, of.compose_service, "running", "healthy", "", "", one_off=False),)


def test_errors_in_the_log_that_a_worker_saw_open_a_signal_with_the_lines(bot: Service) -> None:
    log = Log(*['"GET / HTTP/1.1" 500 Internal Server Error'] * 5, "PermissionError: Permission denied: '/app/x'")
    assert looking.look_at(bot.host, runs(bot), log) == 1
    records.look()
    assert open_kinds() == ["errors-in-logs", "permission-denied"]
    assert len(Signal.objects.get(kind="errors-in-logs").evidence["lines"]) == 5
    assert log.asked[0].tail == looking.MOST_LINES


def test_a_log_is_read_on_from_its_last_line_and_a_new_containers_from_its_end(bot: Service) -> None:
    log = Log("nothing")
    looking.look_at(bot.host, runs(bot), log)
    looking.look_at(bot.host, runs(bot), log)
    (other,) = (replace(one, id="c2") for one in runs(bot))
    looking.look_at(bot.host, (other,), log)
    first, second, third = (query.since for query in log.asked)
    assert (first, third) == (None, None)
    assert second
    assert timezone.now() - second < timedelta(seconds=30)


def test_a_log_that_cannot_be_read_leaves_what_was_known(bot: Service) -> None:
    def broken(_container: str, _query: LogQuery) -> LogPage:
        raise Refused("The container is gone.")

    looking.look_at(bot.host, runs(bot), Log("PermissionError"))
    before = SignalSight.objects.get()
    looking.look_at(bot.host, runs(bot), broken)
    after = SignalSight.objects.get()
    assert (after.kept["log"], after.looked_at) == (before.kept["log"], before.looked_at)


def test_a_compose_file_changed_by_hand_is_drift_until_a_job_takes_it_over(bot: Service, tmp_path: Path) -> None:
    (tmp_path / "docker-compose.yml").write_text("services: {}\n")
    (tmp_path / "docker-compose.prod.yml").write_text("services: {}\n")
    Service.objects.update(project_dir=str(tmp_path))
    looking.look_at(bot.host, runs(bot), Log())
    records.look()
    assert open_kinds() == []
    (tmp_path / "docker-compose.yml").write_text("services: {bot: {privileged: true}}\n")
    looking.look_at(bot.host, runs(bot), Log())
    records.look()
    signal = Signal.objects.get()
    assert signal.evidence["says"] == "docker-compose.yml changed outside the portal since the last job."
    factories.job(Kind.UPGRADE, bot, asked=timezone.now() - timedelta(seconds=61))
    looking.look_at(bot.host, runs(bot), Log())
    later = timezone.now()
    records.look(later)
    SignalSight.objects.update(looked_at=later + timedelta(minutes=3))
    records.look(later + timedelta(minutes=3))
    assert open_kinds() == []


def test_while_a_job_writes_the_files_they_are_nobodys_drift(bot: Service, tmp_path: Path) -> None:
    (tmp_path / "docker-compose.yml").write_text("services: {}\n")
    Service.objects.update(project_dir=str(tmp_path))
    looking.look_at(bot.host, runs(bot), Log())
    factories.job(Kind.UPGRADE, bot, JobState.RUNNING, done=["gate"], failed="image")
    (tmp_path / "docker-compose.yml").write_text("services: {new: {}}\n")
    looking.look_at(bot.host, runs(bot), Log())
    records.look()
    assert open_kinds() == []
    Job.objects.update(state=JobState.SUCCEEDED, ended_at=timezone.now())
    records.look()
    assert open_kinds() == []


def test_who_was_not_seen_for_longest_is_looked_at_first(bot: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    other = factories.service("other", runs=factories.entry("other"))
    SignalSight.objects.create(service=bot, looked_at=timezone.now())
    monkeypatch.setattr(looking, "LONGEST", -1.0)
    looking.look_at(bot.host, (), Log())
    assert [one.pk for one in looking._longest_unseen_first(bot.host)] == [other.pk, bot.pk]


def test_the_record_stays_whole(bot: Service, operator: User) -> None:
    acknowledging.acknowledge(opened(bot), Request(operator, "Seen."))
    assert verify().intact
    assert {"signal.opened", "signal.acknowledged"} <= set(AuditEvent.objects.values_list("action", flat=True))
