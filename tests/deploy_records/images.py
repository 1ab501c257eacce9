"""Digests and images as data."""

import hashlib

from deploy_records.ledger import Platform, Resolved

REPOSITORY = "registry.example.com/team/personal-chatbot"


def sha(name: str) -> str:
    return "sha256:" + hashlib.sha256(name.encode()).hexdigest()


def single(name: str, *, tag: str = "", repository: str = REPOSITORY) -> Resolved:
    """An image of one platform without an index."""
    platform = Platform("linux/amd64", sha(name), sha(name + " config"), 1000)
    return Resolved(repository, sha(name), (platform,), tag=tag)


def index(name: str, *, tag: str = "", repository: str = REPOSITORY) -> Resolved:
    """An image of two platforms; the manifests are those of `single(name + " amd64")` and so on."""
    platforms = tuple(
        Platform(f"linux/{one}", sha(f"{name} {one}"), sha(f"{name} {one} config"), 1000) for one in ("amd64", "arm64")
    )
    return Resolved(repository, sha(name), platforms, is_index=True, tag=tag)
