"""How a service is backed up, as it is asked on its page."""

from typing import Any

import pytest
from django.contrib.auth.models import User

from chatbot_service.models import BackupPlan, Service
from deploy_records.models import AuditEvent
from tests import backup_factories as backups
from tests import factories as make
from tests.portal.looking import queries, text_of, window

pytestmark = pytest.mark.django_db


@pytest.fixture
def service() -> Service:
    made = make.service(runs=make.entry(), found={"data_paths": ["/srv/personal_chatbot/uploads", "/srv/personal_chatbot/cache"]})
    backups.plan(made)
    return made


@pytest.fixture
def both(db: None) -> User:
    return make.person("Operator", "Administrator", name="bo")


def given(**other: Any) -> dict[str, Any]:
    usual = {
        "repository": backups.repository().pk, "data_paths": "/srv/personal_chatbot/uploads", "mode": "live",
        "longest_pause": 60, "scheduled": "on", "rpo_hours": 24, "cron": "", "before_upgrade": "on",
        "keep_daily": 7, "keep_weekly": 4, "keep_monthly": 6, "rehearse_days": 7, "keep_replaced_hours": 72,
    }  # fmt: skip
    return {name: value for name, value in {**usual, **other}.items() if value is not None}


def send(service: Service, by: User, **other: Any) -> Any:
    return window(by).post(f"/services/{service.pk}/backups/plan/", given(**other), follow=True)


def test_the_page_explains_each_way_and_shows_the_next_three_times(service: Service, operator: User) -> None:
    page = text_of(window(operator).get(f"/services/{service.pk}/backups/plan/"))
    assert "its container is paused, and what changed is read again" in page
    assert page.count("UTC") >= 1
    assert "The next:" in page
    assert "The compose file also names: /srv/personal_chatbot/cache" in page
    assert "Of the environment file only the names are kept" in page


def test_what_is_changed_counts_and_is_on_record(service: Service, operator: User) -> None:
    answer = send(service, operator, mode="paused", cron="30  2 * * *", keep_daily=14)
    assert "Changed. It counts from the next job on." in text_of(answer)
    plan = BackupPlan.objects.get()
    assert (plan.mode, plan.cron, plan.keep_daily) == ("paused", "30 2 * * *", 14)
    assert AuditEvent.objects.get(action="backup.changed").changes["mode"] == ["live", "paused"]


def test_saving_what_is_there_says_that_nothing_was_different(service: Service, operator: User) -> None:
    assert "Nothing was different." in text_of(send(service, operator))


def test_data_paths_are_a_line_each(service: Service, operator: User) -> None:
    send(service, operator, data_paths="/srv/personal_chatbot/uploads\r\n\r\n /srv/personal_chatbot/cache ")
    service.refresh_from_db()
    assert service.data_paths == ["/srv/personal_chatbot/uploads", "/srv/personal_chatbot/cache"]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"cron": "every day"}, "does not have 5 fields"),
        ({"cron": "0 0 31 2 *"}, "Nothing was changed"),
        ({"data_paths": "relative"}, "Nothing was changed"),
        ({"cron": "0 3 * * 0", "rpo_hours": 24}, "the dashboard would warn each time"),
    ],
)
def test_what_cannot_be_is_refused_in_words_and_stays_in_the_form(
    service: Service, operator: User, wrong: dict[str, Any], said: str
) -> None:
    answer = send(service, operator, **wrong)
    assert answer.status_code == 400
    assert said in text_of(answer)
    assert str(next(iter(wrong.values()))) in answer.content.decode()
    assert not AuditEvent.objects.filter(action="backup.changed").exists()


def test_a_number_that_is_none_is_said_beside_its_field(service: Service, operator: User) -> None:
    answer = send(service, operator, rpo_hours="soon")
    assert answer.status_code == 400
    assert "Enter a whole number." in text_of(answer)


def test_a_volume_whose_folder_is_known_is_not_proposed_by_its_name_again(service: Service, operator: User) -> None:
    folder = "/var/lib/docker/volumes/bot_data/_data"
    service.data_paths, service.found = [folder], {"data_paths": ["data"], "volume_folders": {"data": folder}}
    service.save()
    page = text_of(window(operator).get(f"/services/{service.pk}/backups/plan/"))
    assert "The compose file also names" not in page


def test_two_people_is_set_by_who_may_change_the_service(service: Service, operator: User, both: User) -> None:
    page = window(operator).get(f"/services/{service.pk}/backups/plan/")
    assert "Changing that takes the role administrator." in text_of(page)
    send(service, operator, two_people="on")
    assert not BackupPlan.objects.get().two_people
    send(service, both, two_people="on")
    assert BackupPlan.objects.get().two_people
    send(service, operator, keep_daily=9)
    assert BackupPlan.objects.get().two_people


def test_a_service_without_a_plan_gets_one(operator: User) -> None:
    service = make.service(runs=make.entry())
    send(service, operator)
    assert BackupPlan.objects.get().service == service


def test_the_next_times_follow_what_is_typed(service: Service, operator: User) -> None:
    address = f"/services/{service.pk}/backups/plan/times/"
    client = window(operator)
    typed = client.get(address, {"cron": "30 2 * * *", "rpo_hours": "24", "scheduled": "on"})
    assert text_of(typed).count("02:30") == 3
    assert "does not have 5 fields" in text_of(client.get(address, {"cron": "x", "rpo_hours": "24", "scheduled": "on"}))
    assert "None by themselves" in text_of(client.get(address, {"cron": "", "rpo_hours": "24"}))
    assert "Say in whole hours" in text_of(client.get(address, {"cron": "", "rpo_hours": "²", "scheduled": "on"}))


def test_who_may_only_look_does_not_change_it(service: Service, viewer: User) -> None:
    assert window(viewer).get(f"/services/{service.pk}/backups/plan/").status_code == 403


def test_more_backups_take_no_query_more(service: Service, operator: User) -> None:
    backups.backup(service)
    few = queries(window(operator), f"/services/{service.pk}/backups/plan/")
    for hours in range(5):
        backups.backup(service, hours=hours + 5)
    assert queries(window(operator), f"/services/{service.pk}/backups/plan/") <= few
