//! Every bound of the broker that can be configured, with its default.
//!
//! Absent: the bounds of the wire itself (`fanfare_protocol::limits`) and sizes of internal
//! structures, which stand beside the structure they bound.

use std::fmt;

use fanfare_protocol::limits;

const MILLISECOND: u64 = 1_000_000;
const SECOND: u64 = 1_000 * MILLISECOND;
const MIB: u64 = 1024 * 1024;

/// Bounds of what clients can make the broker hold or wait for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Connections in the whole broker. A further one gets
    /// `-ERR 'maximum connections exceeded'` and is closed.
    pub connections_max: usize,
    /// Subscriptions of one client. A further one gets
    /// `-ERR 'maximum subscriptions exceeded'`; the client stays.
    pub subscriptions_max: usize,
    /// Tokens in a subscription's filter; 0 leaves it to the control line.
    pub subscription_tokens_max: usize,
    /// Distinct filters that one shard knows, its own and its peers'. A subscription that needs
    /// one more gets `-ERR 'maximum subscriptions exceeded'`.
    pub filters_max: usize,
    /// Bytes of a control line's arguments.
    pub control_line_max: usize,
    /// Bytes of one message.
    pub payload_max: usize,
    /// Unsent bytes of one client; above it the client is closed as a slow consumer.
    pub pending_bytes_max: u64,
    /// Memory that one shard holds for unsent messages; above it the clients with the most unsent
    /// bytes are closed, largest first.
    pub shard_spool_bytes_max: u64,
    /// The same for all shards together; each shard sheds down to its equal share.
    pub total_spool_bytes_max: u64,
    /// How long a client may take no byte of what waits for it, in nanoseconds.
    pub write_deadline_ns: u64,
    /// How long a connection may exist without one whole operation, in nanoseconds.
    pub connect_timeout_ns: u64,
    /// Time between PINGs to a silent client, in nanoseconds.
    pub ping_interval_ns: u64,
    /// PINGs that may stay unanswered; one more closes the client.
    pub pings_out_max: u32,
    /// Clients that have left and are still told of by the monitoring port.
    pub closed_clients_max: usize,
    /// Events about clients that one shard publishes a second; more of them are counted.
    pub events_per_second: u32,
    /// How long a stopping broker writes what it has accepted, in nanoseconds.
    pub stop_deadline_ns: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 65_536,
            subscriptions_max: 1_048_576,
            subscription_tokens_max: 0,
            filters_max: 16 * 1_048_576,
            control_line_max: limits::MAX_CONTROL_LINE,
            payload_max: limits::MAX_PAYLOAD,
            pending_bytes_max: 64 * MIB,
            shard_spool_bytes_max: 1024 * MIB,
            total_spool_bytes_max: 2048 * MIB,
            write_deadline_ns: 10 * SECOND,
            connect_timeout_ns: 60 * SECOND,
            ping_interval_ns: 120 * SECOND,
            pings_out_max: 2,
            closed_clients_max: 10_000,
            events_per_second: 1_000,
            stop_deadline_ns: 2 * SECOND,
        }
    }
}

impl Limits {
    /// Says what is wrong with a set of limits, if anything is.
    pub fn check(&self) -> Result<(), LimitsError> {
        let payload = u64::try_from(self.payload_max).unwrap_or(u64::MAX);
        if payload > self.pending_bytes_max {
            return Err(LimitsError::PayloadAbovePending);
        }
        if self.payload_max > Self::PAYLOAD_CEILING {
            return Err(LimitsError::PayloadTooLarge);
        }
        if !(Self::CONTROL_LINE_FLOOR..=Self::CONTROL_LINE_CEILING).contains(&self.control_line_max)
        {
            return Err(LimitsError::ControlLineRange);
        }
        if self.ping_interval_ns < MILLISECOND {
            return Err(LimitsError::PingInterval);
        }
        if self.write_deadline_ns < MILLISECOND {
            return Err(LimitsError::WriteDeadline);
        }
        Ok(())
    }

    /// Largest `payload_max`: sizes on the wire have nine digits, and nine nines is not sober.
    pub const PAYLOAD_CEILING: usize = 64 * 1024 * 1024;
    /// Smallest `control_line_max` that still lets a client connect.
    pub const CONTROL_LINE_FLOOR: usize = 256;
    /// Largest `control_line_max`: one line must fit into one read beside other work.
    pub const CONTROL_LINE_CEILING: usize = 32 * 1024;
}

/// Why a set of limits cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitsError {
    /// `max_payload` is above `max_pending`: one message would close its receiver.
    PayloadAbovePending,
    /// `max_payload` is above the ceiling.
    PayloadTooLarge,
    /// `max_control_line` is out of range.
    ControlLineRange,
    /// The ping interval is below a millisecond.
    PingInterval,
    /// The write deadline is below a millisecond.
    WriteDeadline,
}

impl fmt::Display for LimitsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PayloadAbovePending => f.write_str(
                "max_payload must not exceed max_pending, or one message would close its receiver",
            ),
            Self::PayloadTooLarge => {
                write!(f, "max_payload must not exceed {} bytes", Limits::PAYLOAD_CEILING)
            }
            Self::ControlLineRange => write!(
                f,
                "max_control_line must lie between {} and {} bytes",
                Limits::CONTROL_LINE_FLOOR,
                Limits::CONTROL_LINE_CEILING
            ),
            Self::PingInterval => f.write_str("ping_interval must be at least 1ms"),
            Self::WriteDeadline => f.write_str("write_deadline must be at least 1ms"),
        }
    }
}

impl std::error::Error for LimitsError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_usable() {
        assert_eq!(Limits::default().check(), Ok(()));
    }

    #[test]
    fn a_message_must_fit_into_one_clients_pending_bytes() {
        let limits = Limits { pending_bytes_max: 1024, ..Limits::default() };
        assert_eq!(limits.check(), Err(LimitsError::PayloadAbovePending));
    }

    #[test]
    fn every_range_has_an_error_that_names_the_option() {
        let cases = [
            (Limits { payload_max: usize::MAX, ..Limits::default() }, "max_payload"),
            (Limits { control_line_max: 1, ..Limits::default() }, "max_control_line"),
            (Limits { ping_interval_ns: 0, ..Limits::default() }, "ping_interval"),
            (Limits { write_deadline_ns: 0, ..Limits::default() }, "write_deadline"),
        ];
        for (limits, word) in cases {
            let text = limits.check().expect_err("must be refused").to_string();
            assert!(text.contains(word), "{text}");
        }
    }
}
