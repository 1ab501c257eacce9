"""Which entry of the ledger is this? By digest only, never by name or tag of an image."""

from collections.abc import Iterable

from django.db.models import Q

from deploy_records.errors import Refused
from deploy_records.models import ImageDigest, PlatformImage
from deploy_records.rules.digest import parse_digest


def find(repository: str, digest: str) -> ImageDigest | None:
    """The entry of exactly this repository and digest."""
    return ImageDigest.objects.filter(repository=repository, digest=digest).first()


def find_by_image(repository: str, image_id: str, repo_digests: Iterable[str] = (), *, prefer: str = "") -> ImageDigest | None:
    """The entry that an engine's image is: by index, manifest or config digest.

    Two entries can hold the same image (an index, and its manifest registered alone): then the one whose digest
    is `prefer`, else the closest match: named by a RepoDigest, then by a platform's manifest, then by image ID.
    """
    pulled = {one.rpartition("@")[2] for one in repo_digests}
    seen = (pulled | {image_id}) - {""}
    holding = Q(digest__in=seen) | Q(platforms__manifest_digest__in=seen) | Q(platforms__config_digest=image_id)
    found = ImageDigest.objects.filter(holding, repository=repository).distinct().prefetch_related("platforms")

    def closeness(entry: ImageDigest) -> tuple[bool, bool, bool, int]:
        manifests = {one.manifest_digest for one in entry.platforms.all()}
        return entry.digest == prefer, entry.digest in seen, bool(manifests & seen), entry.pk

    return max(found, key=closeness, default=None)


def is_platform_of(repository: str, digest: str, manifest: str) -> bool:
    """Whether `manifest` is one platform's manifest of that entry."""
    found = PlatformImage.objects.filter(entry__repository=repository, entry__digest=digest, manifest_digest=manifest)
    return found.exists()


def repositories_of(digest: str) -> list[str]:
    """The repositories for which the ledger holds this digest."""
    return list(ImageDigest.objects.filter(digest=digest).order_by("repository").values_list("repository", flat=True))


def get(repository: str, digest: str) -> ImageDigest:
    """The entry, or `Refused` that says what the digest is instead: unknown, of another repository, an image ID."""
    parse_digest(digest)
    entry = find(repository, digest)
    if entry is not None:
        return entry
    raise Refused(f"{_what_it_is(repository, digest)} Nothing was changed.", code="not-in-ledger", status=404)


def _what_it_is(repository: str, digest: str) -> str:
    short = f"{digest[:19]}…"
    holder = ImageDigest.objects.filter(repository=repository, platforms__config_digest=digest).first()
    if holder:
        return f"{short} is an image ID, not a digest. The digest of this image is {holder.digest}."
    holder = ImageDigest.objects.filter(repository=repository, platforms__manifest_digest=digest).first()
    if holder:
        return f"{short} is one platform of {holder.digest}. That one is what is approved and deployed."
    others = repositories_of(digest)
    if others:
        return f"{short} is in the ledger for another repository, {others[0]}, not for {repository}."
    return f"{short} is not in the ledger for {repository}. Register it first."
