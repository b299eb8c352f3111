//! What can be asked of the broker under `$SYS.REQ.` and `$SYS.DEBUG.`, by subject.
//!
//! Absent: answers (`system_requests` and whoever watches the broker). The system account may ask
//! everything. Another account may ask what nats-server lets every account import, and what it
//! learns is about itself: the account in a question is never what its sender wrote.

use fanfare_protocol::subject::tokens;

/// What a server tells of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endpoint {
    /// Name, address and id.
    Idz,
    /// Load in short.
    Statsz,
    /// Settings and load.
    Varz,
    /// Subscriptions.
    Subsz,
    /// Connections.
    Connz,
    /// Routes.
    Routez,
    /// Gateways.
    Gatewayz,
    /// Leaf nodes.
    Leafz,
    /// Accounts.
    Accountz,
    /// JetStream.
    Jsz,
    /// Health.
    Healthz,
    /// Profiles of a Go program.
    Profilez,
    /// Variables of a Go program.
    Expvarz,
    /// Queues inside nats-server.
    Ipqueuesz,
    /// Raft groups.
    Raftz,
}

impl Endpoint {
    /// All of them, with the word in subjects.
    pub const ALL: [(Self, &'static str); 15] = [
        (Self::Idz, "IDZ"),
        (Self::Statsz, "STATSZ"),
        (Self::Varz, "VARZ"),
        (Self::Subsz, "SUBSZ"),
        (Self::Connz, "CONNZ"),
        (Self::Routez, "ROUTEZ"),
        (Self::Gatewayz, "GATEWAYZ"),
        (Self::Leafz, "LEAFZ"),
        (Self::Accountz, "ACCOUNTZ"),
        (Self::Jsz, "JSZ"),
        (Self::Healthz, "HEALTHZ"),
        (Self::Profilez, "PROFILEZ"),
        (Self::Expvarz, "EXPVARZ"),
        (Self::Ipqueuesz, "IPQUEUESZ"),
        (Self::Raftz, "RAFTZ"),
    ];

    fn named(word: &[u8]) -> Option<Self> {
        Self::ALL.iter().find(|(_, name)| name.as_bytes() == word).map(|(endpoint, _)| *endpoint)
    }
}

/// What a server tells of one account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccountTopic {
    /// Its subscriptions.
    Subsz,
    /// Its connections.
    Connz,
    /// Its leaf nodes.
    Leafz,
    /// Its streams.
    Jsz,
    /// Its configuration.
    Info,
    /// What flows.
    Statz,
    /// How many connections it has.
    Conns,
}

impl AccountTopic {
    const ALL: [(Self, &'static str); 7] = [
        (Self::Subsz, "SUBSZ"),
        (Self::Connz, "CONNZ"),
        (Self::Leafz, "LEAFZ"),
        (Self::Jsz, "JSZ"),
        (Self::Info, "INFO"),
        (Self::Statz, "STATZ"),
        (Self::Conns, "CONNS"),
    ];

    fn named(word: &[u8]) -> Option<Self> {
        Self::ALL.iter().find(|(_, name)| name.as_bytes() == word).map(|(topic, _)| *topic)
    }
}

/// What is asked, or is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Service {
    /// A server's facts.
    Server(Endpoint),
    /// An account's facts.
    Account(AccountTopic, Box<str>),
    /// What flows in all accounts, or those that the request names.
    Accounts,
    /// Who the asking client is. Answered by its shard.
    User,
    /// How many subscribers a subject has in an account.
    Subscribers(Box<str>),
    /// Read the configuration again.
    Reload,
    /// Close a client.
    Kick,
    /// Tell a client that it should leave.
    LameDuck,
    /// How many connections accounts have, for events about them.
    Connections(Box<[Box<str>]>),
}

/// What the system account asks with a subject.
pub(crate) fn asked_by_system(subject: &[u8], server_id: &str) -> Option<Service> {
    let mut words = [&b""[..]; WORDS_MAX];
    let words = split(subject, &mut words)?;
    let text = |word: &[u8]| std::str::from_utf8(word).ok().map(Box::<str>::from);
    match *words {
        [b"REQ", b"SERVER", b"PING"] => Some(Service::Server(Endpoint::Statsz)),
        [b"REQ", b"SERVER", b"PING", word] => Endpoint::named(word).map(Service::Server),
        [b"REQ", b"SERVER", id, word] if id == server_id.as_bytes() => match word {
            b"RELOAD" => Some(Service::Reload),
            b"KICK" => Some(Service::Kick),
            b"LDM" => Some(Service::LameDuck),
            word => Endpoint::named(word).map(Service::Server),
        },
        [b"REQ", b"ACCOUNT", b"PING", b"STATZ"] => Some(Service::Accounts),
        [b"REQ", b"ACCOUNT", name, word] => {
            Some(Service::Account(AccountTopic::named(word)?, text(name)?))
        }
        [b"REQ", b"USER", b"INFO"] => Some(Service::User),
        _ => None,
    }
}

/// What any account asks with a subject, always about itself.
pub(crate) fn asked_by_anyone(subject: &[u8], account: &str) -> Option<Service> {
    let mut words = [&b""[..]; WORDS_MAX];
    let words = split(subject, &mut words)?;
    match *words {
        [b"REQ", b"ACCOUNT" | b"SERVER", b"PING", b"CONNZ"] => {
            Some(Service::Account(AccountTopic::Connz, account.into()))
        }
        [b"REQ", b"ACCOUNT", b"PING", b"STATZ"] => {
            Some(Service::Account(AccountTopic::Statz, account.into()))
        }
        [b"REQ", b"USER", b"INFO"] => Some(Service::User),
        [b"DEBUG", b"SUBSCRIBERS"] => Some(Service::Subscribers(account.into())),
        _ => None,
    }
}

/// The tokens behind `$SYS`, if there are not too many for any question.
fn split<'a, 'w>(subject: &'a [u8], words: &'w mut [&'a [u8]]) -> Option<&'w [&'a [u8]]> {
    let rest = subject.strip_prefix(b"$SYS.")?;
    let mut count = 0;
    for token in tokens(rest) {
        *words.get_mut(count)? = token;
        count += 1;
    }
    words.get(..count)
}

/// Tokens of the longest question.
const WORDS_MAX: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_account_asks_any_server_or_this_one() {
        let asked = |subject: &str| asked_by_system(subject.as_bytes(), "NID");
        assert_eq!(asked("$SYS.REQ.SERVER.PING"), Some(Service::Server(Endpoint::Statsz)));
        for (endpoint, word) in Endpoint::ALL {
            for server in ["PING", "NID"] {
                let subject = format!("$SYS.REQ.SERVER.{server}.{word}");
                assert_eq!(asked(&subject), Some(Service::Server(endpoint)));
            }
            assert_eq!(asked(&format!("$SYS.REQ.SERVER.NOTHER.{word}")), None);
        }
        assert_eq!(asked("$SYS.REQ.SERVER.NID.KICK"), Some(Service::Kick));
        // Nobody closes clients of all servers at once.
        for word in ["KICK", "LDM", "RELOAD", "NONE"] {
            assert_eq!(asked(&format!("$SYS.REQ.SERVER.PING.{word}")), None);
        }
        assert_eq!(asked("$SYS.REQ.ACCOUNT.PING.STATZ"), Some(Service::Accounts));
        let of = |topic| Some(Service::Account(topic, "A".into()));
        assert_eq!(asked("$SYS.REQ.ACCOUNT.A.CONNS"), of(AccountTopic::Conns));
        for other in ["$SYS", "$SYS.", "$SYS.REQ", "x.REQ.SERVER.PING", "$SYS.a.b.c.d.e.f.g"] {
            assert_eq!(asked(other), None, "{other}");
        }
    }

    #[test]
    fn other_accounts_ask_about_themselves_only() {
        let asked = |subject: &str| asked_by_anyone(subject.as_bytes(), "B");
        let of = |topic| Some(Service::Account(topic, "B".into()));
        assert_eq!(asked("$SYS.REQ.ACCOUNT.PING.CONNZ"), of(AccountTopic::Connz));
        assert_eq!(asked("$SYS.REQ.SERVER.PING.CONNZ"), of(AccountTopic::Connz));
        assert_eq!(asked("$SYS.REQ.ACCOUNT.PING.STATZ"), of(AccountTopic::Statz));
        assert_eq!(asked("$SYS.DEBUG.SUBSCRIBERS"), Some(Service::Subscribers("B".into())));
        for subject in [
            "$SYS.REQ.SERVER.PING",
            "$SYS.REQ.SERVER.PING.VARZ",
            "$SYS.REQ.SERVER.NID.KICK",
            "$SYS.REQ.ACCOUNT.A.CONNZ",
            "$SYS.REQ.ACCOUNT.B.CONNZ",
            "$SYS.REQ.CLAIMS.LIST",
        ] {
            assert_eq!(asked(subject), None, "{subject}");
        }
    }
}
