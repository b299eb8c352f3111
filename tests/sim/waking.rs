//! When a shard has a cause to run, and when it must not be without one.
//!
//! Absent: what it does then (`hosts`).

use fanfare::core::shard::Shard;

use super::hosts::{Host, Stage};
use super::journal::{Checked, fail};
use super::world::World;

impl World {
    /// Whether a shard is in a turn or has a cause to begin one.
    pub(crate) fn is_awake(&self, host: usize) -> bool {
        let host = &self.hosts[host];
        let Some(Stage::Asleep(shard)) = &host.stage else { return true };
        !host.signals.is_empty()
            || !host.arrivals.is_empty()
            || !host.decisions.is_empty()
            || !host.orders.is_empty()
            || self.is_coming_to_rest(host)
            || host.has_questions
            || host.has_mail()
            || !host.kept.is_empty()
            || shard.has_work()
            || (host.has_returns() && shard.wants_batches())
            || shard.poll_timeout().is_some_and(|at| at <= self.now)
    }

    /// A move waits for a shard that only has to take its batches back.
    fn is_coming_to_rest(&self, host: &Host) -> bool {
        self.moving.is_some() && host.has_returns()
    }

    /// A shard that says it has nothing to do although something waits for a batch must have lent
    /// its batches: nothing else will wake it.
    pub(crate) fn check_sleep(&self, me: usize, shard: &Shard) -> Checked {
        let lent = shard.peers().any(|peer| {
            let at_peer = !self.hosts[peer.index()].inbound[me].is_empty();
            let is_kept = self.hosts[peer.index()].kept.iter().any(|(of, _)| of.index() == me);
            at_peer || is_kept || !self.hosts[me].returned[peer.index()].is_empty()
        });
        if shard.wants_batches() && !shard.has_work() && !lent {
            return fail("liveness", format!("shard {me} sleeps with all its batches at home"));
        }
        Ok(())
    }
}
