//! What each operation of a client does, one function an operation.
//!
//! Absent: how operations are found in bytes (`intake`) and how messages travel (`route`). Order of
//! checks and texts are nats-server 2.14's; `tests/it/transcripts` holds both to them.

use fanfare_protocol::connect::ConnectOptions;
use fanfare_protocol::error::ProtocolError;
use fanfare_protocol::op::ClientOp;
use fanfare_protocol::subject::{self, Filter};

use super::badge::{Badge, Standing};
use super::choices::Choices;
use super::close::CloseReason;
use super::grants::ResponseGrants;
use super::ids::Slot;
use super::mesh;
use super::message::Body;
use super::shard::Shard;
use super::sids::Sid;
use super::spool::Fixed;
use super::subs::{List, Sub};
use super::wants::Member;

/// What an operation's execution means for the ones behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flow {
    /// Go on with the next.
    Done,
    /// Nothing was done for want of a free batch: try the same one again later.
    Park,
    /// It is done, but the ones behind it wait until it is decided who the client is.
    Wait,
    /// Nothing was done because the client is too fast: try the same one again later.
    Pause,
    /// The client is to be closed.
    Stop,
}

impl Shard {
    /// Executes one operation.
    #[inline]
    pub(crate) fn apply(&mut self, slot: Slot, op: &ClientOp<'_>) -> Flow {
        if self.clients.trace.enabled {
            self.clients.trace_operation(slot, op);
        }
        match op {
            ClientOp::Publish(publish) => {
                self.publish(slot, &publish.line, Body::Copied(publish.framed))
            }
            ClientOp::Subscribe { filter, queue, sid } => self.subscribe(slot, filter, *queue, sid),
            ClientOp::Unsubscribe { sid, max } => self.unsubscribe(slot, sid, *max),
            ClientOp::Ping => self.ping(slot),
            ClientOp::Pong => self.pong(slot),
            ClientOp::Connect(json) => self.connect(slot, json),
            ClientOp::Ignored => Flow::Done,
        }
    }

    /// Tells a client what it did wrong, and marks it when the error ends the connection.
    pub(crate) fn answer(&mut self, slot: Slot, error: &ProtocolError) -> Flow {
        let reason = close_reason(error);
        if reason.is_some() && !self.walks.is_empty() {
            self.catch_up(slot);
        }
        self.clients.push_error(slot, error);
        match reason {
            Some(reason) => {
                self.clients.doom(slot, reason);
                Flow::Stop
            }
            None => Flow::Done,
        }
    }

    /// Ends a connection without a word, as nats-server does for arguments that do not parse.
    pub(crate) fn violation(&mut self, slot: Slot) -> Flow {
        if !self.walks.is_empty() {
            self.catch_up(slot);
        }
        self.clients.doom(slot, CloseReason::ProtocolViolation);
        Flow::Stop
    }

    /// Ends one subscription of a client.
    pub(crate) fn end_subscription(&mut self, slot: Slot, sid: Sid) {
        if !self.walks.is_empty() {
            self.ground().catch_up(slot);
        }
        let Some(sub) = self.clients.get_mut(slot).subs.remove(sid) else { return };
        self.remove_receiver(sub);
    }

    /// Takes the receiver of a subscription that its client has let go off its list.
    pub(crate) fn remove_receiver(&mut self, mut sub: Sub) {
        if !self.walks.is_empty() {
            sub.position = self.make_way(&sub);
        }
        if let Some((client, sid)) = self.interest.remove(sub.list, sub.position) {
            self.clients.get_mut(client).subs.moved(sid, sub.position);
        }
        self.clients.sids.release(sub.sid);
        self.clients.stats.subscriptions -= 1;
    }

    /// Ends the subscriptions that the last delivery finished.
    #[inline]
    pub(crate) fn end_finished(&mut self) {
        while let Some((client, sid)) = self.clients.finished.pop() {
            if let Some(slot) = self.clients.resolve(client) {
                self.end_subscription(slot, sid);
            }
        }
    }

    fn connect(&mut self, slot: Slot, json: &[u8]) -> Flow {
        self.spend(CONNECT_VISITS);
        if !self.walks.is_empty() {
            // In the form that it chose before.
            self.catch_up(slot);
        }
        let before = self.options_before(slot);
        let Ok(options) = before.updated(json) else { return self.violation(slot) };
        let was_somebody =
            self.clients.get(slot).badge.as_ref().is_some_and(|badge| badge.admitted.is_some());
        if self.clients.get(slot).connected || was_somebody {
            // A second CONNECT begins anew, and so does one behind a guest's operations: old
            // subscriptions vanish. One by one, because the end of one may move another of the
            // same client inside their list.
            if let Some(badge) = &mut self.clients.get_mut(slot).badge {
                badge.grants = ResponseGrants::default();
            }
            while let Some(sub) = self.clients.get_mut(slot).subs.pop() {
                self.remove_receiver(sub);
            }
        }
        let listener = self.clients.get(slot).listener.index();
        let has_headers = self.entrances.get(listener).is_none_or(|it| it.info.headers);
        let client = self.clients.get_mut(slot);
        client.connected = true;
        client.choices = Choices {
            verbose: options.verbose,
            pedantic: options.pedantic,
            echo: options.echo,
            headers: options.headers && has_headers,
            no_responders: options.no_responders,
            async_info: options.protocol >= 1,
        };
        if options.account.is_some() || options.new_account {
            return self.answer(slot, &ProtocolError::AuthorizationViolation);
        }
        if self.policy.asks() {
            return self.ask_to_enter(slot, options);
        }
        if self.clients.get(slot).standing != Standing::Bound {
            // It came when somebody was asked, and nobody is any more.
            self.clients.get_mut(slot).standing = Standing::Bound;
            self.set_pace(slot);
            self.refresh_choices(slot);
        }
        self.finish_connect(slot, &options)
    }

    /// What is left of a CONNECT once it is decided who the client is.
    pub(crate) fn finish_connect(&mut self, slot: Slot, options: &ConnectOptions) -> Flow {
        if !matches!(options.protocol, 0 | 1) {
            return self.answer(slot, &ProtocolError::InvalidClientProtocol);
        }
        if options.no_responders && !self.clients.get(slot).choices.headers {
            return self.answer(slot, &ProtocolError::NoRespondersNeedsHeaders);
        }
        self.clients.describe(slot, options);
        self.note_connected(slot);
        self.confirm(slot)
    }

    /// What a CONNECT starts from: defaults, or what an earlier one chose (as nats-server has it).
    fn options_before(&self, slot: Slot) -> ConnectOptions {
        let client = self.clients.get(slot);
        if !client.connected {
            return ConnectOptions::default();
        }
        let choices = client.choices;
        ConnectOptions {
            verbose: choices.verbose,
            pedantic: choices.pedantic,
            echo: choices.echo,
            headers: choices.headers,
            no_responders: choices.no_responders,
            protocol: i64::from(choices.async_info),
            ..ConnectOptions::default()
        }
    }

    fn ping(&mut self, slot: Slot) -> Flow {
        if !self.walks.is_empty() {
            // F3: what was published before stands before the PONG.
            self.catch_up(slot);
        }
        self.clients.push_fixed(slot, Fixed::Pong);
        let now = self.now;
        let client = self.clients.get_mut(slot);
        if client.connected && !client.greeted {
            client.greeted = true;
            if client.rtt_us == 0 {
                // A first guess, as nats-server makes it.
                client.guess_rtt(now);
            }
            if client.choices.async_info {
                // Behind the PONG: several client libraries wait for the PONG alone.
                self.send_info_after_connect(slot);
            }
        }
        Flow::Done
    }

    fn pong(&mut self, slot: Slot) -> Flow {
        let now = self.now;
        let client = self.clients.get_mut(slot);
        if client.pings_out == 1 {
            client.note_ponged(now);
        }
        client.pings_out = 0;
        client.rtt_known = true;
        Flow::Done
    }

    fn subscribe(&mut self, slot: Slot, filter: &[u8], queue: Option<&[u8]>, sid: &[u8]) -> Flow {
        self.spend(SUBSCRIPTION_VISITS);
        if !self.walks.is_empty() {
            // What it is owed may end a subscription, whose sid and place it may have again.
            self.catch_up(slot);
        }
        if let Err(error) = self.may_subscribe(slot, filter, queue) {
            return self.answer(slot, &error);
        }
        let checks = self.clients.get(slot).checks;
        if checks.filtered || checks.ruled {
            let permissions = self.clients.get(slot).badge.as_deref().and_then(Badge::permissions);
            if permissions.is_some_and(|rules| !rules.may_subscribe(filter, queue)) {
                self.clients.stats.subscriptions_refused += 1;
                let (filter, queue) = (filter.to_vec(), queue.map(<[u8]>::to_vec));
                let error = ProtocolError::SubscriptionViolation { filter, queue };
                return self.answer(slot, &error);
            }
        }
        let known = self.clients.sids.find(sid);
        if known.is_some_and(|sid| self.clients.get(slot).subs.find(sid).is_some()) {
            return self.confirm(slot);
        }
        let Some(filter) = Filter::parse(filter) else {
            return self.answer(slot, &ProtocolError::InvalidSubject);
        };
        let text = filter.as_bytes();
        let account = self.clients.get(slot).account;
        let interest = &self.interest;
        if interest.len() >= self.limits.filters_max && !interest.knows(account, text) {
            self.clients.stats.subscriptions_refused += 1;
            return self.answer(slot, &ProtocolError::MaxSubscriptions);
        }
        let peers = self.interest.peers_to_tell(account, text, queue);
        let bytes = text.len() + queue.map_or(0, <[u8]>::len);
        if !self.mesh.has_interest_room(peers, bytes) {
            return Flow::Park;
        }
        let sid = self.clients.sids.intern(sid);
        let member = Member::new(slot, sid);
        let (list, position) = self.interest.add(account, filter, queue, member);
        let seed = self.clients.seed();
        self.clients.get_mut(slot).subs.insert(Sub { sid, position, list }, seed);
        self.clients.stats.subscriptions += 1;
        self.clients.stats.subscriptions_total += 1;
        for peer in mesh::each(peers) {
            self.mesh.stage_change(peer, &self.interest.change(list));
        }
        self.interest.told(list, peers);
        self.confirm(slot)
    }

    fn may_subscribe(
        &mut self,
        slot: Slot,
        filter: &[u8],
        queue: Option<&[u8]>,
    ) -> Result<(), ProtocolError> {
        if queue == Some(RESERVED_QUEUE) {
            let queue = queue.map(<[u8]>::to_vec);
            return Err(ProtocolError::SubscriptionViolation { filter: filter.to_vec(), queue });
        }
        let tokens_max = self.limits.subscription_tokens_max;
        if tokens_max > 0 && subject::token_count(filter) > tokens_max {
            self.clients.stats.subscriptions_refused += 1;
            return Err(ProtocolError::TooManyTokens(filter.to_vec()));
        }
        let client = self.clients.get(slot);
        let of_account = self.policy.accounts.get(client.account).limits.subscriptions_max;
        let of_user = client.badge.as_ref().and_then(|badge| badge.subscriptions_max());
        let most = self.limits.subscriptions_max;
        let has = client.subs.len();
        // As in nats-server an account's limit is one of each of its connections.
        let is_full = of_user.is_some_and(|most| has >= most)
            || of_account.is_some_and(|most| has as u64 >= most);
        if is_full {
            self.clients.stats.subscriptions_refused += 1;
            return Err(ProtocolError::MaxSubscriptions);
        }
        if most > 0 && client.subs.len() >= most {
            self.clients.stats.subscriptions_refused += 1;
            return Err(ProtocolError::MaxSubscriptions);
        }
        Ok(())
    }

    fn unsubscribe(&mut self, slot: Slot, sid: &[u8], max: Option<u64>) -> Flow {
        self.spend(SUBSCRIPTION_VISITS);
        if !self.walks.is_empty() {
            self.catch_up(slot);
        }
        let sub = self
            .clients
            .sids
            .find(sid)
            .and_then(|sid| self.clients.get(slot).subs.find(sid).copied());
        if let Some(sub) = sub {
            let member = self.interest.members_mut(sub.list).get_mut(sub.position as usize);
            debug_assert!(member.is_some(), "a subscription knows its position");
            match (max, member) {
                (Some(max), Some(member)) if member.delivered() < max => member.set_max(max),
                _ => self.end_subscription(slot, sub.sid),
            }
        }
        self.confirm(slot)
    }

    fn confirm(&mut self, slot: Slot) -> Flow {
        if self.clients.get(slot).choices.verbose {
            if !self.walks.is_empty() {
                self.catch_up(slot);
            }
            self.clients.push_fixed(slot, Fixed::Ok);
        }
        Flow::Done
    }

    /// Walks the invariants that bind subscriptions to receivers.
    pub(crate) fn check_subscriptions(&self) {
        let mut receivers = 0;
        for client in self.clients.iter() {
            for sub in client.subs.iter() {
                let members = match sub.list {
                    List::Plain(slot) => self.interest.filter(slot).wants.members(),
                    List::Queue(slot) => self.interest.queue(slot).members.as_slice(),
                };
                let member = members[sub.position as usize];
                assert_eq!((member.client, member.sid), (client.id.slot, sub.sid));
                assert!(!member.is_finished(), "ends at its maximum");
                receivers += 1;
            }
        }
        assert_eq!(self.clients.stats.subscriptions, receivers);
    }
}

fn close_reason(error: &ProtocolError) -> Option<CloseReason> {
    if !error.closes() {
        return None;
    }
    Some(match error {
        ProtocolError::AccountAuthenticationExpired | ProtocolError::UserAuthenticationExpired => {
            CloseReason::AuthenticationExpired
        }
        ProtocolError::AuthenticationTimeout => CloseReason::AuthenticationTimeout,
        ProtocolError::AuthorizationViolation => CloseReason::AuthorizationViolation,
        ProtocolError::MaxConnections | ProtocolError::ConnectionThrottled => {
            CloseReason::MaxConnectionsExceeded
        }
        ProtocolError::MaxControlLine => CloseReason::MaxControlLineExceeded,
        ProtocolError::MaxPayload => CloseReason::MaxPayloadExceeded,
        ProtocolError::NoRespondersNeedsHeaders => CloseReason::NoRespondersRequiresHeaders,
        ProtocolError::StaleConnection => CloseReason::StaleConnection,
        ProtocolError::UserAuthenticationRevoked => CloseReason::CredentialsRevoked,
        _ => CloseReason::ProtocolViolation,
    })
}

/// What a SUB or an UNSUB costs of a turn's budget, in receivers that a message could look at.
const SUBSCRIPTION_VISITS: usize = 16;
/// What a CONNECT costs.
const CONNECT_VISITS: usize = 64;
/// The one queue name that is refused (nats-server keeps it for itself).
const RESERVED_QUEUE: &[u8] = b"_sys_";
