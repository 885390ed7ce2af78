"""The function of `deploy/aws` as Lambda runs it: AWS's own client of the runtime, in a process that may be killed."""

import json
import os
import queue
import subprocess
import sys
import threading
import time
import zipfile
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, Final

from events import KilledError
from stacks import DEPLOY, REGION, Values, load
from stores import HOST, KEYS, Listener

ARN: Final = f"arn:aws:lambda:{REGION}:123456789012:function:nasalogs"
# Seconds that an invocation may take: no test of speed, but an end for a function that hangs.
PATIENCE: Final = 120


class FailedError(Exception):
    """The function has raised an exception."""


class RuntimeApi:
    """The interface from which a process of Lambda's takes events, and to which it gives answers."""

    def __init__(self) -> None:
        """Listen on a free port."""
        self.events: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self.answers: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
        api = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # Headers and body in one go: each by itself waits for the other side's acknowledgement, which takes 40 ms.
            wbufsize = -1

            def log_message(self, *_: object) -> None:
                """Say nothing."""

            def reply(self, status: int, body: bytes, **headers: str) -> None:
                self.send_response(status)
                for name, value in {**headers, "Content_Length": str(len(body))}.items():
                    self.send_header(name.replace("_", "-"), value)
                self.end_headers()
                self.wfile.write(body)

            def do_GET(self) -> None:
                event = api.events.get()
                self.reply(
                    200,
                    event,
                    Content_Type="application/json",
                    Lambda_Runtime_Aws_Request_Id="8476a536-e9f4-11e8-9739-2dfe598c3fcd",
                    Lambda_Runtime_Deadline_Ms=str(int((time.time() + PATIENCE) * 1000)),
                    Lambda_Runtime_Invoked_Function_Arn=ARN,
                )

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                self.reply(202, b"")
                # `…/invocation/ID/response`, `…/invocation/ID/error`, `…/init/error`
                api.answers.put((self.path.rpartition("/")[2], json.loads(body)))

        self.server = Listener((HOST, 0), Handler)
        self.address = f"{HOST}:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05})
        self.thread.start()

    def stop(self) -> None:
        """Listen no more."""
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


class Function:
    """Calls the function in a process, and starts one where there is none."""

    def __init__(self, layer: Path, folder: Path) -> None:
        """Unpack the layer; take from the template what the function is told."""
        with zipfile.ZipFile(layer) as packed:
            packed.extractall(folder / "opt")
        template = load(DEPLOY / "template.yaml")
        settings = Values(template).of(template["Resources"]["Function"]["Properties"])
        self.folder = DEPLOY / settings["Code"]
        self.handler: str = settings["Handler"]
        self.variables: dict[str, str] = settings["Environment"]["Variables"]
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
            **KEYS,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_LAMBDA_FUNCTION_NAME": "nasalogs",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(settings["MemorySize"]),
            "LAMBDA_TASK_ROOT": str(self.folder),
            "PYTHONPATH": str(folder / "opt/python"),
            "PYTHONDONTWRITEBYTECODE": "1",
            **self.variables,
        }
        self.log = folder / "function.log"
        self.starts = 0
        self.process: subprocess.Popen[bytes] | None = None
        self.api: RuntimeApi | None = None

    def start(self) -> tuple[RuntimeApi, "subprocess.Popen[bytes]"]:
        """Start a process, with an interface of its own: what asks the old one is dead."""
        self.stop()
        self.starts += 1
        self.api = RuntimeApi()
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "awslambdaric", self.handler],
                cwd=self.folder,
                env={**self.environment, "AWS_LAMBDA_RUNTIME_API": self.api.address},
                stdout=log,
                stderr=log,
            )
        return self.api, self.process

    def __call__(self, event: Any, _context: object = None) -> dict[str, Any]:
        """Invoke it."""
        api, process = self.api, self.process
        if api is None or process is None or process.poll() is not None:
            api, process = self.start()
        api.events.put(json.dumps(event).encode())
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                kind, answer = api.answers.get(timeout=0.02)
            except queue.Empty:
                if process.poll() is not None:
                    raise KilledError from None
                assert time.monotonic() < deadline, "the function does not answer"
                continue
            if kind != "response":
                raise FailedError(answer)
            response: dict[str, Any] = answer
            return response

    def kill(self) -> None:
        """Let the process that there is end at once."""
        if self.process is not None:
            self.process.kill()

    def stop(self) -> None:
        """End what there is."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(30)
        if self.api is not None:
            self.api.stop()
        self.process = self.api = None

    def said(self) -> list[dict[str, Any]]:
        """What it logged as JSON, which CloudWatch's filters take apart."""
        lines = self.log.read_text(errors="replace").splitlines()
        return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]
