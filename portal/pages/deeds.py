"""What a person may do with a digest: each deed is asked once more, on a page or in a dialog, and then done."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from django import forms
from django.contrib.auth.models import User
from django.http import QueryDict

from deploy_records import ledger, policies_in_force, verdict
from deploy_records.errors import Refused
from deploy_records.models import Approval, ImageDigest, LedgerState, ScanMatch
from deploy_records.rules.gate import decide
from deploy_records.rules.policy import in_words
from deploy_records.rules.words import MOST_CHARACTERS

_MOST_WITHDRAWN = 300


@dataclass(frozen=True)
class Deed:
    """`name` is that of the URL; `act` does it and returns what to tell the person."""

    name: str
    question: str
    explanation: str
    label: str
    button: str
    act: Callable[[ImageDigest, User, str, str], str]
    needs_words: bool = True
    most: int = MOST_CHARACTERS
    stop: bool = False
    repeated: Callable[[ImageDigest, User], str] = lambda _entry, _person: ""
    """What to say, instead of doing it, to somebody who has done it already."""
    rests_on_evidence: bool = False
    """Whether who does it has to have seen the reports that count, and the rules, as they are."""

    def explain(self, entry: ImageDigest) -> str:
        """Which digest it is, and what the deed leads to."""
        name = f"{entry.digest[7:19]} ({entry.tag})" if entry.tag else entry.digest[7:19]
        return f"{name} of {entry.repository}. {self.explanation}"

    @property
    def dialog(self) -> str:
        return f"{self.name}-dialog"

    def form(self, entry: ImageDigest, data: QueryDict | None = None) -> "DeedForm":
        seen = stamp(entry) if self.rests_on_evidence else _itself(entry)
        form = DeedForm(data, initial={"seen": seen}, auto_id=f"{self.name}-%s")
        words = form.fields["words"]
        words.label, words.required = self.label, self.needs_words
        words.widget.attrs["maxlength"] = self.most
        return form


class DeedForm(forms.Form):
    """What the words must be is for the record to say; here they are only carried."""

    words = forms.CharField(strip=False, widget=forms.Textarea(attrs={"rows": 3}))
    seen = forms.CharField(widget=forms.HiddenInput, required=False)


def stamp(entry: ImageDigest) -> str:
    """Of what a person saw when they decided. Another stamp means that they have to look again."""
    return f"{_itself(entry)}/{_evidence(entry)}"


def _itself(entry: ImageDigest) -> str:
    return f"{entry.state}.{entry.failed_at.isoformat() if entry.failed_at else ''}"


def _evidence(entry: ImageDigest) -> str:
    counting = ScanMatch.objects.filter(entry=entry, superseded_at__isnull=True).order_by("report")
    versions = {name: held.version for name, held in policies_in_force.all_in_force().items()}
    return hashlib.sha256(f"{list(counting.values_list('report', flat=True))} {versions}".encode()).hexdigest()[:16]


def refuse_stale(deed: Deed, entry: ImageDigest, seen: str) -> None:
    itself, _slash, evidence = seen.partition("/")
    is_same = itself == _itself(entry)
    if is_same and (not deed.rests_on_evidence or evidence == _evidence(entry)):
        return
    labels = {one.value: one.label.lower() for one in LedgerState}
    was, now = labels.get(seen.partition(".")[0], "in another state"), entry.get_state_display().lower()
    what = f"it was {was} then and is {now} now" if was != now else "a job with it was undone meanwhile"
    if is_same:
        what = "another report counts for it now, or another version of the policy holds"
    raise Refused(f"This digest has changed since you opened the page: {what}. Look again, then decide. Nothing was changed.",
                  code="stale")  # fmt: skip


def _approve(entry: ImageDigest, person: User, comment: str, address: str) -> str:
    done = "Approved again" if _own(entry, person) else "Approved"
    ledger.approve(entry, person, comment, address=address)
    entry.refresh_from_db()
    if not entry.may_run:
        return f"{done}. It needs another approval before it may run."
    passing = {case.environment: decide(case).allowed for case in verdict.cases_everywhere(entry)}
    return f"{done}. It is {entry.get_state_display().lower()} now{_where(passing)}."


def _where(passing: Mapping[str, bool]) -> str:
    """` and may run`, and where not, if somewhere it may not."""
    refused = [name for name, passes in passing.items() if not passes]
    if not refused:
        return " and may run"
    but = f"the gate still refuses it in {in_words(refused)}"
    return f", but {but}" if len(refused) == len(passing) else f" and may run; {but}"


def _approved_already(entry: ImageDigest, person: User) -> str:
    """Unless the approval has to be looked at again: then they may renew it."""
    given = _own(entry, person)
    if given is None or ledger.may_approve(entry, person).code != "already-approved":
        return ""
    return f"You approved this digest at {given.at:%H:%M} UTC. That stands; nothing was added."


def _withdraw(entry: ImageDigest, person: User, why: str, address: str) -> str:
    given = _own(entry, person)
    if given is None:
        raise Refused("You have no approval in force here, so there is nothing to withdraw. Nothing was changed.")
    return ledger.withdraw(given, person, why, address=address).sentence


def _own(entry: ImageDigest, person: User) -> Approval | None:
    return Approval.objects.filter(entry=entry, by=person, ended_at__isnull=True).first()


APPROVE = Deed(
    "digest-approve", "Approve this digest?",
    "Your yes goes on record under your name. With enough of them, anybody with the role may deploy it.",
    "Comment, for the record (may be empty)", "Approve", _approve, needs_words=False, repeated=_approved_already,
    rests_on_evidence=True,
)  # fmt: skip
RENEW = replace(
    APPROVE, question="Approve this digest again?", button="Approve again",
    explanation="Your earlier yes ends as renewed and stays in the history. The new one rests on what is known now.",
)  # fmt: skip
WITHDRAW = Deed(
    "digest-withdraw", "Withdraw your approval?",
    "The approval stays in the history as withdrawn. Without enough others the digest may not be deployed; "
    "where it runs now, nothing is changed.",
    "Reason, for the record", "Withdraw my approval", _withdraw, most=_MOST_WITHDRAWN,
)  # fmt: skip
DEPRECATE = Deed(
    "digest-deprecate", "Deprecate this digest?",
    "Its approvals end and nobody can deploy it. It can be offered again later, and then needs new approvals. "
    "Where it runs now, nothing is changed.",
    "Note: what is wrong with it", "Deprecate",
    lambda entry, person, note, address: ledger.deprecate(entry, person, note, address=address).sentence,
)  # fmt: skip
OFFER_AGAIN = Deed(
    "digest-offer-again", "Offer this digest again?",
    "It becomes a candidate. Somebody else has to approve it before it may run.",
    "Reason, for the record", "Offer again",
    lambda entry, person, why, address: ledger.reinstate(entry, person, why, address=address).sentence,
)  # fmt: skip
REVOKE = Deed(
    "digest-revoke", "Revoke this digest for good?",
    "It is refused everywhere from now on, also for a rollback, and it can never come back. "
    "Where it runs now it goes on running until a job replaces it.",
    "Reason, for the record", "Revoke for good",
    lambda entry, person, why, address: ledger.revoke(entry, person, why, address=address).sentence, stop=True,
)  # fmt: skip


def to_approve(*, renewing: bool, comment_required: bool) -> Deed:
    """Approving as it is asked of this person now."""
    deed = RENEW if renewing else APPROVE
    return replace(deed, label="Comment, for the record", needs_words=True) if comment_required else deed


DEEDS = (APPROVE, WITHDRAW, DEPRECATE, OFFER_AGAIN, REVOKE)
