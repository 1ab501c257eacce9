"""`manage.py job KIND SERVICE [DIGEST] --by USER [--wait]`: the same jobs by the same rules as in the browser.

Exit code: 0 succeeded (or started, without --wait; or a restore waits for a second person), 1 failed and undone,
2 refused, 3 stuck.
"""

import sys
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandParser

from chatbot_service import backup_starting, dispatch, operating
from chatbot_service.dispatch import Request
from chatbot_service.models import Backup, Job, JobState, JobStep, Kind, Restore, Service, StepState
from deploy_records import audit
from deploy_records.errors import Invalid, Refused
from deploy_records.rules.digest import shown

OF_DIGESTS = ("upgrade", "rollback")
OF_LIFE = ("start", "stop", "restart")
OF_LOOKS = {
    "probe": operating.probe, "reach": operating.reach, "resources": operating.resources, "harden": operating.harden,
}  # fmt: skip
OF_BACKUPS = ("backup", "restore", "rehearse", "check")
EXIT = {JobState.SUCCEEDED: 0, JobState.FAILED: 1, JobState.CANCELLED: 1, JobState.REFUSED: 2, JobState.STUCK: 3}
REFUSED = 2
POLL_SECONDS = 0.2
WORTH_SAYING = timedelta(seconds=1)
MARK = {StepState.DONE: "✓", StepState.FAILED: "×"}


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("kind", choices=(*OF_DIGESTS, *OF_LIFE, *OF_BACKUPS, *OF_LOOKS))
        parser.add_argument("service", help="NAME, or NAME@HOST where several hosts have one of that name")
        parser.add_argument("digest", nargs="?", default="", help="sha256:…; a rollback's default is the one before")
        parser.add_argument("--by", required=True, help="the person in whose name it runs")
        parser.add_argument("--reason", default="")
        parser.add_argument("--deprecate", default="", metavar="NOTE", help="rollback: deprecate what ran, with this note")
        parser.add_argument(
            "--backup", type=int, metavar="N", help="restore: which one; rehearse: without it the newest good one"
        )
        parser.add_argument("--path", action="append", default=[], help="restore: this alone; may be given more than once")
        parser.add_argument("--confirm", default="", metavar="NAME", help="restore: the name of the service once more")
        parser.add_argument("--incomplete", action="store_true", help="restore: also from a backup that is incomplete")
        parser.add_argument("--wait", action="store_true", help="follow it to its end")

    def handle(self, *_args: Any, **options: Any) -> None:
        try:
            job = self._start(options)
        except Refused as why:
            self._refuse(why, options)
        self.stdout.write(f"{job}: {job.service}")
        if isinstance(job, Restore):
            self.stdout.write("It waits for a second person to agree.")
            return
        if options["wait"]:
            sys.exit(EXIT[follow(job, self.stdout.write)])

    def _start(self, options: dict[str, Any]) -> Job | Restore:
        for name in ("service", "digest", "by", "reason", "deprecate", "confirm", "path"):
            if not all(is_text(one) for one in ([options[name]] if isinstance(options[name], str) else options[name])):
                raise Invalid(f"The {name} is not text in UTF-8: {shown(options[name])}. Nothing was changed.")
        person = User.objects.filter(username=options["by"], is_active=True).first()
        if person is None:
            raise Invalid(f"There is no active person {shown(options['by'])}. Nothing was changed.")
        request = Request(person, options["reason"], "shell")
        service, kind = service_named(options["service"]), Kind(options["kind"])
        if kind == Kind.UPGRADE:
            return dispatch.upgrade(service, options["digest"], request)
        if kind == Kind.ROLLBACK:
            note = options["deprecate"]
            return dispatch.rollback(service, options["digest"], request, deprecate=bool(note), note=note)
        if kind in OF_BACKUPS:
            return _of_backups(kind, service, request, options)
        look = OF_LOOKS.get(kind)
        return look(service, request) if look else dispatch.lifecycle(kind, service, request)

    def _refuse(self, why: Refused, options: dict[str, Any]) -> None:
        person = User.objects.filter(username=options["by"]).first() if is_text(options["by"]) else None
        asked = f"job {options['kind']} {options['service']} {options['digest']}"
        audit.record_refusal(audit.Actor.of(person, "shell"), asked, str(why), why.code)
        self.stderr.write(str(why))
        sys.exit(REFUSED)


def _of_backups(kind: Kind, service: Service, request: Request, options: dict[str, Any]) -> Job | Restore:
    if kind == Kind.BACKUP:
        return backup_starting.backup(service, request)
    if kind == Kind.CHECK:
        return backup_starting.check(service, request)
    number = options["backup"]
    chosen = Backup.objects.filter(pk=number).select_related("service__host").first() if number else None
    if chosen is None and (number is not None or kind == Kind.RESTORE):
        which = f"There is no backup {number}" if number is not None else "Say which backup: --backup N"
        raise Invalid(f"{which}. Nothing was changed.")
    if kind == Kind.REHEARSE or chosen is None:
        return backup_starting.rehearse(service, chosen, request)
    named = {"confirmed": options["confirm"], "service": service, "incomplete": options["incomplete"]}
    return backup_starting.restore(chosen, options["path"], request, **named)


def is_text(argument: str) -> bool:
    """The shell hands over any bytes; what is not UTF-8 arrives as half characters that no database takes."""
    try:
        argument.encode()
    except UnicodeEncodeError:
        return False
    return True


def service_named(text: str) -> Service:
    name, _at, host = text.partition("@")
    found = Service.objects.filter(name=name).select_related("host")
    if host:
        found = found.filter(host__name=host)
    match list(found[:2]):
        case [one]:
            return one
        case []:
            raise Invalid(f"There is no service {shown(text)}. Nothing was changed.")
        case _:
            raise Invalid(f"Several hosts have a service {shown(name)}. Say which: {name}@HOST.")


def follow(job: Job, write: Callable[[str], object]) -> JobState:
    """Prints each step when it has ended, and which one runs if that takes longer, until the job ends; its state."""
    told: set[tuple[int, str]] = set()
    while True:
        job.refresh_from_db()
        over = not job.is_active
        for step in job.steps.exclude(state=StepState.WAITING):
            is_news = step.state != StepState.RUNNING or _takes_long(step)
            if is_news and (step.pk, step.state) not in told:
                told.add((step.pk, step.state))
                write(step_line(step))
        if over:
            write(f"{job.get_state_display()} in {_seconds(job.took)}" + (f": {job.error}" if job.error else ""))
            return JobState(job.state)
        time.sleep(POLL_SECONDS)


def _takes_long(step: JobStep) -> bool:
    return step.took is not None and step.took > WORTH_SAYING


def step_line(step: JobStep) -> str:
    if step.state == StepState.RUNNING:
        return f"  … {step.name}"
    words = step.error or step.note
    mark = "↩" if step.is_undo and step.state == StepState.DONE else MARK.get(StepState(step.state), "·")
    return f"  {mark} {step.name:<44} {_seconds(step.took):>8}  {words}"


def _seconds(took: Any) -> str:
    return "" if took is None else f"{took.total_seconds():.1f} s"
