//! What a shard tells of itself when somebody asks: pages of plain values, a bounded number of
//! clients looked at for each.
//!
//! Absent: JSON, sorting, merging and waiting, which are the asker's. Answering changes nothing in
//! the shard, and a page never costs more than the bounds at the end of this file allow, however
//! many clients there are.

pub mod account;
pub mod client;
pub mod subscribers;
pub mod subscription;

use std::sync::Arc;

use super::close::CloseReason;
use super::ids::{AccountId, ConnId};
use super::shard::Shard;
use super::system_requests::Met;
use super::time::Instant;
use account::AccountUse;
use client::{ClientFacts, ClientFilter, Key, SortBy};
use subscribers::SubscriberFilter;
use subscription::{SubscriptionFacts, SubscriptionFilter};

/// A question to one shard.
#[derive(Debug, Clone)]
pub enum Query {
    /// Which clients there are, and what they are sorted by; from a place that the last page named.
    Keys {
        /// Where to begin.
        from: usize,
        /// What the keys are.
        sort: SortBy,
        /// Which clients are meant.
        filter: Arc<ClientFilter>,
    },
    /// What is known of a few clients; those that have left meanwhile are left out.
    Clients {
        /// Which ones; no more than [`CLIENTS_PER_PAGE`] are looked at. One with many subscriptions
        /// is told more than once, each time with others of them.
        ids: Arc<[ConnId]>,
        /// Where in the list to begin.
        from: usize,
        /// Subscriptions that may be listed with each.
        subscriptions_max: usize,
    },
    /// Clients that have left, oldest first.
    Closed {
        /// Where to begin.
        from: usize,
    },
    /// What accounts use here.
    Accounts {
        /// Where to begin.
        from: usize,
    },
    /// Subscriptions, in the order of the table of clients.
    Subscriptions {
        /// Where to begin.
        from: usize,
        /// Which subscriptions are meant.
        filter: Arc<SubscriptionFilter>,
        /// How many of them are passed over, and how many told then; all are counted.
        skip: usize,
        /// See `skip`.
        take: usize,
    },
    /// How many subscribers there are, from a place in the table of filters.
    Subscribers {
        /// Where to begin.
        from: usize,
        /// Which ones are meant.
        filter: Arc<SubscriberFilter>,
    },
}

/// The answer to a query.
#[derive(Debug)]
pub struct Page {
    /// What was asked for.
    pub rows: Rows,
    /// Where the next page begins; `None` after the last.
    pub next: Option<usize>,
}

/// What a page holds.
#[derive(Debug)]
pub enum Rows {
    /// Clients that are meant, and how many there are in the account that is meant.
    Keys {
        /// Those that are meant.
        keys: Vec<Key>,
        /// Clients of the account, or all.
        total: usize,
    },
    /// Clients.
    Clients(Vec<ClientFacts>),
    /// What came of something that was to be done.
    Met(Met),
    /// Clients that have left.
    Closed(Vec<Arc<ClosedClient>>),
    /// What accounts use; an account may be told more than once, to be added up.
    Accounts(Vec<(AccountId, AccountUse)>),
    /// Subscriptions that are told, and how many there are on this page's clients.
    Subscriptions {
        /// Those that were asked for.
        rows: Vec<SubscriptionFacts>,
        /// All that are meant.
        counted: usize,
    },
    /// So many subscribers are on this page's filters.
    Subscribers(u64),
}

/// A client that has left.
#[derive(Debug)]
pub struct ClosedClient {
    /// What was known of it at its end.
    pub client: ClientFacts,
    /// When its end began.
    pub stopped: Instant,
    /// Why.
    pub reason: CloseReason,
}

impl Shard {
    /// Answers a query.
    pub fn report(&self, query: &Query) -> Page {
        match query {
            Query::Keys { from, sort, filter } => self.report_keys(*from, *sort, filter),
            Query::Clients { ids, from, subscriptions_max } => {
                self.report_clients(ids, *from, *subscriptions_max)
            }
            Query::Closed { from } => self.report_closed(*from),
            Query::Accounts { from } => self.report_accounts(*from),
            Query::Subscriptions { from, filter, skip, take } => {
                self.report_subscriptions(*from, filter, *skip, *take)
            }
            Query::Subscribers { from, filter } => self.report_subscribers(*from, filter),
        }
    }

    fn report_closed(&self, from: usize) -> Page {
        let closed = &self.past.closed;
        let rows: Vec<_> = closed.iter().skip(from).take(KEYS_PER_PAGE).cloned().collect();
        let next = from.saturating_add(rows.len());
        Page { rows: Rows::Closed(rows), next: (next < closed.len()).then_some(next) }
    }
}

/// Clients whose numbers one page looks at.
pub const KEYS_PER_PAGE: usize = 1024;
/// Clients that one page tells everything of.
pub const CLIENTS_PER_PAGE: usize = 64;
/// Subscriptions that one page looks at, or tells of.
pub const SUBSCRIPTIONS_PER_PAGE: usize = 1024;
