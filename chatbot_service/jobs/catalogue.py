"""Which kinds of job there are: the steps of each, and the permission it takes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chatbot_service.jobs import (
    adopt,
    backup,
    configure,
    hardening_check,
    lifecycle,
    looking,
    looking_into,
    restore,
    restore_rehearsal,
    rollback,
    upgrade,
)
from chatbot_service.jobs.step import Step

LOOK_INTO = "chatbot_service.look_into_service"


@dataclass(frozen=True)
class KindOfJob:
    steps: tuple[Step, ...]
    permission: str
    to_do: str
    """Begins a refusal: "Upgrading a service takes the role …"."""
    holding: tuple[Step, ...] = ()
    """Instead of `steps` when the service is paused or stopped meanwhile."""


KINDS: dict[str, KindOfJob] = {
    "upgrade": KindOfJob(upgrade.STEPS, "chatbot_service.upgrade_service", "Upgrading a service", holding=upgrade.HOLDING_STEPS),
    "rollback": KindOfJob(rollback.STEPS, "chatbot_service.rollback_service", "Rolling back a service"),
    "start": KindOfJob(lifecycle.START_STEPS, "chatbot_service.operate_service", "Starting a service"),
    "stop": KindOfJob(lifecycle.STOP_STEPS, "chatbot_service.operate_service", "Stopping a service"),
    "restart": KindOfJob(lifecycle.RESTART_STEPS, "chatbot_service.operate_service", "Restarting a service"),
    "inspect": KindOfJob(adopt.INSPECT_STEPS, "chatbot_service.add_service", "Adding a service"),
    "adopt": KindOfJob(adopt.ADOPT_STEPS, "chatbot_service.add_service", "Adding a service"),
    "resolve": KindOfJob(adopt.RESOLVE_STEPS, "deploy_records.register_digest", "Registering a digest"),
    "backup": KindOfJob(
        backup.LIVE_STEPS, "chatbot_service.back_up_service", "Backing up a service", holding=backup.HOLDING_STEPS
    ),
    "rehearse": KindOfJob(restore_rehearsal.STEPS, "chatbot_service.back_up_service", "Rehearsing a restore"),
    "check": KindOfJob(restore_rehearsal.CHECK_STEPS, "chatbot_service.back_up_service", "Checking backups"),
    "restore": KindOfJob(restore.STEPS, "chatbot_service.restore_backup", "Restoring a backup"),
    "unrestore": KindOfJob(restore.UNDO_STEPS, "chatbot_service.restore_backup", "Undoing a restore"),
    "browse": KindOfJob(looking_into.BROWSE_STEPS, "chatbot_service.view_backup", "Looking into a backup"),
    "download": KindOfJob(looking_into.DOWNLOAD_STEPS, "chatbot_service.download_backup", "Downloading a backup"),
    "log": KindOfJob(looking.LOG_STEPS, LOOK_INTO, "Reading a service's log"),
    "follow": KindOfJob(looking.LOG_STEPS, LOOK_INTO, "Reading a service's log"),
    "probe": KindOfJob(looking.HEALTHCHECK_STEPS, LOOK_INTO, "Running a healthcheck by hand"),
    "reach": KindOfJob(looking.REACH_STEPS, LOOK_INTO, "Trying a service's connections"),
    "resources": KindOfJob(looking.RESOURCES_STEPS, LOOK_INTO, "Seeing what a service uses"),
    "env": KindOfJob(looking.ENVIRONMENT_STEPS, LOOK_INTO, "Looking at a service's environment"),
    "harden": KindOfJob(hardening_check.STEPS, "chatbot_service.check_hardening", "Checking a service's hardening"),
    "configure": KindOfJob(configure.STEPS, "chatbot_service.configure_service", "Changing a service's environment"),
}
"""The kinds of `OPERATION` need an `operation_ports.OperationContext`."""
OPERATION = frozenset({"log", "follow", "probe", "reach", "resources", "env", "harden", "configure"})


def steps_of(kind: str, asked: Mapping[str, Any]) -> tuple[Step, ...]:
    """`asked`: as in the job's row. There it says by which mode a backup is taken."""
    of = KINDS[kind]
    return of.holding if of.holding and asked.get("mode") in {"paused", "stopped"} else of.steps
