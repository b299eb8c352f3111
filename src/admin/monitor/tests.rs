//! Questions to shards that answer, and to one that does not.
//!
//! Absent: sockets and the JSON itself. The shards are real, and a thread of the test gives their
//! answers where reactors would.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use mio::Waker;

use super::asking::Extent;
use super::options::{Options, State};
use super::*;
use crate::config::Limits;
use crate::core::accounts::Accounts;
use crate::core::arrival::{Arrival, Entrance};
use crate::core::auth::delegation::Premises;
use crate::core::ids::{ClientNumber, ShardId};
use crate::core::policy::Policy;
use crate::core::report::{Query, Rows};
use crate::core::shard::{Shard, ShardSetup};
use crate::core::turn::Turn;
use crate::io::exchange::Mail;
use crate::io::log_sink::{LogTarget, Sink};
use crossbeam_queue::ArrayQueue;

/// Clients of each shard.
const CLIENTS: [u64; 2] = [3000, 70];

/// A shard with so many clients, the first of which has this number.
fn shard(id: ShardId, first: u64, count: u64) -> Box<Shard> {
    let shard = Box::new(Shard::new(ShardSetup {
        id,
        shards: CLIENTS.len(),
        batches_per_peer: ShardSetup::BATCHES_PER_PEER,
        policy: Arc::new(Policy::open()),
        limits: Arc::new(Limits::default()),
        entrances: vec![Entrance::default()],
        seed: 1,
        first_generation: 0,
        trace: None,
        now: crate::core::time::Instant::default(),
    }));
    let mut turn = Turn::begin(shard, crate::core::time::Instant::default());
    for n in first..first + count {
        turn.handle_accept(Arrival::plain(ClientNumber(n), "192.0.2.1:7".into()));
    }
    turn.read().drain().route().data().write().tick().finish()
}

fn monitor() -> Monitor {
    let config = Config::default();
    let (opening, desk) = Opening::open(&config, None).expect("a desk");
    let polls: Vec<Poll> = CLIENTS.iter().map(|_| Poll::new().expect("a poller")).collect();
    let waker = |poll: &Poll| Waker::new(poll.registry(), Token(0)).expect("a waker");
    let wakers = polls.iter().map(waker).collect();
    let exchange = Arc::new(Exchange::new(wakers, ShardSetup::BATCHES_PER_PEER, desk));
    let sink = Sink::open(LogTarget::of(&config, "test")).expect("standard error");
    let (log, _) = Log::start(sink, false).expect("a thread");
    let workers = WorkerPool::start(1, Task::decide, |_| {}).expect("a thread");
    let wishes = Ended {
        waker: waker(&Poll::new().expect("a poller")),
        any: AtomicBool::new(false),
        wishes: ArrayQueue::new(Ended::WISHES_MAX),
    };
    let premises = Premises::default();
    let policy = Policy::compile(&config, &Accounts::none(), &premises, 1).expect("a policy");
    let news = News {
        config: Arc::new(config),
        policy: Arc::new(policy),
        operator: None,
        entrances: vec![Entrance::default()],
        loaded_ms: 0,
        leaves: false,
    };
    opening.ready(
        exchange,
        news,
        Arc::new(workers),
        Clock::from(crate::core::time::Instant::default()),
        log,
        Arc::new(wishes),
    )
}

/// Answers for some of the shards while something is asked; says how many pages that took.
fn answering<T>(monitor: &mut Monitor, shards: usize, ask: impl FnOnce(&mut Monitor) -> T) -> T {
    let exchange = Arc::clone(&monitor.exchange);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut first = 1;
            let all: Vec<_> = exchange.shards().zip(CLIENTS).take(shards).collect();
            let all: Vec<_> = all
                .into_iter()
                .map(|(id, count)| {
                    first += count;
                    (id, shard(id, first - count, count))
                })
                .collect();
            while !done.load(Ordering::SeqCst) {
                for (id, shard) in &all {
                    let Some(Mail::Query(question, query)) = exchange.receive(*id) else {
                        continue;
                    };
                    let page = shard.report(&query);
                    if let Rows::Keys { keys, .. } = &page.rows {
                        assert!(keys.len() <= 1024, "a page is bounded");
                    }
                    exchange.desk.bring(Sheet { shard: *id, question, page });
                }
                thread::yield_now();
            }
        });
        let answer = ask(monitor);
        done.store(true, Ordering::SeqCst);
        answer
    })
}

#[test]
fn pages_of_all_shards_are_put_together() {
    let mut monitor = monitor();
    let (numbers, json) = answering(&mut monitor, 2, |monitor| {
        monitor.begin_asking();
        let mut numbers = Vec::new();
        let shards = monitor.shards();
        let query = |_, from| Query::Keys {
            from,
            sort: crate::core::report::client::SortBy::Number,
            filter: Arc::default(),
        };
        let extent = monitor.walk(&shards, &query, &mut |_, rows| {
            let Rows::Keys { keys, total } = rows else { return };
            assert_eq!(keys.len(), total);
            numbers.extend(keys.iter().map(|key| key.number));
        });
        assert_eq!(extent, Extent::Whole);
        let options = Options { limit: 5, offset: 2998, state: State::All, ..Options::default() };
        (numbers, monitor.answer(answer::Endpoint::Connz, &options).expect("an answer"))
    });
    let mut sorted = numbers;
    sorted.sort_unstable();
    assert_eq!(sorted, (1..=CLIENTS.iter().sum()).collect::<Vec<u64>>());
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    let shown = json["connections"].as_array().expect("a list").iter();
    let shown: Vec<_> = shown.map(|row| row["cid"].as_u64().expect("a number")).collect();
    assert_eq!(shown, [2999, 3000, 3001, 3002, 3003]);
    assert_eq!((&json["total"], json.get("partial")), (&3070.into(), None));
}

#[test]
fn a_shard_that_does_not_answer_makes_an_answer_partial() {
    let mut monitor = monitor();
    let begun = Instant::now();
    let json = answering(&mut monitor, 1, |monitor| {
        monitor.answer(answer::Endpoint::Connz, &Options::default()).expect("an answer")
    });
    assert!(begun.elapsed() >= Duration::from_millis(900));
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json["partial"], true);
    assert_eq!(json["total"], 3000);
}

#[test]
fn a_broker_that_ends_waits_for_no_answer() {
    let mut monitor = monitor();
    monitor.exchange.desk.close();
    monitor.begin_asking();
    monitor.patience = Instant::now() + Duration::from_secs(3600);
    let shards = monitor.shards();
    let extent = monitor.walk(&shards, &|_, from| Query::Closed { from }, &mut |_, _| {});
    assert_eq!(extent, Extent::Partial);
}
