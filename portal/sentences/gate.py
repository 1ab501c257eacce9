"""What the gate says, for pages: its words with links to what they name."""

import re

from django.urls import reverse
from django.utils.safestring import SafeString

from chatbot_service import gate_words
from deploy_records.rules.case import Decision, RuleResult
from portal.sentences.parts import counted
from portal.templatetags.markup import format_html, format_html_join

_TOO_FEW = re.compile(r"It has (no|\d+) valid of (\d+)\.")
_ITEM = re.compile(r"\b(POAM-(\d{1,9}))\b")


def linked(words: str) -> SafeString:
    """The same words; the exceptions that they name lead to their pages."""
    parts: list[tuple[SafeString]] = []
    done = 0
    for found in _ITEM.finditer(words):
        link = format_html('<a href="{}">{}</a>', reverse("poam-item", args=[int(found[2])]), found[1])
        parts += [(format_html("{}", words[done : found.start()]),), (link,)]
        done = found.end()
    return format_html_join("", "{}", [*parts, (format_html("{}", words[done:]),)])


def in_short(rule: RuleResult, decision: Decision) -> str:
    """A refusal as one short sentence; the table says the rest."""
    if rule.key == "findings" and gate_words.severities(decision):
        blocking = sum(one.blocks for one in decision.findings)
        return f"{gate_words.severities(decision)} finding{'s' if blocking > 1 else ''} that nothing excuses."
    if rule.key == "approvals":
        few = _TOO_FEW.match(rule.why)
        given = {"no": "none", "1": "one"}.get(few[1], few[1]) if few else ""
        return f"It has {given} of the {counted(int(few[2]))} approvals it needs." if few else gate_words.first_sentence(rule.why)
    return rule.why
