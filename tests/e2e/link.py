"""A TCP link of a test's own, to be cut."""

import selectors
import socket
import threading


class Link:
    """Passes on what goes to `port` of 127.0.0.1, both ways, until it is cut. A context manager."""

    def __init__(self, target_port):
        self._target = ("127.0.0.1", target_port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._lock = threading.Lock()  # guards what follows
        self._is_up = True
        self._ends = set()
        self._is_closed = False
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with self._lock:
            self._is_closed = True
        self.cut()
        # Ends accept() as well.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def cut(self):
        """Closes every connection, and new ones at once."""
        with self._lock:
            self._is_up = False
            for end in self._ends:
                end.shutdown(socket.SHUT_RDWR)
            self._ends.clear()

    def mend(self):
        with self._lock:
            self._is_up = True

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                if not self._is_up:
                    client.close()
                    continue
                server = socket.create_connection(self._target)
                self._ends |= {client, server}
            threading.Thread(target=self._pass, args=(client, server), daemon=True).start()

    def _pass(self, client, server):
        peers = {client: server, server: client}
        with selectors.DefaultSelector() as selector, client, server:
            for end in peers:
                selector.register(end, selectors.EVENT_READ)
            is_open = True
            while is_open:
                for key, _ in selector.select():
                    try:
                        data = key.fileobj.recv(65536)
                        peers[key.fileobj].sendall(data)
                    except OSError:
                        data = b""
                    is_open = is_open and bool(data)
            with self._lock:
                self._ends -= set(peers)
