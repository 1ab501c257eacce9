"""Every URL on one screen."""

from django.contrib.auth.views import LogoutView
from django.urls import URLPattern, URLResolver, path, re_path

from deploy_records.rules.policy import ENVIRONMENTS
from portal.pages import (
    add_service,
    audit,
    changing,
    deployments,
    hosts,
    jobs,
    ledger,
    people,
    poam,
    poam_export,
    poam_file,
    poam_writing,
    policy,
    registries,
    service_settings,
    services,
)
from portal.pages.appearance import appearance
from portal.pages.dashboard import dashboard
from portal.pages.signing_in import sign_in
from portal.pages.time_machine import time_machine

urlpatterns: list[URLPattern | URLResolver] = [
    path("", dashboard, name="dashboard"),
    # Run
    path("services/", services.index, name="services"),
    path("services/add/", add_service.add, name="service-add"),
    path("services/add/<int:pk>/", add_service.choose, name="service-add-choose"),
    path("services/<int:pk>/", services.service, name="service"),
    path("services/<int:pk>/settings/", service_settings.change, name="service-settings"),
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
    path("poam/", poam.index, name="poam"),
    path("poam/new/", poam_writing.new, name="poam-new"),
    path("poam/explain/", poam_writing.explain, name="poam-explain"),
    path("poam/export/", poam_export.export, name="poam-export"),
    path("poam/import/", poam_file.bring_in, name="poam-import"),
    path("poam/import/take-over/", poam_file.take_over, name="poam-import-take-over"),
    path("poam/<int:number>/", poam.item, name="poam-item"),
    path("poam/<int:number>/edit/", poam_writing.edit, name="poam-edit"),
    path("poam/<int:number>/request/", poam.request_approval, name="poam-request"),
    path("poam/<int:number>/take-back/", poam.take_back, name="poam-take-back"),
    path("poam/<int:number>/approve/", poam.approve, name="poam-approve"),
    path("poam/<int:number>/reject/", poam.reject, name="poam-reject"),
    path("poam/<int:number>/extend/", poam.extend, name="poam-extend"),
    path("poam/<int:number>/extend/approve/", poam.approve_extension, name="poam-approve-extension"),
    path("poam/<int:number>/extend/reject/", poam.reject_extension, name="poam-reject-extension"),
    path("poam/<int:number>/mitigate/", poam.mitigate, name="poam-mitigate"),
    path("poam/<int:number>/close/", poam.close, name="poam-close"),
    path("poam/<int:number>/comments/", poam.comment, name="poam-comment"),
    path("poam/<int:number>/milestones/", poam.add_milestone, name="poam-milestone-add"),
    path("poam/<int:number>/milestones/<int:pk>/done/", poam.milestone_done, name="poam-milestone-done"),
    path("poam/<int:number>/milestones/<int:pk>/open/", poam.milestone_open, name="poam-milestone-open"),
    path("policy/", policy.index, name="policy"),
    path("policy/when/", time_machine, name="time-machine"),
    re_path(f"^policy/(?P<environment>{'|'.join(ENVIRONMENTS)})/$", policy.index, name="policy-of"),
    re_path(f"^policy/(?P<environment>{'|'.join(ENVIRONMENTS)})/change/$", policy.change, name="policy-change"),
    re_path(f"^policy/(?P<environment>{'|'.join(ENVIRONMENTS)})/explain/$", policy.explain, name="policy-explain"),
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
