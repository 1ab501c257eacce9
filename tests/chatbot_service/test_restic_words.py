"""What restic said, in words: what a person can mend is told apart, and no secret is in it."""

import pytest

from chatbot_service.restic_commands import Place
from chatbot_service.restic_words import failure, unreachable
from deploy_records.errors import Broken, Refused

LOCAL = Place("/srv/backups/host/chatbot", "the-repository-password")
REMOTE = Place(
    "rest:https://portal:url-pass%21word@backup.example.org/chatbot",
    "the-repository-password",
    {"RESTIC_REST_PASSWORD": "the-rest-password"},
)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("Save(<data/2a>) failed: write r/data/2a/2a-tmp-15: no space left on device", "is full: no space is left"),
        ("write /srv/x/data/2a/2a-tmp-15: disk quota exceeded", "is full: no space is left"),
        ("write /data/.known-good-restore-7/db: no space left on device", "The disk is full that is restored to (/data/"),
        ("stat /srv/backups/host/chatbot/config: permission denied", "may not be read or written by this worker"),
        ("open /srv/x/locks/ab: read-only file system", "its file system is read-only"),
    ],
)
def test_what_can_be_mended_on_a_disk_is_refused(said: str, told: str) -> None:
    error = failure("backup", LOCAL, 1, f"Fatal: unable to save snapshot: {said}")
    assert isinstance(error, Refused)
    assert told in str(error)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("dial tcp 127.0.0.1:9: connect: connection refused", "cannot be reached: nothing answers"),
        ("dial tcp: lookup backup.example.org on 10.0.0.1:53: no such host", "cannot be reached: its host name is not known"),
        (
            "tls: failed to verify certificate: x509: certificate signed by unknown authority",
            "its TLS certificate is not trusted",
        ),
        ("dial tcp 192.0.2.1:443: i/o timeout", "does not answer in time"),
        ("http: server gave HTTP response to HTTPS client", "does not speak TLS"),
        ("unexpected HTTP response (401): 401 Unauthorized", "refuses: it asks for a user name and password"),
        ("unexpected HTTP response (403): 403 Forbidden", "refuses: it does not allow these credentials"),
        ("client.GetObject: Access Denied.", "refuses: it does not allow these credentials"),
        ("The Access Key Id you provided: InvalidAccessKeyId", "refuses: it does not know this access key"),
        ("subprocess ssh: portal@backup: Permission denied (publickey,password).", "refuses: its SSH server does not let"),
        ("subprocess ssh: Host key verification failed.", "refuses: its SSH host key is not known here"),
    ],
)
def test_what_can_be_mended_about_a_distant_place_is_refused(said: str, told: str) -> None:
    error = failure("backup", REMOTE, 1, f"Fatal: unable to open config file: {said}")
    assert isinstance(error, Refused)
    assert told in str(error)


@pytest.mark.parametrize(("exit_code", "told"), [(10, "is not there"), (11, "is locked"), (12, "its password is another")])
def test_exit_codes_tell_as_well(exit_code: int, told: str) -> None:
    error = failure("snapshots", LOCAL, exit_code, "Fatal: something")
    assert isinstance(error, Refused)
    assert told in str(error)


@pytest.mark.parametrize(
    "said",
    [
        "decrypting blob <data/2e195523> from db01ee76 failed: ciphertext verification failed",
        "LoadRaw(<index/69cf301fd1>): invalid data returned",
        "Fatal: config or key 8858f6fd is damaged: ciphertext verification failed",
        "id 942c5382 not found in repository",
        f"open /srv/backups/data/db/{'db' * 32}: no such file or directory",
    ],
)
def test_damage_is_broken(said: str) -> None:
    error = failure("restore", LOCAL, 1, f"Fatal: There were 2 errors\n{said}")
    assert isinstance(error, Broken)
    assert "is damaged: " in str(error)
    assert "There were" not in str(error)


def test_anything_else_is_broken_with_its_own_words() -> None:
    assert str(failure("backup", LOCAL, 1, "Fatal: strange thing\n")) == "restic backup failed with exit 1: strange thing."
    assert str(failure("backup", LOCAL, -9, "")) == "restic backup was ended by signal 9."


def test_no_secret_is_in_any_words() -> None:
    secrets = ("the-repository-password", "the-rest-password", "url-pass%21word", "url-pass!word")
    said = " ".join(secrets) + " connection refused"
    for error in (failure("backup", REMOTE, 1, said), failure("ls", REMOTE, 1, " ".join(secrets)), unreachable(REMOTE, said)):
        assert not any(secret in str(error) for secret in secrets)
    assert "the-repository-password" not in repr(REMOTE)
    assert "the-rest-password" not in repr(REMOTE)
