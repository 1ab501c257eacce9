"""What reports say about the identity of an image, brought into one form. What does not look like a digest is dropped."""

import re
from collections.abc import Iterable
from urllib.parse import unquote

from deploy_records.scanners.report import ReportDigests

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_LONGEST_NAME = 400


def digest(text: str) -> str:
    return text if _DIGEST.fullmatch(text) else ""


def repo_digests(texts: Iterable[str]) -> tuple[str, ...]:
    """Those that are written name@sha256:…, or are a digest alone."""
    return tuple(text for text in dict.fromkeys(texts) if digest(text.rpartition("@")[2]) and len(text) <= _LONGEST_NAME)


def platform(system: str, architecture: str, variant: str = "") -> str:
    """os/architecture[/variant], or nothing if one of the first two is not known."""
    if not system or not architecture:
        return ""
    # Every engine writes the only variant of arm64 that there is, or leaves it out.
    named = "" if (architecture, variant) == ("arm64", "v8") else variant
    return "/".join(part for part in (system, architecture, named) if part).lower()[:60]


def from_oci_purl(purl: str) -> str:
    """`repository@sha256:…` from pkg:oci/name@sha256:…?repository_url=…, or nothing."""
    if not purl.startswith("pkg:oci/"):
        return ""
    path, _mark, query = purl.partition("?")
    found = digest(unquote(path.rpartition("@")[2]))
    pairs = dict(pair.partition("=")[::2] for pair in query.split("#", 1)[0].split("&"))
    repository = unquote(pairs.get("repository_url", "")) or unquote(path.removeprefix("pkg:oci/").rpartition("@")[0])
    made = f"{repository}@{found}"
    return made if found and len(made) <= _LONGEST_NAME and made.isprintable() else ""


def merged(*several: ReportDigests) -> ReportDigests:
    """All that several places of one report say; the first that says something counts."""
    return ReportDigests(
        repo_digests=tuple(dict.fromkeys(text for one in several for text in one.repo_digests)),
        manifest_digest=next((one.manifest_digest for one in several if one.manifest_digest), ""),
        image_id=next((one.image_id for one in several if one.image_id), ""),
        platform=next((one.platform for one in several if one.platform), ""),
        index_digest=next((one.index_digest for one in several if one.index_digest), ""),
    )
