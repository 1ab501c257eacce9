"""A repository's poam.yaml beside the ledger: looked at first, with every problem and every change, then taken over whole."""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from deploy_records import poam_import
from deploy_records.errors import Invalid, Refused
from deploy_records.models import ImageDigest
from deploy_records.poam_files.comparing import Drift
from deploy_records.poam_files.planning import Deed, Plan, Step
from deploy_records.poam_files.tree import MOST_BYTES, Problem
from deploy_records.poam_import import Looked, Source
from deploy_records.poam_items import MAY_REQUEST
from portal.access import actor_of, needs
from portal.pages.asking import person_of, told
from portal.pages.poam_limits import limits_now, trusts_git
from portal.sentences.exceptions import package

_MOST_SHOWN = 120
_MOST_NAME = 200
_DEEDS = {
    Deed.NOTHING: ("none", "Stays"),
    Deed.ADD: ("ok", "New"),
    Deed.CHANGE: ("warn", "Changed"),
    Deed.REQUEST: ("wait", "Requested"),
    Deed.APPROVE: ("ok", "Approved"),
    Deed.EXTEND: ("wait", "Asks for a later end"),
    Deed.MITIGATE: ("ok", "Mitigated"),
    Deed.CLOSE: ("off", "Closed"),
}
_FIELDS = {"expires_at": "end", "created_at": "beginning"}


class FileForm(forms.Form):
    file = forms.FileField(
        label="File", error_messages={"required": "Choose the file first.", "empty": "The file is empty."},
        help_text=".security/poam.yaml of the repository, in either of its two forms. At most 1 MB.",
    )  # fmt: skip
    repository = forms.CharField(
        label="Image repository", required=False,
        help_text="What its entries are for where they do not say so themselves. Empty: every repository.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "list": "poam-repositories", "maxlength": 400}),
    )  # fmt: skip
    committer = forms.CharField(
        label="Who approved it in Git", required=False, max_length=300,
        help_text="For entries that are approved there and do not say by whom. It approves nothing here.",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )  # fmt: skip


class ConfirmForm(forms.Form):
    """What was looked at, carried by the page: nothing is kept here before it is taken over."""

    content = forms.CharField(widget=forms.HiddenInput, max_length=MOST_BYTES * 4 // 3 + 8)
    name = forms.CharField(widget=forms.HiddenInput, max_length=_MOST_NAME)
    repository = forms.CharField(widget=forms.HiddenInput, required=False, max_length=400)
    committer = forms.CharField(widget=forms.HiddenInput, required=False, max_length=300)
    stamp = forms.CharField(widget=forms.HiddenInput, max_length=64)

    def source(self) -> Source:
        """After it was found valid."""
        kept = self.cleaned_data
        try:
            data = base64.b64decode(kept["content"], validate=True)
        except binascii.Error as error:
            raise Invalid("The page did not bring the file along. Choose it again. Nothing was changed.") from error
        return Source(data, kept["name"], kept["repository"], kept["committer"])


@dataclass(frozen=True)
class ShownProblem:
    """A problem beside the line that it is about."""

    problem: Problem
    text: str


@dataclass(frozen=True)
class ShownStep:
    step: Step
    tone: str
    word: str
    what: str


@dataclass(frozen=True)
class ShownDifference:
    entry: str
    words: str
    in_file: str
    in_ledger: str


@dataclass(frozen=True)
class Seen:
    """What the page shows of a file before anything is taken over."""

    name: str
    looked: Looked
    problems: Sequence[ShownProblem]
    steps: Sequence[ShownStep]

    @property
    def drift(self) -> Drift:
        return self.looked.drift

    @property
    def differences(self) -> Sequence[ShownDifference]:
        return [
            ShownDifference(one.file.id, _FIELDS.get(field.field, field.field.replace("_", " ")), field.in_file, field.in_ledger)
            for one in self.drift.differing
            for field in one.differences
        ]

    @property
    def changes(self) -> int:
        return len(self.looked.plan.changes)

    @property
    def approves(self) -> int:
        """How many it would approve: none, unless the policy trusts what is approved in Git."""
        return sum(one.becomes == "approved" for one in self.looked.plan.changes)

    @property
    def may_be_taken_over(self) -> bool:
        return not self.problems and self.changes > 0


@require_http_methods(["GET", "POST"])
@needs(MAY_REQUEST, "Taking over a file of exceptions")
def bring_in(request: HttpRequest) -> HttpResponse:
    """The first step: it looks, and changes nothing."""
    form = FileForm(request.POST, request.FILES) if request.method == "POST" else FileForm()
    if request.method != "POST" or not form.is_valid():
        return _ask(request, form)
    source = _source(form)
    try:
        return _shown(request, source)
    except Invalid as error:
        form.add_error("repository", told(request, error))
        return _ask(request, form)


@require_POST
@needs(MAY_REQUEST, "Taking over a file of exceptions")
def take_over(request: HttpRequest) -> HttpResponse:
    """The second step: all of it, if it still would do what was shown, or nothing."""
    form = ConfirmForm(request.POST)
    if not form.is_valid():
        raise Invalid("The page did not bring the file along. Choose it again. Nothing was changed.")
    source = form.source()
    try:
        plan = poam_import.bring_in(
            source, person_of(request), address=actor_of(request).address, limits=limits_now(), trusted=trusts_git(),
            seen=form.cleaned_data["stamp"],
        )  # fmt: skip
    except Refused as error:
        return _shown(request, source, refusal=told(request, error), status=error.status)
    number = len(plan.changes)
    entries = "1 entry" if len(plan.steps) == 1 else f"{len(plan.steps)} entries"
    messages.success(request, f"Taken over. {number} of {entries} changed the ledger; {_approved(plan)}")
    return redirect("poam")


def _ask(request: HttpRequest, form: FileForm) -> HttpResponse:
    repositories = list(ImageDigest.objects.order_by("repository").values_list("repository", flat=True).distinct())
    context = {"form": form, "repositories": repositories}
    return render(request, "poam/import.html", context, status=400 if form.errors else 200)


def _source(form: FileForm) -> Source:
    """Never more of it in memory than a file of exceptions may hold, and one byte that shows that it is longer."""
    given: Any = form.cleaned_data
    name = "".join(one for one in given["file"].name[:_MOST_NAME] if one.isprintable()) or "poam.yaml"
    return Source(given["file"].read(MOST_BYTES + 1), name, given["repository"].strip(), given["committer"].strip())


def _shown(request: HttpRequest, source: Source, *, refusal: str = "", status: int = 200) -> HttpResponse:
    looked = poam_import.look(source, limits=limits_now(), trusted=trusts_git())
    lines = source.data.decode("utf-8", "replace").splitlines() if looked.problems else []
    seen = Seen(
        name=source.name,
        looked=looked,
        problems=[ShownProblem(one, _line(lines, one.line)) for one in looked.problems],
        steps=[_step(one) for one in looked.plan.steps],
    )
    carried = ConfirmForm(
        initial={
            "content": base64.b64encode(source.data).decode(), "name": source.name, "repository": source.repository,
            "committer": source.committer, "stamp": looked.plan.stamp,
        }
    ) if seen.may_be_taken_over else None  # fmt: skip
    context = {"seen": seen, "form": carried, "refusal": refusal}
    return render(request, "poam/import_look.html", context, status=400 if seen.problems else status)


def _approved(plan: Plan) -> str:
    number = sum(one.becomes == "approved" for one in plan.changes)
    if not number:
        return "nothing was approved by that."
    return f"{number} approved by that, as the policy trusts what is approved in Git."


def _line(lines: Sequence[str], number: int) -> str:
    """The line as it can be shown: what cannot be seen is replaced by a mark."""
    if not 1 <= number <= len(lines):
        return ""
    text = lines[number - 1]
    plain = "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in text[:_MOST_SHOWN])
    return plain + ("…" if len(text) > _MOST_SHOWN else "")


def _step(step: Step) -> ShownStep:
    tone, word = _DEEDS[step.deed]
    terms = step.entry.terms
    what = f"{', '.join(terms.vulnerabilities[:3])} in {package(terms.component) or 'no component'}"
    return ShownStep(step, tone, word, what)
