from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from chatbot_service.models import Host, JobState, Service
from deploy_records.people import permissions_of
from portal.shell import frame_of
from tests import backup_factories as backups
from tests import factories as make
from tests.portal.looking import queries, text_of, window

pytestmark = pytest.mark.django_db


def dashboard(of: User) -> str:
    return text_of(window(of).get("/"))


def well(name: str = "personal_chatbot", word: str = "") -> Service:
    """As approved, healthy, and with a way back, data and all."""
    service = make.service(name, runs=make.entry((name, word, "new")))
    make.ran_before(service, make.entry((name, word, "old")))
    backups.plan(service)
    backups.rehearsal(backups.backup(service))
    return service


def test_when_all_is_well_one_sentence_says_so(operator: User) -> None:
    well("one")
    well("two")
    page = dashboard(operator)
    assert "All two services run as approved, are healthy and could be rolled back, data and all." in page
    assert "As approved 2 of 2" in page
    assert "Nothing waits for you." in page


def test_what_deviates_is_counted_and_worst_comes_first(operator: User) -> None:
    well("a_well")
    drifted = well("b_drifted")
    type(drifted).objects.filter(pk=drifted.pk).update(drift="runs 1, the pin names 2: changed outside the portal")
    lost = well("c_lost")
    type(lost).objects.filter(pk=lost.pk).update(previous_local=False)
    page = dashboard(operator)
    assert "All three services are healthy. One does not run as approved, and one could not be rolled back." in page
    assert page.index("b_drifted") < page.index("c_lost") < page.index("a_well")
    assert "As approved 2 of 3" in page
    assert "Way back 2 of 3" in page


def test_down_is_said_loudly_and_stopped_on_purpose_is_not(operator: User) -> None:
    now = timezone.now()
    down = well("down")
    type(down).objects.filter(pk=down.pk).update(seen_state="exited", seen_health="none")
    stopped = well("stopped")
    type(stopped).objects.filter(pk=stopped.pk).update(seen_state="exited", seen_health="none")
    make.transition(stopped, "stopped", now - timedelta(hours=1))
    page = dashboard(operator)
    assert "one is not healthy and one is stopped on purpose" in page
    assert "down on prod-1 is down" in page
    assert "stopped on prod-1 is" not in page


def test_what_nobody_has_looked_at_for_a_while_is_not_called_healthy(operator: User) -> None:
    service = well()
    type(service).objects.update(seen_at=timezone.now() - timedelta(minutes=10))
    page = dashboard(operator)
    assert "The one service is not watched." in page
    assert "Healthy 0 of 1" in page


def test_without_an_earlier_digest_there_is_nothing_to_go_back_to_and_that_is_no_alarm(operator: User) -> None:
    make.service(runs=make.entry())
    page = window(operator).get("/")
    assert "nothing to roll back to yet" in text_of(page)
    assert "kg-state" in page.content.decode()
    assert "kg-t-warn" not in page.content.decode().split("</section>")[0]


def test_an_approval_is_asked_of_those_who_may_give_it(operator: User, release_manager: User) -> None:
    well()
    candidate = make.entry("candidate", state="candidate", registered_by=operator, tag="sha-2c44e8d")
    asked = window(release_manager).get("/")
    assert f"Approve {candidate.digest[7:11]}…" in text_of(asked)
    assert f'href="/ledger/{candidate.pk}/"' in asked.content.decode()
    told = dashboard(operator)
    assert "Approve" not in told
    assert "One more waits for somebody else: release manager." in told


def test_nobody_is_asked_to_approve_what_they_registered_or_have_approved(release_manager: User) -> None:
    well()
    make.entry("own", state="candidate", registered_by=release_manager)
    given = make.entry("given", state="candidate")
    make.approval(given, release_manager)
    page = dashboard(release_manager)
    assert "Nothing waits for you." in page
    assert "Two more wait for somebody else: release manager." in page


def test_a_stuck_job_and_drift_need_an_operator(operator: User, auditor: User) -> None:
    service = well()
    type(service).objects.update(drift="runs 1, the pin names 2: changed outside the portal", drift_since=timezone.now())
    job = make.job("rollback", service, JobState.STUCK, failed="switch", why="The engine does not answer")
    page = window(operator).get("/")
    assert "A job on personal_chatbot on prod-1 is stuck" in text_of(page)
    assert "The engine does not answer" in text_of(page)
    assert f'href="/jobs/{job.pk}/"' in page.content.decode()
    assert "personal_chatbot on prod-1 drifted" in text_of(page)
    assert "Nothing waits for you." in dashboard(auditor)


def test_a_job_that_was_stuck_needs_nobody_once_a_later_one_went_well(operator: User) -> None:
    service = well()
    make.job("rollback", service, JobState.STUCK, failed="switch", asked=timezone.now() - timedelta(hours=2))
    make.job("rollback", service)
    assert "Nothing waits for you." in dashboard(operator)


def test_a_deprecated_digest_that_still_runs_needs_an_operator(operator: User) -> None:
    make.service(runs=make.entry(state="deprecated", note="It leaks memory"))
    page = dashboard(operator)
    assert "personal_chatbot on prod-1 runs a deprecated digest" in page
    assert "Gate refuses" in page


def test_a_host_without_engine_is_said_with_what_to_do(operator: User) -> None:
    well()
    Host.objects.update(problem="Docker does not answer at /var/run/docker.sock. Start it: systemctl start docker.")
    page = dashboard(operator)
    assert "prod-1: cannot be used" in page
    assert "Start it: systemctl start docker." in page


def test_a_host_whose_worker_is_silent_is_said_in_the_frame_of_every_page(auditor: User) -> None:
    make.host(seen_at=timezone.now() - timedelta(minutes=5))
    page = text_of(window(auditor).get("/services/"))
    assert "The host does not answer" in page


def test_the_count_beside_the_dashboard_is_what_needs_this_person(operator: User, release_manager: User) -> None:
    well()
    make.entry("a", state="candidate", registered_by=operator)
    make.entry("b", state="candidate", registered_by=operator)
    assert "Dashboard2 need you" in text_of(window(release_manager).get("/jobs/"))
    assert "need you" not in text_of(window(operator).get("/jobs/"))


def test_first_start_without_a_worker_says_how_to_start_one(operator: User) -> None:
    page = dashboard(operator)
    assert "Nothing is managed yet." in page
    assert "No worker has started yet." in page
    assert "0 of 3 done" in page


def test_first_start_with_a_host_leads_to_adding_a_service(operator: User, auditor: User) -> None:
    make.host()
    page = window(operator).get("/")
    assert "prod-1: Docker Engine 28.5.1, linux/amd64; its worker answers." in text_of(page)
    assert 'href="/services/add/"' in page.content.decode()
    refused = window(auditor).get("/")
    assert 'href="/services/add/"' not in refused.content.decode()
    assert "An operator or an administrator can" in text_of(refused)


def test_first_start_with_a_broken_host_says_what_is_missing(operator: User) -> None:
    make.host(problem="Docker Compose 2.20 or newer was not found on this host. Install it.")
    assert "prod-1: Docker Compose 2.20 or newer was not found on this host. Install it." in dashboard(operator)


def test_demo_records_are_marked(operator: User) -> None:
    make.service(runs=make.entry(), is_demo=True)
    assert "demo record" in dashboard(operator)


def test_names_from_outside_are_text(operator: User) -> None:
    service = well()
    type(service).objects.update(drift="<script>alert(1)</script>")
    assert "<script>alert" not in window(operator).get("/").content.decode()


@pytest.mark.parametrize("who", ["operator", "release_manager", "auditor"])
def test_it_takes_as_many_queries_with_twenty_services_as_with_one(who: str, request: pytest.FixtureRequest) -> None:
    person = request.getfixturevalue(who)
    make.job(of=well("first"))
    make.entry("candidate", state="candidate")
    client = window(person)
    client.get("/")
    one = queries(client, "/")
    for number in range(19):
        service = well(f"service_{number}")
        make.job(of=service)
        make.entry(("candidate", number), state="candidate")
        make.transition(service, "unhealthy", timezone.now() - timedelta(hours=1))
    assert queries(client, "/") == one
    assert one <= 30


def test_the_frame_takes_seven_queries(operator: User) -> None:
    well()
    make.entry("candidate", state="candidate")
    request = RequestFactory().get("/")
    request.user = operator
    permissions_of(operator)
    with CaptureQueriesContext(connection) as captured:
        frame = frame_of(request)
        assert frame.trust
        assert frame.counts == {"dashboard": 0}
    assert len(captured) == 7
