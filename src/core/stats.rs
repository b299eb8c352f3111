//! What one shard counts: single-writer numbers, each named by what it counts.
//!
//! Absent: publishing them. Every drop, park, limit and reason to close has a counter here.

use super::close::CloseReason;
use super::shard::Shard;

/// The counters of one shard. All only grow but those said to be a present state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Clients that live here now.
    pub clients: u64,
    /// Clients that ever lived here.
    pub clients_total: u64,
    /// Subscriptions that exist now.
    pub subscriptions: u64,
    /// Messages that clients published.
    pub messages_in: u64,
    /// Bytes of headers and payloads in them.
    pub bytes_in: u64,
    /// Messages queued for clients.
    pub messages_out: u64,
    /// Bytes of headers and payloads in them.
    pub bytes_out: u64,
    /// Messages that reached nobody.
    pub messages_unmatched: u64,
    /// 503s sent because nobody was there.
    pub no_responders: u64,
    /// Commands that waited for a free batch.
    pub parked: u64,
    /// Records handed to peers.
    pub records_out: u64,
    /// Handles of peers that named something gone (I9).
    pub stale_handles: u64,
    /// Messages that a group passed on to another shard.
    pub repicked: u64,
    /// Messages that a group lost because no member could take them.
    pub repick_dropped: u64,
    /// Connections refused because the table was full.
    pub connections_refused: u64,
    /// Subscriptions refused because a table was full.
    pub subscriptions_refused: u64,
    /// Clients closed for more unsent bytes than allowed.
    pub slow_pending_bytes: u64,
    /// Clients closed because they took nothing for too long.
    pub slow_write_deadline: u64,
    /// Clients closed to keep the shard's memory for unsent messages in its budget.
    pub slow_shed: u64,
    /// Clients closed for unanswered PINGs.
    pub stale_connections: u64,
    /// Clients closed for sending what is not the protocol, or too much of it.
    pub protocol_violations: u64,
    /// Clients closed because no operation came in time.
    pub connect_timeouts: u64,
    /// Clients closed because their TLS handshake failed or took too long.
    pub tls_failures: u64,
    /// Clients that were not let in, or not kept after a change of the configuration.
    pub entries_refused: u64,
    /// Messages that their publisher had no permission for.
    pub publishes_refused: u64,
    /// Answers carried from a service's account to the requester's.
    pub answers_carried: u64,
    /// Answers that nobody waited for, or no longer.
    pub answers_unexpected: u64,
    /// Answers that did not come in time.
    pub answers_expired: u64,
    /// Requests to other accounts that found the table of awaited answers full.
    pub answers_refused: u64,
    /// Samples of services' latency that found no free batch.
    pub samples_dropped: u64,
    /// Messages that would have entered more accounts, or farther ones, than one message may.
    pub legs_cut: u64,
    /// How often a client was paused because it was too fast.
    pub paused: u64,
    /// Events that were published in the system account.
    pub events: u64,
    /// Events and answers that were left out: too many at once, or no free batch.
    pub events_dropped: u64,
    /// Requests to the broker that somebody outside was asked to answer.
    pub system_requests: u64,
    /// Requests to the broker that were one too many, or too large.
    pub system_requests_refused: u64,
    /// Subscriptions that ever existed.
    pub subscriptions_total: u64,
    /// Answers that found no room to be carried on.
    pub answers_dropped: u64,
    /// Clients whose next command waits for a free batch now.
    pub clients_parked: u64,
    /// Filters that are known now, those of peers included.
    pub filters: u64,
    /// Trace lines dropped because nobody fetched them in time.
    pub trace_dropped: u64,
    /// Memory held for unsent messages now, in bytes.
    pub spool_bytes: u64,
}

impl Stats {
    /// How many counters there are.
    pub const COUNTERS: usize = 42;

    /// Where clients stand among the counters, now and in all: each connection asks for these two.
    pub const CLIENTS: [usize; 2] = [0, 1];

    /// The counters in the order of their declaration, to be published or summed.
    pub fn to_array(&self) -> [u64; Self::COUNTERS] {
        [
            self.clients,
            self.clients_total,
            self.subscriptions,
            self.messages_in,
            self.bytes_in,
            self.messages_out,
            self.bytes_out,
            self.messages_unmatched,
            self.no_responders,
            self.parked,
            self.records_out,
            self.stale_handles,
            self.repicked,
            self.repick_dropped,
            self.connections_refused,
            self.subscriptions_refused,
            self.slow_pending_bytes,
            self.slow_write_deadline,
            self.slow_shed,
            self.stale_connections,
            self.protocol_violations,
            self.connect_timeouts,
            self.tls_failures,
            self.entries_refused,
            self.publishes_refused,
            self.answers_carried,
            self.answers_unexpected,
            self.answers_expired,
            self.answers_refused,
            self.samples_dropped,
            self.legs_cut,
            self.paused,
            self.events,
            self.events_dropped,
            self.system_requests,
            self.system_requests_refused,
            self.subscriptions_total,
            self.answers_dropped,
            self.clients_parked,
            self.filters,
            self.trace_dropped,
            self.spool_bytes,
        ]
    }

    /// The inverse of [`Stats::to_array`].
    pub fn from_array(values: [u64; Self::COUNTERS]) -> Self {
        let mut values = values.into_iter();
        let mut next = || values.next().unwrap_or(0);
        Self {
            clients: next(),
            clients_total: next(),
            subscriptions: next(),
            messages_in: next(),
            bytes_in: next(),
            messages_out: next(),
            bytes_out: next(),
            messages_unmatched: next(),
            no_responders: next(),
            parked: next(),
            records_out: next(),
            stale_handles: next(),
            repicked: next(),
            repick_dropped: next(),
            connections_refused: next(),
            subscriptions_refused: next(),
            slow_pending_bytes: next(),
            slow_write_deadline: next(),
            slow_shed: next(),
            stale_connections: next(),
            protocol_violations: next(),
            connect_timeouts: next(),
            tls_failures: next(),
            entries_refused: next(),
            publishes_refused: next(),
            answers_carried: next(),
            answers_unexpected: next(),
            answers_expired: next(),
            answers_refused: next(),
            samples_dropped: next(),
            legs_cut: next(),
            paused: next(),
            events: next(),
            events_dropped: next(),
            system_requests: next(),
            system_requests_refused: next(),
            subscriptions_total: next(),
            answers_dropped: next(),
            clients_parked: next(),
            filters: next(),
            trace_dropped: next(),
            spool_bytes: next(),
        }
    }

    /// Counts a close.
    pub(crate) fn count_close(&mut self, reason: CloseReason) {
        let counter = match reason {
            CloseReason::SlowConsumerPendingBytes => &mut self.slow_pending_bytes,
            CloseReason::SlowConsumerWriteDeadline => &mut self.slow_write_deadline,
            CloseReason::SlowConsumerShed => &mut self.slow_shed,
            CloseReason::StaleConnection => &mut self.stale_connections,
            CloseReason::AuthenticationTimeout => &mut self.connect_timeouts,
            CloseReason::TlsHandshakeError => &mut self.tls_failures,
            CloseReason::MaxAccountConnectionsExceeded | CloseReason::MaxConnectionsExceeded => {
                &mut self.connections_refused
            }
            CloseReason::MaxControlLineExceeded
            | CloseReason::MaxPayloadExceeded
            | CloseReason::AuthorizationViolation
            | CloseReason::NoRespondersRequiresHeaders
            | CloseReason::ProtocolViolation
            | CloseReason::ProxyNotTrusted
            | CloseReason::ProxyRequired => &mut self.protocol_violations,
            CloseReason::AuthenticationExpired
            | CloseReason::ClientClosed
            | CloseReason::CredentialsRevoked
            | CloseReason::Kicked
            | CloseReason::MovedAway
            | CloseReason::ReadError
            | CloseReason::ServerShutdown
            | CloseReason::WriteError => return,
        };
        *counter += 1;
    }
}

impl Shard {
    /// Its counters.
    pub fn stats(&self) -> Stats {
        let mut stats = self.clients.stats;
        stats.trace_dropped = self.clients.trace.dropped();
        stats.spool_bytes = self.held_bytes();
        if let Some(own) = self.clients.relays.client {
            // The broker's own client is nobody's.
            stats.clients -= 1;
            stats.clients_total -= 1;
            stats.subscriptions -= self.clients.get(own).subs.len() as u64;
        }
        stats.answers_dropped = self.clients.relays.dropped;
        stats.clients_parked = self.parked.len() as u64;
        stats.filters = self.interest.len() as u64;
        stats
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_array_gives_the_counters_back() {
        let mut values = [0; Stats::COUNTERS];
        for (n, value) in (1u64..).zip(values.iter_mut()) {
            *value = n;
        }
        assert_eq!(Stats::from_array(values).to_array(), values);
    }

    #[test]
    fn clients_stand_where_they_are_looked_for() {
        let values = Stats { clients: 1, clients_total: 2, ..Stats::default() }.to_array();
        assert_eq!(Stats::CLIENTS.map(|place| values[place]), [1, 2]);
    }
}
