"""What a scan report says, in one form for every tool. Pure values.

A `Report` is a small header; `findings` and `components` are read from the file while they are iterated,
so that a file of 100 MB takes no more memory than one of 1 MB. Both may be iterated again, and both raise
`Refused` when a fault of the file lies further on than its header: store them in one transaction.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Generic, TypeVar

T = TypeVar("T")


class Severity(StrEnum):
    """How bad. The rule by which a tool's words become one of these is in `scanners/severity.py`."""

    CRITICAL = "Critical"
    HIGH = "High"
    MEDIUM = "Medium"
    LOW = "Low"
    INFO = "Info"
    UNKNOWN = "Unknown"

    @property
    def weight(self) -> int:
        """For comparing: Info 1 to Critical 5. What is unknown weighs as much as the worst."""
        return _WEIGHTS[self]


_WEIGHTS = {
    Severity.UNKNOWN: 5,
    Severity.CRITICAL: 5,
    Severity.HIGH: 4,
    Severity.MEDIUM: 3,
    Severity.LOW: 2,
    Severity.INFO: 1,
}


class ReportKind(StrEnum):
    """What was looked at, which is what a policy asks for."""

    IMAGE = "image"
    DEPENDENCIES = "dependencies"
    SAST = "sast"
    SBOM = "sbom"
    CONFIG = "config"
    SECRETS = "secrets"
    CLUSTER = "cluster"


class FindingKind(StrEnum):
    VULNERABILITY = "vulnerability"
    SECRET = "secret"  # noqa: S105 - the word, not one
    MISCONFIGURATION = "misconfiguration"
    LICENCE = "licence"
    CODE = "code"


class FindingState(StrEnum):
    """What the report itself claims about a finding. A claim, not an approved exception."""

    OPEN = "open"
    IN_TRIAGE = "in triage"
    EXPLOITABLE = "exploitable"
    SUPPRESSED = "suppressed"
    NOT_AFFECTED = "not affected"
    FALSE_POSITIVE = "false positive"
    RESOLVED = "resolved"


_CLAIMED_HARMLESS = frozenset(
    {FindingState.SUPPRESSED, FindingState.NOT_AFFECTED, FindingState.FALSE_POSITIVE, FindingState.RESOLVED}
)


@dataclass(frozen=True, slots=True)
class Cvss:
    """`version` is 2.0, 3.0, 3.1, 4.0 or empty; `source` is who gave it; `score` None if only the vector is known."""

    version: str
    vector: str = ""
    score: float | None = None
    source: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a tool found. Texts are bounded, without control characters, and must be escaped when shown."""

    tool: str
    kind: FindingKind
    id: str
    """The tool's: a CVE, GHSA, …, or the id of a rule."""
    severity: Severity
    fingerprint: str
    """64 hex digits. The same vulnerability in the same version of a package has the same one whichever tool found it."""
    tool_severity: str = ""
    """The tool's own words."""
    aliases: tuple[str, ...] = ()
    cvss: tuple[Cvss, ...] = ()
    purl: str = ""
    package: str = ""
    version: str = ""
    fixed_version: str = ""
    """Empty when none is known; several are joined by comma and space."""
    location: str = ""
    cwe: tuple[str, ...] = ()
    title: str = ""
    description: str = ""
    link: str = ""
    """http or https, or empty."""
    state: FindingState = FindingState.OPEN
    state_note: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """All that this is called by."""
        return (self.id, *self.aliases)

    @property
    def is_claimed_harmless(self) -> bool:
        """Whether the report says that it need not be looked at. Whether that counts is for a policy to say."""
        return self.state in _CLAIMED_HARMLESS

    @property
    def is_fixed_somewhere(self) -> bool:
        return bool(self.fixed_version)


@dataclass(frozen=True, slots=True)
class Component:
    """A part that a report lists, for the SBOM."""

    name: str
    version: str = ""
    type: str = ""
    """library, application, operating-system, file, …, or a package type such as deb."""
    purl: str = ""
    licences: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ReportDigests:
    """What a report says about the identity of the image that it looked at. Digests are sha256:…, all checked for form.

    `repo_digests` are written repository@sha256:… as the report has them. What each value means, and by which of them
    a report may be matched, is not decided here.
    """

    repo_digests: tuple[str, ...] = ()
    manifest_digest: str = ""
    image_id: str = ""
    platform: str = ""
    """os/architecture[/variant], or empty."""
    index_digest: str = ""

    def __bool__(self) -> bool:
        return bool(self.repo_digests or self.manifest_digest or self.image_id or self.index_digest)

    @property
    def bare_repo_digests(self) -> tuple[str, ...]:
        """`repo_digests` without the names, each once."""
        return tuple(dict.fromkeys(text.rpartition("@")[2] for text in self.repo_digests))


@dataclass(frozen=True, slots=True)
class Lazily(Generic[T]):
    """Something that is made anew each time it is iterated."""

    make: Callable[[], Iterator[T]] = field(repr=False)

    def __iter__(self) -> Iterator[T]:
        return self.make()


@dataclass(frozen=True, slots=True)
class Report:
    """The header of a report, and the ways to what it holds."""

    format: str
    """One of `scanners.FORMATS`: trivy, grype, sarif, cyclonedx, spdx, pip-audit, bandit, npm-audit."""
    tool: str
    version: str
    target: str
    """What was scanned, in the report's words; may be empty where there are findings."""
    kinds: tuple[ReportKind, ...]
    """What it counts as. A CycloneDX file may be an SBOM and an image scan at once. The first is the main one."""
    findings: Iterable[Finding]
    components: Iterable[Component]
    digests: ReportDigests = ReportDigests()
    created_at: datetime | None = None
    """In UTC, by the report; None where it does not say."""
    remarks: tuple[str, ...] = ()
    """Sentences on what the tool says it could not look at, and on what was left out here."""

    @property
    def kind(self) -> ReportKind:
        return self.kinds[0]
