//! What a client was let in with: who it is, what it may do, and what it still waits for.
//!
//! Absent: the decision (`auth`) and what follows from it (`admission`). Only clients that a broker
//! asks for credentials have a badge, and only those whose user has rules are checked by it.

use fanfare_protocol::connect::ConnectOptions;

use super::auth::{Admitted, Cookies};
use super::bucket::TokenBucket;
use super::grants::ResponseGrants;
use super::permissions::Permissions;
use super::publish_cache::PublishCache;
use super::time::Instant;

/// How far a client has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It must say who it is before anything else.
    Stranger,
    /// It has said so, and the decision is not there yet: nothing more is read.
    Waiting,
    /// It is bound to an account.
    Bound,
}

/// See the module's head.
#[derive(Debug, Default)]
pub(crate) struct Badge {
    /// What the client signs.
    pub(crate) nonce: Box<str>,
    /// What stands for what its CONNECT leaves out.
    pub(crate) cookies: Option<Box<Cookies>>,
    /// The CONNECT whose decision is still waited for, if it was a CONNECT that asked.
    pub(crate) pending: Option<Box<ConnectOptions>>,
    /// When it began to wait for a decision.
    pub(crate) waits_since: Instant,
    /// Where an external service's answer about it is waited for.
    pub(crate) callout: Option<usize>,
    /// What was decided last.
    pub(crate) admitted: Option<Box<Admitted>>,
    /// When it must leave.
    pub(crate) expires: Option<Instant>,
    /// Flow of this connection, if it is bounded.
    pub(crate) bucket: Option<Box<TokenBucket>>,
    /// Subjects that it may publish to, as last asked.
    pub(crate) publish_cache: PublishCache,
    /// Replies that it may send because it was asked.
    pub(crate) grants: ResponseGrants,
}

impl Badge {
    /// Subscriptions that its user may have; `None` for as many as anybody.
    pub(crate) fn subscriptions_max(&self) -> Option<usize> {
        let most = self.admitted.as_ref()?.limits.subscriptions_max?;
        Some(most as usize)
    }

    /// Bytes of one message that its user may publish; `None` for as many as anybody.
    pub(crate) fn payload_max(&self) -> Option<u32> {
        self.admitted.as_ref()?.limits.payload_max
    }

    /// What the client may publish and subscribe; `None` for everything.
    pub(crate) fn permissions(&self) -> Option<&Permissions> {
        self.admitted.as_ref()?.permissions.as_deref()
    }
}
