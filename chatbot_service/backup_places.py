"""Places for backups: where they go, and what opens them. Passwords and credentials are written and not read back; the
password alone is shown once, as the recovery key, to whoever must be able to restore without the portal.
"""

import base64
import secrets
from dataclasses import dataclass, field
from datetime import UTC

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import IntegrityError
from django.utils import timezone

from chatbot_service.backup_urls import below, checked_url, credentials_of, in_lines, scheme_of, within
from chatbot_service.dispatch import Request
from chatbot_service.models import NAME, BackupRepository, Service
from chatbot_service.restic_commands import Place
from chatbot_service.secrets import seal, unseal
from deploy_records import audit
from deploy_records.audit import Event, about
from deploy_records.errors import Invalid, Refused
from deploy_records.people import require
from deploy_records.rules.digest import shown

DEFAULT = "local"
MAY_CHANGE = "chatbot_service.change_backuprepository"
MAY_SEE_KEY = "chatbot_service.show_recovery_key"
TO_DO = "Changing where backups go"
_LEAST_PASSWORD, _MOST_PASSWORD = 8, 1024
_KEY_BYTES = 32
_GROUP = 4


@dataclass(frozen=True)
class Wanted:
    """What is to change. Empty texts leave what is there as it is; a new place without `password` gets one of its own.

    `password`: of a repository that exists already.
    """

    url: str = ""
    password: str = field(default="", repr=False)
    credentials: str = field(default="", repr=False)
    drop_credentials: bool = False


def make_default() -> None:
    """At a worker's start: backups have somewhere to go from the first day on."""
    if BackupRepository.objects.exists():
        return
    with audit.changing():
        if BackupRepository.objects.exists():
            return
        url = str(settings.STATE_DIR / "backups")
        made = BackupRepository.objects.create(name=DEFAULT, url=url, sealed_password=seal(new_password()))
        audit.record(audit.WORKER, Event("repository.added", **about(made), changes=_changes({}, made)))


def new_password() -> str:
    """256 random bits, in groups that can be copied from paper."""
    text = base64.b32encode(secrets.token_bytes(_KEY_BYTES)).decode().rstrip("=").lower()
    return "-".join(text[at : at + _GROUP] for at in range(0, len(text), _GROUP))


def add(name: str, wanted: Wanted, request: Request) -> BackupRepository:
    person = require(request.person, MAY_CHANGE, TO_DO)
    kept = BackupRepository(name=_checked_name(name), url=checked_url(wanted.url), added_by=person)
    _apply(kept, wanted)
    if not kept.sealed_password:
        kept.sealed_password = seal(new_password())
    try:
        with audit.changing():
            refuse_shared_folders(kept.url)
            kept.save()
            audit.record(request.actor, Event("repository.added", **about(kept), changes=_changes({}, kept)))
    except IntegrityError as error:
        raise Refused(f"There is a place {kept.name} for backups already. Choose another name. Nothing was changed.") from error
    return kept


def change(kept: BackupRepository, wanted: Wanted, request: Request) -> bool:
    """False if nothing differs. What is kept at the old address is not moved."""
    require(request.person, MAY_CHANGE, TO_DO)
    with audit.changing():
        kept.refresh_from_db()
        before = _facts(kept)
        kept.url = checked_url(wanted.url) if wanted.url else kept.url
        if scheme_of(kept.url) != scheme_of(before["url"]) and not wanted.credentials:
            kept.sealed_credentials = ""  # of another kind of address: they open nothing there
        _apply(kept, wanted)
        changes = _changes(before, kept, wanted)
        if not changes:
            return False
        refuse_shared_folders(kept.url)
        if wanted.password:
            kept.key_shown_at = kept.key_shown_to = None
        kept.save()
        audit.record(request.actor, Event("repository.changed", **about(kept), changes=changes))
    return True


def forget(kept: BackupRepository, request: Request) -> None:
    """Only a place that nothing rests on; what lies there is not touched."""
    require(request.person, MAY_CHANGE, TO_DO)
    with audit.changing():
        plan = kept.plans.select_related("service__host").first()
        if plan is not None:
            raise Refused(f"{plan.service} is backed up there. Choose another place for it first. Nothing was changed.")
        count = kept.backups.count()
        if count:
            words = f"The record has {count:,} backups of this place, and keeps telling where they went"
            raise Refused(f"{words}. Nothing was changed.")
        subject, changes = about(kept), {"url": [kept.url, ""]}
        deleted, _by_model = BackupRepository.objects.filter(pk=kept.pk).delete()
        if not deleted:
            raise Refused("Somebody else has forgotten this place in the same moment. Nothing was changed.")
        audit.record(request.actor, Event("repository.forgotten", **subject, changes=changes))


def recovery_key(kept: BackupRepository, request: Request) -> str:
    """Once: the password that opens the repositories of this place without the portal."""
    person = require(request.person, MAY_SEE_KEY, "Seeing a recovery key")
    with audit.changing():
        unseen = BackupRepository.objects.filter(pk=kept.pk, key_shown_at=None)
        if not unseen.update(key_shown_at=timezone.now(), key_shown_to=person):
            raise Refused(_who_saw_it(kept), code="shown-already")
        kept.refresh_from_db()
        key = unseal(kept.sealed_password)
        audit.record(request.actor, Event("repository.key-shown", **about(kept), reason=request.reason))
    return key


def _who_saw_it(kept: BackupRepository) -> str:
    seen = BackupRepository.objects.select_related("key_shown_to").get(pk=kept.pk)
    who = seen.key_shown_to.get_username() if seen.key_shown_to else "somebody"
    when = seen.key_shown_at.astimezone(UTC).strftime("on %-d %b %Y at %H:%M UTC") if seen.key_shown_at else "before"
    return (
        f"The recovery key of {seen.name} was shown to {who} {when}; it is shown once. If it is lost or others may have seen "
        f"it, give the place a new one on a worker: manage.py backup-repository rekey {seen.name}. Nothing was changed."
    )


def place_of(kept: BackupRepository, service: Service) -> Place:
    """Each service has a restic repository of its own below the place. Opens what is sealed: for workers only."""
    url = below(kept.url, service.host.name, service.name)
    return Place(url, unseal(kept.sealed_password), credentials_of(unseal(kept.sealed_credentials), kept.url))


def refuse_shared_folders(url: str) -> None:
    """A backup that lies in what it backs up grows without end; data that lie in a place for backups are lost with it."""
    if scheme_of(url):
        return
    for service in Service.objects.select_related("host"):
        for path in service.data_paths:
            if within(url, path) or within(path, url):
                words = f"{shown(url)} and {shown(path)}, where {service} keeps its data, lie in one another"
                raise Refused(f"{words}. Choose a folder apart from it. Nothing was changed.", code="shared-folder")


def _checked_name(name: str) -> str:
    try:
        NAME(name)
    except ValidationError as error:
        raise Invalid(f"{shown(name)} is not a name for a place: {error.message} Nothing was changed.") from error
    return name


def _apply(kept: BackupRepository, wanted: Wanted) -> None:
    if wanted.drop_credentials:
        kept.sealed_credentials = ""
    if wanted.credentials.strip():
        kept.sealed_credentials = seal(in_lines(credentials_of(wanted.credentials, kept.url)))
    if wanted.password:
        _check_password(wanted.password)
        kept.sealed_password = seal(wanted.password)


def _check_password(password: str) -> None:
    if not _LEAST_PASSWORD <= len(password) <= _MOST_PASSWORD or not password.isprintable():
        words = f"{_LEAST_PASSWORD} to {_MOST_PASSWORD:,} characters, all on one line"
        raise Invalid(f"The password of a repository has {words}. Nothing was changed.")


def _facts(kept: BackupRepository) -> dict[str, str]:
    """For the trail: of secrets only whether they are there."""
    return {
        "url": kept.url,
        "password": "there" if kept.sealed_password else "none",
        "credentials": "there" if kept.sealed_credentials else "none",
    }


def _changes(before: dict[str, str], kept: BackupRepository, wanted: Wanted | None = None) -> dict[str, list[str]]:
    new = wanted or Wanted()
    replaced = {"password": bool(new.password), "credentials": bool(new.credentials.strip())}
    after = {
        part: "replaced" if replaced.get(part) and before.get(part) == "there" else now for part, now in _facts(kept).items()
    }
    return {part: [before.get(part, ""), now] for part, now in after.items() if before.get(part, "") != now}
