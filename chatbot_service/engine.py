"""The only place that talks to the Docker Engine. Foreign errors end here: `Refused` in words, or `Broken`."""

import contextlib
import json
import os
import socket
import threading
import time
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import docker
import docker.auth
import docker.errors
import docker.utils
import requests
import urllib3.exceptions

from chatbot_service.engine_words import no_engine, too_old
from chatbot_service.facts import (
    ONE_OFF_LABEL,
    PROJECT_LABEL,
    SERVICE_LABEL,
    VOLUME_LABEL,
    EngineEvent,
    SeenContainer,
    container_facts,
    event_facts,
    has_digest,
    healthcheck_facts,
    image_facts,
    platform_name,
    seen_container,
)
from chatbot_service.foreign_text import neutral, neutral_lines, one_line
from chatbot_service.health.log import Inspected, inspected
from chatbot_service.host_ports import is_taken
from chatbot_service.jobs.ports import ContainerFacts, EngineFacts, ImageFacts, Login, ProbeResult, Say
from chatbot_service.masking import masked, secrets_of
from chatbot_service.pulling import PullProgress, pull_error
from chatbot_service.registry_words import Trouble, registry_refusal, trouble_in
from chatbot_service.streams import cut_off, json_lines, kill_in_container, read_frames, said_at_nano
from deploy_records.errors import Broken, Refused
from deploy_records.rules.digest import registry_of

TIMED_OUT = 124
COULD_NOT_RUN = 125
_OLDEST_API = (1, 41)
_MOST_OUTPUT = 4096
_MOST_LOG_LINES = 2000
_MOST_KNOWN = 50
_GRACE = 10
_RENEW_EVENTS = 5.0
_MOST_REPEATED = 1000
"""Dockerd keeps the last 256 events; so many may be told again when a stream is renewed."""
_WATCHED = (
    "create", "start", "die", "stop", "kill", "oom", "pause", "unpause", "rename", "restart", "destroy", "health_status"
)  # fmt: skip
_FOREIGN = (docker.errors.DockerException, urllib3.exceptions.HTTPError, OSError, ValueError)


class DockerEngine:
    """One engine. Threads may share it.

    `facts` refuses with what to do when there is no engine, no permission or too old an engine; every other method
    raises `Broken` with the same words, as by then work is under way.
    """

    def __init__(self, url: str = "", *, timeout: int = 20, certificates: Path = Path("/etc/docker/certs.d")) -> None:
        self.url = url or os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock"
        self._timeout = timeout
        self._certificates = certificates
        self._connected: docker.APIClient | None = None
        self._connecting = threading.Lock()
        self._known_secrets: dict[str, dict[str, str]] = {}

    # What is there

    def facts(self) -> EngineFacts:
        client = self._connect()
        with self._border("say its version"):
            said = client.version()
            return EngineFacts(said["Version"], said["ApiVersion"], platform_name(said["Os"], said["Arch"]))

    def image(self, reference: str) -> ImageFacts | None:
        with self._border("inspect an image"):
            try:
                return image_facts(self._client.inspect_image(reference))  # type: ignore[no-untyped-call]  # its stub has no types
            except docker.errors.NotFound:
                return None

    def local_image_ids(self) -> frozenset[str]:
        """Every `sha256:…` by which this engine knows an image: the IDs and the digests they were pulled under."""
        with self._border("list its images"):
            images = self._client.images()
        pulled = {entry.partition("@")[2] for image in images for entry in image.get("RepoDigests") or ()}
        return frozenset({image["Id"] for image in images} | pulled)

    def containers(self, project: str, service: str) -> list[ContainerFacts]:
        labels = [f"{PROJECT_LABEL}={project}", f"{SERVICE_LABEL}={service}", f"{ONE_OFF_LABEL}=False"]
        with self._border("list containers"):
            listed = self._client.containers(all=True, filters={"label": labels})
        found = (self.container(each["Id"]) for each in listed)
        return [container for container in found if container]

    def container(self, container_id: str) -> ContainerFacts | None:
        with self._border("inspect a container"):
            try:
                return container_facts(self._client.inspect_container(container_id))
            except docker.errors.NotFound:
                return None

    def inspect_health(self, container_id: str, known: Collection[int] = ()) -> Inspected | None:
        """With the probes of its health log but those whose start is `known`; nothing if it is gone."""
        with self._border("inspect a container"):
            try:
                return inspected(self._client.inspect_container(container_id), known)
            except docker.errors.NotFound:
                return None

    def volume_path(self, project: str, name: str) -> str:
        """Where the volume that a Compose project calls so lies on the host; an external one by its own name. Empty: none."""
        labels = [f"{PROJECT_LABEL}={project}", f"{VOLUME_LABEL}={name}"]
        with self._border("look for a volume"):
            found = self._client.volumes(filters={"label": labels}).get("Volumes") or []
            try:
                found = found or [self._client.inspect_volume(name)]
            except docker.errors.NotFound:
                return ""
        owner = (found[0].get("Labels") or {}).get(PROJECT_LABEL, project)
        return str(found[0].get("Mountpoint") or "") if len(found) == 1 and owner == project else ""

    def states(self) -> tuple[SeenContainer, ...]:
        """All Compose containers by one call to the engine."""
        with self._border("list containers"):
            listed = self._client.containers(all=True, filters={"label": [PROJECT_LABEL]})
        return tuple(seen_container(each) for each in listed)

    def logs(self, container_id: str, tail: int) -> list[str]:
        most = max(1, min(tail, _MOST_LOG_LINES))
        with self._border("read a container's log"):
            try:
                secrets = self.secrets(container_id)
                return [masked(line, secrets) for line in neutral_lines(self._client.logs(container_id, tail=most), most)]
            except docker.errors.NotFound:
                return []

    def watch_events(self, since: float | None, stop: threading.Event) -> Iterator[EngineEvent]:
        """Events of Compose containers until `stop` is set; `since` in seconds of the engine's clock, or from now on.

        `Broken` when the engine goes away. An event may be told twice, never lost, also when its clock is set back.
        """
        since_nano, told = (int(since * 1e9) if since is not None else None), dict[tuple[int, str, str], None]()
        while not stop.is_set():
            with self._border("watch its events"), self._events(since_nano) as answer:
                since_nano = said_at_nano(answer) if since_nano is None else since_nano
                with contextlib.suppress(requests.ConnectionError):  # a silence: the stream is renewed, and `stop` seen
                    for event in map(event_facts, json_lines(answer, stop)):
                        since_nano = event.at_nano
                        if event.key not in told:
                            told[event.key] = None
                            if len(told) > _MOST_REPEATED:
                                del told[next(iter(told))]
                            yield event

    def _events(self, since_nano: int | None) -> contextlib.AbstractContextManager[requests.Response]:
        filters = {"type": ["container"], "label": [PROJECT_LABEL], "event": list(_WATCHED)}
        query = {"filters": json.dumps(filters)}
        if since_nano is not None:
            query["since"] = f"{since_nano // 10**9}.{since_nano % 10**9:09}"
        return self._ask("GET", "/events", params=query, silent_for=_RENEW_EVENTS)

    # Images

    def pull(  # noqa: PLR0917 - the port's signature
        self, repository: str, digest: str, platform: str, login: Login | None, say: Say, timeout: float
    ) -> None:
        self._trust(repository, login, say)
        try:
            wrong = self._read_pull(
                {"fromImage": repository, "tag": digest, "platform": platform}, _sign_in(repository, login), say, timeout
            )
        except docker.errors.APIError as error:  # before the stream began
            wrong = _explained(error)
        if wrong:
            raise registry_refusal(trouble_in(wrong), repository, digest, wrong)
        image = self.image(f"{repository}@{digest}")
        if image is None or not has_digest(image.repo_digests, repository, digest):
            # A pull's stream can end without an error although the pull failed: what is there afterwards counts.
            raise registry_refusal(Trouble.UNKNOWN, repository, digest, "the engine has no such image after the pull")

    def _read_pull(self, query: dict[str, str], headers: dict[str, str], say: Say, timeout: float) -> str:
        """What went wrong; empty if nothing was told."""
        ends, progress = time.monotonic() + timeout, PullProgress()
        with (
            self._border("pull an image", but=docker.errors.APIError),
            self._ask("POST", "/images/create", silent_for=timeout, params=query, headers=headers) as answer,
            cut_off(answer, ends - time.monotonic()) as too_late,
        ):
            for message in json_lines(answer, too_late):
                if wrong := pull_error(message):
                    return wrong
                if line := progress.read(message, time.monotonic()):
                    say(line)
            return f"timed out: not done after {timeout:.0f} s" if too_late.is_set() else ""

    def keep(self, image_id: str, repository: str, tag: str) -> None:
        with self._border("tag an image"):
            self._client.tag(image_id, repository, tag, force=True)

    def _trust(self, repository: str, login: Login | None, say: Say) -> None:
        """Hands a registry's own authority to the engine on this machine, which reads the folder at every pull."""
        if not login or not login.ca_certificate or not self.is_local:
            return
        file = self._certificates / registry_of(repository) / "known-good.crt"
        with contextlib.suppress(OSError):  # not ours to write: if it matters, the pull says so in words
            if not file.exists() or file.read_text() != login.ca_certificate:
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(login.ca_certificate)
                say(f"The engine now trusts the authority kept for {registry_of(repository)}.")

    def port_is_taken(self, port: str) -> bool:
        return self.is_local and is_taken(port)

    # Inside a container

    def probe(self, container_id: str, timeout: float | None = None) -> ProbeResult:
        with self._border("inspect a container"):
            try:
                config = self._client.inspect_container(container_id)["Config"]
            except docker.errors.NotFound:
                return ProbeResult(COULD_NOT_RUN, "The container is gone.", 0.0)
        check = healthcheck_facts(config.get("Healthcheck"))
        if not check.exists:
            raise Refused("The container has no healthcheck, so nothing tells whether it serves. Add one to its compose file.")
        shell = tuple(config.get("Shell") or ("/bin/sh", "-c"))
        argv = shell + check.test[1:] if check.test[0] == "CMD-SHELL" else check.test[1:]
        return self.execute(container_id, argv, check.timeout if timeout is None else timeout)

    def execute(self, container_id: str, argv: Sequence[str], timeout: float) -> ProbeResult:
        """Exit code 124: still running after `timeout`, killed where that is possible. 125: it could not be started."""
        begun = time.monotonic()
        try:
            with self._border("run a command in a container", but=docker.errors.APIError):
                exit_code, output = self._execute(container_id, list(argv), timeout)
                output = masked(output, self.secrets(container_id)) if output else ""
        except docker.errors.APIError as error:
            exit_code, output = COULD_NOT_RUN, one_line(_explained(error))
        return ProbeResult(exit_code, output, time.monotonic() - begun)

    def secrets(self, container_id: str) -> dict[str, str]:
        """Value → name. Of its environment, which never changes as long as the container is there."""
        known = self._known_secrets.get(container_id)
        if known is None:
            known = secrets_of(self._client.inspect_container(container_id)["Config"].get("Env") or ())
            if len(self._known_secrets) >= _MOST_KNOWN:
                self._known_secrets.clear()
            self._known_secrets[container_id] = known
        return known

    def _execute(self, container_id: str, argv: list[str], timeout: float, most: int = _MOST_OUTPUT) -> tuple[int, str]:
        ends = time.monotonic() + timeout
        made = self._client.exec_create(container_id, argv)["Id"]
        start = {"Detach": False, "Tty": False}
        with (
            self._ask("POST", f"/exec/{made}/start", silent_for=timeout + self._timeout, json=start) as answer,
            cut_off(answer, ends - time.monotonic()) as too_late,
        ):
            output = neutral(read_frames(answer, most, too_late).decode("utf-8", "replace")).strip()
        exit_code = self._exit_code(made, ends)
        if exit_code is not None:
            return exit_code, output
        if self.is_local and (pid := self._client.exec_inspect(made)["Pid"]):
            kill_in_container(pid, container_id)
        return TIMED_OUT, f"{output}\nStill running after {timeout:.1f} s, given up.".strip()

    def _exit_code(self, made: str, ends: float) -> int | None:
        """The output can end a moment before the engine knows that the process has."""
        while True:
            seen = self._client.exec_inspect(made)
            if not seen["Running"] and seen["ExitCode"] is not None:
                return int(seen["ExitCode"])
            if time.monotonic() > ends:
                return None
            time.sleep(0.01)

    def read_inside(self, container_id: str, argv: Sequence[str], timeout: float, most_bytes: int) -> ProbeResult:
        """As `execute`, for an answer that is longer than a message."""
        begun = time.monotonic()
        with self._border("read inside the container"):
            exit_code, output = self._execute(container_id, list(argv), timeout, most_bytes)
        return ProbeResult(exit_code, masked(output, self.secrets(container_id)), time.monotonic() - begun)

    # Looking at a container; what it means is worked out in `container_look`

    def inspected(self, container_id: str) -> dict[str, Any] | None:
        """The engine's own answer. Holds secret values: facts are read out of it, it is never logged, kept or shown."""
        with self._border("inspect a container"):
            try:
                return dict(self._client.inspect_container(container_id))
            except docker.errors.NotFound:
                return None

    def process_ids(self, container_id: str) -> tuple[int, ...]:
        """As the engine's machine numbers them."""
        with self._border("list a container's processes"):
            said = self._client.top(container_id, ps_args="-eo pid")
        return tuple(int(row[0]) for row in said["Processes"])

    def usage(self, container_id: str) -> dict[str, Any]:
        """Its counters at this moment, as the engine tells them."""
        with self._border("read what a container uses"):
            return dict(self._client.stats(container_id, stream=False, one_shot=True))

    @contextlib.contextmanager
    def log_of(
        self, container_id: str, query: dict[str, str], timeout: float
    ) -> Iterator[tuple[requests.Response, threading.Event]]:
        """Its log as the engine frames it; after `timeout` the reading ends and the event is set."""
        with (
            self._border("read a container's log"),
            self._ask("GET", f"/containers/{container_id}/logs", params=query, silent_for=timeout) as answer,
            cut_off(answer, timeout) as too_late,
        ):
            yield answer, too_late

    # Changing a container

    def start(self, container_id: str, timeout: float) -> None:
        with self._border("start the container"), self._ask("POST", f"/containers/{container_id}/start", silent_for=timeout):
            pass

    def stop(self, container_id: str, timeout: float) -> None:
        """Gives it its own grace period, as far as `timeout` allows."""
        with self._border("stop the container"):
            grace = self._client.inspect_container(container_id)["Config"].get("StopTimeout")
            seconds = max(0, min(_GRACE if grace is None else grace, int(timeout) - 3))
            with self._ask("POST", f"/containers/{container_id}/stop", silent_for=timeout, params={"t": str(seconds)}):
                pass

    def pause(self, container_id: str) -> None:
        """Freezes all its processes. Nothing happens if they are frozen already."""
        with self._border("pause the container"):
            if not self._client.inspect_container(container_id)["State"]["Paused"]:
                self._client.pause(container_id)

    def unpause(self, container_id: str) -> None:
        """Nothing happens if it is not paused."""
        with self._border("let the container go on"):
            if self._client.inspect_container(container_id)["State"]["Paused"]:
                self._client.unpause(container_id)

    def remove(self, container_id: str) -> None:
        with self._border("remove the container"):
            try:
                self._client.remove_container(container_id, force=True)
            except docker.errors.NotFound:
                return
            except docker.errors.APIError as error:
                if error.status_code != requests.codes.conflict:  # 409: its removal is under way
                    raise

    def rename(self, container_id: str, name: str) -> None:
        with self._border("rename the container"):
            self._client.rename(container_id, name)

    # The wire

    @property
    def is_local(self) -> bool:
        return self.url.startswith("unix://")

    @property
    def _client(self) -> docker.APIClient:
        try:
            return self._connect()
        except Refused as refused:
            raise Broken(str(refused)) from refused

    def _connect(self) -> docker.APIClient:
        with self._connecting:
            if self._connected is None:
                self._connected = self._new_client()
            return self._connected

    def _new_client(self) -> docker.APIClient:
        try:
            if self.is_local:
                _try(self.url.removeprefix("unix://"))
            tls = docker.utils.kwargs_from_env().get("tls", False)
            client = docker.APIClient(base_url=self.url, version="auto", timeout=self._timeout, tls=tls)
        except _FOREIGN as error:
            raise no_engine(self.url, repr(error)) from error
        if tuple(int(part) for part in client.api_version.split(".")) < _OLDEST_API:
            raise too_old(self.url, client.api_version)
        return client

    def close(self) -> None:
        if self._connected is not None:
            self._connected.close()

    def _ask(
        self, method: str, path: str, *, silent_for: float, **request: Any
    ) -> contextlib.AbstractContextManager[requests.Response]:
        """An answer to be read as it comes; each silence, also before its first line, lasts at most `silent_for`."""
        client = self._client
        url = f"{client.base_url}/v{client.api_version}{path}"
        answer = client.request(method, url, stream=True, timeout=(self._timeout, silent_for), **request)
        try:
            answer.raise_for_status()
        except requests.HTTPError as error:
            docker.errors.create_api_error_from_http_exception(error)
        return contextlib.closing(answer)

    @contextlib.contextmanager
    def _border(self, doing: str, but: type[Exception] | tuple[()] = ()) -> Iterator[None]:
        """Translates foreign errors; those of kind `but` go through."""
        try:
            yield
        except but:
            raise
        except docker.errors.APIError as error:
            raise Broken(f"The engine could not {doing}: {one_line(_explained(error))}") from error
        except _FOREIGN as error:
            raise Broken(f"The engine at {self.url} does not answer, so it could not {doing}: {one_line(str(error))}") from error


def _try(socket_path: str) -> None:
    """Says plainly why a socket cannot be used; docker-py wraps it in words, and leaves its own socket open."""
    with socket.socket(socket.AF_UNIX) as plug:
        plug.settimeout(5)
        plug.connect(socket_path)


def _explained(error: docker.errors.APIError) -> str:
    return str(error.explanation or error)


def _sign_in(repository: str, login: Login | None) -> dict[str, str]:
    if not login or not login.username:
        return {}
    said = {"username": login.username, "password": login.password, "serveraddress": registry_of(repository)}
    return {"X-Registry-Auth": docker.auth.encode_header(said).decode()}
