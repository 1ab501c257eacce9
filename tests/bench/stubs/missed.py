from tests.bench.kit.report import Report
from tests.bench.kit.stack import Say


def run(_pairs: int, _say: Say) -> Report:
    report = Report("missed")
    report.hold("met_s", 2.0, 2.0)
    report.hold("missed_s", 2.0001, 2.0)
    return report
