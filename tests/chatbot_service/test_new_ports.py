"""A port that the compose file newly publishes is tried before the old container is gone, also without a rehearsal."""

import socket
from typing import Any

import pytest

from chatbot_service.host_ports import is_taken
from chatbot_service.jobs.rehearsal import new_ports
from chatbot_service.jobs.step import Outcome
from tests.chatbot_service.fakes import World
from tests.chatbot_service.test_rollback import Back
from tests.chatbot_service.test_upgrade import Scene

NINE = {"host_ip": "127.0.0.1", "published": "9000", "target": 9000, "protocol": "tcp"}


def publish(world: World, port: dict[str, Any], *, taken: bool) -> None:
    world.rendered["services"]["chatbot"]["ports"].append(port)
    if taken:
        world.foreign_ports.add("127.0.0.1:9000/tcp")


def test_a_rollback_is_refused_before_it_would_take_the_service_down() -> None:
    scene = Back()
    publish(scene.world, NINE, taken=True)
    assert scene.roll_back() is Outcome.UNDONE
    assert "Port 127.0.0.1:9000/tcp of the host is taken" in scene.told.words
    scene.assert_never_touched()


def test_an_upgrade_that_is_not_rehearsed_is_refused_as_well() -> None:
    scene = Scene()
    publish(scene.world, NINE, taken=True)
    assert scene.upgrade(rehearsal="off") is Outcome.UNDONE
    assert "9000" in scene.told.words
    scene.assert_never_touched()


def test_a_new_port_that_is_free_stops_nothing() -> None:
    scene = Back()
    publish(scene.world, NINE, taken=False)
    assert scene.roll_back() is Outcome.SUCCEEDED


@pytest.mark.parametrize(
    ("host_ip", "held"),
    [("127.0.0.1", "127.0.0.1:8000/tcp"), ("", "127.0.0.1:8000/tcp"), ("127.0.0.1", "0.0.0.0:8000/tcp"), ("::", "[::]:8000/tcp")],
)
def test_a_port_that_the_running_container_holds_is_not_new_whatever_the_address(host_ip: str, held: str) -> None:
    service = {"ports": [{"host_ip": host_ip, "published": "8000", "target": 8000}]}
    assert new_ports(service, {held}) == []


@pytest.mark.parametrize("held", ["127.0.0.1:8001/tcp", "127.0.0.1:8000/udp", "127.0.0.2:8000/tcp"])
def test_another_number_protocol_or_address_is_new(held: str) -> None:
    service = {"ports": [{"host_ip": "127.0.0.1", "published": "8000", "target": 8000}]}
    assert new_ports(service, {held}) == ["127.0.0.1:8000/tcp"]


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0"])  # noqa: S104 - both are what Docker writes
def test_a_port_that_somebody_listens_on_is_taken(address: str) -> None:
    with socket.create_server((address, 0)) as held:
        port = held.getsockname()[1]
        assert is_taken(f"127.0.0.1:{port}/tcp")
        assert is_taken(f"0.0.0.0:{port}/tcp")
        assert not is_taken(f"127.0.0.1:{port}/udp")
    assert not is_taken(f"127.0.0.1:{port}/tcp")


@pytest.mark.parametrize("port", ["127.0.0.1:8000-8010/tcp", "192.0.2.1:8000/tcp", "127.0.0.1:99999/tcp", ":/tcp"])
def test_what_cannot_be_told_counts_as_free(port: str) -> None:
    assert not is_taken(port)
