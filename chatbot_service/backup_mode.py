"""Whether the service is paused or stopped for the backup that a job takes: its steps are laid out by that."""

from chatbot_service.models import BackupMode, BackupPlan, Kind, Service


def asked_of(kind: str, service: Service) -> dict[str, str]:
    """For `Job.asked`; empty where no backup is taken, or where it makes no difference."""
    plan = BackupPlan.objects.filter(service=service).first()
    if plan is None or kind not in {Kind.BACKUP, Kind.UPGRADE}:
        return {}
    if kind == Kind.UPGRADE and not (plan.before_upgrade and service.data_paths and plan.mode != BackupMode.LIVE):
        return {}
    return {"mode": plan.mode}
