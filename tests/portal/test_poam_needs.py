from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.test import override_settings
from django.utils import timezone

from chatbot_service import needs, tasks
from chatbot_service.need import Matter, Need
from deploy_records import poam
from deploy_records.models import PoamItem, PoamWarning
from portal import settings
from tests import factories
from tests.factories import person
from tests.portal import exceptions as make
from tests.portal.looking import text_of, window

pytestmark = pytest.mark.django_db


def mine(of: User) -> list[Need]:
    return [need for need in needs.read(of, []).mine if need.exception]


def titles(of: User) -> list[str]:
    return [need.title for need in mine(of)]


def test_a_request_needs_a_reviewer_who_did_not_make_it() -> None:
    reviewer = person("Security reviewer", name="sven")
    item = poam.request(poam.draft(make.terms(), reviewer), reviewer)
    assert titles(make.sara()) == [f"Decide on {item.name}"]
    assert titles(reviewer) == []
    assert titles(make.olga()) == []
    assert next(need.why_not_you for need in needs.read(reviewer, []).others).startswith("You wrote or requested")


def test_a_later_end_needs_one_as_well() -> None:
    item = make.approved()
    poam.ask_to_extend(item, make.olga(), make.day(20), "The fix is late.")
    assert titles(make.sara()) == ["Decide on a later end of POAM-1"]


@pytest.mark.parametrize(("days", "says"), [(14, ""), (13, "in 13 days"), (7, "in 7 days"), (1, "tomorrow"), (0, "today")])
def test_what_ends_soon_needs_its_owner_and_the_reviewers(days: int, says: str) -> None:
    make.approved(expires_at=make.day(days))
    expected = [f"POAM-1 ends {says}"] if says else []
    assert titles(make.sara()) == expected
    assert titles(make.olga()) == expected
    assert titles(person("Operator")) == []


def test_a_team_answers_for_what_is_its_own() -> None:
    make.approved(expires_at=make.day(3), owner="release-managers")
    assert titles(person("Release manager")) == ["POAM-1 ends in 3 days"]
    assert titles(make.olga()) == []


def test_what_has_expired_and_is_open_still_comes_before_what_ends_soon() -> None:
    for days in (10, 9, 2):
        make.approved(expires_at=make.day(days))
    make.expired()
    assert titles(make.olga()) == [
        "POAM-4 has expired",
        "POAM-3 ends in 2 days",
        "POAM-2 ends in 9 days",
        "POAM-1 ends in 10 days",
    ]
    assert mine(make.olga())[0].matter == Matter.EXPIRED


def test_drafts_and_what_was_ended_need_nobody() -> None:
    make.drafted()
    make.closed()
    make.mitigated()
    make.rejected()
    assert titles(make.sara()) == []


def test_the_dashboard_leads_to_each_of_them_also_before_there_is_a_service() -> None:
    make.requested()
    client = window(make.sara())
    assert "Decide on POAM-1CVE-2026-1000, High, asked for by olga" in text_of(client.get("/"))
    factories.service("chatbot", runs=factories.entry("good"))
    body = client.get("/").content.decode()
    assert 'href="/poam/1/">Decide on POAM-1' in body


def test_the_scheduler_sends_each_warning_once() -> None:
    make.approved(expires_at=timezone.now() + timedelta(days=6))
    tasks.warn_of_exceptions()
    tasks.warn_of_exceptions()
    (sent,) = mail.outbox
    assert sent.subject == "POAM-1 ends in 6 days"
    assert set(sent.to) == {"olga@example.test", "sara@example.test"}
    assert PoamWarning.objects.get().sent_at is not None


def test_the_task_is_on_the_schedule_and_mail_goes_to_the_log_unless_a_server_is_named() -> None:
    due = settings.CELERY_BEAT_SCHEDULE["warn"]
    assert due["task"] == tasks.warn_of_exceptions.name
    assert settings.EMAIL_BACKEND == "django.core.mail.backends.console.EmailBackend"


def test_a_warning_in_the_log_can_be_read(capsys: pytest.CaptureFixture[str]) -> None:
    make.approved(expires_at=timezone.now() + timedelta(hours=20))
    with override_settings(EMAIL_BACKEND="django.core.mail.backends.console.EmailBackend"):
        tasks.warn_of_exceptions()
    said = capsys.readouterr().out
    assert "Subject: POAM-1 ends" in said
    assert "pkg:pypi/starlette@0.46.2" in said
    assert PoamItem.objects.get().warnings.count() == 1
