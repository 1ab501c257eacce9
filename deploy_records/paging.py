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
    """Rows in order; `next` and `previous` are the cursors of those after and before them, empty where there are none."""

    rows: list[Row]
    next: str = ""
    previous: str = ""


def page_of(
    rows: QuerySet[Row], moment: str, cursor: str = "", *, size: int = SIZE, earliest_first: bool = False
) -> Page[Row]:  # fmt: skip
    """One page of `rows` ordered by (moment, id), newest first unless said otherwise. `cursor` is a `next` or `previous`,
    or empty.
    """
    onward, back = ("newer", "older") if earliest_first else ("older", "newer")
    if not cursor:
        return _from(rows, moment, size, onward, back="")
    towards, at, number = _parse(cursor)
    beyond = _beyond(rows, moment, towards, at, number)
    if towards == onward:
        return _from(beyond, moment, size, onward, back=back)
    found = list(_ordered(beyond, moment, back)[: size + 1])
    kept = found[:size][::-1]
    if not kept:
        return page_of(rows, moment, size=size, earliest_first=earliest_first)
    before = _cursor(back, kept[0], moment) if len(found) > size else ""
    return Page(kept, _cursor(onward, kept[-1], moment), before)


def _from(rows: QuerySet[Row], moment: str, size: int, onward: str, *, back: str) -> Page[Row]:
    """The first of `rows`; `back` is the way to those before them, empty if there are none."""
    found = list(_ordered(rows, moment, onward)[: size + 1])
    kept = found[:size]
    following = _cursor(onward, kept[-1], moment) if len(found) > size else ""
    return Page(kept, following, _cursor(back, kept[0], moment) if back and kept else "")


def _ordered(rows: QuerySet[Row], moment: str, towards: str) -> QuerySet[Row]:
    return rows.order_by(f"-{moment}", "-pk") if towards == "older" else rows.order_by(moment, "pk")


def _beyond(rows: QuerySet[Row], moment: str, towards: str, at: datetime, number: int) -> QuerySet[Row]:
    side = "lt" if towards == "older" else "gt"
    return rows.filter(**{f"{moment}__{side}e": at}).filter(Q(**{f"{moment}__{side}": at}) | Q(**{f"pk__{side}": number}))


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
