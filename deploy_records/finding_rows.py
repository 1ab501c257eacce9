"""A finding and a component as rows of their tables, and a finding's row as the rules see it."""

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from django.db import connection

from deploy_records.models import DigestFinding, ScanFinding
from deploy_records.rules.blocking import Fact
from deploy_records.rules.merging import CLAIMED_HARMLESS, Merged, Seen, weight
from deploy_records.scanners.report import Component, Finding, FindingKind, FindingState, Severity

FINDING_COLUMNS = (
    "tool", "kind", "name", "aliases", "weight", "severity", "fingerprint", "purl", "package", "version",
    "fixed_version", "location", "title", "state", "detail",
)  # fmt: skip
COMPONENT_COLUMNS = ("name", "version", "type", "purl", "licences")
DIGEST_COLUMNS = (
    "entry_id", "finding_id", "kind", "name", "aliases", "weight", "severity", "fingerprint", "purl", "package", "version",
    "fixed_version", "state", "tools", "sources",
)  # fmt: skip
_SEEN = (
    "pk", "tool", "kind", "name", "severity", "fingerprint", "aliases", "purl", "package", "version", "fixed_version", "state",
)  # fmt: skip
FACT_COLUMNS = (
    "entry_id", "name", "aliases", "severity", "purl", "package", "version", "fixed_version", "kind", "fingerprint", "state",
    "tools",
)  # fmt: skip
"""Of a finding of a digest: what `facts` takes."""
_AT_ONCE = 2000

_WEIGHTS = {severity: weight(severity) for severity in Severity}
_KINDS = {one.value: one for one in FindingKind}
_STATES = {one.value: one for one in FindingState}
_SEVERITIES = {one.value: one for one in Severity}
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode

Row = tuple[Any, ...]


def finding_row(one: Finding) -> Row:
    """In the order of `FINDING_COLUMNS`. Texts come bounded; those that only say more are cut to their columns."""
    return (
        one.tool[:100], one.kind.value, one.id, "\n".join(one.aliases), _WEIGHTS[one.severity], one.severity.value,
        one.fingerprint, one.purl, one.package, one.version, cut(one.fixed_version, 300), cut(one.location, 1000),
        cut(one.title, 500), one.state.value, _detail(one),
    )  # fmt: skip


def component_row(one: Component) -> Row:
    """In the order of `COMPONENT_COLUMNS`."""
    return cut(one.name, 300), cut(one.version, 300), one.type[:40], one.purl, _encode(one.licences)


def digest_row(entry: int, one: Merged) -> Row:
    """In the order of `DIGEST_COLUMNS`."""
    return (
        entry, one.sources[0], one.kind.value, one.name, "\n".join(one.aliases), _WEIGHTS[one.severity], one.severity.value,
        one.fingerprint, one.purl, one.package, one.version, one.fixed_version, one.state.value,
        "\n" + "".join(f"{tool}\n" for tool in one.tools), _encode(one.sources),
    )  # fmt: skip


def copy_as_they_are(entry: int, reports: Sequence[int], but_not: Sequence[int]) -> None:
    """Makes each finding of these reports one of the entry's, but for some: the database does it by itself, in a third of
    the time. `but_not` stands in the statement, so it must not be long.
    """
    if not reports:
        return
    sources = "jsonb_build_array(id)" if connection.vendor == "postgresql" else "json_array(id)"
    copied = ", ".join(DIGEST_COLUMNS[2:-2])
    among, without = (", ".join(str(int(number)) for number in numbers) for numbers in (reports, but_not or [0]))
    statement = (
        f"INSERT INTO {DigestFinding._meta.db_table} ({', '.join(DIGEST_COLUMNS)}) "  # noqa: S608 - names of ours and numbers
        f"SELECT {int(entry)}, id, {copied}, %s || tool || %s, {sources} FROM {ScanFinding._meta.db_table} "
        f"WHERE report_id IN ({among}) AND id NOT IN ({without})"
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, ["\n", "\n"])


def seen(reports: Iterable[int], only: Sequence[int] | None = None) -> Iterator[Seen]:
    """The findings of these reports, always in the same order; with `only` no others than these."""
    found = ScanFinding.objects.filter(report__in=list(reports))
    rows = (found if only is None else found.filter(pk__in=only)).order_by("pk").values_list(*_SEEN)
    for number, tool, kind, name, severity, fingerprint, aliases, purl, package, version, fixed, state in rows.iterator(_AT_ONCE):
        yield Seen(
            number, tool, _KINDS[kind], name, _SEVERITIES[severity], fingerprint, tuple(aliases.split("\n")) if aliases else (),
            purl, package, version, fixed, _STATES[state],
        )  # fmt: skip


def merged(one: DigestFinding) -> Merged:
    return Merged(
        kind=FindingKind(one.kind), name=one.name, severity=Severity(one.severity), sources=tuple(one.sources),
        tools=one.tool_names, aliases=one.names[1:], fingerprint=one.fingerprint, purl=one.purl,
        package=one.package, version=one.version, fixed_version=one.fixed_version, state=FindingState(one.state),
    )  # fmt: skip


def facts(rows: Iterable[Row]) -> Iterator[tuple[int, Fact]]:
    """The entry's primary key, and the finding as the gate judges it. The gate reads thousands at once: so no models, and
    one value for what is the same in many images.
    """
    known: dict[Row, Fact] = {}
    for row in rows:
        said = row[1:]
        one = known.get(said)
        if one is None:
            one = known[said] = _fact(*said)
        yield row[0], one


def _fact(  # noqa: PLR0917 - the columns, in their order
    name: str, aliases: str, severity: str, purl: str, package: str, version: str, fixed: str, kind: str, fingerprint: str,
    state: str, tools: str,
) -> Fact:  # fmt: skip
    return Fact(
        (name, *aliases.splitlines()), _SEVERITIES[severity], purl, package, version, fixed, _KINDS[kind], fingerprint,
        state if _STATES[state] in CLAIMED_HARMLESS else "", ", ".join(tools.split("\n")[1:-1]),
    )  # fmt: skip


def cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _detail(one: Finding) -> str:
    texts = {
        "description": one.description, "link": one.link, "tool_severity": one.tool_severity, "state_note": one.state_note,
        "cwe": one.cwe, "cvss": [(score.version, score.vector, score.score, score.source) for score in one.cvss],
    }  # fmt: skip
    return _encode({key: value for key, value in texts.items() if value})
