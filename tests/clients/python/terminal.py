"""`fanfare top` in a real terminal, against a real server.

Usage: terminal.py FANFARE SERVER [PICTURE.png [OPTION …]]. SERVER is the binary of a server with nats-server's
options; it is started here, with clients that have names. Prints `ok NAME` for each case and ends
with status 0 when all are well. A third argument draws what stood on the screen into a file, which
needs Pillow; those behind it are for the server.
Absent: sleeps and retries; whatever is awaited is an event on the screen, under one deadline.
"""

import fcntl
import json
import os
import pty
import re
import select
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time

import pyte

DEADLINE = 60
FANFARE, SERVER = sys.argv[1:3]
PICTURE = sys.argv[3] if len(sys.argv) > 3 else None
OPTIONS = sys.argv[4:]


class Server:
    """A server whose ports are told by its ports file, and stay the same when it is started anew."""

    def __init__(self):
        self.folder = tempfile.mkdtemp()
        self.clients, self.monitor = -1, -1
        self.start()

    def start(self):
        """Starts it and waits until it has said where it listens."""
        command = [SERVER, "-a", "127.0.0.1", "-n", "stage-left", "--ports_file_dir", self.folder]
        command += ["-p", str(self.clients), "-m", str(self.monitor), *OPTIONS]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        for line in self.process.stderr:
            if "Server is ready" in line:
                break
        else:
            raise AssertionError("the server did not start")
        threading.Thread(target=self.process.stderr.read, daemon=True).start()
        name = os.path.basename(SERVER)
        path = os.path.join(self.folder, f"{name}_{self.process.pid}.ports")
        until = time.monotonic() + DEADLINE
        while True:
            try:
                with open(path, encoding="utf-8") as file:
                    ports = json.load(file)
                break
            except (FileNotFoundError, json.JSONDecodeError):
                assert time.monotonic() < until, f"no {path}"
                os.sched_yield()
        self.clients = int(ports["nats"][0].rsplit(":", 1)[1])
        self.monitor = int(ports["monitoring"][0].rsplit(":", 1)[1])

    def stop(self):
        """Kills it."""
        self.process.kill()
        self.process.wait()


class Client(threading.Thread):
    """A client by name that publishes and subscribes until the server is gone."""

    def __init__(self, port, name, lang, filters=(), subject=None, pace=0.001, size=64):
        super().__init__(daemon=True)
        self.socket = socket.create_connection(("127.0.0.1", port))
        options = {"name": name, "lang": lang, "version": "1.2.3", "verbose": False}
        lines = [f"CONNECT {json.dumps(options)}\r\n"]
        lines += [f"SUB {text} {sid}\r\n" for sid, text in enumerate(filters, 1)]
        self.socket.sendall("".join(lines).encode())
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()
        self.pace, self.message = pace, None
        if subject:
            self.message = f"PUB {subject} {size}\r\n{'x' * size}\r\n".encode() * 20
            self.start()

    def read(self):
        """Takes in whatever comes, and answers PINGs."""
        try:
            while data := self.socket.recv(65536):
                if b"PING\r\n" in data:
                    self.socket.sendall(b"PONG\r\n")
        except OSError:
            pass

    def run(self):
        # This is a load, not a wait: how fast a client publishes.
        pause = threading.Event()
        try:
            while True:
                self.socket.sendall(self.message)
                pause.wait(self.pace)
        except OSError:
            pass


class Terminal:
    """A pseudo-terminal with a program in it, and what stands on its screen."""

    def __init__(self, arguments, columns, lines):
        self.screen = pyte.Screen(columns, lines)
        self.stream = pyte.ByteStream(self.screen)
        self.bytes = b""
        self.pid, self.master = pty.fork()
        if self.pid == 0:
            os.environ["TERM"] = "xterm-256color"
            os.environ.pop("NO_COLOR", None)
            os.execv(arguments[0], arguments)
        self.resize(columns, lines)

    def resize(self, columns, lines):
        """Gives it another size; the program is told by a signal."""
        self.screen.resize(lines, columns)
        size = struct.pack("HHHH", lines, columns, 0, 0)
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, size)

    def type(self, text):
        """Presses keys."""
        os.write(self.master, text.encode())

    def text(self):
        """The screen as lines."""
        return "\n".join(line.rstrip() for line in self.screen.display)

    def read(self, until):
        """Takes in what the program writes next."""
        ready, _, _ = select.select([self.master], [], [], max(0, until - time.monotonic()))
        assert ready, f"nothing more came; the screen:\n{self.text()}"
        try:
            data = os.read(self.master, 65536)
        except OSError:
            data = b""
        self.bytes += data
        self.stream.feed(data)
        return data

    def wait(self, holds, what):
        """Waits until something holds of the screen's text."""
        until = time.monotonic() + DEADLINE
        while not holds(self.text()):
            assert time.monotonic() < until, f"never {what}; the screen:\n{self.text()}"
            assert self.read(until), f"it ended before {what}; the screen:\n{self.text()}"
        return self.text()

    def wait_for(self, *parts):
        """Waits until all of these stand on the screen."""
        return self.wait(lambda text: all(part in text for part in parts), f"had {parts}")

    def ended(self):
        """Waits for the program's end; its exit status."""
        while self.read(time.monotonic() + DEADLINE):
            pass
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def row(text, name):
    """The cells of a connection's row."""
    line = next((line for line in text.splitlines() if f" {name} " in line), "")
    return line.strip("│ ").split()


def ok(name):
    """Says that a case has passed."""
    print(f"ok {name}", flush=True)


def load(port):
    """Clients by name: two that publish and some that listen."""
    return [
        Client(port, "orders-api", "go", subject="orders.new", pace=0.002),
        Client(port, "price-feed", "rust", subject="prices.eur", pace=0.004, size=256),
        Client(port, "ledger", "java", filters=["orders.>"]),
        Client(port, "dashboard", "javascript", filters=["orders.>", "prices.>"]),
        Client(port, "risk-engine", "python", filters=["prices.*", "alerts", "limits.>"]),
        Client(port, "archive", ".NET", filters=[">"]),
        Client(port, "e-mail gateway", "ruby", filters=["alerts"]),
    ]


def crowd(port, number):
    """One of many, so that a picture has something to show."""
    if number % 3 == 0:
        return Client(port, f"sensor-{number:02}", "c", subject=f"prices.{number}", pace=0.01 + number / 200)
    return Client(port, f"worker-{number:02}", "go", filters=["orders.>", "prices.*"][number % 2 :])


def main():
    server = Server()
    clients = load(server.clients)
    url = f"http://127.0.0.1:{server.monitor}"
    top = [FANFARE, "top", "--url", url, "--interval", "250ms"]

    once = subprocess.run([*top, "--once"], capture_output=True, text=True, timeout=DEADLINE)
    assert once.returncode == 0 and "\x1b" not in once.stdout, once
    assert "stage-left" in once.stdout and "risk-engine" in once.stdout, once.stdout
    ok("once")

    screen = Terminal(top, 120, 32)
    screen.wait_for("fanfare top", "stage-left", "● every 250ms", "orders-api", "ledger")
    # Who publishes has a rate from, who listens one to; nobody has what is not his.
    def moves(text):
        sender, reader = row(text, "orders-api"), row(text, "ledger")
        return sender and reader and sender != row(first, "orders-api") and "k" in "".join(reader)

    first = screen.text()
    screen.wait(moves, "showed rates")
    ok("rates")

    # Only our own server tells of its event loops and of latency.
    if "nats-server" not in SERVER:
        screen.wait_for("╭ Shards", " cl│", "latency p50")
    else:
        assert "Shards" not in screen.text()
    ok("shards")

    screen.type("S")
    screen.wait_for("PENDING▼")
    screen.type("\x1b[C")
    screen.wait_for("MSGS TO▼")
    screen.type("r")
    screen.wait_for("MSGS TO▲")
    screen.type("r")
    screen.wait_for("MSGS TO▼")
    ok("sort")

    screen.type("/LED")
    screen.wait_for("filter: LED▏")
    screen.type("\r")
    text = screen.wait(lambda text: "1–1 of 1" in text, "filtered")
    assert "ledger" in text and "orders-api" not in text, text
    screen.type("\x1b")
    screen.wait_for("1–7 of 7", "orders-api")
    ok("filter")

    screen.type("t")
    screen.wait_for("· totals")
    screen.type("t")
    screen.wait_for("· per second")
    screen.type("p")
    screen.wait_for("‖ paused")
    screen.type("p")
    screen.wait_for("● every 250ms")
    screen.type("?")
    screen.wait_for(" Keys ", "half as often")
    screen.type("x")
    screen.wait(lambda text: not re.search(" Keys |this help|Ctrl-C", text), "left the help")
    ok("keys")

    if PICTURE:
        clients += [crowd(server.clients, number) for number in range(14)]
        until = time.monotonic() + 12
        screen.wait(lambda _: time.monotonic() > until, "had a past")
        picture(screen)

    screen.resize(56, 14)
    text = screen.wait(lambda text: f"conns {len(clients)}" in text, "was small")
    assert all(len(line) <= 56 for line in text.splitlines())
    screen.resize(170, 48)
    screen.wait_for("LIBRARY", "UPTIME", "╭ Server")
    ok("resize")

    server.stop()
    screen.wait_for("○ no answer", "nobody listens there", "orders-api")
    server.start()
    clients += load(server.clients)
    screen.wait_for("● every 250ms", "orders-api")
    ok("reconnect")

    screen.type("q")
    assert screen.ended() == 0
    # The screen of before is back, and the cursor is seen again.
    assert b"\x1b[?1049l" in screen.bytes and b"\x1b[?25h" in screen.bytes
    ok("quit")

    server.stop()
    gone = subprocess.run([*top, "--once"], capture_output=True, text=True, timeout=DEADLINE)
    assert gone.returncode == 1 and "nobody listens there" in gone.stderr, gone
    screen = Terminal(top, 100, 24)
    screen.wait_for("nobody listens there", "Trying again")
    screen.type("\x03")
    assert screen.ended() == 0
    ok("nobody")


def picture(screen):
    """Draws the screen into a file."""
    from PIL import Image, ImageDraw, ImageFont

    # A picture of half a frame would be none.
    while select.select([screen.master], [], [], 0.05)[0]:
        screen.read(time.monotonic() + DEADLINE)
    folder = "/usr/share/fonts/truetype/dejavu/"
    size = 15
    plain = ImageFont.truetype(folder + "DejaVuSansMono.ttf", size)
    bold = ImageFont.truetype(folder + "DejaVuSansMono-Bold.ttf", size)
    width, height = round(plain.getlength("M")), 19
    ground, ink = (22, 24, 30), (222, 226, 232)
    colours = {
        "default": ink, "cyan": (86, 201, 214), "green": (120, 200, 120), "blue": (110, 160, 245),
        "red": (240, 110, 110), "brown": (230, 190, 90), "yellow": (230, 190, 90),
    }
    columns, lines, pad = screen.screen.columns, screen.screen.lines, 12
    image = Image.new("RGB", (columns * width + 2 * pad, lines * height + 2 * pad), ground)
    draw = ImageDraw.Draw(image)
    faint = faint_cells(screen)
    for y in range(lines):
        for x in range(columns):
            cell = screen.screen.buffer[y][x]
            fore, back = colours.get(named(cell.fg), ink), ground
            if (y, x) in faint:
                fore = tuple((a * 3 + b * 2) // 5 for a, b in zip(fore, ground))
            if cell.reverse:
                fore, back = back, fore
            left, above = pad + x * width, pad + y * height
            if back != ground:
                draw.rectangle([left, above, left + width - 1, above + height - 1], fill=back)
            if "▁" <= cell.data <= "█":
                eighths = ord(cell.data) - ord("▁") + 1
                top = above + height - height * eighths // 8
                draw.rectangle([left, top, left + width - 2, above + height - 1], fill=fore)
            elif cell.data.strip():
                font = bold if cell.bold else plain
                draw.text((left, above + 1), cell.data, font=font, fill=fore)
            if cell.underscore:
                under = above + height - 1
                draw.line([left, under, left + width, under], fill=tuple(c // 3 for c in ink))
    image.quantize(64).save(PICTURE, optimize=True)


def named(colour):
    """The name of one of the sixteen colours, which come by their numbers."""
    names = ["black", "red", "green", "yellow", "blue", "magenta", "cyan", "white"]
    table = pyte.graphics.FG_BG_256[:16]
    return names[table.index(colour) % 8] if colour in table else colour


def faint_cells(screen):
    """Cells of which the program has said that they are faint, which pyte does not keep."""

    class Faint(pyte.Screen):
        def __init__(self, columns, lines):
            self.is_faint = False
            self.cells = set()
            super().__init__(columns, lines)

        def select_graphic_rendition(self, *attributes, **rest):
            # What follows 38 or 48 says which colour, as `38;5;2`.
            has_colour = next((n for n, code in enumerate(attributes) if code in (38, 48)), None)
            for attribute in attributes[:has_colour] if attributes else (0,):
                self.is_faint = attribute == 2 or (self.is_faint and attribute not in (0, 22))
            super().select_graphic_rendition(*attributes, **rest)

        def draw(self, data):
            for letter in data:
                at = (self.cursor.y, self.cursor.x)
                (self.cells.add if self.is_faint else self.cells.discard)(at)
                super().draw(letter)

    twin = Faint(screen.screen.columns, screen.screen.lines)
    pyte.ByteStream(twin).feed(screen.bytes)
    return twin.cells


main()
