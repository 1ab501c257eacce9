from typing import Any

from django.apps import AppConfig, apps
from django.db.models.signals import post_migrate


def _wake(job_id: int, queue: str) -> None:
    """Celery and its client of the broker take 25 MB: only a process that asks for a job loads them."""
    from portal.celery import wake  # noqa: PLC0415 - as said

    wake(job_id, queue)


def _wake_reader(import_id: int) -> None:
    from portal.celery import wake_reader  # noqa: PLC0415 - as above

    wake_reader(import_id)


class PortalConfig(AppConfig):
    name = "portal"

    def ready(self) -> None:
        # The signal is sent for apps with models only, in their order: the last of them is through when all permissions
        # exist, as django.contrib.auth makes those in a handler connected before this one.
        last = [config for config in apps.get_app_configs() if config.models_module is not None][-1]
        post_migrate.connect(_after_migrate, sender=last)

        from chatbot_service import dispatch  # noqa: PLC0415 - models are not loaded at import
        from deploy_records import scan_imports  # noqa: PLC0415 - likewise

        dispatch.wakes_workers(_wake)
        scan_imports.wakes_readers(_wake_reader)

        import portal.sign_in_events  # noqa: F401, PLC0415 - connects its receivers


def _after_migrate(**_: Any) -> None:
    from portal.access import bring_roles_into_force  # noqa: PLC0415 - models are not loaded at import

    bring_roles_into_force()
