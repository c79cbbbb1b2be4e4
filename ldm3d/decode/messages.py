"""Byte strings over a stream socket, each behind its length."""

import socket
import struct

STATUS = struct.Struct("!i")  # how a worker ended, as `os.waitpid` has it

_LENGTH = struct.Struct("!Q")


def send(connection: socket.socket, content: bytes) -> None:
    """Raises OSError: the other side hung up, or takes nothing for as long as the connection's time-out."""
    connection.sendall(_LENGTH.pack(len(content)))
    connection.sendall(content)


def receive(connection: socket.socket, longest: int = 2**40) -> bytes:
    """Raises OSError: the connection ended; ValueError: the message is longer than `longest` bytes."""
    (length,) = _LENGTH.unpack(_receive_exactly(connection, _LENGTH.size))
    if length > longest:
        raise ValueError(f"a message of {length} bytes, at most {longest} are taken")
    return _receive_exactly(connection, length)


def has_hung_up(connection: socket.socket) -> bool:
    """Whether the other side is gone. Takes nothing from the connection."""
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
