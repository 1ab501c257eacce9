"""What would change: the digest that runs against the one chosen, as far as the record knows both."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from django.utils.safestring import SafeString

from chatbot_service.board import Row
from chatbot_service.choices import Choice, Choices
from portal.sentences.parts import said
from portal.templatetags.digest import chip
from portal.templatetags.moments import ago, duration, size
from portal.templatetags.status import ledger_state, status


@dataclass(frozen=True)
class Difference:
    what: str
    now: SafeString
    then: SafeString
    difference: SafeString


_NOTHING = SafeString("")
_SAME_SECONDS = 60


def differences(row: Row, choices: Choices) -> Sequence[Difference]:
    return list(_rows(row, choices.running, choices.chosen)) if choices.chosen else ()


def _rows(row: Row, now: Choice | None, then: Choice) -> Iterator[Difference]:
    runs = chip(row.service.seen_digest) if row.service.seen_digest else said("nothing known")
    tags = said(now.entry.tag, " → ", then.entry.tag) if now and now.entry.tag and then.entry.tag else _NOTHING
    yield Difference("Digest", runs, chip(then.entry.digest), tags)
    yield Difference("State", ledger_state(now.entry.state) if now else _NOTHING, ledger_state(then.entry.state), _failure(then))
    yield Difference("Approved by", _names(now), _names(then), _NOTHING)
    yield Difference("Built", _built(now), _built(then), _newer(now, then))
    yield Difference("Image", _image(now), _image(then), _platform(row, then))


def _failure(then: Choice) -> SafeString:
    if then.entry.failed_at is None:
        return status("ok", "No job with it was undone")
    return status("warn", "A job with it was undone", said(ago(then.entry.failed_at), ": ", then.entry.note[:160]))


def _names(choice: Choice | None) -> SafeString:
    return said(", ".join(one.by.get_username() for one in choice.approvals) or "nobody") if choice else _NOTHING


def _built(choice: Choice | None) -> SafeString:
    if choice is None:
        return _NOTHING
    return ago(choice.entry.built_at) if choice.entry.built_at else said("not known")


def _newer(now: Choice | None, then: Choice) -> SafeString:
    if now is None or now.entry.built_at is None or then.entry.built_at is None:
        return _NOTHING
    apart = then.entry.built_at - now.entry.built_at
    if abs(apart.total_seconds()) < _SAME_SECONDS:
        return said("at the same time")
    return said(duration(abs(apart)), " newer" if apart.total_seconds() >= 0 else " older")


def _image(choice: Choice | None) -> SafeString:
    if choice is None or choice.platform is None:
        return said("not known") if choice else _NOTHING
    return said(size(choice.platform.size), " compressed, ", choice.platform.platform)


def _platform(row: Row, then: Choice) -> SafeString:
    host = row.service.host
    if not host.platform:
        return status("none", "The platform of the host is not known yet")
    if then.platform is None:
        return status("stop", f"Not for {host.platform}", f"as {host.name} needs it")
    return status("ok", f"Fits {host.name}")
