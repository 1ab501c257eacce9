import pytest

from deploy_records import poam
from deploy_records.errors import NotAllowed, Refused
from tests.deploy_records.exceptions import REVIEWER, actions, approved, drafted, now, requested, requester, reviewer
from tests.deploy_records.people import person

pytestmark = pytest.mark.django_db


def test_a_request_is_a_draft_again_in_the_words_it_had() -> None:
    item = requested()
    poam.take_back(item, requester(), "Too early.")
    assert (now(item).state, now(item).justification) == ("draft", item.justification)
    assert actions()[-1] == "poam.taken-back"


def test_whoever_takes_it_back_does_not_become_its_writer() -> None:
    """Otherwise the writer could approve what somebody else takes back and requests again."""
    writer = person("walt", *REVIEWER, email="walt@example.com")
    item = drafted()
    type(item).objects.filter(pk=item.pk).update(drafted_by=writer)
    poam.request(item, requester())
    poam.take_back(item, reviewer())
    poam.request(item, reviewer())
    with pytest.raises(NotAllowed, match="You wrote or requested"):
        poam.approve(now(item), writer)


def test_what_was_rejected_can_be_taken_up_again() -> None:
    item = requested()
    poam.reject(item, reviewer(), "A fix is out.")
    poam.take_back(item, requester())
    assert (now(item).state, now(item).ended_because) == ("draft", "")


def test_what_is_approved_or_a_draft_already_is_not() -> None:
    for item in (approved(), drafted()):
        with pytest.raises(Refused, match="only what is requested or rejected"):
            poam.take_back(item, requester())


def test_it_takes_the_role_and_the_version_that_was_seen() -> None:
    item = requested()
    with pytest.raises(NotAllowed):
        poam.take_back(item, person("nils"))
    with pytest.raises(Refused, match="changed since you looked"):
        poam.take_back(item, requester(), seen=item.version - 1)
    assert now(item).state == "requested"
