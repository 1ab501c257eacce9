"""Which kinds of job there are: the steps of each, and the permission it takes."""

from dataclasses import dataclass

from chatbot_service.jobs import adopt, lifecycle, rollback, upgrade
from chatbot_service.jobs.step import Step


@dataclass(frozen=True)
class KindOfJob:
    steps: tuple[Step, ...]
    permission: str
    to_do: str
    """Begins a refusal: "Upgrading a service takes the role …"."""


KINDS: dict[str, KindOfJob] = {
    "upgrade": KindOfJob(upgrade.STEPS, "chatbot_service.upgrade_service", "Upgrading a service"),
    "rollback": KindOfJob(rollback.STEPS, "chatbot_service.rollback_service", "Rolling back a service"),
    "start": KindOfJob(lifecycle.START_STEPS, "chatbot_service.operate_service", "Starting a service"),
    "stop": KindOfJob(lifecycle.STOP_STEPS, "chatbot_service.operate_service", "Stopping a service"),
    "restart": KindOfJob(lifecycle.RESTART_STEPS, "chatbot_service.operate_service", "Restarting a service"),
    "inspect": KindOfJob(adopt.INSPECT_STEPS, "chatbot_service.add_service", "Adding a service"),
    "adopt": KindOfJob(adopt.ADOPT_STEPS, "chatbot_service.add_service", "Adding a service"),
    "resolve": KindOfJob(adopt.RESOLVE_STEPS, "deploy_records.register_digest", "Registering a digest"),
}
