"""Roll-ups in the database are those of the raw data there, however these came and whenever they were computed."""

import random
from datetime import timedelta

import pytest
from pytest_django import DjangoAssertNumQueries, Settings

from chatbot_service.health import blocks, due, rolling, rollup
from chatbot_service.health.blocks import MICRO, Probe, moment
from chatbot_service.health.log import Inspected
from chatbot_service.health.rollup import DAY, FIVE_MINUTES, HOUR, WIDTHS, Bucket, spells
from chatbot_service.health.runs import Change
from chatbot_service.health.writing import Batch, HealthWriter
from chatbot_service.jobs.ports import Healthcheck
from chatbot_service.models import (
    HealthDue,
    HealthEventBlock,
    HealthMark,
    HealthRollupBlock,
    HealthSampleBlock,
    HealthTransition,
    Service,
)
from tests import factories

pytestmark = pytest.mark.django_db
BEGIN = 1_790_000_000 // DAY * DAY + 20 * HOUR
CHECK = Healthcheck(("CMD", "true"), 10, 3, 3, 0)


@pytest.fixture
def service() -> Service:
    made = factories.service()
    HealthTransition.objects.all().delete()
    return made


def at(seconds: float) -> int:
    return BEGIN * MICRO + round(seconds * MICRO)


def look(*probes: Probe) -> Inspected:
    return Inspected("c", "running", "healthy", "", "", None, None, 0, False, 0, CHECK, probes, frozenset())


def probes_of(hours: float, fails: int = 7) -> list[Probe]:
    return [
        Probe("c", at(second), 50_000 + second % 977 * 100, int(second % (10 * fails) == 0), "")
        for second in range(0, int(hours * HOUR), 10)
    ]


def changes_of(service: Service, hours: float) -> list[Change]:
    found = []
    for number, second in enumerate(range(7, int(hours * HOUR), 1900)):
        change = Change(moment(at(second)), ("healthy", "unhealthy", "down")[number % 3], f"sha256:{number // 4}")
        factories.transition(service, change.state, change.at, change.digest)
        found.append(change)
    return found


def kept(service: Service, width: int) -> list[Bucket]:
    rows = HealthRollupBlock.objects.filter(service=service, width=width).order_by("start")
    return [bucket for row in rows for bucket in rollup.unpack(row.start, width, bytes(row.data))]


def roll(service: Service, seconds: float) -> None:
    while rolling.roll(service.host, moment(at(seconds)) + due.GRACE):
        pass


def expected(changes: list[Change], probes: list[Probe], until: float) -> list[Bucket]:
    return rollup.roll(BEGIN, BEGIN + int(until), spells(changes, moment(at(until)) + due.GRACE), probes)


def test_closed_buckets_hours_and_days_are_those_of_the_raw_data(service: Service) -> None:
    changes, probes = changes_of(service, 30), probes_of(30)
    HealthWriter(service.host).write(Batch(looks=[(service.pk, look(*probes))]), moment(at(0)))
    roll(service, 29.5 * HOUR + 17)
    fine = expected(changes, probes, 29.5 * HOUR)
    assert kept(service, FIVE_MINUTES) == fine
    assert kept(service, HOUR) == rollup.coarser((one for one in fine if one.start < BEGIN + 29 * HOUR), HOUR)
    assert kept(service, DAY) == rollup.coarser((one for one in fine if one.start < BEGIN + 28 * HOUR), DAY)


@pytest.mark.parametrize("seed", range(4))
def test_however_the_data_came_and_whenever_it_was_rolled_up_the_end_is_the_same(service: Service, seed: int) -> None:
    chance = random.Random(seed)
    probes, writer = probes_of(6), HealthWriter(service.host)
    changes = changes_of(service, 6)
    late = chance.sample(probes, 300)
    batches = [late[:100], late[100:], [probe for probe in probes if probe not in late]]
    for number, some in enumerate(batches, start=1):
        chance.shuffle(some)
        now = 2 * number * HOUR + chance.randrange(299)
        writer.write(Batch(looks=[(service.pk, look(*some))]), moment(at(now)))
        roll(service, now)
    roll(service, 6 * HOUR)
    fine = expected(changes, probes, 6 * HOUR)
    assert kept(service, FIVE_MINUTES) == fine
    assert kept(service, HOUR) == rollup.coarser(fine, HOUR)
    assert not HealthDue.objects.exists()


def test_rolling_up_again_changes_nothing_and_asks_for_nothing(service: Service) -> None:
    changes_of(service, 3)
    roll(service, 3 * HOUR)
    before = list(HealthRollupBlock.objects.values_list("pk", "data"))
    assert rolling.roll(service.host, moment(at(3 * HOUR)) + due.GRACE) == 0
    HealthDue.objects.create(service=service, start=BEGIN, end=BEGIN + HOUR)
    roll(service, 3 * HOUR)
    assert list(HealthRollupBlock.objects.values_list("pk", "data")) == before


def test_a_late_change_of_state_touches_the_buckets_up_to_the_next_change_and_no_others(service: Service) -> None:
    factories.transition(service, "healthy", moment(at(0)))
    factories.transition(service, "unhealthy", moment(at(5 * HOUR)))
    roll(service, 8 * HOUR)
    factories.transition(service, "unknown", moment(at(2 * HOUR)))
    due.mark({service.pk: [rollup.touched(at(2 * HOUR), at(5 * HOUR))]}, moment(at(8 * HOUR)))
    row = HealthDue.objects.get()
    assert (row.start, row.end) == (BEGIN + 2 * HOUR - FIVE_MINUTES, BEGIN + 5 * HOUR + FIVE_MINUTES)
    roll(service, 8 * HOUR)
    states = rollup.total(kept(service, HOUR)).states
    assert states == {"healthy": 2 * HOUR * MICRO, "unknown": 3 * HOUR * MICRO, "unhealthy": 3 * HOUR * MICRO}


def test_many_services_are_rolled_up_in_one_go_with_a_fixed_number_of_queries(
    service: Service, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(30):
        one = factories.service(f"s{number}", added_by=service.added_by)
        factories.transition(one, "healthy", moment(at(0)))
    rolling.roll(service.host, moment(at(0)) + due.GRACE)
    with django_assert_max_num_queries(20):
        rolling.roll(service.host, moment(at(300)) + due.GRACE)
    assert HealthMark.objects.filter(rolled_until=BEGIN + 300).count() == 30


@pytest.fixture
def short_memory(settings: Settings) -> None:
    settings.HEALTH_SAMPLE_DAYS = 1
    settings.HEALTH_ROLLUP_DAYS = {FIVE_MINUTES: 2, HOUR: 20, DAY: 0}
    settings.HEALTH_TRANSITION_DAYS = 3


@pytest.mark.usefixtures("short_memory")
def test_each_width_is_kept_as_long_as_the_settings_say_and_the_state_in_force_stays(service: Service) -> None:
    factories.transition(service, "unhealthy", moment(at(0)))
    factories.transition(service, "healthy", moment(at(HOUR)))
    HealthWriter(service.host).write(Batch(looks=[(service.pk, look(*probes_of(1)))]), moment(at(HOUR)))
    roll(service, 6 * DAY)
    rolling.forget_old(service.host, moment(at(6 * DAY)))
    assert not HealthSampleBlock.objects.exists()
    assert not HealthEventBlock.objects.exists()
    assert [one.state for one in HealthTransition.objects.all()] == ["healthy"]
    first = {width: kept(service, width)[0].start for width in WIDTHS}
    assert first[FIVE_MINUTES] == BEGIN // DAY * DAY + 4 * DAY
    assert first[HOUR] == BEGIN
    assert kept(service, DAY)[0].probes == 360


@pytest.mark.usefixtures("short_memory")
def test_what_was_made_of_probes_that_have_gone_is_final(service: Service) -> None:
    factories.transition(service, "healthy", moment(at(0)))
    HealthWriter(service.host).write(Batch(looks=[(service.pk, look(*probes_of(1)))]), moment(at(HOUR)))
    roll(service, 2 * DAY)
    HealthSampleBlock.objects.all().delete()
    HealthDue.objects.create(service=service, start=BEGIN, end=BEGIN + HOUR)
    roll(service, 2 * DAY)
    assert rollup.total(kept(service, FIVE_MINUTES)).probes == 360
    assert not HealthDue.objects.exists()


def test_probes_written_twice_by_two_watchers_are_kept_once(service: Service) -> None:
    probes = probes_of(1)
    one, other = HealthWriter(service.host), HealthWriter(service.host)
    for start in range(0, len(probes), 3):
        for writer in (one, other):
            writer.write(Batch(looks=[(service.pk, look(*probes[max(0, start - 2) : start + 3]))]), moment(at(HOUR)))
    found = [
        probe for row in HealthSampleBlock.objects.order_by("start") for probe in blocks.unpack_probes(row.start, bytes(row.data))
    ]
    assert found == probes


def test_seconds_of_a_gap_are_unknown_and_moved_by_a_due_stretch(service: Service) -> None:
    factories.transition(service, "healthy", moment(at(0)))
    roll(service, 2 * HOUR)
    HealthWriter(service.host).note_gap([service.pk], moment(at(HOUR)), moment(at(2 * HOUR)) + timedelta(seconds=10))
    roll(service, 2 * HOUR)
    assert rollup.total(kept(service, FIVE_MINUTES)).states == {"healthy": HOUR * MICRO, "unknown": HOUR * MICRO}
