"""The form of a policy: each rule a field that explains itself. What a policy may be is for the record to say."""

from collections.abc import Mapping
from typing import Any

from django import forms

from deploy_records.errors import Invalid
from deploy_records.rules.policy import (
    EXCUSABLE,
    KIND_WORDS,
    KINDS,
    MOST_APPROVALS,
    MOST_DAYS,
    MOST_HOURS,
    RANKED,
    Policy,
    checked_for,
)
from deploy_records.rules.words import MOST_CHARACTERS
from deploy_records.scanners.report import ReportKind, Severity
from portal.sentences.policy import severities_down_to

NOTHING = "none"
_WHAT_IT_SEES = {
    ReportKind.IMAGE: "Finds vulnerabilities in the packages of the image: Trivy, Grype.",
    ReportKind.DEPENDENCIES: "Finds vulnerabilities in what the application depends on: pip-audit, npm audit.",
    ReportKind.SAST: "Finds faults in the source code: Bandit, any tool that writes SARIF.",
    ReportKind.SBOM: "The list of all that is in it: CycloneDX, SPDX.",
}


def _number(label: str, hint: str, least: int, most: int, unit: str) -> forms.IntegerField:
    errors = dict.fromkeys(("invalid", "min_value", "max_value"), f"A whole number of {unit} from {least:,} to {most:,}.")
    widget = forms.NumberInput(attrs={"inputmode": "numeric", "autocomplete": "off"})
    return forms.IntegerField(
        label=label, help_text=hint, min_value=least, max_value=most, required=False, error_messages=errors, widget=widget
    )


def _tick(label: str, hint: str) -> forms.BooleanField:
    return forms.BooleanField(label=label, help_text=hint, required=False)


class PolicyForm(forms.Form):
    """`policy` after it has been found valid."""

    blocks = forms.ChoiceField(
        label="Findings that block", widget=forms.RadioSelect,
        choices=[(str(one), severities_down_to(one)) for one in RANKED] + [(NOTHING, "None of a known severity")],
        help_text="One of these keeps a digest out until it is fixed or an exception excuses it. A finding of unknown severity "
        "always blocks.",
        error_messages={"required": "Choose which findings block.", "invalid_choice": "Choose one of these."},
    )  # fmt: skip
    unfixed_block = _tick(
        "Vulnerabilities without a fix block as well",
        "Without the tick a vulnerability blocks from the day on which a fixed version is known.",
    )
    claims_count = _tick(
        "What a report itself calls harmless does not block",
        "Suppressed in the tool, or “not affected” in a VEX document. Nobody here has then looked at it.",
    )
    approvals = _number(
        "Approvals that are needed",
        "From different people; never from who registered the digest.",
        1,
        MOST_APPROVALS,
        "approvals",
    )
    comment_required = _tick("Each approval needs a comment", "A line in which the person says what the yes rests on.")
    minimum_age_hours = _number(
        "Hours in the ledger before it may run",
        "Time for scanners to learn of new weaknesses. 0: at once.",
        0,
        MOST_HOURS,
        "hours",
    )
    no_worse = _tick(
        "No finding that blocks may be new against what runs",
        "Excused or not: an upgrade never brings in a weakness that what runs does not have.",
    )
    trusts_git = _tick(
        "What is approved in a repository’s poam.yaml counts as approved",
        "Without the tick such an entry waits until a security reviewer approves it here.",
    )
    seen = forms.IntegerField(widget=forms.HiddenInput, min_value=0, error_messages={"required": "Open the form again."})
    policy: Policy

    def __init__(self, *args: Any, environment: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._environment = environment
        for kind in KINDS:
            hint = f"{_WHAT_IT_SEES[kind]} Empty: it is not asked for."
            name = KIND_WORDS[kind]
            label = f"{name[0].upper()}{name[1:]}, at most so many days old"
            self.fields[report_field(kind)] = _number(label, hint, 1, MOST_DAYS, "days")
        for one in EXCUSABLE:
            self.fields[days_field(one)] = _number(f"Days for {one}", "", 1, MOST_DAYS, "days")

    @property
    def report_fields(self) -> list[forms.BoundField]:
        return [self[report_field(kind)] for kind in KINDS]

    @property
    def exception_fields(self) -> list[forms.BoundField]:
        return [self[days_field(one)] for one in EXCUSABLE]

    def clean(self) -> dict[str, Any]:
        given = super().clean() or self.cleaned_data
        if not self.errors:
            try:
                self.policy = checked_for(Policy.from_data(_data(given)), self._environment)
            except Invalid as error:
                self.add_error(_field_of(str(error)), str(error))
        return given


class ReasonForm(forms.Form):
    """What the reason may be is for the record to say."""

    reason = forms.CharField(
        label="Reason, for the record", required=False, strip=False,
        help_text="Read in years by those who ask why a digest was let in, or kept out.",
        widget=forms.Textarea(attrs={"rows": 3, "maxlength": MOST_CHARACTERS, "required": True}),
    )  # fmt: skip


def report_field(kind: ReportKind) -> str:
    return f"report_{kind}".replace("-", "_")


def days_field(severity: Severity) -> str:
    return f"days_{str(severity).lower()}"


def as_typed(policy: Policy, seen: int) -> dict[str, Any]:
    """A policy as the form shows it."""
    weakest = next((str(one) for one in reversed(RANKED) if one in policy.blocks), NOTHING)
    ticks = ("unfixed_block", "claims_count", "comment_required", "no_worse", "trusts_git")
    return {
        "blocks": weakest, "approvals": policy.approvals, "minimum_age_hours": policy.minimum_age_hours, "seen": seen,
        **{name: getattr(policy, name) for name in ticks},
        **{report_field(kind): policy.reports.get(kind) for kind in KINDS},
        **{days_field(one): policy.exception_days.get(one) for one in EXCUSABLE},
    }  # fmt: skip


def _data(given: Mapping[str, Any]) -> dict[str, Any]:
    """The policy as plain data. A number that is left empty is the least, or is not asked for."""
    blocks = given["blocks"]
    ranked = [str(one) for one in RANKED]
    return {
        "blocks": [] if blocks == NOTHING else ranked[: ranked.index(blocks) + 1],
        "approvals": given["approvals"] if given["approvals"] is not None else 1,
        "minimum_age_hours": given["minimum_age_hours"] or 0,
        "reports": {str(kind): given[report_field(kind)] for kind in KINDS if given[report_field(kind)]},
        "exception_days": {str(one): given[days_field(one)] for one in EXCUSABLE if given[days_field(one)]},
        **{name: given[name] for name in ("unfixed_block", "claims_count", "comment_required", "no_worse", "trusts_git")},
    }


def _field_of(message: str) -> str | None:
    """At which field to put it: messages of the record begin with its name."""
    name = message.partition(":")[0]
    return {"reports": report_field(ReportKind.IMAGE), "blocks": "blocks", "approvals": "approvals"}.get(name)
