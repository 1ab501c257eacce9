"""What a look's result says, made ready for its panel. Results were written by a worker from what a container told: they are
believed in form only, and everything is shown as text.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chatbot_service.environment_contract import Contract
from chatbot_service.models import Job, Service
from chatbot_service.operation_records import contract_of

MIB = 1 << 20
LEAST_CPUS, MOST_CPUS = 0.5, 1.0
LEAST_MEMORY, MOST_MEMORY = 512 * MIB, 1024 * MIB
"""What the operations guide recommends for the service."""
_FULL = 0.9
_STAGES = ("dns", "tcp", "tls", "http")


def prepared(slug: str, job: Job, service: Service) -> Mapping[str, Any]:
    result = job.result
    if slug == "connections":
        return {"endpoints": [_endpoint(one) for one in result.get("endpoints", ())]}
    if slug == "resources":
        return resources_shown(result)
    if slug == "log":
        return {"log": result, "lines": result.get("lines", ())}
    if slug == "environment":
        return environment_shown(result, contract_of(service))
    return {"ran": result, "command": " ".join(str(word) for word in result.get("command", ()))}


# Connections


@dataclass(frozen=True)
class ShownStage:
    tone: str
    word: str
    seconds: float
    said: str


@dataclass(frozen=True)
class ShownEndpoint:
    url: str
    reached: bool
    status: int
    seconds: float
    way: str
    note: str
    advice: str
    stages: Sequence[ShownStage]


def _endpoint(found: Mapping[str, Any]) -> ShownEndpoint:
    stages = {str(stage.get("name")): stage for stage in found.get("stages", ())}
    return ShownEndpoint(
        str(found.get("url", "")), found.get("reached") is True, int(found.get("status") or 0), float(found.get("seconds") or 0),
        str(found.get("way", "")), str(found.get("note", "")), str(found.get("advice", "")),
        [_stage(stages.get(name, {})) for name in _STAGES],
    )  # fmt: skip


def _stage(found: Mapping[str, Any]) -> ShownStage:
    tone, word = ("ok", "Works") if found.get("ok") is True else ("stop", "Ends here")
    if not found or found.get("ok") is None:
        tone, word = "none", "Not come to"
    return ShownStage(tone, word, float(found.get("seconds") or 0), str(found.get("said") or ""))


# Resources


@dataclass(frozen=True)
class Measured:
    """One line beside the recommendation. `tone` and `word`: how the limit stands to it."""

    name: str
    now: str
    limit: str
    wanted: str
    tone: str
    word: str


def resources_shown(result: Mapping[str, Any]) -> Mapping[str, Any]:
    return {
        "measured": [_cpu(result), _memory(result)],
        "rates": [(name, int(result.get(f"{key}_per_second") or 0), int(result.get(key) or 0)) for key, name in _RATES],
        "processes": int(result.get("processes") or 0),
        "paths": result.get("data", ()),
    }


_RATES = (("received", "Network in"), ("sent", "Network out"), ("read", "Disk read"), ("written", "Disk written"))


def _cpu(result: Mapping[str, Any]) -> Measured:
    used, there = float(result.get("cpu_share") or 0), int(result.get("cpus") or 0)
    tone, word = ("warn", "Over what is recommended") if used > MOST_CPUS else ("ok", "Within it")
    return Measured("CPU", f"{used:.2f} CPU", f"{there} on the host", f"{LEAST_CPUS:g} to {MOST_CPUS:g} CPU", tone, word)


def _memory(result: Mapping[str, Any]) -> Measured:
    used, limit = int(result.get("memory") or 0), int(result.get("memory_limit") or 0)
    tone, word = "ok", "Within it"
    if limit and used > limit * _FULL:
        tone, word = "stop", "Nearly at its limit: the kernel would kill it"
    elif used > MOST_MEMORY:
        tone, word = "warn", "Over what is recommended"
    limited = f"{limit / MIB:,.0f} MiB" if limit else "none"
    return Measured("Memory", f"{used / MIB:,.0f} MiB", limited, f"{LEAST_MEMORY // MIB} to {MOST_MEMORY // MIB} MiB", tone, word)


# Environment


@dataclass(frozen=True)
class ShownKey:
    """`value`: of a key that is no secret, else empty. `waiting`: the file says something else than the container has."""

    name: str
    type: str
    required: bool
    sensitive: bool
    known: bool
    present: bool
    default: str
    value: str
    description: str
    tone: str
    word: str
    waiting: bool
    choices: Sequence[str] = ()


def environment_shown(result: Mapping[str, Any], contract: Contract) -> Mapping[str, Any]:
    waiting = {str(name) for name in result.get("not_applied", ())}
    keys = [_key(found, contract, waiting) for found in result.get("keys", ())]
    return {
        "keys": keys,
        "wrong": [key for key in keys if key.tone == "stop"],
        "unknown": [key for key in keys if not key.known],
        "waiting": sorted(waiting),
        "file": result.get("file") is True,
        "revision": str(result.get("revision", "")),
        "in_file": [str(name) for name in result.get("in_file", ())],
    }


def _key(found: Mapping[str, Any], contract: Contract, waiting: set[str]) -> ShownKey:
    name = str(found.get("name", ""))
    key = contract.key(name)
    # The contract of now decides what may be shown, not that of the look.
    hidden = contract.is_sensitive(name)
    present, required, wrong = found.get("present") is True, found.get("required") is True, str(found.get("wrong") or "")
    tone, word = "ok", "Valid"
    if wrong:
        tone, word = "stop", f"Not valid: {wrong}"
    elif not present:
        tone, word = ("stop", "Missing") if required else ("none", "Not set")
    elif not found.get("known"):
        tone, word = "none", "Not in the contract"
    return ShownKey(
        name=name, type=str(found.get("type") or ""), required=required, sensitive=hidden,
        known=found.get("known") is True, present=present, default=str(found.get("default") or ""),
        value="" if hidden else str(found.get("value") or ""), description=str(found.get("description") or ""),
        tone=tone, word=word, waiting=name in waiting, choices=key.choices if key else (),
    )  # fmt: skip
