"""What a raylet runs in place of `python`: it asks the server at an address for a worker, or becomes Python itself.

Ray's command is `python setup_worker.py [flags] default_worker.py ... --serialized-runtime-env-context=JSON`.
"""

import json
import os
import socket
import sys

CONTEXT = "--serialized-runtime-env-context="


def environment_of(command: list[str]) -> dict[str, str] | None:
    """The environment of a worker that needs nothing else to be set up; else None."""
    given = [word for word in command if word.startswith(CONTEXT)]
    context = json.loads(given[0].removeprefix(CONTEXT)) if given else {}
    others = {name for name, value in context.items() if value and value != sys.executable} - {"env_vars"}
    return None if others else dict(os.environ) | (context.get("env_vars") or {})


def main(address: str, command: list[str]) -> None:
    worker = [word for word in command if word.endswith("default_worker.py")]
    environment = environment_of(command) if worker else None
    if environment is None:
        os.execv(sys.executable, [sys.executable, *command])
    arguments = [word for word in command[command.index(worker[0]) :] if not word.startswith((CONTEXT, "--language="))]
    request = {"command": arguments, "environment": environment, "folder": os.getcwd()}
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as server:
        server.connect(address)
        socket.send_fds(server, [json.dumps(request).encode()], [0, 1, 2])
        server.recv(1)  # nothing is sent: the server closes the connection when the worker is there


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
