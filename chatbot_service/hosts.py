"""Does a host's engine answer, and can it be used? Kept on the host's row for the pages."""

from django.conf import settings
from django.utils import timezone

from chatbot_service.compose import find_binary
from chatbot_service.engine import DockerEngine
from chatbot_service.models import Host
from deploy_records.errors import Broken, Refused


def make_own() -> None:
    """The hosts that this worker serves (KG_HOSTS) exist from its first start on."""
    for name in settings.WORKER_HOSTS:
        Host.objects.get_or_create(name=name)


def check(name: str) -> None:
    """Called by a worker of the host: the worker is seen; the engine only if it answers and Compose v2 is there."""
    host = Host.objects.get(name=name)
    now = timezone.now()
    try:
        facts = DockerEngine(host.engine_url).facts()
        find_binary(settings.COMPOSE_BINARY)
    except (Refused, Broken) as problem:
        Host.objects.filter(pk=host.pk).update(seen_at=now, problem=str(problem))
        return
    Host.objects.filter(pk=host.pk).update(
        seen_at=now, engine_seen_at=now, engine_version=facts.version, platform=facts.platform, problem=""
    )
