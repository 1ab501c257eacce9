import pytest

from deploy_records.errors import NotAllowed, Refused
from deploy_records.rules.approval import Answer, Who, may_approve, may_withdraw

MIRA, NILS, OTTO = Who(1, "mira"), Who(2, "nils"), Who(3, "otto")


def asked(
    who: Who = MIRA,
    *,
    holds_role: bool = True,
    state: str = "candidate",
    registered_by: Who = OTTO,
    offered_again_by: Who | None = None,
    approved_by: tuple[Who, ...] = (),
) -> Answer:
    return may_approve(
        who,
        holds_role=holds_role,
        state=state,
        registered_by=registered_by,
        offered_again_by=offered_again_by,
        approved_by=approved_by,
    )


@pytest.mark.parametrize("state", ["candidate", "approved", "known-good"])
def test_another_person_with_the_role_may_approve(state: str) -> None:
    assert asked(state=state, approved_by=(NILS,)).allowed


def test_nobody_without_the_role_may_approve() -> None:
    answer = asked(holds_role=False)
    assert not answer.allowed
    with pytest.raises(NotAllowed, match="a role that you do not have"):
        answer.or_refuse()


@pytest.mark.parametrize(
    "same",
    [
        MIRA,
        Who(1, "mira-renamed"),
        Who(9, "second account", "Mira@Example.com"),
    ],
)
def test_nobody_may_approve_their_own_registration_also_after_a_rename_or_by_a_second_account(same: Who) -> None:
    answer = asked(same, registered_by=Who(1, "mira", "mira@example.com"))
    assert "You registered this digest" in answer.reason
    with pytest.raises(NotAllowed):
        answer.or_refuse()


def test_two_people_without_an_address_are_two_people() -> None:
    assert asked(MIRA, registered_by=OTTO).allowed


def test_nobody_may_approve_what_they_offered_again() -> None:
    assert "You offered this digest again" in asked(offered_again_by=MIRA).reason
    assert asked(offered_again_by=NILS).allowed


@pytest.mark.parametrize(
    ("state", "says"), [("deprecated", "Offer it again first"), ("revoked", "that is for good"), ("wild", "“wild”")]
)
def test_a_digest_out_of_use_cannot_be_approved(state: str, says: str) -> None:
    answer = asked(state=state)
    assert says in answer.reason
    with pytest.raises(Refused) as refusal:
        answer.or_refuse()
    assert refusal.value.status == 409


def test_a_second_yes_of_the_same_person_is_refused_and_says_so() -> None:
    answer = asked(approved_by=(NILS, MIRA))
    assert (answer.allowed, answer.code) == (False, "already-approved")
    assert "already" in answer.reason


def test_ones_own_approval_can_be_withdrawn_once() -> None:
    assert may_withdraw(MIRA, holds_role=True, approved_by=MIRA, has_ended=False).allowed
    assert "ended already" in may_withdraw(MIRA, holds_role=True, approved_by=MIRA, has_ended=True).reason


def test_the_approval_of_another_cannot_be_withdrawn() -> None:
    answer = may_withdraw(MIRA, holds_role=True, approved_by=NILS, has_ended=False)
    assert "Only nils" in answer.reason
    assert not may_withdraw(NILS, holds_role=False, approved_by=NILS, has_ended=False).allowed
