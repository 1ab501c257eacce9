"""What runs relies on exceptions: who falls out of compliance, when, and what the list and the item say of it."""

from typing import Any

import pytest
from django.utils import timezone

from deploy_records import poam
from deploy_records.models import ImageDigest, LedgerState
from portal.pages import poam_reliance
from tests import factories
from tests.deploy_records.evidence import scan
from tests.deploy_records.scan_files import vulnerability
from tests.factories import person
from tests.portal import exceptions as make
from tests.portal.looking import queries, text_of, window

pytestmark = pytest.mark.django_db

STARLETTE = vulnerability(
    "CVE-2026-1000", package="starlette", PkgIdentifier={"PURL": "pkg:pypi/starlette@0.46.2"}, FixedVersion="0.49.1"
)


def runs(name: str, *findings: dict[str, Any]) -> ImageDigest:
    """A service whose digest has these findings and is approved on today's evidence."""
    entry = factories.entry(name, LedgerState.CANDIDATE, scanned=False, is_index=True)
    scan(entry, *findings, target=name)
    ImageDigest.objects.filter(pk=entry.pk).update(state=LedgerState.KNOWN_GOOD, known_good_at=timezone.now())
    entry.refresh_from_db()
    factories.approval(entry)
    factories.service(name, runs=entry)
    return entry


def body(address: str = "/poam/") -> str:
    return window(person("Viewer")).get(address).content.decode()


def said(address: str = "/poam/") -> str:
    return text_of(window(person("Viewer")).get(address))


def test_the_end_of_an_exception_takes_along_what_relies_on_it() -> None:
    make.approved(expires_at=make.day(4))
    runs("chatbot", STARLETTE)
    runs("exporter", STARLETTE)
    runs("clean")
    page = said()
    assert "and takes two services with it." in page
    assert "POAM-1 ends chatbot on prod-1, exporter on prod-1" in page
    assert "Deploy a build with starlette 0.49.1." in page
    assert "clean on prod-1" not in page
    assert "Relies on it chatbot on prod-1, exporter on prod-1" in said("/poam/1/")


def test_the_hatch_is_drawn_only_where_something_that_runs_relies_on_it() -> None:
    make.approved(expires_at=make.day(4))
    assert "from" not in body().split("<tbody>")[1].split("aria-label=")[1].split('"')[1]
    assert "nothing: no running digest relies on it" in said()
    assert "nothing that runs: no finding in it would block without this" in said("/poam/1/")
    runs("chatbot", STARLETTE)
    assert "the gate refuses what relies on it" in body().split("<tbody>")[1].split("aria-label=")[1].split('"')[1]


def test_of_two_that_excuse_the_same_the_longer_one_counts() -> None:
    make.approved(expires_at=make.day(4))
    make.approved(expires_at=make.day(20))
    runs("chatbot", STARLETTE)
    found = poam_reliance.read(timezone.now())
    assert set(found.falling) == {2}


def test_what_ends_later_is_relied_on_also_where_something_else_ends_before() -> None:
    make.approved(expires_at=make.day(4))
    make.approved(expires_at=make.day(20), vulnerabilities=("CVE-2026-2000",), component="registry.test/acme/*")
    runs("chatbot", STARLETTE, vulnerability("CVE-2026-2000"))
    assert [(fall.number, len(fall.places)) for fall in poam_reliance.read(timezone.now()).falls] == [(1, 1), (2, 1)]
    page = window(make.olga()).get("/poam/")
    assert "Close it" not in text_of(page)
    assert "No fix is known yet for CVE-2026-2000 in openssl." in text_of(page)


def test_one_exception_that_takes_over_from_another_puts_the_day_off() -> None:
    item = make.approved(expires_at=make.day(4))
    poam.ask_to_extend(item, make.olga(), make.day(9), "The fix is late.")
    poam.approve_extension(make.now(item), make.sara())
    make.approved(expires_at=make.day(6))
    runs("chatbot", STARLETTE)
    (fall, quiet) = sorted(poam_reliance.read(timezone.now()).falls, key=lambda one: one.number)
    assert (fall.number, fall.last_good) == (1, make.day(9))
    assert quiet.places == ()


def test_where_no_report_tells_nobody_is_advised_to_close_anything() -> None:
    make.approved(expires_at=make.day(4))
    factories.service("chatbot", runs=factories.entry("unseen", scanned=False))
    page = text_of(window(make.olga()).get("/poam/"))
    assert "not known: no usable report tells of chatbot on prod-1" in page
    assert "Close it" not in page


def test_what_is_refused_for_want_of_an_exception_is_named_with_it() -> None:
    make.expired()
    make.requested(vulnerabilities=("CVE-2026-2000",), component="registry.test/acme/*")
    make.requested(vulnerabilities=("CVE-2026-9999",))
    runs("chatbot", STARLETTE, vulnerability("CVE-2026-2000"))
    found = poam_reliance.read(timezone.now())
    assert {number: [place.deployment.service for place in places] for number, places in found.missing.items()} == {
        1: ["chatbot"],
        2: ["chatbot"],
    }
    assert "Relies on it chatbot on prod-1" in said("/poam/2/")


def test_a_wider_scope_or_a_worse_finding_is_not_taken_for_reliance() -> None:
    make.approved(service="another")
    make.approved(component="pkg:pypi/starlette@0.47.0")
    make.approved(vulnerabilities=("CVE-2026-1001",))
    runs("chatbot", STARLETTE)
    assert not poam_reliance.read(timezone.now()).falling


def test_who_may_asks_for_a_later_end_or_closes_what_nothing_relies_on() -> None:
    make.approved(expires_at=make.day(4))
    make.approved(expires_at=make.day(5), vulnerabilities=("CVE-2026-1001",))
    runs("chatbot", STARLETTE)
    page = window(make.olga()).get("/poam/").content.decode()
    assert 'href="/poam/1/extend/">Ask for a later end' in page
    assert 'href="/poam/2/close/">Close it' in page
    assert "Close it" not in body()


def test_it_takes_as_many_queries_for_ten_services_as_for_two() -> None:
    for number in range(2):
        make.approved(expires_at=make.day(number + 3))
        make.requested(vulnerabilities=("CVE-2026-7000",))
        runs(f"service-{number}", STARLETTE, vulnerability("CVE-2026-7000"))
    client = window(person("Viewer"))
    client.get("/poam/")
    few = queries(client, "/poam/")
    for number in range(2, 10):
        make.approved(expires_at=make.day(number + 3))
        make.expired(vulnerabilities=("CVE-2026-7000",))
        runs(f"service-{number}", STARLETTE, vulnerability("CVE-2026-7000"))
    assert queries(client, "/poam/") == few
    assert few <= 45


def test_an_extension_that_is_granted_moves_the_day() -> None:
    item = make.approved(expires_at=make.day(4))
    runs("chatbot", STARLETTE)
    poam.ask_to_extend(item, make.olga(), make.day(20), "The fix is late.")
    before = poam_reliance.read(timezone.now()).falls[0].last_good
    poam.approve_extension(make.now(item), make.sara())
    after = poam_reliance.read(timezone.now()).falls[0].last_good
    assert (before, after) == (make.day(4), make.day(20))
