"""People and what their roles let them do."""

from django import forms
from django.contrib import messages
from django.contrib.auth.models import Group, User
from django.db.models import Prefetch
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods

from deploy_records.errors import NotAllowed
from deploy_records.people import roles_of
from portal import role_changes
from portal.access import ROLES, actor_of, needs

SAID = {
    "Viewer": "Sees services, jobs, the ledger and deployments.",
    "Operator": "Upgrades, rolls back, starts, stops and adds services; registers digests; asks for exceptions.",
    "Release manager": "Approves, deprecates and revokes digests; asks for exceptions; cancels jobs.",
    "Security reviewer": "Approves and asks for exceptions; revokes digests; reads the audit trail.",
    "Auditor": "Reads everything, the audit trail too; changes nothing.",
    "Administrator": "Sets up hosts, registries and people; approves nothing by that.",
}


class RolesForm(forms.Form):
    roles = forms.MultipleChoiceField(
        label="Roles", required=False, widget=forms.CheckboxSelectMultiple,
        choices=[(role, f"{role}: {SAID[role]}") for role in ROLES],
    )  # fmt: skip
    seen = forms.CharField(required=False, widget=forms.HiddenInput)


@require_GET
@needs("auth.view_user", "Reading who may do what")
def index(request: HttpRequest) -> HttpResponse:
    groups = Prefetch("groups", Group.objects.order_by("name"), to_attr="their_roles")
    people = User.objects.order_by("-is_active", "username").prefetch_related(groups)
    return render(request, "people/list.html", {"people": people, "said": SAID})


@require_http_methods(["GET", "POST"])
@needs(role_changes.MAY_CHANGE, role_changes.TO_DO)
def roles(request: HttpRequest, pk: int) -> HttpResponse:
    person = get_object_or_404(User, pk=pk)
    if person.pk == request.user.pk:
        raise NotAllowed("Nobody changes their own roles. Another administrator can. Nothing was changed.")
    held = roles_of(person)
    form = RolesForm(_posted(request), initial={"roles": held, "seen": ",".join(held)})
    if request.method == "POST" and form.is_valid():
        seen = [role for role in form.cleaned_data["seen"].split(",") if role]
        now = role_changes.change(person, form.cleaned_data["roles"], request.user, seen=seen, address=actor_of(request).address)
        held_now = ", ".join(now).lower() or "without a role"
        messages.success(request, f"Changed. {person.get_username()} is {held_now} from now on.")
        return redirect("users")
    return render(request, "people/roles.html", {"form": form, "person": person}, status=400 if form.errors else 200)


def _posted(request: HttpRequest) -> QueryDict | None:
    return request.POST if request.method == "POST" else None
