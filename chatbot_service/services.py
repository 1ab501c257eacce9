"""Taking a Compose service under management: what was found by a worker, plus what a person chose for it."""

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError
from django.utils import timezone

from chatbot_service import backup_plans, dispatch
from chatbot_service.dispatch import Request
from chatbot_service.jobs import adoption
from chatbot_service.jobs.context import SmokeTest
from chatbot_service.jobs.looking import checked_endpoints
from chatbot_service.models import NAME, READS_ONLY, Environment, Job, JobState, Kind, Rehearsal, Service
from deploy_records import audit
from deploy_records.errors import Invalid, Refused
from deploy_records.people import require
from deploy_records.rules.digest import shown

READ_WITHIN = timedelta(hours=24)
"""An older reading may no longer be what is on the disk."""
MOST_WATCH_SECONDS = 3600
MOST_KEYS = 100
MOST_SMOKE_TESTS = 20
_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_PIN_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}\.ya?ml")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How it is operated: may be changed later."""

    environment: str = Environment.PRODUCTION
    watch_seconds: int = 30
    required_env: Sequence[str] = ()
    smoke_tests: Sequence[SmokeTest] = ()
    rehearsal: str = Rehearsal.ISOLATED
    endpoints: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class Choice(Settings):
    """What a person chose. Everything else about the service is taken from the reading."""

    compose_service: str
    name: str
    pin_file: str = "docker-compose.prod.yml"


def put_under_management(reading: Job, choice: Choice, request: Request) -> Job:
    """Adds the service and starts the job that looks at what runs. Both or neither."""
    with audit.changing():
        return dispatch.adopt(add(reading, choice, request), request)


def add(reading: Job, choice: Choice, request: Request) -> Service:
    person = require(request.person, "chatbot_service.add_service", "Adding a service")
    found = _found(reading, choice.compose_service)
    _check(choice)
    files = _files(reading, choice.pin_file)
    try:
        with audit.changing():
            _refuse_a_twin(reading, choice)
            service = Service.objects.create(
                host=reading.host,
                name=choice.name,
                project_dir=reading.result["directory"],
                project_name=reading.result["project_name"],
                compose_files=files,
                pin_file=choice.pin_file,
                compose_service=choice.compose_service,
                repository=found["repository"],
                data_paths=found["data_paths"],
                found=found,
                added_by=person,
                **_as_data(choice),
            )
            changes = {"repository": service.repository, "directory": service.project_dir, "files": files}
            audit.record(request.actor, audit.Event("service.added", **audit.about(service), job=reading.pk, changes=changes))
            backup_plans.make_for(service, request.actor)
    except IntegrityError as error:
        raise Refused(_who_is_there(reading, choice), code="known-already") from error
    return service


def change(service: Service, wish: Settings, request: Request) -> bool:
    """How a service is operated from its next job on; False if that is what was set. What it is stays as it was added.

    Refused while a job changes it: that job has begun with the settings as they were.
    """
    require(request.person, "chatbot_service.change_service", "Changing a service's settings")
    _check_settings(wish)
    with audit.changing():
        before, after = _as_data(settings_of(service)), _as_data(wish)
        changes = {key: [before[key], after[key]] for key in after if before[key] != after[key]}
        if not changes:
            return False
        holder = Job.objects.active().filter(service=service).exclude(kind__in=READS_ONLY).first()
        if holder is not None:
            raise Refused(f"{holder} runs on {service}. Wait for its end. Nothing was changed.", code="busy")
        for key, value in after.items():
            setattr(service, key, value)
        service.save(update_fields=list(after))
        audit.record(request.actor, audit.Event("service.changed", **audit.about(service), changes=changes))
    return True


def settings_of(service: Service) -> Settings:
    tests = [SmokeTest(str(test["name"]), tuple(test["argv"])) for test in service.smoke_tests]
    return Settings(
        environment=service.environment, watch_seconds=service.watch_seconds, required_env=service.required_env,
        smoke_tests=tests, rehearsal=service.rehearsal, endpoints=service.endpoints,
    )  # fmt: skip


def smoke_tests_in_lines(tests: Sequence[SmokeTest]) -> str:
    """As `smoke_tests_of` reads them."""
    return "\n".join(f"{test.name}: {shlex.join(test.argv)}" for test in tests)


def _as_data(wish: Settings) -> dict[str, Any]:
    return {
        "environment": wish.environment,
        "watch_seconds": wish.watch_seconds,
        "required_env": list(wish.required_env),
        "smoke_tests": [{"name": test.name, "argv": list(test.argv)} for test in wish.smoke_tests],
        "rehearsal": wish.rehearsal,
        "endpoints": checked_endpoints(wish.endpoints),
    }


def _found(reading: Job, name: str) -> dict[str, Any]:
    if reading.kind != Kind.INSPECT or reading.state != JobState.SUCCEEDED:
        raise Refused(f"{reading} has not read a compose project. Read it first. Nothing was changed.")
    if reading.ended_at is None or timezone.now() - reading.ended_at > READ_WITHIN:
        raise Refused("The compose files were read more than a day ago. Read them again. Nothing was changed.", code="stale")
    return adoption.chosen(reading.result, name)


def _check(choice: Choice) -> None:
    try:
        NAME(choice.name)
    except ValidationError as error:
        raise Invalid(f"{shown(choice.name)} is not a name for a service: {error.message}") from error
    _check_settings(choice)


def _check_settings(choice: Settings) -> None:
    if choice.environment not in Environment.values or choice.rehearsal not in Rehearsal.values:
        raise Invalid("Choose the environment and the rehearsal from those offered.")
    if not 0 <= choice.watch_seconds <= MOST_WATCH_SECONDS:
        raise Invalid(f"A service is watched for 0 to {MOST_WATCH_SECONDS:,} s after a switch, not {choice.watch_seconds:,}.")
    checked_endpoints(choice.endpoints)
    wrong = [key for key in choice.required_env if not _KEY.fullmatch(key)]
    if wrong:
        raise Invalid(f"{shown(wrong[0])} is not the name of an environment variable.")
    if len(choice.required_env) > MOST_KEYS or len(choice.smoke_tests) > MOST_SMOKE_TESTS:
        raise Invalid(f"At most {MOST_KEYS} keys and {MOST_SMOKE_TESTS} smoke tests are kept.")


def _files(reading: Job, pin_file: str) -> list[str]:
    """The files that were read, and the pin file last, so that what it says holds."""
    if not _PIN_FILE.fullmatch(pin_file):
        raise Invalid(f"{shown(pin_file)} is not the name of a pin file. One looks like docker-compose.prod.yml.")
    files = [str(name) for name in reading.asked.get("files", ())]
    if pin_file in files[:-1]:
        words = f"{pin_file} has to be the last of the compose files, or another file would overrule its pin."
        raise Refused(f"{words} Read the project again with the files in that order. Nothing was changed.")
    return files if files[-1:] == [pin_file] else [*files, pin_file]


def _refuse_a_twin(reading: Job, choice: Choice) -> None:
    """Compose knows a container by project and service alone: through a link, one folder has many paths."""
    containers = {"project_name": reading.result["project_name"], "compose_service": choice.compose_service}
    twin = Service.objects.filter(host=reading.host, **containers).exclude(project_dir=reading.result["directory"]).first()
    if twin is not None:
        words = f"Its containers are those of {twin} already: project {twin.project_name}, service {twin.compose_service}"
        raise Refused(f"{words}, in {twin.project_dir}. Nothing was changed.", code="known-already")


def _who_is_there(reading: Job, choice: Choice) -> str:
    same_name = Service.objects.filter(host=reading.host, name=choice.name).first()
    if same_name is not None:
        where = f"it is {same_name.compose_service} in {same_name.project_dir}"
        return f"There is a service {choice.name} on {reading.host.name} already: {where}. Choose another name."
    known = Service.objects.filter(
        host=reading.host, project_dir=reading.result["directory"], compose_service=choice.compose_service
    ).first()
    return f"{choice.compose_service} in {reading.result['directory']} is managed already, as {known}. Nothing was changed."


def keys_of(text: str) -> list[str]:
    """Names separated by spaces, commas or lines."""
    return list(dict.fromkeys(re.split(r"[\s,]+", text.strip()))) if text.strip() else []


def smoke_tests_of(text: str) -> list[SmokeTest]:
    """One a line, `name: command with arguments`; quoted as in a shell, but no shell runs it."""
    return [_smoke_test(line) for line in text.splitlines() if line.strip()]


def _smoke_test(line: str) -> SmokeTest:
    name, colon, command = line.partition(":")
    try:
        argv = tuple(shlex.split(command))
    except ValueError as error:
        raise Invalid(f"The smoke test {shown(line.strip())} has an open quotation mark.") from error
    if not name.strip() or not colon or not argv or not line.isprintable():
        raise Invalid(
            f"{shown(line.strip())} is not a smoke test. One looks like: answers: curl -fsS http://127.0.0.1:8000/health"
        )
    return SmokeTest(name.strip()[:60], argv)
