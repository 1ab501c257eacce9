"""Who signed in, who tried to."""

import pytest
from django.test import Client

from deploy_records.models import AuditEvent
from tests import factories

pytestmark = pytest.mark.django_db

PASSWORD = "made-for-this-test"


def test_signing_in_and_out_are_events(client: Client) -> None:
    person = factories.person("Operator", name="olga")
    person.set_password(PASSWORD)
    person.save()
    client.post("/sign-in/", {"username": "olga", "password": PASSWORD})
    client.post("/sign-out/")
    said = AuditEvent.objects.order_by("sequence").values_list("action", "actor", "address")
    assert list(said) == [("person.signed_in", "olga", "127.0.0.1"), ("person.signed_out", "olga", "127.0.0.1")]


def test_a_refused_sign_in_is_an_event_without_the_password(client: Client) -> None:
    client.post("/sign-in/", {"username": "mallory\u202e", "password": PASSWORD})
    event = AuditEvent.objects.get(action="person.sign_in_refused")
    assert event.object_name.startswith("mallory")
    assert PASSWORD not in event.text
