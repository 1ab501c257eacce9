"""A small world in memory: an engine, a registry, a compose project, the record. Jobs are tried against it.

Time stands still until somebody pauses. `world.fail("engine.stop")` lets the next such call act and then fail: the worst
case. `world.kill_compose_after("stopped")` leaves what a compose killed in the middle of a recreate leaves behind.
"""

import copy
import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from chatbot_service.jobs import pin
from chatbot_service.jobs.context import JobContext, Task
from chatbot_service.jobs.ports import (
    ContainerFacts,
    EngineFacts,
    Entry,
    Healthcheck,
    ImageFacts,
    Login,
    ProbeResult,
    Project,
    Say,
    Verdict,
)
from chatbot_service.jobs.step import Fenced
from deploy_records.errors import Broken, Refused

GUIDE = Healthcheck(("CMD", "bash", "scripts/healthcheck.sh"), interval=10.0, timeout=3.0, retries=6, start_period=20.0)
REPOSITORY = "registry.example/team/chatbot"
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
STAGES = ("created", "stopped", "removed", "renamed")


@dataclass(frozen=True)
class Behaviour:
    """What a container of an image does, in seconds after each start. `healthy_after=None`: never."""

    healthy_after: float | None = 0.5
    exits_after: float | None = None
    exit_code: int = 1
    flaps_every: float | None = None
    output_when_ill: str = "connection refused"

    def passes(self, age: float) -> bool:
        if self.healthy_after is None or age < self.healthy_after:
            return False
        return not (self.flaps_every and int((age - self.healthy_after) / self.flaps_every) % 2)


NEVER_HEALTHY = Behaviour(healthy_after=None)
EXITS_AT_ONCE = Behaviour(exits_after=0.2)
FLAPS = Behaviour(flaps_every=1.0)


@dataclass(frozen=True)
class FakeImage:
    repository: str
    digest: str
    tag: str
    facts: ImageFacts
    behaviour: Behaviour

    @property
    def id(self) -> str:
        return self.facts.id

    def entry(self, state: str = "approved") -> Entry:
        ids = frozenset({self.id, self.digest})
        return Entry(self.repository, self.digest, state, self.tag, ids, (self.facts.platform,))


@dataclass
class FakeContainer:
    id: str
    name: str
    project: str
    service: str
    reference: str
    image: FakeImage
    check: Healthcheck
    user: str
    restart: str
    wanted_ports: frozenset[str]
    labels: dict[str, str] = field(default_factory=dict)
    started_at: float | None = None
    stopped: bool = False
    paused: bool = False
    error: str = ""

    def restarts(self, now: float) -> int:
        after = self.image.behaviour.exits_after
        if self.started_at is None or self.stopped or after is None or self.restart == "no":
            return 0
        return int((now - self.started_at) / after)

    def state(self, now: float) -> str:
        after = self.image.behaviour.exits_after
        if self.started_at is None:
            return "created"
        if self.stopped:
            return "exited"
        gone = after is not None and self.restart == "no" and now - self.started_at >= after
        return "exited" if gone else "paused" if self.paused else "running"

    def health(self, now: float) -> tuple[str, int]:
        """Docker's own: the first probe comes one interval after the start."""
        if not self.check.exists:
            return "none", 0
        age = now - (now if self.started_at is None else self.started_at)
        health, streak = "starting", 0
        for number in range(1, int(age / self.check.interval) + 1):
            at = number * self.check.interval
            if self.image.behaviour.passes(at):
                health, streak = "healthy", 0
            elif at > self.check.start_period or health == "healthy":
                streak += 1
                health = "unhealthy" if streak >= self.check.retries else health
        return health, streak


@dataclass
class _Fault:
    name: str
    nth: int
    error: Exception
    before: bool


class World:
    """Everything the fakes share. `project` is what the compose files say; `pin` the text of the pin file."""

    def __init__(self) -> None:
        self.now = 0.0
        self.images: dict[str, FakeImage] = {}
        self.in_registry: set[str] = set()
        self.on_host: set[str] = set()
        self.pulled_as: dict[str, set[str]] = {}
        self.kept: dict[str, str] = {}
        self.containers: dict[str, FakeContainer] = {}
        self.foreign_ports: set[str] = set()
        self.registry_trouble: Refused | None = None
        self.engine_down = False
        self.pin: str | None = None
        self.copies: set[str] = set()
        self.refuse_copies = False
        self.project = Project(
            "/srv/chatbot", "chatbot", ("docker-compose.yml", "docker-compose.prod.yml"), "docker-compose.prod.yml", "chatbot"
        )
        self.rendered: dict[str, Any] = {
            "name": "chatbot",
            "networks": {"default": {"name": "chatbot_default"}},
            "services": {
                "chatbot": {
                    "image": "",
                    "environment": {"OPENROUTER_API_KEY": "sk-secret"},
                    "networks": {"default": None},
                    "ports": [{"host_ip": "127.0.0.1", "published": "8000", "target": 8000, "protocol": "tcp"}],
                    "volumes": [{"type": "bind", "source": "/srv/chatbot/uploads", "target": "/app/uploads"}],
                    "restart": "unless-stopped",
                }
            },
        }
        self.written: dict[str, Any] = {}
        """The compose files before their variables are filled in, where that makes a difference."""
        self.said: list[str] = []
        self.calls: Counter[str] = Counter()
        self.refuse_probes_until = 0.0
        self.down_seconds = 0.0
        """How long, in paused time, no running container answered its healthcheck although one should."""
        self._faults: list[_Fault] = []
        self._meanwhile: dict[str, list[Callable[[], None]]] = {}
        self._killed_after = ""
        self._made = 0

    # Setting the scene

    def add_image(
        self, build: str, behaviour: Behaviour | None = None, *, repository: str = REPOSITORY, on_host: bool = False, **facts: Any
    ) -> FakeImage:
        """An image in the registry; its digest and ID come from `build`."""
        digest, image_id = (f"sha256:{hashlib.sha256(f'{kind} {build}'.encode()).hexdigest()}" for kind in ("manifest", "config"))
        known = ImageFacts(image_id, (), "linux/amd64", "10001:10001", GUIDE, {"PATH": "/usr/bin"}, {}, 50_000_000)
        image = FakeImage(repository, digest, f"sha-{build}", replace(known, **facts), behaviour or Behaviour())
        self.images[digest] = image
        self.in_registry.add(digest)
        if on_host:
            self._arrive(image, digest)
        return image

    def run(self, image: FakeImage, *, seconds: float = 3600.0) -> FakeContainer:
        """Pinned, started and left alone for a while: the usual state before a job."""
        self._arrive(image, image.digest)
        self.pin = pin.with_pin(self.pin, self.project.service, image.entry().reference)
        FakeCompose(self).up(self.project, self.said.append, 60)
        self.now += seconds
        self.calls.clear()
        return self.the_container()

    def the_container(self) -> FakeContainer:
        (one,) = [c for c in self.containers.values() if (c.project, c.service) == (self.project.name, self.project.service)]
        return one

    def running_digest(self) -> str:
        return next((c.image.digest for c in self.containers.values() if self._serves(c)), "")

    def pause(self, seconds: float) -> None:
        step = 0.05
        left = seconds
        while left > 1e-9:
            self.now += min(step, left)
            left -= step
            self.down_seconds += 0 if self.answers() else step

    def answers(self) -> bool:
        """Whether the service under management would answer a client now."""
        return any(self._serves(c) and self.passes(c) for c in self.containers.values())

    def passes(self, container: FakeContainer) -> bool:
        started = container.started_at
        behaviour = container.image.behaviour
        if started is None or container.state(self.now) != "running" or self.now < self.refuse_probes_until:
            return False
        age = self.now - started
        return behaviour.passes(age % behaviour.exits_after if behaviour.exits_after else age)

    def _serves(self, container: FakeContainer) -> bool:
        ours = (container.project, container.service) == (self.project.name, self.project.service)
        return ours and container.state(self.now) == "running"

    # Faults

    def fail(self, name: str, nth: int = 1, error: Exception | None = None, *, before: bool = False) -> None:
        """The `nth` call from now of e.g. "engine.pull" fails: after it acted, unless `before`."""
        self._faults.append(_Fault(name, self.calls[name] + nth, error or Broken(f"{name} failed on purpose"), before))

    def kill_compose_after(self, stage: str) -> None:
        """The next recreate ends in the middle: created, stopped, removed (the old one) or renamed (the new one)."""
        assert stage in STAGES
        self._killed_after = stage

    def compose_dies_at(self, stage: str) -> None:
        if self._killed_after == stage:
            self._killed_after = ""
            raise Broken("docker compose up was ended by signal 9.")

    def at(self, name: str, do: Callable[[], None]) -> None:
        """Somebody else does this when the next such call begins."""
        self._meanwhile.setdefault(name, []).append(do)

    @contextmanager
    def call(self, name: str) -> Iterator[None]:
        self.calls[name] += 1
        for do in self._meanwhile.pop(name, ()):
            do()
        mine = [f for f in self._faults if f.name == name and f.nth == self.calls[name]]
        self._faults = [f for f in self._faults if f not in mine]
        for fault in mine:
            if fault.before:
                raise fault.error
        if self.engine_down and name.startswith(("engine.", "compose.up", "compose.down")):
            raise Broken("The engine does not answer.")
        yield
        for fault in mine:
            raise fault.error

    # What compose and the engine do to it

    def _arrive(self, image: FakeImage, digest: str) -> None:
        self.on_host.add(image.id)
        self.pulled_as.setdefault(image.id, set()).add(f"{image.repository}@{digest}")

    def local(self, reference: str) -> FakeImage | None:
        """By ID, `repository[:tag]@digest` or keep-tag."""
        if reference in self.on_host:
            return next(i for i in self.images.values() if i.id == reference)
        if reference in self.kept:
            return self.local(self.kept[reference])
        name, _, digest = reference.partition("@")
        head, slash, last = name.rpartition("/")
        known = f"{head}{slash}{last.partition(':')[0]}@{digest}"
        found = next((image_id for image_id, names in self.pulled_as.items() if known in names), "")
        return self.local(found) if found in self.on_host else None

    def make_container(self, service: dict[str, Any], name: str, project: str, service_name: str) -> FakeContainer:
        image = self.local(service["image"])
        if image is None:
            raise Broken(f"docker compose up: the image {service['image']} is not on this host.")
        self._made += 1
        container = FakeContainer(
            id=hashlib.sha256(f"container {self._made}".encode()).hexdigest(),
            name=name,
            project=project,
            service=service_name,
            reference=service["image"],
            image=image,
            check=_check_of(service, image),
            user=str(service.get("user") or image.facts.user),
            restart=str(service.get("restart") or "no"),
            wanted_ports=frozenset(_port(port) for port in service.get("ports", [])),
            labels={"com.docker.compose.project": project, "com.docker.compose.service": service_name},
        )
        self.containers[container.id] = container
        return container

    def start_container(self, container: FakeContainer) -> None:
        held = {
            p for c in self.containers.values() if c.state(self.now) == "running" for p in c.wanted_ports if c is not container
        }
        taken = container.wanted_ports & (held | self.foreign_ports)
        if taken:
            raise Broken(f"docker compose up: port {min(taken)} of the host is taken by another program.")
        container.started_at, container.stopped = self.now, False

    def see(self, container: FakeContainer) -> ContainerFacts:
        state = container.state(self.now)
        health, streak = container.health(self.now)
        started = container.started_at
        return ContainerFacts(
            id=container.id,
            name=container.name,
            image=container.reference,
            image_id=container.image.id,
            state=state,
            health=health,
            failing_streak=streak,
            restart_count=container.restarts(self.now),
            exit_code=container.image.behaviour.exit_code if state == "exited" and not container.stopped else 0,
            oom_killed=False,
            started_at=EPOCH + timedelta(seconds=started) if started is not None else None,
            healthcheck=container.check,
            user=container.user,
            labels=dict(container.labels),
            error=container.error,
            last_probe_output="" if health in {"healthy", "none"} else container.image.behaviour.output_when_ill,
            published=container.wanted_ports if state == "running" else frozenset(),
        )


def _check_of(service: dict[str, Any], image: FakeImage) -> Healthcheck:
    given = service.get("healthcheck") or {}
    if given.get("disable"):
        return Healthcheck()
    return replace(image.facts.healthcheck, test=tuple(given["test"])) if given.get("test") else image.facts.healthcheck


def _port(port: dict[str, Any]) -> str:
    return f"{port.get('host_ip') or '0.0.0.0'}:{port['published']}/{port.get('protocol', 'tcp')}"  # noqa: S104 - Docker's word for all


class FakeEngine:
    def __init__(self, world: World) -> None:
        self.world = world

    def facts(self) -> EngineFacts:
        with self.world.call("engine.facts"):
            return EngineFacts("20.10.24", "1.41", "linux/amd64")

    def image(self, reference: str) -> ImageFacts | None:
        with self.world.call("engine.image"):
            found = self.world.local(reference)
            return replace(found.facts, repo_digests=tuple(sorted(self.world.pulled_as.get(found.id, ())))) if found else None

    def pull(self, repository: str, digest: str, platform: str, login: Login | None, say: Say, timeout: float) -> None:
        with self.world.call("engine.pull"):
            if self.world.registry_trouble:
                raise self.world.registry_trouble
            image = self.world.images.get(digest)
            if image is None or digest not in self.world.in_registry or image.repository != repository:
                raise Refused(f"The registry has no {digest} in {repository}.", code="registry-not-found")
            say("1 of 1 layers")
            self.world._arrive(image, digest)

    def keep(self, image_id: str, repository: str, tag: str) -> None:
        with self.world.call("engine.keep"):
            if image_id not in self.world.on_host:
                raise Broken("The engine could not tag an image: No such image.")
            self.world.kept[f"{repository}:{tag}"] = image_id

    def containers(self, project: str, service: str) -> list[ContainerFacts]:
        with self.world.call("engine.containers"):
            ours = [c for c in self.world.containers.values() if (c.project, c.service) == (project, service)]
            return [self.world.see(container) for container in reversed(ours)]

    def container(self, container_id: str) -> ContainerFacts | None:
        with self.world.call("engine.container"):
            found = self.world.containers.get(container_id)
            return self.world.see(found) if found else None

    def port_is_taken(self, port: str) -> bool:
        return port in self.world.foreign_ports

    def probe(self, container_id: str, timeout: float | None = None) -> ProbeResult:
        with self.world.call("engine.probe"):
            found = self.world.containers.get(container_id)
            if found is None or found.state(self.world.now) != "running":
                return ProbeResult(125, "The container is not running.", 0.0)
            if not found.check.exists:
                raise Refused("The container has no healthcheck, so nothing tells whether it serves.")
            passes = self.world.passes(found)
            return ProbeResult(0 if passes else 1, "ok" if passes else found.image.behaviour.output_when_ill, 0.05)

    def execute(self, container_id: str, argv: Sequence[str], timeout: float) -> ProbeResult:
        """`["false"]` fails, anything else passes while the container serves."""
        with self.world.call("engine.execute"):
            found = self.world.containers.get(container_id)
            if found is None or found.state(self.world.now) != "running":
                return ProbeResult(125, "The container is not running.", 0.0)
            ok = list(argv) != ["false"] and self.world.passes(found)
            return ProbeResult(0 if ok else 1, "", 0.05)

    def logs(self, container_id: str, tail: int) -> list[str]:
        with self.world.call("engine.logs"):
            return ["a line of its log"][:tail] if container_id in self.world.containers else []

    def start(self, container_id: str, timeout: float) -> None:
        with self.world.call("engine.start"):
            self.world.start_container(self._have(container_id))

    def stop(self, container_id: str, timeout: float) -> None:
        with self.world.call("engine.stop"):
            self._have(container_id).stopped = True

    def volume_path(self, project: str, name: str) -> str:
        with self.world.call("engine.volume_path"):
            return ""

    def pause(self, container_id: str) -> None:
        with self.world.call("engine.pause"):
            self._have(container_id).paused = True

    def unpause(self, container_id: str) -> None:
        with self.world.call("engine.unpause"):
            self._have(container_id).paused = False

    def remove(self, container_id: str) -> None:
        with self.world.call("engine.remove"):
            self.world.containers.pop(container_id, None)

    def rename(self, container_id: str, name: str) -> None:
        with self.world.call("engine.rename"):
            if any(c.name == name for c in self.world.containers.values()):
                raise Broken(f"The engine could not rename the container: {name} is already in use.")
            self._have(container_id).name = name

    def _have(self, container_id: str) -> FakeContainer:
        if container_id not in self.world.containers:
            raise Broken("The engine could not do it: No such container.")
        return self.world.containers[container_id]


class FakeCompose:
    def __init__(self, world: World) -> None:
        self.world = world

    def config(self, project: Project, *, filled_in: bool = True) -> dict[str, Any]:
        with self.world.call("compose.config"):
            rendered = copy.deepcopy(self.world.rendered if filled_in else self.world.written or self.world.rendered)
            pinned = pin.pinned_reference(self.world.pin or "", project.service)
            if pinned and project.service in rendered["services"]:
                rendered["services"][project.service]["image"] = pinned
            return rendered

    def up(self, project: Project, say: Say, timeout: float) -> None:
        service = self.config(project)["services"].get(project.service)
        with self.world.call("compose.up"):
            if service is None:
                raise Refused(f"There is no service {project.service} in the compose files.")
            self._bring_up(service, project.name, project.service, say)

    def settle(self, project: Project) -> None:
        with self.world.call("compose.settle"):
            pass

    def up_rendered(self, project_name: str, directory: str, rendered: dict[str, Any], say: Say, timeout: float) -> None:
        with self.world.call("compose.up_rendered"):
            for name, service in rendered["services"].items():
                self._bring_up(service, project_name, name, say)

    def down(self, project_name: str, say: Say, timeout: float) -> None:
        with self.world.call("compose.down"):
            kept = {k: c for k, c in self.world.containers.items() if c.project != project_name}
            self.world.containers.clear()
            self.world.containers.update(kept)

    def _bring_up(self, service: dict[str, Any], project: str, name: str, say: Say) -> None:
        """As Compose recreates: new one under a temporary name, old one stopped and removed, new one renamed, started."""
        world, canonical = self.world, str(service.get("container_name") or f"{project}-{name}-1")
        ours = [c for c in world.containers.values() if (c.project, c.service) == (project, name)]
        if not ours and any(c.name == canonical for c in world.containers.values()):
            raise Broken(f"docker compose up: another container holds the name {canonical}.")
        if not ours:
            new = world.make_container(service, canonical, project, name)
        elif ours[0].reference == service["image"]:
            if ours[0].state(world.now) != "running":
                world.start_container(ours[0])
            return
        else:
            new = self._recreate(ours[0], service)
        world.start_container(new)
        say(f"Container {canonical} Started")

    def _recreate(self, old: FakeContainer, service: dict[str, Any]) -> FakeContainer:
        world, canonical = self.world, old.name
        temporary = f"{old.id[:12]}_{canonical}"
        if any(c.name == temporary for c in world.containers.values()):
            raise Broken(f"docker compose up: another container holds the name {temporary}.")
        new = world.make_container(service, temporary, old.project, old.service)
        new.labels["com.docker.compose.replace"] = old.id
        world.compose_dies_at("created")
        old.stopped = True
        world.compose_dies_at("stopped")
        del world.containers[old.id]
        world.compose_dies_at("removed")
        new.name = canonical
        world.compose_dies_at("renamed")
        return new


class FakeFiles:
    def __init__(self, world: World) -> None:
        self.world = world

    def read_pin(self) -> str | None:
        with self.world.call("files.read_pin"):
            return self.world.pin

    def write_pin(self, text: str | None) -> None:
        with self.world.call("files.write_pin"):
            self.world.pin = text

    def throw_away_copy(self, path: str, most_bytes: int) -> str | None:
        with self.world.call("files.throw_away_copy"):
            if self.world.refuse_copies:
                return None
            self.world.copies.add(path)
            return f"/copies/{len(self.world.copies)}"

    def remove_copies(self) -> None:
        with self.world.call("files.remove_copies"):
            self.world.copies.clear()

    def scratch(self) -> str:
        with self.world.call("files.scratch"):
            return "/copies"

    def has(self, name: str) -> bool:
        with self.world.call("files.has"):
            return name in self.world.project.files

    def env_keys(self, name: str) -> list[str]:
        with self.world.call("files.env_keys"):
            return []


@dataclass
class FakeRecords:
    """What the ledger and the history say. `deployments` holds digests, the open one last; "" for none."""

    world: World
    entries: dict[str, Entry] = field(default_factory=dict)
    gate_says: dict[str, Verdict] = field(default_factory=dict)
    drafts_say: dict[str, str] = field(default_factory=dict)
    deployments: list[str] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    known_login: Login | None = None
    serving_at: float | None = None
    seen: tuple[ContainerFacts | None, Entry | None, str] | None = None

    def know(self, image: FakeImage, state: str = "approved") -> Entry:
        self.entries[image.digest] = image.entry(state)
        return self.entries[image.digest]

    def state_of(self, image: FakeImage) -> str:
        return self.entries[image.digest].state

    def entry(self, digest: str) -> Entry | None:
        with self.world.call("records.entry"):
            return self.entries.get(digest)

    def entry_of_image(self, image_id: str, repo_digests: Sequence[str]) -> Entry | None:
        with self.world.call("records.entry_of_image"):
            digests = {digest.partition("@")[2] for digest in repo_digests}
            found = (e for e in self.entries.values() if image_id in e.image_ids or e.digest in digests)
            return next(found, None)

    def register(self, reference: str) -> Entry:
        with self.world.call("records.register"):
            if self.world.registry_trouble:
                raise self.world.registry_trouble
            name, _, wanted = reference.partition("@")
            tag = name.rpartition(":")[2]
            for image in self.world.images.values():
                if image.digest in self.world.in_registry and (image.digest == wanted or (not wanted and image.tag == tag)):
                    return self.entries.setdefault(image.digest, image.entry("candidate"))
            raise Refused(f"The registry has no {reference}.", code="registry-not-found")

    def gate(self, digest: str) -> Verdict:
        with self.world.call("records.gate"):
            allowed = self.entries[digest].state in {"approved", "known-good"}
            words = "Approved, nothing against it." if allowed else f"It is {self.entries[digest].state}: not approved."
            return self.gate_says.get(digest, Verdict(allowed, words))

    def draft_for_review(self, digest: str) -> str:
        with self.world.call("records.draft_for_review"):
            return self.drafts_say.get(digest, "")

    def deployed(self, digest: str, gate: dict[str, Any]) -> None:
        with self.world.call("records.deployed"):
            if self.deployments[-1:] != [digest]:
                self.deployments.append(digest)

    def undeployed(self, digest: str) -> None:
        with self.world.call("records.undeployed"):
            if self.deployments[-1:] != [digest]:
                self.deployments.append(digest)

    def healthy(self, digest: str) -> None:
        with self.world.call("records.healthy"):
            if self.entries[digest].state == "approved":
                self.entries[digest] = replace(self.entries[digest], state="known-good")

    def failed(self, digest: str, why: str) -> None:
        with self.world.call("records.failed"):
            self.failures[digest] = why

    def deprecate(self, digest: str, note: str) -> None:
        with self.world.call("records.deprecate"):
            self.entries[digest] = replace(self.entries[digest], state="deprecated")
            self.notes[digest] = note

    def login(self, repository: str) -> Login | None:
        with self.world.call("records.login"):
            return self.known_login

    def serving(self) -> None:
        with self.world.call("records.serving"):
            self.serving_at = self.world.now

    def observed(self, container: ContainerFacts | None, entry: Entry | None, pin: str) -> None:
        with self.world.call("records.observed"):
            self.seen = (container, entry, pin)


@dataclass
class FakeMemory:
    """`fenced`: another worker has taken the job over."""

    kept: dict[str, Any] = field(default_factory=dict)
    fenced: bool = False

    def get(self, key: str) -> Any:
        return copy.deepcopy(self.kept.get(key))

    def put(self, key: str, value: Any) -> None:
        if self.fenced:
            raise Fenced("another worker has taken the job over")
        self.kept[key] = copy.deepcopy(value)


@dataclass
class NoBackups:
    """For jobs on a service that has no data: nothing of backups is asked but whether there is a plan."""

    def plan(self) -> None:
        return None


def without_backups() -> dict[str, Any]:
    """What a context takes besides, for such jobs."""
    return {"backups": None, "trees": None, "kept": NoBackups(), "outlet": None, "measured": lambda _: None}


def job_context(
    world: World, records: FakeRecords, *, target: str = "", kind: str = "upgrade",
    memory: FakeMemory | None = None, pause: Callable[[float], None] | None = None, **task: Any,
) -> JobContext:  # fmt: skip
    """A job on the world's service, with the world's clock."""
    return JobContext(
        task=Task(7, kind, "chatbot", "here", world.project, REPOSITORY, target, **task),
        engine=FakeEngine(world),
        compose=FakeCompose(world),
        files=FakeFiles(world),
        records=records,
        memory=memory or FakeMemory(),
        say=world.said.append,
        pause=pause or world.pause,
        now=lambda: world.now,
        **without_backups(),
    )
