"""What a person may do with an exception: each deed is asked once more, on a page or in a dialog, and then done."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django import forms
from django.contrib.auth.models import User
from django.http import QueryDict
from django.utils import timezone

from deploy_records import poam
from deploy_records.errors import Invalid
from deploy_records.models import PoamItem, PoamState
from deploy_records.poam_extending import may_approve_extension
from deploy_records.poam_files import moments
from deploy_records.poam_items import MAY_APPROVE, MAY_REQUEST, terms_of
from deploy_records.rules import exception_life as rules
from deploy_records.rules.approval import Answer
from deploy_records.rules.exceptions import last_moment
from deploy_records.rules.words import MOST_CHARACTERS
from portal.pages.poam_limits import limits_now
from portal.sentences.exceptions import longest_days, package, vulnerabilities

_YES = Answer(True, "")


@dataclass(frozen=True)
class Given:
    """What the form brought. `seen`: the version that the person looked at."""

    words: str
    seen: int
    address: str
    until: datetime | None = None


@dataclass(frozen=True)
class Deed:
    """`key` is the last part of its address; `act` does it and returns what to tell the person."""

    key: str
    permission: str
    to_do: str
    question: str
    explanation: str
    label: str
    button: str
    act: Callable[[PoamItem, User, Given], str]
    fits: Callable[[PoamItem], bool]
    """Whether it is a deed for an item in this state at all. Without a `label` no words are asked for."""
    answer: Callable[[PoamItem, User], Answer] = lambda _item, _person: _YES
    needs_words: bool = True
    asks_until: bool = False
    asks_name: bool = False
    stop: bool = False

    @property
    def name(self) -> str:
        return f"poam-{self.key}"

    @property
    def dialog(self) -> str:
        return f"{self.name}-dialog"

    def explain(self, item: PoamItem) -> str:
        """Which exception it is, and what the deed leads to."""
        what = f"{vulnerabilities(item) or 'no vulnerability yet'} in {package(item.component) or 'no component yet'}"
        until = item.extend_to if self.key == "approve-extension" and item.extend_to else item.expires_at
        return f"{item.name}: {what}, {item.severity} at most, until {_shown(until)}. {self.explanation}"

    def form(self, item: PoamItem, data: QueryDict | None = None) -> "DeedForm":
        return DeedForm(data, deed=self, item=item, initial={"seen": item.version}, auto_id=f"{self.name}-%s")


class DeedForm(forms.Form):
    """What the words must be is for the record to say; here they are only carried."""

    until = forms.CharField(label="New end", widget=forms.TextInput(attrs={"autocomplete": "off", "placeholder": "YYYY-MM-DD"}))
    words = forms.CharField(strip=False, widget=forms.Textarea(attrs={"rows": 3, "maxlength": MOST_CHARACTERS}))
    typed = forms.CharField(widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}))
    seen = forms.CharField(widget=forms.HiddenInput, required=False)

    def __init__(self, *args: Any, deed: Deed, item: PoamItem, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._item = item
        if deed.label:
            words: Any = self.fields["words"]
            words.label, words.required = deed.label, deed.needs_words
            words.error_messages["required"] = "Say in a few words why, for those who read it in years."
        else:
            del self.fields["words"]
        if deed.asks_until:
            self.fields["until"].help_text = _until_hint(item)
            self.fields["until"].error_messages["required"] = "Say until when, as YYYY-MM-DD."
        else:
            del self.fields["until"]
        if deed.asks_name:
            self.fields["typed"].label = f"Type {item.name} to close it"
            self.fields["typed"].error_messages["required"] = f"Type {item.name}."
        else:
            del self.fields["typed"]

    def clean_until(self) -> datetime:
        try:
            return moments.parse(self.cleaned_data["until"]).as_end
        except Invalid as error:
            raise forms.ValidationError(str(error)) from error

    def clean_typed(self) -> str:
        typed = str(self.cleaned_data["typed"]).strip()
        if typed.upper() != self._item.name:
            raise forms.ValidationError(f"That is not {self._item.name}. Nothing was changed.")
        return typed

    def given(self, address: str) -> Given:
        """After it was found valid."""
        kept = self.cleaned_data
        seen = kept["seen"]
        version = int(seen) if seen.isascii() and seen.isdigit() and len(seen) < 10 else 0  # noqa: PLR2004 - no version is longer
        return Given(kept.get("words", ""), version, address, kept.get("until"))


def _until_hint(item: PoamItem) -> str:
    limits, now = limits_now(), timezone.now()
    latest = last_moment(now, item.worst, limits).astimezone(UTC)
    days = longest_days(item.worst, limits)
    return f"YYYY-MM-DD, to the end of that day in UTC. {days} days at most for {item.severity}: until {latest:%Y-%m-%d}."


def _shown(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def _request(item: PoamItem, person: User, given: Given) -> str:
    poam.request(item, person, address=given.address, seen=given.seen, limits=limits_now())
    return f"Requested. {item.name} waits for a security reviewer; until then it excuses nothing."


def _may_request(item: PoamItem, _person: User) -> Answer:
    return rules.may_hold(terms_of(item), name=item.name, now=timezone.now(), limits=limits_now())


def _take_back(item: PoamItem, person: User, given: Given) -> str:
    poam.take_back(item, person, given.words, address=given.address, seen=given.seen)
    return f"Taken back. {item.name} is a draft again."


def _approve(item: PoamItem, person: User, given: Given) -> str:
    grant = poam.approve(item, person, given.words, address=given.address, seen=given.seen, limits=limits_now())
    return f"Approved. {item.name} is in force until {_shown(grant.until)}."


def _reject(item: PoamItem, person: User, given: Given) -> str:
    poam.reject(item, person, given.words, address=given.address, seen=given.seen)
    return f"Rejected. {item.name} excuses nothing; it can be changed and requested again."


def _may_decide(item: PoamItem, person: User) -> Answer:
    """Saying no takes less than saying yes: what would end too late can still be rejected."""
    found = poam.may_approve(item, person, limits=limits_now())
    return found if found.code == "not-allowed" else _YES


def _mitigate(item: PoamItem, person: User, given: Given) -> str:
    poam.mitigate(item, person, given.words, address=given.address, seen=given.seen)
    return f"Mitigated. {item.name} excuses nothing from now on."


def _close(item: PoamItem, person: User, given: Given) -> str:
    poam.close(item, person, given.words, address=given.address, seen=given.seen)
    return f"Closed. {item.name} excuses nothing from now on and is not opened again."


def _extend(item: PoamItem, person: User, given: Given) -> str:
    if given.until is None:
        raise Invalid("Say until when. Nothing was changed.")
    poam.ask_to_extend(item, person, given.until, given.words, address=given.address, seen=given.seen, limits=limits_now())
    return f"Asked. Until a security reviewer says yes, {item.name} ends when it did: {_shown(item.expires_at)}."


def _approve_extension(item: PoamItem, person: User, given: Given) -> str:
    grant = poam.approve_extension(item, person, given.words, address=given.address, seen=given.seen, limits=limits_now())
    return f"Extended. {item.name} is in force until {_shown(grant.until)}."


def _reject_extension(item: PoamItem, person: User, given: Given) -> str:
    poam.reject_extension(item, person, given.words, address=given.address, seen=given.seen)
    return f"Rejected. The end of {item.name} stays as it was: {_shown(item.expires_at)}."


def _may_approve(item: PoamItem, person: User) -> Answer:
    return poam.may_approve(item, person, limits=limits_now())


def _may_extend(item: PoamItem, person: User) -> Answer:
    return may_approve_extension(item, person, limits=limits_now())


def _may_decide_extension(item: PoamItem, person: User) -> Answer:
    found = may_approve_extension(item, person, limits=limits_now())
    return found if found.code == "not-allowed" else _YES


def _in(*states: PoamState) -> Callable[[PoamItem], bool]:
    return lambda item: item.state in states


def _waits_for_extension(item: PoamItem) -> bool:
    return item.state == PoamState.APPROVED and item.extend_to is not None


APPROVE = Deed(
    "approve", MAY_APPROVE, "Approving an exception", "Approve this exception?",
    "Until then the gate lets pass what it names. Your yes goes on record under your name.",
    "Comment, for the record (may be empty)", "Approve", _approve, _in(PoamState.REQUESTED), _may_approve, needs_words=False,
)  # fmt: skip
REJECT = Deed(
    "reject", MAY_APPROVE, "Rejecting an exception", "Reject this exception?",
    "It goes on excusing nothing. Who asked for it can change it and ask again.",
    "Reason, for the record", "Reject", _reject, _in(PoamState.REQUESTED), _may_decide,
)  # fmt: skip
REQUEST = Deed(
    "request", MAY_REQUEST, "Requesting an exception", "Ask for an approval?",
    "A security reviewer who neither wrote nor requested it decides. Until then it excuses nothing.",
    "", "Request approval", _request, _in(PoamState.DRAFT), _may_request,
)  # fmt: skip
TAKE_BACK = Deed(
    "take-back", MAY_REQUEST, "Taking back a request", "Take the request back?",
    "It is a draft again and can be changed. Nobody is asked to decide on it.",
    "Reason, for the record (may be empty)", "Take back", _take_back, _in(PoamState.REQUESTED), needs_words=False,
)  # fmt: skip
EXTEND = Deed(
    "extend", MAY_REQUEST, "Asking to extend an exception", "Ask for a later end?",
    "A security reviewer has to approve it anew. Until then the end stays as it is.",
    "Why it takes longer, for the record", "Ask for a later end", _extend,
    lambda item: item.state == PoamState.APPROVED and item.extend_to is None, asks_until=True,
)  # fmt: skip
APPROVE_EXTENSION = Deed(
    "approve-extension", MAY_APPROVE, "Approving an extension", "Approve the later end?",
    "That is the later end. Your yes goes on record under your name, as a new approval.",
    "Comment, for the record (may be empty)", "Approve the later end", _approve_extension, _waits_for_extension, _may_extend,
    needs_words=False,
)  # fmt: skip
REJECT_EXTENSION = Deed(
    "reject-extension", MAY_APPROVE, "Rejecting an extension", "Reject the later end?",
    "The exception ends when it did. A later end can be asked for again.",
    "Reason, for the record", "Reject the later end", _reject_extension, _waits_for_extension, _may_decide_extension,
)  # fmt: skip
MITIGATE = Deed(
    "mitigate", MAY_REQUEST, "Ending an exception", "Is the weakness gone?",
    "The exception excuses nothing from now on. Where the weakness is still there, the gate refuses again.",
    "How it was mitigated, for the record", "Mark as mitigated", _mitigate,
    _in(PoamState.REQUESTED, PoamState.APPROVED, PoamState.REJECTED),
)  # fmt: skip
CLOSE = Deed(
    "close", MAY_REQUEST, "Ending an exception", "Close this exception for good?",
    "It excuses nothing from now on, also where something that runs relies on it, and it is never opened again.",
    "Reason, for the record", "Close for good", _close,
    _in(PoamState.DRAFT, PoamState.REQUESTED, PoamState.APPROVED, PoamState.REJECTED, PoamState.MITIGATED),
    asks_name=True, stop=True,
)  # fmt: skip
DEEDS = (APPROVE, APPROVE_EXTENSION, REQUEST, EXTEND, REJECT, REJECT_EXTENSION, TAKE_BACK, MITIGATE, CLOSE)
"""In the order in which they are offered."""
