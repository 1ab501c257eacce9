"""Who may approve what, and take it back. Pure: roles and states are passed in."""

from collections.abc import Iterable
from dataclasses import dataclass

from deploy_records.errors import NotAllowed, Refused

CAN_BE_APPROVED = frozenset({"candidate", "approved", "known-good"})


@dataclass(frozen=True)
class Who:
    """A person, told apart by number: names change. Two accounts with one address are one person."""

    number: int
    name: str
    address: str = ""

    def is_same_person_as(self, other: "Who") -> bool:
        same_address = bool(self.address) and self.address.casefold() == other.address.casefold()
        return self.number == other.number or same_address


@dataclass(frozen=True)
class Answer:
    """A yes or no, with its reason in words."""

    allowed: bool
    reason: str
    code: str = "allowed"

    def or_refuse(self) -> None:
        """Raises the refusal that the reason tells of."""
        if self.allowed:
            return
        if self.code == "not-allowed":
            raise NotAllowed(self.reason)
        raise Refused(self.reason, code=self.code)


def may_approve(
    who: Who, *, holds_role: bool, state: str, registered_by: Who, offered_again_by: Who | None, approved_by: Iterable[Who]
) -> Answer:
    """`approved_by`: those whose approval is valid now. `offered_again_by`: who reinstated a deprecated digest."""
    if not holds_role:
        return _no("Approving takes a role that you do not have. A release manager can.")
    if who.is_same_person_as(registered_by):
        return _no("You registered this digest, so somebody else has to approve it. Any other release manager can.")
    if offered_again_by and who.is_same_person_as(offered_again_by):
        return _no("You offered this digest again, so somebody else has to approve it. Any other release manager can.")
    if state not in CAN_BE_APPROVED:
        return _not_in_this_state(state)
    if any(who.is_same_person_as(other) for other in approved_by):
        return Answer(False, "You have approved this digest already. Nothing was changed.", "already-approved")
    return Answer(True, "You may approve this digest.")


def may_withdraw(who: Who, *, holds_role: bool, approved_by: Who, has_ended: bool) -> Answer:
    if not holds_role:
        return _no("Withdrawing an approval takes a role that you do not have.")
    if has_ended:
        return Answer(False, "This approval has ended already. Nothing was changed.", "already-ended")
    if who.number != approved_by.number:
        return _no(f"Only {approved_by.name} can withdraw this approval. You can deprecate or revoke the digest instead.")
    return Answer(True, "You may withdraw your approval.")


def _no(reason: str) -> Answer:
    return Answer(False, f"{reason} Nothing was changed.", "not-allowed")


def _not_in_this_state(state: str) -> Answer:
    reasons = {
        "deprecated": "This digest is deprecated. Offer it again first; somebody else can then approve it.",
        "revoked": "This digest is revoked, and that is for good. Register and approve another build.",
    }
    reason = reasons.get(state, f"A digest in the state “{state}” cannot be approved.")
    return Answer(False, f"{reason} Nothing was changed.", "wrong-state")
