import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from deploy_records import poam
from deploy_records.models import PoamItem
from deploy_records.rules.terms import Milestone
from deploy_records.scanners.report import Severity
from tests.factories import person
from tests.portal import exceptions as make
from tests.portal.looking import queries, text_of, window

pytestmark = pytest.mark.django_db


@pytest.fixture
def reader() -> User:
    return person("Viewer", name="vera")


def names(page: str) -> list[str]:
    return re.findall(r'class="kg-alone" href="/poam/\d+/">(POAM-\d+)<', page)


@pytest.fixture
def _some(db: None) -> None:
    make.approved(expires_at=make.day(20), owner="data team", service="chatbot")  # 1
    make.approved(expires_at=make.day(4))  # 2
    make.requested(component="pkg:npm/ui", vulnerabilities=("GHSA-aaaa-bbbb-cccc",), severity=Severity.LOW)  # 3
    make.drafted(expires_at=make.day(12))  # 4
    make.closed()  # 5
    make.expired()  # 6
    make.rejected()  # 7
    make.mitigated()  # 8


@pytest.mark.usefixtures("_some")
@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", [6, 2, 3, 4, 1]),
        ("state=open", [6, 2, 3, 4, 1]),
        ("state=ending", [2]),
        ("state=waiting", [3]),
        ("state=expired", [6]),
        ("state=draft", [4]),
        ("state=approved", [2, 1]),
        ("state=ended", [5, 7, 8]),
        ("state=closed", [5]),
        ("state=all&days=5", [2]),
        ("days=30", [2, 1]),
        ("days=99999999999", [2, 1]),
        ("owner=data+team", [1]),
        ("service=chatbot", [1]),
        ("severity=Low", [3]),
        ("q=ghsa-AAAA", [3]),
        ("q=poam-4", [4]),
        ("q=%00", [6, 2, 3, 4, 1]),
        ("state=nonsense&severity=Awful", [6, 2, 3, 4, 1]),
        ("q=nothing+like+it", []),
    ],
)
def test_filters_are_in_the_address_and_what_ends_next_comes_first(query: str, found: list[int], reader: User) -> None:
    page = window(reader).get(f"/poam/?{query}").content.decode()
    assert names(page) == [f"POAM-{number}" for number in found]


@pytest.mark.usefixtures("_some")
def test_one_sentence_says_what_is_excused_and_what_needs_somebody(reader: User) -> None:
    said = text_of(window(reader).get("/poam/"))
    assert "Two exceptions excuse findings today. One has ended and is still open, POAM-2 ends" in said
    assert "and one waits for a security reviewer." in said
    assert "at most 30 days for Critical and High, 366 days for Medium and Low." in said
    assert "2 in force · 1 requested · 1 drafted · 1 expired and still open · 1 rejected · 1 mitigated · 1 closed" in said
    assert "Open 5" in said
    assert "Ended 3" in said


def test_a_later_end_that_is_asked_for_waits_as_well_also_of_what_has_expired(reader: User) -> None:
    item = make.expired()
    poam.ask_to_extend(item, make.olga(), make.day(5), "The fix is late.")
    assert names(window(reader).get("/poam/?state=waiting").content.decode()) == [item.name]


def test_every_row_says_what_where_who_and_how_long(reader: User) -> None:
    make.approved(
        expires_at=make.day(18), owner="data team", repository="registry.test/acme/bot",
        vulnerabilities=("CVE-2026-1000", "CVE-2026-2000"),
        milestones=(Milestone("Upgrade staging", (timezone.now() + timedelta(days=3)).date()),),
    )  # fmt: skip
    answer = window(reader).get("/poam/")
    said = text_of(answer)
    assert "CVE-2026-1000 and 1 more starlette 0.46.2" in said
    assert "bot every digest" in said
    assert "data team Upgrade staging, due" in said
    assert "18 days left" in said
    assert 'aria-label="POAM-1: 18 days left; in force until' in answer.content.decode()


@pytest.mark.parametrize(("days", "says"), [(0, "Ends today"), (1, "Ends tomorrow"), (4, "4 days left")])
def test_days_left_are_days_of_the_calendar(days: int, says: str, reader: User) -> None:
    make.approved(expires_at=make.day(days))
    assert says in text_of(window(reader).get("/poam/"))


def test_nothing_excused_teaches_and_offers_the_first_step_to_those_who_may(reader: User) -> None:
    for_reader, for_operator = window(reader).get("/poam/"), window(make.olga()).get("/poam/")
    assert "Nothing is excused." in text_of(for_reader)
    assert "somebody else than who asked has to approve it" in text_of(for_reader)
    assert "/poam/new/" not in for_reader.content.decode()
    assert "Draft the first one" in text_of(for_operator)


def test_a_filter_that_finds_nothing_says_so_and_leads_back(reader: User) -> None:
    make.approved()
    answer = window(reader).get("/poam/?q=nothing")
    assert "No exception matches these filters." in text_of(answer)
    assert "Clear 1 filter" in text_of(answer)


def test_every_exception_is_on_exactly_one_page(reader: User) -> None:
    first = make.drafted()
    ends = first.expires_at
    rows = [
        PoamItem(
            number=number, severity="High", created_at=first.created_at, changed_at=first.changed_at,
            expires_at=ends + timedelta(hours=number % 7), drafted_by=first.drafted_by,
        )
        for number in range(2, 121)
    ]  # fmt: skip
    PoamItem.objects.bulk_create(rows)
    seen: list[str] = []
    address = "/poam/"
    while address:
        page = window(reader).get(address).content.decode()
        seen += names(page)
        later = re.search(r'href="(\?at=newer-[^"]+)"', page)
        address = f"/poam/{later[1]}" if later else ""
    assert len(seen) == 120
    assert len(set(seen)) == 120


def test_it_takes_as_many_queries_for_thirty_as_for_three(reader: User) -> None:
    client = window(reader)
    client.get("/poam/")
    for number in range(3):
        make.approved(expires_at=make.day(number + 1))
    few = queries(client, "/poam/")
    for number in range(27):
        make.requested(expires_at=make.day(number + 1))
    assert queries(client, "/poam/") == few
    assert few <= 30


def test_htmx_is_given_the_list_and_what_follows_the_filters(reader: User) -> None:
    make.approved()
    page = window(reader).get("/poam/?state=ended", headers={"HX-Request": "true"}).content.decode()
    assert "<html" not in page
    assert '<section class="card" id="poam"' in page
    assert page.count("hx-swap-oob") == 2
    assert 'href="/poam/export/?state=ended"' in page


def test_what_people_wrote_is_shown_as_text(reader: User) -> None:
    make.approved(owner="<b>olga</b>", milestones=(Milestone("<script>alert(1)</script>", make.day(3).date()),))
    page = window(reader).get("/poam/").content.decode()
    assert "<b>olga</b>" not in page
    assert "<script>alert(1)" not in page


def test_somebody_without_a_role_is_refused() -> None:
    answer = window(person()).get("/poam/")
    assert answer.status_code == 403
    assert "Reading the exceptions takes the role" in text_of(answer)
