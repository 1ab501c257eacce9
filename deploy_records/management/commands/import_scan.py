"""`manage.py import_scan FILE…`: keeps scan reports as evidence, or shows with --dry-run what is understood of them.

Exit code 0 all were taken, 1 one was refused, 2 one is no usable input. All files are tried, and each is told of.
"""

import json
import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand

from deploy_records import audit, lookup, scan_json, scans, stored_files
from deploy_records.audit import Actor
from deploy_records.errors import Invalid, Refused
from deploy_records.models import ImageDigest
from deploy_records.rules.digest import parse_digest, parse_pinned, shown
from deploy_records.scanners import opened_report
from deploy_records.scans import Imported

_DONE, _REFUSED, _UNUSABLE = 0, 1, 2
_SHELL = "shell"


class Command(BaseCommand):
    help = __doc__
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("files", nargs="+", metavar="FILE")
        parser.add_argument(
            "--digest", default="", metavar="REPOSITORY@DIGEST",
            help="what reports are about that name no digest; a digest alone will do where one repository has it. "
            "With --dry-run only its form is looked at",
        )  # fmt: skip
        parser.add_argument("--by", default="", metavar="USER", help="in whose name; without it the trail names the shell")
        parser.add_argument("--dry-run", action="store_true", help="store nothing, and do without the database")
        parser.add_argument("--json", action="store_true", help="an object for each file, on a line of its own")

    def handle(self, *, files: list[str], digest: str, by: str, **options: Any) -> None:
        try:
            _check_form(digest)
            person, chosen = (None, None) if options["dry_run"] else (_person(by), _chosen(digest))
        except Refused as why:
            self._refuse(why, "", options)
            sys.exit(_code(why))
        codes = [self._try(name, person, chosen, options) for name in files]
        if any(codes):
            sys.exit(max(codes))

    def _try(self, path: str, person: User | None, chosen: ImageDigest | None, options: dict[str, Any]) -> int:
        name = scans.shown_name(path)
        try:
            with _opened(path) as file:
                if options["dry_run"]:
                    self._show(file, name, options)
                else:
                    self._tell(scans.import_from_shell(file, name, person, chosen=chosen), options)
        except Refused as why:
            self._refuse(why, name, options)
            if not options["dry_run"]:
                actor = Actor.of(person, _SHELL) if person else Actor(_SHELL)
                audit.record_refusal(actor, f"import_scan {name}", str(why), why.code)
            return _code(why)
        return _DONE

    def _show(self, file: BinaryIO, name: str, options: dict[str, Any]) -> None:
        with opened_report(file, name) as report:
            if options["json"]:
                scan_json.write(report, name, self.stdout)  # type: ignore[arg-type]  # it writes like a text file
            else:
                self.stdout.write("\n".join(scan_json.in_words(report, name)))

    def _tell(self, done: Imported, options: dict[str, Any]) -> None:
        self.stdout.write(json.dumps(_data(done), ensure_ascii=False) if options["json"] else done.sentence)

    def _refuse(self, why: Refused, name: str, options: dict[str, Any]) -> None:
        if options["json"]:
            self.stdout.write(json.dumps({"file": name, "refused": str(why), "code": why.code}, ensure_ascii=False))
        else:
            self.stderr.write(str(why))


def _code(why: Refused) -> int:
    """What cannot be read is unusable; what can be but may not is refused."""
    return _UNUSABLE if isinstance(why, Invalid) or why.code == "too-large" else _REFUSED


def _person(name: str) -> User | None:
    if not name:
        return None
    person = User.objects.filter(username=name.encode("utf-8", "replace").decode(), is_active=True).first()
    if person is None:
        raise Invalid(f"There is no active person {shown(name)}. Nothing was stored.")
    return person


def _check_form(digest: str) -> None:
    if "@" in digest:
        parse_pinned(digest)
    elif digest:
        parse_digest(digest)


def _chosen(digest: str) -> ImageDigest | None:
    if not digest:
        return None
    if "@" in digest:
        reference = parse_pinned(digest)
        return lookup.get(reference.repository, reference.digest)
    repositories = lookup.repositories_of(digest)
    if len(repositories) > 1:
        raise Refused(
            f"{len(repositories)} repositories have {digest}: {', '.join(repositories)}. Say which: REPOSITORY@{digest}."
        )
    if not repositories:
        raise Refused(f"{digest} is not in the ledger. Register it first. Nothing was stored.", code="not-in-ledger", status=404)
    return lookup.get(repositories[0], digest)


@contextmanager
def _opened(path: str) -> Iterator[BinaryIO]:
    try:
        file = Path(path).open("rb")  # noqa: SIM115 - closed just below
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise Invalid(f"{shown(path)} cannot be read: {why}. Nothing was stored.", code="unreadable") from error
    with file, stored_files.seekable(file, scans.shown_name(path)) as whole:
        yield whole


def _data(done: Imported) -> dict[str, Any]:
    report = done.report
    matches = [
        {"repository": one.entry.repository, "digest": one.entry.digest, "by": one.by, "platform": one.platform}
        for one in done.matches
    ]
    return {
        "file": report.name, "sha256": report.file.sha256, "new": done.is_new, "format": report.format, "tool": report.tool,
        "version": report.tool_version, "target": report.target, "findings": report.severities, "matches": matches,
        "quarantined": not matches, "sentence": done.sentence,
    }  # fmt: skip
