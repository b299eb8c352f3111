//! What bounded accounts and users use in the whole broker: subscriptions, messages and bytes.
//!
//! Absent: the bounds (`accounts`, `pace`). Each shard counts its own part and tells its peers in
//! the interest lane, so that a shard knows everybody's part some turns late: a bound holds exactly
//! for the clients of one shard, and between shards up to what happened while the news travelled.

use std::collections::BTreeMap;

use super::ids::{AccountId, ShardId};

/// Whose use is counted: an account, or one of its users.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct UsageKey {
    pub(crate) account: AccountId,
    /// Empty for the account itself.
    pub(crate) user: Box<str>,
}

/// What one shard tells of a key.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Used {
    /// Subscriptions that its clients have now.
    pub(crate) subscriptions: u64,
    /// Messages that passed since it last told.
    pub(crate) messages: u64,
    /// Bytes of them.
    pub(crate) bytes: u64,
}

#[derive(Debug, Default)]
struct Entry {
    own: Used,
    /// What peers believe of `own.subscriptions`.
    told: u64,
    /// Subscriptions on each peer.
    peers: Vec<u64>,
}

impl Entry {
    fn is_settled(&self) -> bool {
        self.own.messages == 0 && self.own.bytes == 0 && self.own.subscriptions == self.told
    }

    fn is_unused(&self) -> bool {
        self.is_settled() && self.told == 0 && self.peers.iter().all(|count| *count == 0)
    }
}

/// See the module's head.
#[derive(Debug, Default)]
pub(crate) struct Usage {
    entries: BTreeMap<UsageKey, Entry>,
    /// Entries that peers do not know the present state of.
    unsettled: usize,
}

impl Usage {
    /// Whether peers know everything.
    pub(crate) fn has_settled(&self) -> bool {
        self.unsettled == 0
    }

    /// Whether nobody uses anything.
    pub(crate) fn is_idle(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether an account's subscriptions were told, or are to be.
    pub(crate) fn knows(&self, account: AccountId) -> bool {
        !self.entries.is_empty()
            && self.entries.contains_key(&UsageKey { account, user: "".into() })
    }

    /// Subscriptions of an account in the whole broker, as far as is known here; `own` of them are
    /// this shard's.
    pub(crate) fn subscriptions(&self, account: AccountId, own: u64) -> u64 {
        let entry = self.entries.get(&UsageKey { account, user: "".into() });
        own + entry.map_or(0, |entry| entry.peers.iter().sum())
    }

    /// Notes how many subscriptions an account has here.
    pub(crate) fn note_subscriptions(&mut self, account: AccountId, own: u64) {
        self.change(UsageKey { account, user: "".into() }, |used| used.subscriptions = own);
    }

    /// Notes messages that passed here, or, with negative numbers, did not after all.
    pub(crate) fn note_passed(&mut self, key: UsageKey, messages: u64, bytes: u64) {
        self.change(key, |used| {
            used.messages += messages;
            used.bytes += bytes;
        });
    }

    /// Takes back messages that did not pass after all.
    pub(crate) fn take_back(&mut self, key: UsageKey, messages: u64, bytes: u64) {
        self.change(key, |used| {
            used.messages = used.messages.saturating_sub(messages);
            used.bytes = used.bytes.saturating_sub(bytes);
        });
    }

    /// The first of what peers are to be told; [`Usage::settle`] says that they were.
    pub(crate) fn poll(&self) -> Option<(&UsageKey, Used)> {
        if self.unsettled == 0 {
            return None;
        }
        let entry = self.entries.iter().find(|(_, entry)| !entry.is_settled())?;
        Some((entry.0, entry.1.own))
    }

    /// Notes that all peers were told what [`Usage::poll`] gave.
    pub(crate) fn settle(&mut self, key: &UsageKey) {
        let Some(entry) = self.entries.get_mut(key) else { return };
        entry.told = entry.own.subscriptions;
        (entry.own.messages, entry.own.bytes) = (0, 0);
        self.unsettled -= 1;
        if entry.is_unused() {
            self.entries.remove(key);
        }
    }

    /// Takes in what a peer told.
    pub(crate) fn apply(&mut self, peer: ShardId, key: UsageKey, used: Used) {
        let entry = self.entries.entry(key.clone()).or_default();
        if entry.peers.len() <= peer.index() {
            entry.peers.resize(peer.index() + 1, 0);
        }
        entry.peers[peer.index()] = used.subscriptions;
        if entry.is_unused() {
            self.entries.remove(&key);
        }
    }

    fn change(&mut self, key: UsageKey, change: impl FnOnce(&mut Used)) {
        let entry = self.entries.entry(key.clone()).or_default();
        let before = entry.is_settled();
        change(&mut entry.own);
        let after = entry.is_settled();
        self.unsettled += usize::from(before && !after);
        self.unsettled -= usize::from(!before && after);
        if entry.is_unused() {
            self.entries.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(user: &str) -> UsageKey {
        UsageKey { account: AccountId::GLOBAL, user: user.into() }
    }

    #[test]
    fn what_is_told_is_told_once_and_forgotten_when_nothing_is_left() {
        let mut usage = Usage::default();
        usage.note_subscriptions(AccountId::GLOBAL, 2);
        usage.note_passed(key("joe"), 1, 10);
        usage.note_passed(key("joe"), 1, 10);
        assert!(!usage.has_settled());
        let mut told = Vec::new();
        while let Some((key, used)) = usage.poll() {
            let key = key.clone();
            told.push((key.user.to_string(), used));
            usage.settle(&key);
        }
        let of = |subscriptions, messages, bytes| Used { subscriptions, messages, bytes };
        assert_eq!(told, [(String::new(), of(2, 0, 0)), ("joe".to_owned(), of(0, 2, 20))]);
        assert!(usage.has_settled() && !usage.is_idle());
        usage.note_subscriptions(AccountId::GLOBAL, 0);
        assert_eq!(usage.poll().map(|(_, used)| used), Some(of(0, 0, 0)));
        usage.settle(&key(""));
        assert!(usage.is_idle());
    }

    #[test]
    fn what_comes_and_goes_between_two_tellings_is_not_told() {
        let mut usage = Usage::default();
        usage.note_subscriptions(AccountId::GLOBAL, 1);
        usage.note_subscriptions(AccountId::GLOBAL, 0);
        usage.note_passed(key("joe"), 1, 5);
        usage.take_back(key("joe"), 1, 5);
        assert!(usage.has_settled() && usage.is_idle());
    }

    #[test]
    fn subscriptions_are_summed_over_shards() {
        let mut usage = Usage::default();
        let peer = |index| ShardId::new(index).expect("a small number");
        let used = |subscriptions| Used { subscriptions, ..Used::default() };
        usage.apply(peer(1), key(""), used(3));
        usage.apply(peer(2), key(""), used(4));
        usage.apply(peer(1), key(""), used(1));
        assert_eq!(usage.subscriptions(AccountId::GLOBAL, 10), 15);
        usage.apply(peer(1), key(""), used(0));
        usage.apply(peer(2), key(""), used(0));
        assert!(usage.is_idle());
    }
}
