"""What is known of a service in trouble, as one document for a ticket: from what looks saw, and from the record.

Nothing in it is a secret: logs and outputs were masked where they were read, and of the environment there are names only.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from chatbot_service.models import LOOKS, HardeningCheck, HealthTransition, Job, JobState, Kind, Service, Signal
from chatbot_service.signals.evidence import Evidence
from deploy_records.models import ImageDigest

_MOST_LINES = 300
_MOST_ROWS = 10
_LOOKED = {
    "healthcheck": Kind.PROBE, "connections": Kind.REACH, "resources": Kind.RESOURCES, "environment": Kind.ENVIRONMENT,
    "log": Kind.LOG,
}  # fmt: skip


def gather(service: Service, now: datetime) -> dict[str, Any]:
    """A fixed number of queries. What nobody looked at within a day is null."""
    return {
        "service": service.name, "host": service.host.name, "environment_kind": service.environment, "made_at": _moment(now),
        "state": _state(service), "image": _image(service), **{name: _look(service, name) for name in _LOOKED},
        "signals": _signals(service), "hardening": _hardening(service), "health": _health(service), "jobs": _jobs(service),
    }  # fmt: skip


def _state(service: Service) -> dict[str, Any]:
    host = service.host
    return {
        "state": service.seen_state, "health": service.seen_health, "since": _moment(service.seen_since),
        "seen_at": _moment(service.seen_at), "drift": service.drift, "drift_since": _moment(service.drift_since),
        "engine": host.engine_version, "platform": host.platform, "host_problem": host.problem,
    }  # fmt: skip


def _image(service: Service) -> dict[str, Any]:
    entry = ImageDigest.objects.filter(repository=service.repository, digest=service.seen_digest).first()
    pinned = service.seen_pin.rpartition("@")[2]
    return {
        "repository": service.repository, "runs": service.seen_digest, "pin": service.seen_pin,
        "ledger": entry.state if entry else None, "same": bool(service.seen_digest) and pinned == service.seen_digest,
    }  # fmt: skip


def _look(service: Service, name: str) -> dict[str, Any] | None:
    rows = Job.objects.filter(service=service, kind=_LOOKED[name], state=JobState.SUCCEEDED).exclude(result={})
    job = rows.first()
    if job is None:
        return None
    return {"looked_at": _moment(job.ended_at), "job": job.pk, **_SHOWN[name](job.result)}


def _log(result: Mapping[str, Any]) -> dict[str, Any]:
    lines = [f"{at} {''.join(str(span[0]) for span in spans)}" for at, _stream, spans, _cut in result.get("lines", ())]
    return {"lines": lines[-_MOST_LINES:], "left_out": max(0, len(lines) - _MOST_LINES) + int(result.get("dropped") or 0)}


def _environment(result: Mapping[str, Any]) -> dict[str, Any]:
    """Names and verdicts; no value at all, as a ticket is read by more people than this service is operated by."""
    fields = ("name", "type", "required", "sensitive", "present", "known", "wrong", "ok")
    keys = [{field: key.get(field) for field in fields} for key in result.get("keys", ())]
    return {"keys": keys, "not_applied": result.get("not_applied", [])}


def _whole(result: Mapping[str, Any]) -> dict[str, Any]:
    return dict(result)


_SHOWN = {"healthcheck": _whole, "connections": _whole, "resources": _whole, "environment": _environment, "log": _log}


def _signals(service: Service) -> list[dict[str, Any]]:
    """Those that are open."""
    return [
        {
            "signal": one.get_kind_display(), "since": _moment(one.opened_at), "says": Evidence.of(one.latest).says,
            "acknowledged": one.acknowledged_at is not None, "note": one.note,
        }
        for one in Signal.objects.filter(service=service, closed_at=None)[:_MOST_ROWS]
    ]  # fmt: skip


def _hardening(service: Service) -> dict[str, Any] | None:
    check = HardeningCheck.objects.filter(service=service).first()
    if check is None:
        return None
    open_ones = [
        {"name": one["name"], "verdict": one["verdict"], "seen": one["seen"], "wanted": one["wanted"]}
        for one in check.results if one["verdict"] != "ok"
    ]  # fmt: skip
    return {"at": _moment(check.at), "passed": check.passed, "due_on": check.due_on.isoformat(), "not_ok": open_ones}


def _health(service: Service) -> list[dict[str, Any]]:
    rows = HealthTransition.objects.filter(service=service).values("at", "state", "digest", "note")[:_MOST_ROWS]
    return [{**row, "at": _moment(row["at"])} for row in rows]


def _jobs(service: Service) -> list[dict[str, Any]]:
    rows = Job.objects.filter(service=service).exclude(kind__in=(Kind.BROWSE, *LOOKS)).select_related("by").defer("result")
    return [
        {
            "job": job.pk, "kind": job.kind, "state": job.state, "by": job.asked_by, "reason": job.reason,
            "asked_at": _moment(job.created_at), "ended_at": _moment(job.ended_at), "error": job.error,
        }
        for job in rows[:_MOST_ROWS]
    ]  # fmt: skip


def _moment(at: datetime | None) -> str | None:
    return at.isoformat(timespec="seconds") if at else None


# As text


def as_text(found: Mapping[str, Any]) -> str:
    return "\n".join(_text(found)) + "\n"


def _text(found: Mapping[str, Any]) -> Iterator[str]:
    yield f"Triage of {found['service']} on {found['host']}, {found['made_at']}"
    for name, part in found.items():
        if name in {"service", "host", "made_at"}:
            continue
        yield ""
        yield name.replace("_", " ").upper()
        yield from _part(part)


def _part(part: Any, indent: str = "  ") -> Iterator[str]:
    if part is None or part in ({}, []):
        yield f"{indent}nothing: nobody looked, or there is none"
    elif isinstance(part, Mapping):
        for name, value in part.items():
            if isinstance(value, Mapping | list) and value:
                yield f"{indent}{name}:"
                yield from _part(value, f"{indent}  ")
            else:
                yield f"{indent}{name}: {_plain(value)}"
    elif isinstance(part, list):
        for one in part:
            yield f"{indent}- {_row(one)}" if isinstance(one, Mapping) else f"{indent}{_plain(one)}"
    else:
        yield f"{indent}{_plain(part)}"


def _row(row: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {_plain(value)}" for name, value in row.items() if value not in (None, "", [], {}))


def _plain(value: Any) -> str:
    """One line: a line break in a value could pass for a line of this document."""
    if value in (None, "", []):
        return "–"
    if isinstance(value, list):
        return "; ".join(f"({_row(one)})" if isinstance(one, Mapping) else str(one) for one in value)
    return ("yes" if value else "no") if isinstance(value, bool) else str(value).replace("\r", " ").replace("\n", "\n      ")
