from typing import Any

import pytest

from chatbot_service import engine
from chatbot_service.backup_paths import checked_paths, is_plain, paths_on_host, proposed
from deploy_records.errors import Invalid, Refused
from deploy_records.models import AuditEvent
from tests import factories as make


def test_what_holds_data_of_its_own_is_proposed_once() -> None:
    mounted = ["/srv/bot/uploads", "/run/docker.sock", "/srv/bot", "data", "/dev/dri", "/", "/srv/bot", "/etc/localtime"]
    assert proposed(mounted) == ["/srv/bot", "data"]


def test_paths_apart_from_one_another_are_taken() -> None:
    assert checked_paths(["/srv/bot/uploads", "/srv/bot/exports", "/srv/bot/with space"])
    assert checked_paths([]) == []


@pytest.mark.parametrize(
    "paths",
    [
        ["srv/bot"], [""], ["/srv/../etc"], ["/srv/bot/"], ["//srv/bot"], ["/srv//bot"], ["/srv/./bot"], ["/"], ["/etc"],
        ["/proc/self"], ["/run/docker.sock"], ["/srv/a\x00b"], ["/srv/a\nb"], ["/srv/\u202eb"], ["/srv/" + "x" * 500],
        ["/root/.ssh"], ["/var/lib/docker/containers"], ["/etc/ssh"],
        ["/srv/a", "/srv/a"], ["/srv/a", "/srv/a/b"], ["/srv/a/b", "/srv/a"], [f"/srv/bot/{n}" for n in range(51)],
    ],
)  # fmt: skip
def test_others_are_refused(paths: list[str]) -> None:
    with pytest.raises(Invalid, match="Nothing was changed"):
        checked_paths(paths)


def test_a_plain_path_leads_nowhere_else() -> None:
    assert is_plain("/srv/bot/a b")
    assert not any(is_plain(path) for path in ("", "srv", "/srv/..", "/srv/a/../b", "//srv", "/srv/a\x00"))


class Volumes:
    """An engine that knows where one volume lies."""

    def __init__(self, _url: str) -> None: ...

    def volume_path(self, project: str, name: str) -> str:
        return f"/var/lib/docker/volumes/{project}_{name}/_data" if name == "data" else ""

    def close(self) -> None: ...


@pytest.mark.django_db
def test_a_named_volume_becomes_its_place_on_the_host_and_stays_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "DockerEngine", Volumes)
    service = make.service("bot", data_paths=["/srv/bot/uploads", "data"])
    expected = ("/srv/bot/uploads", "/var/lib/docker/volumes/bot_data/_data")
    assert paths_on_host(service) == expected
    service.refresh_from_db()
    assert service.found["volume_folders"] == {"data": "/var/lib/docker/volumes/bot_data/_data"}
    service.refresh_from_db()
    assert tuple(service.data_paths) == expected
    assert AuditEvent.objects.get(action="service.changed").actor == "worker"

    def none(_url: str) -> Any:
        raise AssertionError

    monkeypatch.setattr(engine, "DockerEngine", none)
    assert paths_on_host(service) == expected


@pytest.mark.django_db
def test_a_volume_that_is_not_there_is_refused_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "DockerEngine", Volumes)
    service = make.service("bot", data_paths=["gone"])
    with pytest.raises(Refused, match="Start the service once"):
        paths_on_host(service)
    service.refresh_from_db()
    assert service.data_paths == ["gone"]
