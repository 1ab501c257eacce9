"""The list of jobs, and what the page of one says at each turn."""

import html
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from chatbot_service.models import Host, Job, JobState, JobStep, Kind, Service
from deploy_records.models import AuditEvent, ImageDigest
from tests import factories as make
from tests.portal.looking import last_refusal, queries, text_of, window

pytestmark = pytest.mark.django_db

UP_TO_REHEARSAL = ("gate", "image", "verify", "backup")


@pytest.fixture
def old() -> ImageDigest:
    return make.entry("old", tag="v1")


@pytest.fixture
def new() -> ImageDigest:
    return make.entry("new", state="approved", tag="v2")


@pytest.fixture
def service(old: ImageDigest) -> Service:
    return make.service(runs=old)


def upgrade(service: Service, state: str, **fields: object) -> Job:
    usual = {"target_digest": make.sha("new"), "from_digest": make.sha("old"), "facts": {"ran_before": True}}
    return make.job(Kind.UPGRADE, service, state, **{**usual, **fields})  # type: ignore[arg-type]  # passed on


def page_of(job: Job, of: User) -> str:
    return text_of(window(of).get(f"/jobs/{job.pk}/"))


def short(word: str) -> str:
    return make.sha(word)[7:19]


# While it runs


def test_before_the_boundary_the_service_is_not_touched(service: Service, new: ImageDigest, viewer: User) -> None:
    job = upgrade(service, JobState.RUNNING, done=UP_TO_REHEARSAL, failed="rehearse", reason="change 2217")
    page = page_of(job, viewer)
    assert f"Rehearsing {short('new')} beside the running one, step 5 of 12." in page
    assert "The service is up and not touched yet." in page
    assert "Reason: “change 2217”." in page
    assert "Up to here the service is not touched" in page
    assert "Undone, newest first: remove the rehearsal and let it go on, drop what was copied." in page
    assert "keeps serving, the pin stays as it is" in page
    assert "within 45 s" in page


def test_after_the_boundary_it_says_what_is_put_back(service: Service, new: ImageDigest, viewer: User) -> None:
    job = upgrade(service, JobState.RUNNING, done=(*UP_TO_REHEARSAL, "rehearse", "pin"), failed="switch")
    page = page_of(job, viewer)
    assert f"Switching to {short('new')}, step 7 of 12. If anything fails, {make.sha('old')[7:11]}… is put back." in page
    assert (
        "Undone, newest first: old container back, old pin back, remove the rehearsal and let it go on, drop what was copied."
        in page
    )


def test_once_it_answers_that_is_said(service: Service, new: ImageDigest, viewer: User) -> None:
    done = (*UP_TO_REHEARSAL, "rehearse", "pin", "switch", "serving", "smoke", "prove", "record")
    job = upgrade(service, JobState.RUNNING, done=done, failed="watch", serving_at=timezone.now())
    assert "The service answers again since" in page_of(job, viewer)


def test_a_waiting_job_says_whether_anybody_will_take_it(service: Service, viewer: User) -> None:
    job = upgrade(service, JobState.QUEUED)
    assert "Waiting for a worker of prod-1." in page_of(job, viewer)
    Host.objects.update(seen_at=timezone.now() - timedelta(minutes=5))
    assert "Waiting, and no worker of prod-1 answers. Start one with KG_HOSTS=prod-1." in page_of(job, viewer)


def test_usual_times_stand_beside_those_it_took(service: Service, new: ImageDigest, viewer: User) -> None:
    upgrade(service, JobState.SUCCEEDED, asked=timezone.now() - timedelta(days=1), step_seconds=7)
    job = upgrade(service, JobState.RUNNING, done=UP_TO_REHEARSAL, failed="rehearse")
    page = page_of(job, viewer)
    assert "of about 1 min 24 s" in page
    assert "usually 7 s" in page


def test_output_is_text_and_cannot_steer(service: Service, viewer: User) -> None:
    job = upgrade(service, JobState.RUNNING, done=UP_TO_REHEARSAL, failed="rehearse")
    JobStep.objects.filter(job=job, key="rehearse").update(output="14:00:00 <script>alert(1)</script> \x1b[31mred\u202e")
    page = window(viewer).get(f"/jobs/{job.pk}/").content.decode()
    assert "<script>alert" not in page
    assert "\x1b" not in page
    assert "\u202e" not in page


def test_a_job_that_was_taken_over_says_so(service: Service, viewer: User) -> None:
    job = upgrade(service, JobState.RUNNING, done=UP_TO_REHEARSAL, failed="rehearse", fence=2)
    assert "taken over 1×, as a worker died" in page_of(job, viewer)


# How it ended


def test_a_success_is_proved(service: Service, new: ImageDigest, viewer: User) -> None:
    job = upgrade(service, JobState.SUCCEEDED)
    Service.objects.update(seen_digest=new.digest)
    page = page_of(job, viewer)
    assert f"Upgraded. personal_chatbot on prod-1 runs {short('new')} since" in page
    assert "is healthy, and that is proved." in page
    assert "of which the service paused 4 s at most" in page
    assert "All the same" in page
    assert "Up to here the service was not touched" in page


def test_a_success_of_long_ago_does_not_claim_to_hold_now(service: Service, new: ImageDigest, viewer: User) -> None:
    job = upgrade(service, JobState.SUCCEEDED)
    make.job(Kind.ROLLBACK, service)
    page = page_of(job, viewer)
    assert f"ran {short('new')} from" in page
    assert "a later job changed it again" in page
    assert "runs " + short("new") not in page


def test_after_a_success_the_way_back_is_offered_to_those_who_may(
    service: Service, new: ImageDigest, operator: User, viewer: User
) -> None:
    job = upgrade(service, JobState.SUCCEEDED)
    Service.objects.update(seen_digest=new.digest)
    page = window(operator).get(f"/jobs/{job.pk}/")
    assert "If it turns out badly" in text_of(page)
    assert f'href="/services/{service.pk}/rollback/"' in page.content.decode()
    assert f'href="/services/{service.pk}/rollback/"' not in window(viewer).get(f"/jobs/{job.pk}/").content.decode()


def test_undone_before_the_boundary_says_what_did_not_happen(service: Service, new: ImageDigest, viewer: User) -> None:
    why = "candidate: Docker calls it unhealthy: “cannot write to exports”"
    job = upgrade(service, JobState.FAILED, done=UP_TO_REHEARSAL, failed="rehearse", why=why)
    make.undo_step(job, "rehearse", "Remove the rehearsal", timezone.now())
    page = page_of(job, viewer)
    assert (
        f"The upgrade failed in rehearsal and was undone. The service never stopped: it runs {short('old')}, as before." in page
    )
    assert "Cause: candidate: Docker calls it unhealthy: “cannot write to exports”." in page
    assert "“Rehearse beside the running one” failed: candidate: Docker calls it unhealthy" in page
    assert "Undone: the rehearsal was removed. The pin had not been written." in page
    assert "The service was not touched" in page
    assert "Never down" in page


def test_a_service_that_was_down_meanwhile_is_not_said_to_have_never_stopped(
    service: Service, new: ImageDigest, viewer: User
) -> None:
    job = upgrade(service, JobState.FAILED, done=UP_TO_REHEARSAL, failed="rehearse", why="x")
    make.transition(service, "down", job.created_at + timedelta(seconds=5))
    make.transition(service, "healthy", job.created_at + timedelta(seconds=15), make.sha("old"))
    page = page_of(job, viewer)
    assert "The service never stopped" not in page
    assert "The service was not touched" in page
    assert "Was down" in page


def test_undone_after_the_boundary_tells_the_pause_and_the_proof(service: Service, new: ImageDigest, viewer: User) -> None:
    done = (*UP_TO_REHEARSAL, "rehearse", "pin", "switch")
    job = upgrade(service, JobState.FAILED, done=done, failed="serving", why="it exited with code 1")
    switched = job.steps.get(key="switch").started_at
    assert switched is not None
    make.undo_step(job, "switch", "Old container back", switched + timedelta(seconds=10))
    make.undo_step(job, "pin", "Old pin back", switched + timedelta(seconds=12), note="proved: the old one runs again")
    page = page_of(job, viewer)
    assert "The upgrade failed while waiting until it served and was undone." in page
    assert f"The service paused for at most 12 s; it runs {short('old')} again, and that is proved." in page
    assert "Proof after the undo" in page
    assert "Undone: the old container is back and the old pin is back." in page
    assert "From here on it was touched, and put back" in page


def test_a_refusal_says_why_and_that_nothing_was_touched(service: Service, new: ImageDigest, viewer: User) -> None:
    job = upgrade(service, JobState.REFUSED, failed="verify", why="The image would run as root. Add: USER 10001:10001.")
    page = page_of(job, viewer)
    assert "Not done: The image would run as root. Add: USER 10001:10001. Nothing of the service was touched." in page
    assert "See what would clear" in page


def test_a_cancelled_job_says_by_whom(service: Service, new: ImageDigest, viewer: User) -> None:
    rolf = make.person("Release manager", name="rolf")
    asked = {"cancel_asked_at": timezone.now(), "cancel_asked_by": rolf}
    before = upgrade(service, JobState.CANCELLED, why="Cancelled before it began.", **asked)
    assert "The upgrade was cancelled by rolf before it began. Nothing was changed." in page_of(before, viewer)
    within = upgrade(service, JobState.CANCELLED, done=("gate",), failed="image", why="Cancelled on request.", **asked)
    assert "The upgrade was cancelled by rolf and undone." in page_of(within, viewer)


def test_a_stuck_job_says_what_may_be_wrong_and_what_to_do(service: Service, new: ImageDigest, operator: User) -> None:
    job = upgrade(service, JobState.STUCK, done=(*UP_TO_REHEARSAL, "rehearse", "pin"), failed="switch", why="compose failed")
    make.undo_step(job, "switch", "Old container back", timezone.now(), state="failed")
    page = page_of(job, operator)
    assert "The undo “Old container back” failed, so personal_chatbot on prod-1 may not be as it was. Look at it now." in page
    assert "Roll back to a known-good digest" in page
    assert "Not proved" in page
    assert "Never down" not in page


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        (Kind.RESTART, "Restarted. personal_chatbot on prod-1 answers since"),
        (Kind.START, "Started. personal_chatbot on prod-1 answers since"),
        (Kind.STOP, "Stopped. personal_chatbot on prod-1 does not run since"),
        (Kind.ADOPT, "personal_chatbot on prod-1 is under management."),
        (Kind.ROLLBACK, "Rolled back. personal_chatbot on prod-1 runs"),
    ],
)
def test_each_kind_says_what_it_did(kind: Kind, says: str, service: Service, viewer: User) -> None:
    job = make.job(kind, service, target_digest=make.sha("old") if kind == Kind.ROLLBACK else "")
    assert says in page_of(job, viewer)


def test_a_registration_leads_to_the_digest(new: ImageDigest, viewer: User) -> None:
    job = make.job(Kind.RESOLVE, result={"repository": new.repository, "digest": new.digest})
    answer = window(viewer).get(f"/jobs/{job.pk}/")
    assert f"Registered {short('new')} of {new.repository}." in text_of(answer)
    assert f'href="/ledger/{new.pk}/"' in answer.content.decode()


def test_a_reading_leads_to_choosing(operator: User, viewer: User) -> None:
    job = make.job(Kind.INSPECT, result={"services": [{"name": "a"}, {"name": "b"}], "directory": "/srv/x"})
    page = window(operator).get(f"/jobs/{job.pk}/")
    assert "The compose files hold two services." in text_of(page)
    assert f'href="/services/add/{job.pk}/"' in page.content.decode()
    assert "Choose the service to add" not in page_of(job, viewer)


def test_the_output_of_steps_that_went_well_is_opened_by_a_link(service: Service, viewer: User) -> None:
    job = upgrade(service, JobState.SUCCEEDED)
    JobStep.objects.filter(job=job, key="image").update(output="14:00:00 layer 1 of 2")
    client = window(viewer)
    assert "layer 1 of 2" not in text_of(client.get(f"/jobs/{job.pk}/"))
    assert "layer 1 of 2" in text_of(client.get(f"/jobs/{job.pk}/?output=all"))


# Live


def test_the_fragment_asks_for_itself_until_the_job_has_ended(service: Service, new: ImageDigest, viewer: User) -> None:
    job = upgrade(service, JobState.RUNNING, done=UP_TO_REHEARSAL, failed="rehearse")
    client, address = window(viewer), f"/jobs/{job.pk}/progress/"
    running = client.get(address)
    assert running.status_code == 200
    assert f'hx-get="{address}?said=' in running.content.decode()
    assert "<html" not in running.content.decode()
    Job.objects.update(state=JobState.FAILED, ended_at=timezone.now(), error="x")
    ended = client.get(address)
    assert ended.status_code == 286
    assert ended.headers["HX-Retarget"] == "#job-body"
    assert "hx-trigger" not in ended.content.decode()
    assert "What happened" in text_of(ended)


def test_the_live_region_is_written_again_only_when_it_says_something_else(
    service: Service, new: ImageDigest, viewer: User
) -> None:
    job = upgrade(service, JobState.RUNNING, done=UP_TO_REHEARSAL, failed="rehearse")
    client, address = window(viewer), f"/jobs/{job.pk}/progress/"
    first = client.get(address).content.decode()
    assert 'id="job-answer"' in first
    again = first.split(f'hx-get="{address}')[1].split('"')[0].replace("&amp;", "&")
    same = client.get(address + again).content.decode()
    assert 'id="job-answer"' not in same
    assert 'id="job-actions"' not in same
    make.step(job, "rehearse", "done", timezone.now(), timezone.now())
    make.step(job, "pin", "running", timezone.now(), None)
    assert 'id="job-answer"' in client.get(address + again).content.decode()


def test_there_is_one_live_region(service: Service, viewer: User) -> None:
    job = upgrade(service, JobState.RUNNING, done=UP_TO_REHEARSAL, failed="rehearse")
    assert window(viewer).get(f"/jobs/{job.pk}/").content.decode().count("aria-live") == 1


def test_without_a_script_the_page_offers_to_be_loaded_again_while_it_runs(service: Service, viewer: User) -> None:
    running = upgrade(service, JobState.RUNNING, done=UP_TO_REHEARSAL, failed="rehearse")
    reload = f'<noscript><a class="btn" href="/jobs/{running.pk}/">Reload</a></noscript>'
    assert reload in window(viewer).get(f"/jobs/{running.pk}/").content.decode()
    ended = upgrade(make.service("other", runs=make.entry("other")), JobState.SUCCEEDED)
    assert "Reload" not in window(viewer).get(f"/jobs/{ended.pk}/").content.decode()


def test_the_fragment_takes_few_queries_and_as_many_for_a_long_history(service: Service, new: ImageDigest, viewer: User) -> None:
    upgrade(service, JobState.SUCCEEDED, asked=timezone.now() - timedelta(days=1))
    job = upgrade(service, JobState.RUNNING, done=UP_TO_REHEARSAL, failed="rehearse")
    client, address = window(viewer), f"/jobs/{job.pk}/progress/"
    client.get(address)
    few = queries(client, address)
    for number in range(20):
        asked = timezone.now() - timedelta(days=2 + number)
        upgrade(service, JobState.SUCCEEDED, asked=asked)
        make.transition(service, "unhealthy" if number % 2 else "healthy", timezone.now() - timedelta(seconds=60 - number))
    assert queries(client, address) == few
    assert few <= 14


# Cancel, run again


def test_cancelling_asks_the_worker_and_is_on_record(service: Service, operator: User) -> None:
    job = upgrade(service, JobState.RUNNING, done=UP_TO_REHEARSAL, failed="rehearse")
    client = window(operator)
    assert "Cancel and undo" in text_of(client.get(f"/jobs/{job.pk}/"))
    assert client.post(f"/jobs/{job.pk}/cancel/").headers["Location"] == f"/jobs/{job.pk}/"
    job.refresh_from_db()
    assert job.cancel_asked_by == operator
    page = page_of(job, operator)
    assert "Cancelling before the next step" in page
    assert "Cancel and undo" not in page
    assert AuditEvent.objects.filter(action="job.cancel_asked").count() == 1


def test_cancelling_too_late_says_so(service: Service, operator: User) -> None:
    job = upgrade(service, JobState.SUCCEEDED)
    answer = window(operator).post(f"/jobs/{job.pk}/cancel/")
    assert answer.status_code == 409
    assert "there is nothing to cancel" in text_of(answer)
    assert last_refusal().changes["correlation"] in text_of(answer)


@pytest.mark.parametrize(("role", "sees"), [("Operator", True), ("Release manager", True), ("Viewer", False), ("Auditor", False)])
def test_only_those_who_may_cancel_see_the_button(role: str, sees: bool, service: Service) -> None:
    job = upgrade(service, JobState.RUNNING, done=UP_TO_REHEARSAL, failed="rehearse")
    client = window(make.person(role, name="mallory"))
    assert ("Cancel and undo" in text_of(client.get(f"/jobs/{job.pk}/"))) == sees
    if not sees:
        assert client.post(f"/jobs/{job.pk}/cancel/").status_code == 403
        assert last_refusal().actor == "mallory"


def test_running_again_asks_for_the_same_in_ones_own_name(service: Service, new: ImageDigest, operator: User) -> None:
    job = upgrade(service, JobState.FAILED, done=UP_TO_REHEARSAL, failed="rehearse", why="x", reason="change 2217")
    answer = window(operator).post(f"/jobs/{job.pk}/again/")
    started = Job.objects.active().get()
    assert answer.headers["Location"] == f"/jobs/{started.pk}/"
    assert (started.kind, started.target_digest, started.by, started.reason) == ("upgrade", new.digest, operator, "change 2217")


def test_a_rollback_runs_again_with_its_note(service: Service, operator: User) -> None:
    before = make.entry("before")
    make.ran_before(service, before)
    asked = {"deprecate": True, "note": "It leaks"}
    job = make.job(Kind.ROLLBACK, service, JobState.FAILED, failed="image", why="x", target_digest=before.digest, asked_for=asked)
    window(operator).post(f"/jobs/{job.pk}/again/")
    assert Job.objects.active().get().asked == asked


def test_what_succeeded_is_not_run_again(service: Service, new: ImageDigest, operator: User) -> None:
    job = upgrade(service, JobState.SUCCEEDED)
    client = window(operator)
    assert "Run again" not in text_of(client.get(f"/jobs/{job.pk}/"))
    answer = client.post(f"/jobs/{job.pk}/again/")
    assert answer.status_code == 409
    assert "Nothing was started." in text_of(answer)
    assert not Job.objects.active().exists()


def test_running_again_takes_the_permission_of_the_kind(service: Service, new: ImageDigest, viewer: User) -> None:
    job = upgrade(service, JobState.FAILED, done=UP_TO_REHEARSAL, failed="rehearse", why="x")
    client = window(viewer)
    assert "Run again" not in text_of(client.get(f"/jobs/{job.pk}/"))
    assert client.post(f"/jobs/{job.pk}/again/").status_code == 403
    assert last_refusal().actor == "vera"


# The list


def test_the_list_is_newest_first_with_what_each_did(service: Service, viewer: User) -> None:
    first = upgrade(
        service, JobState.FAILED, asked=timezone.now() - timedelta(hours=2), failed="gate", why="No approval is in force."
    )
    second = make.job(Kind.RESTART, service)
    page = text_of(window(viewer).get("/jobs/"))
    assert page.index(f"Restart {second.pk}") < page.index(f"Upgrade {first.pk}")
    assert f"to {make.sha('new')[7:11]}…; No approval is in force." in page
    assert "No job runs now; 2 in all." in page


@pytest.mark.parametrize(
    ("asked", "seen"),
    [
        ({}, {"upgrade", "restart", "stop"}),
        ({"kind": "upgrade"}, {"upgrade"}),
        ({"state": "active"}, {"restart"}),
        ({"state": "failed"}, {"upgrade"}),
        ({"service": "other"}, {"stop"}),
        ({"kind": "nonsense", "state": "'; drop"}, {"upgrade", "restart", "stop"}),
        ({"kind": "start"}, set()),
    ],
)
def test_filters_stay_in_the_address(asked: dict[str, str], seen: set[str], service: Service, viewer: User) -> None:
    other = make.service("other", runs=make.entry("other"))
    upgrade(service, JobState.FAILED, failed="gate", why="x")
    make.job(Kind.RESTART, service, JobState.RUNNING, failed="look")
    make.job(Kind.STOP, other)
    sent = {key: str(other.pk) if value == "other" else value for key, value in asked.items()}
    page = window(viewer).get("/jobs/", sent).content.decode()
    links = page.split("<tbody>")[1] if "<tbody>" in page else ""
    assert {kind for kind in ("upgrade", "restart", "stop") if f">{kind.capitalize()} " in links} == seen


def test_long_lists_are_paged_without_a_row_twice(service: Service, viewer: User) -> None:
    for number in range(60):
        make.job(Kind.STOP, service, asked=timezone.now() - timedelta(minutes=number))
    client = window(viewer)
    first = client.get("/jobs/").content.decode()
    assert first.count('scope="row"') == 50
    older = first.split('href="?at=')[1].split('"')[0]
    second = client.get(f"/jobs/?at={older}").content.decode()
    assert second.count('scope="row"') == 10


def test_a_place_in_the_list_that_is_none_of_ours_is_refused(viewer: User) -> None:
    assert window(viewer).get("/jobs/?at=older-1-1").status_code == 400


def test_an_empty_list_teaches(viewer: User) -> None:
    assert "will be a line here" in text_of(window(viewer).get("/jobs/"))


def test_the_list_takes_as_many_queries_with_many_jobs_as_with_one(service: Service, viewer: User) -> None:
    client = window(viewer)
    make.job(Kind.STOP, service)
    client.get("/jobs/")
    one = queries(client, "/jobs/")
    for number in range(20):
        make.job(Kind.STOP, make.service(f"other_{number}", runs=make.entry(number)))
    assert queries(client, "/jobs/") == one


def test_an_ended_job_can_be_copied_as_text(service: Service, new: ImageDigest, viewer: User) -> None:
    job = upgrade(service, JobState.FAILED, done=UP_TO_REHEARSAL, failed="rehearse", why="it <exits> with code 1")
    page = window(viewer).get(f"/jobs/{job.pk}/").content.decode()
    copied = html.unescape(page.split('data-copy="Upgrade')[1].split('"')[0])
    assert "failed in rehearsal and was undone" in copied
    assert "- Verify digest, platform, user, healthcheck: done, 2\N{NO-BREAK SPACE}s" in copied
    assert "- Rehearse beside the running one: FAILED, 0\N{NO-BREAK SPACE}s (it <exits> with code 1)" in copied
    assert "- Switch: not begun" in copied
