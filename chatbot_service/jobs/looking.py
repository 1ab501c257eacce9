"""Jobs that only look: log, healthcheck by hand, connectivity, resources, environment. What they saw is the job's result.

Nothing in a result is a secret: what comes from the container is masked where it is read, values of the environment are shown
only for keys that the contract calls harmless.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from chatbot_service import env_file
from chatbot_service.ansi import Span
from chatbot_service.environment_contract import Judged, judged
from chatbot_service.jobs.converge import the_container
from chatbot_service.jobs.look_ports import HealthcheckRun, LogLine, LogPage, LogQuery, Usage
from chatbot_service.jobs.operation_ports import OperationContext
from chatbot_service.jobs.ports import ContainerFacts
from chatbot_service.jobs.reach import Endpoint, endpoint
from chatbot_service.jobs.step import Step
from deploy_records.errors import Invalid, Refused

REACH_TIMEOUT = 10.0
MOST_ENDPOINTS = 10
_BETWEEN_USAGES = 1.0
_USUAL_MODEL_API = "OPENROUTER_BASE_URL"
_LATE = 0.8
"""Of the timeout: a healthcheck that takes longer will fail one day."""


def container_of(ctx: OperationContext) -> ContainerFacts:
    container = the_container(ctx)
    if container is None:
        raise Refused("There is no container, so there is nothing to look at. Start the service first.")
    return container


# Log


def query_of(asked: dict[str, Any]) -> LogQuery:
    """From what was asked for: `tail`, `since`, `until` (ISO 8601), `words`, `after`."""
    tail = asked.get("tail", 500)
    if isinstance(tail, bool) or not isinstance(tail, int) or tail < 1:
        raise Invalid("The number of lines is a whole number from 1.")
    since, until = _moment(asked.get("since")), _moment(asked.get("until"))
    if since and until and since >= until:
        raise Invalid("The range ends before it begins.")
    return LogQuery(tail, since, until, str(asked.get("words") or "")[:200], str(asked.get("after") or ""))


def _moment(text: object) -> datetime | None:
    if not text:
        return None
    try:
        at = datetime.fromisoformat(str(text))
    except ValueError as error:
        raise Invalid("A moment is written as 2026-01-31T12:00:00Z.") from error
    if at.tzinfo is None:
        raise Invalid("A moment needs its zone: 2026-01-31T12:00:00Z.")
    return at


def read_log(ctx: OperationContext) -> str:
    page = ctx.looks.log(container_of(ctx).id, query_of(ctx.task.asked or {}))
    ctx.memory.put("result", log_data(page))
    return f"{len(page.lines):,} lines"


def log_data(page: LogPage) -> dict[str, Any]:
    """Lines as [moment, stream, spans, bytes left out]; a span as [text, styles], styles being words of `ansi.Span.styles`."""
    return {
        "lines": [_line_data(line) for line in page.lines],
        "cursor": page.cursor, "ended": page.ended, "dropped": page.dropped, "read_bytes": page.read_bytes,
    }  # fmt: skip


def _line_data(line: LogLine) -> list[Any]:
    return [line.at, line.stream, [_span_data(span) for span in line.spans], line.cut]


def _span_data(span: Span) -> list[str]:
    return [span.text, span.styles]


# Healthcheck


def run_healthcheck(ctx: OperationContext) -> str:
    ran = ctx.looks.healthcheck(container_of(ctx).id)
    ctx.memory.put("result", healthcheck_data(ran))
    return f"exit {ran.result.exit_code} in {ran.result.took:.2f} s of {ran.timeout:g} s"


def healthcheck_data(ran: HealthcheckRun) -> dict[str, Any]:
    result = ran.result
    return {
        "command": list(ran.command), "user": ran.user, "exit_code": result.exit_code, "passed": result.passed,
        "output": result.output, "seconds": round(result.took, 3), "timeout": ran.timeout, "says": _verdict(ran),
    }  # fmt: skip


def _verdict(ran: HealthcheckRun) -> str:
    took = f"{ran.result.took:.2f} s of {ran.timeout:g} s"
    if not ran.result.passed:
        return f"It fails, with exit {ran.result.exit_code}, after {took}."
    if ran.result.took > ran.timeout * _LATE:
        return f"It passes, after {took}: that is close to its timeout, so it may fail when the host is busy."
    return f"It passes, after {took}."


# Connectivity


def reach_endpoints(ctx: OperationContext) -> str:
    """Those asked for, else the model API as the container has it."""
    container = container_of(ctx)
    found = [ctx.looks.reach(container.id, one, REACH_TIMEOUT) for one in _endpoints(ctx, container)]
    for reach in found:
        failed = reach.failed_at
        ctx.say(
            f"{reach.url}: {f'ends at {failed.name}: {failed.said}' if failed else f'{reach.status} in {reach.seconds:.2f} s'}"
        )
    ctx.memory.put("result", {"endpoints": [reach.as_data() for reach in found]})
    reached = sum(reach.reached for reach in found)
    return f"{reached} of {len(found)} reached"


def checked_endpoints(urls: Sequence[str]) -> list[str]:
    """As a service keeps them. `Invalid` for what is no address, or leads where nothing may ask."""
    if len(urls) > MOST_ENDPOINTS:
        raise Invalid(f"At most {MOST_ENDPOINTS} addresses are tried.")
    return [endpoint(url).url for url in urls]


def _endpoints(ctx: OperationContext, container: ContainerFacts) -> list[Endpoint]:
    asked = (ctx.task.asked or {}).get("endpoints") or []
    if len(asked) > MOST_ENDPOINTS:
        raise Invalid(f"At most {MOST_ENDPOINTS} addresses are tried at once.")
    if asked:
        return [endpoint(str(url)) for url in asked]
    key = ctx.operation.contract().key(_USUAL_MODEL_API)
    environment = ctx.looks.environment(container.id)
    url = environment.get(_USUAL_MODEL_API) or (key.default if key else "") or ""
    if not url:
        raise Refused(f"No address is named in the service, and {_USUAL_MODEL_API} has no value. Name one.")
    return [endpoint(url, "Model API")]


# Resources


def look_at_resources(ctx: OperationContext) -> str:
    container = container_of(ctx)
    before = ctx.looks.usage(container.id)
    ctx.pause(_BETWEEN_USAGES)
    after = ctx.looks.usage(container.id)
    paths = [str(path) for path in (ctx.task.asked or {}).get("data_paths") or ()]
    sizes = [asdict(size) for size in ctx.looks.sizes(paths)]
    data = usage_data(before, after)
    ctx.memory.put("result", data | {"data": sizes})
    return f"{data['cpu_share']:.2f} CPU, {after.memory / (1 << 20):,.0f} MiB"


def usage_data(before: Usage, after: Usage) -> dict[str, Any]:
    """Rates between the two looks, per second; `cpu_share` 1.0: one whole CPU. A restart in between counts from nothing."""
    seconds = (after.at - before.at).total_seconds()

    def rate(then: float, now: float) -> float:
        return max(0.0, now - then) / seconds if seconds > 0 else 0.0

    return {
        "at": after.at.isoformat(), "cpu_share": round(rate(before.cpu_seconds, after.cpu_seconds), 4), "cpus": after.cpus,
        "memory": after.memory, "memory_limit": after.memory_limit, "processes": after.processes,
        "received": after.received, "sent": after.sent, "read": after.read, "written": after.written,
        "received_per_second": round(rate(before.received, after.received)),
        "sent_per_second": round(rate(before.sent, after.sent)),
        "read_per_second": round(rate(before.read, after.read)), "written_per_second": round(rate(before.written, after.written)),
    }  # fmt: skip


# Environment


def look_at_environment(ctx: OperationContext) -> str:
    """What the container runs with, and what the file says, which may differ until it is applied."""
    container, contract = container_of(ctx), ctx.operation.contract()
    # What the image itself sets, as PATH, is none of the contract's business.
    image = ctx.engine.image(container.image_id)
    own = {name for name in (image.env if image else {}) if contract.key(name) is None}
    running = {name: value for name, value in ctx.looks.environment(container.id).items() if name not in own}
    text = ctx.env_file.read()
    written = env_file.values(text or "")
    found = judged(contract, running)
    waiting = sorted(
        name for name, value in written.items() if name in running and running[name] != value and not _filled_in(text, name)
    )
    result = {
        "keys": [_key_data(one) for one in found], "file": text is not None, "in_file": sorted(written),
        "not_applied": waiting, "revision": ctx.fingerprint(text or ""),
    }  # fmt: skip
    ctx.memory.put("result", result)
    wrong = sum(not one.ok for one in found)
    return f"{sum(one.present for one in found)} keys have a value" + (f", {wrong} are not as the contract says" if wrong else "")


def _filled_in(text: str | None, name: str) -> bool:
    return any(entry.filled_in for entry in env_file.entries(text or "") if entry.name == name)


def _key_data(one: Judged) -> dict[str, Any]:
    return asdict(one) | {"ok": one.ok}


def _job(key: str, name: str, look: Callable[[Any], str]) -> tuple[Step, ...]:
    return (Step(key, name, look),)


LOG_STEPS = _job("log", "Read the log", read_log)
HEALTHCHECK_STEPS = _job("healthcheck", "Run the healthcheck", run_healthcheck)
REACH_STEPS = _job("reach", "Try the connections", reach_endpoints)
RESOURCES_STEPS = _job("resources", "See what it uses", look_at_resources)
ENVIRONMENT_STEPS = _job("environment", "See the environment", look_at_environment)
