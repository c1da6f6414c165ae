"""An HTTP server that answers with the request it got, for tests of what stands in front of it."""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@contextmanager
def echo_server(name: str, *, answer: Mapping[str, object] | None = None) -> Iterator[int]:
    """Its port. The answer is JSON: which server, the method, the path, the headers, the body's length;
    or `answer`, whatever was asked."""

    class Echo(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            length = len(self.rfile.read(int(self.headers.get("Content-Length", 0))))
            seen = {"server": name, "method": self.command, "path": self.path, "length": length}
            headers = {key.lower(): value for key, value in self.headers.items()}
            body = json.dumps(answer or {**seen, "headers": headers})
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        do_GET = do_POST = _answer  # noqa: N815

        def log_message(self, *_: object) -> None:
            """Silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
