"""Upgrade, roll back, start, stop, restart: what is offered, what is refused, what is started."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from chatbot_service.models import Host, Job, JobState, Kind, Service
from deploy_records.models import AuditEvent, ImageDigest
from tests import factories as make
from tests.portal.looking import last_refusal, queries, text_of, window

pytestmark = pytest.mark.django_db


@pytest.fixture
def running() -> ImageDigest:
    return make.entry("running", tag="sha-ab12cd3")


@pytest.fixture
def service(running: ImageDigest) -> Service:
    made = make.service(runs=running)
    make.ran_before(made, make.entry("before", tag="sha-55d0c3a", registered_at=timezone.now()))
    ImageDigest.objects.filter(digest=make.sha("before")).update(registered_at=timezone.now() - timedelta(days=30))
    return made


def look(of: User, service: Service, deed: str, **asked: str) -> Any:
    return window(of).get(f"/services/{service.pk}/{deed}/", asked)


def send(of: User, service: Service, deed: str, **sent: str) -> Any:
    return window(of).post(f"/services/{service.pk}/{deed}/", sent)


# Upgrade


def test_the_newest_digest_that_may_run_is_chosen_and_compared(service: Service, operator: User) -> None:
    new = make.entry("new", state="approved", tag="sha-7be90f1")
    answer = look(operator, service, "upgrade")
    page = text_of(answer)
    assert f"{new.digest[7:19]} may run: approved by one, and the gate passes." in page
    assert "sha-ab12cd3 → sha-7be90f1" in page
    assert "112 MB compressed, linux/amd64" in page
    assert "Fits prod-1" in page
    assert f'value="{new.digest}" checked' in answer.content.decode()


def test_one_without_a_warning_is_preferred(service: Service, operator: User) -> None:
    well = make.entry("well", state="approved")
    make.entry("failed", state="approved", failed_at=timezone.now(), note="It never became healthy")
    assert f'value="{well.digest}" checked' in look(operator, service, "upgrade").content.decode()


def test_what_may_not_run_stays_visible_with_why_and_where_to_clear_it(service: Service, operator: User) -> None:
    candidate = make.entry("candidate", state="candidate")
    page = look(operator, service, "upgrade").content.decode()
    assert "Gate refuses" in page
    assert f'<a href="/ledger/{candidate.pk}/?environment=production#gate">What would clear it</a>' in page
    assert f'value="{candidate.digest}"' not in page


def test_without_a_newer_digest_nothing_is_chosen(service: Service, operator: User) -> None:
    answer = look(operator, service, "upgrade")
    assert "No newer digest may run here now." in text_of(answer)
    assert "checked required" not in answer.content.decode()


def test_a_digest_for_another_platform_is_told_before_anything_is_started(service: Service, operator: User) -> None:
    make.entry("new", state="approved")
    Host.objects.update(platform="linux/arm64")
    assert "Not for linux/arm64" in text_of(look(operator, service, "upgrade"))


def test_the_same_steps_are_shown_that_will_run_with_their_usual_times(service: Service, operator: User) -> None:
    make.entry("new", state="approved")
    make.job(Kind.UPGRADE, service, step_seconds=7, took=90)
    page = text_of(look(operator, service, "upgrade"))
    assert "times from the last 1 upgrade here" in page
    assert "First, without touching the service: about 35 s" in page
    assert page.index("Rehearse beside the running one") < page.index("Then on the service") < page.index("Write the pin")
    assert "old container back" in page


def test_times_of_other_services_are_said_to_be_theirs(service: Service, operator: User) -> None:
    make.entry("new", state="approved")
    make.job(Kind.UPGRADE, make.service("other", runs=make.entry("other")), step_seconds=7)
    assert "of other services" in text_of(look(operator, service, "upgrade"))


def test_starting_makes_a_job_with_the_reason_and_leads_to_it(service: Service, operator: User) -> None:
    new = make.entry("new", state="approved")
    answer = send(operator, service, "upgrade", digest=new.digest, reason="v1.9.0, change 2217")
    job = Job.objects.get()
    assert answer.headers["Location"] == f"/jobs/{job.pk}/"
    assert (job.kind, job.target_digest, job.reason, job.by) == (Kind.UPGRADE, new.digest, "v1.9.0, change 2217", operator)
    assert AuditEvent.objects.get(action="job.asked").actor == "olga"


@pytest.mark.parametrize(
    ("digest", "why"),
    [
        ("latest", "pin by digest"),
        ("sha256:" + "a" * 63, "This digest has 63 characters"),
        ("sha256:" + "a" * 65, "This digest has 65 characters"),
        ("sha256:" + "A" * 64, "all lower case"),
        ("", "No digest was given"),
        ("$(reboot)", "is not a digest"),
        ("--flags", "a digest does not"),
        ("sha256:" + "a" * 10_000, "This digest has 10,007 characters"),
        ("sha256:" + "b" * 64, "Register it first"),
        ("running", "runs already"),
        ("elsewhere", "for another repository"),
        ("other/repo@sha256:" + "b" * 64, "is another repository"),
    ],
)
def test_bad_input_is_refused_beside_the_form_and_changes_nothing(
    digest: str, why: str, service: Service, operator: User
) -> None:
    make.entry("elsewhere", repository="registry.test/acme/other")
    sent = make.sha(digest) if digest in {"running", "elsewhere"} else digest
    answer = send(operator, service, "upgrade", digest=sent, reason="because")
    assert 400 <= answer.status_code < 500
    assert why.lower() in text_of(answer).lower()
    assert 'value="because"' in answer.content.decode()
    assert Job.objects.count() == 0
    assert last_refusal().changes["correlation"] in text_of(answer)


def test_the_second_person_is_told_who_holds_the_service(service: Service, operator: User) -> None:
    new = make.entry("new", state="approved")
    held = make.job(Kind.RESTART, service, JobState.RUNNING, by=make.person("Operator", name="otto"), failed="look")
    answer = send(operator, service, "upgrade", digest=new.digest)
    assert answer.status_code == 409
    assert f"Restart {held.pk} by otto holds personal_chatbot on prod-1 since" in text_of(answer)
    assert Job.objects.count() == 1
    assert "Start the upgrade</button>" not in answer.content.decode()


@pytest.mark.parametrize("role", ["Release manager", "Viewer", "Administrator"])
def test_a_forged_upgrade_is_refused_and_on_record(role: str, service: Service) -> None:
    new = make.entry("new", state="approved")
    answer = send(make.person(role, name="mallory"), service, "upgrade", digest=new.digest)
    assert answer.status_code == 403
    assert Job.objects.count() == 0
    assert last_refusal().actor == "mallory"


# Roll back


def test_the_way_back_is_the_digest_before(service: Service, operator: User) -> None:
    answer = look(operator, service, "rollback")
    page = text_of(answer)
    assert "Roll back personal_chatbot on prod-1?" in page
    assert "was known good here, and the gate has no warning." in page
    assert f'name="digest" value="{make.sha("before")}"' in answer.content.decode()


def test_with_a_script_the_same_question_is_a_dialog(service: Service, operator: User) -> None:
    answer = window(operator).get(f"/services/{service.pk}/rollback/", headers={"HX-Request": "true"})
    page = answer.content.decode().strip()
    assert page.startswith("<dialog")
    assert "Roll back personal_chatbot" in page


def test_rolling_back_asks_for_a_reason_alone(service: Service, operator: User) -> None:
    answer = send(operator, service, "rollback", digest=make.sha("before"), reason="Answers time out, incident 731")
    job = Job.objects.get()
    assert answer.headers["Location"] == f"/jobs/{job.pk}/"
    assert (job.kind, job.target_digest) == (Kind.ROLLBACK, make.sha("before"))
    assert job.asked == {"deprecate": False, "note": ""}


def test_without_a_reason_it_is_asked_for_again(service: Service, operator: User) -> None:
    answer = send(operator, service, "rollback", digest=make.sha("before"), reason=" ")
    assert answer.status_code == 400
    assert "Say in a few words why" in text_of(answer)
    assert Job.objects.count() == 0


def test_the_faulty_digest_is_deprecated_with_the_reason(service: Service, operator: User) -> None:
    send(operator, service, "rollback", digest=make.sha("before"), reason="It leaks memory", deprecate="on")
    assert Job.objects.get().asked == {"deprecate": True, "note": "It leaks memory"}


def test_an_older_one_can_be_chosen(service: Service, operator: User) -> None:
    older = make.entry("older")
    make.ran_before(service, older, days=90)
    page = look(operator, service, "rollback").content.decode()
    assert f'value="{make.sha("before")}" checked' in page
    assert f'value="{older.digest}"' in page
    send(operator, service, "rollback", digest=older.digest, reason="further back")
    assert Job.objects.get().target_digest == older.digest


def test_a_warning_of_the_gate_is_told_and_stops_nothing(service: Service, operator: User) -> None:
    ImageDigest.objects.filter(digest=make.sha("before")).update(failed_at=timezone.now(), note="port taken")
    page = text_of(look(operator, service, "rollback"))
    assert "so the gate warns but does not stop this:" in page
    assert "port taken" in page
    send(operator, service, "rollback", digest=make.sha("before"), reason="Answers time out")
    assert Job.objects.get().target_digest == make.sha("before")


def test_without_an_earlier_digest_there_is_nothing_to_send(operator: User) -> None:
    service = make.service(runs=make.entry())
    answer = look(operator, service, "rollback")
    assert "there is nothing to go back to" in text_of(answer)
    assert 'type="submit">Roll back' not in answer.content.decode()
    refused = send(operator, service, "rollback", digest="", reason="now")
    assert refused.status_code == 409
    assert "nothing to roll back to" in text_of(refused)


# Start, stop, restart


@pytest.mark.parametrize("kind", ["start", "stop", "restart"])
def test_each_is_asked_on_a_page_and_done_by_a_job(kind: str, service: Service, operator: User) -> None:
    page = look(operator, service, kind)
    assert f"{kind.capitalize()} personal_chatbot on prod-1?" in text_of(page)
    answer = send(operator, service, kind, reason="new certificates")
    job = Job.objects.get()
    assert (job.kind, job.reason) == (kind, "new certificates")
    assert answer.headers["Location"] == f"/jobs/{job.pk}/"


def test_a_reason_that_cannot_be_seen_is_refused(service: Service, operator: User) -> None:
    answer = send(operator, service, "restart", reason="fine\u202etxt.exe")
    assert answer.status_code == 400
    assert "U+202E" in text_of(answer)
    assert Job.objects.count() == 0


def test_another_kind_has_no_address(service: Service, operator: User) -> None:
    assert look(operator, service, "upgrade/now").status_code == 404
    assert look(operator, service, "remove").status_code == 404


@pytest.mark.parametrize("deed", ["upgrade", "rollback", "restart"])
def test_a_service_that_is_not_there_is_not_found(deed: str, operator: User) -> None:
    assert window(operator).get(f"/services/4711/{deed}/").status_code == 404


@pytest.mark.parametrize("deed", ["upgrade", "rollback"])
def test_the_page_takes_as_many_queries_with_many_digests_as_with_few(deed: str, service: Service, operator: User) -> None:
    client, address = window(operator), f"/services/{service.pk}/{deed}/"
    make.job(Kind(deed), service)
    make.entry("new", state="approved")
    client.get(address)
    few = queries(client, address)
    for number in range(15):
        make.entry(("new", number), state="approved")
        make.ran_before(service, make.entry(("older", number)), days=60 + number)
        make.job(Kind(deed), service, asked=timezone.now() - timedelta(days=number))
    assert queries(client, address) == few


@pytest.mark.parametrize("digest", ["\x00", "sha256:\x00", "\u202e", "x" * 3000])
def test_an_address_that_names_no_digest_chooses_as_if_it_named_none(digest: str, service: Service, operator: User) -> None:
    new = make.entry("new", state="approved")
    for deed in ("upgrade", "rollback"):
        assert look(operator, service, deed, digest=digest).status_code == 200
    assert f'value="{new.digest}" checked' in look(operator, service, "upgrade", digest=digest).content.decode()
    assert send(operator, service, "upgrade", digest=digest).status_code == 400
