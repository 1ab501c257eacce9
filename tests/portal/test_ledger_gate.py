"""A digest's page on the gate and the approvals: rule by rule, environment by environment, and what each yes rests on."""

import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from deploy_records import ledger, reviews
from deploy_records.models import Approval, GatePolicy, ImageDigest, PoamGrant, PoamItem
from deploy_records.rules.policy import ENVIRONMENTS
from portal.pages import deeds
from tests import factories
from tests.deploy_records.evidence import scan
from tests.factories import person
from tests.portal import gate_scene as scene
from tests.portal.looking import last_refusal, queries, text_of, window

pytestmark = pytest.mark.django_db


@pytest.fixture
def manager() -> User:
    return scene.rolf()


def address(entry: ImageDigest, deed: str = "") -> str:
    return f"/ledger/{entry.pk}/{deed}"


def read(entry: ImageDigest, of: User | None = None, **asked: str) -> str:
    return text_of(window(of or person("Viewer")).get(address(entry), asked))


def sent(entry: ImageDigest, words: str = "") -> dict[str, str]:
    return {"words": words, "seen": deeds.stamp(scene.now(entry))}


def end_exceptions() -> None:
    """All have ended a day ago."""
    yesterday = timezone.now() - timedelta(days=1)
    PoamItem.objects.update(expires_at=yesterday, created_at=yesterday - timedelta(days=9))
    PoamGrant.objects.update(at=yesterday - timedelta(days=8), until=yesterday)


def test_an_approval_is_for_the_reports_and_the_rules_that_were_seen(manager: User) -> None:
    """Also where the gate would let them pass: nobody says yes to what they did not see."""
    entry = scene.build("app")
    before_the_report = sent(entry)
    scan(entry, scene.STARLETTE)
    scene.excused()
    before_the_rules = sent(entry)
    scene.policy(unfixed_block=False)
    for seen in (before_the_report, before_the_rules):
        answer = window(manager).post(address(entry, "approve/"), seen)
        assert (answer.status_code, last_refusal().changes["code"]) == (409, "stale")
        assert "another report counts for it now" in text_of(answer)
    assert window(manager).post(address(entry, "approve/"), sent(entry)).status_code == 302


def test_what_takes_a_digest_out_of_use_waits_for_no_new_look_at_its_reports(manager: User) -> None:
    entry = scene.build("app")
    before = sent(entry, "Leaks data.")
    scan(entry, scene.STARLETTE)
    assert window(manager).post(address(entry, "deprecate/"), before).status_code == 302


# The gate


def test_each_rule_says_its_verdict_why_and_what_would_clear_it() -> None:
    said = read(scene.build("app", scene.LIBC, scene.STARLETTE))
    assert "May not run. No approval is in force. 1 Critical and 1 High findings that nothing excuses." in said
    assert "Every finding that blocks is excused Refuses 2 findings block: CVE-2026-2000 in libc6 1.0 (Critical)" in said
    assert "or have an exception approved for each." in said
    assert "There is an image scan, at most 30 days old Passes" in said
    assert "Refuses: 3 of" in said
    assert "All 2" in said


def test_what_refuses_stands_above_what_passes() -> None:
    said = read(scene.build("app", scene.LIBC))
    assert said.index("The ledger says that it may run Refuses") < said.index("at most 30 days old Passes")


def test_a_pass_on_an_exception_is_told_apart_and_leads_to_it() -> None:
    scene.excused(4)
    entry = scene.approved("app", scene.STARLETTE)
    page = window(person("Viewer")).get(address(entry))
    assert "May run." in text_of(page)
    assert "The one that would block is excused by POAM-1" in text_of(page)
    assert '<a href="/poam/1/">POAM-1</a>' in page.content.decode()
    assert "kg-status--excused" in page.content.decode()


def test_each_environment_has_its_own_table_and_policy_version() -> None:
    scene.policy("staging", approvals=2, reason="Two eyes more.")
    entry = scene.approved("app")
    here = read(entry)
    assert "May run. It is approved" in here
    assert "policy 0 of production" in here
    assert "In staging it is refused." in here
    there = read(entry, environment="staging")
    assert "May not run in staging. It has one of the two approvals it needs." in there
    assert "policy 1 of staging" in there
    assert "1 of 2" in there
    assert "In production it passes. In development it passes." in there


def test_an_environment_nobody_knows_counts_as_production() -> None:
    assert "of production, asked" in read(scene.build("app"), environment="moon")


def test_where_an_exception_counts_for_one_service_only_that_is_said() -> None:
    scene.excused(4, service="chatbot")
    service = scene.runs("chatbot", scene.STARLETTE)
    entry = ImageDigest.objects.get(digest=service.seen_digest)
    said = read(entry)
    assert "May not run. " in said
    assert "Passes as chatbot on prod-1, other than in production at large" in said


def test_with_a_policy_that_cannot_be_read_the_page_stays_readable() -> None:
    entry = scene.approved("app")
    scene.policy(approvals=2)
    GatePolicy.objects.update(rules={"approvals": "many"})
    said = read(entry)
    assert "May not run. Version 1 of the policy of production cannot be read." in said
    assert "In staging it passes." in said


def test_an_exception_can_be_asked_for_by_those_who_may(manager: User) -> None:
    entry = scene.build("app", scene.LIBC)
    assert "Ask for an exception" in read(entry, manager)
    assert "Ask for an exception" not in read(entry)


# What approvals rest on


def test_an_approval_says_what_it_rested_on_with_a_link_to_each_report() -> None:
    scene.excused(4)
    entry = scene.approved("app", scene.STARLETTE)
    report = entry.scan_matches.get().report
    page = window(person("Viewer")).get(address(entry))
    said = text_of(page)
    assert "to one report, policy 0 and POAM-1." in said
    assert f'href="/scans/{report.pk}/"' in page.content.decode()
    assert report.file.sha256[:12] in said
    assert "productionpolicy 0 May be approved." in said


def test_versions_that_differ_by_environment_are_listed() -> None:
    scene.policy("staging", approvals=2)
    said = read(scene.approved("app"))
    assert "to one report and the policies below." in said
    assert "stagingpolicy 1 May be approved." in said


def test_an_environment_whose_rules_did_not_allow_it_says_so() -> None:
    scene.policy("staging", blocks=["Critical"], reports={})
    entry = scene.approved("app", scene.STARLETTE)
    said = read(entry)
    assert "productionits policy 0 did not allow it" in said
    assert "Does not count" in said
    assert "It does not count: the rules of production did not allow it when it was given." in said
    assert "Needs re-review" not in said


@pytest.mark.parametrize("kept", [{}, [], "x", {"environments": {"production": None}}, {"reports": [None, {"sha256": 3}]}])
def test_evidence_that_is_not_as_it_should_be_is_no_fault_of_the_page(kept: object) -> None:
    entry = scene.approved("app")
    Approval.objects.update(evidence=kept)
    said = read(entry)
    assert "May not run. No approval is in force." in said
    assert "rolf" in said


def test_an_approval_to_look_at_again_says_why_and_since_when(manager: User) -> None:
    scene.excused(4)
    entry = scene.approved("app", scene.STARLETTE)
    end_exceptions()
    assert "Void since now: POAM-1, on which it relies, no longer holds." in read(entry)
    reviews.look()
    said = read(entry, manager)
    assert "rolf (you) Needs re-review" in said
    assert re.search(r"Void since \w+ \d+ \w+, \d\d:\d\d: POAM-1, on which it relies, no longer holds\.", said)
    assert "0 of 1" in said


# Approving again


def test_the_same_person_approves_again_once_it_would_hold(manager: User) -> None:
    entry = scene.approved("app")
    scene.policy(blocks=["Critical", "High", "Medium"], reason="From now on.")
    page = window(manager).get(address(entry))
    assert "Approve again" in text_of(page)
    assert "Approve this digest again?" in text_of(page)
    answer = window(manager).post(address(entry, "approve/"), sent(entry, "Still clean."), follow=True)
    said = text_of(answer)
    assert "Approved again. It is approved now and may run." in said
    assert "Renewed" in said
    assert "May run." in said
    old, new = Approval.objects.order_by("pk")
    assert (old.ended_at is not None, new.ended_at) == (True, None)


def test_approving_again_waits_until_the_rules_allow_it(manager: User) -> None:
    scene.excused(4)
    entry = scene.approved("app", scene.STARLETTE)
    end_exceptions()
    page = window(manager).get(address(entry))
    assert 'aria-disabled="true" aria-describedby="why-not">Approve again' in page.content.decode()
    assert "You could, once the gate’s other rules pass." in text_of(page)
    assert "A finding blocks: CVE-2026-1000 in starlette 1.0 (High), as POAM-1 ended" in text_of(page)
    answer = window(manager).post(address(entry, "approve/"), sent(entry))
    assert answer.status_code == 409
    assert "Not approved. A finding blocks" in text_of(answer)
    assert last_refusal().changes["correlation"] in text_of(answer)
    assert Approval.objects.count() == 1


def test_an_approval_that_stands_is_not_offered_again(manager: User) -> None:
    page = window(manager).get(address(scene.approved("app"))).content.decode()
    assert "/approve/" not in page
    assert "/withdraw/" in page


def test_a_withdrawn_one_stays_with_its_reason_and_what_it_rested_on(manager: User) -> None:
    entry = scene.approved("app")
    ledger.withdraw(Approval.objects.get(), manager, "It loses uploads.")
    said = read(entry)
    assert re.search(r"Withdrawn \w+ \d+ \w+, \d\d:\d\d: It loses uploads\.", said)
    assert said.count("What it rests on") == 1


def test_the_comment_is_asked_for_where_a_policy_says_so(manager: User) -> None:
    scene.policy(comment_required=True)
    entry = scene.build("app")
    page = window(manager).get(address(entry)).content.decode()
    (field,) = re.findall(r'<textarea[^>]*id="digest-approve-words"[^>]*>', page)
    assert " required" in field
    assert "may be empty" not in page
    answer = window(manager).post(address(entry, "approve/"), sent(entry))
    assert answer.status_code == 400
    assert "The comment is blank." in text_of(answer)
    assert not Approval.objects.exists()
    window(manager).post(address(entry, "approve/"), sent(entry, "Tried on staging."))
    assert "“Tried on staging.”" in read(entry)


def test_where_no_policy_asks_for_a_comment_it_may_stay_empty(manager: User) -> None:
    page = window(manager).get(address(scene.build("app"))).content.decode()
    assert "Comment, for the record (may be empty)" in page


def test_an_approval_that_counts_in_some_environments_only_says_where(manager: User) -> None:
    scene.policy("staging", approvals=2)
    entry = scene.build("app")
    answer = window(manager).post(address(entry, "approve/"), sent(entry), follow=True)
    assert "It is approved now and may run; the gate still refuses it in staging." in text_of(answer)


def test_an_approval_that_is_not_enough_anywhere_says_so(manager: User) -> None:
    for environment in ENVIRONMENTS:
        scene.policy(environment, approvals=2)
    entry = scene.build("app")
    answer = window(manager).post(address(entry, "approve/"), sent(entry), follow=True)
    assert "Approved. It needs another approval before it may run." in text_of(answer)


# Speed


def test_it_takes_as_many_queries_with_many_approvals_and_findings_as_with_few(manager: User) -> None:
    scene.excused(4)
    entry = scene.approved("app", scene.STARLETTE)
    factories.service("first", runs=entry)
    client = window(manager)
    few = queries(client, address(entry))
    for number in range(5):
        factories.approval(entry)
        factories.service(f"service-{number}", runs=entry)
        scene.excused(number + 5, component=f"pkg:pypi/other-{number}@1")
    scan(entry, scene.STARLETTE, scene.ZLIB, target="again")
    assert queries(client, address(entry)) == few
