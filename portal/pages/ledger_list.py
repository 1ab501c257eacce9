"""The list of digests: what the address filters by, the rows, and the sentence above them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.db.models import Count, Q, QuerySet, TextField
from django.db.models.functions import Cast
from django.http import HttpRequest

from deploy_records import listing, policies
from deploy_records.models import Deployment, ImageDigest, LedgerState
from deploy_records.paging import Page, page_of
from deploy_records.rules.policy import DEFAULT
from portal.pages import asked
from portal.pages.places import Place, services_of


@dataclass(frozen=True)
class Row:
    """One digest. `runs`: where it runs now."""

    entry: ImageDigest
    approvals: int
    needed: int
    runs: Sequence[Place]


@dataclass(frozen=True)
class LedgerList:
    rows: Sequence[Row]
    page: Page[ImageDigest]
    repositories: Sequence[str]
    states: Sequence[tuple[str, str, int]]
    """The value, its words and how many there are, for the filter."""
    repository: str
    state: str
    text: str

    @property
    def filters(self) -> int:
        return sum(map(bool, (self.repository, self.state, self.text)))

    @property
    def total(self) -> int:
        return sum(count for _value, _words, count in self.states)

    def count(self, *states: str) -> int:
        return sum(count for value, _words, count in self.states if value in states)

    @property
    def may_run(self) -> int:
        return self.count(LedgerState.APPROVED, LedgerState.KNOWN_GOOD)

    @property
    def waiting(self) -> int:
        return self.count(LedgerState.CANDIDATE)


def read(request: HttpRequest) -> LedgerList:
    state = asked.one_of(request, "state", LedgerState.values)
    repository, text = asked.text(request, "repository"), asked.text(request, "q")
    page = page_of(_matching(repository, state, text), "registered_at", request.GET.get("at", ""))
    numbers = services_of(one for entry in page.rows for one in _open(entry))
    counts = _counts()
    needed = (policies.in_force().policy or DEFAULT).approvals
    return LedgerList(
        rows=[_row(entry, numbers, needed) for entry in page.rows],
        page=page,
        repositories=list(ImageDigest.objects.order_by("repository").values_list("repository", flat=True).distinct()),
        states=[(one.value, one.label, counts.get(one.value, 0)) for one in LedgerState],
        repository=repository,
        state=state,
        text=text,
    )


def _matching(repository: str, state: str, text: str) -> QuerySet[ImageDigest]:
    rows = listing.digests()
    if repository:
        rows = rows.filter(repository=repository)
    if state:
        rows = rows.filter(state=state)
    if text:
        # A list of tags is JSON, in which SQLite cannot look for an item: its text is looked through instead.
        rows = rows.annotate(tags_text=Cast("tags", TextField()))
        rows = rows.filter(Q(digest__contains=text.lower()) | Q(tags_text__icontains=text) | Q(repository__icontains=text))
    return rows


def _counts() -> Mapping[str, int]:
    return dict(ImageDigest.objects.order_by().values_list("state").annotate(number=Count("pk")))


def _open(entry: ImageDigest) -> Sequence[Deployment]:
    return entry.open_deployments


def _row(entry: ImageDigest, numbers: Mapping[tuple[str, str], int], needed: int) -> Row:
    runs = [Place(one, numbers.get((one.host, one.service))) for one in _open(entry)]
    approvals: int = entry.approvals_now
    return Row(entry, approvals, needed, runs)
