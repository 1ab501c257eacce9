"""`manage.py check_hardening SERVICE --by USER [--json]`: holds the running container against the hardening baseline.

Exit code: 0 the baseline is met, 1 it is not, 2 the check was refused or could not be made.
"""

import json
import sys
import time
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandParser

from chatbot_service import hardening_report, operating
from chatbot_service.dispatch import Request
from chatbot_service.management.commands.job import follow, is_text, service_named
from chatbot_service.models import HardeningCheck, Job, JobState
from deploy_records import audit
from deploy_records.errors import Invalid, Refused
from deploy_records.rules.digest import shown

BEGINS_WITHIN = 60.0
POLL_SECONDS = 0.2


def _wait_for_a_worker(job: Job) -> None:
    """A pipeline that asks must not hang where no worker runs."""
    ends = time.monotonic() + BEGINS_WITHIN
    while job.state == JobState.QUEUED:
        if time.monotonic() > ends:
            raise Refused(
                f"No worker of {job.host.name} began {job} within {BEGINS_WITHIN:.0f} s; it is made when one comes. "
                "See that a worker runs.",
                code="no-worker",
            )
        time.sleep(POLL_SECONDS)
        job.refresh_from_db()


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("service", help="NAME, or NAME@HOST where several hosts have one of that name")
        parser.add_argument("--by", required=True, help="the person in whose name it is checked")
        parser.add_argument("--json", action="store_true", help="one JSON document on standard output, nothing else")

    def handle(self, *_args: Any, **options: Any) -> None:
        try:
            check = self._check(options)
        except Refused as why:
            person = User.objects.filter(username=options["by"]).first() if is_text(options["by"]) else None
            audit.record_refusal(
                audit.Actor.of(person, "shell"), f"check_hardening {shown(options['service'])}", str(why), why.code
            )
            self._refused(str(why), why.code, options)
        if options["json"]:
            self.stdout.write(json.dumps(hardening_report.as_data(check), indent=2))
        else:
            self.stdout.write("\n".join(hardening_report.as_lines(check)))
        sys.exit(hardening_report.exit_code(check))

    def _check(self, options: dict[str, Any]) -> HardeningCheck:
        for name in ("service", "by"):
            if not is_text(options[name]):
                raise Invalid(f"The {name} is not text in UTF-8: {shown(options[name])}. Nothing was checked.")
        person = User.objects.filter(username=options["by"], is_active=True).first()
        if person is None:
            raise Invalid(f"There is no active person {shown(options['by'])}. Nothing was checked.")
        job = operating.harden(service_named(options["service"]), Request(person, address="shell"))
        _wait_for_a_worker(job)
        state = follow(job, lambda _line: None)
        if state != JobState.SUCCEEDED:
            # On record already, as the end of the job.
            self._refused(job.error or "The check did not come to an end.", job.error_code, options)
        return HardeningCheck.objects.select_related("service__host").get(job=job)

    def _refused(self, why: str, code: str, options: dict[str, Any]) -> None:
        if options["json"]:
            self.stdout.write(json.dumps(hardening_report.refused(options["service"], why, code), indent=2))
        else:
            self.stderr.write(why)
        sys.exit(hardening_report.REFUSED)
