"""What every page's frame shows beside its navigation: what needs the person, and the trust foot. Seven queries, and a
few more where approvals have to be looked at again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import User
from django.db.models import Subquery
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import SimpleLazyObject

from chatbot_service import lights, needs
from chatbot_service.models import Host
from chatbot_service.needs import Needs
from deploy_records.models import AuditEvent, AuditHead
from deploy_records.people import holds
from portal import trail
from portal.navigation import TrustLine
from portal.templatetags.moments import count

_KEPT_AS = "_known_good_frame"


@dataclass(frozen=True)
class Frame:
    hosts: Sequence[Host]
    needs: Needs
    trust: Sequence[TrustLine]

    @property
    def counts(self) -> Mapping[str, int]:
        return {"dashboard": len(self.needs.mine)}


def shell(request: HttpRequest) -> dict[str, Any]:
    """Read only when a template asks: fragments have no frame."""
    if not isinstance(getattr(request, "user", None), User):
        return {}
    return {
        "nav_counts": SimpleLazyObject(lambda: frame_of(request).counts),
        "trust": SimpleLazyObject(lambda: frame_of(request).trust),
    }


def frame_of(request: HttpRequest) -> Frame:
    """Read once a request, as the dashboard shows more of the same."""
    known: Frame | None = getattr(request, _KEPT_AS, None)
    if known is None:
        known = _read(request)
        setattr(request, _KEPT_AS, known)
    return known


def _read(request: HttpRequest) -> Frame:
    head = AuditHead.objects.filter(pk=1).values("sequence")
    check = AuditEvent.objects.filter(action=trail.ACTION).values("changes")[:1]
    hosts = list(Host.objects.annotate(head=Subquery(head), last_check=Subquery(check)))
    known = _Trail(hosts[0].head or 0, hosts[0].last_check or {}) if hosts else _trail_alone()
    person = request.user
    wanted = needs.read(person, hosts) if isinstance(person, User) else Needs()
    return Frame(hosts, wanted, (_intact(request, known), _answering(request, hosts)))


@dataclass(frozen=True)
class _Trail:
    """Where it ends, and what the last check on record found."""

    events: int
    check: Mapping[str, Any]


def _trail_alone() -> _Trail:
    """Before there is a host."""
    integrity = trail.integrity()
    return _Trail(integrity.head, integrity.check.changes if integrity.check else {})


def _intact(request: HttpRequest, known: _Trail) -> TrustLine:
    url = reverse("audit") if holds(request.user, "deploy_records.view_auditevent") else ""
    if known.check.get("broken_at"):
        return TrustLine("stop", f"Trail broken at {count(known.check['broken_at'])}", url)
    if known.check:
        return TrustLine("ok", f"Trail intact to {count(known.check.get('until', 0))}", url)
    return TrustLine("none", f"Trail at {count(known.events)}, not checked", url)


def _answering(request: HttpRequest, hosts: Sequence[Host]) -> TrustLine:
    url = reverse("hosts") if holds(request.user, "chatbot_service.view_host") else ""
    now = timezone.now()
    well = sum(lights.host(name=h.name, seen_at=h.seen_at, problem=h.problem, now=now).good for h in hosts)
    if not hosts:
        return TrustLine("stop", "No host answers", url)
    if well == len(hosts):
        return TrustLine("ok", "1 host answers" if well == 1 else f"{well} hosts answer", url)
    if len(hosts) == 1:
        return TrustLine("stop", "The host does not answer", url)
    return TrustLine("stop", f"{well or 'None'} of {len(hosts)} hosts {'answers' if well < 2 else 'answer'}", url)  # noqa: PLR2004 - plural
