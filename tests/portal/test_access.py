"""Every address: closed to strangers, closed to those without the permission, and both leave a trace."""

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError
from django.test import Client
from django.urls import URLPattern, reverse

from deploy_records.models import AuditEvent
from portal.access import ROLES
from portal.pages import scans_list
from portal.urls import urlpatterns
from tests.factories import person
from tests.portal.looking import last_refusal, text_of, window

PATTERNS = [pattern for pattern in urlpatterns if isinstance(pattern, URLPattern)]
OPEN = {"sign-in", "sign-out", "public-badge"}
"""One is for strangers, one does nothing for them, and who knows the address of a public badge was given it."""
VALUES = {
    "pk": 1, "fingerprint": "0" * 64, "number": 1, "sequence": 1, "kind": "restart", "environment": "production", "look": "log",
    "token": "x" * 43,
}  # fmt: skip
KNOWN = {permission for granted in ROLES.values() for permission in granted}


def name_of(pattern: URLPattern) -> str:
    return pattern.name or str(pattern.pattern)


def address_of(pattern: URLPattern) -> str:
    names = pattern.pattern.regex.groupindex
    return reverse(pattern.name or "", kwargs={name: VALUES[name] for name in names})


def permission_of(pattern: URLPattern) -> str:
    """What its view declares; no view of ours declares nothing."""
    return str(getattr(pattern.callback, "permission", "none declared"))


CLOSED = [pattern for pattern in PATTERNS if pattern.name not in OPEN]
WITH_PERMISSION = [pattern for pattern in CLOSED if permission_of(pattern)]


def test_the_portal_has_no_addresses_beside_this_list() -> None:
    assert len(PATTERNS) == len(urlpatterns)
    assert len({pattern.name for pattern in PATTERNS}) == len(PATTERNS)


@pytest.mark.parametrize("pattern", CLOSED, ids=name_of)
def test_every_view_says_what_it_takes(pattern: URLPattern) -> None:
    assert permission_of(pattern) in KNOWN | {""}


@pytest.mark.parametrize("pattern", CLOSED, ids=name_of)
@pytest.mark.parametrize("method", ["get", "post"])
def test_a_stranger_is_sent_to_sign_in(pattern: URLPattern, method: str, client: Client, db: None) -> None:
    answer = getattr(client, method)(address_of(pattern))
    assert answer.status_code == 302
    assert answer.headers["Location"].startswith("/sign-in/?next=")


@pytest.mark.parametrize("pattern", WITH_PERMISSION, ids=name_of)
def test_a_person_without_the_permission_is_refused_and_that_is_on_record(pattern: URLPattern, nobody: User) -> None:
    address = address_of(pattern)
    for method in ("GET", "POST"):
        answer = window(nobody).generic(method, address)
        if answer.status_code == 405:
            continue
        assert answer.status_code == 403, method
        event = last_refusal()
        assert event.actor == "nils"
        assert event.object_name == f"{method} {address}"
        assert event.changes["correlation"] in answer.content.decode()


def test_each_role_reaches_exactly_what_it_is_granted(db: None) -> None:
    for role, granted in ROLES.items():
        client = window(person(role))
        for pattern in WITH_PERMISSION:
            answer = client.get(address_of(pattern))
            if answer.status_code == 405:
                continue
            assert (answer.status_code == 403) == (permission_of(pattern) not in granted), (role, pattern.name)


def test_an_address_that_is_not_there_tells_a_stranger_nothing(client: Client, db: None) -> None:
    assert client.get("/services/999999/").status_code == 302
    assert client.get("/no-such-page/").status_code in {302, 404}


# Before a view is asked


def test_an_address_that_only_takes_what_a_button_sends_says_so(viewer: User) -> None:
    answer = window(viewer).get("/jobs/1/cancel/")
    assert answer.status_code == 405
    assert answer.headers["Allow"] == "POST"
    assert "It only takes what a button sends. Nothing was changed" in text_of(answer)


@pytest.mark.django_db
@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1@evil.example", ""])
def test_another_host_is_a_request_that_is_not_understood(host: str) -> None:
    answer = Client(raise_request_exception=False).get("/", headers={"host": host})
    assert answer.status_code == 400
    assert "Nothing was changed" in text_of(answer)


def test_a_form_without_the_token_is_refused_in_words_and_on_record(viewer: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(viewer)
    answer = client.post("/jobs/1/cancel/")
    assert answer.status_code == 403
    assert "load the page again and repeat it" in text_of(answer)
    event = last_refusal()
    assert (event.actor, event.object_name) == ("vera", "POST /jobs/1/cancel/")
    assert event.changes["correlation"] in text_of(answer)


def test_a_database_that_is_busy_is_told_in_words_and_to_programs(viewer: User, monkeypatch: pytest.MonkeyPatch) -> None:
    def locked(*_: object) -> None:
        raise OperationalError("database is locked")

    monkeypatch.setattr(scans_list, "read", locked)
    client = window(viewer)
    client.raise_request_exception = False
    answer = client.get("/scans/")
    assert answer.status_code == 503
    assert "was not done. Try again in a minute." in text_of(answer)


@pytest.mark.django_db
def test_a_strangers_form_without_the_token_fills_no_record() -> None:
    assert Client(enforce_csrf_checks=True).post("/sign-in/", {"username": "vera"}).status_code == 403
    assert not AuditEvent.objects.filter(action="refused").exists()


@pytest.mark.parametrize("address", ["/", "/nothing/", "/jobs/1/cancel/", "/audit/", "/sign-in/", "/jobs/?at=x"])
def test_every_answer_is_closed_to_frames_and_foreign_scripts(address: str, viewer: User) -> None:
    for client in (Client(), window(viewer), Client(headers={"host": "evil.example"})):
        answer = client.get(address)
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"], answer.status_code
        assert answer.headers["X-Frame-Options"] == "DENY"
        assert all(cookie["httponly"] for cookie in answer.cookies.values())
