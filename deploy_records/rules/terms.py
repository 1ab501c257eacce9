"""What an exception says, and how each part of it has to look. Pure; the same for forms, files and the command line."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime

from deploy_records.errors import Invalid
from deploy_records.rules.component import checked_component
from deploy_records.rules.digest import parse_digest, parse_repository, shown
from deploy_records.rules.exceptions import key
from deploy_records.rules.words import checked_words
from deploy_records.scanners.report import Severity

SEVERITIES = (Severity.CRITICAL, Severity.HIGH, Severity.MEDIUM, Severity.LOW)
MOST_VULNERABILITIES = 100
MOST_MILESTONES = 50
MOST_OWNER = 150
MOST_VENDOR = 500
MOST_TITLE = 300
_FIRST_YEAR, _LAST_YEAR = 2000, 2099
_VULNERABILITY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:/@-]{1,199}")
_CVE = re.compile(r"CVE-\d{4}-\d{4,19}")
_SERVICE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")


@dataclass(frozen=True, slots=True)
class Milestone:
    """A step on the way to the fix. `due` is over at its end in UTC."""

    title: str
    due: date
    done_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Terms:
    """What is asked for. `expires_at` is the last second in which it holds; an empty scope means everywhere."""

    vulnerabilities: tuple[str, ...]
    component: str
    severity: Severity
    owner: str
    expires_at: datetime
    justification: str = ""
    remediation_plan: str = ""
    compensating_controls: str = ""
    vendor_dependency: str = ""
    repository: str = ""
    digest: str = ""
    service: str = ""
    milestones: tuple[Milestone, ...] = ()


def checked_terms(terms: Terms) -> Terms:
    """The same in its plain form, or `Invalid` for the first part that is not as it has to be. Blank parts are for
    `missing` to judge: a draft may have them.
    """
    return Terms(
        vulnerabilities=checked_vulnerabilities(terms.vulnerabilities),
        component=checked_component(terms.component) if terms.component.strip() else "",
        severity=checked_severity(terms.severity),
        owner=checked_owner(terms.owner),
        expires_at=checked_moment(terms.expires_at).replace(microsecond=0),
        justification=checked_words("The justification", terms.justification),
        remediation_plan=checked_words("The remediation plan", terms.remediation_plan),
        compensating_controls=checked_words("The text on compensating controls", terms.compensating_controls),
        vendor_dependency=checked_words("The vendor dependency", terms.vendor_dependency, most=MOST_VENDOR),
        repository=parse_repository(terms.repository) if terms.repository else "",
        digest=parse_digest(terms.digest) if terms.digest else "",
        service=checked_service(terms.service) if terms.service else "",
        milestones=checked_milestones(terms.milestones),
    )


def missing(terms: Terms) -> tuple[str, ...]:
    """What has to be said before anybody can be asked to approve it."""
    said = {
        "the vulnerabilities": terms.vulnerabilities,
        "the component": terms.component,
        "the justification": terms.justification,
        "the owner": terms.owner,
    }
    return tuple(name for name, value in said.items() if not value)


def checked_vulnerability(text: str) -> str:
    """`text` as the id of a vulnerability or rule; CVE ids come back in upper case."""
    kept = text.strip()
    if kept.upper().startswith("CVE-"):
        kept = kept.upper()
        if not _CVE.fullmatch(kept):
            raise Invalid(f"{shown(text)} is not a CVE id. One looks like CVE-2026-12345.")
        return kept
    if not _VULNERABILITY.fullmatch(kept):
        raise Invalid(f"{shown(text)} is not the id of a vulnerability. One looks like CVE-2026-12345 or GHSA-abcd-efgh-ijkl.")
    return kept


def checked_vulnerabilities(texts: Iterable[str]) -> tuple[str, ...]:
    ids = tuple(checked_vulnerability(text) for text in texts)
    if len(ids) > MOST_VULNERABILITIES:
        raise Invalid(f"It names {len(ids):,} vulnerabilities; one exception is for at most {MOST_VULNERABILITIES}.")
    if len({key(one) for one in ids}) < len(ids):
        raise Invalid("It names a vulnerability twice.")
    return ids


def checked_severity(text: str) -> Severity:
    """One of the four that can be excused, written in any case."""
    found = next((one for one in SEVERITIES if one.casefold() == text.strip().casefold()), None)
    if found is None:
        raise Invalid(f"{shown(text)} is not a severity that can be excused: Critical, High, Medium or Low.")
    return found


def checked_owner(text: str) -> str:
    return checked_words("The owner", text, most=MOST_OWNER).replace("\n", " ")


def checked_service(text: str) -> str:
    if not _SERVICE.fullmatch(text):
        raise Invalid(f"{shown(text)} is not the name of a service: letters, digits, dot, dash and underscore.")
    return text


def checked_moment(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise Invalid(f"{moment.isoformat()} names no zone. Add Z for UTC, or an offset such as +02:00.")
    _check_year(moment)
    return moment


def checked_milestones(milestones: Iterable[Milestone]) -> tuple[Milestone, ...]:
    kept = tuple(milestones)
    if len(kept) > MOST_MILESTONES:
        raise Invalid(f"It has {len(kept):,} milestones; at most {MOST_MILESTONES} are kept.")
    for one in kept:
        _check_year(one.due)
    return tuple(Milestone(_checked_title(one.title), one.due, one.done_at) for one in kept)


def _checked_title(text: str) -> str:
    return checked_words("The milestone", text, required=True, most=MOST_TITLE)


def _check_year(moment: date) -> None:
    if not _FIRST_YEAR <= moment.year <= _LAST_YEAR:
        raise Invalid(f"The year {moment.year:04} is not between {_FIRST_YEAR} and {_LAST_YEAR}.")
