"""What the record says of one exception, ready for its page, and what the person who looks may do with it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from django.contrib.auth.models import User
from django.db.models import Q, QuerySet
from django.utils import timezone

from deploy_records import poam_listing
from deploy_records.models import AuditEvent, Deployment, PoamComment, PoamGrant, PoamItem, PoamMilestone, PoamState
from deploy_records.people import holders, holds, roles_granting
from deploy_records.poam_entries import whole
from deploy_records.poam_items import MAY_APPROVE, MAY_REQUEST, is_open, terms_of
from deploy_records.rules import exception_life as rules
from deploy_records.rules.exceptions import whole_second
from deploy_records.rules.terms import missing
from portal.event_words import Told, told
from portal.pages import poam_deeds, poam_reliance
from portal.pages.places import Place, services_of
from portal.pages.poam_deeds import Deed, DeedForm
from portal.pages.poam_lines import Drawn, drawn, months
from portal.sentences import exceptions as sentences
from portal.sentences.parts import Answer
from portal.templatetags.line import Tick

MOST_EVENTS = 50
MOST_PLACES = 20
_MOST_NAMES = 3


@dataclass(frozen=True)
class Given:
    """One approval, for good. `holds`: it is the one that counts now."""

    grant: PoamGrant
    holds: bool
    mine: bool


@dataclass(frozen=True)
class Milestone:
    row: PoamMilestone
    late: bool


@dataclass(frozen=True)
class Offer:
    """A deed that fits the state. `why_not`: what keeps this person from it now; empty if nothing does."""

    deed: Deed
    form: DeedForm
    explanation: str
    why_not: str
    has_role: bool
    who: str

    @property
    def allowed(self) -> bool:
        return not self.why_not


@dataclass(frozen=True)
class ItemPage:
    item: PoamItem
    now: datetime
    status: sentences.Shown
    answer: Answer
    line: Drawn
    ticks: Sequence[Tick]
    grants: Sequence[Given]
    milestones: Sequence[Milestone]
    comments: Sequence[PoamComment]
    history: Sequence[Told]
    more_history: bool
    places: Sequence[Place]
    relying: Sequence[Place]
    offers: Sequence[Offer]
    could: str
    may_write: bool

    @property
    def is_open(self) -> bool:
        return is_open(self.item)

    @property
    def can_be_revised(self) -> bool:
        return self.item.state in rules.CAN_BE_REVISED

    @property
    def buttons(self) -> Sequence[Offer]:
        """What the person's roles allow at all; what a rule bars them from now is shown with its reason."""
        return [offer for offer in self.offers if offer.has_role]

    @property
    def primary(self) -> str:
        """The one deed that moves it on, if this person may do it."""
        forward = (poam_deeds.APPROVE, poam_deeds.APPROVE_EXTENSION, poam_deeds.REQUEST)
        return next((offer.deed.key for offer in self.offers if offer.allowed and offer.deed in forward), "")

    @property
    def package(self) -> str:
        return sentences.package(self.item.component)

    @property
    def done(self) -> int:
        return sum(one.row.done_at is not None for one in self.milestones)


def found(number: int) -> PoamItem | None:
    """With all that belongs to it."""
    return whole(PoamItem.objects.filter(number=number)).first()


def read(item: PoamItem, viewer: User) -> ItemPage:
    now = timezone.now()
    events = list(poam_listing.history(item)[: MOST_EVENTS + 1])
    start = poam_listing.midnight(now)
    grants = _grants(item, viewer, now)
    could, reliance = who_could(item), poam_reliance.read(now)
    return ItemPage(
        item=item,
        now=now,
        status=sentences.status_of(item, now),
        answer=sentences.item_answer(item, _told(item, now, could, events, grants)),
        line=drawn(item, start, now, needed=reliance.needs(item)),
        ticks=months(start),
        grants=grants,
        milestones=[_milestone(row, now) for row in item.milestones.all()],
        comments=list(item.comments.all()),
        history=[told(event) for event in events[:MOST_EVENTS]],
        more_history=len(events) > MOST_EVENTS,
        places=_places(item),
        relying=[*reliance.falling.get(item.number, ()), *reliance.missing.get(item.number, ())],
        offers=offers(item, viewer, could),
        could=could,
        may_write=holds(viewer, MAY_REQUEST) or holds(viewer, MAY_APPROVE),
    )


def offers(item: PoamItem, viewer: User, could: str) -> list[Offer]:
    return [_offer(item, viewer, deed, could) for deed in poam_deeds.DEEDS if deed.fits(item)]


def _offer(item: PoamItem, viewer: User, deed: Deed, could: str) -> Offer:
    has_role = holds(viewer, deed.permission)
    who = could if deed.permission == MAY_APPROVE else ""
    if not has_role:
        why_not = f"Takes the role {' or '.join(roles_granting(deed.permission)).lower() or 'that nobody has yet'}."
    else:
        answer = deed.answer(item, viewer)
        why_not = "" if answer.allowed else answer.reason.removesuffix("Nothing was changed.").strip()
    return Offer(deed, deed.form(item), deed.explain(item), why_not, has_role, who)


def who_could(item: PoamItem) -> str:
    """Names of those who may decide on it, a few of them; empty if there is nobody."""
    own = [one for one in (item.drafted_by, item.requested_by, item.extend_by) if one is not None]
    barred = Q(pk__in=[one.pk for one in own])
    for address in {one.email for one in own if one.email}:
        barred |= Q(email__iexact=address)
    names = [person.get_username() for person in holders(MAY_APPROVE).exclude(barred).order_by("username")[: _MOST_NAMES + 1]]
    if len(names) > _MOST_NAMES:
        return f"{', '.join(names[:_MOST_NAMES])} or others"
    return " or ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else "".join(names)


def _told(
    item: PoamItem, now: datetime, could: str, events: Sequence[AuditEvent], grants: Sequence[Given]
) -> sentences.Told:  # fmt: skip
    last: Mapping[str, str] = {event.action: event.actor for event in reversed(events)}
    holding = next((one.grant for one in grants if one.holds), None)
    by = (holding.by.get_username() if holding.by else f"{holding.in_git}, in Git") if holding else ""
    return sentences.Told(now=now, could=could, last=last, lacks=missing(terms_of(item)), given_by=by)


def _grants(item: PoamItem, viewer: User, now: datetime) -> list[Given]:
    """Newest first. Of several that have not ended the last one counts."""
    rows = sorted(item.grants.all(), key=lambda one: (one.at, one.pk), reverse=True)
    counts = item.state == PoamState.APPROVED
    holding = next((one for one in rows if counts and one.at <= now <= whole_second(one.until)), None)
    return [Given(one, one is holding, one.by_id == viewer.pk) for one in rows]


def _milestone(row: PoamMilestone, now: datetime) -> Milestone:
    return Milestone(row, late=row.done_at is None and row.due < now.astimezone(UTC).date())


def _places(item: PoamItem) -> list[Place]:
    """What runs in its scope now: of this repository, digest and service, as far as it names them."""
    running: QuerySet[Deployment] = Deployment.objects.filter(ended_at__isnull=True).select_related("entry")
    if item.repository:
        running = running.filter(entry__repository=item.repository)
    if item.service:
        running = running.filter(service=item.service)
    if item.digest:
        platform = Q(entry__platforms__manifest_digest=item.digest) | Q(entry__platforms__config_digest=item.digest)
        running = running.filter(Q(entry__digest=item.digest) | platform).distinct()
    rows = list(running.order_by("service", "host")[:MOST_PLACES])
    numbers = services_of(rows)
    return [Place(one, numbers.get((one.host, one.service))) for one in rows]
