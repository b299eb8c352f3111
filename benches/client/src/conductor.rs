//! Leads a run: opens the connections, starts the threads, measures a window, ends in good order.
//!
//! Absent: what the connections do (`scenario`, `engine`) and the report.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::engine::{Engine, Fence, Role, Seat, ThreadResult};
use crate::figure::Unit;
use crate::flow::{Flow, ThreadIndex};
use crate::interrupt::Interrupt;
use crate::procfs::Memory;
use crate::progress::Progress;
use crate::receipt::{Expected, Tally, Verdict};
use crate::run::{Run, Stage};
use crate::target::Target;
use crate::timings::Timings;
use crate::window::{Moment, Step, Window};

/// A connection to be.
#[derive(Debug)]
pub struct Planned {
    /// What it says behind CONNECT.
    pub setup: Vec<u8>,
    /// What it does.
    pub role: Role,
}

/// Everything that a run needs to begin.
#[derive(Debug)]
pub struct Plan {
    /// What the progress line calls it.
    pub title: String,
    /// The connections that send.
    pub senders: Vec<Planned>,
    /// The connections that receive.
    pub receivers: Vec<Planned>,
    /// The flows that the roles name by index.
    pub flows: Vec<Flow>,
    /// Threads.
    pub threads: usize,
    /// Whether senders await one reply for each message: there are no flows to count with.
    pub replies: Replies,
    /// How many messages are sent in all, if a number ends the run.
    pub messages: Option<u64>,
    /// The server's process.
    pub server_pid: Option<u32>,
    /// How long to wait for what does not come.
    pub patience: Duration,
}

/// What the number of messages to be received follows from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replies {
    /// The flows count what is to be received.
    No,
    /// Each message sent brings one reply.
    One,
}

/// How a stretch of a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Its time was up, or its work done.
    Normally,
    /// The user asked to end.
    Interrupted,
}

/// A run that is under way.
#[derive(Debug)]
pub struct Conductor {
    run: Arc<Run>,
    threads: Vec<JoinHandle<ThreadResult>>,
    plan: PlanRest,
    stalled: Vec<SocketAddr>,
    interrupt: Interrupt,
    progress: Progress,
    start: Moment,
    steps: Vec<Step>,
    peak_bytes: u64,
}

/// What is left of a plan once its connections are open.
#[derive(Debug)]
struct PlanRest {
    title: String,
    replies: Replies,
    messages: Option<u64>,
    server_pid: Option<u32>,
    patience: Duration,
    senders: u64,
    receivers: u64,
}

/// What a run brought.
#[derive(Debug)]
pub struct Gathered {
    /// What was measured.
    pub window: Window,
    /// What the check found.
    pub verdict: Verdict,
    /// The durations.
    pub timings: Timings,
    /// How many messages each receiver got.
    pub shares: Vec<u64>,
    /// Whether the user ended it early.
    pub ended: Ended,
    /// Whether the server has confirmed to every sender that it has read everything.
    pub is_confirmed: bool,
}

impl Conductor {
    /// Opens the connections and starts the threads; senders send from then on.
    pub fn start(target: &Target, plan: Plan, progress: Progress) -> Result<Self, String> {
        progress.show(&format!("{}: opening connections", plan.title));
        let threads = plan.threads.clamp(1, ThreadIndex::COUNT_MAX);
        let rest = PlanRest {
            title: plan.title,
            replies: plan.replies,
            messages: plan.messages,
            server_pid: plan.server_pid,
            patience: plan.patience,
            senders: count(plan.senders.len()),
            receivers: count(
                plan.receivers.iter().filter(|seat| !matches!(seat.role, Role::Stalled)).count(),
            ),
        };
        // Senders are dealt out from the first thread on and receivers from the last, so that a
        // pair does not sit on one thread while another idles.
        let sender_threads = (0..threads).cycle();
        let receiver_threads = (0..threads).rev().cycle();
        let placed: Vec<(usize, Planned)> =
            receiver_threads.zip(plan.receivers).chain(sender_threads.zip(plan.senders)).collect();
        let seats = open_seats(target, placed, threads)?;
        let stalled = seats
            .iter()
            .flatten()
            .filter(|seat| matches!(seat.role, Role::Stalled))
            .filter_map(|seat| seat.conn.local_addr())
            .collect();
        let run = Arc::new(Run::new(plan.flows, threads));
        if rest.messages.is_some() {
            run.start_measuring();
        }
        let start = Moment::now(&run, rest.server_pid);
        let threads = start_threads(&run, seats)?;
        Ok(Self {
            run,
            threads,
            plan: rest,
            stalled,
            interrupt: Interrupt::listen(),
            progress,
            start,
            steps: Vec::new(),
            peak_bytes: 0,
        })
    }

    /// The shared state, for a scenario that changes something on the way.
    pub fn run(&self) -> &Run {
        &self.run
    }

    /// Where the connections of the receivers that stall come from.
    pub fn stalled(&self) -> &[SocketAddr] {
        &self.stalled
    }

    /// Runs for the warm-up and then measures for the duration, or until all messages are there
    /// when their number was given.
    pub fn measure(&mut self, warmup: Duration, duration: Duration) -> Result<Ended, String> {
        if self.plan.messages.is_some() {
            return self.watch_until_all();
        }
        if self.watch(warmup, |_| {})? == Ended::Interrupted {
            return Ok(Ended::Interrupted);
        }
        self.begin_window();
        self.watch(duration, |_| {})
    }

    /// Begins to measure anew.
    pub fn begin_window(&mut self) {
        self.run.start_measuring();
        self.steps.clear();
        self.peak_bytes = 0;
        self.start = Moment::now(&self.run, self.plan.server_pid);
    }

    /// What was measured since the window began.
    pub fn window(&self) -> Window {
        let end = Moment::now(&self.run, self.plan.server_pid);
        Window::between(&self.start, &end, self.peak_bytes, self.steps.clone())
    }

    /// Lets the run go on for a while; `on_tick` is called about ten times a second.
    pub fn watch(
        &mut self,
        duration: Duration,
        mut on_tick: impl FnMut(&Step),
    ) -> Result<Ended, String> {
        let end = Instant::now() + duration;
        let mut last = (Instant::now(), self.progress_count());
        loop {
            let now = Instant::now();
            if now >= end {
                return Ok(Ended::Normally);
            }
            std::thread::sleep(TICK.min(end - now));
            let step = self.step(&mut last);
            on_tick(&step);
            if let Some(fault) = self.run.fault() {
                return Err(self.ended_by(fault));
            }
            if self.interrupt.is_asked() {
                return Ok(Ended::Interrupted);
            }
        }
    }

    /// Ends the run in good order and returns everything that it brought. `window` is what was
    /// measured; `expected` adds what is not known before the end.
    pub fn finish(
        mut self,
        window: Window,
        ended: Ended,
        expected_sum: impl FnOnce(&[(u16, u64)]) -> Option<u64>,
    ) -> Result<Gathered, String> {
        self.progress.show(&format!("{}: waiting for the last messages", self.plan.title));
        self.run.advance(Stage::Stopping);
        let senders = self.plan.senders;
        self.await_progress(|totals, _| totals.fenced_senders >= senders);
        let is_confirmed = self.run.totals().fenced_senders >= senders;
        self.await_progress(|totals, expected| totals.received >= expected);
        self.run.advance(Stage::Fencing);
        let receivers = self.plan.receivers;
        self.await_progress(|totals, _| totals.fenced_receivers >= receivers);
        let deliveries = self.expected();
        self.run.advance(Stage::Over);
        let mut tally = Tally::default();
        let mut timings = Timings::new();
        let (mut shares, mut published) = (Vec::new(), Vec::new());
        for thread in std::mem::take(&mut self.threads) {
            let result = thread.join().map_err(|_| "a thread of the load client died")?;
            tally.add(result.tally);
            timings.add(&result.timings);
            shares.extend(result.shares);
            published.extend(result.published);
        }
        self.progress.clear();
        if let Some(fault) = self.run.fault() {
            return Err(self.ended_by(fault));
        }
        let verdict = tally.verdict(Expected { deliveries, sum: expected_sum(&published) });
        Ok(Gathered { window, verdict, timings, shares, ended, is_confirmed })
    }

    /// Waits until all messages were sent and received, or nothing moves any more.
    fn watch_until_all(&mut self) -> Result<Ended, String> {
        let all = self.plan.messages.unwrap_or(0);
        let mut last = (Instant::now(), self.progress_count());
        let mut moved = (Instant::now(), self.run.totals());
        loop {
            std::thread::sleep(FINE_TICK);
            let totals = self.run.totals();
            if totals.published >= all && totals.received >= self.expected() {
                self.step(&mut last);
                return Ok(Ended::Normally);
            }
            if last.0.elapsed() >= TICK {
                self.step(&mut last);
            }
            if totals != moved.1 {
                moved = (Instant::now(), totals);
            }
            if let Some(fault) = self.run.fault() {
                return Err(self.ended_by(fault));
            }
            if self.interrupt.is_asked() {
                return Ok(Ended::Interrupted);
            }
            if moved.0.elapsed() > self.plan.patience {
                return Ok(Ended::Normally);
            }
        }
    }

    /// Waits until something holds of the totals and the deliveries expected, or nothing has moved
    /// for as long as the patience lasts.
    fn await_progress(&self, is_done: impl Fn(crate::run::Totals, u64) -> bool) {
        let mut moved = (Instant::now(), self.run.totals());
        while self.run.stage() != Stage::Over {
            let totals = self.run.totals();
            if is_done(totals, self.expected()) {
                return;
            }
            if totals != moved.1 {
                moved = (Instant::now(), totals);
            }
            if moved.0.elapsed() > self.plan.patience {
                return;
            }
            std::thread::sleep(FINE_TICK);
        }
    }

    fn expected(&self) -> u64 {
        match self.plan.replies {
            Replies::No => self.run.flows.iter().map(Flow::expected).sum(),
            Replies::One => self.run.totals().published,
        }
    }

    /// What the progress line and the rate's course count.
    fn progress_count(&self) -> u64 {
        let totals = self.run.totals();
        if self.plan.receivers == 0 { totals.published } else { totals.received }
    }

    fn step(&mut self, last: &mut (Instant, u64)) -> Step {
        let (now, count) = (Instant::now(), self.progress_count());
        let at_s = self.start_elapsed(now);
        let step = Step {
            at_s,
            length_s: now.duration_since(last.0).as_secs_f64(),
            messages: count - last.1,
        };
        *last = (now, count);
        self.steps.push(step);
        let memory = self.plan.server_pid.and_then(Memory::of_process);
        if let Some(memory) = memory {
            self.peak_bytes = self.peak_bytes.max(memory.resident_bytes);
        }
        let mut text =
            format!("{}  {at_s:.1} s  {}", self.plan.title, Unit::PerSecond.show(step.rate()));
        if let Some(memory) = memory {
            text.push_str("  server ");
            text.push_str(&Unit::Bytes.show(memory.resident_bytes as f64));
        }
        self.progress.show(&text);
        step
    }

    fn start_elapsed(&self, now: Instant) -> f64 {
        self.start.elapsed_until(now).as_secs_f64()
    }

    fn ended_by(&self, fault: String) -> String {
        self.progress.clear();
        fault
    }
}

/// Opens the connections and deals them out to the threads.
fn open_seats(
    target: &Target,
    placed: Vec<(usize, Planned)>,
    threads: usize,
) -> Result<Vec<Vec<Seat>>, String> {
    let setups: Vec<Vec<u8>> = placed.iter().map(|(_, planned)| planned.setup.clone()).collect();
    let links = target.open_all(&setups).map_err(|error| error.to_string())?;
    let mut seats: Vec<Vec<Seat>> = (0..threads).map(|_| Vec::new()).collect();
    for ((thread, planned), link) in placed.into_iter().zip(links) {
        let conn = link.into_conn(target.wire()).map_err(|error| error.to_string())?;
        if let Some(seats) = seats.get_mut(thread) {
            seats.push(Seat { conn, role: planned.role, fence: Fence::Open });
        }
    }
    Ok(seats)
}

/// Starts the threads and waits until each can be woken.
fn start_threads(
    run: &Arc<Run>,
    seats: Vec<Vec<Seat>>,
) -> Result<Vec<JoinHandle<ThreadResult>>, String> {
    let (ready, started) = mpsc::channel::<io::Result<()>>();
    let mut threads = Vec::new();
    for (index, seats) in (0u8..).zip(seats) {
        let (run, ready) = (Arc::clone(run), ready.clone());
        let body = move || {
            let (engine, outcome) = match Engine::new(run, ThreadIndex(index), seats) {
                Ok(engine) => (Some(engine), Ok(())),
                Err(error) => (None, Err(error)),
            };
            // The other end waits until every sender is gone, so this cannot fail, and the sender
            // must not live as long as the thread.
            let _ = ready.send(outcome);
            drop(ready);
            engine.map(Engine::run).unwrap_or_default()
        };
        let thread = std::thread::Builder::new().name(format!("load-{index}")).spawn(body);
        threads.push(thread.map_err(|error| format!("cannot start a thread: {error}"))?);
    }
    drop(ready);
    for outcome in started {
        outcome.map_err(|error| format!("cannot set up an event loop: {error}"))?;
    }
    Ok(threads)
}

fn count(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}

const TICK: Duration = Duration::from_millis(100);
const FINE_TICK: Duration = Duration::from_millis(1);
