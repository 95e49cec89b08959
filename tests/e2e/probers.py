"""Clients that keep an HTTP connection open and ask again and again, as probes and scrapers do."""

import http.client
import threading

PACE_SECONDS = 0.02  # a connection then lasts seconds, and most stops find it open
TIMEOUT_SECONDS = 60


class KeepAliveProber(threading.Thread):
    """Asks for `path` until nobody listens any more, on one connection as long as the server keeps it."""

    def __init__(self, server, path):
        super().__init__(daemon=True)
        self.path = path
        self.statuses = []
        self._connection = http.client.HTTPConnection(server.ports["metrics_address"], timeout=TIMEOUT_SECONDS)
        self._has_asked = threading.Event()
        self._never = threading.Event()
        self.start()

    def run(self):
        try:
            while self._ask_once_more():
                self._has_asked.set()
                self._never.wait(PACE_SECONDS)
        finally:
            self._has_asked.set()
            self._connection.close()

    def _ask_once_more(self):
        """False when the server has gone. A connection that it closed is opened again."""
        for _ in range(2):
            try:
                self._connection.request("GET", self.path)
                response = self._connection.getresponse()
                response.read()
                self.statuses.append(response.status)
                return True
            except (OSError, http.client.HTTPException):
                self._connection.close()
        return False

    def wait_until_it_asks(self):
        assert self._has_asked.wait(TIMEOUT_SECONDS) and self.statuses, f"{self.path} was not answered"
