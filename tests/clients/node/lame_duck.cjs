// The Node.js client library @nats-io/transport-node at a broker that leaves, and at the next one.
//
// Usage: lame_duck.cjs FIRST SECOND. Prints `connected`, waits for a line, makes requests and prints
// `answered` with the first answer; ends with `ok` when a hundred were answered after a reconnect.
// Absent: sleeps. A request that was under way when its connection ended is made again.
"use strict";

const assert = require("node:assert/strict");
const readline = require("node:readline");
const { connect } = require("@nats-io/transport-node");

async function main() {
  const client = await connect({
    servers: process.argv.slice(2, 4),
    noRandomize: true,
    reconnectTimeWait: 50,
    maxReconnectAttempts: -1,
  });
  let moved = false;
  (async () => {
    for await (const status of client.status()) moved ||= status.type === "reconnect";
  })();
  console.log("connected");
  const lines = readline.createInterface({ input: process.stdin });
  await new Promise((resolve) => lines.once("line", resolve));
  let [tried, answered, elsewhere] = [0, 0, 0];
  while (elsewhere < 100) {
    tried += 1;
    const hasMoved = moved;
    let reply;
    try {
      reply = await client.request("service", "hi", { timeout: 2000 });
    } catch {
      continue;
    }
    assert.equal(reply.string(), "yes");
    answered += 1;
    if (answered === 1) console.log("answered");
    elsewhere += hasMoved ? 1 : 0;
  }
  assert.ok(tried - answered <= 2, `${tried} requests had ${answered} answers`);
  console.log(`ok ${answered} of ${tried}`);
  await client.close();
  lines.close();
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
