//! Answers that services in other accounts still owe: from a reply subject of our own making to the
//! account and subject that the requester waits on.
//!
//! Absent: carrying answers (`relay`). A reply subject names its shard, its place here and a number
//! that nobody can guess; an entry lives until its answers have come or its time has passed. The
//! table is bounded, and whoever finds it full is told that nobody is there.

use std::hash::{DefaultHasher, Hasher};

use slab::Slab;

use super::auth::Callout;
use super::ids::{AccountId, ConnId, ShardId};
use super::latency::Sample;
use super::time::Instant;
use crate::config::access::ResponseType;

/// Who waits for an answer.
#[derive(Debug)]
pub(crate) enum Waiter {
    /// A requester in another account.
    Requester {
        /// Its account.
        account: AccountId,
        /// The reply subject that it chose.
        reply: Box<[u8]>,
        /// How many answers come.
        response: ResponseType,
        /// What is measured, until the first answer.
        sample: Option<Box<Sample>>,
    },
    /// A client that an external service decides about.
    Entry {
        /// The client.
        client: ConnId,
        /// What was asked.
        callout: Box<Callout>,
    },
}

/// One entry.
#[derive(Debug)]
pub(crate) struct Response {
    key: u64,
    /// The account whose clients answer.
    pub(crate) account: AccountId,
    pub(crate) waiter: Waiter,
    /// When nothing more is waited for.
    expires: Instant,
    /// How long the next answer of a stream is waited for, in nanoseconds.
    threshold_ns: u64,
}

/// An entry of a requester that is moved to another process, and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Restored {
    pub(crate) place: usize,
    pub(crate) key: u64,
    pub(crate) account: AccountId,
    pub(crate) requester: AccountId,
    pub(crate) reply: Box<[u8]>,
    pub(crate) response: ResponseType,
    pub(crate) expires: Instant,
    pub(crate) threshold_ns: u64,
}

/// See the module's head.
#[derive(Debug)]
pub(crate) struct Responses {
    shard: ShardId,
    entries: Slab<Response>,
    /// Entries of clients that an external service decides about.
    callouts: usize,
    /// Where the next look for expired entries begins.
    cursor: usize,
    secret: u64,
    added: u64,
}

impl Responses {
    pub(crate) fn new(shard: ShardId, secret: u64) -> Self {
        Self { shard, entries: Slab::new(), callouts: 0, cursor: 0, secret, added: 0 }
    }

    /// Entries that something is still waited for.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is room for another.
    pub(crate) fn has_room(&self) -> bool {
        self.entries.len() < ENTRIES_MAX
    }

    /// Whether there is room for another client that an external service decides about. Anybody
    /// may want in, and must not use up the room of those who are in.
    pub(crate) fn has_room_for_callout(&self) -> bool {
        self.has_room() && self.callouts < CALLOUTS_MAX
    }

    /// The filter that all replies to one shard match.
    pub(crate) fn filter(shard: ShardId) -> Vec<u8> {
        format!("{PREFIX}{:02}.*", shard.index()).into_bytes()
    }

    /// Bytes of every reply subject.
    pub(crate) const REPLY_LEN: usize = PREFIX.len() + 2 + 1 + 8 + 16;

    /// Waits for an answer; appends the reply subject that it must come to. Says at which place.
    pub(crate) fn add(
        &mut self,
        account: AccountId,
        waiter: Waiter,
        threshold_ns: u64,
        now: Instant,
        reply: &mut Vec<u8>,
    ) -> usize {
        self.callouts += usize::from(matches!(waiter, Waiter::Entry { .. }));
        let key = self.next_key();
        let expires = now.after_ns(threshold_ns);
        let entry = Response { key, account, waiter, expires, threshold_ns };
        let place = self.entries.insert(entry);
        let text = format!("{PREFIX}{:02}.{place:08x}{key:016x}", self.shard.index());
        debug_assert_eq!(text.len(), Self::REPLY_LEN, "room is reserved by this length");
        reply.extend_from_slice(text.as_bytes());
        place
    }

    /// SipHash of a counter under a secret: who has seen many keys cannot tell the next.
    fn next_key(&mut self) -> u64 {
        self.added += 1;
        let mut hasher = DefaultHasher::new();
        hasher.write_u64(self.secret);
        hasher.write_u64(self.added);
        hasher.finish()
    }

    /// The first entry of a requester at this place or behind it.
    pub(crate) fn awaited(&self, from: usize) -> Option<Restored> {
        (from..self.entries.capacity()).find_map(|place| {
            let entry = self.entries.get(place)?;
            let Waiter::Requester { account, reply, response, .. } = &entry.waiter else {
                return None;
            };
            Some(Restored {
                place,
                key: entry.key,
                account: entry.account,
                requester: *account,
                reply: reply.clone(),
                response: *response,
                expires: entry.expires,
                threshold_ns: entry.threshold_ns,
            })
        })
    }

    /// Lets entries stand where they stood in another process, so that their reply subjects name
    /// them. Says whether it did: the table must be empty.
    pub(crate) fn restore(&mut self, entries: Vec<Restored>) -> bool {
        if !self.entries.is_empty() || entries.iter().any(|it| it.place >= ENTRIES_MAX) {
            return false;
        }
        let entry = |it: Restored| {
            let Restored { key, account, reply, response, expires, threshold_ns, .. } = it;
            let waiter = Waiter::Requester { account: it.requester, reply, response, sample: None };
            (it.place, Response { key, account, waiter, expires, threshold_ns })
        };
        self.entries = entries.into_iter().map(entry).collect();
        true
    }

    /// The entry that a reply subject names, if it came from the account that owes it.
    pub(crate) fn find(&self, account: AccountId, subject: &[u8]) -> Option<usize> {
        let name = subject.get(PREFIX.len() + 3..).filter(|name| name.len() == 24)?;
        let name = std::str::from_utf8(name).ok()?;
        let place = usize::from_str_radix(name.get(..8)?, 16).ok()?;
        let key = u64::from_str_radix(name.get(8..)?, 16).ok()?;
        let entry = self.entries.get(place)?;
        (entry.key == key && entry.account == account).then_some(place)
    }

    /// What is waited for at a place that [`Responses::find`] gave.
    pub(crate) fn get(&self, place: usize) -> Option<&Response> {
        self.entries.get(place)
    }

    /// Takes what is measured of an entry, once.
    pub(crate) fn take_sample(&mut self, place: usize) -> Option<Box<Sample>> {
        match &mut self.entries.get_mut(place)?.waiter {
            Waiter::Requester { sample, .. } => sample.take(),
            Waiter::Entry { .. } => None,
        }
    }

    /// Ends an entry.
    pub(crate) fn remove(&mut self, place: usize) -> Option<Response> {
        let removed = self.entries.try_remove(place);
        if matches!(removed, Some(Response { waiter: Waiter::Entry { .. }, .. })) {
            self.callouts -= 1;
        }
        if self.entries.is_empty() {
            self.entries = Slab::new();
        }
        removed
    }

    /// Ends what is waited for about a client, if that still stands at this place.
    pub(crate) fn end_callout(&mut self, place: usize, of: ConnId) {
        let waiter = self.entries.get(place).map(|entry| &entry.waiter);
        if matches!(waiter, Some(Waiter::Entry { client, .. }) if *client == of) {
            self.remove(place);
        }
    }

    /// Notes one of several answers: the next one has as long again.
    pub(crate) fn extend(&mut self, place: usize, now: Instant) {
        if let Some(entry) = self.entries.get_mut(place) {
            entry.expires = now.after_ns(entry.threshold_ns);
        }
    }

    /// Drops entries whose time has passed, looking at a bounded number. Says how many it dropped.
    pub(crate) fn expire(&mut self, now: Instant) -> usize {
        let looked_at = self.entries.capacity().min(EXPIRED_PER_LOOK);
        let mut dropped = 0;
        for _ in 0..looked_at {
            if self.cursor >= self.entries.capacity() {
                self.cursor = 0;
            }
            if self.entries.get(self.cursor).is_some_and(|entry| entry.expires <= now) {
                self.remove(self.cursor);
                dropped += 1;
            }
            self.cursor += 1;
        }
        dropped
    }
}

/// What reply subjects of this broker begin with; nats-server's begin the same.
const PREFIX: &str = "_R_.";
/// Answers that one shard waits for at most.
const ENTRIES_MAX: usize = 1 << 20;
/// Clients that an external service decides about at a time, on one shard.
const CALLOUTS_MAX: usize = 16 * 1024;
/// Entries that one look for expired ones passes.
const EXPIRED_PER_LOOK: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn add(responses: &mut Responses, now: Instant) -> Vec<u8> {
        let mut reply = Vec::new();
        let waiter = Waiter::Requester {
            account: AccountId::GLOBAL,
            reply: b"inbox".as_slice().into(),
            response: ResponseType::Singleton,
            sample: None,
        };
        responses.add(AccountId::SYSTEM, waiter, 1_000, now, &mut reply);
        reply
    }

    #[test]
    fn only_the_exact_reply_from_the_right_account_finds_an_entry() {
        let shard = ShardId::new(3).expect("a small number");
        let mut responses = Responses::new(shard, 1);
        let reply = add(&mut responses, Instant::default());
        let place = responses.find(AccountId::SYSTEM, &reply);
        assert!(place.is_some());
        assert_eq!(responses.find(AccountId::GLOBAL, &reply), None);
        for cut in 0..reply.len() {
            assert_eq!(responses.find(AccountId::SYSTEM, &reply[..cut]), None);
        }
        let mut forged = reply.clone();
        let last = forged.last_mut().expect("not empty");
        *last = if *last == b'0' { b'1' } else { b'0' };
        assert_eq!(responses.find(AccountId::SYSTEM, &forged), None);
        assert!(fanfare_protocol::subject::matches(&Responses::filter(shard), &reply));
        responses.remove(place.expect("found above"));
        assert_eq!((responses.find(AccountId::SYSTEM, &reply), responses.len()), (None, 0));
    }

    #[test]
    fn what_is_not_answered_in_time_is_forgotten() {
        let shard = ShardId::new(0).expect("a small number");
        let mut responses = Responses::new(shard, 1);
        let old = add(&mut responses, Instant::from_ns(0));
        let new = add(&mut responses, Instant::from_ns(500));
        assert_eq!(responses.expire(Instant::from_ns(1_200)), 1);
        assert_eq!(responses.find(AccountId::SYSTEM, &old), None);
        let place = responses.find(AccountId::SYSTEM, &new).expect("still there");
        responses.extend(place, Instant::from_ns(1_400));
        assert_eq!(responses.expire(Instant::from_ns(2_000)), 0);
        assert_eq!(responses.expire(Instant::from_ns(2_400)), 1);
    }

    #[test]
    fn entries_that_are_moved_are_found_by_their_old_names() {
        let shard = ShardId::new(5).expect("a small number");
        let mut old = Responses::new(shard, 1);
        let replies: Vec<_> = (0..4).map(|_| add(&mut old, Instant::from_ns(9))).collect();
        old.remove(old.find(AccountId::SYSTEM, &replies[1]).expect("still there"));
        let mut moved = Vec::new();
        while let Some(entry) = old.awaited(moved.last().map_or(0, |it: &Restored| it.place + 1)) {
            moved.push(entry);
        }
        let mut new = Responses::new(shard, 2);
        assert!(new.restore(moved.clone()));
        for (number, reply) in replies.iter().enumerate() {
            let found = new.find(AccountId::SYSTEM, reply);
            assert_eq!(found.is_some(), number != 1, "{number}");
        }
        assert_eq!(new.expire(Instant::from_ns(2_000)), 3);
        add(&mut new, Instant::default());
        assert!(!new.restore(moved), "a table in use keeps what it has");
    }
}
