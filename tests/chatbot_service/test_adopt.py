"""Taking a service under management: what runs is registered as a candidate, never approved, and recorded."""

import copy

from chatbot_service.jobs import adopt
from chatbot_service.jobs.step import Outcome, run_steps
from deploy_records.errors import Refused
from tests.chatbot_service.fakes import REPOSITORY, FakeMemory, FakeRecords, World, job_context
from tests.chatbot_service.test_upgrade import Told


def adopted(world: World, records: FakeRecords) -> FakeMemory:
    memory = FakeMemory()
    context = job_context(world, records, kind="adopt", memory=memory)
    assert run_steps(adopt.ADOPT_STEPS, context, Told()) is Outcome.SUCCEEDED
    return memory


def test_what_runs_becomes_a_candidate_and_is_recorded() -> None:
    world = World()
    image = world.add_image("1")
    world.run(image)
    records = FakeRecords(world)
    adopted(world, records)
    assert records.state_of(image) == "candidate"
    assert records.deployments == [image.digest]


def test_what_is_approved_already_and_healthy_is_known_good_at_once() -> None:
    world = World()
    image = world.add_image("1")
    world.run(image)
    records = FakeRecords(world)
    records.know(image, "approved")
    adopted(world, records)
    assert records.state_of(image) == "known-good"


def test_what_is_in_the_ledger_already_keeps_its_state() -> None:
    world = World()
    image = world.add_image("1")
    world.run(image)
    records = FakeRecords(world)
    records.know(image, "approved")
    adopted(world, records)
    assert records.state_of(image) != "candidate"
    assert world.calls["records.register"] == 0


def test_with_the_registry_down_it_is_taken_under_management_all_the_same() -> None:
    world = World()
    world.run(world.add_image("1"))
    world.registry_trouble = Refused("The registry cannot be reached.")
    records = FakeRecords(world)
    adopted(world, records)
    assert not records.entries
    assert not records.deployments


def test_one_that_does_not_run_yet_has_nothing_to_record() -> None:
    records = FakeRecords(World())
    adopted(records.world, records)
    assert not records.deployments


def test_a_healthcheck_that_only_the_image_has_is_found_when_the_image_is_on_the_host() -> None:
    world = World()
    world.run(world.add_image("1"))
    memory = FakeMemory()
    context = job_context(world, FakeRecords(world), kind="inspect", memory=memory)
    assert run_steps(adopt.INSPECT_STEPS, context, Told()) is Outcome.SUCCEEDED
    (service,) = memory.kept["result"]["services"]
    assert not [problem for problem in service["problems"] if "healthcheck" in str(problem)]


def test_the_tag_it_was_started_from_is_kept_as_a_label() -> None:
    digest = f"sha256:{'a' * 64}"
    with_tag = adopt._with_tag  # the one rule of its own in this file
    assert with_tag(f"{REPOSITORY}@{digest}", f"{REPOSITORY}:v1") == f"{REPOSITORY}:v1@{digest}"
    assert with_tag(f"{REPOSITORY}@{digest}", f"{REPOSITORY}:v1@{digest}") == f"{REPOSITORY}:v1@{digest}"
    assert with_tag(f"{REPOSITORY}@{digest}", "sha256:" + "b" * 64) == f"{REPOSITORY}@{digest}"
    assert with_tag(f"{REPOSITORY}@{digest}", f"{REPOSITORY}@{digest}") == f"{REPOSITORY}@{digest}"


def test_a_password_in_a_healthcheck_is_not_kept() -> None:
    world = World()
    world.written = copy.deepcopy(world.rendered)
    world.rendered["services"]["chatbot"] |= {"image": "redis:7", "healthcheck": {"test": ["CMD-SHELL", "redis-cli -a hunter22"]}}
    world.written["services"]["chatbot"] |= {"image": "redis:7", "healthcheck": {"test": "redis-cli -a ${PASSWORD}"}}
    memory = FakeMemory()
    context = job_context(world, FakeRecords(world), kind="inspect", memory=memory)
    assert run_steps(adopt.INSPECT_STEPS, context, Told()) is Outcome.SUCCEEDED
    assert "hunter22" not in str(memory.kept)
    assert memory.get("result")["services"][0]["healthcheck"]["test"] == ["CMD-SHELL", "redis-cli -a ${PASSWORD}"]


def inspected(services: dict[str, dict[str, str]]) -> tuple[Outcome, World, Told]:
    world, told = World(), Told()
    world.rendered = {"name": "chatbot", "services": services}
    return run_steps(adopt.INSPECT_STEPS, job_context(world, FakeRecords(world), kind="inspect"), told), world, told


def test_the_engine_is_not_asked_for_what_is_no_reference() -> None:
    hostile = {"a": {"image": "../containers/json?x"}, "b": {"image": "--privileged"}, "c": {"image": "x/y\u202e:1"}}
    outcome, world, _told = inspected(hostile)
    assert outcome is Outcome.SUCCEEDED
    assert world.calls["engine.image"] == 0


def test_a_project_of_more_services_than_can_be_shown_is_refused() -> None:
    outcome, world, told = inspected({f"s{number}": {"image": f"x/y{number}:1"} for number in range(101)})
    assert outcome is not Outcome.SUCCEEDED
    assert "at most 100 are read" in told.words
    assert world.calls["engine.image"] == 0
