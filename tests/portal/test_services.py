from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from chatbot_service.models import Host, JobState, Kind, Service
from deploy_records.models import ImageDigest
from tests import factories as make
from tests.portal.looking import queries, text_of, window

pytestmark = pytest.mark.django_db


@pytest.fixture
def service() -> Service:
    made = make.service(runs=make.entry("new", tag="sha-ab12cd3"))
    make.ran_before(made, make.entry("old", tag="sha-55d0c3a"))
    return made


def page_of(service: Service, of: User) -> str:
    return text_of(window(of).get(f"/services/{service.pk}/"))


def test_the_sentence_says_what_runs_how_well_and_by_whose_word(service: Service, viewer: User) -> None:
    page = page_of(service, viewer)
    digest = make.sha("new")[7:19]
    assert f"Runs {digest} (sha-ab12cd3), healthy for 3 d 4 h, approved by one; the gate passes" in page
    assert "and it can be rolled back." in page
    assert "the container, the pin and the ledger name the same digest" in page


def test_each_claim_leads_to_its_proof(service: Service, viewer: User) -> None:
    page = window(viewer).get(f"/services/{service.pk}/").content.decode()
    sentence = page.split('class="kg-state"')[1].split("</p>")[0]
    assert f'href="/ledger/{ImageDigest.objects.get(digest=make.sha("new")).pk}/"' in sentence
    assert 'href="#t-h"' in sentence
    assert 'href="#t-r"' in sentence


def test_a_candidate_that_runs_is_not_approved_yet(viewer: User) -> None:
    service = make.service(runs=make.entry(state="candidate"))
    assert "but is not approved yet" in page_of(service, viewer)


def test_drift_is_told_in_the_sentence(service: Service, viewer: User) -> None:
    Service.objects.update(drift="runs 71c0…, the pin names 2e94…: changed outside the portal")
    page = page_of(service, viewer)
    assert "It drifted: it runs 71c0…, the pin names 2e94…: changed outside the portal" in page
    assert "name the same digest" not in page


def test_a_service_that_is_down_says_since_when(service: Service, viewer: User) -> None:
    Service.objects.update(seen_state="exited", seen_health="none", seen_since=timezone.now() - timedelta(minutes=12))
    assert "It is down for 12 min" in page_of(service, viewer)


def test_a_service_nobody_has_looked_at_says_so(viewer: User) -> None:
    assert "Nobody has looked at it yet." in page_of(make.service(), viewer)


@pytest.mark.parametrize(
    ("role", "offered"),
    [
        ("Operator", {"Upgrade", "Roll back", "Restart", "Stop"}),
        ("Release manager", set()),
        ("Security reviewer", set()),
        ("Auditor", set()),
        ("Viewer", set()),
        ("Administrator", set()),
    ],
)
def test_only_what_the_role_allows_is_offered(role: str, offered: set[str], service: Service) -> None:
    page = window(make.person(role)).get(f"/services/{service.pk}/").content.decode()
    head = page.split('class="kg-head"')[1].split('id="kg-messages"')[0]
    assert {word for word in ("Upgrade", "Roll back", "Restart", "Stop", "Start") if f">{word}</a>" in head} == offered


def test_a_stopped_service_can_be_started_only(service: Service, operator: User) -> None:
    Service.objects.update(seen_state="exited", seen_health="none")
    page = window(operator).get(f"/services/{service.pk}/").content.decode()
    assert f'href="/services/{service.pk}/start/"' in page
    assert f'href="/services/{service.pk}/stop/"' not in page


def test_while_a_job_holds_it_the_buttons_stay_and_say_who(service: Service, operator: User) -> None:
    job = make.job(Kind.RESTART, service, JobState.RUNNING, by=make.person("Operator", name="otto"), failed="look")
    answer = window(operator).get(f"/services/{service.pk}/")
    assert f"Restart {job.pk} holds it. Asked for by otto at" in text_of(answer)
    page = answer.content.decode()
    assert f'href="/services/{service.pk}/upgrade/"' not in page
    assert page.count('aria-disabled="true" aria-describedby="why-not"') == 6
    assert 'id="why-not"' in page


def test_a_demo_record_has_no_button_that_would_be_refused(service: Service, operator: User) -> None:
    Service.objects.update(is_demo=True)
    page = window(operator).get(f"/services/{service.pk}/").content.decode()
    assert f'href="/services/{service.pk}/upgrade/"' not in page
    assert "It is a demo record, there is nothing to operate" in page


def test_without_an_earlier_digest_rolling_back_says_why_not(operator: User) -> None:
    service = make.service(runs=make.entry())
    page = window(operator).get(f"/services/{service.pk}/").content.decode()
    assert 'title="No other digest has run well here yet"' in page


def test_a_host_that_cannot_be_used_is_said_on_the_page_with_what_to_do(service: Service, operator: User) -> None:
    Host.objects.update(problem="Docker does not answer. Start it: systemctl start docker.")
    assert "prod-1: cannot be used. Docker does not answer. Start it: systemctl start docker." in page_of(service, operator)


def test_the_day_is_told_in_words_below_the_line(service: Service, viewer: User) -> None:
    now = timezone.now()
    job = make.job(Kind.RESTART, service, asked=now - timedelta(hours=5), took=20)
    stopped = job.steps.get(key="stop").started_at
    assert stopped is not None
    make.transition(service, "down", stopped)
    make.transition(service, "healthy", stopped + timedelta(seconds=3), make.sha("new"))
    make.transition(service, "unhealthy", now - timedelta(hours=2), make.sha("new"))
    make.transition(service, "healthy", now - timedelta(hours=1, minutes=40), make.sha("new"))
    answer = window(viewer).get(f"/services/{service.pk}/")
    page = text_of(answer)
    assert f"Restart {job.pk} by {job.asked_by}, succeeded; paused 3 s" in page
    assert "probes failed for 20 min" in page
    assert "98.6 % · down 0 s · probes failed for 20 min · paused 3 s by jobs" in page
    assert "Over 24 hours healthy except: paused by a job for 3 s" in answer.content.decode().replace("\N{NO-BREAK SPACE}", " ")


def test_the_rollback_panel_tells_what_is_missing(service: Service, viewer: User) -> None:
    Service.objects.update(previous_local=False)
    page = page_of(service, viewer)
    assert "Image: not ready, image missing A rollback pulls it first." in page
    assert "could not be rolled back" in page


def test_what_was_found_outside_is_shown_as_text(service: Service, viewer: User) -> None:
    Service.objects.update(project_dir="/srv/<b>x</b>", drift="<img src=x>")
    page = window(viewer).get(f"/services/{service.pk}/").content.decode()
    assert "<b>x</b>" not in page
    assert "<img" not in page


def test_a_service_that_is_not_there_is_not_found(viewer: User) -> None:
    assert window(viewer).get("/services/4711/").status_code == 404


@pytest.mark.parametrize(
    ("show", "seen"),
    [("", {"good", "drifted"}), ("not-approved", {"drifted"}), ("approved", {"good"}), ("nonsense", {"good", "drifted"})],
)
def test_the_list_shows_those_that_a_claim_is_about(show: str, seen: set[str], viewer: User) -> None:
    make.service("good", runs=make.entry(1))
    make.service("drifted", runs=make.entry(2), drift="runs 1, the pin names 2: changed outside the portal")
    page = window(viewer).get("/services/", {"show": show}).content.decode()
    assert {name for name in ("good", "drifted") if f'">{name}</a>' in page} == seen


def test_an_empty_list_teaches_and_offers_the_first_step_to_those_who_may(operator: User, viewer: User) -> None:
    assert 'href="/services/add/"' in window(operator).get("/services/").content.decode()
    page = window(viewer).get("/services/")
    assert 'href="/services/add/"' not in page.content.decode()
    assert "An operator or an administrator adds the first one." in text_of(page)


def test_the_list_takes_as_many_queries_with_twenty_services_as_with_one(viewer: User) -> None:
    client = window(viewer)
    make.job(of=make.service("first", runs=make.entry("first")))
    client.get("/services/")
    one = queries(client, "/services/")
    for number in range(19):
        make.job(of=make.service(f"service_{number}", runs=make.entry(number)))
    assert queries(client, "/services/") == one


def test_the_page_takes_as_many_queries_with_a_long_history_as_with_a_short_one(service: Service, operator: User) -> None:
    client, address = window(operator), f"/services/{service.pk}/"
    make.job(Kind.RESTART, service)
    client.get(address)
    short = queries(client, address)
    for number in range(20):
        make.job(Kind.RESTART, service, asked=timezone.now() - timedelta(minutes=number))
        make.transition(service, "unhealthy" if number % 2 else "healthy", timezone.now() - timedelta(minutes=40 - number))
        make.ran_before(service, make.entry(("older", number)), days=number + 30)
        make.service(f"other_{number}", runs=make.entry(("other", number)))
    assert queries(client, address) == short
