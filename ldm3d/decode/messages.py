"""Byte strings over a stream socket, each preceded by its length."""

import socket
import struct

STATUS = struct.Struct("!i")  # how a worker ended, as `os.waitpid` has it

_LENGTH = struct.Struct("!Q")


def send(connection: socket.socket, content: bytes) -> None:
    """Send a message. Raises OSError if the other side hung up, or takes nothing within the connection's time-out."""
    connection.sendall(_LENGTH.pack(len(content)))
    connection.sendall(content)


def receive(connection: socket.socket, longest: int = 2**40) -> bytes:
    """Receive a message. Raises OSError if the connection ended, ValueError if it is longer than `longest` bytes."""
    (length,) = _LENGTH.unpack(_receive_exactly(connection, _LENGTH.size))
    if length > longest:
        raise ValueError(f"a message of {length} bytes, at most {longest} are taken")
    return _receive_exactly(connection, length)


def has_hung_up(connection: socket.socket) -> bool:
    """Return whether the other side is gone. Takes nothing from the connection."""
    try:
        return not connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return False
    except OSError:
        return True


def _receive_exactly(connection: socket.socket, length: int) -> bytes:
    content = bytearray(length)
    view = memoryview(content)
    while view:
        count = connection.recv_into(view)
        if count == 0:
            raise ConnectionResetError("the other side hung up")
        view = view[count:]
    return bytes(content)
