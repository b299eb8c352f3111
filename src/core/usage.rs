//! What flowed from bounded accounts and users on one shard, until its peers have been told.
//!
//! Absent: the buckets that it is taken out of (`pace`). Each shard tells its peers in the interest
//! lane, so that a rate holds exactly for the clients of one shard, and between shards up to what
//! flowed while the news travelled.

use std::collections::BTreeMap;

use super::ids::AccountId;

/// Whose use is counted: an account, or one of its users.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct UsageKey {
    pub(crate) account: AccountId,
    /// Empty for the account itself.
    pub(crate) user: Box<str>,
}

/// What passed since it was last told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Used {
    pub(crate) messages: u64,
    pub(crate) bytes: u64,
}

/// See the module's head. At most one entry for each account and user with a rate.
#[derive(Debug, Default)]
pub(crate) struct Usage(BTreeMap<UsageKey, Used>);

impl Usage {
    /// Whether peers know everything.
    pub(crate) fn has_settled(&self) -> bool {
        self.0.is_empty()
    }

    /// Notes messages that passed here.
    pub(crate) fn note_passed(&mut self, key: UsageKey, messages: u64, bytes: u64) {
        let used = self.0.entry(key).or_default();
        used.messages += messages;
        used.bytes += bytes;
    }

    /// Takes back messages that did not pass after all.
    pub(crate) fn take_back(&mut self, key: UsageKey, messages: u64, bytes: u64) {
        let Some(used) = self.0.get_mut(&key) else { return };
        used.messages = used.messages.saturating_sub(messages);
        used.bytes = used.bytes.saturating_sub(bytes);
        if *used == Used::default() {
            self.0.remove(&key);
        }
    }

    /// The first of what peers are to be told; [`Usage::settle`] says that they were.
    pub(crate) fn first(&self) -> Option<(UsageKey, Used)> {
        self.0.first_key_value().map(|(key, used)| (key.clone(), *used))
    }

    /// Notes that all peers were told what [`Usage::first`] gave.
    pub(crate) fn settle(&mut self, key: &UsageKey) {
        self.0.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(user: &str) -> UsageKey {
        UsageKey { account: AccountId::GLOBAL, user: user.into() }
    }

    #[test]
    fn what_passed_is_told_once() {
        let mut usage = Usage::default();
        usage.note_passed(key(""), 1, 5);
        usage.note_passed(key("joe"), 1, 10);
        usage.note_passed(key("joe"), 1, 10);
        let mut told = Vec::new();
        while let Some((key, used)) = usage.first() {
            told.push((key.user.to_string(), used.messages, used.bytes));
            usage.settle(&key);
        }
        assert_eq!(told, [(String::new(), 1, 5), ("joe".to_owned(), 2, 20)]);
        assert!(usage.has_settled());
    }

    #[test]
    fn what_did_not_pass_after_all_is_not_told() {
        let mut usage = Usage::default();
        usage.note_passed(key("joe"), 1, 5);
        usage.take_back(key("joe"), 1, 5);
        assert!(usage.has_settled());
    }
}
