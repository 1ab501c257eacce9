"""Adding a service: what a worker found is what counts, and what a person chose is checked."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from chatbot_service.jobs import adoption
from chatbot_service.models import Host, Job, JobState, Kind, Service
from deploy_records.models import AuditEvent
from tests import factories as make
from tests.portal.looking import last_refusal, text_of, window

pytestmark = pytest.mark.django_db

RENDERED: dict[str, Any] = {
    "name": "chatbot",
    "services": {
        "personal_chatbot": {
            "image": "ghcr.io/acme/personal-chatbot:1.9",
            "healthcheck": {"test": ["CMD", "bash", "scripts/healthcheck.sh"], "interval": "10s", "timeout": "3s", "retries": 6},
            "volumes": [{"type": "bind", "source": "/srv/chatbot/uploads", "target": "/app/uploads"}],
            "environment": {"OPENROUTER_API_KEY": "sk-secret-value", "PORT": "8000"},
            "user": "10001:10001",
        },
        "db": {"build": {"context": "."}},
    },
}
CHOSEN = {
    "service": "personal_chatbot", "name": "chatbot", "environment": "staging", "pin_file": "docker-compose.prod.yml",
    "watch_seconds": "45", "rehearsal": "joined", "required_env": "OPENROUTER_API_KEY, PORT",
    "smoke_tests": "answers: curl -fsS 'http://127.0.0.1:8000/health'\nlists: ls /app",
}  # fmt: skip


@pytest.fixture
def host() -> Host:
    return make.host()


@pytest.fixture
def reading(host: Host) -> Job:
    asked = {"directory": "/srv/chatbot", "files": ["docker-compose.yml"], "project_name": ""}
    found = adoption.find(RENDERED, "/srv/chatbot")
    return make.job(Kind.INSPECT, host=host, asked_for=asked, result=found)


def choose(of: User, reading: Job, **changed: str) -> Any:
    return window(of).post(f"/services/add/{reading.pk}/", {**CHOSEN, **changed})


# Naming the project


def test_naming_a_project_has_a_worker_read_it(host: Host, operator: User) -> None:
    sent = {"host": host.pk, "directory": "/srv/chatbot/", "compose_files": "docker-compose.yml, docker-compose.prod.yml"}
    answer = window(operator).post("/services/add/", sent)
    job = Job.objects.get()
    assert answer.headers["Location"] == f"/services/add/{job.pk}/"
    assert (job.kind, job.host) == (Kind.INSPECT, host)
    assert job.asked == {
        "directory": "/srv/chatbot", "files": ["docker-compose.yml", "docker-compose.prod.yml"], "project_name": "",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("directory", "srv/chatbot", "Give the whole path, from / on."),
        ("directory", "", "required"),
        ("directory", "/srv/\x00x", "Null characters are not allowed"),
        ("directory", "/" + "a" * 600, "at most 500"),
        ("compose_files", " ".join(f"{n}.yml" for n in range(11)), "At most 10 files."),
        ("host", "4711", "not one of the available choices"),
    ],
)
def test_bad_input_is_refused_beside_its_field(field: str, value: str, words: str, host: Host, operator: User) -> None:
    sent = {"host": host.pk, "directory": "/srv/chatbot", "compose_files": "docker-compose.yml", field: value}
    answer = window(operator).post("/services/add/", sent)
    assert answer.status_code == 400
    assert words in text_of(answer)
    assert Job.objects.count() == 0


def test_without_a_host_the_page_says_what_to_start(operator: User) -> None:
    page = text_of(window(operator).get("/services/add/"))
    assert "There is no host yet" in page
    assert "KG_HOSTS" in page


def test_a_host_that_cannot_be_used_is_said_before_anything_is_typed(operator: User) -> None:
    make.host(problem="Docker does not answer. Start it: systemctl start docker.")
    assert "prod-1: cannot be used. Docker does not answer." in text_of(window(operator).get("/services/add/"))


# Waiting


def test_while_it_is_read_the_page_asks_again_and_then_stops(host: Host, operator: User) -> None:
    job = make.job(Kind.INSPECT, host=host, state=JobState.QUEUED, asked_for={"directory": "/srv/chatbot", "files": ["a.yml"]})
    client, address = window(operator), f"/services/add/{job.pk}/"
    page = client.get(address)
    assert "A worker of prod-1 reads /srv/chatbot." in text_of(page)
    assert 'hx-trigger="every 1s"' in page.content.decode()
    assert f'<noscript><a class="btn" href="{address}">Reload</a></noscript>' in page.content.decode()
    htmx = {"HX-Request": "true"}
    assert client.get(address, headers=htmx).status_code == 200
    Job.objects.update(state=JobState.REFUSED, error="There is no folder /srv/chatbot on this host.", ended_at=timezone.now())
    fragment = client.get(address, headers=htmx)
    assert fragment.status_code == 286
    assert "There is no folder /srv/chatbot on this host." in text_of(fragment)
    assert "hx-trigger" not in fragment.content.decode()


def test_once_it_is_read_a_waiting_page_goes_on_to_what_was_found(reading: Job, operator: User) -> None:
    answer = window(operator).get(f"/services/add/{reading.pk}/", headers={"HX-Request": "true", "HX-Target": "reading"})
    assert answer.headers["HX-Redirect"] == f"/services/add/{reading.pk}/"


def test_when_no_worker_answers_that_is_said(operator: User) -> None:
    silent = make.host(seen_at=timezone.now() - timedelta(hours=1))
    job = make.job(Kind.INSPECT, host=silent, state=JobState.QUEUED, asked_for={"directory": "/srv/x", "files": ["a.yml"]})
    assert "no worker of prod-1 answers" in text_of(window(operator).get(f"/services/add/{job.pk}/"))


# Choosing


def test_what_was_found_is_shown_and_no_value(reading: Job, operator: User) -> None:
    answer = window(operator).get(f"/services/add/{reading.pk}/")
    page = text_of(answer)
    assert "Found two services in /srv/chatbot; one of them can be managed." in page
    assert "ghcr.io/acme/personal-chatbot" in page
    assert "bash scripts/healthcheck.sh" in page
    assert "OPENROUTER_API_KEY" in page
    assert "sk-secret-value" not in answer.content.decode()


def test_what_cannot_be_operated_says_which_lines_to_add(reading: Job, operator: User) -> None:
    answer = window(operator).get(f"/services/add/{reading.pk}/", {"service": "db"})
    page = text_of(answer)
    assert "What stands in the way" in page
    assert "healthcheck: test:" in page
    assert '<button class="btn btn-primary" type="submit">Add the service' not in answer.content.decode()


def test_adding_takes_the_facts_from_the_reading_and_looks_at_what_runs(reading: Job, operator: User) -> None:
    answer = choose(operator, reading)
    service, job = Service.objects.get(), Job.objects.get(kind=Kind.ADOPT)
    assert answer.headers["Location"] == f"/jobs/{job.pk}/"
    assert job.service == service
    assert service.repository == "ghcr.io/acme/personal-chatbot"
    assert service.project_dir == "/srv/chatbot"
    assert service.project_name == "chatbot"
    assert service.compose_files == ["docker-compose.yml", "docker-compose.prod.yml"]
    assert service.data_paths == ["/srv/chatbot/uploads"]
    assert service.required_env == ["OPENROUTER_API_KEY", "PORT"]
    assert service.smoke_tests == [
        {"name": "answers", "argv": ["curl", "-fsS", "http://127.0.0.1:8000/health"]},
        {"name": "lists", "argv": ["ls", "/app"]},
    ]
    assert (service.name, service.environment, service.watch_seconds, service.rehearsal) == ("chatbot", "staging", 45, "joined")
    assert service.added_by == operator
    event = AuditEvent.objects.get(action="service.added")
    assert (event.actor, event.object_name) == ("olga", "chatbot on prod-1")


def test_facts_sent_with_the_form_are_not_believed(reading: Job, operator: User) -> None:
    choose(operator, reading, repository="evil.test/x", project_dir="/etc", compose_files="/etc/passwd", host="4711")
    service = Service.objects.get()
    assert (service.repository, service.project_dir) == ("ghcr.io/acme/personal-chatbot", "/srv/chatbot")


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("service", "db", "db cannot be put under management."),
        ("service", "no_such", "There is no service “no_such” in /srv/chatbot"),
        ("service", "../x", "There is no service"),
        ("name", "Chat Bot", "is not a name for a service"),
        ("name", "", "required"),
        ("environment", "moon", "not one of the available choices"),
        ("pin_file", "../prod.yml", "is not the name of a pin file"),
        ("pin_file", "/etc/passwd", "is not the name of a pin file"),
        ("watch_seconds", "-1", "0 to 3,600"),
        ("watch_seconds", "99999", "0 to 3,600"),
        ("watch_seconds", "soon", "Enter a whole number"),
        ("required_env", "1BAD", "is not the name of an environment variable"),
        ("required_env", "A=$(reboot)", "is not the name of an environment variable"),
        ("smoke_tests", "no command", "is not a smoke test"),
        ("smoke_tests", "a: 'open", "open quotation mark"),
        ("rehearsal", "maybe", "not one of the available choices"),
    ],
)
def test_a_bad_choice_is_refused_and_nothing_is_added(field: str, value: str, words: str, reading: Job, operator: User) -> None:
    answer = choose(operator, reading, **{field: value})
    assert 400 <= answer.status_code < 500
    assert words in text_of(answer)
    assert Service.objects.count() == 0
    assert Job.objects.filter(kind=Kind.ADOPT).count() == 0


def test_what_was_typed_is_not_lost_with_a_refusal(reading: Job, operator: User) -> None:
    page = choose(operator, reading, name="Chat Bot").content.decode()
    assert 'value="Chat Bot"' in page
    assert "http://127.0.0.1:8000/health" in page
    assert last_refusal().changes["correlation"] in page


def test_a_pin_file_that_another_file_would_overrule_is_refused(reading: Job, operator: User) -> None:
    Job.objects.update(asked={"directory": "/srv/chatbot", "files": ["docker-compose.prod.yml", "a.yml"], "project_name": ""})
    assert "has to be the last of the compose files" in text_of(choose(operator, reading))


def test_the_same_service_is_not_added_twice(reading: Job, operator: User) -> None:
    choose(operator, reading)
    same_name = choose(operator, reading)
    assert "There is a service chatbot on prod-1 already" in text_of(same_name)
    other_name = choose(operator, reading, name="other")
    assert "is managed already, as chatbot on prod-1" in text_of(other_name)
    assert Service.objects.count() == 1


def test_the_same_containers_are_not_managed_twice_through_a_link_to_their_folder(reading: Job, operator: User) -> None:
    choose(operator, reading)
    asked = reading.asked | {"directory": "/srv/link"}
    through_link = make.job(Kind.INSPECT, host=reading.host, asked_for=asked, result=reading.result | {"directory": "/srv/link"})
    answer = choose(operator, through_link, name="other")
    assert answer.status_code == 409
    assert "Its containers are those of chatbot on prod-1 already" in text_of(answer)
    assert Service.objects.count() == 1


def test_an_old_reading_is_not_built_on(reading: Job, operator: User) -> None:
    Job.objects.update(ended_at=timezone.now() - timedelta(days=2))
    assert "more than a day ago" in text_of(choose(operator, reading))
    assert Service.objects.count() == 0


def test_another_kind_of_job_is_no_reading(operator: User) -> None:
    job = make.job(Kind.RESTART, make.service(runs=make.entry()))
    assert window(operator).get(f"/services/add/{job.pk}/").status_code == 404


@pytest.mark.parametrize("role", ["Release manager", "Viewer", "Auditor"])
def test_a_forged_request_is_refused_and_on_record(role: str, reading: Job) -> None:
    answer = choose(make.person(role, name="mallory"), reading)
    assert answer.status_code == 403
    assert Service.objects.count() == 0
    assert last_refusal().actor == "mallory"
