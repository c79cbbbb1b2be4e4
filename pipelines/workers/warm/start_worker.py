"""What a raylet runs in place of `python`: it asks the server at an address for a worker, or becomes Python itself.

Ray's command is `python setup_worker.py [flags] default_worker.py ... --serialized-runtime-env-context=JSON`. This
file is run by itself, without the project on the path.
"""

import json
import os
import socket
import sys

CONTEXT = "--serialized-runtime-env-context="


def environment_of(command: list[str]) -> dict[str, str] | None:
    """Return the environment of a worker that needs nothing else to be set up, else None."""
    given = [word for word in command if word.startswith(CONTEXT)]
    context = json.loads(given[0].removeprefix(CONTEXT)) if given else {}
    others = {name for name, value in context.items() if value and value != sys.executable} - {"env_vars"}
    return None if others else dict(os.environ) | (context.get("env_vars") or {})


def ask(address: str, request: dict[str, object]) -> bool:
    """Ask for a worker, and wait until it is there. Returns whether it is."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as server:
        try:
            server.connect(address)
            socket.send_fds(server, [json.dumps(request).encode()], [0, 1, 2])
            return bool(server.recv(64))
        except OSError:  # the server has ended
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
        }
        if ask(address, request):
            return
    os.execv(sys.executable, [sys.executable, *command])


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
