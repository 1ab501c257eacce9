from hypothesis import given
from hypothesis import strategies as st

from chatbot_service.health import blocks
from chatbot_service.health.blocks import MICRO, MOST_TEXT, SHORT, Event, Probe

START = 1_790_000_100 // 300 * 300
within = st.integers(START * MICRO, (START + 300) * MICRO - 1)
text = st.text(max_size=50).map(lambda said: said.encode("utf-8", "replace").decode())
probes = st.builds(Probe, st.sampled_from(["a" * 64, "b" * 64]), within, st.integers(0, 2**32 - 1), st.integers(-1, 255), text)
events = st.builds(Event, st.sampled_from(["a" * 64, "b" * 64]), within, text, st.integers(-1, 255), text)


@given(st.lists(probes, max_size=50))
def test_probes_come_back_as_they_were(found: list[Probe]) -> None:
    assert blocks.unpack_probes(START, blocks.pack_probes(START, found)) == found


@given(st.lists(events, max_size=50))
def test_events_come_back_as_they_were(found: list[Event]) -> None:
    assert blocks.unpack_events(START, blocks.pack_events(START, found)) == found


@given(st.lists(probes, max_size=30, unique_by=lambda one: one.key), st.integers(0, 30))
def test_whatever_is_told_again_is_kept_once(found: list[Probe], first: int) -> None:
    kept, fresh = blocks.merged([], found[:first], 100)
    everything, new = blocks.merged(kept, found, 100)
    assert everything == sorted(found, key=lambda one: one.key)
    assert len(fresh) + len(new) == len(found)


def test_a_block_has_room_for_so_many_and_drops_the_rest() -> None:
    found = [Probe("c", START * MICRO + number, 0, 0, "") for number in range(50)]
    kept, fresh = blocks.merged([], found, 20)
    assert len(kept) == len(fresh) == 20


def test_thirty_usual_probes_take_little_room() -> None:
    found = [Probe("c" * 64, START * MICRO + number * 10_061_733, 60_000 + number * 977 % 9000, 0, "ok") for number in range(29)]
    assert len(blocks.pack_probes(START, found)) < 29 * 12


def test_outputs_that_all_differ_are_cut_when_their_room_is_used_up() -> None:
    found = [Probe("c", START * MICRO + number, 0, 1, str(number) * 1000) for number in range(10, 99)]
    back = blocks.unpack_probes(START, blocks.pack_probes(START, found))
    assert [len(probe.output) for probe in back[:5]] == [2000] * 5
    assert {len(probe.output) for probe in back[-10:]} == {SHORT}
    assert sum(len(probe.output) for probe in back) < MOST_TEXT + 89 * SHORT
