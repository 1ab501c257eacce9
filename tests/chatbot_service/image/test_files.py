import os
import socket
import time
from pathlib import Path
from urllib.parse import quote

import pytest

from chatbot_service.image.app.folders import FILES
from tests.chatbot_service.image.chatbot import Chatbot, as_nobody_owns
from tests.chatbot_service.image.conftest import Start

MIB = 1024 * 1024


def put(bot: Chatbot, name: str, body: bytes = b"content") -> int:
    return bot.ask("PUT", f"/files/uploads/{name}", body).status


def test_a_file_comes_back_as_it_was_sent(bot: Chatbot) -> None:
    content = os.urandom(3 * MIB)
    assert put(bot, "data.bin", content) == 201
    reply = bot.ask("GET", "/files/uploads/data.bin")
    assert reply.body == content
    assert reply.headers["content-disposition"] == "attachment; filename*=UTF-8''data.bin"
    assert reply.headers["content-type"] == "application/octet-stream"


def test_names_of_people_and_blanks_are_fine(bot: Chatbot, home: Path) -> None:
    assert put(bot, quote("Zoë’s notes (2).txt")) == 201
    assert (home / "uploads" / "Zoë’s notes (2).txt").read_bytes() == b"content"
    [file] = bot.ask("GET", "/files/uploads").json["files"]
    assert (file["name"], file["size"]) == ("Zoë’s notes (2).txt", 7)


@pytest.mark.parametrize(
    "name",
    [
        "..", ".", ".hidden", "..%2Flog", "%2Fetc%2Fpasswd", "a%2F..%2F..%2Flog", "..%5Clog", "%00", "a%00.txt", "a%0Ab",
        "%E2%80%AEtxt.exe", "%20", "a%20", "x" * 121, quote("é" * 61), "%FF", "",
    ],
)  # fmt: skip
def test_a_name_that_is_no_plain_name_is_refused(bot: Chatbot, home: Path, name: str) -> None:
    before = sorted(str(path) for path in home.rglob("*"))
    assert put(bot, name) == 400
    assert bot.ask("GET", f"/files/uploads/{name}").status == 400
    assert bot.ask("DELETE", f"/files/uploads/{name}").status == 400
    assert sorted(str(path) for path in home.rglob("*")) == before


@pytest.mark.parametrize(
    "path", ["/files/uploads/../log", "/files/uploads/a/b", "/files/../log", "/files/other/a", "//files/uploads/a"]
)
def test_a_path_that_leads_elsewhere_leads_nowhere(bot: Chatbot, path: str) -> None:
    assert bot.ask("PUT", path, b"x").status in {400, 404, 405}
    assert bot.ask("GET", path).status == 404


@pytest.mark.parametrize("folder", ["uploads", "exports"])
def test_links_are_neither_listed_nor_read_nor_written_through(bot: Chatbot, home: Path, folder: str) -> None:
    secret = home / "secret"
    secret.write_text("secret")
    secret.chmod(0o666)
    (home / folder / "link").symlink_to(secret)
    assert bot.ask("GET", f"/files/{folder}").json["files"] == []
    assert bot.ask("GET", f"/files/{folder}/link").status == 404
    assert bot.ask("DELETE", f"/files/{folder}/link").status == 404
    if folder == "uploads":
        assert put(bot, "link") == 409
    assert secret.read_text() == "secret"


def test_pipes_and_folders_are_no_files(bot: Chatbot, home: Path) -> None:
    os.mkfifo(home / "uploads" / "pipe", 0o666)
    (home / "uploads" / "folder").mkdir()
    assert bot.ask("GET", "/files/uploads").json["files"] == []
    for name in ("pipe", "folder"):
        assert bot.ask("GET", f"/files/uploads/{name}").status == 404
        assert bot.ask("DELETE", f"/files/uploads/{name}").status == 404


def test_a_file_that_is_too_big_is_refused_with_the_limit_and_leaves_nothing(bot: Chatbot, home: Path) -> None:
    reply = bot.ask("PUT", "/files/uploads/big", b"x" * (10 * MIB + 1))
    assert reply.status == 413
    assert "at most 10.0 MiB" in reply.json["error"]
    assert list((home / "uploads").iterdir()) == []


def test_a_file_of_just_the_limit_is_kept(bot: Chatbot) -> None:
    assert put(bot, "just", b"x" * (10 * MIB)) == 201


def test_an_empty_file_is_a_file(bot: Chatbot) -> None:
    assert put(bot, "empty", b"") == 201
    assert bot.ask("GET", "/files/uploads/empty").body == b""


def test_a_file_without_its_length_is_refused(bot: Chatbot) -> None:
    assert b" 411 " in bot.raw(b"PUT /files/uploads/a HTTP/1.1\r\nHost: x\r\n\r\n")
    chunked = b"PUT /files/uploads/a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"
    assert b" 411 " in bot.raw(chunked)


def test_an_upload_that_breaks_off_leaves_nothing(bot: Chatbot, home: Path) -> None:
    with socket.create_connection(("127.0.0.1", bot.port)) as connection:
        connection.sendall(b"PUT /files/uploads/a HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf")
    time.sleep(0.2)
    assert list((home / "uploads").iterdir()) == []


def test_what_a_kill_in_an_upload_left_is_removed_at_the_next_start(start: Start, home: Path) -> None:
    (home / "uploads").mkdir()
    as_nobody_owns(home / "uploads")
    (home / "uploads" / ".unfinished-0123").write_bytes(b"half")
    (home / "uploads" / "kept.txt").write_bytes(b"kept")
    bot = start()
    assert [file["name"] for file in bot.ask("GET", "/files/uploads").json["files"]] == ["kept.txt"]
    assert [path.name for path in (home / "uploads").iterdir()] == ["kept.txt"]


def test_a_file_is_never_replaced(bot: Chatbot) -> None:
    put(bot, "a", b"first")
    assert put(bot, "a", b"second") == 409
    assert bot.ask("GET", "/files/uploads/a").body == b"first"


def test_a_removed_file_is_gone(bot: Chatbot) -> None:
    put(bot, "a")
    assert bot.ask("DELETE", "/files/uploads/a").status == 204
    assert bot.ask("GET", "/files/uploads/a").status == 404
    assert bot.ask("DELETE", "/files/uploads/a").status == 404


def test_another_sites_page_can_neither_add_nor_remove(bot: Chatbot) -> None:
    put(bot, "a")
    foreign = {"Origin": "https://elsewhere.example"}
    assert bot.ask("PUT", "/files/uploads/b", b"x", foreign).status == 403
    assert bot.ask("DELETE", "/files/uploads/a", headers=foreign).status == 403
    assert [file["name"] for file in bot.ask("GET", "/files/uploads").json["files"]] == ["a"]


def test_a_full_folder_takes_no_more(bot: Chatbot, home: Path) -> None:
    for number in range(FILES):
        (home / "uploads" / f"{number}").touch()
    assert put(bot, "one-more") == 507
    bot.ask("DELETE", "/files/uploads/0")
    assert put(bot, "one-more") in {201, 507}


def test_exports_take_no_uploads(bot: Chatbot) -> None:
    assert bot.ask("PUT", "/files/exports/a", b"x").status == 405


def test_uploads_can_be_switched_off(start: Start) -> None:
    reply = start(ENABLE_FILE_UPLOADS="false").ask("PUT", "/files/uploads/a", b"x")
    assert (reply.status, reply.json["error"]) == (403, "Uploads are switched off (ENABLE_FILE_UPLOADS).")
