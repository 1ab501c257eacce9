"""What `health_course` is made of; imported once Django is set up."""

import json
import threading
import time
from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any, TypeVar, cast

from django.contrib.auth.models import User
from django.db import connection, transaction
from django.db.models import Sum
from django.test import Client

from chatbot_service.engine import DockerEngine
from chatbot_service.facts import SeenContainer
from chatbot_service.health import details, due, rolling
from chatbot_service.health import history as reading
from chatbot_service.health.blocks import MICRO, Probe, micros, moment
from chatbot_service.health.history import SPANS
from chatbot_service.health.log import Inspected, inspected
from chatbot_service.health.watch import LOOK_EVERY, HostWatch
from chatbot_service.health.writing import Batch, HealthWriter
from chatbot_service.jobs.ports import Healthcheck
from chatbot_service.models import (
    HealthEventBlock,
    HealthMark,
    HealthRollupBlock,
    HealthSampleBlock,
    HealthTransition,
    Host,
    Service,
)
from deploy_records.errors import Broken
from tests import factories
from tests.bench.kit.health_course import TROUBLE, WARM_UP
from tests.chatbot_service.health.synthetic import Container, SyntheticEngine

T = TypeVar("T")
_CHECK = Healthcheck(("CMD", "true"), 10, 3, 3, 0)
_PIN = "services:\n  {name}:\n    image: {image}\n"


def services(count: int, folder: Path, since: datetime) -> list[int]:
    """As adopted: each with a project folder and its pin; healthy since then."""
    entry = factories.entry("bench", scanned=False)
    by = factories.person("Operator", name="bench")
    numbers = []
    for number in range(count):
        place = folder / f"s{number}"
        place.mkdir()
        (place / "docker-compose.prod.yml").write_text(_PIN.format(name=f"s{number}", image=entry.reference))
        one = factories.service(f"s{number}", runs=entry, added_by=by, project_dir=str(place), seen_image_id=_image_id())
        numbers.append(one.pk)
    HealthTransition.objects.all().delete()
    HealthTransition.objects.bulk_create(
        HealthTransition(service_id=number, at=since, state="healthy", digest=entry.digest) for number in numbers
    )
    return numbers


def _image_id() -> str:
    return factories.sha(("bench", "config"))


class _Engine(SyntheticEngine):
    """Counts its own time on the processor apart from that of reading its answers."""

    def __init__(self, now: datetime) -> None:
        super().__init__(now)
        self.spent = 0.0

    def states(self) -> tuple[SeenContainer, ...]:
        begun = time.process_time()
        found = super().states()
        self.spent += time.process_time() - begun
        return found

    def inspect_health(self, container_id: str, known: Collection[int] = ()) -> Inspected | None:
        begun = time.process_time()
        self.inspected += 1
        one = self.containers[container_id]
        one.until(self.now, self.interval)
        text = self._told(one)
        self.spent += time.process_time() - begun
        return inspected(json.loads(text), known)


class Course:
    """The watcher's own loop, second by second, with a clock that is told."""

    def __init__(self, numbers: Sequence[int], begin: datetime) -> None:
        self._begin, self._second = begin, 0.0
        self._engine = _Engine(begin)
        self._rows = list(Service.objects.filter(pk__in=numbers).order_by("pk"))
        self._containers = {row.pk: self._run(row) for row in self._rows}
        Service.objects.update(seen_at=begin)
        host = Host.objects.get()
        engine = cast("DockerEngine", self._engine)
        self._watch = HostWatch(host, engine, clock=lambda: self._engine.now, monotonic=lambda: self._second)
        self._look_due = 0.0
        self._spent_at: dict[int, float] = {}
        self.parts: dict[str, float] = {}
        self._troubles = self._planned()
        self._never = threading.Event()
        self._before = _probes()

    def _run(self, row: Service) -> Container:
        made = self._engine.run(row, started=self._begin - timedelta(days=2))
        made.image = f"{row.repository}@{row.seen_digest}"
        made.next_probe = self._begin + timedelta(seconds=row.pk % 100 / 10)
        return made

    @property
    def inspects(self) -> int:
        return self._engine.inspected

    def probes_written(self) -> int:
        return _probes() - self._before

    def clockwork_since(self, second: int) -> float:
        return self._engine.spent - self._spent_at[second]

    def go_on(self, seconds: int) -> None:
        for _ in range(seconds):
            self._second += 1
            self._engine.now = self._begin + timedelta(seconds=self._second)
            nudged = self._trouble()
            if nudged or self._second >= self._look_due:
                self._look_due = self._second + LOOK_EVERY
                self._timed("look", self._watch.look)
            self._timed("record", self._watch.recorder.record)
        self._spent_at[round(self._second)] = self._engine.spent
        if self._second == WARM_UP:
            self.parts.clear()

    def _timed(self, part: str, deed: Callable[[], object]) -> None:
        begun, clockwork = time.process_time(), self._engine.spent
        deed()
        self.parts[part] = self.parts.get(part, 0.0) + time.process_time() - begun - (self._engine.spent - clockwork)

    def _trouble(self) -> bool:
        """Each service has its second of the day in which it fails; a minute later it is well again."""
        found = self._troubles.get(round(self._second), ())
        for container, health in found:
            container.health = health
            self._watch.hear(self._engine.event(f"health_status: {health}", container), self._never)
        return bool(found)

    def _planned(self) -> dict[int, list[tuple[Container, str]]]:
        planned: dict[int, list[tuple[Container, str]]] = {}
        for place, container in enumerate(self._containers.values()):
            at = WARM_UP + place * TROUBLE // len(self._containers)
            planned.setdefault(at, []).append((container, "unhealthy"))
            planned.setdefault(at + 60, []).append((container, "healthy"))
        return planned


def history(templates: Sequence[int], numbers: Sequence[int], days: int, begin: datetime) -> dict[str, float]:
    """`days` of probes of the templates by the real writer and the real roll-up, day by day, forgetting what is old;
    then the rows of the others as copies. Seconds on the processor for a day of one service.
    """
    host = Host.objects.get()
    writer = HealthWriter(host)
    worked = time.process_time()
    HealthMark.objects.bulk_create(
        HealthMark(service_id=number, rolled_until=_bucket(begin if number in templates else begin + timedelta(days=days)))
        for number in numbers
    )
    day_one = day_last = 0.0
    for day in range(days):
        begun = time.process_time()
        _one_day(writer, host, templates, begin + timedelta(days=day))
        took = time.process_time() - begun
        day_one, day_last = (took, took) if day == 0 else (day_one, took)
    spent = time.process_time() - worked
    rolling.forget_old(host, begin + timedelta(days=days))
    _copy(templates, [number for number in numbers if number not in templates])
    return {"a_service_day": spent / days / len(templates), "day_last_over_day_one": day_last / day_one}


def _one_day(writer: HealthWriter, host: Host, templates: Sequence[int], begin: datetime) -> None:
    end = begin + timedelta(days=1)
    for number in templates:
        step = 10_060_000 + number * 17
        starts = range(micros(begin) // step * step + step, micros(end), step)
        name = f"c{number:06}".ljust(64, "0")
        probes = tuple(Probe(name, at, 50_000 + at % 9973 * 2, int(at // step % 8640 < 6), "ok") for at in starts)
        look = Inspected(probes[0].container, "running", "healthy", "", "", None, None, 0, False, 0, _CHECK, probes, frozenset())
        writer.write(Batch(looks=[(number, look)]), end)
        for offset, state in ((3600, "unhealthy"), (3660, "healthy")):
            at = begin + timedelta(seconds=offset + number % 60)
            HealthTransition.objects.create(service_id=number, at=at, state=state, digest=factories.sha("bench"))
    while rolling.roll(host, end + due.GRACE):
        pass
    rolling.forget_old(host, end)


def _bucket(at: datetime) -> int:
    return micros(at) // MICRO // 300 * 300


def _copy(templates: Sequence[int], others: Sequence[int]) -> None:
    """Packed blocks do not hold the number of their service."""
    for model, columns in (
        (HealthSampleBlock, "start, count, data"), (HealthRollupBlock, "width, start, count, data"),
        (HealthTransition, "at, state, digest, note, output"),
    ):  # fmt: skip
        table = model._meta.db_table
        with transaction.atomic(), connection.cursor() as cursor:
            for place, number in enumerate(others):
                cursor.execute(
                    f"INSERT INTO {table} (service_id, {columns}) SELECT %s, {columns} FROM {table} WHERE service_id = %s",  # noqa: S608
                    [number, templates[place % len(templates)]],
                )
    HealthMark.objects.filter(service__in=others).update(rolled_until=HealthMark.objects.get(service=templates[0]).rolled_until)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")  # as PostgreSQL does by itself within a minute


def _probes() -> int:
    return HealthSampleBlock.objects.aggregate(all=Sum("count"))["all"] or 0


def row_counts() -> dict[str, int]:
    models = (HealthSampleBlock, HealthEventBlock, HealthRollupBlock, HealthTransition)
    return {model.__name__: model.objects.count() for model in models}


def megabytes() -> float:
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT pg_database_size(current_database())")
        else:
            cursor.execute("SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()")
        return float(cursor.fetchone()[0]) / 1e6


def readings(times: int) -> dict[str, Any]:
    service = Service.objects.order_by("pk").last()
    assert service is not None
    now = moment((HealthMark.objects.get(service=service).rolled_until + 90) * MICRO)
    found: dict[str, Any] = {}
    for key in ("24h", "7d", "30d", "90d", "1y"):
        found[key] = [_taken(service, key, now) for _ in range(times + 1)][1:]
    return found


def pages(times: int) -> dict[str, Any]:
    """As the web process answers them, from asking to the last byte."""
    service = Service.objects.order_by("pk").last()
    assert service is not None
    client = Client(headers={"host": "localhost"})
    client.force_login(User.objects.get(username="bench"))
    addresses = {key: f"/services/{service.pk}/health/?span={key}" for key in SPANS} | {
        "all": "/health/",
        "wall": "/health/wall/",
    }
    return {name: [_answered(client, address) for _ in range(times + 1)][1:] for name, address in addresses.items()}


def _answered(client: Client, address: str) -> tuple[float, float]:
    begun, worked = time.perf_counter(), time.process_time()
    answer = client.get(address)
    taken = (time.perf_counter() - begun) * 1000, (time.process_time() - worked) * 1000
    if answer.status_code != HTTPStatus.OK:
        raise Broken(f"{address} answered {answer.status_code}.")
    return taken


def _taken(service: Service, key: str, now: datetime) -> tuple[float, float]:
    begun, worked = time.perf_counter(), time.process_time()
    found = reading.read(service, SPANS[key], now)
    details.transitions(service, found.start, found.end)
    return (time.perf_counter() - begun) * 1000, (time.process_time() - worked) * 1000
