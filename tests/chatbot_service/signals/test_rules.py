from datetime import UTC, datetime, timedelta

import pytest

from chatbot_service.health.blocks import Event, micros
from chatbot_service.health.runs import Change, Touch
from chatbot_service.jobs.ports import Healthcheck
from chatbot_service.models import SignalKind
from chatbot_service.signals.evidence import MOST_TEXT, Evidence
from chatbot_service.signals.facts import Facts, FailedPull, LogFacts, NotKnown, UsageFacts
from chatbot_service.signals.rules import RULES

NOW = datetime(2026, 3, 29, 1, 0, tzinfo=UTC)
CHECK = Healthcheck(("CMD", "check"), interval=10, timeout=3, retries=6, start_period=20)


def ago(**length: float) -> datetime:
    return NOW - timedelta(**length)


def event(action: str, at: datetime, detail: str = "", container: str = "c1", exit_code: int = 0) -> Event:
    return Event(container, micros(at), action, exit_code, detail)


def judged(kind: str, facts: Facts, *, is_open: bool = False) -> str:
    found = RULES[kind].judge(facts, is_open)
    return found.says if found else ""


def flaps(*minutes: float) -> list[Change]:
    return [
        change for one in minutes
        for change in (Change(ago(minutes=one), "unhealthy"), Change(ago(minutes=one - 0.5), "healthy"))
    ]  # fmt: skip


def test_every_kind_of_signal_has_a_rule() -> None:
    assert set(RULES) == set(SignalKind.values)
    assert all(rule.means.endswith(".") and rule.to_do.endswith(".") for rule in RULES.values())


def test_three_times_unhealthy_within_half_an_hour_is_flapping_and_two_are_not() -> None:
    assert judged("flapping", Facts(NOW, changes=flaps(25, 12, 3))) == "It became unhealthy 3 times within 30 min."
    assert not judged("flapping", Facts(NOW, changes=flaps(12, 3)))
    assert not judged("flapping", Facts(NOW, changes=flaps(45, 12, 3)))


def test_flapping_stays_open_while_it_became_unhealthy_once() -> None:
    assert judged("flapping", Facts(NOW, changes=flaps(3)), is_open=True)
    assert not judged("flapping", Facts(NOW, changes=flaps(31)), is_open=True)


def test_what_a_job_did_is_no_flapping_and_no_restart_loop() -> None:
    held = [Touch(ago(minutes=28), ago(minutes=1))]
    assert not judged("flapping", Facts(NOW, changes=flaps(25, 12, 3), touches=held))
    deaths = [event("die", ago(minutes=one)) for one in (3, 4, 5)]
    assert not judged("restart-loop", Facts(NOW, events=deaths, touches=held))


def test_three_ends_by_itself_within_ten_minutes_are_a_restart_loop() -> None:
    deaths = [event("die", ago(minutes=one), exit_code=1) for one in (9, 5, 1)]
    found = RULES["restart-loop"].judge(Facts(NOW, events=deaths), False)
    assert found
    assert found.says == "Its container ended by itself 3 times within 10 min."
    assert ("Exit codes", "1") in found.facts
    assert not judged("restart-loop", Facts(NOW, events=deaths[1:]))
    assert judged("restart-loop", Facts(NOW, events=deaths[1:]), is_open=True)


def test_a_container_that_somebody_stopped_did_not_end_by_itself() -> None:
    stopped = [
        one for minutes in (9, 5, 1)
        for one in (event("kill", ago(minutes=minutes, seconds=10), "15"), event("die", ago(minutes=minutes), exit_code=143))
    ]  # fmt: skip
    assert not judged("restart-loop", Facts(NOW, events=stopped))


def test_a_signal_that_asks_a_program_to_read_its_settings_anew_ends_nothing() -> None:
    told = [
        one for minutes in (9, 5, 1)
        for one in (event("kill", ago(minutes=minutes, seconds=10), "1"), event("die", ago(minutes=minutes), exit_code=1))
    ]  # fmt: skip
    assert judged("restart-loop", Facts(NOW, events=told))


def test_one_process_ended_for_want_of_memory_is_enough_for_an_hour() -> None:
    assert judged("oom", Facts(NOW, events=[event("oom", ago(minutes=59))]))
    assert not judged("oom", Facts(NOW, events=[event("oom", ago(minutes=61))]))


def test_a_start_is_slow_when_it_takes_longer_than_its_start_period_and_one_probe() -> None:
    def after(seconds: float) -> Facts:
        began = ago(minutes=5)
        changes = [Change(began, "starting"), Change(began + timedelta(seconds=seconds), "healthy")]
        return Facts(NOW, changes=changes, healthcheck=CHECK)

    assert judged("slow-start", after(41)) == "Its last start took 41 s; its healthcheck allows 20 s."
    assert not judged("slow-start", after(24))


def test_a_start_that_has_not_ended_yet_is_slow_as_soon_as_it_takes_too_long() -> None:
    assert judged("slow-start", Facts(NOW, changes=[Change(ago(seconds=40), "starting")], healthcheck=CHECK))
    assert not judged("slow-start", Facts(NOW, changes=[Change(ago(seconds=20), "starting")], healthcheck=CHECK))


def test_only_the_last_start_counts_and_without_a_start_period_none_does() -> None:
    slow = [Change(ago(minutes=9), "starting"), Change(ago(minutes=8), "healthy")]
    quick = [Change(ago(minutes=3), "starting"), Change(ago(minutes=3) + timedelta(seconds=5), "healthy")]
    assert not judged("slow-start", Facts(NOW, changes=[*slow, *quick], healthcheck=CHECK))
    assert not judged("slow-start", Facts(NOW, changes=slow, healthcheck=Healthcheck(("CMD", "check"))))


@pytest.mark.parametrize(
    "kind", ["flapping", "restart-loop", "oom", "slow-start", "errors-in-logs", "permission-denied", "resources"]
)
def test_what_nobody_looks_at_is_not_known(kind: str) -> None:
    with pytest.raises(NotKnown):
        RULES[kind].judge(Facts(NOW, watched=False), True)


def test_five_errors_open_and_two_keep_open() -> None:
    lines = (("10:00:00", "GET / HTTP/1.1 500"),)
    found = RULES["errors-in-logs"].judge(Facts(NOW, log=LogFacts(errors=5, error_lines=lines)), False)
    assert found
    assert found.lines == lines
    assert not judged("errors-in-logs", Facts(NOW, log=LogFacts(errors=4)))
    assert judged("errors-in-logs", Facts(NOW, log=LogFacts(errors=2)), is_open=True)
    assert not judged("errors-in-logs", Facts(NOW, log=LogFacts(errors=1)), is_open=True)


def test_one_denial_is_enough() -> None:
    assert judged("permission-denied", Facts(NOW, log=LogFacts(denials=1)))
    assert not judged("permission-denied", Facts(NOW, log=LogFacts()))


def test_resources_over_the_recommendation_open_and_only_nine_tenths_close() -> None:
    def uses(mebibytes: float, cpus: float) -> Facts:
        return Facts(NOW, usage=UsageFacts(mebibytes * 2**20, cpus, 3, "10 min"))

    assert "1,100 MiB of memory on average; recommended are at most 1,024 MiB" in judged("resources", uses(1100, 0.5))
    assert "1.20 processors" in judged("resources", uses(100, 1.2))
    assert not judged("resources", uses(1000, 0.95))
    assert judged("resources", uses(1000, 0.95), is_open=True)
    assert not judged("resources", uses(900, 0.85), is_open=True)


def test_drift_of_the_digest_is_told_before_drift_of_files() -> None:
    files = (("docker-compose.yml", "SHA-256 a… became b…"),)
    assert judged("drift", Facts(NOW, drift="runs aaaa…, the record says bbbb…", changed_files=files)).startswith("It runs aaaa…")
    assert judged("drift", Facts(NOW, changed_files=files)) == "docker-compose.yml changed outside the portal since the last job."
    assert not judged("drift", Facts(NOW, changed_files=()))
    with pytest.raises(NotKnown):
        judged("drift", Facts(NOW))


def test_a_failed_pull_a_late_backup_and_an_exception_that_ends_are_told_as_they_are() -> None:
    assert judged("pull-failure", Facts(NOW, failed_pull=FailedPull(7, "timed out"))) == "Job 7 could not pull the image."
    assert judged("backups", Facts(NOW, backup_late="Backup too old: 40 h")) == "Backup too old: 40 h."
    assert judged("exceptions", Facts(NOW, exception_ends="POAM-1 ends today.")) == "POAM-1 ends today."
    assert not any(judged(kind, Facts(NOW)) for kind in ("pull-failure", "backups", "exceptions"))


def test_evidence_is_bounded_and_neutral() -> None:
    whole = Evidence("x" * 999, (("a", "b\x1b[31mred\u202e"),) * 50, (("t", "y" * 9999),) * 50).as_data()
    assert len(whole["says"]) == MOST_TEXT
    assert len(whole["facts"]) == 10
    assert whole["facts"][0] == ["a", "bred\N{REPLACEMENT CHARACTER}"]
    assert len(whole["lines"]) == 5
    assert len(whole["lines"][0][1]) == MOST_TEXT
    assert Evidence.of(Evidence("a", (("b", "c"),), (("d", "e"),)).as_data()) == Evidence("a", (("b", "c"),), (("d", "e"),))
