"""Backups with the real restic, in repositories on this host: what is taken comes back, whatever the files are."""

import os
import shutil
import socket
import stat
import subprocess
import tarfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from io import BytesIO
from pathlib import Path

import pytest

from chatbot_service.jobs.backup_ports import Backups, Measure
from chatbot_service.restic import Restic
from chatbot_service.restic_commands import Place, as_listed
from deploy_records.errors import Broken, Refused
from tests import machine

pytestmark = pytest.mark.restic

PASSWORD = "correct-horse-battery-staple-0123456789-secret"
BAD_NAME = os.fsdecode(b"caf\xe9 \xff")
ODD_NAMES = ["new\nline", "quote \" and '", "*?[a]\\", " space ", "-dash", "ünïcödé", BAD_NAME, "!not"]


def unmeasured(_: Measure) -> None:
    pass


def unsaid(_: str) -> None:
    pass


@pytest.fixture
def open_at(tmp_path: Path) -> Callable[..., Restic]:
    """A service's repository, by its address."""

    def made(url: str = "", password: str = PASSWORD, binary: str = "", **credentials: str) -> Restic:
        place = Place(url or str(tmp_path / "backups/host/chatbot"), password, credentials)
        return Restic(place, "host", tmp_path / "locks", tmp_path / "cache", binary or machine.restic_binary())

    return made


@pytest.fixture(scope="module")
def empty_repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Making one takes seconds, as its first key is a slow one."""
    folder = tmp_path_factory.mktemp("empty")
    place = Place(str(folder / "repository"), PASSWORD)
    Restic(place, "host", folder / "locks", folder / "cache", machine.restic_binary()).prepare()
    return folder / "repository"


@pytest.fixture
def restic(open_at: Callable[..., Restic], repository: Path, empty_repository: Path) -> Restic:
    shutil.copytree(empty_repository, repository)
    return open_at()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    return tmp_path / "backups/host/chatbot"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "conversations.db").write_bytes(os.urandom(300_000))
    return folder


def take(restic: Backups, *paths: Path, tags: tuple[str, ...] = ()) -> str:
    return restic.take([str(path) for path in paths], tags, unmeasured, 60).snapshot


def bring_back(restic: Backups, snapshot: str, path: Path | str, into: Path) -> Path:
    restic.restore(snapshot, [str(path)], str(into), unmeasured, 60, unsaid)
    return Path(str(into) + str(path))


# The repository


def test_a_repository_is_made_for_the_portal_alone_and_then_found(open_at: Callable[..., Restic], repository: Path) -> None:
    first, second = open_at().prepare(), open_at().prepare()
    assert (first, second) == (f"The repository {repository} is made.", f"The repository {repository} is there.")
    assert {stat.S_IMODE(path.stat().st_mode) for path in (repository, repository.parent)} == {0o700}
    assert open_at().check("100%", unsaid, 60).whole


def test_its_key_opens_quickly_and_is_the_only_one(restic: Restic, repository: Path) -> None:
    (key,) = (repository / "keys").iterdir()
    assert '"N": 2,' in key.read_text()


def test_a_short_password_keeps_the_slow_key(open_at: Callable[..., Restic], repository: Path) -> None:
    open_at(password="short").prepare()
    (key,) = (repository / "keys").iterdir()
    assert '"N":32768' in key.read_text()


def test_a_key_that_cannot_be_exchanged_goes_on_to_serve(
    open_at: Callable[..., Restic], data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chatbot_service.restic.write_key", lambda *_: (_ for _ in ()).throw(PermissionError("no")))
    restic = open_at()
    assert "opens slowly" in restic.prepare()
    assert take(restic, data)


def test_a_key_that_does_not_open_is_taken_away_again(
    open_at: Callable[..., Restic], repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chatbot_service.restic.quick_key", lambda *_: ("ab" * 32, b"{}"))
    restic = open_at()
    assert "opens slowly" in restic.prepare()
    assert len(list((repository / "keys").iterdir())) == 1
    assert restic.snapshots() == []


def test_another_password_is_refused_and_said_nowhere(restic: Restic, open_at: Callable[..., Restic]) -> None:
    with pytest.raises(Refused, match="does not open: its password is another") as refused:
        open_at(password="wrong-password-wrong-password-0123").snapshots()
    assert "wrong-password" not in str(refused.value)


def test_a_repository_that_is_not_there_is_refused(open_at: Callable[..., Restic], repository: Path) -> None:
    with pytest.raises(Refused, match=r"is not there\. See whether its disk is mounted"):
        open_at().snapshots()


def test_a_repository_that_lost_its_config_is_not_made_again_over_its_data(restic: Restic, repository: Path) -> None:
    (repository / "config").unlink()
    with pytest.raises(Broken, match="its file config is gone"):
        restic.prepare()


def test_a_folder_that_cannot_be_made_is_refused(open_at: Callable[..., Restic], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Refused, match="for backups cannot be made"):
        open_at(str(tmp_path / "file" / "backups")).prepare()


# What is taken comes back


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    folder = tmp_path / "odd [data]"
    folder.mkdir()
    for number, name in enumerate(ODD_NAMES):
        (folder / name).write_text(f"content {number}")
    (folder / "empty").mkdir(mode=0o711)
    (folder / "link").symlink_to("/nowhere/at all")
    os.link(folder / " space ", folder / "hard")
    os.mkfifo(folder / "pipe", 0o640)
    (folder / "setuid").write_text("#!")
    (folder / "setuid").chmod(0o6755)
    with (folder / "sparse").open("wb") as sparse:
        sparse.truncate(200_000_000)
        sparse.write(b"x")
    with suppress(OSError):
        os.setxattr(folder / "hard", "user.note", b"kept")
    if os.geteuid() == 0:
        os.lchown(folder / "link", 1234, 5678)
        os.chown(folder / "-dash", 1234, 5678)
    os.utime(folder / "-dash", ns=(10**18, 10**18 + 123456789))
    return folder


def seen(folder: Path) -> dict[str, tuple[object, ...]]:
    """Everything below it as the file system has it."""
    found: dict[str, tuple[object, ...]] = {}
    for path in sorted(folder.rglob("*")):
        was = path.lstat()
        content = path.read_bytes()[:100] if stat.S_ISREG(was.st_mode) else path.readlink() if path.is_symlink() else None
        note = os.getxattr(path, "user.note") if "user.note" in os.listxattr(path, follow_symlinks=False) else b""
        kind = (oct(was.st_mode), was.st_uid, was.st_gid, was.st_mtime_ns, was.st_nlink)
        found[str(path.relative_to(folder))] = (*kind, was.st_size if content else 0, content, note)
    return found


def test_odd_files_come_back_as_they_were(restic: Restic, odd: Path, tmp_path: Path) -> None:
    back = bring_back(restic, take(restic, odd), odd, tmp_path / "into")
    assert seen(back) == seen(odd)
    assert (back / "sparse").stat().st_blocks * 512 < 10_000_000
    assert (back / "hard").stat().st_ino == (back / " space ").stat().st_ino


@pytest.mark.parametrize("name", [*ODD_NAMES, "link", "pipe", "empty"])
def test_one_path_comes_back_alone(restic: Restic, odd: Path, tmp_path: Path, name: str) -> None:
    bring_back(restic, take(restic, odd), odd / name, tmp_path / "into")
    assert [path.name for path in Path(f"{tmp_path}/into{odd}").iterdir()] == [name]


def test_a_path_that_is_not_in_the_snapshot_is_broken(restic: Restic, data: Path, tmp_path: Path) -> None:
    with pytest.raises(Broken, match=r"holds no .*/data/nothing"):
        bring_back(restic, take(restic, data), data / "nothing", tmp_path / "into")


def test_an_unchanged_repeat_adds_next_to_nothing(restic: Restic, data: Path) -> None:
    first = restic.take([str(data)], ["job:1", "service:chatbot"], unmeasured, 60)
    again = restic.take([str(data)], ["job:2", "service:chatbot"], unmeasured, 60)
    assert (first.files, first.bytes) == (again.files, again.bytes) == (1, 300_000)
    assert first.added > 300_000
    assert again.added < 10_000
    one, two = restic.snapshots()
    assert (one.paths, one.host, one.tags) == ((str(data),), "host", ("job:1", "service:chatbot"))
    assert restic.snapshot(two.id) == two
    assert restic.snapshot("ab" * 32) is None


def test_the_portals_own_folders_are_left_out(restic: Restic, data: Path) -> None:
    (data / ".known-good-restore-7").mkdir()
    (data / ".known-good-restore-7/left").touch()
    assert restic.take([str(data)], [], unmeasured, 60).files == 1


def test_how_far_it_is_is_told(restic: Restic, data: Path, tmp_path: Path) -> None:
    told: list[Measure] = []
    snapshot = restic.take([str(data)], [], told.append, 60).snapshot
    assert told[-1] == Measure(300_000, 300_000, 1, 1, 0.0)
    restic.restore(snapshot, [str(data)], str(tmp_path / "into"), told.append, 60, unsaid)
    assert told[-1].bytes_done == 300_000


def test_a_cancelled_backup_stops_within_a_second_and_leaves_no_lock(restic: Restic, data: Path, repository: Path) -> None:
    with (data / "large").open("wb") as large:
        for _ in range(150):
            large.write(os.urandom(1 << 20))
    begun = 0.0

    def cancelled(measure: Measure) -> None:
        nonlocal begun
        begun = time.monotonic()
        raise KeyError("cancelled")

    with pytest.raises(KeyError):
        restic.take([str(data)], [], cancelled, 60)
    assert time.monotonic() - begun < 1
    assert restic.check("", unsaid, 60).whole
    restic.forget([take(restic, data / "conversations.db")], unsaid)
    assert list((repository / "locks").iterdir()) == []


# What is in it


def test_entries_are_listed_deep_and_flat(restic: Restic, odd: Path) -> None:
    snapshot = take(restic, odd)
    (odd / "sub").mkdir()
    nodes = {node.path: node for node in restic.nodes(snapshot, str(odd))}
    assert set(nodes) == {str(odd), *(as_listed(str(path)) for path in odd.iterdir() if path.name != "sub")}
    assert (nodes[f"{odd}/setuid"].mode, nodes[f"{odd}/setuid"].type) == (0o6755, "file")
    assert (nodes[f"{odd}/pipe"].type, nodes[f"{odd}/link"].type, nodes[f"{odd}/empty"].mode) == ("fifo", "symlink", 0o711)
    assert nodes[f"{odd}/sparse"].size == (odd / "sparse").stat().st_size
    top = str(Path(*odd.parts[:2]))
    assert [node.path for node in restic.nodes(snapshot, deep=False)] == [top]
    assert list(restic.nodes(snapshot, "/nowhere")) == []


def test_a_folder_is_downloaded_as_a_tar_archive(restic: Restic, odd: Path) -> None:
    (odd / "sparse").unlink()
    pieces = b"".join(restic.tar(take(restic, odd), str(odd)))
    with tarfile.open(fileobj=BytesIO(pieces), errors="surrogateescape") as tar:
        names = {Path("/" + member.name).name for member in tar}
        assert names == {path.name for path in odd.iterdir()}
        found = tar.extractfile(str(odd / "new\nline").lstrip("/"))
        assert found
        assert found.read() == b"content 0"


@pytest.mark.parametrize("name", ["new\nline", BAD_NAME])
def test_a_file_is_downloaded_as_a_tar_archive_as_well(restic: Restic, odd: Path, name: str) -> None:
    pieces = b"".join(restic.tar(take(restic, odd), str(odd / name)))
    with tarfile.open(fileobj=BytesIO(pieces), errors="surrogateescape") as tar:
        (member,) = tar
        found = tar.extractfile(member)
        assert found
        assert (member.name, found.read()) == (str(odd / name).lstrip("/"), (odd / name).read_bytes())


@pytest.mark.parametrize("name", ["link", "nothing"])
def test_what_cannot_be_downloaded_alone_is_refused(restic: Restic, odd: Path, name: str) -> None:
    snapshot = take(restic, odd)
    with pytest.raises(Refused, match="neither a file nor a folder" if name == "link" else "holds no"):
        restic.tar(snapshot, str(odd / name))


def test_what_is_forgotten_is_gone_and_its_space_is_given_back(restic: Restic, data: Path, repository: Path) -> None:
    def size() -> int:
        return sum(path.stat().st_size for path in (repository / "data").rglob("*") if path.is_file())

    first = take(restic, data)
    (data / "conversations.db").write_bytes(os.urandom(300_000))
    second = take(restic, data)
    told: list[str] = []
    restic.forget([first], told.append)
    assert [one.id for one in restic.snapshots()] == [second]
    assert size() < 350_000
    assert any("total prune" in line for line in told)
    restic.forget([], unsaid)
    restic.forget([first], unsaid)
    assert [one.id for one in restic.snapshots()] == [second]


# What cannot be read, and disks that are full


@pytest.fixture
def as_nobody(tmp_path: Path) -> str:
    """A restic that is run without root's rights."""
    if os.geteuid() != 0:
        pytest.skip("left out: only root can give up root's rights")
    wrapper = tmp_path / "restic-as-nobody"
    wrapper.write_text(f'#!/bin/sh\nexec setpriv --bounding-set -all --inh-caps -all {machine.restic_binary()} "$@"\n')
    wrapper.chmod(0o755)
    return str(wrapper)


def test_files_that_cannot_be_read_are_named_and_the_rest_is_kept(
    open_at: Callable[..., Restic], as_nobody: str, data: Path, tmp_path: Path, repository: Path, empty_repository: Path
) -> None:
    shutil.copytree(empty_repository, repository)
    restic = open_at(binary=as_nobody)
    (data / "secret").touch(mode=0)
    (data / "closed").mkdir(mode=0)
    taken = restic.take([str(data), str(tmp_path / "gone")], [], unmeasured, 60)
    assert len(taken.unreadable) == 3
    for path in (data / "secret", data / "closed", tmp_path / "gone"):
        assert any(str(path) in told for told in taken.unreadable)
    assert bring_back(restic, taken.snapshot, data / "conversations.db", tmp_path / "into").exists()


def test_nothing_to_read_at_all_is_broken(restic: Restic, tmp_path: Path) -> None:
    with pytest.raises(Broken, match="do not exist"):
        take(restic, tmp_path / "gone")


def test_a_repository_that_may_not_be_written_is_refused(
    restic: Restic, open_at: Callable[..., Restic], as_nobody: str, data: Path, repository: Path
) -> None:
    for folder, _, files in os.walk(repository):
        for path in (folder, *(f"{folder}/{name}" for name in files)):
            os.chown(path, 1234, 5678)
    with pytest.raises(Refused, match=r"permission denied\. Give its user access"):
        take(open_at(binary=as_nobody), data)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m,mode=700", "none", folder], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip("left out: this machine does not let file systems be mounted")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def test_a_full_disk_is_said_and_what_was_there_still_comes_back(
    open_at: Callable[..., Restic], small_disk: Path, data: Path, tmp_path: Path, empty_repository: Path
) -> None:
    shutil.copytree(empty_repository, small_disk / "chatbot")
    restic = open_at(str(small_disk / "chatbot"))
    good = take(restic, data)
    (data / "large").write_bytes(os.urandom(6_000_000))
    with pytest.raises(Refused, match="is full: no space is left on its disk"):
        take(restic, data)
    with suppress(OSError), (small_disk / "fill").open("wb", buffering=0) as fill:
        while True:
            fill.write(b"x" * 1000)
    assert [one.id for one in restic.snapshots()] == [good]
    assert bring_back(restic, good, data, tmp_path / "into").exists()
    (small_disk / "fill").unlink()
    assert restic.check("100%", unsaid, 60).whole


def test_a_full_target_is_said(restic: Restic, small_disk: Path, data: Path) -> None:
    (data / "large").write_bytes(os.urandom(6_000_000))
    snapshot = take(restic, data)
    with pytest.raises(Refused, match="The disk is full that is restored to"):
        bring_back(restic, snapshot, data, small_disk)


# Places that do not answer


@pytest.fixture
def closed_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port: int = bound.getsockname()[1]
        return port


@pytest.mark.parametrize("url", ["rest:http://user:pass-in-url@127.0.0.1:{}/chatbot", "s3:http://127.0.0.1:{}/bucket/chatbot"])
def test_a_place_where_nothing_answers_is_refused_soon(open_at: Callable[..., Restic], closed_port: int, url: str) -> None:
    restic = open_at(url.format(closed_port), AWS_ACCESS_KEY_ID="key-id", AWS_SECRET_ACCESS_KEY="very-secret-key")
    begun = time.monotonic()
    with pytest.raises(Refused, match="cannot be reached: nothing answers at that address") as refused:
        restic.prepare()
    assert time.monotonic() - begun < 12
    assert not any(secret in str(refused.value) for secret in ("pass-in-url", "very-secret-key", PASSWORD))


@pytest.fixture
def rest_server(tmp_path: Path, closed_port: int) -> Iterator[str]:
    program = machine.rclone_binary()
    if not program:
        pytest.skip("left out: no rclone is here to serve a repository")
    login = ["--user", "portal", "--pass", "rest-password"]
    server = subprocess.Popen(
        [program, "serve", "restic", "--addr", f"127.0.0.1:{closed_port}", *login, str(tmp_path / "served")],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
    )  # fmt: skip
    ends = time.monotonic() + 10
    while time.monotonic() < ends:
        with suppress(OSError), socket.create_connection(("127.0.0.1", closed_port)):
            break
        time.sleep(0.05)
    yield f"rest:http://127.0.0.1:{closed_port}/chatbot/"
    server.kill()
    server.wait()


def test_a_repository_on_a_rest_server_keeps_and_brings_back(
    open_at: Callable[..., Restic], rest_server: str, data: Path, tmp_path: Path
) -> None:
    restic = open_at(rest_server, RESTIC_REST_USERNAME="portal", RESTIC_REST_PASSWORD="rest-password")
    assert "is made" in restic.prepare()
    back = bring_back(restic, take(restic, data), data, tmp_path / "into")
    assert seen(back) == seen(data)
    assert restic.check("100%", unsaid, 60).whole
    with pytest.raises(Refused, match=r"user name and password|credentials") as refused:
        open_at(rest_server, RESTIC_REST_USERNAME="portal", RESTIC_REST_PASSWORD="wrong-password").snapshots()
    assert "wrong-password" not in str(refused.value)
