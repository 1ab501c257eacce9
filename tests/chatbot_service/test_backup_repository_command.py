"""`manage.py backup-repository`: places for backups from the shell, told by exit codes."""

from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command

from chatbot_service import dispatch
from chatbot_service.models import BackupRepository, Job, JobState, Kind
from chatbot_service.secrets import unseal
from deploy_records.models import AuditEvent
from tests import backup_factories as backups
from tests import factories as make

pytestmark = pytest.mark.django_db(transaction=True)  # jobs are published on commit

CANARY = "canary-42d1b0"


@pytest.fixture(autouse=True)
def people() -> None:
    make.person("Administrator", name="ada")
    make.person("Operator", name="olga")


def run(*words: str) -> tuple[int, str]:
    out, err = StringIO(), StringIO()
    try:
        call_command("backup-repository", *words, stdout=out, stderr=err)
    except SystemExit as ended:
        return int(str(ended.code)), out.getvalue() + err.getvalue()
    return 0, out.getvalue() + err.getvalue()


def test_a_place_is_added_with_secrets_from_files_and_listed_without_them(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(f"{CANARY}\n")
    (tmp_path / "credentials").write_text(f"AWS_SECRET_ACCESS_KEY={CANARY}\n")
    files = ("--password", str(tmp_path / "key"), "--credentials", str(tmp_path / "credentials"))
    code, said = run("add", "away", "s3:https://s3.test/bucket", *files, "--by", "ada")
    assert (code, said) == (0, "away: s3:https://s3.test/bucket\n")
    assert unseal(BackupRepository.objects.get().sealed_password) == CANARY
    assert run("list") == (0, "away  s3:https://s3.test/bucket  0 services  recovery key not shown yet\n")


def test_the_recovery_key_is_shown_once() -> None:
    kept = backups.repository("away")
    key = unseal(kept.sealed_password)
    assert run("recovery-key", "away", "--by", "ada") == (0, f"{key}\n")
    code, said = run("recovery-key", "away", "--by", "ada")
    assert code == 2
    assert "was shown to ada" in said
    assert "recovery key shown" in run("list")[1]


@pytest.mark.parametrize(
    "words",
    [
        ("add", "away", "bogus", "--by", "ada"), ("add", "away", "/srv/backups", "--by", "olga"),
        ("add", "away", "/srv/backups", "--by", "nobody"), ("add", "away", "/srv/backups", "--by", "ada", "--password", "/none"),
        ("recovery-key", "none", "--by", "ada"), ("rekey", "none", "--by", "ada"), ("check", "none", "--by", "olga"),
        ("add", "\udce9", "/srv/backups", "--by", "ada"),
    ],
)  # fmt: skip
def test_a_refusal_is_exit_code_2_with_an_event(words: tuple[str, ...]) -> None:
    code, said = run(*words)
    assert code == 2
    assert said
    assert AuditEvent.objects.get(action="refused").object_name == f"backup-repository {words[0]}"
    assert not BackupRepository.objects.exists()


@pytest.mark.parametrize(("state", "expected"), [(JobState.SUCCEEDED, 0), (JobState.FAILED, 1)])
def test_every_service_is_checked_one_after_the_other(state: str, expected: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def ends_at_once(number: int, _queue: str) -> None:
        Job.objects.filter(pk=number).update(state=state, error="1 pack is missing")

    monkeypatch.setattr(dispatch, "_wake", [ends_at_once])
    for name in ("one", "two"):
        backups.plan(make.service(name))
    make.service("unplanned")
    code, said = run("check", "--by", "olga")
    assert code == expected
    assert said.count("1 pack is missing") == 2
    assert Job.objects.filter(kind=Kind.CHECK).count() == 2
    run("check", "one", "--by", "olga")
    assert Job.objects.filter(kind=Kind.CHECK).count() == 3
