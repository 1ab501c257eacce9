"""Signals and notifications, in a browser."""

import re
from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from chatbot_service.models import Channel, Delivery, Signal
from chatbot_service.signals import outbox, records
from tests import factories
from tests.browser.conftest import SCHEMES, Axe, Complaints, OpenPage, SignIn, scrolls_sideways
from tests.portal.test_signals import signal

LINES = [["10:00:01", '10.0.0.7 - "POST /chat HTTP/1.1" 500 Internal Server Error ' + "x" * 200], ["10:00:02", "ReadTimeout"]]


def scene() -> Signal:
    """Signals of every kind of look, channels and messages in every state."""
    bot = factories.service("personal_chatbot", runs=factories.entry())
    Channel.objects.create(name="on-call", kind="email", target="ann@example.org, bob@example.org")
    Channel.objects.create(
        name="pager", kind="webhook", target="https://hooks.example.org", kinds=["oom", "restart-loop", "drift"],
        urgent_only=True, enabled=False,
    )  # fmt: skip
    errors = {"says": "7 lines of its log within 10 min tell of a 5xx answer or a time-out.", "facts": [], "lines": LINES}
    later = {**errors, "says": "9 lines of its log within 10 min tell of a 5xx answer or a time-out."}
    made = signal(bot, "errors-in-logs", evidence=errors, latest=later)
    outbox.opened(made)
    now = timezone.now()
    for minutes in (20, 12, 4):
        factories.transition(bot, "unhealthy", now - timedelta(minutes=minutes))
        factories.transition(bot, "healthy", now - timedelta(minutes=minutes - 1))
    records.look()
    signal(bot, "oom", closed=True, hours=50, acknowledged_at=now, acknowledged_by=bot.added_by, note="A large upload.")
    signal(bot, "errors-in-logs", closed=True, hours=90, matter=made.matter)
    failed = Delivery.objects.latest("pk")
    Delivery.objects.filter(pk=failed.pk).update(state="failed", tries=8, last_error="It answered 503.", ended_at=now)
    outbox.test_message(Channel.objects.get(name="on-call"), "ada")
    return made


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", [390, 1440])
def test_every_page_is_usable_by_everybody_with_data_and_without(
    width: int, scheme: str, open_page: OpenPage, sign_in: SignIn, axe: Axe, complaints: Complaints
) -> None:
    sign_in("Administrator", "Operator")
    found = {path: axe(open_page(path, width, scheme)) for path in ("/signals/", "/notifications/")}
    made = scene()
    first = Channel.objects.earliest("pk")
    paths = (
        "/signals/", "/signals/?state=closed", "/signals/?kind=drift", f"/signals/{made.pk}/", "/notifications/", "/",
        "/notifications/add/?kind=email", "/notifications/add/?kind=webhook", f"/notifications/{first.pk}/",
        f"/notifications/{first.pk}/forget/",
    )  # fmt: skip
    for path in paths:
        page = open_page(path, width, scheme)
        found[path] = axe(page)
        assert not scrolls_sideways(page), path
    assert [path for path, complaints_of in found.items() if complaints_of] == [], found
    assert complaints.found == []


def test_a_signal_is_found_by_filters_and_acknowledged(open_page: OpenPage, sign_in: SignIn) -> None:
    sign_in("Operator", username="olga")
    scene()
    page = open_page("/signals/")
    page.get_by_label("Signal", exact=True).select_option("errors-in-logs")
    expect(page).to_have_url(re.compile("kind=errors-in-logs"))
    page.get_by_role("link", name="Errors in the log").first.click()
    page.get_by_label("Note").fill("The model API was slow for a while.")
    page.get_by_role("button", name="Acknowledge").click()
    expect(page.get_by_text("acknowledged by olga", exact=False).first).to_be_visible()
