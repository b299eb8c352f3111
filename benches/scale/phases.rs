//! What a crowd of clients does, phase by phase, and what each phase cost.
//!
//! Absent: turns (`world`) and figures (`meter`). Groups of clients act in one turn, as many as one
//! turn reads, and everything that follows from it counts for them, on whatever shard.

use fanfare::core::ids::ConnId;
use serde_json::{Value, json};

use crate::Filters;
use crate::meter::{Meter, Tally, heap, round, rss};
use crate::world::{Cause, Said, World};

/// A number of clients on a number of shards.
#[derive(Debug)]
pub(crate) struct Point {
    world: World,
    filters: Filters,
    count: usize,
    /// Clients by shard; client `n` is on shard `n % shards`.
    clients: Vec<Vec<ConnId>>,
    publisher: ConnId,
    numbers: u64,
    /// Heap and resident memory before the first client, the room for their names included.
    before: (u64, u64),
    dice: u64,
    effort: Effort,
}

/// How often what can be repeated is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Effort {
    /// Bursts of messages to one client each.
    bursts: u64,
    /// Deliveries to everybody, about, and the most messages for them.
    deliveries: usize,
    messages_max: usize,
    is_timed: bool,
}

impl Effort {
    pub(crate) const FULL: Self =
        Self { bursts: 800, deliveries: 4_000_000, messages_max: 1_000, is_timed: true };
    pub(crate) const COUNTED: Self =
        Self { bursts: 40, deliveries: 200_000, messages_max: 50, is_timed: false };
    const WARM_UP: Self = Self { bursts: 1, deliveries: 1, messages_max: 5, is_timed: false };
}

impl Point {
    pub(crate) fn new(count: usize, shards: usize, filters: Filters, effort: Effort) -> Self {
        let mut world = World::new(shards);
        world.is_timed = effort.is_timed;
        let mut one = Vec::new();
        world.turn(0, Cause::Arrivals { first: 0, count: 1, ids: &mut one });
        let publisher = one[0];
        world.turn(0, Cause::Input(&[said(publisher, HELLO)]));
        world.settle();
        let (clients, before) = (Vec::new(), (0, 0));
        let mut point = Self {
            world,
            filters,
            count,
            clients,
            publisher,
            numbers: 1,
            before,
            dice: 1,
            effort: Effort::WARM_UP,
        };
        // A few clients bring what every shard has once: an arena, segments, batches.
        point.expect(2 * GROUP * shards);
        point.connect();
        point.subscribe();
        point.publish_to_one();
        point.publish_to_all();
        point.disconnect();
        point.memory_when_gone();
        point.expect(count);
        point.effort = effort;
        point.before = (heap(), rss());
        point
    }

    /// Makes room for the names of so many clients, touched, so that it is resident memory already.
    fn expect(&mut self, count: usize) {
        self.count = count;
        let shards = self.world.shards();
        let room = |shard| vec![ConnId::from_token(1); (count + shards - 1 - shard) / shards];
        self.clients = (0..shards).map(room).collect();
        self.clients.iter_mut().for_each(Vec::clear);
        self.world.pinged = vec![ConnId::from_token(1); count + 1];
        self.world.pinged.clear();
    }

    /// They come, and say hello.
    #[inline(never)]
    pub(crate) fn connect(&mut self) -> Value {
        let (mut meter, before) = self.begin();
        let shards = self.world.shards();
        for group in 0..self.count.div_ceil(GROUP * shards) {
            for shard in 0..shards {
                let all = self.clients[shard].capacity();
                let count = all.saturating_sub(group * GROUP).min(GROUP);
                let from = self.world.tally.spent_ns;
                let ids = &mut self.clients[shard];
                let first = self.numbers;
                self.numbers += count as u64;
                self.world.turn(shard, Cause::Arrivals { first, count, ids });
                let new = &self.clients[shard][group * GROUP..][..count];
                let said: Vec<_> = new.iter().map(|client| said(*client, HELLO)).collect();
                self.world.turn(shard, Cause::Input(&said));
                self.world.settle();
                meter.note(count as u64, self.world.tally.spent_ns - from);
            }
        }
        meter.figures(before, self.world.tally)
    }

    /// Each subscribes once.
    #[inline(never)]
    pub(crate) fn subscribe(&mut self) -> Value {
        let filters = self.filters;
        self.all_say(|number, line| match filters {
            Filters::Own => line.extend(format!("SUB device.{number:07}.command 1\r\n").bytes()),
            Filters::Shared => line.extend(b"SUB prices.all 1\r\n"),
        })
    }

    /// Messages to one client each, always another, so that nothing of it is in a cache.
    #[inline(never)]
    pub(crate) fn publish_to_one(&mut self) -> Value {
        if self.filters != Filters::Own {
            return Value::Null;
        }
        let (mut meter, before) = self.begin();
        let out = self.messages_out();
        for _ in 0..self.effort.bursts {
            let mut input = Vec::new();
            for _ in 0..BURST {
                let target = self.draw();
                input.extend(format!("PUB device.{target:07}.command {}\r\n", TEXT.len()).bytes());
                input.extend(TEXT);
                input.extend(b"\r\n");
            }
            self.publish(&input, BURST, &mut meter);
        }
        assert_eq!(
            self.messages_out() - out,
            self.effort.bursts * BURST,
            "each message has one receiver"
        );
        meter.figures(before, self.world.tally)
    }

    /// Messages to every client; the unit is one delivery.
    #[inline(never)]
    pub(crate) fn publish_to_all(&mut self) -> Value {
        if self.filters != Filters::Shared {
            return Value::Null;
        }
        let (mut meter, before) = self.begin();
        let Effort { deliveries, messages_max, .. } = self.effort;
        let rounds = (deliveries / self.count).clamp(5, messages_max);
        let out = self.messages_out();
        for _ in 0..rounds {
            self.publish(&to_all(), self.count as u64, &mut meter);
        }
        let delivered = self.messages_out() - out;
        assert_eq!(delivered, (rounds * self.count) as u64, "everybody hears each message");
        meter.figures(before, self.world.tally)
    }

    /// Memory while one message waits in every client, because no socket takes anything.
    #[inline(never)]
    pub(crate) fn hold_back(&mut self) -> Value {
        let idle = (heap(), rss());
        self.world.stalled = true;
        if self.filters == Filters::Shared {
            self.publish(&to_all(), 1, &mut Meter::default());
        } else {
            for first in (0..self.count as u64).step_by(64) {
                let mut input = Vec::new();
                for target in first..(first + 64).min(self.count as u64) {
                    let line = format!("PUB device.{target:07}.command {}\r\n", TEXT.len());
                    input.extend(line.bytes().chain(TEXT.iter().copied()).chain(*b"\r\n"));
                }
                self.publish(&input, 1, &mut Meter::default());
            }
        }
        let held = (heap().saturating_sub(idle.0), rss().saturating_sub(idle.1));
        self.world.stalled = false;
        for shard in 0..self.world.shards() {
            for group in self.clients[shard].chunks(GROUP) {
                self.world.turn(shard, Cause::Writable(group));
            }
        }
        self.world.settle();
        let after = heap().saturating_sub(self.before.0);
        json!({
            "heap_per_client": round(held.0 as f64 / self.count as f64),
            "rss_per_client": round(held.1 as f64 / self.count as f64),
            "heap_per_client_afterwards": round(after as f64 / self.count as f64),
        })
    }

    /// All are sent their PING in the same moment, and answer.
    #[inline(never)]
    pub(crate) fn ping(&mut self) -> Value {
        let (mut meter, before) = self.begin();
        let from = self.world.tally.spent_ns;
        self.world.pass(3);
        for shard in 0..self.world.shards() {
            self.world.turn(shard, Cause::Nothing);
        }
        self.world.settle();
        let pinged = std::mem::take(&mut self.world.pinged);
        assert!(pinged.len() >= self.count, "each client gets its first PING");
        let mut by_shard = vec![Vec::new(); self.world.shards()];
        for (shard, ids) in self.clients.iter().enumerate() {
            by_shard[shard] = ids.iter().map(|client| said(*client, b"PONG\r\n")).collect();
        }
        by_shard[0].push(said(self.publisher, b"PONG\r\n"));
        for (shard, said) in by_shard.iter().enumerate() {
            for group in said.chunks(GROUP) {
                self.world.turn(shard, Cause::Input(group));
            }
        }
        self.world.settle();
        self.world.pinged = pinged;
        self.world.pinged.clear();
        meter.note(self.count as u64, self.world.tally.spent_ns - from);
        meter.figures(before, self.world.tally)
    }

    /// All go at once, as when a switch fails.
    #[inline(never)]
    pub(crate) fn disconnect(&mut self) -> Value {
        let (mut meter, before) = self.begin();
        let longest = self.clients.iter().map(Vec::len).max().unwrap_or(0);
        for group in 0..longest.div_ceil(GROUP) {
            for shard in 0..self.world.shards() {
                let ids = self.clients[shard].chunks(GROUP).nth(group).unwrap_or_default();
                let gone = |client: &ConnId| Said { client: *client, bytes: &[], gone: true };
                let said: Vec<_> = ids.iter().map(gone).collect();
                let from = self.world.tally.spent_ns;
                self.world.turn(shard, Cause::Input(&said));
                self.world.settle();
                meter.note(said.len() as u64, self.world.tally.spent_ns - from);
            }
        }
        self.clients.iter_mut().for_each(Vec::clear);
        meter.figures(before, self.world.tally)
    }

    /// Memory above what there was before anybody came.
    pub(crate) fn memory(&self) -> Value {
        let (heap, rss) = self.taken();
        let each = |bytes: u64| round(bytes as f64 / self.count as f64);
        json!({ "heap": heap, "rss": rss,
            "heap_per_client": each(heap), "rss_per_client": each(rss) })
    }

    /// The same when all have gone and their timers have fired.
    pub(crate) fn memory_when_gone(&mut self) -> Value {
        self.world.pass(300);
        for shard in 0..self.world.shards() {
            self.world.turn(shard, Cause::Nothing);
        }
        self.world.settle();
        // The publisher has had its PING.
        self.world.turn(0, Cause::Input(&[said(self.publisher, b"PONG\r\n")]));
        self.world.settle();
        self.world.pinged.clear();
        self.memory()
    }

    /// Nothing is left when the last one has gone.
    pub(crate) fn end(mut self) {
        let last = Said { client: self.publisher, bytes: &[], gone: true };
        self.world.turn(0, Cause::Input(&[last]));
        self.world.settle();
        assert!((0..self.world.shards()).all(|at| self.world.shard(at).is_idle()));
    }

    fn begin(&mut self) -> (Meter, Tally) {
        self.world.tally.longest_ns = 0;
        (Meter::default(), self.world.tally)
    }

    fn publish(&mut self, input: &[u8], operations: u64, meter: &mut Meter) {
        let from = self.world.tally.spent_ns;
        self.world.turn(0, Cause::Input(&[said(self.publisher, input)]));
        self.world.settle();
        meter.note(operations, self.world.tally.spent_ns - from);
    }

    /// Every client says a line of its own.
    fn all_say(&mut self, line: impl Fn(usize, &mut Vec<u8>)) -> Value {
        let (mut meter, before) = self.begin();
        let shards = self.world.shards();
        let (mut text, mut ends) = (Vec::new(), Vec::new());
        for group in 0..self.count.div_ceil(GROUP * shards) {
            for shard in 0..shards {
                text.clear();
                ends.clear();
                let ids = self.clients[shard].chunks(GROUP).nth(group).unwrap_or_default();
                for index in 0..ids.len() {
                    line((group * GROUP + index) * shards + shard, &mut text);
                    ends.push(text.len());
                }
                let starts = std::iter::once(0).chain(ends.iter().copied());
                let lines = starts.zip(&ends).map(|(start, end)| &text[start..*end]);
                let said: Vec<_> =
                    ids.iter().zip(lines).map(|(client, line)| said(*client, line)).collect();
                let from = self.world.tally.spent_ns;
                self.world.turn(shard, Cause::Input(&said));
                self.world.settle();
                meter.note(said.len() as u64, self.world.tally.spent_ns - from);
            }
        }
        meter.figures(before, self.world.tally)
    }

    fn taken(&self) -> (u64, u64) {
        (heap().saturating_sub(self.before.0), rss().saturating_sub(self.before.1))
    }

    fn messages_out(&self) -> u64 {
        (0..self.world.shards()).map(|at| self.world.shard(at).stats().messages_out).sum()
    }

    /// A client's number, the same ones in each run.
    fn draw(&mut self) -> u64 {
        self.dice = self.dice.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = (self.dice ^ (self.dice >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % self.count as u64
    }
}

/// Memory of the mesh: when nothing was sent, and when every shard has filled all of its batches.
pub(crate) fn flood(shards: usize) -> Value {
    let before = heap();
    let mut world = World::new(shards);
    let mut clients = vec![Vec::new(); shards];
    for (shard, ids) in clients.iter_mut().enumerate() {
        let first = (shard * PUBLISHERS) as u64;
        world.turn(shard, Cause::Arrivals { first, count: PUBLISHERS, ids });
        let subscribe = [HELLO, b"SUB prices.all 1\r\n"].concat();
        let hello = |n: usize| if n == 0 { &subscribe[..] } else { HELLO };
        let hellos: Vec<_> = ids.iter().enumerate().map(|(n, id)| said(*id, hello(n))).collect();
        world.turn(shard, Cause::Input(&hellos));
        world.settle();
    }
    let calm = heap() - before;
    let input = to_all().repeat(60_000 / to_all().len());
    for (shard, ids) in clients.iter().enumerate() {
        let inputs: Vec<_> = ids.iter().map(|client| said(*client, &input)).collect();
        world.turn(shard, Cause::Input(&inputs));
    }
    world.settle();
    let flooded = heap() - before;
    for _ in 0..2 {
        world.pass(30);
        for shard in 0..shards {
            world.turn(shard, Cause::Nothing);
        }
        world.settle();
    }
    json!({ "shards": shards, "pairs": shards * (shards - 1),
        "heap_calm": calm, "heap_flooded": flooded, "heap_afterwards": heap() - before })
}

fn to_all() -> Vec<u8> {
    [format!("PUB prices.all {}\r\n", TEXT.len()).as_bytes(), TEXT, b"\r\n"].concat()
}

fn said(client: ConnId, bytes: &[u8]) -> Said<'_> {
    Said { client, bytes, gone: false }
}

/// What a client library says first.
const HELLO: &[u8] = b"CONNECT {\"verbose\":false,\"pedantic\":false,\"lang\":\"go\",\
\"version\":\"1.2.3\",\"headers\":true,\"no_responders\":true}\r\nPING\r\n";
/// The payload of every message.
const TEXT: &[u8] = b"sixteen bytes ..";
/// Clients that act in one turn: a turn reads no more.
const GROUP: usize = 64;
/// Messages of one burst to one client each.
const BURST: u64 = 256;
/// Clients of each shard that fill the batches of all its pairs in one turn.
const PUBLISHERS: usize = 6;
