"""`manage.py verify_audit`: is the audit trail intact? Exit code 0 yes, 1 no, 2 unusable input."""

import json
import re
import sys
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from deploy_records.audit_check import verify


class Command(BaseCommand):
    help = "Checks every link of the audit trail and every column beside it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--since", type=int, default=1, metavar="N", help="the first event to check (default 1)")
        parser.add_argument("--trusted", default="", metavar="HASH", help="the hash of the event before it, noted earlier")
        parser.add_argument("--json", action="store_true", help="the report as JSON")

    def handle(self, *, since: int, trusted: str, **options: Any) -> None:
        if since < 1:
            raise CommandError("--since must be 1 or more.", returncode=2)
        if trusted and not re.fullmatch(r"[0-9a-f]{64}", trusted):
            raise CommandError("--trusted must be a hash: 64 characters 0-9 a-f.", returncode=2)
        report = verify(since, trusted=trusted)
        if options["json"]:
            self.stdout.write(json.dumps({**asdict(report), "intact": report.intact, "sentence": report.sentence}))
        else:
            self.stdout.write(report.sentence)
            if report.intact and report.checked:
                self.stdout.write(f"{report.checked:,} events checked. Hash at event {report.until:,}: {report.digest}")
        if not report.intact:
            sys.exit(1)
