// The status page in a real browser, against a real broker under load.
//
// Usage: page.cjs BROKER [FOLDER]. BROKER is the binary; it is started here, with clients that have
// names. Prints `ok NAME` for each case and ends with status 0 when all are well. A second argument
// names a folder that gets pictures of the page.
// Absent: sleeps and retries; whatever is awaited is a state of the page, under one deadline.

"use strict";

const assert = require("node:assert");
const { spawn } = require("node:child_process");
const fs = require("node:fs");
const net = require("node:net");
const os = require("node:os");
const path = require("node:path");
const readline = require("node:readline");
const { chromium } = require("playwright-core");

const [broker, pictures] = process.argv.slice(2);
const DEADLINE = 60_000;
const HOSTILE = '<img src=x onerror="window.harmed=1">';
const scratch = fs.mkdtempSync(path.join(os.tmpdir(), "fanfare-page-"));
const children = new Set();

/** Starts a broker and waits until it says where it listens. */
async function start(ports, ...more) {
  const options = ["-a", "127.0.0.1", "-n", "stage-left", "--shards", "2", ...more];
  options.push("-p", String(ports.clients ?? -1), "-m", String(ports.monitor ?? -1));
  const child = spawn(broker, options, { stdio: ["ignore", "ignore", "pipe"] });
  children.add(child);
  const found = {};
  for await (const line of readline.createInterface({ input: child.stderr })) {
    found.monitor ??= /Starting http monitor on \S*:(\d+)/.exec(line)?.[1];
    found.clients ??= /Listening for client connections on \S*:(\d+)/.exec(line)?.[1];
    if (line.includes("Server is ready")) break;
  }
  assert(found.monitor && found.clients, "the broker starts");
  child.stderr.resume();
  return { child, ...found };
}

/** Ends a broker and waits until it is gone. */
function stop(server) {
  return new Promise((resolve) => {
    server.child.once("exit", resolve);
    server.child.kill("SIGKILL");
  });
}

/** A client by name that listens, and publishes at a pace until the broker is gone. */
function client(port, name, filters, subject, pace = 5) {
  const socket = net.connect(Number(port), "127.0.0.1");
  const options = JSON.stringify({ name, lang: "node", version: "1.2.3", verbose: false });
  const subs = filters.map((filter, sid) => `SUB ${filter} ${sid + 1}\r\n`).join("");
  socket.write(`CONNECT ${options}\r\n${subs}`);
  const message = `PUB ${subject} 64\r\n${"x".repeat(64)}\r\n`.repeat(20);
  // This is a load, not a wait: how fast a client publishes.
  const timer = subject && setInterval(() => socket.write(message), pace);
  socket.on("data", (data) => data.includes("PING\r\n") && socket.write("PONG\r\n"));
  socket.on("error", () => {});
  socket.on("close", () => clearInterval(timer));
}

function load(port) {
  client(port, "orders-api", [], "orders.new");
  client(port, "price-feed", [], "prices.eur", 8);
  client(port, "ledger", ["orders.>"]);
  client(port, "dashboard", ["orders.>", "prices.>"]);
  client(port, "risk-engine", ["prices.*", "alerts"]);
  client(port, HOSTILE, [">"]);
}

const ok = (name) => console.log(`ok ${name}`);
const figure = (page, id) => page.locator(`#tile-${id} dd`).textContent();
const becomes = (page, holds, argument) =>
  page.waitForFunction(holds, argument, { timeout: DEADLINE });

/** Waits until the page shows something new each time it looks. */
async function moves(page) {
  await becomes(page, () => /^[\d.]+ k?\/s$/.test(document.querySelector("#tile-in dd").textContent));
  const before = await figure(page, "in");
  await becomes(page, (old) => document.querySelector("#tile-in dd").textContent !== old, before);
}

async function figures(page) {
  await becomes(page, () => document.querySelector("#state").textContent === "Live");
  await moves(page);
  assert.strictEqual(await page.locator("h1").textContent(), "stage-left");
  assert.strictEqual(await figure(page, "conns"), "6");
  await becomes(page, () => /s$/.test(document.querySelector("#tile-p99 dd").textContent));
  assert.strictEqual(await page.locator("#shard-table tbody tr").count(), 2);
  assert.strictEqual(await page.locator("#slow-table tbody tr").count(), 4);
  ok("figures");
}

async function charts(page) {
  const drawn = (id) => {
    const traces = [...document.querySelectorAll(`#${id} path.trace`)];
    return traces.length > 0 && traces.every((trace) => trace.getTotalLength() > 0);
  };
  for (const id of ["messages", "bytes", "latency", "connections", "load"]) {
    await becomes(page, drawn, id);
    const label = await page.locator(`#${id} svg`).getAttribute("aria-label");
    assert.match(label, /last five minutes: .*\d/, id);
  }
  await page.locator("#messages svg").focus();
  await page.keyboard.press("ArrowLeft");
  await becomes(page, () => document.querySelector("#messages .cursor"));
  assert.match(await page.locator("#messages svg").textContent(), /\d s ago/);
  await page.keyboard.press("Escape");
  ok("charts");
}

async function talkers(page) {
  const names = () => page.locator("#talker-table tbody tr td:first-child").allTextContents();
  await becomes(page, (name) => document.querySelector("#talker-table").textContent.includes(name), HOSTILE);
  assert.strictEqual((await names()).length, 6);
  assert.strictEqual(await page.locator("img, iframe, #talker-table script").count(), 0);
  assert.strictEqual(await page.evaluate(() => window.harmed), undefined);

  await page.getByRole("button", { name: "From/s" }).focus();
  await page.keyboard.press("Enter");
  await becomes(page, () => /^(orders-api|price-feed)$/.test(document.querySelector("#talker-table tbody td").textContent));
  assert.strictEqual(await page.locator("#talker-table th[aria-sort]").textContent(), "From/s");
  await page.locator("#filter").fill("LEDG");
  assert.deepStrictEqual(await names(), ["ledger"]);
  await page.locator("#filter").fill("nobody has this");
  assert(await page.getByText("No connection has this in it.").isVisible());
  await page.locator("#filter").fill("");
  ok("talkers");
}

/** Nothing is wider than the screen, and what has to be read can be. */
async function looks(page) {
  for (const [device, width] of [["phone", 360], ["desktop", 1280]]) {
    for (const colorScheme of ["light", "dark"]) {
      await page.setViewportSize({ width, height: 800 });
      await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
      await becomes(page, () => document.querySelector("#messages svg").clientWidth > 200);
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      assert(wide <= 0, `${wide} pixels too wide on a ${device}`);
      const least = await page.evaluate(contrast);
      assert(least.ratio >= 4.5, `${JSON.stringify(least)} ${colorScheme}`);
      if (pictures) {
        const file = path.join(pictures, `page-${device}-${colorScheme}.png`);
        await page.screenshot({ path: file, fullPage: device === "desktop" });
      }
    }
  }
  ok("looks");
}

/** The text with the least contrast to what is behind it. Runs in the page. */
function contrast() {
  const channels = (colour) => colour.match(/[\d.]+/g).map(Number);
  const light = (colour) => {
    const [r, g, b] = channels(colour).map((c) => (c / 255 <= 0.03928 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    const colour = getComputedStyle(element).backgroundColor;
    const isSeen = channels(colour)[3] !== 0;
    return isSeen ? colour : element.parentElement ? behind(element.parentElement) : "rgb(255,255,255)";
  };
  let least = { ratio: 99 };
  for (const element of document.querySelectorAll("h1,h2,p,dt,dd,small,th,td,td *,a,button,.pill,.key,.key b,svg text")) {
    if (!element.textContent.trim() || !element.checkVisibility()) continue;
    const style = getComputedStyle(element);
    const ink = element.tagName === "text" ? style.fill : style.color;
    const [a, b] = [light(ink), light(behind(element))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < least.ratio) least = { ratio, text: element.textContent.slice(0, 40), ink };
  }
  return least;
}

async function pause(page) {
  await page.getByRole("button", { name: "Pause" }).click();
  await page.getByText("Paused").waitFor();
  await page.getByRole("button", { name: "Resume" }).click();
  await becomes(page, () => document.querySelector("#state").textContent === "Live");
  ok("pause");
}

/** The broker goes and comes back; the browser itself reports each question without an answer. */
async function reconnect(page, server) {
  await stop(server);
  await page.getByText("No answer", { exact: true }).waitFor({ timeout: DEADLINE });
  const notice = await page.locator("#notice").textContent();
  assert.match(notice, /cannot be reached. Trying again. The figures below are old./);
  const again = await start(server);
  load(again.clients);
  await becomes(page, () => document.querySelector("#state").textContent === "Live");
  await moves(page);
  assert(!(await page.locator("#notice").isVisible()));
  ok("reconnect");
}

/** Below a path, with and without a slash at its end, links and figures are found. */
async function below(context) {
  const file = path.join(scratch, "base.conf");
  fs.writeFileSync(file, "http_base_path: /monitoring\n");
  const server = await start({}, "-c", file);
  for (const place of ["/monitoring", "/monitoring/"]) {
    const page = await context.newPage();
    const answer = await page.goto(`http://127.0.0.1:${server.monitor}${place}`);
    assert.match(answer.headers()["content-security-policy"], /default-src 'none'/);
    await becomes(page, () => document.querySelector("#state").textContent === "Live");
    const link = await page.locator("a[href$=connz]").evaluate((a) => a.href);
    assert.strictEqual(link, `http://127.0.0.1:${server.monitor}/monitoring/connz`);
    assert(await page.getByText("Nobody is connected.").isVisible());
    await page.close();
  }
  ok("below a path");
}

/** A browser; Debian's, or the one that is named. */
async function browser() {
  const known = [process.env.FANFARE_TEST_CHROMIUM, "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
  const executablePath = known.find((file) => file && fs.existsSync(file));
  assert(executablePath, "no Chromium; `.ci/run` installs what the tests need");
  const quiet = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"];
  quiet.push("--disable-background-networking", "--disable-component-update");
  const folder = path.join(scratch, "profile");
  return chromium.launchPersistentContext(folder, { executablePath, headless: true, args: quiet });
}

async function main() {
  const server = await start({});
  load(server.clients);
  const context = await browser();
  context.setDefaultTimeout(DEADLINE);
  const page = await context.newPage();
  const complaints = [];
  page.on("console", (message) => complaints.push(message.text()));
  page.on("pageerror", (error) => complaints.push(error.stack));
  await page.goto(`http://127.0.0.1:${server.monitor}/`);
  await figures(page);
  await charts(page);
  await talkers(page);
  await looks(page);
  await pause(page);
  assert.deepStrictEqual(complaints, []);
  ok("no complaints");
  await reconnect(page, server);
  const others = complaints.filter((text) => !text.includes("Failed to load resource"));
  assert.deepStrictEqual(others, []);
  await below(context);
  await context.close();
}

main().then(
  () => 0,
  (error) => {
    console.error(error);
    return 1;
  },
).then((status) => {
  for (const child of children) child.kill("SIGKILL");
  fs.rmSync(scratch, { recursive: true, force: true });
  process.exit(status);
});
