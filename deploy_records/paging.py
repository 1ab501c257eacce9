"""Pages of long lists by keyset: as quick on the last page as on the first, and no row twice while others are added."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Generic, TypeVar

from django.db.models import Model, Q, QuerySet

from deploy_records.errors import Invalid

Row = TypeVar("Row", bound=Model)

SIZE = 50
_CURSOR = re.compile(r"(older|newer)-(\d{8}T\d{12})-(\d{1,19})")
_MOMENT = "%Y%m%dT%H%M%S%f"
_HIGHEST_ID = 2**63 - 1


@dataclass(frozen=True)
class Page(Generic[Row]):
    """Rows, newest first; `next` and `previous` are the cursors of older and newer rows, empty where there are none."""

    rows: list[Row]
    next: str = ""
    previous: str = ""


def page_of(rows: QuerySet[Row], moment: str, cursor: str = "", *, size: int = SIZE) -> Page[Row]:
    """One page of `rows` ordered by (moment, id), newest first. `cursor` is a `next` or `previous`, or empty."""
    if not cursor:
        return _older(rows.order_by(f"-{moment}", "-pk"), moment, size, previous=False)
    towards, at, number = _parse(cursor)
    if towards == "older":
        beyond = rows.filter(**{f"{moment}__lte": at}).filter(Q(**{f"{moment}__lt": at}) | Q(pk__lt=number))
        return _older(beyond.order_by(f"-{moment}", "-pk"), moment, size, previous=True)
    beyond = rows.filter(**{f"{moment}__gte": at}).filter(Q(**{f"{moment}__gt": at}) | Q(pk__gt=number))
    found = list(beyond.order_by(moment, "pk")[: size + 1])
    kept = found[:size][::-1]
    if not kept:
        return page_of(rows, moment, size=size)
    newer = _cursor("newer", kept[0], moment) if len(found) > size else ""
    return Page(kept, _cursor("older", kept[-1], moment), newer)


def _older(ordered: QuerySet[Row], moment: str, size: int, *, previous: bool) -> Page[Row]:
    found = list(ordered[: size + 1])
    kept = found[:size]
    older = _cursor("older", kept[-1], moment) if len(found) > size else ""
    return Page(kept, older, _cursor("newer", kept[0], moment) if previous and kept else "")


def _cursor(towards: str, row: Model, moment: str) -> str:
    at: datetime = getattr(row, moment)
    return f"{towards}-{at.astimezone(UTC).strftime(_MOMENT)}-{row.pk}"


def _parse(cursor: str) -> tuple[str, datetime, int]:
    parts = _CURSOR.fullmatch(cursor)
    try:
        if parts and int(parts[3]) <= _HIGHEST_ID:
            return parts[1], datetime.strptime(parts[2], _MOMENT).replace(tzinfo=UTC), int(parts[3])
    except ValueError:
        pass  # no such day: answered below like any other cursor that is none of ours
    raise Invalid("This place in the list is not known. Go to its beginning.")
