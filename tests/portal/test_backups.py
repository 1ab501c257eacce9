"""Backups of a service: the answer, the list, the plan in words, and what can be started."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from chatbot_service.models import BackupState, Job, JobState, Kind, RestoreState, Service
from tests import backup_factories as backups
from tests import factories as make
from tests.portal.looking import last_refusal, queries, text_of, window

pytestmark = pytest.mark.django_db


@pytest.fixture
def service() -> Service:
    made = make.service(runs=make.entry("new", tag="sha-ab12cd3"))
    make.ran_before(made, make.entry("old", tag="sha-55d0c3a"))
    backups.plan(made)
    return made


def page_of(service: Service, person: User, more: str = "") -> str:
    return text_of(window(person).get(f"/services/{service.pk}/backups/{more}"))


# The answer


def test_one_sentence_says_how_old_the_last_good_one_is_and_whether_a_restore_was_tried(service: Service, viewer: User) -> None:
    one = backups.backup(service, hours=2)
    backups.rehearsal(one, hours=0.1, restore_seconds=12, compare_seconds=4, boot_seconds=25)
    page = page_of(service, viewer)
    assert "Last good backup 2 h ago, RPO 24 h; last rehearsal passed today in 41 s." in page
    assert "Way backReady" in page


def test_without_any_it_says_so_and_teaches(service: Service, operator: User) -> None:
    page = page_of(service, operator)
    assert "There is no good backup yet, RPO 24 h; no restore has been rehearsed yet." in page
    assert "A backup counts once it has been restored." in page
    assert "Rehearse a restore." in page


def test_a_backup_that_is_too_old_is_said_in_the_sentence(service: Service, viewer: User) -> None:
    backups.backup(service, hours=27)
    page = page_of(service, viewer)
    assert "Last good backup 1 d ago, RPO 24 h: backup too old" in page
    assert "Back up now; the last backup job says why it is late." in page


def test_a_rehearsal_that_failed_is_said_in_the_sentence_with_why(service: Service, viewer: User) -> None:
    backups.rehearsal(backups.backup(service), passed=False, problem="4 files differ from the snapshot")
    page = page_of(service, viewer)
    assert "the last rehearsal failed today" in page
    assert "Failed 4 files differ from the snapshot" in page


def test_a_service_without_data_needs_none(operator: User) -> None:
    service = make.service(runs=make.entry(), data_paths=[])
    page = page_of(service, operator)
    assert "It keeps no data that is known, so there is nothing to back up." in page
    assert "Back up now" not in page


# The list


def test_a_row_tells_what_ran_what_it_holds_and_how_it_was_proved(service: Service, viewer: User) -> None:
    backups.backup(
        service, files=6000, bytes=1_012_000_000, added_bytes=3_100_000, verified_at=timezone.now(), rehearsed_at=timezone.now()
    )
    page = page_of(service, viewer)
    assert "sha-ab12cd3" in page
    assert "1.0 GB 6,000 files 3 MB Verified Restored" in page


def test_states_that_are_not_good_stand_out(service: Service, viewer: User) -> None:
    for state in (BackupState.DAMAGED, BackupState.INCOMPLETE, BackupState.FORGOTTEN):
        backups.backup(service, state=state, why="why so")
    page = page_of(service, viewer)
    assert "Damaged" in page
    assert "Incomplete" in page
    assert "No longer kept" in page


def test_one_that_found_nothing_changed_says_so(service: Service, viewer: User) -> None:
    backups.backup(service, unchanged=True)
    assert "Good unchanged" in page_of(service, viewer)


def test_older_ones_are_on_the_next_page(service: Service, viewer: User) -> None:
    for hours in range(30):
        backups.backup(service, hours=hours + 1)
    client = window(viewer)
    first = client.get(f"/services/{service.pk}/backups/")
    cursor = first.context["page"].next
    assert len(first.context["backups"]) == 25
    second = client.get(f"/services/{service.pk}/backups/", {"at": cursor}, headers={"HX-Request": "true"})
    assert len(second.context["backups"]) == 5
    assert b"<html" not in second.content


def test_another_services_backups_are_not_in_the_list(service: Service, viewer: User) -> None:
    other = make.service("other", runs=make.entry("x"))
    theirs = backups.backup(other)
    assert f"/backups/{theirs.pk}/" not in window(viewer).get(f"/services/{service.pk}/backups/").content.decode()


def test_the_number_of_queries_does_not_grow(service: Service, operator: User) -> None:
    client, address = window(operator), f"/services/{service.pk}/backups/"
    first = backups.backup(service)
    backups.rehearsal(first)
    backups.restore(first)
    few = queries(client, address)
    for hours in range(12):
        one = backups.backup(service, hours=hours + 5, digest=make.entry(("more", hours)).digest)
        backups.rehearsal(one, hours=hours + 4)
        backups.restore(one, RestoreState.UNDONE)
    assert queries(client, address) <= few


def test_the_lists_of_services_take_no_query_more_for_the_way_back_of_each(service: Service, operator: User) -> None:
    def another(number: int) -> None:
        other = make.service(f"other_{number}", runs=make.entry(("x", number)))
        backups.plan(other)
        backups.rehearsal(backups.backup(other))

    client = window(operator)
    another(1)
    few = queries(client, "/services/")
    for number in range(2, 6):
        another(number)
    assert queries(client, "/services/") <= few


# The plan in words


def test_the_plan_is_told_in_words_with_the_way_to_change_it(service: Service, operator: User, viewer: User) -> None:
    backups.plan(service, mode="paused", cron="30 2 * * *", two_people=True)
    page = page_of(service, operator)
    assert "by 30 2 * * * (UTC); before each upgrade" in page
    assert "Paused for a moment, 1 min at most" in page
    assert "all of the last 24 h, the last of each of 7 days, the last of each of 4 weeks" in page
    assert "and the last of each of 6 months" in page
    assert "takes a second person; can be undone for 72 h" in page
    assert f"/services/{service.pk}/backups/plan/" in window(operator).get(f"/services/{service.pk}/backups/").content.decode()
    assert "plan/" not in window(viewer).get(f"/services/{service.pk}/backups/").content.decode()


# Starting


def test_each_button_starts_its_job(service: Service, operator: User) -> None:
    backups.backup(service)
    client = window(operator)
    for deed, kind in (("back-up", Kind.BACKUP), ("rehearse", Kind.REHEARSE), ("check", Kind.CHECK)):
        answer = client.post(f"/services/{service.pk}/backups/{deed}/", {"reason": "a try"})
        job = Job.objects.get(kind=kind, state=JobState.QUEUED)
        assert answer.headers["Location"] == f"/jobs/{job.pk}/"
        assert (job.by, job.reason) == (operator, "a try")
        Job.objects.filter(pk=job.pk).update(state=JobState.CANCELLED)


def test_a_certain_backup_is_rehearsed_but_not_another_services(service: Service, operator: User) -> None:
    old, _new = backups.backup(service, hours=50), backups.backup(service)
    window(operator).post(f"/services/{service.pk}/backups/rehearse/", {"backup": str(old.pk)})
    asked = Job.objects.get(kind=Kind.REHEARSE, state=JobState.QUEUED)
    assert asked.asked == {"backup": old.pk}
    Job.objects.filter(pk=asked.pk).update(state=JobState.CANCELLED)
    theirs = backups.backup(make.service("other", runs=make.entry("x")))
    window(operator).post(f"/services/{service.pk}/backups/rehearse/", {"backup": str(theirs.pk)})
    assert Job.objects.get(kind=Kind.REHEARSE, state=JobState.QUEUED).asked.get("backup") != theirs.pk


def test_before_it_starts_the_page_says_what_it_does_to_the_service(service: Service, operator: User) -> None:
    backups.plan(service, mode="stopped", longest_pause=90)
    page = page_of(service, operator, "back-up/")
    assert "then it is stopped for a second, short reading, 1 min 30 s at most" in page
    assert "The service is not touched." in page_of(service, operator, "rehearse/")


def test_while_a_job_holds_it_the_refusal_says_who_and_is_on_record(service: Service, operator: User) -> None:
    make.job(Kind.RESTART, service, JobState.RUNNING, by=make.person("Operator", name="otto"), failed="look")
    answer = window(operator).post(f"/services/{service.pk}/backups/back-up/")
    assert answer.status_code == 409
    assert "by otto holds" in text_of(answer)
    assert last_refusal().actor == "olga"
    assert "by otto holds it" in page_of(service, operator)


def test_a_look_into_a_backup_holds_nothing(service: Service, operator: User) -> None:
    backups.job(Kind.BROWSE, service, JobState.RUNNING)
    page = page_of(service, operator)
    assert "holds it" not in page
    assert 'href="/services/' in window(operator).get(f"/services/{service.pk}/backups/").content.decode()


def test_without_a_plan_the_buttons_say_what_is_missing(operator: User) -> None:
    service = make.service(runs=make.entry())
    page = window(operator).get(f"/services/{service.pk}/backups/").content.decode()
    assert "There is no plan yet: set up first how it is backed up" in page
    assert f'href="/services/{service.pk}/backups/back-up/"' not in page
    assert window(operator).post(f"/services/{service.pk}/backups/back-up/").status_code == 409


def test_who_may_only_look_has_no_buttons(service: Service, viewer: User) -> None:
    page = window(viewer).get(f"/services/{service.pk}/backups/").content.decode()
    assert "back-up/" not in page
    assert window(viewer).post(f"/services/{service.pk}/backups/back-up/").status_code == 403


# One backup


def test_the_page_of_a_backup_says_what_it_is_and_how_it_was_verified(service: Service, operator: User) -> None:
    one = backups.backup(
        service, files=6000, bytes=1_012_000_000, verified_at=timezone.now(), verified_how="structure whole; 5 % read back"
    )
    page = text_of(window(operator).get(f"/backups/{one.pk}/"))
    assert f"Backup {one.pk} holds 6,000 files, 1.0 GB as of" in page
    assert "structure whole; 5 % read back" in page
    assert "This backup has not been restored on trial yet." in page
    assert one.snapshot[:16] in page
    assert "Restore" in page


def test_a_damaged_one_says_why_nothing_can_be_had_of_it(service: Service, operator: User) -> None:
    one = backups.backup(service, state=BackupState.DAMAGED, why="A file of the repository is gone")
    answer = window(operator).get(f"/backups/{one.pk}/")
    page = text_of(answer)
    assert "is damaged and cannot be restored: A file of the repository is gone." in page
    assert "Choose another one." in page
    assert f'href="/backups/{one.pk}/restore/"' not in answer.content.decode()
    assert 'id="why-refused"' in answer.content.decode()


def test_one_that_is_no_longer_kept_offers_nothing(service: Service, operator: User) -> None:
    one = backups.backup(service, state=BackupState.FORGOTTEN, forgotten_at=timezone.now())
    answer = window(operator).get(f"/backups/{one.pk}/")
    assert "is no longer kept. It held 12 files" in text_of(answer)
    assert "/download/" not in answer.content.decode()


def test_only_who_may_download_sees_the_button(service: Service, operator: User, viewer: User) -> None:
    one = backups.backup(service)
    assert "/download/" in window(operator).get(f"/backups/{one.pk}/").content.decode()
    assert "/download/" not in window(viewer).get(f"/backups/{one.pk}/").content.decode()


# Elsewhere


def test_the_page_of_the_service_has_the_tabs_the_light_and_the_deeds(service: Service, operator: User) -> None:
    backups.rehearsal(backups.backup(service))
    answer = window(operator).get(f"/services/{service.pk}/")
    page = text_of(answer)
    assert "can be rolled back; last good backup 3 h ago." in page
    assert "Backup: fresh, last good backup 3 h ago" in page
    assert "Rehearsal: passed, 2 h ago" in page
    markup = answer.content.decode()
    assert f'href="/services/{service.pk}/backups/back-up/"' in markup
    assert f'href="/services/{service.pk}/backups/#backups"' in markup
    assert 'aria-current="page">Overview' in markup


def test_a_damaged_backup_is_said_on_the_dashboard(service: Service, operator: User) -> None:
    backups.backup(service, state=BackupState.DAMAGED, why="A file of the repository is gone")
    page = text_of(window(operator).get("/"))
    assert "It has no good backup of late." in page
    assert "Way back 0 of 1" in page


def test_the_page_of_a_job_on_backups_says_how_far_it_is_and_what_came_of_it(service: Service, viewer: User) -> None:
    running = make.job(Kind.BACKUP, service, JobState.RUNNING, done=["look", "survey"], failed="take")
    running.steps.filter(key="take").update(
        progress={"bytes_done": 612_000_000, "bytes_total": 1_000_000_000, "files_done": 3812, "files_total": 6000}
    )
    page = text_of(window(viewer).get(f"/jobs/{running.pk}/"))
    assert "Copying the data, step 3 of" in page
    assert "612 MB of 1.0 GB · 3,812 of 6,000 files" in page
    Job.objects.filter(pk=running.pk).update(
        state=JobState.SUCCEEDED, ended_at=timezone.now(), by=None, created_at=timezone.now() - timedelta(seconds=9)
    )
    taken = backups.backup(service, job=running, verified_at=timezone.now())
    Job.objects.filter(pk=running.pk).update(result={"backup": taken.pk})
    answer = window(viewer).get(f"/jobs/{running.pk}/")
    assert f"Backup {taken.pk} of personal_chatbot on prod-1 holds twelve files, 34 kB" in text_of(answer)
    assert "by the schedule" in text_of(answer)
    assert f'href="/backups/{taken.pk}/"' in answer.content.decode()


@pytest.mark.parametrize(
    "kind", [Kind.BACKUP, Kind.RESTORE, Kind.UNDO_RESTORE, Kind.REHEARSE, Kind.CHECK, Kind.BROWSE, Kind.DOWNLOAD]
)
@pytest.mark.parametrize("state", [JobState.QUEUED, JobState.RUNNING, JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED])
def test_every_job_on_backups_has_a_page_in_every_state(service: Service, viewer: User, kind: Kind, state: JobState) -> None:
    one = backups.backup(service)
    asked = {"backup": one.pk, "path": one.paths[0], "compare": False}
    job = make.job(kind, service, state, asked_for=asked, failed="" if state == JobState.QUEUED else "look", by=None)
    assert window(viewer).get(f"/jobs/{job.pk}/").status_code == 200
    assert "service was touched" not in page_text(viewer, job)


def page_text(person: User, job: Job) -> str:
    return text_of(window(person).get("/jobs/")) + text_of(window(person).get(f"/jobs/{job.pk}/"))
