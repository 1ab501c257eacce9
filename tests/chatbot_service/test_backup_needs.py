from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from chatbot_service import needs
from chatbot_service.models import RestoreRehearsal, Service
from chatbot_service.need import Matter, Need
from tests import backup_factories as backups
from tests import factories as make

pytestmark = pytest.mark.django_db

OF_BACKUPS = {Matter.BACKUP_DAMAGED, Matter.BACKUP_LATE, Matter.REHEARSAL_FAILED, Matter.AGREE}


@pytest.fixture
def service() -> Service:
    made = make.service("bot", runs=make.entry())
    backups.plan(made)
    Service.objects.update(added_at=timezone.now() - timedelta(days=30))
    return made


def _mine(role: str = "Operator") -> list[Need]:
    return [need for need in needs.read(make.person(role), []).mine if need.matter in OF_BACKUPS]


def test_backups_that_are_as_they_should_be_need_nobody(service: Service) -> None:
    backups.rehearsal(backups.backup(service))
    assert _mine() == []


def test_an_old_backup_needs_an_operator(service: Service) -> None:
    backups.backup(service, hours=27)
    (need,) = _mine()
    assert (need.matter, need.title, need.tone) == (Matter.BACKUP_LATE, "The last backup of bot on prod-1 is too old", "warn")
    assert need.why.startswith("Last good backup 27 h ago, RPO 24 h. Back up now")
    assert need.backups_of == service.pk
    assert _mine("Auditor") == []


def test_what_was_never_backed_up_needs_an_operator(service: Service) -> None:
    assert [need.title for need in _mine()] == ["bot on prod-1 has no good backup"]


def test_damage_is_said_once_and_also_when_newer_ones_are_whole(service: Service) -> None:
    backups.rehearsal(backups.backup(service, hours=9))
    for hours in (2, 1):
        backups.backup(service, hours=hours, state="damaged", why="A pack is missing.")
    (need,) = _mine()
    assert (need.title, need.tone) == ("2 backups of bot on prod-1 are damaged", "stop")
    assert need.why.startswith("A pack is missing. Back up now")
    backups.backup(service, hours=0)
    assert "Newer ones are whole" in _mine()[0].why


def test_a_rehearsal_that_failed_needs_an_operator_until_one_passes(service: Service) -> None:
    backup = backups.backup(service)
    backups.rehearsal(backup, passed=False, problem="2 files differ")
    (need,) = _mine()
    assert (need.title, need.tone) == ("A backup of bot on prod-1 did not restore", "stop")
    assert need.why.startswith("2 files differ. ")
    RestoreRehearsal.objects.all().delete()
    backups.rehearsal(backup, hours=0)
    assert _mine() == []


def test_a_restore_waits_for_somebody_else_than_who_asked(service: Service) -> None:
    backup = backups.backup(service)
    backups.rehearsal(backup)
    olga = make.person("Operator", name="olga")
    restore = backups.restore(backup, "asked", asked_by=olga)
    (need,) = _mine("Release manager")
    assert (need.matter, need.restore, need.tone) == (Matter.AGREE, restore.pk, "wait")
    assert need.why == f"Asked for by olga, from Backup {backup.pk}"
    found = needs.read(olga, [])
    assert not found.mine
    assert [one.why_not_you for one in found.others] == ["You asked for it yourself; a second person has to agree."]
    assert _mine("Viewer") == []


def test_demo_records_need_nobody(service: Service) -> None:
    Service.objects.filter(pk=service.pk).update(is_demo=True)
    assert _mine() == []


@pytest.mark.parametrize("services", [1, 8])
def test_the_number_of_queries_does_not_grow(services: int, django_assert_max_num_queries: DjangoAssertNumQueries) -> None:
    person = make.person("Operator")
    for number in range(services):
        service = make.service(f"bot-{number}", runs=make.entry(number))
        backups.plan(service)
        backups.restore(backups.backup(service, hours=30, state="damaged"), "asked")
    with django_assert_max_num_queries(10):
        assert needs.read(person, []).mine
