"""What a chat request may hold, and how a conversation reads as a file."""

import json
import os
from collections.abc import Iterable
from typing import Any, NamedTuple

from .folders import Folder, pieces_of
from .wire import Refusal

BODY_BYTES = 512 * 1024
MESSAGES = 200
ATTACHED_BYTES = 100 * 1024
ATTACHED_FILES = 5
_ROLES = {"user", "assistant", "system"}
_SPEAKERS = {"user": "You", "assistant": "Chatbot", "system": "Instructions"}


class Message(NamedTuple):
    role: str
    content: str


def parse(pieces: Iterable[bytes]) -> tuple[list[Message], list[str]]:
    """The messages and the names of the files that go with the last one."""
    try:
        body = json.loads(b"".join(pieces))
    except (ValueError, RecursionError) as error:
        raise Refusal(400, "The body is not JSON.") from error
    if not isinstance(body, dict):
        raise Refusal(422, "The body must be an object with messages.")
    return _messages(body.get("messages")), _names(body.get("files", []))


def _messages(raw: Any) -> list[Message]:
    if not isinstance(raw, list) or not 1 <= len(raw) <= MESSAGES:
        raise Refusal(422, f"messages must be a list of 1 to {MESSAGES}.")
    for one in raw:
        if not isinstance(one, dict) or not (isinstance(one.get("role"), str) and one["role"] in _ROLES):
            raise Refusal(422, "Each message needs a role: user, assistant or system.")
        if not isinstance(one.get("content"), str):
            raise Refusal(422, "Each message needs its content as text.")
    messages = [Message(one["role"], one["content"]) for one in raw]
    if not messages[-1].content.strip():
        raise Refusal(422, "The last message is empty.")
    return messages


def _names(raw: Any) -> list[str]:
    if not isinstance(raw, list) or len(raw) > ATTACHED_FILES or not all(isinstance(name, str) for name in raw):
        raise Refusal(422, f"files must be a list of at most {ATTACHED_FILES} names.")
    return raw


def with_files(messages: list[Message], names: list[str], uploads: Folder) -> list[Message]:
    """The files' text stands before the last message."""
    if not names:
        return messages
    texts = [f"File {name}:\n{_text(name, uploads)}" for name in names]
    return [*messages[:-1], Message("user", "\n\n".join(texts)), messages[-1]]


def _text(name: str, uploads: Folder) -> str:
    descriptor, size = uploads.open(name)
    if size > ATTACHED_BYTES:
        os.close(descriptor)
        raise Refusal(422, f"{name} is too long to go with a message: at most {ATTACHED_BYTES // 1024} KiB.")
    try:
        return b"".join(pieces_of(descriptor, size)).decode()
    except UnicodeDecodeError as error:
        raise Refusal(422, f"{name} is not text in UTF-8.") from error


def as_markdown(messages: list[Message]) -> bytes:
    parts = [f"## {_SPEAKERS[message.role]}\n\n{message.content}\n" for message in messages]
    return "\n".join(parts).encode("utf-8", "replace")
