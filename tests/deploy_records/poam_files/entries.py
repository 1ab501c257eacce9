"""Exceptions as data, and as hypothesis draws them."""

from datetime import UTC, date, datetime, timedelta

from hypothesis import strategies as st

from deploy_records.errors import Invalid
from deploy_records.poam_files.entry import STATUSES, Entry
from deploy_records.rules.terms import SEVERITIES, Milestone, Terms, checked_terms
from deploy_records.rules.words import checked_words
from deploy_records.scanners.report import Severity

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
ENDS = datetime(2026, 11, 30, 23, 59, 59, tzinfo=UTC)
TERMS = Terms(
    ("CVE-2026-1000",), "pkg:pypi/starlette", Severity.HIGH, "olga", ENDS,
    "Not reachable: the endpoint is off.", "Take 0.49.1 with the next build.",
)  # fmt: skip
APPROVED = Entry("POAM-0007", TERMS, "approved", NOW - timedelta(days=5), NOW - timedelta(days=4), "sara")


def _as_kept(text: str) -> str:
    try:
        return checked_words("The text", text)
    except Invalid:
        return ""


words = st.text(max_size=60).map(_as_kept)
awkward = st.sampled_from(
    ["NO", "012", "1e3", "null", "~", "- a", "a: b", "# x", "'", '"', "@x", "2026-11-01", "a\n\n  b\n", "=1+1", "é 😀"]
)
texts = awkward.map(_as_kept) | words
seconds = st.integers(1, 10_000_000).map(lambda number: NOW - timedelta(seconds=number))
milestones = st.builds(
    Milestone, texts.filter(bool), st.dates(date(2026, 1, 1), date(2027, 1, 1)), st.none() | seconds
)  # fmt: skip
vulnerabilities = st.lists(
    st.integers(1000, 99999).map(lambda number: f"CVE-2026-{number}") | st.sampled_from(["GHSA-aaaa-bbbb-cccc", "B101"]),
    min_size=1, max_size=3, unique_by=str.casefold,
)  # fmt: skip
terms = st.builds(
    Terms, vulnerabilities.map(tuple), st.sampled_from(["pkg:pypi/starlette@0.49.0", "pkg:npm/%40acme/ui", "ghcr.io/acme/*"]),
    st.sampled_from(SEVERITIES), texts.map(lambda text: text.replace("\n", " ").strip() or "olga"),
    st.integers(0, 9_000_000).map(lambda number: NOW + timedelta(seconds=number)),
    texts.map(lambda text: text or "Because."), texts, texts, texts,
    st.sampled_from(["", "ghcr.io/acme/bot"]), st.sampled_from(["", "sha256:" + "a" * 64]),
    st.sampled_from(["", "012", "chatbot"]),
    st.lists(milestones, max_size=2).map(tuple),
).map(checked_terms)  # fmt: skip
statuses = st.sampled_from(STATUSES)


@st.composite
def lists_of_entries(draw: st.DrawFn) -> list[Entry]:
    """As the ledger would hand them out: ids once, approved only with an approval."""
    made = []
    for number in draw(st.lists(st.integers(1, 500), max_size=4, unique=True)):
        status = draw(statuses)
        created = draw(seconds)
        by = draw(texts).replace("\n", " ").strip() or "sara"
        since, by = (created, by) if status == "approved" else (None, "")
        entry_id = draw(st.sampled_from([f"POAM-{number:04}", f"EXC.{number}"]))
        comments = tuple(draw(st.lists(texts.filter(bool), max_size=2)))
        made.append(Entry(entry_id, draw(terms), status, created, since, by, comments=comments))
    return made
