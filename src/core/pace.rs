//! How fast clients may publish: buckets of connections, users and accounts.
//!
//! Absent: dropping. Who is too fast is not read until it may go on, so that its own socket holds
//! it back and nothing is lost. Buckets of a user or account stand on every shard with the whole
//! rate; what flows on other shards is taken out as soon as it is known (`usage`), so that together
//! they pass what the rate says and, for a moment, a burst more for each shard.

use std::collections::BTreeMap;

use super::badge::Badge;
use super::batch::Batch;
use super::bucket::TokenBucket;
use super::ids::{AccountId, Slot};
use super::interest::Change;
use super::shard::Shard;
use super::time::Instant;
use super::usage::{UsageKey, Used};
use crate::config::access::Rate;

/// The buckets that several clients of a shard share.
#[derive(Debug, Default)]
pub(crate) struct Paces {
    accounts: BTreeMap<AccountId, TokenBucket>,
    users: BTreeMap<(AccountId, Box<str>), TokenBucket>,
}

impl Paces {
    /// Forgets all of them: rates have changed.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}

impl Shard {
    /// Lets one message of a client pass, or says when it may.
    pub(crate) fn pass(&mut self, slot: Slot, bytes: u32) -> Result<(), Instant> {
        let (now, most) = (self.now, self.payload_max(slot));
        let most = u32::try_from(most).unwrap_or(u32::MAX);
        let account = self.clients.get(slot).account;
        let of_account = self.policy.accounts.get(account).limits.rate;
        let mut badge = self.clients.get_mut(slot).badge.as_deref_mut();
        let admitted = badge.as_ref().and_then(|badge| badge.admitted.as_ref());
        let of_user = admitted.map_or(Rate::default(), |admitted| admitted.limits.rate);
        let user = admitted.and_then(|admitted| admitted.user.clone());
        let user = user.filter(|_| of_user != Rate::default());
        let mut buckets = Vec::new();
        buckets.extend(badge.as_mut().and_then(|badge| badge.bucket.as_deref_mut()));
        if let Some(user) = user {
            let users = &mut self.paces.users;
            buckets.extend(of(users, (account, user), &of_user, most, now));
        }
        buckets.extend(of(&mut self.paces.accounts, account, &of_account, most, now));
        TokenBucket::take_all(&mut buckets, 1, bytes.into(), now)?;
        for key in self.usage_keys(slot) {
            self.usage.note_passed(key, 1, bytes.into());
        }
        Ok(())
    }

    /// Whose buckets a client's messages are taken from, beside its own.
    fn usage_keys(&self, slot: Slot) -> impl Iterator<Item = UsageKey> + use<> {
        let client = self.clients.get(slot);
        let account = client.account;
        let rate = self.policy.accounts.get(account).limits.rate;
        let of_account = (rate != Rate::default()).then(|| UsageKey { account, user: "".into() });
        let admitted = client.badge.as_ref().and_then(|badge| badge.admitted.as_ref());
        let admitted = admitted.filter(|admitted| admitted.limits.rate != Rate::default());
        let user = admitted.and_then(|admitted| admitted.user.clone());
        let of_user = user.map(|user| UsageKey { account, user });
        let is_alone = self.shards == 1;
        of_account.into_iter().chain(of_user).filter(move |_| !is_alone)
    }

    /// Takes in what a peer's clients used.
    pub(crate) fn apply_usage(&mut self, account: AccountId, user: &[u8], used: Used) {
        let user: Box<str> = String::from_utf8_lossy(user).into();
        let bucket = if user.is_empty() {
            self.paces.accounts.get_mut(&account)
        } else {
            self.paces.users.get_mut(&(account, user))
        };
        if let Some(bucket) = bucket {
            bucket.debit(used.messages, used.bytes, self.now);
        }
    }

    /// Tells peers what this shard's clients used, as far as batches reach (I5).
    pub(crate) fn stage_usage(&mut self) {
        while let Some((key, used)) = self.usage.first() {
            let change = Change::Usage { account: key.account, user: key.user.as_bytes(), used };
            let bytes = Batch::change_bytes(&change);
            if !self.peers().all(|peer| self.mesh.has_interest_room(peer.bit(), bytes)) {
                return;
            }
            for peer in self.peers() {
                self.mesh.stage_change(peer, &change);
            }
            self.usage.settle(&key);
        }
    }

    /// Bounds the flow of a connection that nobody was asked about.
    pub(crate) fn set_pace(&mut self, slot: Slot) {
        let most = u32::try_from(self.limits.payload_max).unwrap_or(u32::MAX);
        let bucket = TokenBucket::new(&self.policy.connection_rate, most, self.now);
        let badge = &mut self.clients.get_mut(slot).badge;
        match bucket {
            Some(bucket) => badge.get_or_insert_default().bucket = Some(Box::new(bucket)),
            None => {
                if let Some(badge) = badge {
                    badge.bucket = None;
                }
            }
        }
    }

    /// Takes back what was let pass and did not happen.
    pub(crate) fn unpass(&mut self, slot: Slot, bytes: u32) {
        let client = self.clients.get_mut(slot);
        let account = client.account;
        if let Some(badge) = &mut client.badge {
            if let Some(bucket) = &mut badge.bucket {
                bucket.give_back(1, bytes.into());
            }
            let user = badge.admitted.as_ref().and_then(|admitted| admitted.user.clone());
            if let Some(bucket) = user.and_then(|user| self.paces.users.get_mut(&(account, user))) {
                bucket.give_back(1, bytes.into());
            }
        }
        if let Some(bucket) = self.paces.accounts.get_mut(&account) {
            bucket.give_back(1, bytes.into());
        }
        for key in self.usage_keys(slot) {
            self.usage.take_back(key, 1, bytes.into());
        }
    }

    /// Whether anything bounds how fast a client may publish.
    pub(crate) fn is_paced(&self, badge: Option<&Badge>, account: AccountId) -> bool {
        let of_user = badge.and_then(|badge| badge.admitted.as_ref());
        self.policy.accounts.get(account).limits.rate != Rate::default()
            || badge.is_some_and(|badge| badge.bucket.is_some())
            || of_user.is_some_and(|admitted| admitted.limits.rate != Rate::default())
    }
}

/// The bucket of one account or user, made when it is first needed.
fn of<'a, K: Ord>(
    buckets: &'a mut BTreeMap<K, TokenBucket>,
    key: K,
    rate: &Rate,
    most: u32,
    now: Instant,
) -> Option<&'a mut TokenBucket> {
    if *rate == Rate::default() {
        return None;
    }
    match buckets.entry(key) {
        std::collections::btree_map::Entry::Occupied(entry) => Some(entry.into_mut()),
        std::collections::btree_map::Entry::Vacant(entry) => {
            Some(entry.insert(TokenBucket::new(rate, most, now)?))
        }
    }
}
