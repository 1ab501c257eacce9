"""Name, connection, TLS and HTTP told apart, whoever tried: the script's lines or curl's numbers."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatbot_service.jobs.reach import Reach, advice, by_curl, by_script, curl_argv, endpoint

HTTPS, HTTP = endpoint("https://api.test/v1?key=1#x"), endpoint("http://api.test:81")


def told(reach: Reach) -> list[bool | None]:
    return [stage.ok for stage in reach.stages]


def line(stage: str, ok: object = True, **more: object) -> str:
    return json.dumps({"stage": stage, "ok": ok, "seconds": 0.1, "said": "x", **more})


def test_an_address_is_kept_without_what_may_be_a_key() -> None:
    assert (HTTPS.url, HTTPS.port, HTTP.url) == ("https://api.test/v1", 443, "http://api.test:81/")
    assert endpoint("http://[::1]:8000/x").url == "http://[::1]:8000/x"


def test_all_stages_well() -> None:
    reach = by_script(HTTPS, "\n".join([line("dns"), line("tcp"), line("tls"), line("http", status=401)]), "a test", timeout=5)
    assert (reach.reached, reach.status, advice(reach)) == (True, 401, "")


def test_the_stage_of_which_nothing_was_told_is_where_time_ran_out() -> None:
    reach = by_script(HTTPS, line("dns") + "\n" + line("tcp"), "a test", timeout=5)
    assert told(reach) == [True, True, False, None]
    assert "5 s" in reach.stages[2].said


def test_a_proxy_in_the_environment_is_told() -> None:
    assert "proxy" in by_script(HTTP, '{"stage": "proxy"}\n' + line("dns"), "a test", timeout=5).note


@given(
    st.text(max_size=300)
    | st.builds(lambda value: json.dumps({"stage": "dns", "ok": value, "seconds": value}), st.text() | st.floats())
)
def test_whatever_a_container_answers_is_borne(output: str) -> None:
    reach = by_script(HTTPS, output, "a test", timeout=5)
    assert not reach.reached
    json.dumps(reach.as_data(), allow_nan=False)


@pytest.mark.parametrize(
    ("exit_code", "output", "stages", "status"),
    [
        (0, "\n200 0.01 0.02 0.05 0.20", [True, True, True, True], 200),
        (0, "\n503 0.01 0.02 0.05 0.20", [True, True, True, False], 503),
        (6, "curl: (6) Could not resolve host\n000 0.0 0.0 0.0 0.0", [False, None, None, None], 0),
        (7, "curl: (7) refused\n000 0.01 0.0 0.0 0.0", [True, False, None, None], 0),
        (60, "curl: (60) self-signed certificate\n000 0.01 0.02 0.0 0.0", [True, True, False, None], 0),
        (28, "curl: (28) timed out\n000 0.01 0.0 0.0 0.0", [True, False, None, None], 0),
        (28, "curl: (28) timed out\n000 0.01 0.02 0.05 0.0", [True, True, True, False], 0),
        (52, "curl: (52) Empty reply\n000 0.01 0.02 0.05 0.0", [True, True, True, False], 0),
        (2, "", [False, None, None, None], 0),
    ],
)
def test_curl_s_exit_and_times_become_stages(exit_code: int, output: str, stages: list[bool | None], status: int) -> None:
    reach = by_curl(HTTPS, exit_code, output, timeout=5)
    assert (told(reach), reach.status) == (stages, status)


def test_curl_is_told_the_address_last_and_behind_two_dashes() -> None:
    assert curl_argv(HTTP, 5)[-2:] == ["--", "http://api.test:81/"]
