//! One shard's thread: waits, and drives the shard's turns with real sockets and rings.
//!
//! Absent: every decision about bytes and messages. A turn has no blocking call but the poll, and
//! the poll is left as soon as anybody brings work (I10).

use std::io;
use std::sync::Arc;

use mio::{Events, Poll, Token};

use super::clock::Clock;
use super::desk::{Errand, Sheet};
use super::doorkeeper::Doorkeeper;
use super::ebb::Ebb;
use super::exchange::{Exchange, Mail};
use super::heap;
use super::lobby::Lobby;
use super::log::{Level, Line, Log};
use super::sleep_timer::SleepTimer;
use super::socket::Sockets;
use super::sparse::Sparse;
use super::spin::Spin;
use super::volley::Volley;
use super::who::Who;
use crate::core::batch::{Batch, Lane};
use crate::core::ids::ShardId;
use crate::core::report::{Page, Rows};
use crate::core::shard::{Closed, Shard, ShardSetup};
use crate::core::stats::Stats;
use crate::core::system_requests::{Asker, Content, SystemAnswer};
use crate::core::time::Instant;
use crate::core::trace::Direction;
use crate::core::turn::{Draining, HandingOffInterest, Polled, Reading, Ticking, Turn, Writing};

/// See the module's head.
#[derive(Debug)]
pub(crate) struct Reactor {
    pub(super) me: ShardId,
    pub(super) poll: Poll,
    pub(super) timer: SleepTimer,
    pub(super) exchange: Arc<Exchange>,
    pub(super) sockets: Sockets,
    pub(super) lobby: Lobby,
    pub(super) doorkeeper: Doorkeeper,
    /// When to ask again what found no room: questions about clients.
    pub(super) ask_again_at: Option<Instant>,
    pub(super) clock: Clock,
    pub(super) log: Log,
    slow_notes: Sparse,
    /// Traced lines that were dropped, as far as the log has been told.
    traces_dropped: u64,
    /// Emptied batches that peers do not get back yet, and whose they are.
    pub(super) kept: Vec<(ShardId, Box<Batch>)>,
    /// Requests to the broker that nobody had room for.
    pub(super) turned_down: Vec<Asker>,
    stop_deadline_ns: u64,
    pub(super) stop: Option<Stop>,
    pub(super) ebb: Ebb,
    pub(super) spin: Spin,
    volley: Option<Volley>,
}

/// A stop under way: nothing is read any more.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stop {
    /// When what peers were given has arrived and clients are told farewell; `None` once they are.
    pub(super) farewell_at: Option<Instant>,
    /// When the shard ends, whoever is left.
    pub(super) end_at: Instant,
}

impl Reactor {
    pub(crate) fn new(
        me: ShardId,
        poll: Poll,
        exchange: Arc<Exchange>,
        doorkeeper: Doorkeeper,
        clock: Clock,
        log: Log,
        stop_deadline_ns: u64,
    ) -> io::Result<Self> {
        Ok(Self {
            me,
            timer: SleepTimer::new(&poll)?,
            poll,
            exchange,
            sockets: Sockets::default(),
            doorkeeper,
            ask_again_at: None,
            lobby: Lobby::default(),
            clock,
            log,
            slow_notes: Sparse::new("slow consumers were closed"),
            traces_dropped: 0,
            kept: Vec::new(),
            turned_down: Vec::new(),
            stop_deadline_ns,
            stop: None,
            ebb: Ebb::default(),
            spin: Spin::default(),
            volley: None,
        })
    }

    /// Looks for work for so many nanoseconds before it sleeps.
    pub(crate) fn spinning(self, for_ns: u64) -> Self {
        Self { spin: Spin::new(for_ns), ..self }
    }

    /// Sends to many clients at once by a ring, if there is one.
    pub(crate) fn sending_by(self, volley: Option<Volley>) -> Self {
        Self { volley, ..self }
    }

    /// The token of a shard's waker.
    pub(crate) const WAKER: Token = Token(usize::MAX);

    /// Runs turns until the broker stops.
    pub(crate) fn run(mut self, mut shard: Box<Shard>) -> io::Result<()> {
        let mut events = Events::with_capacity(EVENTS_PER_TURN);
        loop {
            self.wait(&shard, &mut events)?;
            shard = self.turn(shard, &events);
            let stats = shard.stats();
            self.exchange.publish(self.me, &stats);
            self.give_memory_back(&stats);
            self.log_traces(&mut shard);
            if self.has_stopped(&shard) {
                self.log_last_notes();
                return Ok(());
            }
        }
    }

    /// Gives memory back some time after much was freed.
    fn give_memory_back(&mut self, stats: &Stats) {
        if self.ebb.has_come(stats) {
            self.ebb.plan(self.clock.now());
        }
        if self.ebb.next_due().is_some() && self.ebb.is_due(self.clock.now()) {
            fanfare_heap::give_back(heap::KEPT);
        }
    }

    fn has_stopped(&self, shard: &Shard) -> bool {
        self.stop.is_some_and(|stop| {
            let nobody_left = stop.farewell_at.is_none() && shard.stats().clients == 0;
            nobody_left || self.clock.now() >= stop.end_at
        })
    }

    fn turn(&mut self, shard: Box<Shard>, events: &Events) -> Box<Shard> {
        let begun = self.clock.now();
        let mut turn = Turn::begin(shard, begun);
        turn.handle_total_spool(self.exchange.total_spool_bytes());
        self.note_events(&mut turn, events);
        self.take_mail(&mut turn);
        self.turn_down(&mut turn);
        self.doorkeeper.report(&mut turn, &self.exchange);
        self.advance_lobby(&mut turn);
        self.say_farewell(&mut turn);
        let mut turn = turn.read();
        self.read(&mut turn);
        let mut turn = turn.drain();
        self.drain(&mut turn);
        let turn = self.hand_off(turn.route());
        let mut turn = turn;
        self.write(&mut turn);
        let mut turn = turn.tick();
        self.close(&mut turn);
        self.measure(&mut turn, begun);
        turn.finish()
    }

    /// Counts how long the turn took, and the messages that it has written: one look at the clock.
    fn measure(&self, turn: &mut Turn<Ticking>, begun: Instant) {
        let now = self.clock.now();
        self.exchange.note_turn(self.me, now.since_ns(begun), now);
        let deliveries = self.exchange.meter(self.me);
        while let Some((since, times)) = turn.poll_delay() {
            deliveries.count(now.since_ns(since), times);
        }
    }

    fn note_events(&mut self, turn: &mut Turn<Polled>, events: &Events) {
        for event in events {
            match event.token() {
                Self::WAKER => continue,
                SleepTimer::TOKEN => {
                    self.timer.note_gone_off();
                    continue;
                }
                _ => {}
            }
            let who = Who::from_token(event.token().0 as u64);
            let client = match who {
                Who::Client(client) if !self.sockets.is_layered(client) => client,
                Who::Client(_) | Who::Guest(_) => {
                    self.note_layered(turn, who, event);
                    continue;
                }
            };
            if event.is_read_closed() || event.is_error() {
                turn.handle_hangup(client);
            } else if event.is_readable() {
                turn.handle_readable(client);
            }
            if event.is_writable() {
                turn.handle_writable(client);
            }
        }
    }

    fn take_mail(&mut self, turn: &mut Turn<Polled>) {
        for _ in 0..MAIL_PER_TURN {
            let Some(mail) = self.exchange.receive(self.me) else { return };
            match mail {
                Mail::Adopt { stream, arrival, gate } => self.adopt(turn, arrival, stream, gate),
                Mail::Settings(settings) => {
                    self.stop_deadline_ns = settings.limits.stop_deadline_ns;
                    self.doorkeeper.follow(Arc::clone(&settings.policy));
                    turn.handle_settings(*settings);
                }
                Mail::AccountSettled(account) => self.doorkeeper.follow_account(&account),
                Mail::LameDuck => turn.handle_lame_duck(),
                Mail::Query(question, query) => {
                    let page = turn.shard().report(&query);
                    let shard = self.me;
                    self.exchange.desk.bring(Sheet { shard, question, page });
                }
                Mail::SystemAnswer(answer) => turn.handle_system_answer(*answer),
                Mail::TraceReport(report) => turn.handle_trace_report(*report),
                Mail::Deed(question, deed) => {
                    let rows = Rows::Met(turn.handle_deed(&deed));
                    let (shard, page) = (self.me, Page { rows, next: None });
                    self.exchange.desk.bring(Sheet { shard, question, page });
                }
                Mail::Heartbeat => turn.handle_heartbeat(),
                Mail::Surplus(count) => turn.handle_surplus(count),
                Mail::EndOf(count) => turn.handle_end_of(count),
                Mail::Hold(rendezvous) => self.stand_still(turn, &rendezvous),
                Mail::Await(listeners) => turn.handle_await(listeners),
                Mail::Parcel(delivery) => self.take_in(turn, *delivery),
                Mail::MoveIn(told) => self.move_in(turn, &told),
                Mail::Stop => {
                    let now = self.clock.now();
                    self.stop = Some(Stop {
                        farewell_at: Some(now.after_ns(QUIESCE_NS.min(self.stop_deadline_ns))),
                        end_at: now.after_ns(self.stop_deadline_ns),
                    });
                    turn.handle_end();
                    turn.handle_quiesce();
                }
            }
        }
    }

    /// Tells those who asked something of the broker when there was no room that there was none.
    fn turn_down(&mut self, turn: &mut Turn<Polled>) {
        for to in self.turned_down.drain(..) {
            let content = Content::Failed { code: 503, why: "too many requests".to_owned() };
            turn.handle_system_answer(SystemAnswer { to, content });
        }
    }

    /// Closes all clients, some time after the stop began: shards are told of it one after the
    /// other, and what one of them accepted is to reach the clients of all.
    fn say_farewell(&mut self, turn: &mut Turn<Polled>) {
        if let Some(stop) = &mut self.stop
            && stop.farewell_at.is_some_and(|at| self.clock.now() >= at)
        {
            stop.farewell_at = None;
            self.close_lobby(turn);
            turn.handle_shutdown();
        }
    }

    fn read(&mut self, turn: &mut Turn<Reading>) {
        while let Some(client) = turn.poll_read() {
            let outcome = self.sockets.read(client, turn);
            turn.handle_read(outcome);
        }
    }

    fn drain(&mut self, turn: &mut Turn<Draining>) {
        if !self.kept.is_empty() && turn.may_return(Lane::Data) {
            for (peer, batch) in std::mem::take(&mut self.kept) {
                self.exchange.give_back(peer, self.me, batch);
                self.note(self.exchange.wake_for_credit(peer));
            }
        }
        for peer in self.exchange.shards() {
            if peer == self.me {
                continue;
            }
            while let Some(batch) = self.exchange.pop_back(self.me, peer) {
                turn.handle_returned(peer, batch);
            }
            if !turn.may_drain() {
                continue;
            }
            let mut drained = false;
            // No more than a pair has, so that a peer that refills its ring cannot hold the turn.
            for _ in 0..ShardSetup::BATCHES_PER_PEER {
                let Some(batch) = self.exchange.pop(peer, self.me) else { break };
                turn.handle_batch(peer, &batch);
                if turn.may_return(batch.lane()) {
                    self.exchange.give_back(peer, self.me, batch);
                    drained = true;
                } else {
                    self.kept.push((peer, batch));
                }
            }
            if drained {
                self.note(self.exchange.wake_for_credit(peer));
            }
        }
    }

    fn hand_off(&mut self, mut interest: Turn<HandingOffInterest>) -> Turn<Writing> {
        let mut brought = 0u64;
        for peer in interest.shard().peers() {
            while let Some(batch) = interest.poll_batch(peer) {
                self.exchange.push(self.me, peer, batch);
                brought |= 1 << peer.index();
            }
        }
        let mut data = interest.data();
        for peer in data.shard().peers() {
            while let Some(batch) = data.poll_batch(peer) {
                self.exchange.push(self.me, peer, batch);
                brought |= 1 << peer.index();
            }
            if brought & (1 << peer.index()) != 0 {
                self.note(self.exchange.wake_for_work(peer));
            }
        }
        data.write()
    }

    fn write(&mut self, turn: &mut Turn<Writing>) {
        if let Some(volley) = &mut self.volley
            && let Err(error) = volley.write(turn, &mut self.sockets)
        {
            self.volley = None;
            let text = format!("Error sending by io_uring, going on without: {error}");
            self.log.line(Level::Error, text);
        }
        while let Some(client) = turn.poll_write() {
            let outcome = self.sockets.write(client, turn);
            turn.handle_written(outcome);
        }
    }

    fn close(&mut self, turn: &mut Turn<Ticking>) {
        let now = self.clock.now();
        let has_more = self.doorkeeper.ask(turn, &self.log, now);
        self.ask_again_at = has_more.then(|| now.after_ns(ASK_AGAIN_NS));
        while let Some(report) = turn.poll_trace_report() {
            // A peer whose box is full tells its trace without it.
            let _ = self.exchange.send(report.to, Mail::TraceReport(Box::new(report)));
        }
        while let Some(request) = turn.poll_system_request() {
            let errand = Errand::Request(self.me, Box::new(request));
            if let Err(Errand::Request(_, request)) = self.exchange.desk.ask(errand) {
                self.turned_down.push(request.to);
            }
        }
        while let Some(closed) = turn.poll_closed() {
            self.doorkeeper.release(closed.client);
            self.sockets.close(closed.client, closed.reason);
            self.exchange.note_left(closed.listener);
            self.log_closed(&closed);
        }
        if self.slow_notes.has_hidden()
            && let Some(line) = self.slow_notes.poll_hidden(self.clock.now())
        {
            self.log.put(line);
        }
    }

    fn log_closed(&mut self, closed: &Closed) {
        let Closed { number, peer, reason, .. } = closed;
        let line = |level| {
            let text = format!("Client connection closed: {reason}");
            Line::new(level, text).of(peer, number.0).with("reason", reason.to_string())
        };
        if !reason.is_slow_consumer() {
            self.log.debug(|| line(Level::Debug));
        } else if self.slow_notes.may_show(self.clock.now()) {
            // One message may find thousands that do not read.
            self.log.put(line(Level::Info));
        }
    }

    fn log_last_notes(&mut self) {
        let of_lobby = self.lobby.refusals.last_hidden();
        let notes = [of_lobby, self.doorkeeper.last_note(), self.slow_notes.last_hidden()];
        for line in notes.into_iter().flatten() {
            self.log.put(line);
        }
    }

    fn log_traces(&mut self, shard: &mut Shard) {
        let mut is_tracing = false;
        while let Some(line) = shard.poll_trace() {
            is_tracing = true;
            let (arrow, direction) = match line.direction {
                Direction::In => ("<<-", "in"),
                Direction::Out => ("->>", "out"),
            };
            let text = format!("{arrow} {}", line.text);
            let about = Line::new(Level::Trace, text).of(&line.peer, line.number.0);
            self.log.put(about.with("direction", direction));
        }
        if is_tracing {
            let dropped = shard.stats().trace_dropped;
            let lost = dropped - self.traces_dropped;
            let text = || format!("More was traced than can be shown: {lost} lines dropped");
            // A queue that has no room for this is told of it later.
            if lost > 0 && self.log.put(Line::new(Level::Warn, text()).with("dropped", lost)) {
                self.traces_dropped = dropped;
            }
        }
    }

    fn note(&self, woken: io::Result<()>) {
        if let Err(error) = woken {
            self.log.line(Level::Error, format!("Error waking a shard: {error}"));
        }
    }
}

/// How long shards only hand over and write before they close their clients, in nanoseconds.
const QUIESCE_NS: u64 = 50_000_000;
/// How long questions wait that found no room, in nanoseconds.
const ASK_AGAIN_NS: u64 = 2_000_000;
/// Mail that one turn takes: what is left keeps the shard from sleeping.
const MAIL_PER_TURN: usize = 256;
/// Events that one poll brings at most.
const EVENTS_PER_TURN: usize = 1024;
