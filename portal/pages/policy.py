"""The gate's rules by environment: what they are, how they came to be, and setting others."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods

from chatbot_service.models import Environment, Service
from deploy_records import policies
from deploy_records.errors import Invalid, Refused
from deploy_records.policies import MAY_SET, InForce
from deploy_records.rules.policy import DEFAULT, ENVIRONMENTS
from portal.access import actor_of, needs
from portal.pages import policy_preview
from portal.pages.asking import person_of, told
from portal.pages.policy_form import PolicyForm, ReasonForm, as_typed
from portal.sentences import policy as sentences

MAY_VIEW = "deploy_records.view_gatepolicy"
_TO_SET = "Setting the gate policy"


@require_GET
@needs(MAY_VIEW, "Reading the gate policy")
def index(request: HttpRequest, environment: str = ENVIRONMENTS[0]) -> HttpResponse:
    known = policies.all_in_force()
    held = known[environment]
    context = _about(held) | {
        "answer": sentences.answer(held),
        "rules": held.policy.sentences() if held.policy else [],
        "versions": sentences.versions(policies.versions(environment)),
        "tabs": [known[name] for name in ENVIRONMENTS],
        "services": Service.objects.filter(environment=environment).select_related("host"),
    }
    return render(request, "policy/page.html", context)


@require_http_methods(["GET", "POST"])
@needs(MAY_SET, _TO_SET)
def change(request: HttpRequest, environment: str) -> HttpResponse:
    """First the form; then what would change, with the reason asked for; then it is saved."""
    held = policies.in_force(environment)
    if request.method != "POST":
        return _form(request, held, PolicyForm(initial=as_typed(held.policy or DEFAULT, held.version), environment=environment))
    form = PolicyForm(request.POST, environment=environment)
    if not form.is_valid() or "again" in request.POST:
        return _form(request, held, form, status=400 if form.errors else 200)
    if "save" in request.POST:
        return _save(request, held, form)
    return _look(request, held, form)


@require_GET
@needs(MAY_SET, _TO_SET)
def explain(request: HttpRequest, environment: str) -> HttpResponse:
    """How the rules would read, beside the form while it is filled in."""
    held = policies.in_force(environment)
    return render(request, "policy/_reads.html", _reading(held, PolicyForm(request.GET, environment=environment)))


def _form(request: HttpRequest, held: InForce, form: PolicyForm, *, status: int = 200) -> HttpResponse:
    return render(request, "policy/form.html", _about(held) | {"form": form} | _reading(held, form), status=status)


def _look(request: HttpRequest, held: InForce, form: PolicyForm) -> HttpResponse:
    if held.policy and not form.policy.changes_from(held.policy):
        context = _about(held) | {"form": form, "nothing": True} | _reading(held, form)
        return render(request, "policy/form.html", context)
    overtaken = form.cleaned_data["seen"] != held.version
    return _preview(request, held, form, ReasonForm(), refusal=_overtaken(held) if overtaken else "")


def _save(request: HttpRequest, held: InForce, form: PolicyForm) -> HttpResponse:
    reason = ReasonForm(request.POST)
    reason.is_valid()
    try:
        made = policies.save(
            form.policy, held.environment, person_of(request), reason.cleaned_data.get("reason", ""),
            seen=form.cleaned_data["seen"], address=actor_of(request).address,
        )  # fmt: skip
    except Invalid as error:
        reason.add_error("reason", told(request, error))
        return _preview(request, held, form, reason, status=error.status)
    except Refused as error:
        now = policies.in_force(held.environment)
        return _preview(request, now, form, reason, refusal=told(request, error), status=error.status)
    messages.success(request, f"Saved as version {made.version} of the policy of {made.environment}. It is in force from now on.")
    return redirect("policy-of", held.environment)


def _preview(
    request: HttpRequest, held: InForce, form: PolicyForm, reason: ReasonForm, *, refusal: str = "", status: int = 200
) -> HttpResponse:
    """`held`: what is in force now. The form carries on as one that has seen it: the page says how it differs from that."""
    seen = policy_preview.read(form.policy, held)
    context = _about(held) | {
        "form": PolicyForm(_having_seen(request.POST, held.version), environment=held.environment),
        "reason": reason,
        "seen": seen,
        "refusal": refusal,
    }
    return render(request, "policy/preview.html", context, status=status)


def _about(held: InForce) -> dict[str, Any]:
    return {"held": held, "environment": held.environment, "label": Environment(held.environment).label, "next": held.version + 1}


def _reading(held: InForce, form: PolicyForm) -> dict[str, Any]:
    """The rules in sentences as the form has them now; nothing while a field is wrong."""
    if not form.is_bound:
        return {"reads": held.policy.sentences() if held.policy else [], "differs": []}
    if not form.is_valid():
        return {"reads": None}
    return {"reads": form.policy.sentences(), "differs": sentences.changes(form.policy, held.policy or DEFAULT)}


def _having_seen(posted: QueryDict, version: int) -> QueryDict:
    data = posted.copy()
    data["seen"] = str(version)
    return data


def _overtaken(held: InForce) -> str:
    who = f"{held.by} saved version {held.version}" if held.by else "Somebody saved another version"
    return f"{who} since you opened the form. What is shown here is measured against that one."
