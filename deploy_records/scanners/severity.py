"""How bad a finding is, in one scale for all tools. The rule, in this order:

1. The tool's own word counts, if it is one of `WORDS`. Of several (a CycloneDX vulnerability has one from each source)
   the worst counts. A word that nobody knows makes the finding Unknown, whatever its score: it is a scale that we
   cannot read.
2. Without a word, or with one that says that the tool does not know: the highest CVSS score, by the bands of the
   specification of its version. Where only the vector is known, the score is worked out from it.
3. SARIF without either: the level. error is High, warning Medium, note Low, none Info.
4. Else Unknown. Unknown weighs as much as Critical (`Severity.weight`), so that no one gains by not saying.

For SARIF `security-severity` is a score as in 2 and comes before the level; it is not a word.
"""

from collections.abc import Iterable
from functools import lru_cache

from cvss import CVSS2, CVSS3, CVSS4

from deploy_records.scanners.report import Cvss, Severity

WORDS = {
    "critical": Severity.CRITICAL,
    "high": Severity.HIGH,
    "important": Severity.HIGH,
    "medium": Severity.MEDIUM,
    "moderate": Severity.MEDIUM,
    "low": Severity.LOW,
    "minor": Severity.LOW,
    "negligible": Severity.INFO,
    "info": Severity.INFO,
    "information": Severity.INFO,
    "informational": Severity.INFO,
    "none": Severity.INFO,
}
LEVELS = {"error": Severity.HIGH, "warning": Severity.MEDIUM, "note": Severity.LOW, "none": Severity.INFO}
"""SARIF's."""
DOES_NOT_KNOW = frozenset({"", "unknown", "undefined", "unspecified", "unassigned"})

_HIGHEST_SCORE = 10.0
_BANDS = ((9.0, Severity.CRITICAL), (7.0, Severity.HIGH), (4.0, Severity.MEDIUM), (0.1, Severity.LOW))
_LONGEST_VECTOR = 400
_PREFIXES = {"CVSS:3.0/": "3.0", "CVSS:3.1/": "3.1", "CVSS:4.0/": "4.0"}


def from_words(words: Iterable[str], cvss: Iterable[Cvss] = ()) -> Severity:
    """Rules 1, 2 and 4."""
    known = [word for word in (word.strip().lower() for word in words) if word not in DOES_NOT_KNOW]
    if known:
        return max((WORDS.get(word, Severity.UNKNOWN) for word in known), key=_unknown_first)
    return from_cvss(cvss)


def from_word(word: str, cvss: Iterable[Cvss] = ()) -> Severity:
    found = WORDS.get(word) or WORDS.get(word.strip().lower())
    return found or from_words((word,), cvss)


def from_cvss(scores: Iterable[Cvss]) -> Severity:
    """The worst that any of the scores stands for, or Unknown."""
    found = [_banded(one.score if one.score is not None else score_of(one.vector), one.version) for one in scores]
    known = [severity for severity in found if severity is not Severity.UNKNOWN]
    return max(known, key=_unknown_first, default=Severity.UNKNOWN)


def from_level(level: str) -> Severity:
    """Rule 3."""
    return LEVELS.get(level.strip().lower(), Severity.UNKNOWN)


def is_score(number: float | None) -> bool:
    return number is not None and 0.0 <= number <= _HIGHEST_SCORE


def version_of(vector: str, said: str = "") -> str:
    """The version of CVSS that a vector is written in; `said` helps where older vectors bear no prefix."""
    for prefix, version in _PREFIXES.items():
        if vector.startswith(prefix):
            return version
    if "/Au:" in vector:
        return "2.0"
    digits = "".join(character for character in said if character.isdigit())
    return {"2": "2.0", "20": "2.0", "3": "3.0", "30": "3.0", "31": "3.1", "4": "4.0", "40": "4.0"}.get(digits, "")


@lru_cache(maxsize=4096)
def score_of(vector: str) -> float | None:
    """The base score of a CVSS vector, or None where it cannot be worked out."""
    if not vector or len(vector) > _LONGEST_VECTOR:
        return None
    try:
        return float(_calculator(vector).scores()[0])
    except Exception:  # noqa: BLE001 - the library raises more than its own error on vectors that are not ones
        return None


def _calculator(vector: str) -> CVSS2 | CVSS3 | CVSS4:
    if vector.startswith("CVSS:4"):
        return CVSS4(vector)
    if "/Au:" in vector:
        return CVSS2(vector.strip("()"))
    return CVSS3(vector if vector.startswith("CVSS:3") else f"CVSS:3.0/{vector}")


def _banded(score: float | None, version: str) -> Severity:
    if score is None or not is_score(score):
        return Severity.UNKNOWN
    severity = next((severity for least, severity in _BANDS if score >= least), Severity.INFO)
    # CVSS 2 knows no band above High.
    return Severity.HIGH if version == "2.0" and severity is Severity.CRITICAL else severity


def _unknown_first(severity: Severity) -> tuple[int, bool]:
    return (severity.weight, severity is Severity.UNKNOWN)
