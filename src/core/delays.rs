//! How long messages take through a shard: from the read that brought them, here or on a peer, to
//! the first attempt to write them to all who wait for them.
//!
//! Absent: the clock that says when that was, and any cost for a message: what one batch or one
//! turn has queued is noted once. Receivers whose sockets are full are slow, and not counted here.

use std::collections::VecDeque;

use super::clients::Clients;
use super::time::Instant;
use super::turn::{Ticking, Turn};

/// Messages that came together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Delay {
    /// When they were read.
    since: Instant,
    /// How many deliveries they made.
    deliveries: u64,
    /// They are written when so many clients have been taken off the list of those to write.
    written_at: u64,
}

/// See the module's head.
#[derive(Debug, Default)]
pub(crate) struct Delays(VecDeque<Delay>);

impl Delays {
    /// Notes what was queued since `queued_before`.
    #[inline]
    pub(crate) fn note(&mut self, clients: &Clients, since: Instant, queued_before: u64) {
        let deliveries = clients.stats.messages_out - queued_before;
        if deliveries == 0 {
            return;
        }
        let written_at = clients.written_when_all_are();
        let is_full = self.0.len() >= DELAYS_MAX;
        match self.0.back_mut() {
            Some(last) if last.since == since || is_full => {
                last.deliveries += deliveries;
                last.written_at = written_at;
            }
            _ => self.0.push_back(Delay { since, deliveries, written_at }),
        }
    }

    fn poll(&mut self, written: u64) -> Option<(Instant, u64)> {
        let Delay { since, deliveries, .. } =
            *self.0.front().filter(|delay| delay.written_at <= written)?;
        self.0.pop_front();
        Some((since, deliveries))
    }
}

impl Turn<Ticking> {
    /// When the next messages were read that are written by now, and how many deliveries they
    /// made.
    pub fn poll_delay(&mut self) -> Option<(Instant, u64)> {
        let written = self.shard.clients.written();
        self.shard.delays.poll(written)
    }
}

/// Notes that wait; further ones are taken together with the last.
const DELAYS_MAX: usize = 256;

#[cfg(test)]
mod tests {
    use super::super::trace::Trace;
    use super::*;

    #[test]
    fn messages_are_told_when_all_who_wait_were_written_to() {
        let mut clients = Clients::new(1 << 20, 1, Trace::new(false, 0));
        let (mut delays, at) = (Delays::default(), Instant::from_ns);
        delays.note(&clients, at(1), 0);
        assert_eq!(delays.poll(u64::MAX), None);
        clients.stats.messages_out = 5;
        delays.note(&clients, at(1), 2);
        clients.stats.messages_out = 7;
        delays.note(&clients, at(1), 5);
        assert_eq!(delays.poll(0), Some((at(1), 5)));
        assert_eq!(delays.poll(0), None);
    }

    #[test]
    fn notes_are_bounded_and_lose_nothing() {
        let mut clients = Clients::new(1 << 20, 1, Trace::new(false, 0));
        let mut delays = Delays::default();
        for n in 0..1000 {
            clients.stats.messages_out = n + 1;
            delays.note(&clients, Instant::from_ns(n), n);
        }
        assert_eq!(delays.0.len(), DELAYS_MAX);
        let told: u64 = std::iter::from_fn(|| delays.poll(0)).map(|(_, count)| count).sum();
        assert_eq!(told, 1000);
    }
}
