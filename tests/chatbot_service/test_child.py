"""Other programs run by the worker: heard to the end, stopped at once where that is safe, streamed in bounded memory."""

import os
import sys
import time
from collections.abc import Iterator

import pytest

from chatbot_service.child import Command, Ran, pieces, run


def python(text: str, seconds: float = 20, *, stops: bool = False) -> Command:
    return Command([sys.executable, "-S", "-c", text], {}, seconds, stops=stops)


def drained(stream: Iterator[bytes]) -> tuple[int, Ran]:
    """How many bytes came, and how it ended."""
    total = 0
    while True:
        try:
            total += len(next(stream))
        except StopIteration as ended:
            return total, ended.value


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


# Lines


def test_a_long_output_is_heard_to_its_end_though_only_its_beginning_is_kept() -> None:
    heard: list[str] = []
    ran = run(python("for n in range(2000): print(n)"), heard.append)
    assert heard == [str(n) for n in range(2000)]
    assert ran.lines == tuple(str(n) for n in range(500))


def test_a_listener_can_stop_the_child_at_once() -> None:
    def cancelled(_: str) -> None:
        raise KeyError("cancelled")

    begun = time.monotonic()
    with pytest.raises(KeyError, match="cancelled"):
        run(python("import time; print(1, flush=True); time.sleep(20)", stops=True), cancelled)
    assert time.monotonic() - begun < 1


def test_a_child_that_says_nothing_can_be_stopped_as_well() -> None:
    begun = time.monotonic()

    def cancelled() -> None:
        if time.monotonic() - begun > 0.3:
            raise KeyError("cancelled")

    with pytest.raises(KeyError, match="cancelled"):
        run(python("import time; time.sleep(20)", stops=True), tick=cancelled)
    assert time.monotonic() - begun < 1.5


# Streams


def test_a_stream_arrives_whole_with_what_was_said_beside_it() -> None:
    text = "import sys; sys.stdout.buffer.write(b'x' * 3_000_000); print('careful', file=sys.stderr); sys.exit(3)"
    total, ran = drained(pieces(python(text)))
    assert (total, ran.exit_code, ran.lines, ran.in_time) == (3_000_000, 3, ("careful",), True)


def test_a_child_waits_until_somebody_takes_its_next_piece() -> None:
    stream = pieces(python("import os\nwhile True: os.write(1, b'x' * 65536)"), most=65536)
    assert len(next(stream)) <= 65536
    time.sleep(0.3)
    assert len(next(stream)) <= 65536
    stream.close()


def test_a_stream_that_is_given_up_ends_its_child() -> None:
    stream = pieces(python("import os, time; print(os.getpid(), flush=True); time.sleep(20)"))
    pid = int(next(stream))
    assert alive(pid)
    stream.close()
    assert not alive(pid)


def test_a_stream_that_stalls_is_ended_in_time() -> None:
    begun = time.monotonic()
    total, ran = drained(pieces(python("import time; print(1, flush=True); time.sleep(20)", seconds=0.4)))
    assert (total, ran.in_time) == (2, False)
    assert time.monotonic() - begun < 2


def test_a_stream_that_complains_can_be_stopped_at_once() -> None:
    def enough(line: str) -> None:
        raise KeyError(line)

    text = "import sys, time; print('again', file=sys.stderr, flush=True); time.sleep(20)"
    begun = time.monotonic()
    with pytest.raises(KeyError, match="again"):
        drained(pieces(python(text, stops=True), enough))
    assert time.monotonic() - begun < 1.5


def test_a_program_that_is_not_there_is_told() -> None:
    _, ran = drained(pieces(Command(["/nowhere/restic"], {}, 1)))
    assert ran.exit_code == 127
    assert "No such file" in ran.lines[0]
