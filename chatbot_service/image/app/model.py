"""Asks an OpenRouter-compatible API and streams what it says. Imported with the first question.

Neither the key nor what the API says about a failure reaches a log or a page: only its status, in words.
"""

import http.client
import json
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

from . import log
from .conversation import Message
from .settings import Settings

ANSWER_BYTES = 4 * 1024 * 1024
ANSWER_SECONDS = 600.0
_LONGEST_WAIT = 60.0
_LINE_BYTES = 1024 * 1024
_PASSING = {408, 409, 425, 429, 500, 502, 503, 504, 529}
_WORDS = {
    400: "did not understand the question",
    401: "refused the key",
    402: "says that there is no credit left",
    403: "refused the key",
    404: "does not know this address or model",
    413: "finds the conversation too long",
    429: "is limiting requests",
}

Event = dict[str, str]
"""One line of the answer: {"text": …}, {"notice": …} (what is being waited for) or {"error": …} (the last one)."""


class _Failed(Exception):
    def __init__(self, words: str, *, passing: bool) -> None:
        super().__init__(words)
        self.words = words
        self.passing = passing


def ask(settings: Settings, messages: list[Message]) -> Iterator[Event]:
    if not settings.api_key:
        yield from _echo(messages)
        return
    for attempt in range(settings.retries + 1):
        try:
            response = _post(settings, messages)
        except _Failed as failure:
            log.warning(f"attempt {attempt + 1}: the model API {failure.words}")
            if not failure.passing or attempt == settings.retries:
                yield {"error": f"The model API {failure.words}."}
                return
            pause = min(settings.backoff * 2**attempt, _LONGEST_WAIT)
            yield {"notice": f"The model API {failure.words}. Next try in {pause:g} s."}
            time.sleep(pause)
            continue
        yield from _stream(response)
        return


def _echo(messages: list[Message]) -> Iterator[Event]:
    yield {"notice": "OPENROUTER_API_KEY is not set, so this is an echo."}
    for word in messages[-1].content.split(" "):
        yield {"text": f"{word} "}


def _post(settings: Settings, messages: list[Message]) -> http.client.HTTPResponse:
    url = urlsplit(settings.base_url)
    kind = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
    body = {"model": settings.model, "stream": True, "messages": [message._asdict() for message in messages]}
    headers = {
        "Authorization": f"Bearer {settings.api_key.reveal()}",
        "Content-Type": "application/json",
        "Accept": "text/event-stream",
    }
    try:
        connection = kind(url.netloc, timeout=settings.timeout)
        connection.request("POST", f"{url.path}/chat/completions", json.dumps(body), headers)
        response = connection.getresponse()
    except TimeoutError as error:
        raise _Failed(f"did not answer within {settings.timeout:g} s", passing=True) from error
    except (OSError, http.client.HTTPException) as error:
        raise _Failed(f"could not be reached ({_kind(error)})", passing=True) from error
    if response.status == http.HTTPStatus.OK:
        return response
    words = _WORDS.get(response.status, f"answered with status {response.status}")
    connection.close()
    raise _Failed(words, passing=response.status in _PASSING)


def _kind(error: Exception) -> str:
    return getattr(error, "strerror", None) or type(error).__name__


def _stream(response: http.client.HTTPResponse) -> Iterator[Event]:
    """Server-sent events; anything else in the stream is passed over."""
    deadline = time.monotonic() + ANSWER_SECONDS
    read = 0
    try:
        while line := response.readline(_LINE_BYTES):
            read += len(line)
            if read > ANSWER_BYTES or time.monotonic() > deadline:
                yield {"error": "The answer is too long and was cut off here."}
                return
            if line.strip() == b"data: [DONE]":
                return
            if line.startswith(b"data:") and (event := _event(line[5:])):
                yield event
                if "error" in event:
                    return
    except (OSError, http.client.HTTPException) as error:
        log.warning(f"the model API stopped in the middle of an answer ({_kind(error)})")
        yield {"error": "The model API stopped in the middle of its answer."}
    finally:
        response.close()


def _event(data: bytes) -> Event | None:
    try:
        chunk = json.loads(data)
        if "error" in chunk:
            return {"error": "The model API reported an error in the middle of its answer."}
        text = chunk["choices"][0]["delta"].get("content")
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError):
        return None
    return {"text": text} if isinstance(text, str) and text else None
