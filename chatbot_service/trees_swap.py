"""Two trees change places by rename. Where they are is known by device and inode alone: it may end anywhere and be repeated."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import PurePosixPath

from chatbot_service.jobs.backup_ports import Swap
from chatbot_service.trees_paths import OWN_PREFIX, opened, shown, staging_root
from chatbot_service.trees_rename import Place, exchange, move
from deploy_records.errors import Broken

_MOST_MOVES = 4


@dataclass(frozen=True)
class Where:
    """What lies at the three places, by identity; empty: nothing. `parked` is used where the file system cannot exchange."""

    target: str
    staged: str
    parked: str = ""


@dataclass(frozen=True)
class _Places:
    target: Place
    staged: Place
    parked: Place

    def now(self) -> Where:
        return Where(self.target.identity(), self.staged.identity(), self.parked.identity())


def next_move(now: Where, wanted: Where) -> tuple[str, str] | None:
    """From where to where, by names of `Where`; nothing when all is as wanted. ValueError if it does not lead there."""
    known = {Where(wanted.staged, wanted.target): ("target", "staged") if wanted.staged else ("staged", "target")}
    if wanted.target and wanted.staged:
        known |= {
            Where("", wanted.target, wanted.staged): ("staged", "target"),
            Where(wanted.target, "", wanted.staged): ("parked", "staged"),
            Where("", wanted.staged, wanted.target): ("parked", "target"),
            Where(wanted.staged, "", wanted.target): ("target", "staged"),
        }
    if now == wanted:
        return None
    if now not in known:
        raise ValueError(now)
    return known[now]


def arrange(swap: Swap, wanted: Where) -> bool:
    """Whether anything had to be moved."""
    with _places(swap) as places:
        for moves in range(_MOST_MOVES):
            try:
                step = next_move(places.now(), wanted)
            except ValueError as error:
                raise Broken(
                    f"{shown(swap.target)} or what is staged for it at {shown(swap.staged)} was replaced by something else "
                    "in the meantime. Nothing more was moved."
                ) from error
            if step is None:
                return moves > 0
            _make(step, places, wanted)
    raise Broken(f"{shown(swap.target)} changes while it is replaced. Look at it and at {shown(swap.staged)}.")


def is_parked(swap: Swap) -> bool:
    try:
        with opened(staging_root(swap.staged)) as root:
            return bool(Place(root, _parked_name(swap)).identity())
    except FileNotFoundError:
        return False


@contextmanager
def _places(swap: Swap) -> Iterator[_Places]:
    target, staged = PurePosixPath(swap.target), PurePosixPath(swap.staged)
    with opened(str(target.parent)) as above, opened(str(staged.parent)) as over, opened(staging_root(swap.staged)) as root:
        yield _Places(Place(above, target.name), Place(over, staged.name), Place(root, _parked_name(swap)))


def _parked_name(swap: Swap) -> str:
    return f"{OWN_PREFIX}parked-{sha256(os.fsencode(swap.target)).hexdigest()[:16]}"


def _make(step: tuple[str, str], places: _Places, wanted: Where) -> None:
    source, target = (getattr(places, name) for name in step)
    now = places.now()
    if now.target and now.staged and not now.parked:
        _exchange(places, wanted)
    else:
        move(source, target)
    for place in (places.target, places.staged, places.parked):
        os.fsync(place.folder)


def _exchange(places: _Places, wanted: Where) -> None:
    """If another hand was quicker than ours, it is taken back: what was put there is not ours to move."""
    if exchange(places.target, places.staged):
        if places.now() != wanted:
            exchange(places.target, places.staged)
        return
    move(places.target, places.parked)
    if places.parked.identity() != wanted.staged:
        move(places.parked, places.target)
