"""What a rendered project says: found without values, and refused with the lines that mend it."""

import json
from typing import Any

import pytest
import yaml

from chatbot_service.jobs.adoption import chosen, find
from chatbot_service.jobs.ports import Healthcheck, ImageFacts
from chatbot_service.jobs.rendered import seconds
from deploy_records.errors import Refused

IMAGE = f"ghcr.io/acme/chatbot:sha-1@sha256:{'a' * 64}"
CHECK = {
    "test": ["CMD", "bash", "scripts/healthcheck.sh"],
    "interval": "10s",
    "timeout": "3s",
    "retries": 6,
    "start_period": "20s",
}
GOOD: dict[str, Any] = {
    "image": IMAGE, "healthcheck": CHECK, "user": "10001:10001", "cap_drop": ["ALL"], "read_only": True, "tmpfs": ["/tmp"],
    "security_opt": ["no-new-privileges:true"], "restart": "unless-stopped", "mem_limit": "1073741824", "cpus": 1,
    "environment": {"OPENROUTER_API_KEY": "sk-secret", "PORT": None},
    "ports": [{"host_ip": "127.0.0.1", "published": "8000", "target": 8000, "protocol": "tcp"}],
    "volumes": [
        {"type": "bind", "source": "/srv/chatbot/uploads", "target": "/app/uploads"},
        {"type": "bind", "source": "/srv/chatbot/settings", "target": "/app/settings", "read_only": True},
    ],
}  # fmt: skip


def found(service: dict[str, Any], **images: Any) -> dict[str, Any]:
    whole = find({"name": "chatbot", "services": {"chatbot": service}}, "/srv/chatbot", **images)
    (one,) = whole["services"]
    return dict(one)


def without(*keys: str, **changed: Any) -> dict[str, Any]:
    return {key: value for key, value in GOOD.items() if key not in keys} | changed


def image(check: Healthcheck | None = None, user: str = "") -> ImageFacts:
    return ImageFacts("sha256:i", (), "linux/amd64", user, check or Healthcheck(), {}, {}, 1)


def test_a_service_in_order_has_no_problems_and_meets_the_baseline() -> None:
    service = found(GOOD)
    assert service["problems"] == []
    assert service["remarks"] == []
    assert [rule["rule"] for rule in service["baseline"] if not rule["met"]] == []


def test_what_was_found_is_plain_data_without_any_value() -> None:
    service = found(GOOD)
    assert "sk-secret" not in json.dumps(service)
    assert service["env_keys"] == ["OPENROUTER_API_KEY", "PORT"]
    assert (service["repository"], service["tag"], service["digest"]) == ("ghcr.io/acme/chatbot", "sha-1", f"sha256:{'a' * 64}")
    assert service["healthcheck"] == {
        "test": ["CMD", "bash", "scripts/healthcheck.sh"], "interval": 10.0, "timeout": 3.0, "retries": 6, "start_period": 20.0,
    }  # fmt: skip
    assert service["data_paths"] == ["/srv/chatbot/uploads"]
    assert service["ports"] == [{"address": "127.0.0.1", "published": "8000", "target": 8000, "protocol": "tcp"}]
    assert service["limits"] == {"cpus": "1", "memory": "1024 MiB"}


@pytest.mark.parametrize(
    ("service", "why"),
    [
        (without("healthcheck"), "The compose file has no healthcheck"),
        (without(healthcheck={"disable": True}), "The compose file has no healthcheck"),
        (without(healthcheck={"test": ["NONE"]}), "The compose file has no healthcheck"),
        (without("image"), "It has no image"),
        (without("image", build={"context": "."}), "It is only built here"),
        (without(image="UPPER/case"), "Its image cannot be operated"),
        (without(scale=2), "It runs as 2 containers"),
        (without(deploy={"replicas": 3}), "It runs as 3 containers"),
        (without(deploy={"replicas": 0}), "It runs as 0 containers"),
        (without(network_mode="service:vpn"), "lives in the network of another container"),
    ],
)
def test_what_cannot_be_operated_safely_is_refused_with_the_reason(service: dict[str, Any], why: str) -> None:
    (problem,) = found(service)["problems"]
    assert why in problem["what"]
    with pytest.raises(Refused, match="chatbot cannot be put under management") as refused:
        chosen(find({"services": {"chatbot": service}}, "/srv/chatbot"), "chatbot")
    assert refused.value.code == "not-operable"
    assert problem["add"] in str(refused.value)


@pytest.mark.parametrize("missing", ["healthcheck", "image"])
def test_the_lines_to_add_mend_it(missing: str) -> None:
    (problem,) = found(without(missing))["problems"]
    added = yaml.safe_load(problem["add"])["services"]["chatbot"]
    assert found(without(missing) | added)["problems"] == []


def test_the_lines_of_every_rule_meet_it() -> None:
    bare = {"image": IMAGE}
    for rule in found(bare)["baseline"]:
        if rule["add"]:
            added = yaml.safe_load(rule["add"])["services"]["chatbot"]
            now = {each["rule"]: each["met"] for each in found(bare | added)["baseline"]}
            assert now[rule["rule"]], rule["add"]


@pytest.mark.parametrize(
    ("changed", "rule"),
    [
        ({"user": "root"}, "user"),
        ({"user": "10001"}, "user"),
        ({"user": "0:0"}, "user"),
        ({"user": "10001:0"}, "user"),
        ({"cap_add": ["NET_ADMIN"]}, "cap_drop"),
        ({"cap_drop": ["NET_RAW"]}, "cap_drop"),
        ({"security_opt": ["seccomp:unconfined"]}, "no_new_privileges"),
        ({"read_only": False}, "read_only"),
        ({"tmpfs": []}, "tmpfs"),
        ({"privileged": True}, "privileged"),
        ({"pid": "host"}, "namespaces"),
        ({"ipc": "host"}, "namespaces"),
        ({"volumes": [{"type": "bind", "source": "/var/run/docker.sock", "target": "/d"}]}, "engine_socket"),
        ({"healthcheck": {"test": ["CMD", "x"], "interval": "10s"}}, "healthcheck"),
        ({"image": "ghcr.io/acme/chatbot:v1"}, "digest"),
        ({"mem_limit": None}, "limits"),
    ],
)
def test_each_deviation_from_the_baseline_is_found(changed: dict[str, Any], rule: str) -> None:
    assert [each["rule"] for each in found(GOOD | changed)["baseline"] if not each["met"]] == [rule]


def test_limits_and_tmpfs_count_in_their_other_forms() -> None:
    service = without("cpus", "mem_limit", "tmpfs")
    service["deploy"] = {"resources": {"limits": {"cpus": "0.5", "memory": "536870912"}}}
    service["volumes"] = [{"type": "tmpfs", "target": "/tmp"}]
    assert [each["rule"] for each in found(service)["baseline"] if not each["met"]] == []


def test_a_healthcheck_in_the_image_counts_when_the_image_is_known() -> None:
    inherited = Healthcheck(("CMD", "check"), 10.0, 3.0, 6, 20.0)
    service = found(without("healthcheck"), images={IMAGE: image(inherited)})
    assert service["problems"] == []
    assert service["healthcheck"]["test"] == ["CMD", "check"]
    (problem,) = found(without("healthcheck"), images={IMAGE: image()})["problems"]
    assert "Neither the compose file nor the image" in problem["what"]


def test_the_user_of_the_image_counts_when_the_image_is_known() -> None:
    service = found(without("user"), images={IMAGE: image(user="10001:10001")})
    assert {rule["rule"]: rule["met"] for rule in service["baseline"]}["user"]


@pytest.mark.parametrize(
    ("changed", "remark"),
    [
        ({"container_name": "chat"}, "a fixed name, chat"),
        ({"image": "ghcr.io/acme/chatbot:v1"}, "a tag, and a tag can move"),
        ({"image": "ghcr.io/acme/chatbot"}, "a tag made to move"),
        ({"build": {"context": "."}}, "the portal never builds"),
        ({"volumes": [{"type": "bind", "source": "/srv/chatbot-other", "target": "/x"}]}, "outside the project's folder"),
        ({"restart": None}, "Nothing restarts it"),
    ],
)
def test_what_is_worth_knowing_is_remarked_without_refusing(changed: dict[str, Any], remark: str) -> None:
    service = found(GOOD | changed)
    assert service["problems"] == []
    assert remark in " ".join(each["what"] for each in service["remarks"])


def test_a_service_that_is_not_there_is_refused_with_those_that_are() -> None:
    whole = find({"services": {"web": GOOD, "db": GOOD}}, "/srv/chatbot")
    with pytest.raises(Refused, match="there are: db, web") as refused:
        chosen(whole, "chatbot\x1b[31m")
    assert "\x1b" not in str(refused.value)


def test_an_empty_project_has_no_services() -> None:
    assert find({"name": "x", "services": None}, "/srv/x")["services"] == []


@pytest.mark.parametrize(("text", "value"), [("10s", 10), ("1m30s", 90), ("500ms", 0.5), ("1h0m0s", 3600), ("", 0), (None, 0)])
def test_durations_are_read_as_compose_writes_them(text: str | None, value: float) -> None:
    assert seconds(text) == value


@pytest.mark.parametrize("name", ["-H", "--privileged", ".hidden", "a" * 101])
def test_a_name_that_commands_would_misread_is_a_problem(name: str) -> None:
    whole = find({"name": "chatbot", "services": {name: GOOD}}, "/srv/chatbot")
    with pytest.raises(Refused, match="take its name for an option"):
        chosen(whole, name)


def test_what_steers_or_hides_in_a_compose_file_is_not_kept() -> None:
    hostile = without(container_name="a\x00b", volumes=[{"type": "bind", "source": "/a\u202eb", "target": "/c"}])
    kept = json.dumps(found(hostile), ensure_ascii=False)
    assert "a\N{REPLACEMENT CHARACTER}b" in kept
    assert not {"\u202e", "\x00"} & set(kept)
    assert "\\u0000" not in kept
