"""Where digests run now, with the page of each service."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from chatbot_service.models import Service
from deploy_records.models import Deployment, ImageDigest


@dataclass(frozen=True)
class Place:
    """A deployment that has not ended. `service`: its number, if it is under management still."""

    deployment: Deployment
    service: int | None

    def __str__(self) -> str:
        return f"{self.deployment.service} on {self.deployment.host}"


def places_of(entries: Iterable[ImageDigest]) -> Mapping[int, Sequence[Place]]:
    """By the entry's number; in two queries, however many entries."""
    found: dict[int, list[Place]] = defaultdict(list)
    running = list(Deployment.objects.filter(entry__in=list(entries), ended_at__isnull=True).order_by("service", "host"))
    numbers = services_of(running)
    for one in running:
        found[one.entry_id].append(Place(one, numbers.get((one.host, one.service))))
    return found


def services_of(deployments: Iterable[Deployment]) -> Mapping[tuple[str, str], int]:
    """Numbers of the services that deployments name, by host and service. Names are kept as they were."""
    places = {(one.host, one.service) for one in deployments}
    hosts, names = {host for host, _ in places}, {name for _, name in places}
    rows = Service.objects.filter(host__name__in=hosts, name__in=names).values_list("host__name", "name", "pk")
    return {(host, name): number for host, name, number in rows}
