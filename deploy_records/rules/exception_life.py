"""Who may do what with an exception, and when. Pure: roles, states and the moment are passed in."""

from collections.abc import Iterable
from datetime import datetime

from deploy_records.rules.approval import Answer, Who
from deploy_records.rules.exceptions import DEFAULT_LIMITS, LONGEST, Limits, is_within_limit, last_moment, shown
from deploy_records.rules.terms import Terms, missing

CAN_BE_REVISED = frozenset({"draft", "requested", "rejected"})
CAN_BE_TAKEN_BACK = frozenset({"requested", "rejected"})
CAN_BE_MITIGATED = frozenset({"requested", "approved", "rejected"})
CAN_BE_CLOSED = frozenset({"draft", "requested", "approved", "rejected", "mitigated"})


def may_approve(
    who: Who, *, holds_role: bool, name: str, state: str, wrote_or_requested: Iterable[Who], terms: Terms, now: datetime,
    limits: Limits = DEFAULT_LIMITS,
) -> Answer:  # fmt: skip
    """`wrote_or_requested`: whoever wrote the text last, and whoever asked for the approval."""
    no = may_decide(who, holds_role=holds_role, name=name, wrote_or_requested=wrote_or_requested)
    if not no.allowed:
        return no
    if state != "requested":
        return _wrong(f"{name} is {state}; only what is requested can be approved.")
    return may_hold(terms, name=name, now=now, limits=limits)


def may_decide(who: Who, *, holds_role: bool, name: str, wrote_or_requested: Iterable[Who]) -> Answer:
    """Whether this person may say yes or no to it at all."""
    if not holds_role:
        return _not_allowed("Deciding on an exception takes a role that you do not have. A security reviewer can.")
    if any(who.is_same_person_as(other) for other in wrote_or_requested):
        return _not_allowed(f"You wrote or requested {name}, so somebody else has to decide. Any other security reviewer can.")
    return Answer(True, f"You may decide on {name}.")


def may_hold(terms: Terms, *, name: str, now: datetime, limits: Limits = DEFAULT_LIMITS) -> Answer:
    """Whether it is complete, and its end is to come and within the policy's maximum from `now` on."""
    lacking = missing(terms)
    if lacking:
        return _wrong(f"{name} is not complete: say {' and '.join(lacking)} first.")
    if terms.expires_at <= now:  # also within its last second: an approval ends after it begins
        return _wrong(f"{name} would end on {shown(terms.expires_at)}, which is past. Give it a later end.")
    if not is_within_limit(now, terms.expires_at, terms.severity, limits):
        days = limits.get(terms.severity, LONGEST).days
        latest = shown(last_moment(now, terms.severity, limits))
        return _wrong(
            f"{name} would last until {shown(terms.expires_at)}; for {terms.severity} the policy allows {days} days, "
            f"so its end is {latest} at the latest."
        )
    return Answer(True, f"{name} may hold until {shown(terms.expires_at)}.")


def may_extend(*, name: str, state: str, ends: datetime, until: datetime, waiting: bool) -> Answer:
    if state != "approved":
        return _wrong(f"{name} is {state}; only what was approved can be extended.")
    if waiting:
        return _wrong(f"An extension of {name} waits for a decision already.", "already-asked")
    if until <= ends:
        return _wrong(f"{name} lasts until {shown(ends)} as it is. An extension ends later than that.")
    return Answer(True, f"{name} may be extended.")


def may_end(*, name: str, state: str, mitigated: bool) -> Answer:
    if state in (CAN_BE_MITIGATED if mitigated else CAN_BE_CLOSED):
        return Answer(True, f"{name} may be ended.")
    if state == "draft":
        return _wrong(f"{name} is a draft, which nobody was asked to rely on. Close it instead.")
    return _wrong(f"{name} is {state} already, and an ended exception is not opened again.", "already-ended")


def may_revise(*, name: str, state: str) -> Answer:
    if state in CAN_BE_REVISED:
        return Answer(True, f"{name} may be changed.")
    return _wrong(f"{name} is {state}, and its text stays as it was decided on. Draft another one.")


def may_take_back(*, name: str, state: str) -> Answer:
    if state in CAN_BE_TAKEN_BACK:
        return Answer(True, f"{name} may be a draft again.")
    return _wrong(f"{name} is {state}; only what is requested or rejected can be a draft again.")


def _not_allowed(reason: str) -> Answer:
    return Answer(False, f"{reason} Nothing was changed.", "not-allowed")


def _wrong(reason: str, code: str = "wrong-state") -> Answer:
    return Answer(False, f"{reason} Nothing was changed.", code)
