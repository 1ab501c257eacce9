"""Is a service as approved, healthy, and could it be rolled back? One light each, in a word with its reason. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta

SEEN_WITHIN = timedelta(minutes=2)
"""A service that no watcher has looked at for longer is not known to be well."""

OK, EXCUSED, RUN, NONE, OFF, WARN, STOP = "ok", "excused", "run", "none", "off", "warn", "stop"
_WORST_FIRST = (STOP, WARN, NONE, RUN, OFF, EXCUSED, OK)


@dataclass(frozen=True)
class Light:
    """`tone`: ok, excused (well, on an exception), run, none (not known yet), off (on purpose), warn or stop."""

    tone: str
    word: str
    note: str = ""

    @property
    def good(self) -> bool:
        return self.tone in {OK, EXCUSED}

    @property
    def badness(self) -> int:
        """Smaller is worse."""
        return _WORST_FIRST.index(self.tone)


@dataclass(frozen=True)
class Standing:
    """What is known of the digest that runs: its ledger state, what the gate says of it today, and whether on exceptions."""

    state: str
    allowed: bool
    why: str
    excused: bool = False


def approved(*, drift: str, looked: bool, runs_something: bool, standing: Standing | None) -> Light:
    if drift:
        return Light(STOP, "Drift", "changed outside the portal" if "outside" in drift else drift)
    if not looked:
        return Light(NONE, "Not seen yet", "nobody has looked")
    if standing is not None:
        return _by_the_gate(standing)
    if runs_something:
        return Light(STOP, "Not in the ledger", "nobody approved it")
    return Light(NONE, "Nothing runs", "no digest is deployed")


def _by_the_gate(standing: Standing) -> Light:
    if standing.state == "candidate":
        return Light(STOP, "Not approved", "still a candidate")
    if not standing.allowed:
        return Light(STOP, "Gate refuses", standing.why)
    return Light(EXCUSED if standing.excused else OK, "Gate passes", standing.why)


def health(*, state: str, seen_health: str, seen_at: datetime | None, now: datetime, on_purpose: bool) -> Light:
    """`on_purpose`: it does not run because a stop job stopped it."""
    if seen_at is None:
        return Light(NONE, "Not seen yet")
    if now - seen_at > SEEN_WITHIN:
        return Light(WARN, "Not watched", "nobody has looked lately")
    if state == "unknown":
        return Light(WARN, "Not known", "nobody can look")
    if state == "paused":
        return Light(OFF, "Paused")
    if state != "running":
        return Light(OFF, "Stopped", "on purpose") if on_purpose else Light(STOP, "Down", _how(state))
    return {
        "healthy": Light(OK, "Healthy"),
        "starting": Light(RUN, "Starting"),
        "unhealthy": Light(STOP, "Unhealthy", "its healthcheck fails"),
    }.get(seen_health, Light(WARN, "No healthcheck", "nobody can tell"))


def _how(state: str) -> str:
    return {"missing": "there is no container", "exited": "its container has stopped"}.get(state, f"container {state}")


def rollback(*, has_target: bool, image_local: bool | None, about: str = "") -> Light:
    """`about`: how long one usually takes, in words."""
    if not has_target:
        return Light(NONE, "Not yet", "no earlier good digest")
    if image_local is None:
        return Light(NONE, "Not checked", "is the image there?")
    if not image_local:
        return Light(WARN, "Not ready", "image missing")
    return Light(OK, "Ready", about)


NO_WORKER_AFTER = timedelta(minutes=1)
"""Workers are asked every 15 s; one that has not answered for longer is not there."""


def host(*, name: str, seen_at: datetime | None, problem: str, now: datetime) -> Light:
    """Whether a host can be worked on; the note says how to get there."""
    start_one = f"Start one that serves it: KG_HOSTS={name}."
    if seen_at is None:
        return Light(STOP, "No worker yet", f"None has answered so far. {start_one}")
    if now - seen_at > NO_WORKER_AFTER:
        return Light(STOP, "No worker answers", f"Jobs wait until one does. {start_one}")
    if problem:
        return Light(STOP, "Cannot be used", problem)
    return Light(OK, "Answers")
