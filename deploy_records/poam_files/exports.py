"""Every form in which exceptions can be written, by name. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from deploy_records.errors import Invalid
from deploy_records.poam_files.canonical import write_poam
from deploy_records.poam_files.entry import Entry
from deploy_records.poam_files.ignoring import NOWHERE, write_grype, write_trivyignore
from deploy_records.poam_files.oscal import write_oscal
from deploy_records.poam_files.vex import write_vex
from deploy_records.poam_files.workbook import NO_HEADER, Header, write_workbook
from deploy_records.rules.component import Place
from deploy_records.rules.digest import shown
from deploy_records.rules.exceptions import DEFAULT_LIMITS, Limits


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to write: as it is at `at`; ignore files for scans of `place`; the workbook under `header`."""

    entries: Sequence[Entry]
    at: datetime
    place: Place = NOWHERE
    limits: Limits = field(default_factory=lambda: DEFAULT_LIMITS)
    header: Header = NO_HEADER


@dataclass(frozen=True, slots=True)
class Form:
    """`title` is for people, `file_name` for a download."""

    title: str
    file_name: str
    content_type: str
    write: Callable[[Wanted], bytes]


FORMS: dict[str, Form] = {
    "poam": Form("poam.yaml", "poam.yaml", "application/yaml", lambda one: write_poam(one.entries, one.at).encode()),
    "trivyignore": Form(
        "Ignore file for Trivy", ".trivyignore.yaml", "application/yaml",
        lambda one: write_trivyignore(one.entries, one.at, one.place, one.limits).encode(),
    ),
    "grype": Form(
        "Ignore rules for Grype", ".grype.yaml", "application/yaml",
        lambda one: write_grype(one.entries, one.at, one.place, one.limits).encode(),
    ),
    "vex": Form(
        "CycloneDX VEX", "poam.vex.cdx.json", "application/vnd.cyclonedx+json",
        lambda one: write_vex(one.entries, one.at, one.limits).encode(),
    ),
    "fedramp": Form(
        "FedRAMP POA&M workbook", "poam.xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        lambda one: write_workbook(one.entries, one.at, one.header),
    ),
    "oscal": Form(
        "OSCAL POA&M", "poam.oscal.json", "application/json",
        lambda one: write_oscal(one.entries, one.at, one.header.system_name or "Known Good").encode(),
    ),
}  # fmt: skip


def write(form: str, wanted: Wanted) -> bytes:
    """The file, or `Invalid` for a form that is not known."""
    found = FORMS.get(form)
    if found is None:
        raise Invalid(f"{shown(form)} is not a form that is written. Known are: {', '.join(FORMS)}.")
    return found.write(wanted)
