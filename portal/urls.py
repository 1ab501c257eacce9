"""Every URL on one screen."""

from django.contrib.auth.views import LoginView, LogoutView
from django.urls import URLPattern, URLResolver, path

from portal.pages import audit, deployments, hosts, ledger, people, registries
from portal.pages.appearance import appearance

urlpatterns: list[URLPattern | URLResolver] = [
    # Signing in
    path("sign-in/", LoginView.as_view(redirect_authenticated_user=True), name="sign-in"),
    path("sign-out/", LogoutView.as_view(), name="sign-out"),
    path("appearance/", appearance, name="appearance"),
    # Decide
    path("ledger/", ledger.index, name="ledger"),
    path("ledger/register/", ledger.register, name="register-digest"),
    path("ledger/<int:pk>/", ledger.digest, name="digest"),
    path("ledger/<int:pk>/approve/", ledger.approve, name="digest-approve"),
    path("ledger/<int:pk>/withdraw/", ledger.withdraw, name="digest-withdraw"),
    path("ledger/<int:pk>/deprecate/", ledger.deprecate, name="digest-deprecate"),
    path("ledger/<int:pk>/offer-again/", ledger.offer_again, name="digest-offer-again"),
    path("ledger/<int:pk>/revoke/", ledger.revoke, name="digest-revoke"),
    # Prove
    path("deployments/", deployments.index, name="deployments"),
    path("audit/", audit.index, name="audit"),
    path("audit/<int:sequence>/", audit.event, name="audit-event"),
    path("audit/verify/", audit.verify, name="audit-verify"),
    # Set up
    path("hosts/", hosts.index, name="hosts"),
    path("registries/", registries.index, name="registries"),
    path("registries/add/", registries.add, name="registry-add"),
    path("registries/<int:pk>/", registries.change, name="registry"),
    path("registries/<int:pk>/forget/", registries.forget, name="registry-forget"),
    path("users/", people.index, name="users"),
    path("users/<int:pk>/roles/", people.roles, name="user-roles"),
]
