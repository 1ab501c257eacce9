"""Replaced and put back: wherever it is interrupted, repeating it ends right, and nothing is written through a link."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatbot_service import trees_rename
from chatbot_service.jobs.backup_ports import Swap
from chatbot_service.trees import Folders
from chatbot_service.trees_swap import Where, next_move
from deploy_records.errors import Broken, Refused
from tests.chatbot_service.mounts import mounted
from tests.chatbot_service.swap_scene import WAYS, Scene, fill, picture, scene

ACTS = ("rename", "mkdir", "rmdir", "unlink", "fsync", "fchmod", "fchown", "utime", "setxattr", "removexattr")


class Killed(BaseException):
    """As a SIGKILL would: nothing handles it."""


@contextmanager
def killed_after(calls: int) -> Iterator[None]:
    """The process ends right after that many acts on the file system."""
    left = calls

    def deadly(act: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **kwargs: Any) -> Any:
            nonlocal left
            done = act(*args, **kwargs)
            left -= 1
            if left == 0:
                raise Killed
            return done

        return run

    with pytest.MonkeyPatch.context() as patch:
        for name in ACTS:
            patch.setattr(os, name, deadly(getattr(os, name)))
        patch.setattr(trees_rename, "_renameat2", deadly(trees_rename._renameat2))
        with suppress(Killed):
            yield
            raise Survived


class Survived(Exception):
    """It did not come to that many acts."""


@pytest.mark.parametrize("way", WAYS)
def test_what_was_restored_is_in_place_and_the_old_one_is_kept(way: str) -> None:
    with scene(way) as it:
        it.trees.swap(it.swap)
        assert it.is_swapped()


@pytest.mark.parametrize("way", WAYS)
def test_once_more_swapped_the_old_one_is_in_place_again(way: str) -> None:
    with scene(way) as it:
        it.turn_round()
        it.trees.swap(it.swap)
        it.trees.swap(it.swap)
        assert it.is_swapped()
        it.trees.swap_back(it.swap)
        assert it.is_untouched()


@pytest.mark.parametrize("way", WAYS)
def test_putting_back_leaves_everything_as_it_was(way: str) -> None:
    with scene(way) as it:
        it.trees.swap(it.swap)
        assert "as it was before" in it.trees.swap_back(it.swap)
        assert it.is_untouched()


@pytest.mark.parametrize("way", WAYS)
def test_nothing_happens_when_it_is_repeated(way: str) -> None:
    with scene(way) as it:
        assert "had not been replaced" in it.trees.swap_back(it.swap)
        assert it.is_untouched()
        it.trees.swap(it.swap)
        it.trees.swap(it.swap)
        assert it.is_swapped()
        it.trees.swap_back(it.swap)
        it.trees.swap_back(it.swap)
        assert it.is_untouched()


@pytest.mark.parametrize("then", ["swap", "swap_back"])
@pytest.mark.parametrize("first", ["swap", "swap_back"])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("undo", [False, True])
def test_whichever_act_was_the_last_before_a_kill_repeating_ends_right(way: str, first: str, then: str, undo: bool) -> None:
    for calls in range(1, 400):
        with scene(way) as it:
            if undo:
                it.turn_round()
            if first == "swap_back":
                it.trees.swap(it.swap)
            try:
                with killed_after(calls):
                    getattr(it.trees, first)(it.swap)
            except Survived:
                assert calls > 1
                return
            getattr(it.trees, then)(it.swap)
            assert it.is_swapped() if then == "swap" else it.is_untouched(), calls
    pytest.fail("it never ended")


@settings(max_examples=60, deadline=None)
@given(
    way=st.sampled_from(WAYS if os.geteuid() == 0 else WAYS[:-1]),  # mounting is for root
    tries=st.lists(st.tuples(st.sampled_from(["swap", "swap_back"]), st.integers(1, 60)), max_size=6),
    then=st.sampled_from(["swap", "swap_back"]),
)
def test_killed_again_and_again_in_both_directions_it_still_ends_right(way: str, tries: list[tuple[str, int]], then: str) -> None:
    with scene(way) as it:
        for act, calls in tries:
            with suppress(Survived), killed_after(calls):
                getattr(it.trees, act)(it.swap)
        getattr(it.trees, then)(it.swap)
        assert it.is_swapped() if then == "swap" else it.is_untouched()


@given(st.sampled_from(["old", ""]), st.sampled_from(["old", "new", "other", ""]), st.sampled_from(["old", "new", "other", ""]))
def test_no_move_is_known_when_something_else_lies_there(was: str, target: str, staged: str) -> None:
    now, wanted = Where(target, staged), Where("new", was)
    if "other" in {target, staged} or target == staged != "":
        with pytest.raises(ValueError, match="Where"):
            next_move(now, wanted)


@pytest.mark.parametrize("way", ["exchange", "nothing there", "contents"])
def test_what_was_staged_and_then_replaced_is_not_moved(way: str) -> None:
    with scene(way) as it:
        it.staged.rename(it.staged.with_name("aside"))
        fill(it.staged, "evil")
        with pytest.raises(Broken, match="in the meantime"):
            it.trees.swap(it.swap)
        assert picture(it.target) == it.old


def test_a_target_that_became_a_link_is_not_moved() -> None:
    with scene("exchange") as it:
        it.target.rename(it.target.with_name("aside"))
        it.target.symlink_to("aside")
        with pytest.raises(Broken, match="in the meantime"):
            it.trees.swap(it.swap)
        assert picture(it.target.with_name("aside")) == it.old


@pytest.mark.parametrize("way", ["exchange", "no exchange", "plain renames"])
def test_a_target_that_becomes_a_link_in_the_very_moment_stays_what_it_became(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with scene(way) as it:
        real = trees_rename._renameat2

        def quicker(*args: Any) -> None:
            if not it.target.with_name("aside").exists():
                it.target.rename(it.target.with_name("aside"))
                it.target.symlink_to("aside")
            real(*args)

        monkeypatch.setattr(trees_rename, "_renameat2", quicker)
        with pytest.raises(Broken, match="in the meantime"):
            it.trees.swap(it.swap)
        assert it.target.readlink() == Path("aside")
        assert picture(it.target.with_name("aside")) == it.old
        assert picture(it.staged) == it.new


def test_a_link_put_in_the_way_is_refused_and_nothing_is_written_behind_it(tmp_path: Path) -> None:
    (tmp_path / "outer").mkdir()
    it = Scene(tmp_path / "outer", "exchange")
    (tmp_path / "outer").rename(tmp_path / "elsewhere")
    (tmp_path / "outer").symlink_to("elsewhere")
    before = picture(tmp_path / "elsewhere")
    for act in (it.trees.swap, it.trees.swap_back, it.trees.discard, it.trees.staging_of):
        with pytest.raises(Refused, match="symbolic link"):
            act(it.swap)
    assert picture(tmp_path / "elsewhere") == before
    assert picture(tmp_path / "elsewhere" / it.staged.relative_to(tmp_path / "outer")) == it.new


def test_a_mount_that_has_gone_is_not_filled() -> None:
    with scene("contents") as it, mounted(it.target), pytest.raises(Broken, match="not mounted as it was"):
        it.trees.swap(it.swap)


def test_what_is_kept_on_a_mount_is_for_the_portal_only() -> None:
    with scene("contents") as it:
        it.trees.swap(it.swap)
        kept = (it.target / ".known-good-restore-7").stat()
        assert (kept.st_mode & 0o7777, kept.st_uid) == (0o700, os.geteuid())


@pytest.mark.parametrize("way", WAYS)
def test_discarded_is_what_was_replaced_and_never_the_target(way: str) -> None:
    with scene(way) as it:
        it.trees.swap(it.swap)
        it.trees.discard(it.swap)
        it.trees.discard(it.swap)
        now, wanted = picture(it.target), dict(it.new)
        if way == "contents":  # the folder's own time: its staging folder has gone
            del now["."], wanted["."]
        assert now == wanted
        assert not [name for name in (*it.target.parent.iterdir(), *it.target.glob("*")) if ".known-good-restore" in str(name)]


@pytest.mark.parametrize("way", ["no exchange", "contents"])
def test_nothing_is_discarded_of_what_is_replaced_halfway(way: str) -> None:
    for calls in range(1, 60):
        with scene(way) as it:
            with suppress(Survived), killed_after(calls):
                it.trees.swap(it.swap)
            try:
                it.trees.discard(it.swap)
            except Broken:
                it.trees.swap_back(it.swap)
                assert it.is_untouched()
            else:
                assert _inside(it.target) in (it.old.keys() - {"."}, it.new.keys() - {"."})


def _inside(folder: Path) -> set[str]:
    return picture(folder).keys() - {"."}


def test_discard_touches_nothing_outside_a_staging_folder(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    swap = Swap(target=str(tmp_path / "x"), staged=str(tmp_path / "data"), by="rename")
    with pytest.raises(Broken, match="Nothing was touched"):
        Folders(tmp_path / "state").discard(swap)
    assert (tmp_path / "data").exists()
