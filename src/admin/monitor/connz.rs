//! `/connz`: connections, sorted, filtered and told page by page.
//!
//! Absent: credentials. Shards tell numbers of all connections first and everything only of those
//! that are shown, so that a page of a hundred among a million costs a shard little.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use serde::Serialize;

use super::Monitor;
use super::asking::Extent;
use super::connection::Connection;
use super::options::{Options, State};
use super::refusal::Refusal;
use super::varz::is_false;
use crate::core::ids::{AccountId, ConnId, ShardId};
use crate::core::report::client::{ClientFacts, ClientFilter, Key, SortBy};
use crate::core::report::subscription::SubscriptionFacts;
use crate::core::report::{ClosedClient, Query, Rows};
use crate::core::time::Instant;

/// The fields of nats-server, in its order; `partial` is ours.
#[derive(Debug, Serialize)]
pub(super) struct Connz {
    server_id: String,
    now: String,
    num_connections: usize,
    total: usize,
    offset: usize,
    limit: usize,
    connections: Option<Vec<Connection>>,
    #[serde(skip_serializing_if = "is_false")]
    partial: bool,
}

/// How connections can be sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    /// The smallest first.
    Up(SortBy),
    /// The largest first.
    Down(SortBy),
    /// The longest idle first.
    Idle,
    /// Those who left, the last first.
    Stop,
    /// Those who left, by the reason.
    Reason,
}

impl Order {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "" | "cid" | "start" => Self::Up(SortBy::Number),
            "subs" => Self::Down(SortBy::Subscriptions),
            "pending" => Self::Down(SortBy::PendingBytes),
            "msgs_to" => Self::Down(SortBy::MessagesOut),
            "msgs_from" => Self::Down(SortBy::MessagesIn),
            "bytes_to" => Self::Down(SortBy::BytesOut),
            "bytes_from" => Self::Down(SortBy::BytesIn),
            "last" => Self::Down(SortBy::LastActive),
            "idle" => Self::Idle,
            // The last to come has the shortest uptime.
            "uptime" => Self::Down(SortBy::Number),
            "stop" => Self::Stop,
            "reason" => Self::Reason,
            "rtt" => Self::Down(SortBy::RoundTrip),
            _ => return None,
        })
    }

    fn key(self) -> SortBy {
        match self {
            Self::Up(key) | Self::Down(key) => key,
            Self::Idle => SortBy::LastActive,
            Self::Stop | Self::Reason => SortBy::Number,
        }
    }

    /// Sorts rows by their keys; equal ones by their numbers.
    fn sort(self, rows: &mut [Row]) {
        match self {
            Self::Up(_) | Self::Idle => rows.sort_unstable_by_key(|row| (row.key, row.number)),
            Self::Down(_) => rows.sort_unstable_by_key(|row| (Reverse(row.key), row.number)),
            Self::Stop => rows.sort_unstable_by_key(|row| {
                let stopped = row.closed().map(|closed| closed.stopped);
                (Reverse(stopped), row.number)
            }),
            Self::Reason => rows.sort_by_cached_key(|row| {
                (row.closed().map(|closed| closed.reason.to_string()), row.number)
            }),
        }
    }
}

/// One connection among those that are sorted.
#[derive(Debug)]
struct Row {
    key: u64,
    number: u64,
    whose: Whose,
}

#[derive(Debug)]
enum Whose {
    Open(ShardId, ConnId),
    Closed(Arc<ClosedClient>),
}

impl Row {
    fn closed(&self) -> Option<&ClosedClient> {
        match &self.whose {
            Whose::Open(..) => None,
            Whose::Closed(closed) => Some(closed),
        }
    }
}

impl Monitor {
    pub(super) fn connz(&mut self, options: &Options) -> Result<Connz, Refusal> {
        let order = check(options)?;
        let single = options.number > 0;
        let limit = match options.limit {
            _ if single => 1,
            0 => LIMIT_DEFAULT,
            limit => limit,
        };
        let offset = options.offset;
        let Ok(account) = self.account_named(&options.account) else {
            // As nats-server answers about accounts that it does not know.
            return Ok(self.no_connections(offset, limit));
        };
        let filter = ClientFilter {
            number: single.then_some(options.number),
            account,
            user: (!options.user.is_empty()).then(|| options.user.as_str().into()),
            filter: subject_filter(options),
        };
        let (mut rows, mut total, mut extent) = (Vec::new(), 0, Extent::Whole);
        if options.state != State::Closed && options.mqtt_client.is_empty() {
            extent = extent.and(self.open_rows(order.key(), &filter, &mut rows, &mut total));
        }
        let found = single && !rows.is_empty();
        if options.state != State::Open && options.mqtt_client.is_empty() && !found {
            extent = extent.and(self.closed_rows(order.key(), &filter, &mut rows, &mut total));
        }
        order.sort(&mut rows);
        let rows_max = if options.of_tenant { TENANTS_ROWS_MAX } else { ROWS_MAX };
        let rows = rows.into_iter().skip(offset).take(limit.min(rows_max)).collect();
        let (connections, told) = self.tell(rows, options);
        Ok(Connz {
            server_id: self.server_id(),
            now: self.now_text(),
            num_connections: connections.len(),
            total,
            offset,
            limit,
            connections: Some(connections),
            partial: extent.and(told).is_partial(),
        })
    }

    fn no_connections(&self, offset: usize, limit: usize) -> Connz {
        Connz {
            server_id: String::new(),
            now: self.now_text(),
            num_connections: 0,
            total: 0,
            offset,
            limit,
            connections: None,
            partial: false,
        }
    }

    /// The account of this name; none for no name, an error for one that nobody knows.
    pub(super) fn account_named(&self, name: &str) -> Result<Option<AccountId>, Refusal> {
        if name.is_empty() {
            return Ok(None);
        }
        let found = self.news.policy.accounts.find(name);
        found.map(Some).ok_or_else(|| Refusal::bad("account not found"))
    }

    fn open_rows(
        &mut self,
        sort: SortBy,
        filter: &ClientFilter,
        rows: &mut Vec<Row>,
        total: &mut usize,
    ) -> Extent {
        let filter = Arc::new(filter.clone());
        let query = |_, from| Query::Keys { from, sort, filter: Arc::clone(&filter) };
        let shards = self.shards();
        self.walk(&shards, &query, &mut |shard, page| {
            let Rows::Keys { keys, total: counted } = page else { return };
            *total += counted;
            let row = |Key { key, number, id }| Row { key, number, whose: Whose::Open(shard, id) };
            rows.extend(keys.into_iter().map(row));
        })
    }

    fn closed_rows(
        &mut self,
        sort: SortBy,
        filter: &ClientFilter,
        rows: &mut Vec<Row>,
        total: &mut usize,
    ) -> Extent {
        let shards = self.shards();
        let mut all: Vec<Arc<ClosedClient>> = Vec::new();
        let extent = self.walk(&shards, &|_, from| Query::Closed { from }, &mut |_, page| {
            let Rows::Closed(closed) = page else { return };
            all.extend(closed);
        });
        // Shards keep a few more than are told.
        all.sort_unstable_by_key(|closed| Reverse((closed.stopped, closed.client.number)));
        all.truncate(self.news.config.limits.closed_clients_max);
        for closed in all {
            let client = &closed.client;
            if filter.account.is_some_and(|account| account != client.account) {
                continue;
            }
            *total += 1;
            let is_meant = filter.number.is_none_or(|number| number == client.number)
                && filter.user.as_ref().is_none_or(|user| client.user.as_ref() == Some(user));
            if is_meant {
                let (key, number) = (sort.key_of(client), client.number);
                rows.push(Row { key, number, whose: Whose::Closed(closed) });
            }
        }
        extent
    }

    /// Everything about the rows that are shown, in their order.
    fn tell(&mut self, rows: Vec<Row>, options: &Options) -> (Vec<Connection>, Extent) {
        let mut wanted: BTreeMap<ShardId, Vec<ConnId>> = BTreeMap::new();
        for row in &rows {
            if let Whose::Open(shard, id) = row.whose {
                wanted.entry(shard).or_default().push(id);
            }
        }
        let lists = options.subscriptions || options.subscriptions_detail;
        let listed_max = if options.of_tenant { TENANTS_LISTED_MAX } else { LISTED_MAX };
        let subscriptions_max = if lists { SUBSCRIPTIONS_MAX.min(listed_max) } else { 0 };
        let shards: Vec<ShardId> = wanted.keys().copied().collect();
        let ids: BTreeMap<ShardId, Arc<[ConnId]>> =
            wanted.into_iter().map(|(shard, ids)| (shard, ids.into())).collect();
        let query = |shard: ShardId, from| Query::Clients {
            ids: ids.get(&shard).cloned().unwrap_or_default(),
            from,
            subscriptions_max,
        };
        let mut told = Told { listed_max, ..Told::default() };
        let extent = self.walk(&shards, &query, &mut |_, page| {
            let Rows::Clients(clients) = page else { return };
            for client in clients {
                told.take(client);
            }
        });
        let extent = extent.and(told.extent());
        let known = told.clients;
        let now = self.calendar.now();
        let shown = rows.iter().filter_map(|row| match &row.whose {
            Whose::Open(..) => known.get(&row.number).map(|client| (client, None)),
            Whose::Closed(closed) => Some((&closed.client, Some(&**closed))),
        });
        let tell = |(client, closed): (&ClientFacts, Option<&ClosedClient>)| {
            let until = closed.map_or(now, |closed: &ClosedClient| closed.stopped);
            self.connection(client, closed, until, options)
        };
        (shown.map(tell).collect(), extent)
    }

    /// How long something lasted until a moment.
    pub(super) fn since(from: Instant, until: Instant) -> String {
        super::moments::uptime(until.since_ns(from))
    }
}

/// Open clients as pages bring them, within what an answer may take.
#[derive(Debug, Default)]
struct Told {
    clients: BTreeMap<u64, ClientFacts>,
    /// Subscriptions that were brought, and bytes of their texts.
    listed: usize,
    bytes: usize,
    listed_max: usize,
}

impl Told {
    /// Takes in a client, or more of its subscriptions.
    fn take(&mut self, mut client: ClientFacts) {
        let texts = |row: &SubscriptionFacts| {
            row.filter.len() + row.sid.len() + row.queue.as_ref().map_or(0, |queue| queue.len())
        };
        self.listed += client.listed.len();
        self.bytes += client.listed.iter().map(texts).sum::<usize>();
        if self.extent().is_partial() {
            client.listed = Vec::new();
        }
        match self.clients.entry(client.number) {
            Entry::Vacant(place) => {
                place.insert(client);
            }
            Entry::Occupied(mut known) => known.get_mut().listed.append(&mut client.listed),
        }
    }

    /// Whether nothing was left out.
    fn extent(&self) -> Extent {
        let is_whole = self.listed <= self.listed_max && self.bytes <= LISTED_BYTES_MAX;
        if is_whole { Extent::Whole } else { Extent::Partial }
    }
}

/// What does not go together, as nats-server says it.
fn check(options: &Options) -> Result<Order, Refusal> {
    let order = Order::named(&options.sort)
        .ok_or_else(|| Refusal::bad(format!("invalid sorting option: {}", options.sort)))?;
    let only_closed = options.state == State::Closed;
    match order {
        Order::Stop if !only_closed => {
            Err(Refusal::bad("sort by stop only valid on closed connections"))
        }
        Order::Reason if !only_closed => {
            Err(Refusal::bad("sort by reason only valid on closed connections"))
        }
        _ if subject_filter(options).is_some() && options.account.is_empty() => {
            Err(Refusal::bad("filter by subject only valid with account filtering"))
        }
        _ => Ok(order),
    }
}

fn subject_filter(options: &Options) -> Option<Box<[u8]>> {
    let filter = options.filter_subject.as_bytes();
    (!filter.is_empty() && filter != b">").then(|| filter.into())
}

/// Rows of a page unless a limit is given.
const LIMIT_DEFAULT: usize = 1024;
/// Rows of any page.
const ROWS_MAX: usize = 65_536;
/// Subscriptions that are listed with one connection, and with all of one page.
const SUBSCRIPTIONS_MAX: usize = 65_536;
const LISTED_MAX: usize = 524_288;
/// The same for tenants.
const TENANTS_ROWS_MAX: usize = 1024;
const TENANTS_LISTED_MAX: usize = 4096;
/// Bytes of their texts.
const LISTED_BYTES_MAX: usize = 32 * 1024 * 1024;
