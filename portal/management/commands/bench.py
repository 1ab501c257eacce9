"""`manage.py bench NAME`: measures on this machine, and says which goals are met.

Exit code: 0 all goals met, 1 some are not, 2 it could not be measured.
"""

import importlib
import pkgutil
import sys
from argparse import ArgumentTypeError
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from deploy_records.errors import Broken, Refused

BENCHMARKS = "tests.bench"
"""The package whose modules are the benchmarks, one file each."""
LEAST_PAIRS, MOST_PAIRS = 1, 1000
ENOUGH_PAIRS = 10
NOT_MEASURED = 2


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help=f"which benchmark: {', '.join(names()) or 'none is installed here'}")
        parser.add_argument("--pairs", type=_pairs, default=ENOUGH_PAIRS, help="how often each is compared with by hand")
        parser.add_argument("--json", action="store_true", help="write the figures as JSON; progress goes to standard error")

    def handle(self, *_args: Any, name: str, pairs: int, json: bool, **_options: Any) -> None:
        if name not in names():
            known = ", ".join(names())
            offered = f"Known: {known}." if known else "They come with the source tree, which is not here."
            raise CommandError(f"There is no benchmark {name}. {offered}", returncode=NOT_MEASURED)
        try:
            report = importlib.import_module(f"{BENCHMARKS}.{name}").run(pairs, self.stderr.write)
        except (Broken, Refused) as why:
            raise CommandError(str(why), returncode=NOT_MEASURED) from why
        self.stdout.write(report.to_json() if json else report.in_words())
        sys.exit(0 if report.ok else 1)


def names() -> list[str]:
    try:
        package = importlib.import_module(BENCHMARKS)
    except ModuleNotFoundError:
        return []
    found = pkgutil.iter_modules(package.__path__)
    return sorted(module.name for module in found if not module.ispkg and not module.name.startswith("test_"))


def _pairs(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not LEAST_PAIRS <= int(text) <= MOST_PAIRS:
        raise ArgumentTypeError(f"{text} is not a number from {LEAST_PAIRS} to {MOST_PAIRS}")
    return int(text)
