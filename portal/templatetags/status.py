"""States in words: icon, word and colour together. Good is quiet; only what deviates gets a ground."""

from collections.abc import Mapping

from django.utils.safestring import SafeString, mark_safe

from chatbot_service.models import JobState
from deploy_records.models import LedgerState
from portal.templatetags.icons import tone_icon
from portal.templatetags.markup import format_html, format_html_join

LOUD = frozenset({"warn", "stop"})
_BARS = mark_safe("<i></i>" * 4)  # noqa: S308 - constant
SEVERITIES = ("Critical", "High", "Medium", "Low", "Info", "Unknown")
_LOUD_SEVERITIES = ("Unknown", "Critical", "High")

_LEDGER = {
    LedgerState.CANDIDATE: "none",
    LedgerState.APPROVED: "ok",
    LedgerState.KNOWN_GOOD: "ok",
    LedgerState.DEPRECATED: "off",
    LedgerState.REVOKED: "stop",
}
JOB_TONES = {
    JobState.QUEUED: "wait",
    JobState.RUNNING: "run",
    JobState.UNDOING: "run",
    JobState.SUCCEEDED: "ok",
    JobState.FAILED: "undone",
    JobState.REFUSED: "stop",
    JobState.CANCELLED: "undone",
    JobState.STUCK: "stop",
}
_HEALTH = {
    "healthy": "ok",
    "starting": "run",
    "unhealthy": "stop",
    "down": "stop",
    "stopped": "off",
    "paused": "off",
}


def status(tone: str, word: object, note: object = "", *, loud: bool | None = None) -> SafeString:
    """`note` is the reason, on a second line. `loud` overrides the ground behind the word."""
    ground = " kg-status--loud" if (tone in LOUD if loud is None else loud) else ""
    second = format_html('<span class="kg-note-s">{}</span>', note) if note else ""
    return format_html(
        '<span class="kg-status kg-status--{}{}">{}<span class="kg-word">{}</span></span>{}',
        tone,
        ground,
        tone_icon(tone),
        word,
        second,
    )


def ledger_state(state: str, note: object = "") -> SafeString:
    known = LedgerState(state)
    return status(_LEDGER[known], known.label, note)


def job_state(state: str, note: object = "") -> SafeString:
    """A refused job changed nothing, so it is not loud; a stuck one is."""
    known = JobState(state)
    return status(JOB_TONES[known], known.label, note, loud=known is JobState.STUCK)


def health(state: str, note: object = "") -> SafeString:
    """A state of `HealthTransition`; one not known is drawn as unknown."""
    tone = _HEALTH.get(state, "none")
    return status(tone, state.capitalize() if state in _HEALTH else "Unknown", note)


def severity(word: str, number: int | None = None) -> SafeString:
    """Four bars to count and the word. What is not known is drawn as unknown, as loud as Critical."""
    known = word.capitalize() if word.capitalize() in SEVERITIES else "Unknown"
    return format_html(
        '<span class="kg-sev kg-sev--{}"><span class="kg-sev-bars" aria-hidden="true">{}</span>{}{}</span>',
        known.lower(),
        _BARS,
        "" if number is None else f"{number:,} ",
        known,
    )


def severities(counts: Mapping[str, int]) -> SafeString:
    """How many findings there are: of what may block by severity, the rest together."""
    loud = [severity(word, counts[word]) for word in _LOUD_SEVERITIES if counts.get(word)]
    less = sum(number for word, number in counts.items() if word not in _LOUD_SEVERITIES)
    rest = format_html('<span class="kg-small">{} {}</span>', f"{less:,}", "lower" if loud else "below High") if less else ""
    if not loud and not less:
        return status("ok", "None found")
    return format_html('<span class="kg-sevs">{}{}</span>', format_html_join("", "{}", ((one,) for one in loud)), rest)
