"""What runs here, is it well, may it run, and is there a way back?"""

from collections.abc import Sequence

from django.urls import reverse
from django.utils.safestring import SafeString

from chatbot_service import gate_words, lights
from chatbot_service.board import Row
from deploy_records.models import Approval
from portal.sentences.gate import linked
from portal.sentences.parts import Answer, claim, counted, listed, said, sentence, strong
from portal.templatetags.digest import hexes
from portal.templatetags.moments import age, ago


def answer(row: Row, approvals: Sequence[Approval]) -> Answer:
    """`approvals`: those of the digest that runs which are in force."""
    return Answer(_tone(row), _said(row, approvals), _sub(row))


def _tone(row: Row) -> str:
    tones = {light.tone for light in (row.approved, row.health, row.readiness.light)}
    if lights.STOP in {row.health.tone, row.approved.tone}:
        return "stop"
    if tones & {lights.WARN, lights.STOP}:
        return "warn"
    return "ok" if row.health.good and row.approved.good else row.health.tone


def _said(row: Row, approvals: Sequence[Approval]) -> SafeString:
    service = row.service
    if service.seen_at is None:
        return said("Nobody has looked at it yet. ", "A worker of ", service.host.name, " does so when the service is added.")
    clauses = [_runs(row), *_health(row)]
    head = listed(clauses, ", ") if row.runs_something else said(clauses[0])
    return said(sentence(head), _authority(row, approvals), _way_back(row), _backup(row), ".")


def _runs(row: Row) -> SafeString:
    service, entry = row.service, row.entry
    if not row.runs_something:
        word = row.health.word.lower()
        return said("It is ", strong(claim(word, "#t-h")), _since(row))
    if not service.seen_digest:
        return said("Runs ", strong("an image that is not in the ledger"))
    chip = claim(hexes(service.seen_digest), reverse("digest", args=[entry.pk])) if entry else hexes(service.seen_digest)
    tag = said(" (", entry.tag, ")") if entry and entry.tag else ""
    return said("Runs ", chip, tag)


def _since(row: Row) -> SafeString:
    return said(" for ", age(row.service.seen_since)) if row.service.seen_since else said("")


def _health(row: Row) -> list[SafeString]:
    if row.health.good:
        return [claim(said("healthy", _since(row)), "#t-h")]
    return [strong(claim(said(row.health.word.lower(), _since(row)), "#t-h"))]


def _authority(row: Row, approvals: Sequence[Approval]) -> SafeString:
    """Why it may run, or why not."""
    service, entry = row.service, row.entry
    if service.drift:
        return said(". ", strong(claim("It drifted", "#t-c")), ": it ", service.drift)
    if entry is None:
        return said(", and nobody has approved it") if row.runs_something else said("")
    page = f"{reverse('digest', args=[entry.pk])}?environment={service.environment}#gate"
    if row.decision is not None and row.decision.allowed:
        by = said(", ", claim(f"approved by {counted(len(approvals))}", page)) if approvals else said("")
        on = gate_words.why(row.decision, row.now)
        return said(by, "; the ", claim("gate passes", page), said(" on ", linked(on)) if on else "")
    if entry.state == "candidate":
        return said(", but is ", strong(claim("not approved yet", page)))
    why = gate_words.why_not(row.decision, entry.state) if row.decision else ""
    return said(", but the ", strong(claim("gate refuses it", page)), f": {why}" if why else "")


def _way_back(row: Row) -> SafeString:
    if row.rollback.good and row.target is not None:
        return said(", and it ", claim("can be rolled back", "#t-r"))
    if row.rollback.tone == lights.WARN:
        return said(", and it ", strong(claim("could not be rolled back", "#t-r")))
    return said(". There is ", claim("nothing to roll back to yet", "#t-r")) if row.target is None else said("")


def _backup(row: Row) -> SafeString:
    """Only what it has; what is missing stands in the panel, unless it is urgent."""
    part, url = row.readiness.backup.light, reverse("service-backups", args=[row.service.pk])
    if part.tone in {lights.WARN, lights.STOP}:
        return said("; ", strong(claim(part.word[:1].lower() + part.word[1:], url)))
    if part.tone == lights.OK and part.word == "Fresh":
        return said("; ", claim(part.note, url))
    return said("")


def _sub(row: Row) -> SafeString:
    service = row.service
    if service.seen_at is None:
        return said("")
    seen = ago(service.seen_at)
    same = bool(row.entry) and service.seen_pin.endswith(f"@{service.seen_digest}") and not service.drift
    if row.runs_something and service.seen_digest and same:
        return said("Seen ", seen, ": the container, the pin and the ledger name the same digest.")
    if row.runs_something and "@" not in service.seen_pin:
        return said("Seen ", seen, ": nothing is pinned by digest yet; the first upgrade writes the pin.")
    return said("Seen ", seen, ".")
