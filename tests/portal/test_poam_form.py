from typing import Any

import pytest
from django.http import QueryDict
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from deploy_records import poam
from deploy_records.models import PoamItem
from deploy_records.rules.terms import Milestone
from portal.pages.poam_explaining import explained
from tests import factories
from tests.factories import person
from tests.portal import exceptions as make
from tests.portal.looking import queries, text_of, window

pytestmark = pytest.mark.django_db


def typed(**changes: str) -> dict[str, str]:
    usual = {
        "vulnerabilities": "CVE-2026-1000", "component": "pkg:pypi/starlette@0.46.2", "severity": "High", "repository": "",
        "digest": "", "service": "", "expires": make.day(10).date().isoformat(), "owner": "olga",
        "justification": "The function is not called.", "compensating_controls": "", "remediation_plan": "Take 0.49.1.",
        "vendor_dependency": "", "milestones": "", "draft": "1",
    }  # fmt: skip
    return usual | changes


def send(**changes: str) -> Any:
    return window(make.olga()).post("/poam/new/", typed(**changes))


def send_and_ask(**changes: str) -> Any:
    """By the other button."""
    form = typed(**changes)
    form["request"] = form.pop("draft")
    return window(make.olga()).post("/poam/new/", form)


def test_a_draft_is_kept_and_excuses_nothing_yet() -> None:
    client = window(make.olga())
    answer = client.post("/poam/new/", typed())
    assert (answer.status_code, answer.headers["Location"]) == (302, "/poam/1/")
    item = PoamItem.objects.get()
    assert (item.state, item.vulnerabilities, item.expires_at) == ("draft", ["CVE-2026-1000"], make.day(10))
    assert "It is a draft, and excuses nothing until it is approved." in text_of(client.get("/poam/1/"))


def test_all_of_it_comes_back_into_the_form() -> None:
    good = factories.entry("good")
    tomorrow = make.day(1).date().isoformat()
    send(
        vulnerabilities="CVE-2026-1000,\n ghsa-aaaa-bbbb-cccc ", repository=good.repository, digest=good.digest,
        service="chatbot", compensating_controls="A filter.", vendor_dependency="encode", severity="Low",
        milestones=f"{tomorrow} Upgrade staging\n\n",
    )  # fmt: skip
    item = PoamItem.objects.get()
    assert item.vulnerabilities == ["CVE-2026-1000", "ghsa-aaaa-bbbb-cccc"]
    body = window(make.olga()).get("/poam/1/edit/").content.decode()
    for words in (
        "CVE-2026-1000\nghsa-aaaa-bbbb-cccc", good.repository, good.digest, 'value="chatbot"', "A filter.", "encode",
        f"{tomorrow} Upgrade staging", '<option value="Low" selected>',
    ):  # fmt: skip
        assert words in body, words


def test_saving_and_asking_is_one_deed() -> None:
    assert send_and_ask().status_code == 302
    assert PoamItem.objects.get().state == "requested"


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("vulnerabilities", "CVE-26-1", "is not a CVE id"),
        ("vulnerabilities", "CVE-2026-1000\ncve-2026-1000", "names a vulnerability twice"),
        ("vulnerabilities", "\n".join(f"CVE-2026-{n}" for n in range(1000, 1101)), "at most 100"),
        ("component", "pkg:nothing", "is not a package URL"),
        ("component", "*", "fits almost every image"),
        ("component", "pkg:pypi/a*", "which a package URL does not know"),
        ("severity", "Awful", "One of Critical, High, Medium and Low can be excused."),
        ("repository", "no spaces here", "no spaces here"),
        ("digest", "sha256:12", "sha256"),
        ("service", "../etc", "is not the name of a service"),
        ("expires", "", "Say on which day it ends"),
        ("expires", "tomorrow", "is not a date"),
        ("expires", "2026-02-30", "There is no 30 February 2026."),
        ("expires", "2001-01-01", "That is past."),
        ("expires", "0001-01-01", "is not between"),
        ("expires", "2030-01-01T12:00", "names no zone"),
        ("owner", "x\u202e", "a character that cannot be seen"),
        ("justification", "x" * 2001, "at most 2,000 are kept"),
        ("justification", "x\x00", "Null characters"),
        ("compensating_controls", "x\u200b", "a character that cannot be seen"),
        ("vendor_dependency", "x" * 501, "at most 500 are kept"),
        ("milestones", "Upgrade staging", "is not a date"),
        ("milestones", "2026-12-01", "blank"),
        ("milestones", "2026-12-01T00:00:00Z x", "a day is wanted"),
    ],
)
def test_what_is_wrong_is_said_at_its_field_and_nothing_is_kept(field: str, value: str, says: str) -> None:
    answer = send(**{field: value})
    assert answer.status_code == 400
    assert says in text_of(answer)
    assert f'id="id_{field}_error"' in answer.content.decode()
    assert not PoamItem.objects.exists()


@pytest.mark.parametrize("field", ["vulnerabilities", "component", "justification", "owner"])
def test_a_draft_may_lack_what_a_request_may_not(field: str) -> None:
    answer = send_and_ask(**{field: ""})
    assert answer.status_code == 400
    assert "before you ask for an approval. A draft may go without." in text_of(answer)
    assert not PoamItem.objects.exists()
    assert send(**{field: ""}).status_code == 302


def test_an_end_beyond_the_maximum_is_refused_at_the_field_when_it_is_asked_for() -> None:
    late = make.day(40).date().isoformat()
    answer = send_and_ask(expires=late)
    assert answer.status_code == 400
    assert "the policy allows 30 days" in text_of(answer)
    assert not PoamItem.objects.exists()
    assert send_and_ask(expires=late, severity="Medium").status_code == 302


def test_a_link_from_a_finding_fills_the_form() -> None:
    good = factories.entry("good")
    query = f"vulnerability=CVE-2026-1&vulnerability=GHSA-x&component=pkg:pypi/a@1&severity=CRITICAL&digest={good.digest}"
    body = window(make.olga()).get(f"/poam/new/?{query}").content.decode()
    assert "CVE-2026-1\nGHSA-x" in body
    assert 'value="pkg:pypi/a@1"' in body
    assert '<option value="Critical" selected>' in body
    assert f'value="{good.repository}"' in body
    assert f'value="{good.digest}"' in body
    assert 'value="olga"' in body
    assert make.day(30).date().isoformat() in body


def test_whatever_a_link_brings_is_text() -> None:
    answer = window(make.olga()).get("/poam/new/?component=%22%3E%3Cscript%3E&severity=%00&digest=x&vulnerability=%e2%80%ae")
    assert answer.status_code == 200
    assert "<script>" not in answer.content.decode().split("</head>")[1]


def test_what_was_requested_is_a_draft_again_once_it_is_changed() -> None:
    item = make.requested()
    client = window(make.olga())
    assert "has to be requested anew" in text_of(client.get("/poam/1/edit/"))
    answer = client.post("/poam/1/edit/", typed(justification="Another reason.", seen=str(item.version)))
    assert answer.status_code == 302
    assert (make.now(item).state, make.now(item).justification) == ("draft", "Another reason.")


def test_a_form_that_is_behind_is_refused_and_keeps_what_was_written() -> None:
    item = make.drafted()
    poam.revise(item, make.terms(owner="data team"), make.olga())
    answer = window(make.olga()).post("/poam/1/edit/", typed(justification="My words", seen=str(item.version)))
    assert answer.status_code == 409
    assert "POAM-1 was changed since you looked at it." in text_of(answer)
    assert "My words" in text_of(answer)
    assert make.now(item).owner == "data team"


def test_what_is_approved_cannot_be_changed_any_more() -> None:
    item = make.approved()
    client = window(make.olga())
    assert "its text stays as it was decided on" in text_of(client.get("/poam/1/edit/"))
    assert client.post("/poam/1/edit/", typed(owner="x", seen=str(item.version))).status_code == 409
    assert make.now(item).owner == "olga"


def test_the_mark_on_a_milestone_outlives_a_change_of_the_text() -> None:
    item = make.drafted(milestones=(Milestone("Upgrade staging", make.day(3).date()),))
    poam.complete(item.milestones.get(), make.olga())
    line = f"{make.day(3).date().isoformat()} Upgrade staging\n{make.day(4).date().isoformat()} Upgrade production"
    window(make.olga()).post("/poam/1/edit/", typed(milestones=line, seen=str(make.now(item).version)))
    assert [(one.title, one.done_at is not None) for one in item.milestones.all()] == [
        ("Upgrade staging", True),
        ("Upgrade production", False),
    ]


def test_the_form_takes_as_many_queries_with_many_as_with_few() -> None:
    client = window(make.olga())
    make.drafted()
    client.get("/poam/new/")
    few = queries(client, "/poam/new/")
    for number in range(10):
        make.drafted(owner=f"team {number}")
        factories.entry(number)
    assert queries(client, "/poam/new/") == few


def test_who_may_only_read_cannot_write() -> None:
    assert window(person("Viewer")).get("/poam/new/").status_code == 403
    assert window(person("Auditor")).post("/poam/new/", typed()).status_code == 403


# What it would excuse


def words(**changes: str) -> str:
    return " ".join(f"{line.word}: {line.text}" for line in explained(typed(**changes)))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({}, "The Python package starlette, version 0.46.2 alone."),
        ({"component": "pkg:npm/%40acme/ui"}, "The npm package @acme/ui in every version, later ones too."),
        ({"component": "pkg:deb/debian/libc6@2.36?arch=amd64"}, "Only where the scanner says arch amd64."),
        ({"component": "registry.test/acme/*"}, "It fits one repository of the ledger."),
        ({"component": "ghcr.io/nobody/x"}, "It fits no repository of the ledger"),
        ({"component": ""}, "Without one it excuses nothing."),
        ({"component": "*"}, "fits almost every image"),
        ({"vulnerabilities": ""}, "No vulnerability is named yet."),
        ({"vulnerabilities": "CVE-1"}, "is not a CVE id"),
        ({"vulnerabilities": "CVE-2026-1000\nGHSA-aaaa"}, "It excuses two vulnerabilities"),
        ({}, "Everywhere: in every image and every service."),
        ({"repository": "registry.test/nobody"}, "The ledger knows no such image."),
        ({"service": "chatbot"}, "Only as the service chatbot."),
        ({"digest": "sha256:1"}, "sha256"),
        ({}, "30 days at most for High"),
        ({"severity": "Low"}, "366 days at most for Low"),
        ({"expires": "2001-01-01"}, "That is past."),
        ({"expires": "2090-01-01"}, "That is too late: 30 days at most for High"),
        ({"expires": "soon"}, "is not a date"),
        ({"expires": ""}, "No end is named yet."),
    ],
)
def test_each_part_is_said_in_words(changes: dict[str, str], says: str) -> None:
    factories.entry("good")
    assert says in words(**changes)


def test_what_is_excused_already_is_named() -> None:
    make.approved()
    assert "POAM-1 is approved for CVE-2026-1000 in the same component." in words(vulnerabilities="cve-2026-1000")
    assert "POAM-1" not in words(vulnerabilities="CVE-2026-2000")


def test_the_explanation_is_asked_for_while_one_types() -> None:
    answer = window(make.olga()).get("/poam/explain/?component=%3Cb%3Epkg:pypi/a")
    assert answer.status_code == 200
    assert "<html" not in answer.content.decode()
    assert "<b>pkg" not in answer.content.decode()


class TestAnything(TestCase):
    @given(st.dictionaries(st.sampled_from(list(typed())), st.text(max_size=300)))
    def test_whatever_is_typed_is_explained(self, given_fields: dict[str, str]) -> None:
        query = QueryDict(mutable=True)
        query.update(given_fields)
        assert explained(query)
