"""Compose: commands as data, its words without values, and runs that are bounded whatever happens. Real Compose: tests/docker."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from chatbot_service import compose
from chatbot_service.compose import (
    ComposeBinary,
    config_argv,
    down_argv,
    environment,
    files_of,
    find_binary,
    up_argv,
    up_rendered_argv,
)
from chatbot_service.compose_words import progress_line, project_refusal, run_failure
from chatbot_service.jobs.ports import Project
from deploy_records.errors import Broken, Refused

ROOT = Path(__file__).parents[2]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    folder = tmp_path / "chatbot"
    folder.mkdir()
    (folder / "docker-compose.yml").write_text("services: {}\n")
    (folder / "docker-compose.prod.yml").write_text("services: {}\n")
    return Project(
        str(folder), "chatbot", ("docker-compose.yml", "docker-compose.prod.yml"), "docker-compose.prod.yml", "chatbot"
    )


# Commands


def test_up_names_everything_that_keeps_compose_from_more_than_that(project: Project) -> None:
    there = project.directory
    assert up_argv(project) == [
        "--ansi", "never", "--progress", "plain", "-p", "chatbot", "--project-directory", there,
        "-f", f"{there}/docker-compose.yml", "-f", f"{there}/docker-compose.prod.yml",
        "up", "-d", "--no-deps", "--pull", "never", "--no-build", "--", "chatbot",
    ]  # fmt: skip


def test_a_rehearsal_comes_by_standard_input() -> None:
    argv = up_rendered_argv("kg-rehearsal-7", "/srv/chatbot")
    assert argv[argv.index("-f") + 1] == "-"
    assert "--pull" in argv
    assert down_argv("kg-rehearsal-7")[-5:] == ["down", "--volumes", "--remove-orphans", "--timeout", "2"]


def test_the_pin_file_may_be_missing_but_no_other(project: Project) -> None:
    folder = Path(project.directory)
    (folder / "docker-compose.prod.yml").unlink()
    assert [Path(file).name for file in files_of(project)] == ["docker-compose.yml"]
    (folder / "docker-compose.yml").unlink()
    with pytest.raises(Refused, match=r"has no file docker-compose\.yml"):
        config_argv(project)


def test_without_names_the_files_are_those_that_compose_would_take(project: Project) -> None:
    folder = Path(project.directory)
    (folder / "docker-compose.override.yml").write_text("services: {}\n")
    unnamed = Project(project.directory, "chatbot", (), "", "")
    assert [Path(file).name for file in files_of(unnamed)] == ["docker-compose.yml", "docker-compose.override.yml"]


@pytest.mark.parametrize("name", ["../x.yml", "/etc/passwd", "link.yml"])
def test_a_compose_file_outside_the_folder_is_refused(project: Project, tmp_path: Path, name: str) -> None:
    (tmp_path / "x.yml").write_text("services: {}\n")
    (Path(project.directory) / "link.yml").symlink_to(tmp_path / "x.yml")
    with pytest.raises(Refused, match="outside the project's folder"):
        files_of(Project(project.directory, "chatbot", (name,), "", ""))


@pytest.mark.parametrize("name", ["-x", "", "A", "a b", "a/../b", "a\nb", "$(id)"])
def test_a_project_name_that_is_none_is_refused(project: Project, name: str) -> None:
    with pytest.raises(Refused, match="not a Compose project name"):
        files_of(Project(project.directory, name, (), "", ""))


@pytest.mark.parametrize("directory", ["relative", "/does/not/exist", ""])
def test_a_folder_that_is_not_there_is_refused(directory: str) -> None:
    with pytest.raises(Refused, match="There is no folder"):
        files_of(Project(directory, "chatbot", (), "", ""))


def test_a_path_too_long_to_be_looked_at_is_not_there(project: Project) -> None:
    with pytest.raises(Refused, match="There is no folder"):
        files_of(replace(project, directory="/" + "a" * 300))
    with pytest.raises(Refused, match="has no file aaa"):
        files_of(replace(project, files=("a" * 300,)))


def test_compose_gets_nothing_of_the_workers_environment() -> None:
    outside = {"PATH": "/bin", "HOME": "/root", "KG_SECRETS_KEY": "secret", "COMPOSE_FILE": "/evil.yml", "DATABASE_URL": "x"}
    given = environment("", outside)
    assert set(given) == {"PATH", "HOME", "LANG", "DOCKER_HOST", "COMPOSE_REMOVE_ORPHANS", "COMPOSE_IGNORE_ORPHANS"}
    assert given["DOCKER_HOST"] == "unix:///var/run/docker.sock"
    assert environment("unix:///other.sock", outside | {"DOCKER_HOST": "tcp://x"})["DOCKER_HOST"] == "unix:///other.sock"


# Words


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (
            "invalid interpolation format for services.app.environment.KEY.\nYou may need to escape any $.\nsk-abc${def{",
            "The value at services.app.environment.KEY has a $ that is no variable",
        ),
        ('failed to read /srv/x/.env: line 2: unterminated quoted value "sk-abc', "/srv/x/.env cannot be read at line 2"),
        ("env file /srv/x/nope.env not found: stat /srv/x/nope.env: no such file or directory", "nope.env is missing"),
        (
            "error while interpolating services.app.environment.KEY: required variable FOO is missing a value: sk-abc",
            "The variable FOO has no value",
        ),
        (
            'yaml: unmarshal errors:\n  line 7: mapping key "environment" already defined at line 5',
            "environment is there twice (line 7)",
        ),
        ("validating /srv/x/c.yml: services.app Additional property foo is not allowed", "property foo is not allowed"),
        ('service "app" has neither an image nor a build context specified: invalid compose project', "has no image"),
        ('service "app" depends on undefined service "db": invalid compose project', "depends on db, which is not there"),
        ("network n declared as external, but could not be found", "docker network create n"),
        ("yaml: line 3: did not find expected ',' or '}'", "not valid YAML: line 3: did not find expected"),
        ("yaml: unmarshal errors:\n  line 1: cannot unmarshal !!str `sk-abc` into int", "Compose says"),
        ('line 1: unexpected character "\\"" in variable name "sk-abc \\"open"', "An env file cannot be read at line 1."),
        ("line 3: unterminated quoted value 'sk-abc", "An env file cannot be read at line 3."),
        ('Invalid template: "${sk-abc"', "A value has a $ that is no variable."),
        (
            "decoding failed due to the following error(s):\n\nerror decoding 'services[e].cpus': sk-abc",
            "at services[e].cpus is none",
        ),
        ('odd "a \\" sk-abc" and "sk-abc \\"', "Compose says: odd “…” and “…”"),
        ("it can't read 'sk-abc", "Compose says: it can't read …"),
        ('odd complaint about "sk-abc" and `sk-abc`\nsk-abc', "odd complaint about “…” and “…”"),
    ],
)
def test_a_project_out_of_order_is_refused_in_words_without_values(said: str, words: str) -> None:
    refused = project_refusal("/srv/x", said.splitlines())
    assert words in str(refused)
    assert "sk-abc" not in str(refused)
    assert str(refused).endswith("Nothing was changed.")


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (
            "driver failed on endpoint x (1): Bind for 127.0.0.1:18080 failed: port is already allocated",
            "port 127.0.0.1:18080 of the host is taken by another container",
        ),
        (
            "Error starting userland proxy: listen tcp4 127.0.0.1:80: bind: address already in use",
            "port 127.0.0.1:80 of the host is taken by another program",
        ),
        (
            "failed to create network x: could not find an available, non-overlapping IPv4 address pool among the defaults",
            "docker network prune",
        ),
        ("no such image: r/x@sha256:11: No such image: r/x@sha256:11", "the image r/x@sha256:11 is not on this host"),
        ("No such image: x/y:latest", "the image x/y:latest is not on this host"),
        ('invalid mount config for type "bind": bind source path does not exist: /no/where', "the folder /no/where"),
        ('Conflict. The container name "/a-1" is already in use by container "9".', "holds the name a-1"),
        (
            "image with reference x was found but does not match the specified platform: wanted linux/arm64, actual: linux/amd64",
            "the image is for linux/amd64, and linux/arm64 is wanted",
        ),
        (
            'OCI runtime create failed: unable to start container process: exec: "nosuch": executable file not found in $PATH',
            "its command nosuch is not in the image",
        ),
        ("unable to find user chat: no matching entries in passwd file", "its user chat is not in the image"),
        ("Minimum memory limit allowed is 6MB", "the engine said: Minimum memory limit allowed is 6MB"),
    ],
)
def test_a_failed_up_says_what_the_engine_refused(said: str, words: str) -> None:
    failure = run_failure("up", "/srv/x", 1, [" Container a-1  Starting", f"Error response from daemon: {said}"])
    assert isinstance(failure, Broken)
    assert words in str(failure)


def test_a_failed_up_says_that_the_engine_is_gone_or_what_compose_said_last() -> None:
    gone = "Cannot connect to the Docker daemon at unix:///x. Is the docker daemon running?"
    assert "the engine does not answer" in str(run_failure("up", "/srv/x", 1, [gone]))
    assert str(run_failure("up", "/srv/x", 1, ["a", "b"])) == "docker compose up failed with exit 1: b."


def test_a_project_that_fell_out_of_order_is_refused_at_up_too() -> None:
    assert isinstance(run_failure("up", "/srv/x", 15, ["Top-level object must be a mapping"]), Refused)
    assert isinstance(run_failure("up", "/srv/x", 1, ["no such service: nope"]), Refused)


def test_an_up_that_was_killed_says_so() -> None:
    assert "was ended by signal 9" in str(run_failure("up", "/srv/x", -9, [" Container a-1  Recreate"]))


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        (" Container chatbot-1  Started", "Container chatbot-1 Started"),
        (" Container \x1b[31mchatbot-1  Started", "Container chatbot-1 Started"),
        ("sk-abc${def{", None),
        ('time="2026" level=warning msg="The \\"FOO\\" variable is not set. Defaulting to a blank string."',
         "compose warns: the variable FOO is not set and counts as empty"),
        ('time="2026" level=warning msg="The \\"abc9\\" variable is not set. Defaulting to a blank string."',
         "compose warns: the variable … is not set and counts as empty"),
        ("", None),
    ],
)  # fmt: skip
def test_progress_is_shown_and_what_may_hold_values_is_not(line: str, shown: str | None) -> None:
    assert progress_line(line) == shown


# Finding it


def program(path: Path, text: str) -> Path:
    path.write_text(f"#!{sys.executable} -S\n{textwrap.dedent(text)}")
    path.chmod(0o755)
    return path


def pretend(path: Path, act: str) -> Path:
    """A Compose that says its version, and else does `act`."""
    return program(
        path,
        "import os, sys, time\nif sys.argv[1:2] == ['version']:\n    print('2.26.1-4')\n    sys.exit()\n" + textwrap.dedent(act),
    )


@pytest.mark.parametrize("version", ["2.26.1-4", "v2.40.3", "5.0.0"])
def test_a_new_compose_is_taken(tmp_path: Path, version: str) -> None:
    binary = program(tmp_path / "docker-compose", f"print('{version}')")
    assert find_binary(str(binary)) == str(binary)


@pytest.mark.parametrize(("says", "named"), [("1.29.2", "is 1.29.2"), ("2.3.3", "is 2.3.3"), ("hello", "is hello")])
def test_an_old_compose_is_refused_with_what_to_install(tmp_path: Path, says: str, named: str) -> None:
    binary = program(tmp_path / "docker-compose", f"print('{says}')")
    with pytest.raises(Refused, match=r"Docker Compose 2\.20 or newer was not found") as refused:
        find_binary(str(binary))
    assert named in str(refused.value)
    assert "Install it" in str(refused.value)


def test_no_compose_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Refused, match="KG_COMPOSE_BINARY"):
        find_binary(str(tmp_path / "none"))
    monkeypatch.setattr(compose, "_PLUGIN_FOLDERS", (str(tmp_path),))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Refused, match="was not found on this host"):
        find_binary()


def test_a_plugin_is_found_before_the_path_and_an_old_one_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, version in (("old", "1.29.2"), ("new", "2.30.0")):
        (tmp_path / name).mkdir()
        program(tmp_path / name / "docker-compose", f"print('{version}')")
    monkeypatch.setattr(compose, "_PLUGIN_FOLDERS", (str(tmp_path / "old"),))
    monkeypatch.setenv("PATH", str(tmp_path / "new"))
    assert find_binary() == str(tmp_path / "new" / "docker-compose")


# Runs


@pytest.fixture
def with_compose(tmp_path: Path) -> Callable[[str], ComposeBinary]:
    return lambda act: ComposeBinary(str(pretend(tmp_path / "docker-compose", act)), locks=tmp_path / "locks")


def test_lines_are_told_as_they_come(with_compose: Callable[[str], ComposeBinary], project: Project) -> None:
    slow = with_compose("""
        print(" Container a  Starting", flush=True)
        time.sleep(0.5)
        print(" Container a  Started", file=sys.stderr)
    """)
    begun, told = time.monotonic(), []
    slow.up(project, lambda line: told.append((line, time.monotonic() - begun)), 10)
    assert [line for line, _ in told] == ["Container a Starting", "Container a Started"]
    assert told[0][1] < 0.4


def alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False


def gone_within(pid: int, seconds: float) -> bool:
    ends = time.monotonic() + seconds
    while alive(pid) and time.monotonic() < ends:
        time.sleep(0.02)
    return not alive(pid)


SLEEPS = """
    import subprocess
    child = subprocess.Popen(["sleep", "60"])
    print(f" Container {os.getpid()}  {child.pid}", flush=True)
    time.sleep(60)
"""


def test_a_run_out_of_time_is_killed_with_all_it_started(with_compose: Callable[[str], ComposeBinary], project: Project) -> None:
    told: list[str] = []
    with pytest.raises(Broken, match="did not end in 1 s and was killed"):
        with_compose(SLEEPS).up(project, told.append, 1)
    pids = [int(word) for word in told[0].split()[1:]]
    assert all(gone_within(pid, 2) for pid in pids)


def test_an_error_of_the_listener_does_not_end_compose_in_the_middle(
    with_compose: Callable[[str], ComposeBinary], project: Project, tmp_path: Path
) -> None:
    two_steps = with_compose(f"""
        print(" Container a  Stopped", flush=True)
        time.sleep(0.3)
        open("{tmp_path}/started", "w").close()
    """)

    def fenced(_: str) -> None:
        raise KeyError("taken over")

    with pytest.raises(KeyError):
        two_steps.up(project, fenced, 10)
    assert (tmp_path / "started").exists()


def test_a_rendered_project_is_given_by_standard_input(with_compose: Callable[[str], ComposeBinary], tmp_path: Path) -> None:
    echo = with_compose(f"open('{tmp_path}/given', 'w').write(sys.stdin.read())")
    echo.up_rendered("kg-rehearsal-7", str(tmp_path), {"services": {"a": {"image": "x" * 200_000}}}, print, 10)
    assert len((tmp_path / "given").read_text()) > 200_000


def test_config_is_parsed_and_warnings_are_kept_apart(with_compose: Callable[[str], ComposeBinary], project: Project) -> None:
    warns = with_compose("print('careful', file=sys.stderr); print('{\"services\": {}}')")
    assert warns.config(project) == {"services": {}}


def test_compose_that_vanished_is_broken(with_compose: Callable[[str], ComposeBinary], project: Project) -> None:
    binary = with_compose("")
    Path(binary.binary).unlink()
    with pytest.raises(Broken, match="No such file"):
        binary.up(project, print, 5)


WORKER = """
import sys
from pathlib import Path
sys.path.insert(0, {root!r})
from chatbot_service.compose import ComposeBinary
from chatbot_service.jobs.ports import Project
compose = ComposeBinary({binary!r}, locks=Path({locks!r}))
project = Project({directory!r}, "chatbot", (), "", "chatbot")
say = lambda line: print(line, flush=True)
{call}
"""


@pytest.fixture
def worker(tmp_path: Path, project: Project) -> Iterator[Callable[[str, str], subprocess.Popen[str]]]:
    """A process that makes one call and can be killed."""
    started: list[subprocess.Popen[str]] = []

    def start(act: str, call: str) -> subprocess.Popen[str]:
        binary = pretend(tmp_path / "docker-compose", act)
        text = WORKER.format(
            root=str(ROOT), binary=str(binary), locks=str(tmp_path / "locks"), directory=project.directory, call=call
        )
        started.append(subprocess.Popen([sys.executable, "-c", text], stdout=subprocess.PIPE, text=True))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def heard_pid(process: subprocess.Popen[str]) -> int:
    assert process.stdout
    return int(process.stdout.readline().split()[1])


FINISHES = """
    print(f" Container {os.getpid()}  Stopped", flush=True)
    time.sleep(0.8)
    print(" Container a  Started", flush=True)
    open(os.path.dirname(__file__) + "/started", "w").close()
"""


def test_an_up_finishes_when_its_worker_is_killed_and_holds_the_lock_until_then(
    worker: Callable[[str, str], subprocess.Popen[str]], project: Project, tmp_path: Path
) -> None:
    process = worker(FINISHES, "compose.up(project, say, 30)")
    pid = heard_pid(process)
    process.kill()
    assert not (tmp_path / "started").exists()
    ComposeBinary(str(tmp_path / "docker-compose"), locks=tmp_path / "locks").settle(project)
    assert (tmp_path / "started").exists()
    assert gone_within(pid, 2)


def test_an_up_finishes_and_frees_the_lock_when_its_worker_hangs(
    worker: Callable[[str, str], subprocess.Popen[str]], project: Project, tmp_path: Path
) -> None:
    process = worker(FINISHES, "compose.up(project, say, 30)")
    heard_pid(process)
    process.send_signal(signal.SIGSTOP)
    ComposeBinary(str(tmp_path / "docker-compose"), locks=tmp_path / "locks").settle(project)
    assert (tmp_path / "started").exists()


def test_a_rehearsal_dies_with_its_worker(worker: Callable[[str, str], subprocess.Popen[str]]) -> None:
    process = worker(SLEEPS, 'compose.up_rendered("kg-rehearsal-7", "/", {}, say, 30)')
    pid = heard_pid(process)
    assert alive(pid)
    process.kill()
    assert gone_within(pid, 2)


def test_a_run_that_never_ends_is_said_after_the_wait(
    worker: Callable[[str, str], subprocess.Popen[str]], project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compose, "LOCK_TIMEOUT", 0.3)
    process = worker(SLEEPS, "compose.up(project, say, 30)")
    pid = heard_pid(process)
    other = ComposeBinary(str(tmp_path / "docker-compose"), locks=tmp_path / "locks")
    with pytest.raises(Broken, match="Another docker compose run for chatbot"):
        other.up(project, print, 5)
    os.killpg(os.getpgid(pid), signal.SIGKILL)


def test_another_project_is_not_kept_waiting(
    worker: Callable[[str, str], subprocess.Popen[str]], project: Project, tmp_path: Path
) -> None:
    process = worker(SLEEPS, "compose.up(project, say, 30)")
    pid = heard_pid(process)
    other = ComposeBinary(str(tmp_path / "docker-compose"), locks=tmp_path / "locks")
    begun = time.monotonic()
    other.settle(Project(project.directory, "another", (), "", "x"))
    assert time.monotonic() - begun < 1
    os.killpg(os.getpgid(pid), signal.SIGKILL)
