"""What services used over time: packed without a loss, kept for two weeks, read as rates."""

from datetime import UTC, datetime, timedelta

import pytest

from chatbot_service import resource_history
from chatbot_service.jobs.look_ports import Usage
from chatbot_service.models import ResourceBlock
from chatbot_service.resource_blocks import WIDTH, packed, start_of, unpacked
from portal import resource_lines
from tests import factories as make

NOW = datetime.now(UTC).replace(microsecond=0)


def usage(minutes_ago: float, cpu: float, memory: int = 300 << 20) -> Usage:
    return Usage(
        at=NOW - timedelta(minutes=minutes_ago), cpu_seconds=cpu, cpus=2, memory=memory, memory_limit=1 << 30, processes=7,
        received=2**40, sent=2, read=3, written=4,
    )  # fmt: skip


def test_samples_survive_packing_and_a_torn_end_is_left_out() -> None:
    samples = [usage(10, 1.25), usage(5, 301.5)]
    assert unpacked(packed(samples)) == samples
    assert unpacked(packed(samples)[:-1]) == samples[:1]


@pytest.mark.django_db
def test_samples_of_four_hours_are_one_row_and_a_moment_is_kept_once() -> None:
    service = make.service(runs=make.entry())
    at = datetime.fromtimestamp(start_of(NOW), UTC)
    for seconds in (0, 300, 300, WIDTH - 1, WIDTH):
        resource_history.keep(service, Usage(at + timedelta(seconds=seconds), 1, 1, 1, 1, 1, 1, 1, 1, 1))
    assert list(ResourceBlock.objects.order_by("start").values_list("count", flat=True)) == [3, 1]


@pytest.mark.django_db
def test_rates_are_between_samples_and_not_over_a_gap_or_a_new_container() -> None:
    service = make.service(runs=make.entry())
    for sample in (usage(60, 10), usage(30, 20), usage(25, 170), usage(20, 5), usage(15, 155)):
        resource_history.keep(service, sample)
    points = resource_history.of(service, NOW - timedelta(hours=2))
    assert [one.cpu for one in points] == [None, None, 0.5, None, 0.5]
    shown = resource_lines.shown(points)
    assert shown is not None
    assert "0.50" in shown.courses[0].label
    assert len(shown.courses[1].segments) == 3
    assert resource_lines.shown(points[:1]) is None


@pytest.mark.django_db
def test_what_is_older_than_two_weeks_is_forgotten() -> None:
    service = make.service(runs=make.entry())
    resource_history.keep(service, usage(60 * 24 * 16, 1))
    resource_history.keep(service, usage(60, 1))
    resource_history.forget(service.host)
    assert ResourceBlock.objects.count() == 1


@pytest.mark.django_db
def test_network_and_disk_are_drawn_as_rates_both_ways_together() -> None:
    service = make.service(runs=make.entry())
    for minutes, moved in ((20, 0), (15, 300_000), (10, 900_000), (5, 100)):
        at = NOW - timedelta(minutes=minutes)
        resource_history.keep(service, Usage(at, 1.0, 2, 1 << 20, 1 << 30, 7, moved, moved, 3 * moved, 0))
    points = resource_history.of(service, NOW - timedelta(hours=2))
    assert [one.network for one in points] == [None, 2_000, 4_000, None]
    assert [one.disk for one in points] == [None, 3_000, 6_000, None]
    shown = resource_lines.shown(points)
    assert shown is not None
    network, disk = shown.courses[2:]
    assert network.label == "Network: 2\N{NO-BREAK SPACE}kB/s to 4\N{NO-BREAK SPACE}kB/s, last 4\N{NO-BREAK SPACE}kB/s"
    assert disk.recommended == ""
    assert len(disk.segments) == 1
