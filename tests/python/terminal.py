"""A terminal in which the prompt is driven: tmux."""

import os
import re
import shutil
import subprocess
import time
from pathlib import Path

from conftest import BINARY


class Terminal:
    """A session of tmux with the prompt in it."""

    def __init__(self, folder: Path, *words: str | Path, width: int = 100) -> None:
        """Start it, with a history of its own."""
        self.program = shutil.which("tmux") or "tmux"
        self.socket = folder / "tmux"
        command = " ".join(["exec", str(BINARY), "sql", *map(str, words)])
        environment = {**os.environ, "XDG_STATE_HOME": str(folder / "state"), "TERM": "xterm-256color"}
        environment.pop("TMUX", None)
        size = ["-x", str(width), "-y", "50"]
        subprocess.run(
            [self.program, "-S", self.socket, "-f", "/dev/null", "new-session", "-d", *size, command],
            env=environment, check=True,
        )  # fmt: skip

    def tmux(self, *words: str) -> str:
        """Ask tmux for something."""
        done = subprocess.run([self.program, "-S", self.socket, *words], capture_output=True, check=False)
        return done.stdout.decode()

    def type(self, text: str, *keys: str) -> None:
        """Type a text and then keys, Enter unless others are named."""
        if text:
            # A semicolon at the end of a word would end the command of tmux.
            text = f"{text[:-1]}\\;" if text.endswith(";") else text
            self.tmux("send-keys", "-l", text)
        self.tmux("send-keys", *(keys or ("Enter",)))

    def screen(self) -> str:
        """What is to be seen, and what has gone by."""
        return "\n".join(line.rstrip() for line in self.tmux("capture-pane", "-p", "-S", "-200").splitlines())

    def wait(self, pattern: str) -> str:
        """Wait until something is to be seen."""
        until = time.monotonic() + 60
        while not re.search(pattern, self.screen(), re.MULTILINE):
            assert time.monotonic() < until, f"{pattern}\n{self.screen()}"
            time.sleep(0.05)
        return self.screen()

    def is_there(self) -> bool:
        """Whether the prompt has not ended."""
        return bool(self.tmux("list-sessions"))

    def end(self) -> None:
        """End it."""
        self.tmux("kill-server")
