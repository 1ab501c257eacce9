from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from deploy_records import poam, poam_drafting, policies, verdict
from deploy_records.errors import Refused
from deploy_records.models import AuditEvent, Deployment, ImageDigest, Outcome, PoamItem, PoamState
from deploy_records.poam_drafting import Asked
from deploy_records.rules.exceptions import last_moment
from deploy_records.scanners.report import Severity
from tests.deploy_records import exceptions
from tests.deploy_records.evidence import excused, scan, security
from tests.deploy_records.images import REPOSITORY
from tests.deploy_records.people import person
from tests.deploy_records.rules.cases import policy
from tests.deploy_records.scan_files import vulnerability

pytestmark = pytest.mark.django_db


@pytest.fixture
def asker() -> User:
    """Who may roll back, but neither request nor approve an exception."""
    return person("otto-back")


def go_back(entry: ImageDigest, by: User, job: int = 12, service: str = "chatbot") -> tuple[PoamItem, ...]:
    now = timezone.now()
    ran = {"kind": "upgrade", "started_at": now, "healthy_at": now, "ended_at": now, "outcome": Outcome.REPLACED}
    Deployment.objects.get_or_create(entry=entry, host="prod-1", service=service, defaults=ran)
    decision = verdict.ask(entry, rolling_back=True, service=service, host="prod-1")
    assert decision.allowed
    asked = Asked(job, by, "Answers time out", service, "prod-1", "192.0.2.7")
    return poam_drafting.by_rollback(ImageDigest.objects.get(pk=entry.pk), decision, asked)


def names(items: tuple[PoamItem, ...]) -> list[list[str]]:
    return [list(one.vulnerabilities) for one in items]


def test_what_blocks_becomes_a_draft_on_record(known_good: ImageDigest, asker: User) -> None:
    scan(known_good, "CVE-2026-1000", vulnerability("CVE-2026-2000", "CRITICAL"), vulnerability("CVE-2026-3000", "LOW"))
    (item,) = go_back(known_good, asker)
    item.refresh_from_db()
    assert (item.state, item.by_rollback, item.owner, item.drafted_by) == (PoamState.DRAFT, 12, asker.username, asker)
    assert item.vulnerabilities == ["CVE-2026-2000", "CVE-2026-1000"]
    assert item.severity == Severity.CRITICAL
    assert (item.component, item.digest) == (f"{REPOSITORY}@{known_good.digest}", known_good.digest)
    assert item.expires_at == last_moment(item.created_at, Severity.CRITICAL)
    assert "Drafted by rollback job 12" in item.justification
    event = AuditEvent.objects.get(action="poam.drafted-by-rollback")
    assert (event.actor, event.address, event.job, event.object_name) == (asker.username, "192.0.2.7", 12, item.name)
    assert event.reason == "Answers time out"


def test_nothing_is_drafted_where_nothing_blocks_or_all_of_it_is_excused(known_good: ImageDigest, asker: User) -> None:
    assert go_back(known_good, asker) == ()
    scan(known_good, "CVE-2026-1000")
    excused()
    assert go_back(known_good, asker) == ()
    assert PoamItem.objects.count() == 1


def test_a_warning_of_something_else_drafts_nothing(known_good: ImageDigest, asker: User) -> None:
    ImageDigest.objects.update(failed_at=timezone.now())
    assert verdict.ask(ImageDigest.objects.get(), rolling_back=True).warnings
    assert go_back(known_good, asker) == ()


def test_asking_again_for_one_rollback_changes_nothing(known_good: ImageDigest, asker: User) -> None:
    scan(known_good, "CVE-2026-1000")
    first, before = go_back(known_good, asker), AuditEvent.objects.count()
    assert go_back(known_good, asker) == first
    assert AuditEvent.objects.count() == before


def test_another_rollback_past_the_same_is_noted_at_the_draft_that_waits(known_good: ImageDigest, asker: User) -> None:
    scan(known_good, "CVE-2026-1000")
    (item,) = go_back(known_good, asker)
    assert go_back(known_good, asker, job=13, service="other") == (item,)
    met = AuditEvent.objects.get(action="poam.met-by-rollback")
    assert (met.job, met.object_id) == (13, str(item.pk))
    assert poam_drafting.of_rollback(12) == poam_drafting.of_rollback(13) == [item]
    assert poam_drafting.of_rollback(14) == []


def test_an_exception_that_was_asked_for_covers_it_as_well(known_good: ImageDigest, asker: User) -> None:
    scan(known_good, "CVE-2026-1000")
    asked = exceptions.requested(component=REPOSITORY)
    assert go_back(known_good, asker) == (asked,)


def test_only_what_none_that_waits_is_for_is_drafted(known_good: ImageDigest, asker: User) -> None:
    scan(known_good, "CVE-2026-1000", "CVE-2026-2000")
    exceptions.drafted(component=REPOSITORY)
    exceptions.drafted(component="*/another-image", vulnerabilities=("CVE-2026-2000",))
    assert names(go_back(known_good, asker)) == [["CVE-2026-1000"], ["CVE-2026-2000"]]


def test_a_finding_that_has_become_worse_than_the_draft_says_is_drafted_anew(known_good: ImageDigest, asker: User) -> None:
    scan(known_good, vulnerability("CVE-2026-1000", "CRITICAL"))
    exceptions.drafted(component=REPOSITORY, severity=Severity.HIGH)
    (item,) = go_back(known_good, asker)
    assert item.severity == Severity.CRITICAL


@pytest.mark.parametrize("ends", ["closed", "rejected", "lapsed"])
def test_once_somebody_has_decided_or_it_has_lapsed_the_next_rollback_drafts_another(
    known_good: ImageDigest, asker: User, ends: str
) -> None:
    scan(known_good, "CVE-2026-1000")
    (item,) = go_back(known_good, asker)
    if ends == "closed":
        poam.close(item, exceptions.reviewer(), "Fixed.")
    elif ends == "rejected":
        poam.reject(poam.request(item, exceptions.requester()), exceptions.reviewer(), "Not bearable.")
    else:
        long_ago = timezone.now() - timedelta(days=40)
        PoamItem.objects.update(created_at=long_ago, expires_at=long_ago + timedelta(days=30))
    (another,) = go_back(known_good, asker, job=13)
    assert another.number == item.number + 1


def test_who_rolled_back_cannot_approve_it_whatever_else_they_may_do(known_good: ImageDigest) -> None:
    both = exceptions.reviewer("rita")
    scan(known_good, "CVE-2026-1000")
    (item,) = go_back(known_good, both)
    asked = poam.request(item, exceptions.requester())
    with pytest.raises(Refused, match="You wrote or requested"):
        poam.approve(asked, both)
    poam.approve(asked, exceptions.reviewer())
    assert "findings" not in [one.key for one in verdict.ask(known_good, rolling_back=True).warnings]


def test_it_lasts_as_long_as_the_policy_of_that_environment_lets_it(known_good: ImageDigest, asker: User) -> None:
    scan(known_good, "CVE-2026-1000")
    policies.save(policy(exception_days={Severity.HIGH: 5}), "production", security(), "Tried.", seen=0)
    (item,) = go_back(known_good, asker)
    assert item.expires_at == last_moment(item.created_at, Severity.HIGH, {Severity.HIGH: timedelta(days=5)})


def test_findings_that_are_too_many_to_be_named_are_drafted_once_without_names(
    known_good: ImageDigest, asker: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deploy_records.gate_facts.MOST_FINDINGS", 2)
    scan(known_good, "CVE-2026-1000", "CVE-2026-2000", "CVE-2026-3000")
    (item,) = go_back(known_good, asker)
    assert item.vulnerabilities == []
    assert "3 findings block" in item.justification
    assert go_back(known_good, asker, job=13) == (item,)
