from typing import Any

import pytest
from django.contrib.auth.models import User

from chatbot_service import backup_places as places
from chatbot_service.backup_places import Wanted
from chatbot_service.dispatch import Request
from chatbot_service.models import BackupRepository
from chatbot_service.secrets import unseal
from deploy_records.errors import Invalid, NotAllowed, Refused
from deploy_records.models import AuditEvent
from tests import backup_factories as backups
from tests import factories as make

pytestmark = pytest.mark.django_db

CANARY = "canary-77aa01"
S3 = Wanted("s3:https://s3.test/bucket", CANARY, f"AWS_ACCESS_KEY_ID=me\nAWS_SECRET_ACCESS_KEY={CANARY}")


@pytest.fixture
def ada() -> User:
    return make.person("Administrator", name="ada")


def _by(person: User, reason: str = "") -> Request:
    return Request(person, reason, "192.0.2.3")


def _no_secret_is_told() -> bool:
    return not any(CANARY in event.text for event in AuditEvent.objects.all())


def test_a_worker_makes_the_first_place_once(settings: Any, tmp_path: Any) -> None:
    settings.STATE_DIR = tmp_path
    places.make_default()
    places.make_default()
    kept = BackupRepository.objects.get()
    assert (kept.name, kept.url, kept.added_by) == ("local", str(tmp_path / "backups"), None)
    assert AuditEvent.objects.get(action="repository.added").actor == "worker"
    key = unseal(kept.sealed_password)
    assert unseal(kept.sealed_password) not in AuditEvent.objects.get().text
    assert len(key.replace("-", "")) * 5 >= 256


def test_no_other_place_is_made_where_there_is_one(ada: User) -> None:
    places.add("away", S3, _by(ada))
    places.make_default()
    assert BackupRepository.objects.get().name == "away"


def test_a_place_is_added_with_its_secrets_sealed(ada: User) -> None:
    kept = places.add("away", S3, _by(ada))
    assert unseal(kept.sealed_password) == CANARY
    assert CANARY in unseal(kept.sealed_credentials)
    assert CANARY not in kept.sealed_password + kept.sealed_credentials + repr(S3)
    event = AuditEvent.objects.get(action="repository.added")
    assert event.changes == {"url": ["", S3.url], "password": ["", "there"], "credentials": ["", "there"]}
    assert (event.actor, event.address) == ("ada", "192.0.2.3")
    assert _no_secret_is_told()


def test_a_place_without_a_password_gets_one_of_its_own(ada: User) -> None:
    one = places.add("one", Wanted("/srv/backups/one"), _by(ada))
    two = places.add("two", Wanted("/srv/backups/two"), _by(ada))
    assert len(unseal(one.sealed_password)) > 50
    assert unseal(one.sealed_password) != unseal(two.sealed_password)


def test_a_name_is_taken_once(ada: User) -> None:
    places.add("one", Wanted("/srv/backups/one"), _by(ada))
    with pytest.raises(Refused, match="already"):
        places.add("one", Wanted("/srv/backups/two"), _by(ada))
    with pytest.raises(Invalid, match="is not a name"):
        places.add("One more", Wanted("/srv/backups/two"), _by(ada))


def test_what_is_left_empty_stays(ada: User) -> None:
    kept = places.add("away", S3, _by(ada))
    assert places.change(kept, Wanted(url="s3:https://s3.test/other"), _by(ada))
    kept.refresh_from_db()
    assert unseal(kept.sealed_password) == CANARY
    assert CANARY in unseal(kept.sealed_credentials)
    assert AuditEvent.objects.get(action="repository.changed").changes == {"url": [S3.url, "s3:https://s3.test/other"]}
    assert not places.change(kept, Wanted(), _by(ada))


def test_new_secrets_replace_the_old_ones_and_only_that_is_told(ada: User) -> None:
    kept = places.add("away", S3, _by(ada))
    places.recovery_key(kept, _by(ada))
    places.change(kept, Wanted(password=f"{CANARY}-new", credentials=f"AWS_SECRET_ACCESS_KEY={CANARY}"), _by(ada))
    changes = AuditEvent.objects.get(action="repository.changed").changes
    assert changes == {"password": ["there", "replaced"], "credentials": ["there", "replaced"]}
    assert places.recovery_key(kept, _by(ada)) == f"{CANARY}-new"
    assert _no_secret_is_told()


def test_credentials_of_another_kind_of_address_are_dropped(ada: User) -> None:
    kept = places.add("away", S3, _by(ada))
    places.change(kept, Wanted(url="/srv/backups/here"), _by(ada))
    kept.refresh_from_db()
    assert kept.sealed_credentials == ""


def test_the_recovery_key_is_shown_once_and_then_told_to_whom(ada: User) -> None:
    kept = places.add("away", S3, _by(ada))
    assert places.recovery_key(kept, _by(ada, "for the safe")) == CANARY
    event = AuditEvent.objects.get(action="repository.key-shown")
    assert (event.actor, event.reason) == ("ada", "for the safe")
    with pytest.raises(Refused, match=r"was shown to ada on .* UTC; it is shown once.*backup-repository rekey away") as refused:
        places.recovery_key(kept, _by(make.person("Administrator")))
    assert CANARY not in str(refused.value)
    assert _no_secret_is_told()


@pytest.mark.parametrize("role", ["Viewer", "Operator", "Release manager", "Security reviewer", "Auditor"])
def test_only_administrators_may(role: str, ada: User) -> None:
    kept = places.add("away", S3, _by(ada))
    other = make.person(role)
    for deed in (
        lambda: places.add("more", Wanted("/srv/backups/x"), _by(other)),
        lambda: places.change(kept, Wanted("/srv/backups/x"), _by(other)),
        lambda: places.forget(kept, _by(other)),
        lambda: places.recovery_key(kept, _by(other)),
    ):
        with pytest.raises(NotAllowed):
            deed()
    assert BackupRepository.objects.get().key_shown_at is None


@pytest.mark.parametrize("url", ["/srv/bot/uploads", "/srv/bot/uploads/backups", "/srv/bot"])
def test_a_place_and_data_lie_apart(url: str, ada: User) -> None:
    make.service("bot")
    with pytest.raises(Refused, match="lie in one another"):
        places.add("here", Wanted(url), _by(ada))
    kept = places.add("away", S3, _by(ada))
    with pytest.raises(Refused, match="lie in one another"):
        places.change(kept, Wanted(url), _by(ada))
    kept.refresh_from_db()
    assert kept.url == S3.url


def test_a_place_that_something_rests_on_is_not_forgotten(ada: User) -> None:
    service = make.service()
    kept = places.add("away", S3, _by(ada))
    backups.plan(service, repository=kept)
    with pytest.raises(Refused, match="is backed up there"):
        places.forget(kept, _by(ada))
    backups.plan(service, repository=backups.repository())
    backup = backups.backup(service, repository=kept, state="forgotten")
    with pytest.raises(Refused, match="has 1 backups"):
        places.forget(kept, _by(ada))
    backup.delete()
    places.forget(kept, _by(ada))
    assert AuditEvent.objects.get(action="repository.forgotten").object_name == "away"


@pytest.mark.parametrize("password", ["short", "two\nlines are no password", "x" * 1025])
def test_what_cannot_be_a_password_is_refused(password: str, ada: User) -> None:
    with pytest.raises(Invalid, match="The password of a repository") as refused:
        places.add("away", Wanted("/srv/backups/x", password), _by(ada))
    assert password not in str(refused.value)
    assert not BackupRepository.objects.exists()


def test_what_opens_the_repository_of_a_service_is_told_to_workers_and_shown_to_nobody(ada: User) -> None:
    place = places.place_of(places.add("away", S3, _by(ada)), make.service("bot"))
    assert (place.url, place.password) == ("s3:https://s3.test/bucket/prod-1/bot", CANARY)
    assert place.credentials == {"AWS_ACCESS_KEY_ID": "me", "AWS_SECRET_ACCESS_KEY": CANARY}
    assert CANARY not in repr(place)
