"""Could a service be taken back now, data and all? Four parts, each a light that says what to do, and one light over them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.utils import timezone

from chatbot_service import lights
from chatbot_service.lights import NONE, OK, STOP, WARN, Light
from chatbot_service.models import Backup, BackupPlan, BackupState, RestoreRehearsal, Service
from chatbot_service.way_back import rollback_target

OVERDUE_AFTER = timedelta(days=1)
"""A rehearsal that is this late has not just waited for a free moment."""


@dataclass(frozen=True)
class Part:
    """`to_do`: what a person does about it; empty while it is well."""

    name: str
    light: Light
    to_do: str = ""


@dataclass(frozen=True)
class Readiness:
    target: Part
    image: Part
    backup: Part
    rehearsal: Part
    about: str = ""
    """How long a rollback usually takes, in words."""

    @property
    def parts(self) -> tuple[Part, ...]:
        return self.target, self.image, self.backup, self.rehearsal

    @property
    def light(self) -> Light:
        """The worst of the four; the first of them where several are equally bad."""
        worst = min((part.light for part in self.parts), key=lambda light: light.badness)
        return Light(OK, "Ready", self.about) if worst.good else worst


@dataclass(frozen=True)
class Facts:
    """`rpo_hours` 0: it has no plan. `newest`: the state of the newest backup that is kept, whatever it is."""

    has_target: bool
    image_local: bool | None
    has_data: bool
    rpo_hours: int = 0
    scheduled: bool = False
    rehearse_days: int = 0
    added_at: datetime | None = None
    newest: str = ""
    newest_why: str = ""
    good_at: datetime | None = None
    rehearsed_at: datetime | None = None
    rehearsal_passed: bool = False
    rehearsal_problem: str = ""


def of(services: Iterable[Service], now: datetime | None = None) -> dict[int, Readiness]:
    """By the service's number, in one query."""
    moment = now or timezone.now()
    rows = with_facts(Service.objects.filter(pk__in=[service.pk for service in services]))
    return {one.pk: told(one, moment) for one in rows}


def judge(facts: Facts, now: datetime, about: str = "") -> Readiness:
    return Readiness(_target(facts), _image(facts), _backup(facts, now), _rehearsal(facts, now), about)


def _target(facts: Facts) -> Part:
    if facts.has_target:
        return Part("Target", Light(OK, "Known good"))
    light = lights.rollback(has_target=False, image_local=None)
    return Part("Target", light, "A second digest has to run healthy here. Until then there is nothing to go back to.")


def _image(facts: Facts) -> Part:
    light = lights.rollback(has_target=True, image_local=facts.image_local)
    if not facts.has_target:
        return Part("Image", Light(OK, "Not needed yet"))
    if light.tone == WARN:
        to_do = "A rollback pulls it first. See that its registry still has it, or roll back while it does."
        return Part("Image", light, to_do)
    if not light.good:
        return Part("Image", light, "The watcher looks within a minute, once a worker of the host answers.")
    return Part("Image", Light(OK, "On the host"))


def _backup(facts: Facts, now: datetime) -> Part:
    if not facts.has_data:
        return Part("Backup", Light(OK, "Not needed", "it keeps no data"))
    if not facts.rpo_hours:
        return Part("Backup", Light(NONE, "No backup plan", "nothing is backed up"), "Set up how it is backed up.")
    if facts.newest == BackupState.DAMAGED:
        light = Light(STOP, "Backup damaged", facts.newest_why)
        return Part("Backup", light, "Back up now, and find out what damaged the repository.")
    rpo = timedelta(hours=facts.rpo_hours)
    if facts.good_at is None:
        return _never_backed_up(facts, now, rpo)
    why = f"last good backup {age(now - facts.good_at)} ago"
    if now - facts.good_at > rpo:
        why = f"{why}, RPO {age(rpo)}"
        return Part("Backup", Light(WARN, "Backup too old", why), "Back up now; the last backup job says why it is late.")
    return Part("Backup", Light(OK, "Fresh", why))


def _never_backed_up(facts: Facts, now: datetime, rpo: timedelta) -> Part:
    if facts.scheduled and facts.added_at is not None and now - facts.added_at <= rpo:
        return Part("Backup", Light(NONE, "No backup yet", "the schedule takes the first"), "Back up now, or wait for it.")
    to_do = "Back up now." if facts.scheduled else "Back up now, and switch the schedule on."
    return Part("Backup", Light(WARN, "No backup", f"never backed up, RPO {age(rpo)}"), to_do)


def _rehearsal(facts: Facts, now: datetime) -> Part:
    if not facts.has_data:
        return Part("Rehearsal", Light(OK, "Not needed", "it keeps no data"))
    if facts.rehearsed_at is None:
        return Part("Rehearsal", Light(NONE, "Not rehearsed", "no backup was restored yet"), "Rehearse a restore.")
    since = f"{age(now - facts.rehearsed_at)} ago"
    if not facts.rehearsal_passed:
        light = Light(STOP, "Rehearsal failed", facts.rehearsal_problem or since)
        return Part("Rehearsal", light, "Read what failed, back up again if the backup is at fault, and rehearse again.")
    due = timedelta(days=facts.rehearse_days) + OVERDUE_AFTER
    if facts.rehearse_days and now - facts.rehearsed_at > due:
        why = f"{since}, due each {facts.rehearse_days} d"
        return Part(
            "Rehearsal", Light(WARN, "Rehearsal overdue", why), "Rehearse now; the last rehearsal job says why it is late."
        )
    return Part("Rehearsal", Light(OK, "Passed", since))


_MINUTE, _HOUR, _DAY = 60, 3600, 86400


def age(length: timedelta) -> str:
    """`40 min`, `27 h`, `5 d`: hours until two days, as an RPO is said."""
    seconds = max(0, int(length.total_seconds()))
    if seconds < _HOUR or (seconds < 2 * _HOUR and seconds % _HOUR):
        return f"{seconds // _MINUTE} min" if seconds >= _MINUTE else "under 1 min"
    return f"{seconds // _HOUR} h" if seconds <= 2 * _DAY else f"{seconds // _DAY} d"


def with_facts(services: QuerySet[Service]) -> QuerySet[Service]:
    """With all that `told` needs; also `target`: where a rollback would go, and `damaged`: how many backups are."""
    kept = Backup.objects.filter(service=OuterRef("pk")).exclude(state=BackupState.FORGOTTEN).order_by("-at", "-id")
    good = Backup.objects.filter(service=OuterRef("pk"), state=BackupState.GOOD).order_by("-at", "-id")
    damaged = Backup.objects.filter(service=OuterRef("pk"), state=BackupState.DAMAGED).order_by().values("service")
    rehearsal = RestoreRehearsal.objects.filter(service=OuterRef("pk")).order_by("-at", "-id")
    return services.select_related("backup_plan").annotate(
        target=rollback_target(),
        newest=Subquery(kept.values("state")[:1]),
        newest_why=Subquery(kept.values("why")[:1]),
        good_at=Subquery(good.values("at")[:1]),
        damaged=Subquery(damaged.annotate(many=Count("pk")).values("many")),
        rehearsed_at=Subquery(rehearsal.values("at")[:1]),
        rehearsal_passed=Subquery(rehearsal.values("passed")[:1]),
        rehearsal_problem=Subquery(rehearsal.values("problem")[:1]),
    )


def told(one: Any, now: datetime) -> Readiness:
    """Of a service as `with_facts` reads it."""
    return judge(
        Facts(
            has_target=one.target is not None, image_local=one.previous_local, has_data=bool(one.data_paths),
            added_at=one.added_at, newest=one.newest or "", newest_why=one.newest_why or "", good_at=one.good_at,
            rehearsed_at=one.rehearsed_at, rehearsal_passed=bool(one.rehearsal_passed),
            rehearsal_problem=one.rehearsal_problem or "", **_of_plan(getattr(one, "backup_plan", None)),
        ),
        now,
    )  # fmt: skip


def _of_plan(plan: BackupPlan | None) -> dict[str, Any]:
    if plan is None:
        return {}
    return {"rpo_hours": plan.rpo_hours, "scheduled": plan.scheduled, "rehearse_days": plan.rehearse_days}
