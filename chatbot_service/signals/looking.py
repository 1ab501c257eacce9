"""A worker's look at its host for the rules that need more than the database: the logs since the last look, the compose files.

Bounded: one list of all containers, the end of each log, files only that changed. What cannot be seen is left as it was, and
counts as not known once it is old.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from django.db.models import Max, Q
from django.utils import timezone

from chatbot_service.container_look import ContainerLook
from chatbot_service.engine import DockerEngine
from chatbot_service.facts import SeenContainer
from chatbot_service.jobs.look_ports import LogPage, LogQuery
from chatbot_service.models import Host, Service, SignalSight
from chatbot_service.signals.log_sight import EITHER, LogSight
from chatbot_service.signals.sight import REWRITES, Sight
from deploy_records.errors import Broken, Refused

log = logging.getLogger(__name__)

MOST_LINES = 1000
LONGEST = 40.0
"""Seconds a round may take; who was not looked at is first in the next."""

ReadLog = Callable[[str, LogQuery], LogPage]


def look_at_host(name: str, now: datetime | None = None) -> int:
    """How many services were looked at. Called by a worker of the host."""
    host = Host.objects.get(name=name)
    if not Service.objects.filter(host=host, is_demo=False).exists():
        return 0
    engine = DockerEngine(host.engine_url)
    try:
        states = engine.states()
    except (Broken, Refused) as error:
        log.info("%s: %s", host, error)
        return 0
    try:
        return look_at(host, states, ContainerLook(engine).log, now)
    finally:
        engine.close()


def look_at(host: Host, states: tuple[SeenContainer, ...], read_log: ReadLog, now: datetime | None = None) -> int:
    ends = time.monotonic() + LONGEST
    running = {(one.project, one.service): one.id for one in states if one.state == "running" and not one.one_off}
    looked = 0
    for service in _longest_unseen_first(host):
        if time.monotonic() > ends:
            break
        _look_at_one(service, running.get((service.project_name, service.compose_service), ""), read_log, now or timezone.now())
        looked += 1
    return looked


def _longest_unseen_first(host: Host) -> list[Service]:
    ended = Max("jobs__ended_at", filter=Q(jobs__kind__in=REWRITES, jobs__started_at__isnull=False))
    found = Service.objects.filter(host=host, is_demo=False).select_related("signal_sight").annotate(rewritten_at=ended)
    return sorted(found, key=_seen_at)


def _seen_at(service: Service) -> float:
    sight: SignalSight | None = getattr(service, "signal_sight", None)
    return sight.looked_at.timestamp() if sight and sight.looked_at else 0.0


def _look_at_one(service: Service, container: str, read_log: ReadLog, now: datetime) -> None:
    kept: SignalSight | None = getattr(service, "signal_sight", None)
    before = Sight.of(kept.kept if kept else {})
    rewritten: datetime | None = service.rewritten_at  # type: ignore[attr-defined]  # annotated above
    files = before.files.look(service.project_dir, service.compose_files, rewritten.timestamp() if rewritten else 0.0)
    try:
        read = _read_log(before.log, container, read_log, now)
    except (Broken, Refused) as error:
        log.info("%s: %s", service, error)
        if kept is None:
            return
        # The files are known anew, the log is not: it stays as old as it is.
        SignalSight.objects.filter(pk=kept.pk).update(kept=replace(before, files=files).as_data())
        return
    fields = {"looked_at": now, "kept": Sight(read, files).as_data()}
    SignalSight.objects.update_or_create(service=service, defaults=fields)


def _read_log(before: LogSight, container: str, read_log: ReadLog, now: datetime) -> LogSight:
    """From the last line on that was read: by the engine's clock, which may differ from ours. What is old counts for nothing."""
    if not container:
        return before.read(before.container, (), now)
    page = read_log(container, LogQuery(tail=MOST_LINES, since=before.last_at(container), pattern=EITHER))
    lines = ((line.at, line.text) for line in page.lines)
    return before.read(container, lines, now, page.cursor.partition("/")[0])
