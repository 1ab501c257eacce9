"""How workers sign in at registries. Logins are written and never read back; events tell of their presence only."""

import re
from dataclasses import dataclass, field
from datetime import datetime

from chatbot_service.models import RegistryLogin
from chatbot_service.secrets import seal
from deploy_records import audit
from deploy_records.audit import Actor, Event, about
from deploy_records.errors import Invalid, Refused
from deploy_records.people import Person, require
from deploy_records.rules.digest import parse_repository, registry_of, shown

MAY_CHANGE = "chatbot_service.change_registrylogin"
TO_DO = "Changing how workers sign in at a registry"
_MOST_USERNAME = 200
_MOST_PASSWORD = 4096
_MOST_CA = 65536
_ANY_IMAGE = "any/image"


@dataclass(frozen=True)
class Wanted:
    """What is to change. Empty texts leave what is there as it is."""

    username: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    ca: str = field(default="", repr=False)
    drop_login: bool = False
    drop_ca: bool = False


@dataclass(frozen=True)
class Authority:
    """One certificate of a registry's own authority, as far as it is shown."""

    name: str
    ends: datetime


def parse_registry(text: str) -> str:
    """`host[:port]` as in image references, or `Invalid`."""
    name = text.strip()
    looks = "One looks like ghcr.io or registry.example.org:5000, in lower case, without https://"
    try:
        found = registry_of(parse_repository(f"{name}/{_ANY_IMAGE}"))
    except Invalid as error:
        raise Invalid(f"{shown(name)} is not the name of a registry. {looks}") from error
    if found != name:
        raise Invalid(f"{shown(name)} is not the name of a registry. {looks}")
    return name


def authorities(pem: str) -> list[Authority]:
    """The certificates in a text, or `Invalid`."""
    if len(pem) > _MOST_CA:
        raise Invalid(f"The certificates have {len(pem):,} characters; at most {_MOST_CA:,} are kept. Nothing was changed.")
    if "PRIVATE KEY" in pem:
        raise Invalid("This text holds a private key. Give the certificate of the authority alone. Nothing was changed.")
    from cryptography import x509  # noqa: PLC0415 - 7 MB in each web process, needed when a certificate is given

    try:
        found = x509.load_pem_x509_certificates(pem.encode())
    except ValueError as error:
        raise Invalid(
            "This is no certificate in PEM; one begins with -----BEGIN CERTIFICATE-----. Nothing was changed."
        ) from error
    return [Authority(one.subject.rfc4514_string() or "no name", one.not_valid_after_utc) for one in found]


def save(registry: str, wanted: Wanted, by: Person, *, address: str = "") -> RegistryLogin:
    """Makes or changes what is known of a registry. Its event says what is there now, never what it is."""
    actor = Actor.of(require(by, MAY_CHANGE, TO_DO), address)
    name = parse_registry(registry)
    _check_login(wanted)
    if wanted.ca:
        authorities(wanted.ca)
    with audit.changing():
        kept = RegistryLogin.objects.filter(registry=name).first() or RegistryLogin(registry=name)
        before = _presence(kept)
        _apply(kept, wanted)
        kept.save()
        audit.record(actor, Event("registry.set", **about(kept), changes=_changes(before, kept, wanted)))
    return kept


def forget(kept: RegistryLogin, by: Person, *, address: str = "") -> None:
    """From now on workers ask this registry without a login and with the system's authorities."""
    actor = Actor.of(require(by, MAY_CHANGE, TO_DO), address)
    with audit.changing():
        subject, before = about(kept), _presence(kept)
        deleted, _by_model = RegistryLogin.objects.filter(pk=kept.pk).delete()
        if not deleted:
            raise Refused("Somebody else has forgotten this registry in the same moment. Nothing was changed.")
        changes = {part: [was, "none"] for part, was in before.items()}
        audit.record(actor, Event("registry.forgotten", **subject, changes=changes))


def _check_login(wanted: Wanted) -> None:
    if bool(wanted.username) != bool(wanted.password):
        raise Invalid("A login is a user name and a password or token. Give both, or neither. Nothing was changed.")
    if len(wanted.username) > _MOST_USERNAME or ":" in wanted.username or not wanted.username.isprintable():
        raise Invalid(f"A user name has at most {_MOST_USERNAME} characters, and no colon. Nothing was changed.")
    if len(wanted.password) > _MOST_PASSWORD or re.search(r"[\x00-\x1f\x7f]", wanted.password):
        raise Invalid(f"A password has at most {_MOST_PASSWORD:,} characters, all on one line. Nothing was changed.")


def _apply(kept: RegistryLogin, wanted: Wanted) -> None:
    if wanted.drop_login:
        kept.username = kept.sealed_password = ""
    if wanted.password:
        kept.username, kept.sealed_password = wanted.username, seal(wanted.password)
    if wanted.drop_ca:
        kept.ca_certificate = ""
    if wanted.ca:
        kept.ca_certificate = wanted.ca


def _changes(before: dict[str, str], kept: RegistryLogin, wanted: Wanted) -> dict[str, list[str]]:
    replaced = {"login": bool(wanted.password), "authority": bool(wanted.ca)}
    return {
        part: [before[part], "replaced" if replaced[part] and before[part] == "there" else now]
        for part, now in _presence(kept).items()
    }


def _presence(kept: RegistryLogin) -> dict[str, str]:
    return {
        "login": "there" if kept.sealed_password else "none",
        "authority": "there" if kept.ca_certificate else "none",
    }
