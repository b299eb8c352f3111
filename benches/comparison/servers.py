"""Servers: how each is started on a free port, when it is ready, and how it is stopped.

Absent: load. A server is a command line with places in it; what belongs there (port, certificate,
configuration) is made here, in a folder that the caller throws away.
"""

import os
import random
import re
import resource
import shlex
import signal
import socket
import subprocess
import sys
import time
from typing import NamedTuple

from comparison.scenarios import BARE, FRAMED, MQTT, NATS, REDIS, SEALED, TLS

READY_TIMEOUT_S = 20

# Below what Linux takes for outgoing connections: one of these could take a port that was found
# free before the server has it.
PORTS = (10_000, 32_000)

VERSION = re.compile(r"\d+\.\d+\.\d+")

# The listener of WebSocket. The ordinary one stays: whether a server is ready is asked there.
WEBSOCKET_CONFIG = 'websocket {{ listen: "127.0.0.1:{port}", {security} }}\n'

# Thousands of handshakes at once may take longer than the usual two seconds.
TLS_CONFIG = "tls {{ {files}, timeout: 60 }}\n"

# A broker for MQTT that never drops a message and never cuts anybody off. It is not to become
# another user, who might not be allowed as many open files.
MQTT_CONFIG = """user root
listener {port} 127.0.0.1
allow_anonymous true
set_tcp_nodelay true
max_queued_messages 0
max_connections -1
log_type error
"""

# How openssl makes an authority and what it signs. P-256 is what servers are given as a rule.
KEY = "openssl ecparam -name prime256v1 -genkey -noout -out {name}.key"
AUTHORITY = 'openssl req -x509 -new -key ca.key -subj "/CN=comparison" -days 2 -out ca.pem'
REQUEST = 'openssl req -new -key server.key -subj "/CN=localhost" -out server.csr'
SIGN = (
    "openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2"
    " -extfile server.ext -out server.pem"
)
EXTENSIONS = "subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth\n"

# What is said to a server to hear whether it serves, and how its answer begins.
GREETINGS = {
    NATS: (b"", b"INFO"),
    BARE: (b"", b"INFO"),
    REDIS: (b"PING\r\n", b"+PONG"),
    MQTT: (b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x00\x00\x00", b"\x20\x02\x00\x00"),
}


class Server(NamedTuple):
    """A server of the comparison."""

    name: str
    dialect: str
    # With {port} where the port belongs; {config}, {cert} and {key} where these are wanted.
    command: str


def parse(text):
    """Reads `NAME=COMMAND` or `NAME=DIALECT://COMMAND`; a ValueError says what is wrong."""
    name, sign, command = text.partition("=")
    dialect, scheme, rest = command.partition("://")
    if scheme and " " not in dialect:
        command = rest
    else:
        dialect = NATS
    if dialect not in GREETINGS:
        raise ValueError(f"a server speaks one of {', '.join(sorted(GREETINGS))}, not {dialect}")
    if not sign or not ("{port}" in command or (dialect == MQTT and "{config}" in command)):
        raise ValueError("write it as NAME=COMMAND with {port} in the command")
    return Server(name, dialect, command)


def raise_file_limit():
    """Lets the servers, which inherit it, open as many files as they may."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def make_certificates(folder):
    """Makes an authority (ca.pem) and what it has signed (server.pem, server.key)."""
    with open(os.path.join(folder, "server.ext"), "w", encoding="utf-8") as file:
        file.write(EXTENSIONS)
    for line in (KEY.format(name="ca"), KEY.format(name="server"), AUTHORITY, REQUEST, SIGN):
        try:
            done = subprocess.run(
                shlex.split(line), cwd=folder, capture_output=True, text=True, check=False
            )
        except OSError as error:
            sys.exit(f"TLS needs openssl: {error}")
        if done.returncode:
            sys.exit(f"{line}\n{done.stderr.strip()}")


def free_port():
    """A port that nobody listens on, and that no outgoing connection is given by the system."""
    while True:
        port = random.randrange(*PORTS)
        with socket.socket() as listener:
            try:
                listener.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


class Running:
    """A server that was started for one run; it ends with the `with` block."""

    def __init__(self, server, transport, folder, log):
        self.server = server
        self.port = free_port()
        # Where the load goes.
        self.load_port = free_port() if transport in FRAMED else self.port
        words = self.words(transport, folder)
        self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    @property
    def pid(self):
        """Its process."""
        return self.process.pid

    def words(self, transport, folder):
        """The words of the command, with what belongs into it."""
        command = self.server.command
        if transport in FRAMED and "{config}" not in command:
            command += " -c {config}"
        elif transport == TLS and "{cert}" not in command and "{config}" not in command:
            command += " --tls --tlscert {cert} --tlskey {key}"
        places = {
            "{port}": str(self.port),
            "{cert}": os.path.join(folder, "server.pem"),
            "{key}": os.path.join(folder, "server.key"),
        }
        if "{config}" in command:
            places["{config}"] = self.write_config(transport, folder)
        words = shlex.split(command)
        for place, value in places.items():
            words = [word.replace(place, value) for word in words]
        return words

    def write_config(self, transport, folder):
        """Writes the configuration file that the dialect needs; returns its path."""
        text = MQTT_CONFIG.format(port=self.port)
        if self.server.dialect == NATS:
            parts = {name: os.path.join(folder, f"server.{name}") for name in ("pem", "key")}
            files = f'cert_file: "{parts["pem"]}", key_file: "{parts["key"]}"'
            security = f"tls {{ {files} }}" if transport in SEALED else "no_tls: true"
            text = WEBSOCKET_CONFIG.format(port=self.load_port, security=security)
            if transport not in FRAMED:
                text = TLS_CONFIG.format(files=files) if transport == TLS else ""
        path = os.path.join(folder, "server.conf")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def is_ready(self):
        """Whether the server answers before the time is up."""
        said, expected = GREETINGS[self.server.dialect]
        end = time.monotonic() + READY_TIMEOUT_S
        while time.monotonic() < end and self.process.poll() is None:
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                    connection.sendall(said)
                    if connection.recv(len(expected)) == expected:
                        return True
            except OSError:
                time.sleep(0.02)
        return False


def version(server):
    """The first version that a server's program tells."""
    program = shlex.split(server.command)[0]
    option = "-h" if server.dialect == MQTT else "--version"
    try:
        done = subprocess.run(
            [program, option], capture_output=True, text=True, check=False, timeout=10
        )
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
    found = VERSION.search(done.stdout + done.stderr)
    return found[0] if found else "unknown"
