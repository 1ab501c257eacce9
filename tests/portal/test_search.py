"""One field finds whatever has a name, as far as a person may see it."""

from typing import Any

import pytest
from django.contrib.auth.models import User

from chatbot_service.models import Kind
from tests import factories as make
from tests.deploy_records.scan_files import trivy, vulnerability
from tests.portal import exceptions
from tests.portal.looking import queries, text_of, window
from tests.portal.scanning import brought, registered

pytestmark = pytest.mark.django_db


def look(of: User, text: str, **more: str) -> Any:
    return window(of).get("/search/", {"q": text, **more})


def test_before_anything_is_typed_it_says_what_can_be_found(operator: User) -> None:
    page = text_of(look(operator, ""))
    assert "What are you looking for?" in page
    assert "vulnerabilities" in page
    assert ", people" not in page


def test_a_digest_is_found_by_its_beginning_however_it_is_written(operator: User) -> None:
    entry = make.entry("one")
    make.entry("another")
    bare = entry.digest.removeprefix("sha256:")
    for typed in (entry.digest, bare[:12], f"{bare[:4]} {bare[4:8]} {bare[8:12]}", bare[:12].upper()):
        assert look(operator, typed).url == f"/ledger/{entry.pk}/"


def test_the_digest_of_a_platform_and_the_image_id_lead_to_the_entry(operator: User) -> None:
    entry = make.entry("one")
    for digest in (make.sha(("one", "manifest")), make.sha(("one", "config"))):
        assert look(operator, digest).url == f"/ledger/{entry.pk}/"


def test_several_matches_are_grouped_by_kind(operator: User) -> None:
    make.service("chatbot-a", runs=make.entry("a"))
    make.service("chatbot-b")
    exceptions.approved(component="pkg:pypi/chatbot@1.0")
    answer = look(operator, "chatbot")
    page = text_of(answer)
    assert page.index("Services chatbot-a on prod-1") < page.index("Digests") < page.index("Exceptions POAM-1")
    assert answer.content.decode().count("<section") == len(("Services", "Digests", "Exceptions", "Scan reports"))


def test_the_number_of_a_job_leads_to_it(operator: User) -> None:
    job = make.job(Kind.RESTART, make.service())
    for typed in (f"#{job.pk}".ljust(2, " "), f"job {job.pk}", f"Job #{job.pk}"):
        if len(typed.strip()) > 1:
            assert look(operator, typed).url == f"/jobs/{job.pk}/"


def test_a_vulnerability_leads_to_the_digests_in_which_it_was_found(operator: User) -> None:
    brought(trivy(registered("found").digest, findings=(vulnerability("CVE-2026-77", "HIGH"),)))
    registered("other")
    answer = look(operator, "cve-2026-7")
    assert answer.url == "/ledger/?q=CVE-2026-77"
    assert text_of(window(operator).get(answer.url)).count("1 High") == 1


def test_an_exception_is_found_by_its_name_and_by_its_vulnerability(operator: User) -> None:
    exceptions.approved()
    for typed in ("POAM-1", "CVE-2026-1000"):
        assert look(operator, typed).url == "/poam/1/"


def test_people_are_found_by_administrators_only(operator: User, administrator: User) -> None:
    make.person("Viewer", name="wanda")
    assert "wanda" in look(administrator, "wan", stay="1").content.decode()
    assert "Nothing matches wan" in text_of(look(operator, "wan"))


def test_somebody_without_a_role_finds_nothing(nobody: User) -> None:
    make.service("chatbot", runs=make.entry())
    assert "Nothing matches chatbot" in text_of(look(nobody, "chatbot"))


@pytest.mark.parametrize(
    "typed", ["x", "<script>alert(1)</script>", "%", "\x00\x00\x00", "a" * 5000, "9" * 30, "' OR 1=1 --", "sha256:zz"]
)
def test_whatever_is_typed_is_answered(operator: User, typed: str) -> None:
    answer = look(operator, typed)
    assert answer.status_code == 200
    assert "<script>alert" not in answer.content.decode()


def test_it_takes_as_many_queries_for_many_as_for_few(operator: User) -> None:
    client = window(operator)
    for number in range(2):
        make.service(f"chatbot-{number}", runs=make.entry(number))
    few = queries(client, "/search/?q=chatbot")
    for number in range(2, 9):
        make.service(f"chatbot-{number}", runs=make.entry(number))
    assert queries(client, "/search/?q=chatbot") == few
