//! How a client gets its account: the first operation, the request, the decision, the expiry.
//!
//! Absent: the decision itself (`auth`), which may be made elsewhere and come late. There is one
//! way in: whoever is bound was admitted by `Authority::decide`, and nothing is executed before.

use std::sync::Arc;

use core::net::IpAddr;

use fanfare_protocol::connect::ConnectOptions;
use fanfare_protocol::error::ProtocolError;
use fanfare_protocol::op::PublishLine;

use super::auth::refusal::{Claimant, Stage};
use super::auth::{
    Admitted, AuthRequest, Callout, ClientFacts, Credentials, Decision, Question, Refusal,
};
use super::badge::{Badge, Standing};
use super::bucket::TokenBucket;
use super::ids::{AccountId, ClientNumber, ConnId, Slot};
use super::legs::Legs;
use super::message::Body;
use super::publish_cache::PublishCache;
use super::responses::{Responses, Waiter};
use super::session::Flow;
use super::shard::Shard;
use super::timer::TimerKind;
use crate::config::Secret;

/// A client that was not let in, for the operator's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The client's number.
    pub number: ClientNumber,
    /// `ip:port` of the peer.
    pub peer: Box<str>,
    /// Who it said it is.
    pub claimant: Claimant,
    /// Why.
    pub refusal: Refusal,
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "authentication error{}: {}", self.claimant, self.refusal)
    }
}

impl Shard {
    /// Whether a client may go on with these bytes, which are the first of an operation.
    pub(crate) fn meets_first_rule(&mut self, slot: Slot, bytes: &[u8]) -> Flow {
        if bytes.first().is_some_and(|byte| byte.eq_ignore_ascii_case(&b'c')) {
            return Flow::Done;
        }
        let request = self.request(slot, &ConnectOptions::default());
        self.ask(slot, request, None)
    }

    /// Asks for a decision about a client that said CONNECT.
    pub(crate) fn ask_to_enter(&mut self, slot: Slot, mut options: ConnectOptions) -> Flow {
        let badge = self.clients.get(slot).badge.as_ref();
        if let Some(cookies) = badge.and_then(|badge| badge.cookies.as_ref()) {
            cookies.fill_in(&mut options);
        }
        let request = self.request(slot, &options);
        self.ask(slot, request, Some(Box::new(options)))
    }

    /// The next question that somebody should decide; the answer goes to
    /// [`Shard::handle_decided`].
    pub(crate) fn poll_question(&mut self) -> Option<(ConnId, Question)> {
        while let Some((id, question)) = self.questions.pop_front() {
            if self.clients.resolve(id).is_some() {
                return Some((id, question));
            }
        }
        None
    }

    /// Takes a question back that nobody had room for. It goes behind the others: there may be
    /// room for those.
    pub(crate) fn handle_undecided(&mut self, id: ConnId, question: Question) {
        self.questions.push_back((id, question));
    }

    /// Asks again about a client that still waits.
    pub(crate) fn ask_again(&mut self, id: ConnId, question: Question) {
        self.questions.push_back((id, question));
    }

    /// Carries out what was decided meanwhile.
    pub(crate) fn carry_out_decisions(&mut self) {
        for (id, decision) in std::mem::take(&mut self.decisions) {
            self.carry_out(id, decision);
        }
    }

    fn carry_out(&mut self, id: ConnId, decision: Decision) {
        let Some(slot) = self.clients.resolve(id) else { return };
        let client = self.clients.get_mut(slot);
        if client.standing != Standing::Waiting || client.closing.is_some() {
            return;
        }
        client.places.parked = false;
        let options = client.badge.as_mut().and_then(|badge| badge.pending.take());
        let decision = match decision {
            // The configuration may have changed since the question, and who is not bound yet was
            // not looked at then.
            Decision::Admit(admitted) => {
                match self.policy.authority.readmit(&admitted, self.wall_ms) {
                    Ok(again) => {
                        let expires_ms = admitted.expires_ms;
                        Decision::Admit(Box::new(Admitted { expires_ms, ..again }))
                    }
                    Err(refusal) => Decision::Refuse(refusal),
                }
            }
            Decision::Refuse(_) | Decision::Ask(_) | Decision::Fetch(_) => decision,
        };
        if self.apply_decision(slot, decision, options) == Flow::Done {
            let rest = std::mem::take(&mut self.clients.get_mut(slot).inbox.rest);
            self.execute(slot, &rest);
            self.ready_again(slot);
        }
    }

    /// Ends a client whose credentials have run out.
    pub(crate) fn expiry_due(&mut self, slot: Slot) {
        let now = self.now;
        let client = self.clients.get_mut(slot);
        client.places.expiry_timer = false;
        // Who waits to be decided about anew is bound again, or leaves.
        if client.closing.is_some() || client.standing != Standing::Bound {
            return;
        }
        if client.badge.as_ref().and_then(|badge| badge.expires).is_some_and(|at| at <= now) {
            self.answer(slot, &ProtocolError::UserAuthenticationExpired);
        } else {
            self.arm_expiry(slot);
        }
    }

    /// Sees to it that a client's expiry is looked at: by one timer, however often the client is
    /// bound. It fires early enough for an expiry that has become nearer meanwhile, so that such
    /// a client is late by [`EXPIRY_LOOK_NS`] at most.
    fn arm_expiry(&mut self, slot: Slot) {
        let soon = self.now.after_ns(EXPIRY_LOOK_NS);
        let client = self.clients.get_mut(slot);
        let Some(at) = client.badge.as_ref().and_then(|badge| badge.expires) else { return };
        if !std::mem::replace(&mut client.places.expiry_timer, true) {
            let id = client.id;
            self.timers.insert(id, TimerKind::Expiry, at.min(soon));
        }
    }

    /// The next client that was not let in.
    pub fn poll_refused(&mut self) -> Option<Refused> {
        self.refused.pop_front()
    }

    /// Binds a client to what was decided about it.
    pub(crate) fn bind(&mut self, slot: Slot, admitted: Box<Admitted>) -> Result<(), Refusal> {
        let account = self.policy.accounts.find(&admitted.account).ok_or(Refusal::Credentials)?;
        let expires = admitted.expires_ms.map(|at| {
            let left_ms = at.saturating_sub(self.wall_ms);
            self.now.after_ns(left_ms.saturating_mul(1_000_000))
        });
        let most = u32::try_from(self.limits.payload_max).unwrap_or(u32::MAX);
        let rate = self.policy.connection_rate;
        let bucket = TokenBucket::new(&rate, most, self.now).map(Box::new);
        let client = self.clients.get_mut(slot);
        client.account = account;
        client.standing = Standing::Bound;
        let badge = client.badge.get_or_insert_default();
        badge.admitted = Some(admitted);
        badge.expires = expires;
        badge.publish_cache = PublishCache::default();
        badge.bucket = bucket;
        self.refresh_choices(slot);
        self.arm_expiry(slot);
        Ok(())
    }

    /// Works out again which checks a client's messages need, from its badge and account.
    pub(crate) fn refresh_choices(&mut self, slot: Slot) {
        let client = self.clients.get(slot);
        let paced = self.is_paced(client.badge.as_deref(), client.account);
        let client = self.clients.get_mut(slot);
        let account = self.policy.accounts.get(client.account);
        let badge = client.badge.as_deref();
        let permissions = badge.and_then(Badge::permissions);
        let payload_max = badge.and_then(Badge::payload_max);
        client.checks.paced = paced;
        client.checks.ruled =
            permissions.is_some() || account.is_special() || payload_max.is_some() || paced;
        client.checks.filtered = permissions
            .is_some_and(|rules| rules.filters_delivery() || rules.responses().is_some());
    }

    /// The account of a client.
    pub(crate) fn account_of(&self, slot: Slot) -> AccountId {
        self.clients.get(slot).account
    }

    fn apply_decision(
        &mut self,
        slot: Slot,
        decision: Decision,
        options: Option<Box<ConnectOptions>>,
    ) -> Flow {
        let claimant = claimant(options.as_deref());
        if let (Decision::Refuse(_), Some(options)) = (&decision, &options)
            && self.hears_system()
        {
            self.clients.describe(slot, options);
        }
        match decision {
            Decision::Admit(admitted) => match self.bind(slot, admitted) {
                Ok(()) => match options {
                    Some(options) => self.finish_connect(slot, &options),
                    None => Flow::Done,
                },
                Err(refusal) => self.refuse_entry(slot, claimant, refusal),
            },
            Decision::Refuse(refusal) => self.refuse_entry(slot, claimant, refusal),
            Decision::Ask(callout) => self.call_out(slot, callout, options),
            // Whoever drives the core fetches accounts, and asks again; who cannot has no more to
            // learn.
            Decision::Fetch(_) => self.refuse_entry(slot, claimant, Refusal::Jwt),
        }
    }

    pub(crate) fn refuse_entry(
        &mut self,
        slot: Slot,
        claimant: Claimant,
        refusal: Refusal,
    ) -> Flow {
        let reason = refusal.close_reason(Stage::Connecting);
        if refusal.error(Stage::Connecting) == ProtocolError::AuthorizationViolation {
            self.note_refused_entry(slot, &claimant, &reason.to_string());
        }
        self.note_refused(slot, claimant, refusal);
        self.clients.push_error(slot, &refusal.error(Stage::Connecting));
        self.clients.doom(slot, reason);
        Flow::Stop
    }

    /// Notes a refusal for the operator's log.
    pub(crate) fn note_refused(&mut self, slot: Slot, claimant: Claimant, refusal: Refusal) {
        let client = self.clients.get(slot);
        if self.refused.len() < REFUSED_MAX {
            let (number, peer) = (client.number, client.peer.clone());
            self.refused.push_back(Refused { number, peer, claimant, refusal });
        }
        self.clients.stats.entries_refused += 1;
    }

    fn ask(
        &mut self,
        slot: Slot,
        request: Box<AuthRequest>,
        options: Option<Box<ConnectOptions>>,
    ) -> Flow {
        let policy = Arc::clone(&self.policy);
        let authority = &policy.authority;
        if authority.is_cheap(&request) && !policy.counts_connections {
            let decision = authority.decide(&request);
            return self.apply_decision(slot, decision, options);
        }
        self.await_decision(slot, options);
        let id = self.clients.get(slot).id;
        self.questions.push_back((id, Question::Enter(request)));
        Flow::Wait
    }

    /// Lets a client wait, unread.
    fn await_decision(&mut self, slot: Slot, options: Option<Box<ConnectOptions>>) {
        let now = self.now;
        let client = self.clients.get_mut(slot);
        let has_waited = std::mem::replace(&mut client.standing, Standing::Waiting);
        client.places.parked = true;
        let badge = client.badge.get_or_insert_default();
        badge.pending = options;
        if has_waited != Standing::Waiting {
            badge.waits_since = now;
        }
        self.arm_entry(slot);
    }

    /// Asks an external service about a client, which waits for the answer.
    fn call_out(
        &mut self,
        slot: Slot,
        callout: Box<Callout>,
        options: Option<Box<ConnectOptions>>,
    ) -> Flow {
        let claimant = claimant(options.as_deref());
        let Some(account) = self.policy.accounts.find(&callout.account) else {
            return self.refuse_entry(slot, claimant, Refusal::Callout);
        };
        let may_ask = self.responses.has_room_for_callout() && self.is_heard(account);
        if !may_ask || !self.expects_answers(account) {
            return self.refuse_entry(slot, claimant, Refusal::Callout);
        }
        let client = self.clients.get(slot).id;
        let mut body = callout.headers.clone();
        let header_len = u32::try_from(body.len()).ok().filter(|length| *length > 0);
        body.extend_from_slice(&callout.payload);
        let total_len = u32::try_from(body.len()).unwrap_or(u32::MAX);
        body.extend_from_slice(b"\r\n");
        let mut reply = Vec::with_capacity(Responses::REPLY_LEN);
        let waiter = Waiter::Entry { client, callout };
        let wait_ns = match self.policy.entry_timeout_ns {
            0 => CALLOUT_NS,
            timeout => timeout,
        };
        let place = self.responses.add(account, waiter, wait_ns, self.now, &mut reply);
        self.arm_sweep();
        let line = PublishLine { subject: CALLOUT_SUBJECT, reply: &reply, header_len, total_len };
        let publisher = self.own_client();
        self.await_decision(slot, options);
        self.clients.get_mut(slot).badge.get_or_insert_default().callout = Some(place);
        if !self.publish_across(publisher, account, &line, Body::Copied(&body)) {
            // All batches towards the service's shard are full of older messages.
            self.end_callout(slot);
            return self.refuse_entry(slot, claimant, Refusal::Callout);
        }
        Flow::Wait
    }

    /// Whether any external service hears questions in an account.
    fn is_heard(&mut self, account: AccountId) -> bool {
        let policy = Arc::clone(&self.policy);
        let mut legs = std::mem::replace(&mut self.legs, Legs::new(0));
        legs.list(&policy.accounts, account, CALLOUT_SUBJECT, b"", &mut self.rng);
        let mut found = Vec::new();
        let is_heard = legs.as_mut_slice().iter().any(|leg| {
            self.interest.matches(leg.account, &leg.subject, &mut found);
            !found.is_empty()
        });
        self.legs = legs;
        is_heard
    }

    /// Waits no more for what an external service says about a client.
    pub(crate) fn end_callout(&mut self, slot: Slot) {
        let client = self.clients.get_mut(slot);
        let id = client.id;
        if let Some(place) = client.badge.as_mut().and_then(|badge| badge.callout.take()) {
            self.responses.end_callout(place, id);
        }
    }

    fn request(&self, slot: Slot, options: &ConnectOptions) -> Box<AuthRequest> {
        let client = self.clients.get(slot);
        let entrance = self.entrances.get(client.listener.index());
        let secret = |text: &Option<Box<str>>| text.as_deref().map(Secret::new);
        Box::new(AuthRequest {
            credentials: Credentials {
                user: options.user.clone(),
                pass: secret(&options.pass),
                token: secret(&options.auth_token),
                nkey: options.nkey.clone(),
                sig: secret(&options.sig),
                jwt: secret(&options.jwt),
                proxy_sig: secret(&options.proxy_sig),
            },
            nonce: client.badge.as_ref().map(|badge| badge.nonce.clone()).unwrap_or_default(),
            address: super::shard::ip_of(&client.peer).parse::<IpAddr>().ok(),
            connection_type: self.way_of(slot),
            map_certificate: entrance.is_some_and(|entrance| entrance.maps_certificates),
            tls: client.tls.clone(),
            wall_ms: self.wall_ms,
            number: client.number.0,
            client: ClientFacts {
                name: options.name.clone(),
                lang: options.lang.clone(),
                version: options.version.clone(),
                protocol: options.protocol,
            },
        })
    }
}

/// Who a client says it is, if it has said anything.
fn claimant(options: Option<&ConnectOptions>) -> Claimant {
    options.map_or(Claimant::Nobody, Claimant::of)
}

/// What external services subscribe to.
const CALLOUT_SUBJECT: &[u8] = b"$SYS.REQ.USER.AUTH";
/// How long an external service's answer is kept a place for where clients may wait for ever.
const CALLOUT_NS: u64 = 60_000_000_000;
/// How long the expiry of a client is not looked at, in nanoseconds, if it is not due before.
const EXPIRY_LOOK_NS: u64 = 60_000_000_000;
/// Refused clients that wait to be logged; more are only counted.
const REFUSED_MAX: usize = 256;

#[cfg(test)]
mod tests;
