"""Chapters in a real JupyterLab: opened, run from top to bottom, and their widgets moved."""

import json
import shutil
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import BIN, ROOT, free_port, open_when_up, serving
from tests.browser.explorer_page import ExplorerPage

SETTINGS = {
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    "notebook-extension/tracker": {"windowingMode": "none"},  # every cell is on the page
}
CONFIG = """
c.LabApp.check_for_updates_class = "jupyterlab.NeverCheckForUpdate"
c.LabApp.news_url = None
c.LabApp.extension_manager = "readonly"
c.LabApp.expose_app_in_browser = True
c.IdentityProvider.token = ""
c.ServerApp.disable_check_xsrf = True
c.ServerApp.tornado_settings = {"websocket_max_message_size": 104857600}
"""
RUN_ALL = """async name => {
    const app = window.jupyterapp;
    await app.restored;
    const panel = await app.commands.execute('docmanager:open', {path: name, factory: 'Notebook'});
    await panel.sessionContext.ready;
    await panel.sessionContext.session.kernel.info;
    await app.commands.execute('notebook:run-all-cells');
    const cells = panel.content.model.sharedModel.cells.filter(c => c.cell_type == 'code');
    return cells.map(c => c.execution_count);
}"""
Shot = Callable[[Page, str], None]
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def lab(page: Page, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """JupyterLab on copies of two chapters."""
    home = tmp_path_factory.mktemp("lab")
    (home / "notebooks").mkdir()
    for name in ("01_cnn_basics.ipynb", "17_explorer.ipynb"):
        shutil.copy(ROOT / "notebooks" / name, home / "notebooks")
    for name, values in SETTINGS.items():
        path = home / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values))
    (home / "config.py").write_text(CONFIG)
    port = free_port()
    command = [BIN / "jupyter", "lab", "--no-browser", "--allow-root", f"--config={home}/config.py"]
    command += [f"--ServerApp.port={port}", "--ServerApp.ip=127.0.0.1"]
    command += [f"--ServerApp.root_dir={home}/notebooks"]
    folders = {
        "JUPYTERLAB_SETTINGS_DIR": home / "settings",
        "JUPYTERLAB_WORKSPACES_DIR": home / "workspaces",
        "JUPYTER_CONFIG_DIR": home / "config",
    }
    environment = {name: str(path) for name, path in folders.items()}
    with serving([str(part) for part in command], home / "log", **environment):
        open_when_up(page, f"http://127.0.0.1:{port}/lab", home / "log")
        page.wait_for_function("() => window.jupyterapp !== undefined")
        yield page


def run_all(lab: Page, name: str) -> None:
    """Open a chapter and run every cell; each must have run, in order."""
    counts = lab.evaluate(RUN_ALL, name)
    assert counts == list(range(1, len(counts) + 1))


def png() -> bytes:
    """The smallest file that has a picture's first bytes and nothing else."""
    return b"\x89PNG\r\n\x1a\n" + bytes(20)


def test_the_explorer_reacts_in_its_chapter(lab: Page, screenshot: Shot) -> None:
    run_all(lab, "17_explorer.ipynb")
    first = lab.locator(".jp-Cell").filter(has=lab.locator("button.xai-thumb")).first
    first.scroll_into_view_if_needed()
    first.evaluate("cell => cell.id = 'explorer-cell'")
    explorer = ExplorerPage(lab, "#explorer-cell")
    explorer.dropdown("Layer").select_option(index=0)
    lab.wait_for_timeout(1000)
    asked, numbers = explorer.pictures(), explorer.numbers()
    screenshot(lab, "lab_1_explorer")

    dragged = explorer.after(lambda: explorer.drag("Class", 0.0))
    assert dragged[0] == asked[0]
    assert dragged[1] != asked[1]
    assert explorer.numbers() != numbers
    finer = explorer.after(lambda: explorer.dropdown("Layer").select_option(index=4))
    assert finer[1] != dragged[1]
    other = explorer.after(lambda: explorer.dropdown("Network").select_option("fundus · vgg19"))
    assert other[1] != finer[1]
    explorer.upload("broken.png", png())
    expect(explorer.notice()).to_contain_text("broken.png")
    explorer.upload("large.png", bytes(12_000_000) + b"no picture")
    expect(explorer.notice()).to_contain_text("large.png is not an image")
    screenshot(lab, "lab_2_explorer_moved")

    small = lab.locator(".jp-Cell").filter(has_text="explorer_live.threshold_box(").last
    small.scroll_into_view_if_needed()
    small.evaluate("cell => cell.id = 'threshold-cell'")
    box = ExplorerPage(lab, "#threshold-cell")
    box.after(lambda: box.drag("Box from", 0.8))
    assert "of the maximum" in box.captions()[0]
    screenshot(lab, "lab_3_threshold")


def test_a_theory_chapter_runs_and_its_sliders_redraw(lab: Page, screenshot: Shot) -> None:
    run_all(lab, "01_cnn_basics.ipynb")
    cell = lab.locator(".jp-Cell").filter(has=lab.locator(".widget-interact")).first
    cell.scroll_into_view_if_needed()
    shown = cell.locator(".widget-interact .jp-OutputArea")
    expect(shown).not_to_be_empty()
    before = shown.inner_html()
    cell.locator(".noUi-handle").nth(1).focus()
    lab.keyboard.press("ArrowRight")
    lab.wait_for_function(
        "before => document.querySelector('.widget-interact .jp-OutputArea').innerHTML != before",
        arg=before,
    )
    lab.wait_for_timeout(500)
    screenshot(lab, "lab_4_theory_chapter")
