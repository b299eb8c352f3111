//! Requests to the broker itself, on their way out of a shard, and answers on their way back.
//!
//! Absent: what subjects mean (`system`) and most answers, which somebody outside with time makes.
//! A request is met where its message is routed, without a subscription that would count as
//! anybody's. Only so many may be under way, fewer of them for ordinary accounts and few for each,
//! so that tenants keep neither the operator nor each other from asking; who is one too many is
//! told so. In which order they are answered is decided outside.

use std::collections::{BTreeMap, VecDeque};

use fanfare_protocol::error::ProtocolError;
use fanfare_protocol::json::Object;
use fanfare_protocol::op::PublishLine;

use super::ids::{AccountId, ClientNumber, Slot};
use super::legs::Leg;
use super::message::Body;
use super::session::Flow;
use super::shard::Shard;
use super::system::{self, Service};
use super::turn::{Polled, Ticking, Turn};

/// A request that somebody outside is to answer, once, with [`Turn::handle_system_answer`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SystemRequest {
    /// What is asked.
    pub service: Service,
    /// The asker's options: JSON, or nothing.
    pub options: Box<[u8]>,
    /// Where the answer goes.
    pub to: Asker,
}

/// Where an answer goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asker {
    /// The account that asked.
    pub account: AccountId,
    /// The subject that it listens to; empty for an event, whose subject is known.
    pub reply: Box<[u8]>,
}

/// The answer to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SystemAnswer {
    /// From the request.
    pub to: Asker,
    /// What is answered.
    pub content: Content,
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// Nothing: the question was not meant for this server.
    Nothing,
    /// It is done.
    Done,
    /// JSON, behind who says so.
    Data(Vec<u8>),
    /// The load in short, which has a member of its own name.
    Statsz(Vec<u8>),
    /// A text as it is.
    Bare(Vec<u8>),
    /// What accounts of these names use, as JSON objects, for the events about them.
    Connections(Vec<(Box<str>, Vec<u8>)>),
    /// It cannot be answered, or done.
    Failed {
        /// As in HTTP.
        code: u16,
        /// Why.
        why: String,
    },
    /// There is no such thing as was asked for; nats-server says so with data that is `null`.
    Unanswerable(String),
}

/// Something to be done with clients, wherever they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deed {
    /// Close the client with this number.
    Kick(ClientNumber),
    /// Tell the client with this number that it should leave.
    LameDuck(ClientNumber),
}

/// What came of a deed on one shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Met {
    /// The client is not here.
    Nobody,
    /// It is done.
    Done,
    /// It is here, but does not understand, or not yet.
    Unable,
}

impl Met {
    /// What came of it on two shards.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        if self == Self::Nobody { other } else { self }
    }
}

/// Requests and answers of one shard.
#[derive(Debug, Default)]
pub(crate) struct SystemRequests {
    waiting: VecDeque<SystemRequest>,
    /// Requests that are not answered yet, those of ordinary accounts among them, and how many
    /// of each of these.
    open: usize,
    open_to_tenants: usize,
    open_by_tenant: BTreeMap<AccountId, usize>,
    answers: VecDeque<(Asker, Vec<u8>)>,
    /// How many batches had been returned when answers were last published.
    tried_at: Option<u64>,
}

impl SystemRequests {
    pub(crate) fn has_answers(&self) -> bool {
        !self.answers.is_empty()
    }

    /// Whether an account may ask one more question.
    fn may_ask(&self, account: AccountId) -> bool {
        let of_account = || self.open_by_tenant.get(&account).copied().unwrap_or(0);
        self.open < OPEN_MAX
            && (account == AccountId::SYSTEM
                || (self.open_to_tenants < TENANTS_MAX && of_account() < TENANT_MAX))
    }

    fn note_asked(&mut self, account: AccountId) {
        self.open += 1;
        if account != AccountId::SYSTEM {
            self.open_to_tenants += 1;
            *self.open_by_tenant.entry(account).or_default() += 1;
        }
    }

    fn note_answered(&mut self, account: AccountId) {
        self.open = self.open.saturating_sub(1);
        if account == AccountId::SYSTEM {
            return;
        }
        self.open_to_tenants = self.open_to_tenants.saturating_sub(1);
        if let Some(open) = self.open_by_tenant.get_mut(&account) {
            *open = open.saturating_sub(1);
            if *open == 0 {
                self.open_by_tenant.remove(&account);
            }
        }
    }

    /// Whether answers wait that batches at hand may carry.
    pub(crate) fn can_answer(&self, returned: u64) -> bool {
        !self.answers.is_empty() && self.tried_at != Some(returned)
    }
}

impl Turn<Polled> {
    /// Takes the answer to a request of this shard.
    pub fn handle_system_answer(&mut self, answer: SystemAnswer) {
        let requests = &mut self.shard.system;
        requests.note_answered(answer.to.account);
        self.shard.note_answer(answer);
    }

    /// It is time to say how the broker does, if anybody listens.
    pub fn handle_heartbeat(&mut self) {
        self.shard.beat();
    }

    /// Does something with clients of this shard.
    pub fn handle_deed(&mut self, deed: &Deed) -> Met {
        match deed {
            Deed::Kick(number) => self.shard.kick(*number),
            Deed::LameDuck(number) => self.shard.ask_to_leave(*number),
        }
    }
}

impl Turn<Ticking> {
    /// The next request that somebody outside is to answer.
    pub fn poll_system_request(&mut self) -> Option<SystemRequest> {
        self.shard.system.waiting.pop_front()
    }
}

impl Shard {
    /// Publishes a message whose subject begins with `$SYS.`: it may be a request to the broker.
    #[inline(never)]
    pub(crate) fn publish_to_system(
        &mut self,
        slot: Slot,
        line: &PublishLine<'_>,
        body: Body<'_>,
    ) -> Flow {
        let account = self.account_of(slot);
        let checks = self.clients.get(slot).checks;
        let service = self.service(account, line.subject);
        let Some(service) = service.filter(|_| !self.imports(account, line.subject)) else {
            if checks.ruled {
                return self.publish_ruled(slot, line, body);
            }
            return self.publish_in_one(slot, account, line, body);
        };
        if line.total_len as usize > self.payload_max(slot) {
            return self.answer(slot, &ProtocolError::MaxPayload);
        }
        if !self.may_publish(slot, line.subject) {
            return self.refuse_publish(slot, line, line.subject);
        }
        if self.system.answers.len() >= ANSWERS_HELD {
            // Who asks faster than it is answered waits, until the next turn or the next batch.
            self.yielded |= self.system.can_answer(self.mesh.returned());
            return Flow::Park;
        }
        // Whoever watches the account sees the request, too.
        let mut found = Vec::new();
        self.interest.matches(account, line.subject, &mut found);
        if found.is_empty() {
            let choices = self.clients.get(slot).choices;
            self.accept_ruled(slot, line, choices);
        } else {
            let unanswered = PublishLine { reply: b"", ..*line };
            let flow = self.publish_in_one(slot, account, &unanswered, body);
            if flow != Flow::Done {
                return flow;
            }
        }
        self.ask_broker(Some(slot), account, service, line, body);
        Flow::Done
    }

    /// What a request asks that came to the system account from another.
    pub(crate) fn service_of_leg(&self, leg: &Leg) -> Option<Service> {
        let is_asked = leg.account == AccountId::SYSTEM && leg.is_request();
        if !is_asked || !leg.subject.starts_with(PREFIX) {
            return None;
        }
        self.service(leg.account, &leg.subject)
    }

    /// Notes a request, or answers it at once. What expects no answer is not asked for.
    pub(crate) fn ask_broker(
        &mut self,
        slot: Option<Slot>,
        account: AccountId,
        service: Service,
        line: &PublishLine<'_>,
        body: Body<'_>,
    ) {
        let is_broadcast = service == Service::Server(system::Endpoint::Statsz);
        if line.reply.is_empty() && !is_broadcast {
            return;
        }
        let reply: Box<[u8]> = if line.reply.is_empty() {
            self.statsz_subject().into_bytes().into()
        } else {
            line.reply.into()
        };
        let to = Asker { account, reply };
        if service == Service::User {
            let content = match slot {
                Some(slot) => Content::Data(self.user_info(slot)),
                None => Content::Failed { code: 400, why: String::new() },
            };
            self.note_answer(SystemAnswer { to, content });
            return;
        }
        let bytes = body.bytes();
        let header_len = line.header_len.unwrap_or(0) as usize;
        let options = bytes.get(header_len..bytes.len().saturating_sub(2)).unwrap_or(&[]);
        let refused = if options.len() > OPTIONS_MAX {
            Some((413, "request too large"))
        } else {
            (!self.may_ask(account)).then_some((503, "too many requests"))
        };
        if let Some((code, why)) = refused {
            self.clients.stats.system_requests_refused += 1;
            let content = Content::Failed { code, why: why.to_owned() };
            self.note_answer(SystemAnswer { to, content });
            return;
        }
        self.ask_outside(SystemRequest { service, options: options.into(), to });
    }

    /// Publishes answers, as far as batches reach.
    pub(crate) fn publish_answers(&mut self) {
        if self.system.answers.is_empty() {
            return;
        }
        self.system.tried_at = Some(self.mesh.returned());
        while let Some((to, body)) = self.system.answers.pop_front() {
            let total_len = u32::try_from(body.len().saturating_sub(2)).unwrap_or(u32::MAX);
            let line = PublishLine { subject: &to.reply, reply: b"", header_len: None, total_len };
            let publisher = self.own_client();
            if !self.publish_across(publisher, to.account, &line, Body::Copied(&body)) {
                self.system.answers.push_front((to, body));
                return;
            }
        }
    }

    fn service(&self, account: AccountId, subject: &[u8]) -> Option<Service> {
        if account == AccountId::SYSTEM {
            let entrance = self.entrances.first()?;
            let asked = system::asked_by_system(subject, &entrance.info.server_id);
            if asked.is_some() {
                return asked;
            }
        }
        system::asked_by_anyone(subject, self.policy.accounts.get(account).name())
    }

    /// Whether the configuration has an import of its own for a subject.
    fn imports(&self, account: AccountId, subject: &[u8]) -> bool {
        let mut mapped = Vec::new();
        let services = &self.policy.accounts.get(account).services;
        services.iter().any(|service| service.map.to_exported(subject, &mut mapped))
    }

    /// Whether an account may ask one more question.
    pub(crate) fn may_ask(&self, account: AccountId) -> bool {
        self.system.may_ask(account)
    }

    pub(crate) fn ask_outside(&mut self, request: SystemRequest) {
        self.system.note_asked(request.to.account);
        self.clients.stats.system_requests += 1;
        self.system.waiting.push_back(request);
    }

    fn note_answer(&mut self, answer: SystemAnswer) {
        let SystemAnswer { to, content } = answer;
        if to.reply.is_empty() {
            self.note_connections(content);
            return;
        }
        let Some(mut body) = self.render(content) else { return };
        if self.system.answers.len() >= ANSWERS_MAX {
            self.clients.stats.events_dropped += 1;
            return;
        }
        body.extend_from_slice(b"\r\n");
        self.system.tried_at = None;
        self.system.answers.push_back((to, body));
    }

    fn render(&mut self, content: Content) -> Option<Vec<u8>> {
        let mut server = Vec::new();
        self.write_speaker(&mut server);
        let mut out = Vec::new();
        let mut object = Object::begin(&mut out);
        object.raw("server", &server);
        match content {
            Content::Nothing => return None,
            Content::Bare(text) => return Some(text),
            Content::Connections(told) => {
                return told.first().map(|(_, facts)| self.connections_event(facts));
            }
            Content::Done => {}
            Content::Unanswerable(why) => {
                object.raw("data", b"null");
                object.raw("error", &error_json(500, &why));
            }
            Content::Data(json) => object.raw("data", &json),
            Content::Statsz(json) => object.raw("statsz", &json),
            Content::Failed { code, why } => object.raw("error", &error_json(code, &why)),
        }
        object.end();
        Some(out)
    }

    fn statsz_subject(&self) -> String {
        let id = self.entrances.first().map_or("", |entrance| &entrance.info.server_id);
        format!("$SYS.SERVER.{id}.STATSZ")
    }

    fn beat(&mut self) {
        if !self.hears_system() {
            return;
        }
        let subject = self.statsz_subject();
        if self.hears(AccountId::SYSTEM, subject.as_bytes()) && self.may_ask(AccountId::SYSTEM) {
            let reply = subject.into_bytes().into();
            self.ask_outside(SystemRequest {
                service: Service::Server(system::Endpoint::Statsz),
                options: Box::default(),
                to: Asker { account: AccountId::SYSTEM, reply },
            });
        }
    }
}

fn error_json(code: u16, why: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut error = Object::begin(&mut out);
    error.number("code", code.into());
    error.text_if("description", why);
    error.end();
    out
}

/// What subjects of the broker itself begin with.
pub(crate) const PREFIX: &[u8] = b"$SYS.";
/// Bytes of a request's options.
const OPTIONS_MAX: usize = 64 * 1024;
/// Requests of one shard that are not answered yet, those of ordinary accounts among them, and of
/// each of these.
const OPEN_MAX: usize = 256;
const TENANTS_MAX: usize = 64;
const TENANT_MAX: usize = 4;
/// Answers that wait to be published when clients are made to wait, and at most.
const ANSWERS_HELD: usize = 256;
const ANSWERS_MAX: usize = 1024;
