//! A change of the configuration, brought to clients that are already in.
//!
//! Absent: reading configurations. Who would not be let in any more is closed; who stays loses the
//! subscriptions that it may not have any more, and is told of each. A turn looks at a bounded
//! number of clients, and whoever is not looked at yet still has what it had.

use std::sync::Arc;

use fanfare_protocol::error::ProtocolError;

use super::arrival::Entrance;
use super::auth::Refusal;
use super::auth::refusal::{Claimant, Stage};
use super::badge::{Badge, Standing};
use super::close::CloseReason;
use super::ids::Slot;
use super::policy::Policy;
use super::shard::Shard;
use super::sids::Sid;
use super::subs::List;
use super::turn::{Polled, Turn};
use crate::config::Limits;

/// What a changed configuration brings to a shard.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Bounds.
    pub limits: Arc<Limits>,
    /// What is known of each listener, by its number.
    pub entrances: Vec<Entrance>,
    /// Clients and accounts.
    pub policy: Arc<Policy>,
    /// Whether protocol lines are traced, and how much of a message is shown.
    pub trace: Option<usize>,
}

impl Turn<Polled> {
    /// There are more clients than there may be: closes as many.
    pub fn handle_surplus(&mut self, count: usize) {
        self.shard.close_surplus(count);
    }
}

impl Shard {
    /// Swaps a changed configuration in; clients are held to it over the next turns.
    pub(crate) fn apply_settings(&mut self, settings: Settings) {
        self.decode_limits.control_line_max = settings.limits.control_line_max;
        self.decode_limits.payload_max = settings.limits.payload_max;
        self.clients.set_pending_bytes_max(settings.limits.pending_bytes_max);
        self.clients.trace.set(settings.trace.is_some(), settings.trace.unwrap_or(0));
        self.limits = settings.limits;
        self.entrances = settings.entrances;
        self.policy = settings.policy;
        self.paces.clear();
        // Whoever publishes before it is looked at is held to the new accounts, if not yet to the
        // new permissions.
        self.clients.let_all_be_ruled();
        self.review = Some(0);
    }

    /// Closes clients that are too many, whoever stands first.
    fn close_surplus(&mut self, count: usize) {
        let own = self.clients.relays.client;
        let others = self
            .clients
            .iter()
            .filter(|client| Some(client.id.slot) != own && client.closing.is_none());
        let slots: Vec<Slot> = others.take(count).map(|client| client.id.slot).collect();
        for slot in slots {
            self.catch_up(slot);
            self.clients.push_error(slot, &ProtocolError::MaxConnections);
            self.clients.doom(slot, CloseReason::MaxConnectionsExceeded);
        }
        self.settle_closings();
    }

    /// Whether all clients are held to the present configuration.
    pub fn is_reviewed(&self) -> bool {
        self.review.is_none()
    }

    /// Looks at the next clients.
    pub(crate) fn review_clients(&mut self) {
        let Some(from) = self.review else { return };
        let to = from.saturating_add(REVIEWS_PER_TURN).min(self.clients.slots());
        for key in from..to {
            let slot = Slot::from_key(key);
            if self.clients.contains(slot) && self.clients.relays.client != Some(slot) {
                self.review_client(slot);
            }
        }
        self.review = (to < self.clients.slots()).then_some(to);
        self.settle_closings();
    }

    fn review_client(&mut self, slot: Slot) {
        let policy = Arc::clone(&self.policy);
        let is_open = policy.authority.is_open_to(self.way_of(slot));
        let client = self.clients.get_mut(slot);
        if client.closing.is_some() {
            return;
        }
        match client.standing {
            Standing::Bound => {}
            // Nobody is asked any more, so that nobody else would bind it.
            Standing::Stranger if is_open => client.standing = Standing::Bound,
            // It came in while nobody was asked.
            Standing::Stranger if client.connected => {}
            Standing::Stranger | Standing::Waiting => return,
        }
        let client = self.clients.get(slot);
        let admitted = client.badge.as_ref().and_then(|badge| badge.admitted.as_deref());
        let readmitted = match admitted {
            Some(admitted) => policy.authority.readmit(admitted, self.wall_ms),
            None if is_open => {
                self.set_pace(slot);
                self.refresh_choices(slot);
                return;
            }
            None => Err(Refusal::Credentials),
        };
        let before = client.account;
        let bound = readmitted.and_then(|admitted| {
            let same = policy.accounts.find(&admitted.account) == Some(before);
            if same { self.bind(slot, Box::new(admitted)) } else { Err(Refusal::Gone) }
        });
        match bound {
            Ok(()) => self.revoke_subscriptions(slot),
            Err(refusal) => {
                self.catch_up(slot);
                let badge = self.clients.get(slot).badge.as_ref();
                let user = badge.and_then(|badge| badge.admitted.as_ref()?.user.clone());
                let claimant = user.map_or(Claimant::Nobody, Claimant::User);
                self.note_refused(slot, claimant, refusal);
                // Those are closed without a word (`clientHasMovedToDifferentAccount`).
                if refusal != Refusal::Gone {
                    self.clients.push_error(slot, &refusal.error(Stage::Connected));
                }
                self.clients.doom(slot, refusal.close_reason(Stage::Connected));
            }
        }
    }

    /// Ends the subscriptions that a client's permissions do not allow any more.
    fn revoke_subscriptions(&mut self, slot: Slot) {
        let client = self.clients.get(slot);
        let Some(permissions) = client.badge.as_deref().and_then(Badge::permissions) else {
            return;
        };
        let mut revoked: Vec<(Sid, ProtocolError)> = Vec::new();
        for sub in client.subs.iter() {
            let (filter, queue) = match sub.list {
                List::Plain(filter) => (filter, None),
                List::Queue(queue) => {
                    let queue = self.interest.queue(queue);
                    (queue.filter(), Some(self.interest.name(queue.name)))
                }
            };
            let filter = &self.interest.filter(filter).text;
            if !permissions.may_subscribe(filter, queue) {
                let mut digits = [0; 10];
                let sid = self.clients.sids.text(sub.sid, &mut digits);
                let error = ProtocolError::SubscriptionRevoked {
                    filter: filter.to_vec(),
                    sid: sid.to_vec(),
                };
                revoked.push((sub.sid, error));
            }
        }
        for (sid, error) in revoked {
            self.end_subscription(slot, sid);
            self.answer(slot, &error);
        }
    }
}

/// Clients that one turn holds to a changed configuration.
const REVIEWS_PER_TURN: usize = 1000;
