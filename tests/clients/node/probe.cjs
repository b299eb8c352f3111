// The Node.js client library @nats-io/transport-node, doing what it is told.
//
// Usage: probe.cjs < CASES. Each line is a JSON object: where to connect, with which credentials,
// and what to do. Prints one line for each: a JSON list of what happened, without addresses.
// Absent: judgement, sleeps and retries.
"use strict";

const fs = require("node:fs");
const {
  connect,
  credsAuthenticator,
  jwtAuthenticator,
  nkeyAuthenticator,
} = require("@nats-io/transport-node");

const DEADLINE = 60_000;

// What `connect` takes.
function options(given) {
  const wanted = { servers: given.url, reconnect: false, timeout: DEADLINE };
  for (const name of ["user", "pass", "token"]) {
    if (given[name] !== undefined) wanted[name] = given[name];
  }
  const bytes = (text) => new TextEncoder().encode(text);
  if (given.seed) wanted.authenticator = nkeyAuthenticator(bytes(given.seed));
  if (given.creds) wanted.authenticator = credsAuthenticator(fs.readFileSync(given.creds));
  if (given.jwt) wanted.authenticator = jwtAuthenticator(given.jwt);
  if (given.ca) {
    wanted.tls = { caFile: given.ca, handshakeFirst: given.first };
    if (given.cert) Object.assign(wanted.tls, { certFile: given.cert, keyFile: given.key });
  }
  return wanted;
}

class Probe {
  constructor(client) {
    this.client = client;
    this.subscriptions = new Map();
    this.errors = [];
    this.waiting = [];
    this.listen();
  }

  // Collects errors that belong to no call.
  async listen() {
    for await (const event of this.client.status()) {
      if (event.type !== "error") continue;
      const waiting = this.waiting.shift();
      if (waiting) waiting(event.error.message);
      else this.errors.push(event.error.message);
    }
  }

  async next(subject) {
    const iterator = this.subscriptions.get(subject)[Symbol.asyncIterator]();
    const { value, done } = await iterator.next();
    if (done) throw new Error("ended");
    return value;
  }

  // Does one thing; returns what came of it.
  async act(action) {
    const [name, subject, payload] = action.split(",");
    switch (name) {
      case "sub": {
        const subscription = this.client.subscribe(subject);
        // What happens to it is told through the errors of the connection.
        subscription.closed.catch(() => {});
        this.subscriptions.set(subject, subscription);
        await this.client.flush();
        return "done";
      }
      case "pub":
        this.client.publish(subject, payload);
        await this.client.flush();
        return "done";
      case "get": {
        const message = await this.next(subject);
        return `${message.subject} ${message.string()}`;
      }
      case "answer":
        (await this.next(subject)).respond("answer");
        await this.client.flush();
        return "done";
      case "request":
        return (await this.client.request(subject, payload, { timeout: DEADLINE })).string();
      case "error":
        return this.errors.shift() ?? (await new Promise((tell) => this.waiting.push(tell)));
      case "ended":
        await this.client.closed();
        return "done";
      default:
        throw new TypeError(`what is ${action}?`);
    }
  }
}

async function run(given) {
  let client;
  try {
    client = await connect(options(given));
  } catch (error) {
    return [`refused: ${error.name} ${error.message}`];
  }
  const probe = new Probe(client);
  const told = ["connected"];
  for (const action of given.do ?? []) {
    const outcome = await probe.act(action).catch((error) => `${error.name} ${error.message}`);
    told.push(`${action}: ${outcome}`);
  }
  await client.close();
  return told;
}

async function main() {
  for (const line of fs.readFileSync(0, "utf8").split("\n").filter(Boolean)) {
    const given = JSON.parse(line);
    const address = given.url.replace("nats://", "");
    const told = await run(given);
    console.log(JSON.stringify(told.map((text) => text.replaceAll(address, "<address>"))));
  }
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
