//! Who may send and hear what, when users have permissions and accounts share subjects: lists, and
//! linear matching.
//!
//! Absent: any structure or function of the broker's core, time, echo, who is connected, and how
//! subjects change (`access_subjects`). Every answer is a function of what the operator wrote.
//! Where a draw decides, all possible futures are named; one of them must hold as a whole. Imports
//! without activation tokens only; imports that would go in circles must not be among them, but for
//! those of an account from itself.

use fanfare::config::access::{
    Access, Account, Export, Import, Mapping, Permissions, ResponseType, Rule, Rules, ShareKind,
};

use super::access_subjects::{
    Text, ends_wider, is_star_on_rest, narrower, selects, to_exported, to_local, transform, words,
};

/// What one user may do, and where.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    pub(crate) account: usize,
    pub(crate) permissions: Option<Permissions>,
}

/// What a publish can lead to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is refused; the refusal names this subject.
    Refused(Text),
    /// A mapping loses it.
    Lost,
    /// It arrives at all of these.
    Sent(Vec<Arrival>),
}

/// A message in one account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Arrival {
    pub(crate) account: usize,
    pub(crate) subject: Text,
    /// How it came there.
    pub(crate) way: Way,
    /// The services that it went through to the place where its receivers are looked up. Queue
    /// groups of one name at one place are one group, whatever their accounts.
    pub(crate) place: Vec<Hop>,
}

/// How a message came to an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// It was published there.
    Own,
    /// By the import of a stream: its reply is the publisher's.
    Stream,
    /// By the import of a service: it says whose request it is, and its reply is the broker's.
    Service,
}

/// One service on the way of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hop {
    /// The account that asks.
    pub(crate) importer: usize,
    pub(crate) import: usize,
    /// The account that is asked.
    pub(crate) exporter: usize,
    pub(crate) export: usize,
}

/// One delivery to one subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hearing {
    pub(crate) subject: Text,
    pub(crate) way: Way,
    /// With a queue group: one of all members of the group at this place hears it; else this one.
    pub(crate) place: Vec<Hop>,
}

/// Where answers to a request go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AnswerWay {
    /// Accounts in between, where it goes under replies of the broker's making.
    pub(crate) passes: Vec<usize>,
    /// The account of the requester, where it goes under the reply of the request.
    pub(crate) ends: usize,
    /// Only one is passed on.
    pub(crate) once: bool,
}

/// A request that a member was sent.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) reply: Text,
    /// Between which times, in nanoseconds, it was delivered.
    pub(crate) between_ns: (u64, u64),
    /// Answers that the member has published to it since.
    pub(crate) answered: u32,
}

/// Whether a request may be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answering {
    Yes,
    /// It depends on when exactly the request came.
    Perhaps,
    No,
}

/// See the module's head.
#[derive(Debug)]
pub(crate) struct AccessOracle {
    access: Access,
    accounts: Vec<Account>,
}

impl AccessOracle {
    pub(crate) fn new(access: &Access) -> Self {
        let mut accounts = access.accounts.clone();
        if !accounts.iter().any(|account| &*account.name == GLOBAL) {
            accounts.push(Account { name: GLOBAL.into(), ..Account::default() });
        }
        for account in accounts.iter_mut().filter(|account| &*account.name == GLOBAL) {
            account.mappings.extend(access.mappings.iter().cloned());
        }
        Self { access: access.clone(), accounts }
    }

    /// The user of this name; without a name, somebody in `$G` whom nothing binds.
    pub(crate) fn member(&self, user: Option<&str>) -> Member {
        let at = |name: &str| self.accounts.iter().position(|it| &*it.name == name).unwrap();
        let Some(user) = user else { return Member { account: at(GLOBAL), permissions: None } };
        let user = self.access.users.iter().find(|it| it.identity.name() == user).unwrap();
        let account = at(&user.account);
        let by_account = self.accounts[account].default_permissions.as_ref();
        let by_broker = self.access.default_permissions.as_ref();
        let by_broker = by_broker.filter(|_| &*user.account == GLOBAL);
        let permissions = user.permissions.as_ref().or(by_account).or(by_broker).cloned();
        Member { account, permissions }
    }

    /// All that may become of a publish. `answers` says that the subject is a reply which the
    /// member was sent and may still answer.
    pub(crate) fn publish(&self, member: &Member, subject: &[u8], answers: bool) -> Vec<Fate> {
        let mut fates = Vec::new();
        for mapped in self.mapped(member.account, subject) {
            let Some(mapped) = mapped else {
                fates.push(Fate::Lost);
                continue;
            };
            if answers || member.may_publish(&mapped) {
                fates.extend(self.spread(member.account, &mapped, &[]).into_iter().map(Fate::Sent));
            } else {
                fates.push(Fate::Refused(mapped));
            }
        }
        fates
    }

    /// Where an answer to a request that arrived there goes; nothing for what is no service's.
    pub(crate) fn answer_way(&self, arrival: &Arrival) -> Option<AnswerWay> {
        let (first, later) = arrival.place.split_first()?;
        let singleton = |hop: &Hop| {
            self.accounts[hop.exporter].exports[hop.export].response == ResponseType::Singleton
        };
        Some(AnswerWay {
            passes: later.iter().rev().map(|hop| hop.importer).collect(),
            ends: first.importer,
            once: arrival.place.iter().any(singleton),
        })
    }

    /// Where a message goes from one account, in all possible futures.
    fn spread(&self, account: usize, subject: &[u8], place: &[Hop]) -> Vec<Vec<Arrival>> {
        let arrival = |account, subject, way| {
            let place = place.to_vec();
            Arrival { account, subject, way, place }
        };
        let way = if place.is_empty() { Way::Own } else { Way::Service };
        let mut here = vec![arrival(account, subject.to_vec(), way)];
        if place.is_empty() {
            // What a service brought is not exported again.
            for (importer, import) in self.imports(ShareKind::Stream, account) {
                if let Some(local) = to_local(import, subject) {
                    here.push(arrival(importer, local, Way::Stream));
                }
            }
        }
        let mut futures = vec![here];
        for (index, import) in self.accounts[account].imports.iter().enumerate() {
            let Some((exporter, export)) = self.export_of(account, import) else { continue };
            let service = import.kind == ShareKind::Service;
            let Some(asked) = to_exported(import, subject).filter(|_| service) else { continue };
            let again = |hop: &Hop| (hop.exporter, hop.export) == (exporter, export);
            if place.iter().any(again) {
                continue;
            }
            let hop = Hop { importer: account, import: index, exporter, export };
            let place = [place, &[hop]].concat();
            let mut branches = Vec::new();
            for mapped in self.mapped(exporter, &asked) {
                match mapped {
                    Some(mapped) => branches.extend(self.spread(exporter, &mapped, &place)),
                    None => branches.push(Vec::new()),
                }
            }
            let with = |future: &Vec<Arrival>| -> Vec<Vec<Arrival>> {
                branches.iter().map(|branch| [&future[..], branch].concat()).collect()
            };
            futures = futures.iter().flat_map(with).collect();
        }
        futures
    }

    /// The satisfied imports of one kind from an account, with the accounts that import.
    fn imports(&self, kind: ShareKind, from: usize) -> impl Iterator<Item = (usize, &Import)> {
        let all = self.accounts.iter().enumerate();
        let all = all.flat_map(|(n, account)| account.imports.iter().map(move |it| (n, it)));
        all.filter(move |(importer, import)| {
            let exporter = self.export_of(*importer, import).map(|(exporter, _)| exporter);
            import.kind == kind && exporter == Some(from)
        })
    }

    /// The export that an import may use: of the same text, or the narrowest that selects it.
    fn export_of(&self, importer: usize, import: &Import) -> Option<(usize, usize)> {
        let exporter = self.accounts.iter().position(|account| account.name == import.account)?;
        let exports = &self.accounts[exporter].exports;
        let wanted = import.subject.as_bytes();
        let fits = |export: &Export| {
            let pattern = export.subject.as_bytes();
            export.kind == import.kind
                && (pattern == wanted || selects(pattern, wanted) && !ends_wider(pattern, wanted))
        };
        let mut best: Option<&Export> = None;
        for export in exports.iter().filter(|export| fits(export)) {
            let exact = export.subject == import.subject;
            if best.is_none_or(|old| exact || narrower(&export.subject, &old.subject)) {
                best = Some(export);
            }
        }
        // All exports of this subject are one, as private as the most private of them.
        let (subject, name) = (&best?.subject, &self.accounts[importer].name);
        let same = exports.iter().enumerate();
        let same =
            same.filter(|(_, export)| export.kind == import.kind && export.subject == *subject);
        let mut open = None;
        let mut private = false;
        for (index, export) in same {
            let list = export.accounts.as_ref().filter(|list| !list.is_empty());
            let allowed = match export.account_token_position {
                Some(position) => words(wanted).nth(position as usize - 1) == Some(name.as_bytes()),
                None => list.is_none_or(|list| list.contains(name)) && !export.token_required,
            };
            let is_private =
                list.is_some() || export.token_required || export.account_token_position.is_some();
            if is_private && !private {
                (open, private) = (None, true);
            }
            if is_private == private && allowed && open.is_none() {
                open = Some(index);
            }
        }
        open.map(|index| (exporter, index))
    }

    /// What an account's mappings may make of a subject; nothing where they lose it.
    fn mapped(&self, account: usize, subject: &[u8]) -> Vec<Option<Text>> {
        let mut best: Option<&Mapping> = None;
        for mapping in &self.accounts[account].mappings {
            let source = mapping.source.as_bytes();
            if !selects(source, subject) || words(source).zip(words(subject)).any(is_star_on_rest) {
                continue;
            }
            let replaces = |old: &Mapping| {
                old.source == mapping.source || narrower(&mapping.source, &old.source)
            };
            if best.is_none_or(replaces) {
                best = Some(mapping);
            }
        }
        let Some(mapping) = best else { return vec![Some(subject.to_vec())] };
        let counted = || mapping.destinations.iter().filter(|it| it.cluster.is_none());
        let mut futures = Vec::new();
        for destination in counted().filter(|destination| destination.weight > 0) {
            futures.extend(transform(mapping, &destination.subject, subject).into_iter().map(Some));
        }
        let total: u32 = counted().map(|destination| u32::from(destination.weight)).sum();
        if total < 100 {
            let lossy = mapping.destinations.iter().any(|it| it.subject == mapping.source);
            futures.push((!lossy).then(|| subject.to_vec()));
        }
        futures
    }
}

impl Member {
    /// Whether a subscription is accepted.
    pub(crate) fn accepts(&self, filter: &[u8], queue: Option<&[u8]>) -> bool {
        let wild = words(filter).any(|word| word == b"*" || word == b">");
        let literal_only = self.permissions.as_ref().is_some_and(|it| it.no_wildcards);
        // Rules are laid upon a filter's text as upon a subject's.
        !(wild && literal_only) && self.may_receive(filter, queue)
    }

    /// The deliveries to one accepted subscription when a message arrives at all these.
    pub(crate) fn hears(
        &self,
        arrivals: &[Arrival],
        filter: &[u8],
        queue: Option<&[u8]>,
    ) -> Vec<Hearing> {
        let here = arrivals.iter().filter(|arrival| arrival.account == self.account);
        let heard = here.filter(|arrival| {
            selects(filter, &arrival.subject) && self.may_receive(&arrival.subject, queue)
        });
        let hearing = |arrival: &Arrival| Hearing {
            subject: arrival.subject.clone(),
            way: arrival.way,
            place: arrival.place.clone(),
        };
        heard.map(hearing).collect()
    }

    /// Whether the subject may be published to, whatever was asked.
    pub(crate) fn may_publish(&self, subject: &[u8]) -> bool {
        let Some(permissions) = &self.permissions else { return true };
        let Rules { allow, deny } = &permissions.publish;
        let hit = |rule: &Rule| selects(rule.subject.as_bytes(), subject);
        let allowed = match allow {
            Some(rules) => rules.iter().any(|rule| rule.queue.is_none() && hit(rule)),
            None => permissions.responses.is_none(),
        };
        allowed && !deny.iter().any(hit)
    }

    /// Whether the subject may be published to because it is the reply of a request that the
    /// member was sent; of several requests with one reply the last one counts.
    pub(crate) fn may_answer(&self, asked: &[Asked], subject: &[u8], now_ns: u64) -> Answering {
        let grant = self.permissions.as_ref().and_then(|permissions| permissions.responses);
        let last = asked.iter().rev().find(|asked| asked.reply == subject);
        let (Some(grant), Some(asked)) = (grant, last) else { return Answering::No };
        let in_time =
            |since: u64| grant.expires_ns.is_none_or(|ns| now_ns <= since.saturating_add(ns));
        if grant.max.is_some_and(|max| asked.answered >= max) || !in_time(asked.between_ns.1) {
            Answering::No
        } else if in_time(asked.between_ns.0) {
            Answering::Yes
        } else {
            Answering::Perhaps
        }
    }

    /// Whether what a subscription selects may be delivered.
    pub(crate) fn may_receive(&self, subject: &[u8], queue: Option<&[u8]>) -> bool {
        let Some(permissions) = &self.permissions else { return true };
        let Rules { allow, deny } = &permissions.subscribe;
        let hit = |rule: &&Rule| selects(rule.subject.as_bytes(), subject);
        let named = |rule: &Rule| match (rule.queue.as_deref(), queue) {
            (Some(rule), Some(queue)) => {
                let (rule, wider) = (rule.as_bytes(), ends_wider(rule.as_bytes(), queue));
                rule == queue || selects(rule, queue) && !wider
            }
            _ => false,
        };
        let plain = |rule: &Rule| rule.queue.is_none();
        let allowed = allow.as_ref().is_none_or(|rules| {
            let about_groups = rules.iter().filter(hit).any(|rule| rule.queue.is_some());
            if about_groups && queue.is_some() {
                rules.iter().filter(hit).any(named)
            } else {
                rules.iter().filter(hit).any(plain)
            }
        });
        allowed && !deny.iter().filter(hit).any(|rule| plain(rule) || named(rule))
    }
}

const GLOBAL: &str = "$G";
