"""A headless Chromium that never leaves this machine, and servers to open in it."""

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, Route, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
SCREENSHOTS = ROOT / "build" / "browser"
CHROMIUM = os.environ.get("CHROMIUM") or next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
LOCAL = {"127.0.0.1", "localhost"}


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("no Chromium found: install it (apt-get install chromium) or set CHROMIUM")
    with sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Page]:
    """A page for the tests of a file; at the end, no request to another host was tried."""
    tried: list[str] = []

    def local_only(route: Route) -> None:
        address = urlsplit(route.request.url)
        if address.scheme in ("data", "blob") or address.hostname in LOCAL:
            route.continue_()
        else:
            tried.append(route.request.url)
            route.abort()

    context = browser.new_context(viewport={"width": 1440, "height": 1000})
    context.set_default_timeout(180_000)  # a kernel that starts on busy cores takes its time
    context.route("**/*", local_only)
    opened = context.new_page()
    yield opened
    context.close()
    assert tried == [], "requests to other hosts"


@pytest.fixture(scope="session")
def screenshot() -> Callable[[Page, str], None]:
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    return lambda page, name: page.screenshot(path=SCREENSHOTS / f"{name}.png") and None


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def serving(command: list[str], log: Path, **environment: str) -> Iterator[None]:
    """A server as a process of its own while the block runs; stopped together with its kernels."""
    env = os.environ | {"OMP_NUM_THREADS": "1"} | environment
    with log.open("w") as output:
        server = subprocess.Popen(
            command, cwd=ROOT, env=env, stdout=output, stderr=subprocess.STDOUT
        )
        try:
            yield
        finally:
            server.terminate()
            try:
                server.wait(20)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def open_when_up(page: Page, address: str, log: Path) -> None:
    """Open an address of a server that may still be starting."""
    for _ in range(120):
        try:
            page.goto(address, wait_until="commit")
            return
        except Exception as error:
            if "ERR_CONNECTION_REFUSED" not in str(error):
                raise
            page.wait_for_timeout(500)
    pytest.fail(f"no server at {address}:\n{log.read_text()[-2000:]}")
