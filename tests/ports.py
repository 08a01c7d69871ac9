"""Ports for servers that are started, killed and started again."""

import os
import socket
import sys
import weakref


def reserve(owner: object) -> int:
    """A free port on 127.0.0.1 that the system gives to nobody else while `owner` lives.

    Without that, a port could be lost while its server is down, even to a client that tries to reach the server and is
    given that very port for its own end: it talks to itself then, and the server cannot start any more. A server that
    sets SO_REUSEADDR, as nearly all do, can bind the port all the same: only one of the two sockets listens. Linux
    allows this; elsewhere the port is only probably free.
    """
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind(("127.0.0.1", 0))
    port: int = held.getsockname()[1]
    if sys.platform == "linux":
        weakref.finalize(owner, os.close, held.detach())
    else:
        held.close()
    return port
