// The browser's form of the client library @nats-io/nats-core, in a page of a real browser.
//
// Usage: browser.cjs. Prints `origin URL` of the page that it serves, and waits for a line with the
// broker's WebSocket URL. Then it prints `ok NAME` for each case and ends with status 0 when all are
// well. Absent: sleeps and retries; whatever is awaited is an event, under one generous deadline.
"use strict";

const assert = require("node:assert/strict");
const fs = require("node:fs");
const http = require("node:http");
const os = require("node:os");
const path = require("node:path");
const readline = require("node:readline");
const { chromium } = require("playwright-core");

const DEADLINE = 60_000;
const scratch = fs.mkdtempSync(path.join(os.tmpdir(), "fanfare-browser-"));
const ok = (name) => console.log(`ok ${name}`);

/** The library and all that it needs as one script, which leaves `nats` behind. */
function bundle() {
  const numbers = new Map();
  const parts = [];
  const add = (file) => {
    if (numbers.has(file)) return numbers.get(file);
    const number = numbers.size;
    numbers.set(file, number);
    const text = fs.readFileSync(file, "utf8");
    const places = {};
    for (const [, name] of text.matchAll(/require\("([^"]+)"\)/g)) {
      const needed = require.resolve(name, { paths: [path.dirname(file)] });
      // What the system brings is asked for only where there is no browser.
      if (path.isAbsolute(needed)) places[name] = add(needed);
    }
    const body = `function (module, exports, require) {${text}\n}`;
    parts[number] = `{ places: ${JSON.stringify(places)}, body: ${body} }`;
    return number;
  };
  const first = add(require.resolve("@nats-io/nats-core"));
  return `const nats = (() => {
    const parts = [${parts.join(",\n")}];
    const done = [];
    const load = (number) => {
      if (!done[number]) {
        const module = (done[number] = { exports: {} });
        const { places, body } = parts[number];
        body(module, module.exports, (name) => load(places[name]));
      }
      return done[number].exports;
    };
    return load(${first});
  })();`;
}

/** Serves the page; gives its origin. */
async function serve(script) {
  const server = http.createServer((request, response) => {
    const isScript = request.url === "/nats.js";
    response.setHeader("Content-Type", isScript ? "text/javascript" : "text/html");
    response.end(isScript ? script : "<!doctype html><title>t</title><script src=nats.js></script>");
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { server, origin: `http://127.0.0.1:${server.address().port}` };
}

/** Publishing and subscribing, as an application does it. Runs in the page. */
async function talk(url) {
  const [reader, writer] = await Promise.all([
    nats.wsconnect({ servers: url }),
    nats.wsconnect({ servers: url }),
  ]);
  const subscription = reader.subscribe("page.>", { max: 1001 });
  await reader.flush();
  for (let n = 0; n < 1000; n += 1) writer.publish("page.count", `${n}`);
  const large = new Uint8Array(900_000).map((_, n) => (n * n) % 251);
  writer.publish("page.large", large);
  const came = [];
  let same = false;
  for await (const message of subscription) {
    if (message.subject === "page.count") came.push(Number(message.string()));
    else same = message.data.length === large.length && message.data.every((b, n) => b === large[n]);
  }
  reader.subscribe("page.service", {
    callback: (_, message) => {
      const headers = nats.headers();
      headers.set("X-Echo", message.headers.get("X-Name"));
      message.respond(message.data, { headers });
    },
  });
  await reader.flush();
  const headers = nats.headers();
  headers.set("X-Name", "a page");
  const answer = await writer.request("page.service", "hello", { timeout: 30_000, headers });
  await Promise.all([reader.drain(), writer.close()]);
  return { came, same, answer: answer.string(), echo: answer.headers.get("X-Echo") };
}

/** One socket without a library: what it was granted, and how it ended. Runs in the page. */
function bare([url, text]) {
  return new Promise((resolve) => {
    const socket = new WebSocket(url);
    const seen = { opened: false, extensions: "", greeting: "" };
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      seen.opened = true;
      seen.extensions = socket.extensions;
      socket.send(text);
    };
    socket.onmessage = ({ data }) => (seen.greeting ||= new TextDecoder().decode(data).slice(0, 6));
    socket.onclose = ({ code, wasClean }) => resolve({ ...seen, code, wasClean });
  });
}

async function main() {
  const script = bundle();
  const [welcome, other] = await Promise.all([serve(script), serve(script)]);
  console.log(`origin ${welcome.origin}`);
  const lines = readline.createInterface({ input: process.stdin });
  const url = (await lines[Symbol.asyncIterator]().next()).value;
  const known = [process.env.FANFARE_TEST_CHROMIUM, "/usr/bin/chromium"];
  const executablePath = known.find((file) => file && fs.existsSync(file));
  assert(executablePath, "no Chromium; `.ci/run` installs what the tests need");
  const args = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"];
  args.push("--disable-background-networking", "--disable-component-update", "--disable-sync");
  const context = await chromium.launchPersistentContext(scratch, {
    executablePath,
    headless: true,
    args,
  });
  context.setDefaultTimeout(DEADLINE);
  const page = await context.newPage();
  await page.goto(welcome.origin);

  const heard = await page.evaluate(talk, url);
  assert.deepEqual(heard.came, [...Array(1000).keys()]);
  assert(heard.same, "a large message comes as it went");
  ok("publish and subscribe");
  assert.deepEqual([heard.answer, heard.echo], ["hello", "a page"]);
  ok("request and answer");

  const ended = await page.evaluate(bare, [url, "NONSENSE\r\n"]);
  assert.deepEqual([ended.opened, ended.greeting, ended.wasClean], [true, "INFO {", true]);
  assert.equal(ended.code, 1002);
  ok("a clean end");
  assert.match(ended.extensions, /permessage-deflate/);
  ok("packing");

  const stranger = await context.newPage();
  await stranger.goto(other.origin);
  const refused = await stranger.evaluate(bare, [url, "PING\r\n"]);
  assert.deepEqual([refused.opened, refused.code], [false, 1006]);
  ok("another origin");

  await context.close();
  welcome.server.close();
  other.server.close();
  lines.close();
}

main().then(
  () => 0,
  (error) => {
    console.error(error);
    return 1;
  },
).then((status) => {
  fs.rmSync(scratch, { recursive: true, force: true });
  process.exit(status);
});
