"""What became of a file that was sent: taken in, known already, refused, or with a worker."""

from dataclasses import dataclass

from deploy_records.models import ImportState, ScanImport, ScanReport
from deploy_records.scans import Imported


@dataclass(frozen=True)
class Outcome:
    """What became of one file. `tone` and `word` as for a status; `reading`: a worker has it now."""

    name: str
    tone: str
    word: str
    sentence: str
    report: ScanReport | None = None
    reading: ScanImport | None = None

    @property
    def is_refused(self) -> bool:
        return self.tone == "stop"


def outcome_of(one: ScanImport) -> Outcome:
    """What became of a file that a worker was given."""
    if one.state == ImportState.REFUSED:
        return Outcome(one.name, "stop", "Refused", one.problem)
    if one.state == ImportState.DONE and one.report is not None:
        return imported(Imported(one.report, True, tuple(one.report.matches.select_related("entry"))), one.name)
    if one.state == ImportState.DONE:
        return Outcome(one.name, "off", "Read", "It was read; its report has gone since.")
    if one.state == ImportState.WAITING:
        return Outcome(one.name, "wait", "Waits for a worker", "It is read as soon as a worker is free.", reading=one)
    return Outcome(one.name, "run", "Being read", f"{one.findings_read:,} findings so far.", reading=one)


def imported(done: Imported, name: str) -> Outcome:
    tone, word = ("ok", "Taken in") if done.is_new else ("none", "Was here already")
    if not done.matches:
        tone, word = "warn", f"{word}, in quarantine"
    return Outcome(name, tone, word, done.sentence.removeprefix(f"{done.report.name}: "), done.report)
