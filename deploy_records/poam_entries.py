"""The exceptions of the ledger as the gate and as files see them."""

from collections.abc import Iterable

from django.db.models import Prefetch, QuerySet

from deploy_records.models import PoamComment, PoamGrant, PoamItem
from deploy_records.poam_files.entry import Entry
from deploy_records.poam_items import terms_of
from deploy_records.rules.exceptions import Excuse, Excuses, Grant


def whole(items: QuerySet[PoamItem] | None = None) -> QuerySet[PoamItem]:
    """Items with all that belongs to them, in a number of queries that does not grow with the rows."""
    rows = PoamItem.objects.all() if items is None else items
    return rows.select_related("drafted_by", "requested_by", "extend_by").prefetch_related(
        Prefetch("grants", PoamGrant.objects.select_related("by")),
        Prefetch("comments", PoamComment.objects.select_related("by")),
        "milestones",
    )


def excuses(items: Iterable[PoamItem] | None = None) -> Excuses:
    """All exceptions that were ever approved, for the rules to judge at any moment, past or future."""
    if items is None:
        items = PoamItem.objects.filter(grants__isnull=False).distinct().prefetch_related("grants")
    return Excuses.of(excuse_of(item) for item in items)


def excuse_of(item: PoamItem) -> Excuse:
    return Excuse(
        item.name, tuple(item.vulnerabilities), item.component, item.worst,
        tuple(Grant(one.at, one.until) for one in item.grants.all()),
        ended_at=item.ended_at, repository=item.repository, digest=item.digest, service=item.service,
    )  # fmt: skip


def entries(repository: str = "") -> tuple[Entry, ...]:
    """Every item as a file would hold it, oldest first; with `repository`, only those for it."""
    rows = whole().order_by("number")
    return tuple(entry_of(item) for item in (rows.filter(repository=repository) if repository else rows))


def entry_of(item: PoamItem) -> Entry:
    given = max(item.grants.all(), key=lambda one: (one.at, one.pk), default=None)
    return Entry(
        item.exported_id, terms_of(item), item.state, item.created_at,
        approved_at=given.at.replace(microsecond=0) if given else None,
        approved_by=_approver(given) if given else "",
        changed_at=item.changed_at,
        comments=tuple(one.text for one in item.comments.all()),
    )  # fmt: skip


def _approver(given: PoamGrant) -> str:
    return given.by.get_username() if given.by else given.in_git
