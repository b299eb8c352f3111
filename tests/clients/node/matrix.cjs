// The Node.js client library @nats-io/transport-node against a running broker; over WebSocket, if the
// URL says so.
//
// Usage: matrix.cjs URL. Prints `ok NAME` for each case and ends with status 0 when all are well.
// After `restart` on a line of its own it waits for whoever runs it to restart the broker at URL.
// Absent: sleeps and retries; whatever is awaited is an event, under one generous deadline.
"use strict";

const assert = require("node:assert/strict");
const {
  connect,
  createInbox,
  deferred,
  headers,
  InvalidArgumentError,
  NoRespondersError,
} = require("@nats-io/transport-node");
const { wsconnect } = require("@nats-io/nats-core");

const DEADLINE = 60_000;
const url = process.argv[2];
const opener = url.startsWith("ws") ? wsconnect : connect;
const open = (options = {}) => opener({ servers: url, ...options });
const number = (message) => Number(message.string());
const range = (count) => [...Array(count).keys()];

// The next messages of a subscription.
async function take(subscription, count) {
  const came = [];
  if (count === 0) return came;
  for await (const message of subscription) {
    came.push(message);
    if (came.length === count) break;
  }
  return came;
}

async function publishAndSubscribe() {
  const [reader, writer] = [await open(), await open()];
  const subscription = reader.subscribe("news.today", { max: 1000 });
  await reader.flush();
  for (const n of range(1000)) writer.publish("news.today", `${n}`);
  await writer.flush();
  const came = await take(subscription, 1000);
  assert.deepEqual(came.map(number), range(1000));
  await Promise.all([reader.close(), writer.close()]);
}

async function wildcards() {
  const client = await open();
  const star = client.subscribe("a.*.c");
  const tail = client.subscribe("a.>");
  for (const subject of ["a.b.c", "a.b", "a", "a.b.c.d", "b.b.c", "a.x.c"]) {
    client.publish(subject, subject);
  }
  await client.flush();
  assert.equal(star.getProcessed() + star.getPending(), 2);
  const subjects = (came) => came.map((message) => message.subject);
  assert.deepEqual(subjects(await take(star, 2)), ["a.b.c", "a.x.c"]);
  assert.deepEqual(subjects(await take(tail, 4)), ["a.b.c", "a.b", "a.b.c.d", "a.x.c"]);
  await client.close();
}

async function queueGroups() {
  const seen = [];
  const counts = [0, 0, 0];
  const done = deferred();
  const members = [];
  for (const index of range(3)) {
    const member = await open();
    member.subscribe("work", {
      queue: "team",
      callback: (_, message) => {
        counts[index] += 1;
        if (seen.push(number(message)) === 300) done.resolve();
      },
    });
    await member.flush();
    members.push(member);
  }
  const writer = await open();
  for (const n of range(300)) writer.publish("work", `${n}`);
  await writer.flush();
  await done;
  for (const member of members) await member.flush();
  assert.deepEqual(seen.sort((a, b) => a - b), range(300), "each message once");
  assert.ok(Math.min(...counts) > 30, `${counts}`);
  await Promise.all([...members, writer].map((client) => client.close()));
}

async function requestAndReply() {
  const [service, client] = [await open(), await open()];
  service.subscribe("double", {
    callback: (_, message) => message.respond(`${number(message) * 2}`),
  });
  await service.flush();
  for (const n of range(200)) {
    const reply = await client.request("double", `${n}`, { timeout: DEADLINE });
    assert.equal(number(reply), n * 2);
  }
  const many = range(100).map((n) => client.request("double", `${n}`, { timeout: DEADLINE }));
  assert.deepEqual((await Promise.all(many)).map(number), range(100).map((n) => n * 2));
  const options = { timeout: DEADLINE, noMux: true, reply: createInbox() };
  assert.equal(number(await client.request("double", "21", options)), 42);
  await Promise.all([service.close(), client.close()]);
}

async function noResponders() {
  const client = await open();
  const refused = (error) =>
    error instanceof NoRespondersError || error.cause instanceof NoRespondersError;
  await assert.rejects(client.request("nobody", "?", { timeout: DEADLINE }), refused);
  const options = { timeout: DEADLINE, noMux: true, reply: createInbox() };
  await assert.rejects(client.request("nobody", "?", options), refused);
  await client.close();
}

async function headersPass() {
  const client = await open();
  const subscription = client.subscribe("foo");
  const sent = headers();
  sent.append("Fruit", "apple");
  sent.append("Fruit", "pear");
  sent.append("fruit", "other case");
  client.publish("foo", "payload", { headers: sent });
  client.publish("foo", "plain");
  const [first, second] = await take(subscription, 2);
  assert.deepEqual(first.headers.values("Fruit"), ["apple", "pear"]);
  assert.deepEqual(first.headers.values("fruit"), ["other case"]);
  assert.equal(first.string(), "payload");
  assert.equal(second.headers, undefined);
  await client.close();
}

async function unsubscribeAfter() {
  const client = await open();
  const subscription = client.subscribe("foo", { max: 3 });
  for (const n of range(10)) client.publish("foo", `${n}`);
  const came = [];
  for await (const message of subscription) came.push(number(message));
  assert.deepEqual(came, [0, 1, 2]);
  await client.close();
}

async function drain() {
  const client = await open();
  const came = [];
  client.subscribe("foo", { callback: (_, message) => came.push(number(message)) });
  for (const n of range(500)) client.publish("foo", `${n}`);
  await client.drain();
  assert.equal(await client.closed(), undefined);
  assert.deepEqual(came, range(500));
}

async function maxPayload() {
  const client = await open();
  const size = client.info.max_payload;
  const subscription = client.subscribe("foo");
  client.publish("foo", new Uint8Array(size));
  const [message] = await take(subscription, 1);
  assert.equal(message.data.length, size);
  assert.throws(() => client.publish("foo", new Uint8Array(size + 1)), InvalidArgumentError);
  await client.close();
}

async function manySubjects() {
  const [reader, writer] = [await open(), await open()];
  const subscriptions = range(1000).map((n) => reader.subscribe(`many.${n}.x`));
  await reader.flush();
  for (const n of range(1000).reverse()) writer.publish(`many.${n}.x`, `${n}`);
  await writer.flush();
  for (const n of range(1000)) {
    const [message] = await take(subscriptions[n], 1);
    assert.equal(number(message), n);
  }
  await Promise.all([reader.close(), writer.close()]);
}

async function reconnect() {
  const client = await open({ maxReconnectAttempts: -1, reconnectTimeWait: 50 });
  const events = client.status()[Symbol.asyncIterator]();
  const until = async (type) => {
    for (;;) {
      const { value, done } = await events.next();
      assert.ok(!done, "the connection was closed");
      if (value.type === type) return;
    }
  };
  const came = [];
  let arrived = deferred();
  client.subscribe("foo", {
    callback: (_, message) => {
      came.push(message.string());
      arrived.resolve();
    },
  });
  client.publish("foo", "before");
  await arrived;
  arrived = deferred();
  console.log("restart");
  await until("disconnect");
  await until("reconnect");
  await client.flush();
  const other = await open();
  other.publish("foo", "after");
  await other.flush();
  await arrived;
  assert.deepEqual(came, ["before", "after"]);
  await Promise.all([client.close(), other.close()]);
}

const CASES = [
  publishAndSubscribe,
  wildcards,
  queueGroups,
  requestAndReply,
  noResponders,
  headersPass,
  unsubscribeAfter,
  drain,
  maxPayload,
  manySubjects,
  reconnect,
];

async function main() {
  for (const run of CASES) {
    const watchdog = setTimeout(() => {
      console.error(`${run.name} takes too long`);
      process.exit(1);
    }, DEADLINE);
    await run();
    clearTimeout(watchdog);
    console.log(`ok ${run.name}`);
  }
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
