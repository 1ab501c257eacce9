"""`manage.py check_gate REPOSITORY@DIGEST`: may this image be deployed? Exit code 0 yes, 1 no, 2 unusable input.

By the ledger; or, with --scan FILE… and --poam FILE, by these files alone, for pipelines without a database.
"""

import json
import sys
from argparse import ArgumentParser
from datetime import datetime
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import Error as DatabaseError
from django.utils import timezone

from deploy_records import gate_files, gate_past, lookup, verdict
from deploy_records.errors import Invalid, Refused
from deploy_records.gate_files import Answer, Asked
from deploy_records.rules.case import Decision, RuleResult, exact
from deploy_records.rules.digest import Reference, parse_pinned, shown
from deploy_records.rules.exceptions import shown as to_the_second
from deploy_records.rules.policy import ENVIRONMENTS
from deploy_records.verdict import Question

_BLOCKED, _UNUSABLE = 1, 2
_PAST = (
    "{moment} is past. Reports, findings, exceptions, approvals, the policy and the state in the ledger are taken as the "
    f"record has them for that moment. {gate_past.OF_TODAY}"
)
_TO_COME = "{moment} is to come. Exceptions end and reports grow older until then; all else is taken as it is now."


class Command(BaseCommand):
    help = __doc__
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("image", metavar="REPOSITORY@DIGEST")
        parser.add_argument("--environment", default="production", choices=ENVIRONMENTS, help="whose policy is asked")
        parser.add_argument("--service", default="", help="as which service it would run, for exceptions of that scope")
        parser.add_argument("--host", default="", help="on which host; with --service, to compare with what runs there")
        parser.add_argument("--platform", default="", help="os/architecture of that host")
        parser.add_argument("--at", default="", metavar="MOMENT",
                            help="another moment than now: 2026-12-01T09:00:00Z; by the ledger, a past one is judged by what "
                            "the record says of then")  # fmt: skip
        parser.add_argument("--scan", nargs="+", default=[], action="extend", type=Path, metavar="FILE",
                            help="judge these reports alone, by the default policy; no ledger, no approvals")  # fmt: skip
        parser.add_argument("--poam", type=Path, metavar="FILE", help="with --scan: the exceptions that count")
        parser.add_argument("--json", action="store_true", help="the decision as JSON")

    def handle(self, *, image: str, at: str, **options: Any) -> None:
        try:
            reference, now = parse_pinned(image), timezone.now()
            moment = _moment(at) if at else now
            asked = _by_files if options["scan"] else _by_ledger
            answer = asked(reference, moment, now, options)
        except Refused as refused:
            raise CommandError(str(refused), returncode=_UNUSABLE) from refused
        except DatabaseError as error:
            words = "The database does not answer. Name files with --scan to judge without one."
            raise CommandError(words, returncode=_UNUSABLE) from error
        self._tell(reference, answer, as_json=options["json"])
        if not answer.decision.allowed:
            sys.exit(_BLOCKED)

    def _tell(self, image: Reference, answer: Answer, *, as_json: bool) -> None:
        if as_json:
            self.stdout.write(json.dumps(_data(image, answer), ensure_ascii=False))
        else:
            self.stdout.write("\n".join(_lines(image, answer)))


def _by_files(image: Reference, at: datetime, now: datetime, options: dict[str, Any]) -> Answer:
    asked = Asked(image, at, now, options["environment"], options["service"])
    return gate_files.judge(asked, options["scan"], options["poam"])


def _by_ledger(image: Reference, at: datetime, now: datetime, options: dict[str, Any]) -> Answer:
    """What is not in the ledger is blocked, in the words of `lookup`."""
    if options["poam"]:
        raise Invalid("--poam is for --scan: by the ledger, the ledger's own exceptions count.")
    place = {name: options[name] for name in ("environment", "service", "host", "platform")}
    try:
        entry = lookup.get(image.repository, image.digest)
    except Refused as refused:
        why = str(refused).removesuffix("Nothing was changed.").strip()
        result = RuleResult("The ledger knows it", False, why, "Register it, and have it approved.", key="ledger")
        return Answer(Decision(False, f"Must not be deployed. {why}", (result,), at, options["environment"]))
    if at < now:
        return Answer(verdict.ask_then(Question(entry, **place), at), (_PAST.format(moment=to_the_second(at)),))
    remarks = (_TO_COME.format(moment=to_the_second(at)),) if at > now else ()
    return Answer(verdict.ask(entry, at=at, **place), remarks)


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise Invalid(f"{shown(text)} is no moment. One looks like 2026-12-01T09:00:00Z.") from error
    if moment.tzinfo is None:
        raise Invalid(f"{shown(text)} does not say in which zone. Put a Z behind it for UTC.")
    return moment


def _data(image: Reference, answer: Answer) -> dict[str, Any]:
    findings = [
        {
            "name": one.fact.name, "severity": str(one.fact.severity), "package": one.fact.package, "version": one.fact.version,
            "blocks": one.blocks, "excused_by": one.excused_by, "until": exact(one.until) if one.until else None,
            "why_not": list(one.why_not),
        }
        for one in answer.decision.findings
    ]  # fmt: skip
    data = answer.decision.as_data()
    return {"image": str(image), **data, "findings": {**data["findings"], "listed": findings}, "remarks": list(answer.remarks)}


def _lines(image: Reference, answer: Answer) -> list[str]:
    decision = answer.decision
    lines = [f"{image.pinned}: {'allowed' if decision.allowed else 'blocked'} in {decision.environment}."]
    for rule in decision.rules:
        mark = ("warns" if rule.warns else "passes") if rule.passes else "BLOCKS"
        lines.append(f"  {mark:<7} {rule.rule}: {rule.why}")
        if not rule.passes:
            lines += [f"          {line}" for line in rule.lines]
            lines += [f"          To clear it: {rule.to_clear}"] if rule.to_clear else []
    return [*lines, *(f"  note    {remark}" for remark in answer.remarks)]
