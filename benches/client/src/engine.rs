//! One thread of a load run: an event loop over its connections, publishers and receivers alike.
//!
//! Absent: which connections there are (`scenario`) and when the run goes on to its next stage
//! (`conductor`).

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use mio::{Events, Interest, Poll, Token, Waker};

use crate::conn::{Conn, ReadOutcome};
use crate::control::{Fault, Taken};
use crate::flow::ThreadIndex;
use crate::pacer::Pacer;
use crate::procfs::ThreadCpu;
use crate::publisher::{Publisher, Turn};
use crate::receipt::Tally;
use crate::requester::{Requester, Responder};
use crate::run::{Run, Stage, ThreadState};
use crate::subscriber::Subscriber;
use crate::timings::Timings;
use crate::wire::Wire;

/// A connection and what it does.
#[derive(Debug)]
pub struct Seat {
    /// The connection.
    pub conn: Conn,
    /// What it does.
    pub role: Role,
    /// How far it is with asking the server for the confirmation of its end.
    pub fence: Fence,
}

/// What a connection does.
#[derive(Debug)]
pub enum Role {
    /// Publishes into a flow.
    Publisher {
        /// What and when.
        publisher: Box<Publisher>,
        /// Into which flow.
        flow: usize,
    },
    /// Receives and checks.
    Subscriber(Box<Subscriber>),
    /// Sends requests.
    Requester(Box<Requester>),
    /// Answers requests.
    Responder(Box<Responder>),
    /// Receives without checking until the run stalls it, and reads nothing from then on.
    Stalled,
}

/// How far a connection is with its last PING.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fence {
    /// Not sent.
    Open,
    /// Sent.
    Asked,
    /// Answered.
    Confirmed,
}

/// What a thread gives back at the end.
#[derive(Debug, Default)]
pub struct ThreadResult {
    /// What its receivers got.
    pub tally: Tally,
    /// What each of its receivers got, in the order of the seats.
    pub shares: Vec<u64>,
    /// For each of its publishers, its index and how many messages it published.
    pub published: Vec<(u16, u64)>,
    /// The durations it measured.
    pub timings: Timings,
}

/// The event loop.
#[derive(Debug)]
pub struct Engine {
    run: Arc<Run>,
    index: ThreadIndex,
    poll: Poll,
    pacer: Option<Pacer>,
    seats: Vec<Seat>,
    /// Seats that may have more to read.
    readable: Vec<usize>,
    /// The list that the next turn fills.
    readable_again: Vec<usize>,
    /// Seats that send by themselves: publishers and requesters.
    senders: Vec<usize>,
    buffer: Vec<u8>,
    timings: Timings,
    now_ns: u64,
    published: u64,
    received: u64,
    fenced_senders: u64,
    fenced_receivers: u64,
}

/// What the senders of a thread wait for.
#[derive(Debug, Default)]
struct Wait {
    /// One of them has more to do at once.
    is_busy: bool,
    /// The flows that some of them wait for.
    flows: Vec<usize>,
    /// When the next message is due.
    due_ns: Option<u64>,
}

impl Engine {
    /// An event loop for these seats; must be made and run on the same thread.
    pub fn new(run: Arc<Run>, index: ThreadIndex, mut seats: Vec<Seat>) -> io::Result<Self> {
        let poll = Poll::new()?;
        for (number, seat) in seats.iter_mut().enumerate() {
            let both = Interest::READABLE | Interest::WRITABLE;
            poll.registry().register(seat.conn.stream_mut(), Token(number), both)?;
        }
        let pacer = Pacer::new(poll.registry(), PACER_TOKEN)?;
        let senders = seats
            .iter()
            .enumerate()
            .filter(|(_, seat)| seat.role.is_sender())
            .map(|(number, _)| number)
            .collect();
        let engine = Self {
            // Every seat may have bytes that were read while it was set up.
            readable: (0..seats.len()).collect(),
            readable_again: Vec::new(),
            senders,
            run,
            index,
            poll,
            pacer,
            seats,
            buffer: vec![0; BUFFER_LEN],
            timings: Timings::new(),
            now_ns: 0,
            published: 0,
            received: 0,
            fenced_senders: 0,
            fenced_receivers: 0,
        };
        let waker = Waker::new(engine.poll.registry(), WAKER_TOKEN)?;
        if let Some(state) = engine.state() {
            // Each thread makes one engine, so neither cell can be full.
            let _ = state.waker.set(waker);
            let _ = state.cpu.set(ThreadCpu::of_caller());
        }
        Ok(engine)
    }

    /// Runs until the run is over.
    pub fn run(mut self) -> ThreadResult {
        if let Err(fault) = self.turn_until_over() {
            self.run.fail(fault);
        }
        self.result()
    }

    fn turn_until_over(&mut self) -> Result<(), String> {
        let mut events = Events::with_capacity(EVENTS_MAX);
        loop {
            let stage = self.run.stage();
            if stage == Stage::Over {
                return Ok(());
            }
            self.timings.count_from(self.run.measure_from_ns());
            let wait = self.pump_senders(stage)?;
            if stage >= Stage::Fencing {
                self.fence_receivers()?;
            }
            self.publish_counters();
            let timeout = self.timeout(&wait);
            match self.poll.poll(&mut events, Some(timeout)) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                    return Err(format!("waiting for events failed: {error}"));
                }
                Err(_) | Ok(()) => {}
            }
            self.now_ns = self.run.now_ns();
            for event in &events {
                let number = event.token().0;
                let Some(seat) = self.seats.get_mut(number) else { continue };
                if event.is_writable() {
                    seat.conn.is_blocked = false;
                    // A sender flushes between two messages, when its turn comes.
                    if !seat.role.is_sender() {
                        seat.conn.flush().map_err(|error| fault_of(seat, &error.into()))?;
                    }
                }
                if event.is_readable() || event.is_error() || event.is_read_closed() {
                    self.readable.push(number);
                }
            }
            self.read_all()?;
        }
    }

    /// How long to sleep: not at all while there is something to do.
    fn timeout(&mut self, wait: &Wait) -> Duration {
        if wait.is_busy || !self.readable.is_empty() {
            return Duration::ZERO;
        }
        let has_room = |flow: &usize| self.run.flows.get(*flow).is_some_and(|f| f.park(self.index));
        if wait.flows.iter().any(has_room) {
            return Duration::ZERO;
        }
        match (wait.due_ns, &mut self.pacer) {
            (None, _) => IDLE,
            (Some(due_ns), Some(pacer)) => pacer.arm(due_ns, self.run.now_ns()),
            (Some(due_ns), None) => {
                Duration::from_nanos(due_ns.saturating_sub(self.run.now_ns())).min(IDLE)
            }
        }
    }

    /// Reads once from every seat that may have something, and keeps those that may have more.
    fn read_all(&mut self) -> Result<(), String> {
        let mut wake = 0;
        // The two lists change places, so that neither has to be allocated again.
        let mut again = std::mem::take(&mut self.readable_again);
        let mut readable = std::mem::take(&mut self.readable);
        for number in readable.drain(..) {
            let Some(seat) = self.seats.get_mut(number) else { continue };
            if matches!(seat.role, Role::Stalled) && self.run.is_stalled() {
                continue;
            }
            let read = seat.conn.read(&mut self.buffer);
            let (filled, is_full) = match read.map_err(|error| fault_of(seat, &error.into()))? {
                ReadOutcome::Full(filled) => (filled, true),
                ReadOutcome::Drained(filled) => (filled, false),
                ReadOutcome::Closed if matches!(seat.role, Role::Stalled) => continue,
                ReadOutcome::Closed => return Err(fault_of(seat, &Fault::Closed)),
            };
            if is_full {
                again.push(number);
            }
            let input = self.buffer.get(..filled).unwrap_or(&[]);
            self.now_ns = self.run.now_ns();
            let taken = seat.take(input, self.now_ns, &mut self.timings);
            let taken = taken.map_err(|fault| fault_of(seat, &fault))?;
            seat.conn.carry(input.get(taken.bytes..).unwrap_or(&[]));
            if !seat.conn.out.is_empty() && !seat.conn.is_blocked && !seat.role.is_sender() {
                seat.conn.flush().map_err(|error| fault_of(seat, &error.into()))?;
            }
            if taken.pongs > 0 && seat.fence == Fence::Asked {
                seat.fence = Fence::Confirmed;
                if seat.role.is_sender() {
                    self.fenced_senders += 1;
                } else {
                    self.fenced_receivers += 1;
                }
            }
            if seat.role.counts_received() {
                self.received += taken.messages;
            }
            if let Role::Subscriber(subscriber) = &seat.role
                && let Some(flow) = self.run.flows.get(subscriber.flow)
            {
                wake |= flow.note_received(taken.messages);
            }
        }
        self.readable = again;
        self.readable_again = readable;
        self.run.wake(wake & !self.index.bit());
        Ok(())
    }

    /// Lets every sender write what it may.
    fn pump_senders(&mut self, stage: Stage) -> Result<Wait, String> {
        self.now_ns = self.run.now_ns();
        let mut wait = Wait::default();
        for number in &self.senders {
            let Some(seat) = self.seats.get_mut(*number) else { continue };
            if seat.conn.is_blocked {
                continue;
            }
            let pumped = pump(
                seat,
                &self.run,
                Pump { stage, now_ns: self.now_ns, published: &mut self.published },
                &mut self.timings,
                &mut wait,
            );
            pumped.map_err(|fault| fault_of(seat, &fault))?;
        }
        Ok(wait)
    }

    /// Asks the server to confirm that nothing more is under way to the receivers.
    fn fence_receivers(&mut self) -> Result<(), String> {
        for seat in &mut self.seats {
            if seat.fence == Fence::Open && seat.role.is_receiver() {
                seat.fence = Fence::Asked;
                seat.conn.out.extend_from_slice(seat.conn.wire.ping());
                seat.conn.flush().map_err(|error| fault_of(seat, &error.into()))?;
            }
        }
        Ok(())
    }

    fn state(&self) -> Option<&ThreadState> {
        self.run.threads.get(usize::from(self.index.0))
    }

    fn publish_counters(&self) {
        let Some(state) = self.state() else { return };
        let before = state.published.load(Ordering::Relaxed);
        let received_before = state.received.load(Ordering::Relaxed);
        if before != self.published || received_before != self.received {
            state.last_progress_ns.store(self.now_ns, Ordering::Relaxed);
        }
        state.published.store(self.published, Ordering::Relaxed);
        state.received.store(self.received, Ordering::Relaxed);
        state.fenced_senders.store(self.fenced_senders, Ordering::Relaxed);
        state.fenced_receivers.store(self.fenced_receivers, Ordering::Relaxed);
    }

    fn result(self) -> ThreadResult {
        let mut result = ThreadResult { timings: self.timings, ..ThreadResult::default() };
        for seat in self.seats {
            match seat.role {
                Role::Publisher { publisher, .. } => {
                    result.published.push((publisher.index(), publisher.published()));
                }
                Role::Subscriber(subscriber) => {
                    result.tally.add(subscriber.receipt.tally());
                    result.shares.push(subscriber.receipt.tally().received);
                }
                Role::Requester(requester) => result.tally.add(requester.tally()),
                Role::Responder(responder) => result.shares.push(responder.tally().received),
                Role::Stalled => {}
            }
        }
        result
    }
}

impl Seat {
    fn take(&mut self, input: &[u8], now_ns: u64, timings: &mut Timings) -> Result<Taken, Fault> {
        let answers = &mut self.conn.out;
        match &mut self.role {
            Role::Subscriber(subscriber) => subscriber.take(input, now_ns, answers, timings),
            Role::Requester(requester) => requester.take(input, now_ns, answers, timings),
            Role::Responder(responder) => responder.take(input, answers),
            Role::Publisher { .. } | Role::Stalled => take_control(self.conn.wire, input, answers),
        }
    }
}

impl Role {
    fn is_sender(&self) -> bool {
        matches!(self, Self::Publisher { .. } | Self::Requester(_))
    }

    fn is_receiver(&self) -> bool {
        matches!(self, Self::Subscriber(_) | Self::Responder(_))
    }

    fn counts_received(&self) -> bool {
        matches!(self, Self::Subscriber(_) | Self::Requester(_))
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Publisher { .. } => "a publisher",
            Self::Subscriber(_) => "a subscriber",
            Self::Requester(_) => "a requester",
            Self::Responder(_) => "a responder",
            Self::Stalled => "the stalled subscriber",
        }
    }
}

/// What a sender needs to know for one turn.
struct Pump<'a> {
    stage: Stage,
    now_ns: u64,
    /// The thread's count of messages sent.
    published: &'a mut u64,
}

/// Lets one sender write what it may, at most one batch.
fn pump(
    seat: &mut Seat,
    run: &Run,
    pump: Pump<'_>,
    timings: &mut Timings,
    wait: &mut Wait,
) -> Result<(), Fault> {
    match &mut seat.role {
        Role::Publisher { publisher, flow } => {
            let Some(flow_state) = run.flows.get(*flow) else { return Ok(()) };
            publisher.note_round(flow_state, pump.now_ns, timings);
            // A batch that was begun is finished before anything else is written, or the stream
            // would be torn in the middle of a message.
            if publisher.pending().is_empty() {
                if !seat.conn.flush()? || pump.stage > Stage::Sending {
                    return close_sender(&mut seat.conn, &mut seat.fence, pump.stage);
                }
                match publisher.turn(flow_state, pump.now_ns) {
                    Turn::Write(messages) => {
                        let count = publisher.prepare(messages, pump.now_ns, timings);
                        flow_state.note_published(count);
                        *pump.published += count;
                    }
                    Turn::Window => wait.flows.push(*flow),
                    Turn::Until(due_ns) => {
                        wait.due_ns = Some(wait.due_ns.map_or(due_ns, |due| due.min(due_ns)));
                    }
                    Turn::Finished => {}
                }
            }
            if !publisher.pending().is_empty() {
                let written = seat.conn.write(publisher.pending())?;
                publisher.note_written(written);
                wait.is_busy |= !seat.conn.is_blocked;
            }
        }
        Role::Requester(requester) => {
            if pump.stage == Stage::Sending {
                *pump.published += requester.send(pump.now_ns, &mut seat.conn.out);
            } else if requester.is_quiet() {
                return close_sender(&mut seat.conn, &mut seat.fence, pump.stage);
            }
            seat.conn.flush()?;
        }
        Role::Subscriber(_) | Role::Responder(_) | Role::Stalled => {}
    }
    Ok(())
}

/// Sends the last PING of a sender once the run stops.
fn close_sender(conn: &mut Conn, fence: &mut Fence, stage: Stage) -> Result<(), Fault> {
    if stage > Stage::Sending && *fence == Fence::Open {
        *fence = Fence::Asked;
        conn.out.extend_from_slice(conn.wire.ping());
    }
    conn.flush()?;
    Ok(())
}

fn take_control(wire: Wire, input: &[u8], answers: &mut Vec<u8>) -> Result<Taken, Fault> {
    use fanfare_protocol::server_op::ServerStep;
    let mut taken = Taken::default();
    loop {
        match wire.next(input.get(taken.bytes..).unwrap_or(&[]))? {
            ServerStep::Op(op, len) => {
                taken.bytes += len;
                taken.note_control(op, answers)?;
            }
            ServerStep::Message { .. } | ServerStep::More => return Ok(taken),
        }
    }
}

fn fault_of(seat: &Seat, fault: &Fault) -> String {
    format!("{}: {fault}", seat.role.name())
}

/// Large enough that one read brings as much as a socket holds as a rule, small enough to stay in
/// the second cache while it is checked.
const BUFFER_LEN: usize = 256 * 1024;
const EVENTS_MAX: usize = 1024;
const IDLE: Duration = Duration::from_millis(100);
const WAKER_TOKEN: Token = Token(usize::MAX);
const PACER_TOKEN: Token = Token(usize::MAX - 1);
