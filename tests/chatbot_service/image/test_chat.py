import http.client
import json
import socket
import time
from typing import Any

import pytest

from tests.chatbot_service.image import model_api
from tests.chatbot_service.image.chatbot import Chatbot
from tests.chatbot_service.image.conftest import Start
from tests.chatbot_service.image.model_api import ModelApi


def question(text: str = "hello there", **more: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}], **more}


def text_of(lines: list[dict[str, Any]]) -> str:
    return "".join(line.get("text", "") for line in lines)


def test_without_a_key_it_says_so_and_echoes(bot: Chatbot) -> None:
    lines = bot.ask("POST", "/chat", question()).lines
    assert lines[0] == {"notice": "OPENROUTER_API_KEY is not set, so this is an echo."}
    assert text_of(lines).strip() == "hello there"
    assert lines[-1] == {"end": True}


def test_the_model_is_asked_with_key_model_and_conversation(asking: Chatbot, api: ModelApi) -> None:
    api.script = [model_api.streams("Good ", "day")]
    lines = asking.ask("POST", "/chat", question()).lines
    assert text_of(lines) == "Good day"
    assert lines[-1] == {"end": True}
    [asked] = api.asked
    assert asked["path"] == "/api/v1/chat/completions"
    assert asked["key"] == "Bearer sk-or-a-secret"
    assert asked["body"] == {"model": "some/model", "stream": True, **question()}


def test_the_answer_arrives_while_the_model_still_writes(asking: Chatbot, api: ModelApi) -> None:
    def slowly(handler: Any) -> None:
        model_api.streams("first", end=False)(handler)
        for _ in range(10):
            time.sleep(0.2)
            handler.wfile.write(b": still thinking\n\n")
        handler.wfile.write(b"data: [DONE]\n\n")

    api.script = [slowly]
    connection = http.client.HTTPConnection("127.0.0.1", asking.port, timeout=10)
    connection.request("POST", "/chat", json.dumps(question()), {"Content-Type": "application/json"})
    begun = time.monotonic()
    response = connection.getresponse()
    assert json.loads(response.readline()) == {"text": "first"}
    assert time.monotonic() - begun < 1.5
    response.read()
    connection.close()


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503])
def test_a_passing_failure_is_tried_again_after_a_growing_pause(asking: Chatbot, api: ModelApi, status: int) -> None:
    api.script = [status, status, model_api.streams("at last")]
    lines = asking.ask("POST", "/chat", question()).lines
    assert text_of(lines) == "at last"
    assert [line["notice"].rpartition(". ")[2] for line in lines if "notice" in line] == [
        "Next try in 0.1 s.",
        "Next try in 0.2 s.",
    ]
    first, second, third = api.at
    assert second - first >= 0.1
    assert third - second >= 0.2


def test_after_the_last_retry_it_says_what_failed(asking: Chatbot, api: ModelApi) -> None:
    api.script = [503]
    lines = asking.ask("POST", "/chat", question()).lines
    assert len(api.asked) == 3
    assert lines[-2] == {"error": "The model API answered with status 503."}


@pytest.mark.parametrize(
    ("status", "words"),
    [(401, "refused the key"), (402, "says that there is no credit left"), (404, "does not know this address or model")],
)
def test_a_lasting_failure_is_not_tried_again(asking: Chatbot, api: ModelApi, status: int, words: str) -> None:
    api.script = [status]
    lines = asking.ask("POST", "/chat", question()).lines
    assert lines[0] == {"error": f"The model API {words}."}
    assert len(api.asked) == 1


def test_a_redirect_is_not_followed_as_the_key_would_go_along(asking: Chatbot, api: ModelApi) -> None:
    api.script = [302]
    lines = asking.ask("POST", "/chat", question()).lines
    assert lines[0] == {"error": "The model API answered with status 302."}
    assert len(api.asked) == 1


def test_silence_ends_after_the_timeout(asking: Chatbot, api: ModelApi) -> None:
    api.script = [model_api.waits(2.5)]
    begun = time.monotonic()
    lines = asking.ask("POST", "/chat", question()).lines
    assert lines[-2] == {"error": "The model API did not answer within 1 s."}
    assert time.monotonic() - begun < 8


def test_an_api_that_is_not_there_is_told(start: Start) -> None:
    bot = start(OPENROUTER_API_KEY="sk-or-a-secret", OPENROUTER_BASE_URL="http://127.0.0.1:1", MAX_RETRIES="0")
    lines = bot.ask("POST", "/chat", question()).lines
    assert lines[0] == {"error": "The model API could not be reached (Connection refused)."}


def test_an_answer_cut_off_in_the_middle_is_told(asking: Chatbot, api: ModelApi) -> None:
    def cut(handler: Any) -> None:
        model_api.streams("half an ans", end=False)(handler)
        time.sleep(2.0)

    api.script = [cut]
    lines = asking.ask("POST", "/chat", question()).lines
    assert text_of(lines) == "half an ans"
    assert lines[-2] == {"error": "The model API stopped in the middle of its answer."}


def test_an_error_in_the_stream_ends_it_without_its_wording(asking: Chatbot, api: ModelApi) -> None:
    api.script = [model_api.writes(b'data: {"error": {"message": "sk-secret"}}\n\n')]
    reply = asking.ask("POST", "/chat", question())
    assert reply.lines[0] == {"error": "The model API reported an error in the middle of its answer."}
    assert b"sk-secret" not in reply.body


def test_nonsense_in_the_stream_is_passed_over(asking: Chatbot, api: ModelApi) -> None:
    deep = b"[" * 100_000
    api.script = [
        model_api.writes(b'data: {\n\ndata: 5\n\ndata: {"choices": []}\n\nevent: x\n\ndata: ' + deep + b"\n\ndata: [DONE]\n\n")
    ]
    assert asking.ask("POST", "/chat", question()).lines == [{"end": True}]


def test_what_the_api_says_about_a_failure_stays_out_of_answer_and_log(asking: Chatbot, api: ModelApi) -> None:
    api.script = [500]
    reply = asking.ask("POST", "/chat", question())
    assert b"sk-secret" not in reply.body
    assert "sk-" not in asking.said


def test_a_file_goes_along_as_text(asking: Chatbot, api: ModelApi) -> None:
    api.script = [model_api.streams("read")]
    asking.ask("PUT", "/files/uploads/notes.txt", b"three notes")
    asking.ask("POST", "/chat", question("what is in it?", files=["notes.txt"]))
    messages = api.asked[0]["body"]["messages"]
    assert [message["content"] for message in messages] == ["File notes.txt:\nthree notes", "what is in it?"]


@pytest.mark.parametrize(
    ("body", "status", "sentence"),
    [
        (b"{", 400, "The body is not JSON."),
        (b"[" * 100_000, 400, "The body is not JSON."),
        (b"[]", 422, "The body must be an object with messages."),
        (b"{}", 422, "messages must be a list of 1 to 200."),
        (b'{"messages": []}', 422, "messages must be a list of 1 to 200."),
        (b'{"messages": [{"role": ["user"], "content": "x"}]}', 422, "Each message needs a role: user, assistant or system."),
        (b'{"messages": [{"role": "user", "content": 5}]}', 422, "Each message needs its content as text."),
        (b'{"messages": [{"role": "user", "content": "  "}]}', 422, "The last message is empty."),
        (b'{"messages": [{"role": "user", "content": "x"}], "files": "a"}', 422, "files must be a list of at most 5 names."),
        (b'{"messages": [{"role": "user", "content": "x"}], "files": ["a"]}', 404, "There is no file a here."),
        (b'{"messages": [{"role": "user", "content": "x"}], "files": ["../log"]}', 400, "A file name has no slashes"),
    ],
)
def test_a_question_out_of_order_is_refused_in_words(bot: Chatbot, body: bytes, status: int, sentence: str) -> None:
    reply = bot.ask("POST", "/chat", body, {"Content-Type": "application/json"})
    assert reply.status == status
    assert reply.json["error"].startswith(sentence)


def test_a_file_that_is_no_text_is_refused(bot: Chatbot) -> None:
    bot.ask("PUT", "/files/uploads/picture.png", b"\x89PNG\xff")
    reply = bot.ask("POST", "/chat", question(files=["picture.png"]))
    assert (reply.status, reply.json["error"]) == (422, "picture.png is not text in UTF-8.")


def test_a_conversation_that_is_too_long_is_refused_before_it_is_read(bot: Chatbot) -> None:
    reply = bot.ask("POST", "/chat", question("x" * 600_000))
    assert reply.status == 413
    assert "512 KiB" in reply.json["error"]


@pytest.mark.parametrize("path", ["/chat", "/export"])
def test_another_sites_page_cannot_ask(bot: Chatbot, path: str) -> None:
    foreign = bot.ask("POST", path, question(), {"Origin": "https://elsewhere.example"})
    assert foreign.status == 403
    form = bot.ask("POST", path, b'{"messages": []}', {"Content-Type": "text/plain"})
    assert form.status == 415
    own = bot.ask("POST", path, question(), {"Origin": f"http://127.0.0.1:{bot.port}"})
    assert own.status in {200, 201}


def test_an_export_is_kept_and_can_be_fetched(bot: Chatbot) -> None:
    name = bot.ask("POST", "/export", question("keep this")).json["name"]
    assert bot.ask("GET", f"/files/exports/{name}").body == b"## You\n\nkeep this\n"


def test_a_reader_who_leaves_does_not_hurt_the_service(bot: Chatbot) -> None:
    body = b'{"messages": [{"role": "user", "content": "' + b"word " * 50_000 + b'"}]}'
    head = b"POST /chat HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
    for _ in range(5):
        with socket.create_connection(("127.0.0.1", bot.port)) as connection:
            connection.sendall(head + body)
    assert bot.ask("GET", "/health").status == 200
    assert "Traceback" not in bot.said
    assert "broke" not in bot.said
