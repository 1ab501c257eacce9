"""The watcher of one host: looks at all its services with one call to the engine, at every event and every few seconds.

What a service is in now always comes from a look; events say exactly when it came to be so, and what was in between
(`recording.py`).
"""

import contextlib
import logging
import stat
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.db import Error, connection
from django.db.models import Q
from django.utils import timezone

from chatbot_service import observe
from chatbot_service.engine import DockerEngine
from chatbot_service.facts import ONE_OFF_LABEL, EngineEvent, SeenContainer
from chatbot_service.health.recording import Recorder, Seen
from chatbot_service.jobs import pin
from chatbot_service.models import Host, Service
from chatbot_service.observe import Sight
from chatbot_service.project import Folder
from deploy_records import deployments, lookup
from deploy_records.errors import Broken, Refused

log = logging.getLogger(__name__)

Stamp = tuple[int, ...]

LOOK_EVERY = 10.0
CALM = 0.5
"""Seconds from an event to the look it causes: one look for all that a restart tells, and none while it is under way."""
RECORD_EVERY, AFTER_A_BREAK = 1.0, 1.0
TELL_ALIVE_EVERY = timedelta(seconds=30)
ROLLBACK_EVERY = 60.0


class HostWatch:
    """Remembers the last sight of each service, so that nothing is written when nothing has changed."""

    def __init__(
        self,
        host: Host,
        engine: DockerEngine,
        *,
        clock: Callable[[], datetime] = timezone.now,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._host = host
        self._engine = engine
        self._clock, self._monotonic = clock, monotonic
        self.recorder = Recorder(host, engine, clock=clock, monotonic=monotonic)
        self._last: dict[int, Sight] = {}
        self._digests: dict[tuple[str, str], str] = {}
        self._pins: dict[tuple[Path, str], tuple[Stamp, str | None]] = {}
        self._watched: Mapping[tuple[str, str], int] = {}
        self._rollback_due = 0.0
        self._reachable = True

    def look(self) -> bool:
        """False if something was told of a service meanwhile, so that it has to be looked at again."""
        services = list(Service.objects.filter(host=self._host, is_demo=False).select_related("host"))
        self._watched = {(service.project_name, service.compose_service): service.pk for service in services}
        if not services:
            return True
        begun = self._monotonic()
        try:
            states = self._engine.states()
        except (Broken, Refused) as error:
            self._lost_sight(services, str(error))
            return True
        self._reachable = True
        by_service: dict[tuple[str, str], list[SeenContainer]] = {}
        for seen in (one for one in states if not one.one_off):
            by_service.setdefault((seen.project, seen.service), []).append(seen)
        containers = {service.pk: by_service.get((service.project_name, service.compose_service), []) for service in services}
        sights = {service.pk: self._sight(service, containers[service.pk]) for service in services}
        self._tell_recorder(containers, sights)
        quiet = [service for service in services if not self.recorder.heard_since(service.pk, begun)]
        for service in quiet:
            self._note(service, sights[service.pk])
        silent = Q(seen_at__lt=self._clock() - TELL_ALIVE_EVERY) | Q(seen_at=None)
        Service.objects.filter(silent, host=self._host, is_demo=False).update(seen_at=self._clock())
        if self._monotonic() >= self._rollback_due:
            self._rollback_due = self._monotonic() + ROLLBACK_EVERY
            self._last.clear()  # what was approved or recorded since is judged anew, although nothing that is seen changed
            self._note_rollback_targets(services)
        return len(quiet) == len(services)

    def hear(self, event: EngineEvent, stop: threading.Event) -> bool:
        """Whether it concerns a service: other people's containers on the same engine are no reason to look."""
        service = self._watched.get((event.project, event.service))
        if service is None or event.attributes.get(ONE_OFF_LABEL) == "True":
            return False
        self.recorder.hear(service, event, stop)
        return True

    def _tell_recorder(self, containers: Mapping[int, list[SeenContainer]], sights: Mapping[int, Sight]) -> None:
        own = {service: _own(found) for service, found in containers.items()}
        found = {service: Seen(one.id if one else "", sights[service].digest) for service, one in own.items()}
        self.recorder.saw(found, {one.id: service for service, one in own.items() if one})

    def _sight(self, service: Service, containers: Iterable[SeenContainer]) -> Sight:
        one, pinned = _own(containers), self._pin_of(service)
        if one is None:
            return Sight("missing", "none", "", "", pinned)
        return Sight(one.state, one.health, self._digest_of(service, one.image_id), one.image_id, pinned)

    def _pin_of(self, service: Service) -> str | None:
        """A file that has not changed since is not read again."""
        file = Path(service.project_dir, service.pin_file)
        key, stamp = (file, service.compose_service), _stamp(file)
        known = self._pins.get(key)
        if known is None or stamp is None or known[0] != stamp:
            known = self._pins[key] = (stamp or (), _read_pin(service))
        return known[1]

    def _digest_of(self, service: Service, image_id: str) -> str:
        """The ledger digest of an image; what is found is remembered, what is not is asked again."""
        key = (service.repository, image_id)
        if key not in self._digests:
            image = self._engine.image(image_id)
            repo_digests = image.repo_digests if image else ()
            entry = lookup.find_by_image(service.repository, image_id, repo_digests, prefer=service.seen_digest)
            if entry is None:
                return ""
            self._digests[key] = entry.digest
        return self._digests[key]

    def _note(self, service: Service, sight: Sight, at: datetime | None = None) -> None:
        if self._last.get(service.pk) == sight and _as_on_row(service, sight):
            return
        self._last.pop(service.pk, None)
        if observe.note(service.pk, sight, at=at or self._clock()):
            self._last[service.pk] = sight

    def _lost_sight(self, services: list[Service], why: str) -> None:
        """A time in which nobody looked is unknown, never healthy."""
        if self._reachable:
            log.warning("%s: %s", self._host, why)
        self._reachable = False
        self.recorder.lost_sight()
        for service in services:
            unseen = Sight("unknown", "none", service.seen_digest, service.seen_image_id, None, note=why[:300])
            self._note(service, unseen, self.recorder.contact)

    def _note_rollback_targets(self, services: list[Service]) -> None:
        with contextlib.suppress(Broken, Refused):
            local = self._engine.local_image_ids()
            for service in services:
                target = deployments.previous_known_good(
                    self._host.name, service.name, but_not=service.seen_digest, repository=service.repository
                )
                ids = set(target.platforms.values_list("config_digest", flat=True)) if target else set()
                is_local = bool(local & (ids | {target.digest})) if target else None
                if is_local != service.previous_local:
                    Service.objects.filter(pk=service.pk).update(previous_local=is_local)


def _own(containers: Iterable[SeenContainer]) -> SeenContainer | None:
    """The one that is the service: the running one, if any does."""
    return max(containers, key=lambda one: one.state == "running", default=None)


def _as_on_row(service: Service, sight: Sight) -> bool:
    """A job may have written the row since; then what is seen now is noted again."""
    return (service.seen_state, service.seen_health, service.seen_digest) == (sight.state, sight.health, sight.digest)


def _stamp(file: Path) -> Stamp | None:
    """Differs whenever the content may; nothing for what is not a plain file."""
    try:
        seen = file.lstat()
    except OSError:
        return None
    return (seen.st_ino, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns) if stat.S_ISREG(seen.st_mode) else None


def _read_pin(service: Service) -> str | None:
    """The reference in the pin file; nothing when it cannot be read."""
    try:
        text = Folder(service.project_dir, service.pin_file, settings.STATE_DIR).read_pin()
        return pin.pinned_reference(text or "", service.compose_service) or ""
    except (Refused, Broken, OSError):
        return None


def watch_host(host: Host, stop: threading.Event, make_engine: Callable[[str], DockerEngine] = DockerEngine) -> None:
    """Until `stop` is set. Survives engines and databases that go away for a while."""
    engine = make_engine(host.engine_url)
    begun, watch, nudge = time.time(), _begin(host, engine, stop), threading.Event()
    if watch is None:
        return
    with _survived(host):
        watch.look()  # from then on it is known whose events concern us
    listening = (engine, watch, nudge, stop, begun)
    threading.Thread(target=_listen, args=listening, name=f"events-{host.name}", daemon=True).start()
    look_due = time.monotonic() + LOOK_EVERY
    while not stop.is_set():
        nudged = nudge.wait(RECORD_EVERY)
        if nudged:
            stop.wait(CALM)
            nudge.clear()
        with _survived(host):
            if nudged or time.monotonic() >= look_due:
                look_due = time.monotonic() + LOOK_EVERY
                if not watch.look():
                    nudge.set()
            watch.recorder.record()
    with _survived(host):
        watch.recorder.write_heard()


def _begin(host: Host, engine: DockerEngine, stop: threading.Event) -> HostWatch | None:
    made: list[HostWatch] = []
    while not made and not stop.is_set():
        with _survived(host):
            made.append(HostWatch(host, engine))
        if not made:
            stop.wait(LOOK_EVERY / 2)
    return made[0] if made else None


@contextlib.contextmanager
def _survived(host: Host) -> Iterator[None]:
    """What fails now may go well the next time."""
    try:
        yield
    except Error:
        log.exception("%s: the database does not answer", host)
        connection.close()
    except (Broken, Refused) as error:
        log.info("%s: %s", host, error)  # the next look says so, too, and writes it down
    except Exception:
        log.exception("%s: a look failed", host)


def _listen(engine: DockerEngine, watch: HostWatch, nudge: threading.Event, stop: threading.Event, begun: float) -> None:
    """From the last event that was written, or from `begun` on if there is none."""
    while not stop.is_set():
        try:
            for event in engine.watch_events(watch.recorder.events_until / 1e9 or begun, stop):
                if watch.hear(event, stop):
                    nudge.set()
        except (Broken, Refused):
            watch.recorder.lost_events()
            nudge.set()
            stop.wait(AFTER_A_BREAK)
        except Exception:
            watch.recorder.lost_events()
            log.exception("an event could not be read")  # the next one may be; without this thread changes are seen late
            stop.wait(LOOK_EVERY / 2)
        else:
            stop.wait(1.0)
