"""For which digests a report counts: by what it names, or by a person's choice; and which reports of a digest are history.

A digest is its content, so a report counts for every entry of that content: where the same image was registered for two
repositories, for both, and also for one that is registered later. A person's choice counts for the chosen entry only.
All of this must run within `audit.changing`, so that a report and a digest that come at the same moment find each other.
"""

from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.db.models import Q, QuerySet
from django.utils import timezone

from deploy_records import audit, digest_findings, finding_changes, reviews
from deploy_records.audit import Actor, Event, about
from deploy_records.errors import Refused
from deploy_records.models import ImageDigest, Match, NamedDigest, ScanMatch, ScanReport
from deploy_records.models.scans import MOST_PLATFORM
from deploy_records.rules import matching
from deploy_records.rules.matching import Image, Platform
from deploy_records.rules.superseding import superseded
from deploy_records.scanners.report import ReportDigests


def match(report: ScanReport, actor: Actor) -> list[ScanMatch]:
    """Matches a report to all entries that it names."""
    said = digests_of(report)
    made = [one for entry in _entries_naming(said) if (one := _fit(report, said, entry, actor))]
    for one in made:
        settle(one.entry)
    return made


def choose(report: ScanReport, entry: ImageDigest, person: User | None, actor: Actor) -> ScanMatch:
    """A person's choice, for a report that names no digest."""
    platform = digests_of(report).platform
    made = _made(ScanMatch(report=report, entry=entry, by=Match.PERSON, platform=platform, person=person), actor)
    settle(entry)
    return made


def adopt_quarantined(entry: ImageDigest, actor: Actor, job: int | None = None) -> list[ScanMatch]:
    """Matches a new entry to the reports that name it and came before it."""
    naming = NamedDigest.objects.filter(digest__in=image_of(entry).digests).values("report")
    reports = ScanReport.objects.filter(pk__in=naming).exclude(matches__entry=entry).select_related("file").order_by("pk")
    made = [one for report in reports if (one := _fit(report, digests_of(report), entry, actor, job))]
    if made:
        settle(entry)
    return made


def settle(entry: ImageDigest, at: datetime | None = None) -> None:
    """Says anew which of the entry's reports count, and what they say together."""
    rows = list(ScanMatch.objects.filter(entry=entry).select_related("report"))
    history = superseded(finding_changes.standing(one) for one in rows)
    over = [one.pk for one in rows if one.report_id in history and one.counts_now]
    back = [one.pk for one in rows if one.report_id not in history and not one.counts_now]
    ScanMatch.objects.filter(pk__in=over).update(superseded_at=at or timezone.now())
    ScanMatch.objects.filter(pk__in=back).update(superseded_at=None)
    digest_findings.renew(entry)
    finding_changes.note_soon(entry)
    reviews.look_soon([entry])


def refuse_other_than(said: ReportDigests, chosen: ImageDigest, name: str) -> None:
    """`Refused` unless a report that says this may count for the chosen entry."""
    image = image_of(chosen)
    fits = matching.fit(said, image) is not None if said else matching.has_platform(image, said.platform)
    if not fits:
        raise Refused(
            f"{name} {matching.why_not(said, image)}. Choose the digest that it is about, or none: it is then matched by "
            "what it says itself. Nothing was stored.",
            code="other-digest",
        )


def digests_of(report: ScanReport) -> ReportDigests:
    said = dict(report.said)
    return ReportDigests(**{**said, "repo_digests": tuple(said.get("repo_digests", ()))})


def said_of(digests: ReportDigests) -> dict[str, Any]:
    """For `ScanReport.said`."""
    return {key: value for key, value in asdict(digests).items() if value}


def image_of(entry: ImageDigest) -> Image:
    platforms = (Platform(one.platform, one.manifest_digest, one.config_digest) for one in entry.platforms.all())
    return Image(entry.digest, entry.is_index, tuple(platforms))


def _entries_naming(said: ReportDigests) -> QuerySet[ImageDigest]:
    names = matching.named(said)
    holding = Q(digest__in=names) | Q(platforms__manifest_digest__in=names) | Q(platforms__config_digest__in=names)
    found = ImageDigest.objects.filter(pk__in=ImageDigest.objects.filter(holding).values("pk"))
    return found.prefetch_related("platforms").order_by("pk")


def _fit(report: ScanReport, said: ReportDigests, entry: ImageDigest, actor: Actor, job: int | None = None) -> ScanMatch | None:
    found = matching.fit(said, image_of(entry))
    if found is None:
        return None
    made = ScanMatch(report=report, entry=entry, by=Match(found.by.value), platform=found.platform)
    return _made(made, actor, job)


def _made(made: ScanMatch, actor: Actor, job: int | None = None) -> ScanMatch:
    made.platform, made.at = made.platform[:MOST_PLATFORM], timezone.now()
    made.save()
    report = made.report
    changes = {
        "report": [None, str(report)], "sha256": [None, report.file.sha256], "matched by": [None, made.get_by_display()],
        "platform": [None, made.platform or "not known"], "findings": [None, report.severities],
    }  # fmt: skip
    audit.record(actor, Event("report.matched", **about(made.entry), job=job, changes=changes))
    return made


def names(report: ScanReport) -> Iterable[NamedDigest]:
    """The rows by which it is found when one of its digests is registered."""
    return (NamedDigest(report=report, digest=digest) for digest in matching.named(digests_of(report)))
