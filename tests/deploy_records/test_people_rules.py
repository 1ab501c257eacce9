import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.utils.functional import SimpleLazyObject
from pytest_django import DjangoAssertNumQueries

from deploy_records.errors import NotAllowed
from deploy_records.people import holders, holds, require, roles_of
from tests.deploy_records.people import anew, person

pytestmark = pytest.mark.django_db
APPROVE = "deploy_records.approve_digest"


def test_who_holds_a_permission_by_a_role_may() -> None:
    mira = person("mira", "approve_digest")
    assert holds(mira, APPROVE)
    assert require(mira, APPROVE, "Approving a digest") == mira
    assert list(holders(APPROVE)) == [mira]


def test_the_person_of_a_request_is_taken_for_who_they_are() -> None:
    mira = person("mira", "approve_digest")
    lazy = SimpleLazyObject(lambda: mira)
    assert require(lazy, APPROVE, "Approving a digest") == mira  # type: ignore[arg-type]  # as the request has it


def test_the_refusal_names_the_roles_that_could() -> None:
    person("mira", "approve_digest")
    with pytest.raises(NotAllowed, match="Approving a digest takes the role may approve_digest"):
        require(person("sten"), APPROVE, "Approving a digest")


@pytest.mark.parametrize("closed", [{"is_active": False}, {"is_superuser": True}])
def test_neither_a_closed_account_nor_a_superuser_holds_what_no_active_role_grants(closed: dict[str, bool]) -> None:
    one = person("mira", *(["approve_digest"] if "is_active" in closed else []))
    User.objects.filter(pk=one.pk).update(**closed)
    assert not holds(anew(one), APPROVE)
    assert not holders(APPROVE).exists()


def test_who_is_not_signed_in_holds_nothing() -> None:
    assert not holds(AnonymousUser(), APPROVE)
    assert roles_of(AnonymousUser()) == []


def test_permissions_are_read_once_for_a_loaded_person(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    mira = anew(person("mira", "approve_digest"))
    with django_assert_num_queries(1):
        assert holds(mira, APPROVE)
        assert not holds(mira, "deploy_records.revoke_digest")


def test_a_role_taken_away_is_gone_at_the_next_request() -> None:
    mira = person("mira", "approve_digest")
    assert holds(mira, APPROVE)
    mira.groups.clear()
    assert not holds(anew(mira), APPROVE)
