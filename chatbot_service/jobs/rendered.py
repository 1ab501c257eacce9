"""Reading a service of a rendered Compose project: durations, sizes, healthcheck. Pure."""

import re
from collections.abc import Mapping
from typing import Any

from chatbot_service.jobs.ports import Healthcheck, ImageFacts

_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_PART = re.compile(r"(\d+(?:\.\d+)?)(h|ms|us|µs|ns|m|s)")


def seconds(text: object) -> float:
    """A duration as Compose writes it: `1m30s`, `500ms`; 0 for anything else."""
    return sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(str(text or "")))


def healthcheck_of(service: Mapping[str, Any], image: ImageFacts | None = None) -> Healthcheck | None:
    """What Docker will run: the compose file's numbers over those of the image. Nothing if there is none, as far as known."""
    given = service.get("healthcheck") or {}
    test = given.get("test") or ()
    inherited = image.healthcheck if image else Healthcheck()
    if given.get("disable") or (test and test[0] == "NONE"):
        return None
    check = Healthcheck(
        test=(test and (("CMD-SHELL", test) if isinstance(test, str) else tuple(test))) or inherited.test,
        interval=seconds(given.get("interval")) or inherited.interval,
        timeout=seconds(given.get("timeout")) or inherited.timeout,
        retries=int(given.get("retries") or 0) or inherited.retries,
        start_period=seconds(given.get("start_period")) or inherited.start_period,
    )
    return check if check.exists else None


def lines(service: str, *added: str) -> str:
    """Lines for the compose file, below the service they belong to."""
    return "\n".join(["services:", f"  {service}:", *(f"    {line}" for line in added)])
