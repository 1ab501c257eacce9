"""Every look at a real container that tells its secrets to whoever listens: none is in what looks keep, show or hand out."""

import json
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from django.utils import timezone

from chatbot_service import operating, resource_history, resource_measuring, triage
from chatbot_service.compose import ComposeBinary
from chatbot_service.dispatch import Request
from chatbot_service.engine import DockerEngine
from chatbot_service.jobs.look_ports import LogQuery
from chatbot_service.models import HardeningCheck, Job, JobState, Kind, Service
from chatbot_service.runner import run_job
from deploy_records.models import AuditEvent
from tests import factories as make
from tests.docker import small
from tests.docker.registries import LocalRegistry
from tests.docker.small import SmallImage, SmallProject
from tests.portal.looking import window

pytestmark = [pytest.mark.docker, pytest.mark.django_db(transaction=True)]
SECRET = "sk-planted-4711-0815"
TELLS = (
    'echo "the key is $OPENROUTER_API_KEY"; printf "\\033[31mand $ODD_ONE\\033[0m" >&2; '
    'printf "\\033[2J$OPENROUTER_API_KEY"; touch /tmp/well'
)


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory, base_image: str, registry: LocalRegistry) -> Iterator[SmallImage]:
    made = small.make_image(tmp_path_factory.mktemp("small"), base_image, registry, f"triage-{uuid4().hex[:8]}", TELLS)
    yield made
    small.forget_image(made)


@pytest.fixture
def service(tmp_path: Path, image: SmallImage, engine_url: str) -> Iterator[Service]:
    project = SmallProject(tmp_path / "project", f"kg-triage-{uuid4().hex[:8]}")
    project.write("env_file: [.env]", {})
    (project.folder / ".env").write_text(f"OPENROUTER_API_KEY={SECRET}\nODD_ONE={SECRET}-odd\nLOG_LEVEL=INFO\n")
    project.pin(image)
    engine, compose = DockerEngine(engine_url), ComposeBinary(docker_host=engine_url, locks=tmp_path / "locks")
    engine.pull(image.repository, image.digest, "linux/amd64", None, print, 60)
    compose.up(project.as_project, print, 60)
    of = project.as_project
    yield make.service(
        "small", host=make.host("here", engine_url=engine_url), project_dir=of.directory, project_name=of.name,
        compose_files=list(of.files), pin_file=of.pin_file, compose_service=of.service, repository=image.repository,
        data_paths=[str(project.folder)], endpoints=["http://127.0.0.1:9/"],
    )  # fmt: skip
    compose.down(of.name, print, 60)
    engine.close()


def test_no_look_no_page_and_no_bundle_tells_a_secret(service: Service) -> None:
    person = make.person("Operator")
    request = Request(person, "what is it")
    begun = [look(service, request) for look in (operating.probe, operating.reach, operating.resources, operating.environment)]
    begun += [operating.logs(service, LogQuery(), request), operating.harden(service, request)]
    for job in begun:
        run_job(job.pk)
        job.refresh_from_db()
        assert job.state == JobState.SUCCEEDED, (job.kind, job.error)
    log = Job.objects.get(kind=Kind.LOG)
    assert "the key is [OPENROUTER_API_KEY]" in json.dumps(log.result)
    found = triage.gather(service, timezone.now())
    client, here = window(person), f"/services/{service.pk}"
    told = [
        json.dumps(found), triage.as_text(found),
        *(json.dumps(row, default=str) for row in Job.objects.values("asked", "result", "facts", "error")),
        *(json.dumps(row, default=str) for row in AuditEvent.objects.values()),
        *(json.dumps(row, default=str) for row in HardeningCheck.objects.values()),
        *(client.get(f"{here}/{page}").content.decode() for page in ("triage/", "environment/", "hardening/")),
        client.get(f"{here}/logs/", {"look": log.pk}).content.decode(),
        client.get(f"{here}/logs/{log.pk}/text/").content.decode(),
        client.post(f"{here}/triage/bundle/", {"form": "json"}).content.decode(),
    ]  # fmt: skip
    assert [text[:200] for text in told if SECRET in text] == []
    assert "\x1b" not in "".join(told)


def test_a_log_is_followed_from_where_it_was_read_and_a_running_service_is_measured(service: Service) -> None:
    request = Request(make.person("Operator"))
    first = operating.logs(service, LogQuery(), request)
    run_job(first.pk)
    first.refresh_from_db()
    after = operating.follow(service, first.result["cursor"], "", request)
    run_job(after.pk)
    after.refresh_from_db()
    assert (after.state, after.result["lines"]) == (JobState.SUCCEEDED, [])
    assert not AuditEvent.objects.filter(object_name__startswith="Log, followed").exists()
    for _ in range(2):
        assert resource_measuring.measure(service.host.name) == 1
    assert resource_history.of(service, timezone.now() - resource_history.SHOWN)[0].memory > 0
