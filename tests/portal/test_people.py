import re

import pytest
from django.contrib.auth.models import User

from deploy_records.errors import Invalid, NotAllowed, Refused
from deploy_records.models import AuditEvent
from deploy_records.people import holds, roles_of
from portal import role_changes
from portal.access import ROLES
from portal.pages.people import SAID
from tests.factories import person
from tests.portal.looking import last_refusal, queries, text_of, window

pytestmark = pytest.mark.django_db


@pytest.fixture
def administrator() -> User:
    return person("Administrator", name="ada")


def roles_now(of: User) -> list[str]:
    return roles_of(User.objects.get(pk=of.pk))


def test_the_list_says_who_holds_which_role(administrator: User) -> None:
    person("Operator", "Viewer", name="olga")
    person(name="nobody")
    person("Operator", name="gone", is_active=False)
    said = text_of(window(administrator).get("/users/"))
    assert "olga Operator, Viewer" in said
    assert "none: sees nothing" in said
    assert "Cannot sign in" in said
    assert "another administrator can" in said


def test_every_role_is_explained() -> None:
    assert set(SAID) == set(ROLES)


def test_roles_are_given_and_taken_on_record(administrator: User) -> None:
    olga = person("Operator", name="olga")
    sent = {"roles": ["Release manager", "Viewer"], "seen": "Operator"}
    answer = window(administrator).post(f"/users/{olga.pk}/roles/", sent, follow=True)
    assert roles_now(olga) == ["Release manager", "Viewer"]
    assert "olga is release manager, viewer from now on." in text_of(answer)
    event = AuditEvent.objects.get(action="person.roles-changed")
    assert event.changes == {"roles": [["Operator"], ["Release manager", "Viewer"]]}
    assert (event.actor, event.object_name) == ("ada", "olga")


def test_the_form_shows_what_somebody_holds(administrator: User) -> None:
    olga = person("Operator", name="olga")
    page = window(administrator).get(f"/users/{olga.pk}/roles/").content.decode()
    ticked = [one for one in re.findall(r'<input[^>]*name="roles"[^>]*>', page) if " checked" in one]
    assert ["Operator" in one for one in ticked] == [True]


def test_nobody_changes_their_own_roles(administrator: User) -> None:
    client = window(administrator)
    assert client.get(f"/users/{administrator.pk}/roles/").status_code == 403
    sent = {"roles": ["Administrator", "Release manager"], "seen": "Administrator"}
    assert client.post(f"/users/{administrator.pk}/roles/", sent).status_code == 403
    assert roles_now(administrator) == ["Administrator"]
    with pytest.raises(NotAllowed, match="Nobody changes their own roles"):
        role_changes.change(administrator, ["Viewer"], administrator, seen=["Administrator"])


def test_a_form_from_before_a_change_is_refused_as_stale(administrator: User) -> None:
    olga = person("Operator", name="olga")
    answer = window(administrator).post(f"/users/{olga.pk}/roles/", {"roles": ["Viewer"], "seen": "Viewer"})
    assert answer.status_code == 409
    assert roles_now(olga) == ["Operator"]
    with pytest.raises(Refused, match="since you opened the page"):
        role_changes.change(olga, ["Viewer"], administrator, seen=[])


def test_a_role_that_is_none_is_refused(administrator: User) -> None:
    olga = person("Operator", name="olga")
    answer = window(administrator).post(f"/users/{olga.pk}/roles/", {"roles": ["Root"], "seen": "Operator"})
    assert answer.status_code == 400
    assert roles_now(olga) == ["Operator"]
    with pytest.raises(Invalid, match="is not a role"):
        role_changes.change(olga, ["Root"], administrator, seen=["Operator"])


def test_who_has_lost_the_role_meanwhile_changes_nothing(administrator: User) -> None:
    other, olga = person("Administrator", name="otto"), person("Operator", name="olga")
    assert holds(other, role_changes.MAY_CHANGE)  # known to this request before the role is taken
    role_changes.change(other, [], administrator, seen=["Administrator"])
    with pytest.raises(NotAllowed):
        role_changes.change(olga, ["Administrator"], other, seen=["Operator"])
    assert roles_now(olga) == ["Operator"]


@pytest.mark.parametrize("role", ["Viewer", "Operator", "Release manager", "Security reviewer", "Auditor"])
def test_anybody_else_is_refused_and_on_record(role: str) -> None:
    mallory, olga = person(role, name="mallory"), person("Operator", name="olga")
    client = window(mallory)
    assert client.get("/users/").status_code == 403
    for target in (mallory, olga):
        answer = client.post(f"/users/{target.pk}/roles/", {"roles": ["Administrator"], "seen": "Operator"})
        assert answer.status_code == 403
        assert (last_refusal().actor, last_refusal().object_name) == ("mallory", f"POST /users/{target.pk}/roles/")
    assert "Administrator" not in roles_now(mallory)


def test_it_takes_as_many_queries_for_thirty_as_for_three(administrator: User) -> None:
    client = window(administrator)
    for _ in range(3):
        person("Operator")
    few = queries(client, "/users/")
    for _ in range(27):
        person("Operator", "Viewer")
    assert queries(client, "/users/") == few
