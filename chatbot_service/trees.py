"""The data of services on the host, as jobs on backups need it: `jobs.backup_ports.Trees`."""

import os
import re
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path, PurePosixPath
from urllib.parse import quote

from chatbot_service import trees_compare, trees_contents, trees_paths, trees_plan, trees_survey, trees_swap
from chatbot_service.jobs.backup_ports import Differences, Node, Survey, Swap
from chatbot_service.trees_contents import Contents
from chatbot_service.trees_harmless import make_harmless
from chatbot_service.trees_paths import identity, identity_of, opened, shown, staging_root
from deploy_records.errors import Broken, Refused

_NAME = re.compile(r"[A-Za-z0-9_%][A-Za-z0-9 ._%~-]{0,199}")
_DESCRIPTIONS = "descriptions"


class Folders:
    """`state`: the portal's own folder, in which no service's data may lie."""

    def __init__(self, state: Path) -> None:
        self._state = state.resolve()

    def problem(self, path: str) -> str:
        return trees_paths.problem(path, str(self._state))

    def survey(self, paths: Sequence[str]) -> Survey:
        return trees_survey.survey(paths)

    def changed_since(self, paths: Sequence[str], moment: float) -> tuple[int, tuple[str, ...]]:
        return trees_survey.changed_since(paths, moment)

    def describe(self, folder: str, files: dict[str, bytes]) -> str:
        quoted = quote(folder, safe=" ")
        if not all(_NAME.fullmatch(name) for name in (quoted, *files)):
            raise ValueError(folder, list(files))
        place = self._state / _DESCRIPTIONS / quoted
        with _told(f"The description of the service in {place} cannot be written"):
            place.mkdir(parents=True, exist_ok=True, mode=0o700)
            for name, content in files.items():
                _keep(place / name, content)
            for left in set(place.iterdir()) - {place / name for name in files}:
                left.unlink()
        return str(place)

    def free_bytes(self, path: str) -> int:
        there = next(folder for folder in (Path(path), *Path(path).parents) if folder.exists())
        found = os.statvfs(there)
        return found.f_bavail * found.f_frsize

    def plan_swaps(self, paths: Sequence[str], roots: Sequence[str], job: int) -> list[Swap]:
        return trees_plan.plan(paths, roots, job)

    def staging_of(self, swap: Swap) -> str:
        root = PurePosixPath(staging_root(swap.staged))
        with _told(f"The folder {shown(str(root))} for what is restored cannot be made"):
            with opened(str(root.parent)) as beside:
                with suppress(FileExistsError):
                    os.mkdir(root.name, 0o700, dir_fd=beside)
                with opened(str(root)) as made:
                    _only_ours(made, root)
            if swap.by == "contents":
                _refuse_if_halfway(swap)
            _remove(swap.staged)
        return str(root)

    def harmless(self, swap: Swap, *, keep_setuid: bool) -> list[str]:
        with _told(f"What is staged at {shown(swap.staged)} cannot be made harmless"):
            return make_harmless(swap.staged, keep_setuid=keep_setuid, target=swap.target)

    def differences(self, nodes: Iterator[Node], into: str, *, without_setuid: bool) -> Differences:
        return trees_compare.differences(nodes, into, without_setuid=without_setuid)

    def seen(self, swap: Swap) -> Swap:
        with _told(f"{shown(swap.target)} cannot be looked at"):
            if swap.by == "contents":
                return trees_contents.seen(swap)
            return replace(swap, was=identity_of(swap.target), new=identity_of(swap.staged))

    def swap(self, swap: Swap) -> None:
        with _told(f"{shown(swap.target)} cannot be replaced"):
            if not swap.new and (not swap.was or swap.by == "contents"):
                raise Broken(f"Nothing is staged at {shown(swap.staged)}. Nothing was moved.")
            if swap.by == "contents":
                Contents(swap).swap()
            else:
                trees_swap.arrange(swap, trees_swap.Where(swap.new, swap.was))

    def swap_back(self, swap: Swap) -> str:
        with _told(f"{shown(swap.target)} cannot be put back"):
            done = Contents(swap).swap_back() if swap.by == "contents" else _rename_back(swap)
        return f"{shown(swap.target)} is as it was before." if done else f"{shown(swap.target)} had not been replaced."

    def discard(self, swap: Swap) -> None:
        with _told(f"{shown(swap.staged)} cannot be removed"), suppress(FileNotFoundError):
            _refuse_if_halfway(swap)
            if swap.by == "contents":
                _remove(staging_root(swap.staged))
            else:
                _remove(swap.staged)
                _remove_empty(PurePosixPath(swap.staged).parent, PurePosixPath(staging_root(swap.staged)))


def _rename_back(swap: Swap) -> bool:
    if identity_of(swap.target) == swap.was and not trees_swap.is_parked(swap):
        return False
    return trees_swap.arrange(swap, trees_swap.Where(swap.was, swap.new))


def _refuse_if_halfway(swap: Swap) -> None:
    halfway = Contents(swap).is_halfway() if swap.by == "contents" else trees_swap.is_parked(swap)
    if halfway:
        raise Broken(
            f"{shown(swap.target)} is replaced halfway, so nothing of it is removed. Finish the restore or undo it first."
        )


def _only_ours(made: int, root: PurePosixPath) -> None:
    """Another might have made it before us, to look at what is restored."""
    if os.fstat(made).st_uid != os.geteuid():
        raise Refused(f"{shown(str(root))} belongs to somebody else. Remove it. Nothing was changed.")
    os.fchmod(made, 0o700)


def _remove(path: str) -> None:
    """Only below or of a staging folder. Follows no link and goes into no other file system."""
    parent, name = PurePosixPath(path).parent, PurePosixPath(path).name
    staging_root(f"{path}/x")
    try:
        with opened(str(parent)) as above:
            argv = ["rm", "-rf", "--one-file-system", "--", f"/proc/self/fd/{above}/{name}"]
            spoken = {"LC_ALL": "C", "PATH": os.environ.get("PATH", os.defpath)}
            done = subprocess.run(argv, capture_output=True, pass_fds=(above,), env=spoken, check=False)  # noqa: S603 - argv only
            if identity(name, above):
                raise Broken(f"{shown(path)} cannot be removed: {shown(os.fsdecode(done.stderr))}")
    except FileNotFoundError:
        pass  # nor is what lies in it


def _remove_empty(folder: PurePosixPath, last: PurePosixPath) -> None:
    """From `folder` upwards, `last` included, as long as nothing else is in them."""
    while folder.is_relative_to(last):
        try:
            with opened(str(folder.parent)) as above:
                os.rmdir(folder.name, dir_fd=above)
        except FileNotFoundError:
            pass  # a restore that was killed may not have got that far
        except OSError:
            return
        folder = folder.parent


def _keep(file: Path, content: bytes) -> None:
    with suppress(FileNotFoundError):
        if file.read_bytes() == content:
            return
    new = file.with_name(f".{file.name}.new")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as opened_file:
        opened_file.write(content)
    new.replace(file)


@contextmanager
def _told(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Broken(f"{what}: {error.strerror}.") from error
