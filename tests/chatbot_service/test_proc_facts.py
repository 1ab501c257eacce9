"""What the kernel's files say. The shell's answer is hostile: it comes out of the container."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatbot_service import proc_facts

STATUS = """Name:\tpython3
Pid:\t42
Uid:\t10001\t10001\t10001\t10001
Gid:\t10001\t10001\t10001\t10001
Groups:\t10001 5
NoNewPrivs:\t1
Seccomp:\t2
CapInh:\t0000000000000000
CapPrm:\t0000000000000400
CapEff:\t0000000000000400
CapBnd:\t000001ffffffffff
CapAmb:\t0000000000000000
"""


def test_a_status_is_read() -> None:
    (found,) = proc_facts.processes(STATUS)
    assert (found.pid, found.name, found.uids, found.groups) == (42, "python3", (10001,) * 4, (10001, 5))
    assert (found.no_new_privileges, found.seccomp) == (True, 2)
    assert found.capabilities.effective == {"CAP_NET_BIND_SERVICE"}
    assert len(found.capabilities.bounding) == 41


def test_our_own_status_is_read() -> None:
    found = proc_facts.process(Path("/proc/self/status").read_text())
    assert found
    assert found.pid == os.getpid()
    assert found.uids[1] == os.geteuid()


@pytest.mark.parametrize(
    ("mask", "names"),
    [("0", set()), ("1", {"CAP_CHOWN"}), ("0000020000000000", {"CAP_41"}), ("200000", {"CAP_SYS_ADMIN"})],
)
def test_a_mask_becomes_the_kernel_s_names(mask: str, names: set[str]) -> None:
    assert proc_facts.capability_names(mask) == names


def test_a_process_that_has_just_ended_is_none() -> None:
    assert proc_facts.process("") is None
    assert proc_facts.processes(STATUS.replace("CapEff", "Cap") + STATUS)[0].pid == 42


@given(st.text(max_size=200))
def test_nonsense_is_no_process_and_no_mount(text: str) -> None:
    assert all(process.pid >= 0 for process in proc_facts.processes(STATUS + text)[:1])
    proc_facts.mounts(text)


def test_mounts_are_read_and_of_several_at_one_place_the_last_counts() -> None:
    found = proc_facts.mounts(
        "1 0 0:1 / / ro,relatime - overlay overlay rw,lowerdir=x\n"
        "2 1 0:2 / /tmp rw,nosuid - tmpfs tmpfs rw,size=16384k\n"
        "3 1 8:1 /srv /app/my\\040data rw shared:1 - ext4 /dev/sda1 ro\n"
        "4 1 0:9 / /tmp ro - ext4 /dev/sda1 rw\n"
        "broken line\n"
    )
    assert {(mount.at, mount.kind, mount.read_only) for mount in found} == {
        ("/", "overlay", True), ("/tmp", "ext4", True), ("/app/my data", "ext4", True),
    }  # fmt: skip
