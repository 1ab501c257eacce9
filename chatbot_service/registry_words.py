"""What went wrong at a registry, told apart and said in words. Pure: shared by the engine's pulls and our own look-ups."""

import re
from enum import StrEnum

from chatbot_service.foreign_text import one_line
from deploy_records.errors import Refused
from deploy_records.rules.digest import registry_of


class Trouble(StrEnum):
    """Also the `code` of the refusal, with `registry-` before it."""

    DENIED = "denied"
    NOT_FOUND = "not-found"
    RATE_LIMIT = "rate-limit"
    TLS = "tls"
    UNREACHABLE = "unreachable"
    FAULTY = "faulty"
    DAMAGED = "damaged"
    PLATFORM = "platform"
    FULL = "full"
    UNKNOWN = "unknown"


_SIGNS = {
    Trouble.RATE_LIMIT: ("toomanyrequests", "too many requests", "rate limit", "status:? 429"),
    Trouble.FULL: ("no space left on device", "disk quota exceeded"),
    Trouble.DAMAGED: (
        "verification failed",
        "digest mismatch",
        "invalid checksum",
        "failed commit on ref",
        "does not match .*digest",
    ),
    Trouble.PLATFORM: (
        "no matching manifest",
        "no match for platform",
        "does not (?:match|provide) the specified platform",
        "cannot be used on this platform",
    ),
    Trouble.TLS: (
        "x509",
        "certificate",
        "server gave HTTP response to HTTPS client",
        "remote error: tls",
        "tls: (?!.*timeout)",
        "first record does not look like",
        "wrong version number",
    ),
    Trouble.UNREACHABLE: (
        "no such host",
        "connection refused",
        "connection reset",
        "network is unreachable",
        "no route to host",
        "deadline exceeded",
        r"Client\.Timeout",
        "server misbehaving",
        r"\bEOF\b",
        "broken pipe",
        r"time(?:d )?\s?out",
    ),
    Trouble.DENIED: (
        "unauthorized",
        "denied",
        "authentication required",
        "no basic auth",
        "incorrect username or password",
        "forbidden",
        "status:? 40[13]",
    ),
    Trouble.NOT_FOUND: ("not found", "manifest unknown", "name unknown", "name_unknown", "manifest_unknown", "status:? 404"),
    Trouble.FAULTY: (
        r"(?:status|http):? 5\d\d",
        "internal server error",
        "bad gateway",
        "service unavailable",
        "unknown: ",
        "media ?type",
        "invalid character",
    ),
}


def trouble_in(message: str) -> Trouble:
    """The first sign that fits decides: Docker says "denied" and "not found" in one sentence for a missing repository."""
    found = (trouble for trouble, signs in _SIGNS.items() if re.search("|".join(signs), message, re.IGNORECASE))
    return next(found, Trouble.UNKNOWN)


def registry_refusal(trouble: Trouble, repository: str, reference: str, detail: str = "") -> Refused:
    """The refusal for one look-up or pull. `reference` is the tag or digest, `detail` what the other side said."""
    registry = registry_of(repository)
    said = f" It said: “{one_line(detail, 240)}”." if detail else ""
    sentence = _SENTENCES[trouble].format(registry=registry, repository=repository, reference=reference, said=said)
    return Refused(f"{sentence} Nothing was changed.", code=f"registry-{trouble}")


_SENTENCES = {
    Trouble.DENIED: (
        "The registry {registry} denied access to {repository}: the login kept for it is missing, wrong, or may not read "
        "this repository; some registries answer so, too, when there is no such repository. "
        "Check the name and the login for {registry}.{said}"
    ),
    Trouble.NOT_FOUND: (
        "The registry {registry} has no {reference} in {repository}: it was never pushed there, or it has been deleted. "
        "Check the name, or push it again.{said}"
    ),
    Trouble.RATE_LIMIT: (
        "The registry {registry} limits how often it may be asked, and the limit is reached. "
        "Try again later, or keep a login for {registry}: logged in, the limit is usually higher.{said}"
    ),
    Trouble.TLS: (
        "The TLS certificate of the registry {registry} is not trusted, or it does not speak TLS at all. "
        "If it has its own authority, keep that certificate with the login for {registry}, and for the engine in "
        "/etc/docker/certs.d/{registry}/ca.crt on its host.{said}"
    ),
    Trouble.UNREACHABLE: (
        "The registry {registry} cannot be reached. Check that it runs, its name, and the network between.{said}"
    ),
    Trouble.FAULTY: (
        "The registry {registry} answered with a fault of its own for {repository} {reference}. "
        "Try again; if it stays, its operator needs to know.{said}"
    ),
    Trouble.DAMAGED: (
        "What the registry {registry} sent for {repository} {reference} does not match its digest, so it was thrown away. "
        "Push the image again, or mend the registry's storage.{said}"
    ),
    Trouble.PLATFORM: (
        "{repository} {reference} has no image for the platform of this host. "
        "Build and push it for this platform.{said}"
    ),
    Trouble.FULL: "The disk of the engine is full, so {repository} {reference} could not be kept. Free some space there.{said}",
    Trouble.UNKNOWN: "{repository} {reference} could not be fetched from {registry}.{said}",
}  # fmt: skip
