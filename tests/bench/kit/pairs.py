"""A job of the portal against the same by hand, alternating, each with a client that never stops asking."""

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from chatbot_service.models import Job, Service
from tests.bench.kit.chatbot import Folder, build_and_push
from tests.bench.kit.client import EVERY, Client, Outcome
from tests.bench.kit.managed import Office, Ran
from tests.bench.kit.report import Report, median, medians
from tests.bench.kit.stack import Say, Stack, free_port

GUIDE = "guide"
INTERVALS = {"1s": 1, GUIDE: 10}
"""Healthcheck intervals in seconds; all else as in the operations guide (10 s / 3 s / 6 / 20 s)."""
RATIOS = {"proved": 0.25, "whole": 1.15}
"""The most of the time by hand, with the guide's numbers: until serving, tried and proved; and the whole job."""
SETTLE = 1.5

Ask = Callable[[Service, str], Job]


@dataclass(frozen=True)
class Pair:
    by_hand: float
    hand_client: Outcome
    job: Ran
    job_client: Outcome


@dataclass(frozen=True)
class Course:
    """Two projects of the same two builds, at the same build: one operated by hand, one by the portal."""

    stack: Stack
    office: Office
    digests: dict[str, str]
    interval: int
    hand: Folder
    managed: Folder
    service: Service

    @classmethod
    def lay_out(cls, stack: Stack, office: Office, digests: dict[str, str], interval: int) -> "Course":
        reference = _reference(stack, digests, "1")
        folders = {}
        for who in ("hand", "managed"):
            name = f"{stack.name}-{who}-{interval}"
            folders[who] = Folder(stack.folder / name, name, free_port(), interval)
            folders[who].lay_out(reference)
            folders[who].up()
        service = office.adopt(folders["managed"])
        office.wait_until_known_good(stack.repository, digests["1"])
        return cls(stack, office, digests, interval, folders["hand"], folders["managed"], service)

    def run(self, ask: Ask, pairs: int, say: Say) -> list[Pair]:
        done = []
        for number in range(1, pairs + 1):
            done.append(self._pair(ask, "2" if number % 2 else "1"))
            say(f"{self.interval} s interval, pair {number}: {_in_words(done[-1])}")
        return done

    def _pair(self, ask: Ask, build: str) -> Pair:
        time.sleep(SETTLE)
        with Client(self.hand.port) as hand_client:
            by_hand = self.hand.switch_by_hand(_reference(self.stack, self.digests, build))
        time.sleep(SETTLE)
        with Client(self.managed.port) as job_client:
            ran = self.office.run(lambda: ask(self.service, self.digests[build]))
        return Pair(by_hand, hand_client.outcome, ran, job_client.outcome)

    def clear(self) -> None:
        """Its containers cost processor time while the next course runs."""
        self.hand.down()
        self.managed.down()


def _reference(stack: Stack, digests: dict[str, str], build: str) -> str:
    return f"{stack.repository}:build-{build}@{digests[build]}"


def _in_words(pair: Pair) -> str:
    hand = f"by hand {pair.by_hand:.2f} s (down {pair.hand_client.downtime:.2f} s)"
    return f"{hand}, job proved {pair.job.proved:.2f} s, whole {pair.job.whole:.2f} s (down {pair.job_client.downtime:.2f} s)"


def builds(stack: Stack, office: Office, numbers: Sequence[str], say: Say) -> dict[str, str]:
    digests = {}
    for number in numbers:
        say(f"building personal_chatbot build {number}")
        digests[number] = build_and_push(stack, number)
        office.register_and_approve(stack, number, digests[number])
    return digests


def describe(report: Report, pairs: int) -> None:
    report.note("pairs", pairs)
    report.note("watch", "until Docker agrees, monitor period 0")
    report.note("processors", os.cpu_count() or 0)
    report.note("load_before", os.getloadavg()[0])


def compare(report: Report, name: str, done: Sequence[Pair], *, apart: str = "") -> None:
    """Medians, spreads and goals of one course. `apart`: a step that is told by itself and counts in no other time."""
    times = [_times(pair, pair.job.steps.get(apart, 0.0)) for pair in done]
    middle = medians(times)
    for key, value in middle.items():
        report.note(f"{name}_{key}_s", value)
        report.spread(f"{name}_{key}_s", [row[key] for row in times])
    for key, limit in RATIOS.items():
        ratio = middle[key] / middle["by_hand"]
        if name == GUIDE:
            report.hold(f"{name}_{key}_ratio", ratio, limit)
        else:
            report.note(f"{name}_{key}_ratio", ratio)
    for step, took in medians([pair.job.steps for pair in done]).items():
        report.note(f"{name}_step_{step}_s", took)
    _compare_downtime(report, name, done)


def _times(pair: Pair, less: float) -> dict[str, float]:
    job = pair.job
    return {"by_hand": pair.by_hand, "serving": job.serving - less, "proved": job.proved - less, "whole": job.whole - less}


def _compare_downtime(report: Report, name: str, done: Sequence[Pair]) -> None:
    by_hand = [pair.hand_client.downtime for pair in done]
    by_job = [pair.job_client.downtime for pair in done]
    report.note(f"{name}_by_hand_downtime_s", median(by_hand))
    report.spread(f"{name}_by_hand_downtime_s", by_hand)
    report.hold(f"{name}_downtime_s", median(by_job), median(by_hand) + EVERY)  # what is asked every 10 ms is known to 10 ms
    report.spread(f"{name}_downtime_s", by_job)
