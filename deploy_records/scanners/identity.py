"""When two findings are the same one: names of vulnerabilities and packages, whichever tool wrote them."""

import hashlib
import re
from collections.abc import Iterable
from functools import lru_cache
from urllib.parse import unquote

from packageurl import PackageURL

from deploy_records.scanners.fields import MOST_PURL
from deploy_records.scanners.report import FindingKind

_CVE = re.compile(r"CVE-[0-9]{4}-[0-9]{4,19}", re.IGNORECASE)
_GHSA = re.compile(r"GHSA(?:-[23456789cfghjmpqrvwx]{4}){3}", re.IGNORECASE)
# An advisory of a distribution covers several vulnerabilities, so it is not another name of one of them; nor is a CWE.
_NAMES_ONE = re.compile(r"(?:CVE|GHSA|PYSEC|RUSTSEC|GO|OSV|MAL|HSEC|RSEC|GSD|SNYK|TEMP|NSWG|EEF)-", re.IGNORECASE)
_MOST_ALIASES = 50
_WITH_NAMESPACE = {"maven": ":", "npm": "/", "golang": "/", "composer": "/", "swift": "/", "github": "/", "clojars": "/"}


def named_in(text: str) -> tuple[str, ...]:
    """The CVE and GHSA ids that a text mentions, each once."""
    cves = (found.group().upper() for found in _CVE.finditer(text))
    ghsas = ("GHSA" + found.group()[4:].lower() for found in _GHSA.finditer(text))
    return tuple(dict.fromkeys([*cves, *ghsas]))


def aliases(own: str, others: Iterable[str]) -> tuple[str, ...]:
    """Other names of the same vulnerability, as many as one may have. Where several CVEs are named, none is another name
    of the whole.
    """
    found = [other for other in dict.fromkeys(others) if other and other != own and _NAMES_ONE.match(other)]
    cves = {name.upper() for name in (own, *found) if _CVE.fullmatch(name)}
    return tuple(name for name in found if len(cves) <= 1 or not _CVE.fullmatch(name))[:_MOST_ALIASES]


def main_name(own: str, others: Iterable[str]) -> str:
    """The name by which a vulnerability is compared: its CVE, else its GHSA, else what the tool calls it."""
    names = (own, *others)
    cves = [name.upper() for name in names if _CVE.fullmatch(name)]
    ghsas = [name.upper() for name in names if _GHSA.fullmatch(name)]
    return min(cves or ghsas or [own])


@lru_cache(maxsize=8192)
def package_key(purl: str, package: str) -> str:
    """A package's name without type, version and qualifiers, in lower case: lodash, @scope/name, group:artifact."""
    kind, _slash, rest = purl.removeprefix("pkg:").lstrip("/").partition("/") if purl.startswith("pkg:") else ("", "", "")
    path = rest.split("#", 1)[0].split("?", 1)[0]
    head, at, _version = path.rpartition("@")
    # The @ of an npm scope may stand unescaped; a version's is never followed by a slash.
    path = head if at and "/" not in _version and head else path
    if not path:
        return package.strip().lower()
    namespace, _slash, name = unquote(path).strip("/").lower().rpartition("/")
    if kind == "pypi":
        name = re.sub(r"[-_.]+", "-", name)
    joint = _WITH_NAMESPACE.get(kind)
    return f"{namespace}{joint}{name}" if namespace and joint else name


def package_type(purl: str) -> str:
    """pypi, npm, deb, …; nothing where the package URL is not known."""
    return purl.removeprefix("pkg:").lstrip("/").partition("/")[0].lower() if purl.startswith("pkg:") else ""


def fingerprint(kind: FindingKind, *parts: str) -> str:
    return hashlib.sha256("\x1f".join((kind, *parts)).encode("utf-8", "replace")).hexdigest()


def of_vulnerability(own: str, others: Iterable[str], purl: str, package: str, version: str) -> str:
    """The fingerprint of a vulnerability in a version of a package."""
    name, key = main_name(own, others), package_key(purl, package)
    # Of Go's own library some tools write go1.22.1, others 1.22.1; of its modules, with and without v.
    version = version.removeprefix("go") if key == "stdlib" else version
    return fingerprint(FindingKind.VULNERABILITY, name, key, version.removeprefix("v"))


@lru_cache(maxsize=8192)
def purl_of(kind: str, namespace: str, name: str, version: str) -> str:
    """A package URL made from its parts, or nothing where they make none."""
    try:
        made = PackageURL(kind, namespace or None, name, version or None).to_string()
    except ValueError:
        return ""
    return made if len(made) <= MOST_PURL else ""
