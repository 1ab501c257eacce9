from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate

from portal.celery import wake


class PortalConfig(AppConfig):
    name = "portal"

    def ready(self) -> None:
        # django.contrib.auth creates permissions in its own post_migrate handler, connected before this one.
        post_migrate.connect(_after_migrate, sender=self)

        from chatbot_service import dispatch  # noqa: PLC0415 - models are not loaded at import

        dispatch.wakes_workers(wake)


def _after_migrate(**kwargs: Any) -> None:
    from portal.access import bring_roles_into_force  # noqa: PLC0415 - models are not loaded at import

    bring_roles_into_force(**kwargs)
