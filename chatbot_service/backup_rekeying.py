"""Replaces what opens the repositories of a place. On a worker that reaches them.

What is kept is not encrypted anew: whoever copied a repository together with its old key can still read that copy.
"""

from collections.abc import Iterator

from django.conf import settings
from django.db.models import Q

from chatbot_service.backup_places import MAY_CHANGE, TO_DO, new_password, place_of
from chatbot_service.backup_urls import scheme_of
from chatbot_service.dispatch import Request
from chatbot_service.models import READS_ONLY, BackupRepository, BackupState, Job, Service
from chatbot_service.restic import Restic
from chatbot_service.secrets import seal
from deploy_records import audit
from deploy_records.audit import Event, about
from deploy_records.errors import Broken, Refused
from deploy_records.people import require


def rekey(kept: BackupRepository, request: Request) -> Iterator[str]:
    """Says what it does. The old key opens all of them until the new one does and is kept; only then it is taken away."""
    require(request.person, MAY_CHANGE, TO_DO)
    services = _services(kept)
    _check(kept, services)
    new = new_password()
    for service in services:
        opened = _open(kept, service)
        opened.prepare()
        opened.also_opens_with(new)
        yield f"{service}: the new key opens it"
    _keep(kept, new, request)
    for service in services:
        opened = _open(kept, service)
        try:
            opened.opens_with_nothing_else()
            yield f"{service}: {opened.prepare()}"
        except (Refused, Broken) as error:
            yield f"{service}: the old key still opens it, {error}"
    yield f"The recovery key of {kept.name} is new; show it: manage.py backup-repository recovery-key {kept.name}"


def _services(kept: BackupRepository) -> list[Service]:
    backups = kept.backups.exclude(state=BackupState.FORGOTTEN).values("service")
    return list(Service.objects.filter(Q(backup_plan__repository=kept) | Q(pk__in=backups)).select_related("host"))


def _check(kept: BackupRepository, services: list[Service]) -> None:
    if not scheme_of(kept.url):
        far = next((one for one in services if one.host.name not in settings.WORKER_HOSTS), None)
        if far is not None:
            words = f"{kept.url} of {far} is a folder on another host than those this machine serves (KG_HOSTS)"
            raise Refused(f"{words}. Do it on a machine that serves all of them. Nothing was changed.")
    busy = Job.objects.active().filter(service__in=services).exclude(kind__in=READS_ONLY).select_related("service__host").first()
    if busy is not None:
        raise Refused(f"{busy} runs on {busy.service}. Wait for its end. Nothing was changed.", code="busy")


def _open(kept: BackupRepository, service: Service) -> Restic:
    state = settings.STATE_DIR
    return Restic(place_of(kept, service), service.host.name, state / "locks", state / "restic-cache", settings.RESTIC_BINARY)


def _keep(kept: BackupRepository, new: str, request: Request) -> None:
    with audit.changing():
        kept.sealed_password, kept.key_shown_at, kept.key_shown_to = seal(new), None, None
        kept.save(update_fields=["sealed_password", "key_shown_at", "key_shown_to"])
        changes = {"password": ["there", "replaced"]}
        audit.record(request.actor, Event("repository.rekeyed", **about(kept), changes=changes, reason=request.reason))
