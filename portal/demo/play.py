"""The main job, played in the terminal: adopt at build 1, upgrade to 2, upgrade to 3 (undone), roll back to 1."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from django.conf import settings

from chatbot_service import dispatch, services
from chatbot_service.building import Builder
from chatbot_service.dispatch import Request
from chatbot_service.jobs.ports import Project
from chatbot_service.management.commands.job import follow
from chatbot_service.models import Environment, Host, Job, JobState, Service
from chatbot_service.wiring import compose_of
from deploy_records import ledger, lookup
from deploy_records.errors import Broken
from deploy_records.models import ImageDigest, LedgerState
from portal.demo import evidence, project
from portal.demo.people import People
from portal.demo.visitor import Visitor

Write = Callable[[str], object]

HOST_PATIENCE = 30.0
GOOD_PATIENCE = 60.0
WATCH_SECONDS = 10


@dataclass(frozen=True)
class Demo:
    people: People
    host: Host
    port: int
    write: Write

    @property
    def project_name(self) -> str:
        """Of its own for each port, so that two installations on one machine do not share a project."""
        return f"kg-demo-{self.port}"

    @property
    def operator(self) -> Request:
        return Request(self.people.operator, "demo", "shell")


def usable_host() -> Host:
    """This machine's host once its worker has looked at the engine; `problem` says why it cannot be used."""
    deadline = time.monotonic() + HOST_PATIENCE
    while time.monotonic() < deadline:
        host = Host.objects.filter(name=settings.WORKER_HOSTS[0]).first()
        if host and (host.engine_seen_at or host.problem):
            return host
        time.sleep(0.2)
    raise Broken("No worker has answered. Is the portal running?")


def play(demo: Demo) -> None:
    digests = _build(demo)
    entries = {number: _register_and_approve(demo, number, digest) for number, digest in digests.items()}
    service = _adopt(demo, entries["1"])
    url = f"http://127.0.0.1:{demo.port}/health"
    good = _job(demo, "Upgrade to build 2", lambda: dispatch.upgrade(service, digests["2"], demo.operator), url)
    bad_title = "Upgrade to build 3, which never becomes healthy"
    bad = _job(demo, bad_title, lambda: dispatch.upgrade(service, digests["3"], demo.operator), url)
    back = _job(demo, "Roll back to build 1", lambda: dispatch.rollback(service, digests["1"], demo.operator), url)
    ended = (good.state, bad.state, back.state)
    if ended != (JobState.SUCCEEDED, JobState.FAILED, JobState.SUCCEEDED):
        raise Broken(f"The jobs ended as {', '.join(ended)}; it should be succeeded, failed and undone, succeeded.")


def _build(demo: Demo) -> dict[str, str]:
    builder = Builder(demo.host.engine_url)
    digests = {}
    for number in project.BUILDS:
        demo.write(f"Building personal_chatbot build {number} and pushing it to {project.repository()}")
        digests[number] = project.build_and_push(builder, number)
    return digests


def _register_and_approve(demo: Demo, number: str, digest: str) -> ImageDigest:
    reference = f"{project.repository()}:build-{number}@{digest}"
    job = dispatch.resolve(demo.host, reference, demo.operator)
    if _wait(job) != JobState.SUCCEEDED:
        raise Broken(f"Registering build {number} failed: {job.error}")
    entry = lookup.get(project.repository(), digest)
    evidence.bring(entry, number, demo.people.operator)
    if entry.state == LedgerState.CANDIDATE:  # not so when the demo was played before
        ledger.approve(entry, demo.people.release_manager, "demo", address="shell")
    demo.write(f"  build {number}: {digest[:19]}… registered by operator, with a report made by the demo, not by a scanner;")
    demo.write("    approved by release-manager")
    return entry


def _adopt(demo: Demo, entry: ImageDigest) -> Service:
    folder = project.folder()
    known = Service.objects.filter(project_dir=str(folder)).select_related("host").first()
    if known is not None:
        return _back_to_build_1(demo, known, entry)
    project.lay_out(folder, entry.digest, demo.port)
    files = ("docker-compose.yml", "docker-compose.prod.yml")
    demo.write(f"Starting it at build 1 in {folder}, as by hand")
    by_hand = Project(str(folder), demo.project_name, files, files[-1], "personal_chatbot")
    compose_of(demo.host).up(by_hand, lambda _line: None, 120)
    found = dispatch.inspect(demo.host, str(folder), list(files), demo.project_name, demo.operator)
    if _wait(found) != JobState.SUCCEEDED:
        raise Broken(f"Reading the compose files failed: {found.error}")
    choice = services.Choice(
        compose_service="personal_chatbot", name="personal_chatbot", environment=Environment.STAGING,
        watch_seconds=WATCH_SECONDS, required_env=("UPLOADS_DIR", "EXPORTS_DIR"),
    )  # fmt: skip
    service = services.add(found, choice, demo.operator)
    _job(demo, "Put it under management", lambda: dispatch.adopt(service, demo.operator))
    _wait_until_known_good(entry)
    service.refresh_from_db()
    return service


def _back_to_build_1(demo: Demo, service: Service, entry: ImageDigest) -> Service:
    """The demo was played before, up to somewhere."""
    if service.seen_digest == entry.digest:
        return service
    ran_well = entry.state == LedgerState.KNOWN_GOOD
    bring = dispatch.rollback if ran_well else dispatch.upgrade
    _job(demo, "Back to where the demo begins", lambda: bring(service, entry.digest, demo.operator))
    return service


def _wait_until_known_good(entry: ImageDigest) -> None:
    """The watcher sees it healthy; approved becomes known good."""
    deadline = time.monotonic() + GOOD_PATIENCE
    while time.monotonic() < deadline:
        entry.refresh_from_db()
        if entry.state == LedgerState.KNOWN_GOOD:
            return
        time.sleep(0.2)
    raise Broken("Build 1 was not seen healthy. Is the watcher running?")


def _job(demo: Demo, title: str, start: Callable[[], Job], url: str = "") -> Job:
    demo.write(f"\n{title}")
    if not url:
        job = start()
        follow(job, demo.write)
        return job
    with Visitor(url) as visitor:
        job = start()
        follow(job, demo.write)
    demo.write(f"  {visitor.in_words}")
    return job


def _wait(job: Job) -> JobState:
    return follow(job, lambda _line: None)
