# ruff: noqa: N999 - the name of a command may hold a dash
"""`manage.py backup-repository list|add|check|recovery-key|rekey`: where backups go, and whether they are whole.

`check` starts a check of each service, or of the one named, and waits for it. Secrets are read from files, never from the
command line. Exit code: 0 done, 1 a check found damage or failed, 2 refused.
"""

import sys
from pathlib import Path
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandParser
from django.db.models import Count

from chatbot_service import backup_places, backup_rekeying, backup_starting
from chatbot_service.backup_places import Wanted
from chatbot_service.dispatch import Request
from chatbot_service.management.commands.job import EXIT, follow, is_text, service_named
from chatbot_service.models import BackupRepository, JobState, Service
from deploy_records import audit
from deploy_records.errors import Invalid, Refused
from deploy_records.rules.digest import shown

REFUSED = 2
_MOST_SECRET = 65536


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        deeds = parser.add_subparsers(dest="deed", required=True)
        deeds.add_parser("list", help="the places, and what is kept there")
        add = deeds.add_parser("add", help="another place")
        add.add_argument("name")
        add.add_argument("url", help="a folder (/srv/backups), or s3:, sftp:, rest:, azure:, gs:, b2:, swift:, rclone:")
        add.add_argument("--credentials", type=Path, metavar="FILE", help="KEY=VALUE a line")
        add.add_argument("--password", type=Path, metavar="FILE", help="of a repository that exists already; else one is made")
        check = deeds.add_parser("check", help="look through all that is kept")
        check.add_argument("service", nargs="?", default="", help="NAME or NAME@HOST; without it all")
        key = deeds.add_parser("recovery-key", help="show what opens the backups without the portal, once")
        rekey = deeds.add_parser("rekey", help="replace the key of a place; on a worker that reaches it")
        for one in (key, rekey):
            one.add_argument("name")
        for one in (add, check, key, rekey):
            one.add_argument("--by", required=True, help="the person in whose name it is done")
            one.add_argument("--reason", default="")

    def handle(self, *_args: Any, **options: Any) -> None:
        deed = {
            "list": self._list, "add": self._add, "check": self._check, "recovery-key": self._recovery_key, "rekey": self._rekey,
        }[options["deed"]]  # fmt: skip
        try:
            code = deed(options)
        except Refused as why:
            self._refuse(why, options)
        if code:
            sys.exit(code)

    def _list(self, _options: dict[str, Any]) -> int:
        for place in BackupRepository.objects.annotate(services=Count("plans")):
            key = "recovery key shown" if place.key_shown_at else "recovery key not shown yet"
            self.stdout.write(f"{place.name}  {place.url}  {place.services} services  {key}")
        return 0

    def _add(self, options: dict[str, Any]) -> int:
        wanted = Wanted(options["url"], _secret(options["password"]).strip("\r\n"), _secret(options["credentials"]))
        made = backup_places.add(options["name"], wanted, _request(options))
        self.stdout.write(f"{made.name}: {made.url}")
        return 0

    def _check(self, options: dict[str, Any]) -> int:
        """One after the other: they share the place."""
        request = _request(options)
        codes = [self._check_one(service, request) for service in _services(options["service"])]
        return max(codes, default=0)

    def _check_one(self, service: Service, request: Request) -> int:
        job = backup_starting.check(service, request)
        self.stdout.write(f"{job}: {service}")
        state = JobState(follow(job, self.stdout.write))
        return min(EXIT[state], 1)

    def _recovery_key(self, options: dict[str, Any]) -> int:
        self.stdout.write(backup_places.recovery_key(_place(options["name"]), _request(options)))
        return 0

    def _rekey(self, options: dict[str, Any]) -> int:
        place = _place(options["name"])
        for line in backup_rekeying.rekey(place, _request(options)):
            self.stdout.write(line)
        return 0

    def _refuse(self, why: Refused, options: dict[str, Any]) -> None:
        by = str(options.get("by") or "")
        person = User.objects.filter(username=by).first() if is_text(by) else None
        audit.record_refusal(audit.Actor.of(person, "shell"), f"backup-repository {options['deed']}", str(why), why.code)
        self.stderr.write(str(why))
        sys.exit(REFUSED)


def _request(options: dict[str, Any]) -> Request:
    for name in ("by", "reason", "name", "url", "service"):
        if not is_text(options.get(name) or ""):
            raise Invalid(f"The {name} is not text in UTF-8: {shown(options[name])}. Nothing was changed.")
    person = User.objects.filter(username=options["by"], is_active=True).first()
    if person is None:
        raise Invalid(f"There is no active person {shown(options['by'])}. Nothing was changed.")
    return Request(person, options["reason"], "shell")


def _place(name: str) -> BackupRepository:
    found = BackupRepository.objects.filter(name=name).first() if is_text(name) else None
    if found is None:
        known = ", ".join(BackupRepository.objects.values_list("name", flat=True)) or "none yet"
        raise Invalid(f"There is no place {shown(name)} for backups; there are: {known}. Nothing was changed.")
    return found


def _services(text: str) -> list[Service]:
    if text:
        return [service_named(text)]
    planned = Service.objects.filter(backup_plan__isnull=False, is_demo=False).exclude(data_paths=[])
    return list(planned.select_related("host"))


def _secret(file: Path | None) -> str:
    if file is None:
        return ""
    try:
        with file.open(encoding="utf-8") as opened:
            return opened.read(_MOST_SECRET)
    except (OSError, UnicodeDecodeError) as error:
        raise Invalid(f"{shown(str(file))} cannot be read as text. Nothing was changed.") from error
