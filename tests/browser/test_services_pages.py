"""Dashboard, services and what can be started from there, in a browser."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from chatbot_service.jobs import adoption
from chatbot_service.models import Host, Job, JobState, Kind, Service
from tests import factories as make
from tests.browser.conftest import SCHEMES, Axe, Complaints, OpenPage, SignIn, scrolls_sideways

RENDERED: dict[str, Any] = {
    "name": "chatbot",
    "services": {
        "chatbot": {
            "image": "ghcr.io/acme/personal-chatbot:1.9",
            "healthcheck": {"test": ["CMD", "bash", "scripts/healthcheck.sh"]},
            "volumes": [{"type": "bind", "source": "/srv/chatbot/uploads", "target": "/app/uploads"}],
            "environment": {"PORT": "8000"},
        },
        "db": {"build": {"context": "."}},
    },
}


def a_service(name: str = "personal_chatbot") -> Service:
    service = make.service(name, runs=make.entry((name, "new"), tag="sha-ab12cd3"))
    make.ran_before(service, make.entry((name, "old"), tag="sha-55d0c3a"))
    return service


def a_reading() -> Job:
    asked = {"directory": "/srv/chatbot", "files": ["docker-compose.yml"], "project_name": ""}
    return make.job(Kind.INSPECT, host=make.host(), asked_for=asked, result=adoption.find(RENDERED, "/srv/chatbot"))


def a_full_house() -> tuple[Service, Service, Job]:
    """One that is well, with an approved digest waiting; one that drifted, was down, and has a stuck job."""
    well, ill = a_service(), a_service("report_exporter")
    make.entry("next", state="approved", tag="sha-7be90f1")
    make.entry("candidate", state="candidate", tag="sha-2c44e8d")
    now = timezone.now()
    Service.objects.filter(pk=ill.pk).update(
        drift="runs 71c0…, the pin names 2e94…: changed outside the portal", drift_since=now, previous_local=False
    )
    make.transition(ill, "down", now - timedelta(hours=5))
    make.transition(ill, "healthy", now - timedelta(hours=4), ill.seen_digest)
    make.job(Kind.ROLLBACK, ill, JobState.STUCK, failed="switch", why="The engine does not answer")
    make.job(Kind.UPGRADE, well, asked=now - timedelta(days=1), step_seconds=9)
    return well, ill, a_reading()


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", [390, 1440])
def test_every_page_is_usable_by_everybody_with_data_and_without(
    width: int, scheme: str, open_page: OpenPage, sign_in: SignIn, axe: Axe, complaints: Complaints
) -> None:
    sign_in("Operator", "Release manager")
    empty = ["/", "/services/", "/services/add/"]
    found = {path: axe(open_page(path, width, scheme)) for path in empty}
    Host.objects.all().delete()
    well, ill, reading = a_full_house()
    full = [
        "/", "/services/", "/services/?show=healthy", f"/services/{well.pk}/", f"/services/{ill.pk}/",
        f"/services/{well.pk}/upgrade/", f"/services/{well.pk}/rollback/", f"/services/{well.pk}/stop/",
        "/services/add/", f"/services/add/{reading.pk}/", f"/services/add/{reading.pk}/?service=db",
    ]  # fmt: skip
    for path in full:
        page = open_page(path, width, scheme)
        found[path] = axe(page)
        assert not scrolls_sideways(page), path
    assert [path for path, complaints_of in found.items() if complaints_of] == [], found
    assert complaints.found == []


def test_upgrading_compares_what_is_chosen_and_leads_to_the_job(
    open_page: OpenPage, sign_in: SignIn, axe: Axe, complaints: Complaints
) -> None:
    sign_in("Operator")
    service = a_service()
    make.entry("one", state="approved", tag="v2.0.0")
    make.entry("two", state="approved", tag="v2.1.0")
    page = open_page(f"/services/{service.pk}/")
    page.get_by_role("link", name="Upgrade", exact=True).click()
    expect(page.get_by_text("sha-ab12cd3 → v2.1.0")).to_be_visible()
    reason = page.get_by_label("Reason")
    reason.fill("change 2217")
    other = page.locator(".kg-choice", has_text="v2.0.0")
    other.click()
    expect(page.get_by_text("sha-ab12cd3 → v2.0.0")).to_be_visible()
    expect(other.get_by_role("radio")).to_be_focused()
    expect(reason).to_have_value("change 2217")
    expect(page.locator("#upgrade-to")).to_contain_text(make.sha("one")[7:11])
    assert axe(page) == []
    page.get_by_role("button", name="Start the upgrade").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Upgrade {Job.objects.get().pk}")
    assert (Job.objects.get().target_digest, Job.objects.get().reason) == (make.sha("one"), "change 2217")
    assert complaints.found == []


def test_rolling_back_is_asked_in_a_dialog_over_the_page(
    open_page: OpenPage, sign_in: SignIn, axe: Axe, complaints: Complaints
) -> None:
    sign_in("Operator")
    service = a_service()
    page = open_page(f"/services/{service.pk}/")
    page.get_by_role("link", name="Roll back", exact=True).click()
    dialog = page.get_by_role("dialog", name="Roll back personal_chatbot on prod-1?")
    expect(dialog).to_be_visible()
    assert axe(page) == []
    dialog.get_by_role("link", name="Not now").click()
    expect(dialog).to_be_hidden()
    assert page.url.endswith(f"/services/{service.pk}/")
    page.get_by_role("link", name="Roll back", exact=True).click()
    dialog.get_by_label("Reason, for the record").fill("Answers time out, incident 731")
    dialog.get_by_role("button", name="Roll back").click()
    expect(page.get_by_text("Waiting for a worker of prod-1.")).to_be_visible()
    assert Job.objects.get().target_digest == make.sha(("personal_chatbot", "old"))
    assert complaints.found == []


def test_a_second_deed_while_a_job_holds_the_service_is_told_who_holds_it(open_page: OpenPage, sign_in: SignIn) -> None:
    sign_in("Operator")
    service = a_service()
    page = open_page(f"/services/{service.pk}/")
    page.get_by_role("link", name="Restart", exact=True).click()
    expect(page.get_by_role("dialog").get_by_role("button", name="Restart")).to_be_visible()  # asked for before it is held
    held = make.job(Kind.STOP, service, JobState.RUNNING, by=make.person("Operator", name="otto"), failed="stop")
    page.get_by_role("dialog").get_by_role("button", name="Restart").click()
    expect(page.get_by_role("alert")).to_contain_text(f"Stop {held.pk} by otto holds personal_chatbot on prod-1 since")
    expect(page.get_by_role("link", name=f"Watch Stop {held.pk}")).to_be_visible()


def test_without_a_script_everything_is_asked_on_pages(chromium: Any, live_server: Any, sign_in: SignIn, context: Any) -> None:
    sign_in("Operator")
    service = a_service()
    make.entry("one", state="approved", tag="v2.0.0")
    make.entry("two", state="approved", tag="v2.1.0")
    silent = chromium.new_context(java_script_enabled=False, storage_state=context.storage_state())
    page = silent.new_page()
    page.goto(f"{live_server.url}/services/{service.pk}/upgrade/")
    page.get_by_role("radio").first.check()
    page.locator(".kg-choice", has_text="v2.0.0").get_by_role("radio").check()
    page.get_by_role("button", name="Show what changes").click()
    expect(page.get_by_text("sha-ab12cd3 → v2.0.0")).to_be_visible()
    page.goto(f"{live_server.url}/services/{service.pk}/")
    page.get_by_role("link", name="Roll back", exact=True).click()
    page.get_by_label("Reason, for the record").fill("Answers time out")
    page.get_by_role("button", name="Roll back").click()
    expect(page.get_by_text("Waiting for a worker of prod-1.")).to_be_visible()
    expect(page.get_by_role("link", name="Reload")).to_be_visible()
    silent.close()


def test_a_service_is_added_in_a_few_steps(open_page: OpenPage, sign_in: SignIn, axe: Axe, complaints: Complaints) -> None:
    sign_in("Operator")
    make.host()
    page = open_page("/")
    page.get_by_role("link", name="Add a service").click()
    page.get_by_label("Folder of the Compose project").fill("/srv/chatbot")
    page.get_by_role("button", name="Read the project").click()
    expect(page.get_by_text("A worker of prod-1 reads /srv/chatbot.")).to_be_visible()
    assert axe(page) == []
    reading = Job.objects.get()
    found = adoption.find(RENDERED, "/srv/chatbot")
    Job.objects.update(state=JobState.SUCCEEDED, ended_at=timezone.now(), result=found)
    expect(page.get_by_text("Found two services in /srv/chatbot; one of them can be managed.")).to_be_visible()
    page.locator(".kg-choice", has_text="db").click()
    expect(page.get_by_role("heading", name="What stands in the way")).to_be_visible()
    expect(page.get_by_role("button", name="Add the service")).to_have_count(0)
    page.locator(".kg-choice", has_text="personal-chatbot").click()
    page.get_by_label("Name").fill("my_chatbot")
    assert axe(page) == []
    page.get_by_role("button", name="Add the service").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Put under management {reading.pk + 1}")
    assert Service.objects.get().name == "my_chatbot"
    assert complaints.found == []
