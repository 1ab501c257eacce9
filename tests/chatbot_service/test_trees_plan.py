"""What is replaced and how is known before anything is changed; what cannot be replaced safely is refused."""

import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatbot_service.jobs.backup_ports import Swap
from chatbot_service.trees_paths import below
from chatbot_service.trees_plan import outermost, plan
from deploy_records.errors import Refused
from tests.chatbot_service.mounts import mounted

JOB = 12


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "data/uploads/2026").mkdir(parents=True)
    (tmp_path / "data/settings.yml").write_text("a: b")
    return tmp_path / "data"


def planned(data: Path, *names: str) -> list[Swap]:
    return plan([str(data / name) for name in names], [str(data)], JOB)


def targets(data: Path, *names: str) -> list[str]:
    return [os.path.relpath(swap.target, data) for swap in planned(data, *names)]


def test_a_data_path_is_replaced_by_what_is_staged_beside_it(data: Path) -> None:
    staged = f"{data.parent}/.known-good-restore-{JOB}{data}"
    assert planned(data, "") == [Swap(target=str(data), staged=staged, by="rename")]
    assert sorted(data.parent.iterdir()) == [data], "nothing is changed"


def test_chosen_files_and_folders_are_replaced_alone(data: Path) -> None:
    assert targets(data, "settings.yml", "uploads/2026") == ["settings.yml", "uploads/2026"]


def test_of_paths_that_lie_in_each_other_the_outer_one_is_replaced(data: Path) -> None:
    assert targets(data, "uploads/2026", "uploads", "uploads/2026/deeper") == ["uploads"]


def test_what_is_gone_is_put_back_where_it_was(data: Path) -> None:
    assert targets(data, "gone.txt") == ["gone.txt"]


def test_where_the_folder_above_is_gone_the_topmost_one_is_put_back(data: Path) -> None:
    assert targets(data, "uploads/2025/may/file", "uploads/2025/june") == ["uploads/2025"]
    (data / "uploads/2026").rmdir()
    (data / "uploads").rmdir()
    assert targets(data, "uploads/2025/may") == ["uploads"]


def test_where_the_folder_above_the_data_is_gone_it_is_put_back_with_them(tmp_path: Path) -> None:
    root = tmp_path / "project/data"
    (swap,) = plan([str(root)], [str(root)], JOB)
    assert (swap.target, swap.staged) == (str(root.parent), f"{tmp_path}/.known-good-restore-{JOB}{root.parent}")


def test_a_part_of_the_data_is_staged_where_the_service_cannot_reach(data: Path) -> None:
    (swap,) = planned(data, "uploads/2026")
    assert swap.staged == f"{data.parent}/.known-good-restore-{JOB}{data}/uploads/2026"


def test_of_data_paths_in_each_other_it_is_staged_outside_the_outer_one(data: Path) -> None:
    (swap,) = plan([str(data / "uploads/2026")], [str(data / "uploads"), str(data)], JOB)
    assert swap.staged == f"{data.parent}/.known-good-restore-{JOB}{data}/uploads/2026"


def test_below_a_mount_point_in_the_data_it_is_staged_on_that_file_system(data: Path) -> None:
    with mounted(data / "disk"):
        (data / "disk/uploads").mkdir()
        (swap,) = planned(data, "disk/uploads")
        assert (swap.by, swap.staged) == ("rename", f"{data}/disk/.known-good-restore-{JOB}{data}/disk/uploads")


@pytest.mark.parametrize("path", ["/etc/passwd", "{data}/../other", "{data}-not", "relative", "", "{data}/./x", "{data}/", "/"])
def test_what_lies_outside_is_refused(data: Path, path: str) -> None:
    with pytest.raises(Refused, match="not inside the data paths"):
        plan([path.format(data=data)], [str(data)], JOB)


def test_the_portals_own_folders_are_no_target(data: Path) -> None:
    with pytest.raises(Refused, match="not inside the data paths"):
        planned(data, ".known-good-restore-3/x")


@pytest.mark.parametrize("path", ["link", "link/inner", "settings.yml/inner"])
def test_a_link_or_a_file_in_the_way_is_refused(data: Path, path: str) -> None:
    (data / "link").symlink_to("/etc")
    with pytest.raises(Refused, match="symbolic link or no folder"):
        planned(data, path)


def test_a_link_above_the_data_is_refused(data: Path) -> None:
    (data.parent / "short").symlink_to("data")
    with pytest.raises(Refused, match="symbolic link"):
        plan([f"{data.parent}/short/uploads"], [f"{data.parent}/short"], JOB)


def test_a_mount_point_is_replaced_by_its_contents(data: Path) -> None:
    with mounted(data):
        assert planned(data, "") == [Swap(target=str(data), staged=f"{data}/.known-good-restore-{JOB}{data}", by="contents")]


def test_below_a_mount_point_it_is_done_by_rename(data: Path) -> None:
    with mounted(data):
        (data / "uploads").mkdir()
        (swap,) = planned(data, "uploads")
        assert (swap.by, swap.staged) == ("rename", f"{data}/.known-good-restore-{JOB}{data}/uploads")


def test_a_mount_point_with_an_odd_name_is_known(data: Path) -> None:
    with mounted(data / "a b\\\tc"):
        assert [swap.by for swap in planned(data, "a b\\\tc")] == ["contents"]


def test_what_holds_a_mount_point_is_refused(data: Path) -> None:
    with mounted(data / "uploads/disk"), pytest.raises(Refused, match="is a mount point"):
        planned(data, "uploads")


def test_a_file_that_is_mounted_is_refused(data: Path) -> None:
    with mounted(data / "disk"):  # so that it is left out where mounting is not permitted
        file = data / "settings.yml"
        subprocess.run(["mount", "--bind", file, file], check=True)
        try:
            with pytest.raises(Refused, match="mounted by itself"):
                planned(data, "settings.yml")
        finally:
            subprocess.run(["umount", file], check=True)


def test_a_read_only_file_system_is_refused(data: Path) -> None:
    with mounted(data):
        subprocess.run(["mount", "-o", "remount,ro", data], check=True)
        with pytest.raises(Refused, match="read-only"):
            planned(data, "")


NAMES = st.lists(st.sampled_from(["a", "b", "a b", "a-", "ab"]), min_size=1, max_size=4).map(lambda parts: "/" + "/".join(parts))


@given(st.lists(NAMES))
def test_of_any_paths_each_lies_in_exactly_one_that_is_kept(paths: list[str]) -> None:
    kept = outermost(paths)
    assert all(sum(below(path, outer) for outer in kept) == 1 for path in paths)
    assert set(kept) <= set(paths)
