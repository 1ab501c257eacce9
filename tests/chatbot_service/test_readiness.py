from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries

from chatbot_service import readiness
from chatbot_service.models import BackupRepository, BackupState, Service
from chatbot_service.readiness import Facts, judge
from tests import backup_factories as backups
from tests import factories as make

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
READY = Facts(
    has_target=True, image_local=True, has_data=True, rpo_hours=24, scheduled=True, rehearse_days=7,
    added_at=NOW - timedelta(days=90), newest="good", good_at=NOW - timedelta(hours=3),
    rehearsed_at=NOW - timedelta(days=2), rehearsal_passed=True,
)  # fmt: skip


def test_with_all_four_it_is_ready_and_nothing_is_to_do() -> None:
    found = judge(READY, NOW, "about 12 s")
    assert (found.light.tone, found.light.word, found.light.note) == ("ok", "Ready", "about 12 s")
    assert not any(part.to_do for part in found.parts)


@pytest.mark.parametrize(
    ("change", "tone", "word", "note"),
    [
        ({"has_target": False}, "none", "Not yet", "no earlier good digest"),
        ({"image_local": None}, "none", "Not checked", "is the image there?"),
        ({"image_local": False}, "warn", "Not ready", "image missing"),
        ({"good_at": NOW - timedelta(hours=27)}, "warn", "Backup too old", "last good backup 27 h ago, RPO 24 h"),
        ({"newest": "damaged", "newest_why": "a pack is missing"}, "stop", "Backup damaged", "a pack is missing"),
        ({"good_at": None, "newest": ""}, "warn", "No backup", "never backed up, RPO 24 h"),
        ({"good_at": None, "added_at": NOW}, "none", "No backup yet", "the schedule takes the first"),
        ({"good_at": None, "added_at": NOW, "scheduled": False}, "warn", "No backup", "never backed up, RPO 24 h"),
        ({"rpo_hours": 0}, "none", "No backup plan", "nothing is backed up"),
        ({"rehearsed_at": None}, "none", "Not rehearsed", "no backup was restored yet"),
        ({"rehearsal_passed": False, "rehearsal_problem": "2 files differ"}, "stop", "Rehearsal failed", "2 files differ"),
        ({"rehearsed_at": NOW - timedelta(days=9)}, "warn", "Rehearsal overdue", "9 d ago, due each 7 d"),
    ],
)
def test_what_is_missing_is_said_with_what_to_do(change: dict[str, Any], tone: str, word: str, note: str) -> None:
    found = judge(replace(READY, **change), NOW)
    assert (found.light.tone, found.light.word, found.light.note) == (tone, word, note)
    assert [part.to_do for part in found.parts if not part.light.good] == [part.to_do for part in found.parts if part.to_do]


def test_the_worst_part_speaks_for_all() -> None:
    found = judge(replace(READY, has_target=False, good_at=NOW - timedelta(days=3), rehearsal_passed=False), NOW)
    assert found.light.word == "Rehearsal failed"


def test_what_keeps_no_data_needs_neither_backup_nor_rehearsal() -> None:
    assert judge(replace(READY, has_data=False, rpo_hours=0, good_at=None, rehearsed_at=None), NOW).light.good


def test_without_regular_rehearsals_none_is_overdue() -> None:
    assert judge(replace(READY, rehearse_days=0, rehearsed_at=NOW - timedelta(days=400)), NOW).light.good


@pytest.mark.parametrize(
    ("hours", "said"), [(0, "under 1 min"), (0.5, "30 min"), (1, "1 h"), (1.5, "90 min"), (27, "27 h"), (48, "48 h"), (73, "3 d")]
)
def test_an_age_is_said_as_an_rpo_is(hours: float, said: str) -> None:
    assert readiness.age(timedelta(hours=hours)) == said


def _ready(name: str) -> Service:
    service = make.service(name, runs=make.entry(name), previous_local=True)
    make.ran_before(service, make.entry((name, "before")))
    backups.plan(service)
    backups.rehearsal(backups.backup(service))
    return service


@pytest.mark.django_db
def test_it_is_read_from_the_record() -> None:
    service, bare = _ready("one"), make.service("two")
    found = readiness.of([service, bare])
    assert found[service.pk].light.word == "Ready"
    assert found[bare.pk].backup.light.word == "No backup plan"


@pytest.mark.django_db
def test_a_forgotten_backup_counts_for_nothing_and_a_damaged_one_only_while_it_is_the_newest() -> None:
    service = _ready("one")
    backups.backup(service, state=BackupState.FORGOTTEN, hours=1)
    assert readiness.of([service])[service.pk].light.good
    damaged = backups.backup(service, state=BackupState.DAMAGED, hours=0.5)
    assert readiness.of([service])[service.pk].light.word == "Backup damaged"
    backups.backup(service, hours=0)
    assert readiness.of([service])[service.pk].light.good
    assert BackupRepository.objects.get() == damaged.repository


@pytest.mark.django_db
def test_many_services_take_one_query(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    services = [_ready(f"service-{number}") for number in range(5)]
    with django_assert_num_queries(1):
        assert all(one.light.good for one in readiness.of(services).values())
