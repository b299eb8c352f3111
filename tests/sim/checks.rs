//! Verdicts over fences and finished runs: what must have been delivered, and to whom.
//!
//! Absent: what a single message shows (`oracle`). A delivery is demanded only where the
//! subscription was certain before the publish was sent and its end was not asked for before the
//! publish was proven; it is excused only by a client's own end.

use fanfare::core::stats::Stats;

use super::journal::{Checked, Violation, fail};
use super::oracle::{Mark, Oracle, Publish, Sub};

impl Oracle {
    /// F3: a client received the PONG for a PING. What was proven to be published before that PING
    /// was sent must be there.
    pub(crate) fn check_fence(&self, client: usize, ping: Mark) -> Checked {
        for (_, sub) in self.open(client) {
            self.check_owed(sub, |publish| {
                publish.done.is_some_and(|done| done < ping.step)
                    || (publish.client == client && publish.sent.op < ping.op)
            })?;
        }
        Ok(())
    }

    /// Everything that a quiet world must have brought about. `dropped` is how many messages the
    /// shards say that groups lost.
    pub(crate) fn check_quiet(&self, dropped: u64) -> Checked {
        for sub in self.subs.iter().filter(|sub| self.clients[sub.client].alive) {
            self.check_owed(sub, |publish| publish.done.is_some())?;
        }
        let mut lost = 0;
        for (number, publish) in self.publishes.iter().enumerate() {
            if publish.done.is_some() {
                lost += self.check_groups(number, publish)?;
            }
            self.check_no_responders(number, publish)?;
        }
        if lost > dropped {
            return fail("group", format!("groups lost {lost} messages and admit {dropped}"));
        }
        Ok(())
    }

    /// Where no client came to harm, the shards have counted exactly what happened.
    pub(crate) fn check_counters(&self, stats: &Stats) -> Checked {
        let count = |of: &dyn Fn(&Publish) -> usize| -> u64 {
            self.publishes.iter().map(|publish| of(publish) as u64).sum()
        };
        let bytes = |publish: &Publish| {
            publish.payload.len() + publish.headers.as_ref().map_or(0, Vec::len)
        };
        let open: usize = (0..self.clients.len()).map(|client| self.open(client).count()).sum();
        let expected = Stats {
            clients: self.clients.len() as u64,
            clients_total: self.clients.len() as u64,
            subscriptions: open as u64,
            messages_in: count(&|_| 1),
            bytes_in: count(&bytes),
            messages_out: count(&|publish| publish.delivered.len()),
            no_responders: count(&|publish| usize::from(publish.no_responders.is_some())),
            ..*stats
        };
        if expected == *stats {
            return Ok(());
        }
        fail("counters", format!("{stats:?}, and it was {expected:?}"))
    }

    /// No publish is missing on a plain subscription among those that `is_due`.
    fn check_owed(&self, sub: &Sub, is_due: impl Fn(&Publish) -> bool) -> Checked {
        if sub.queue.is_some() || sub.refused {
            return Ok(());
        }
        for number in &sub.undelivered {
            let publish = &self.publishes[*number];
            let is_used_up = sub.max.is_some_and(|max| sub.seen >= max.deliveries);
            if is_due(publish) && !is_used_up && self.is_certain(sub, publish) {
                let (client, filter) = (sub.client, String::from_utf8_lossy(&sub.filter));
                let from = publish.client;
                return fail(
                    "lost",
                    format!("c{client} on {filter} does not hear m{number} of c{from}"),
                );
            }
        }
        Ok(())
    }

    /// Whether a subscription existed throughout a publish's execution.
    fn is_certain(&self, sub: &Sub, publish: &Publish) -> bool {
        let is_own = sub.client == publish.client;
        if sub.refused || (is_own && !self.clients[sub.client].echo) {
            return false;
        }
        let began = if is_own {
            sub.sent.op < publish.sent.op
        } else {
            sub.certain.is_some_and(|certain| certain < publish.sent.step)
        };
        let lasted = sub.ending.is_none_or(|ending| {
            (is_own && publish.sent.op < ending.op)
                || publish.done.is_some_and(|done| done < ending.step)
        });
        began && lasted
    }

    /// Whether a subscription may have been in the plan of a publish.
    fn is_possible(&self, sub: &Sub, publish: &Publish) -> bool {
        let is_own = sub.client == publish.client;
        if sub.refused || (is_own && !self.clients[sub.client].echo) {
            return false;
        }
        if is_own {
            let lasted = sub.ending.is_none_or(|ending| ending.op > publish.sent.op);
            return sub.sent.op < publish.sent.op && lasted;
        }
        publish.done.is_none_or(|done| sub.sent.step < done)
            && sub.gone.is_none_or(|gone| gone >= publish.sent.step)
    }

    /// Exactly one member of each group received a message, if nothing excuses the group. Says how
    /// many groups got none although somebody was certainly there.
    fn check_groups(&self, number: usize, publish: &Publish) -> Result<u64, Violation> {
        let members = publish.matching.iter().map(|index| &self.subs[*index]);
        let members: Vec<&Sub> =
            members.filter(|sub| sub.queue.is_some() && self.is_possible(sub, publish)).collect();
        let mut names: Vec<_> = members.iter().map(|sub| self.group_of(sub)).collect();
        names.sort_unstable();
        names.dedup();
        let mut lost = 0;
        for name in names {
            let group = || members.iter().filter(|sub| self.group_of(sub) == name);
            let certain = |sub: &&&Sub| self.is_certain(sub, publish) && sub.max.is_none();
            let delivered =
                publish.delivered.iter().any(|index| self.group_of(&self.subs[*index]) == name);
            let is_excused = group().any(|sub| !self.clients[sub.client].alive);
            if delivered || is_excused || !group().any(|sub| certain(&sub)) {
                continue;
            }
            if group().all(|sub| certain(&sub)) {
                let name = String::from_utf8_lossy(name.1.map_or(b"", |name| name));
                fail("group", format!("m{number} reached nobody in group {name}"))?;
            }
            lost += 1;
        }
        Ok(lost)
    }

    /// A 503 exactly when nobody was there.
    fn check_no_responders(&self, number: usize, publish: &Publish) -> Checked {
        let mut matching = publish.matching.iter().map(|index| &self.subs[*index]);
        if publish.no_responders.is_some() {
            let certain = matching.find(|sub| self.is_certain(sub, publish) && sub.max.is_none());
            if let Some(sub) = certain {
                let client = sub.client;
                return fail("503", format!("m{number} had a responder, c{client}"));
            }
            return Ok(());
        }
        let is_request = !publish.reply.is_empty() && self.clients[publish.client].no_responders;
        // Only a proven publish can be missed, and its answer stands before the proof.
        if !is_request || publish.done.is_none() || self.clients[publish.client].cut_off {
            return Ok(());
        }
        if matching.any(|sub| self.is_possible(sub, publish)) {
            return Ok(());
        }
        let listens = self.subs.iter().any(|sub| {
            let is_live = sub.sent.op < publish.sent.op
                && sub.ending.is_none_or(|ending| ending.op > publish.sent.op);
            sub.client == publish.client
                && is_live
                && sub.queue.is_none()
                && sub.max.is_none()
                && !sub.refused
                && super::oracle::matches(&sub.filter, &publish.reply)
        });
        if listens && self.clients[publish.client].alive {
            return fail("503", format!("m{number} had no responder, and no 503 says so"));
        }
        Ok(())
    }
}
