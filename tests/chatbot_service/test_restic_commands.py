"""What is run with restic: nothing that comes from outside is taken for an option or a pattern, no secret is an argument."""

import os
from pathlib import Path

import pytest

from chatbot_service import restic_commands as commands
from chatbot_service.restic_commands import Place, as_listed, checked, environment, literally
from deploy_records.errors import Broken, Refused

PLACE = Place("/backups", "the-password", {"AWS_SECRET_ACCESS_KEY": "the-key"})


@pytest.mark.parametrize(
    ("path", "pattern"),
    [("/plain", "/plain"), ("/a*b?[c]\\", "/a\\*b\\?\\[c]\\\\"), ("/new\nline", "/new\nline"), ("/{a}", "/{a}")],
)
def test_a_path_is_no_pattern(path: str, pattern: str) -> None:
    assert literally(path) == pattern


def test_bytes_that_are_no_utf_8_are_listed_one_by_one() -> None:
    assert as_listed(os.fsdecode(b"/caf\xe9/\xe2\x82")) == "/caf\N{REPLACEMENT CHARACTER}/" + 2 * "\N{REPLACEMENT CHARACTER}"


@pytest.mark.parametrize("snapshot", ["", "latest", "--all", "ab12:/etc", "AB" * 32])
def test_only_an_id_names_a_snapshot(snapshot: str) -> None:
    with pytest.raises(Broken, match="not the ID"):
        commands.forget_argv([snapshot])
    with pytest.raises(Broken, match="not the ID"):
        commands.ls_argv(snapshot)


@pytest.mark.parametrize("path", ["", "relative", "-option", "/nul\0"])
def test_only_a_whole_path_is_passed_on(path: str) -> None:
    with pytest.raises(Broken, match="begins with /"):
        commands.backup_argv("host", [path], [])
    with pytest.raises(Broken, match="begins with /"):
        commands.dump_argv("ab" * 32, path)


@pytest.mark.parametrize("share", ["5%", "2.5%", "1G", "1/7", "100%", ""])
def test_a_share_is_passed_on(share: str) -> None:
    assert commands.check_argv(share)[:3] == ["check", "--json", "--no-lock"]


@pytest.mark.parametrize("share", ["five", "-5%", "5", "1G --with-cache"])
def test_another_share_is_broken(share: str) -> None:
    with pytest.raises(Broken, match="no share"):
        commands.check_argv(share)


def test_each_tag_has_its_own_option_and_paths_come_last() -> None:
    argv = commands.backup_argv("host", ["/data"], ["service:chatbot", "job:7"])
    assert argv[argv.index("--tag") :][:4] == ["--tag", "service:chatbot", "--tag", "job:7"]
    assert argv[-2:] == ["--", "/data"]


@pytest.mark.parametrize(
    "url",
    ["/backups", "local:/backups", "sftp:portal@host:/backups", "sftp://host:2222//backups", "s3:https://s3.example.org/bucket",
     "rest:https://host/chatbot", "rclone:remote:folder-of-backups", "b2:bucket:path"],
)  # fmt: skip
def test_places_that_restic_knows_are_taken(url: str) -> None:
    assert checked(Place(url, "p")).url == url


@pytest.mark.parametrize(
    "url", ["", "backups", "ftp://host/x", "sftp:-oProxyCommand=sh:/x", "sftp://-oX/y", "rclone:-x:y", "rest:a\nb"]
)
def test_other_places_are_refused(url: str) -> None:
    with pytest.raises(Refused, match="address of the backup repository"):
        checked(Place(url, "p"))


@pytest.mark.parametrize(
    "name", ["RESTIC_PASSWORD_COMMAND", "LD_PRELOAD", "PATH", "AWS_SHARED_CREDENTIALS_FILE", "RCLONE_CONFIG"]
)
def test_what_would_run_commands_is_no_credential(name: str) -> None:
    with pytest.raises(Refused, match="cannot be given to restic"):
        checked(Place("/backups", "p", {name: "x"}))


def test_restic_gets_its_secrets_and_none_of_the_workers() -> None:
    outside = {"PATH": "/bin", "HOME": "/root", "KG_SECRETS_KEY": "x", "RESTIC_PASSWORD_COMMAND": "x", "DATABASE_URL": "x"}
    given = environment(PLACE, Path("/cache"), outside)
    assert given == {
        "PATH": "/bin",
        "HOME": "/root",
        "AWS_SECRET_ACCESS_KEY": "the-key",
        "RESTIC_REPOSITORY": "/backups",
        "RESTIC_PASSWORD": "the-password",
        "RESTIC_CACHE_DIR": "/cache",
        "RESTIC_PROGRESS_FPS": "2",
        "LANG": "C",
    }
