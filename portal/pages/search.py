"""One field for everything that has a name: services, digests, vulnerabilities, exceptions, reports, jobs, people.

A few of each kind; the lists with their own filters show the rest. A digest is found by its beginning, written with or
without `sha256:` and the gaps with which pages show it, and so are the digests of its platforms and its image ID.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import urlencode

from django.contrib.auth.models import User
from django.db.models import Count, Q, TextField
from django.db.models.functions import Cast
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET

from chatbot_service.models import Job, Service
from deploy_records import poam_listing
from deploy_records.models import DigestFinding, ImageDigest, ScanReport
from deploy_records.people import holds
from portal.access import signed_in
from portal.pages import asked

MOST = 6
LEAST_CHARACTERS = 2
_HEX = re.compile(r"(?:sha256:)?([0-9a-f]{4,64})")
_JOB = re.compile(r"(?:job\s*)?#?\s*([0-9]{1,18})", re.IGNORECASE)


@dataclass(frozen=True)
class Hit:
    title: str
    note: str
    url: str
    digest: str = ""


@dataclass(frozen=True)
class Group:
    """`more`: where all of them are listed, if there may be more."""

    word: str
    hits: tuple[Hit, ...]
    more: str = ""


@require_GET
@signed_in
def search(request: HttpRequest) -> HttpResponse:
    text = asked.text(request, "q")
    groups = list(_groups(request, text)) if len(text) >= LEAST_CHARACTERS else []
    hits = [hit for group in groups for hit in group.hits]
    if len(hits) == 1 and request.GET.get("stay") is None:
        return redirect(hits[0].url)
    context = {"text": text, "groups": groups, "found": len(hits), "too_short": bool(text) and len(text) < LEAST_CHARACTERS}
    return render(request, "search/results.html", context)


def _groups(request: HttpRequest, text: str) -> Iterator[Group]:
    for word, permission, look, where in _KINDS:
        if holds(request.user, permission):
            found = tuple(look(text))
            if found:
                more = f"{reverse(where)}?{urlencode({'q': text})}" if where and len(found) > MOST else ""
                yield Group(word, found[:MOST], more)


def _hex(text: str) -> str:
    begins = _HEX.fullmatch("".join(text.split()).lower())
    return begins[1] if begins else ""


def _services(text: str) -> Iterable[Hit]:
    named = Q(name__icontains=text) | Q(project_name__icontains=text) | Q(repository__icontains=text)
    for one in Service.objects.filter(named | Q(host__name__iexact=text)).select_related("host")[: MOST + 1]:
        yield Hit(str(one), one.repository, reverse("service", args=[one.pk]), one.seen_digest)


def _digests(text: str) -> Iterable[Hit]:
    begins = _hex(text)
    named = Q(repository__icontains=text) | Q(tags_text__icontains=text)
    if begins:
        digest = f"sha256:{begins}"
        platform = Q(platforms__manifest_digest__startswith=digest) | Q(platforms__config_digest__startswith=digest)
        named |= Q(digest__startswith=digest) | platform
    rows = ImageDigest.objects.annotate(tags_text=Cast("tags", TextField())).filter(named)
    # Distinct by number: PostgreSQL does not compare JSON.
    numbers = rows.order_by("-pk").values_list("pk", flat=True).distinct()[: MOST + 1]
    for one in ImageDigest.objects.filter(pk__in=list(numbers)):
        yield Hit(one.tag or one.repository, one.repository, reverse("digest", args=[one.pk]), one.digest)


def _vulnerabilities(text: str) -> Iterable[Hit]:
    if not re.fullmatch(r"[\w.:-]+", text):
        return
    begins = {text, text.upper(), text.lower()}
    named = Q()
    for one in begins:
        named |= Q(name__startswith=one)
    rows = DigestFinding.objects.filter(named).order_by("name").values("name")
    for row in rows.annotate(digests=Count("entry", distinct=True))[: MOST + 1]:
        where = f"{reverse('ledger')}?{urlencode({'q': row['name']})}"
        yield Hit(row["name"], f"found in {row['digests']} digest{'s' if row['digests'] > 1 else ''}", where)


def _exceptions(text: str) -> Iterable[Hit]:
    for one in poam_listing.items(poam_listing.Wish(search=text))[: MOST + 1]:
        names = ", ".join(str(name) for name in one.vulnerabilities[:3])
        yield Hit(one.name, f"{names} in {one.component or 'no component yet'}", reverse("poam-item", args=[one.number]))


def _reports(text: str) -> Iterable[Hit]:
    begins = _hex(text)
    # The target of a report often names its digest: whoever looks for that wants the digest's page.
    named = Q(file__sha256__startswith=begins) if begins else Q(target__icontains=text) | Q(name__icontains=text)
    for one in ScanReport.objects.filter(named).select_related("file").order_by("-pk")[: MOST + 1]:
        yield Hit(one.name, f"{one.tool or one.format}, {one.target or 'no target'}", reverse("scan", args=[one.pk]))


def _jobs(text: str) -> Iterable[Hit]:
    number = _JOB.fullmatch(text)
    if number:
        for one in Job.objects.filter(pk=int(number[1])).select_related("service__host", "by"):
            about = f"{one.get_state_display()}, by {one.asked_by}"
            yield Hit(str(one), f"{one.service}: {about}" if one.service else about, reverse("job", args=[one.pk]))


def _people(text: str) -> Iterable[Hit]:
    named = Q(username__icontains=text) | Q(first_name__icontains=text) | Q(last_name__icontains=text)
    for one in User.objects.filter(named | Q(email__icontains=text)).order_by("username")[: MOST + 1]:
        yield Hit(one.get_username(), one.get_full_name() or one.email, reverse("users"))


_KINDS: tuple[tuple[str, str, Callable[[str], Iterable[Hit]], str], ...] = (
    ("Services", "chatbot_service.view_service", _services, ""),
    ("Digests", "deploy_records.view_imagedigest", _digests, "ledger"),
    ("Vulnerabilities", "deploy_records.view_imagedigest", _vulnerabilities, ""),
    ("Exceptions", "deploy_records.view_poamitem", _exceptions, "poam"),
    ("Scan reports", "deploy_records.view_scanreport", _reports, ""),
    ("Jobs", "chatbot_service.view_job", _jobs, ""),
    ("People", "auth.view_user", _people, ""),
)
