"""The rules of a SARIF run, in short, and the way from a result to its rule."""

import re
from dataclasses import dataclass, field

from deploy_records.scanners import identity, severity
from deploy_records.scanners.fields import Node, at_most
from deploy_records.scanners.report import Cvss

MOST_RULE = 1000

# Rules are held, all of them, so that what they may say is bounded; a file may be large by nothing but rules.
_MOST_RULES = 100_000
_MOST_MESSAGES = 20_000
_MOST_CWES = 20
_MOST_HELP = 400
_SCORE = "security-severity"
_CWE = re.compile(r"\bcwe[-/_: ]*(?:cwe[-/_: ]*)?0*([0-9]{1,5})\b", re.IGNORECASE)
_LABEL = re.compile(r"^\W{0,4}([A-Z][A-Za-z ]{2,20}):[ \t]*(\S.*)$", re.MULTILINE)
_LABELS = {
    "Package": "package",
    "PkgName": "package",
    "Installed Version": "version",
    "Version": "version",
    "Fixed Version": "fixed",
    "Fix Version": "fixed",
    "Severity": "severity",
    "Type": "type",
}


@dataclass(frozen=True, slots=True)
class Rule:
    id: str = ""
    name: str = ""
    title: str = ""
    description: str = ""
    link: str = ""
    level: str = ""
    score: Cvss | None = None
    word: str = ""
    """What stands where a score should, or a score beyond the scale."""
    cwe: tuple[str, ...] = ()
    other_ids: tuple[str, ...] = ()
    purl: str = ""
    labels: dict[str, str] = field(default_factory=dict)
    messages: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rules:
    """`components` are the driver, then the extensions, as SARIF counts them: -1, 0, 1, …"""

    components: tuple[tuple[Rule, ...], ...]
    by_id: dict[str, Rule]
    names: tuple[tuple[str, str], ...]
    """Name and guid of each component."""
    messages: dict[str, str]

    @classmethod
    def of(cls, tool: Node) -> "Rules":
        parts, count, messages = [tool.node("driver"), *tool.few("extensions")], 0, 0
        components = list[tuple[Rule, ...]]()
        for part in parts:
            rules = list[Rule]()
            for node in at_most(_MOST_RULES - count, part.nodes("rules"), part.place.key("rules")):
                rules.append(_rule(node))
                messages += len(rules[-1].messages)
                if messages > _MOST_MESSAGES:
                    raise node.place.wrong(f"expected at most {_MOST_MESSAGES:,} texts of messages in all rules together.")
            components.append(tuple(rules))
            count += len(rules)
        by_id = {rule.id: rule for rules in reversed(components) for rule in reversed(rules)}
        names = tuple((part.text("name"), part.text("guid")) for part in parts)
        return cls(tuple(components), by_id, names, _messages(parts[0], "globalMessageStrings"))

    def rule_of(self, result: Node) -> Rule:
        """By index, if the rule there bears the id of the result or the result names none; else by id."""
        reference = result.node("rule")
        said = result.name("ruleId", MOST_RULE) or reference.name("id", MOST_RULE)
        index = result.whole("ruleIndex")
        index = reference.whole("index") if index is None else index
        rules = self._component(reference.node("toolComponent"))
        found = rules[index] if index is not None and index < len(rules) else None
        if found and (not said or _is_below(said, found.id)):
            return found
        return self.by_id.get(said) or self.by_id.get(said.rpartition("/")[0]) or Rule(id=said)

    def _component(self, reference: Node) -> tuple[Rule, ...]:
        index, wanted = reference.whole("index"), (reference.text("name"), reference.text("guid"))
        if index is not None and index < len(self.components) - 1:
            return self.components[index + 1]
        for rules, (name, guid) in zip(self.components, self.names, strict=True):
            if (wanted[1] and wanted[1] == guid) or (wanted[0] and wanted[0] == name):
                return rules
        return self.components[0]


def labels_in(text: str) -> dict[str, str]:
    """What Trivy and Grype write as lines: `Package: curl`, `Installed Version: 7.1`, …"""
    return {_LABELS[found[1]]: found[2][:300].strip() for found in _LABEL.finditer(text[:4000]) if found[1] in _LABELS}


def score_of(properties: Node) -> tuple[Cvss | None, str]:
    """The score that `security-severity` gives, or what stands there instead of one."""
    said = properties.text(_SCORE, 100)
    try:
        number = float(said) if said else None
    except ValueError:
        number = None
    return (Cvss("", "", number, _SCORE), "") if severity.is_score(number) else (None, said)


def cwes_in(*texts: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(f"CWE-{found[1]}" for text in texts for found in _CWE.finditer(text)))


def _is_below(said: str, known: str) -> bool:
    return said == known or said.startswith(f"{known}/")


def _rule(node: Node) -> Rule:
    properties, text = node.node("properties"), node.node("help").block("text")
    tags = properties.texts("tags")
    purls = properties.texts("purls", 1000) if isinstance(properties.data.get("purls"), list) else ()
    related = [one.node("target").name("id", 300) for one in node.few("relationships") if _is_cwe(one.node("target"))]
    own, (score, word) = node.name("id", MOST_RULE), score_of(properties)
    return Rule(
        id=own,
        name=node.text("name"),
        title=node.node("shortDescription").text("text") or node.text("name"),
        description=node.node("fullDescription").block("text", _MOST_HELP) or text[:_MOST_HELP],
        link=node.link("helpUri"),
        level=node.node("defaultConfiguration").text("level"),
        score=score,
        word=word,
        cwe=cwes_in(own, *tags, *(f"CWE-{one}" if one.isdigit() else one for one in related))[:_MOST_CWES],
        other_ids=identity.aliases(own, node.texts("deprecatedIds")),
        purl=purls[0] if len(purls) == 1 else "",
        labels=labels_in(text),
        messages=_messages(node, "messageStrings"),
    )


def _is_cwe(target: Node) -> bool:
    return "cwe" in target.node("toolComponent").text("name").lower()


def _messages(node: Node, key: str) -> dict[str, str]:
    entries = at_most(_MOST_MESSAGES, node.entries(key), node.place.key(key))
    return {name: message.block("text", _MOST_HELP) for name, message in entries}
