//! Threads that decide about clients where that takes hashes or signatures, away from event loops.
//!
//! Absent: the decisions (`core::auth`) and the way back to a shard, which is a function handed in.
//! Bringing a job never waits: there is room for it or it is handed back, and its shard tries again
//! later. Source addresses take turns, so that a flood of logins from one of them delays its own.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread::JoinHandle;

use core::net::IpAddr;

use crate::core::auth::Decision;
use crate::core::auth::Refusal;
use crate::core::auth::password::Work;
use crate::core::ids::{ConnId, ShardId};

/// A question about a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Job<Q> {
    /// The client's home.
    pub(crate) shard: ShardId,
    /// The client.
    pub(crate) client: ConnId,
    /// Where it comes from; all that come from nowhere share a turn.
    pub(crate) address: Option<IpAddr>,
    /// What is to be decided.
    pub(crate) question: Q,
}

/// The answer to a job. Until it is dropped it keeps its job's place, so that there are never more
/// answers on their way than [`JOBS_MAX`].
#[derive(Debug)]
pub(crate) struct Decided {
    /// The client's home.
    pub(crate) shard: ShardId,
    /// The client.
    pub(crate) client: ConnId,
    /// What was decided.
    pub(crate) decision: Decision,
    _place: Place,
}

/// What a pool has done so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct WorkerStats {
    /// Jobs that were taken.
    pub(crate) taken: u64,
    /// Jobs that were handed back for want of room.
    pub(crate) handed_back: u64,
    /// Jobs that were decided.
    pub(crate) decided: u64,
    /// Decisions that panicked, and were answered with a no.
    pub(crate) panics: u64,
    /// Rounds of bcrypt.
    pub(crate) rounds: u64,
    /// Signatures.
    pub(crate) signatures: u64,
}

/// See the module's head. Dropping it ends its threads when they have done what they are at.
pub(crate) struct WorkerPool<Q> {
    shared: Arc<Shared<Q>>,
    threads: Vec<JoinHandle<()>>,
}

impl<Q> fmt::Debug for WorkerPool<Q> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkerPool").field("threads", &self.threads.len()).finish_non_exhaustive()
    }
}

impl<Q: Send + 'static> WorkerPool<Q> {
    /// How many threads a machine with so many cores has for this: half of its cores, at most
    /// four, so that a flood of logins leaves the rest to those who are in.
    pub(crate) fn threads_for(cores: usize) -> usize {
        (cores / 2).clamp(1, THREADS_MAX)
    }

    /// Starts the threads. `decide` may take long; `hand_back` must not wait.
    pub(crate) fn start(
        threads: usize,
        decide: impl Fn(Q, &mut Work) -> Decision + Send + Sync + 'static,
        hand_back: impl Fn(Decided) + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            waiting: Mutex::new(Waiting::default()),
            work_came: Condvar::new(),
            places: Arc::new(AtomicUsize::new(0)),
            counters: Counters::default(),
            decide: Box::new(decide),
            hand_back: Box::new(hand_back),
        });
        let mut pool = Self { shared, threads: Vec::new() };
        for _ in 0..threads.max(1) {
            let shared = Arc::clone(&pool.shared);
            let builder = std::thread::Builder::new().name("worker".to_owned());
            // A pool that is dropped halfway ends the threads that it has started.
            pool.threads.push(builder.spawn(move || shared.run())?);
        }
        Ok(pool)
    }

    /// Takes a job, or hands it back when there is no room, or none for its address. Never waits.
    pub(crate) fn submit(&self, job: Job<Q>) -> Result<(), Job<Q>> {
        // The lock is held for moments only; but a worker that holds it may have been put to sleep
        // by the system, and no event loop may wait for that.
        let taken = match self.shared.waiting.try_lock() {
            Ok(waiting) => self.shared.take(waiting, job),
            Err(TryLockError::Poisoned(poisoned)) => self.shared.take(poisoned.into_inner(), job),
            Err(TryLockError::WouldBlock) => Err(job),
        };
        if taken.is_err() {
            self.shared.counters.handed_back.fetch_add(1, Ordering::Relaxed);
        }
        taken
    }

    /// Whether there is room for a job of any address at all.
    pub(crate) fn has_room(&self) -> bool {
        self.shared.places.load(Ordering::Acquire) < JOBS_MAX
    }

    /// What has been done so far.
    pub(crate) fn stats(&self) -> WorkerStats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let counters = &self.shared.counters;
        WorkerStats {
            taken: read(&counters.taken),
            handed_back: read(&counters.handed_back),
            decided: read(&counters.decided),
            panics: read(&counters.panics),
            rounds: read(&counters.rounds),
            signatures: read(&counters.signatures),
        }
    }
}

impl<Q> Drop for WorkerPool<Q> {
    fn drop(&mut self) {
        // Threads are not waited for: a hash may take longer than a broker may take to stop.
        self.shared.lock().ended = true;
        self.shared.work_came.notify_all();
    }
}

type Decide<Q> = dyn Fn(Q, &mut Work) -> Decision + Send + Sync;

struct Shared<Q> {
    waiting: Mutex<Waiting<Q>>,
    work_came: Condvar,
    /// Places that are taken by jobs and answers.
    places: Arc<AtomicUsize>,
    counters: Counters,
    decide: Box<Decide<Q>>,
    hand_back: Box<dyn Fn(Decided) + Send + Sync>,
}

#[derive(Debug, Default)]
struct Counters {
    taken: AtomicU64,
    handed_back: AtomicU64,
    decided: AtomicU64,
    panics: AtomicU64,
    rounds: AtomicU64,
    signatures: AtomicU64,
}

impl<Q> Shared<Q> {
    fn lock(&self) -> MutexGuard<'_, Waiting<Q>> {
        // Nothing panics while the lock is held, and a queue is whole after each of its methods.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, mut waiting: MutexGuard<'_, Waiting<Q>>, job: Job<Q>) -> Result<(), Job<Q>> {
        let Some(place) = Place::take(&self.places) else { return Err(job) };
        waiting.push(job, place)?;
        drop(waiting);
        self.counters.taken.fetch_add(1, Ordering::Relaxed);
        self.work_came.notify_one();
        Ok(())
    }

    /// A thread's life.
    fn run(&self) {
        lower_priority();
        while let Some((job, place)) = self.next() {
            let Job { shard, client, question, .. } = job;
            let mut work = Work::default();
            // Nothing outlives a decision but its answer: what a panic leaves behind is not seen.
            let decided = catch_unwind(AssertUnwindSafe(|| (self.decide)(question, &mut work)));
            let decision = decided.unwrap_or_else(|_| {
                self.counters.panics.fetch_add(1, Ordering::Relaxed);
                Decision::Refuse(Refusal::Credentials)
            });
            self.counters.rounds.fetch_add(work.rounds, Ordering::Relaxed);
            self.counters.signatures.fetch_add(work.signatures.into(), Ordering::Relaxed);
            self.counters.decided.fetch_add(1, Ordering::Relaxed);
            (self.hand_back)(Decided { shard, client, decision, _place: place });
        }
    }

    /// Waits for the next job; nothing when the pool has ended.
    fn next(&self) -> Option<(Job<Q>, Place)> {
        let mut waiting = self.lock();
        loop {
            if waiting.ended {
                return None;
            }
            if let Some(next) = waiting.pop() {
                return Some(next);
            }
            waiting = self.work_came.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// One of [`JOBS_MAX`] places, free again when dropped.
#[derive(Debug)]
struct Place(Arc<AtomicUsize>);

impl Place {
    fn take(places: &Arc<AtomicUsize>) -> Option<Self> {
        let more = |taken: usize| (taken < JOBS_MAX).then_some(taken + 1);
        places.fetch_update(Ordering::AcqRel, Ordering::Acquire, more).ok()?;
        Some(Self(Arc::clone(places)))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Jobs that wait: a queue for each source, and the order in which sources have their turn.
struct Waiting<Q> {
    queues: HashMap<Source, VecDeque<(Job<Q>, Place)>>,
    /// Each source that has a queue, once.
    turns: VecDeque<Source>,
    count: usize,
    ended: bool,
}

impl<Q> Default for Waiting<Q> {
    fn default() -> Self {
        Self { queues: HashMap::new(), turns: VecDeque::new(), count: 0, ended: false }
    }
}

impl<Q> Waiting<Q> {
    fn push(&mut self, job: Job<Q>, place: Place) -> Result<(), Job<Q>> {
        let source = Source::of(job.address);
        // What one source may have shrinks with the room that is left, so that many loud sources
        // together leave room for a quiet one.
        let most = (JOBS_MAX.saturating_sub(self.count) / 16).clamp(1, SOURCE_JOBS_MAX);
        let queue = self.queues.entry(source).or_default();
        if queue.len() >= most {
            return Err(job);
        }
        if queue.is_empty() {
            self.turns.push_back(source);
        }
        queue.push_back((job, place));
        self.count += 1;
        Ok(())
    }

    fn pop(&mut self) -> Option<(Job<Q>, Place)> {
        let source = self.turns.pop_front()?;
        let queue = self.queues.get_mut(&source)?;
        let next = queue.pop_front()?;
        self.count -= 1;
        if queue.is_empty() {
            self.queues.remove(&source);
        } else {
            self.turns.push_back(source);
        }
        Some(next)
    }
}

/// Who shares a turn: an address, and of version 6 the network that one customer has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Source {
    V4([u8; 4]),
    V6([u16; 4]),
    Nowhere,
}

impl Source {
    fn of(address: Option<IpAddr>) -> Self {
        match address.map(|address| address.to_canonical()) {
            Some(IpAddr::V4(address)) => Self::V4(address.octets()),
            Some(IpAddr::V6(address)) => {
                let [a, b, c, d, ..] = address.segments();
                Self::V6([a, b, c, d])
            }
            None => Self::Nowhere,
        }
    }
}

/// Whoever is in has precedence over whoever wants in. Where the system refuses, or knows no
/// priority of one thread, all are equal.
fn lower_priority() {
    #[cfg(target_os = "linux")]
    let _ = rustix::process::nice(PRIORITY_STEP);
}

/// Most threads of a pool.
const THREADS_MAX: usize = 4;
/// Jobs that wait or are worked on, and answers that nobody has looked at yet.
pub(crate) const JOBS_MAX: usize = 1024;
/// Jobs of one source that wait.
const SOURCE_JOBS_MAX: usize = 16;
/// How much less the system thinks of these threads.
#[cfg(target_os = "linux")]
const PRIORITY_STEP: i32 = 5;

#[cfg(test)]
mod tests;
