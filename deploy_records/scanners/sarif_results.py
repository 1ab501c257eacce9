"""One result of a SARIF run as a finding."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from deploy_records.scanners import identity, severity
from deploy_records.scanners.fields import MOST_ID, Node
from deploy_records.scanners.report import Cvss, Finding, FindingKind, FindingState, ReportKind, Severity
from deploy_records.scanners.sarif_rules import MOST_RULE, Rule, Rules, cwes_in, labels_in, score_of
from deploy_records.scanners.texts import line

_MOST_HELD = 100_000
_NOT_FOUND = frozenset({"pass", "notApplicable"})
_PLACEHOLDER = re.compile(r"\{([0-9]{1,3})\}")
_PACKAGE = re.compile(r"\bpackage:? '?([^\s'@,]+)(?:@|'?,? (?:at )?version )([^\s',]+)", re.IGNORECASE)
_SAY_SEVERITY_IN_LINES = ("trivy", "grype", "anchore")
_KINDS = {
    ReportKind.IMAGE: FindingKind.VULNERABILITY,
    ReportKind.DEPENDENCIES: FindingKind.VULNERABILITY,
    ReportKind.SECRETS: FindingKind.SECRET,
    ReportKind.CONFIG: FindingKind.MISCONFIGURATION,
}
_BY_RULE_NAME = {
    "Misconfiguration": FindingKind.MISCONFIGURATION,
    "Secret": FindingKind.SECRET,
    "License": FindingKind.LICENCE,
}


@dataclass(frozen=True, slots=True)
class Run:
    """What all results of a run share."""

    tool: str
    rules: Rules
    files: tuple[str, ...]
    kinds: tuple[ReportKind, ...]


class Repeats:
    """Tells apart results that the tool gives the same fingerprints, as it does for equal lines in one file."""

    def __init__(self) -> None:
        self._first: dict[str, str] = {}
        self._others: dict[str, dict[str, int]] = {}

    def told_apart(self, found: Finding) -> Finding:
        """The second location with the same fingerprint has another one, and so on, as far as so many can be held."""
        if found.kind is FindingKind.VULNERABILITY or len(self._first) >= _MOST_HELD:
            return found
        if self._first.setdefault(found.fingerprint, found.location) == found.location:
            return found
        others = self._others.setdefault(found.fingerprint, {})
        number = others.setdefault(found.location, len(others) + 1) if len(others) < _MOST_HELD else _MOST_HELD
        return replace(found, fingerprint=identity.fingerprint(found.kind, found.fingerprint, str(number)))


def finding(result: Node, run: Run) -> Iterator[Finding]:
    """Nothing for results that say that all is well, or that what was found before has gone."""
    if result.text("kind") in _NOT_FOUND or result.text("baselineState") == "absent":
        return
    rule = run.rules.rule_of(result)
    message = _message(result, rule, run.rules)
    named = identity.named_in(_own_id(result, rule))
    kind = _kind(run, rule, named)
    if kind is FindingKind.VULNERABILITY:
        yield _vulnerability(result, rule, run, named, message)
    else:
        yield _other(result, rule, run, kind, message)


def _vulnerability(result: Node, rule: Rule, run: Run, named: tuple[str, ...], message: str) -> Finding:
    said = {**rule.labels, **labels_in(message)}
    own = named[0] if named else _own_id(result, rule)
    others = identity.aliases(own, (*named, *rule.other_ids, *(identity.named_in(rule.title) if not named else ())))
    package, version = _package(said, message, rule)
    word = said.get("severity", "") if run.tool.lower().startswith(_SAY_SEVERITY_IN_LINES) else ""
    found, words, cvss = _severity(result, rule, word)
    state, note = _suppression(result)
    return Finding(
        tool=run.tool,
        kind=FindingKind.VULNERABILITY,
        id=own,
        aliases=others,
        severity=found,
        tool_severity=words,
        cvss=cvss,
        purl=rule.purl,
        package=package,
        version=version,
        fixed_version=said.get("fixed", ""),
        location=_location(result, run),
        cwe=_cwes(result, rule),
        title=_title(rule, message),
        description=rule.description or message,
        link=rule.link,
        fingerprint=identity.of_vulnerability(own, others, rule.purl, package or _location(result, run), version),
        state=state,
        state_note=note,
    )


def _other(result: Node, rule: Rule, run: Run, kind: FindingKind, message: str) -> Finding:
    own = _own_id(result, rule)
    location = _location(result, run)
    word = labels_in(message).get("severity", "") if run.tool.lower().startswith(_SAY_SEVERITY_IN_LINES) else ""
    found, words, cvss = _severity(result, rule, word)
    state, note = _suppression(result)
    # The message of a secret may hold the secret.
    title, description = (_title(rule, message), message) if kind is not FindingKind.SECRET else (rule.title or own, rule.title)
    return Finding(
        tool=run.tool,
        kind=kind,
        id=own,
        severity=found,
        tool_severity=words,
        cvss=cvss,
        location=location,
        cwe=_cwes(result, rule),
        title=title,
        description=description,
        link=rule.link,
        fingerprint=_fingerprint(result, run, kind, own, message),
        state=state,
        state_note=note,
    )


def _own_id(result: Node, rule: Rule) -> str:
    return line(result.name("ruleId", MOST_RULE) or rule.id, MOST_ID) or "without a rule"


def _title(rule: Rule, message: str) -> str:
    return rule.title or line((rule.description or message).partition("\n")[0])


def _kind(run: Run, rule: Rule, named: tuple[str, ...]) -> FindingKind:
    by_name = _BY_RULE_NAME.get(rule.name) if run.tool.lower().startswith("trivy") else None
    if by_name:
        return by_name
    return FindingKind.VULNERABILITY if named else _KINDS.get(run.kinds[0], FindingKind.CODE)


def _severity(result: Node, rule: Rule, word: str) -> tuple[Severity, str, tuple[Cvss, ...]]:
    """The order that `severity.py` gives. Results that are not failures have no level of their own."""
    kind = result.text("kind") or "fail"
    level = result.text("level") or (rule.level if kind == "fail" else "") or ("warning" if kind == "fail" else "")
    score, odd = score_of(result.node("properties"))
    score, odd = (score, odd) if score or odd else (rule.score, rule.word)
    word = word or odd
    cvss = (score,) if score else ()
    if word:
        return severity.from_word(word, cvss), word, cvss
    if score:
        return severity.from_cvss(cvss), f"{level or kind}, {score.score}", cvss
    if kind == "informational":
        return Severity.INFO, kind, cvss
    return severity.from_level(level), level or kind, cvss


def _message(result: Node, rule: Rule, rules: Rules) -> str:
    message = result.node("message")
    name = message.text("id")
    text = message.block("text") or rule.messages.get(name) or rules.messages.get(name) or message.block("markdown")
    arguments = message.arguments("arguments")
    filled = _PLACEHOLDER.sub(lambda found: arguments[int(found[1])] if int(found[1]) < len(arguments) else found[0], text)
    return filled[:4000]


def _location(result: Node, run: Run) -> str:
    """The first, as SARIF means it: the others are for faults that only a change in all of them would mend."""
    for location in result.nodes("locations"):
        physical = location.node("physicalLocation")
        path, region = _path(physical.node("artifactLocation"), run), physical.node("region")
        row, column = region.whole("startLine"), region.whole("startColumn")
        if path:
            return path + (f":{row}" + (f":{column}" if column else "") if row else "")
        logical = [location.node("logicalLocation"), *location.few("logicalLocations")]
        name = next((found for one in logical if (found := one.text("fullyQualifiedName", 500) or one.text("name"))), "")
        if name:
            return name
    return _path(result.node("analysisTarget"), run)


def _file(result: Node, run: Run) -> str:
    first = next(result.nodes("locations"), None)
    return _path(first.node("physicalLocation").node("artifactLocation"), run) if first else ""


def _path(artifact: Node, run: Run) -> str:
    index = artifact.whole("index")
    by_index = run.files[index] if index is not None and index < len(run.files) else ""
    return artifact.text("uri", 460) or by_index


def _package(said: dict[str, str], message: str, rule: Rule) -> tuple[str, str]:
    match = _PACKAGE.search(message)
    package, version = said.get("package", ""), said.get("version", "")
    if not package and match:
        package, version = match[1][:300], match[2][:300].rstrip(".")
    if not package and rule.purl:
        package = identity.package_key(rule.purl, "")
    return package, version


def _cwes(result: Node, rule: Rule) -> tuple[str, ...]:
    taxa = [taxon.name("id", 300) for taxon in result.few("taxa") if _is_cwe(taxon)]
    return tuple(dict.fromkeys((*rule.cwe, *cwes_in(*(f"CWE-{one}" if one.isdigit() else one for one in taxa)))))


def _is_cwe(taxon: Node) -> bool:
    return "cwe" in taxon.node("toolComponent").text("name").lower()


def _suppression(result: Node) -> tuple[FindingState, str]:
    """Suppressed if all who had a say accepted it. One that says nothing of its state is accepted."""
    suppressions = result.few("suppressions")
    states = [one.text("status") or one.text("state") or "accepted" for one in suppressions]
    if not states or any(state != "accepted" for state in states):
        return FindingState.OPEN, f"suppression {states[0]}" if states else ""
    note = next((text for one in suppressions if (text := one.text("justification", 1000))), "")
    return FindingState.SUPPRESSED, note or suppressions[0].text("kind")


def _fingerprint(result: Node, run: Run, kind: FindingKind, own: str, message: str) -> str:
    """By the tool's own fingerprints and the file, so that it stays the same when lines move; else by line and message."""
    prints = _prints(result)
    return identity.fingerprint(
        kind, run.tool, own, *((_file(result, run), *prints) if prints else (_location(result, run), message))
    )


def _prints(result: Node) -> tuple[str, ...]:
    """Some tools write other things than texts there."""
    told = {**result.node("partialFingerprints").data, **result.node("fingerprints").data}
    return tuple(f"{key}={value}" for key, value in sorted(told.items()) if isinstance(value, str))
