"""The Compose project's folder on the host: the pin file, and throw-away copies of its data."""

import os
import re
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path

from chatbot_service.foreign_text import one_line
from deploy_records.errors import Broken, Refused

_MOST_PIN_BYTES = 1_000_000
_MOST_FILES = 100_000
_KEY = re.compile(r"^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*[=:]", re.MULTILINE)
_COPY_TIMEOUT = 120.0


class Folder:
    """`copies`: a folder of its own, outside the project, that is removed as a whole by `remove_copies`."""

    def __init__(self, directory: str, pin_file: str, copies: Path) -> None:
        self._folder = Path(directory)
        self._pin_file = pin_file
        self._copies = copies

    def read_pin(self) -> str | None:
        file = self._pin_path()
        try:
            with file.open("rb") as opened:
                content = opened.read(_MOST_PIN_BYTES + 1)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise Broken(f"The pin file {file} cannot be read: {error.strerror}.") from error
        if len(content) > _MOST_PIN_BYTES:
            raise Refused(f"The pin file {file} is larger than 1 MB. Nothing was changed.")
        try:
            return content.decode()
        except UnicodeDecodeError as error:
            raise Refused(f"The pin file {file} is not UTF-8 text. Save it as UTF-8. Nothing was changed.") from error

    def write_pin(self, text: str | None) -> None:
        file = self._pin_path()
        try:
            if text is None:
                file.unlink(missing_ok=True)
            else:
                replace_whole(file, text)
            sync_folder(file.parent)
        except OSError as error:
            raise Broken(f"The pin file {file} cannot be written: {error.strerror}.") from error

    def throw_away_copy(self, path: str, most_bytes: int) -> str | None:
        """Symbolic links are copied as links and never followed; sockets, pipes and devices are left out."""
        source = Path(path)
        if source.is_symlink() or not source.exists() or not _fits(source, most_bytes):
            return None
        self._copies.mkdir(parents=True, exist_ok=True, mode=0o700)
        target = self._copies / f"{len(list(self._copies.iterdir()))}-{source.name}"
        try:
            _copy(source, target)
        except (OSError, shutil.Error, subprocess.SubprocessError):
            _remove(target)
            return None
        return str(target)

    def remove_copies(self) -> None:
        try:
            _remove(self._copies)
        except OSError as error:
            raise Broken(f"The copies in {self._copies} cannot be removed: {error.strerror}.") from error

    def scratch(self) -> str:
        try:
            self._copies.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise Broken(f"The scratch folder {self._copies} cannot be made: {error.strerror}.") from error
        return str(self._copies)

    def has(self, name: str) -> bool:
        file = self._folder / name
        return file.is_file() and not file.is_symlink() and file.resolve().is_relative_to(self._folder.resolve())

    def env_keys(self, name: str) -> list[str]:
        if not self.has(name):
            return []
        with (self._folder / name).open(errors="replace") as opened:
            text = opened.read(_MOST_PIN_BYTES)
        return sorted(set(_KEY.findall(text)))

    def _pin_path(self) -> Path:
        """`Refused` if the name, or a symbolic link on the way, leads out of the project's folder."""
        file = self._folder / self._pin_file
        if not self._folder.is_dir():
            raise Refused(f"There is no folder {one_line(str(self._folder))} on this host. Nothing was changed.")
        inside = file.resolve().is_relative_to(self._folder.resolve())
        if not self._pin_file or not inside or file.is_symlink() or file.is_dir():
            raise Refused(
                f"The pin file {one_line(self._pin_file, 80)} is not a plain file in {self._folder}. "
                "Name a file in that folder, without links. Nothing was changed."
            )
        return file


def replace_whole(file: Path, text: str, mode: int = 0o644) -> None:
    """At any moment there is the old file or the new one, whole, with the same owner and mode; `mode` is for a new one."""
    temporary = file.with_name(f".{file.name}.new")
    temporary.unlink(missing_ok=True)  # left by a crash
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    try:
        with os.fdopen(descriptor, "wb") as opened:
            _like(descriptor, file)
            opened.write(text.encode())
            opened.flush()
            os.fsync(descriptor)
        temporary.replace(file)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _like(descriptor: int, file: Path) -> None:
    """Mode and owner of the file that is replaced; of its folder for a new one."""
    with suppress(FileNotFoundError):
        was = file.stat()
        os.fchmod(descriptor, was.st_mode & 0o7777)
        if (was.st_uid, was.st_gid) != (os.geteuid(), os.getegid()):
            os.fchown(descriptor, was.st_uid, was.st_gid)


def sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _fits(source: Path, most_bytes: int) -> bool:
    """Counts what is really on the disk, so that sparse files count as little as they take."""
    total = 0
    for count, found in enumerate((source, *(source.rglob("*") if source.is_dir() else ()))):
        with suppress(FileNotFoundError):  # data that is in use may go while we look
            total += found.lstat().st_blocks * 512
        if total > most_bytes or count > _MOST_FILES:
            return False
    return True


def _copy(source: Path, target: Path) -> None:
    argv = ["cp", "-a", "--sparse=always", "--reflink=auto", "-T", "--", str(source), str(target)]
    spoken = {"LC_ALL": "C", "PATH": os.environ.get("PATH", os.defpath)}
    done = subprocess.run(argv, capture_output=True, text=True, timeout=_COPY_TIMEOUT, env=spoken, check=False)  # noqa: S603 - argv only
    vanished = all(line.endswith("No such file or directory") for line in done.stderr.splitlines())
    if done.returncode and not (vanished and target.exists()):  # what vanished meanwhile was not there to be copied
        raise shutil.Error(one_line(done.stderr))
    for copied in target.rglob("*"):
        if not (copied.is_symlink() or copied.is_file() or copied.is_dir()):
            copied.unlink()


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
