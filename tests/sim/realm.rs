//! The users of one world: accounts that share with one another, permissions, and a policy that
//! the shards are given, which decides at once or when asked for.
//!
//! Absent: what may reach whom (`access_oracle`, by the same description). A mutation gives the
//! shards another policy than the one that the oracle knows.

use std::sync::Arc;

use fanfare::config::Config;
use fanfare::config::Secret;
use fanfare::config::access::{
    Access, Account, Destination, Export, Identity, Import, Mapping, Permissions, ResponseType,
    Rule, Rules, ShareKind, User,
};
use fanfare::core::accounts::Accounts;
use fanfare::core::auth::delegation::Premises;
use fanfare::core::policy::Policy;

use super::access_oracle::{AccessOracle, Arrival, Fate, Member};
use super::dice::Dice;
use super::mutations::Mutation;

/// See the module's head.
#[derive(Debug)]
pub(crate) struct Realm {
    pub(crate) policy: Arc<Policy>,
    oracle: AccessOracle,
    users: Vec<Box<str>>,
}

/// What becomes of a publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Course {
    /// It is refused, by this subject.
    Refused(Vec<u8>),
    /// It goes to all of these.
    Sent(Vec<Arrival>),
}

impl Realm {
    pub(crate) fn draw(dice: &mut Dice, mutation: Mutation) -> Self {
        let access = draw_access(dice);
        let oracle = AccessOracle::new(&access);
        let users = access.users.iter().map(|user| user.identity.name().into()).collect();
        let config = Config { access: mutation.access(access), ..Config::default() };
        let policy = Policy::compile(&config, &Accounts::none(), &Premises::default(), 1)
            .expect("it is consistent");
        // Decisions that are counted are made elsewhere, and come late.
        let policy = Policy { counts_connections: dice.percent(50), ..policy };
        Self { policy: Arc::new(policy), oracle, users }
    }

    /// One of the users.
    pub(crate) fn pick(&self, dice: &mut Dice) -> Box<str> {
        dice.pick(&self.users).clone()
    }

    pub(crate) fn member(&self, user: &str) -> Member {
        self.oracle.member(Some(user))
    }

    pub(crate) fn publish(&self, member: &Member, subject: &[u8]) -> Course {
        let mut fates = self.oracle.publish(member, subject, false);
        assert_eq!(fates.len(), 1, "nothing is left to a draw here");
        match fates.pop() {
            Some(Fate::Refused(subject)) => Course::Refused(subject),
            Some(Fate::Sent(arrivals)) => Course::Sent(arrivals),
            Some(Fate::Lost) | None => Course::Sent(Vec::new()),
        }
    }
}

/// A password that every user has: whether it is right is no question of these worlds.
pub(crate) const PASSWORD: &str = "secret";

fn draw_access(dice: &mut Dice) -> Access {
    let mut accounts: Vec<Account> = ["A", "B", "C"].map(account).into();
    let (mut streams, mut services) = (Vec::new(), Vec::new());
    for (from, to) in [(0, 1), (1, 2), (2, 0)] {
        if dice.percent(60) {
            streams.push((from, to));
            continue;
        }
        if dice.percent(60) {
            services.push((from, to));
        }
    }
    // Three could go in a circle, which is refused where it closes.
    streams.truncate(2);
    services.truncate(2);
    if services.len() > 1 {
        // A message could come to one account by services and by a stream: twice, and rightly so.
        streams.clear();
    }
    for (from, to) in streams {
        let subject = *dice.pick(&["a.>", "a.*", "b", "*.b"]);
        // Under a name of its own, so that nobody hears one message twice.
        let local = if subject == "b" { "from.b".to_owned() } else { format!("from.{subject}") };
        let local = dice.percent(70).then(|| numbered(&local));
        accounts[from].exports.push(export(ShareKind::Stream, subject));
        let name = accounts[from].name.clone();
        accounts[to].imports.push(import(ShareKind::Stream, &name, subject, local));
    }
    for (from, to) in services {
        let (subject, local) = *dice.pick(&[("svc.*", "a.$1"), ("b", "b"), ("svc.x", "a.b")]);
        accounts[from].exports.push(export(ShareKind::Service, subject));
        let name = accounts[from].name.clone();
        let local = Some(local.to_owned());
        accounts[to].imports.push(import(ShareKind::Service, &name, subject, local));
    }
    for account in &mut accounts {
        if dice.percent(30) {
            let to = *dice.pick(&["a.b", "x.y", "svc.x"]);
            account.mappings.push(mapping("b.c", to));
        }
    }
    let mut users = Vec::new();
    for account in &accounts {
        for number in 0..dice.between(1, 2) {
            let name = format!("{}{number}", account.name.to_lowercase());
            users.push(User {
                identity: Identity::Password {
                    name: name.into(),
                    password: Some(Secret::new(PASSWORD)),
                },
                account: account.name.clone(),
                permissions: dice.percent(60).then(|| draw_permissions(dice)),
                connection_types: Vec::new(),
                proxy_required: false,
                rate: fanfare::config::access::Rate::default(),
            });
        }
    }
    Access { accounts, users, ..Access::default() }
}

fn draw_permissions(dice: &mut Dice) -> Permissions {
    Permissions {
        publish: draw_rules(dice, false),
        subscribe: draw_rules(dice, true),
        responses: None,
        no_wildcards: dice.percent(10),
    }
}

fn draw_rules(dice: &mut Dice, groups: bool) -> Rules {
    let rules = |dice: &mut Dice| -> Vec<Rule> {
        let count = dice.between(1, 3);
        (0..count)
            .map(|_| {
                let subject =
                    *dice.pick(&["a.>", "a.*", "a.b", ">", "*.b", "b", "from.>", "svc.*"]);
                let queue = groups && dice.percent(15);
                let queue = queue.then(|| (*dice.pick(&["q", "*", ">"])).into());
                Rule { subject: subject.into(), queue }
            })
            .collect()
    };
    Rules {
        allow: dice.percent(40).then(|| rules(dice)),
        deny: if dice.percent(50) { rules(dice) } else { Vec::new() },
    }
}

fn account(name: &str) -> Account {
    Account { name: name.into(), ..Account::default() }
}

/// `from.a.*` as an import has to write it: `from.a.$1`.
fn numbered(local: &str) -> String {
    let mut number = 0;
    let words = local.split('.').map(|word| {
        if word != "*" {
            return word.to_owned();
        }
        number += 1;
        format!("${number}")
    });
    words.collect::<Vec<_>>().join(".")
}

fn export(kind: ShareKind, subject: &str) -> Export {
    Export {
        kind,
        subject: subject.into(),
        accounts: None,
        token_required: false,
        revocations: Vec::new(),
        response: ResponseType::Singleton,
        response_threshold_ns: None,
        latency: None,
        account_token_position: None,
        allow_trace: false,
    }
}

fn import(kind: ShareKind, account: &str, subject: &str, to: Option<String>) -> Import {
    Import {
        kind,
        account: account.into(),
        subject: subject.into(),
        to: to.map(String::into_boxed_str),
        share: false,
        token: None,
        allow_trace: false,
    }
}

fn mapping(source: &str, to: &str) -> Mapping {
    let destination = Destination { subject: to.into(), weight: 100, cluster: None };
    Mapping { source: source.into(), destinations: vec![destination] }
}
