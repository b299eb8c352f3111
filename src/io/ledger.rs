//! How many connections each account, user and address has, for those that have a limit.
//!
//! Absent: the limits' values (`core::policy`). It is asked once a connection, and only where the
//! configuration sets a limit, so that one lock for the whole broker is enough.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use core::net::IpAddr;

use crate::core::auth::{Admitted, Refusal};
use crate::core::policy::Policy;

/// What one connection is counted as; given back when it ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seat {
    account: Box<str>,
    user: Option<(Box<str>, Box<str>)>,
    address: Option<IpAddr>,
}

#[derive(Debug, Default)]
struct Counts {
    accounts: HashMap<Box<str>, u32>,
    users: HashMap<(Box<str>, Box<str>), u32>,
    addresses: HashMap<IpAddr, u32>,
}

/// See the module's head.
#[derive(Debug, Default)]
pub(crate) struct Ledger(Mutex<Counts>);

impl Ledger {
    /// Counts a connection in, or says which limit it would break.
    pub(crate) fn seat(
        &self,
        policy: &Policy,
        admitted: &Admitted,
        address: Option<IpAddr>,
    ) -> Result<Seat, Refusal> {
        let account = policy.accounts.find(&admitted.account);
        let account_max = account.and_then(|id| policy.accounts.get(id).limits.connections_max);
        let user = admitted.user.clone().map(|user| (admitted.account.clone(), user));
        // Nothing panics while the lock is held.
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if is_full(counts.accounts.get(&admitted.account), account_max) {
            return Err(Refusal::AccountFull);
        }
        let of_user = user.as_ref().and_then(|user| counts.users.get(user));
        if is_full(of_user, policy.user_connections_max.filter(|_| user.is_some())) {
            return Err(Refusal::UserFull);
        }
        let of_address = address.and_then(|address| counts.addresses.get(&address));
        if is_full(of_address, policy.address_connections_max.filter(|_| address.is_some())) {
            return Err(Refusal::AddressFull);
        }
        let seat = Seat { account: admitted.account.clone(), user, address };
        *counts.accounts.entry(seat.account.clone()).or_default() += 1;
        if let Some(user) = &seat.user {
            *counts.users.entry(user.clone()).or_default() += 1;
        }
        if let Some(address) = seat.address {
            *counts.addresses.entry(address).or_default() += 1;
        }
        Ok(seat)
    }

    /// Counts a connection out.
    pub(crate) fn release(&self, seat: &Seat) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lower(&mut counts.accounts, &seat.account);
        if let Some(user) = &seat.user {
            lower(&mut counts.users, user);
        }
        if let Some(address) = &seat.address {
            lower(&mut counts.addresses, address);
        }
    }
}

/// Whether one more would be too many.
fn is_full(count: Option<&u32>, most: Option<u32>) -> bool {
    most.is_some_and(|most| count.copied().unwrap_or(0) >= most)
}

fn lower<K: std::hash::Hash + Eq>(counts: &mut HashMap<K, u32>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}
