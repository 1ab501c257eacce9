"""Secrets at rest."""

import pytest
from cryptography.fernet import Fernet
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from chatbot_service.secrets import seal, unseal
from deploy_records.errors import Broken


@given(st.text(min_size=1))
def test_what_was_sealed_can_be_opened_and_is_not_in_the_seal(plain: str) -> None:
    sealed = seal(plain)
    assert unseal(sealed) == plain
    assert len(plain) < 8 or plain not in sealed


def test_nothing_stays_nothing() -> None:
    assert not seal("")
    assert not unseal("")


def test_an_old_key_of_the_ring_still_opens(settings: Settings) -> None:
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    settings.SECRETS_KEY = old
    sealed = seal("hunter2")
    settings.SECRETS_KEY = f"{new},{old}"
    assert unseal(sealed) == "hunter2"
    settings.SECRETS_KEY = new
    with pytest.raises(Broken, match="Enter it anew"):
        unseal(sealed)
