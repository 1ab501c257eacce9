"""How a service is operated can be changed later, by an administrator, on record."""

from typing import Any

import pytest
from django.contrib.auth.models import User

from chatbot_service.models import Kind, Service
from deploy_records.models import AuditEvent
from tests import factories as make
from tests.portal.looking import last_refusal, text_of, window

pytestmark = pytest.mark.django_db


@pytest.fixture
def service() -> Service:
    return make.service(runs=make.entry(), smoke_tests=[{"name": "answers", "argv": ["curl", "-fsS", "a b"]}])


def send(of: User, service: Service, **changed: Any) -> Any:
    usual = {
        "environment": service.environment, "watch_seconds": service.watch_seconds, "rehearsal": service.rehearsal,
        "required_env": "", "smoke_tests": "answers: curl -fsS 'a b'",
    }  # fmt: skip
    return window(of).post(f"/services/{service.pk}/settings/", usual | changed)


def test_what_is_set_is_shown_and_reads_back(service: Service, administrator: User) -> None:
    page = window(administrator).get(f"/services/{service.pk}/settings/").content.decode()
    assert "answers: curl -fsS &#x27;a b&#x27;" in page
    assert send(administrator, service).status_code == 302
    assert not AuditEvent.objects.filter(action="service.changed").exists()


def test_a_change_counts_and_is_on_record_with_what_was_before(service: Service, administrator: User) -> None:
    send(administrator, service, watch_seconds=90, required_env="API_KEY", environment="staging")
    service.refresh_from_db()
    assert (service.watch_seconds, service.required_env, service.environment) == (90, ["API_KEY"], "staging")
    event = AuditEvent.objects.get(action="service.changed")
    assert event.changes == {
        "environment": ["production", "staging"],
        "watch_seconds": [30, 90],
        "required_env": [[], ["API_KEY"]],
    }
    assert "API_KEY" in text_of(window(administrator).get(f"/services/{service.pk}/"))


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("watch_seconds", "3601", "3,600"),
        ("watch_seconds", "soon", "whole number"),
        ("environment", "moon", "Select a valid choice"),
        ("required_env", "A-B", "is not the name of an environment variable"),
        ("smoke_tests", "curl", "is not a smoke test"),
        ("smoke_tests", "open: 'quote", "open quotation mark"),
    ],
)
def test_what_cannot_be_is_refused_in_words_and_changes_nothing(
    service: Service, administrator: User, field: str, value: str, words: str
) -> None:
    answer = send(administrator, service, **{field: value})
    assert answer.status_code == 400
    assert words in text_of(answer)
    assert value in answer.content.decode().replace("&#x27;", "'")
    service.refresh_from_db()
    assert (service.watch_seconds, service.environment, service.required_env) == (30, "production", [])


def test_while_a_job_changes_the_service_its_settings_stay(service: Service, administrator: User) -> None:
    make.job(Kind.RESTART, service, "running")
    answer = send(administrator, service, watch_seconds=90)
    assert answer.status_code == 409
    assert "Wait for its end" in text_of(answer)


def test_an_operator_sees_no_link_and_is_refused(service: Service, operator: User) -> None:
    assert "/settings/" not in window(operator).get(f"/services/{service.pk}/").content.decode()
    assert send(operator, service, environment="development").status_code == 403
    assert "administrator" in last_refusal().reason
