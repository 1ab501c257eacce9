"""A rollback by the portal against the same by hand: times, and the downtime that a client saw."""

from chatbot_service import dispatch
from chatbot_service.models import Job, Service
from tests.bench.kit.managed import Office, succeeded
from tests.bench.kit.pairs import INTERVALS, Course, builds, compare, describe
from tests.bench.kit.report import Report
from tests.bench.kit.stack import Say, Stack, run_beside_a_portal


def run(pairs: int, say: Say) -> Report:
    return run_beside_a_portal(__name__, pairs, say)


def measure(stack: Stack, pairs: int, say: Say) -> Report:
    office, report = Office.open(), Report("rollback")
    describe(report, pairs)
    digests = builds(stack, office, "12", say)

    def roll_back(service: Service, digest: str) -> Job:
        return dispatch.rollback(service, digest, office.request)

    def make_known_good(service: Service, build: str) -> None:
        """A rollback goes to what has run healthy before."""
        succeeded(dispatch.upgrade(service, digests[build], office.request))
        succeeded(roll_back(service, digests["1"]))

    for name, interval in INTERVALS.items():
        course = Course.lay_out(stack, office, digests, interval)
        make_known_good(course.service, "2")
        compare(report, name, course.run(roll_back, pairs, say))
        course.clear()
    return report
