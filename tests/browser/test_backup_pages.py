"""The pages of backups in a browser: usable by everybody, with data and without; lists that fill by themselves."""

from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from chatbot_service.models import BackupRepository, BackupState, Job, JobState, JobStep, Kind, Restore, RestoreState, Service
from chatbot_service.secrets import seal
from tests import backup_factories as backups
from tests import factories as make
from tests.browser.conftest import SCHEMES, Axe, Complaints, OpenPage, SignIn, scrolls_sideways

UPLOADS = "/srv/personal_chatbot/uploads"
ENTRIES = [
    {"name": name, "type": kind, "size": size, "mtime": "2026-11-20T10:02:00+00:00", "mode": 0o644, "uid": 10001, "gid": 10001}
    for name, kind, size in (
        ("2026", "dir", 0),
        ("report final.pdf", "file", 1_203_000),
        ("odd\nname", "file", 1),
        ("a" * 140, "file", 5),
    )
]


def a_service() -> Service:
    service = make.service(runs=make.entry("new", tag="sha-ab12cd3"))
    make.ran_before(service, make.entry("old", tag="sha-55d0c3a"))
    backups.plan(service, mode="paused")
    return service


def a_full_house(service: Service) -> list[str]:
    """Every state of everything; the addresses of all pages about it."""
    good = backups.backup(
        service, hours=2, files=6000, bytes=1_012_000_000, verified_at=timezone.now(), verified_how="structure whole"
    )
    bad = backups.backup(service, hours=30, state=BackupState.DAMAGED, why="3 files of the repository are damaged or gone")
    part = backups.backup(service, hours=50, state=BackupState.INCOMPLETE, why="2 files could not be read")
    backups.backup(service, hours=90, state=BackupState.FORGOTTEN, forgotten_at=timezone.now())
    for hours in range(26):
        backups.backup(service, hours=100 + hours, unchanged=bool(hours % 2))
    backups.rehearsal(good, restore_seconds=12, compare_seconds=4, boot_seconds=25)
    backups.rehearsal(bad, passed=False, hours=40, problem="4 files differ from the snapshot")
    done = backups.restore(good, reason="a wrong import")
    waiting = backups.restore(good, RestoreState.ASKED, paths=[f"{UPLOADS}/2026"])
    asked = {"backup": good.pk, "path": UPLOADS, "compare": False}
    backups.job(Kind.BROWSE, service, asked=asked, result={"path": UPLOADS, "entries": ENTRIES, "more": 12})
    result = {"new": 12, "gone": 3, "changed": 4, "same": 5981, "examples": [f"{UPLOADS}/{'b' * 120}.txt: size 12, was 40"]}
    backups.job(Kind.BROWSE, service, asked={"backup": good.pk, "path": "", "compare": True}, result=result)
    running = make.job(
        Kind.BACKUP, make.service("big", runs=make.entry("big")), JobState.RUNNING, done=["look", "survey"], failed="take"
    )
    measured = {
        "bytes_done": 612_000_000,
        "bytes_total": 1_000_000_000,
        "files_done": 3812,
        "files_total": 6000,
        "seconds_left": 4,
    }
    JobStep.objects.filter(job=running, key="take").update(progress=measured)
    failed = make.job(
        Kind.RESTORE, service, JobState.FAILED, done=["choose"], failed="stage", why="The disk is full", asked_for=asked
    )
    place = backups.repository(
        "offsite", url="s3:https://s3.test/bucket", sealed_credentials=seal("A=b"), key_shown_at=timezone.now()
    )
    BackupRepository.objects.filter(pk=place.pk).update(key_shown_to=good.job.by or service.added_by)
    return [
        "/", f"/services/{service.pk}/", f"/services/{service.pk}/backups/", f"/services/{service.pk}/backups/plan/",
        f"/services/{service.pk}/backups/back-up/", f"/backups/{good.pk}/", f"/backups/{bad.pk}/",
        f"/backups/{good.pk}/files/", f"/backups/{good.pk}/files/?path={UPLOADS}", f"/backups/{good.pk}/compare/",
        f"/backups/{good.pk}/restore/", f"/backups/{part.pk}/restore/", f"/restores/{done.pk}/", f"/restores/{waiting.pk}/",
        f"/jobs/{running.pk}/", f"/jobs/{failed.pk}/", "/backup-repositories/", f"/backup-repositories/{place.pk}/",
        f"/backup-repositories/{backups.repository().pk}/recovery-key/", f"/backup-repositories/{place.pk}/forget/",
    ]  # fmt: skip


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", [390, 1440])
def test_every_page_is_usable_by_everybody_with_data_and_without(
    width: int, scheme: str, open_page: OpenPage, sign_in: SignIn, axe: Axe, complaints: Complaints
) -> None:
    sign_in("Operator", "Administrator")
    found: dict[str, list[str]] = {"none": axe(open_page("/backup-repositories/", width, scheme))}
    bare = make.service("bare", runs=make.entry("bare"), data_paths=[])
    service = a_service()
    for path in (f"/services/{bare.pk}/backups/", f"/services/{service.pk}/backups/", "/backup-repositories/add/"):
        found[f"empty {path}"] = axe(open_page(path, width, scheme))
    for path in a_full_house(service):
        page = open_page(path, width, scheme)
        found[path] = axe(page)
        assert not scrolls_sideways(page), path
    assert [f"{path} {fault}" for path, faults in found.items() for fault in faults] == []
    assert complaints.found == []


def test_a_folder_is_listed_by_itself_and_what_is_chosen_is_restored(
    open_page: OpenPage, sign_in: SignIn, complaints: Complaints
) -> None:
    sign_in("Operator")
    service = a_service()
    one = backups.backup(service)
    page = open_page(f"/backups/{one.pk}/files/")
    page.get_by_role("link", name=UPLOADS).click()
    expect(page.get_by_text("is asked to look into")).to_be_visible()
    look = Job.objects.get(kind=Kind.BROWSE)
    result = {"path": UPLOADS, "entries": ENTRIES, "more": 0}
    Job.objects.filter(pk=look.pk).update(state=JobState.SUCCEEDED, ended_at=timezone.now(), result=result)
    page.get_by_label("Choose report final.pdf").check()
    page.get_by_role("button", name="Restore what is chosen").click()
    expect(page.get_by_text("One path of personal_chatbot on prod-1 would be as of")).to_be_visible()
    page.get_by_label("Type personal_chatbot to confirm").fill("personal_chatbot")
    page.get_by_role("button", name="Restore and replace").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Restore")
    assert Restore.objects.get().paths == [f"{UPLOADS}/report final.pdf"]
    assert complaints.found == []


def test_the_next_times_follow_what_is_typed(open_page: OpenPage, sign_in: SignIn, complaints: Complaints) -> None:
    sign_in("Operator")
    page = open_page(f"/services/{a_service().pk}/backups/plan/")
    page.get_by_label("At fixed times instead").press_sequentially("30 2 * * *")
    expect(page.locator("#plan-times time").first).to_contain_text("02:30")
    page.get_by_label("Take backups by themselves").uncheck()
    expect(page.get_by_text("None by themselves")).to_be_visible()
    assert complaints.found == []


def test_the_button_asks_in_a_dialog_and_the_job_is_followed_live(
    open_page: OpenPage, sign_in: SignIn, complaints: Complaints
) -> None:
    sign_in("Operator")
    service = a_service()
    page = open_page(f"/services/{service.pk}/backups/")
    page.get_by_role("link", name="Back up now").click()
    page.get_by_role("dialog").get_by_role("button", name="Back up").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Backup")
    job = Job.objects.get(kind=Kind.BACKUP)
    Job.objects.filter(pk=job.pk).update(state=JobState.RUNNING, started_at=timezone.now(), worker="w/1/1", fence=1)
    now = timezone.now() - timedelta(seconds=3)
    for done, total in ((10_000_000, 0), (612_000_000, 1_000_000_000)):
        measured = {"bytes_done": done, "bytes_total": total}
        JobStep.objects.filter(job=job, key="take").update(state="running", started_at=now, progress=measured)
        expect(page.locator(".kg-step-measure")).to_contain_text("612 MB of 1.0 GB" if total else "10 MB")
    assert page.locator("progress").get_attribute("value") == "612"
    assert complaints.found == []


def test_the_recovery_key_is_copied_whole(open_page: OpenPage, sign_in: SignIn, complaints: Complaints) -> None:
    sign_in("Administrator")
    place = backups.repository(sealed_password=seal("abcd-efgh-ijkl"))
    page = open_page(f"/backup-repositories/{place.pk}/recovery-key/")
    page.get_by_role("button", name="Show it once").click()
    expect(page.get_by_text("abcd-efgh-ijkl")).to_be_visible()
    assert page.get_by_label("Copy the recovery key").get_attribute("data-copy") == "abcd-efgh-ijkl"
    assert complaints.found == []
