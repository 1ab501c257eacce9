"""What of backups needs somebody: too old, damaged, not known to restore, a restore that waits for a second person."""

from collections.abc import Iterable, Iterator
from datetime import datetime

from django.contrib.auth.models import User

from chatbot_service import lights, readiness
from chatbot_service.backup_starting import MAY_AGREE
from chatbot_service.models import Restore, RestoreState, Service
from chatbot_service.need import Matter, Need
from chatbot_service.readiness import Part

BACK_UP = ("chatbot_service.back_up_service",)
AGREE = (MAY_AGREE,)


def read(person: User, services: Iterable[Service], now: datetime) -> Iterator[Need]:
    """`services`: as `readiness.with_facts` reads them. In one query."""
    yield from _of_services(services, now)
    yield from _of_restores(person)


def _of_services(services: Iterable[Service], now: datetime) -> Iterator[Need]:
    for service in services:
        if service.is_demo:
            continue
        found = readiness.told(service, now)
        damaged: int = service.damaged or 0  # type: ignore[attr-defined]  # annotated by with_facts
        if damaged:
            yield _damaged(service, damaged, found.backup)
        elif found.backup.light.tone == lights.WARN:
            none_yet = found.backup.light.word == "No backup"
            title = f"{service} has no good backup" if none_yet else f"The last backup of {service} is too old"
            yield _need(Matter.BACKUP_LATE, title, service, found.backup)
        if found.rehearsal.light.tone == lights.STOP:
            yield _need(Matter.REHEARSAL_FAILED, f"A backup of {service} did not restore", service, found.rehearsal)


def _damaged(service: Service, count: int, newest: Part) -> Need:
    title = f"{count:,} backups of {service} are damaged" if count > 1 else f"A backup of {service} is damaged"
    if newest.light.tone == lights.STOP:
        return _need(Matter.BACKUP_DAMAGED, title, service, newest)
    why = "Newer ones are whole. Find out what damaged the repository."
    return Need(Matter.BACKUP_DAMAGED, title, why, BACK_UP, backups_of=service.pk)


def _need(matter: Matter, title: str, service: Service, part: Part) -> Need:
    note = part.light.note
    why = f"{note[:1].upper()}{note[1:]}".rstrip(".")
    return Need(matter, title, f"{why}. {part.to_do}", BACK_UP, backups_of=service.pk)


def _of_restores(person: User) -> Iterator[Need]:
    waiting = Restore.objects.filter(state=RestoreState.ASKED).select_related("service__host", "asked_by", "backup")
    for one in waiting.order_by("asked_at"):
        asker = one.asked_by
        mine = asker == person or bool(person.email and person.email.casefold() == asker.email.casefold())
        why_not = "You asked for it yourself; a second person has to agree." if mine else ""
        yield Need(
            Matter.AGREE, f"Agree to a restore of {one.service}", f"Asked for by {asker.get_username()}, from {one.backup}",
            AGREE, one.asked_at, restore=one.pk, why_not_you=why_not,
        )  # fmt: skip
