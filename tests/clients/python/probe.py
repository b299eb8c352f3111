"""The Python client library nats-py, doing what it is told.

Usage: probe.py < CASES. Each line is a JSON object: where to connect, with which credentials, and
what to do. Prints one line for each: a JSON list of what happened, without addresses.
Absent: judgement, sleeps and retries.
"""

import asyncio
import json
import logging
import ssl
import sys

import nats

DEADLINE = 60
# It warns of what the library does at the end of each TLS connection.
logging.getLogger("asyncio").setLevel(logging.ERROR)


class Probe:
    """One client."""

    def __init__(self, case):
        self.case = case
        self.errors = asyncio.Queue()
        self.gone = asyncio.Event()
        self.subscriptions = {}

    def options(self):
        """What `nats.connect` takes."""
        case = self.case

        async def on_error(error):
            self.errors.put_nowait(error)

        async def on_end():
            self.gone.set()

        options = {
            "servers": case["url"],
            "allow_reconnect": False,
            "connect_timeout": DEADLINE,
            "error_cb": on_error,
            "disconnected_cb": on_end,
            "closed_cb": on_end,
        }
        names = {
            "user": "user",
            "pass": "password",
            "token": "token",
            "seed": "nkeys_seed_str",
            "creds": "user_credentials",
        }
        options |= {names[name]: case[name] for name in names if name in case}
        if "jwt" in case:
            options["user_jwt_cb"] = lambda: case["jwt"].encode()
            options["signature_cb"] = lambda nonce: b""
        if "ca" in case:
            context = ssl.create_default_context(cafile=case["ca"])
            if "cert" in case:
                context.load_cert_chain(case["cert"], case["key"])
            options["tls"] = context
            options["tls_handshake_first"] = case["first"]
        return options

    async def flush(self):
        """Hands everything to the broker."""
        await self.client._flush_pending(force_flush=True)
        await self.client.flush(DEADLINE)

    async def act(self, action):
        """Does one thing; returns what came of it."""
        name, *words = action.split(",")
        if name == "sub":
            self.subscriptions[words[0]] = await self.client.subscribe(words[0])
            await self.flush()
            return "done"
        if name == "pub":
            await self.client.publish(words[0], words[1].encode())
            await self.flush()
            return "done"
        if name == "get":
            message = await self.subscriptions[words[0]].next_msg(timeout=DEADLINE)
            return f"{message.subject} {message.data.decode()}"
        if name == "answer":
            message = await self.subscriptions[words[0]].next_msg(timeout=DEADLINE)
            await message.respond(b"answer")
            await self.flush()
            return "done"
        if name == "request":
            answer = await self.client.request(words[0], words[1].encode(), timeout=DEADLINE)
            return answer.data.decode()
        if name == "error":
            return str(await asyncio.wait_for(self.errors.get(), DEADLINE))
        if name == "ended":
            await asyncio.wait_for(self.gone.wait(), DEADLINE)
            return "done"
        raise AssertionError(f"what is {action}?")

    async def run(self):
        """Connects and does what the case asks for."""
        try:
            self.client = await nats.connect(**self.options())
        except Exception as error:
            return [f"refused: {type(error).__name__} {error}"]
        told = ["connected"]
        for action in self.case.get("do", []):
            try:
                outcome = await self.act(action)
            except nats.errors.Error as error:
                outcome = str(error)
            told.append(f"{action}: {outcome}")
        await self.client.close()
        return told


async def main():
    for line in sys.stdin.readlines():
        case = json.loads(line)
        address = case["url"].removeprefix("nats://")
        told = await Probe(case).run()
        print(json.dumps([text.replace(address, "<address>") for text in told]), flush=True)


asyncio.run(main())
