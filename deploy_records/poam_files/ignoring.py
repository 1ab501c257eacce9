"""Ignore files for scanners: Trivy's .trivyignore.yaml and Grype's ignore rules. Pure.

Trivy reads `expired_at` as a moment and lets an entry lapse after it; without `purls` it would ignore every package.
Grype knows no end, so its file has to be written anew; it takes a package's name for a regular expression.
"""

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from packageurl import PackageURL

from deploy_records.poam_files.entry import Entry
from deploy_records.poam_files.in_force import InForce, choose
from deploy_records.poam_files.yaml_text import yaml_text
from deploy_records.rules.component import Place, is_purl, parsed_purl
from deploy_records.rules.exceptions import DEFAULT_LIMITS, Limits

NOWHERE = Place()
_GRYPE_TYPES = {
    "apk": "apk", "cargo": "rust-crate", "composer": "php-composer", "deb": "deb", "gem": "gem", "golang": "go-module",
    "maven": "java-archive", "npm": "npm", "nuget": "dotnet", "pypi": "python", "rpm": "rpm",
}  # fmt: skip
_NAMED_WITH_NAMESPACE = frozenset({"composer", "golang", "npm"})
_SPECIAL = re.compile(r"([\\.+*?()|\[\]{}^$])")


def write_trivyignore(
    entries: Iterable[Entry], at: datetime, place: Place = NOWHERE, limits: Limits = DEFAULT_LIMITS
) -> str:  # fmt: skip
    """What is in force at `at`, for scans of `place`."""
    chosen = choose(entries, at, place, limits)
    rows = [_for_trivy(one, name) for one in chosen.entries for name in one.entry.terms.vulnerabilities]
    return yaml_text({"vulnerabilities": rows}, *chosen.comments("What Trivy need not report", at))


def write_grype(
    entries: Iterable[Entry], at: datetime, place: Place = NOWHERE, limits: Limits = DEFAULT_LIMITS
) -> str:  # fmt: skip
    """The same for Grype, whose rules never end by themselves."""
    chosen = choose(entries, at, place, limits, qualifiers=False)
    rows = [_for_grype(one, name) for one in chosen.entries for name in one.entry.terms.vulnerabilities]
    ends = min((one.grant.until for one in chosen.entries), default=None)
    until = (f"These rules have no end of their own: write this file anew by {ends:%Y-%m-%d %H:%M:%S} UTC.",) if ends else ()
    return yaml_text({"ignore": rows}, *chosen.comments("What Grype need not report", at), *until)


def _for_trivy(one: InForce, vulnerability: str) -> dict[str, Any]:
    component = one.entry.terms.component
    purls = {"purls": [component]} if is_purl(component) else {}
    return {"id": vulnerability, **purls, "expired_at": one.grant.until, "statement": one.reason}


def _for_grype(one: InForce, vulnerability: str) -> dict[str, Any]:
    purl = parsed_purl(one.entry.terms.component)
    package = {"package": _package(purl)} if purl else {}
    return {"vulnerability": vulnerability, **package, "reason": one.reason}


def _package(purl: PackageURL) -> dict[str, str]:
    with_namespace = purl.namespace and purl.type in _NAMED_WITH_NAMESPACE
    name = f"{purl.namespace}/{purl.name}" if with_namespace else purl.name
    said = {"name": _SPECIAL.sub(r"\\\1", name), "version": purl.version or "", "type": _GRYPE_TYPES.get(purl.type, "")}
    return {field: value for field, value in said.items() if value}
