"""What the engine says, read: inspect answers as facts, pulls condensed, failures in words. The real engine: tests/docker."""

import http.server
import json
import socket
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from chatbot_service import engine_words
from chatbot_service.engine import DockerEngine
from chatbot_service.facts import (
    container_facts,
    familiar,
    has_digest,
    healthcheck_facts,
    image_facts,
    moment,
    platform_name,
    seen_container,
)
from chatbot_service.foreign_text import neutral, neutral_lines, one_line
from chatbot_service.jobs.ports import Healthcheck, Login
from chatbot_service.pulling import PullProgress, pull_error
from chatbot_service.registry_words import Trouble, registry_refusal, trouble_in
from deploy_records.errors import Broken, Refused

DIGEST = f"sha256:{'a' * 64}"
INSPECTED: dict[str, Any] = {
    "Id": "c1", "Name": "/chatbot-chatbot-1", "Image": "sha256:id", "RestartCount": 2,
    "State": {
        "Status": "running", "ExitCode": 0, "OOMKilled": False, "Error": "", "StartedAt": "2026-01-02T03:04:05.123456789Z",
        "Health": {"Status": "unhealthy", "FailingStreak": 7, "Log": [
            {"End": "2026-01-02T03:05:00Z", "Output": "old"},
            {"End": "2026-01-02T03:05:10.5+01:00", "Output": "\x1b[31mrefused\x1b[0m\x00"},
        ]},
    },
    "Config": {
        "Image": f"ghcr.io/acme/chatbot@{DIGEST}", "User": "10001:10001", "Labels": {"a": "b"},
        "Healthcheck": {"Test": ["CMD", "x"], "Interval": 10_000_000_000, "Timeout": 3_000_000_000, "Retries": 6},
    },
    "NetworkSettings": {"Ports": {"8000/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8000"}], "9000/tcp": None}},
}  # fmt: skip


def test_an_inspected_container_becomes_facts() -> None:
    facts = container_facts(INSPECTED)
    assert (facts.name, facts.state, facts.health, facts.failing_streak, facts.restart_count) == (
        "chatbot-chatbot-1", "running", "unhealthy", 7, 2,
    )  # fmt: skip
    assert facts.started_at == datetime(2026, 1, 2, 3, 4, 5, 123456, UTC)
    assert facts.last_probe_output == "refused\N{REPLACEMENT CHARACTER}"
    assert facts.healthcheck == Healthcheck(("CMD", "x"), 10.0, 3.0, 6, 0.0)
    assert facts.published == frozenset({"127.0.0.1:8000/tcp"})


def test_a_container_without_healthcheck_has_health_none() -> None:
    state = {"Status": "created", "StartedAt": "0001-01-01T00:00:00Z"}
    facts = container_facts(INSPECTED | {"State": state, "Config": {"Image": "x"}, "NetworkSettings": {"Ports": None}})
    assert (facts.health, facts.started_at, facts.healthcheck.exists, facts.published) == ("none", None, False, frozenset())


def test_zero_in_a_healthcheck_means_dockers_default() -> None:
    assert healthcheck_facts({"Test": ["CMD", "x"], "Interval": 0}) == Healthcheck(("CMD", "x"), 30.0, 30.0, 3, 0.0)


@pytest.mark.parametrize("test", [["NONE"], [], None])
def test_a_switched_off_healthcheck_is_none(test: list[str] | None) -> None:
    assert not healthcheck_facts({"Test": test}).exists


def test_an_inspected_image_without_most_fields_becomes_facts() -> None:
    facts = image_facts({"Id": "sha256:i", "RepoDigests": None, "Os": "linux", "Architecture": "amd64", "Config": None})
    assert (facts.platform, facts.user, facts.repo_digests, facts.env) == ("linux/amd64", "", (), {})


@pytest.mark.parametrize(
    ("parts", "name"),
    [
        (("linux", "arm64", "v8"), "linux/arm64"),
        (("linux", "arm", "v7"), "linux/arm/v7"),
        (("linux", "amd64", ""), "linux/amd64"),
    ],
)
def test_a_variant_is_named_where_it_tells_images_apart(parts: tuple[str, str, str], name: str) -> None:
    assert platform_name(*parts) == name


@pytest.mark.parametrize(
    ("status", "health"),
    [
        ("Up 3 minutes (healthy)", "healthy"),
        ("Up 2 seconds (health: starting)", "starting"),
        ("Up 3 hours (unhealthy)", "unhealthy"),
        ("Up 3 hours", "none"),
        ("Exited (1) 2 days ago", "none"),
    ],
)
def test_health_is_read_from_the_list(status: str, health: str) -> None:
    assert seen_container({"Id": "c", "Names": ["/n"], "State": "running", "Status": status}).health == health


def test_a_newer_engine_says_health_in_a_field() -> None:
    assert seen_container({"Id": "c", "Names": ["/n"], "Status": "Up", "Health": {"Status": "starting"}}).health == "starting"


@pytest.mark.parametrize("text", ["", None, "0001-01-01T00:00:00Z"])
def test_dockers_year_one_means_never(text: str | None) -> None:
    assert moment(text) is None


def test_docker_hubs_long_names_are_known_by_their_short_ones() -> None:
    assert familiar("docker.io/library/python") == "python"
    assert has_digest((f"python@{DIGEST}",), "docker.io/library/python", DIGEST)
    assert not has_digest((f"python@{DIGEST}",), "ghcr.io/acme/python", DIGEST)


def test_escape_sequences_and_steering_characters_are_taken_out() -> None:
    assert neutral("\x1b]8;;http://evil\x1b\\click\x1b]8;;\x07 \x1b[2J\x9b31mred\x1b(B") == "click red"
    assert neutral("a\u202eb\u200bc\x00\ud800") == "a\ufffdb\ufffdc\ufffd\ufffd"
    assert neutral("1%\r50%\r\n100%\tdone") == "1%\n50%\n100%\tdone"


def test_the_end_of_a_log_is_kept_and_long_lines_are_cut() -> None:
    assert neutral_lines(b"1\n2\n\xff" + b"x" * 50, 2, most_characters=10) == ["2", "\ufffdxxxxxxxx…"]
    assert one_line("a\n\n  b") == "a b"


# Pulls


def test_a_pull_is_told_in_few_lines() -> None:
    progress, told = PullProgress(), []
    for chunk in range(1000):
        message = {"id": "l1", "status": "Downloading", "progressDetail": {"current": chunk * 10_000, "total": 10_000_000}}
        told.append(progress.read(message, now=chunk / 100))
    lines = [line for line in told if line]
    assert lines == [
        "0 of 1 layers, 0.0 of 10.0 MB", "0 of 1 layers, 2.0 of 10.0 MB", "0 of 1 layers, 4.0 of 10.0 MB",
        "0 of 1 layers, 6.0 of 10.0 MB", "0 of 1 layers, 8.0 of 10.0 MB",
    ]  # fmt: skip
    assert progress.read({"id": "l1", "status": "Pull complete"}, now=20) == "1 of 1 layers, 10.0 of 10.0 MB"


def test_an_error_in_the_stream_is_found_in_either_form() -> None:
    assert pull_error({"error": "no"}) == "no"
    assert pull_error({"errorDetail": {"message": "no"}}) == "no"
    assert pull_error({"status": "error is a word"}) == ""


@pytest.mark.parametrize(
    ("message", "trouble"),
    [
        ("pull access denied for x, repository does not exist or may require 'docker login': denied", Trouble.DENIED),
        ("Head https://r/v2/x/manifests/y: unauthorized: authentication required", Trouble.DENIED),
        ("no basic auth credentials", Trouble.DENIED),
        ("manifest for r/x@sha256:1 not found: manifest unknown: manifest unknown", Trouble.NOT_FOUND),
        ("toomanyrequests: You have reached your pull rate limit.", Trouble.RATE_LIMIT),
        ("x509: certificate signed by unknown authority", Trouble.TLS),
        ("http: server gave HTTP response to HTTPS client", Trouble.TLS),
        ("dial tcp: lookup nosuch.invalid: no such host", Trouble.UNREACHABLE),
        ("dial tcp 10.0.0.9:443: i/o timeout", Trouble.UNREACHABLE),
        ("net/http: TLS handshake timeout", Trouble.UNREACHABLE),
        ("unexpected EOF", Trouble.UNREACHABLE),
        ("received unexpected HTTP status: 500 Internal Server Error", Trouble.FAULTY),
        ("filesystem layer verification failed for digest sha256:1", Trouble.DAMAGED),
        ("no matching manifest for linux/arm64/v8 in the manifest list entries", Trouble.PLATFORM),
        ("write /var/lib/docker/tmp/x: no space left on device", Trouble.FULL),
        ("something else", Trouble.UNKNOWN),
    ],
)
def test_the_troubles_of_a_registry_are_told_apart(message: str, trouble: Trouble) -> None:
    assert trouble_in(message) == trouble


@pytest.mark.parametrize("trouble", Trouble)
def test_each_trouble_is_a_sentence_that_says_where_and_that_nothing_changed(trouble: Trouble) -> None:
    refusal = registry_refusal(trouble, "ghcr.io/acme/chatbot", DIGEST, "\x1b[31mwhy\nso")
    assert refusal.code == f"registry-{trouble}"
    words = str(refusal)
    assert "ghcr.io" in words or "engine" in words
    assert words.endswith("It said: “why so”. Nothing was changed.")


# Engines that cannot be used


def test_a_missing_engine_is_refused_with_how_to_start_one(tmp_path: Path) -> None:
    engine = DockerEngine(f"unix://{tmp_path}/none.sock")
    with pytest.raises(Refused, match=r"Install Docker Engine 20\.10 or newer and start it") as refused:
        engine.facts()
    assert refused.value.code == "no-engine"


def test_a_missing_engine_in_the_middle_of_work_is_broken(tmp_path: Path) -> None:
    with pytest.raises(Broken, match="No Docker Engine answers"):
        DockerEngine(f"unix://{tmp_path}/none.sock").containers("p", "s")


def test_a_socket_that_may_not_be_used_is_refused_with_the_group_to_join() -> None:
    refused = engine_words.no_engine("unix:///s", "('Connection aborted.', PermissionError(13, 'Permission denied'))")
    assert isinstance(refused, Refused)
    assert "usermod -aG docker" in str(refused)
    assert refused.code == "engine-permission"


def test_an_engine_that_stopped_listening_is_no_engine(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as plug:
        plug.bind(str(tmp_path / "dead.sock"))
    with pytest.raises(Refused) as refused:
        DockerEngine(f"unix://{tmp_path}/dead.sock").facts()
    assert refused.value.code == "no-engine"


Answer = Callable[[str], tuple[int, bytes] | None]
Pretend = Callable[..., DockerEngine]


@pytest.fixture
def pretend(tmp_path: Path) -> Iterator[Pretend]:
    """An engine that answers as the test says; nothing means it hangs."""
    servers: list[socketserver.BaseServer] = []
    engines: list[DockerEngine] = []

    def serve(answer: Answer, timeout: int = 5) -> DockerEngine:
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                answered = answer(self.path)
                if answered is None:
                    time.sleep(3)
                    return
                status, body = answered
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_GET  # noqa: N815 - the name the server looks for

            def address_string(self) -> str:
                return "unix"

            def log_message(self, *_: object) -> None: ...

        server = socketserver.ThreadingUnixStreamServer(str(tmp_path / "engine.sock"), Handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        servers.append(server)
        engines.append(DockerEngine(f"unix://{tmp_path}/engine.sock", timeout=timeout))
        return engines[-1]

    yield serve
    for engine in engines:
        engine.close()
    for server in servers:
        server.shutdown()
        server.server_close()


def version(api: str) -> tuple[int, bytes]:
    return 200, json.dumps({"Version": "1", "ApiVersion": api, "Os": "linux", "Arch": "amd64"}).encode()


def test_an_engine_that_is_too_old_is_refused_with_the_version_it_needs(pretend: Pretend) -> None:
    engine = pretend(lambda _: version("1.40"))
    with pytest.raises(Refused, match=r"speaks API 1\.40; Known Good needs 1\.41 or newer") as refused:
        engine.facts()
    assert refused.value.code == "engine-too-old"


def test_the_newest_engine_is_not_taken_for_an_old_one(pretend: Pretend) -> None:
    assert pretend(lambda _: version("1.100")).facts().api == "1.100"


def test_an_engine_that_hangs_is_broken_within_its_time(pretend: Pretend) -> None:
    engine = pretend(lambda path: version("1.41") if path.endswith("/version") else None, timeout=1)
    begun = time.monotonic()
    with pytest.raises(Broken, match="does not answer"):
        engine.container("c1")
    assert time.monotonic() - begun < 2.5


def test_an_engine_that_hangs_from_the_start_is_broken(pretend: Pretend) -> None:
    with pytest.raises(Broken, match="does not answer"):
        pretend(lambda _: None, timeout=1).facts()


def test_a_fault_of_the_engine_is_broken_with_its_words(pretend: Pretend) -> None:
    engine = pretend(lambda path: version("1.41") if path.endswith("/version") else (500, b'{"message": "disk \x1b[31mgone"}'))
    with pytest.raises(Broken, match=r"The engine could not inspect a container: .*gone"):
        engine.container("c1")


def test_a_pull_that_ends_well_but_brings_nothing_is_refused(pretend: Pretend) -> None:
    def answer(path: str) -> tuple[int, bytes]:
        if path.endswith("/version"):
            return version("1.41")
        if "/images/create" in path:
            return 200, b'{"status":"Pulling from acme/chatbot"}\r\n{"status":"Status: Image is up to date"}\r\n'
        return 200, json.dumps({"Id": "sha256:old", "RepoDigests": [f"ghcr.io/acme/chatbot@sha256:{'b' * 64}"]}).encode()

    with pytest.raises(Refused, match="no such image after the pull"):
        pretend(answer).pull("ghcr.io/acme/chatbot", DIGEST, "linux/amd64", None, print, 5)


@pytest.mark.parametrize("body", [b'{"errorDetail":{"message":"denied: no"},"error":"denied: no"}\r\n'])
def test_an_error_in_the_middle_of_a_pull_is_refused_in_words(pretend: Pretend, body: bytes) -> None:
    engine = pretend(lambda path: version("1.41") if path.endswith("/version") else (200, b'{"status":"Pulling"}\r\n' + body))
    with pytest.raises(Refused) as refused:
        engine.pull("ghcr.io/acme/chatbot", DIGEST, "linux/amd64", Login("me", "hunter2"), print, 5)
    assert refused.value.code == "registry-denied"
    assert "hunter2" not in str(refused.value)


def test_a_login_does_not_show_itself() -> None:
    assert "hunter2" not in repr(Login("me", "hunter2", "pem"))
