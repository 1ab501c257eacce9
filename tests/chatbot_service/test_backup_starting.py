from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from chatbot_service import backup_starting as starting
from chatbot_service.dispatch import Request
from chatbot_service.models import Backup, Job, JobState, Kind, Restore, Service
from deploy_records.errors import Invalid, NotAllowed, Refused
from deploy_records.models import AuditEvent, ImageDigest
from tests import backup_factories as backups
from tests import factories as make

pytestmark = pytest.mark.django_db


@pytest.fixture
def service() -> Service:
    made = make.service("bot", runs=make.entry())
    backups.plan(made)
    return made


@pytest.fixture
def olga() -> User:
    return make.person("Operator", name="olga")


def _by(person: User, reason: str = "") -> Request:
    return Request(person, reason, "192.0.2.3")


def _restore(backup: Backup, by: User, *paths: str, confirmed: str = "bot", **more: Any) -> Job | Restore:
    return starting.restore(backup, paths, _by(by, "data lost"), confirmed=confirmed, **more)


def _nothing_began() -> bool:
    return not Job.objects.filter(state=JobState.QUEUED).exists() and not Restore.objects.exists()


def test_each_entrance_starts_its_job(service: Service, olga: User) -> None:
    backup = backups.backup(service)
    backups.plan(service, mode="stopped")
    number = backup.pk
    begins: list[tuple[Callable[[], Job], str, dict[str, Any]]] = [
        (lambda: starting.backup(service, _by(olga)), "backup", {"mode": "stopped"}),
        (lambda: starting.rehearse(service, None, _by(olga)), "rehearse", {"backup": number}),
        (lambda: starting.rehearse(service, backup, _by(olga)), "rehearse", {"backup": number}),
        (lambda: starting.check(service, _by(olga)), "check", {}),
        (lambda: starting.browse(backup, "", _by(olga)), "browse", {"backup": number, "path": "", "compare": False}),
        (
            lambda: starting.browse(backup, "/srv/bot/uploads/a", _by(olga), compare=True),
            "browse",
            {"backup": number, "path": "/srv/bot/uploads/a", "compare": True},
        ),
        (lambda: starting.download(backup, "", _by(olga)), "download", {"backup": number, "path": ""}),
    ]
    for begin, kind, asked in begins:
        job = begin()
        assert (job.kind, job.asked, job.by) == (kind, asked, olga)
        Job.objects.filter(pk=job.pk).update(state=JobState.SUCCEEDED)


def test_looking_into_a_backup_goes_beside_a_job_that_holds_the_service(service: Service, olga: User) -> None:
    backup = backups.backup(service)
    starting.backup(service, _by(olga))
    assert starting.browse(backup, "", _by(olga)).is_active
    with pytest.raises(Refused, match="holds bot on prod-1"):
        starting.check(service, _by(olga))


@pytest.mark.parametrize("role", ["Viewer", "Release manager", "Security reviewer", "Auditor"])
def test_only_operators_back_up_restore_and_download(role: str, service: Service, olga: User) -> None:
    backup, done = backups.backup(service), backups.restore(backups.backup(service), asked_by=olga)
    other = make.person(role)
    deeds: list[Callable[[], object]] = [
        lambda: starting.backup(service, _by(other)), lambda: starting.rehearse(service, None, _by(other)),
        lambda: starting.check(service, _by(other)), lambda: starting.download(backup, "", _by(other)),
        lambda: _restore(backup, other), lambda: starting.undo_restore(done, _by(other)),
    ]  # fmt: skip
    for deed in deeds:
        with pytest.raises(NotAllowed):
            deed()
    assert starting.browse(backup, "", _by(other)).kind == Kind.BROWSE


def test_what_has_no_plan_or_no_data_is_refused(service: Service, olga: User) -> None:
    with pytest.raises(Refused, match="no backup plan"):
        starting.backup(make.service("other"), _by(olga))
    service.data_paths = []
    with pytest.raises(Refused, match="no data paths"):
        starting.backup(service, _by(olga))


def test_without_a_good_backup_there_is_nothing_to_rehearse(service: Service, olga: User) -> None:
    backups.backup(service, state="damaged")
    with pytest.raises(Refused, match="no good backup"):
        starting.rehearse(service, None, _by(olga))


def test_a_restore_begins_with_its_row(service: Service, olga: User) -> None:
    backup = backups.backup(service)
    job = _restore(backup, olga, "/srv/bot/uploads/a")
    row = Restore.objects.get()
    assert (row.state, row.job, row.asked_by, row.reason) == ("started", job, olga, "data lost")
    assert isinstance(job, Job)
    assert job.asked == {"backup": backup.pk, "paths": ["/srv/bot/uploads/a"], "restore": row.pk}


def test_a_restore_that_cannot_begin_leaves_no_row(service: Service, olga: User) -> None:
    backup = backups.backup(service)
    starting.backup(service, _by(olga))
    with pytest.raises(Refused, match="holds bot"):
        _restore(backup, olga)
    assert not Restore.objects.exists()


@pytest.mark.parametrize("typed", ["", "Bot", "other", "bot on prod-1"])
def test_the_name_of_the_service_is_typed(typed: str, service: Service, olga: User) -> None:
    backup = backups.backup(service)
    with pytest.raises(Invalid, match="Type the name of the service, bot"):
        _restore(backup, olga, confirmed=typed)
    assert _nothing_began()


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"state": "damaged", "why": "A pack is missing."}, "is damaged: A pack is missing"),
        ({"state": "forgotten"}, "no longer kept"),
        ({"state": "incomplete", "why": "2 files could not be read."}, "is incomplete: 2 files could not be read"),
        ({"digest": make.sha("nobody knows it")}, "no longer in the ledger"),
        ({"paths": ["/srv/bot/gone"]}, "outside the data paths that bot on prod-1 has now.*Choose the paths"),
    ],
)
def test_a_backup_that_cannot_be_relied_on_is_not_restored(
    fields: dict[str, Any], says: str, service: Service, olga: User
) -> None:
    with pytest.raises(Refused, match=says):
        _restore(backups.backup(service, **fields), olga)
    assert _nothing_began()


def test_an_incomplete_one_is_restored_by_who_says_so(service: Service, olga: User) -> None:
    assert isinstance(_restore(backups.backup(service, state="incomplete"), olga, incomplete=True), Job)


def test_a_backup_of_a_revoked_digest_is_not_restored_and_of_a_deprecated_one_is(service: Service, olga: User) -> None:
    backup = backups.backup(service)
    ImageDigest.objects.update(state="revoked")
    with pytest.raises(Refused, match="which is revoked"):
        _restore(backup, olga)
    ImageDigest.objects.update(state="deprecated")
    assert isinstance(_restore(backup, olga), Job)


def test_a_backup_of_another_service_is_not_restored(service: Service, olga: User) -> None:
    other = make.service("other", data_paths=service.data_paths)
    backups.plan(other)
    foreign = backups.backup(other, digest="")
    with pytest.raises(Refused, match="is of other on prod-1, not of bot on prod-1"):
        _restore(foreign, olga, service=service)
    with pytest.raises(Refused, match="is of other"):
        starting.rehearse(service, foreign, _by(olga))
    assert _nothing_began()


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd", "/srv/bot", "/srv/bot/uploads/../../../etc", "/srv/bot/uploads2", "srv/bot/uploads", "/srv/bot/uploads/",
        "/srv/bot/uploads//a", "//srv/bot/uploads", "/srv/bot/uploads/\x00", "", "/srv/bot/uploads/" + "x" * 5000,
    ],
)  # fmt: skip
def test_a_path_outside_the_data_is_refused(path: str, service: Service, olga: User) -> None:
    backup = backups.backup(service)
    with pytest.raises(Refused, match="Nothing was changed"):
        _restore(backup, olga, path)
    if path:
        with pytest.raises(Refused, match="Nothing was changed"):
            starting.browse(backup, path, _by(olga))
        with pytest.raises(Refused, match="Nothing was changed"):
            starting.download(backup, path, _by(olga))
    assert _nothing_began()


def test_a_path_that_is_no_longer_among_the_data_is_refused(service: Service, olga: User) -> None:
    backup = backups.backup(service, paths=["/srv/bot/uploads", "/srv/bot/old"])
    with pytest.raises(Refused, match="has now"):
        _restore(backup, olga, "/srv/bot/old")
    assert isinstance(_restore(backup, olga, "/srv/bot/uploads"), Job)


def test_damaged_and_forgotten_backups_are_not_looked_into_either(service: Service, olga: User) -> None:
    for state in ("damaged", "forgotten"):
        with pytest.raises(Refused):
            starting.browse(backups.backup(service, state=state), "", _by(olga))
        with pytest.raises(Refused):
            starting.download(backups.backup(service, state=state), "", _by(olga))
    assert starting.browse(backups.backup(service, state="incomplete"), "", _by(olga)).is_active


# Two people


@pytest.fixture
def waiting(service: Service, olga: User) -> Restore:
    backups.plan(service, two_people=True)
    asked = _restore(backups.backup(service), olga)
    assert isinstance(asked, Restore)
    return asked


def test_a_restore_waits_for_a_second_person(waiting: Restore, olga: User) -> None:
    assert waiting.state == "asked"
    assert not Job.objects.filter(kind=Kind.RESTORE).exists()
    assert AuditEvent.objects.get(action="restore.asked").reason == "data lost"
    rita = make.person("Release manager", name="rita")
    job = starting.agree(waiting, _by(rita, "seen the ticket"))
    waiting.refresh_from_db()
    assert (waiting.state, waiting.job, waiting.decided_by, waiting.decision_note) == ("started", job, rita, "seen the ticket")
    assert (job.by, job.asked["restore"]) == (olga, waiting.pk)
    event = AuditEvent.objects.get(action="restore.agreed")
    assert (event.actor, event.changes["asked_by"]) == ("rita", "olga")


def test_nobody_agrees_to_their_own_restore(waiting: Restore, olga: User) -> None:
    with pytest.raises(NotAllowed, match="asked for this restore yourself"):
        starting.agree(waiting, _by(olga))
    twin = make.person("Administrator", name="olga2", email=olga.email.upper())
    with pytest.raises(NotAllowed, match="asked for this restore yourself"):
        starting.agree(waiting, _by(twin))
    for role in ("Viewer", "Auditor", "Security reviewer"):
        with pytest.raises(NotAllowed):
            starting.agree(waiting, _by(make.person(role)))
    waiting.refresh_from_db()
    assert (waiting.state, waiting.job) == ("asked", None)


def test_what_has_changed_meanwhile_is_seen_when_the_second_person_agrees(waiting: Restore, olga: User) -> None:
    rita = make.person("Release manager")
    Backup.objects.update(state="damaged")
    with pytest.raises(Refused, match="is damaged"):
        starting.agree(waiting, _by(rita))
    Backup.objects.update(state="good")
    olga.groups.clear()
    with pytest.raises(NotAllowed):
        starting.agree(waiting, _by(rita))
    waiting.refresh_from_db()
    assert (waiting.state, waiting.decided_by) == ("asked", None)


def test_only_one_restore_waits_for_a_service(waiting: Restore) -> None:
    with pytest.raises(Refused, match="that olga asked for waits"):
        _restore(waiting.backup, make.person("Operator"))


def test_a_restore_is_declined_by_another_or_taken_back_and_then_decided(waiting: Restore, olga: User) -> None:
    with pytest.raises(NotAllowed):
        starting.decline(waiting, _by(make.person("Viewer")))
    starting.decline(waiting, _by(make.person("Release manager", name="rita")), "not today")
    waiting.refresh_from_db()
    assert (waiting.state, waiting.decision_note) == ("declined", "not today")
    for again in (starting.agree, starting.decline):
        with pytest.raises(Refused, match="no longer waits: declined"):
            again(waiting, _by(make.person("Release manager")))
    mine = _restore(waiting.backup, olga)
    assert isinstance(mine, Restore)
    assert starting.decline(mine, _by(olga)).state == "declined"


# Undo


def test_a_restore_is_undone_while_what_it_replaced_is_kept(service: Service, olga: User) -> None:
    done = backups.restore(backups.backup(service))
    job = starting.undo_restore(done, _by(olga))
    done.refresh_from_db()
    assert (job.kind, done.undo_job, job.asked["restore"]) == (Kind.UNDO_RESTORE, job, done.pk)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"state": "undone"}, "undone already"), ({"state": "failed"}, "has changed nothing"),
        ({"state": "asked"}, "has changed nothing"), ({"replaced_until": None}, "was kept until"),
        ({"replaced_until": timezone.now() - timedelta(minutes=1)}, "was kept until"),
        ({"replaced_removed_at": timezone.now()}, "was kept until"),
    ],
)  # fmt: skip
def test_what_is_no_longer_kept_cannot_be_put_back(fields: dict[str, Any], says: str, service: Service, olga: User) -> None:
    done = backups.restore(backups.backup(service), **fields)
    with pytest.raises(Refused, match=says):
        starting.undo_restore(done, _by(olga))
    assert Restore.objects.get().undo_job is None


def test_the_last_restore_is_undone_first(service: Service, olga: User) -> None:
    first, second = (backups.restore(backups.backup(service)) for _ in range(2))
    with pytest.raises(Refused, match=f"Restore {second.pk} came after it"):
        starting.undo_restore(first, _by(olga))
    Restore.objects.filter(pk=second.pk).update(state="undone")
    assert starting.undo_restore(first, _by(olga)).is_active
