"""The gate's rules: what everybody may read, what a security reviewer may change, and what would change with them."""

import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from deploy_records import policies
from deploy_records.models import Approval, AuditEvent, GatePolicy
from deploy_records.rules.policy import DEFAULT, Policy
from portal.pages.policy_form import as_typed
from tests.factories import person
from tests.portal import gate_scene as scene
from tests.portal.exceptions import sara
from tests.portal.looking import last_refusal, queries, text_of, window

pytestmark = pytest.mark.django_db

CHANGE = "/policy/production/change/"
MEDIUM = {"blocks": "Medium"}


@pytest.fixture
def reviewer() -> User:
    return sara()


def form(button: str = "look", **changes: Any) -> dict[str, Any]:
    """What a browser sends: ticks only where they are set, and what is in force where nothing else is said."""
    held = policies.in_force()
    typed = as_typed(held.policy or DEFAULT, held.version) | changes | {button: "1"}
    return {name: "on" if value is True else value for name, value in typed.items() if value is not None and value is not False}


def read(address: str = "/policy/") -> str:
    return text_of(window(person("Viewer")).get(address))


# Reading


def test_without_a_policy_of_ones_own_the_default_is_in_force_and_says_so() -> None:
    said = read()
    assert "one approval, an image scan at most 30 days old and no Critical or High finding that nothing excuses." in said
    assert "This is the default, version 0: nobody has set another." in said
    assert "Critical and High findings block, whether a fix exists or not, unless an exception excuses them." in said
    assert "No service is in production." in said


def test_each_environment_has_rules_of_its_own() -> None:
    scene.policy("staging", blocks=["Critical"], reports={}, reason="Staging may try things.")
    scene.runs("chatbot", environment="staging")
    said = read("/policy/staging/")
    assert "In staging a digest may run with one approval and no Critical finding that nothing excuses." in said
    assert "Version 1, set just now by sara: “Staging may try things.”" in said
    assert "chatbot" in said
    assert "no Critical or High finding" in read("/policy/production/")


def test_versions_stand_newest_first_with_what_became_different_and_why() -> None:
    scene.policy(approvals=2, comment_required=True, reason="Two pairs of eyes.")
    scene.policy(approvals=1, exception_days={"Critical": 7, "High": 60}, reason="We are few.")
    said = read()
    assert said.index("We are few.") < said.index("Two pairs of eyes.") < said.index("the default, as it comes with the portal")
    assert "Approvals was 2 is 1 looser" in said
    assert "Approvals was 1 is 2 stricter" in said
    assert "Comment of an approval was may be empty is required stricter" in said
    assert "was 30 days for Critical and High, 366 days for Medium and Low is 7 days for Critical, 60 days for High" in said
    assert "partly stricter, partly looser" in said


def test_a_policy_that_cannot_be_read_is_said_loudly() -> None:
    scene.policy(approvals=2)
    GatePolicy.objects.update(rules={"approvals": "many"})
    assert "The policy of production cannot be read, so the gate refuses everything there." in read()


def test_only_a_security_reviewer_is_offered_to_change_it(reviewer: User) -> None:
    assert CHANGE in window(reviewer).get("/policy/").content.decode()
    shown = window(person("Release manager")).get("/policy/")
    assert CHANGE not in shown.content.decode()
    assert "Takes the role security reviewer." in text_of(shown)


def test_an_environment_that_is_not_there_is_not_found(reviewer: User) -> None:
    assert window(reviewer).get("/policy/moon/").status_code == 404


def test_it_takes_as_many_queries_with_many_versions_as_with_one() -> None:
    client = window(person("Viewer"))
    scene.policy(approvals=2)
    few = queries(client, "/policy/")
    for number in range(3, 9):
        scene.policy(approvals=number)
    assert queries(client, "/policy/") == few


# What would change


def test_the_form_begins_with_what_is_in_force(reviewer: User) -> None:
    scene.policy(approvals=3, reports={"image": 9, "sbom": 60})
    shown = window(reviewer).get(CHANGE).content.decode()
    assert re.search(r'name="approvals" value="3"', shown)
    assert re.search(r'name="report_sbom" value="60"', shown)
    assert re.search(r'name="seen" value="1"', shown)


def test_beside_the_form_the_rules_read_as_they_are_typed(reviewer: User) -> None:
    said = text_of(window(reviewer).get("/policy/production/explain/", form(approvals=2)))
    assert "Approvals was 1 is 2 stricter" in said
    assert "2 approvals are needed" in said
    wrong = text_of(window(reviewer).get("/policy/production/explain/", form(approvals="x")))
    assert "A field has a value that cannot be." in wrong


def test_what_would_be_blocked_is_shown_before_anything_is_saved(reviewer: User) -> None:
    scene.runs("mail_relay", scene.ZLIB)
    scene.runs("pdf_renderer")
    scene.runs("elsewhere", scene.ZLIB, environment="staging")
    waiting = scene.approved("waiting", scene.ZLIB)
    answer = window(reviewer).post(CHANGE, form(**MEDIUM))
    said = text_of(answer)
    assert answer.status_code == 200
    assert "Findings that block Critical and High Critical, High and Medium stricter" in said
    assert "mail_relay prod-1 Refuses" in said
    assert "CVE-2026-3000 in zlib 1.0 (Medium)" in said
    assert f'href="/ledger/{waiting.pk}/"' in answer.content.decode()
    assert "elsewhere" not in said
    assert "may run, not in production now Refuses" in said
    assert not GatePolicy.objects.exists()


def test_approvals_that_would_have_to_be_looked_at_again_are_named(reviewer: User) -> None:
    scene.approved("waiting")
    said = text_of(window(reviewer).post(CHANGE, form(**MEDIUM)))
    assert "have one approval looked at again" in said
    assert "rolf" in said
    assert "The policy of production has become stricter: Medium findings block now." in said
    assert Approval.objects.get().review_since is None


def test_looser_rules_let_in_what_is_refused_today(reviewer: User) -> None:
    scene.approved("waiting", scene.ZLIB)
    scene.policy(blocks=["Critical", "High", "Medium"])
    said = text_of(window(reviewer).post(CHANGE, form(blocks="High")))
    assert "Version 2 would let in one digest that is approved." in said
    assert "Findings that block Critical, High and Medium Critical and High looser" in said
    assert "Would be let inrefused today" in said
    assert "CVE-2026-3000 in zlib 1.0 (Medium)" in said


def test_rules_that_change_no_answer_say_so(reviewer: User) -> None:
    scene.runs("chatbot")
    said = text_of(window(reviewer).post(CHANGE, form(no_worse=True)))
    assert "Version 1 would change the answer for nothing that runs or may run." in said
    assert "The gate was asked by both policies about one service that runs" in said


def test_the_same_rules_are_nothing_to_save(reviewer: User) -> None:
    answer = window(reviewer).post(CHANGE, form())
    assert "These are the rules that are in force. There is nothing to save." in text_of(answer)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"approvals": "0"}, "A whole number of approvals from 1 to 9."),
        ({"approvals": "x\x00"}, "A whole number of approvals from 1 to 9."),
        ({"report_image": "400"}, "A whole number of days from 1 to 366."),
        ({"report_image": ""}, "production needs an image scan or a dependency scan at least"),
        ({"blocks": "Terrible"}, "Choose one of these."),
        ({"seen": ""}, "Open the form again."),
    ],
)
def test_a_value_that_cannot_be_is_refused_at_its_field(changes: dict[str, str], words: str, reviewer: User) -> None:
    answer = window(reviewer).post(CHANGE, form(**changes))
    assert answer.status_code == 400
    assert words in text_of(answer)
    assert not GatePolicy.objects.exists()


def test_the_preview_takes_as_many_queries_with_many_digests_as_with_one(reviewer: User) -> None:
    client = window(reviewer)
    scene.runs("first", scene.ZLIB)
    scene.approved("a", scene.ZLIB)
    few = _posting(client, form(**MEDIUM))
    for number in range(5):
        scene.runs(f"service-{number}", scene.ZLIB)
        scene.approved(f"b-{number}", scene.ZLIB)
    assert _posting(client, form(**MEDIUM)) == few


def _posting(client: Any, sent: dict[str, Any]) -> int:
    with CaptureQueriesContext(connection) as captured:
        assert client.post(CHANGE, sent).status_code == 200
    return len(captured)


# Saving


def test_saving_makes_a_new_version_with_its_reason_on_record(reviewer: User) -> None:
    answer = window(reviewer).post(CHANGE, form("save", approvals=2, reason="Two pairs of eyes."), follow=True)
    assert "Saved as version 1 of the policy of production. It is in force from now on." in text_of(answer)
    held = policies.in_force()
    assert (held.version, held.by, held.reason) == (1, "sara", "Two pairs of eyes.")
    assert held.policy is not None
    assert held.policy.approvals == 2
    event = AuditEvent.objects.get(action="policy.set")
    assert (event.actor, event.reason) == ("sara", "Two pairs of eyes.")


def test_every_rule_of_the_form_is_saved(reviewer: User) -> None:
    everything = Policy.from_data(
        {
            "blocks": ["Critical", "High", "Medium"], "unfixed_block": False, "claims_count": True,
            "reports": {"image": 10, "dependencies": 11, "sast": 12, "sbom": 13}, "approvals": 3, "comment_required": True,
            "minimum_age_hours": 24, "no_worse": True, "exception_days": {"Critical": 7, "High": 14, "Medium": 30, "Low": 60},
            "trusts_git": True,
        }
    )  # fmt: skip
    window(reviewer).post(CHANGE, form("save", **as_typed(everything, 0), reason="All at once."))
    assert policies.in_force().policy == everything


def test_without_a_reason_nothing_is_saved_and_the_preview_stays(reviewer: User) -> None:
    answer = window(reviewer).post(CHANGE, form("save", approvals=2, reason=" "))
    assert answer.status_code == 400
    assert "The reason is blank." in text_of(answer)
    assert "Approvals 1 2 stricter" in text_of(answer)
    assert not GatePolicy.objects.exists()


def test_who_saves_after_somebody_else_is_told_and_sees_the_difference_to_that(reviewer: User) -> None:
    mine = form("save", approvals=2, reason="Mine.")
    scene.policy(comment_required=True, reason="Theirs.")
    answer = window(reviewer).post(CHANGE, mine)
    assert answer.status_code == 409
    said = text_of(answer)
    assert "sara saved version 1 of the policy of production since you opened it." in said
    assert last_refusal().changes["correlation"] in said
    assert "against version 1" in said
    assert "Comment of an approval required may be empty looser" in said
    assert GatePolicy.objects.count() == 1
    again = re.search(r'name="seen" value="(\d+)"', answer.content.decode())
    assert again
    assert window(reviewer).post(CHANGE, mine | {"seen": again[1]}).status_code == 302
    assert policies.in_force().version == 2


def test_who_looks_after_somebody_else_has_saved_is_told_before_saving(reviewer: User) -> None:
    mine = form(approvals=2)
    scene.policy(comment_required=True)
    said = text_of(window(reviewer).post(CHANGE, mine))
    assert "sara saved version 1 since you opened the form. What is shown here is measured against that one." in said


def test_saving_what_is_in_force_already_changes_nothing_and_says_so(reviewer: User) -> None:
    scene.policy(approvals=2)
    answer = window(reviewer).post(CHANGE, form("save", reason="Again."))
    assert answer.status_code == 409
    assert "The policy of production is like this already. Nothing was changed." in text_of(answer)


def test_a_change_of_mind_brings_the_form_back_as_it_was(reviewer: User) -> None:
    shown = window(reviewer).post(CHANGE, form("again", approvals=4)).content.decode()
    assert re.search(r'name="approvals" value="4"', shown)
    assert "How it would read" in shown


@pytest.mark.parametrize("role", ["Viewer", "Operator", "Release manager", "Auditor", "Administrator"])
def test_nobody_else_may_change_it(role: str) -> None:
    somebody = person(role)
    assert window(somebody).get(CHANGE).status_code == 403
    answer = window(somebody).post(CHANGE, form("save", approvals=2, reason="I want to."))
    assert answer.status_code == 403
    assert "Setting the gate policy takes the role security reviewer." in text_of(answer)
    assert not GatePolicy.objects.exists()


def test_what_people_wrote_is_shown_as_text() -> None:
    scene.policy(approvals=2, reason="<script>alert(1)</script>")
    assert "<script>alert(1)" not in window(person("Viewer")).get("/policy/").content.decode()
