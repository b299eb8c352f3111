//! A whole broker with up to millions of clients, without sockets: what each of them costs when
//! there are few, and when there are very many.
//!
//! Absent: the kernel, threads and plots. One run is one point: so many clients on so many shards,
//! all driven in one thread. `benches/curves` runs the points, each in a process of its own so that
//! resident memory means something, and draws the curves.
//!
//! Usage: `scale CLIENTS SHARDS own|shared|flood [counted]` prints one line of JSON; `counted` does
//! less of everything that repeats, for a run under valgrind.

#![forbid(unsafe_code)]
#![expect(clippy::expect_used, reason = "a benchmark ends where its ground is gone")]

mod meter;
mod phases;
mod world;

use std::alloc::System;

use serde_json::{Value, json};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

use phases::{Effort, Point};

/// Counts what is asked of the allocator: two counters a call, in the figures below as well.
#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Whom the clients share their filter with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Filters {
    /// Nobody: each has one of its own.
    Own,
    /// Everybody.
    Shared,
}

impl Filters {
    fn name(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::Shared => "shared",
        }
    }
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let number = |at: usize| args.get(at).and_then(|text| text.parse::<usize>().ok());
    let (Some(clients), Some(shards), Some(kind)) = (number(1), number(2), args.get(3)) else {
        // `cargo bench` and `cargo test --benches` come without a point: a small one of each kind.
        for filters in [Filters::Own, Filters::Shared] {
            println!("{}", point(1_000, 2, filters));
        }
        println!("{}", phases::flood(3));
        return;
    };
    let counted = args.get(4).is_some_and(|word| word == "counted");
    let line = match (&kind[..], shards) {
        ("own", 1..=64) if counted => counted_point(clients, shards, Filters::Own),
        ("shared", 1..=64) if counted => counted_point(clients, shards, Filters::Shared),
        ("own", 1..=64) => point(clients, shards, Filters::Own),
        ("shared", 1..=64) => point(clients, shards, Filters::Shared),
        ("flood", 2..=64) => phases::flood(shards),
        _ => {
            println!("usage: scale CLIENTS SHARDS own|shared|flood [counted], with 1 to 64 shards");
            std::process::exit(2);
        }
    };
    println!("{line}");
}

/// All phases of one point, in the order of a day: they come, talk, are written to, go and return.
fn point(clients: usize, shards: usize, filters: Filters) -> Value {
    let mut point = Point::new(clients, shards, filters, Effort::FULL);
    let connect = point.connect();
    let subscribe = point.subscribe();
    let idle = point.memory();
    let publish_one = point.publish_to_one();
    let publish_all = point.publish_to_all();
    let held = point.hold_back();
    let ping = point.ping();
    let disconnect = point.disconnect();
    let gone = point.memory_when_gone();
    let again = point.connect();
    let resubscribe = point.subscribe();
    let back = point.memory();
    let last = point.disconnect();
    point.end();
    json!({
        "clients": clients,
        "shards": shards,
        "filters": filters.name(),
        "connect": connect,
        "subscribe": subscribe,
        "publish_one": publish_one,
        "publish_all": publish_all,
        "ping": ping,
        "disconnect": disconnect,
        "connect_again": again,
        "subscribe_again": resubscribe,
        "disconnect_again": last,
        "memory": { "idle": idle, "held": held, "gone": gone, "back": back,
            "rss_peak": meter::rss_peak() },
    })
}

/// The phases whose instructions are counted from outside.
fn counted_point(clients: usize, shards: usize, filters: Filters) -> Value {
    let mut point = Point::new(clients, shards, filters, Effort::COUNTED);
    let connect = point.connect();
    let subscribe = point.subscribe();
    let publish_one = point.publish_to_one();
    let publish_all = point.publish_to_all();
    point.hold_back();
    let ping = point.ping();
    let disconnect = point.disconnect();
    point.end();
    json!({
        "clients": clients,
        "shards": shards,
        "filters": filters.name(),
        "connect": connect,
        "subscribe": subscribe,
        "publish_one": publish_one,
        "publish_all": publish_all,
        "ping": ping,
        "disconnect": disconnect,
    })
}
