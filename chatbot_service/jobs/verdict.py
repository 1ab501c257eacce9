"""Is it well? Judges a container from probes and from what Docker says of it. Pure."""

from dataclasses import dataclass

from chatbot_service.jobs.ports import ContainerFacts, Healthcheck, ProbeResult

PASSES_IN_A_ROW = 3
MOST_SAID = 300
MOST_RELAPSES = 2
"""A container that passed, failed, passed and failed again is flapping."""


@dataclass(frozen=True)
class Judgement:
    """Exactly one of three: still open (neither), `serving`, or failed (`fault` in words)."""

    serving: bool = False
    fault: str = ""


class Judge:
    """Fed with each probe and each look at the container; `start` is what the container was like at the start."""

    def __init__(self, check: Healthcheck, restarts_before: int = 0) -> None:
        self._check = check
        self._restarts_before = restarts_before
        self._passes = 0
        self._failures = 0
        self._relapses = 0
        self._ever_passed = False
        self.last_output = ""

    @property
    def passed_last(self) -> bool:
        """Whether the last probe passed; false if there was none."""
        return self._passes > 0

    def look(self, container: ContainerFacts | None) -> Judgement:
        """What can be said from the container's state alone."""
        if container is None:
            return Judgement(fault="the container is gone")
        if container.oom_killed:
            return Judgement(fault="it was killed for using more memory than its limit")
        if container.restart_count > self._restarts_before:
            return Judgement(fault=f"it exits and is restarted ({container.restart_count} times){_tail(container.error)}")
        if not container.running:
            return Judgement(fault=f"it exited with code {container.exit_code}{_tail(container.error)}")
        if container.health == "unhealthy":
            return Judgement(fault=f"Docker calls it unhealthy{_tail(container.last_probe_output or self.last_output)}")
        return Judgement()

    def probed(self, probe: ProbeResult) -> Judgement:
        """One run of the container's own healthcheck."""
        self.last_output = probe.output.strip()
        if probe.passed:
            self._passes += 1
            self._failures = 0
            self._ever_passed = True
            return Judgement(serving=self._passes >= PASSES_IN_A_ROW)
        if self._ever_passed and self._failures == 0:
            self._relapses += 1
        self._failures += 1
        self._passes = 0
        if self._relapses >= MOST_RELAPSES:
            return Judgement(fault=f"it flaps: it was well and fell ill {self._relapses} times{_tail(self.last_output)}")
        if self._ever_passed and self._failures > self._check.retries:
            return Judgement(fault=f"it was well and then failed {self._failures} probes in a row{_tail(self.last_output)}")
        return Judgement()


def _tail(words: str) -> str:
    clean = " ".join(words.split())
    return f": “{clean if len(clean) <= MOST_SAID else clean[: MOST_SAID - 1] + '…'}”" if clean else ""
