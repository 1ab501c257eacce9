"""Can a container reach an address? What is asked, and what the answers mean: name, connection, TLS and HTTP told apart. Pure."""

import ipaddress
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from chatbot_service.foreign_text import one_line
from deploy_records.errors import Invalid

STAGES = ("dns", "tcp", "tls", "http")
NAMES = {"dns": "name", "tcp": "connection", "tls": "TLS", "http": "HTTP"}
_MOST_URL = 500
_SERVER_ERROR = 500
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Endpoint:
    name: str
    scheme: str
    host: str
    port: int
    path: str

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        usual = _PORTS[self.scheme] == self.port
        return f"{self.scheme}://{host}{'' if usual else f':{self.port}'}{self.path}"


@dataclass(frozen=True)
class Stage:
    """`ok` is None where it was not come to."""

    name: str
    ok: bool | None
    seconds: float = 0.0
    said: str = ""


@dataclass(frozen=True)
class Reach:
    """`way`: what looked. `status`: the HTTP status; 0 if there was none."""

    url: str
    stages: tuple[Stage, ...]
    way: str
    status: int = 0
    note: str = ""

    @property
    def reached(self) -> bool:
        return all(stage.ok for stage in self.stages)

    @property
    def failed_at(self) -> Stage | None:
        return next((stage for stage in self.stages if stage.ok is False), None)

    @property
    def seconds(self) -> float:
        return sum(stage.seconds for stage in self.stages)

    def as_data(self) -> dict[str, Any]:
        stages = [{"name": s.name, "ok": s.ok, "seconds": round(s.seconds, 4), "said": s.said} for s in self.stages]
        return {
            "url": self.url, "reached": self.reached, "status": self.status, "seconds": round(self.seconds, 4),
            "way": self.way, "note": self.note, "advice": advice(self), "stages": stages,
        }  # fmt: skip


def endpoint(url: str, name: str = "") -> Endpoint:
    """`Invalid` unless it is http or https with a host, without a name or password in it, and leads to no cloud's metadata."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise Invalid(f"{one_line(url, 80)} is not an address: {error}.") from error
    if parts.scheme not in _PORTS or not parts.hostname or len(url) > _MOST_URL:
        raise Invalid(f"{one_line(url, 80)} is not an address: it takes http:// or https:// and a host, {_MOST_URL} characters.")
    if parts.username is not None or parts.password is not None:
        raise Invalid("An address here takes no name and password: nothing is signed in, it is only reached.")
    if not (url.isascii() and url.isprintable()) or " " in url or parts.hostname.startswith("-"):
        raise Invalid(f"{one_line(url, 80)} is not an address: it has characters that no address has.")
    if _is_link_local(parts.hostname):
        raise Invalid(f"{parts.hostname} is a link-local address, where clouds keep secrets. It is never asked.")
    # Neither query nor fragment: a key in an address is no rare thing.
    return Endpoint(name or parts.hostname, parts.scheme, parts.hostname, port or _PORTS[parts.scheme], parts.path or "/")


def _is_link_local(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_link_local
    except ValueError:
        return False


def by_script(asked: Endpoint, output: str, way: str, *, timeout: float) -> Reach:
    """From the lines of `reach_script`. They come out of the container, so they are believed in form only."""
    told: dict[str, Stage] = {}
    status, note = 0, ""
    for line in output.splitlines():
        said = _mapping(line)
        name = said.get("stage")
        if name in STAGES:
            told[str(name)] = Stage(str(name), said.get("ok") is True, _bounded(said.get("seconds")), _text(said.get("said")))
            status = int(_bounded(said.get("status"), 999)) or status
        elif name == "proxy":
            note = "The environment names a proxy. This went past it, directly."
    return Reach(asked.url, _all_stages(asked, told, timeout), way, status, note)


def by_curl(asked: Endpoint, exit_code: int, output: str, *, timeout: float) -> Reach:
    """From `curl_argv`. Its exit code says at which stage it ended, its times how long each took."""
    words = (output.splitlines() or [""])[-1].split()
    numbers = [_number(word) for word in words[:5]] + [0.0] * 5
    status, (dns, tcp, tls, first) = int(numbers[0]), numbers[1:5]
    ends = dict(zip(_stages_of(asked), _lasted(asked, dns, tcp, tls, first), strict=True))
    untimed = next((name for name, seconds in ends.items() if seconds <= 0), "http")
    last = _CURL_ENDS.get(exit_code, untimed) if exit_code else ""
    said = _text(next((line.partition(")")[2] for line in output.splitlines() if line.startswith("curl: (")), ""))
    told: dict[str, Stage] = {}
    for name, seconds in ends.items():
        if name == last:
            told[name] = Stage(name, ok=False, seconds=max(0.0, seconds), said=said)
            break
        told[name] = Stage(name, ok=True, seconds=max(0.0, seconds), said=_status(status) if name == "http" else "")
    if "http" in told and status >= _SERVER_ERROR:
        told["http"] = Stage("http", ok=False, seconds=told["http"].seconds, said=_status(status))
    return Reach(asked.url, _all_stages(asked, told, timeout), "curl in the container", status)


_CURL_ENDS = {6: "dns", 7: "tcp", 35: "tls", 51: "tls", 58: "tls", 59: "tls", 60: "tls", 77: "tls", 83: "tls"}


def curl_argv(asked: Endpoint, timeout: float) -> list[str]:
    times = "\\n%{http_code} %{time_namelookup} %{time_connect} %{time_appconnect} %{time_starttransfer}\\n"
    limits = ["--max-time", f"{timeout:.0f}", "--range", "0-0", "--noproxy", "*"]
    return ["curl", "--silent", "--show-error", "--output", "/dev/null", *limits, "--write-out", times, "--", asked.url]


def script_arguments(asked: Endpoint, timeout: float) -> list[str]:
    return [asked.scheme, asked.host, str(asked.port), asked.path, f"{timeout:g}"]


def advice(reach: Reach) -> str:
    """What to do next, in a sentence; empty if all is well."""
    failed = reach.failed_at
    if failed is None:
        return ""
    if failed.name == "http" and reach.status:
        return "The other side answers, with an error of its own: see its status page, and the time limits set here."
    return _ADVICE[failed.name]


_ADVICE = {
    "dns": "The name is not found from inside: see how the host resolves names, and whether it is written right.",
    "tcp": "No connection: see whether the other side runs, and whether a firewall or the container's network keeps it away.",
    "tls": "The other side's certificate is not accepted: see its name and end, the host's clock, and a proxy between.",
    "http": "Connected, but no answer in time: see how the other side is, and the time limit set here.",
}


def _stages_of(asked: Endpoint) -> tuple[str, ...]:
    return tuple(name for name in STAGES if name != "tls" or asked.scheme == "https")


def _all_stages(asked: Endpoint, told: dict[str, Stage], timeout: float) -> tuple[Stage, ...]:
    """The first that was not told of, behind all that went well, is where time ran out."""
    found: list[Stage] = []
    for name in _stages_of(asked):
        stage = told.get(name)
        if stage is None:
            reached = all(one.ok for one in found)
            stage = Stage(name, False if reached else None, 0.0, f"nothing told within {timeout:.0f} s" if reached else "")
        found.append(stage)
    return tuple(found)


def _lasted(asked: Endpoint, dns: float, tcp: float, tls: float, first: float) -> Sequence[float]:
    secure = asked.scheme == "https"
    return [
        dns,
        tcp - dns if tcp else 0.0,
        *([tls - tcp if tls else 0.0] if secure else []),
        first - max(tcp, tls) if first else 0.0,
    ]


def _status(status: int) -> str:
    return f"status {status}" if status else ""


def _mapping(line: str) -> dict[str, Any]:
    try:
        said = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def _bounded(value: object, most: float = 3600.0) -> float:
    number = float(value) if isinstance(value, int | float) and not isinstance(value, bool) else 0.0
    return min(max(number, 0.0), most) if number == number else 0.0  # noqa: PLR0124 - not a number is unlike itself


def _number(word: str) -> float:
    try:
        return _bounded(float(word))
    except ValueError:
        return 0.0


def _text(value: object) -> str:
    return one_line(str(value or ""), 200)
