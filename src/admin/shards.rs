//! Shards and their threads, begun together, and the workers that decide for them.
//!
//! Absent: listeners, and what a shard does (`core`, `io::reactor`).

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;

use mio::{Poll, Waker};

use super::supervisor::{Alarm, Ended};
use crate::config::{Config, IoUring};
use crate::core::arrival::Entrance;
use crate::core::policy::Policy;
use crate::core::shard::{Shard, ShardSetup};
use crate::io::clock::Clock;
use crate::io::desk::Desk;
use crate::io::doorkeeper::{Doorkeeper, Task};
use crate::io::exchange::Exchange;
use crate::io::ledger::Ledger;
use crate::io::log::{Level, Line, Log};
use crate::io::reactor::Reactor;
use crate::io::resolver::Resolver;
use crate::io::volley::Volley;
use crate::io::worker::WorkerPool;

/// What shards are begun with.
pub(super) struct Plan<'a> {
    pub(super) config: &'a Config,
    pub(super) policy: &'a Arc<Policy>,
    pub(super) resolver: &'a Arc<Resolver>,
    pub(super) entrances: &'a [Entrance],
    pub(super) log: &'a Log,
    /// Told when a shard's thread ends.
    pub(super) ended: &'a Arc<Ended>,
    pub(super) clock: Clock,
}

/// Shards that run.
pub(super) struct Begun {
    pub(super) exchange: Arc<Exchange>,
    pub(super) threads: Vec<JoinHandle<io::Result<()>>>,
    /// What decides about logins.
    pub(super) workers: Arc<WorkerPool<Task>>,
}

/// Begins all shards.
pub(super) fn begin(plan: &Plan<'_>, desk: Desk) -> io::Result<Begun> {
    let Plan { config, policy, resolver, entrances, log, ended, clock } = *plan;
    let polls = (0..config.shards).map(|_| Poll::new()).collect::<io::Result<Vec<_>>>()?;
    let wakers = polls
        .iter()
        .map(|poll| Waker::new(poll.registry(), Reactor::WAKER))
        .collect::<io::Result<Vec<_>>>()?;
    let exchange = Arc::new(Exchange::new(wakers, ShardSetup::BATCHES_PER_PEER, desk));
    let post = Arc::clone(&exchange);
    let count = WorkerPool::<Task>::threads_for(config.shards);
    let workers = WorkerPool::start(count, Task::decide, move |decided| post.hand_back(decided))?;
    let (workers, ledger) = (Arc::new(workers), Arc::new(Ledger::default()));
    let limits = Arc::new(config.limits.clone());
    let mut threads = Vec::with_capacity(config.shards);
    for (id, poll) in exchange.shards().zip(polls) {
        let shard = Shard::new(ShardSetup {
            policy: Arc::clone(policy),
            id,
            shards: config.shards,
            batches_per_peer: ShardSetup::BATCHES_PER_PEER,
            limits: Arc::clone(&limits),
            entrances: entrances.to_vec(),
            seed: random_seed()?,
            first_generation: 0,
            trace: config.verbosity.trace.then_some(config.traced_message_max),
            now: clock.now(),
        });
        let deadline = config.limits.stop_deadline_ns;
        let (workers, ledger) = (Arc::clone(&workers), Arc::clone(&ledger));
        let (resolver, policy) = (Arc::clone(resolver), Arc::clone(policy));
        let doorkeeper = Doorkeeper::new(id, workers, ledger, resolver, policy);
        let exchange = Arc::clone(&exchange);
        let reactor = Reactor::new(id, poll, exchange, doorkeeper, clock, log.clone(), deadline)?
            .spinning(config.spin_ns)
            .sending_by(volley(config.io_uring, log)?);
        let name = format!("shard-{}", id.index());
        let alarm = Alarm(Arc::clone(ended));
        threads.push(std::thread::Builder::new().name(name).spawn(move || {
            // Rung when the thread ends, by a panic too.
            let _alarm = alarm;
            reactor.run(Box::new(shard))
        })?);
    }
    Ok(Begun { exchange, threads, workers })
}

/// A shard's ring, if there is to be one.
fn volley(wish: IoUring, log: &Log) -> io::Result<Option<Volley>> {
    if wish == IoUring::Off {
        return Ok(None);
    }
    match Volley::new() {
        Ok(volley) => Ok(Some(volley)),
        Err(error) if wish == IoUring::On => {
            let text = format!("io_uring is to be on, and the system refuses it: {error}");
            Err(io::Error::new(error.kind(), text))
        }
        Err(error) => {
            log.debug(|| Line::new(Level::Debug, format!("Doing without io_uring: {error}")));
            Ok(None)
        }
    }
}

/// A number that nobody can guess.
pub(super) fn random_seed() -> io::Result<u64> {
    getrandom::u64().map_err(io::Error::other)
}
