"""How each service is backed up: every one has a plan from the day it is added, and people change it."""

from collections.abc import Mapping
from typing import Any

from django.utils import timezone

from chatbot_service.backup_paths import checked_paths, foreign_paths, proposed
from chatbot_service.backup_places import DEFAULT
from chatbot_service.backup_schedule import checked_cron, longest_gap
from chatbot_service.backup_urls import scheme_of, within
from chatbot_service.dispatch import Request
from chatbot_service.models import READS_ONLY, BackupMode, BackupPlan, BackupRepository, Job, Service
from deploy_records import audit
from deploy_records.audit import Event, about
from deploy_records.errors import Invalid, Refused
from deploy_records.people import require
from deploy_records.rules.digest import shown

MAY_CHANGE = "chatbot_service.back_up_service"
MAY_GO_FURTHER = "chatbot_service.change_service"
"""Two people or one, values of the environment file, folders that are not known to be the service's."""
TO_DO = "Changing how a service is backed up"
_RANGES = {
    "longest_pause": (1, 3600),
    "rpo_hours": (1, 8760),
    "keep_daily": (0, 366),
    "keep_weekly": (0, 260),
    "keep_monthly": (0, 120),
    "rehearse_days": (0, 366),
    "keep_replaced_hours": (0, 2160),
}
_FLAGS = ("with_values", "scheduled", "before_upgrade", "two_people")
_FIELDS = ("repository", "mode", "cron", *_RANGES, *_FLAGS)


def make_for(service: Service, actor: audit.Actor = audit.WORKER) -> BackupPlan | None:
    """The usual plan, at the default place or the first there is; nothing while there is none. Safe to repeat."""
    with audit.changing():
        place = BackupRepository.objects.filter(name=DEFAULT).first() or BackupRepository.objects.first()
        if place is None:
            return None
        plan, is_new = BackupPlan.objects.get_or_create(service=service, defaults={"repository": place})
        if is_new:
            _take_proposed_paths(service)
            changes = {"place": place.name, "data_paths": list(service.data_paths), "rpo_hours": plan.rpo_hours}
            audit.record(actor, Event("backup.planned", **about(service), changes=changes))
    return plan


def make_missing() -> int:
    """Plans for services that were added before there was a place, or before there were backups."""
    without = Service.objects.filter(backup_plan=None, is_demo=False).select_related("host")
    return sum(make_for(service) is not None for service in without)


def _take_proposed_paths(service: Service) -> None:
    """Of all that it mounts, what holds data of its own."""
    paths = proposed(service.data_paths)
    if paths != service.data_paths:
        service.data_paths = paths
        service.save(update_fields=["data_paths"])


def change(service: Service, values: Mapping[str, Any], request: Request) -> bool:
    """False if nothing differs. `values`: fields of `BackupPlan`, those left out stay; `data_paths`: a list.

    Counts from the next job on, so it waits for the one that holds the service.
    """
    require(request.person, MAY_CHANGE, TO_DO)
    with audit.changing():
        service = Service.objects.select_related("host").get(pk=service.pk)
        plan, is_new = _plan_of(service, values)
        before = {**_told(plan), "data_paths": list(service.data_paths)}
        for name in (name for name in _FIELDS if name in values):
            setattr(plan, name, values[name])
        service.data_paths = _paths(service, values)
        changes = _differences(before, {**_told(plan), "data_paths": service.data_paths}, is_new=is_new)
        if not changes:
            return False
        _check_who_may(plan, service, before, changes, request)
        _check(plan, service)
        _wait_for_the_holder(service)
        plan.save()
        service.save(update_fields=["data_paths"])
        audit.record(request.actor, Event("backup.changed", **about(service), changes=changes, reason=request.reason))
    return True


def _check_who_may(
    plan: BackupPlan, service: Service, before: Mapping[str, Any], changes: Mapping[str, Any], request: Request
) -> None:
    """Workers read as root, and whoever may download gets what they read: so operators choose among what is the service's own."""
    if "two_people" in changes and before["two_people"] != plan.two_people:
        require(request.person, MAY_GO_FURTHER, "Changing whether a restore takes two people")
    if "with_values" in changes and plan.with_values:
        require(request.person, MAY_GO_FURTHER, "Keeping the values of the environment file")
    strange = foreign_paths(service, before["data_paths"])
    if strange:
        what = f"Backing up {shown(strange[0])}, which {service} does not mount,"
        require(request.person, MAY_GO_FURTHER, what)


def _plan_of(service: Service, values: Mapping[str, Any]) -> tuple[BackupPlan, bool]:
    """And whether it is one to be made."""
    plan = BackupPlan.objects.select_related("repository").filter(service=service).first()
    if plan is not None:
        return plan, False
    if not isinstance(values.get("repository"), BackupRepository):
        raise Invalid("Choose the place where its backups go. Nothing was changed.")
    return BackupPlan(service=service, repository=values["repository"]), True


def _told(plan: BackupPlan) -> dict[str, Any]:
    """For the trail: the place by its name."""
    return {"place": plan.repository.name, **{name: getattr(plan, name) for name in _FIELDS if name != "repository"}}


def _differences(before: dict[str, Any], after: dict[str, Any], *, is_new: bool) -> dict[str, Any]:
    if is_new:
        return {name: ["", value] for name, value in after.items()}
    return {name: [before[name], value] for name, value in after.items() if before[name] != value}


def _paths(service: Service, values: Mapping[str, Any]) -> list[str]:
    """Names of volumes stay as long as no worker has looked where they lie; others cannot be added by name."""
    if "data_paths" not in values:
        return list(service.data_paths)
    asked = [str(path) for path in values["data_paths"]]
    names = {path for path in (*service.data_paths, *_named_by_compose(service)) if not path.startswith("/")}
    checked_paths([path for path in asked if path not in names])
    if len(set(asked)) != len(asked):
        raise Invalid("A data path is given twice. Nothing was changed.")
    return asked


def _named_by_compose(service: Service) -> list[str]:
    return [str(path) for path in service.found.get("data_paths", ())]


def _check(plan: BackupPlan, service: Service) -> None:
    if plan.mode not in BackupMode.values:
        raise Invalid("Choose from those offered how it is backed up. Nothing was changed.")
    for name, (least, most) in _RANGES.items():
        value = getattr(plan, name)
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            label = name.replace("_", " ").capitalize()
            raise Invalid(f"{label} is {least:,} to {most:,}, not {shown(str(value))}. Nothing was changed.")
    for name in _FLAGS:
        setattr(plan, name, bool(getattr(plan, name)))
    _check_cron(plan)
    _check_folders(plan, service)


def _check_folders(plan: BackupPlan, service: Service) -> None:
    env = f"{service.project_dir.rstrip('/')}/.env"
    around = next((path for path in service.data_paths if within(env, path)), "")
    if around and not plan.with_values:
        words = f"{shown(around)} holds the environment file, whose values are not to be kept"
        raise Refused(f"{words}. Name the folders beside it, or keep the values as well. Nothing was changed.", code="env-file")
    if scheme_of(plan.repository.url) == "":
        for path in service.data_paths:
            if within(plan.repository.url, path) or within(path, plan.repository.url):
                words = f"The data path {shown(path)} and the place {plan.repository.name} lie in one another"
                raise Refused(f"{words}. Choose one apart from the other. Nothing was changed.", code="shared-folder")


def _check_cron(plan: BackupPlan) -> None:
    now = timezone.now()
    plan.cron = checked_cron(str(plan.cron), now)
    if plan.cron and plan.scheduled:
        hours = longest_gap(plan.cron, now).total_seconds() / 3600
        if hours > plan.rpo_hours:
            words = f"Up to {hours:g} h pass between two times of {plan.cron}, and the RPO is {plan.rpo_hours} h"
            raise Invalid(f"{words}: the dashboard would warn each time. Change one of them. Nothing was changed.")


def _wait_for_the_holder(service: Service) -> None:
    holder = Job.objects.active().filter(service=service).exclude(kind__in=READS_ONLY).first()
    if holder is not None:
        raise Refused(f"{holder} runs on {service}. Wait for its end. Nothing was changed.", code="busy")
