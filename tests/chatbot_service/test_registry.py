"""Asking a registry that is not trusted. It pretends here; the real one: tests/docker."""

import hashlib
import http.server
import ipaddress
import json
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from chatbot_service.jobs.ports import Login
from chatbot_service.registry import Registry
from chatbot_service.registry_wire import Failed, Wire, may_connect
from chatbot_service.registry_words import Trouble
from deploy_records.errors import Invalid, Refused
from deploy_records.ledger import Platform

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"


def digest_of(body: bytes) -> str:
    return f"sha256:{hashlib.sha256(body).hexdigest()}"


@dataclass
class Pretend:
    """A registry that answers what the test put into `answers`: path → status, headers, body."""

    answers: dict[str, tuple[int, dict[str, str], bytes]] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    trickles: bool = False
    address: str = ""

    @property
    def repository(self) -> str:
        return f"{self.address}/acme/chatbot"

    def put(self, kind: str, body: bytes, *names: str) -> str:
        for name in (digest_of(body), *names):
            self.answers[f"/v2/acme/chatbot/{kind}/{name}"] = (200, {"Docker-Content-Digest": digest_of(body)}, body)
        return digest_of(body)

    def config(self, os: str = "linux", architecture: str = "amd64", created: str = "2026-01-02T03:04:05Z") -> str:
        return self.put("blobs", json.dumps({"os": os, "architecture": architecture, "created": created, "rootfs": {}}).encode())

    def manifest(self, config: str, *tags: str, size: int = 1000) -> str:
        layers = [{"digest": f"sha256:{'0' * 64}", "size": size}, {"digest": f"sha256:{'1' * 64}", "size": 1}]
        body = {"mediaType": MANIFEST, "config": {"digest": config}, "layers": layers}
        return self.put("manifests", json.dumps(body).encode(), *tags)

    def index(self, entries: list[dict[str, Any]], *tags: str) -> str:
        return self.put("manifests", json.dumps({"mediaType": INDEX, "manifests": entries}).encode(), *tags)


@pytest.fixture
def pretend() -> Iterator[Pretend]:
    registry = Pretend()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            registry.asked.append((self.path, dict(self.headers)))
            status, headers, body = registry.answers.get(
                self.path.partition("?")[0], (404, {}, b'{"errors": [{"message": "unknown"}]}')
            )
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            for byte in body if registry.trickles else ():
                self.wfile.write(bytes([byte]))
                time.sleep(0.05)
            self.wfile.write(b"" if registry.trickles else body)

        def log_message(self, *_: object) -> None: ...

    class Server(http.server.ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            """A client that speaks TLS, or that hangs up: both are meant."""

    server = Server(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    registry.address = f"127.0.0.1:{server.server_port}"
    yield registry
    server.shutdown()
    server.server_close()


def refused(pretend: Pretend, reference: str, login: Login | None = None, **options: Any) -> Refused:
    with pytest.raises(Refused) as error:
        Registry(**options).resolve(f"{pretend.repository}{reference}", login)
    return error.value


def test_a_tag_is_resolved_with_manifest_and_config_digest_and_size(pretend: Pretend) -> None:
    config = pretend.config()
    manifest = pretend.manifest(config, "sha-1")
    found = Registry().resolve(f"{pretend.repository}:sha-1", None)
    assert (found.repository, found.tag, found.digest, found.is_index) == (pretend.repository, "sha-1", manifest, False)
    assert found.platforms == (Platform("linux/amd64", manifest, config, 1001),)
    assert found.built_at == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_an_index_keeps_its_own_digest_and_names_each_platform(pretend: Pretend) -> None:
    amd, arm = pretend.config(), pretend.config(architecture="arm64")
    amd_manifest, arm_manifest = pretend.manifest(amd), pretend.manifest(arm, size=2000)
    entries = [
        {"digest": amd_manifest, "platform": {"os": "linux", "architecture": "amd64"}},
        {"digest": arm_manifest, "platform": {"os": "linux", "architecture": "arm64", "variant": "v8"}},
        {"digest": f"sha256:{'9' * 64}", "platform": {"os": "unknown", "architecture": "unknown"}},
    ]
    index = pretend.index(entries, "v1")
    found = Registry().resolve(f"{pretend.repository}:v1", None)
    assert (found.digest, found.is_index) == (index, True)
    assert found.platforms == (
        Platform("linux/amd64", amd_manifest, amd, 1001),
        Platform("linux/arm64", arm_manifest, arm, 2001),
    )


def test_with_tag_and_digest_the_digest_decides(pretend: Pretend) -> None:
    manifest = pretend.manifest(pretend.config(), "new")
    old = pretend.manifest(pretend.config(created="2025-01-01T00:00:00Z"))
    found = Registry().resolve(f"{pretend.repository}:new@{old}", None)
    assert (found.tag, found.digest) == ("new", old)
    assert found.digest != manifest


@pytest.mark.parametrize("created", ["", "1970-01-01T00:00:00Z", "0001-01-01T00:00:00Z", "not a date"])
def test_a_build_without_a_true_date_has_none(pretend: Pretend, created: str) -> None:
    pretend.manifest(pretend.config(created=created), "v1")
    assert Registry().resolve(f"{pretend.repository}:v1", None).built_at is None


# Bytes that do not match


def test_a_manifest_that_does_not_match_its_digest_is_thrown_away(pretend: Pretend) -> None:
    manifest = pretend.manifest(pretend.config())
    status, headers, body = pretend.answers[f"/v2/acme/chatbot/manifests/{manifest}"]
    pretend.answers[f"/v2/acme/chatbot/manifests/{manifest}"] = (status, headers, body + b" ")
    assert refused(pretend, f"@{manifest}").code == "registry-damaged"


def test_a_config_that_does_not_match_its_digest_is_thrown_away(pretend: Pretend) -> None:
    config = pretend.config()
    pretend.manifest(config, "v1")
    pretend.answers[f"/v2/acme/chatbot/blobs/{config}"] = (200, {}, b'{"os": "linux", "architecture": "amd64"}')
    assert refused(pretend, ":v1").code == "registry-damaged"


def test_a_tag_whose_header_names_another_digest_is_thrown_away(pretend: Pretend) -> None:
    pretend.manifest(pretend.config(), "v1")
    _, _, body = pretend.answers["/v2/acme/chatbot/manifests/v1"]
    pretend.answers["/v2/acme/chatbot/manifests/v1"] = (200, {"Docker-Content-Digest": f"sha256:{'0' * 64}"}, body)
    assert refused(pretend, ":v1").code == "registry-damaged"


@pytest.mark.parametrize(
    "body",
    [
        b"", b"hello", b"[]", b"{}", b'{"schemaVersion": 1}', b"[" * 100_000, b'{"config": {}, "layers": []}',
        b'{"config": {"digest": "sha256:12"}, "layers": []}', b'{"manifests": [1]}', b'{"manifests": []}',
        b'{"manifests": [{"digest": "x", "platform": {"os": "linux", "architecture": "a"}}]}',
    ],
)  # fmt: skip
def test_an_answer_that_is_no_manifest_is_a_fault_of_the_registry(pretend: Pretend, body: bytes) -> None:
    pretend.put("manifests", body, "v1")
    assert refused(pretend, ":v1").code == "registry-faulty"


def test_an_answer_without_end_is_not_read_to_its_end(pretend: Pretend) -> None:
    pretend.put("manifests", b" " * (4 * 1024 * 1024 + 1), "v1")
    error = refused(pretend, ":v1")
    assert error.code == "registry-faulty"
    assert "larger than 4 MB" in str(error)


def test_a_list_of_too_many_platforms_is_a_fault(pretend: Pretend) -> None:
    entry = {"digest": f"sha256:{'1' * 64}", "platform": {"os": "linux", "architecture": "amd64"}}
    pretend.index([entry] * 65, "v1")
    assert "more than 64" in str(refused(pretend, ":v1"))


def test_a_registry_that_trickles_is_given_up_in_time(pretend: Pretend) -> None:
    pretend.manifest(pretend.config(), "v1")
    pretend.trickles = True
    begun = time.monotonic()
    assert refused(pretend, ":v1", seconds=1.0).code == "registry-unreachable"
    assert time.monotonic() - begun < 2


# Troubles told apart


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (401, "denied"),
        (403, "denied"),
        (404, "not-found"),
        (429, "rate-limit"),
        (500, "faulty"),
        (503, "faulty"),
        (418, "faulty"),
    ],
)
def test_each_status_has_its_own_words(pretend: Pretend, status: int, code: str) -> None:
    body = b'{"errors": [{"code": "X", "message": "so it is\\u001b[31m"}]}'
    pretend.answers["/v2/acme/chatbot/manifests/v1"] = (status, {}, body)
    error = refused(pretend, ":v1")
    assert error.code == f"registry-{code}"
    assert f"HTTP {status}, so it is" in str(error)
    assert "\x1b" not in str(error)


def test_a_registry_that_is_down_cannot_be_reached() -> None:
    with socket.socket() as plug:
        plug.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{plug.getsockname()[1]}"
    with pytest.raises(Refused) as error:
        Registry().resolve(f"{address}/acme/chatbot:v1", None)
    assert error.value.code == "registry-unreachable"


def test_an_image_id_given_as_digest_is_named_as_such(pretend: Pretend) -> None:
    config = pretend.config()
    pretend.manifest(config, "v1")
    error = refused(pretend, f"@{config}")
    assert error.code == "registry-image-id"
    assert "docker images --digests" in str(error)


def test_a_reference_without_tag_and_digest_is_invalid(pretend: Pretend) -> None:
    with pytest.raises(Invalid, match="neither a tag nor a digest"):
        Registry().resolve(pretend.repository, None)


# Signing in


def ask_for_token(pretend: Pretend, realm: str) -> None:
    """The manifest is shown with the right token only."""
    pretend.manifest(pretend.config(), "v1")
    whole = dict(pretend.answers)
    challenge = f'Bearer realm="{realm}",service="r",scope="repository:acme/chatbot:pull"'

    class Locked(dict[str, tuple[int, dict[str, str], bytes]]):
        def get(self, path: str, default: Any = None) -> Any:
            if path.startswith("/v2/acme"):
                shown = pretend.asked[-1][1].get("Authorization") == "Bearer t0ken"
                return whole.get(path, default) if shown else (401, {"WWW-Authenticate": challenge}, b"")
            return super().get(path, default)

    pretend.answers = Locked({"/token": (200, {}, b'{"token": "t0ken"}')})


def test_a_token_is_fetched_and_used(pretend: Pretend) -> None:
    ask_for_token(pretend, f"http://{pretend.address}/token")
    assert Registry().resolve(f"{pretend.repository}:v1", Login("me", "hunter2")).tag == "v1"
    path, headers = next(asked for asked in pretend.asked if asked[0].startswith("/token"))
    assert "scope=repository%3Aacme%2Fchatbot%3Apull" in path
    assert headers["Authorization"].startswith("Basic ")
    assert not any("Basic" in headers.get("Authorization", "") for path, headers in pretend.asked if path.startswith("/v2/"))


@pytest.mark.parametrize(
    "realm", ["http://169.254.169.254/latest", "ftp://x/y", "", "http://user@127.0.0.1/", "http://127.0.0.1:x/"]
)
def test_a_token_is_not_fetched_from_where_it_should_not_be(pretend: Pretend, realm: str) -> None:
    ask_for_token(pretend, realm)
    assert refused(pretend, ":v1", Login("me", "hunter2")).code in {"registry-address", "registry-faulty", "registry-tls"}


def test_a_token_with_a_line_break_is_not_sent(pretend: Pretend) -> None:
    ask_for_token(pretend, f"http://{pretend.address}/token")
    pretend.answers["/token"] = (200, {}, b'{"token": "a\\r\\nX-Evil: 1"}')
    assert refused(pretend, ":v1").code == "registry-faulty"


def test_an_authority_that_is_no_certificate_is_refused(pretend: Pretend) -> None:
    assert refused(pretend, ":v1", Login("", "", "junk")).code == "registry-tls"


# Redirects and addresses


def test_a_redirect_to_elsewhere_does_not_take_the_login_along(pretend: Pretend) -> None:
    other = pretend.address.replace("127.0.0.1", "localhost")
    pretend.answers["/a"] = (307, {"Location": f"http://{other}/b"}, b"")
    pretend.answers["/b"] = (200, {}, b"there")
    wire = Wire(frozenset({"127.0.0.1", "localhost"}))
    assert wire.get(f"http://{pretend.address}/a", {"Authorization": "Basic x"}, 100).body == b"there"
    assert [headers.get("Authorization") for _, headers in pretend.asked] == ["Basic x", None]


def test_redirects_end(pretend: Pretend) -> None:
    pretend.answers["/a"] = (302, {"Location": "/a"}, b"")
    with pytest.raises(Failed, match="redirects"):
        Wire(frozenset({"127.0.0.1"})).get(f"http://{pretend.address}/a", {}, 100)


@pytest.mark.parametrize(
    "to", ["http://169.254.169.254/latest/meta-data", "http://10.0.0.1/", "http://[::1]:1/", "file:///etc/passwd"]
)
def test_a_redirect_inwards_is_not_followed(pretend: Pretend, to: str) -> None:
    pretend.answers["/a"] = (302, {"Location": to}, b"")
    with pytest.raises((Refused, Failed)):
        Wire(frozenset({"127.0.0.1"})).get(f"http://{pretend.address}/a", {}, 100)
    assert [path for path, _ in pretend.asked] == ["/a"]


@pytest.mark.parametrize(
    ("address", "public", "named"),
    [
        ("93.184.216.34", True, True),
        ("2606:2800:220:1::1", True, True),
        ("127.0.0.1", False, True),
        ("10.1.2.3", False, True),
        ("192.168.0.1", False, True),
        ("100.64.0.1", False, True),
        ("fd00::1", False, True),
        ("::1", False, True),
        ("::ffff:10.0.0.1", False, True),
        ("169.254.169.254", False, False),
        ("::ffff:169.254.169.254", False, False),
        ("64:ff9b::a9fe:a9fe", False, False),
        ("fe80::1", False, False),
        ("0.0.0.0", False, False),  # noqa: S104 - an address to refuse
        ("::", False, False),
        ("224.0.0.1", False, False),
        ("ff02::1", False, False),
    ],
)
def test_which_addresses_may_be_connected_to(address: str, public: bool, named: bool) -> None:
    ip = ipaddress.ip_address(address)
    assert may_connect(ip, private_too=False) is public
    assert may_connect(ip, private_too=True) is named


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Where names of the test lead; anything else is looked up as ever."""
    known: dict[str, str] = {}
    look_up = socket.getaddrinfo

    def looked_up(host: str, port: int, *args: Any, **options: Any) -> list[tuple[Any, ...]]:
        return list(look_up(known.get(host, host), port, *args, **options))

    monkeypatch.setattr(socket, "getaddrinfo", looked_up)
    return known


def test_a_public_name_that_leads_inside_is_refused_with_the_setting(names: dict[str, str]) -> None:
    names["registry.example"] = "10.0.0.7"
    with pytest.raises(Refused, match="KG_PRIVATE_REGISTRIES") as error:
        Registry().resolve("registry.example/acme/chatbot:v1", None)
    assert error.value.code == "registry-address"


def test_a_name_that_leads_to_metadata_is_refused_even_if_named(names: dict[str, str]) -> None:
    names["registry.example"] = "169.254.169.254"
    with pytest.raises(Refused) as error:
        Registry(private_hosts=frozenset({"registry.example"})).resolve("registry.example/acme/chatbot:v1", None)
    assert "KG_PRIVATE_REGISTRIES" not in str(error.value)


def test_a_name_is_looked_up_once_and_the_checked_address_is_used(pretend: Pretend, names: dict[str, str]) -> None:
    pretend.answers["/a"] = (200, {}, b"there")
    port = pretend.address.partition(":")[2]
    names["rebinds.example"] = "127.0.0.1"
    wire = Wire(frozenset({"rebinds.example"}))
    assert wire.get(f"http://rebinds.example:{port}/a", {}, 100).body == b"there"
    assert pretend.asked[0][1]["Host"] == f"rebinds.example:{port}"


def test_without_tls_only_this_machine_is_asked(names: dict[str, str]) -> None:
    names["registry.example"] = "10.0.0.7"
    with pytest.raises(Failed) as error:
        Wire(frozenset({"registry.example"})).get("http://registry.example/v2/", {}, 100)
    assert error.value.trouble == Trouble.TLS


def test_a_name_that_does_not_exist_cannot_be_reached() -> None:
    with pytest.raises(Refused) as error:
        Registry().resolve("nosuch.invalid/acme/chatbot:v1", None)
    assert error.value.code == "registry-unreachable"
