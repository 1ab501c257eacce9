"""A digest as people see it: a seal to match by eye, hex in fours, and the whole of it to copy."""

from django.utils.safestring import SafeString, mark_safe

from deploy_records.errors import Invalid
from deploy_records.rules.digest import parse_digest, shown
from portal.templatetags.icons import icon
from portal.templatetags.markup import format_html, format_html_join

_SHOWN = 12
_GROUP = 4
_COLUMNS = range(3)
_ROWS = range(5)


def seal(digest: str, size: int = 15) -> SafeString:
    """A 5×5 mirrored pattern from the last 15 bits, which the 12 characters shown do not hold. It proves nothing."""
    bits = int(parse_digest(digest)[-4:], 16)
    # Of numbers alone, so nothing needs to be escaped; lists draw hundreds of these squares.
    on = "".join(
        f'<rect x="{x}" y="{row}" width="1" height="1"/>'
        for column in _COLUMNS
        for row in _ROWS
        if bits >> (column * len(_ROWS) + row) & 1
        for x in sorted({column, 4 - column})
    )
    return format_html(
        '<svg class="kg-seal" width="{0}" height="{0}" viewBox="0 0 5 5" shape-rendering="crispEdges"'
        ' fill="currentColor" aria-hidden="true">{1}</svg>',
        size,
        mark_safe(on),  # noqa: S308 - see above
    )


def in_fours(hexes: str) -> SafeString:
    """The gaps are drawn by the style sheet, so that a selection has no spaces."""
    return format_html_join("", "<span>{}</span>", ((hexes[i : i + _GROUP],) for i in range(0, len(hexes), _GROUP)))


def _hexes(digest: str) -> str:
    return parse_digest(digest).removeprefix("sha256:")


def _no_digest(value: str) -> SafeString:
    """What stands where a digest should: never drawn as if it were one."""
    if not value:
        return mark_safe('<span class="kg-small">no digest</span>')
    return format_html('<span class="kg-small">not a digest: {}</span>', shown(value))


def copy_button(text: str, label: str) -> SafeString:
    return format_html(
        '<button class="kg-copy" type="button" data-copy="{}" aria-label="{}">{}</button>', text, label, icon("copy")
    )


def chip(value: str, *, tag: str = "", href: str = "", copy: bool = True) -> SafeString:
    """Seal, 12 characters, copy-whole, tag. The whole digest is in the title."""
    try:
        hexes = _hexes(value)
    except Invalid:
        return _no_digest(value)
    inner = format_html('{}<code class="kg-hex">{}</code>', seal(value), in_fours(hexes[:_SHOWN]))
    link = (
        format_html('<a class="kg-digest-link" href="{}" title="{}">{}</a>', href, value, inner)
        if href
        else format_html('<span class="kg-digest-link" title="{}">{}</span>', value, inner)
    )
    button = copy_button(value, f"Copy sha256:{hexes[:_SHOWN]}…") if copy else ""
    label = format_html('<span class="kg-tag">{}</span>', tag) if tag else ""
    return format_html('<span class="kg-digest">{}{}{}</span>', link, button, label)


def hexes(value: str) -> SafeString:
    """The 12 characters alone, for a sentence. The whole digest is in the title."""
    try:
        return format_html('<code class="kg-hex" title="{}">{}</code>', value, in_fours(_hexes(value)[:_SHOWN]))
    except Invalid:
        return _no_digest(value)


def whole(value: str) -> SafeString:
    """All 64 characters, 4 × 4 groups, with a large seal."""
    try:
        parts = in_fours(_hexes(value))
    except Invalid:
        return _no_digest(value)
    return format_html(
        '<div class="kg-fulldigest">{}<div><span class="kg-small">sha256:</span><code class="kg-hex">{}</code></div>{}</div>',
        seal(value, 30),
        parts,
        copy_button(value, "Copy the whole digest"),
    )


def short(value: str) -> SafeString:
    """`9f3e…`, for running text beside a place that shows more of it."""
    try:
        return format_html('<code title="{}">{}…</code>', value, _hexes(value)[:_GROUP])
    except Invalid:
        return _no_digest(value)
