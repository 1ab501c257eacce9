from tests.bench.kit.report import Report
from tests.bench.kit.stack import Say


def run(pairs: int, say: Say) -> Report:
    say("measuring nothing")
    report = Report("met")
    report.note("pairs", pairs)
    report.hold("took_s", 1.23456, 2.0)
    report.spread("took_s", [1.0, 1.5])
    report.note("how", "as a stub")
    return report
