"""Approvals that have to be looked at again, on the dashboards of those who can."""

import pytest

from deploy_records import reviews
from deploy_records.models import ImageDigest
from deploy_records.rules.policy import ENVIRONMENTS
from tests import factories
from tests.deploy_records.evidence import scan
from tests.factories import person
from tests.portal import gate_scene as scene
from tests.portal.looking import queries, text_of, window

pytestmark = pytest.mark.django_db


def worse(entry: ImageDigest) -> None:
    """A later report has what nobody knew when it was approved."""
    scan(entry, scene.LIBC, target="again")
    reviews.look([entry])


@pytest.fixture
def entry() -> ImageDigest:
    made = scene.approved("chatbot")
    factories.service("chatbot", runs=made)
    worse(made)
    return made


def test_whoever_gave_it_is_asked_with_the_reason_and_where_it_runs(entry: ImageDigest) -> None:
    page = window(scene.rolf()).get("/")
    said = text_of(page)
    assert f"Look again at {entry.digest[7:11]}…" in said
    assert "A later report has a finding that it did not know: CVE-2026-2000 in libc6 1.0 (Critical)." in said
    assert f'href="/ledger/{entry.pk}/"' in page.content.decode()
    assert "It runs as chatbot" in said


def test_another_release_manager_may_give_theirs_instead(entry: ImageDigest) -> None:
    assert f"Look again at {entry.digest[7:11]}…" in text_of(window(person("Release manager")).get("/"))


def test_nobody_else_is_asked(entry: ImageDigest) -> None:
    said = text_of(window(person("Operator")).get("/"))
    assert "Look again at" not in said
    assert "One more waits for somebody else: release manager." in said


def test_who_registered_it_or_has_given_a_fresh_approval_is_not_asked(entry: ImageDigest) -> None:
    both = person("Release manager")
    ImageDigest.objects.filter(pk=entry.pk).update(registered_by=both)
    assert "Look again at" not in text_of(window(both).get("/"))
    fresh = person("Release manager")
    factories.approval(entry, fresh)
    assert "Look again at" not in text_of(window(fresh).get("/"))


def test_a_candidate_whose_approval_lapsed_is_asked_for_as_any_candidate() -> None:
    for environment in ENVIRONMENTS:
        scene.policy(environment, approvals=2)
    scene.runs("anything")
    made = scene.approved("candidate")
    assert made.state == "candidate"
    worse(made)
    said = text_of(window(scene.rolf()).get("/"))
    assert f"Approve {made.digest[7:11]}…" in said
    assert "Look again at" not in said


def test_it_takes_as_many_queries_with_many_as_with_one(entry: ImageDigest) -> None:
    client = window(scene.rolf())
    few = queries(client, "/")
    for number in range(4):
        made = scene.approved(f"more-{number}")
        factories.service(f"more-{number}", runs=made)
        worse(made)
    assert queries(client, "/") == few
