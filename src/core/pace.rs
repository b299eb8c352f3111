//! How fast clients may publish: buckets of connections, users and accounts.
//!
//! Absent: dropping. Who is too fast is not read until it may go on, so that its own socket holds
//! it back and nothing is lost. Buckets of a user or account stand on every shard with the whole
//! rate; what flows on other shards is taken out as soon as it is known, so that together they may
//! pass what the rate says and, for a moment, a burst more for each shard.

use std::collections::BTreeMap;

use super::badge::Badge;
use super::bucket::TokenBucket;
use super::ids::{AccountId, Slot};
use super::shard::Shard;
use super::time::Instant;
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
        let Some(badge) = &mut self.clients.get_mut(slot).badge else {
            return self.pass_account(account, of_account, bytes, most);
        };
        let of_user = badge.admitted.as_ref().map_or(Rate::default(), |a| a.limits.rate);
        let user = badge.admitted.as_ref().and_then(|admitted| admitted.user.clone());
        let user = user.filter(|_| of_user != Rate::default());
        let mut buckets = Vec::new();
        buckets.extend(badge.bucket.as_deref_mut());
        if let Some(user) = user {
            let users = &mut self.paces.users;
            buckets.extend(of(users, (account, user), &of_user, most, now));
        }
        buckets.extend(of(&mut self.paces.accounts, account, &of_account, most, now));
        TokenBucket::take_all(&mut buckets, 1, bytes.into(), now)
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
    }

    /// Whether anything bounds how fast a client may publish.
    pub(crate) fn is_paced(&self, badge: Option<&Badge>, account: AccountId) -> bool {
        let of_user = badge.and_then(|badge| badge.admitted.as_ref());
        self.policy.accounts.get(account).limits.rate != Rate::default()
            || badge.is_some_and(|badge| badge.bucket.is_some())
            || of_user.is_some_and(|admitted| admitted.limits.rate != Rate::default())
    }

    fn pass_account(
        &mut self,
        account: AccountId,
        rate: Rate,
        bytes: u32,
        most: u32,
    ) -> Result<(), Instant> {
        match of(&mut self.paces.accounts, account, &rate, most, self.now) {
            Some(bucket) => bucket.take(1, bytes.into(), self.now),
            None => Ok(()),
        }
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
