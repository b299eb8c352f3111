//! The users of a configuration, ready to be found by name, key or certificate.
//!
//! Absent: deciding (`authority`). A name finds only users with passwords, a key only users with
//! keys; a user who has neither password nor key is reached by certificate alone.

use std::fmt;
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;

use foldhash::quality::FixedState;
use hashbrown::{HashMap, HashTable};

use super::certificate::{self, CertificateName};
use super::dn::Dn;
use super::key::{KeyKind, PublicKey};
use super::password::{Floor, Stored};
use crate::config::access::{ConnectionType, Identity, Rate};
use crate::core::permissions::Permissions;

/// How a user proves who it is.
#[derive(Debug, Clone)]
pub(super) enum Proof {
    /// By this password.
    Password(Stored),
    /// By a certificate that names it, and by nothing else.
    Certificate,
    /// By signing the nonce with this key's seed.
    Key(PublicKey),
}

/// One user.
#[derive(Debug, Clone)]
pub(super) struct User {
    /// Its name or public key.
    pub(super) name: Box<str>,
    pub(super) proof: Proof,
    pub(super) ways: Ways,
    pub(super) proxy_required: bool,
    pub(super) account: Box<str>,
    pub(super) permissions: Option<Arc<Permissions>>,
    pub(super) rate: Rate,
}

impl User {
    /// The user's password, if it has one.
    pub(super) fn password(&self) -> Option<&Stored> {
        match &self.proof {
            Proof::Password(stored) => Some(stored),
            Proof::Certificate | Proof::Key(_) => None,
        }
    }
}

/// Connection types that a user may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ways(u8);

impl Ways {
    /// Those of a list; all if it is empty.
    pub(super) fn new(types: &[ConnectionType]) -> Self {
        if types.is_empty() {
            return Self(u8::MAX);
        }
        Self(types.iter().fold(0, |bits, one| bits | Self::bit(*one)))
    }

    pub(super) fn allow(self, one: ConnectionType) -> bool {
        self.0 & Self::bit(one) != 0
    }

    fn bit(one: ConnectionType) -> u8 {
        match one {
            ConnectionType::Standard => 1,
            ConnectionType::WebSocket => 2,
            ConnectionType::LeafNode => 4,
            ConnectionType::LeafNodeWs => 8,
            ConnectionType::Mqtt => 16,
            ConnectionType::MqttWs => 32,
            ConnectionType::InProcess => 64,
        }
    }
}

/// See the module's head.
pub(super) struct Users {
    list: Vec<User>,
    by_name: Names,
    by_key: Names,
    /// Users whose names are distinguished names, as they are spelled.
    by_subject: HashMap<Dn, Vec<usize>, FixedState>,
    /// The same with their parts reordered.
    by_parts: HashMap<Dn, Vec<usize>, FixedState>,
    /// What every wrong password costs.
    pub(super) floor: Floor,
}

/// Shows how many there are: names are nobody's business, secrets even less.
impl fmt::Debug for Users {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Users").field("count", &self.list.len()).finish_non_exhaustive()
    }
}

impl Users {
    /// A table of nobody.
    pub(super) fn none() -> Self {
        let hasher = || FixedState::with_seed(0);
        Self {
            list: Vec::new(),
            by_name: Names { hasher: hasher(), table: HashTable::new() },
            by_key: Names { hasher: hasher(), table: HashTable::new() },
            by_subject: HashMap::with_hasher(hasher()),
            by_parts: HashMap::with_hasher(hasher()),
            floor: Floor::default(),
        }
    }

    /// A table of users; the name of one that comes twice if there is one.
    pub(super) fn new(users: Vec<User>, seed: u64) -> Result<Self, Box<str>> {
        let hasher = || FixedState::with_seed(seed);
        let mut table = Self {
            by_name: Names { hasher: hasher(), table: HashTable::new() },
            by_key: Names { hasher: hasher(), table: HashTable::new() },
            by_subject: HashMap::with_hasher(hasher()),
            by_parts: HashMap::with_hasher(hasher()),
            floor: Floor::of(users.iter().filter_map(User::password)),
            list: users,
        };
        for (index, user) in table.list.iter().enumerate() {
            let twice = table.by_name.find(&table.list, &user.name).is_some()
                || table.by_key.find(&table.list, &user.name).is_some();
            if twice {
                return Err(user.name.clone());
            }
            match user.proof {
                Proof::Key(_) => table.by_key.insert(&table.list, index),
                Proof::Password(_) | Proof::Certificate => {
                    table.by_name.insert(&table.list, index);
                    if let Some(name) = Dn::parse(&user.name).filter(|name| !name.is_empty()) {
                        table.by_parts.entry(name.reordered()).or_default().push(index);
                        table.by_subject.entry(name).or_default().push(index);
                    }
                }
            }
        }
        Ok(table)
    }

    /// Whether anybody has a name.
    pub(super) fn has_names(&self) -> bool {
        !self.by_name.table.is_empty()
    }

    /// Whether anybody has a key.
    pub(super) fn has_keys(&self) -> bool {
        !self.by_key.table.is_empty()
    }

    /// The user with this name.
    pub(super) fn by_name(&self, name: &str) -> Option<&User> {
        self.by_name.find(&self.list, name)
    }

    /// The user with this key.
    pub(super) fn by_key(&self, key: &str) -> Option<&User> {
        self.by_key.find(&self.list, key)
    }

    /// The user that a certificate, DER, stands for, among those that may connect this way.
    pub(super) fn by_certificate(&self, der: &[u8], way: ConnectionType) -> Option<&User> {
        let allowed = |user: &&User| user.ways.allow(way);
        certificate::names(der).iter().find_map(|name| match name {
            CertificateName::Text(text) => self.by_name(text).filter(allowed),
            CertificateName::Subject(name) => {
                let exact = self.by_subject.get(name).into_iter().flatten();
                let reordered = self.by_parts.get(&name.reordered()).into_iter().flatten();
                let mut found = exact.chain(reordered).filter_map(|index| self.list.get(*index));
                found.find(allowed)
            }
        })
    }
}

/// Places in a list of users, found by the users' names.
struct Names {
    hasher: FixedState,
    table: HashTable<usize>,
}

impl Names {
    fn find<'a>(&self, users: &'a [User], name: &str) -> Option<&'a User> {
        let is_name = |index: &usize| users.get(*index).is_some_and(|user| *user.name == *name);
        let index = self.table.find(hash(&self.hasher, name), is_name)?;
        users.get(*index)
    }

    fn insert(&mut self, users: &[User], index: usize) {
        let hasher = &self.hasher;
        let hash_of = |index: &usize| users.get(*index).map_or(0, |user| hash(hasher, &user.name));
        self.table.insert_unique(hash_of(&index), index, hash_of);
    }
}

fn hash(hasher: &FixedState, name: &str) -> u64 {
    let mut state = hasher.build_hasher();
    state.write(name.as_bytes());
    state.finish()
}

/// How a configured identity is proved; nothing for a public key that is none.
pub(super) fn proof(identity: &Identity, certificate_only: bool) -> Option<Proof> {
    Some(match identity {
        Identity::Password { password, .. } => {
            let stored = password.as_ref().map(Stored::new);
            match stored.filter(|stored| !stored.is_empty()) {
                Some(stored) => Proof::Password(stored),
                None if certificate_only => Proof::Certificate,
                // nats-server lets a user without a password in who presents none.
                None => Proof::Password(Stored::Plain(crate::config::Secret::new(""))),
            }
        }
        Identity::Nkey(key) => Proof::Key(PublicKey::parse(key, KeyKind::User)?),
    })
}

/// A public key of any kind that signs.
pub(super) fn any_key(text: &str) -> Option<PublicKey> {
    let kinds = [KeyKind::Operator, KeyKind::Account, KeyKind::User, KeyKind::Server];
    kinds.into_iter().find_map(|kind| PublicKey::parse(text, kind))
}
