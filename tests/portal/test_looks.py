"""Looking into a service: log, healthcheck, connections, resources, environment, and all of it as a bundle."""

import json
from typing import Any

import pytest
from django.contrib.auth.models import User

from chatbot_service.models import Job, JobState, Kind, Service
from deploy_records.models import AuditEvent
from tests import backup_factories as backups
from tests import factories as make
from tests.portal.looking import queries, text_of, window

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}
AT = "2026-11-23T10:00:00.123456789Z"
CURSOR = f"{AT}/1"
LOG: dict[str, Any] = {
    "lines": [
        [AT, "stdout", [["plain ", ""], ["red <b>", "fg-red bold"]], 0],
        [AT, "stderr", [["cut", "nonsense fg-green"]], 4096],
    ],
    "cursor": CURSOR, "ended": "lines", "dropped": 12, "read_bytes": 1000,
}  # fmt: skip
PROBE: dict[str, Any] = {
    "command": ["CMD-SHELL", "curl -f http://127.0.0.1:8000/health"], "user": "10001:10001", "exit_code": 1, "passed": False,
    "output": "refused <script>", "seconds": 0.2, "timeout": 5.0, "says": "It fails, with exit 1, after 0.20 s of 5 s.",
}  # fmt: skip
REACH: dict[str, Any] = {
    "endpoints": [{
        "url": "https://api.example/v1", "reached": False, "status": 0, "seconds": 0.1, "way": "curl", "note": "",
        "advice": "Look at DNS.", "stages": [
            {"name": "dns", "ok": False, "seconds": 0.1, "said": "no such name"},
            {"name": "tcp", "ok": None, "seconds": 0, "said": ""},
        ],
    }],
}  # fmt: skip
RESOURCES: dict[str, Any] = {
    "cpu_share": 1.4, "cpus": 2, "memory": 900 << 20, "memory_limit": 1024 << 20, "processes": 7, "received": 10, "sent": 20,
    "read": 30, "written": 40, "received_per_second": 1, "sent_per_second": 2, "read_per_second": 0, "written_per_second": 0,
    "data": [{"path": "/srv/uploads", "bytes": 1_000_000, "files": 3, "whole": True, "problem": ""}],
}  # fmt: skip


def key(name: str, **more: Any) -> dict[str, Any]:
    usual = {
        "type": "string", "required": False, "sensitive": False, "default": None, "present": True, "known": True, "value": "",
        "wrong": "", "description": "", "ok": True,
    }  # fmt: skip
    return {"name": name, **usual, **more}


ENVIRONMENT: dict[str, Any] = {
    "keys": [
        key("LOG_LEVEL", value="INFO"),
        key("OPENROUTER_API_KEY", sensitive=True, required=True, present=False, ok=False),
        # A look of a contract that did not know it for a secret.
        key("STRANGE", known=False, value="planted-secret"),
    ],
    "file": True, "in_file": ["LOG_LEVEL"], "not_applied": [], "revision": "r1",
}  # fmt: skip


@pytest.fixture
def service() -> Service:
    return make.service(runs=make.entry())


def seen(service: Service, kind: str, result: dict[str, Any], state: str = JobState.SUCCEEDED, **fields: Any) -> Job:
    return backups.job(kind, service, state, result=result, **fields)


def all_seen(service: Service) -> None:
    for kind, result in ((Kind.LOG, LOG), (Kind.PROBE, PROBE), (Kind.REACH, REACH), (Kind.RESOURCES, RESOURCES),
                         (Kind.ENVIRONMENT, ENVIRONMENT)):  # fmt: skip
        seen(service, kind, result)


# Log


def test_a_log_is_asked_for_by_post_and_shown_by_its_number(service: Service, operator: User) -> None:
    given = {"tail": "100", "since": "2026-11-23 09:00", "until": "2026-11-23 10:00", "words": "error"}
    answer = window(operator).post(f"/services/{service.pk}/logs/", given)
    job = Job.objects.get(kind=Kind.LOG)
    assert answer.headers["Location"] == f"/services/{service.pk}/logs/?look={job.pk}"
    assert job.asked == {
        "tail": 100,
        "since": "2026-11-23T09:00:00+00:00",
        "until": "2026-11-23T10:00:00+00:00",
        "words": "error",
    }
    assert "is asked to read" in text_of(window(operator).get(answer.headers["Location"]))


def test_lines_are_text_with_styles_of_a_fixed_list_and_say_what_is_left_out(service: Service, operator: User) -> None:
    job = seen(service, Kind.LOG, LOG, asked={"tail": 500, "words": ""})
    page = window(operator).get(f"/services/{service.pk}/logs/?look={job.pk}")
    html = page.content.decode()
    assert '<span class="kg-ansi-fg-red kg-ansi-bold">red &lt;b&gt;</span>' in html
    assert "nonsense" not in html
    assert "10:00:00.123" in html
    assert "12 earlier lines are left out" in text_of(page)
    assert "4 kB of this line left out" in text_of(page)


@pytest.mark.parametrize(("field", "typed"), [("since", "yesterday"), ("words", "a\x1bb"), ("since", "2026-13-01 00:00")])
def test_what_is_no_moment_and_no_word_is_refused_and_nothing_is_asked(
    service: Service, operator: User, field: str, typed: str
) -> None:
    page = window(operator).post(f"/services/{service.pk}/logs/", {field: typed})
    assert page.status_code == 400
    assert not Job.objects.filter(kind=Kind.LOG).exists()


def test_a_range_that_ends_before_it_begins_is_refused(service: Service, operator: User) -> None:
    given = {"since": "2026-11-23 10:00", "until": "2026-11-23 09:00"}
    assert "ends before it begins" in text_of(window(operator).post(f"/services/{service.pk}/logs/", given))


def test_a_look_of_another_service_is_not_shown(service: Service, operator: User) -> None:
    other = seen(make.service(name="other", runs=make.entry("other")), Kind.LOG, LOG)
    assert "kg-ansi" not in window(operator).get(f"/services/{service.pk}/logs/?look={other.pk}").content.decode()
    assert window(operator).get(f"/services/{service.pk}/logs/{other.pk}/text/").status_code == 404


def test_a_log_downloads_as_plain_text_with_exact_moments(service: Service, operator: User) -> None:
    job = seen(service, Kind.LOG, LOG)
    answer = window(operator).get(f"/services/{service.pk}/logs/{job.pk}/text/")
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert answer.content.decode().splitlines()[0] == f"{AT} plain red <b>"


def test_following_looks_once_at_a_time_and_leaves_no_trace_in_the_audit_trail(service: Service, operator: User) -> None:
    client, here = window(operator), f"/services/{service.pk}/logs/follow/"
    before = AuditEvent.objects.count()
    for _ in range(2):
        assert client.post(here, {"after": CURSOR}, headers=HTMX).status_code == 200
    job = Job.objects.get(kind=Kind.FOLLOW)
    assert AuditEvent.objects.count() == before
    Job.objects.filter(pk=job.pk).update(state=JobState.SUCCEEDED, result={**LOG, "cursor": f"{AT}/3"})
    answer = client.get(here, {"look": str(job.pk), "after": CURSOR, "lines": "10"}, headers=HTMX).content.decode()
    assert "beforeend:#log-lines" in answer
    assert f'value="{AT}/3"' in answer
    assert 'name="lines" value="12"' in answer


def test_following_pauses_on_demand_and_by_itself(service: Service, operator: User) -> None:
    client, here = window(operator), f"/services/{service.pk}/logs/follow/"
    paused = client.get(here, {"after": CURSOR, "paused": "1"}, headers=HTMX).content.decode()
    assert "Go on" in paused
    assert "hx-trigger" not in paused
    job = seen(service, Kind.FOLLOW, {"lines": [], "cursor": CURSOR}, by=operator)
    assert (
        "nobody has touched"
        in client.get(here, {"look": str(job.pk), "after": CURSOR, "looks": "300"}, headers=HTMX).content.decode()
    )


# Triage


def test_triage_shows_what_the_newest_looks_saw(service: Service, operator: User) -> None:
    all_seen(service)
    page = window(operator).get(f"/services/{service.pk}/triage/")
    text = text_of(page)
    for words in ("It fails, with exit 1", "no such name", "Over what is recommended", "1 MB", "/srv/uploads", "Missing"):
        assert words in text
    assert "&lt;script&gt;" in page.content.decode()


def test_triage_says_what_each_look_would_do_before_anybody_looked(service: Service, operator: User) -> None:
    assert "A worker runs the container's own healthcheck once" in text_of(
        window(operator).get(f"/services/{service.pk}/triage/")
    )


def test_all_looks_begin_at_once_and_a_second_time_they_are_not_begun_twice(service: Service, operator: User) -> None:
    client = window(operator)
    for _ in range(2):
        assert client.post(f"/services/{service.pk}/triage/run/").status_code == 302
    kinds = sorted(Job.objects.values_list("kind", flat=True))
    assert kinds == sorted([Kind.ENVIRONMENT, Kind.LOG, Kind.PROBE, Kind.REACH, Kind.RESOURCES])


def test_a_look_polls_until_it_has_ended_and_says_why_it_failed(service: Service, operator: User) -> None:
    client, here = window(operator), f"/services/{service.pk}/looks/healthcheck/"
    assert 'hx-trigger="every 1s"' in client.post(here, headers=HTMX).content.decode()
    Job.objects.update(state=JobState.REFUSED, error="The container is exited.")
    ended = client.get(here, headers=HTMX)
    assert ended.status_code == 286
    assert "The container is exited." in text_of(ended)


def test_without_a_script_a_look_leads_back_to_its_page(service: Service, operator: User) -> None:
    answer = window(operator).post(f"/services/{service.pk}/looks/environment/")
    assert answer.headers["Location"] == f"/services/{service.pk}/environment/#look-environment"


def test_a_demo_record_is_not_looked_into(operator: User) -> None:
    demo = make.service(is_demo=True, runs=make.entry())
    answer = window(operator).post(f"/services/{demo.pk}/looks/log/", headers=HTMX)
    assert "demo record" in text_of(answer)
    assert not Job.objects.exists()


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_bundle_holds_what_was_seen_and_no_value_of_the_environment_and_is_on_record(
    service: Service, operator: User, form: str
) -> None:
    all_seen(service)
    answer = window(operator).post(f"/services/{service.pk}/triage/bundle/", {"form": form})
    text = answer.content.decode()
    for words in ("no such name", "plain red <b>", "LOG_LEVEL"):
        assert words in text
    assert "planted-secret" not in text
    assert AuditEvent.objects.filter(action="triage.bundled").exists()
    if form == "json":
        assert json.loads(text)["healthcheck"]["exit_code"] == 1


def test_a_viewer_and_an_auditor_do_not_look_inside(service: Service, viewer: User, auditor: User) -> None:
    for person in (viewer, auditor):
        for page in ("logs", "triage", "environment"):
            assert window(person).get(f"/services/{service.pk}/{page}/").status_code == 403
        assert window(person).get(f"/services/{service.pk}/hardening/").status_code == 200


@pytest.mark.parametrize("page", ["triage", "environment"])
def test_pages_take_the_same_queries_whatever_was_seen(service: Service, operator: User, page: str) -> None:
    client = window(operator)
    all_seen(service)
    first = queries(client, f"/services/{service.pk}/{page}/")
    for _ in range(3):
        all_seen(service)
    assert queries(client, f"/services/{service.pk}/{page}/") == first
