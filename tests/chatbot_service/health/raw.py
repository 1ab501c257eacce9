"""Raw data as hypothesis makes it: changes of state, probes, events, within a few hours."""

from dataclasses import dataclass, field
from datetime import timedelta

from hypothesis import strategies as st

from chatbot_service.health.blocks import MICRO, Event, Probe, moment
from chatbot_service.health.runs import Change, Touch

BEGIN = 1_790_000_000 // 86400 * 86400 + 22 * 3600  # two hours before a midnight
HOURS = 5
_SECONDS = HOURS * 3600


@dataclass
class Raw:
    changes: list[Change] = field(default_factory=list)
    probes: list[Probe] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)


def _at(offset: int) -> int:
    return BEGIN * MICRO + offset


# Often on the edge of a bucket, where mistakes hide.
offsets = st.one_of(st.integers(0, _SECONDS * MICRO - 1), st.integers(0, HOURS * 12 - 1).map(lambda bucket: bucket * 300 * MICRO))
digests = st.sampled_from(["", "sha256:a", "sha256:b"])
states = st.sampled_from(["healthy", "unhealthy", "starting", "down", "stopped", "paused", "unknown"])
changes = st.builds(lambda at, state, digest: Change(moment(_at(at)), state, digest), offsets, states, digests)
probes = st.builds(
    lambda at, container, duration, code: Probe(container, _at(at), duration, code, "well" if code == 0 else "no answer"),
    offsets, st.sampled_from(["c1", "c2"]), st.integers(0, 90 * MICRO), st.sampled_from([0, 0, 0, 1, -1]),
)  # fmt: skip
events = st.builds(
    lambda at, container, action: Event(container, _at(at), action, 0, ""),
    offsets, st.sampled_from(["c1", "c2"]), st.sampled_from(["start", "die", "oom", "kill"]),
)  # fmt: skip
touches = st.builds(
    lambda at, length: Touch(moment(_at(at)), None if length is None else moment(_at(at)) + timedelta(seconds=length)),
    offsets, st.one_of(st.none(), st.integers(0, 4000)),
)  # fmt: skip
END = BEGIN + _SECONDS
UNTIL = moment(END * MICRO) + timedelta(seconds=60)
