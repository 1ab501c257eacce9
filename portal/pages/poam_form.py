"""The form of an exception: new or changed, with the message at the field that it is about."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, TypeVar

from django import forms
from django.contrib.auth.models import User
from django.http import QueryDict
from django.utils import timezone

from deploy_records import audit, poam
from deploy_records.errors import Invalid
from deploy_records.models import ImageDigest, PoamItem
from deploy_records.poam_files import moments
from deploy_records.poam_items import terms_of
from deploy_records.rules import exception_life
from deploy_records.rules.component import checked_component
from deploy_records.rules.digest import parse_digest, parse_repository
from deploy_records.rules.exceptions import end_of_day, last_moment
from deploy_records.rules.terms import (
    MOST_VENDOR,
    SEVERITIES,
    Milestone,
    Terms,
    checked_milestones,
    checked_owner,
    checked_service,
    checked_severity,
    checked_terms,
    checked_vulnerabilities,
    missing,
)
from deploy_records.rules.words import MOST_CHARACTERS, checked_words
from portal.pages.poam_limits import limits_now
from portal.sentences.exceptions import longest_days

T = TypeVar("T")
_PLAIN = {"autocomplete": "off", "spellcheck": "false"}
_FIELD_OF = {
    "the vulnerabilities": "vulnerabilities", "the component": "component", "the justification": "justification",
    "the owner": "owner",
}  # fmt: skip
"""By how the rules name what is missing."""
_PREFILLED = ("component", "severity", "repository", "digest", "service", "owner")
_LONGEST_PREFILL = 512


def _text(label: str, hint: str, **attrs: Any) -> forms.CharField:
    return forms.CharField(label=label, required=False, help_text=hint, widget=forms.TextInput(attrs={**_PLAIN, **attrs}))


def _words(label: str, hint: str, rows: int = 3, most: int = MOST_CHARACTERS) -> forms.CharField:
    widget = forms.Textarea(attrs={"rows": rows, "maxlength": most})
    return forms.CharField(label=label, required=False, strip=False, help_text=hint, widget=widget)


class ExceptionForm(forms.Form):
    """What each part must be is for the rules to say; each message is put at its field."""

    vulnerabilities = forms.CharField(
        label="Vulnerabilities", required=False,
        help_text="One a line: CVE-2026-12345, GHSA-abcd-efgh-ijkl, or the id of a rule.",
        widget=forms.Textarea(attrs={**_PLAIN, "rows": 3}),
    )  # fmt: skip
    component = _text(
        "Component",
        "A package URL such as pkg:pypi/starlette@0.49.0, without a version for all of them; or an image pattern such as "
        "ghcr.io/acme/bot*.",
        maxlength=_LONGEST_PREFILL,
    )
    severity = forms.ChoiceField(
        label="Excused severity", choices=[(str(one), str(one)) for one in SEVERITIES], initial="High",
        help_text="The worst that is excused. If a scanner calls it worse one day, the gate refuses again.",
        error_messages={"invalid_choice": "One of Critical, High, Medium and Low can be excused."},
    )  # fmt: skip
    repository = _text("Repository", "Empty: every repository.", list="poam-repositories", maxlength=400)
    digest = _text("Digest", "Empty: every digest. sha256:… and 64 characters.", maxlength=71)
    service = _text("Service", "Empty: whatever runs it.", list="poam-services", maxlength=100)
    expires = _text("Ends", "", placeholder="YYYY-MM-DD", maxlength=40)
    owner = _text(
        "Who answers for it", "A name here, an e-mail address, or a team. They are told 14, 7 and 1 days before the end.",
        list="poam-owners", maxlength=150,
    )  # fmt: skip
    justification = _words("Justification", "Why it is bearable until then: not reachable, no fix yet, too risky to change now.")
    compensating_controls = _words("Compensating controls", "What keeps harm away meanwhile. May be empty.")
    remediation_plan = _words("Remediation plan", "What will be done, so that the exception is no longer needed.")
    vendor_dependency = _words(
        "Vendor dependency", "Whose fix it waits for, if it waits for one. May be empty.", rows=2, most=MOST_VENDOR
    )
    milestones = _words("Milestones", "One a line, its day first: 2026-12-01 Upgrade to 0.49.1 on staging. May be empty.")
    seen = forms.IntegerField(widget=forms.HiddenInput, required=False)

    def __init__(self, *args: Any, for_request: bool = False, before: Terms | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._for_request, self._before = for_request, before
        self.fields["expires"].help_text = _end_hint()

    def clean_vulnerabilities(self) -> tuple[str, ...]:
        lines = (line.strip().rstrip(",") for line in self.cleaned_data["vulnerabilities"].replace(",", "\n").splitlines())
        return _checked(lambda: checked_vulnerabilities(line for line in lines if line))

    def clean_component(self) -> str:
        return self._kept("component", checked_component)

    def clean_severity(self) -> Any:
        return self._kept("severity", checked_severity)

    def clean_repository(self) -> str:
        return self._kept("repository", parse_repository)

    def clean_digest(self) -> str:
        return self._kept("digest", parse_digest)

    def clean_service(self) -> str:
        return self._kept("service", checked_service)

    def clean_owner(self) -> str:
        return self._kept("owner", checked_owner)

    def clean_expires(self) -> datetime:
        typed = self.cleaned_data["expires"]
        if not typed:
            raise forms.ValidationError("Say on which day it ends, as YYYY-MM-DD.")
        ends = _checked(lambda: moments.parse(typed).as_end)
        if ends <= timezone.now():
            raise forms.ValidationError("That is past. Give it a later end.")
        return ends

    def clean_justification(self) -> str:
        return self._kept("justification", lambda text: checked_words("The justification", text))

    def clean_compensating_controls(self) -> str:
        return self._kept("compensating_controls", lambda text: checked_words("The text on compensating controls", text))

    def clean_remediation_plan(self) -> str:
        return self._kept("remediation_plan", lambda text: checked_words("The remediation plan", text))

    def clean_vendor_dependency(self) -> str:
        return self._kept("vendor_dependency", lambda text: checked_words("The vendor dependency", text, most=MOST_VENDOR))

    def clean_milestones(self) -> tuple[Milestone, ...]:
        done = {(one.title, one.due): one for one in (self._before.milestones if self._before else ())}
        lines = [line.strip() for line in self.cleaned_data["milestones"].splitlines() if line.strip()]
        found = _checked(lambda: checked_milestones(_milestone(line) for line in lines))
        return tuple(done.get((one.title, one.due), one) for one in found)

    def clean(self) -> dict[str, Any]:
        """Asking for an approval takes more than a draft does."""
        if self._for_request and not self.errors:
            terms = self.terms()
            for what in missing(terms):
                self.add_error(_FIELD_OF[what], f"Say {what} before you ask for an approval. A draft may go without.")
            answer = exception_life.may_hold(terms, name="It", now=timezone.now(), limits=limits_now())
            if not self.errors and not answer.allowed:
                self.add_error("expires", answer.reason)
        return self.cleaned_data

    def terms(self) -> Terms:
        """After every field was found valid."""
        kept = {name: self.cleaned_data[name] for name in self.fields if name not in {"seen", "expires"}}
        return checked_terms(Terms(expires_at=self.cleaned_data["expires"], **kept))

    def _kept(self, name: str, check: Callable[[str], T]) -> T | str:
        text = str(self.cleaned_data[name]).strip()
        return _checked(lambda: check(text)) if text else ""


def _checked(check: Callable[[], T]) -> T:
    try:
        return check()
    except Invalid as error:
        raise forms.ValidationError(str(error).removesuffix("Nothing was changed.").strip()) from error


def _milestone(line: str) -> Milestone:
    day, _space, title = line.partition(" ")
    return Milestone(title.strip(), moments.parse_day(day))


def _end_hint() -> str:
    """The latest end for each severity, as a day."""
    limits, now = limits_now(), timezone.now()
    by_end: dict[str, list[str]] = {}
    for one in SEVERITIES:
        latest = last_moment(now, one, limits).astimezone(UTC)
        by_end.setdefault(f"{longest_days(one, limits)} days, until {latest:%Y-%m-%d}", []).append(str(one))
    said = "; ".join(f"{' and '.join(names)}: {end}" for end, names in by_end.items())
    return f"YYYY-MM-DD, to the end of that day in UTC. At most: {said}."


def prefilled(query: QueryDict, person: User) -> dict[str, str]:
    """What a link to the form brings: `?vulnerability=…&component=…&severity=…&repository=…&digest=…`."""
    said = {name: _printable(query.get(name, "")) for name in _PREFILLED}
    if said["digest"] and not said["repository"]:
        entry = ImageDigest.objects.filter(digest=said["digest"]).first()
        said["repository"] = entry.repository if entry else ""
    known = {str(one).casefold(): str(one) for one in SEVERITIES}
    said["severity"] = known.get(said["severity"].casefold(), "High")
    named = "\n".join(_printable(one) for one in query.getlist("vulnerability")[:100])
    latest = last_moment(timezone.now(), checked_severity(said["severity"]), limits_now()).astimezone(UTC).date()
    month = timezone.now().date() + timedelta(days=30)
    return said | {
        "vulnerabilities": named,
        "owner": said["owner"] or person.get_username(),
        "expires": min(latest, month).isoformat(),
    }


def _printable(text: str) -> str:
    return "".join(character for character in text[:_LONGEST_PREFILL] if character.isprintable()).strip()


def as_typed(item: PoamItem) -> dict[str, Any]:
    """An item as the form shows it."""
    terms = terms_of(item)
    same = ("component", "repository", "digest", "service", "owner", "justification", "compensating_controls")
    return {
        **{name: getattr(terms, name) for name in (*same, "remediation_plan", "vendor_dependency")},
        "vulnerabilities": "\n".join(terms.vulnerabilities),
        "severity": str(terms.severity),
        "expires": _end_as_typed(terms.expires_at),
        "milestones": "\n".join(f"{one.due.isoformat()} {one.title}" for one in terms.milestones),
        "seen": item.version,
    }


def _end_as_typed(ends: datetime) -> str:
    day: date = ends.astimezone(UTC).date()
    return day.isoformat() if ends == end_of_day(day) else moments.moment_text(ends)


@dataclass(frozen=True)
class Known:
    """What fields offer while one types."""

    repositories: list[str]
    services: list[str]
    owners: list[str]


def save(item: PoamItem | None, form: ExceptionForm, person: User, address: str, *, and_request: bool) -> PoamItem:
    """A new draft or a changed one, and the request with it: both or neither."""
    terms = form.terms()
    with audit.changing():
        if item is None:
            kept = poam.draft(terms, person, address=address)
        else:
            kept = poam.revise(item, terms, person, address=address, seen=form.cleaned_data["seen"] or 0)
        return poam.request(kept, person, address=address, limits=limits_now()) if and_request else kept
