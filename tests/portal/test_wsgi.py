"""What arrives from the wire before Django has it: whatever charset it names, an answer and no fault."""

from typing import Any

import pytest
from django.test import RequestFactory

from portal.wsgi import application

pytestmark = pytest.mark.django_db


def status_of(environ: dict[str, Any]) -> int:
    told: list[str] = []
    list(application(environ, lambda status, _headers, *_: told.append(status)))
    return int(told[0].split()[0])


@pytest.mark.parametrize("charset", ["hex", "base64", "rot13", "idna", "undefined", "utf-16", "raw_unicode_escape", "latin-1"])
def test_a_charset_that_is_not_utf8_is_no_way_in_and_no_fault(charset: str) -> None:
    kind = f"multipart/form-data; boundary=X; charset={charset}"
    part = b'--X\r\nContent-Disposition: form-data; name="username"\r\n\r\na\\ud800\r\n--X--\r\n'
    assert status_of(RequestFactory().generic("GET", "/sign-in/?next=%5cud800", content_type=kind).environ) == 200
    assert status_of(RequestFactory().generic("POST", "/sign-in/", part, kind).environ) == 403


@pytest.mark.parametrize(
    "kind", ["text/plain; charset", "text/plain; charset=", "; charset*=hex''%41", "text/plain; x*=a'b", "x" * 9000]
)
def test_a_content_type_that_is_none_is_no_fault(kind: str) -> None:
    assert status_of(RequestFactory().generic("GET", "/sign-in/", content_type=kind).environ) == 200
