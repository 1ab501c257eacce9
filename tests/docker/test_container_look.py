"""What only a real container can show: its rights by the kernel, its log, what it reaches."""

import http.server
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from chatbot_service.container_look import ContainerLook
from chatbot_service.engine import DockerEngine
from chatbot_service.jobs.hardening import Verdict, Wanted, judge
from chatbot_service.jobs.look_ports import LogPage, LogQuery, Standing
from chatbot_service.jobs.reach import Reach, endpoint
from deploy_records.errors import Refused

HARDENED = (
    "--user=10001:10001", "--cap-drop=ALL", "--security-opt=no-new-privileges:true", "--read-only", "--tmpfs=/tmp",
    "--cpus=1", "--memory=64m", "--pids-limit=50", "--health-cmd=true", "--health-interval=10s", "--health-timeout=3s",
    "--health-retries=6", "--health-start-period=20s",
)  # fmt: skip
WAITS = ("sleep", "300")
SECRET = "sk-planted-secret-4711"
BASE_IMAGE_BREACHES = {"digest", "setuid_image"}
"""It is local, and has the setuid programs of its distribution: the reference service's own build takes them away."""
Run = Callable[..., str]


@pytest.fixture(scope="module")
def look(engine_url: str) -> Iterator[ContainerLook]:
    engine = DockerEngine(engine_url)
    yield ContainerLook(engine)
    engine.close()


@pytest.fixture(scope="module")
def run(base_image: str) -> Iterator[Run]:
    """Starts a container of the base image, by docker's own options."""
    made: list[str] = []

    def start(*options: str, does: tuple[str, ...] = WAITS, image: str = base_image) -> str:
        argv = ["docker", "run", "--detach", "--init", f"--name=kg-look-{uuid4().hex[:8]}", *options, image, *does]
        made.append(subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip())
        return made[-1]

    yield start
    if made:
        subprocess.run(["docker", "rm", "--force", "--volumes", *made], capture_output=True, check=False)


# Hardening


def verdicts(standing: Standing) -> dict[str, Verdict]:
    wanted = Wanted("app", "r@sha256:1", ("r@sha256:1",), (), datetime.now(UTC).date())
    return {finding.rule: finding.verdict for finding in judge(standing, wanted)}


def failed(standing: Standing) -> set[str]:
    return {rule for rule, verdict in verdicts(standing).items() if verdict is not Verdict.OK} - BASE_IMAGE_BREACHES


def test_a_hardened_container_meets_every_rule(look: ContainerLook, run: Run, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    subprocess.run(["chown", "10001:10001", str(data)], check=True)
    standing = look.standing(run(*HARDENED, f"--volume={data}:/data"))
    assert failed(standing) == set()
    assert standing.seen_from == "the host"
    assert {process.uids for process in standing.processes or ()} == {(10001,) * 4}


@pytest.mark.parametrize(
    ("options", "rules"),
    [
        (("--user=0:0",), {"user"}),
        (("--cap-add=NET_RAW",), {"capabilities"}),
        (("--security-opt=no-new-privileges:false",), {"no_new_privileges"}),
        (("--security-opt=seccomp=unconfined",), {"seccomp"}),
        (("--pid=host",), {"namespaces"}),
        (("--ipc=host",), {"namespaces"}),
        (("--network=host",), {"namespaces"}),
        (("--group-add=0",), {"groups"}),
        (("--volume=/var/run/docker.sock:/engine.sock",), {"engine_socket"}),
        (("--health-timeout=60s",), {"healthcheck"}),
        (("--no-healthcheck",), {"healthcheck"}),
        (("--memory=0", "--cpus=0"), {"limits"}),
    ],
)
def test_each_breach_is_found_alone(look: ContainerLook, run: Run, options: tuple[str, ...], rules: set[str]) -> None:
    name = options[0].split("=")[0]
    kept = [option for option in HARDENED if option.split("=")[0] != name or name == "--security-opt"]
    if "no-healthcheck" in name:
        kept = [option for option in kept if not option.startswith("--health")]
    if options[0].startswith("--security-opt=no-new"):
        kept.remove("--security-opt=no-new-privileges:true")
    assert failed(look.standing(run(*kept, *options))) == rules


def test_a_container_that_nobody_hardened_breaks_most_rules(look: ContainerLook, run: Run) -> None:
    standing = look.standing(run())
    assert failed(standing) == {
        "user", "capabilities", "no_new_privileges", "read_only", "tmpfs", "healthcheck", "limits"
    }  # fmt: skip
    assert verdicts(standing)["setuid_image"] is Verdict.FAILED
    assert "CAP_NET_RAW" in (standing.processes or ())[0].capabilities.effective


def test_a_folder_that_holds_the_engine_s_socket_counts_as_the_socket(look: ContainerLook, run: Run) -> None:
    assert "engine_socket" in failed(look.standing(run(*HARDENED, "--volume=/run:/host-run:ro")))


def test_a_root_that_can_be_written_to_and_a_tmp_on_disk_are_found(look: ContainerLook, run: Run) -> None:
    kept = [option for option in HARDENED if option not in {"--read-only", "--tmpfs=/tmp"}]
    assert {"read_only", "tmpfs"} == failed(look.standing(run(*kept)))


def test_setuid_files_and_foreign_owners_on_a_mount_are_found(look: ContainerLook, run: Run, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "su").write_text("x")
    (data / "su").chmod(0o4755)
    (data / "out").symlink_to("/etc")
    subprocess.run(["chown", "-h", "10001:10001", str(data), str(data / "out")], check=True)
    standing = look.standing(run(*HARDENED, f"--volume={data}:/data"))
    assert failed(standing) == {"setuid_mounts", "owners"}
    (tree,) = [tree for tree in standing.trees or () if tree.at == "/data"]
    assert (tree.set_id, tree.foreign, tree.entries) == (("/data/su",), 1, 2)


def test_a_process_that_runs_as_another_user_is_found(look: ContainerLook, run: Run) -> None:
    container = run(*[option for option in HARDENED if option != "--cap-drop=ALL"])
    subprocess.run(["docker", "exec", "--detach", "--user=0", container, *WAITS], check=True)
    time.sleep(0.5)
    assert {"user", "capabilities"} <= failed(look.standing(container))


def test_without_a_view_of_the_host_a_shell_inside_is_asked(look: ContainerLook, run: Run, tmp_path: Path) -> None:
    standing = ContainerLook(look._engine, proc=tmp_path).standing(run(*HARDENED))
    found = verdicts(standing)
    assert standing.seen_from == "a shell inside"
    assert (found["user"], found["capabilities"], found["tmpfs"]) == (Verdict.OK,) * 3
    assert found["owners"] is Verdict.UNKNOWN


def test_one_that_does_not_run_is_refused(look: ContainerLook, run: Run) -> None:
    container = run(does=("true",))
    subprocess.run(["docker", "wait", container], check=True, capture_output=True)
    with pytest.raises(Refused, match="exited"):
        look.standing(container)


# Logs


def says(run: Run, python: str, *options: str) -> str:
    container = run(*options, does=("python3", "-u", "-c", python))
    subprocess.run(["docker", "wait", container], check=True, capture_output=True)
    return container


def texts(page: LogPage) -> list[str]:
    return [line.text for line in page.lines]


def test_the_last_lines_come_with_their_stream_and_moment(look: ContainerLook, run: Run) -> None:
    container = says(run, "import sys, time\nfor i in range(20): print(i)\ntime.sleep(0.3)\nprint('bad', file=sys.stderr)")
    page = look.log(container, LogQuery(tail=2))
    assert texts(page) == ["19", "bad"]
    assert [line.stream for line in page.lines] == ["stdout", "stderr"]
    assert page.lines[0].at.startswith(str(datetime.now(UTC).year))


def test_following_misses_nothing_and_repeats_nothing(look: ContainerLook, run: Run) -> None:
    container = run(does=("python3", "-u", "-c", "import time\nfor i in range(3000):\n print(i)\n time.sleep(0.0005)"))
    seen: list[str] = []
    cursor = ""
    while len(seen) < 3000:
        page = look.log(container, LogQuery(tail=400 if cursor else 5000, after=cursor))
        seen += texts(page)
        cursor = page.cursor
    assert seen == [str(number) for number in range(3000)]


def test_more_than_is_read_from_the_end_is_followed_from_the_beginning(look: ContainerLook, run: Run) -> None:
    container = says(run, "print('first', flush=True)\nimport time\ntime.sleep(0.5)\nfor i in range(12000): print(i)")
    start = look.log(container, LogQuery(tail=5, until=datetime.now(UTC), since=datetime.now(UTC) - timedelta(hours=1)))
    first = LogQuery(tail=5000, after=start.cursor)
    page = look.log(container, first)
    assert texts(start) == ["first", "0", "1", "2", "3"]
    assert texts(page) == [str(number) for number in range(4, 5004)]
    assert page.ended == "lines"


def test_a_line_of_ten_megabytes_is_cut_and_the_next_is_whole(look: ContainerLook, run: Run) -> None:
    container = says(run, "import sys\nsys.stdout.write('x' * 10_000_000 + '\\n')\nprint('after')")
    begun = time.monotonic()
    page = look.log(container, LogQuery(tail=5000))
    assert time.monotonic() - begun < 5
    assert texts(page)[1] == "after"
    assert len(page.lines[0].text) + page.lines[0].cut == 10_000_000


def test_secrets_are_masked_also_in_the_middle_of_colours_and_of_a_long_line(look: ContainerLook, run: Run) -> None:
    program = """
import os
s = os.environ["API_KEY"]
print("key", s)
print(s[:5] + "\\x1b[31m" + s[5:])
print("y" * 8185 + s)
print("z" * 16380 + s)
"""
    container = says(run, program, f"--env=API_KEY={SECRET}")
    found = texts(look.log(container, LogQuery()))
    assert SECRET[:9] not in "".join(found)
    assert found[:2] == ["key [API_KEY]", "[API_KEY]"]
    assert look.log(container, LogQuery(words=SECRET)).lines == ()


def test_control_characters_are_harmless_and_colours_are_kept(look: ContainerLook, run: Run) -> None:
    program = "print('\\x1b[1;31mred\\x1b[0m \\x1b]8;;http://evil\\x07link\\x1b]8;;\\x07 \\x1b[2J\\x07\\u202eend')"
    (line,) = look.log(says(run, program), LogQuery()).lines
    assert line.text == "red link \ufffd\ufffdend"
    assert line.spans[0].styles == "fg-red bold"


def test_a_terminal_s_log_is_read_as_well(look: ContainerLook, run: Run) -> None:
    container = says(run, "print('one')\nprint('two')", "--tty")
    assert texts(look.log(container, LogQuery())) == ["one", "two"]


def test_words_are_looked_for_and_binary_is_borne(look: ContainerLook, run: Run) -> None:
    program = "import sys\nsys.stdout.buffer.write(bytes(range(256)) * 40 + b'\\n')\nprint('Error: X')\nprint('fine')"
    container = says(run, program)
    assert texts(look.log(container, LogQuery(words="error: x"))) == ["Error: X"]
    assert look.log(container, LogQuery(words="error: x", since=datetime.now(UTC) - timedelta(hours=1))).lines
    assert "\x1b" not in "".join(texts(look.log(container, LogQuery())))


# Connectivity


class Answers(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/slow":
            time.sleep(3)
        self.send_response(int(self.path[1:]) if self.path[1:].isdigit() else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None: ...


@pytest.fixture(scope="module")
def server() -> Iterator[int]:
    yield from _serving(None)


@pytest.fixture(scope="module")
def untrusted_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost", "-keyout", str(folder / "key"), "-out", str(folder / "cert")],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert", folder / "key")
    yield from _serving(context)


def _serving(context: ssl.SSLContext | None) -> Iterator[int]:
    serving = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    serving.daemon_threads = True
    if context:
        serving.socket = context.wrap_socket(serving.socket, server_side=True)
    threading.Thread(target=serving.serve_forever, daemon=True).start()
    yield serving.server_port
    serving.shutdown()
    serving.server_close()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as plug:
        return int(plug.getsockname()[1])


@pytest.fixture(scope="module", params=["python", "nothing"])
def inside(request: pytest.FixtureRequest, run: Run) -> str:
    """In the machine's network, so that its loopback is the tests' own; with Python inside, or with neither that nor curl."""
    if request.param == "python":
        return run("--network=host", *[option for option in HARDENED if not option.startswith("--memory")])
    container = run("--network=host", does=("bash", "-c", "rm -f /usr/bin/python3* /usr/bin/curl; echo gone; sleep 300"))
    while "gone" not in subprocess.run(["docker", "logs", container], capture_output=True, text=True, check=True).stdout:
        time.sleep(0.1)
    return container


def told(reach: Reach) -> list[tuple[str, bool | None]]:
    return [(stage.name, stage.ok) for stage in reach.stages]


def test_a_server_that_answers_is_reached(look: ContainerLook, inside: str, server: int) -> None:
    reach = look.reach(inside, endpoint(f"http://localhost:{server}/204"), 5)
    assert (reach.reached, reach.status) == (True, 204)
    assert told(reach) == [("dns", True), ("tcp", True), ("http", True)]
    assert reach.way in {"Python in the container", "the host, in its network"}


def test_a_wrong_name_ends_at_the_name(look: ContainerLook, inside: str) -> None:
    reach = look.reach(inside, endpoint("https://no-such-host.invalid/v1"), 8)
    assert told(reach) == [("dns", False), ("tcp", None), ("tls", None), ("http", None)]


def test_a_closed_port_ends_at_the_connection(look: ContainerLook, inside: str) -> None:
    reach = look.reach(inside, endpoint(f"http://localhost:{free_port()}/"), 5)
    assert told(reach) == [("dns", True), ("tcp", False), ("http", None)]
    assert "refused" in (reach.failed_at.said if reach.failed_at else "").lower()


def test_a_certificate_that_is_not_trusted_ends_at_tls(look: ContainerLook, inside: str, untrusted_server: int) -> None:
    reach = look.reach(inside, endpoint(f"https://localhost:{untrusted_server}/"), 5)
    assert told(reach) == [("dns", True), ("tcp", True), ("tls", False), ("http", None)]
    assert "self-signed" in (reach.failed_at.said if reach.failed_at else "").replace("self signed", "self-signed")


def test_an_error_of_the_server_ends_at_http_with_its_status(look: ContainerLook, inside: str, server: int) -> None:
    reach = look.reach(inside, endpoint(f"http://localhost:{server}/500"), 5)
    assert (reach.reached, reach.status, reach.failed_at and reach.failed_at.name) == (False, 500, "http")


def test_a_server_that_is_slow_is_given_up_in_time_or_told_its_time(look: ContainerLook, inside: str, server: int) -> None:
    begun = time.monotonic()
    given_up = look.reach(inside, endpoint(f"http://localhost:{server}/slow"), 1.5)
    assert time.monotonic() - begun < 5
    assert told(given_up) == [("dns", True), ("tcp", True), ("http", False)]
    waited = look.reach(inside, endpoint(f"http://localhost:{server}/slow"), 8)
    assert waited.reached
    assert 2.9 < waited.stages[-1].seconds < 5


def test_a_server_that_never_says_a_word_ends_at_tls(look: ContainerLook, inside: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        reach = look.reach(inside, endpoint(f"https://localhost:{silent.getsockname()[1]}/"), 1.5)
    assert told(reach)[2] == ("tls", False)


# The rest


def test_the_healthcheck_is_run_as_its_own_user(look: ContainerLook, run: Run) -> None:
    options = [option for option in HARDENED if not option.startswith("--health-cmd")]
    ran = look.healthcheck(run(*options, "--health-cmd=id -u; echo bad; exit 3"))
    assert (ran.result.exit_code, ran.result.output, ran.timeout, ran.user) == (3, "10001\nbad", 3.0, "10001:10001")


def test_a_healthcheck_that_hangs_is_ended_at_its_timeout(look: ContainerLook, run: Run) -> None:
    options = [option for option in HARDENED if not option.startswith(("--health-cmd", "--health-timeout"))]
    ran = look.healthcheck(run(*options, "--health-cmd=sleep 60", "--health-timeout=1s"))
    assert not ran.result.passed
    assert 0.9 < ran.result.took < 4


def test_what_it_uses_is_counted(look: ContainerLook, run: Run) -> None:
    container = run("--memory=64m", "--cpus=0.5", does=("python3", "-c", "b = bytearray(20_000_000)\nwhile True: pass"))
    time.sleep(1)
    before = look.usage(container)
    time.sleep(1)
    after = look.usage(container)
    share = (after.cpu_seconds - before.cpu_seconds) / (after.at - before.at).total_seconds()
    assert 0.2 < share < 0.7
    assert 20_000_000 < after.memory < 60_000_000
    assert after.memory_limit == 64 * 1024 * 1024
    assert after.processes >= 2
