import pytest
from django.contrib.auth.models import User

from chatbot_service.models import Host, Job
from deploy_records.models import ImageDigest
from tests import factories
from tests.factories import REPOSITORY, person, sha
from tests.portal.looking import last_refusal, text_of, window

pytestmark = pytest.mark.django_db


@pytest.fixture
def operator() -> User:
    return person("Operator", name="olga")


@pytest.fixture
def host() -> Host:
    return factories.host()


@pytest.mark.parametrize("reference", [f"{REPOSITORY}:sha-ab12cd3", f"{REPOSITORY}@{sha('1')}", f"{REPOSITORY}:v1@{sha('1')}"])
def test_a_worker_is_asked_and_the_person_sees_its_job(reference: str, operator: User, host: Host) -> None:
    answer = window(operator).post("/ledger/register/", {"reference": reference, "host": host.pk})
    job = Job.objects.get()
    assert (job.kind, job.host, job.by, job.asked["reference"]) == ("resolve", host, operator, reference)
    assert answer.status_code == 302
    assert answer.headers["Location"] == f"/jobs/{job.pk}/"
    assert not ImageDigest.objects.exists()


def test_with_one_host_there_is_nothing_to_choose_and_with_two_there_is(operator: User, host: Host) -> None:
    one = window(operator).get("/ledger/register/").content.decode()
    assert "<select" not in one
    other = factories.host("prod-2")
    two = window(operator).get("/ledger/register/").content.decode()
    assert "<select" in two
    window(operator).post("/ledger/register/", {"reference": f"{REPOSITORY}:v1", "host": other.pk})
    assert Job.objects.get().host == other


def test_before_any_worker_has_reported_the_page_says_so(operator: User) -> None:
    assert "No worker has reported yet" in text_of(window(operator).get("/ledger/register/"))


@pytest.mark.parametrize(
    ("reference", "says"),
    [
        ("", "Name the image"),
        (REPOSITORY, "names neither tag nor digest"),
        (f"{REPOSITORY}@{sha('1')[:-1]}", "63"),
        (f"{REPOSITORY}@{sha('1')}0", "65"),
        (f"{REPOSITORY}@{sha('1').upper()}", "digest looks like"),
        (f"{REPOSITORY}:v 1", "has a space"),
        (f"{REPOSITORY}:--privileged", "is not a tag"),
        ("--privileged", "begins with a dash"),
        ("$(reboot):v1", "is not a repository name"),
        ("a'b\"c:v1", "is not a repository name"),
        ("a\nb:v1", "LINE FEED"),
        ("../../etc:v1", "is not a repository name"),
        ("x" * 10_000, "10,000"),
        (sha("1"), "is a digest alone"),
    ],
)
def test_what_is_no_reference_is_refused_beside_the_field(reference: str, says: str, operator: User, host: Host) -> None:
    answer = window(operator).post("/ledger/register/", {"reference": reference, "host": host.pk})
    assert answer.status_code == 400
    assert says in text_of(answer)
    assert "kg-field-error" in answer.content.decode()
    assert not Job.objects.exists()


def test_such_a_refusal_is_on_record_under_the_number_that_is_shown(operator: User, host: Host) -> None:
    answer = window(operator).post("/ledger/register/", {"reference": "--privileged", "host": host.pk})
    assert last_refusal().actor == "olga"
    assert f"It is recorded as {last_refusal().changes['correlation']}." in text_of(answer)


def test_a_host_that_is_none_is_refused(operator: User, host: Host) -> None:
    answer = window(operator).post("/ledger/register/", {"reference": f"{REPOSITORY}:v1", "host": 4711})
    assert answer.status_code == 400
    assert not Job.objects.exists()


@pytest.mark.parametrize("role", ["Viewer", "Auditor", "Security reviewer", "Administrator"])
def test_a_forged_request_is_refused_and_on_record(role: str, host: Host) -> None:
    forger = person(role, name="mallory")
    answer = window(forger).post("/ledger/register/", {"reference": f"{REPOSITORY}:v1", "host": host.pk})
    assert answer.status_code == 403
    assert "Registering a digest takes the role operator or release manager." in text_of(answer)
    assert not Job.objects.exists()
    assert (last_refusal().actor, last_refusal().object_name) == ("mallory", "POST /ledger/register/")
