"""What the pages of a service say of the gate: by the rules of its own environment, and on which exceptions."""

import pytest
from django.contrib.auth.models import User

from deploy_records.models import ImageDigest
from tests.portal import gate_scene as scene
from tests.portal.looking import text_of, window

pytestmark = pytest.mark.django_db


def entry_of(digest: str) -> ImageDigest:
    return ImageDigest.objects.get(digest=digest)


def test_it_is_judged_by_the_rules_of_its_own_environment(operator: User) -> None:
    scene.policy("staging", blocks=["Critical", "High", "Medium"], reason="Strict on purpose.")
    there = scene.runs("trial", scene.ZLIB, environment="staging")
    here = scene.runs("chatbot", scene.ZLIB)
    client = window(operator)
    said = text_of(client.get(f"/services/{there.pk}/"))
    assert "but the gate refuses it: 1 Medium, not excused" in said
    assert "Gate refusesby policy 1 of staging" in said.replace("refuses by", "refusesby")
    assert "the gate passes" in text_of(client.get(f"/services/{here.pk}/"))
    dashboard = text_of(client.get("/"))
    assert "Gate refuses 1 Medium, not excused" in dashboard
    assert "As approved 1 of 2" in dashboard


def test_its_verdict_leads_to_the_table_of_its_environment(operator: User) -> None:
    service = scene.runs("trial", environment="staging")
    page = window(operator).get(f"/services/{service.pk}/").content.decode()
    assert f'href="/ledger/{entry_of(service.seen_digest).pk}/?environment=staging#gate"' in page


def test_a_pass_on_an_exception_says_on_which_and_for_how_long(operator: User) -> None:
    scene.excused(4)
    service = scene.runs("chatbot", scene.STARLETTE)
    said = text_of(window(operator).get(f"/services/{service.pk}/"))
    assert "the gate passes on POAM-1, 4 d left" in said
    page = window(operator).get("/").content.decode()
    assert "kg-status--excused" in page
    assert "POAM-1, 4 d left" in text_of(window(operator).get("/services/?show=approved"))


def test_what_could_be_upgraded_to_says_on_which_exceptions_or_what_refuses_it(operator: User) -> None:
    scene.excused(4)
    service = scene.runs("chatbot")
    scene.approved("better", scene.STARLETTE)
    scene.build("worse", scene.LIBC)
    said = text_of(window(operator).get(f"/services/{service.pk}/upgrade/"))
    assert "judged as in production" in said
    assert "May run on POAM-1 until" in said
    assert "Gate refuses 1 Critical, not excused. What would clear it" in said
