"""How a service's container was probed over time."""

from collections.abc import Mapping
from datetime import datetime

from chatbot_service.health.log import Inspected
from chatbot_service.jobs.ports import Healthcheck
from chatbot_service.models import HealthcheckDefinition


def keep(changed: Mapping[int, tuple[Inspected, str]], now: datetime) -> None:
    """By service: a container that was seen, and the digest that runs. The same definition again is no row."""
    rows = [_row(service, look, digest, now) for service, (look, digest) in changed.items() if _last(service) != look.healthcheck]
    HealthcheckDefinition.objects.bulk_create(rows)


def _last(service: int) -> Healthcheck | None:
    last = HealthcheckDefinition.objects.filter(service=service).first()
    if last is None:
        return None
    return Healthcheck(tuple(last.test), last.interval, last.timeout, last.retries, last.start_period)


def _row(service: int, look: Inspected, digest: str, now: datetime) -> HealthcheckDefinition:
    check = look.healthcheck
    return HealthcheckDefinition(
        service_id=service, since=look.started_at or now, test=list(check.test), digest=digest,
        interval=check.interval, timeout=check.timeout, retries=check.retries, start_period=check.start_period,
    )  # fmt: skip
