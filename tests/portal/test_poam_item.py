from typing import Any

import pytest
from django.contrib.auth.models import User

from deploy_records import poam
from deploy_records.models import AuditEvent, PoamGrant, PoamItem
from deploy_records.rules.terms import Milestone
from tests import factories
from tests.factories import person
from tests.portal import exceptions as make
from tests.portal.looking import last_refusal, queries, text_of, window

pytestmark = pytest.mark.django_db


def page(item: PoamItem, deed: str = "") -> str:
    return f"/poam/{item.number}/{deed}"


def said(item: PoamItem, of: User) -> str:
    return text_of(window(of).get(page(item)))


def sent(item: PoamItem, words: str = "", **more: str) -> dict[str, str]:
    """The form of a page that was looked at just now."""
    return {"words": words, "seen": str(make.now(item).version), **more}


# What the page says


@pytest.mark.parametrize(
    ("made", "says"),
    [
        ("drafted", "A draft. It excuses nothing yet. It is complete and can be requested."),
        ("requested", "Requested by olga, waits for a security reviewer."),
        ("approved", "10 days left. It excuses CVE-2026-1000 in starlette 0.46.2, High at most."),
        ("expired", "Expired 3 days ago. The gate refuses what relies on it."),
        ("rejected", "Rejected by sara. “A fix is out.” It excuses nothing."),
        ("mitigated", "Mitigated by olga. “Upgraded everywhere.” It excuses nothing."),
        ("closed", "Closed by olga. “Nothing runs with it.” It excuses nothing."),
    ],
)
def test_one_sentence_says_what_it_is_worth_now(made: str, says: str) -> None:
    assert says in said(getattr(make, made)(), person("Viewer"))


def test_a_draft_says_what_it_lacks() -> None:
    item = make.drafted(component="", owner="")
    page_text = said(item, make.olga())
    assert "It lacks the component and the owner." in page_text
    assert "POAM-1 is not complete: say the component and the owner first." in page_text


def test_everything_it_says_is_on_the_page() -> None:
    good = factories.entry("good")
    factories.service("chatbot", runs=good)
    item = make.approved(
        repository=good.repository, digest=good.digest, service="chatbot", compensating_controls="A filter in front.",
        vendor_dependency="encode", milestones=(Milestone("Upgrade staging", make.day(2).date()),),
    )  # fmt: skip
    poam.comment(item, make.sara(), "Looked at the call graph.")
    text = said(item, person("Viewer"))
    for words in (
        "CVE-2026-1000", "pkg:pypi/starlette@0.46.2", good.repository, "only as the service chatbot", "chatbot on prod-1",
        "The function is not called.", "A filter in front.", "Take 0.49.1.", "encode", "Upgrade staging", "0 of 1 done",
        "Looked at the call graph.", "Said yes", "olga had asked", "Exception approved by sara", "Exception drafted by olga",
    ):  # fmt: skip
        assert words in text, words


def test_all_approvals_stay_and_the_last_one_counts() -> None:
    item = make.approved()
    poam.ask_to_extend(item, make.olga(), make.day(20), "The fix is late.")
    text = said(item, make.sara())
    assert "A later end is asked for" in text
    assert "by olga: “The fix is late.”" in text
    poam.approve_extension(item, make.sara(), "One more time.")
    text = said(item, make.sara())
    assert text.count("Said yes") == 2
    assert text.count("It no longer holds.") == 1


def test_what_people_wrote_is_shown_as_text() -> None:
    item = make.drafted(justification="<script>alert(1)</script>", owner="<b>x</b>")
    poam.comment(item, make.olga(), "<script>alert(2)</script>")
    body = window(make.olga()).get(page(item)).content.decode()
    assert "<script>alert" not in body
    assert "<b>x</b>" not in body


def test_one_that_is_not_there_is_not_found() -> None:
    client = window(make.olga())
    assert client.get("/poam/999/").status_code == 404
    assert client.post("/poam/999999999999999999999/close/").status_code == 404


def test_it_takes_as_many_queries_with_much_as_with_little() -> None:
    item = make.approved(milestones=(Milestone("One", make.day(2).date()),))
    poam.comment(item, make.olga(), "First.")
    client = window(make.sara())
    client.get(page(item))
    few = queries(client, page(item))
    for number in range(20):
        poam.comment(item, make.olga(), f"Comment {number}")
        poam.add_milestone(item, f"Step {number}", make.day(3).date(), make.olga())
    assert queries(client, page(item)) == few
    assert few <= 40


# Who may do what


@pytest.mark.parametrize(
    ("role", "offered"),
    [
        ("Viewer", set()),
        ("Auditor", set()),
        ("Administrator", set()),
        ("Operator", {"take-back", "mitigate", "close"}),
        ("Release manager", {"take-back", "mitigate", "close"}),
        ("Security reviewer", {"approve", "reject", "take-back", "mitigate", "close"}),
    ],
)
def test_only_what_the_role_allows_is_offered(role: str, offered: set[str]) -> None:
    item = make.requested()
    body = window(person(role)).get(page(item)).content.decode()
    deeds = {"approve", "reject", "request", "take-back", "extend", "mitigate", "close", "extend/approve", "extend/reject"}
    assert {deed for deed in deeds if f'href="{page(item, deed)}/"' in body} == offered


def test_who_asked_sees_why_they_cannot_approve_and_who_could() -> None:
    reviewer = person("Security reviewer", name="sven")
    item = poam.request(poam.draft(make.terms(), reviewer), reviewer)
    make.sara()
    answer = window(reviewer).get(page(item))
    assert "You wrote or requested POAM-1, so somebody else has to decide." in text_of(answer)
    assert "sara could." in text_of(answer)
    assert 'aria-disabled="true" aria-describedby="why-approve">Approve' in answer.content.decode()
    assert "poam-approve-dialog" not in answer.content.decode()


def test_who_lacks_the_role_reads_which_one_it_takes() -> None:
    text = said(make.requested(), person("Viewer"))
    assert "ApproveTakes the role security reviewer." in text


def test_the_one_who_asked_cannot_approve_by_sending_the_form_either() -> None:
    reviewer = person("Security reviewer", name="sven")
    item = poam.request(poam.draft(make.terms(), reviewer), reviewer)
    answer = window(reviewer).post(page(item, "approve/"), sent(item))
    assert answer.status_code == 403
    assert make.now(item).state == "requested"
    assert last_refusal().actor == "sven"


# Deeds


def act(of: User, item: PoamItem, deed: str, words: str = "", **more: str) -> Any:
    return window(of).post(page(item, f"{deed}/"), sent(item, words, **more))


@pytest.mark.parametrize(
    ("made", "deed", "by", "words", "more", "state"),
    [
        ("drafted", "request", "olga", "", {}, "requested"),
        ("requested", "take-back", "olga", "", {}, "draft"),
        ("requested", "approve", "sara", "", {}, "approved"),
        ("requested", "reject", "sara", "A fix is out.", {}, "rejected"),
        ("approved", "mitigate", "olga", "Upgraded.", {}, "mitigated"),
        ("expired", "mitigate", "olga", "Upgraded.", {}, "mitigated"),
        ("drafted", "close", "olga", "Not needed.", {"typed": "POAM-1"}, "closed"),
        ("approved", "close", "olga", "Not needed.", {"typed": " poam-1 "}, "closed"),
        ("mitigated", "close", "olga", "Done.", {"typed": "POAM-1"}, "closed"),
    ],
)
def test_each_deed_is_asked_and_done_and_told(
    made: str, deed: str, by: str, words: str, more: dict[str, str], state: str
) -> None:
    item, who = getattr(make, made)(), getattr(make, by)()
    assert window(who).get(page(item, f"{deed}/")).status_code == 200
    answer = act(who, item, deed, words, **more)
    assert answer.status_code == 302, text_of(answer)
    assert make.now(item).state == state
    assert "POAM-1" in said(item, who)
    assert AuditEvent.objects.latest("sequence").actor == by


@pytest.mark.parametrize(
    ("made", "deed", "by"), [("requested", "reject", "sara"), ("approved", "mitigate", "olga"), ("approved", "extend", "olga")]
)
def test_without_a_reason_nothing_is_done_and_the_field_says_so(made: str, deed: str, by: str) -> None:
    item = getattr(make, made)()
    answer = act(getattr(make, by)(), item, deed, "  \n", until=make.day(20).date().isoformat())
    assert answer.status_code == 400
    assert "Say in a few words why" in text_of(answer)
    assert make.now(item).version == item.version


def test_words_that_cannot_be_seen_are_refused_at_the_field() -> None:
    item = make.approved()
    answer = act(make.olga(), item, "mitigate", "fixed \u202e")
    assert answer.status_code == 400
    assert "a character that cannot be seen" in text_of(answer)
    assert make.now(item).state == "approved"


@pytest.mark.parametrize("typed", ["", "POAM-2", "close"])
def test_closing_takes_the_name(typed: str) -> None:
    item = make.approved()
    assert act(make.olga(), item, "close", "Not needed.", typed=typed).status_code == 400
    assert make.now(item).state == "approved"


def test_a_later_end_is_asked_for_by_one_and_approved_by_another() -> None:
    item = make.approved()
    until = make.day(25)
    assert act(make.olga(), item, "extend", "The fix is late.", until=until.date().isoformat()).status_code == 302
    assert make.now(item).extend_to == until
    assert act(make.sara(), item, "extend/approve", "One more time.").status_code == 302
    assert (make.now(item).expires_at, make.now(item).extend_to) == (until, None)
    assert PoamGrant.objects.filter(item=item).count() == 2


def test_a_later_end_can_be_refused_and_the_end_stays() -> None:
    item = make.approved()
    poam.ask_to_extend(item, make.olga(), make.day(20), "The fix is late.")
    assert act(make.sara(), item, "extend/reject", "Take the fix.").status_code == 302
    assert (make.now(item).expires_at, make.now(item).extend_to) == (item.expires_at, None)


@pytest.mark.parametrize(
    ("until", "says"),
    [
        ("soon", "is not a date"),
        ("2026-02-30", "There is no 30 February 2026."),
        ("9999-12-31", "is not between"),
        ("", "Say until when"),
    ],
)
def test_an_end_that_is_none_is_said_at_the_field(until: str, says: str) -> None:
    item = make.approved()
    answer = act(make.olga(), item, "extend", "The fix is late.", until=until)
    assert answer.status_code == 400
    assert says in text_of(answer)


def test_an_end_beyond_the_maximum_is_refused_in_words() -> None:
    item = make.approved()
    answer = act(make.olga(), item, "extend", "The fix is late.", until=make.day(45).date().isoformat())
    assert answer.status_code == 409
    assert "the policy allows 30 days" in text_of(answer)
    assert "The fix is late." in text_of(answer)
    assert make.now(item).extend_to is None


def test_a_form_that_is_behind_is_refused_and_keeps_what_was_written() -> None:
    item = make.requested()
    behind = sent(item, "Looks good to me")
    poam.add_milestone(item, "Upgrade staging", make.day(3).date(), make.olga())
    answer = window(make.sara()).post(page(item, "approve/"), behind)
    assert answer.status_code == 409
    assert "POAM-1 was changed since you looked at it. Look again." in text_of(answer)
    assert "Looks good to me" in text_of(answer)
    assert make.now(item).state == "requested"


@pytest.mark.parametrize("seen", ["", "0", "x", "99999999999999"])
def test_a_version_that_is_none_is_behind(seen: str) -> None:
    item = make.requested()
    answer = window(make.sara()).post(page(item, "approve/"), {"words": "", "seen": seen})
    assert answer.status_code == 409
    assert make.now(item).state == "requested"


def test_a_second_press_of_the_same_button_approves_once() -> None:
    item = make.requested()
    form = sent(item)
    client = window(make.sara())
    assert client.post(page(item, "approve/"), form).status_code == 302
    assert client.post(page(item, "approve/"), form).status_code == 302
    assert PoamGrant.objects.filter(item=item).count() == 1
    assert "nothing was added" in text_of(client.get(page(item)))


def test_a_deed_for_another_state_says_so_already_when_it_is_asked() -> None:
    item = make.closed()
    for deed in ("approve", "mitigate", "close", "extend", "request"):
        who = make.sara() if deed == "approve" else make.olga()
        assert "POAM-1 is closed" in text_of(window(who).get(page(item, f"{deed}/")))
    assert act(make.olga(), item, "close", "Again.", typed="POAM-1").status_code == 409


# Milestones and comments


def test_a_milestone_is_added_marked_and_unmarked() -> None:
    item, client = make.approved(), window(make.olga())
    form = {"title": "Upgrade staging", "due": make.day(3).date().isoformat(), "seen": str(item.version)}
    assert client.post(page(item, "milestones/"), form).status_code == 302
    row = item.milestones.get()
    assert client.post(page(item, f"milestones/{row.pk}/done/")).status_code == 302
    row.refresh_from_db()
    assert row.done_at is not None
    assert "1 of 1 done" in said(item, make.olga())
    assert client.post(page(item, f"milestones/{row.pk}/done/")).status_code == 409
    assert client.post(page(item, f"milestones/{row.pk}/open/")).status_code == 302
    row.refresh_from_db()
    assert row.done_at is None


def test_a_milestone_that_cannot_be_read_is_said_at_its_field() -> None:
    item, client = make.approved(), window(make.olga())
    for form, says in (
        ({"title": "", "due": "2026-12-01"}, "Say what will be done by then."),
        ({"title": "x", "due": "soon"}, "is not a date"),
        ({"title": "x\u202e", "due": "2026-12-01"}, "a character that cannot be seen"),
    ):
        answer = client.post(page(item, "milestones/"), {**form, "seen": str(item.version)})
        assert answer.status_code == 400
        assert says in text_of(answer)
    assert not item.milestones.exists()


def test_a_milestone_of_another_exception_is_not_found() -> None:
    first, other = make.approved(milestones=(Milestone("One", make.day(3).date()),)), make.drafted()
    row = first.milestones.get()
    assert window(make.olga()).post(page(other, f"milestones/{row.pk}/done/")).status_code == 404


def test_anybody_who_may_request_may_comment_also_on_what_has_ended() -> None:
    item, client = make.closed(), window(person("Release manager", name="ruth"))
    assert client.post(page(item, "comments/"), {"text": "Well done.\nThanks."}).status_code == 302
    assert "Well done.Thanks." in said(item, make.olga())
    assert client.post(page(item, "comments/"), {"text": " "}).status_code == 400
    assert item.comments.count() == 1


def test_who_may_only_read_cannot_comment() -> None:
    item = make.approved()
    assert window(person("Viewer")).post(page(item, "comments/"), {"text": "x"}).status_code == 403
    assert "Add a milestone" not in said(item, person("Viewer"))


def test_an_event_of_the_trail_leads_back_to_the_exception() -> None:
    item = make.approved()
    event = AuditEvent.objects.filter(action="poam.approved").latest("sequence")
    client = window(person("Auditor"))
    assert f'<a href="/poam/{item.number}/">POAM-1</a>' in client.get(f"/audit/{event.sequence}/").content.decode()
