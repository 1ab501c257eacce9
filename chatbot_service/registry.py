"""Asks a registry which image a reference names: index, platforms, manifest and config digests, all verified.

By the HTTP API of the OCI distribution specification, with bearer or basic authentication.
"""

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from chatbot_service.facts import moment, platform_name
from chatbot_service.foreign_text import one_line
from chatbot_service.jobs.ports import Login
from chatbot_service.registry_wire import Answer, Failed, Wire
from chatbot_service.registry_words import Trouble, registry_refusal
from deploy_records.errors import Invalid, Refused
from deploy_records.ledger import Platform, Resolved
from deploy_records.rules.digest import Reference, parse_digest, parse_reference, registry_of, shown

_MOST_BYTES = 4 * 1024 * 1024
_MOST_PLATFORMS = 64
_INDEXES = ("application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json")
_MANIFESTS = ("application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json")
_CHALLENGE = re.compile(r'(\w+)="([^"]*)"')
_OK, _UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND, _TOO_MANY, _FAULT = 200, 401, 403, 404, 429, 500
_PLAIN_HTTP = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG")


class Registry:
    """`private_hosts`: names, with or without port, that may resolve to loopback and private addresses."""

    def __init__(self, *, private_hosts: frozenset[str] = frozenset({"127.0.0.1", "localhost"}), seconds: float = 60.0) -> None:
        self._private_hosts = private_hosts
        self._seconds = seconds

    def resolve(self, reference: str, login: Login | None) -> Resolved:
        """For `repository:tag` or `repository@sha256:…`. With both, the digest decides and the tag is a label.

        Raises `Refused`: denied, not found, rate limit, TLS, unreachable and the rest told apart in words.
        """
        wanted = parse_reference(reference)
        if not (wanted.tag or wanted.digest):
            raise Invalid(f"{shown(reference)} names neither a tag nor a digest. Write {wanted.repository}:tag or …@sha256:….")
        login = login or Login()
        wire = Wire(self._private_hosts, login.ca_certificate, self._seconds)
        try:
            return _Asked(wanted, login, wire).resolved()
        except Failed as failed:
            raise registry_refusal(failed.trouble, wanted.repository, wanted.digest or wanted.tag, failed.detail) from failed


@dataclass
class _Asked:
    """One look-up, from the first question to the last."""

    wanted: Reference
    login: Login
    wire: Wire
    _authorization: str = field(default="", repr=False)
    _base: str = ""

    def resolved(self) -> Resolved:
        body = self._manifest(self.wanted.digest or self.wanted.tag)
        digest, manifest = _digest_of(body), _parsed(body)
        is_index = _is_index(manifest)
        platforms = self._platforms_of(manifest) if is_index else (self._platform_of(digest, manifest),)
        if not platforms:
            raise Failed(Trouble.FAULTY, "its list names no platform")
        newest = self._built_at(platforms[0].config_digest)
        return Resolved(self.wanted.repository, digest, platforms, is_index, self.wanted.tag, newest)

    def _platforms_of(self, index: Mapping[str, Any]) -> tuple[Platform, ...]:
        """Entries for no platform (build records) are left out."""
        entries = [entry for entry in _list(index, "manifests") if _named_platform(entry)]
        if len(entries) > _MOST_PLATFORMS:
            raise Failed(Trouble.FAULTY, f"its list names {len(entries)} platforms, more than {_MOST_PLATFORMS}")
        return tuple(self._listed_platform(_named_platform(entry), _digest_in(entry)) for entry in entries)

    def _listed_platform(self, platform: str, digest: str) -> Platform:
        manifest = _parsed(self._manifest(digest))
        return Platform(platform, digest, _digest_in(_mapping(manifest, "config")), _size(manifest))

    def _platform_of(self, digest: str, manifest: Mapping[str, Any]) -> Platform:
        """A single manifest does not say its platform; its config does."""
        config_digest = _digest_in(_mapping(manifest, "config"))
        config = self._config(config_digest)
        platform = platform_name(*(str(config.get(key) or "") for key in ("os", "architecture", "variant")))
        return Platform(platform, digest, config_digest, _size(manifest))

    def _built_at(self, config_digest: str) -> datetime | None:
        try:
            at = moment(str(self._config(config_digest).get("created") or ""))
        except ValueError:
            return None
        return at if at and at > datetime(1980, 1, 1, tzinfo=UTC) else None  # reproducible builds write 1970

    def _config(self, digest: str) -> Mapping[str, Any]:
        answer = self._get(f"blobs/{digest}", "*/*")
        if answer.status != _OK:
            raise _failure(answer)
        return _parsed(_verified(answer.body, digest))

    def _manifest(self, reference: str) -> bytes:
        answer = self._get(f"manifests/{reference}", ", ".join((*_INDEXES, *_MANIFESTS)))
        by_digest = reference.startswith("sha256:")
        if by_digest and (answer.status == _NOT_FOUND or answer.status >= _FAULT):
            self._refuse_a_part(reference)
        if answer.status != _OK:
            raise _failure(answer)
        said = reference if by_digest else answer.headers.get("docker-content-digest", "")
        return _verified(answer.body, said) if said.startswith("sha256:") else answer.body

    def _refuse_a_part(self, digest: str) -> None:
        """People copy the image ID, which `docker images` shows, instead of the digest."""
        if self._get(f"blobs/{digest}", "*/*").status == _OK:
            raise Refused(
                f"{digest} is no image: {registry_of(self.wanted.repository)} knows it as a part of one, most likely as an image "
                "ID. The digest is what docker push prints, and docker images --digests shows. Nothing was changed.",
                code="registry-image-id",
            )

    # Asking

    def _get(self, path: str, accept: str) -> Answer:
        url = f"{self._address()}/v2/{_path_of(self.wanted.repository)}/{path}"
        answer = self.wire.get(url, self._headers(accept), _MOST_BYTES)
        if answer.status == _UNAUTHORIZED:
            self._authorize(answer.headers.get("www-authenticate", ""))
            answer = self.wire.get(url, self._headers(accept), _MOST_BYTES)
        return answer

    def _headers(self, accept: str) -> dict[str, str]:
        return {"Accept": accept} | ({"Authorization": self._authorization} if self._authorization else {})

    def _address(self) -> str:
        """TLS, except where a registry on this machine speaks without: there a first question finds out."""
        if not self._base:
            registry = registry_of(self.wanted.repository)
            host = "registry-1.docker.io" if registry == "docker.io" else registry
            self._base = f"https://{host}"
            try:
                self.wire.get(f"{self._base}/v2/", {}, _MOST_BYTES)
            except Failed as failed:
                if failed.trouble != Trouble.TLS or not any(sign in failed.detail for sign in _PLAIN_HTTP):
                    raise
                self._base = f"http://{host}"
        return self._base

    def _authorize(self, challenge: str) -> None:
        scheme, _, parameters = challenge.partition(" ")
        if scheme.lower() == "bearer":
            self._authorization = f"Bearer {self._token(dict(_CHALLENGE.findall(parameters)))}"
        elif self.login.username:
            self._authorization = self._basic()

    def _basic(self) -> str:
        pair = f"{self.login.username}:{self.login.password}".encode()
        return f"Basic {base64.b64encode(pair).decode()}"

    def _token(self, challenge: dict[str, str]) -> str:
        scope = challenge.get("scope") or f"repository:{_path_of(self.wanted.repository)}:pull"
        query = urlencode({"service": challenge.get("service", ""), "scope": scope})
        realm = challenge.get("realm", "")
        headers = {"Authorization": self._basic()} if self.login.username else {}
        answer = self.wire.get(f"{realm}{'&' if '?' in realm else '?'}{query}", headers, _MOST_BYTES)
        if answer.status != _OK:
            raise _failure(answer)
        said = _parsed(answer.body)
        token = str(said.get("token") or said.get("access_token") or "")
        if not token.isascii() or not token.isprintable():
            raise Failed(Trouble.FAULTY, "its token is not a token")
        return token


def _path_of(repository: str) -> str:
    """The name below /v2/: without the registry, and on Docker Hub with `library/` for its own images."""
    registry = registry_of(repository)
    path = repository.removeprefix(f"{registry}/")
    return f"library/{path}" if registry == "docker.io" and "/" not in path else path


def _failure(answer: Answer) -> Failed:
    by_status = {
        _UNAUTHORIZED: Trouble.DENIED,
        _FORBIDDEN: Trouble.DENIED,
        _NOT_FOUND: Trouble.NOT_FOUND,
        _TOO_MANY: Trouble.RATE_LIMIT,
    }
    return Failed(by_status.get(answer.status, Trouble.FAULTY), f"HTTP {answer.status}{_told(answer.body)}")


def _told(body: bytes) -> str:
    """The first error of a registry's JSON, if it is one."""
    try:
        first = json.loads(body)["errors"][0]
        return f", {one_line(str(first.get('message') or first.get('code') or ''), 160)}"
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError):
        return ""


# What is in a manifest


def _parsed(body: bytes) -> Mapping[str, Any]:
    try:
        parsed = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Failed(Trouble.FAULTY, "its answer is not JSON") from error
    if not isinstance(parsed, dict):
        raise Failed(Trouble.FAULTY, "its answer is not a manifest")
    return parsed


def _is_index(manifest: Mapping[str, Any]) -> bool:
    if manifest.get("mediaType") in _INDEXES or isinstance(manifest.get("manifests"), list):
        return True
    if isinstance(manifest.get("config"), dict):
        return False
    raise Failed(Trouble.FAULTY, "its manifest is of an old or unknown kind; push the image again with a current Docker")


def _named_platform(entry: Mapping[str, Any]) -> str:
    platform = entry.get("platform")
    if not isinstance(platform, dict) or platform.get("os") in {None, "", "unknown"}:
        return ""
    return platform_name(*(str(platform.get(key) or "") for key in ("os", "architecture", "variant")))


def _mapping(parsed: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = parsed.get(key)
    if not isinstance(value, dict):
        raise Failed(Trouble.FAULTY, f"its manifest has no {key}")
    return value


def _list(parsed: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    value = parsed.get(key)
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        raise Failed(Trouble.FAULTY, f"its manifest has no list of {key}")
    return value


def _digest_in(descriptor: Mapping[str, Any]) -> str:
    try:
        return parse_digest(str(descriptor.get("digest") or ""))
    except Invalid as error:
        raise Failed(Trouble.FAULTY, "its manifest names a digest that is none") from error


def _size(manifest: Mapping[str, Any]) -> int:
    sizes = (layer.get("size") for layer in _list(manifest, "layers"))
    return sum(size for size in sizes if isinstance(size, int) and size > 0)


def _digest_of(body: bytes) -> str:
    return f"sha256:{hashlib.sha256(body).hexdigest()}"


def _verified(body: bytes, digest: str) -> bytes:
    if _digest_of(body) != digest:
        raise Failed(Trouble.DAMAGED, f"its bytes have the digest {_digest_of(body)}")
    return body
