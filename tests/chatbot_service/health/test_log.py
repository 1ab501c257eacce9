from typing import Any

from chatbot_service.health.blocks import OUTPUT_OF_FAILURE, OUTPUT_OF_PASS
from chatbot_service.health.log import inspected


def entry(second: int, code: int = 0, output: str = "ok", end: str = "") -> dict[str, Any]:
    at = f"2026-11-02T10:00:{second:02}"
    return {"Start": f"{at}.123456789Z", "End": end or f"{at}.223456789Z", "ExitCode": code, "Output": output}


def container(*log: dict[str, Any], env: list[str] | None = None) -> dict[str, Any]:
    return {
        "Id": "c" * 64,
        "Image": "sha256:1",
        "RestartCount": 2,
        "State": {
            "Status": "running", "StartedAt": "2026-11-02T09:00:00.5Z", "FinishedAt": "0001-01-01T00:00:00Z",
            "Health": {"Status": "healthy", "FailingStreak": 0, "Log": list(log)},
        },
        "Config": {"Image": "r/i@sha256:2", "Env": env, "Healthcheck": {"Test": ["CMD", "true"], "Interval": 10**10}},
    }  # fmt: skip


def test_probes_have_their_moments_to_the_microsecond_and_only_new_ones_are_told() -> None:
    first = inspected(container(entry(10), entry(20, 1, "refused")))
    assert [(probe.start % 10**8, probe.duration, probe.exit_code) for probe in first.probes] == [
        (10_123456, 100_000, 0), (20_123456, 100_000, 1)
    ]  # fmt: skip
    again = inspected(container(entry(10), entry(20, 1), entry(30)), first.log)
    assert [probe.start % 10**8 for probe in again.probes] == [30_123456]
    assert len(again.log) == 3


def test_a_container_without_a_healthcheck_or_one_never_started_has_no_probes() -> None:
    raw = container()
    raw["State"] = {"Status": "created", "StartedAt": "0001-01-01T00:00:00Z"}
    found = inspected(raw)
    assert (found.health, found.probes, found.started_at) == ("none", (), None)


def test_output_is_bounded_neutral_and_without_the_secrets_of_its_environment() -> None:
    loud = entry(10, 1, "\x00\x1b[31m" + "A" * 4096)
    quiet = entry(20, 0, "y" * 4096)
    telling = entry(30, 1, "token hunter2-hunter2 refused")
    found = inspected(container(loud, quiet, telling, env=["API_TOKEN=hunter2-hunter2"])).probes
    assert len(found[0].output) == OUTPUT_OF_FAILURE
    assert "\x00" not in found[0].output
    assert "\x1b" not in found[0].output
    assert len(found[1].output) == OUTPUT_OF_PASS
    assert found[2].output == "token [API_TOKEN] refused"


def test_a_clock_set_back_during_a_probe_gives_no_duration_below_zero() -> None:
    assert inspected(container(entry(10, end="2026-11-02T09:00:00Z"))).probes[0].duration == 0
