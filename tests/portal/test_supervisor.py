import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from portal import supervisor
from portal.supervisor import Plan, Program, how_it_ended, pause_before_restart, printable, stop_order

LONG = 20.0

Start = Callable[..., "Running"]


class Running:
    """A supervisor in a process of its own, and what it has said so far."""

    def __init__(self, plan: Plan, folder: Path) -> None:
        file = folder / "plan.json"
        file.write_text(plan.to_json())
        self._output = folder / "output"
        with self._output.open("wb") as output:
            self.process = subprocess.Popen([sys.executable, "-I", supervisor.__file__, str(file)], stdout=output, stderr=output)

    @property
    def said(self) -> str:
        return self._output.read_text()

    def until(self, text: str, times: int = 1) -> str:
        eventually(lambda: self.said.count(text) >= times, lambda: f"{text!r} not said {times} times in:\n{self.said}")
        return self.said

    def stop(self) -> str:
        self.process.send_signal(signal.SIGINT)
        assert self.process.wait(LONG) == 0
        return self.said


def eventually(holds: Callable[[], bool], otherwise: Callable[[], str]) -> None:
    give_up_at = time.monotonic() + LONG
    while not holds():
        assert time.monotonic() < give_up_at, otherwise()
        time.sleep(0.02)


def shell(name: str, script: str, stage: int = 0, grace: float = 10.0, ready: str = "") -> Program:
    return Program(name, ("sh", "-c", script), stage=stage, grace=grace, ready=ready)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    running: list[Running] = []

    def begin(*programs: Program, then: tuple[str, ...] = (), notes: tuple[str, ...] = ()) -> Running:
        plan = Plan(programs, "http://127.0.0.1:1", notes=notes, then=then, then_done=str(tmp_path / "done"))
        running.append(Running(plan, tmp_path))
        return running[-1]

    yield begin
    for each in running:
        each.process.kill()
        each.process.wait()


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_each_line_carries_the_name_of_its_program(start: Start) -> None:
    running = start(shell("web", "echo hello; sleep 60"), shell("scheduler", "echo beat >&2; sleep 60"))
    said = running.until("hello") and running.until("beat")
    assert "web       │ hello" in said
    assert "scheduler │ beat" in said


def test_lines_that_are_no_news_are_not_shown(start: Start) -> None:
    chatty = Program("registry", ("sh", "-c", "echo one dull line; echo news; sleep 60"), unsaid=("dull",))
    assert "dull" not in start(chatty).until("news")


def test_it_says_where_to_go_once_everything_answers(start: Start, tmp_path: Path) -> None:
    plug = tmp_path / "plug"
    listen = (
        f"import socket, time; s = socket.socket(socket.AF_UNIX); time.sleep(0.5); s.bind('{plug}'); s.listen(); time.sleep(60)"
    )
    running = start(Program("broker", (sys.executable, "-c", listen), ready=f"unix://{plug}"), notes=("no engine here",))
    said = running.until("ready at http://127.0.0.1:1")
    assert plug.exists()
    assert said.index("no engine here") < said.index("ready at")


def test_a_program_that_fails_is_started_again_after_a_pause(start: Start) -> None:
    running = start(shell("web", "echo up; exit 3"), shell("worker", "sleep 60"))
    said = running.until("web    │ up", times=2)
    assert "web ended with exit code 3; starting it again in 1 s" in said
    assert "worker ended" not in said


def test_a_program_that_is_not_there_does_not_hold_up_the_others(start: Start) -> None:
    running = start(Program("registry", ("/nowhere/registry",)), shell("web", "echo up; sleep 60"))
    assert "registry cannot be started: No such file or directory: /nowhere/registry" in running.until("web      │ up")
    running.until("ready at")


def test_all_stop_in_reverse_order_and_each_may_finish(start: Start, tmp_path: Path) -> None:
    def politely(name: str) -> str:
        return f"trap 'sleep 0.3; echo {name} >> {tmp_path}/ended; exit 0' TERM; echo up; while :; do sleep 0.05; done"

    running = start(*(shell(name, politely(name), stage) for stage, name in enumerate(["broker", "web", "worker"])))
    running.until("│ up", times=3)
    said = running.stop()
    assert (tmp_path / "ended").read_text().split() == ["worker", "web", "broker"]
    assert said.endswith("Known Good has stopped.\n")


def test_a_program_that_will_not_stop_is_ended_with_its_children(start: Start) -> None:
    running = start(shell("worker", "trap '' TERM; sleep 300 & echo child $!; wait", grace=0.3))
    child = int(running.until("child").split("child ")[1].split()[0])
    assert "worker did not stop in time and is ended" in running.stop()
    eventually(lambda: not is_running(child), lambda: "the child of the worker lives on")


def test_asked_twice_it_does_not_wait(start: Start) -> None:
    running = start(shell("worker", "trap '' TERM; echo up; while :; do sleep 0.05; done", grace=600))
    running.until("│ up")
    running.process.send_signal(signal.SIGINT)
    running.until("stopping worker")
    time.sleep(supervisor.IMPATIENT_AFTER + 0.1)
    running.process.send_signal(signal.SIGINT)
    assert running.process.wait(LONG) == 0


def test_one_request_heard_twice_is_still_one(start: Start) -> None:
    running = start(shell("worker", "trap 'sleep 1; echo finished; exit 0' TERM; echo up; while :; do sleep 0.05; done"))
    running.until("│ up")
    running.process.send_signal(signal.SIGINT)
    running.process.send_signal(signal.SIGTERM)
    running.process.wait(LONG)
    assert "finished" in running.said


def test_the_programs_die_with_a_killed_supervisor(start: Start) -> None:
    running = start(shell("web", "echo pid $$; exec sleep 300"), shell("worker", "echo pid $$; exec sleep 300"))
    pids = [int(part.split()[0]) for part in running.until("pid", times=2).split("pid ")[1:]]
    running.process.kill()
    running.process.wait()
    eventually(lambda: not any(map(is_running, pids)), lambda: f"still running: {list(filter(is_running, pids))}")


def test_it_stops_while_it_still_waits_for_an_answer(start: Start) -> None:
    running = start(shell("web", "echo up; sleep 60", ready="tcp://127.0.0.1:9"))
    running.until("│ up")
    assert "ready at" not in running.stop()


def test_the_command_after_the_start_runs_once_and_leaves_its_mark(start: Start, tmp_path: Path) -> None:
    running = start(shell("web", "sleep 60"), then=("sh", "-c", "echo played"))
    running.until("played")
    eventually((tmp_path / "done").exists, lambda: "no mark was left")
    assert running.stop().count("played") == 1


def test_when_that_command_fails_the_portal_goes_on_and_it_is_tried_again_next_time(start: Start, tmp_path: Path) -> None:
    running = start(shell("web", "sleep 60"), then=("sh", "-c", "exit 2"))
    running.until("ended with exit code 2; it is tried again at the next start")
    assert running.process.poll() is None
    assert not (tmp_path / "done").exists()


def test_a_very_long_line_and_control_characters_do_not_reach_the_terminal(start: Start) -> None:
    running = start(
        shell("web", r"printf '\033[31mred\033[0m\n'; head -c 20000 /dev/zero | tr '\0' x; echo; echo after; sleep 60")
    )
    said = running.until("after")
    assert "\033" not in said
    assert "[31mred[0m" in said
    assert max(map(len, said.splitlines())) < supervisor.LONGEST_LINE + 50


@pytest.mark.parametrize(("failures", "seconds"), [(1, 1), (2, 2), (3, 4), (5, 16), (6, 30), (1000, 30)])
def test_the_pause_grows_up_to_half_a_minute(failures: int, seconds: float) -> None:
    assert pause_before_restart(failures) == seconds


def test_programs_of_one_stage_stop_together() -> None:
    programs = [Program("broker", ()), Program("web", (), stage=1), Program("worker", (), stage=2), Program("beat", (), stage=2)]
    assert stop_order(programs) == [["worker", "beat"], ["web"], ["broker"]]


def test_a_plan_survives_its_way_through_a_file() -> None:
    plan = Plan((Program("web", ("a", "b"), stage=1, env={"X": "1"}),), "http://x", notes=("n",), then=("c",), then_done="/d")
    assert Plan.from_json(plan.to_json()) == plan


@pytest.mark.parametrize(("code", "words"), [(0, "ended with exit code 0"), (-9, "was ended by SIGKILL")])
def test_an_end_is_told_in_words(code: int, words: str) -> None:
    assert how_it_ended(code) == words


def test_bytes_that_are_no_text_are_shown_as_such() -> None:
    assert printable(b"caf\xc3\xa9 \xff\t|\r\n") == "café \ufffd\t|"
    assert os.linesep not in printable(b"a\n")
