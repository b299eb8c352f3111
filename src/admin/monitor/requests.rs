//! Requests from the system account, and from others about themselves, answered as nats-server
//! answers them.
//!
//! Absent: who may ask what (`core::system`), and the facts, which are the endpoints'. Every
//! request comes to one end, or its shard would count it as under way for ever: what a shard's box
//! has no room for waits here and is tried again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::Monitor;
use super::answer::{Endpoint, Form};
use super::options::Options;
use super::refusal::Refusal;
use crate::core::ids::{AccountId, ClientNumber, ShardId};
use crate::core::report::account::AccountUse;
use crate::core::report::subscribers::SubscriberFilter;
use crate::core::report::{Query, Rows};
use crate::core::system::{self, AccountTopic, Service};
use crate::core::system_requests::{Asker, Content, Deed, Met, SystemAnswer, SystemRequest};
use crate::io::exchange::Mail;

impl Monitor {
    /// Answers one request of a shard.
    pub(super) fn serve_request(&mut self, shard: ShardId, request: SystemRequest) {
        let SystemRequest { service, options, to } = request;
        if service == Service::Reload {
            match self.is_meant(&options) {
                Ok(true) => return self.wish_for_reload(shard, to),
                Ok(false) => {
                    self.send_answer(shard, SystemAnswer { to, content: Content::Nothing });
                }
                Err(refusal) => {
                    let content = failed(refusal.status, refusal.why);
                    self.send_answer(shard, SystemAnswer { to, content });
                }
            }
            return;
        }
        self.begin_asking();
        let content = self.content(&service, &options, to.account != AccountId::SYSTEM);
        self.send_answer(shard, SystemAnswer { to, content });
    }

    /// Tries again to send what found no room.
    pub(super) fn send_waiting_answers(&mut self) {
        for (shard, answer) in std::mem::take(&mut self.unsent) {
            self.send_answer(shard, answer);
        }
    }

    /// How long answers that found no room wait.
    pub(super) fn resend_in(&self) -> Option<Duration> {
        (!self.unsent.is_empty()).then_some(RESEND)
    }

    fn send_answer(&mut self, shard: ShardId, answer: SystemAnswer) {
        let mail = Mail::SystemAnswer(Box::new(answer));
        if let Err(Mail::SystemAnswer(answer)) = self.exchange.send(shard, mail) {
            self.unsent.push((shard, *answer));
        }
    }

    fn content(&mut self, service: &Service, options: &[u8], of_tenant: bool) -> Content {
        match service {
            // Neither reads options, as in nats-server.
            Service::Server(system::Endpoint::Idz) => return Content::Bare(self.idz()),
            Service::Subscribers(account) => return self.subscribers(account, options),
            Service::Connections(names) => return Content::Connections(self.connections(names)),
            _ => {}
        }
        match self.is_meant(options) {
            Ok(true) => {}
            Ok(false) => return Content::Nothing,
            // nats-server says nothing to whoever it does not understand here.
            Err(_) if matches!(service, Service::Kick | Service::LameDuck) => {
                return Content::Nothing;
            }
            Err(refusal) => return failed(refusal.status, refusal.why),
        }
        match service {
            Service::Kick => return self.kick(options),
            Service::LameDuck => return self.ask_to_leave(options),
            _ => {}
        }
        let read = match Options::from_json(options) {
            Ok(read) => Options { of_tenant, ..read },
            Err(refusal) => return failed(refusal.status, refusal.why),
        };
        match service {
            Service::Server(endpoint) => self.of_server(*endpoint, &read),
            Service::Account(topic, name) => self.of_account(*topic, name, read),
            Service::Accounts => self.of_accounts(&read),
            Service::User
            | Service::Kick
            | Service::LameDuck
            | Service::Reload
            | Service::Subscribers(_)
            | Service::Connections(_) => Content::Nothing,
        }
    }

    fn of_server(&mut self, endpoint: system::Endpoint, options: &Options) -> Content {
        let path = match endpoint {
            system::Endpoint::Statsz => return Content::Statsz(self.statsz()),
            system::Endpoint::Idz => return Content::Bare(self.idz()),
            system::Endpoint::Varz => "/varz",
            system::Endpoint::Connz => "/connz",
            system::Endpoint::Healthz => "/healthz",
            system::Endpoint::Routez => "/routez",
            system::Endpoint::Gatewayz => "/gatewayz",
            system::Endpoint::Leafz => "/leafz",
            system::Endpoint::Jsz => "/jsz",
            system::Endpoint::Subsz => "/subsz",
            system::Endpoint::Accountz => "/accountz",
            system::Endpoint::Profilez
            | system::Endpoint::Expvarz
            | system::Endpoint::Ipqueuesz
            | system::Endpoint::Raftz => {
                return failed(501, "this server has nothing of the kind".to_owned());
            }
        };
        self.told(path, options)
    }

    fn told(&mut self, path: &str, options: &Options) -> Content {
        let Some(endpoint) = Endpoint::of_path(path) else {
            return failed(501, "this server has nothing of the kind".to_owned());
        };
        let most = if options.of_tenant { TENANTS_BYTES_MAX } else { BYTES_MAX };
        match self.answer_as(endpoint, options, Form::Dense(most)) {
            Ok(text) => Content::Data(text.into_bytes()),
            Err(refusal) => Content::Unanswerable(refusal.why),
        }
    }

    fn of_account(&mut self, topic: AccountTopic, name: &str, mut options: Options) -> Content {
        // Whatever the request said: who asks about itself must not learn of others.
        name.clone_into(&mut options.account);
        match topic {
            AccountTopic::Connz => self.told("/connz", &options),
            AccountTopic::Subsz => {
                options.subscriptions = true;
                self.told("/subsz", &options)
            }
            AccountTopic::Leafz => self.told("/leafz", &options),
            AccountTopic::Jsz => Content::Unanswerable("jetstream not enabled".to_owned()),
            AccountTopic::Info => self.account_info(&options),
            AccountTopic::Statz => {
                options.accounts = vec![name.to_owned()];
                self.of_accounts(&options)
            }
            AccountTopic::Conns => {
                let account = self.news.policy.accounts.find(name);
                let used = account.and_then(|account| self.uses().get(&account).copied());
                match used.filter(|used| used.clients > 0) {
                    Some(used) => {
                        let tag = account.map(|account| self.name_tag(account)).unwrap_or_default();
                        let json = stat(name, &tag, &used).to_string().into_bytes();
                        Content::Connections(vec![(name.into(), json)])
                    }
                    // As nats-server, which lets servers with connections answer.
                    None => Content::Nothing,
                }
            }
        }
    }

    /// An account's part of `/accountz`.
    fn account_info(&mut self, options: &Options) -> Content {
        match self.told("/accountz", options) {
            Content::Data(json) => {
                let mut read: Value = serde_json::from_slice(&json).unwrap_or_default();
                let detail = read.get_mut("account_detail").map(Value::take).unwrap_or_default();
                Content::Data(detail.to_string().into_bytes())
            }
            other => other,
        }
    }

    fn of_accounts(&mut self, options: &Options) -> Content {
        let used = self.usage().accounts.clone();
        let mut list = Vec::new();
        for (account, used) in &used {
            let name = self.news.policy.accounts.get(*account).name();
            let is_named =
                options.accounts.is_empty() || options.accounts.iter().any(|it| it == name);
            if is_named && (used.clients > 0 || options.unused) {
                list.push(stat(name, &self.name_tag(*account), used));
            }
        }
        if list.is_empty() && !options.unused {
            return Content::Nothing;
        }
        let (server_id, now) = (self.server_id(), self.now_text());
        let data = json!({ "server_id": server_id, "now": now, "account_statz": list });
        Content::Data(data.to_string().into_bytes())
    }

    /// What accounts use, for events.
    fn connections(&mut self, names: &[Box<str>]) -> Vec<(Box<str>, Vec<u8>)> {
        let used = self.uses();
        let of = |name: &str| {
            let account = self.news.policy.accounts.find(name)?;
            let used = used.get(&account).copied().unwrap_or_default();
            Some((
                Box::from(name),
                stat(name, &self.name_tag(account), &used).to_string().into_bytes(),
            ))
        };
        names.iter().filter_map(|name| of(name)).collect()
    }

    fn uses(&mut self) -> BTreeMap<AccountId, AccountUse> {
        let mut sums: BTreeMap<AccountId, AccountUse> = BTreeMap::new();
        let shards = self.shards();
        self.walk(&shards, &|_, from| Query::Accounts { from }, &mut |_, rows| {
            let Rows::Accounts(rows) = rows else { return };
            for (account, used) in rows {
                sums.entry(account).or_default().add(&used);
            }
        });
        sums
    }

    pub(super) fn active_accounts(&mut self) -> usize {
        self.usage().accounts.values().filter(|used| used.clients > 0).count()
    }

    /// Has something done by all shards; says what came of it.
    fn do_everywhere(&mut self, deed: &Deed) -> Met {
        let mut met: Option<Met> = None;
        for rows in self.have_done(deed) {
            if let Rows::Met(one) = rows {
                met = Some(met.map_or(one, |met| met.and(one)));
            }
        }
        met.unwrap_or(Met::Nobody)
    }

    /// Asks the supervisor to read the configuration again; it answers.
    fn wish_for_reload(&mut self, shard: ShardId, to: Asker) {
        if let Err((shard, to)) = self.wishes.wish_for_reload(shard, to) {
            let content = failed(503, "too many requests".to_owned());
            self.send_answer(shard, SystemAnswer { to, content });
        }
    }

    fn idz(&self) -> Vec<u8> {
        let host = self.news.entrances.first().map(|entrance| entrance.info.host.clone());
        let id = json!({ "name": self.server_name(), "host": host, "id": self.server_id() });
        id.to_string().into_bytes()
    }

    fn kick(&mut self, options: &[u8]) -> Content {
        let Some(number) = number(options) else { return Content::Nothing };
        match self.do_everywhere(&Deed::Kick(number)) {
            Met::Nobody => failed(500, "no such client or leafnode id".to_owned()),
            Met::Done | Met::Unable => Content::Done,
        }
    }

    fn ask_to_leave(&mut self, options: &[u8]) -> Content {
        let Some(number) = number(options) else { return Content::Nothing };
        match self.do_everywhere(&Deed::LameDuck(number)) {
            Met::Nobody => failed(500, "no such client id".to_owned()),
            Met::Unable => failed(
                500,
                "client does not support Lame Duck Mode or is not ready to receive the \
                 notification"
                    .to_owned(),
            ),
            Met::Done => Content::Done,
        }
    }

    /// How many subscribers a subject has in an account: a subject, and perhaps a queue group.
    fn subscribers(&mut self, account: &str, options: &[u8]) -> Content {
        let Some(account) = self.news.policy.accounts.find(account) else {
            return Content::Nothing;
        };
        let mut words = options.trim_ascii().split(|byte| *byte == b' ');
        let subject = words.next().unwrap_or_default().into();
        let queue = words.next().map(Box::from);
        let filter = Arc::new(SubscriberFilter { account, subject, queue });
        let shards = self.shards();
        let query = |_, from| Query::Subscribers { from, filter: Arc::clone(&filter) };
        let mut count = 0u64;
        let extent = self.walk(&shards, &query, &mut |_, rows| {
            let Rows::Subscribers(more) = rows else { return };
            count = count.saturating_add(more);
        });
        if extent.is_partial() {
            // A number has no room to say that it is too small.
            return failed(503, "not all subscribers could be counted in time".to_owned());
        }
        Content::Bare(count.to_string().into_bytes())
    }

    /// Whether a request is meant for this server, by the filters in it.
    fn is_meant(&self, options: &[u8]) -> Result<bool, Refusal> {
        if options.trim_ascii().is_empty() {
            return Ok(true);
        }
        let read: Map<String, Value> =
            serde_json::from_slice(options).map_err(|error| Refusal::bad(error.to_string()))?;
        let wrong =
            |name: &str| Refusal::bad(format!("{name}: a value of another kind was expected"));
        let text = |name: &str| match read.get(name) {
            None | Some(Value::Null) => Ok(""),
            Some(value) => value.as_str().ok_or_else(|| wrong(name)),
        };
        let is_exact = match read.get("exact_match") {
            None | Some(Value::Null) => false,
            Some(value) => value.as_bool().ok_or_else(|| wrong("exact_match"))?,
        };
        let info = self.news.entrances.first().map(|entrance| &entrance.info);
        let (name, host) = (self.server_name(), info.map_or("", |info| &info.host));
        let fits = |wanted: &str, is: &str| {
            wanted.is_empty() || if is_exact { wanted == is } else { is.contains(wanted) }
        };
        let tags = match read.get("tags") {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Array(tags)) => tags.iter().map(Value::as_str).collect(),
            Some(_) => return Err(wrong("tags")),
        };
        let has = |tag: Option<&str>| {
            tag.is_some_and(|tag| {
                self.news.policy.tags.iter().any(|own| own.eq_ignore_ascii_case(tag.trim()))
            })
        };
        Ok(fits(text("server_name")?, &name)
            && fits(text("host")?, host)
            && fits(text("cluster")?, "")
            && text("domain")?.is_empty()
            && tags.into_iter().all(has))
    }
}

/// A request's `cid`; nobody has number 0, and who names none means nobody.
fn number(options: &[u8]) -> Option<ClientNumber> {
    let read: Map<String, Value> = serde_json::from_slice(options).ok()?;
    match read.get("cid") {
        None | Some(Value::Null) => Some(ClientNumber(0)),
        Some(value) => value.as_u64().map(ClientNumber),
    }
}

/// What an account uses, in nats-server's words.
fn stat(name: &str, tag: &str, used: &AccountUse) -> Value {
    let flow = |messages: u64, bytes: u64| {
        let none = json!({ "msgs": 0, "bytes": 0 });
        json!({ "msgs": messages, "bytes": bytes, "gateways": none, "routes": none, "leafs": none })
    };
    json!({
        "acc": name,
        "name": tag,
        "conns": used.clients,
        "leafnodes": 0,
        "total_conns": used.clients,
        "num_subscriptions": used.subscriptions,
        "sent": flow(used.messages_out, used.bytes_out),
        "received": flow(used.messages_in, used.bytes_in),
        "slow_consumers": used.slow_consumers,
    })
}

fn failed(code: u16, why: String) -> Content {
    Content::Failed { code, why }
}

/// Bytes of a page that a tenant is told, and anybody.
const TENANTS_BYTES_MAX: usize = 1024 * 1024;
const BYTES_MAX: usize = 64 * 1024 * 1024;
/// How long an answer waits for room in a shard's box.
const RESEND: Duration = Duration::from_millis(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_a_number_or_nobody_is_meant() {
        assert_eq!(number(b"{\"cid\":7}"), Some(ClientNumber(7)));
        assert_eq!(number(b"{}"), Some(ClientNumber(0)));
        for bad in ["", "{", "{\"cid\":\"x\"}", "{\"cid\":-1}", "{\"cid\":1.5}", "[]"] {
            assert_eq!(number(bad.as_bytes()), None, "{bad}");
        }
    }
}
