"""Look-ups at a real registry, open and locked."""

import hashlib
import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from chatbot_service.engine import DockerEngine
from chatbot_service.jobs.ports import Login
from chatbot_service.registry import Registry
from deploy_records.errors import Refused
from tests.docker import small
from tests.docker.registries import PASSWORD, USERNAME, LocalRegistry
from tests.docker.small import SmallImage

INDEX = "application/vnd.oci.image.index.v1+json"


@pytest.fixture
def image(tmp_path: Path, own_registry: LocalRegistry) -> SmallImage:
    return small.make_data_image(tmp_path, own_registry)


@pytest.fixture
def locked_image(tmp_path: Path, locked_registry: LocalRegistry, monkeypatch: pytest.MonkeyPatch) -> SmallImage:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "login"))
    small.log_in(locked_registry)
    return small.make_data_image(tmp_path, locked_registry)


def refused(reference: str, login: Login | None = None) -> str:
    with pytest.raises(Refused) as error:
        Registry().resolve(reference, login)
    return error.value.code


def test_a_tag_a_digest_and_both_lead_to_the_same_image(image: SmallImage) -> None:
    by_tag = Registry().resolve(f"{image.repository}:latest", None)
    by_digest = Registry().resolve(image.reference, None)
    both = Registry().resolve(f"{image.repository}:latest@{image.digest}", None)
    assert {by_tag.digest, by_digest.digest, both.digest} == {image.digest}
    assert (by_tag.tag, by_digest.tag, both.tag) == ("latest", "", "latest")
    (platform,) = by_tag.platforms
    assert (platform.platform, platform.config_digest) == ("linux/amd64", image.id)
    assert platform.size > 300_000
    assert by_tag.built_at


def test_what_is_not_there_is_not_found(image: SmallImage) -> None:
    assert refused(f"{image.repository}:nope") == "registry-not-found"
    assert refused(f"{image.repository}@sha256:{'0' * 64}") == "registry-not-found"
    assert refused(f"{image.repository}-nope:latest") == "registry-not-found"


def test_an_image_id_is_named_as_such(image: SmallImage) -> None:
    assert refused(f"{image.repository}@{image.id}") == "registry-image-id"


def test_a_damaged_manifest_is_not_believed(image: SmallImage, own_registry: LocalRegistry) -> None:
    blob = own_registry.blob(image.digest)
    blob.write_bytes(blob.read_bytes() + b" ")
    assert refused(image.reference) in {"registry-damaged", "registry-faulty"}


def test_a_registry_that_was_stopped_cannot_be_reached(image: SmallImage, own_registry: LocalRegistry) -> None:
    own_registry.stop()
    assert refused(image.reference) == "registry-unreachable"


@pytest.fixture
def index(image: SmallImage, own_registry: LocalRegistry) -> Iterator[str]:
    """A list of two platforms; the second is said to be another one."""
    manifest = {"mediaType": "application/vnd.docker.distribution.manifest.v2+json", "digest": image.digest}
    size = len(own_registry.blob(image.digest).read_bytes())
    entries = [
        manifest | {"size": size, "platform": {"os": "linux", "architecture": "amd64"}},
        manifest | {"size": size, "platform": {"os": "linux", "architecture": "s390x"}},
    ]
    body = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}).encode()
    url = f"http://{own_registry.address}/v2/{image.repository.partition('/')[2]}/manifests/listed"
    put = urllib.request.Request(url, body, {"Content-Type": INDEX}, method="PUT")
    urllib.request.urlopen(put).close()  # noqa: S310 - the test's own registry
    yield f"sha256:{hashlib.sha256(body).hexdigest()}"
    small.forget_image(image)


def test_an_index_is_resolved_and_pulled_by_its_own_digest(image: SmallImage, index: str, engine_url: str) -> None:
    found = Registry().resolve(f"{image.repository}:listed", None)
    assert (found.digest, found.is_index) == (index, True)
    assert [(p.platform, p.manifest_digest) for p in found.platforms] == [
        ("linux/amd64", image.digest),
        ("linux/s390x", image.digest),
    ]
    engine = DockerEngine(engine_url)
    engine.pull(image.repository, index, "linux/amd64", None, print, 60)
    pulled = engine.image(f"{image.repository}@{index}")
    assert pulled
    assert pulled.id == image.id
    with pytest.raises(Refused) as error:
        engine.pull(image.repository, index, "linux/arm64", None, print, 60)
    assert error.value.code == "registry-platform"
    engine.close()


def test_a_locked_registry_tells_tls_and_login_apart(locked_image: SmallImage, locked_registry: LocalRegistry) -> None:
    authority = locked_registry.certificate.read_text()
    assert refused(locked_image.reference) == "registry-tls"
    assert refused(locked_image.reference, Login(USERNAME, PASSWORD)) == "registry-tls"
    assert refused(locked_image.reference, Login("", "", authority)) == "registry-denied"
    assert refused(locked_image.reference, Login(USERNAME, "wrong", authority)) == "registry-denied"
    assert Registry().resolve(locked_image.reference, Login(USERNAME, PASSWORD, authority)).digest == locked_image.digest
