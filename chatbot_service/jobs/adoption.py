"""What a rendered Compose project says of its services: can they be operated safely, and are they as they should be?

Pure. Nothing that is found here holds the value of an environment variable.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from chatbot_service.foreign_text import neutral
from chatbot_service.jobs.baseline import Rule, baseline, limits
from chatbot_service.jobs.ports import Healthcheck, ImageFacts
from chatbot_service.jobs.rendered import healthcheck_of, lines
from deploy_records.errors import Invalid, Refused
from deploy_records.rules.digest import Reference, is_floating, parse_reference, shown

_HEALTHCHECK = (
    "healthcheck:",
    '  test: ["CMD", "bash", "scripts/healthcheck.sh"]',
    "  interval: 10s",
    "  timeout: 3s",
    "  retries: 6",
    "  start_period: 20s",
)
_NOTHING = Reference("")
SERVICE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}")
"""Of what can be named to a command; Compose itself takes more."""

Images = Mapping[str, ImageFacts]
Service = Mapping[str, Any]


@dataclass(frozen=True)
class Note:
    """Something to know or to mend; `add`: the lines for the compose file, ready to paste, if lines mend it."""

    what: str
    add: str = ""


@dataclass(frozen=True)
class Mount:
    type: str
    source: str
    target: str
    read_only: bool


@dataclass(frozen=True)
class Port:
    address: str
    published: str
    target: int
    protocol: str


@dataclass(frozen=True)
class Found:
    """One service as its compose files describe it. With `problems` it cannot be put under management."""

    name: str
    image: str
    repository: str
    tag: str
    digest: str
    healthcheck: Healthcheck | None
    mounts: tuple[Mount, ...]
    data_paths: tuple[str, ...]
    ports: tuple[Port, ...]
    env_keys: tuple[str, ...]
    limits: dict[str, str]
    baseline: tuple[Rule, ...]
    problems: tuple[Note, ...]
    remarks: tuple[Note, ...]


def find(
    rendered: Mapping[str, Any], directory: str, images: Images | None = None, written: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """JSON: `project_name`, `directory` and `services`, each as `Found`. `images` by reference, as far as they are known.

    `written`: the project before variables are filled in; without it the rendered one is taken to have none.
    """
    services = sorted((rendered.get("services") or {}).items())
    as_written = ((rendered if written is None else written).get("services")) or {}
    found = [
        asdict(_told(found_service(name, service or {}, directory, images or {}), service or {}, as_written.get(name) or {}))
        for name, service in services
    ]
    whole = {"project_name": rendered.get("name", ""), "directory": directory, "services": found}
    plain: dict[str, Any] = _harmless(json.loads(json.dumps(whole)))
    return plain


def _harmless(value: Any) -> Any:
    """Compose files are other people's text: what steers or hides in it is neither stored nor shown."""
    if isinstance(value, dict):
        return {neutral(key): _harmless(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_harmless(one) for one in value]
    return neutral(value) if isinstance(value, str) else value


def chosen(found: Mapping[str, Any], name: str) -> dict[str, Any]:
    """That service of what `find` found. `Refused` when it is not there or cannot be operated safely, with what to add."""
    services: dict[str, dict[str, Any]] = {service["name"]: service for service in found["services"]}
    if name not in services:
        there = ", ".join(services) or "none"
        raise Refused(f"There is no service {shown(name)} in {found['directory']}; there are: {there}.", code="no-such-service")
    problems = services[name]["problems"]
    if problems:
        words = " ".join(f"{p['what']} Add:\n{p['add']}" if p["add"] else p["what"] for p in problems)
        raise Refused(f"{name} cannot be put under management. {words}", code="not-operable")
    return services[name]


def found_service(name: str, service: Service, directory: str, images: Images) -> Found:
    image = str(service.get("image") or "")
    reference, wrong = _reference(image)
    facts = images.get(image)
    check = healthcheck_of(service, facts)
    mounts = tuple(_mount(each) for each in service.get("volumes") or ())
    return Found(
        name=name,
        image=image[:600],
        repository=reference.repository,
        tag=reference.tag,
        digest=reference.digest,
        healthcheck=check,
        mounts=mounts,
        data_paths=tuple(m.source for m in mounts if m.type in {"bind", "volume"} and m.source and not m.read_only),
        ports=tuple(_port(each) for each in service.get("ports") or ()),
        env_keys=tuple(sorted(service.get("environment") or ())),
        limits=limits(service),
        baseline=baseline(name, service, reference, check, facts),
        problems=tuple(_problems(name, service, wrong, check, image_known=facts is not None)),
        remarks=tuple(_remarks(name, service, reference, mounts, directory)),
    )


def _told(found: Found, service: Service, written: Service) -> Found:
    """A healthcheck is shown as it is written: a password among its arguments comes from a variable, as a rule."""
    if found.healthcheck is None or not (service.get("healthcheck") or {}).get("test"):
        return found
    test = (written.get("healthcheck") or {}).get("test") or "…"
    kept = ("CMD-SHELL", test) if isinstance(test, str) else tuple(map(str, test))
    return replace(found, healthcheck=replace(found.healthcheck, test=kept))


def _reference(image: str) -> tuple[Reference, str]:
    """The image taken apart, or what is wrong with it."""
    if not image:
        return _NOTHING, ""
    try:
        return parse_reference(image), ""
    except Invalid as error:
        return _NOTHING, str(error)


def _problems(name: str, service: Service, wrong: str, check: Healthcheck | None, *, image_known: bool) -> Iterator[Note]:
    if not SERVICE_NAME.fullmatch(name):
        yield Note(
            "Commands would take its name for an option. Let it begin with a letter or a digit, of at most 100 characters."
        )
    if wrong:
        yield Note(f"Its image cannot be operated: {wrong}", lines(name, f"image: registry.example/team/{name}:1.0"))
    elif not service.get("image"):
        why = (
            "It is only built here, so nothing in a registry says which image runs."
            if service.get("build")
            else "It has no image."
        )
        yield Note(why, lines(name, f"image: registry.example/team/{name}:1.0"))
    if check is None:
        where = "Neither the compose file nor the image has a" if image_known else "The compose file has no"
        yield Note(f"{where} healthcheck, so nothing tells whether it works.", lines(name, *_HEALTHCHECK))
    copies = _copies(service)
    if copies != 1:
        yield Note(f"It runs as {copies} containers; one is what can be switched and proved.", lines(name, "scale: 1"))
    if (service.get("network_mode") or "").startswith(("service:", "container:")):
        yield Note(
            "It lives in the network of another container, and loses it when that one is recreated. Give it a network of its own."
        )


def _copies(service: Service) -> int:
    replicas = (service.get("deploy") or {}).get("replicas")
    return int(next((n for n in (service.get("scale"), replicas) if n is not None), 1))


def _remarks(name: str, service: Service, reference: Reference, mounts: tuple[Mount, ...], directory: str) -> Iterator[Note]:
    if service.get("container_name"):
        yield Note(f"Its container has a fixed name, {service['container_name']}: it can exist once on this host.")
    if reference.repository and not reference.digest:
        moves = "a tag made to move" if is_floating(reference.tag or "latest") else "a tag, and a tag can move"
        yield Note(f"Its image is named by {moves}; the first upgrade writes the digest into the pin file.")
    if service.get("build") and reference.repository:
        yield Note("It can also be built here; the portal never builds, it runs what the registry holds.")
    outside = [m.source for m in mounts if m.type == "bind" and not _below(m.source, directory)]
    if outside:
        yield Note(f"It mounts from outside the project's folder: {', '.join(outside)}.")
    if (service.get("restart") or "no") == "no":
        yield Note("Nothing restarts it after a crash or a reboot.", lines(name, "restart: unless-stopped"))


def _below(path: str, directory: str) -> bool:
    return path == directory or path.startswith(directory.rstrip("/") + "/")


def _mount(raw: Mapping[str, Any]) -> Mount:
    kind, source = str(raw.get("type") or ""), str(raw.get("source") or "")
    return Mount(kind, source, str(raw.get("target") or ""), bool(raw.get("read_only")))


def _port(raw: Mapping[str, Any]) -> Port:
    published = str(raw.get("published") or "")
    return Port(str(raw.get("host_ip") or ""), published, int(raw.get("target") or 0), str(raw.get("protocol") or "tcp"))
