//! What a listener asks of requests and grants to those that it takes: one value for all of them.
//!
//! Absent: requests. It never changes: a reload makes another one.

use super::session::Budget;
use crate::config::Limits;
use crate::config::websocket::WebSocket;

/// See the module's head.
#[derive(Debug)]
pub(crate) struct Reception {
    pub(super) wishes: WebSocket,
    /// The operator's headers, as they stand in an answer.
    pub(super) headers: Box<str>,
    /// What one packed message may hold, packed or not.
    pub(super) message_max: usize,
    /// The same for a client that has not come in.
    pub(super) first_message_max: usize,
}

impl Reception {
    pub(crate) fn new(wishes: &WebSocket, limits: &Limits) -> Self {
        let lines = wishes.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n"));
        let line_max = limits.control_line_max;
        Self {
            headers: lines.collect::<String>().into(),
            wishes: wishes.clone(),
            message_max: limits.payload_max.saturating_add(line_max) + SLACK,
            first_message_max: line_max.min(limits.payload_max) + SLACK,
        }
    }

    /// What one packed message may hold.
    pub(in crate::io) fn budget(&self, has_entered: bool) -> Budget {
        Budget(if has_entered { self.message_max } else { self.first_message_max })
    }

    /// Time for a request, in nanoseconds.
    pub(crate) fn timeout_ns(&self) -> u64 {
        self.wishes.handshake_timeout_ns
    }
}

/// Small operations that may stand in a message beside the largest one.
const SLACK: usize = 8 * 1024;
