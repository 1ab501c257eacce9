"""Is everything as approved, healthy, and could it be rolled back? What needs me?"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET

from chatbot_service import board, lights
from chatbot_service.board import Row
from chatbot_service.lights import Light
from chatbot_service.models import Host
from chatbot_service.need import Need
from deploy_records.models import ImageDigest
from portal.access import roles_that_may, signed_in
from portal.pages import outlook
from portal.pages.service_rows import shown
from portal.sentences import dashboard as sentences
from portal.sentences.parts import counted, listed
from portal.shell import frame_of
from portal.templatetags.line import Mark, Segment

MOST_NEEDS = 8
_EXAMPLE = (
    (0, 40, "ok"),
    (40, 41, "fail"),
    (41, 63, "ok"),
    (63, 64, "down"),
    (64, 79.4, "ok"),
    (79.4, 80.6, "pause"),
    (80.6, 100, "ok"),
)


@require_GET
@signed_in
def dashboard(request: HttpRequest) -> HttpResponse:
    rows = board.rows()
    return _overview(request, rows) if rows else _first_start(request)


@dataclass(frozen=True)
class ShownNeed:
    need: Need
    url: str


def _overview(request: HttpRequest, rows: Sequence[Row]) -> HttpResponse:
    now = timezone.now()
    context = {
        "answer": sentences.answer(rows),
        "rows": [shown(row) for row in rows],
        "total": len(rows),
        "approved": sum(row.approved.good for row in rows),
        "healthy": sum(row.health.good for row in rows),
        "ready": sum(row.readiness.light.good for row in rows),
        "now": now,
        "calendar": outlook.calendar(outlook.ahead(rows, now), now),
    }
    return render(request, "dashboard/page.html", context | _needs(request))


def _needs(request: HttpRequest) -> dict[str, Any]:
    wanted = frame_of(request).needs
    return {
        "needs": [ShownNeed(need, url_of(need)) for need in wanted.mine[:MOST_NEEDS]],
        "needs_total": len(wanted.mine),
        "needs_left_out": len(wanted.mine) - MOST_NEEDS,
        "others": _others(wanted.others),
    }


def url_of(need: Need) -> str:
    """Where something can be done about it."""
    pages = {
        "poam-item": need.exception, "digest": need.entry, "job": need.job, "signal": need.signal, "restore": need.restore,
        "service-backups": need.backups_of, "service-hardening": need.hardening_of, "service": need.service,
    }  # fmt: skip
    return next((reverse(name, args=[number]) for name, number in pages.items() if number), reverse("hosts"))


def _others(needs: Sequence[Need]) -> str:
    """`2 more wait for a release manager.`"""
    if not needs:
        return ""
    roles = sorted({role.lower() for need in needs for permission in need.permissions for role in roles_that_may(permission)})
    waits = "waits" if len(needs) == 1 else "wait"
    return f"{counted(len(needs)).capitalize()} more {waits} for somebody else: {listed(roles, ' or ')}."


@dataclass(frozen=True)
class HostSeen:
    host: Host
    light: Light


def _first_start(request: HttpRequest) -> HttpResponse:
    now = timezone.now()
    hosts = [
        HostSeen(host, lights.host(name=host.name, seen_at=host.seen_at, problem=host.problem, now=now))
        for host in frame_of(request).hosts
    ]
    answers = any(seen.light.good for seen in hosts)
    registered = ImageDigest.objects.exists()
    example = {
        "digest": f"sha256:{hashlib.sha256(b'an example').hexdigest()}",
        "segments": [Segment(*part) for part in _EXAMPLE],
        "marks": [Mark(80, "deploy")],
    }
    context = {"hosts": hosts, "answers": answers, "done": int(answers), "registered": registered, "example": example}
    return render(request, "dashboard/first_start.html", context | _needs(request))
