"""A running chatbot and the model API it asks."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.chatbot_service.image import chatbot, model_api
from tests.chatbot_service.image.chatbot import Chatbot
from tests.chatbot_service.image.model_api import ModelApi

Start = Callable[..., Chatbot]


@pytest.fixture
def home() -> Iterator[Path]:
    with chatbot.home_of_nobody() as place:
        yield place


@pytest.fixture
def start(home: Path) -> Iterator[Start]:
    """Starts a chatbot with the environment given and waits until it listens; `up=False` does not wait."""
    begun: list[Chatbot] = []

    def begin(*, up: bool = True, **environment: str) -> Chatbot:
        one = chatbot.start(home, **environment)
        begun.append(one)
        if up:
            chatbot.wait_until_up(one)
        return one

    yield begin
    for one in begun:
        one.process.kill()
        one.process.wait()


@pytest.fixture
def bot(start: Start) -> Chatbot:
    """Without a key: it echoes."""
    return start()


@pytest.fixture
def api() -> Iterator[ModelApi]:
    with model_api.running() as one:
        yield one


@pytest.fixture
def asking(start: Start, api: ModelApi) -> Chatbot:
    """With a key, asking `api`; quick retries."""
    return start(
        OPENROUTER_API_KEY="sk-or-a-secret", OPENROUTER_BASE_URL=api.url, OPENROUTER_MODEL="some/model",
        REQUEST_TIMEOUT_SECONDS="1", MAX_RETRIES="2", RETRY_BACKOFF_SECONDS="0.1",
    )  # fmt: skip
