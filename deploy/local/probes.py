"""Is a server ready? One question over the wire per server, the same for a process and for a container.

A port that accepts is no answer: a container engine's proxy accepts before the server listens, and a
server may accept while it still recovers."""

import http.client
import json
import socket
import struct
from urllib.parse import unquote, urlsplit

PROBE_SECONDS = 1.0


def postgres_answers(url: str) -> bool:
    """As pg_isready does: a server that starts up or shuts down answers the greeting with an error."""
    parts = urlsplit(url)
    pairs = ["user", parts.username or "", "database", parts.path.lstrip("/"), ""]
    body = struct.pack("!i", 196608) + b"\0".join(text.encode() for text in pairs) + b"\0"
    reply = _exchange(parts.hostname, parts.port, struct.pack("!i", len(body) + 4) + body)
    return reply.startswith(b"R")


def redis_answers(url: str) -> bool:
    """PONG, with the password where the URL has one; a server that loads its file says -LOADING."""
    parts = urlsplit(url)
    greeting = f"AUTH {unquote(parts.password)}\r\n" if parts.password else ""
    return b"+PONG" in _exchange(parts.hostname, parts.port, f"{greeting}PING\r\n".encode(), until=b"+PONG")


def rabbitmq_answers(url: str) -> bool:
    """The broker opens its listener last; it answers the protocol header with a method frame."""
    parts = urlsplit(url)
    return _exchange(parts.hostname, parts.port, b"AMQP\x00\x00\x09\x01").startswith(b"\x01")


def http_answers(port: int, path: str) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PROBE_SECONDS)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def missing_parts(port: int) -> str:
    """What a service says it lacks, in its own words; empty when it says nothing."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PROBE_SECONDS)
    try:
        connection.request("GET", "/ready")
        return ", ".join(json.loads(connection.getresponse().read()).get("missing", []))
    except (OSError, http.client.HTTPException, ValueError):
        return ""
    finally:
        connection.close()


def listens(url: str) -> bool:
    """Does anything accept at this HTTP address?"""
    parts = urlsplit(url)
    return accepts(parts.port or (443 if parts.scheme == "https" else 80), parts.hostname or "")


def accepts(port: int, host: str = "127.0.0.1") -> bool:
    try:
        with socket.create_connection((host, port), PROBE_SECONDS):
            return True
    except OSError:
        return False


def _exchange(host: str | None, port: int | None, request: bytes, *, until: bytes = b"") -> bytes:
    """What the server says first, or until it has said `until`; empty when it does not answer."""
    reply = b""
    try:
        with socket.create_connection((host, port), PROBE_SECONDS) as connection:
            connection.sendall(request)
            while piece := connection.recv(4096):
                reply += piece
                if until in reply:
                    break
    except OSError:
        return reply
    return reply
