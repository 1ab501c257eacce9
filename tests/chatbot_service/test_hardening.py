"""The baseline against a running container: each rule met and not met, what cannot be seen, what is excused and for how long."""

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from chatbot_service.jobs import hardening_check
from chatbot_service.jobs.hardening import Excuse, Finding, Verdict, Wanted, as_data, judge, passed
from chatbot_service.jobs.hardening_check import due_again, months_after
from chatbot_service.jobs.look_ports import Capabilities, Mount, RawHealthcheck, Standing, Tree
from chatbot_service.jobs.step import Outcome, run_steps
from tests.chatbot_service.operation_fakes import DIGEST, HARDENED, MOUNTS, OURS, TREES, WELL, Notes, Scene

TODAY = date(2026, 1, 31)
WANTED = Wanted("chatbot", f"r/x:1@{DIGEST}", (f"r/x@{DIGEST}",), (), TODAY)


def found(standing: Standing, wanted: Wanted = WANTED) -> dict[str, Finding]:
    return {finding.rule: finding for finding in judge(standing, wanted)}


def not_ok(standing: Standing, wanted: Wanted = WANTED) -> dict[str, Verdict]:
    return {rule: finding.verdict for rule, finding in found(standing, wanted).items() if finding.verdict is not Verdict.OK}


def test_a_hardened_container_meets_the_whole_baseline() -> None:
    assert not_ok(HARDENED) == {}
    assert passed(judge(HARDENED, WANTED))


def processes(**changes: Any) -> Standing:
    """Beside one that is as it should be."""
    return replace(HARDENED, processes=(WELL, WELL, replace(WELL, **changes)))


def can(*names: str, **sets: Any) -> Capabilities:
    return Capabilities(bounding=frozenset(names), **sets)


BREACHES: list[tuple[str, Standing, str]] = [
    ("user", processes(uids=(0,) * 4), "python3 (7) is 0:10001"),
    ("user", processes(gids=(0,) * 4), "10001:0"),
    ("user", processes(uids=(10002,) * 4), "is 10002:10001"),
    ("user", processes(uids=(10001, 10001, 0, 10001)), "can change to 0"),
    ("groups", processes(groups=(10001, 999)), "999"),
    ("capabilities", processes(capabilities=can("CAP_NET_RAW")), "CAP_NET_RAW within reach"),
    ("capabilities", processes(capabilities=Capabilities(effective=frozenset({"CAP_CHOWN"}))), "CAP_CHOWN in effect"),
    ("capabilities", processes(capabilities=Capabilities(ambient=frozenset({"CAP_CHOWN"}))), "CAP_CHOWN"),
    ("no_new_privileges", processes(no_new_privileges=False), "not for 1 of 3 processes"),
    ("seccomp", processes(seccomp=0), "not for 1 of 3"),
    ("seccomp", replace(HARDENED, security_options=("seccomp=unconfined",)), "unconfined"),
    ("privileged", replace(HARDENED, privileged=True), "privileged"),
    ("namespaces", replace(HARDENED, host_namespaces=frozenset({"PID", "IPC"})), "IPC, PID"),
    ("read_only", replace(HARDENED, read_only_root=False), "written to"),
    ("read_only", replace(HARDENED, mounts=(replace(MOUNTS[0], read_only=False), *MOUNTS[1:])), "written to"),
    ("tmpfs", replace(HARDENED, mounts=MOUNTS[:1], trees=TREES[:1]), "part of the root"),
    ("tmpfs", replace(HARDENED, mounts=(Mount("/tmp", "ext4", read_only=False),), trees=TREES[:1]), "ext4"),
    ("owners", replace(HARDENED, trees=(*TREES, Tree("/data", 0, 0, 1, 1, (), whole=True))), "/data is 0:0"),
    ("owners", replace(HARDENED, trees=(*TREES, Tree("/data", 10001, 10001, 5, 2, (), whole=True))), "2 entries"),
    (
        "setuid_mounts",
        replace(HARDENED, trees=(*TREES, Tree("/data", 10001, 10001, 5, 0, ("/data/su",), whole=True))),
        "/data/su",
    ),
    ("setuid_image", replace(HARDENED, trees=(replace(TREES[0], set_id=("/bin/su",)), *TREES[1:])), "/bin/su"),
    ("engine_socket", replace(HARDENED, engine_sockets=("/var/run/docker.sock",)), "docker.sock"),
    ("healthcheck", replace(HARDENED, check=RawHealthcheck()), "there is none"),
    ("healthcheck", replace(HARDENED, check=RawHealthcheck(("NONE",), 10, 3, 6, 20)), "there is none"),
    ("healthcheck", replace(HARDENED, check=RawHealthcheck(("CMD", "x"), 10, 3, 6, 0)), "start period not set"),
    ("healthcheck", replace(HARDENED, check=RawHealthcheck(("CMD", "x"), 10, 60, 6, 20)), "timeout is 60 s"),
    ("healthcheck", replace(HARDENED, check=RawHealthcheck(("CMD", "x"), 300, 3, 6, 20)), "more than 15 minutes"),
    ("digest", replace(HARDENED, image="r/x:latest"), "not by digest"),
    ("digest", replace(HARDENED, image="r/x@sha256:" + "b" * 64), "not known by that digest"),
    ("limits", replace(HARDENED, cpus=0), "1,024 MiB"),
    ("limits", replace(HARDENED, memory=0), "1 CPU"),
]


@pytest.mark.parametrize(("rule", "standing", "says"), BREACHES, ids=[f"{rule} {says}" for rule, _, says in BREACHES])
def test_each_breach_fails_its_rule_alone_and_says_how_to_mend_it(rule: str, standing: Standing, says: str) -> None:
    assert not_ok(standing) == {rule: Verdict.FAILED}
    finding = found(standing)[rule]
    assert says in finding.seen
    assert finding.mend
    assert not passed(judge(standing, WANTED))


def test_a_pin_that_names_another_digest_fails() -> None:
    assert not_ok(HARDENED, replace(WANTED, pin="r/x@sha256:" + "c" * 64)) == {"digest": Verdict.FAILED}
    assert not_ok(HARDENED, replace(WANTED, pin="")) == {"digest": Verdict.FAILED}


def test_what_cannot_be_seen_is_unknown_and_does_not_pass() -> None:
    blind = replace(HARDENED, processes=None, mounts=None, trees=None, blind="The worker is elsewhere.")
    verdicts = not_ok(blind)
    assert set(verdicts.values()) == {Verdict.UNKNOWN}
    assert {"user", "capabilities", "no_new_privileges", "seccomp", "tmpfs", "owners", "setuid_mounts"} <= set(verdicts)
    assert found(blind)["user"].seen == "The worker is elsewhere."
    assert not passed(judge(blind, WANTED))


def test_a_folder_that_was_not_looked_at_whole_is_unknown() -> None:
    part = replace(HARDENED, trees=(*TREES[:2], replace(TREES[2], whole=False)))
    assert not_ok(part) == {"owners": Verdict.UNKNOWN, "setuid_mounts": Verdict.UNKNOWN}


NET_RAW = processes(capabilities=can("CAP_NET_RAW"))


@pytest.mark.parametrize(
    ("review_on", "verdict"), [(date(2026, 2, 1), Verdict.EXCUSED), (TODAY, Verdict.FAILED), (date(2026, 1, 1), Verdict.FAILED)]
)
def test_an_exception_holds_until_its_review_date(review_on: date, verdict: Verdict) -> None:
    wanted = replace(WANTED, excuses=(Excuse("CAP_NET_RAW", "pings", review_on),))
    assert not_ok(NET_RAW, wanted) == {"capabilities": verdict}
    assert passed(judge(NET_RAW, wanted)) is (verdict is Verdict.EXCUSED)


def test_an_exception_excuses_its_capability_and_no_other() -> None:
    wanted = replace(WANTED, excuses=(Excuse("CAP_NET_RAW", "pings", date(2026, 3, 1)),))
    two = processes(capabilities=can("CAP_NET_RAW", "CAP_SYS_ADMIN"))
    finding = found(two, wanted)["capabilities"]
    assert finding.verdict is Verdict.FAILED
    assert "CAP_NET_RAW within reach, excused until 2026-03-01: pings" in finding.seen


@pytest.mark.parametrize(
    ("day", "months", "then"),
    [
        (date(2026, 1, 31), 1, date(2026, 2, 28)),
        (date(2028, 1, 31), 1, date(2028, 2, 29)),
        (date(2026, 11, 30), 3, date(2027, 2, 28)),
        (date(2026, 12, 31), 6, date(2027, 6, 30)),
        (date(2026, 9, 15), 3, date(2026, 12, 15)),
    ],
)
def test_months_end_where_the_calendar_ends_them(day: date, months: int, then: date) -> None:
    assert months_after(day, months) == then


def test_a_check_is_recorded_with_the_day_it_is_due_again() -> None:
    scene = Scene.running()
    scene.looks.stands = replace(HARDENED, privileged=True)
    notes = Notes()
    assert run_steps(hardening_check.STEPS, scene.context(), notes) is Outcome.SUCCEEDED
    (check,) = scene.operation.checks
    assert (check["passed"], check["due_on"]) == (False, due_again(TODAY))
    assert check["digest"] == scene.world.running_digest()
    assert any("failed" in line and "privileged" in line for line in scene.world.said)


def test_one_that_does_not_run_is_not_checked() -> None:
    scene = Scene.running()
    scene.world.the_container().stopped = True
    notes = Notes()
    assert run_steps(hardening_check.STEPS, scene.context(), notes) is Outcome.UNDONE
    assert "does not run" in str(notes.error)
    assert scene.operation.checks == []


def test_what_is_kept_is_plain_data() -> None:
    row = as_data(judge(HARDENED, WANTED))[0]
    assert set(row) == {"rule", "name", "verdict", "seen", "wanted", "mend"}
    assert row["verdict"] == "ok"
    assert OURS
