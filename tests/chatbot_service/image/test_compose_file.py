"""The compose template meets the whole hardening baseline, and the pin file pins nothing but the image."""

from typing import Any

import pytest
import yaml

from tests.chatbot_service.image.chatbot import IMAGE


def service(name: str) -> dict[str, Any]:
    parsed = yaml.safe_load((IMAGE / "compose" / name).read_text())
    assert list(parsed["services"]) == ["personal_chatbot"]
    return dict(parsed["services"]["personal_chatbot"])


@pytest.fixture
def base() -> dict[str, Any]:
    return service("docker-compose.yml")


def test_it_has_no_rights(base: dict[str, Any]) -> None:
    assert base["user"] == "10001:10001"
    assert base["cap_drop"] == ["ALL"]
    assert base["security_opt"] == ["no-new-privileges:true"]
    assert not {"privileged", "cap_add", "pid", "ipc", "network_mode", "devices"} & set(base)


def test_it_writes_to_two_folders_and_tmp_only(base: dict[str, Any]) -> None:
    assert base["read_only"] is True
    [tmp] = base["tmpfs"]
    assert {"noexec", "nosuid", "nodev"} < set(tmp.split(":", 1)[1].split(","))
    assert {volume["source"]: volume["target"] for volume in base["volumes"]} == {
        "./personal_chatbot/uploads": "/app/personal_chatbot/uploads",
        "./personal_chatbot/exports": "/app/personal_chatbot/exports",
    }


def test_it_is_reached_from_this_machine_only(base: dict[str, Any]) -> None:
    assert base["ports"] == ["127.0.0.1:${CHATBOT_PORT:-8000}:8000"]


def test_its_healthcheck_has_the_guides_numbers(base: dict[str, Any]) -> None:
    assert base["healthcheck"] == {
        "test": ["CMD", "bash", "scripts/healthcheck.sh"],
        "interval": "10s",
        "timeout": "3s",
        "retries": 6,
        "start_period": "20s",
    }


def test_it_is_bounded_and_comes_back(base: dict[str, Any]) -> None:
    assert base["deploy"]["resources"]["limits"] == {"cpus": "1", "memory": "1024M", "pids": 128}
    assert base["restart"] == "always"


def test_no_secret_stands_in_it(base: dict[str, Any]) -> None:
    assert base["env_file"] == [{"path": ".env", "required": False}]
    assert not any("KEY" in name for name in base["environment"])


def test_the_pin_file_holds_a_digest_and_nothing_else() -> None:
    pin = service("docker-compose.prod.yml")
    assert list(pin) == ["image"]
    assert pin["image"].endswith("@sha256:" + "0" * 64)
