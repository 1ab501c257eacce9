"""`{% load known_good %}`: every tag and filter that pages draw with. How each looks is on the kit page."""

import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django import template
from django.forms import BoundField, CheckboxInput, RadioSelect, Select
from django.http import HttpRequest
from django.template.context import Context, RequestContext
from django.utils.safestring import SafeString, mark_safe

from chatbot_service import gate_words
from deploy_records.people import holds, roles_of
from portal import navigation
from portal.sentences.gate import linked
from portal.templatetags import columns, glossary, icons, moments, status
from portal.templatetags import digest as digests
from portal.templatetags import line as lines
from portal.templatetags.log_lines import log_lines
from portal.templatetags.markup import format_html, format_html_join
from portal.templatetags.measure import how_far

register = template.Library()

THEMES = ("light", "dark")

register.simple_tag(icons.icon, name="icon")
register.simple_tag(icons.tone_icon, name="tone_icon")
register.simple_tag(status.status, name="status")
register.simple_tag(status.ledger_state, name="ledger_state")
register.simple_tag(status.job_state, name="job_state")
register.simple_tag(status.health, name="health")
register.simple_tag(status.severity, name="severity")
register.simple_tag(status.severities, name="severities")
register.simple_tag(digests.chip, name="digest")
register.simple_tag(digests.hexes, name="digest_hex")
register.simple_tag(digests.whole, name="digest_whole")
register.simple_tag(digests.short, name="digest_short")
register.simple_tag(digests.seal, name="seal")
register.simple_tag(digests.copy_button, name="copy")
register.simple_tag(lines.line, name="line")
register.simple_tag(lines.axis, name="axis")
register.simple_tag(columns.columns, name="columns")
register.simple_tag(columns.ribbon, name="ribbon")
register.simple_tag(columns.lane, name="lane")
register.simple_tag(columns.lane_key, name="lane_key")
register.simple_tag(columns.sparks, name="sparks")
register.simple_tag(log_lines, name="log_lines")
register.simple_tag(moments.ago, name="ago")
register.simple_tag(moments.age, name="age")
register.simple_tag(moments.exact, name="exact")
register.simple_tag(moments.lasted, name="lasted")
register.filter("duration", moments.duration)
register.filter("unit", moments.unit)
register.filter("count", moments.count)
register.filter("size", moments.size)
register.filter("linked", linked)
register.filter("why_not", gate_words.why_not)


# Proof


@dataclass(frozen=True)
class ProofRow:
    """One place that names a digest: what it is, what it names, how we know, whether it is the one expected."""

    what: str
    digest: str
    how: str
    same: bool


@register.inclusion_tag("kit/_proof.html")
def proof(rows: Iterable[ProofRow]) -> dict[str, Any]:
    return {"rows": rows}


# Steps

_STEP = {
    "done": ("ok", "done"),
    "running": ("run", "running"),
    "waiting": ("", "not begun"),
    "skipped": ("", "not begun"),
    "failed": ("stop", "failed"),
    "undone": ("undone", "undone"),
}
_STAMP = re.compile(r"^(\d{2}:\d{2}:\d{2}) (.*)$")


@dataclass(frozen=True)
class OutputLine:
    stamp: str
    text: str
    css: str


@register.filter
def harmless(text: str) -> str:
    """Foreign output without what could move the cursor or turn the reading direction."""
    return "".join(c if c.isprintable() or c in "\t\n" else "\N{REPLACEMENT CHARACTER}" for c in text)


def output_lines(output: str, state: str) -> list[OutputLine]:
    """Lines with their time set apart; the last one stands out while the step runs, and when it failed."""
    split = output.splitlines()
    last = {"running": "now", "failed": "bad"}.get(state, "")
    found = []
    for place, raw in enumerate(split, 1):
        match = _STAMP.match(raw)
        stamp, text = match.groups() if match else ("", raw)
        found.append(OutputLine(stamp, harmless(text), last if place == len(split) else ""))
    return found


@register.inclusion_tag("kit/_step.html")
def step(
    state: str,
    name: str,
    *,
    took: timedelta | float | None = None,
    usual: timedelta | float | None = None,
    note: str = "",
    undo: str = "",
    output: str = "",
    output_note: str = "",
    key: str = "",
    progress: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """`state` as `StepState`, and `undone` for an undo step that has run. `key` makes ids stable between refreshes.
    `progress`: what a running step measured, instead of a guess by its usual time.
    """
    tone, word = _STEP[state]
    measured = how_far(progress) if state == "running" else None
    return {
        "state": state,
        "tone": tone,
        "word": word,
        "name": name,
        "took": moments.duration(took),
        "usual": moments.duration(usual),
        "note": note,
        "undo": undo,
        "lines": output_lines(output, state),
        "output_note": output_note,
        "measured": measured,
        "share": _share(took, usual) if state == "running" and measured is None else None,
        "key": key,
    }


def _share(took: timedelta | float | None, usual: timedelta | float | None) -> int | None:
    """How far a running step is, by its usual time; never quite at the end before it is."""
    if not took or not usual:
        return None
    return min(97, round(_seconds(took) / max(_seconds(usual), 0.1) * 100))


def _seconds(value: timedelta | float) -> float:
    return value.total_seconds() if isinstance(value, timedelta) else float(value)


@register.simple_tag
def boundary(words: str) -> SafeString:
    """The dashed line between what cannot hurt the service and what can."""
    return format_html('<li class="kg-boundary"><span>{}</span></li>', words)


# Sentences and messages


@register.simple_block_tag
def state(content: str, tone: str, *, live: bool = False) -> SafeString:
    """The page's answer. Inside: `<p>` the sentence, `<p class="kg-sub">` who, when, what next."""
    return format_html(
        '<div class="kg-state"{}>{}<div>{}</div></div>',
        mark_safe(' aria-live="polite"') if live else "",
        icons.tone_icon(tone),
        content,
    )


@register.inclusion_tag("kit/_message.html")
def message(tone: str, text: str, *, url: str = "", link: str = "") -> dict[str, str]:
    """The first sentence is set in bold: what happened; then what holds now and what next."""
    first, dot, rest = str(text).partition(". ")
    return {"tone": tone, "first": f"{first}." if dot else first, "rest": rest, "url": url, "link": link}


MESSAGE_TONES = {"success": "ok", "error": "stop", "warning": "warn"}


@register.filter
def message_tone(level_tag: str) -> str:
    return MESSAGE_TONES.get(level_tag, "info")


@register.simple_tag
def crumbs(*parts: str) -> SafeString:
    """`word url word url … word`: the last word is the page's own, and its `h1`."""
    pairs = zip(parts[:-1:2], parts[1:-1:2], strict=True)
    before = format_html_join(
        "",
        '<li><a href="{}">{}</a></li><li aria-hidden="true">{}</li>',
        ((url, word, icons.icon("chevron-right")) for word, url in pairs),
    )
    return format_html('<ol class="kg-crumbs">{}<li><h1>{}</h1></li></ol>', before, parts[-1])


@register.simple_tag(takes_context=True)
def term(context: Context, word: str, shown: str = "") -> str:
    """A word with its line from the glossary, opened by pressing it. `shown` where the form differs: `digests`."""
    numbers: Any = context.render_context
    number = numbers.setdefault("kg_terms", itertools.count(1))
    return glossary.term(word, shown or word, next(number))


# Forms


@register.inclusion_tag("kit/_field.html")
def field(bound: BoundField, *, hint: str = "") -> dict[str, Any]:
    """A form's field with label, hint and error, tied together for readers."""
    widget = bound.field.widget
    css = "form-control"
    if isinstance(widget, CheckboxInput | RadioSelect):
        css = "form-check-input"
    elif isinstance(widget, Select):
        css = "form-select"
    return {
        "field": bound,
        "drawn": bound.as_widget(attrs={"class": css}),
        "is_tick": isinstance(widget, CheckboxInput),
        "is_choice": isinstance(widget, RadioSelect),
        "hint": hint or bound.help_text,
    }


# The line's key

KEY_WORDS = {
    "ok": "healthy",
    "fail": "probes fail",
    "down": "down",
    "deploy": "changed by a job, with its pause",
    "off": "stopped on purpose",
    "none": "no samples",
    "excused": "passes on an exception",
    "refused": "gate refuses",
    "end": "exception ends",
    "review": "review due",
}


@register.inclusion_tag("kit/_key.html")
def key(*names: str, **words: str) -> dict[str, Any]:
    """What the marks of a line mean: `{% key "ok" "fail" deploy="deployed" %}`."""
    return {"entries": [(name, words.get(name, KEY_WORDS[name])) for name in (*names, *(w for w in words if w not in names))]}


HEALTH_KEY_WORDS = {
    "ok": "healthy",
    "fail": "probes fail",
    "down": "down",
    "day-ok": "healthy all day",
    "day-fail": "probes failed",
    "day-down": "down",
    "pause": "paused by a job",
    "off": "stopped on purpose",
    "none": "not known: nobody looked",
    "band": "the digest that ran",
}


@register.inclusion_tag("kit/_health_key.html")
def health_key(*names: str) -> dict[str, Any]:
    """What the parts of a chart of health mean."""
    return {"entries": [(name, HEALTH_KEY_WORDS[name]) for name in names]}


# The frame


def _request(context: Context) -> HttpRequest | None:
    return context.request if isinstance(context, RequestContext) else context.get("request")


@register.simple_tag(takes_context=True)
def may(context: Context, permission: str) -> bool:
    """Whether a role of the person who looks grants a permission; as views ask, so that no button is refused."""
    request = _request(context)
    return request is not None and holds(request.user, permission)


@register.simple_tag(takes_context=True)
def navigation_groups(context: Context) -> Sequence[navigation.LinkGroup]:
    request = _request(context)
    if request is None:
        return ()
    counts = context.get("nav_counts") or {}
    found = (navigation.links(group, request, counts) for group in navigation.GROUPS)
    return tuple(group for group in found if group.links)


@register.simple_tag(takes_context=True)
def navigation_set_up(context: Context) -> navigation.LinkGroup | None:
    request = _request(context)
    return navigation.links(navigation.SET_UP, request, {}) if request is not None else None


@register.simple_tag(takes_context=True)
def my_roles(context: Context) -> str:
    """The person's roles in words."""
    request = _request(context)
    roles = roles_of(request.user) if request is not None else []
    return " · ".join(roles) or "no role yet"


@register.filter
def initials(name: str) -> str:
    words = re.split(r"[\s._-]+", name.strip())
    return "".join(word[0] for word in words[:2] if word).upper()


@register.simple_tag(takes_context=True)
def theme(context: Context) -> SafeString:
    """The attribute for `<html>`; none leaves light or dark to the system."""
    request = _request(context)
    chosen = request.COOKIES.get("theme", "") if request is not None else ""
    return format_html(' data-bs-theme="{}"', chosen) if chosen in THEMES else SafeString("")
