"""Jobs that only look: what they tell, and that no secret is in it."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from chatbot_service.ansi import spans
from chatbot_service.jobs import looking
from chatbot_service.jobs.look_ports import HealthcheckRun, LogLine, LogPage
from chatbot_service.jobs.ports import ProbeResult
from chatbot_service.jobs.reach import Reach, Stage
from chatbot_service.jobs.step import Outcome, Step, run_steps
from tests.chatbot_service.operation_fakes import Notes, Scene

SECRET = "sk-planted-secret-4711"


@pytest.fixture
def scene() -> Scene:
    return Scene.running(
        f"PORT=8000\nOPENROUTER_API_KEY={SECRET}\nMY_OWN={SECRET}\nOPENROUTER_BASE_URL=http://model.test:81/v1\n"
    )


def look(scene: Scene, steps: tuple[Step, ...], **asked: Any) -> dict[str, Any]:
    notes = Notes()
    outcome = run_steps(steps, scene.context(asked), notes)
    assert outcome is Outcome.SUCCEEDED, notes.error
    result = scene.memory.get("result")
    assert SECRET not in json.dumps([result, scene.world.said, notes.said])
    assert not scene.world.calls["compose.up"]
    return dict(result)


def refusal(scene: Scene, steps: tuple[Step, ...], **asked: Any) -> str:
    notes = Notes()
    assert run_steps(steps, scene.context(asked), notes) is Outcome.UNDONE
    return str(notes.error)


def test_the_log_comes_in_spans_that_need_no_trust(scene: Scene) -> None:
    line = LogLine("2026-01-01T00:00:00.000000001Z", "stderr", spans("\x1b[31m<b>bad</b>\x1b[0m plain"), 7)
    scene.looks.page = LogPage((line,), "cursor", "lines", 3, 99)
    assert look(scene, looking.LOG_STEPS, tail=5) == {
        "lines": [[line.at, "stderr", [["<b>bad</b>", "fg-red"], [" plain", ""]], 7]],
        "cursor": "cursor", "ended": "lines", "dropped": 3, "read_bytes": 99,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"tail": 0}, "whole number"),
        ({"tail": "many"}, "whole number"),
        ({"since": "yesterday"}, "2026-01-31T12:00:00Z"),
        ({"since": "2026-01-01T00:00:00"}, "zone"),
        ({"since": "2026-01-02T00:00:00Z", "until": "2026-01-01T00:00:00Z"}, "ends before"),
    ],
)
def test_a_range_that_is_none_is_refused(scene: Scene, asked: dict[str, Any], says: str) -> None:
    assert says in refusal(scene, looking.LOG_STEPS, **asked)


def test_the_healthcheck_is_told_with_its_time_against_its_timeout(scene: Scene) -> None:
    found = look(scene, looking.HEALTHCHECK_STEPS)
    assert (found["exit_code"], found["passed"], found["timeout"], found["user"]) == (0, True, 3.0, "10001:10001")


@pytest.mark.parametrize(
    ("exit_code", "took", "says"),
    [(0, 0.1, "It passes, after"), (0, 2.8, "close to its timeout"), (7, 0.1, "fails, with exit 7")],
)
def test_a_healthcheck_s_verdict(exit_code: int, took: float, says: str) -> None:
    ran = HealthcheckRun(("CMD", "x"), "1:1", 3.0, ProbeResult(exit_code, "", took))
    assert says in looking.healthcheck_data(ran)["says"]


def test_without_a_name_the_model_api_of_the_container_is_tried(scene: Scene) -> None:
    found = look(scene, looking.REACH_STEPS)
    assert [(one["url"], one["reached"]) for one in found["endpoints"]] == [("http://model.test:81/v1", True)]


def test_where_a_connection_ends_is_told_with_advice(scene: Scene) -> None:
    url = "https://api.test/v1"
    stages = (
        Stage("dns", ok=True),
        Stage("tcp", ok=False, seconds=1, said="refused"),
        Stage("tls", ok=None),
        Stage("http", ok=None),
    )
    scene.looks.reaches[url] = Reach(url, stages, "a test")
    (found,) = look(scene, looking.REACH_STEPS, endpoints=[url])["endpoints"]
    assert (found["reached"], [stage["ok"] for stage in found["stages"]]) == (False, [True, False, None, None])
    assert "firewall" in found["advice"]


@pytest.mark.parametrize(
    "url",
    [
        "ftp://a.test",
        "https://user:pw@a.test",
        "http://169.254.169.254/latest",
        "https://a b",
        "http://-x",
        "https:///x",
        "http://a:0x",
    ],
)
def test_an_address_that_may_not_be_tried_is_refused(scene: Scene, url: str) -> None:
    words = refusal(scene, looking.REACH_STEPS, endpoints=[url])
    assert "address" in words
    assert "pw@" not in words


def test_what_it_uses_is_told_as_rates(scene: Scene) -> None:
    found = look(scene, looking.RESOURCES_STEPS, data_paths=["/srv/data"])
    assert found["cpu_share"] == pytest.approx(0.25)
    assert found["data"] == [{"path": "/srv/data", "bytes": 4096, "files": 1, "whole": True, "problem": ""}]


def test_a_restart_between_two_looks_is_no_negative_rate(scene: Scene) -> None:
    before = scene.looks.usage("")
    after = replace(before, at=before.at + timedelta(seconds=1), cpu_seconds=0, received=0)
    assert looking.usage_data(before, after)["cpu_share"] == 0
    assert looking.usage_data(before, before)["cpu_share"] == 0


def test_the_environment_is_told_without_its_secrets(scene: Scene) -> None:
    found = look(scene, looking.ENVIRONMENT_STEPS)
    keys = {one["name"]: one for one in found["keys"]}
    assert (keys["PORT"]["value"], keys["PORT"]["ok"]) == ("8000", True)
    assert (keys["OPENROUTER_API_KEY"]["value"], keys["OPENROUTER_API_KEY"]["present"]) == ("", True)
    assert (keys["MY_OWN"]["value"], keys["MY_OWN"]["known"]) == ("", False)
    assert "PATH" not in keys
    assert found["not_applied"] == []


def test_what_was_written_by_hand_and_not_applied_is_told(scene: Scene) -> None:
    assert scene.file.text
    scene.file.text = scene.file.text.replace("8000", "9000")
    assert look(scene, looking.ENVIRONMENT_STEPS)["not_applied"] == ["PORT"]


@pytest.mark.parametrize(
    "steps",
    [looking.LOG_STEPS, looking.HEALTHCHECK_STEPS, looking.REACH_STEPS, looking.RESOURCES_STEPS, looking.ENVIRONMENT_STEPS],
)
def test_without_a_container_there_is_nothing_to_look_at(scene: Scene, steps: tuple[Step, ...]) -> None:
    scene.world.containers.clear()
    assert "no container" in refusal(scene, steps)
