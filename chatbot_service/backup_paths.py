"""Where a service keeps its data, as paths of its host: what is proposed, what is taken, and where a named volume lies."""

import posixpath
from collections.abc import Iterable, Mapping, Sequence

from chatbot_service.backup_urls import within
from chatbot_service.models import Service
from chatbot_service.trees_paths import SYSTEM
from deploy_records import audit
from deploy_records.errors import Invalid, Refused
from deploy_records.rules.digest import shown
from deploy_records.rules.words import cannot_be_seen, named

MOST_PATHS = 50
_MOST_PATH = 500
_ENGINES_OWN = "/var/lib/docker"
_VOLUMES = f"{_ENGINES_OWN}/volumes"
_NO_DATA = (*SYSTEM, "/var/run", "/root/.ssh", "/var/spool/cron")
_TOO_MUCH = frozenset(
    f"/{name}" for name in ("", "etc", "home", "root", "usr", "var", "var/lib", "var/lib/docker", "boot", "opt", "srv", "tmp")
)


def proposed(sources: Iterable[str]) -> list[str]:
    """Of what a service mounts: what holds data of its own, the outermost of nested ones. Names of volumes stay."""
    found = list(dict.fromkeys(sources))
    plain = [one for one in found if not one.startswith("/")]
    folders = [one for one in found if one.startswith("/") and one not in _TOO_MUCH and not _is_the_system(one)]
    outer = [one for one in folders if not any(other != one and within(one, other) for other in folders)]
    return [one for one in found if one in plain or one in outer]


def _is_the_system(path: str) -> bool:
    of_the_engine = within(path, _ENGINES_OWN) and not within(path, _VOLUMES)
    return of_the_engine or any(within(path, one) for one in _NO_DATA)


def checked_paths(paths: Sequence[str]) -> list[str]:
    """Absolute paths apart from one another, or `Invalid`."""
    found = [_checked(path) for path in paths]
    if len(found) > MOST_PATHS:
        raise Invalid(f"At most {MOST_PATHS} data paths are kept. Nothing was changed.")
    for place, one in enumerate(found):
        for other in found[place + 1 :]:
            if within(one, other) or within(other, one):
                words = "is given twice" if one == other else f"and {shown(other)} lie in one another"
                raise Invalid(f"{shown(one)} {words}. Name each once, the outer one alone. Nothing was changed.")
    return found


def _checked(path: str) -> str:
    bad = next((character for character in path if cannot_be_seen(character)), "")
    if bad:
        raise Invalid(f"A data path has a character that cannot be seen, {named(bad)}. Nothing was changed.")
    if len(path) > _MOST_PATH or not is_plain(path):
        looks = "One is written whole, without . and ..: /srv/bot/uploads"
        raise Invalid(f"{shown(path)} is not a data path. {looks}. Nothing was changed.")
    if path in _TOO_MUCH or _is_the_system(path):
        raise Invalid(f"{shown(path)} belongs to the system and holds no service's own data. Nothing was changed.")
    return path


def foreign_paths(service: Service, before: Sequence[str]) -> list[str]:
    """Those of its data paths that lie neither in what the service mounts nor in what was among them `before`. Its project's
    folder is not enough: secrets lie there as well.
    """
    mounted = [str(path) for path in service.found.get("data_paths", ())]
    own = (*mounted, *service.found.get("volume_folders", {}).values(), *before)
    return sorted(path for path in service.data_paths if not any(within(path, one) for one in own))


def is_plain(path: str) -> bool:
    """Absolute, and written as what it is: nothing in it leads elsewhere."""
    return path.startswith("/") and not path.startswith("//") and posixpath.normpath(path) == path and "\x00" not in path


def paths_on_host(service: Service) -> tuple[str, ...]:
    """Its data paths, all absolute; asks the engine where named volumes lie and remembers it. Called by workers only.

    `Refused` for a volume that is not there.
    """
    names = [path for path in service.data_paths if not path.startswith("/")]
    if not names:
        return tuple(service.data_paths)
    from chatbot_service.engine import DockerEngine  # noqa: PLC0415 - web processes load nothing of Docker

    engine = DockerEngine(service.host.engine_url)
    try:
        places = {name: engine.volume_path(service.project_name, name) for name in names}
    finally:
        engine.close()
    missing = next((name for name, place in places.items() if not place), "")
    if missing:
        words = "Start the service once, or write where its data lie among the data paths of its backup plan"
        raise Refused(f"There is no volume {shown(missing)} of {service} on the host. {words}. Nothing was changed.")
    return _remembered(service, [places.get(path, path) for path in service.data_paths], places)


def _remembered(service: Service, paths: list[str], places: Mapping[str, str]) -> tuple[str, ...]:
    with audit.changing():
        before = list(service.data_paths)
        if Service.objects.filter(pk=service.pk, data_paths=before).update(data_paths=paths):
            folders = {**service.found.get("volume_folders", {}), **places}
            Service.objects.filter(pk=service.pk).update(found={**service.found, "volume_folders": folders})
            changes = {"data_paths": [before, paths]}
            audit.record(audit.WORKER, audit.Event("service.changed", **audit.about(service), changes=changes))
    service.data_paths = paths
    return tuple(paths)
