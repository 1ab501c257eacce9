import pytest
from django.contrib.auth.models import User

from chatbot_service import registries
from chatbot_service.models import RegistryLogin
from chatbot_service.registries import Wanted
from chatbot_service.secrets import unseal
from deploy_records.models import AuditEvent
from tests.factories import person
from tests.portal.looking import last_refusal, text_of, window

pytestmark = pytest.mark.django_db

CANARY, USER = "canary-7f3e9b", "canary-user-41c0"


@pytest.fixture
def administrator() -> User:
    return person("Administrator", name="ada")


@pytest.fixture
def kept(administrator: User) -> RegistryLogin:
    return registries.save("ghcr.io", Wanted(username=USER, password=CANARY), administrator)


def test_a_login_is_kept_and_shown_as_set_only(administrator: User) -> None:
    sent = {"registry": "ghcr.io", "username": USER, "password": CANARY}
    answer = window(administrator).post("/registries/add/", sent, follow=True)
    assert unseal(RegistryLogin.objects.get().sealed_password) == CANARY
    assert "Workers sign in at 1 registry as set here" in text_of(answer)
    assert "ghcr.io Set" in text_of(answer)


def test_no_page_gives_a_value_back(administrator: User, kept: RegistryLogin) -> None:
    client = window(administrator)
    for address in ("/registries/", f"/registries/{kept.pk}/", f"/registries/{kept.pk}/forget/"):
        page = client.get(address).content.decode()
        assert CANARY not in page
        assert USER not in page
        assert kept.sealed_password not in page


def test_a_refused_form_does_not_give_the_password_back(administrator: User) -> None:
    answer = window(administrator).post("/registries/add/", {"registry": "https://ghcr.io", "username": USER, "password": CANARY})
    assert answer.status_code == 400
    assert "is not the name of a registry" in text_of(answer)
    assert CANARY not in answer.content.decode()
    assert CANARY not in last_refusal().text
    assert not RegistryLogin.objects.exists()


def test_leaving_the_login_empty_keeps_it(administrator: User, kept: RegistryLogin) -> None:
    window(administrator).post(f"/registries/{kept.pk}/", {"username": "", "password": ""})
    assert unseal(RegistryLogin.objects.get().sealed_password) == CANARY


def test_a_login_is_taken_away(administrator: User, kept: RegistryLogin) -> None:
    window(administrator).post(f"/registries/{kept.pk}/", {"drop_login": "on"})
    assert RegistryLogin.objects.get().sealed_password == ""


def test_the_name_of_a_kept_registry_cannot_be_changed_by_a_forged_field(administrator: User, kept: RegistryLogin) -> None:
    window(administrator).post(f"/registries/{kept.pk}/", {"registry": "evil.example", "username": "a", "password": "b"})
    assert RegistryLogin.objects.get().registry == "ghcr.io"


def test_forgetting_asks_first(administrator: User, kept: RegistryLogin) -> None:
    client = window(administrator)
    assert "Forget ghcr.io?" in text_of(client.get(f"/registries/{kept.pk}/forget/"))
    assert RegistryLogin.objects.exists()
    said = text_of(client.post(f"/registries/{kept.pk}/forget/", follow=True))
    assert "ghcr.io is forgotten." in said
    assert "Workers ask every registry without a login." in said


@pytest.mark.parametrize("role", ["Viewer", "Operator", "Release manager", "Security reviewer", "Auditor"])
def test_anybody_else_is_refused_and_on_record(role: str, kept: RegistryLogin) -> None:
    client = window(person(role, name="mallory"))
    assert client.get("/registries/").status_code == 403
    for address in ("/registries/add/", f"/registries/{kept.pk}/", f"/registries/{kept.pk}/forget/"):
        assert client.post(address, {"registry": "evil.example", "drop_login": "on"}).status_code == 403
        assert (last_refusal().actor, last_refusal().object_name) == ("mallory", f"POST {address}")
    assert unseal(RegistryLogin.objects.get().sealed_password) == CANARY
    assert AuditEvent.objects.filter(action="registry.set").count() == 1
