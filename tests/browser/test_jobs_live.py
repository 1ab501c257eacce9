"""The page of a running job: it follows along, keeps focus and place, and stops asking when the job has ended."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from chatbot_service.models import Job, JobState, JobStep, Kind, Service
from tests import factories as make
from tests.browser.conftest import SCHEMES, Axe, Complaints, OpenPage, SignIn, scrolls_sideways

BEFORE = ("gate", "image", "verify", "backup")
OUTPUT = "\n".join(f"14:10:{n:02d} candidate: line {n}" for n in range(40))


def a_service() -> Service:
    service = make.service(runs=make.entry("old", tag="v1"))
    make.entry("new", state="approved", tag="v2")
    return service


def an_upgrade(service: Service, state: str, **fields: Any) -> Job:
    usual = {"target_digest": make.sha("new"), "from_digest": make.sha("old"), "facts": {"ran_before": True}}
    return make.job(Kind.UPGRADE, service, state, **{**usual, **fields})


def a_running_one() -> Job:
    job = an_upgrade(a_service(), JobState.RUNNING, done=BEFORE, failed="rehearse", reason="change 2217")
    JobStep.objects.filter(job=job, key="rehearse").update(output=OUTPUT)
    return job


def go_on(job: Job, done: str, begun: str) -> None:
    now = timezone.now()
    make.step(job, done, "done", now, now)
    make.step(job, begun, "running", now, None)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", [390, 1440])
def test_a_job_is_usable_by_everybody_at_each_turn(
    width: int, scheme: str, open_page: OpenPage, sign_in: SignIn, axe: Axe, complaints: Complaints
) -> None:
    sign_in("Operator", "Release manager", "Auditor")
    found = {"/jobs/ empty": axe(open_page("/jobs/", width, scheme))}
    service = a_service()
    why = "candidate: Docker calls it unhealthy: “cannot write to exports”"
    undone = an_upgrade(service, JobState.FAILED, done=BEFORE, failed="rehearse", why=why)
    make.undo_step(undone, "rehearse", "Remove the rehearsal", timezone.now())
    stuck = an_upgrade(service, JobState.STUCK, done=(*BEFORE, "rehearse", "pin"), failed="switch", why="compose failed")
    make.undo_step(stuck, "switch", "Old container back", timezone.now(), state="failed")
    jobs = [
        undone,
        stuck,
        an_upgrade(service, JobState.SUCCEEDED, asked=timezone.now() - timedelta(hours=1)),
        an_upgrade(service, JobState.REFUSED, failed="verify", why="The image would run as root."),
        make.job(Kind.RESOLVE, result={"repository": make.REPOSITORY, "digest": make.sha("new")}),
        an_upgrade(service, JobState.RUNNING, done=BEFORE, failed="rehearse"),
    ]
    for path in ["/jobs/", *(f"/jobs/{job.pk}/" for job in jobs), f"/jobs/{undone.pk}/?output=all"]:
        page = open_page(path, width, scheme)
        found[path] = axe(page)
        assert not scrolls_sideways(page), path
    assert [path for path, complaints_of in found.items() if complaints_of] == [], found
    assert complaints.found == []


def test_the_page_follows_the_job_to_its_end_and_then_asks_no_more(
    open_page: OpenPage, sign_in: SignIn, axe: Axe, complaints: Complaints
) -> None:
    sign_in("Operator")
    job = a_running_one()
    page = open_page(f"/jobs/{job.pk}/")
    expect(page.get_by_text("step 5 of 12")).to_be_visible()
    go_on(job, "rehearse", "pin")
    expect(page.get_by_text("step 6 of 12")).to_be_visible()
    expect(page.get_by_role("heading", name="If this step fails")).to_be_visible()
    assert axe(page) == []
    JobStep.objects.filter(job=job, key="pin").update(state="failed", ended_at=timezone.now(), error="disk full")
    make.undo_step(job, "pin", "Old pin back", timezone.now(), note="proved: the old one runs again")
    Job.objects.update(state=JobState.FAILED, ended_at=timezone.now(), error="disk full")
    expect(page.get_by_role("heading", name="What happened")).to_be_visible()
    expect(page.get_by_text("The upgrade failed while writing the pin and was undone.")).to_be_visible()
    expect(page.get_by_role("button", name="Run again")).to_be_visible()
    expect(page.get_by_role("button", name="Cancel and undo")).to_have_count(0)
    expect(page.locator("#job-clock")).to_be_empty()
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.wait_for_timeout(2500)
    assert asked == []
    assert axe(page) == []
    assert complaints.found == []


def test_focus_and_place_in_the_output_stay_while_the_page_is_refreshed(open_page: OpenPage, sign_in: SignIn) -> None:
    sign_in("Operator")
    job = a_running_one()
    page = open_page(f"/jobs/{job.pk}/", 390)
    log = page.get_by_role("group", name="Output of Rehearse beside the running one")
    log.focus()
    log.evaluate("box => { box.scrollTop = 120 }")
    button = page.get_by_role("button", name="Copy sha256:").first
    with page.expect_response(lambda answer: "/progress/" in answer.url):
        pass
    page.wait_for_timeout(300)
    expect(log).to_be_focused()
    assert log.evaluate("box => box.scrollTop") == 120
    button.focus()
    with page.expect_response(lambda answer: "/progress/" in answer.url):
        pass
    page.wait_for_timeout(300)
    expect(button).to_be_focused()


def test_the_sentence_is_left_alone_while_it_says_the_same(open_page: OpenPage, sign_in: SignIn) -> None:
    sign_in("Operator")
    job = a_running_one()
    page = open_page(f"/jobs/{job.pk}/")
    page.evaluate(
        "window.spoken = 0; new MutationObserver(() => window.spoken++)"
        ".observe(document.getElementById('job-answer'), {childList: true, subtree: true, characterData: true})"
    )
    page.wait_for_timeout(2500)
    assert page.evaluate("window.spoken") == 0
    go_on(job, "rehearse", "pin")
    expect(page.get_by_text("step 6 of 12")).to_be_visible()
    assert page.evaluate("window.spoken") > 0


def test_cancelling_is_answered_on_the_same_page(open_page: OpenPage, sign_in: SignIn, complaints: Complaints) -> None:
    sign_in("Release manager")
    job = a_running_one()
    page = open_page(f"/jobs/{job.pk}/")
    page.get_by_role("button", name="Cancel and undo").click()
    expect(page.get_by_text("Cancelling before the next step")).to_be_visible()
    expect(page.get_by_role("button", name="Cancel and undo")).to_have_count(0)
    assert complaints.found == []


def test_filters_of_the_list_change_the_address(open_page: OpenPage, sign_in: SignIn, complaints: Complaints) -> None:
    sign_in("Viewer")
    service = a_service()
    make.job(Kind.RESTART, service)
    an_upgrade(service, JobState.SUCCEEDED)
    page = open_page("/jobs/")
    page.get_by_label("Kind").select_option("restart")
    expect(page.get_by_role("row")).to_have_count(2)
    assert "kind=restart" in page.url
    page.go_back()
    expect(page.get_by_role("row")).to_have_count(3)
    assert complaints.found == []
