//! What shards and the supervisor share: rings of batches, mail, bells and published counters.
//!
//! Absent: what is in a batch, and waiting. Each ordered pair of shards has two bounded lock-free
//! queues, one for batches on their way and one for emptied ones on their way back; a batch exists
//! once and is in one place, so that neither queue can be full when something is pushed.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Sender;

use crossbeam_queue::{ArrayQueue, SegQueue};
use mio::Waker;

use super::bell::{Bell, Sleep};
use super::desk::Desk;
use super::gate::Gate;
use super::meter::{Meter, Reading};
use super::moving::{Delivery, Rendezvous};
use super::peak::Peak;
use super::stream::Stream;
use super::worker::Decided;
use crate::core::arrival::Arrival;
use crate::core::batch::Batch;
use crate::core::ids::{ListenerId, ShardId};
use crate::core::report::Query;
use crate::core::review::Settings;
use crate::core::stats::Stats;
use crate::core::system_requests::{Deed, SystemAnswer};
use crate::core::time::Instant;
use crate::core::tracing::TraceReport;

/// What the supervisor sends to a shard.
#[derive(Debug)]
pub(crate) enum Mail {
    /// A new connection.
    Adopt { stream: Stream, arrival: Arrival, gate: Arc<Gate> },
    /// A changed configuration.
    Settings(Box<Settings>),
    /// An account was fetched, or cannot be: whatever is known of it is known by now.
    AccountSettled(Box<str>),
    /// The broker will leave: tell the clients.
    LameDuck,
    /// A question with its number: the answer goes to the monitor.
    Query(u64, Box<Query>),
    /// The answer to a request that the shard had.
    SystemAnswer(Box<SystemAnswer>),
    /// What a peer has written down about a message that is traced.
    TraceReport(Box<TraceReport>),
    /// Something to be done with clients: what came of it goes to the monitor, with the number.
    Deed(u64, Box<Deed>),
    /// Say how the broker does, if anybody listens.
    Heartbeat,
    /// There are as many clients too many: tell and close them.
    Surplus(usize),
    /// Close as many clients, writing what waits.
    EndOf(usize),
    /// Close every client, writing what waits, and end.
    Stop,
    /// Read no more, and stand still until told to go on.
    Hold(Box<Rendezvous>),
    /// Wait for the clients of another process; these listeners are its first, second, ….
    Await(Vec<ListenerId>),
    /// What another process says of its clients, and their sockets.
    Parcel(Box<Delivery>),
    /// The clients that came are this process's own.
    MoveIn(Sender<()>),
}

/// The two directions between one shard and another.
#[derive(Debug)]
struct Pair {
    forward: ArrayQueue<Box<Batch>>,
    back: ArrayQueue<Box<Batch>>,
}

/// One shard's side that others touch.
#[derive(Debug)]
struct Door {
    bell: Bell,
    waker: Waker,
    mail: ArrayQueue<Mail>,
    /// Bounded by the places of the pool that decides.
    decided: SegQueue<Decided>,
    counters: [AtomicU64; Stats::COUNTERS],
    /// Connections that ended before they became clients.
    turned_away: AtomicU64,
    /// TLS handshakes that are through.
    handshakes: AtomicU64,
    /// How long turns take, without their waiting; and messages, from read to write.
    turns: Meter,
    longest: Peak,
    deliveries: Meter,
}

/// See the module's head.
#[derive(Debug)]
pub(crate) struct Exchange {
    shards: usize,
    pub(crate) desk: Desk,
    pairs: Vec<Pair>,
    doors: Vec<Door>,
    /// Connections that came through each listener and have not ended, and all that ever came.
    inside: [AtomicU64; ListenerId::COUNT_MAX],
    entered: [AtomicU64; ListenerId::COUNT_MAX],
}

impl Exchange {
    /// An exchange for as many shards as there are wakers.
    pub(crate) fn new(wakers: Vec<Waker>, batches_per_peer: usize, desk: Desk) -> Self {
        let shards = wakers.len();
        let pair = || Pair {
            forward: ArrayQueue::new(batches_per_peer),
            back: ArrayQueue::new(batches_per_peer),
        };
        let door = |waker| Door {
            bell: Bell::new(),
            waker,
            mail: ArrayQueue::new(MAIL_MAX),
            decided: SegQueue::new(),
            counters: std::array::from_fn(|_| AtomicU64::new(0)),
            turned_away: AtomicU64::new(0),
            handshakes: AtomicU64::new(0),
            turns: Meter::new(),
            longest: Peak::new(),
            deliveries: Meter::new(),
        };
        Self {
            shards,
            desk,
            pairs: (0..shards * shards).map(|_| pair()).collect(),
            doors: wakers.into_iter().map(door).collect(),
            inside: std::array::from_fn(|_| AtomicU64::new(0)),
            entered: std::array::from_fn(|_| AtomicU64::new(0)),
        }
    }

    pub(crate) fn shards(&self) -> impl Iterator<Item = ShardId> + use<> {
        (0..self.shards).filter_map(ShardId::new)
    }

    /// Hands a batch to a peer; wake it with [`Exchange::wake_for_work`] when all are handed over.
    pub(crate) fn push(&self, from: ShardId, to: ShardId, batch: Box<Batch>) {
        let full = self.pair(from, to).forward.push(batch).is_err();
        debug_assert!(!full, "a pair has as many places as batches");
    }

    /// The next batch that a peer handed over.
    pub(crate) fn pop(&self, from: ShardId, to: ShardId) -> Option<Box<Batch>> {
        self.pair(from, to).forward.pop()
    }

    /// Gives an emptied batch back to the peer it came from.
    pub(crate) fn give_back(&self, from: ShardId, to: ShardId, batch: Box<Batch>) {
        let full = self.pair(from, to).back.push(batch).is_err();
        debug_assert!(!full, "a pair has as many places as batches");
    }

    /// The next of one's own batches that a peer gave back.
    pub(crate) fn pop_back(&self, from: ShardId, to: ShardId) -> Option<Box<Batch>> {
        self.pair(from, to).back.pop()
    }

    /// Wakes a shard that was brought something, if it sleeps.
    pub(crate) fn wake_for_work(&self, shard: ShardId) -> io::Result<()> {
        let door = self.door(shard);
        if door.bell.must_wake_for_work() { door.waker.wake() } else { Ok(()) }
    }

    /// Wakes a shard that was given a batch back, if it sleeps for want of one.
    pub(crate) fn wake_for_credit(&self, shard: ShardId) -> io::Result<()> {
        let door = self.door(shard);
        if door.bell.must_wake_for_credit() { door.waker.wake() } else { Ok(()) }
    }

    /// Sends mail to a shard; hands it back when the box is full.
    pub(crate) fn send(&self, shard: ShardId, mail: Mail) -> Result<(), Mail> {
        self.door(shard).mail.push(mail)?;
        // A failed wake-up leaves the mail where the shard's next turn finds it.
        let _ = self.wake_for_work(shard);
        Ok(())
    }

    pub(crate) fn receive(&self, shard: ShardId) -> Option<Mail> {
        self.door(shard).mail.pop()
    }

    /// Brings a shard the answer to a question about one of its clients.
    pub(crate) fn hand_back(&self, decided: Decided) {
        let shard = decided.shard;
        self.door(shard).decided.push(decided);
        // As with mail: a shard that could not be woken finds it at its next turn.
        let _ = self.wake_for_work(shard);
    }

    /// The next answer for a shard.
    pub(crate) fn next_decided(&self, me: ShardId) -> Option<Decided> {
        self.door(me).decided.pop()
    }

    /// Announces sleep; says whether it may begin, because nothing has come meanwhile (I10).
    pub(crate) fn may_sleep(&self, me: ShardId, sleep: Sleep) -> bool {
        self.door(me).bell.announce(sleep);
        if self.has_brought(me, sleep) {
            self.awake(me);
            return false;
        }
        true
    }

    /// Whether something has come for a shard that is about to sleep.
    pub(crate) fn has_brought(&self, me: ShardId, sleep: Sleep) -> bool {
        let brought = self.shards().any(|peer| !self.pair(peer, me).forward.is_empty());
        let credit = sleep == Sleep::ForWorkOrCredit
            && self.shards().any(|peer| !self.pair(me, peer).back.is_empty());
        let door = self.door(me);
        brought || credit || !door.mail.is_empty() || !door.decided.is_empty()
    }

    pub(crate) fn awake(&self, me: ShardId) {
        self.door(me).bell.awake();
    }

    /// Publishes a shard's counters; only the shard itself does.
    pub(crate) fn publish(&self, me: ShardId, stats: &Stats) {
        for (counter, value) in self.door(me).counters.iter().zip(stats.to_array()) {
            // Peers look at some of these in every turn: what is unchanged stays in their caches.
            if counter.load(Ordering::Relaxed) != value {
                counter.store(value, Ordering::Relaxed);
            }
        }
    }

    /// A shard's clients, now and in all, as last published.
    pub(crate) fn clients(&self, shard: ShardId) -> [u64; 2] {
        // INVARIANT: the places of counters are below their number.
        Stats::CLIENTS.map(|place| self.door(shard).counters[place].load(Ordering::Relaxed))
    }

    /// A shard's counters as last published.
    pub(crate) fn stats(&self, shard: ShardId) -> Stats {
        let counters = &self.door(shard).counters;
        Stats::from_array(std::array::from_fn(|n| counters[n].load(Ordering::Relaxed)))
    }

    /// Counts a connection that a listener has brought.
    pub(crate) fn note_entered(&self, listener: ListenerId) {
        self.inside_of(listener).fetch_add(1, Ordering::Relaxed);
        // INVARIANT: see `inside_of`.
        self.entered[listener.index()].fetch_add(1, Ordering::Relaxed);
    }

    /// Counts the end of a connection.
    pub(crate) fn note_left(&self, listener: ListenerId) {
        self.inside_of(listener).fetch_sub(1, Ordering::Relaxed);
    }

    /// Connections that came through a listener and have not ended.
    pub(crate) fn inside(&self, listener: ListenerId) -> u64 {
        self.inside_of(listener).load(Ordering::Relaxed)
    }

    /// Connections that ever came through a listener.
    pub(crate) fn entered(&self, listener: ListenerId) -> u64 {
        // INVARIANT: see `inside_of`.
        self.entered[listener.index()].load(Ordering::Relaxed)
    }

    /// Batches that wait on their way from one shard to another.
    pub(crate) fn waiting(&self, from: ShardId, to: ShardId) -> usize {
        self.pair(from, to).forward.len()
    }

    /// Mail that waits for a shard.
    pub(crate) fn mail_waiting(&self, shard: ShardId) -> usize {
        self.door(shard).mail.len()
    }

    /// All connections that have not ended.
    pub(crate) fn inside_all(&self) -> u64 {
        self.inside.iter().map(|inside| inside.load(Ordering::Relaxed)).sum()
    }

    /// Counts a connection that ended before it became a client.
    pub(crate) fn note_turned_away(&self, me: ShardId) {
        self.door(me).turned_away.fetch_add(1, Ordering::Relaxed);
    }

    /// Connections that a shard was sent and that never became clients.
    pub(crate) fn turned_away(&self, shard: ShardId) -> u64 {
        self.door(shard).turned_away.load(Ordering::Relaxed)
    }

    /// Counts a handshake that is through.
    pub(super) fn note_handshake(&self, me: ShardId) {
        self.door(me).handshakes.fetch_add(1, Ordering::Relaxed);
    }

    /// Handshakes of a shard that are through.
    pub(crate) fn handshakes(&self, shard: ShardId) -> u64 {
        self.door(shard).handshakes.load(Ordering::Relaxed)
    }

    /// A shard's own meter of deliveries.
    pub(super) fn meter(&self, me: ShardId) -> &Meter {
        &self.door(me).deliveries
    }

    /// Counts a turn of a shard that ends now; only the shard itself does.
    pub(super) fn note_turn(&self, me: ShardId, ns: u64, now: Instant) {
        let door = self.door(me);
        door.turns.count(ns, 1);
        door.longest.note(ns, now);
    }

    /// The longest turns of a shard.
    pub(crate) fn longest(&self, shard: ShardId) -> &Peak {
        &self.door(shard).longest
    }

    /// How long turns of a shard have taken.
    pub(crate) fn turns(&self, shard: ShardId) -> Reading {
        self.door(shard).turns.read()
    }

    /// How long deliveries of a shard have taken.
    pub(crate) fn deliveries(&self, shard: ShardId) -> Reading {
        self.door(shard).deliveries.read()
    }

    /// Memory for unsent messages in the whole broker, as last published.
    pub(crate) fn total_spool_bytes(&self) -> u64 {
        let spools = self.doors.iter().filter_map(|door| door.counters.last());
        spools.map(|spool| spool.load(Ordering::Relaxed)).sum()
    }

    fn pair(&self, from: ShardId, to: ShardId) -> &Pair {
        // INVARIANT: shard ids are below the number of shards that this was made for.
        &self.pairs[from.index() * self.shards + to.index()]
    }

    fn inside_of(&self, listener: ListenerId) -> &AtomicU64 {
        // INVARIANT: a listener's number is below the most that there are.
        &self.inside[listener.index()]
    }

    fn door(&self, shard: ShardId) -> &Door {
        // INVARIANT: see `pair`.
        &self.doors[shard.index()]
    }
}

/// Mail that waits for one shard; a full box makes the acceptor wait.
const MAIL_MAX: usize = 1024;
