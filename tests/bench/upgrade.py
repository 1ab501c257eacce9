"""An upgrade by the portal against the same by hand, its rehearsal told apart; and one to a build that must be caught."""

import time

from chatbot_service import dispatch
from chatbot_service.models import Job, JobState, Service
from deploy_records.errors import Broken
from tests.bench.kit.client import Client
from tests.bench.kit.managed import Office, ended
from tests.bench.kit.pairs import INTERVALS, Course, builds, compare, describe
from tests.bench.kit.report import Report
from tests.bench.kit.stack import Say, Stack, run_beside_a_portal


def run(pairs: int, say: Say) -> Report:
    return run_beside_a_portal(__name__, pairs, say)


def measure(stack: Stack, pairs: int, say: Say) -> Report:
    office, report = Office.open(), Report("upgrade")
    describe(report, pairs)
    digests = builds(stack, office, "123", say)

    def upgrade(service: Service, digest: str) -> Job:
        return dispatch.upgrade(service, digest, office.request)

    for name, interval in INTERVALS.items():
        course = Course.lay_out(stack, office, digests, interval)
        compare(report, name, course.run(upgrade, pairs, say), apart="rehearse")
        _catch_the_bad_build(report, name, course, say)
        course.clear()
    return report


def _catch_the_bad_build(report: Report, name: str, course: Course, say: Say) -> None:
    """Build 3 starts but never becomes healthy: the visitors must not notice."""
    say(f"{course.interval} s interval: upgrading to build 3, which never becomes healthy")
    begun = time.monotonic()
    with Client(course.managed.port) as client:
        job = dispatch.upgrade(course.service, course.digests["3"], course.office.request)
        state = ended(job)
    if state != JobState.FAILED:
        raise Broken(f"{job} to a bad build ended as {job.get_state_display()}: {job.error}")
    report.note(f"{name}_bad_build_s", time.monotonic() - begun)
    report.note(f"{name}_bad_build_requests", client.outcome.asked)
    report.hold(f"{name}_bad_build_failed_requests", client.outcome.failed, 0)
