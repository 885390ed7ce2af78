"""A headless Chromium, spoken to through a pipe: what a page shows, says and asks for."""

import base64
import json
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any, Final, Self

PROGRAMS: Final = ("chromium", "chromium-browser", "google-chrome", "chrome")
PATIENCE: Final = 60.0


def chromium() -> str | None:
    """The browser of this machine."""
    return os.environ.get("NASALOGS_CHROMIUM") or next(filter(None, map(shutil.which, PROGRAMS)), None)


class Browser:
    """The process, and its end of the DevTools protocol: JSON between null bytes."""

    def __init__(self, program: str, folder: Path) -> None:
        """Start it with a profile of its own in the folder."""
        receive, send = os.pipe(), os.pipe()
        options = [
            "headless", "remote-debugging-pipe", f"user-data-dir={folder}", "no-first-run", "disable-gpu",
            "hide-scrollbars", "disable-dev-shm-usage", "disable-background-networking", "disable-component-update", "disable-sync",
            "force-color-profile=srgb",
        ]  # fmt: skip
        if os.geteuid() == 0:
            options.append("no-sandbox")
        command = [program, *(f"--{option}" for option in options), "about:blank"]
        # The browser reads from 3 and writes to 4.
        shell = f'exec 3<&{send[0]} 4>&{receive[1]}; exec "$@"'
        with (folder / "stderr").open("wb") as stderr:
            self.process = subprocess.Popen(
                ["/bin/bash", "-c", shell, "chromium", *command], pass_fds=(send[0], receive[1]),
                stdin=subprocess.DEVNULL, stdout=stderr, stderr=stderr,
            )  # fmt: skip
        os.close(send[0])
        os.close(receive[1])
        self.reader, self.writer = os.fdopen(receive[0], "rb", buffering=0), os.fdopen(send[1], "wb", buffering=0)
        self.buffer = b""
        self.last = 0
        self.events: list[dict[str, Any]] = []

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """End it."""
        self.writer.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.reader.close()

    def receive(self) -> dict[str, Any]:
        """The next message."""
        while b"\0" not in self.buffer:
            chunk = self.reader.read(1 << 20)
            if not chunk:
                message = "Chromium has ended"
                raise ConnectionError(message)
            self.buffer += chunk
        first, self.buffer = self.buffer.split(b"\0", 1)
        found: dict[str, Any] = json.loads(first)
        return found

    def call(self, method: str, session: str | None = None, **params: Any) -> dict[str, Any]:
        """One command, and its result. What comes between is kept in `events`."""
        self.last += 1
        message = {"id": self.last, "method": method, "params": params}
        if session:
            message["sessionId"] = session
        self.writer.write(json.dumps(message).encode() + b"\0")
        while True:
            answer = self.receive()
            if answer.get("id") == self.last:
                assert "error" not in answer, f"{method}: {answer['error']}"
                result: dict[str, Any] = answer["result"]
                return result
            self.events.append(answer)

    def page(self, width: int = 1440, height: int = 900, *, dark: bool = False, scripts: bool = True) -> "Page":
        """An empty page of such a size."""
        context = self.call("Target.createBrowserContext")["browserContextId"]
        target = self.call("Target.createTarget", url="about:blank", browserContextId=context)["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = Page(self, session, target)
        for domain in ("Page", "Runtime", "Network", "Log"):
            page.call(f"{domain}.enable")
        page.call("Emulation.setScriptExecutionDisabled", value=not scripts)
        page.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        page.media(dark=dark)
        return page


class Page:
    """A tab."""

    def __init__(self, browser: Browser, session: str, target: str) -> None:
        """Of a browser."""
        self.browser, self.session, self.target = browser, session, target

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """One command."""
        return self.browser.call(method, self.session, **params)

    def media(self, *, dark: bool = False, kind: str = "") -> None:
        """Colours that the reader wants, and the medium."""
        features = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.call("Emulation.setEmulatedMedia", media=kind, features=features)

    def open(self, url: str) -> Self:
        """Go there, and wait until it is loaded."""
        self.call("Page.navigate", url=url)
        self.wait("document.readyState === 'complete' && location.href !== 'about:blank'")
        return self

    def close(self) -> None:
        """Close the tab."""
        self.browser.call("Target.closeTarget", targetId=self.target)

    def value(self, expression: str) -> Any:
        """What a JavaScript expression is; of a promise, what it comes to."""
        found = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def wait(self, condition: str) -> None:
        """Until a JavaScript condition holds."""
        deadline = time.monotonic() + PATIENCE
        while not self.value(condition):
            assert time.monotonic() < deadline, f"not within {PATIENCE:.0f} s: {condition}"
            time.sleep(0.02)

    def events(self, name: str) -> list[dict[str, Any]]:
        """What the browser has told of this tab."""
        self.call("Page.getFrameTree")
        return [
            event["params"]
            for event in self.browser.events
            if event.get("sessionId") == self.session and event["method"] == name
        ]

    def complaints(self) -> list[str]:
        """Errors and warnings of the console, and exceptions."""
        found = [str(event) for event in self.events("Runtime.exceptionThrown")]
        found += [
            str(e["args"])
            for e in self.events("Runtime.consoleAPICalled")
            if e["type"] in {"error", "warning", "assert"}
        ]
        return found + [e["entry"]["text"] for e in self.events("Log.entryAdded")]

    def requests(self) -> list[str]:
        """The addresses that were asked for."""
        return [event["request"]["url"] for event in self.events("Network.requestWillBeSent")]

    def mouse(self, kind: str, x: float, y: float, **more: Any) -> None:
        """One event of the mouse."""
        self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, **more)

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        """Press, move, release."""
        self.mouse("mouseMoved", *start)
        self.mouse("mousePressed", *start, button="left", buttons=1, clickCount=1)
        middle = ((start[0] + end[0]) / 2, (start[1] + end[1]) / 2)
        for point in (middle, end):
            self.mouse("mouseMoved", *point, button="left", buttons=1)
        self.mouse("mouseReleased", *end, button="left", clickCount=1)

    def click(self, selector: str) -> None:
        """Bring an element into view and click on its middle."""
        box = self.value(f"""(() => {{
            const node = document.querySelector({json.dumps(selector)});
            node.scrollIntoView({{ block: "center" }});
            const box = node.getBoundingClientRect();
            return [box.x + Math.min(box.width, 40) / 2, box.y + box.height / 2];
        }})()""")
        self.drag((box[0], box[1]), (box[0], box[1]))

    def key(self, name: str, *, shift: bool = False) -> None:
        """Press a key."""
        codes = {"Tab": 9, "Enter": 13, "Escape": 27, " ": 32, "PageUp": 33, "PageDown": 34, "End": 35, "Home": 36,
                 "ArrowLeft": 37, "ArrowRight": 39}  # fmt: skip
        params: dict[str, Any] = {
            "key": name,
            "code": name,
            "windowsVirtualKeyCode": codes[name],
            "modifiers": 8 if shift else 0,
        }
        text = {"text": "\r"} if name == "Enter" else {}
        self.call("Input.dispatchKeyEvent", type="keyDown", **params, **text)
        self.call("Input.dispatchKeyEvent", type="keyUp", **params)

    def picture(self, path: Path, *, whole: bool = True) -> None:
        """A screenshot."""
        found = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(found["data"]))

    def pdf(self) -> bytes:
        """As printed."""
        return base64.b64decode(
            self.call("Page.printToPDF", printBackground=False, paperWidth=8.27, paperHeight=11.69)["data"]
        )
