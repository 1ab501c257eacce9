import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from deploy_records import ledger
from deploy_records.models import Approval, AuditEvent, GatePolicy, ImageDigest, LedgerState
from portal.pages import deeds
from tests import factories
from tests.factories import person
from tests.portal.looking import last_refusal, queries, text_of, window

pytestmark = pytest.mark.django_db

BIDI = "\u202e"


@pytest.fixture
def operator() -> User:
    return person("Operator", name="olga")


@pytest.fixture
def manager() -> User:
    return person("Release manager", name="ruth")


@pytest.fixture
def candidate(operator: User) -> ImageDigest:
    return factories.entry("candidate", LedgerState.CANDIDATE, registered_by=operator)


@pytest.fixture
def approved(candidate: ImageDigest, manager: User) -> ImageDigest:
    ledger.approve(candidate, manager)
    return now(candidate)


def now(entry: ImageDigest) -> ImageDigest:
    return ImageDigest.objects.get(pk=entry.pk)


def sent(entry: ImageDigest, words: str = "") -> dict[str, str]:
    """The form of a page that was looked at just now."""
    return {"words": words, "seen": deeds.stamp(now(entry))}


def page(entry: ImageDigest, deed: str = "") -> str:
    return f"/ledger/{entry.pk}/{deed}"


# What the page says


def test_a_candidate_may_not_run_and_the_page_says_who_could_clear_that(candidate: ImageDigest, manager: User) -> None:
    said = text_of(window(manager).get(page(candidate)))
    assert "May not run. No approval is in force." in said
    assert "You may approve it." in said
    assert "Any release manager who neither registered it nor offered it again: ruth. You could." in said


def test_the_one_who_registered_it_sees_why_they_cannot_approve(manager: User) -> None:
    own = factories.entry("own", LedgerState.CANDIDATE, registered_by=manager)
    answer = window(manager).get(page(own))
    assert "You registered this digest, so somebody else has to approve it." in text_of(answer)
    assert "Not you." in text_of(answer)
    assert 'aria-disabled="true" aria-describedby="why-not">Approve' in answer.content.decode()
    assert "digest-approve-dialog" not in answer.content.decode()


def test_what_runs_with_approval_is_said_with_its_proofs(approved: ImageDigest, manager: User) -> None:
    factories.service("chatbot", runs=approved)
    said = text_of(window(manager).get(page(approved)))
    assert "May run. It is approved, approved by ruth, and runs as chatbot on prod-1." in said
    assert "1 of 1" in said


def test_what_runs_although_it_may_not_is_said_loudly(candidate: ImageDigest, manager: User) -> None:
    factories.service("chatbot", runs=candidate)
    said = text_of(window(manager).get(page(candidate)))
    assert "May not run. No approval is in force. Yet it runs as chatbot on prod-1." in said


def test_an_approval_of_somebody_who_lost_the_role_is_shown_with_its_flaw(approved: ImageDigest, manager: User) -> None:
    manager.groups.clear()
    said = text_of(window(person("Viewer")).get(page(approved)))
    assert "It does not count: they no longer hold a role that may approve." in said
    assert "May not run." in said


def test_an_ended_approval_stays_with_since_when_and_why(approved: ImageDigest, manager: User) -> None:
    ledger.deprecate(approved, manager, "Loses uploads")
    said = text_of(window(manager).get(page(approved)))
    assert "Void since" in said
    assert "The digest was deprecated." in said
    assert "May not run. It is deprecated: Loses uploads." in said


def test_the_history_tells_what_was_done_and_why(approved: ImageDigest, manager: User) -> None:
    ledger.revoke(approved, manager, "CVE-2025-9230 is exploited")
    said = text_of(window(manager).get(page(approved)))
    assert "Revoked by ruth. “CVE-2025-9230 is exploited”" in said
    assert "Approved by ruth." in said


def test_what_people_wrote_is_shown_as_text(candidate: ImageDigest, manager: User) -> None:
    ledger.approve(candidate, manager, "<script>alert(1)</script>")
    assert "<script>alert(1)" not in window(manager).get(page(candidate)).content.decode()


@pytest.mark.parametrize(
    ("role", "offered"),
    [
        ("Viewer", set()),
        ("Operator", set()),
        ("Auditor", set()),
        ("Administrator", set()),
        ("Security reviewer", {"revoke"}),
        ("Release manager", {"approve", "deprecate", "revoke"}),
    ],
)
def test_only_what_the_role_allows_is_offered(role: str, offered: set[str], candidate: ImageDigest) -> None:
    shown = window(person(role)).get(page(candidate)).content.decode()
    every = {"approve", "withdraw", "deprecate", "offer-again", "revoke"}
    assert {deed for deed in every if f"/ledger/{candidate.pk}/{deed}/" in shown} == offered


def test_the_page_takes_as_many_queries_with_a_long_history_as_with_a_short_one(candidate: ImageDigest, manager: User) -> None:
    client = window(manager)
    factories.service("one", runs=candidate)
    factories.approval(candidate)
    few = queries(client, page(candidate))
    for number in range(15):
        factories.service(f"more-{number}", runs=candidate, added_by=manager)
        ledger.note_failure(candidate, f"failure {number}")
        factories.approval(candidate)
    assert queries(client, page(candidate)) == few
    assert few <= 38


def test_a_digest_that_is_not_there_is_not_found(manager: User) -> None:
    assert window(manager).get("/ledger/4711/").status_code == 404


# Approving


def test_approving_makes_it_runnable_and_keeps_the_comment(candidate: ImageDigest, manager: User) -> None:
    answer = window(manager).post(page(candidate, "approve/"), sent(candidate, "Smoke tests passed"), follow=True)
    assert "Approved. It is approved now and may run." in text_of(answer)
    assert now(candidate).state == LedgerState.APPROVED
    assert Approval.objects.get().comment == "Smoke tests passed"
    assert AuditEvent.objects.get(action="approval.given").address == "127.0.0.1"


def test_a_double_click_gives_one_approval(candidate: ImageDigest, manager: User) -> None:
    form, client = sent(candidate), window(manager)
    first = client.post(page(candidate, "approve/"), form)
    second = client.post(page(candidate, "approve/"), form, follow=True)
    assert first.status_code == 302
    assert "You approved this digest at" in text_of(second)
    assert Approval.objects.count() == 1
    assert AuditEvent.objects.filter(action="approval.given").count() == 1


@pytest.mark.parametrize("deed", ["approve", "deprecate", "revoke"])
def test_a_form_from_before_a_change_is_refused_as_stale(deed: str, candidate: ImageDigest, manager: User) -> None:
    form = sent(candidate, "as I saw it")
    ledger.approve(candidate, person("Release manager"))
    answer = window(manager).post(page(candidate, f"{deed}/"), form)
    assert answer.status_code == 409
    assert "it was candidate then and is approved now" in text_of(answer)
    assert "as I saw it" in text_of(answer)
    assert now(candidate).state == LedgerState.APPROVED
    assert Approval.objects.count() == 1
    assert last_refusal().changes["code"] == "stale"


def test_a_failure_since_the_page_was_opened_makes_the_form_stale(candidate: ImageDigest, manager: User) -> None:
    form = sent(candidate)
    ledger.note_failure(candidate, "It never became healthy.")
    answer = window(manager).post(page(candidate, "approve/"), form)
    assert answer.status_code == 409
    assert "a job with it was undone meanwhile" in text_of(answer)


def test_a_request_that_names_no_state_is_refused(candidate: ImageDigest, manager: User) -> None:
    assert window(manager).post(page(candidate, "approve/"), {}).status_code == 409
    assert not Approval.objects.exists()


def test_nobody_approves_what_they_registered(manager: User) -> None:
    own = factories.entry("own", LedgerState.CANDIDATE, registered_by=manager)
    answer = window(manager).post(page(own, "approve/"), sent(own))
    assert answer.status_code == 403
    assert "You registered this digest" in text_of(answer)
    assert not Approval.objects.exists()


def test_a_comment_that_cannot_be_seen_is_refused_beside_the_field(candidate: ImageDigest, manager: User) -> None:
    answer = window(manager).post(page(candidate, "approve/"), sent(candidate, f"fine{BIDI}enif"))
    assert answer.status_code == 400
    assert "U+202E" in text_of(answer)
    assert f"It is recorded as {last_refusal().changes['correlation']}." in text_of(answer)
    assert not Approval.objects.exists()


@pytest.mark.parametrize("role", ["Viewer", "Operator", "Security reviewer", "Auditor", "Administrator"])
def test_a_forged_approval_is_refused_and_on_record(role: str, candidate: ImageDigest) -> None:
    answer = window(person(role, name="mallory")).post(page(candidate, "approve/"), sent(candidate))
    assert answer.status_code == 403
    assert not Approval.objects.exists()
    assert last_refusal().actor == "mallory"
    assert last_refusal().object_name == f"POST /ledger/{candidate.pk}/approve/"


# Taking back, taking out, offering again


def test_one_takes_back_ones_own_approval_with_a_reason(approved: ImageDigest, manager: User) -> None:
    assert f"/ledger/{approved.pk}/withdraw/" in window(manager).get(page(approved)).content.decode()
    answer = window(manager).post(page(approved, "withdraw/"), sent(approved, "Seen it flap"), follow=True)
    assert "Your approval is withdrawn." in text_of(answer)
    assert now(approved).state == LedgerState.CANDIDATE


def test_who_has_no_approval_in_force_has_nothing_to_withdraw(approved: ImageDigest) -> None:
    other = person("Release manager")
    assert f"/ledger/{approved.pk}/withdraw/" not in window(other).get(page(approved)).content.decode()
    answer = window(other).post(page(approved, "withdraw/"), sent(approved, "Not mine"))
    assert answer.status_code == 409
    assert now(approved).state == LedgerState.APPROVED


@pytest.mark.parametrize(("deed", "state"), [("deprecate", LedgerState.DEPRECATED), ("revoke", LedgerState.REVOKED)])
def test_taking_out_says_where_it_still_runs(deed: str, state: str, approved: ImageDigest, manager: User) -> None:
    factories.service("chatbot", runs=approved)
    answer = window(manager).post(page(approved, f"{deed}/"), sent(approved, "Loses uploads"), follow=True)
    assert "It still runs as chatbot on prod-1: nothing there was changed." in text_of(answer)
    assert (now(approved).state, now(approved).note) == (state, "Loses uploads")


@pytest.mark.parametrize("deed", ["withdraw", "deprecate", "revoke"])
@pytest.mark.parametrize("words", ["", "   ", "\u200b"])
def test_without_a_reason_nothing_is_done(deed: str, words: str, approved: ImageDigest, manager: User) -> None:
    answer = window(manager).post(page(approved, f"{deed}/"), sent(approved, words))
    assert answer.status_code == 400
    assert "kg-field-error" in answer.content.decode()
    assert now(approved).state == LedgerState.APPROVED


def test_a_deprecated_digest_is_offered_again_and_a_revoked_one_never(approved: ImageDigest, manager: User) -> None:
    ledger.deprecate(approved, manager, "Loses uploads")
    again = window(manager).post(page(approved, "offer-again/"), sent(approved, "It was the disk"), follow=True)
    assert "It is a candidate again." in text_of(again)
    ledger.revoke(now(approved), manager, "CVE")
    refused = window(manager).post(page(approved, "offer-again/"), sent(approved, "Once more"))
    assert refused.status_code == 409
    assert now(approved).state == LedgerState.REVOKED
    assert "offer-again" not in window(manager).get(page(approved)).content.decode()


@pytest.mark.parametrize("deed", ["approve", "withdraw", "deprecate", "offer-again", "revoke"])
def test_each_deed_has_a_page_that_asks_without_a_script(deed: str, candidate: ImageDigest, manager: User) -> None:
    answer = window(manager).get(page(candidate, f"{deed}/"))
    assert answer.status_code == 200
    assert f'action="/ledger/{candidate.pk}/{deed}/"' in answer.content.decode()
    assert candidate.digest[7:19] in text_of(answer)


@pytest.mark.parametrize("deed", ["withdraw", "deprecate", "offer-again", "revoke"])
def test_a_forged_deed_is_refused_and_on_record(deed: str, approved: ImageDigest) -> None:
    answer = window(person("Operator", name="mallory")).post(page(approved, f"{deed}/"), sent(approved, "because"))
    assert answer.status_code == 403
    assert now(approved).state == LedgerState.APPROVED
    assert last_refusal().actor == "mallory"


class TestAnApprovalThatHasToBeLookedAtAgain:
    @pytest.fixture
    def marked(self, approved: ImageDigest) -> ImageDigest:
        Approval.objects.update(review_since=timezone.now(), review_because="POAM-1, on which it relies, no longer holds")
        return approved

    def test_the_page_says_why_it_does_not_count_and_offers_to_approve_again(self, marked: ImageDigest, manager: User) -> None:
        answer = window(manager).get(page(marked))
        shown = answer.content.decode()
        assert "POAM-1, on which it relies, no longer holds" in text_of(answer)
        assert "Needs re-review" in text_of(answer)
        assert f"/ledger/{marked.pk}/approve/" in shown
        assert f"/ledger/{marked.pk}/withdraw/" in shown

    def test_the_same_person_renews_it_and_the_old_one_stays_visible(self, marked: ImageDigest, manager: User) -> None:
        client = window(manager)
        client.post(f"/ledger/{marked.pk}/approve/", sent(marked, "Looked again."))
        old, new = marked.approvals.order_by("pk")
        assert (old.ended_because, new.ended_at, new.review_since) == ("Renewed.", None, None)
        assert "as POAM-1, on which it relies, no longer holds." in text_of(client.get(page(marked)))

    def test_one_that_stands_is_not_renewed(self, approved: ImageDigest, manager: User) -> None:
        window(manager).post(f"/ledger/{approved.pk}/approve/", sent(approved, "Once more."))
        assert approved.approvals.count() == 1


def test_a_digest_without_a_report_shows_what_is_missing_and_cannot_be_approved(operator: User, manager: User) -> None:
    bare = factories.entry("bare", LedgerState.CANDIDATE, registered_by=operator, scanned=False)
    client = window(manager)
    shown = client.get(page(bare)).content.decode()
    assert "There is no image scan of it." in shown
    assert 'aria-disabled="true"' in shown
    answer = client.post(f"/ledger/{bare.pk}/approve/", sent(bare))
    assert answer.status_code == 409
    assert not bare.approvals.exists()


def test_the_page_can_be_read_also_when_the_policy_cannot(approved: ImageDigest, manager: User) -> None:
    GatePolicy.objects.create(environment="production", version=1, rules={"approvals": 0}, made_by=manager, reason="Damaged.")
    answer = window(manager).get(page(approved))
    assert answer.status_code == 200
    assert "Version 1 of the policy of production cannot be read." in answer.content.decode()
