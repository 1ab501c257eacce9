"""Whatever a cookie calls itself, it is a session of ours or none."""

import pytest
from django.contrib.auth.models import User
from django.test import Client

from portal.sessions import SessionStore
from tests.portal.looking import window


@pytest.mark.parametrize("key", ["aaaaaaaa\x00", "aaaaaaaa\u202e", "a" * 7, "aaaaaaaa'--", "\u0661" * 8])
def test_a_key_that_cannot_be_ours_is_not_looked_for(key: str) -> None:
    assert SessionStore(key).session_key is None


@pytest.mark.django_db
def test_a_quoted_cookie_with_nul_is_a_stranger() -> None:
    answer = Client().get("/", headers={"cookie": r'sessionid="aaaaaaaa\000"'})
    assert answer.headers["Location"] == "/sign-in/?next=/"


def test_a_session_of_ours_is_known(viewer: User) -> None:
    assert window(viewer).get("/services/").status_code == 200
