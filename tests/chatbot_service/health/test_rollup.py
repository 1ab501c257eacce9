"""Roll-ups against the raw data they are made of, counted here once more in the simplest way."""

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatbot_service.health import rollup
from chatbot_service.health.blocks import MICRO, Event, Probe, merged, micros, moment
from chatbot_service.health.rollup import DAY, FIVE_MINUTES, HOUR, Bucket, spells
from chatbot_service.health.runs import Change, Touch, runs_between
from tests.chatbot_service.health import raw
from tests.chatbot_service.health.raw import BEGIN, END, UNTIL

many_changes = st.lists(raw.changes, max_size=25, unique_by=lambda one: one.at).map(
    lambda found: sorted(found, key=lambda c: c.at)
)


def rolled(
    changes: list[Change], probes: list[Probe], events: list[Event], touches: list[Touch], start: int = BEGIN, end: int = END
) -> list[Bucket]:
    return rollup.roll(start, end, spells(changes, UNTIL, touches), probes, events)


@given(many_changes, st.lists(raw.touches, max_size=2))
def test_seconds_in_each_state_are_those_of_the_health_line(changes: list[Change], touches: list[Touch]) -> None:
    found = Counter[str]()
    for one in rolled(changes, [], [], touches):
        found.update(one.states)
    first = changes[0].at if changes else moment(END * MICRO)
    expected = Counter[str]()
    for run in runs_between(first, UNTIL, changes, touches=touches):
        start, end = micros(run.start), min(micros(run.end), END * MICRO)
        if end > start:
            expected[run.state] += end - start
    assert +found == +expected


@given(st.lists(raw.probes, max_size=60), st.lists(raw.events, max_size=30))
def test_each_probe_and_event_is_counted_once_in_its_bucket(probes: list[Probe], events: list[Event]) -> None:
    for one in rolled([], probes, events, []):
        inside = [probe for probe in probes if one.start <= probe.start // MICRO < one.end]
        assert one.probes == len(inside)
        assert one.failures == sum(probe.exit_code != 0 for probe in inside)
        assert sum(one.durations.values()) == len(inside)
        acts = Counter(event.action for event in events if one.start <= event.at // MICRO < one.end)
        assert (one.restarts, one.deaths, one.ooms) == (acts["start"], acts["die"], acts["oom"])


@given(many_changes, st.lists(raw.probes, max_size=60), st.lists(raw.events, max_size=30), st.lists(raw.touches, max_size=2))
def test_hours_and_days_are_the_sums_of_what_lies_in_them(
    changes: list[Change], probes: list[Probe], events: list[Event], touches: list[Touch]
) -> None:
    fine = rolled(changes, probes, events, touches)
    hours, days = rollup.coarser(fine, HOUR), rollup.coarser(fine, DAY)
    assert rollup.coarser(hours, DAY) == days
    assert rollup.total(fine) == rollup.total(hours) == rollup.total(days)
    for coarse in (*hours, *days):
        assert rollup.total(one for one in fine if coarse.start <= one.start < coarse.end) == coarse.at(0, 0)


@given(
    many_changes, st.lists(raw.probes, max_size=40, unique_by=lambda one: one.key), st.lists(raw.events, max_size=20),
    st.lists(raw.touches, max_size=2), st.integers(0, 2**32), st.integers(1, 8),
)  # fmt: skip
def test_any_split_in_any_order_ends_with_the_same_buckets_when_only_touched_ones_are_computed_again(
    changes: list[Change], probes: list[Probe], events: list[Event], touches: list[Touch], seed: int, parts: int
) -> None:
    chance = random.Random(seed)
    arriving: list[Change | Probe | Event] = [*changes, *probes, *events]
    chance.shuffle(arriving)
    arriving += chance.sample(arriving, len(arriving) // 3)  # some are told twice
    known = raw.Raw()
    buckets: list[Bucket] = []
    for part in range(parts):
        for first, last in _take(known, arriving[part::parts]):
            fresh = rolled(known.changes, known.probes, known.events, touches, first, last)
            buckets = rollup.replaced(buckets, fresh, first, last)
    assert buckets == rolled(changes, merged([], probes, 999)[0], merged([], events, 999)[0], touches)


def _take(known: raw.Raw, new: list[Change | Probe | Event]) -> list[tuple[int, int]]:
    """Keeps what is new; the stretches that it touches, with the edges of buckets."""
    known.probes = merged(known.probes, [one for one in new if isinstance(one, Probe)], 999)[0]
    known.events = merged(known.events, [one for one in new if isinstance(one, Event)], 999)[0]
    known.changes = sorted({*known.changes, *(one for one in new if isinstance(one, Change))}, key=lambda one: one.at)
    touched = []
    for one in new:
        if isinstance(one, Change):
            at = micros(one.at)
            following = next((micros(change.at) for change in known.changes if change.at > one.at), END * MICRO)
            touched.append(rollup.touched(at, following))
        else:
            touched.append(rollup.touched(one.start if isinstance(one, Probe) else one.at))
    return [(max(first, BEGIN), min(last, END)) for first, last in touched]


@given(many_changes, st.lists(raw.probes, max_size=40), st.lists(raw.events, max_size=20))
def test_a_packed_block_comes_back_as_it_was(changes: list[Change], probes: list[Probe], events: list[Event]) -> None:
    fine = rolled(changes, probes, events, [])
    for width, buckets in ((FIVE_MINUTES, fine), (HOUR, rollup.coarser(fine, HOUR)), (DAY, rollup.coarser(fine, DAY))):
        start = rollup.block_start(width, BEGIN)
        assert rollup.unpack(start, width, rollup.pack(start, width, buckets)) == buckets


@given(st.lists(st.integers(1_000, 60 * MICRO), min_size=1, max_size=200), st.sampled_from([0.5, 0.95]))
def test_quantiles_are_those_of_the_raw_durations_to_five_percent(durations: list[int], share: float) -> None:
    found = rollup.quantile(Counter(map(rollup.class_of, durations)), share)
    exact = sorted(durations)[max(1, -int(-share * len(durations) // 1)) - 1] / MICRO
    assert found == pytest.approx(exact, rel=0.05)


def test_without_durations_there_is_no_quantile() -> None:
    assert rollup.quantile({}, 0.5) is None


def at(minutes: float) -> int:
    return BEGIN * MICRO + round(minutes * 60 * MICRO)


def test_leaving_healthy_is_a_flap_of_the_digest_that_ran_but_not_while_a_job_does_it() -> None:
    changes = [
        Change(moment(at(0)), "healthy", "old"),
        Change(moment(at(6)), "unhealthy", "old"),
        Change(moment(at(7)), "healthy", "old"),
        Change(moment(at(20)), "down", "old"),
        Change(moment(at(21)), "healthy", "new"),
    ]
    job = Touch(moment(at(19.9)), moment(at(22)))
    found = rolled(changes, [], [], [job])
    assert {one.start: one.flaps for one in found if one.flaps} == {BEGIN + 300: 1}
    whole = rollup.total(found)
    assert whole.parts["old"].flaps == 1
    assert whole.states["pause"] == 60 * MICRO
    assert rollup.share_of(whole.parts["new"].states) == 100


def test_a_share_is_never_rounded_up() -> None:
    assert rollup.share_of({"healthy": 9_999_999, "down": 1}) == 99.999
    assert rollup.share_of({"unknown": 5, "pause": 3}) is None
