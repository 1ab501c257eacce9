"""What an exception would excuse, said while somebody writes it: each part in a sentence, and what is wrong with it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.http import QueryDict
from django.utils import timezone

from deploy_records.errors import Invalid
from deploy_records.models import ImageDigest, PoamItem
from deploy_records.models.poam import LAPSING
from deploy_records.poam_files import moments
from deploy_records.rules.component import checked_component, fits, parsed_purl
from deploy_records.rules.digest import parse_digest, parse_repository
from deploy_records.rules.exceptions import key, last_moment
from deploy_records.rules.terms import checked_severity, checked_vulnerabilities
from deploy_records.scanners.report import Severity
from portal.pages.poam_limits import limits_now
from portal.sentences.exceptions import days_until, left, longest_days
from portal.sentences.parts import counted

_MOST_TYPED = 4000
_MOST_LOOKED_AT = 50
_KINDS = {
    "apk": "Alpine package", "cargo": "Rust crate", "composer": "PHP package", "deb": "Debian package", "gem": "Ruby gem",
    "golang": "Go module", "maven": "Java artifact", "npm": "npm package", "nuget": "NuGet package", "pypi": "Python package",
    "rpm": "RPM package",
}  # fmt: skip


@dataclass(frozen=True)
class Line:
    """`tone`: ok, warn for what is easily overlooked, stop for what cannot be asked for, none for what is missing."""

    tone: str
    word: str
    text: str


def explained(typed: QueryDict | dict[str, str]) -> Sequence[Line]:
    """Whatever was typed gives lines, never an error."""
    said = {name: str(typed.get(name, ""))[:_MOST_TYPED].strip() for name in _READ}
    now = timezone.now()
    return [line for name in _READ if (read := _LINES.get(name)) for line in read(said, now)]


_READ = ("vulnerabilities", "component", "severity", "repository", "digest", "service", "expires")


def _vulnerabilities(said: dict[str, str], _now: datetime) -> Iterator[Line]:
    try:
        ids = _ids(said)
    except Invalid as error:
        yield Line("stop", "What", _plain(error))
        return
    if not ids:
        yield Line("none", "What", "No vulnerability is named yet.")
        return
    named = ids[0] if len(ids) == 1 else f"{counted(len(ids))} vulnerabilities"
    yield Line("ok", "What", f"It excuses {named}, by the name that a scanner gives or an alias of it.")


def _component(said: dict[str, str], now: datetime) -> Iterator[Line]:
    if not said["component"]:
        yield Line("none", "In what", "No component is named yet. Without one it excuses nothing.")
        return
    try:
        component = checked_component(said["component"])
    except Invalid as error:
        yield Line("stop", "In what", _plain(error))
        return
    yield from _of_package(component) if parsed_purl(component) else _of_pattern(component)
    yield from _others(said, component, now)


def _of_package(component: str) -> Iterator[Line]:
    purl = parsed_purl(component)
    if purl is None:
        return
    name = f"{purl.namespace}/{purl.name}" if purl.namespace else purl.name
    kind = _KINDS.get(purl.type, f"package of type {purl.type}")
    if purl.version:
        yield Line("ok", "In what", f"The {kind} {name}, version {purl.version} alone. In another version the gate refuses.")
    else:
        yield Line("warn", "In what", f"The {kind} {name} in every version, later ones too. Add @ and a version to narrow it.")
    if purl.qualifiers:
        pairs = ", ".join(f"{name} {value}" for name, value in sorted(purl.qualifiers.items()))
        yield Line("ok", "In what", f"Only where the scanner says {pairs}.")


def _of_pattern(component: str) -> Iterator[Line]:
    names = ImageDigest.objects.order_by("repository").values_list("repository", flat=True).distinct()
    fitting = [name for name in names if fits(component, name)]
    which = f"{counted(len(fitting))} {'repository' if len(fitting) == 1 else 'repositories'} of the ledger"
    known = f"It fits {which}." if fitting else "It fits no repository of the ledger by its name alone."
    yield Line("warn", "In what", f"Images named {component}, whatever component of them has it. {known}")


def _others(said: dict[str, str], component: str, now: datetime) -> Iterator[Line]:
    """What is asked for or in force for the same already."""
    try:
        ids = {key(one) for one in _ids(said)}
    except Invalid:
        return
    same = PoamItem.objects.filter(component=component, state__in=LAPSING, expires_at__gte=now).order_by("expires_at")
    for item in same[:_MOST_LOOKED_AT]:
        both = ids & {key(one) for one in item.vulnerabilities}
        if both:
            yield Line(
                "warn", "Already", f"{item.name} is {item.state} for {', '.join(sorted(both)).upper()} in the same component."
            )


def _severity(said: dict[str, str], _now: datetime) -> Iterator[Line]:
    severity = _worst(said)
    if severity is not None:
        yield Line("ok", "At most", f"{severity} or less. Should a scanner call it worse, the gate refuses again.")


def _place(said: dict[str, str], _now: datetime) -> Iterator[Line]:
    try:
        repository = parse_repository(said["repository"]) if said["repository"] else ""
        digest = parse_digest(said["digest"]) if said["digest"] else ""
    except Invalid as error:
        yield Line("stop", "Where", _plain(error))
        return
    yield from _unknown_place(repository, digest)
    parts = [repository and f"in {repository}", digest and f"in the digest {digest[7:19]} alone"]
    parts.append(said["service"] and f"as the service {said['service']}")
    named = ", ".join(part for part in parts if part)
    if named:
        yield Line("ok", "Where", f"Only {named}.")
    else:
        yield Line("warn", "Where", "Everywhere: in every image and every service. Name a repository to narrow it.")


def _unknown_place(repository: str, digest: str) -> Iterator[Line]:
    known = ImageDigest.objects.all()
    if repository:
        known = known.filter(repository=repository)
    if digest:
        known = known.filter(digest=digest)
    if (repository or digest) and not known.exists():
        yield Line("warn", "Where", "The ledger knows no such image. Look whether it is written as the ledger writes it.")


def _end(said: dict[str, str], now: datetime) -> Iterator[Line]:
    if not said["expires"]:
        yield Line("none", "Until", "No end is named yet.")
        return
    try:
        ends = moments.parse(said["expires"]).as_end
    except Invalid as error:
        yield Line("stop", "Until", _plain(error))
        return
    severity = _worst(said) or Severity.HIGH
    latest = last_moment(now, severity, limits_now())
    most = f"{longest_days(severity, limits_now())} days at most for {severity}: until {latest:%a %-d %b %Y}."
    if ends <= now:
        yield Line("stop", "Until", f"That is past. {most}")
    elif ends > latest:
        yield Line("stop", "Until", f"That is too late: {most}")
    else:
        yield Line(
            "ok", "Until", f"The last second is {ends:%a %-d %b %Y, %H:%M:%S} UTC: {left(days_until(ends, now)).lower()}. {most}"
        )


_LINES = {
    "vulnerabilities": _vulnerabilities, "component": _component, "severity": _severity, "repository": _place, "expires": _end,
}  # fmt: skip


def _ids(said: dict[str, str]) -> tuple[str, ...]:
    return checked_vulnerabilities(
        line.strip() for line in said["vulnerabilities"].replace(",", "\n").splitlines() if line.strip()
    )


def _worst(said: dict[str, str]) -> Severity | None:
    try:
        return checked_severity(said["severity"])
    except Invalid:
        return None


def _plain(error: Invalid) -> str:
    return str(error).removesuffix("Nothing was changed.").strip()
