"""Was a service all the time in the state it was in before a gap? Docker's health log may prove it. Pure."""

from chatbot_service.health.blocks import MICRO, micros
from chatbot_service.health.log import Inspected

SLACK = 2 * MICRO
"""Docker begins a probe a moment later than an interval after the last one's end."""


def bridges(seen: Inspected, state: str, since: int, now: int) -> bool:
    """Whether `seen`, with its whole log, shows that it was in `state` from before `since` until `now` (microseconds).

    It ran all the time, was probed without a hole, and each probe ended as that state says. What is not shown is not so.
    """
    if seen.state != "running" or seen.health != state or seen.started_at is None or micros(seen.started_at) > since:
        return False
    if state not in {"healthy", "unhealthy"} or not seen.probes or seen.probes[0].start > since:
        return False
    if any(probe.failed != (state == "unhealthy") for probe in seen.probes):
        return False
    check = seen.healthcheck
    longest = round(check.interval * MICRO) + SLACK
    ends = [probe.start + probe.duration for probe in seen.probes]
    begins = [*(probe.start for probe in seen.probes[1:]), now - round(check.timeout * MICRO)]
    return all(begin - end <= longest for end, begin in zip(ends, begins, strict=True))
