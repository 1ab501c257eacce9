import pytest

from chatbot_service.backup_urls import below, checked_url, credentials_of, in_lines, within
from deploy_records.errors import Invalid

CANARY = "canary-51c0"


@pytest.mark.parametrize(
    "url",
    [
        "/srv/backups", "/mnt/my backups", "s3:https://s3.example.org/bucket", "s3:s3.amazonaws.com/bucket/folder",
        "s3:http://127.0.0.1:9000/bucket", "sftp:bob@backup.example.org:/srv/backups", "sftp:backup:folder",
        "sftp://bob@[::1]:2222//srv/backups", "rest:https://backups.example.org:8000/folder/", "rest:http://bob@10.0.0.7:8000",
        "azure:container:/folder", "gs:bucket:/", "b2:bucket", "swift:container:/folder", "rclone:remote:folder",
    ],
)  # fmt: skip
def test_what_restic_knows_is_taken(url: str) -> None:
    assert checked_url(f" {url} ") == url


@pytest.mark.parametrize(
    "url",
    [
        "", "/", "/srv", "//srv/backups", "/srv/../etc/x", "/etc/x", "/srv/./backups", "backups", "./backups", "-r/x", "--repo",
        "file:/srv/backups", "s3:-x/bucket", "sftp:-oProxyCommand=touch /tmp/x:/srv", "sftp://-oProxyCommand=x/srv",
        "sftp:bob@-oProxyCommand=x:/srv", "rclone::sftp,ssh=touch:/x", "rclone:-x:/y", "rest:https://-x", "rest:ftp://x/y",
        "rest:https://h/x?y=1", "s3:https://h/bucket/../other", "/srv/back\nups", "/srv/back\u202eups", "/srv/x\x00y",
        "rest:https://h/" + "x" * 500, "bogus:thing",
    ],
)  # fmt: skip
def test_what_could_be_an_option_a_command_or_nothing_at_all_is_refused(url: str) -> None:
    with pytest.raises(Invalid, match="Nothing was changed"):
        checked_url(url)


@pytest.mark.parametrize("url", ["rest:https://bob:{}@h/x", "sftp://bob:{}@h/x", "sftp:bob:{}@h:/x", "s3:https://k:{}@h/bucket"])
def test_a_password_in_the_address_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(Invalid, match="holds a password") as refused:
        checked_url(url.format(CANARY))
    assert CANARY not in str(refused.value)


def test_a_folder_loses_its_last_slash() -> None:
    assert checked_url("/srv/backups/") == "/srv/backups"


def test_credentials_go_with_the_kind_of_address() -> None:
    found = credentials_of("AWS_ACCESS_KEY_ID = a\n\nAWS_SECRET_ACCESS_KEY=b=c\n", "s3:https://h/bucket")
    assert found == {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b=c"}
    assert in_lines(found) == "AWS_ACCESS_KEY_ID=a\nAWS_SECRET_ACCESS_KEY=b=c"


@pytest.mark.parametrize(
    ("line", "url"),
    [
        ("AWS_SECRET_ACCESS_KEY={}", "rest:https://h/x"), ("RCLONE_PASSWORD_COMMAND={}", "rclone:r:x"),
        ("RCLONE_CONFIG_R_SSH={}", "rclone:r:x"), ("AWS_CONFIG_FILE={}", "s3:h/b"), ("PATH={}", "s3:h/b"),
        ("LD_PRELOAD={}", "s3:h/b"), ("RESTIC_PASSWORD_COMMAND={}", "rest:https://h"), ("{}", "s3:h/b"), ("{}=x", "s3:h/b"),
        ("AWS_SECRET_ACCESS_KEY={}\x07", "s3:h/b"), ("AWS_ACCESS_KEY_ID={}", "/srv/backups"), ("X={}", "sftp:h:/x"),
    ],
)  # fmt: skip
def test_other_names_are_refused_and_no_value_is_repeated(line: str, url: str) -> None:
    with pytest.raises(Invalid, match="Nothing was changed") as refused:
        credentials_of(line.format(CANARY), url)
    assert CANARY not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "own"),
    [
        ("/srv/backups", "/srv/backups/prod-1/bot"), ("s3:https://h/bucket/", "s3:https://h/bucket/prod-1/bot"),
        ("b2:bucket", "b2:bucket:prod-1/bot"), ("azure:container:/", "azure:container:prod-1/bot"),
        ("gs:bucket:/folder", "gs:bucket:/folder/prod-1/bot"), ("rclone:remote:", "rclone:remote:prod-1/bot"),
        ("rclone:remote:x", "rclone:remote:x/prod-1/bot"), ("sftp:h:/srv/", "sftp:h:/srv/prod-1/bot"),
    ],
)  # fmt: skip
def test_each_service_has_a_repository_of_its_own_below_the_place(url: str, own: str) -> None:
    assert below(url, "prod-1", "bot") == own


def test_a_folder_is_in_another_by_whole_names() -> None:
    assert within("/srv/a/b", "/srv/a")
    assert within("/srv/a", "/srv/a")
    assert not within("/srv/ab", "/srv/a")
