//! The one function that lets a client in, and the tables of a configuration that it decides by.
//!
//! Absent: sockets, threads and waiting; the caller runs what is not cheap away from event loops.
//! No way in skips `Authority::decide`, and nothing but its answer gives rights. The order of
//! methods is nats-server's (`processClientOrLeafAuthentication`).

use std::fmt;
use std::sync::Arc;

use super::delegation::{Delegation, DelegationError, Knowledge, Premises};
use super::key::{PublicKey, parse_signature};
use super::nonce;
use super::password::{Floor, Stored, Work};
use super::simple::{self, Guest, Own};
use super::users::{self, User, Users, Ways};
use super::voucher::{Fingerprint, VouchedBy, Voucher};
use super::{Admitted, AuthRequest, Credentials, Decision, Refusal, UserLimits};
use crate::config::Listener;
use crate::config::access::{self, Access, Account, ConnectionType};
use crate::core::permissions::Permissions;

/// See the module's head. Immutable: a new configuration makes a new one.
#[derive(Debug)]
pub struct Authority {
    pub(super) users: Users,
    pub(super) token: Option<Stored>,
    pub(super) single: Option<(Box<str>, Stored)>,
    /// Whom clients without credentials become.
    pub(super) guest: Option<Guest>,
    /// What WebSocket clients meet instead of these three.
    pub(super) websocket: Option<Own>,
    /// The token and the single user need a trusted proxy.
    pub(super) proxy_required: bool,
    pub(super) trusted_proxies: Vec<PublicKey>,
    /// What everybody in `$G` may do who is in no table.
    pub(super) global_permissions: Option<Arc<Permissions>>,
    pub(super) delegation: Delegation,
    pub(super) seed: u64,
}

/// Why a configuration cannot decide about anybody.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum AuthorityError {
    /// A user comes twice.
    DuplicateUser(Box<str>),
    /// A user's public key is none.
    InvalidUserKey(Box<str>),
    /// A trusted proxy's public key is none.
    InvalidProxyKey(Box<str>),
    /// `no_auth_user` names nobody.
    UnknownNoAuthUser(Box<str>),
    /// Whoever else is to decide cannot.
    Delegation(DelegationError),
}

impl fmt::Display for AuthorityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DuplicateUser(name) => write!(f, "Duplicate user {name:?} detected"),
            Self::InvalidUserKey(key) => write!(f, "Not a valid public nkey for a user: {key:?}"),
            Self::InvalidProxyKey(key) => write!(f, "proxy trusted key {key:?} is invalid"),
            Self::UnknownNoAuthUser(name) => write!(
                f,
                "no_auth_user: {name:?} not present as user or nkey in authorization block or \
                 account configuration"
            ),
            Self::Delegation(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for AuthorityError {}

/// Whether a proxy that is trusted vouched for a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Vouching {
    /// Nobody did, or nobody is trusted.
    Absent,
    /// One did.
    Vouched,
}

/// Whom a request is about, and how that is proved.
#[derive(Debug, Clone, Copy)]
pub(super) enum Claim<'a> {
    /// Everybody is let in.
    Anybody,
    /// The user of clients without credentials.
    Guest(&'a User),
    /// Nobody in particular, without credentials, in `$G`.
    GlobalGuest,
    /// The owner of a key, if it is known.
    Key(&'a str, Option<&'a User>),
    /// A user by name, if there is one.
    Name(&'a str, Option<&'a User>),
    /// The user that the certificate names, if it names one.
    Certificate(Option<&'a User>),
    /// Who knows the token.
    Token(&'a Stored),
    /// The single user, with the name that was presented.
    Single(&'a str, &'a Stored),
    /// Nothing that could be proved.
    Nothing,
}

impl<'a> Claim<'a> {
    /// The user or key that must be proved, whatever else a client calls itself; `None` if it is
    /// nobody in particular.
    pub(super) fn name(self) -> Option<&'a str> {
        match self {
            Self::Guest(user) | Self::Certificate(Some(user)) => Some(&user.name),
            Self::Key(name, _) | Self::Name(name, _) | Self::Single(name, _) => Some(name),
            Self::Anybody
            | Self::GlobalGuest
            | Self::Certificate(None)
            | Self::Token(_)
            | Self::Nothing => None,
        }
    }
}

impl Authority {
    /// Makes a configuration ready to decide; the seed is for its tables.
    pub fn new(
        access: &Access,
        listeners: &[Listener],
        premises: &Premises,
        seed: u64,
    ) -> Result<Self, AuthorityError> {
        let delegation = Delegation::new(access, premises).map_err(AuthorityError::Delegation)?;
        let users = compile_users(access, listeners)?;
        let users = Users::new(users, seed).map_err(AuthorityError::DuplicateUser)?;
        let guest = match simple::guest(access.no_auth_user.as_deref(), &users)? {
            None if has_system_users_only(access) => Some(Guest::Global),
            guest => guest,
        };
        let websocket = match &access.websocket {
            None => None,
            Some(own) => Some(Own {
                token: simple::token(own.token.as_ref()),
                single: simple::single(own.single.as_ref()),
                guest: simple::guest(own.no_auth_user.as_deref(), &users)?,
            }),
        };
        let proxy = |key: &str| {
            users::any_key(key).ok_or_else(|| AuthorityError::InvalidProxyKey(key.into()))
        };
        let proxies = access.trusted_proxies.iter().map(|key| proxy(key));
        Ok(Self {
            users,
            token: simple::token(access.token.as_ref()),
            single: simple::single(access.single.as_ref()),
            guest,
            websocket,
            proxy_required: access.proxy_required,
            trusted_proxies: proxies.collect::<Result<_, _>>()?,
            global_permissions: compile_permissions(None),
            delegation,
            seed,
        })
    }

    /// Whether INFO says that credentials are required.
    ///
    /// With `no_auth_user` it does not, and yet every client must be decided about: only
    /// [`Authority::is_open`] says that nobody need be asked.
    pub fn is_required(&self) -> bool {
        self.delegation.operator.is_some()
            || self.asks() && !matches!(self.guest, Some(Guest::User(_)))
    }

    /// Whether everybody is let in into `$G` without a word.
    pub fn is_open(&self) -> bool {
        self.websocket.is_none() && !self.asks() && self.delegation.operator.is_none()
    }

    /// Whether INFO carries a nonce.
    pub fn wants_nonce(&self) -> bool {
        let delegated = self.delegation.operator.is_some();
        delegated || self.users.has_keys() || !self.trusted_proxies.is_empty()
    }

    /// Whether deciding takes neither a hash nor a signature, so that an event loop may do it.
    pub fn is_cheap(&self, request: &AuthRequest) -> bool {
        if self.delegation.is_busy() {
            return false;
        }
        if request.credentials.proxy_sig.is_some() && !self.trusted_proxies.is_empty() {
            return false;
        }
        if request.map_certificate && self.users.has_names() {
            return false;
        }
        match self.claim(request) {
            Claim::Anybody | Claim::Guest(_) | Claim::GlobalGuest | Claim::Nothing => true,
            Claim::Key(..) | Claim::Certificate(_) => false,
            Claim::Name(..) => self.users.floor.is_free(),
            Claim::Token(stored) | Claim::Single(_, stored) => stored.is_cheap(),
        }
    }

    /// Decides about a client: the only way in, whether it said CONNECT or something else first
    /// (then with empty credentials). Work that [`Authority::is_cheap`] denies may take long.
    pub fn decide(&self, request: &AuthRequest) -> Decision {
        self.decide_counted(request, &mut Work::default())
    }

    /// The same; adds what it cost.
    pub fn decide_counted(&self, request: &AuthRequest, work: &mut Work) -> Decision {
        self.decide_with(request, Knowledge::MayGrow, work)
    }

    /// The same, when nothing more can be learned about accounts: never says [`Decision::Fetch`].
    pub fn decide_finally(&self, request: &AuthRequest, work: &mut Work) -> Decision {
        self.decide_with(request, Knowledge::Final, work)
    }

    /// Whether anybody is asked for anything.
    fn asks(&self) -> bool {
        self.users.has_names()
            || self.users.has_keys()
            || self.token.is_some()
            || self.single.is_some()
            || self.guest.is_some()
    }

    /// Checks a proxy's signature, if there is one and somebody is trusted.
    pub(super) fn vouching(
        &self,
        request: &AuthRequest,
        work: &mut Work,
    ) -> Result<Vouching, Refusal> {
        let Some(signature) = &request.credentials.proxy_sig else { return Ok(Vouching::Absent) };
        if self.trusted_proxies.is_empty() {
            return Ok(Vouching::Absent);
        }
        // Clients may pad, proxies may not, as nats-server has it.
        let signature = Some(signature.expose()).filter(|text| !text.ends_with('='));
        let signature = signature.and_then(parse_signature).ok_or(Refusal::ProxyUntrusted)?;
        let signed = |key: &PublicKey| {
            work.signatures += 1;
            nonce::verify(key, request, &signature)
        };
        let vouched = self.trusted_proxies.iter().any(signed);
        if vouched { Ok(Vouching::Vouched) } else { Err(Refusal::ProxyUntrusted) }
    }

    /// Whom the request is about. Looks things up, and proves nothing.
    pub(super) fn claim<'a>(&'a self, request: &'a AuthRequest) -> Claim<'a> {
        let way = request.connection_type;
        if !self.asks_of(way) {
            return Claim::Anybody;
        }
        let credentials = &request.credentials;
        let simple = self.simple(way);
        let guest = simple.guest.filter(|_| is_anonymous(credentials));
        if self.users.has_keys() {
            match (credentials.nkey.as_deref(), guest) {
                (Some(key), _) => match self.guest_key(key, simple.guest) {
                    Some(user) => return Claim::Guest(user),
                    None => return Claim::Key(key, self.users.by_key(key)),
                },
                (None, Some(Guest::User(name))) => {
                    if let Some(user) = self.users.by_key(name) {
                        return Claim::Guest(user);
                    }
                }
                (None, Some(Guest::Global) | None) => {}
            }
        }
        if self.users.has_names() || matches!(simple.guest, Some(Guest::Global)) {
            if request.map_certificate {
                let chain = request.tls.as_ref().and_then(|tls| tls.chain.first());
                let way = request.connection_type;
                let user = chain.and_then(|first| self.users.by_certificate(first, way));
                return Claim::Certificate(user);
            }
            match (credentials.user.as_deref(), guest) {
                (Some(name), _) => return Claim::Name(name, self.users.by_name(name)),
                (None, Some(Guest::User(name))) => {
                    if let Some(user) = self.users.by_name(name) {
                        return Claim::Guest(user);
                    }
                }
                (None, Some(Guest::Global)) => return Claim::GlobalGuest,
                (None, None) => {}
            }
        }
        match (simple.token, simple.single) {
            (Some(token), _) => Claim::Token(token),
            (None, Some((_, stored))) => match &credentials.user {
                Some(name) => Claim::Single(name, stored),
                None => Claim::Nothing,
            },
            (None, None) => Claim::Nothing,
        }
    }

    /// The user of clients without credentials, if this is its key: who says so need not sign.
    fn guest_key(&self, key: &str, guest: Option<&Guest>) -> Option<&User> {
        match guest {
            Some(Guest::User(name)) if **name == *key => self.users.by_key(key),
            Some(Guest::User(_) | Guest::Global) | None => None,
        }
    }

    pub(super) fn prove(
        &self,
        claim: Claim<'_>,
        request: &AuthRequest,
        vouching: Vouching,
        work: &mut Work,
    ) -> Result<Admitted, Refusal> {
        let credentials = &request.credentials;
        let presented = credentials.pass.as_ref().map_or("", |pass| pass.expose());
        let floor = self.users.floor;
        let way = request.connection_type;
        let proven = |user: &User| {
            let by = VouchedBy::User(Fingerprint::of_user(user, self.seed));
            enter(user, request, vouching, by)
        };
        match claim {
            Claim::Anybody | Claim::GlobalGuest => Ok(self.in_global(None, way, VouchedBy::Nobody)),
            Claim::Guest(user) => {
                // The password of nats-server's guest is compared with itself, which a hash never
                // equals: a guest with a hashed password is let in by neither broker.
                let is_comparable = user.password().is_none_or(Stored::is_cheap);
                let by = VouchedBy::Guest;
                if is_comparable {
                    enter(user, request, vouching, by)
                } else {
                    refuse(Some(user), vouching)
                }
            }
            Claim::Key(text, user) => {
                let signed = nonce::is_signed(text, user, request, work);
                user.filter(|_| signed).map_or(refuse(user, vouching), proven)
            }
            Claim::Name(_, user) => {
                let right = floor.matches(user.and_then(User::password), presented, work);
                user.filter(|_| right).map_or(refuse(user, vouching), proven)
            }
            Claim::Certificate(user) => {
                // The certificate says who; a password that is set must be right all the same.
                let right = match user.and_then(User::password) {
                    Some(stored) => floor.matches(Some(stored), presented, work),
                    None => presented.is_empty(),
                };
                user.filter(|_| right).map_or(refuse(user, vouching), proven)
            }
            Claim::Token(stored) => {
                self.demand_proxy(vouching)?;
                let token = credentials.token.as_ref().map_or("", |token| token.expose());
                let right = Floor::of([stored].into_iter()).matches(Some(stored), token, work);
                let by = VouchedBy::Token(Fingerprint::of_stored(stored, self.seed));
                if right { Ok(self.in_global(None, way, by)) } else { REFUSED }
            }
            Claim::Single(name, stored) => {
                self.demand_proxy(vouching)?;
                let known = self.simple(way).single.is_some_and(|(single, _)| **single == *name);
                let floor = Floor::of([stored].into_iter());
                let right = floor.matches(known.then_some(stored), presented, work);
                let by = VouchedBy::Single(Fingerprint::of_stored(stored, self.seed));
                if right { Ok(self.in_global(Some(name), way, by)) } else { REFUSED }
            }
            Claim::Nothing => REFUSED,
        }
    }

    fn demand_proxy(&self, vouching: Vouching) -> Result<(), Refusal> {
        let missing = self.proxy_required && vouching == Vouching::Absent;
        if missing { Err(Refusal::Proxy) } else { Ok(()) }
    }

    /// What somebody may do who is in no table.
    pub(super) fn in_global(
        &self,
        name: Option<&str>,
        way: ConnectionType,
        by: VouchedBy,
    ) -> Admitted {
        Admitted {
            account: Account::GLOBAL.into(),
            user: name.map(Into::into),
            permissions: self.global_permissions.clone(),
            expires_ms: None,
            limits: UserLimits::default(),
            grant: None,
            voucher: Voucher { way, by },
        }
    }
}

/// Refuses a client, if it is about somebody who needs a proxy for want of it. Whoever could still
/// let it in, as an auth callout could, must not where the proxy is missing, and so this is looked
/// at whatever else was wrong.
fn refuse(user: Option<&User>, vouching: Vouching) -> Result<Admitted, Refusal> {
    match user {
        Some(user) if user.proxy_required && vouching == Vouching::Absent => Err(Refusal::Proxy),
        Some(_) | None => REFUSED,
    }
}

/// Lets in a user who has proved to be it, if it may come this way.
fn enter(
    user: &User,
    request: &AuthRequest,
    vouching: Vouching,
    by: VouchedBy,
) -> Result<Admitted, Refusal> {
    if user.proxy_required && vouching == Vouching::Absent {
        return Err(Refusal::Proxy);
    }
    rights(user, request.connection_type, by)
}

/// What a user may do, if it may come this way.
pub(super) fn rights(user: &User, way: ConnectionType, by: VouchedBy) -> Result<Admitted, Refusal> {
    if !user.ways.allow(way) {
        return Err(Refusal::ConnectionType);
    }
    Ok(Admitted {
        account: user.account.clone(),
        user: Some(user.name.clone()),
        permissions: user.permissions.clone(),
        expires_ms: None,
        limits: UserLimits { rate: user.rate, ..UserLimits::default() },
        grant: None,
        voucher: Voucher { way, by },
    })
}

/// Whether nothing was presented. A JWT is nothing here: nats-server throws it away where there is
/// no operator, and so does a key where no user has one.
fn is_anonymous(credentials: &Credentials) -> bool {
    credentials.user.is_none() && credentials.pass.is_none() && credentials.token.is_none()
}

/// Refused for what was presented.
pub(super) const REFUSED: Result<Admitted, Refusal> = Err(Refusal::Credentials);

/// Whether the file is only about the system account: whoever is not of it then stays where it
/// would be without the file, which must not become "nobody gets in", nor "nobody is asked".
fn has_system_users_only(access: &Access) -> bool {
    let system = access.system_account.as_deref().unwrap_or(Account::SYSTEM);
    let only = matches!(&access.accounts[..], [account] if *account.name == *system);
    only && access.operator.is_none() && !access.authorization_block
}

fn compile_users(access: &Access, listeners: &[Listener]) -> Result<Vec<User>, AuthorityError> {
    let defaults = compile_permissions(access.default_permissions.as_ref());
    let accounts = access
        .accounts
        .iter()
        .map(|account| (&account.name, compile_permissions(account.default_permissions.as_ref())));
    let accounts: hashbrown::HashMap<_, _, foldhash::quality::FixedState> = accounts.collect();
    let compile = |user: &access::User| {
        let ways = Ways::new(&user.connection_types);
        let maps = |listener: &Listener| {
            let maps = listener.tls.as_ref().is_some_and(|tls| tls.verify_and_map);
            maps && ways.allow(listener.connection_type)
        };
        let invalid = || AuthorityError::InvalidUserKey(user.identity.name().into());
        let in_global = *user.account == *Account::GLOBAL;
        let inherited = if in_global { Some(&defaults) } else { accounts.get(&user.account) };
        let permissions = match &user.permissions {
            Some(own) => compile_permissions(Some(own)),
            None => inherited.cloned().flatten(),
        };
        Ok(User {
            name: user.identity.name().into(),
            proof: users::proof(&user.identity, listeners.iter().any(maps)).ok_or_else(invalid)?,
            ways,
            proxy_required: user.proxy_required,
            account: user.account.clone(),
            permissions,
            rate: user.rate,
        })
    };
    access.users.iter().map(compile).collect()
}

/// Makes permissions ready.
fn compile_permissions(written: Option<&access::Permissions>) -> Option<Arc<Permissions>> {
    written.map(|written| Arc::new(Permissions::compile(written)))
}

#[cfg(test)]
mod tests;
