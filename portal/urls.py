"""Every URL on one screen."""

from django.contrib.auth.views import LogoutView
from django.urls import URLPattern, URLResolver, path, re_path

from portal.pages import add_service, audit, changing, deployments, hosts, jobs, ledger, people, registries, services
from portal.pages.appearance import appearance
from portal.pages.dashboard import dashboard
from portal.pages.signing_in import sign_in

urlpatterns: list[URLPattern | URLResolver] = [
    path("", dashboard, name="dashboard"),
    # Run
    path("services/", services.index, name="services"),
    path("services/add/", add_service.add, name="service-add"),
    path("services/add/<int:pk>/", add_service.choose, name="service-add-choose"),
    path("services/<int:pk>/", services.service, name="service"),
    path("services/<int:pk>/upgrade/", changing.upgrade, name="service-upgrade"),
    path("services/<int:pk>/rollback/", changing.rollback, name="service-rollback"),
    re_path(r"^services/(?P<pk>[0-9]+)/(?P<kind>start|stop|restart)/$", changing.lifecycle, name="service-lifecycle"),
    path("jobs/", jobs.index, name="jobs"),
    path("jobs/<int:pk>/", jobs.job, name="job"),
    path("jobs/<int:pk>/progress/", jobs.progress, name="job-progress"),
    path("jobs/<int:pk>/cancel/", jobs.cancel, name="job-cancel"),
    path("jobs/<int:pk>/again/", jobs.run_again, name="job-again"),
    # Signing in
    path("sign-in/", sign_in, name="sign-in"),
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
