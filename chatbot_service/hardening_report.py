"""What a hardening check found, for a terminal and for a pipeline: `manage.py check_hardening SERVICE [--json]`.

Exit codes: 0 the baseline is met, 1 it is not, 2 the check was refused.
"""

from typing import Any

from chatbot_service.models import HardeningCheck

PASSED, NOT_MET, REFUSED = 0, 1, 2
_MARKS = {"ok": "✓", "failed": "×", "excused": "~", "unknown": "?"}


def exit_code(check: HardeningCheck) -> int:
    return PASSED if check.passed else NOT_MET


def as_data(check: HardeningCheck) -> dict[str, Any]:
    """One JSON document. `results`: rule, name, verdict (ok, failed, excused, unknown), seen, wanted, mend."""
    return {
        "service": check.service.name, "host": check.service.host.name, "at": check.at.isoformat(), "job": check.job_id,
        "digest": check.digest, "passed": check.passed, "due_on": check.due_on.isoformat(), "results": check.results,
    }  # fmt: skip


def refused(service: str, why: str, code: str) -> dict[str, Any]:
    """The same document for a check that was refused."""
    return {"service": service, "passed": False, "refused": why, "code": code, "results": []}


def as_lines(check: HardeningCheck) -> list[str]:
    lines = [f"{check.service.name} on {check.service.host.name}, {check.at:%Y-%m-%d %H:%M} UTC"]
    for result in check.results:
        lines.append(f"  {_MARKS.get(result['verdict'], '?')} {result['name']:<36} {result['seen']}")
        if result["verdict"] in {"failed", "unknown"}:
            lines.append(f"    {'wanted':<36} {result['wanted']}")
            lines += [f"      {line}" for line in str(result["mend"]).splitlines()]
    verdict = "The baseline is met." if check.passed else "The baseline is not met."
    return [*lines, f"{verdict} Due again on {check.due_on.isoformat()}."]
