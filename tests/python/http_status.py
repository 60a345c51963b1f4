"""A check in Python: a web server answers a request with the status that is expected of it.

It is written straight on: there is no line about time, because every call that waits ends at the deadline.
"""

import json

from componentize_py_types import Err
from wit_world import exports
from wit_world.exports import check
from wit_world.imports import measurements, phases
from wit_world.imports.net import Connection, TlsOptions
from wit_world.imports.types import (
    Failure,
    Reason_AssertionFailed,
    Reason_Call,
    Reason_TooLarge,
    Reason_UnexpectedResponse,
)

SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "required": ["host"],
    "properties": {
        "host": {"type": "string", "minLength": 1},
        "port": {"type": "integer", "minimum": 1, "maximum": 65535},
        "tls": {"type": "boolean"},
        "path": {"type": "string", "pattern": "^/[!-~]*$"},
        "status": {"type": "integer", "minimum": 100, "maximum": 599},
    },
}
# What the head of a response may have at most, in bytes, with the informational responses before it.
MOST_HEAD = 16 * 1024


class Check(exports.Check):
    def describe(self):
        return check.Description(
            name="http-status",
            version="0.1.0",
            summary="a web server answers with a status",
            phases=["resolve", "connect", "tls", "request", "response"],
            settings_schema=json.dumps(SCHEMA),
            capabilities=["net.connect", "net.tls"],
            target=check.Target_HostAndPort(check.HostAndPort("host", "port", [80, 443])),
        )

    def run(self, settings):
        try:
            run(json.loads(settings))
        except Err as error:
            raise Err(failure(error)) from None


def run(settings):
    tls = settings.get("tls", False)
    host, port = settings["host"], settings.get("port", 443 if tls else 80)
    path, expected = settings.get("path", "/"), settings.get("status", 200)
    plan(tls)
    connection = Connection.connect(host, port)
    if tls:
        connection.start_tls(TlsOptions(None, ["http/1.1"]))
    with Phase("request"):
        request = f"GET {path} HTTP/1.1\r\nHost: {authority(host, port)}\r\nConnection: close\r\n\r\n"
        connection.write(request.encode())
    with Phase("response"):
        status = read_status(connection)
    measurements.put("http.response.status_code", float(status), "{status_code}", [])
    if status != expected:
        raise Err(Failure(Reason_AssertionFailed(), f"the status is {status}, and {expected} was expected"))


def plan(tls):
    names = ["resolve", "connect", *(["tls"] if tls else []), "request", "response"]
    phases.plan([phases.Planned(name, None) for name in names])


def authority(host, port):
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def read_status(connection):
    """The status of the final response, which informational ones may go before (RFC 9110, section 15.2)."""
    received, start = b"", 0
    while True:
        end = received.find(b"\r\n\r\n", start)
        if end >= 0:
            status = status_of(received[start:end])
            if not 100 <= status < 200 or status == 101:
                return status
            start = end + 4
            continue
        if len(received) > MOST_HEAD:
            raise Err(Failure(Reason_TooLarge(), f"the head of the response has more than {MOST_HEAD} bytes"))
        more = connection.read(MOST_HEAD)
        if not more:
            raise Err(Failure(Reason_UnexpectedResponse(), "the response ended within its head"))
        received += more


def status_of(head):
    line = head.split(b"\r\n", 1)[0]
    version, _, rest = line.partition(b" ")
    if not version.startswith(b"HTTP/1.") or not rest[:3].isdigit():
        raise Err(Failure(Reason_UnexpectedResponse(), f"no status line of HTTP/1: {line[:100]!r}"))
    return int(rest[:3])


class Phase:
    """Ends the phase as the lines in it have ended."""

    def __init__(self, name):
        self.name = name

    def __enter__(self):
        phases.begin(self.name, None)

    def __exit__(self, kind, error, traceback):
        if error is None:
            phases.succeed()
        elif isinstance(error, Err):
            phases.fail(failure(error))


def failure(error):
    """What a check fails with: a failure of its own, or the error of a call as the reason of one."""
    if isinstance(error.value, Failure):
        return error.value
    words = getattr(error.value, "value", None)
    return Failure(Reason_Call(error.value), words if isinstance(words, str) else type(error.value).__name__)
