"""A person's window on the portal, and what they read in it."""

import html
import re
from typing import Any

from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from deploy_records.models import AuditEvent


def window(of: User) -> Client:
    client = Client()
    client.force_login(of)
    return client


def text_of(answer: Any) -> str:
    """Without tags and explanations of words, in single spaces; a number and its unit apart by a plain one."""
    closed = re.sub(r'<span class="kg-term-says".*?</span>', "", answer.content.decode())
    bare = html.unescape(re.sub(r"<[^>]*>", "", re.sub(r'</t[hd]>|<span class="kg-note-s">', " ", closed)))
    return re.sub(r"\s+", " ", bare.replace("\N{NO-BREAK SPACE}", " "))


def queries(client: Client, address: str) -> int:
    """How many it takes to answer."""
    with CaptureQueriesContext(connection) as captured:
        assert client.get(address).status_code == 200
    return len(captured)


def last_refusal() -> AuditEvent:
    return AuditEvent.objects.filter(action="refused").latest("sequence")
