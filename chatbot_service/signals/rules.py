"""Which signals there are: what each means, what to do, and how it is told from the facts. Pure.

A rule that opens at a number stays open until there is less than another, smaller one, and only closes when that has been so
for a while: what comes and goes is one signal, not many.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from chatbot_service.health.blocks import Event, micros
from chatbot_service.models import SignalKind
from chatbot_service.signals.evidence import Evidence
from chatbot_service.signals.facts import Facts, NotKnown

FLAPS, FLAPPING_WITHIN = 3, timedelta(minutes=30)
DEATHS, LOOP_WITHIN = 3, timedelta(minutes=10)
OOM_WITHIN = timedelta(hours=1)
SLOW_WITHIN, SLOW_SLACK = timedelta(hours=1), timedelta(seconds=2)
ERRORS, STILL_ERRORS = 5, 2
STILL_TOO_MUCH = 0.9
"""Of the recommendation: below it, what was over it is well again."""
ON_PURPOSE = timedelta(seconds=30)
"""A container that is asked to stop ends within its grace period."""


@dataclass(frozen=True)
class Rule:
    """`means` and `to_do` in sentences. `section`: of the runbook. `calm`: for how long it must not hold before it closes."""

    kind: SignalKind
    means: str
    to_do: str
    urgent: bool
    calm: timedelta
    judge: Callable[[Facts, bool], Evidence | None]

    @property
    def section(self) -> str:
        return str(self.kind)


def _seconds(length: timedelta) -> str:
    seconds = round(length.total_seconds())
    if seconds < 120:  # noqa: PLR2004 - two minutes
        return f"{seconds} s"
    return f"{seconds // 60} min" if seconds < 7200 else f"{seconds // 3600} h"  # noqa: PLR2004 - two hours


def flapping(facts: Facts, is_open: bool) -> Evidence | None:  # noqa: FBT001 - all rules are asked alike
    since = facts.watched_now - FLAPPING_WITHIN
    ill = [change for change in facts.changes if change.state == "unhealthy" and change.at >= since]
    own = [change for change in ill if not facts.by_job(change.at)]
    if len(own) < (1 if is_open else FLAPS):
        return None
    times = tuple(("Unhealthy from", f"{change.at:%F %T} UTC") for change in own)
    times_said = f"{len(own)} times" if len(own) > 1 else "once"
    return Evidence(f"It became unhealthy {times_said} within {_seconds(FLAPPING_WITHIN)}.", times[-5:])


def restart_loop(facts: Facts, is_open: bool) -> Evidence | None:  # noqa: FBT001 - as above
    since = facts.watched_now - LOOP_WITHIN
    died = [event for event in _ended_by_itself(facts) if event.at >= micros(since)]
    if len(died) < (1 if is_open else DEATHS):
        return None
    codes = sorted({event.exit_code for event in died})
    said = f"{len(died)} times" if len(died) > 1 else "once"
    return Evidence(
        f"Its container ended by itself {said} within {_seconds(LOOP_WITHIN)}.",
        (
            ("Exit codes", ", ".join(map(str, codes[:8]))),
            ("Last ended", f"{facts.at(died[-1].at):%F %T} UTC"),
            ("Containers", str(len({event.container for event in died}))),
        ),
    )


def _ended_by_itself(facts: Facts) -> list[Event]:
    """Neither while a job had its hands on the service, nor right after somebody asked it to stop."""
    asked = [event for event in facts.events if event.action == "kill" and event.detail not in _NO_END]

    def was_asked(died: Event) -> bool:
        return any(
            one.container == died.container and timedelta(0) <= facts.at(died.at) - facts.at(one.at) <= ON_PURPOSE
            for one in asked
        )

    ended = (event for event in facts.events if event.action == "die" and not facts.by_job(facts.at(event.at)))
    return [event for event in ended if not was_asked(event)]


_NO_END = {"1", "10", "12", "28"}
"""Signals that do not ask a process to end: SIGHUP, SIGUSR1, SIGUSR2, SIGWINCH."""


def out_of_memory(facts: Facts, is_open: bool) -> Evidence | None:  # noqa: ARG001, FBT001 - as above
    since = micros(facts.watched_now - OOM_WITHIN)
    killed = [event for event in facts.events if event.action == "oom" and event.at >= since]
    if not killed:
        return None
    said = f"{len(killed)} times" if len(killed) > 1 else "once"
    return Evidence(
        f"The kernel ended a process of it for want of memory, {said} within {_seconds(OOM_WITHIN)}.",
        tuple(("Killed", f"{facts.at(event.at):%F %T} UTC") for event in killed[-5:]),
    )


def slow_start(facts: Facts, is_open: bool) -> Evidence | None:  # noqa: ARG001, FBT001 - as above
    now, check = facts.watched_now, facts.healthcheck
    if check is None or check.start_period <= 0:
        return None
    allowed = timedelta(seconds=check.start_period + check.timeout) + SLOW_SLACK
    began = next((change for change in reversed(facts.changes) if change.state == "starting"), None)
    if began is None or began.at < now - SLOW_WITHIN:
        return None
    after = next((change for change in facts.changes if change.at > began.at and change.state != "starting"), None)
    if after is not None and after.state not in {"healthy", "unhealthy"}:
        return None
    took = (after.at if after else now) - began.at
    if took <= allowed:
        return None
    how = "took" if after and after.state == "healthy" else "has taken" if after is None else "was not healthy after"
    return Evidence(
        f"Its last start {how} {_seconds(took)}; its healthcheck allows {_seconds(timedelta(seconds=check.start_period))}.",
        (
            ("Started", f"{began.at:%F %T} UTC"),
            ("Start period", f"{check.start_period:g} s"),
            ("Took", f"{took.total_seconds():.0f} s"),
        ),
    )


def errors_in_log(facts: Facts, is_open: bool) -> Evidence | None:  # noqa: FBT001 - as above
    log = facts.log_now
    if log.errors < (STILL_ERRORS if is_open else ERRORS):
        return None
    says = f"{log.errors} lines of its log within {_seconds(log.errors_within)} tell of a 5xx answer or a time-out."
    return Evidence(says, (), log.error_lines)


def permission_denied(facts: Facts, is_open: bool) -> Evidence | None:  # noqa: ARG001, FBT001 - as above
    log = facts.log_now
    if not log.denials:
        return None
    lines = f"{log.denials} lines of its log tell" if log.denials > 1 else "A line of its log tells"
    return Evidence(f"{lines} that it was denied access, within {_seconds(log.denials_within)}.", (), log.denial_lines)


def pull_failure(facts: Facts, is_open: bool) -> Evidence | None:  # noqa: ARG001, FBT001 - as above
    failed = facts.failed_pull
    if failed is None:
        return None
    return Evidence(f"Job {failed.job} could not pull the image.", (("Job", str(failed.job)), ("Why", failed.why)))


def resources(facts: Facts, is_open: bool) -> Evidence | None:  # noqa: FBT001 - as above
    used, limits = facts.usage, facts.recommended
    if used is None:
        raise NotKnown
    share = STILL_TOO_MUCH if is_open else 1.0
    over = []
    if used.memory > limits.memory * share:
        over.append(f"{used.memory / 2**20:,.0f} MiB of memory")
    if used.cpus is not None and used.cpus > limits.cpus * share:
        over.append(f"{used.cpus:.2f} processors")
    if not over:
        return None
    recommended = f"{limits.memory / 2**20:,.0f} MiB and {limits.cpus:g} processor{'s' if limits.cpus != 1 else ''}"
    return Evidence(
        f"It used {' and '.join(over)} on average; recommended are at most {recommended}.",
        (("Over", used.over), ("Samples", str(used.samples))),
    )


def drift(facts: Facts, is_open: bool) -> Evidence | None:  # noqa: ARG001, FBT001 - as above
    if facts.drift:
        since = facts.drift_since
        more = (("Since", f"{since:%F %T} UTC"),) if since else ()
        return Evidence(f"It {facts.drift}.", more)
    if facts.changed_files is None:
        raise NotKnown
    if not facts.changed_files:
        return None
    names = [name for name, _how in facts.changed_files]
    said = names[0] if len(names) == 1 else f"{len(names)} compose files"
    return Evidence(f"{said} changed outside the portal since the last job.", facts.changed_files)


def backups(facts: Facts, is_open: bool) -> Evidence | None:  # noqa: ARG001, FBT001 - as above
    if not facts.backup_late:
        return None
    return Evidence(f"{facts.backup_late}.", facts.backup_facts)


def exception_ends(facts: Facts, is_open: bool) -> Evidence | None:  # noqa: ARG001, FBT001 - as above
    if not facts.exception_ends:
        return None
    return Evidence(facts.exception_ends, facts.exception_facts)


_A_MOMENT, _A_WHILE = timedelta(minutes=2), timedelta(minutes=10)
_RULES = (
    Rule(
        SignalKind.RESTART_LOOP, "Its container ends again and again, and Docker starts it anew each time.",
        "Read the end of its log. If it began with the last change, roll back.", True, _A_WHILE, restart_loop,
    ),
    Rule(
        SignalKind.OOM, "The kernel ended a process of it, as its memory was used up.",
        "See what it was doing, and whether its limit fits; restart it if it did not come back.", True, _A_MOMENT, out_of_memory,
    ),
    Rule(
        SignalKind.FLAPPING, "Its healthcheck fails and passes by turns.",
        "See what the failing probes print, run the healthcheck by hand, and look at load and connections.",
        True, _A_WHILE, flapping,
    ),
    Rule(
        SignalKind.DRIFT, "Something about what runs was changed outside the portal.",
        "Find out who changed it and why; then bring it back by a rollback, or take it over by an upgrade.",
        True, _A_MOMENT, drift,
    ),
    Rule(
        SignalKind.BACKUPS, "The newest good backup is older than its recovery point objective allows.",
        "Back up now; the last backup job says why it is late.", True, _A_MOMENT, backups,
    ),
    Rule(
        SignalKind.PULL_FAILURE, "A job could not get an image from its registry.",
        "See that the registry answers, that the login holds and that the digest is there; then run the job again.",
        False, timedelta(0), pull_failure,
    ),
    Rule(
        SignalKind.PERMISSION_DENIED, "It was denied access to a file or to a call.",
        "Check the owner and mode of its data paths, and its hardening.", False, _A_MOMENT, permission_denied,
    ),
    Rule(
        SignalKind.LOG_ERRORS, "It answers with errors, or what it asks does not answer in time.",
        "Read the lines, then check its connections.", False, _A_WHILE, errors_in_log,
    ),
    Rule(
        SignalKind.SLOW_START, "It took longer to start than its healthcheck's start period allows for.",
        "Make the start period longer, or find out what slows the start.", False, _A_MOMENT, slow_start,
    ),
    Rule(
        SignalKind.RESOURCES, "It uses more than is recommended for it.",
        "Look at its resources over time. Give it more, or find what takes so much.", False, _A_WHILE, resources,
    ),
    Rule(
        SignalKind.EXCEPTION_ENDS, "An exception ends soon; from then on the gate refuses what relies on it.",
        "Bring the fix, or ask for an extension.", False, timedelta(0), exception_ends,
    ),
)  # fmt: skip
RULES: dict[str, Rule] = {str(rule.kind): rule for rule in _RULES}
"""The most urgent first."""
