"""Exceptions as a file for other tools and for auditors. That somebody took one is on record."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import QuerySet
from django.utils import timezone

from deploy_records import audit
from deploy_records.audit import Actor, Event
from deploy_records.models import PoamItem
from deploy_records.people import Person, require
from deploy_records.poam_entries import entry_of, whole
from deploy_records.poam_files.exports import FORMS, Wanted, write
from deploy_records.poam_files.ignoring import NOWHERE
from deploy_records.poam_files.workbook import NO_HEADER, Header
from deploy_records.poam_items import MAY_VIEW
from deploy_records.rules.component import Place
from deploy_records.rules.exceptions import DEFAULT_LIMITS, Limits


@dataclass(frozen=True)
class Written:
    data: bytes
    file_name: str
    content_type: str


def export(
    form: str, items: QuerySet[PoamItem] | Sequence[PoamItem], by: Person, *, address: str = "", place: Place = NOWHERE,
    header: Header = NO_HEADER, limits: Limits = DEFAULT_LIMITS, now: datetime | None = None,
) -> Written:  # fmt: skip
    """These items in one of `FORMS`, in the order of their numbers."""
    person, at = require(by, MAY_VIEW, "Exporting exceptions"), now or timezone.now()
    numbers = [item.pk for item in items]
    entries = tuple(entry_of(item) for item in whole(PoamItem.objects.filter(pk__in=numbers)).order_by("number"))
    data = write(form, Wanted(entries, at, place, limits, header))
    known = FORMS[form]
    with audit.changing():
        changes = {"form": known.title, "entries": len(entries), "sha256": hashlib.sha256(data).hexdigest()}
        audit.record(Actor.of(person, address), Event("poam.exported", object_name=known.file_name, changes=changes))
    return Written(data, known.file_name, known.content_type)
