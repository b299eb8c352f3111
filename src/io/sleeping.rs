//! The poll phase of a shard's thread: whether it sleeps, and until when.
//!
//! Absent: how sleepers are woken (`bell`), and what is done with what the poll brought
//! (`reactor`).

use std::io;
use std::time::Duration;

use mio::Events;

use super::bell::Sleep;
use super::reactor::Reactor;
use super::sleep_timer::SleepTimer;
use crate::core::shard::Shard;
use crate::core::time::Instant;

impl Reactor {
    /// Phase 1: waits for a cause.
    pub(super) fn wait(&mut self, shard: &Shard, events: &mut Events) -> io::Result<()> {
        let sleep = if shard.wants_batches() { Sleep::ForWorkOrCredit } else { Sleep::ForWork };
        let has_work = shard.has_work() || self.lobby.has_work() || self.has_errands();
        if self.spin.is_wanted() && !has_work && self.look(shard, sleep, events)? {
            self.spin.note_work(self.clock.now());
            return Ok(());
        }
        let may_sleep = !has_work && self.exchange.may_sleep(self.me, sleep);
        let timeout = if may_sleep && self.set_timer(shard)? { None } else { Some(Duration::ZERO) };
        let polled = self.poll.poll(events, timeout);
        if may_sleep {
            self.exchange.awake(self.me);
        }
        if self.spin.is_wanted() && (!may_sleep || brings_work(events)) {
            self.spin.note_work(self.clock.now());
        }
        match polled {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Looks for a cause until the time for that is over. Says whether there is one.
    fn look(&mut self, shard: &Shard, sleep: Sleep, events: &mut Events) -> io::Result<bool> {
        loop {
            let (due, now) = (self.next_due(shard), self.clock.now());
            if self.spin.is_over(now) || due.is_some_and(|due| due <= now) {
                return Ok(false);
            }
            match self.poll.poll(events, Some(Duration::ZERO)) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
                Ok(()) | Err(_) => {}
            }
            if brings_work(events) || self.exchange.has_brought(self.me, sleep) {
                return Ok(true);
            }
            if !events.is_empty() {
                // The timer, whose event is not to be lost.
                self.timer.note_gone_off();
            }
            // Where others want the core, they are what it is better used for.
            std::thread::yield_now();
        }
    }

    fn has_errands(&self) -> bool {
        self.sockets.has_greeted() || !self.turned_down.is_empty() || !self.kept.is_empty()
    }

    /// When something is due that nobody brings.
    fn next_due(&self, shard: &Shard) -> Option<Instant> {
        let stop = self.stop.map(|stop| stop.farewell_at.unwrap_or(stop.end_at));
        [
            shard.poll_timeout(),
            self.lobby.next_deadline(),
            stop,
            self.ask_again_at,
            self.ebb.next_due(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Makes sure that a sleep ends when something is due. Says whether that is still to come.
    fn set_timer(&mut self, shard: &Shard) -> io::Result<bool> {
        let Some(at) = self.next_due(shard) else { return Ok(true) };
        if self.timer.is_set_for(at) {
            return Ok(true);
        }
        let now = self.clock.now();
        if at <= now {
            return Ok(false);
        }
        self.timer.set(at, now)?;
        Ok(true)
    }
}

/// Whether there is an event among these that is not the timer's.
fn brings_work(events: &Events) -> bool {
    events.iter().any(|event| event.token() != SleepTimer::TOKEN)
}
