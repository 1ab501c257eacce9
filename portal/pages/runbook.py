"""What to do when something is wrong: `docs/operations/troubleshooting.md`, shown."""

import functools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.safestring import SafeString
from django.views.decorators.http import require_GET

from chatbot_service import lights
from portal.access import signed_in
from portal.templatetags.markup import format_html, format_html_join

FILE = Path(__file__).resolve().parent.parent.parent / "docs" / "operations" / "troubleshooting.md"
_ANCHOR = re.compile(r'<a id="([a-z-]+)"></a>')
_MARKED = re.compile(r"\*\*(?P<bold>[^*]+)\*\*|\*(?P<slant>[^*]+)\*|`(?P<code>[^`]+)`")
_TAGS = {"bold": "b", "slant": "em", "code": "code"}


@dataclass(frozen=True)
class Section:
    id: str
    title: str
    body: SafeString


@functools.cache
def sections() -> Sequence[Section]:
    """In the order of the file; what stands before the first is the introduction, without an id."""
    return tuple(_sections(FILE.read_text(encoding="utf-8")))


def _sections(text: str) -> Iterator[Section]:
    anchor, title = "", ""
    lines: list[str] = []
    for line in text.splitlines():
        found = _ANCHOR.fullmatch(line)
        if found:
            yield Section(anchor, title, _body(lines))
            anchor, title, lines = found[1], "", []
        elif line.startswith("#"):
            title = line.lstrip("# ")
        else:
            lines.append(line)
    yield Section(anchor, title, _body(lines))


def _body(lines: Sequence[str]) -> SafeString:
    """Of Markdown only what the runbook uses: paragraphs, lists, indented commands, bold, slanted and code."""
    blocks: list[list[str]] = []
    for line in lines:
        if not line.strip():
            blocks.append([])
        elif blocks:
            blocks[-1].append(line)
        else:
            blocks.append([line])
    return format_html_join("\n", "{}", ((_block(block),) for block in blocks if block))


def _block(lines: Sequence[str]) -> SafeString:
    if all(line.startswith("    ") for line in lines):
        command = "\n".join(line[4:] for line in lines)
        return format_html('<pre class="kg-log" tabindex="0" aria-label="By hand">{}</pre>', command)
    if all(line.startswith("- ") for line in lines):
        return format_html("<ul>{}</ul>", format_html_join("", "<li>{}</li>", ((_inline(line[2:]),) for line in lines)))
    return format_html("<p>{}</p>", _inline(" ".join(lines)))


def _inline(text: str) -> SafeString:
    return format_html_join("", "{}", ((part,) for part in _inline_parts(text)))


def _inline_parts(text: str) -> Iterator[object]:
    at = 0
    for found in _MARKED.finditer(text):
        kind = found.lastgroup or "code"
        yield text[at : found.start()]
        yield format_html("<{0}>{1}</{0}>", _TAGS[kind], found[kind])
        at = found.end()
    yield text[at:]


@require_GET
@signed_in
def runbook(request: HttpRequest) -> HttpResponse:
    first, *rest = sections()
    return render(request, "runbook/page.html", {"introduction": first, "sections": rest})


def for_service(row: Any) -> Sequence[Section]:
    """What applies to a service as it is seen now; all of it where nothing stands out."""
    service, wanted = row.service, []
    if row.health.tone == lights.STOP:
        wanted += ["flapping", "restart-loop", "errors-in-logs", "permission-denied", "oom", "slow-start"]
    if service.drift:
        wanted.append("drift")
    if service.previous_local is False:
        wanted.append("pull-failure")
    if row.readiness.backup.light.tone in {lights.WARN, lights.STOP}:
        wanted.append("backups")
    found = [one for one in sections() if one.id in wanted]
    return found or [one for one in sections() if one.id]
