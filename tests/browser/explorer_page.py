"""The explorer as a person meets it: what can be seen and done, by what it is called."""

import base64
from collections.abc import Callable

from playwright.sync_api import Locator, Page, expect


class ExplorerPage:
    def __init__(self, page: Page, root: str = "body") -> None:
        self.page = page
        self.root = page.locator(root)
        self.root.locator(".xai-figures img").first.wait_for()

    def pictures(self) -> list[bytes]:
        """The files of the panels, the image first."""
        sources = self.root.locator(".xai-figures img").evaluate_all("all => all.map(i => i.src)")
        return [base64.b64decode(source.partition(",")[2]) for source in sources]

    def captions(self) -> list[str]:
        return self.root.locator(".xai-figures figcaption").all_inner_texts()

    def numbers(self) -> list[str]:
        return self.root.locator(".xai-numbers").all_inner_texts()

    def notice(self) -> Locator:
        return self.root.locator(".xai-notice")

    def dropdown(self, name: str) -> Locator:
        return self.root.get_by_label(name, exact=True)

    def handle(self, name: str) -> Locator:
        """The handle of a slider."""
        row = self.root.locator(".widget-slider").filter(has_text=name)
        return row.locator(".noUi-handle").first

    def drag(self, name: str, share: float) -> None:
        """Drag a slider's handle to a share of its way."""
        handle = self.handle(name)
        track = handle.locator("xpath=ancestor::*[contains(@class, 'noUi-target')]").bounding_box()
        start = handle.bounding_box()
        assert track
        assert start
        middle = start["y"] + start["height"] / 2
        self.page.mouse.move(start["x"] + start["width"] / 2, middle)
        self.page.mouse.down()
        self.page.mouse.move(track["x"] + share * track["width"], middle, steps=12)
        self.page.mouse.up()

    def after(self, action: Callable[[], object]) -> list[bytes]:
        """The pictures once an action has changed them and they have come to rest."""
        before = self.pictures()
        action()
        for _ in range(600):
            self.page.wait_for_timeout(50)
            if (now := self.pictures()) != before:
                break
        else:
            raise AssertionError("the pictures have not changed in half a minute")
        while True:
            self.page.wait_for_timeout(300)
            if (later := self.pictures()) == now:
                return later
            now = later

    def upload(self, name: str, content: bytes) -> None:
        file = {"name": name, "mimeType": "image/png", "buffer": content}
        with self.page.expect_file_chooser() as chooser:
            self.root.get_by_role("button", name="Your own picture").click()
        chooser.value.set_files(file)

    def reset(self) -> None:
        """The choices that a test starts from."""
        self.dropdown("Network").select_option("fundus · efficientnet_b0")
        self.dropdown("Layer").select_option(index=0)
        self.root.get_by_role("button", name="class", exact=True).click()
        self.root.get_by_label("LayerCAM").uncheck()
        self.root.locator("button.xai-thumb").nth(1).click()
        expect(self.root.locator("figcaption")).to_have_count(4)
        expect(self.root.locator("figcaption").nth(1)).to_have_text("Grad-CAM for Mild")
        self.page.wait_for_timeout(500)
