"""One measurement of lists, in a process of its own: `listing fill FROM TO`, `listing ask TIMES`.

Writes one line of JSON. What is filled in: so many services and four times as many digests, each with 300 findings of which
50 block; half of the digests run under exceptions, half were approved before their findings came to be known.
"""

import json
import sys
import time
from collections.abc import Callable
from importlib import import_module
from typing import Any

import django
from django.core.management import call_command

PAGES = {"dashboard": "/", "ledger": "/ledger/", "services": "/services/"}
FINDINGS, BLOCKING, POOL = 300, 50, 100
DIGESTS_A_SERVICE = 4
_EXCUSED, _BARE = "registry.example.com/acme/chatbot", "registry.example.com/acme/gateway"
_LOOKER = "bench"


def fill(begin: str, end: str) -> dict[str, Any]:
    """Services with numbers from `begin` up to `end`, and their digests."""
    django.setup()
    call_command("migrate", verbosity=0, skip_checks=True)
    from django.contrib.auth.models import User  # noqa: PLC0415 - after set-up
    from django.db import connection  # noqa: PLC0415 - likewise

    from tests import factories  # noqa: PLC0415 - likewise

    if not User.objects.filter(username=_LOOKER).exists():
        call_command("collectstatic", interactive=False, verbosity=0)
        factories.person("Operator", "Release manager", "Security reviewer", name=_LOOKER)
        _excuse_all()
    for number in range(int(begin), int(end)):
        _service(number)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")  # as PostgreSQL does by itself within a minute
    return {}


def ask(times: str) -> dict[str, Any]:
    """Milliseconds of each answer, of which so many were on the processor, and the number of queries; by page."""
    import_module("portal.wsgi")  # as the web process begins
    from django.contrib.auth.models import User  # noqa: PLC0415 - after set-up
    from django.db import connection  # noqa: PLC0415 - likewise
    from django.test import Client  # noqa: PLC0415 - likewise
    from django.test.utils import CaptureQueriesContext  # noqa: PLC0415 - likewise

    client, found = Client(headers={"host": "localhost"}), dict[str, Any]()
    client.force_login(User.objects.get(username=_LOOKER))
    for page, address in PAGES.items():
        client.get(address)
        with CaptureQueriesContext(connection) as captured:
            answer = client.get(address)
        queries = len(captured)
        if answer.status_code != 200:
            raise RuntimeError(f"{address} answered {answer.status_code}.")
        taken = [_taken(client, address) for _ in range(int(times))]
        found[page] = {
            "ms": [one[0] for one in taken],
            "cpu_ms": [one[1] for one in taken],
            "queries": queries,
            "kilobytes": len(answer.content) / 1000,
        }
    return found


def _taken(client: Any, address: str) -> tuple[float, float]:
    begun, worked = time.perf_counter(), time.process_time()
    client.get(address)
    return (time.perf_counter() - begun) * 1000, (time.process_time() - worked) * 1000


def _excuse_all() -> None:
    """Ten exceptions that excuse the whole pool in one repository."""
    from deploy_records.scanners.report import Severity  # noqa: PLC0415 - after set-up
    from tests.portal import exceptions  # noqa: PLC0415 - likewise

    for tens in range(0, POOL, 10):
        names = tuple(_name(number) for number in range(tens, tens + 10))
        exceptions.approved(
            vulnerabilities=names, component=_EXCUSED, severity=Severity.CRITICAL, expires_at=exceptions.day(tens // 10 + 15)
        )


def _service(number: int) -> None:
    from deploy_records import verdict  # noqa: PLC0415 - after set-up
    from deploy_records.models import Deployment  # noqa: PLC0415 - likewise
    from tests import factories  # noqa: PLC0415 - likewise
    from tests.portal.exceptions import olga  # noqa: PLC0415 - likewise

    excused = number % 2 == 0
    runs, before, *_others = [_digest(number * DIGESTS_A_SERVICE + one, excused=excused) for one in range(DIGESTS_A_SERVICE)]
    host = factories.host(f"host-{number % 2}")
    service = factories.service(f"service-{number}", runs=runs, host=host, added_by=olga())
    factories.ran_before(service, before)
    Deployment.objects.filter(service=service.name).update(gate=verdict.ask(runs, service=service.name).as_data())
    factories.job("upgrade", service, by=olga())


def _digest(number: int, *, excused: bool) -> Any:
    """Known good by `ledger`'s own rules."""
    from deploy_records import ledger  # noqa: PLC0415 - after set-up
    from deploy_records.models import ImageDigest  # noqa: PLC0415 - likewise
    from deploy_records.registering import Platform, Resolved  # noqa: PLC0415 - likewise
    from tests.deploy_records.evidence import scan  # noqa: PLC0415 - likewise
    from tests.factories import sha  # noqa: PLC0415 - likewise
    from tests.portal.exceptions import olga  # noqa: PLC0415 - likewise
    from tests.portal.gate_scene import rolf  # noqa: PLC0415 - likewise

    digest = sha(f"listed {number}")
    platforms = (Platform("linux/amd64", digest, sha(f"config {number}"), 100_000_000),)
    repository = _EXCUSED if excused else _BARE
    entry = ledger.register(Resolved(repository, digest, platforms, tag=f"sha-{digest[7:14]}"), olga())
    findings = _findings(number)
    scan(entry, *(findings if excused else ()), target=f"listed {number}", days=1)
    ledger.approve(entry, rolf())
    ledger.note_healthy(entry)
    if not excused:
        scan(entry, *findings, target=f"listed {number}")
    return ImageDigest.objects.get(pk=entry.pk)


def _findings(number: int) -> list[dict[str, Any]]:
    from tests.deploy_records.scan_files import vulnerability  # noqa: PLC0415 - after set-up

    def one(name: str, severity: str, weakness: int) -> dict[str, Any]:
        """Whichever image has it, it is in the same package."""
        package = f"package-{weakness % 80}"
        more = {"PkgIdentifier": {"PURL": f"pkg:deb/debian/{package}@1.0"}, "Title": f"A weakness in {package}."}
        return vulnerability(name, severity, package=package, **more)

    of_pool = [(number + place) % POOL for place in range(BLOCKING)]
    block = [one(_name(which), "HIGH" if which % 10 else "CRITICAL", which) for which in of_pool]
    rest = [one(f"CVE-2025-{1000 + which}", "MEDIUM" if which % 2 else "LOW", which) for which in range(FINDINGS - BLOCKING)]
    return [*block, *rest]


def _name(number: int) -> str:
    return f"CVE-2026-{1000 + number}"


if __name__ == "__main__":
    deeds: dict[str, Callable[..., dict[str, Any]]] = {deed.__name__: deed for deed in (fill, ask)}
    print(json.dumps(deeds[sys.argv[1]](*sys.argv[2:])))  # noqa: T201 - read by the benchmark
