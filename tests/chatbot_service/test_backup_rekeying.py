"""With the real restic: what opens a repository before, and after its key was replaced."""

from pathlib import Path
from typing import Any

import pytest

from chatbot_service import backup_places as places
from chatbot_service import backup_rekeying
from chatbot_service.dispatch import Request
from chatbot_service.models import BackupRepository, JobState, Kind
from chatbot_service.restic import Restic
from chatbot_service.restic_commands import Place
from chatbot_service.secrets import unseal
from deploy_records.errors import NotAllowed, Refused
from deploy_records.models import AuditEvent
from tests import backup_factories as backups
from tests import factories as make
from tests import machine

pytestmark = [pytest.mark.django_db, pytest.mark.restic]


@pytest.fixture
def place(settings: Any, tmp_path: Path) -> BackupRepository:
    settings.STATE_DIR = tmp_path
    settings.RESTIC_BINARY = machine.restic_binary()
    settings.WORKER_HOSTS = ["prod-1"]
    places.make_default()
    kept = BackupRepository.objects.get()
    backups.plan(make.service("bot"), repository=kept)
    return kept


def _opens(place: BackupRepository, password: str, tmp_path: Path) -> bool:
    where = Place(f"{place.url}/prod-1/bot", password)
    try:
        return Restic(where, "prod-1", tmp_path / "locks", tmp_path / "cache", machine.restic_binary()).snapshots() == []
    except Refused:
        return False


def test_only_the_new_key_opens_it_afterwards(place: BackupRepository, tmp_path: Path) -> None:
    ada = make.person("Administrator", name="ada")
    old = places.recovery_key(place, Request(ada))
    said = list(backup_rekeying.rekey(place, Request(ada, "it was on a screen")))
    new = places.recovery_key(place, Request(ada))
    assert new != old
    assert unseal(place.sealed_password) == new
    assert _opens(place, new, tmp_path)
    assert not _opens(place, old, tmp_path)
    assert not any(old in line or new in line for line in said)
    event = AuditEvent.objects.get(action="repository.rekeyed")
    assert (event.actor, event.reason) == ("ada", "it was on a screen")
    assert not any(key in one.text for one in AuditEvent.objects.all() for key in (old, new))


def test_it_waits_for_jobs_and_for_a_machine_that_reaches_all(place: BackupRepository, settings: Any) -> None:
    ada = make.person("Administrator")
    before = unseal(place.sealed_password)
    with pytest.raises(NotAllowed):
        list(backup_rekeying.rekey(place, Request(make.person("Operator"))))
    settings.WORKER_HOSTS = ["elsewhere"]
    with pytest.raises(Refused, match="on another host"):
        list(backup_rekeying.rekey(place, Request(ada)))
    settings.WORKER_HOSTS = ["prod-1"]
    backups.job(Kind.BACKUP, place.plans.get().service, JobState.RUNNING)
    with pytest.raises(Refused, match="Wait for its end"):
        list(backup_rekeying.rekey(place, Request(ada)))
    place.refresh_from_db()
    assert unseal(place.sealed_password) == before
