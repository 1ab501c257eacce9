"""`manage.py poam validate|import|diff|export FILE`. Exit code 0 fine, 1 the file and the ledger differ, 2 unusable input."""

import json
import sys
from argparse import ArgumentParser
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from deploy_records import poam_import, policies_in_force
from deploy_records.errors import Refused
from deploy_records.poam_entries import entries
from deploy_records.poam_files.comparing import Drift
from deploy_records.poam_files.entry import Entry
from deploy_records.poam_files.exports import FORMS, Wanted, write
from deploy_records.poam_files.planning import Plan, time_problems
from deploy_records.poam_files.reading import refusal
from deploy_records.poam_files.tree import MOST_BYTES
from deploy_records.poam_files.workbook import Header
from deploy_records.poam_import import Source
from deploy_records.rules.component import Place
from deploy_records.rules.exceptions import DEFAULT_LIMITS

_DIFFERS, _UNUSABLE = 1, 2
_FOR_SCANS = frozenset({"trivyignore", "grype"})
"""Written for scans of one place, for which also exceptions of a wider scope count."""


class Command(BaseCommand):
    help = "Exceptions in files: checks a poam.yaml, takes it over, compares it with the ledger, or writes one."

    def add_arguments(self, parser: ArgumentParser) -> None:
        deeds = parser.add_subparsers(dest="deed", required=True)
        validate = deeds.add_parser("validate", help="check a file without the ledger: its form, and its dates as of now")
        bring_in = deeds.add_parser("import", help="take a whole file over; nothing is approved by that")
        bring_in.add_argument("--by", required=True, metavar="USER", help="who takes it over: they request what is new")
        bring_in.add_argument(
            "--committer", default="", metavar="NAME", help="who approved it in Git, where the file does not say"
        )
        bring_in.add_argument("--dry-run", action="store_true", help="say what would change, and change nothing")
        diff = deeds.add_parser("diff", help="the file beside the ledger, in both directions")
        export = deeds.add_parser("export", help="write the ledger's exceptions; FILE - is standard output")
        export.add_argument("--format", default="poam", choices=FORMS, help="default: poam, the canonical poam.yaml")
        for name in ("digest", "service"):
            export.add_argument(f"--{name}", default="", help=f"ignore files: for scans of this {name}")
        for name in ("csp", "system-name", "impact-level"):
            export.add_argument(f"--{name}", default="", help="for the head of the workbook")
        for one in (validate, bring_in, diff, export):
            one.add_argument("file", metavar="FILE")
        for one in (bring_in, diff, export):
            one.add_argument("--repository", default="", help="the image repository that the file is for")
        for one in (validate, bring_in, diff):
            one.add_argument("--json", action="store_true", help="the answer as JSON")

    def handle(self, *, deed: str, **options: Any) -> None:
        try:
            {"validate": self._validate, "import": self._import, "diff": self._diff, "export": self._export}[deed](options)
        except Refused as refused:
            raise CommandError(str(refused), returncode=_UNUSABLE) from refused

    def _validate(self, options: dict[str, Any]) -> None:
        source = _source(options)
        file = poam_import.parsed(source)
        problems = time_problems(file.entries, timezone.now(), DEFAULT_LIMITS)
        if problems:
            raise CommandError(refusal(source.name, problems), returncode=_UNUSABLE)
        number = len(file.entries)
        sentence = f"{source.name} is valid: {number} {'entry' if number == 1 else 'entries'} of form {file.dialect}."
        self._answer(options, {"valid": True, "dialect": file.dialect, "entries": number}, [sentence])

    def _import(self, options: dict[str, Any]) -> None:
        source, person = _source(options), User.objects.filter(username=options["by"], is_active=True).first()
        if person is None:
            raise CommandError(f"There is no active person named {options['by']}.", returncode=_UNUSABLE)
        rules: dict[str, Any] = {"limits": policies_in_force.limits(), "trusted": policies_in_force.trusts_git()}
        plan = poam_import.preview(source, **rules) if options["dry_run"] else poam_import.bring_in(source, person, **rules)
        self._answer(options, _plan_data(plan), _plan_lines(plan, dry=options["dry_run"]))

    def _diff(self, options: dict[str, Any]) -> None:
        drift = poam_import.compare(_source(options))
        self._answer(options, _drift_data(drift), _drift_lines(drift))
        if drift:
            sys.exit(_DIFFERS)

    def _export(self, options: dict[str, Any]) -> None:
        digests = frozenset(one for one in (options["digest"],) if one)
        wanted = Wanted(
            entries("" if options["format"] in _FOR_SCANS else options["repository"]), timezone.now(),
            Place(options["repository"], digests, options["service"]),
            header=Header(options["csp"], options["system_name"], options["impact_level"]),
        )  # fmt: skip
        written = write(options["format"], wanted)
        if options["file"] == "-":
            sys.stdout.buffer.write(written)
            return
        try:
            Path(options["file"]).write_bytes(written)
        except OSError as error:
            raise CommandError(f"{options['file']} cannot be written: {error.strerror}.", returncode=_UNUSABLE) from error

    def _answer(self, options: dict[str, Any], data: dict[str, Any], lines: list[str]) -> None:
        self.stdout.write(json.dumps(data) if options["json"] else "\n".join(lines))


def _source(options: dict[str, Any]) -> Source:
    path = Path(options["file"])
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}.", returncode=_UNUSABLE) from error
    return Source(data, path.name, options.get("repository", ""), options.get("committer", ""))


def _plan_data(plan: Plan) -> dict[str, Any]:
    steps = [{"id": step.entry.id, "deed": step.deed, "becomes": step.becomes, "sentence": step.sentence} for step in plan.steps]
    return {"changed": len(plan.changes), "steps": steps}


def _plan_lines(plan: Plan, *, dry: bool) -> list[str]:
    lines = [f"{step.entry.id}: {step.sentence}" for step in plan.changes]
    number = len(plan.changes)
    if not number:
        return ["The ledger holds all of it already. Nothing was changed."]
    would = "would be changed" if dry else "changed"
    return [*lines, f"{number} of {len(plan.steps)} entries {would}."]


def _drift_data(drift: Drift) -> dict[str, Any]:
    return {
        "only_in_file": [_said(entry) for entry in drift.only_in_file],
        "only_in_ledger": [_said(entry) for entry in drift.only_in_ledger],
        "differing": [{"id": one.file.id, "fields": [asdict(field) for field in one.differences]} for one in drift.differing],
    }


def _said(entry: Entry) -> dict[str, str]:
    return {"id": entry.id, "status": entry.status, "component": entry.terms.component}


def _drift_lines(drift: Drift) -> list[str]:
    lines = [f"{entry.id} ({entry.status}) is in the file only." for entry in drift.only_in_file]
    lines += [f"{entry.id} ({entry.status}) is in the ledger only." for entry in drift.only_in_ledger]
    for one in drift.differing:
        lines += [
            f"{one.file.id}: {field.field} is {field.in_file or 'empty'} in the file, {field.in_ledger or 'empty'} in the ledger."
            for field in one.differences
        ]
    return lines or ["The file and the ledger say the same."]
