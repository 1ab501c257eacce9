from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from django.contrib.auth.models import User

from chatbot_service import registries
from chatbot_service.models import RegistryLogin
from chatbot_service.registries import Wanted
from chatbot_service.secrets import unseal
from deploy_records.errors import Invalid, NotAllowed, Refused
from deploy_records.models import AuditEvent
from tests.factories import person

pytestmark = pytest.mark.django_db

CANARY = "canary-7f3e9b"
LOGIN = Wanted(username="bot", password=CANARY)


@pytest.fixture
def administrator() -> User:
    return person("Administrator", name="ada")


@pytest.fixture(scope="module")
def authority() -> tuple[str, str]:
    """A certificate of an authority and its private key, both in PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Example authority")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(7)
        .not_valid_before(now).not_valid_after(now + timedelta(days=30)).sign(key, hashes.SHA256())
    )  # fmt: skip
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    return made.public_bytes(serialization.Encoding.PEM).decode(), secret


def test_a_login_is_sealed_and_only_its_presence_is_on_record(administrator: User) -> None:
    kept = registries.save("ghcr.io", LOGIN, administrator, address="192.0.2.3")
    assert CANARY not in kept.sealed_password
    assert unseal(kept.sealed_password) == CANARY
    event = AuditEvent.objects.get(action="registry.set")
    assert event.changes == {"login": ["none", "there"], "authority": ["none", "none"]}
    assert (event.actor, event.address, event.object_name) == ("ada", "192.0.2.3", "ghcr.io")
    assert CANARY not in event.text
    assert "bot" not in event.text
    assert CANARY not in repr(LOGIN)


def test_what_is_left_empty_stays(administrator: User, authority: tuple[str, str]) -> None:
    registries.save("ghcr.io", LOGIN, administrator)
    kept = registries.save("ghcr.io", Wanted(ca=authority[0]), administrator)
    assert unseal(kept.sealed_password) == CANARY
    assert kept.ca_certificate == authority[0]
    assert RegistryLogin.objects.count() == 1


def test_a_new_login_replaces_the_old_one(administrator: User) -> None:
    registries.save("ghcr.io", LOGIN, administrator)
    kept = registries.save("ghcr.io", Wanted(username="bot", password="another"), administrator)
    assert unseal(kept.sealed_password) == "another"
    assert AuditEvent.objects.filter(action="registry.set").latest("sequence").changes["login"] == ["there", "replaced"]


def test_login_and_certificate_are_taken_away_each_by_itself(administrator: User, authority: tuple[str, str]) -> None:
    registries.save("ghcr.io", Wanted(username="bot", password=CANARY, ca=authority[0]), administrator)
    kept = registries.save("ghcr.io", Wanted(drop_login=True), administrator)
    assert (kept.username, kept.sealed_password, bool(kept.ca_certificate)) == ("", "", True)
    kept = registries.save("ghcr.io", Wanted(drop_ca=True), administrator)
    assert kept.ca_certificate == ""


def test_a_forgotten_registry_is_on_record(administrator: User) -> None:
    kept = registries.save("ghcr.io", LOGIN, administrator)
    registries.forget(kept, administrator)
    assert not RegistryLogin.objects.exists()
    assert AuditEvent.objects.get(action="registry.forgotten").changes["login"] == ["there", "none"]
    kept.pk = 1
    with pytest.raises(Refused, match="in the same moment"):
        registries.forget(kept, administrator)


@pytest.mark.parametrize("role", ["Viewer", "Operator", "Release manager", "Security reviewer", "Auditor"])
def test_only_administrators_may(role: str, administrator: User) -> None:
    kept = registries.save("ghcr.io", LOGIN, administrator)
    with pytest.raises(NotAllowed):
        registries.save("ghcr.io", Wanted(drop_login=True), person(role))
    with pytest.raises(NotAllowed):
        registries.forget(kept, person(role))
    assert RegistryLogin.objects.get().sealed_password


@pytest.mark.parametrize("name", ["ghcr.io", "docker.io", "registry.example.org:5000", "127.0.0.1:5000", "localhost:5000"])
def test_a_registry_is_named_as_in_image_references(name: str) -> None:
    assert registries.parse_registry(f" {name} ") == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "ghcr",
        "https://ghcr.io",
        "ghcr.io/acme",
        "GHCR.io",
        "ghcr.io:x",
        "a b.io",
        "--flag.io",
        "$(x).io",
        "x\n.io",
        "a." * 300,
    ],
)
def test_anything_else_is_not_a_registry(name: str) -> None:
    with pytest.raises(Invalid, match="is not the name of a registry"):
        registries.parse_registry(name)


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        (Wanted(username="bot"), "Give both, or neither"),
        (Wanted(password=CANARY), "Give both, or neither"),
        (Wanted(username="a:b", password=CANARY), "no colon"),
        (Wanted(username="a\nb", password=CANARY), "no colon"),
        (Wanted(username="a" * 201, password=CANARY), "at most 200"),
        (Wanted(username="bot", password="two\nlines"), "on one line"),
        (Wanted(username="bot", password="x" * 4097), "at most 4,096"),
        (Wanted(ca="nothing like it"), "no certificate in PEM"),
        (Wanted(ca="-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), "no certificate in PEM"),
        (Wanted(ca="x" * 65537), "at most 65,536"),
    ],
)
def test_what_cannot_be_a_login_is_refused_and_nothing_kept(wanted: Wanted, says: str, administrator: User) -> None:
    with pytest.raises(Invalid, match=says) as refused:
        registries.save("ghcr.io", wanted, administrator)
    assert CANARY not in str(refused.value)
    assert not RegistryLogin.objects.exists()


def test_a_private_key_is_refused(administrator: User, authority: tuple[str, str]) -> None:
    with pytest.raises(Invalid, match="holds a private key"):
        registries.save("ghcr.io", Wanted(ca=authority[0] + authority[1]), administrator)
    assert not RegistryLogin.objects.exists()


def test_a_certificate_says_whose_it_is_and_when_it_ends(authority: tuple[str, str]) -> None:
    (shown,) = registries.authorities(authority[0])
    assert shown.name == "CN=Example authority"
    assert timedelta(days=29) < shown.ends - datetime.now(UTC) < timedelta(days=31)
