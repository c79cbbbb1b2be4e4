"""Byte strings over a stream socket, each preceded by its length."""

import socket
import struct

STATUS = struct.Struct("!i")  # how a worker ended, as `os.waitpid` has it

_LENGTH = struct.Struct("!Q")


def send(connection: socket.socket, *messages: bytes) -> None:
    """Send messages, all in one piece: every piece would wake the other side.

    Raises:
        OSError: the other side hung up, or takes nothing within the connection's time-out.
    """
    pieces = [piece for message in messages for piece in (_LENGTH.pack(len(message)), message)]
    connection.sendall(b"".join(pieces))


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
    parts = []
    while length:
        parts.append(connection.recv(length, socket.MSG_WAITALL))  # with a time-out, it may still return less
        if not parts[-1]:
            raise ConnectionResetError("the other side hung up")
        length -= len(parts[-1])
    return b"".join(parts)
