from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.db.models import QuerySet
from django.utils import timezone

from deploy_records import listing
from deploy_records.errors import Invalid
from deploy_records.models import ImageDigest
from deploy_records.paging import page_of
from tests.deploy_records.images import REPOSITORY, sha

pytestmark = pytest.mark.django_db


@pytest.fixture
def seven(operator: User) -> list[str]:
    """Digests newest first; three share one moment."""
    start = timezone.now()
    for number in range(7):
        entry = ImageDigest.objects.create(repository=REPOSITORY, digest=sha(str(number)), registered_by=operator)
        minute = 3 if number in {2, 3, 4} else number
        ImageDigest.objects.filter(pk=entry.pk).update(registered_at=start + timedelta(minutes=minute))
    return [sha(str(number)) for number in (6, 5, 4, 3, 2, 1, 0)]


def shown(cursor: str = "", size: int = 2) -> tuple[list[str], str, str]:
    page = page_of(ImageDigest.objects.all(), "registered_at", cursor, size=size)
    return [row.digest for row in page.rows], page.next, page.previous


@pytest.mark.parametrize("size", [1, 2, 3, 6, 7, 8])
def test_going_forth_and_back_shows_every_row_once_and_in_order(seven: list[str], size: int) -> None:
    forth, cursor = [], ""
    while True:
        rows, cursor, back = shown(cursor, size)
        forth.append(rows)
        if not cursor:
            break
    assert [digest for rows in forth for digest in rows] == seven
    for rows in reversed(forth[:-1]):
        found, _next, back = shown(back, size)
        assert found == rows
    assert back == ""


def test_the_first_page_has_no_previous_and_the_last_no_next(seven: list[str]) -> None:
    _rows, cursor, previous = shown(size=4)
    assert previous == ""
    assert shown(cursor, size=4)[1] == ""


def test_rows_added_meanwhile_move_nothing_on_the_next_page(seven: list[str], operator: User) -> None:
    _rows, cursor, _previous = shown(size=3)
    before = shown(cursor, size=3)[0]
    ImageDigest.objects.create(repository=REPOSITORY, digest=sha("new"), registered_by=operator)
    assert shown(cursor, size=3)[0] == before


def test_a_page_before_the_first_is_the_first(seven: list[str]) -> None:
    top = ImageDigest.objects.get(digest=seven[0])
    cursor = f"newer-{top.registered_at:%Y%m%dT%H%M%S%f}-{top.pk}"
    assert shown(cursor) == shown()


def test_an_empty_list_has_one_empty_page() -> None:
    assert shown() == ([], "", "")


@pytest.mark.parametrize(
    "cursor",
    [
        "1",
        "older-20260230T120000000000-1",
        "older-20260301T250000000000-1",
        "older-00000101T000000000000-1",
        "older-20260301T120000000000-9999999999999999999",
        "older-20260301T120000000000-1 OR 1=1",
        "sideways-20260301T120000000000-1",
        "older-20260301T120000000000-1\n",
        "x" * 10_000,
    ],
)
def test_a_place_that_is_none_of_ours_is_refused(cursor: str, seven: list[str]) -> None:
    with pytest.raises(Invalid, match="Go to its beginning"):
        shown(cursor)


@pytest.mark.parametrize("cursor", ["older-00010101T000000000000-1", "older-99991231T235959999999-9223372036854775807"])
def test_the_ends_of_time_are_places_too(cursor: str, seven: list[str]) -> None:
    assert shown(cursor, 10)[0] in ([], seven)


def plan_of(rows: QuerySet[Any]) -> str:
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":  # with this few rows it would take none
            # What other tests took back has left pages behind, by which it would reckon.
            cursor.execute("TRUNCATE deploy_records_imagedigest, deploy_records_deployment CASCADE")
            for way in ("seqscan", "bitmapscan", "sort"):
                cursor.execute(f"SET LOCAL enable_{way} = off")
        return rows[:50].explain()


@pytest.mark.parametrize(("filters", "index"), [({}, "ledger_newest"), ({"state": "approved"}, "ledger_by_state")])
def test_a_deep_page_of_the_ledger_is_read_from_its_index(filters: dict[str, str], index: str) -> None:
    assert index in plan_of(listing.digests().filter(**filters, registered_at__lte=timezone.now()))


@pytest.mark.parametrize(
    ("filters", "index"),
    [({}, "deployments_newest"), ({"host": "prod-1", "service": "chatbot"}, "deployments_of_service")],
)
def test_a_deep_page_of_deployments_is_read_from_its_index(filters: dict[str, str], index: str) -> None:
    assert index in plan_of(listing.deployments().filter(**filters, started_at__lte=timezone.now()))


def soonest(cursor: str = "", size: int = 2) -> tuple[list[str], str, str]:
    page = page_of(ImageDigest.objects.all(), "registered_at", cursor, size=size, earliest_first=True)
    return [row.digest for row in page.rows], page.next, page.previous


@pytest.mark.parametrize("size", [1, 2, 3, 6, 7, 8])
def test_a_list_can_begin_with_what_comes_first_in_time(seven: list[str], size: int) -> None:
    forth, cursor = [], ""
    while True:
        rows, cursor, back = soonest(cursor, size)
        forth.append(rows)
        if not cursor:
            break
    assert [digest for rows in forth for digest in rows] == seven[::-1]
    for rows in reversed(forth[:-1]):
        found, _next, back = soonest(back, size)
        assert found == rows
    assert back == ""
