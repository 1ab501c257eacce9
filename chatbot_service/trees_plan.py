"""How data is going to be replaced: what exactly, by which way, and where its replacement is staged. Nothing is changed."""

import os
import stat
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

from chatbot_service.jobs.backup_ports import Swap
from chatbot_service.trees_paths import OWN_PREFIX, below, mount_points, plain, shown, staging_name
from deploy_records.errors import Refused


def plan(paths: Sequence[str], roots: Sequence[str], job: int) -> list[Swap]:
    for path in paths:
        _check(path, roots)
    mounts = mount_points()
    return [_way(target, roots, job, mounts) for target in outermost({_topmost_gone(path) for path in paths})]


def outermost(paths: Iterable[str]) -> list[str]:
    """Without those that lie in another."""
    kept: list[str] = []
    for path in sorted(paths, key=lambda path: PurePosixPath(path).parts):
        if not kept or not below(path, kept[-1]):
            kept.append(path)
    return kept


def _check(path: str, roots: Sequence[str]) -> None:
    own = any(part.startswith(OWN_PREFIX) for part in PurePosixPath(path).parts)
    if own or not plain(path) or not any(below(path, root) for root in roots):
        raise Refused(
            f"{shown(path)} is not inside the data paths of this service. Choose paths below {shown(', '.join(roots))}. "
            "Nothing was changed."
        )


def _topmost_gone(path: str) -> str:
    """The path itself if all is there."""
    parts = PurePosixPath(path).parts
    for count in range(2, len(parts) + 1):
        reached = str(PurePosixPath(*parts[:count]))
        try:
            mode = os.lstat(reached).st_mode
        except FileNotFoundError:
            return reached
        if stat.S_ISLNK(mode) or (count < len(parts) and not stat.S_ISDIR(mode)):
            raise Refused(
                f"{shown(reached)} is a symbolic link or no folder, so {shown(path)} would be restored elsewhere. "
                "Put a folder in its place, or restore what lies above it. Nothing was changed."
            )
    return path


def _way(target: str, roots: Sequence[str], job: int, mounts: frozenset[str]) -> Swap:
    within = sorted(mount for mount in mounts if mount != target and below(mount, target))
    if within:
        raise _neither(target, f"{shown(within[0])}, which lies in it, is a mount point. Unmount it or restore what is beside it")
    mounted = target in mounts
    if mounted and not stat.S_ISDIR(os.lstat(target).st_mode):
        raise _neither(target, "it is a file that is mounted by itself. Unmount it")
    beside = target if mounted else _beside(target, roots, mounts)
    if os.statvfs(beside).f_flag & os.ST_RDONLY:
        raise _neither(target, "its file system is mounted read-only. Mount it writable")
    staged = f"{beside.rstrip('/')}/{staging_name(job)}{target}"
    return Swap(target=target, staged=staged, by="contents" if mounted else "rename")


def _beside(target: str, roots: Sequence[str], mounts: frozenset[str]) -> str:
    """Where nobody of the service can reach in the meantime: outside its data path, unless that is a file system of its own."""
    parent = str(PurePosixPath(target).parent)
    root = next((root for root in outermost(roots) if below(parent, root)), target)
    outside = str(PurePosixPath(root).parent)
    between = any(below(mount, root) and below(target, mount) for mount in mounts)
    return parent if between or Path(outside).stat().st_dev != Path(parent).stat().st_dev else outside


def _neither(target: str, why: str) -> Refused:
    return Refused(f"{shown(target)} cannot be replaced, as {why}. Nothing was changed.")
