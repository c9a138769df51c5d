"""Chromium from the system's packages, driven as a person drives it, and what no page may do."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, Request, async_playwright

from tests.web.conftest import Site, serve, serving  # noqa: F401 - serve is a fixture

_PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next((found for name in _PROGRAMS if (found := shutil.which(name))), None)
SCREENSHOTS = Path(os.environ.get("FPAI_SCREENSHOTS", Path(__file__).parents[2] / ".screenshots"))
AXE = Path(__file__).parent / "vendor" / "axe-4.14.1.min.js"
SIZES = {"wide": (1280, 900), "phone": (390, 844)}
_ARGUMENTS = ["--no-sandbox", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
_NO_FAULT = (
    "Failed to load resource",
    "ERR_CONNECTION_REFUSED",
    "ERR_INCOMPLETE_CHUNKED",
    "ERR_INTERNET_DISCONNECTED",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Without a browser these tests are skipped, with the reason."""
    if CHROMIUM is None:
        here = Path(__file__).parent
        for item in items:
            if here in item.path.parents:
                item.add_marker(pytest.mark.skip(reason="no Chromium here; `make browser` installs it"))


@dataclass
class Window:
    """One open window: its page, and what it did that no page may do."""

    page: Page
    origin: str
    faults: list[str] = field(default_factory=list)

    def watch(self) -> None:
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self.faults.append(f"error: {error}"))
        self.page.on("request", self._asked)
        self.page.on("dialog", lambda dialog: self.faults.append(f"dialog: {dialog.message}"))

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"} and not any(word in message.text for word in _NO_FAULT):
            self.faults.append(f"console: {message.text}")

    def _asked(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme not in {"data", "blob"} and f"{parts.scheme}://{parts.netloc}" != self.origin:
            self.faults.append(f"left the machine: {request.url}")

    async def go(self, path: str) -> None:
        await self.page.goto(self.origin + path)

    async def screenshot(self, name: str) -> None:
        """Keep what the window shows."""
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        await self.page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True)

    async def serious_findings(self) -> list[str]:
        """What axe-core finds serious or critical; it is evaluated beside the page's policy, not under it."""
        await self.page.evaluate(AXE.read_text(encoding="utf-8"))
        found = await self.page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        return [
            f"{violation['id']}: {node['html'][:200]}"
            for violation in found["violations"]
            if violation["impact"] in {"serious", "critical"}
            for node in violation["nodes"]
        ]


Opening = Callable[..., AbstractAsyncContextManager[Window]]


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        running = await playwright.chromium.launch(executable_path=CHROMIUM, args=_ARGUMENTS)
        yield running
        await running.close()


@pytest.fixture
def opening(browser: Browser) -> Opening:
    """Opens windows: `async with opening(url, size="phone", scheme="dark") as window`."""

    @asynccontextmanager
    async def opened(
        origin: str, *, size: str = "wide", scheme: str = "light", scripts: bool = True
    ) -> AsyncIterator[Window]:
        width, height = SIZES[size]
        context: BrowserContext = await browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme=scheme,  # type: ignore[arg-type]
            java_script_enabled=scripts,
            has_touch=size == "phone",
        )
        window = Window(await context.new_page(), origin)
        window.watch()
        yield window
        await context.close()
        assert window.faults == []

    return opened


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with serving(tmp_path, api={"channels": {"slack": "", "email": "[notify.email]"}}) as running:
        yield running
