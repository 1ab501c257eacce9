"""Where backups go: secrets are written only, and the recovery key is shown once."""

import pytest
from django.contrib.auth.models import User

from chatbot_service.models import BackupRepository, Service
from chatbot_service.secrets import seal, unseal
from deploy_records.models import AuditEvent
from tests import backup_factories as backups
from tests import factories as make
from tests.portal.looking import last_refusal, queries, text_of, window

pytestmark = pytest.mark.django_db

CANARY = "canary-5511aa-of-a-password"
S3 = {
    "name": "offsite", "url": "s3:https://s3.test/bucket", "credentials": f"AWS_ACCESS_KEY_ID=me\nAWS_SECRET_ACCESS_KEY={CANARY}",
}  # fmt: skip


@pytest.fixture
def place(db: None) -> BackupRepository:
    return backups.repository(sealed_password=seal(CANARY))


def test_a_place_is_added_with_its_secrets_sealed_and_leads_to_its_key(administrator: User) -> None:
    answer = window(administrator).post("/backup-repositories/add/", {**S3, "password": CANARY})
    kept = BackupRepository.objects.get()
    assert answer.headers["Location"] == f"/backup-repositories/{kept.pk}/recovery-key/"
    assert CANARY in unseal(kept.sealed_credentials)
    assert unseal(kept.sealed_password) == CANARY


def test_no_page_gives_a_secret_back(administrator: User, place: BackupRepository) -> None:
    BackupRepository.objects.update(sealed_credentials=seal(f"AWS_SECRET_ACCESS_KEY={CANARY}"))
    client = window(administrator)
    for more in ("", f"{place.pk}/", f"{place.pk}/forget/", f"{place.pk}/recovery-key/"):
        assert CANARY not in client.get(f"/backup-repositories/{more}").content.decode()


def test_a_refused_form_does_not_give_a_secret_back(administrator: User) -> None:
    sent = {**S3, "url": "http://nowhere", "password": CANARY}
    answer = window(administrator).post("/backup-repositories/add/", sent)
    assert answer.status_code == 400
    assert "is neither a folder" in text_of(answer)
    assert CANARY not in answer.content.decode()
    assert CANARY not in last_refusal().text


@pytest.mark.parametrize(
    "url", [f"s3:https://me:{CANARY}@s3.test/bucket", f"rest:https://me:{CANARY}@h/", f"sftp:me:{CANARY}@h:/x"]
)
def test_a_password_typed_into_the_address_does_not_come_back(url: str, administrator: User) -> None:
    answer = window(administrator).post("/backup-repositories/add/", {**S3, "url": url})
    assert "The address holds a password" in text_of(answer)
    assert CANARY not in answer.content.decode()
    assert 'value="offsite"' in answer.content.decode()


def test_what_is_left_empty_stays(administrator: User, place: BackupRepository) -> None:
    window(administrator).post(f"/backup-repositories/{place.pk}/", {"url": "/srv/elsewhere", "password": "", "credentials": ""})
    place.refresh_from_db()
    assert place.url == "/srv/elsewhere"
    assert unseal(place.sealed_password) == CANARY


def test_the_list_says_who_uses_it_and_whether_its_key_was_noted(administrator: User, place: BackupRepository) -> None:
    service = make.service(runs=make.entry())
    backups.plan(service, repository=place)
    page = text_of(window(administrator).get("/backup-repositories/"))
    assert "Backups go to 1 place; the recovery key of it has not been noted." in page
    assert "personal_chatbot on prod-1" in page
    assert "Not noted" in page


def test_the_key_is_shown_once_on_record_and_kept_by_no_cache(administrator: User, place: BackupRepository) -> None:
    client = window(administrator)
    address = f"/backup-repositories/{place.pk}/recovery-key/"
    before = client.get(address)
    assert "nobody can open them by other means" in text_of(before)
    shown = client.post(address, {"reason": "set-up"})
    assert CANARY in shown.content.decode()
    assert "Note it now" in text_of(shown)
    assert "no-store" in shown.headers["Cache-Control"]
    event = AuditEvent.objects.get(action="repository.key-shown")
    assert (event.actor, event.reason) == ("adele", "set-up")
    again = client.post(address)
    assert again.status_code == 409
    assert CANARY not in again.content.decode()
    assert "was shown to adele" in text_of(again)
    assert "Show it once" not in text_of(client.get(address))


def test_looking_at_the_page_shows_no_key(administrator: User, place: BackupRepository) -> None:
    window(administrator).get(f"/backup-repositories/{place.pk}/recovery-key/")
    place.refresh_from_db()
    assert place.key_shown_at is None


def test_a_place_in_use_is_not_forgotten_and_the_page_says_by_whom(administrator: User, place: BackupRepository) -> None:
    service: Service = make.service(runs=make.entry())
    backups.plan(service, repository=place)
    address = f"/backup-repositories/{place.pk}/forget/"
    page = text_of(window(administrator).get(address))
    assert "It cannot be forgotten: personal_chatbot on prod-1 is backed up there." in page
    answer = window(administrator).post(address)
    assert answer.status_code == 409
    assert BackupRepository.objects.exists()


def test_a_place_that_nothing_rests_on_is_forgotten(administrator: User, place: BackupRepository) -> None:
    answer = window(administrator).post(f"/backup-repositories/{place.pk}/forget/", follow=True)
    assert "local is forgotten. What lies at /srv/backups/local was not touched." in text_of(answer)
    assert not BackupRepository.objects.exists()


def test_without_a_place_the_page_teaches(administrator: User) -> None:
    page = text_of(window(administrator).get("/backup-repositories/"))
    assert "There is no place for backups yet." in page
    assert "Each service has a repository of its own below it" in page


def test_an_operator_has_no_business_there(operator: User, place: BackupRepository) -> None:
    for more in ("", "add/", f"{place.pk}/", f"{place.pk}/recovery-key/"):
        assert window(operator).get(f"/backup-repositories/{more}").status_code == 403


def test_more_places_take_no_query_more(administrator: User, place: BackupRepository) -> None:
    backups.plan(make.service(runs=make.entry()), repository=place)
    few = queries(window(administrator), "/backup-repositories/")
    for number in range(4):
        other = backups.repository(f"place-{number}")
        backups.plan(make.service(f"other_{number}", runs=make.entry(("x", number))), repository=other)
    assert queries(window(administrator), "/backup-repositories/") <= few
