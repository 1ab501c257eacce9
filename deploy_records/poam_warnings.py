"""Telling people that an exception ends soon: 14, 7 and 1 days before, each warning once."""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.core.mail import EmailMessage
from django.core.validators import validate_email
from django.db.models import Q
from django.utils import timezone

from deploy_records import audit
from deploy_records.audit import Actor, Event, about
from deploy_records.models import PoamItem, PoamState, PoamWarning
from deploy_records.people import holders, roles_of
from deploy_records.poam_items import MAY_APPROVE
from deploy_records.rules.exceptions import shown

DAYS = (14, 7, 1)
_TRY_AGAIN_AFTER = timedelta(minutes=10)
_SCHEDULE = Actor("schedule")
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Told:
    """One warning that was due: of which item, how many days before its end, to whom, and whether the mail left."""

    item: PoamItem
    days: int
    recipients: tuple[str, ...]
    sent: bool


def warn(now: datetime | None = None) -> list[Told]:
    """Sends what is due. Safe to call as often as one likes, and from several processes at once.

    A warning that came due while nobody checked is not sent beside a later one. A mail that could not be sent is
    tried again after ten minutes.
    """
    at = now or timezone.now()
    ending = PoamItem.objects.filter(state=PoamState.APPROVED, expires_at__gte=at, expires_at__lte=at + timedelta(days=max(DAYS)))
    return [told for item in ending.order_by("expires_at") if (told := _warn_of(item, at)) is not None]


def due_days(expires_at: datetime, now: datetime) -> int | None:
    """Which of the warnings is due: the last one whose moment has come. None when none is, or the end is past."""
    left = expires_at - now
    if left < timedelta(0):
        return None
    return min((days for days in DAYS if left <= timedelta(days=days)), default=None)


def recipients_of(item: PoamItem) -> tuple[str, ...]:
    """The owner, by user name, address or team, and the security reviewers; each address once."""
    team = " ".join(item.owner.replace("-", " ").split())
    named = Q(username=item.owner) | Q(email__iexact=item.owner)
    # A team is a role, also by its people: “security-reviewers” are those who are “Security reviewer”.
    of_team = Q(groups__name__iexact=team) | Q(groups__name__iexact=team.removesuffix("s"))
    owners = User.objects.filter(named | of_team, is_active=True) if item.owner else User.objects.none()
    people = [*owners.order_by("username").distinct(), *holders(MAY_APPROVE).order_by("username")]
    found = [one.email for one in people if one.email]
    if _is_address(item.owner):
        found.insert(0, item.owner)
    return tuple({address.casefold(): address for address in reversed(found)}.values())[::-1]


def answers_for(item: PoamItem, person: User) -> bool:
    """Whether the person is the owner, by user name, address or team; the same as for mails, without a query a row."""
    owner, team = item.owner.casefold(), " ".join(item.owner.replace("-", " ").split()).casefold()
    roles = {role.casefold() for role in roles_of(person)}
    named = bool(owner) and owner in {person.get_username().casefold(), person.email.casefold()}
    return named or team in roles or team.removesuffix("s") in roles


def _warn_of(item: PoamItem, now: datetime) -> Told | None:
    days = due_days(item.expires_at, now)
    if days is None:
        return None
    people = recipients_of(item)
    warning = _claim(item, days, people, now)
    if warning is None:
        return None
    sent = _send(item, people, now)
    if sent:
        PoamWarning.objects.filter(pk=warning.pk).update(sent_at=timezone.now())
    return Told(item, days, people, sent)


def _claim(item: PoamItem, days: int, people: tuple[str, ...], now: datetime) -> PoamWarning | None:
    """The row that makes this warning ours: a new one, or one whose mail did not leave. None when it is not due."""
    with audit.changing():
        known = PoamWarning.objects.filter(item=item, expires_at=item.expires_at, days__lte=days).order_by("days").first()
        if known is None:
            audit.record(_SCHEDULE, Event("poam.warned", **about(item), changes={"days": days, "to": list(people)}))
            return PoamWarning.objects.create(
                item=item, expires_at=item.expires_at, days=days, claimed_at=now, recipients=list(people)
            )
        again = PoamWarning.objects.filter(pk=known.pk, days=days, sent_at__isnull=True, claimed_at__lte=now - _TRY_AGAIN_AFTER)
        return known if again.update(claimed_at=now, recipients=list(people)) else None


def _send(item: PoamItem, people: tuple[str, ...], now: datetime) -> bool:
    """Whether there is nothing left to do. Without anybody to write to, the dashboard has to do."""
    if not people:
        log.warning("%s ends on %s, and nobody with an e-mail address is to be told.", item.name, shown(item.expires_at))
        return True
    try:
        EmailMessage(subject=f"{item.name} ends {_when(item, now)}", body=_body(item, now), to=list(people)).send()
    except (OSError, ValueError):  # what mail servers and sockets raise; an address that cannot be written
        log.exception("The warning that %s ends could not be sent. It is tried again.", item.name)
        return False
    return True


def _when(item: PoamItem, now: datetime) -> str:
    days = (item.expires_at.date() - now.date()).days
    return {0: "today", 1: "tomorrow"}.get(days, f"in {days} days")


def _body(item: PoamItem, now: datetime) -> str:
    return "\n".join([
        f"The exception {item.name} ends {_when(item, now)}, on {shown(item.expires_at)}.",
        "From the second after that, the gate refuses what relies on it.",
        "",
        f"It excuses: {', '.join(item.vulnerabilities)}",
        f"In: {item.component}",
        f"At most: {item.severity}",
        f"Where: {', '.join(part for part in (item.repository, item.digest, item.service) if part) or 'everywhere'}",
        f"Answers for it: {item.owner or 'nobody is named'}",
        "",
        "Either bring the fix and mark it as mitigated, or ask for an extension, which somebody else has to approve.",
    ])  # fmt: skip


def _is_address(text: str) -> bool:
    try:
        validate_email(text)
    except ValidationError:
        return False
    return True
