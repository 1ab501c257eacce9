"""Signing in: Django's view, which answers a refusal with 200 otherwise."""

from typing import Any

from django.contrib.auth.views import LoginView
from django.http import HttpResponse

from portal.access import public


class SignIn(LoginView):
    redirect_authenticated_user = True

    def form_invalid(self, form: Any) -> HttpResponse:
        return self.render_to_response(self.get_context_data(form=form), status=403)


sign_in = public(SignIn.as_view())  # type: ignore[arg-type]  # what it answers is narrower than its stub says
