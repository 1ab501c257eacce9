from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from deploy_records import poam, poam_listing
from deploy_records.errors import Invalid
from deploy_records.models import PoamItem
from deploy_records.poam_listing import Wish, counts, days_left, ending, items, owners, timeline
from deploy_records.rules.terms import Milestone
from deploy_records.scanners.report import Severity
from tests.deploy_records.exceptions import approved, drafted, now, requested, requester, reviewer, soon

pytestmark = pytest.mark.django_db


def names(wish: Wish | None = None, days: float = 0) -> list[str]:
    return [item.name for item in items(wish, now=timezone.now() + timedelta(days=days))]


@pytest.fixture
def _some(db: None) -> None:
    approved(expires_at=soon(20), owner="team", service="chatbot")  # 1
    approved(expires_at=soon(5))  # 2
    requested(severity=Severity.LOW, component="pkg:npm/ui", vulnerabilities=("GHSA-aaaa-bbbb-cccc",))  # 3
    drafted()  # 4
    poam.close(drafted(), requester(), "Gone.")  # 5


@pytest.mark.usefixtures("_some")
class TestLists:
    @pytest.mark.parametrize(("wish", "found"), [
        (Wish(), {1, 2, 3, 4, 5}),
        (Wish(status="open"), {1, 2, 3, 4}),
        (Wish(status="approved"), {1, 2}),
        (Wish(status="requested"), {3}),
        (Wish(status="expired"), set()),
        (Wish(status="closed"), {5}),
        (Wish(owner="team"), {1}),
        (Wish(severity="Low"), {3}),
        (Wish(service="chatbot"), {1}),
        (Wish(ending_within=14), {2}),
        (Wish(search="ghsa-AAAA"), {3}),
        (Wish(search="npm/ui"), {3}),
        (Wish(search="poam-2"), {2}),
        (Wish(search="%"), set()),
        (Wish(search="\x00"), {1, 2, 3, 4, 5}),
        (Wish(status="approved", owner="olga"), {2}),
    ])  # fmt: skip
    def test_a_wish_is_met(self, wish: Wish, found: set[int]) -> None:
        assert set(names(wish)) == {f"POAM-{number}" for number in found}

    def test_what_ends_next_comes_first(self) -> None:
        assert names(Wish(status="approved")) == ["POAM-2", "POAM-1"]

    def test_the_clock_alone_makes_things_expire(self) -> None:
        assert set(names(Wish(status="expired"), days=6)) == {"POAM-2"}
        assert set(names(Wish(status="expired"), days=25)) == {"POAM-1", "POAM-2", "POAM-3", "POAM-4"}

    def test_a_list_says_of_each_the_same_as_the_item_itself(self) -> None:
        for moment in (timezone.now(), soon(6), now(PoamItem.objects.get(number=2)).expires_at, soon(30)):
            assert all(item.status == item.status_at(moment) for item in items(now=moment))  # type: ignore[attr-defined]

    def test_counts(self) -> None:
        found = counts()
        assert (found["open"], found["approved"], found["requested"], found["draft"], found["closed"]) == (4, 2, 1, 1, 1)
        assert (counts(now=soon(6))["expired"], counts(now=soon(6))["approved"]) == (1, 1)

    def test_a_status_that_nobody_knows_is_refused(self) -> None:
        with pytest.raises(Invalid, match="not a status"):
            items(Wish(status="pending"))

    def test_owners_and_what_ends_soon(self) -> None:
        assert owners() == ["olga", "team"]
        assert [one.name for one in ending(timezone.now())] == ["POAM-2", "POAM-1"]
        assert [one.name for one in ending(timezone.now(), 14)] == ["POAM-2"]

    def test_the_number_of_queries_does_not_grow(self, django_assert_num_queries: DjangoAssertNumQueries) -> None:
        with django_assert_num_queries(4):
            for item in items():
                timeline(item, timezone.now())
                poam.entry_of(item)

    def test_an_items_history_is_its_own(self) -> None:
        item = PoamItem.objects.get(number=5)
        assert [one.action for one in poam_listing.history(item)] == ["poam.closed", "poam.drafted"]


class TestTimelines:
    def test_in_force_until_its_end_then_over(self) -> None:
        item = approved(milestones=(Milestone("Build", soon(3).date()),))
        start = timezone.now()
        line = timeline(item, start)
        assert [part.kind for part in line.segments] == ["in force", "over"]
        assert (line.segments[0].since, line.segments[-1].until) == (start, line.end)
        assert [mark.kind for mark in line.marks] == ["milestone", "end"]
        assert line.place(start) == 0
        assert line.place(line.end + timedelta(days=1)) == 1
        assert 0.1 < line.place(item.expires_at) < 0.12

    def test_a_request_waits_and_an_asked_extension_waits_after_the_end(self) -> None:
        start = timezone.now()
        assert [part.kind for part in timeline(requested(), start).segments] == ["waiting"]
        item = poam.ask_to_extend(approved(), requester(), soon(20), "Late.")
        assert [part.kind for part in timeline(item, start).segments] == ["in force", "waiting", "over"]

    def test_an_extension_goes_on_without_a_gap_and_what_ended_has_none(self) -> None:
        item = poam.ask_to_extend(approved(), requester(), soon(20), "Late.")
        poam.approve_extension(item, reviewer())
        start = timezone.now() - timedelta(days=1)
        parts = timeline(now(item), start).segments
        assert [part.kind for part in parts] == ["in force", "in force", "over"]
        assert parts[0].until == parts[1].since
        poam.close(item, requester(), "Gone.")
        assert {part.kind for part in timeline(now(item), start).segments} == {"in force"}

    def test_a_done_milestone_stands_where_it_was_done(self) -> None:
        item = drafted(milestones=(Milestone("Build", soon(3).date()),))
        poam.complete(item.milestones.get(), requester())
        assert [mark.kind for mark in timeline(item, timezone.now() - timedelta(days=1)).marks] == ["done", "end"]


def test_days_left_are_whole_days() -> None:
    item = drafted(expires_at=soon(3))
    assert [days_left(item, item.expires_at - timedelta(hours=hours)) for hours in (49, 24, 1, 0, -1)] == [2, 1, 0, 0, -1]
