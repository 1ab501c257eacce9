"""The badge: a picture for who is signed in, and for anybody only at an address that was made public."""

import re
import xml.etree.ElementTree as ET
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from chatbot_service import badges
from chatbot_service.dispatch import Request
from chatbot_service.models import PublicBadge, Service
from deploy_records.errors import NotAllowed
from deploy_records.models import AuditEvent
from tests import factories as make
from tests.portal.health_scene import ago, lived
from tests.portal.looking import window

pytestmark = pytest.mark.django_db


@pytest.fixture
def service() -> Service:
    return make.service(runs=make.entry("new"))


def badge_of(service: Service, of: User, days: str = "") -> Any:
    return window(of).get(f"/services/{service.pk}/badge.svg{f'?days={days}' if days else ''}")


def words_of(answer: Any) -> list[str]:
    return [one.text or "" for one in ET.fromstring(answer.content).iter("{http://www.w3.org/2000/svg}text")]  # noqa: S314 - our own


def test_it_names_the_service_its_state_and_its_share(service: Service, viewer: User) -> None:
    lived(service, days=4)
    answer = badge_of(service, viewer)
    assert words_of(answer) == ["personal_chatbot", "healthy 100\N{NO-BREAK SPACE}%"]
    assert answer.headers["Content-Type"] == "image/svg+xml; charset=utf-8"
    assert "<script" not in answer.content.decode()


def test_it_is_not_called_healthy_when_nobody_looks(service: Service, viewer: User) -> None:
    Service.objects.update(seen_at=timezone.now() - ago(minutes=5))
    answer = badge_of(service, viewer)
    assert words_of(answer) == ["personal_chatbot", "not watched"]
    assert "#17764a" not in answer.content.decode()


def test_it_may_be_kept_for_a_moment_by_the_browser_alone_and_asked_for_again(service: Service, viewer: User) -> None:
    answer = badge_of(service, viewer)
    assert set(answer.headers["Cache-Control"].split(", ")) == {"private", "max-age=30"}
    again = window(viewer).get(f"/services/{service.pk}/badge.svg", headers={"if-none-match": answer.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_a_stranger_sees_none_until_it_is_made_public_and_none_after_it_is_taken_back(
    service: Service, administrator: User
) -> None:
    stranger, admin = Client(), window(administrator)
    assert stranger.get(f"/services/{service.pk}/badge.svg").status_code == 302
    assert stranger.get("/badges/guessed.svg").status_code == 404
    page = admin.post(f"/services/{service.pk}/badge/public/", follow=True).content.decode()
    address = f"/badges/{PublicBadge.objects.get().token}.svg"
    assert f"http://testserver{address}" in page
    answer = stranger.get(address)
    assert answer.status_code == 200
    assert set(answer.headers["Cache-Control"].split(", ")) == {"public", "max-age=60"}
    assert "Cookie" not in answer.headers.get("Vary", "")
    assert "sessionid" not in answer.cookies
    assert service.host.name not in answer.content.decode()
    admin.post(f"/services/{service.pk}/badge/private/")
    assert stranger.get(address).status_code == 404
    told = AuditEvent.objects.filter(action__startswith="service.badge").order_by("sequence").values_list("action", "actor")
    assert list(told) == [("service.badge-public", "adele"), ("service.badge-private", "adele")]


def test_its_address_cannot_be_guessed_stays_and_is_another_each_time_it_is_made(service: Service, administrator: User) -> None:
    asked = Request(administrator)
    first = badges.make_public(service, asked).token
    assert re.fullmatch(r"[\w-]{43}", first)
    assert badges.make_public(service, asked).token == first
    assert badges.make_private(service, asked) is True
    assert badges.make_private(service, asked) is False
    assert badges.make_public(service, asked).token != first


def test_who_may_not_change_a_service_makes_nothing_public(service: Service, operator: User) -> None:
    assert window(operator).post(f"/services/{service.pk}/badge/public/").status_code == 403
    with pytest.raises(NotAllowed):
        badges.make_public(service, Request(operator))
    assert not PublicBadge.objects.exists()


def test_its_address_is_that_at_which_others_reach_the_portal(service: Service, administrator: User, settings: Any) -> None:
    settings.PUBLIC_URL = "https://portal.example.test"
    token = badges.make_public(service, Request(administrator)).token
    page = window(administrator).get(f"/services/{service.pk}/health/").content.decode()
    assert f"https://portal.example.test/badges/{token}.svg" in page
