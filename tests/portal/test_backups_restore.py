"""Putting a backup back: asked on a page, with the name typed, by one or two people; and undone."""

from typing import Any

import pytest
from django.contrib.auth.models import User

from chatbot_service.models import Backup, BackupState, Job, Kind, Restore, RestoreState, Service
from tests import backup_factories as backups
from tests import factories as make
from tests.factories import person
from tests.portal.looking import last_refusal, queries, text_of, window

pytestmark = pytest.mark.django_db

UPLOADS = "/srv/personal_chatbot/uploads"
SURE = {"confirmed": "personal_chatbot", "reason": "a wrong import"}


@pytest.fixture
def service() -> Service:
    made = make.service(runs=make.entry())
    backups.plan(made)
    return made


@pytest.fixture
def backup(service: Service) -> Backup:
    return backups.backup(service)


def ask(of: Backup, by: User, **given: Any) -> Any:
    return window(by).post(f"/backups/{of.pk}/restore/", {**SURE, **given})


# Asking


def test_the_page_says_what_is_replaced_until_when_it_is_kept_and_what_will_happen(backup: Backup, operator: User) -> None:
    page = text_of(window(operator).get(f"/backups/{backup.pk}/restore/"))
    assert "All data of personal_chatbot on prod-1 would be as of" in page
    assert "Free space is looked at first." in page
    assert "What is replaced is kept for 72 h" in page
    assert "Swap the data" in page
    assert "Type personal_chatbot to confirm" in page
    assert "A second person" not in page


def test_with_the_name_typed_the_job_starts(backup: Backup, operator: User) -> None:
    answer = ask(backup, operator)
    job = Job.objects.get(kind=Kind.RESTORE)
    assert answer.headers["Location"] == f"/jobs/{job.pk}/"
    restore = Restore.objects.get()
    assert (restore.job, restore.state, restore.reason) == (job, RestoreState.STARTED, "a wrong import")


def test_without_the_name_nothing_starts_and_what_was_written_stays(backup: Backup, operator: User) -> None:
    answer = ask(backup, operator, confirmed="personal_chat")
    assert answer.status_code == 400
    assert "Type the name of the service, personal_chatbot, to confirm" in text_of(answer)
    assert 'value="a wrong import"' in answer.content.decode()
    assert not Job.objects.filter(kind=Kind.RESTORE).exists()
    assert last_refusal().actor == "olga"


def test_chosen_paths_are_restored_alone_each_once(backup: Backup, operator: User) -> None:
    paths = [f"{UPLOADS}/2026", f"{UPLOADS}/2026/a.txt", f"{UPLOADS}/b.txt", f"{UPLOADS}/b.txt"]
    page = text_of(window(operator).get(f"/backups/{backup.pk}/restore/", {"path": paths}))
    assert "Two paths of personal_chatbot on prod-1 would be as of" in page
    ask(backup, operator, path=paths)
    assert Restore.objects.get().paths == [f"{UPLOADS}/2026", f"{UPLOADS}/b.txt"]


def test_it_is_said_that_a_service_that_was_stopped_will_be_started(backup: Backup, operator: User) -> None:
    address = f"/backups/{backup.pk}/restore/"
    assert "The restore starts it" not in text_of(window(operator).get(address))
    Service.objects.update(seen_state="exited")
    assert "The restore starts it" in text_of(window(operator).get(address))


def test_a_path_outside_is_refused(backup: Backup, operator: User) -> None:
    assert ask(backup, operator, path=["/etc/passwd"]).status_code == 400
    assert not Restore.objects.exists()


@pytest.mark.parametrize("state", [BackupState.DAMAGED, BackupState.FORGOTTEN])
def test_what_cannot_be_relied_on_is_refused_with_why(service: Service, operator: User, state: str) -> None:
    bad = backups.backup(service, state=state, why="A file of the repository is gone.")
    page = window(operator).get(f"/backups/{bad.pk}/restore/").content.decode()
    assert "Restore and replace" not in page
    assert 'id="why-refused"' in page
    assert ask(bad, operator).status_code == 409


def test_an_incomplete_one_takes_a_word_more(service: Service, operator: User) -> None:
    part = backups.backup(service, state=BackupState.INCOMPLETE, why="2 files could not be read.")
    assert "This backup is incomplete" in text_of(window(operator).get(f"/backups/{part.pk}/restore/"))
    assert ask(part, operator).status_code == 409
    assert ask(part, operator, incomplete="on").status_code == 302


def test_who_may_not_restore_is_told_who_can(backup: Backup, viewer: User) -> None:
    answer = window(viewer).get(f"/backups/{backup.pk}/restore/")
    assert answer.status_code == 403
    assert "Restoring a backup takes the role operator" in text_of(answer)


# A second person


@pytest.fixture
def waiting(service: Service, backup: Backup, operator: User) -> Restore:
    backups.plan(service, two_people=True)
    answer = ask(backup, operator)
    found = Restore.objects.get()
    assert answer.headers["Location"] == f"/restores/{found.pk}/"
    return found


def test_where_the_plan_wants_two_it_waits_and_says_for_whom(waiting: Restore, operator: User) -> None:
    answer = window(operator).get(f"/restores/{waiting.pk}/")
    page = text_of(answer)
    assert "olga asks to restore its data from" in page.replace("Olga", "olga")
    assert "A second person has to agree." in page
    assert "You asked for it, so somebody else decides: operator, release manager or administrator." in page
    assert "Agree and restore" not in page
    assert "Take it back" in page
    assert not Job.objects.filter(kind=Kind.RESTORE).exists()


def test_the_second_person_agrees_and_the_job_starts(waiting: Restore, release_manager: User) -> None:
    client = window(release_manager)
    assert "Agree and restore" in text_of(client.get(f"/restores/{waiting.pk}/"))
    answer = client.post(f"/restores/{waiting.pk}/agree/")
    job = Job.objects.get(kind=Kind.RESTORE)
    assert answer.headers["Location"] == f"/jobs/{job.pk}/"
    waiting.refresh_from_db()
    assert (waiting.decided_by, waiting.state) == (release_manager, RestoreState.STARTED)


def test_nobody_agrees_to_their_own(waiting: Restore, operator: User) -> None:
    assert window(operator).post(f"/restores/{waiting.pk}/agree/").status_code == 403
    waiting.refresh_from_db()
    assert waiting.state == RestoreState.ASKED


def test_the_same_person_under_another_name_is_not_offered_it(waiting: Restore) -> None:
    twin = person("Release manager", name="olga2", email="OLGA@example.test")
    assert "Agree and restore" not in text_of(window(twin).get(f"/restores/{waiting.pk}/"))


def test_declining_says_why_and_whoever_asked_may_take_it_back(waiting: Restore, release_manager: User) -> None:
    answer = window(release_manager).post(f"/restores/{waiting.pk}/decline/", {"note": "wrong backup"}, follow=True)
    assert "Declined by rolf, “wrong backup”" in text_of(answer)
    again = window(release_manager).post(f"/restores/{waiting.pk}/agree/")
    assert again.status_code == 409
    assert "no longer waits" in text_of(again)


def test_a_viewer_can_read_it_and_decide_nothing(waiting: Restore, viewer: User) -> None:
    page = text_of(window(viewer).get(f"/restores/{waiting.pk}/"))
    assert "It waits for operator, release manager or administrator, somebody else than who asked." in page
    assert "Decline" not in page
    assert window(viewer).post(f"/restores/{waiting.pk}/decline/").status_code == 403


# Undoing


def test_while_it_is_kept_one_button_undoes_it(backup: Backup, operator: User, viewer: User) -> None:
    done = backups.restore(backup)
    assert "Undo this restore" in text_of(window(operator).get(f"/restores/{done.pk}/"))
    assert "Undo this restore" in text_of(window(operator).get(f"/services/{backup.service_id}/backups/"))
    assert "Undo this restore" not in text_of(window(viewer).get(f"/restores/{done.pk}/"))
    answer = window(operator).post(f"/restores/{done.pk}/undo/")
    job = Job.objects.get(kind=Kind.UNDO_RESTORE)
    assert answer.headers["Location"] == f"/jobs/{job.pk}/"


def test_only_the_last_one_is_offered_to_be_undone(backup: Backup, operator: User) -> None:
    first = backups.restore(backup)
    backups.restore(backup)
    page = window(operator).get(f"/services/{backup.service_id}/backups/").content.decode()
    assert page.count("Undo this restore") == 1
    answer = window(operator).post(f"/restores/{first.pk}/undo/")
    assert answer.status_code == 409
    assert "came after it" in text_of(answer)


def test_what_is_no_longer_kept_cannot_be_put_back(backup: Backup, operator: User) -> None:
    over = backups.restore(backup, replaced_until=backup.at)
    page = text_of(window(operator).get(f"/restores/{over.pk}/"))
    assert "What was replaced is no longer kept." in page
    assert "Undo this restore" not in page
    assert window(operator).post(f"/restores/{over.pk}/undo/").status_code == 409


@pytest.mark.parametrize("state", RestoreState.values)
def test_every_state_of_a_restore_has_a_page(backup: Backup, viewer: User, state: str) -> None:
    one = backups.restore(backup, state)
    assert window(viewer).get(f"/restores/{one.pk}/").status_code == 200


def test_more_restores_take_no_query_more(backup: Backup, operator: User) -> None:
    one = backups.restore(backup, RestoreState.UNDONE)
    few = queries(window(operator), f"/restores/{one.pk}/")
    for _ in range(5):
        backups.restore(backup, RestoreState.UNDONE)
    assert queries(window(operator), f"/restores/{one.pk}/") <= few
