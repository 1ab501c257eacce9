"""The environment of a service: under its contract, changed after a preview, gone back to; never a secret value."""

import re

import pytest
from django.contrib.auth.models import User

from chatbot_service.models import EnvironmentContract, EnvironmentVersion, Job, JobState, Kind, Service
from chatbot_service.secrets import seal, unseal
from deploy_records.models import AuditEvent
from tests import backup_factories as backups
from tests import factories as make
from tests.portal.looking import text_of, window
from tests.portal.test_looks import ENVIRONMENT, key, seen

pytestmark = pytest.mark.django_db
SECRET = "sk-planted-0815"


@pytest.fixture
def service() -> Service:
    return make.service(runs=make.entry())


@pytest.fixture
def looked(service: Service) -> Service:
    keys = [key("LOG_LEVEL", value="INFO"), key("OPENROUTER_API_KEY", sensitive=True, required=True)]
    seen(service, Kind.ENVIRONMENT, {**ENVIRONMENT, "keys": keys, "in_file": ["LOG_LEVEL", "OPENROUTER_API_KEY"]})
    return service


def change(service: Service, person: User, **values: str) -> str:
    """The page that answers: with the preview, or with what is wrong."""
    given = {name if name.startswith(("out-", "new-")) else f"key-{name}": value for name, value in values.items()}
    return window(person).post(f"/services/{service.pk}/environment/change/", given).content.decode()


def proposal_in(page: str) -> str:
    found = re.search(r'name="proposal" value="([^"]+)"', page)
    assert found
    return found[1]


def apply(service: Service, person: User, page: str, reason: str = "a new key") -> str:
    given = {"proposal": proposal_in(page), "apply": "1", "reason": reason}
    answer = window(person).post(f"/services/{service.pk}/environment/change/", given)
    return str(answer.headers.get("Location", "")) or answer.content.decode()


def test_a_value_that_counts_as_secret_by_the_contract_of_now_is_not_shown(service: Service, operator: User) -> None:
    seen(service, Kind.ENVIRONMENT, ENVIRONMENT)
    page = window(operator).get(f"/services/{service.pk}/environment/")
    assert "planted-secret" not in page.content.decode()
    assert "STRANGE" in text_of(page)
    assert "1 key is not as the contract says" in text_of(page)


def test_a_change_is_shown_masked_before_it_is_applied(looked: Service, operator: User) -> None:
    page = change(looked, operator, OPENROUTER_API_KEY=SECRET, LOG_LEVEL="DEBUG")
    assert SECRET not in page
    assert "a new value, not shown" in page
    assert "DEBUG" in page
    assert not Job.objects.filter(kind=Kind.CONFIGURE).exists()


def test_applying_starts_a_job_that_holds_the_secret_sealed_and_the_trail_its_name_alone(looked: Service, operator: User) -> None:
    answer = apply(looked, operator, change(looked, operator, OPENROUTER_API_KEY=SECRET, LOG_LEVEL="DEBUG"))
    job = Job.objects.get(kind=Kind.CONFIGURE)
    assert answer == f"/jobs/{job.pk}/"
    assert job.asked["set"] == {"LOG_LEVEL": "DEBUG"}
    assert job.asked["revision"] == "r1"
    assert unseal(job.asked["sealed"]["OPENROUTER_API_KEY"]) == SECRET
    assert SECRET not in str(job.asked)
    event = AuditEvent.objects.get(action="job.asked")
    assert event.changes["secret"] == ["OPENROUTER_API_KEY"]
    assert job.asked["sealed"]["OPENROUTER_API_KEY"] not in str(event.changes)


def test_a_reason_is_asked_for_and_the_preview_stays(looked: Service, operator: User) -> None:
    page = apply(looked, operator, change(looked, operator, LOG_LEVEL="DEBUG"), reason=" ")
    assert "Say why, for the record" in page
    assert proposal_in(page)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"MAX_RETRIES": "99"}, "MAX_RETRIES is not valid"),
        ({"new-name": "COMPOSE_FILE", "new-value": "x.yml"}, "cannot be set here"),
        ({"new-name": "A B", "new-value": "x"}, "Another key takes a name"),
        ({"out-OPENROUTER_API_KEY": "1"}, "is required"),
        ({}, "No value is different"),
    ],
)
def test_what_cannot_be_set_is_refused_at_once_and_no_typed_value_comes_back(
    looked: Service, operator: User, values: dict[str, str], says: str
) -> None:
    page = change(looked, operator, **{"OPENROUTER_API_KEY": SECRET, **values} if values and "out" not in str(values) else values)
    assert says in page
    assert SECRET not in page
    assert not Job.objects.filter(kind=Kind.CONFIGURE).exists()


def test_a_preview_of_another_person_or_service_or_one_that_was_altered_is_refused(looked: Service, operator: User) -> None:
    page = change(looked, operator, LOG_LEVEL="DEBUG")
    other = make.person("Operator")
    assert "another person" in apply(looked, other, page)
    elsewhere = make.service(name="other", runs=make.entry("other"))
    assert "another service" in apply(elsewhere, operator, page)
    altered = page.replace(proposal_in(page), proposal_in(page)[:-2] + "xx")
    assert "not one of yours" in apply(looked, operator, altered)
    assert not Job.objects.filter(kind=Kind.CONFIGURE).exists()


def test_a_key_that_the_contract_does_not_know_counts_as_secret(looked: Service, operator: User) -> None:
    apply(looked, operator, change(looked, operator, **{"new-name": "FEATURE", "new-value": SECRET}))
    assert list(Job.objects.get(kind=Kind.CONFIGURE).asked["sealed"]) == ["FEATURE"]


def test_after_a_change_the_page_looks_again_by_itself_and_the_form_says_so(looked: Service, operator: User) -> None:
    client, here = window(operator), f"/services/{looked.pk}/environment/"
    assert "load, submit" not in client.get(here).content.decode()
    backups.job(Kind.CONFIGURE, looked, JobState.REFUSED)
    assert "load, submit" not in client.get(here).content.decode()
    backups.job(Kind.CONFIGURE, looked)
    assert "load, submit" in client.get(here).content.decode()
    assert "was changed since it was looked at" in text_of(client.get(f"{here}change/"))


def test_release_managers_look_and_do_not_change(looked: Service, release_manager: User) -> None:
    assert window(release_manager).get(f"/services/{looked.pk}/environment/").status_code == 200
    assert window(release_manager).get(f"/services/{looked.pk}/environment/change/").status_code == 403


def version(service: Service, number: int, person: User) -> EnvironmentVersion:
    job = backups.job(Kind.CONFIGURE, service)
    changes = [{"name": "LOG_LEVEL", "did": "changed", "sensitive": False, "before": "INFO", "after": f"V{number}"}]
    return EnvironmentVersion.objects.create(
        service=service, number=number, job=job, by=person, reason=f"why {number}", changes=changes, sealed=seal("A=1")
    )


def test_a_version_can_be_gone_back_to_and_the_newest_cannot(service: Service, operator: User) -> None:
    for number in (1, 2):
        version(service, number, operator)
    page = text_of(window(operator).get(f"/services/{service.pk}/environment/"))
    assert page.count("Go back to this") == 1
    here = f"/services/{service.pk}/environment/{{}}/go-back/"
    assert "V2" in text_of(window(operator).get(here.format(1)))
    assert "nothing to go back to" in text_of(window(operator).post(here.format(2), {"reason": "no"}))
    assert window(operator).get(here.format(9)).status_code == 404
    assert window(operator).post(here.format(1), {"reason": "it was better"}).status_code == 302
    assert Job.objects.get(kind=Kind.CONFIGURE, state=JobState.QUEUED).asked == {"version": 1}


def test_administrators_set_the_contract_as_yaml_and_get_it_back(service: Service, administrator: User, operator: User) -> None:
    here = f"/services/{service.pk}/environment/contract/"
    assert window(operator).get(here).status_code == 403
    page = window(administrator).get(here).content.decode()
    assert "OPENROUTER_API_KEY" in page
    wrong = window(administrator).post(here, {"text": "version: 2"})
    assert wrong.status_code == 400
    assert "A contract begins with" in text_of(wrong)
    text = "version: 1\nkeys:\n  ONE: {type: integer, required: true, least: 1}\n"
    assert window(administrator).post(here, {"text": text}).status_code == 302
    assert EnvironmentContract.objects.get(service=service).keys[0]["name"] == "ONE"
    assert "least: 1.0" in window(administrator).get(here).content.decode()
    window(administrator).post(here, {"text": ""})
    assert not EnvironmentContract.objects.exists()
