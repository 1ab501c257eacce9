from typing import Any

import pytest
from django.contrib.auth.models import User

from chatbot_service import backup_plans as plans
from chatbot_service.dispatch import Request
from chatbot_service.models import BackupPlan, JobState, Kind, Service
from deploy_records.errors import Invalid, NotAllowed, Refused
from deploy_records.models import AuditEvent
from tests import backup_factories as backups
from tests import factories as make

pytestmark = pytest.mark.django_db


@pytest.fixture
def service() -> Service:
    made = make.service("bot", found={"data_paths": ["/srv/bot/uploads", "/srv/bot/all"]})
    backups.plan(made)
    return made


@pytest.fixture
def olga() -> User:
    return make.person("Operator", name="olga")


def _by(person: User) -> Request:
    return Request(person, "", "192.0.2.3")


def test_a_service_gets_the_usual_plan_at_the_default_place() -> None:
    backups.repository("away")
    backups.repository("local")
    service = make.service("bot", data_paths=["/srv/bot", "/srv/bot/uploads", "/run/docker.sock", "data"])
    plan = plans.make_for(service)
    assert plan is not None
    assert (plan.repository.name, plan.mode, plan.rpo_hours, plan.scheduled) == ("local", "live", 24, True)
    assert Service.objects.get().data_paths == ["/srv/bot", "data"]
    assert AuditEvent.objects.get(action="backup.planned").object_name == "bot on prod-1"
    assert plans.make_for(service) == plan
    assert AuditEvent.objects.filter(action="backup.planned").count() == 1


def test_without_a_place_there_is_no_plan_until_there_is_one() -> None:
    service = make.service("bot")
    make.service("shown", is_demo=True)
    assert plans.make_for(service) is None
    assert plans.make_missing() == 0
    backups.repository("away")
    assert plans.make_missing() == 1
    assert BackupPlan.objects.get().service == service


def test_an_operator_changes_it_and_the_trail_tells_what(service: Service, olga: User) -> None:
    away = backups.repository("away", url="s3:https://s3.test/bucket")
    wish = {"repository": away, "mode": "paused", "rpo_hours": 48, "cron": " 30 2 *  * * ", "data_paths": ["/srv/bot/all"]}
    assert plans.change(service, wish, _by(olga))
    plan = BackupPlan.objects.get()
    assert (plan.repository, plan.mode, plan.rpo_hours, plan.cron) == (away, "paused", 48, "30 2 * * *")
    assert Service.objects.get().data_paths == ["/srv/bot/all"]
    event = AuditEvent.objects.get(action="backup.changed")
    assert event.changes["place"] == ["local", "away"]
    assert event.changes["data_paths"] == [["/srv/bot/uploads"], ["/srv/bot/all"]]
    assert "keep_daily" not in event.changes
    assert event.actor == "olga"


def test_what_is_as_it_was_leaves_no_trace(service: Service, olga: User) -> None:
    assert not plans.change(service, {"mode": "live", "rpo_hours": 24, "data_paths": list(service.data_paths)}, _by(olga))
    assert not AuditEvent.objects.filter(action="backup.changed").exists()


@pytest.mark.parametrize("role", ["Viewer", "Release manager", "Security reviewer", "Auditor"])
def test_others_may_not(role: str, service: Service) -> None:
    with pytest.raises(NotAllowed):
        plans.change(service, {"mode": "paused"}, _by(make.person(role)))
    assert BackupPlan.objects.get().mode == "live"


def test_whether_a_restore_takes_two_people_is_for_administrators(service: Service, olga: User) -> None:
    with pytest.raises(NotAllowed, match="two people"):
        plans.change(service, {"two_people": True, "mode": "paused"}, _by(olga))
    assert BackupPlan.objects.get().mode == "live"
    ada = make.person("Administrator")
    assert plans.change(service, {"two_people": True}, _by(ada))
    with pytest.raises(NotAllowed):
        plans.change(service, {"two_people": False}, _by(olga))
    assert plans.change(service, {"two_people": True, "mode": "paused"}, _by(olga))


@pytest.mark.parametrize(
    ("wish", "says"),
    [
        ({"mode": "bogus"}, "from those offered"), ({"rpo_hours": 0}, "1 to 8,760"), ({"rpo_hours": "24"}, "1 to 8,760"),
        ({"longest_pause": 0}, "1 to 3,600"), ({"keep_daily": -1}, "0 to 366"), ({"keep_monthly": 10**9}, "0 to 120"),
        ({"cron": "whenever"}, "does not have 5 fields"), ({"cron": "0 0 31 2 *"}, "One looks like"),
        ({"cron": "0 3 * * 1-5"}, "Up to 72 h pass"), ({"data_paths": ["/srv/a", "/srv/a/b"]}, "lie in one another"),
        ({"data_paths": ["/srv/a", "/srv/a"]}, "twice"), ({"data_paths": ["uploads"]}, "is not a data path"),
        ({"data_paths": ["/etc"]}, "belongs to the system"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_and_nothing_changes(wish: dict[str, Any], says: str, service: Service, olga: User) -> None:
    with pytest.raises(Invalid, match=says):
        plans.change(service, {"before_upgrade": False, **wish}, _by(olga))
    assert BackupPlan.objects.get().before_upgrade
    assert Service.objects.get().data_paths == ["/srv/bot/uploads"]


def test_times_further_apart_than_the_rpo_are_fine_where_nothing_is_scheduled(service: Service, olga: User) -> None:
    assert plans.change(service, {"cron": "0 3 * * 1-5", "scheduled": False}, _by(olga))


def test_data_do_not_lie_in_the_place_for_backups_nor_the_other_way_round(service: Service) -> None:
    ada = make.person("Administrator")
    for path in ("/srv/backups", "/srv/backups/local/x"):
        with pytest.raises(Refused, match="lie in one another"):
            plans.change(service, {"data_paths": [path]}, _by(ada))


def test_the_name_of_a_volume_stays_until_a_worker_knows_where_it_lies(olga: User) -> None:
    service = make.service("bot", data_paths=["data"], found={"data_paths": ["data", "cache"]})
    backups.plan(service)
    assert plans.change(service, {"data_paths": ["data", "cache"]}, _by(olga))
    with pytest.raises(Invalid, match="is not a data path"):
        plans.change(service, {"data_paths": ["data", "other"]}, _by(olga))


def test_a_job_that_holds_the_service_is_waited_for(service: Service, olga: User) -> None:
    job = backups.job(Kind.BACKUP, service, JobState.RUNNING)
    with pytest.raises(Refused, match="Wait for its end"):
        plans.change(service, {"mode": "paused"}, _by(olga))
    job.kind = Kind.BROWSE
    job.save()
    assert plans.change(service, {"mode": "paused"}, _by(olga))


def test_a_service_without_a_plan_gets_one_by_being_changed(olga: User) -> None:
    service = make.service("bot")
    with pytest.raises(Invalid, match="Choose the place"):
        plans.change(service, {"mode": "paused"}, _by(olga))
    assert plans.change(service, {"mode": "paused", "repository": backups.repository()}, _by(olga))
    assert BackupPlan.objects.get(service=service).mode == "paused"


def test_an_operator_names_only_folders_of_the_service_itself(olga: User) -> None:
    """Workers read as root, and what they read can be downloaded."""
    service = make.service(
        "bot", found={"data_paths": ["/data/bot", "cache"], "volume_folders": {"cache": "/var/lib/docker/volumes/c/_data"}}
    )
    backups.plan(service)
    for path in ("/home/somebody", "/srv/bot/secrets.env", "/srv/bot"):
        with pytest.raises(NotAllowed, match="does not mount"):
            plans.change(service, {"data_paths": [path]}, _by(olga))
    own = ["/srv/bot/uploads/2026", "/data/bot", "/var/lib/docker/volumes/c/_data"]
    assert plans.change(service, {"data_paths": own}, _by(olga))
    assert plans.change(service, {"data_paths": [*own, "/data/other"]}, _by(make.person("Administrator")))
    assert plans.change(service, {"data_paths": ["/data/other"]}, _by(olga))


def test_values_of_the_environment_file_are_kept_only_if_an_administrator_says_so(service: Service, olga: User) -> None:
    ada = make.person("Administrator")
    with pytest.raises(NotAllowed, match="values"):
        plans.change(service, {"with_values": True}, _by(olga))
    for path in ("/srv/bot/.env", "/srv/bot"):
        with pytest.raises(Refused, match="holds the environment file"):
            plans.change(service, {"data_paths": [path]}, _by(ada))
    assert plans.change(service, {"with_values": True}, _by(ada))
    assert plans.change(service, {"with_values": False}, _by(olga))
