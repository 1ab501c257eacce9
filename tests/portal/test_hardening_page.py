"""The hardening of a service: what a check found, when it is due again, and which capabilities may stay."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from chatbot_service.models import CapabilityException, HardeningCheck, Job, JobState, Kind, Service
from tests import backup_factories as backups
from tests import factories as make
from tests.portal.looking import queries, text_of, window

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}
RESULTS = [
    {"rule": "user", "name": "User", "verdict": "ok", "seen": "10001:10001", "wanted": "one fixed user", "mend": ""},
    {"rule": "limits", "name": "Limits", "verdict": "failed", "seen": "none <b>", "wanted": "both set", "mend": "cpus: 1"},
]


@pytest.fixture
def service() -> Service:
    return make.service(runs=make.entry())


@pytest.fixture
def reviewer(db: None) -> User:
    return make.person("Security reviewer")


def checked(service: Service, *, due_in: int = 80, passed: bool = False) -> HardeningCheck:
    due = timezone.localdate() + timedelta(days=due_in)
    job = backups.job(Kind.HARDEN, service)
    return HardeningCheck.objects.create(service=service, job=job, passed=passed, results=RESULTS, due_on=due, digest="")


def test_rules_that_are_not_met_come_first_with_how_to_meet_them(service: Service, viewer: User) -> None:
    checked(service)
    answer = window(viewer).get(f"/services/{service.pk}/hardening/")
    page = text_of(answer)
    assert "1 of 2 rules is not met" in page
    assert page.index("Limits") < page.index("10001:10001")
    assert "cpus: 1" in page
    assert "none &lt;b&gt;" in answer.content.decode()
    assert "Check again" not in page


def test_a_check_is_asked_for_and_polls_until_it_has_ended(service: Service, operator: User) -> None:
    here = f"/services/{service.pk}/hardening/"
    fragment = window(operator).post(f"{here}check/", headers=HTMX).content.decode()
    assert 'hx-trigger="every 1s"' in fragment
    Job.objects.update(state=JobState.REFUSED, error="It does not run.")
    ended = window(operator).get(here, headers=HTMX)
    assert ended.status_code == 286
    assert "It does not run." in text_of(ended)


def test_a_check_that_is_overdue_stands_on_the_dashboard(service: Service, operator: User) -> None:
    checked(service, due_in=5)
    assert "Check the hardening" not in text_of(window(operator).get("/"))
    checked(service, due_in=-1)
    page = window(operator).get("/")
    assert f"Check the hardening of {service} again" in text_of(page)
    assert f'href="/services/{service.pk}/hardening/"' in page.content.decode()
    assert "overdue" in text_of(window(operator).get(f"/services/{service.pk}/hardening/"))


def test_a_security_reviewer_lets_it_keep_a_capability_and_ends_that(service: Service, reviewer: User, operator: User) -> None:
    here, day = f"/services/{service.pk}/hardening/exceptions/", timezone.localdate() + timedelta(days=30)
    given = {"capability": "net_bind_service", "reason": "it listens on 80", "review_on": day.isoformat()}
    assert window(operator).post(here, given).status_code == 403
    assert window(reviewer).post(here, given).status_code == 302
    made = CapabilityException.objects.get()
    page = text_of(window(reviewer).get(f"/services/{service.pk}/hardening/"))
    assert "CAP_NET_BIND_SERVICE" in page
    assert "30 days left" in page
    assert window(reviewer).post(f"{here}{made.pk}/end/").status_code == 302
    again = window(reviewer).post(f"{here}{made.pk}/end/")
    assert "has ended already" in text_of(again)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"capability": "CAP_NOTHING"}, "no capability of the kernel"),
        ({"review_on": "soon"}, "A day is written as"),
        ({"review_on": "2099-01-01"}, "at most six months away"),
        ({"reason": ""}, "This field is required"),
    ],
)
def test_an_exception_without_an_end_a_reason_or_a_name_is_refused(
    service: Service, reviewer: User, given: dict[str, str], says: str
) -> None:
    day = (timezone.localdate() + timedelta(days=30)).isoformat()
    usual = {"capability": "CAP_CHOWN", "reason": "it has to", "review_on": day}
    page = window(reviewer).post(f"/services/{service.pk}/hardening/exceptions/", usual | given)
    assert says in text_of(page)
    assert not CapabilityException.objects.exists()


def test_the_page_takes_the_same_queries_however_many_checks_there_were(service: Service, operator: User) -> None:
    checked(service)
    first = queries(window(operator), f"/services/{service.pk}/hardening/")
    for _ in range(4):
        checked(service)
    assert queries(window(operator), f"/services/{service.pk}/hardening/") == first


def test_the_runbook_has_a_place_for_every_signal(viewer: User) -> None:
    from chatbot_service.models import SignalKind  # noqa: PLC0415 - nothing else here is about signals

    page = window(viewer).get("/runbook/").content.decode()
    for kind in SignalKind.values:
        assert f'id="{kind}"' in page
