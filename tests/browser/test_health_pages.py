"""Health in a browser: usable by everybody, with data and without; a chart that zooms; a wall that asks for itself again."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone
from playwright.sync_api import BrowserContext, expect

from chatbot_service.models import Kind, PublicBadge, Service
from tests import factories as make
from tests.browser.conftest import SCHEMES, Axe, Complaints, OpenPage, SignIn, scrolls_sideways
from tests.portal.health_scene import EVIL, ago, lived, started_by_itself, touched


def a_service() -> Service:
    """Of everything something: outages, gaps, jobs, digests, evil words."""
    service = make.service(runs=make.entry("new", tag="v1.8.2"))
    make.ran_before(service, make.entry("old", tag="v1.8.1"))
    new, old, now = make.sha("new"), make.sha("old"), timezone.now()
    for hours, kind in enumerate((Kind.UPGRADE, Kind.RESTART, Kind.RESTORE, Kind.CONFIGURE, Kind.BACKUP), 2):
        touched(kind, service, now - timedelta(hours=hours))
    started_by_itself(service, now - timedelta(hours=40))
    lived(service, changes=[
        (ago(days=4), "down", old, "exit code 137", ""), (ago(days=4) - ago(minutes=31), "healthy", old, "", ""),
        (ago(days=3), "unknown", "", "nobody looked", ""), (ago(days=2), "healthy", new, "", ""),
        (ago(hours=7), "unhealthy", new, EVIL, EVIL * 20), (ago(hours=6), "healthy", new, "", ""),
        (ago(hours=5), "stopped", new, "", ""), (ago(hours=4), "healthy", new, "", ""),
        *((ago(minutes=200 - place), "unhealthy" if place % 2 else "healthy", new, "", "") for place in range(40)),
    ])  # fmt: skip
    PublicBadge.objects.create(service=service, token="t" * 43, by=service.added_by)
    return service


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", [390, 1440])
def test_every_page_is_usable_by_everybody_with_data_and_without(
    width: int, scheme: str, open_page: OpenPage, sign_in: SignIn, axe: Axe, complaints: Complaints
) -> None:
    sign_in("Operator", "Administrator")
    found: dict[str, list[str]] = {path: axe(open_page(path, width, scheme)) for path in ("/health/", "/health/wall/")}
    bare, service = make.service("bare"), a_service()
    paths = [f"/services/{service.pk}/health/?span={span}" for span in ("24h", "7d", "90d")]
    for path in (f"/services/{bare.pk}/health/", *paths, "/health/", "/health/wall/"):
        page = open_page(path, width, scheme)
        page.wait_for_load_state("networkidle")
        page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
        found[f"{path} full"] = axe(page)
        assert not scrolls_sideways(page), path
    assert [f"{path} {fault}" for path, faults in found.items() for fault in faults] == []
    assert complaints.found == []


def test_a_stretch_of_the_chart_is_looked_at_closer_by_dragging_and_a_double_press_goes_back(
    open_page: OpenPage, sign_in: SignIn, complaints: Complaints
) -> None:
    sign_in("Viewer")
    page = open_page(f"/services/{a_service().pk}/health/?span=24h")
    chart = page.locator(".kg-durations--live .u-over")
    expect(chart).to_be_visible()
    expect(page.locator(".kg-sparks")).to_be_hidden()
    box = chart.bounding_box()
    assert box is not None
    line = page.locator(".kg-chart > .kg-line").first.bounding_box()
    assert line is not None
    assert abs(line["x"] - box["x"]) < 2  # one axis
    assert abs(line["width"] - box["width"]) < 2
    chart.scroll_into_view_if_needed()
    box = chart.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 300, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + 420, box["y"] + 40, steps=4)
    page.mouse.up()
    canvas = page.locator(".kg-durations canvas")
    zoomed = canvas.evaluate("(one) => one.toDataURL()")
    page.mouse.move(5, 5)
    chart.dblclick(position={"x": 100, "y": 40})
    page.wait_for_timeout(200)
    assert canvas.evaluate("(one) => one.toDataURL()") != zoomed
    assert complaints.found == []


def test_the_chart_goes_when_what_it_stands_in_is_cleaned_up(
    open_page: OpenPage, sign_in: SignIn, complaints: Complaints
) -> None:
    sign_in("Viewer")
    page = open_page(f"/services/{a_service().pk}/health/")
    expect(page.locator(".kg-durations--live .uplot")).to_be_visible()
    page.evaluate("htmx.trigger(document.querySelector('[data-durations]'), 'htmx:beforeCleanupElement')")
    expect(page.locator(".uplot")).to_have_count(0)
    assert complaints.found == []


def test_without_a_script_the_server_has_drawn_it_all(context: BrowserContext, live_server: object, sign_in: SignIn) -> None:
    sign_in("Viewer")
    service = a_service()
    browser = context.browser
    assert browser is not None
    bare = browser.new_context(java_script_enabled=False)
    bare.add_cookies([{"name": one["name"], "value": one["value"], "url": live_server.url} for one in context.cookies()])  # type: ignore[attr-defined]
    page = bare.new_page()
    page.goto(f"{live_server.url}/services/{service.pk}/health/?span=90d")  # type: ignore[attr-defined]
    expect(page.locator(".kg-sparks")).to_be_visible()
    expect(page.locator("span.kg-needs-script")).to_be_hidden()
    page.get_by_text("Show 91 rows").click()
    expect(page.get_by_role("columnheader", name="Not known")).to_be_visible()
    page.get_by_role("link", name="7 d", exact=True).click()
    expect(page.get_by_role("heading", name="7 days")).to_be_visible()
    bare.close()


def test_the_wall_shows_a_change_by_itself(open_page: OpenPage, sign_in: SignIn, complaints: Complaints) -> None:
    sign_in("Viewer")
    service = make.service(runs=make.entry("new"))
    page = open_page("/health/wall/")
    expect(page.locator(".kg-tile-state")).to_have_text("Healthy")
    Service.objects.filter(pk=service.pk).update(seen_health="unhealthy")
    expect(page.locator(".kg-tile-state")).to_have_text("Unhealthy", timeout=15_000)
    assert complaints.found == []


def test_a_public_badge_is_a_picture_for_a_stranger(open_page: OpenPage, sign_in: SignIn, complaints: Complaints) -> None:
    sign_in("Administrator")
    service = a_service()
    page = open_page(f"/services/{service.pk}/health/")
    badge = page.get_by_alt_text("A badge with the name")
    expect(badge).to_be_visible()
    assert badge.evaluate("(one) => one.naturalWidth") > 100
    assert Client().get(f"/badges/{'t' * 43}.svg").status_code == 200
    assert complaints.found == []
