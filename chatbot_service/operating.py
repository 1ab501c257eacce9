"""What people ask for to see how a service is, and to change its environment: each entrance asks the rules and starts the
job, or says at once why not. A value that may be a secret is sealed here, before it is kept or sent anywhere.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from chatbot_service import dispatch
from chatbot_service.dispatch import Order, Request
from chatbot_service.environment_contract import (
    KEY_EXPECTED,
    MOST_KEYS,
    Change,
    Contract,
    changes,
    is_key,
    wrong_value,
)
from chatbot_service.foreign_text import one_line
from chatbot_service.jobs.look_ports import LogQuery
from chatbot_service.jobs.looking import query_of
from chatbot_service.log_reading import MOST_LINES, cursor_of
from chatbot_service.models import ACTIVE, READS_ONLY, EnvironmentVersion, Job, Kind, Service
from chatbot_service.operation_records import contract_of
from chatbot_service.secrets import seal
from deploy_records.errors import Broken, Invalid, Refused
from deploy_records.rules.digest import shown
from deploy_records.rules.words import checked_words

MOST_WAITING = 20
"""Looks at one service that may be under way at once."""
MOST_WORDS = 200
_MOST_REASON = 500
NOTHING = "Nothing was changed."


# Looking


def logs(service: Service, wanted: LogQuery, request: Request) -> Job:
    """`after` is for `follow`."""
    asked = {
        "tail": min(wanted.tail, MOST_LINES), "since": wanted.since.isoformat() if wanted.since else "",
        "until": wanted.until.isoformat() if wanted.until else "", "words": _words(wanted.words),
    }  # fmt: skip
    query_of(asked)
    return _look(Kind.LOG, service, asked, request)


def follow(service: Service, after: str, words: str, request: Request) -> Job:
    """What came since the cursor of an earlier look. One at a time: while one is under way, that one is the answer."""
    cursor_of(after)
    dispatch.may(Kind.FOLLOW, request)
    mine = Job.objects.filter(service=service, kind=Kind.FOLLOW, by=request.by, state__in=ACTIVE).first()
    return mine or _look(Kind.FOLLOW, service, {"tail": 1000, "after": after, "words": _words(words)}, request)


def probe(service: Service, request: Request) -> Job:
    return _look(Kind.PROBE, service, {}, request)


def reach(service: Service, request: Request) -> Job:
    return _look(Kind.REACH, service, {"endpoints": list(service.endpoints)}, request)


def resources(service: Service, request: Request) -> Job:
    return _look(Kind.RESOURCES, service, {"data_paths": list(service.data_paths)}, request)


def environment(service: Service, request: Request) -> Job:
    return _look(Kind.ENVIRONMENT, service, {}, request)


def harden(service: Service, request: Request) -> Job:
    return _look(Kind.HARDEN, service, {}, request)


def _words(text: str) -> str:
    if len(text) > MOST_WORDS or not all(character.isprintable() for character in text):
        raise Invalid(f"Words to look for are up to {MOST_WORDS} characters that can be printed.")
    return text


def _look(kind: Kind, service: Service, asked: dict[str, Any], request: Request) -> Job:
    """The same look that this person waits for already is not begun twice."""
    dispatch.may(kind, request)
    waiting = list(Job.objects.filter(service=service, kind__in=READS_ONLY, state__in=ACTIVE).defer("result"))
    for job in waiting:
        if job.kind == kind and job.by_id == (request.by.pk if request.by else None) and job.asked == asked:
            return job
    if len(waiting) >= MOST_WAITING:
        raise Refused(
            f"{len(waiting)} looks at {service} are under way or wait for a worker. Wait for them, or see whether a worker of "
            f"{service.host.name} answers. {NOTHING}",
            code="busy",
        )
    return dispatch.start(Order(kind, service.host, service, asked=asked), request)


# Changing the environment


@dataclass(frozen=True)
class Proposal:
    """A change that was checked. `given`: values that are no secret; `sealed`: the others, as `secrets.seal` makes them.
    `revision`: of the file on which it was thought out; empty: whatever it is.
    """

    given: Mapping[str, str] = field(default_factory=dict)
    sealed: Mapping[str, str] = field(default_factory=dict)
    unset: Sequence[str] = ()
    revision: str = ""

    def as_asked(self) -> dict[str, Any]:
        """As `jobs.configure` takes it."""
        return {"set": dict(self.given), "sealed": dict(self.sealed), "unset": list(self.unset), "revision": self.revision}

    @staticmethod
    def of_asked(asked: Mapping[str, Any]) -> "Proposal":
        return Proposal(
            dict(asked.get("set") or {}), dict(asked.get("sealed") or {}), tuple(asked.get("unset") or ()),
            str(asked.get("revision") or ""),
        )  # fmt: skip

    @property
    def names(self) -> list[str]:
        return [*self.given, *self.sealed, *self.unset]


def propose(service: Service, values: Mapping[str, str], unset: Sequence[str] = (), revision: str = "") -> Proposal:
    """Says what is wrong before anybody waits for a worker; never a value of a key that may be secret."""
    contract = contract_of(service)
    names = [*values, *unset]
    wrong = sorted(name for name in names if not is_key(name))
    if wrong:
        raise Invalid(f"{one_line(', '.join(wrong), 200)} cannot be set here: {KEY_EXPECTED}. {NOTHING}")
    if not names:
        raise Invalid(f"No value is different, so there is nothing to change. {NOTHING}")
    twice = sorted(set(values) & set(unset))
    if twice or len(names) > MOST_KEYS:
        raise Invalid(f"{', '.join(twice) or f'More than {MOST_KEYS} keys'} cannot be set and taken out at once. {NOTHING}")
    for name in names:
        _check_value(contract, name, values.get(name, ""))
    secret = {name for name in values if contract.is_sensitive(name)}
    return Proposal(
        {name: value for name, value in values.items() if name not in secret},
        {name: seal(values[name]) for name in values if name in secret},
        tuple(unset),
        revision,
    )


def _check_value(contract: Contract, name: str, value: str) -> None:
    """An empty one: the key is taken out."""
    key = contract.key(name)
    if key and key.required and not value:
        raise Refused(f"{name} is required, so it cannot be taken out. {NOTHING}", code="required")
    wrong = wrong_value(key, value) if key and value else ""
    if wrong:
        raise Invalid(f"{name} is not valid: {wrong}. {NOTHING}")


_THERE, _NEW = "\0there", "\0new"


def preview(service: Service, proposal: Proposal, known: Mapping[str, str | None]) -> tuple[Change, ...]:
    """The masked difference. `known`: what a look found, by name; None: there is a value, which is not shown."""
    before = {name: _THERE if value is None else value for name, value in known.items()}
    after = {**before, **proposal.given, **dict.fromkeys(proposal.sealed, _NEW)}
    for name in proposal.unset:
        after.pop(name, None)
    return changes(contract_of(service), before, after)


def configure(service: Service, proposal: Proposal, request: Request) -> Job:
    dispatch.may(Kind.CONFIGURE, request)
    checked_words("The reason", request.reason, most=_MOST_REASON)
    told = {"set": dict(proposal.given), "secret": sorted(proposal.sealed), "unset": list(proposal.unset)}
    return dispatch.start(Order(Kind.CONFIGURE, service.host, service, asked=proposal.as_asked(), recorded=told), request)


def go_back(service: Service, number: int, request: Request) -> Job:
    """To the whole file of an earlier version."""
    dispatch.may(Kind.CONFIGURE, request)
    versions = EnvironmentVersion.objects.filter(service=service)
    newest = versions.values_list("number", flat=True).first()
    if not versions.filter(number=number).exists():
        raise Refused(f"There is no version {shown(str(number))} of the environment of {service}. {NOTHING}")
    if number == newest:
        raise Refused(f"Version {number} is the newest, so there is nothing to go back to. {NOTHING}")
    return dispatch.start(Order(Kind.CONFIGURE, service.host, service, asked={"version": number}), request)


def configure_again(job: Job, request: Request) -> Job:
    if job.service is None:
        raise Broken(f"{job} belongs to no service.")
    if job.asked.get("version"):
        return go_back(job.service, int(job.asked["version"]), request)
    if job.asked.get("cleared"):
        raise Refused(f"The secret values that {job} had are no longer kept. Enter them anew. {NOTHING}")
    proposal = Proposal.of_asked({**job.asked, "revision": ""})
    return configure(job.service, proposal, request)
