"""Which image is a report about? Pure. Decided by digests only, never by a name or tag.

By the closest that is named: the manifest of a platform, else the index, else the image ID. A digest is what the bytes
hash to, so wherever a report writes one (a RepoDigest, Grype's manifestDigest, the image ID of an engine that keeps
manifests), it stands for what it is equal to. A platform that is known must agree; an index without one leaves open
which of its platforms was looked at.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from deploy_records.scanners.report import ReportDigests


class By(StrEnum):
    MANIFEST = "manifest"
    INDEX = "index"
    IMAGE_ID = "image-id"


@dataclass(frozen=True, slots=True)
class Platform:
    """One platform of an image: its name, and the digests of its manifest and of its config, which is the image ID."""

    name: str
    manifest: str
    config: str


@dataclass(frozen=True, slots=True)
class Image:
    """What the ledger knows of an image. `digest`: the index if there is one, else the manifest."""

    digest: str
    is_index: bool
    platforms: tuple[Platform, ...]

    @property
    def digests(self) -> frozenset[str]:
        """All by which a report may name it."""
        return frozenset({self.digest, *(one.manifest for one in self.platforms), *(one.config for one in self.platforms)})


@dataclass(frozen=True, slots=True)
class Fit:
    """By what a report is about an image, and on which platform; empty: not known."""

    by: By
    platform: str = ""


def named(said: ReportDigests) -> tuple[str, ...]:
    """All digests that a report names, each once, the closest first."""
    return tuple(filter(None, dict.fromkeys((said.manifest_digest, *said.bare_repo_digests, said.index_digest, said.image_id))))


def fit(said: ReportDigests, image: Image) -> Fit | None:
    """None if the report does not name the image, or says that it looked at a platform that the image does not have."""
    names = frozenset(named(said))
    by_config = [one for one in image.platforms if one.config == said.image_id]
    by_manifest = [one for one in image.platforms if one.manifest in names]
    if by_manifest:
        return _on(by_manifest, said.platform, By.MANIFEST)
    if image.is_index and image.digest in names:
        if by_config or said.platform:
            return _on(by_config or image.platforms, said.platform, By.INDEX)
        return Fit(By.INDEX)
    return _on(by_config, said.platform, By.IMAGE_ID) if by_config else None


def has_platform(image: Image, platform: str) -> bool:
    """Whether what was scanned on `platform` can be this image; what is not known can."""
    return any(_agree(platform, one.name) for one in image.platforms)


def why_not(said: ReportDigests, image: Image) -> str:
    """For a report that does not fit: in words, what it names instead. Without a full stop."""
    if image.digests & set(named(said)) or not named(said):
        has = ", ".join(one.name for one in image.platforms)
        return f"says that it looked at {said.platform}, but {image.digest} is for {has}"
    return f"names {' and '.join(named(said))}, but {image.digest} was chosen"


def _on(platforms: Iterable[Platform], said: str, by: By) -> Fit | None:
    agreeing = {one.name for one in platforms if _agree(said, one.name)}
    if not agreeing:
        return None
    return Fit(by, agreeing.pop() if len(agreeing) == 1 else said)


def _agree(said: str, known: str) -> bool:
    """linux/arm agrees with linux/arm/v7: tools leave the variant out."""
    return not said or said == known or known.startswith(f"{said}/") or said.startswith(f"{known}/")
