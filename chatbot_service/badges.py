"""A badge of a service's health that whoever knows its address may see; otherwise only who may see the service does."""

import secrets

from chatbot_service.dispatch import Request
from chatbot_service.models import PublicBadge, Service
from deploy_records import audit
from deploy_records.people import require

MAY_CHANGE = "chatbot_service.change_service"
_BYTES = 32


def make_public(service: Service, request: Request) -> PublicBadge:
    """The one there is, if there is one: its address stays."""
    person = require(request.person, MAY_CHANGE, "Making a badge public")
    with audit.changing():
        made, new = PublicBadge.objects.get_or_create(
            service=service, defaults={"token": secrets.token_urlsafe(_BYTES), "by": person}
        )
        if new:
            audit.record(request.actor, audit.Event("service.badge-public", **audit.about(service)))
    return made


def make_private(service: Service, request: Request) -> bool:
    """From now on its address shows nothing, for ever; a new one is another. False if there was none."""
    require(request.person, MAY_CHANGE, "Taking a public badge back")
    with audit.changing():
        gone, _each = PublicBadge.objects.filter(service=service).delete()
        if gone:
            audit.record(request.actor, audit.Event("service.badge-private", **audit.about(service)))
    return bool(gone)
