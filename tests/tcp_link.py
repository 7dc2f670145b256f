"""A link to a server on this machine that can be cut and healed, while the server keeps what it has."""

from __future__ import annotations

import contextlib
import socket
import threading
from types import TracebackType
from typing import Self

from tests.service import free_port


class TcpLink:
    """Listens on a port of its own and passes bytes on, for as long as the `with` block lasts."""

    def __init__(self, target_port: int) -> None:
        self.port = free_port()
        self.asked = bytearray()  # everything that was sent to the server
        self.connections = 0  # so far
        self._target_port = target_port
        self._guard = threading.Lock()
        self._sockets: set[socket.socket] = set()
        self._listener: socket.socket | None = None

    def __enter__(self) -> Self:
        self.heal()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.cut()

    def cut(self) -> None:
        """Refuse connections, and end those there are."""
        with self._guard:
            ending = list(self._sockets)
            if self._listener is not None:
                ending.append(self._listener)
                self._listener = None
        for each in ending:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def heal(self) -> None:
        """Accept connections (again)."""
        listener = socket.create_server(("127.0.0.1", self.port), backlog=128)
        with self._guard:
            self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                near, _ = listener.accept()
                far = socket.create_connection(("127.0.0.1", self._target_port))
            except OSError:
                if self._listener is not listener:
                    return
                continue
            with self._guard:
                self.connections += 1
                self._sockets |= {near, far}
            for way in ((near, far, True), (far, near, False)):
                threading.Thread(target=self._pass_on, args=way, daemon=True).start()

    def _pass_on(self, source: socket.socket, sink: socket.socket, to_server: bool) -> None:
        with contextlib.suppress(OSError):
            while chunk := source.recv(65536):
                sink.sendall(chunk)
                if to_server:
                    self.asked += chunk
        for each in (source, sink):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        with self._guard:
            self._sockets -= {source, sink}
