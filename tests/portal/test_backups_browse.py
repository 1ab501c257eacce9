"""Looking into a backup: folder by folder, and against what is there now."""

from typing import Any

import pytest
from django.contrib.auth.models import User

from chatbot_service.models import Backup, BackupState, Job, JobState, Kind, Service
from tests import backup_factories as backups
from tests import factories as make
from tests.portal.looking import queries, text_of, window

pytestmark = pytest.mark.django_db

HTMX = {"HX-Request": "true"}
UPLOADS = "/srv/personal_chatbot/uploads"


@pytest.fixture
def service() -> Service:
    made = make.service(runs=make.entry())
    backups.plan(made)
    return made


@pytest.fixture
def backup(service: Service) -> Backup:
    return backups.backup(service)


def a_look(backup: Backup, state: str = JobState.SUCCEEDED, path: str = UPLOADS, *, compare: bool = False, **fields: Any) -> Job:
    asked = {"backup": backup.pk, "path": path, "compare": compare}
    return backups.job(Kind.BROWSE, backup.service, state, asked=asked, **fields)


def node(name: str, type: str = "file", **more: Any) -> dict[str, Any]:  # noqa: A002 - as the job has it
    usual = {"size": 12, "mtime": "2026-11-20T10:02:00+00:00", "mode": 0o644, "uid": 10001, "gid": 10001}
    return {"name": name, "type": type, **usual, **more}


def listed(backup: Backup, *nodes: dict[str, Any], more: int = 0) -> Job:
    return a_look(backup, result={"path": UPLOADS, "entries": list(nodes), "more": more})


def files(of: Backup, person: User, path: str = UPLOADS, **headers: str) -> Any:
    return window(person).get(f"/backups/{of.pk}/files/", {"path": path} if path else {}, headers=headers)


# A folder


def test_the_data_paths_are_known_without_looking(backup: Backup, viewer: User) -> None:
    page = files(backup, viewer, "")
    assert UPLOADS in text_of(page)
    assert "hx-post" not in page.content.decode()
    assert not Job.objects.filter(kind=Kind.BROWSE).exists()


def test_a_folder_that_nobody_has_listed_asks_for_it_by_itself_and_by_a_button(backup: Backup, viewer: User) -> None:
    page = files(backup, viewer).content.decode()
    assert 'hx-trigger="load"' in page
    assert "List this folder" in page


def test_asking_starts_a_job_and_without_a_script_leads_back(backup: Backup, viewer: User) -> None:
    answer = window(viewer).post(f"/backups/{backup.pk}/files/", {"path": UPLOADS})
    job = Job.objects.get(kind=Kind.BROWSE)
    assert job.asked == {"backup": backup.pk, "path": UPLOADS, "compare": False}
    assert answer.headers["Location"] == f"/backups/{backup.pk}/files/?path=%2Fsrv%2Fpersonal_chatbot%2Fuploads"


def test_with_a_script_the_fragment_polls_until_there_is_a_result(backup: Backup, viewer: User) -> None:
    client = window(viewer)
    fragment = client.post(f"/backups/{backup.pk}/files/", {"path": UPLOADS}, headers=HTMX)
    assert fragment.status_code == 200
    assert 'hx-trigger="every 1s"' in fragment.content.decode()
    assert b"<html" not in fragment.content
    Job.objects.update(state=JobState.SUCCEEDED, result={"path": UPLOADS, "entries": [node("a.txt")], "more": 0})
    ended = client.get(f"/backups/{backup.pk}/files/", {"path": UPLOADS}, headers=HTMX)
    assert ended.status_code == 286
    assert "a.txt" in text_of(ended)
    assert "every 1s" not in ended.content.decode()


def test_what_was_found_is_listed_with_folders_first_and_what_is_not_shown(backup: Backup, viewer: User) -> None:
    listed(backup, node("b.txt", size=1_203_000), node("2026", "dir", mode=0o755), more=120)
    page = text_of(files(backup, viewer))
    assert page.index("2026") < page.index("b.txt")
    assert "1 MB" in page
    assert "drwxr-xr-x" in page
    assert "120 more are not shown" in page


def test_names_cannot_steer_and_those_a_form_cannot_carry_cannot_be_chosen(backup: Backup, operator: User) -> None:
    listed(backup, node("<b>x</b>"), node("odd\nname"), node("turned\u202egpj.exe"), node("bytes\ufffd"))
    answer = files(backup, operator)
    page = answer.content.decode()
    assert "<b>x</b>" not in page
    assert "\u202e" not in text_of(answer)
    assert page.count('type="checkbox" name="path"') == 2


def test_what_is_chosen_goes_to_the_page_of_the_restore(backup: Backup, operator: User, viewer: User) -> None:
    listed(backup, node("b.txt"))
    assert f'name="path" value="{UPLOADS}/b.txt"' in files(backup, operator).content.decode()
    assert 'type="checkbox" name="path"' not in files(backup, viewer).content.decode()


def test_a_look_that_failed_says_why_and_can_be_tried_again(backup: Backup, viewer: User) -> None:
    a_look(backup, JobState.FAILED, error="The repository cannot be reached.")
    answer = files(backup, viewer)
    assert "The repository cannot be reached." in text_of(answer)
    assert "Try again" in text_of(answer)
    assert 'hx-trigger="load"' not in answer.content.decode()


def test_an_empty_folder_says_so(backup: Backup, viewer: User) -> None:
    listed(backup)
    assert "The folder is empty." in text_of(files(backup, viewer))


@pytest.mark.parametrize("path", ["/etc", "relative", f"{UPLOADS}/../..", "/srv/personal_chatbot/uploads2", f"{UPLOADS}/\0"])
def test_a_path_that_is_not_in_the_backup_is_refused(backup: Backup, viewer: User, path: str) -> None:
    answer = files(backup, viewer, path)
    assert answer.status_code == 400
    assert "That path is not in" in text_of(answer)


def test_nothing_is_looked_for_in_a_damaged_one(service: Service, viewer: User) -> None:
    damaged = backups.backup(service, state=BackupState.DAMAGED, why="gone")
    answer = files(damaged, viewer)
    assert "hx-post" not in answer.content.decode()
    assert "It is damaged" in text_of(answer)
    assert window(viewer).post(f"/backups/{damaged.pk}/files/", {"path": UPLOADS}).status_code == 409


def test_many_entries_take_no_query_more(backup: Backup, operator: User) -> None:
    look = listed(backup, node("a"))
    address = f"/backups/{backup.pk}/files/?path={UPLOADS}"
    few = queries(window(operator), address)
    Job.objects.filter(pk=look.pk).update(result={"entries": [node(f"n{number}") for number in range(500)], "more": 0})
    assert queries(window(operator), address) <= few


# Against now


def test_what_differs_is_told_in_numbers_and_examples(backup: Backup, viewer: User) -> None:
    result = {
        "compare": True,
        "new": 12,
        "gone": 3,
        "changed": 4,
        "same": 5981,
        "examples": [f"{UPLOADS}/a.txt: size 12, was 40"],
    }
    a_look(backup, path="", compare=True, result=result)
    page = text_of(window(viewer).get(f"/backups/{backup.pk}/compare/"))
    assert "12 came, 3 went and 4 changed; 5,981 are the same" in page
    assert f"{UPLOADS}/a.txt size 12, was 40" in page
    assert "The first 1 of 19." in page
    assert "Compare again" in page


def test_nothing_differs_is_said(backup: Backup, viewer: User) -> None:
    a_look(backup, path="", compare=True, result={"new": 0, "gone": 0, "changed": 0, "same": 9, "examples": []})
    assert "Nothing differs: all 9 are as they were kept." in text_of(window(viewer).get(f"/backups/{backup.pk}/compare/"))


def test_a_listing_is_not_taken_for_a_comparison(backup: Backup, viewer: User) -> None:
    a_look(backup, path="", result={"path": "", "entries": [], "more": 0})
    assert "Compare with now" in text_of(window(viewer).get(f"/backups/{backup.pk}/compare/"))


def test_while_it_is_compared_again_the_page_follows(backup: Backup, viewer: User) -> None:
    a_look(backup, path="", compare=True, result={"new": 0, "gone": 0, "changed": 0, "same": 9, "examples": []})
    window(viewer).post(f"/backups/{backup.pk}/compare/", {"path": ""})
    assert 'hx-trigger="every 1s"' in window(viewer).get(f"/backups/{backup.pk}/compare/").content.decode()
