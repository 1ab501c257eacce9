"""The main job as people do it: the real stack, a real browser, and a service that is not ours."""

import json
import os
import re
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from chatbot_service.building import Builder
from tests.browser.conftest import CHROMIUM, FLAGS
from tests.docker.registries import LocalRegistry, free_port
from tests.docker.running import RunningPortal

pytestmark = [pytest.mark.browser]

IMAGE = Path(__file__).parent / "images" / "greeter"
PASSWORD = "made-for-this-test-only"
JOB_WITHIN = 90_000
COMPOSE = """\
services:
  web:
    image: {repository}:v1
    ports: ["127.0.0.1:{port}:8080"]
    init: true
{healthcheck}"""
HEALTHCHECK = """\
    healthcheck:
      test: ["CMD", "python3", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8080', timeout=2)"]
      interval: 1s
      timeout: 3s
      retries: 3
      start_period: 3s
"""
MAKE_PEOPLE = """
from django.contrib.auth.models import Group, User
for name, role in (("olga", "Operator"), ("rosa", "Release manager"), ("vera", "Viewer")):
    person = User.objects.create_user(name, password={password!r})
    person.groups.add(Group.objects.get(name=role))
"""


@dataclass(frozen=True)
class Stack:
    running: RunningPortal
    address: str
    repository: str
    folder: Path
    port: int
    digests: dict[str, str]

    def says(self) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/", timeout=5) as answer:
            return str(answer.read().decode().strip())


@pytest.fixture(scope="module")
def stack(registry: LocalRegistry, base_image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """`manage.py run`, started empty, with three people; a project folder of somebody else's service beside it."""
    state = tmp_path_factory.mktemp("state")
    repository = f"{registry.address}/others/greeter"
    builder = Builder()
    digests = {}
    for version in ("1", "2"):
        reference = f"{repository}:v{version}"
        builder.build(IMAGE, reference, args={"BASE_IMAGE": base_image, "VERSION": version})
        digests[f"v{version}"] = builder.push(reference)
    builder.forget(f"{repository}:v2")
    web, port = free_port(), free_port()
    running = RunningPortal(state, {"KG_PORT": str(web), "KG_RUN": "broker,web,worker,scheduler,watcher"})
    running.start()
    try:
        running.shell(MAKE_PEOPLE.format(password=PASSWORD))
        folder = state / "greeter"
        folder.mkdir()
        yield Stack(running, f"http://127.0.0.1:{web}", repository, folder, port, digests)
    finally:
        running.stop()
        _remove_containers("greeter")


def _remove_containers(project: str) -> None:
    label = f"label=com.docker.compose.project={project}"
    for what, listed in (("container", ["ls", "--all"]), ("network", ["ls"])):
        ids = subprocess.run(
            ["docker", what, *listed, "--quiet", "--filter", label], capture_output=True, text=True, check=True
        ).stdout.split()
        if ids:
            subprocess.run(["docker", what, "rm", *(["--force"] if what == "container" else []), *ids], check=True)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield browser
        browser.close()


Window = Callable[..., Page]


@pytest.fixture
def window(browser: Browser, stack: Stack) -> Iterator[Window]:
    """`window("olga")`: her own browser, signed in through the page. `scripts=False`: without JavaScript."""
    open_ones: list[BrowserContext] = []

    def sign_in(name: str, *, scripts: bool = True) -> Page:
        context = browser.new_context(java_script_enabled=scripts, viewport={"width": 1440, "height": 1000})
        open_ones.append(context)
        page = context.new_page()
        page.goto(f"{stack.address}/")
        page.get_by_label("Name").or_(page.locator("[name=username]")).first.fill(name)
        page.locator("[name=password]").fill(PASSWORD)
        page.get_by_role("button", name=re.compile("Sign in")).click()
        expect(page.get_by_role("navigation", name="Main")).to_be_visible()
        return page

    yield sign_in
    for context in open_ones:
        context.close()


def _compose_file(stack: Stack, *, healthcheck: bool = True) -> None:
    text = COMPOSE.format(repository=stack.repository, port=stack.port, healthcheck=HEALTHCHECK if healthcheck else "")
    (stack.folder / "docker-compose.yml").write_text(text)


def _read_project(page: Page, stack: Stack) -> None:
    page.goto(f"{stack.address}/services/add/")
    page.get_by_label("Folder of the Compose project").fill(str(stack.folder))
    page.get_by_role("button", name="Read the project").click()


def test_a_service_without_a_healthcheck_is_refused_with_the_lines_to_add(stack: Stack, window: Window) -> None:
    _compose_file(stack, healthcheck=False)
    page = window("olga")
    _read_project(page, stack)
    expect(page.get_by_text("healthcheck:").first).to_be_visible(timeout=20_000)
    expect(page.get_by_role("button", name="Add the service")).to_have_count(0)


def test_another_service_is_added_approved_upgraded_and_rolled_back_in_the_browser(stack: Stack, window: Window) -> None:
    _compose_file(stack)
    binary = os.environ.get("KG_COMPOSE_BINARY")
    by_hand = [binary] if binary else ["docker", "compose"]
    subprocess.run([*by_hand, "up", "--detach", "--wait"], cwd=stack.folder, check=True, capture_output=True)
    assert stack.says() == "greeter 1"
    olga, rosa = window("olga"), window("rosa")

    _read_project(olga, stack)
    olga.get_by_label("Watch for, in seconds").fill("1", timeout=20_000)
    olga.get_by_role("button", name="Add the service").click()
    expect(olga.get_by_text(re.compile("under management", re.IGNORECASE)).first).to_be_visible(timeout=20_000)

    olga.goto(f"{stack.address}/ledger/register/")
    olga.locator("[name=reference]").fill(f"{stack.repository}:v2")
    olga.get_by_role("button", name="Look it up and register").click()
    olga.wait_for_url(re.compile("/jobs/|/ledger/[0-9]+/"), timeout=20_000)
    _until_there(olga, stack, "v2")

    _approve_without_a_report(rosa, stack, "v2")
    for tag in ("v1", "v2"):
        _scan(stack, tag)
        _approve(rosa, stack, tag)

    olga.goto(f"{stack.address}/services/")
    olga.get_by_role("link", name="greeter", exact=False).or_(olga.get_by_role("link", name="web")).first.click()
    service = olga.url
    olga.get_by_role("link", name="Upgrade", exact=True).first.click()
    olga.locator("[name=reason]").first.fill("a newer greeting")
    olga.get_by_role("button", name="Start the upgrade").click()
    expect(olga.get_by_text(re.compile("Upgraded")).first).to_be_visible(timeout=JOB_WITHIN)
    assert stack.says() == "greeter 2"
    assert "@sha256:" in (stack.folder / "docker-compose.prod.yml").read_text()

    # The way back, without any script.
    plain = window("olga", scripts=False)
    plain.goto(f"{service}rollback/")
    plain.locator("[name=reason]").first.fill("the old greeting was better")
    plain.get_by_role("button", name="Roll back").click()
    deadline = time.monotonic() + JOB_WITHIN / 1000
    while not plain.get_by_text(re.compile("Rolled back")).count():
        assert time.monotonic() < deadline, plain.inner_text("main")
        time.sleep(0.5)
        plain.reload()
    assert stack.says() == "greeter 1"


def _until_there(page: Page, stack: Stack, tag: str) -> None:
    deadline = time.monotonic() + 20
    while True:
        page.goto(f"{stack.address}/ledger/?text={tag}")
        if page.get_by_text(tag, exact=False).count():
            return
        assert time.monotonic() < deadline, page.inner_text("main")
        time.sleep(0.3)


def _scan(stack: Stack, tag: str) -> None:
    """A pipeline hands in a scan of the image, which names it by its digest and found nothing."""
    scan = {
        "SchemaVersion": 2, "ArtifactName": f"{stack.repository}:{tag}", "ArtifactType": "container_image",
        "CreatedAt": datetime.now(UTC).isoformat(), "Metadata": {"RepoDigests": [f"{stack.repository}@{stack.digests[tag]}"]},
        "Results": [{"Target": "debian", "Class": "os-pkgs", "Type": "debian"}],
    }  # fmt: skip
    file = stack.folder / f"{tag}.json"
    file.write_text(json.dumps(scan))
    said = stack.running.manage("import_scan", str(file))
    assert stack.digests[tag] in said


def _approve_without_a_report(page: Page, stack: Stack, tag: str) -> None:
    _open_digest(page, stack, tag)
    expect(page.get_by_role("button", name="Approve", exact=True)).to_have_attribute("aria-disabled", "true")
    expect(page.get_by_text("There is no image scan of it").first).to_be_visible()


def _open_digest(page: Page, stack: Stack, tag: str) -> None:
    page.goto(f"{stack.address}/ledger/")
    page.get_by_role("row").filter(has_text=tag).get_by_role("link").first.click()


def _approve(page: Page, stack: Stack, tag: str) -> None:
    _open_digest(page, stack, tag)
    page.get_by_role("link", name="Approve", exact=True).first.click()
    page.get_by_role("dialog").get_by_role("button", name="Approve").click()
    expect(page.get_by_text("Approved", exact=False).first).to_be_visible()


def test_a_viewer_sees_no_button_and_a_forged_request_is_refused(stack: Stack, window: Window) -> None:
    page = window("vera")
    page.goto(f"{stack.address}/services/1/")
    for name in ("Upgrade", "Roll back", "Restart", "Stop"):
        expect(page.get_by_role("link", name=name, exact=True)).to_have_count(0)
    token = page.evaluate("JSON.parse(document.body.getAttribute('hx-headers'))")
    answer = page.request.post(
        f"{stack.address}/services/1/restart/", headers={**token, "Referer": stack.address}, form={"reason": "forged"}
    )
    assert answer.status == 403
    assert "takes the role" in answer.text()  # the role's refusal, not that of a missing token
