"""Samples what the running services of a host use. By a worker of that host, every few minutes."""

import logging
from datetime import UTC, datetime

from chatbot_service.container_words import usage_of
from chatbot_service.engine import DockerEngine
from chatbot_service.models import Host, Service
from chatbot_service.resource_history import forget, keep
from deploy_records.errors import Broken, Refused

log = logging.getLogger(__name__)


def measure(host_name: str) -> int:
    """Called by a worker of the host: one sample of each running service; how many. One list, then one call a container."""
    host = Host.objects.get(name=host_name)
    services = {(one.project_name, one.compose_service): one for one in Service.objects.filter(host=host, is_demo=False)}
    if not services:
        return 0
    engine, found = DockerEngine(host.engine_url), 0
    for container in engine.states():
        service = services.get((container.project, container.service))
        if service is None or container.state != "running" or container.one_off:
            continue
        try:
            said = engine.usage(container.id)
        except (Broken, Refused) as error:
            log.info("%s: not measured: %s", service, error)
            continue
        keep(service, usage_of(said, datetime.now(UTC)))
        found += 1
    forget(host)
    return found
