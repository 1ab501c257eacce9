"""`manage.py job`: the same jobs by the same rules, told by exit codes."""

from io import StringIO

import pytest
from django.core.management import call_command

from chatbot_service import dispatch
from chatbot_service.models import Backup, Job, JobState, Restore, Service
from deploy_records.models import AuditEvent, LedgerState
from tests import backup_factories as backups
from tests import factories

pytestmark = pytest.mark.django_db(transaction=True)  # jobs are published on commit


@pytest.fixture
def service() -> Service:
    factories.person("Operator", name="olga")
    return factories.service(runs=factories.entry("old"))


def run(*words: str) -> tuple[int, str]:
    out, err = StringIO(), StringIO()
    try:
        call_command("job", *words, stdout=out, stderr=err)
    except SystemExit as ended:
        return int(str(ended.code)), out.getvalue() + err.getvalue()
    return 0, out.getvalue() + err.getvalue()


@pytest.mark.parametrize(
    ("state", "code"), [(JobState.SUCCEEDED, 0), (JobState.FAILED, 1), (JobState.REFUSED, 2), (JobState.STUCK, 3)]
)
@pytest.mark.usefixtures("service")
def test_the_exit_code_tells_how_the_job_ended(state: str, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def ends_at_once(number: int, _queue: str) -> None:
        Job.objects.filter(pk=number).update(state=state, error="the cause")

    monkeypatch.setattr(dispatch, "_wake", [ends_at_once])
    new = factories.entry("new", LedgerState.APPROVED)
    ended, said = run("upgrade", "personal_chatbot", new.digest, "--by", "olga", "--wait")
    assert ended == code
    assert "the cause" in said


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (("upgrade", "personal_chatbot", "v1", "--by", "olga"), "pin by digest"),
        (("upgrade", "nothing", "v1", "--by", "olga"), "There is no service"),
        (("restart", "personal_chatbot", "--by", "nobody"), "no active person"),
        (("restart", "personal_chatbot@elsewhere", "--by", "olga"), "There is no service"),
        (("rollback", "personal_chatbot", "--by", "olga"), "nothing to roll back to"),
    ],
)
@pytest.mark.usefixtures("service")
def test_a_refusal_is_exit_code_2_in_words_with_an_event_and_no_job(words: tuple[str, ...], answer: str) -> None:
    code, said = run(*words)
    assert code == 2
    assert answer in said
    assert not Job.objects.exists()
    assert AuditEvent.objects.filter(action="refused").count() == 1


def test_a_name_that_two_hosts_have_must_say_which(service: Service) -> None:
    factories.service(service.name, host=factories.host("prod-2"), runs=factories.entry("there"))
    code, said = run("restart", service.name, "--by", "olga")
    assert code == 2
    assert "@HOST" in said
    assert run("restart", f"{service.name}@prod-2", "--by", "olga")[0] == 0


@pytest.mark.parametrize("words", [
    ("upgrade", "\udcff", "sha256:1", "--by", "olga"),
    ("upgrade", "personal_chatbot", "\udcff", "--by", "olga"),
    ("restart", "personal_chatbot", "--by", "\udcff"),
    ("restart", "personal_chatbot", "--by", "olga", "--reason", "\udcff"),
])  # fmt: skip
@pytest.mark.usefixtures("service")
def test_bytes_that_are_no_text_are_refused(words: tuple[str, ...]) -> None:
    code, said = run(*words)
    assert code == 2
    assert "is not text in UTF-8" in said
    assert not Job.objects.exists()
    assert AuditEvent.objects.filter(action="refused").count() == 1


# Backups


@pytest.fixture
def backup(service: Service) -> Backup:
    backups.plan(service)
    return backups.backup(service)


def test_backups_are_taken_rehearsed_and_checked(backup: Backup) -> None:
    number = str(backup.pk)
    for words, asked in (
        (("backup",), {"mode": "live"}),
        (("rehearse",), {"backup": backup.pk}),
        (("rehearse", "--backup", number), {"backup": backup.pk}),
        (("check",), {}),
    ):
        kind, *more = words
        code, said = run(kind, "personal_chatbot", *more, "--by", "olga")
        job = Job.objects.latest("pk")
        assert (code, job.kind, job.asked) == (0, kind, asked), said
        Job.objects.update(state=JobState.SUCCEEDED)


def test_a_restore_names_the_backup_the_paths_and_the_service_once_more(backup: Backup) -> None:
    inside = f"{backup.paths[0]}/a"
    words = ("restore", "personal_chatbot", "--backup", str(backup.pk), "--path", inside, "--confirm", "personal_chatbot")
    code, said = run(*words, "--by", "olga", "--reason", "data lost")
    assert code == 0, said
    restore = Restore.objects.get()
    assert (restore.paths, restore.reason, restore.state) == ([inside], "data lost", "started")


def test_a_restore_that_takes_two_people_waits(backup: Backup) -> None:
    backups.plan(backup.service, two_people=True)
    words = ("restore", "personal_chatbot", "--backup", str(backup.pk), "--confirm", "personal_chatbot", "--by", "olga")
    code, said = run(*words, "--wait")
    assert (code, Restore.objects.get().state) == (0, "asked")
    assert "waits for a second person" in said


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (("restore", "personal_chatbot"), "Say which backup: --backup N"),
        (("restore", "personal_chatbot", "--backup", "999"), "There is no backup 999"),
        (("rehearse", "personal_chatbot", "--backup", "999"), "There is no backup 999"),
        (("restore", "personal_chatbot", "--backup", "{}"), "Type the name of the service"),
        (("restore", "personal_chatbot", "--backup", "{}", "--confirm", "other"), "Type the name of the service"),
        (("restore", "personal_chatbot", "--backup", "{}", "--path", "/etc"), "outside the data paths"),
        (("restore", "personal_chatbot", "--backup", "{}", "--path", "\udce9"), "not text in UTF-8"),
        (("restore", "other", "--backup", "{}", "--confirm", "other"), "is of personal_chatbot on prod-1, not of other"),
    ],
)
def test_a_restore_that_cannot_be_is_refused(words: tuple[str, ...], answer: str, backup: Backup) -> None:
    factories.service("other")
    code, said = run(*(word.format(backup.pk) for word in words), "--by", "olga")
    assert code == 2
    assert answer in said
    assert not Restore.objects.exists()
    assert AuditEvent.objects.filter(action="refused").exists()
