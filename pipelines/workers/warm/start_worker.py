"""What a raylet runs in place of `python`: it asks the server at an address for a worker, or becomes Python itself.

Ray's command is `python setup_worker.py [flags] default_worker.py ... --serialized-runtime-env-context=JSON`. This
file is run by itself, without the project on the path.
"""

import json
import os
import socket
import sys
from pathlib import Path

CONTEXT = "--serialized-runtime-env-context="
PATIENCE_S = 30  # less than Ray waits for a worker


def environment_of(command: list[str]) -> dict[str, str] | None:
    """Return the environment of a worker that needs nothing else to be set up, else None.

    Libraries that are imported by then have read other variables than Ray's.
    """
    given = [word for word in command if word.startswith(CONTEXT)]
    context = json.loads(given[0].removeprefix(CONTEXT)) if given else {}
    others = {name for name, value in context.items() if value and value != sys.executable} - {"env_vars"}
    variables: dict[str, str] = context.get("env_vars") or {}
    are_plain = all(name.startswith("RAY_") and "$" not in value for name, value in variables.items())
    return None if others or not are_plain else dict(os.environ) | variables


def ask(address: str, request: dict[str, object]) -> bool:
    """Ask for a worker, and wait until it is there. Returns whether it is."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as server:
        server.settimeout(PATIENCE_S)
        try:
            server.connect(address)
            socket.send_fds(server, [json.dumps(request).encode()], [0, 1, 2])
            return bool(server.recv(64))
        except OSError:  # the server has ended, or hangs
            return False


def main(address: str, command: list[str]) -> None:
    worker = [word for word in command if word.endswith("default_worker.py")]
    environment = environment_of(command) if worker else None
    if environment is not None:
        arguments = [
            word for word in command[command.index(worker[0]) :] if not word.startswith((CONTEXT, "--language="))
        ]
        request = {
            "command": arguments,
            "environment": environment,
            "folder": os.getcwd(),
            "niceness": os.getpriority(os.PRIO_PROCESS, 0),
            "oom_score_adj": Path("/proc/self/oom_score_adj").read_text(),
        }
        if ask(address, request):
            return
    os.execv(sys.executable, [sys.executable, *command])


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
