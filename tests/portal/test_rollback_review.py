"""What people see of a rollback that went past findings which block: before it, on its page, and until somebody decides."""

import pytest
from django.contrib.auth.models import User

from chatbot_service import needs
from chatbot_service.models import Job, Service
from chatbot_service.need import Matter
from deploy_records import poam
from deploy_records.models import ImageDigest, PoamItem
from tests import factories as make
from tests.deploy_records.evidence import scan
from tests.deploy_records.scan_files import vulnerability
from tests.portal import exceptions
from tests.portal.looking import queries, text_of, window

pytestmark = pytest.mark.django_db


@pytest.fixture
def before() -> ImageDigest:
    return make.entry("before", is_index=True)


@pytest.fixture
def service(before: ImageDigest) -> Service:
    made = make.service(runs=make.entry("faulty"))
    make.ran_before(made, before)
    return made


def ask(service: Service, by: User, digest: str) -> Job:
    window(by).post(f"/services/{service.pk}/rollback/", {"digest": digest, "reason": "Answers time out"})
    return Job.objects.latest("pk")


def titles(of: User) -> list[str]:
    return [need.title for need in needs.read(of, []).mine if need.exception]


def test_the_question_says_that_what_blocks_will_be_noted(service: Service, before: ImageDigest, operator: User) -> None:
    page, address = window(operator), f"/services/{service.pk}/rollback/"
    assert "A draft exception notes what blocks" not in text_of(page.get(address))
    scan(before, "CVE-2026-1000")
    asked = text_of(page.get(address))
    assert "so the gate warns but does not stop this:" in asked
    assert "A draft exception notes what blocks, for a security reviewer to look at." in asked


def test_the_job_leads_to_the_draft_and_the_draft_to_the_job(service: Service, before: ImageDigest, operator: User) -> None:
    scan(before, "CVE-2026-1000", vulnerability("CVE-2026-2000", "CRITICAL"))
    job = ask(service, operator, before.digest)
    client = window(operator)
    page = client.get(f"/jobs/{job.pk}/")
    assert 'href="/poam/1/">POAM-1, for CVE-2026-2000, CVE-2026-1000</a>' in page.content.decode()
    assert "This rollback drafted it, as it went past findings that block." in text_of(page)
    item = client.get("/poam/1/")
    assert f'<a href="/jobs/{job.pk}/">rollback {job.pk}</a>' in item.content.decode()
    assert f"Drafted by rollback job {job.pk}, not written by a person" in text_of(item)
    assert "Exception drafted by a rollback" in text_of(item)


def test_a_second_rollback_leads_to_the_same_draft(service: Service, before: ImageDigest, operator: User) -> None:
    scan(before, "CVE-2026-1000")
    Job.objects.filter(pk=ask(service, operator, before.digest).pk).update(state="failed", ended_at="2026-01-01T00:00:00Z")
    page = text_of(window(operator).get(f"/jobs/{ask(service, operator, before.digest).pk}/"))
    assert "It was there already: this rollback went past the same findings." in page
    assert PoamItem.objects.count() == 1


def test_without_findings_nothing_is_left_to_look_at(service: Service, before: ImageDigest, operator: User) -> None:
    job = ask(service, operator, before.digest)
    assert "Left to look at" not in text_of(window(operator).get(f"/jobs/{job.pk}/"))
    assert titles(exceptions.sara()) == []


def test_it_needs_the_reviewers_and_who_asked_until_somebody_moves_it_on(
    service: Service, before: ImageDigest, operator: User
) -> None:
    scan(before, "CVE-2026-1000")
    job = ask(service, operator, before.digest)
    sara = exceptions.sara()
    assert titles(sara) == titles(operator) == ["Look at POAM-1"]
    assert titles(make.person("Operator")) == titles(make.person("Auditor")) == []
    shown = window(sara).get("/")
    assert 'href="/poam/1/">Look at POAM-1</a>' in shown.content.decode()
    assert f"CVE-2026-1000, High: rollback {job.pk} went past what the gate warns of." in text_of(shown)
    item = poam.request(PoamItem.objects.get(), operator)
    assert titles(sara) == ["Decide on POAM-1"]
    poam.approve(item, sara)
    assert titles(sara) == []


def test_one_that_was_closed_needs_nobody_and_one_that_lapsed_does(service: Service, before: ImageDigest, operator: User) -> None:
    scan(before, "CVE-2026-1000")
    ask(service, operator, before.digest)
    sara, item = exceptions.sara(), PoamItem.objects.get()
    PoamItem.objects.update(created_at=exceptions.day(-40), expires_at=exceptions.day(-10))
    assert titles(sara) == ["POAM-1 has expired"]
    assert [need.matter for need in needs.read(sara, []).mine if need.exception] == [Matter.EXPIRED]
    poam.close(item, sara, "Never asked for.")
    assert titles(sara) == []


def test_the_page_of_a_job_takes_as_many_queries_with_many_exceptions_as_with_one(
    service: Service, before: ImageDigest, operator: User
) -> None:
    scan(before, "CVE-2026-1000", *(f"CVE-2026-{number}" for number in range(2000, 2010)))
    exceptions.drafted(component=before.repository)
    first = ask(service, operator, before.digest)
    client = window(operator)
    client.get(f"/jobs/{first.pk}/")
    few = queries(client, f"/jobs/{first.pk}/")
    Job.objects.filter(pk=first.pk).update(state="failed", ended_at="2026-01-01T00:00:00Z")
    for number in range(2000, 2005):
        exceptions.drafted(component=before.repository, vulnerabilities=(f"CVE-2026-{number}",))
    second = ask(service, operator, before.digest)
    assert text_of(client.get(f"/jobs/{second.pk}/")).count("went past the same findings") == 7
    assert queries(client, f"/jobs/{second.pk}/") == few
