//! Operator mode: whom to trust, the accounts that are known, and the chain from a client's JWT
//! over its account to an operator.
//!
//! Absent: getting accounts from anywhere (`io::resolver`); what is learned comes in through
//! [`OperatorState::learn`]. A key proves something only through the chain: an account is never
//! trusted for what it says about its issuer, nor a user for what it says about its account.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use chrono_tz::Tz;

use super::account::{OperatorAccount, Signer};
use super::authority::Vouching;
use super::claims::{AccountPart, UserPart};
use super::jwt::{self, JwtError, Signed, TimeError};
use super::key::KeyKind;
use super::shares::{self, Approval, Exporter};
use super::user::User;
use super::{Admitted, AuthRequest, Grant, Refusal};
use crate::config::access::{self, Account, Resolver};

/// Whom to trust, and the accounts that are known.
#[derive(Debug, Clone, PartialEq)]
pub struct OperatorState {
    /// Keys that sign accounts.
    trusted: BTreeSet<Box<str>>,
    /// Those of them whose accounts sign users by signing keys only.
    strict: BTreeSet<Box<str>>,
    system_account: Option<Box<str>>,
    account_server: Option<Box<str>>,
    accounts: BTreeMap<Box<str>, Arc<OperatorAccount>>,
    /// Accounts that clients may come in for; empty for all.
    pinned: BTreeSet<Box<str>>,
    /// The JWT of clients that present none.
    sentinel: Option<Box<str>>,
    zone: Tz,
    fetches: bool,
    /// The JWTs of accounts that were fetched, for another process that could not have them.
    texts: BTreeMap<Box<str>, Box<str>>,
}

/// What operator mode needs to know besides its own part of the configuration.
#[derive(Debug, Clone, Default)]
pub struct Surroundings {
    /// `system_account` of the file.
    pub system_account: Option<Box<str>>,
    /// The version that INFO reports.
    pub version: Box<str>,
    /// The server's time zone, for times of the day without one; UTC when empty or unknown.
    pub zone: Box<str>,
}

/// What is wrong with operator mode as it is configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OperatorError {
    /// An operator JWT, by its place in the file.
    Operator(usize, JwtError),
    /// An operator JWT that another operator signed.
    NotSelfSigned(usize),
    /// A key of an operator is no key.
    OperatorKey(usize),
    /// Operators and `trusted_keys` exclude each other.
    TrustedTwice,
    /// A key that is no public key of its kind.
    Key(Box<str>),
    /// The operator wants a later server.
    Version(Box<str>),
    /// The system account of the file is another than the operators'.
    SystemAccount,
    /// A preloaded JWT, by the key it stands behind.
    Preload(Box<str>, JwtError),
    /// The default sentinel is no user JWT.
    Sentinel(JwtError),
    /// The default sentinel is neither a bearer's nor a scoped user's.
    SentinelProof,
}

impl fmt::Display for OperatorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Operator(place, error) => write!(f, "operator JWT {}: {error}", place + 1),
            Self::NotSelfSigned(place) => {
                write!(f, "operator JWT {}: not signed by the operator itself", place + 1)
            }
            Self::OperatorKey(place) => {
                write!(f, "operator JWT {}: a key in it is not a key of its kind", place + 1)
            }
            Self::TrustedTwice => {
                f.write_str("conflicting options for 'TrustedKeys' and 'TrustedOperators'")
            }
            Self::Key(key) => write!(f, "{key:?} is not a public key of the kind wanted here"),
            Self::Version(version) => write!(f, "the operator expects server version {version}"),
            Self::SystemAccount => {
                f.write_str("system_account in config and operator JWT must be identical")
            }
            Self::Preload(key, error) => write!(f, "preloaded account {key}: {error}"),
            Self::Sentinel(error) => write!(f, "default sentinel JWT not valid: {error}"),
            Self::SentinelProof => f.write_str("default sentinel must be a bearer token"),
        }
    }
}

impl std::error::Error for OperatorError {}

/// Why an account's JWT is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccountError {
    /// It is no JWT of an account.
    Jwt(JwtError),
    /// It is the JWT of another account.
    Subject,
    /// Nobody who is trusted signed it.
    Issuer,
    /// Something that it says is wrong.
    Claims,
    /// There are too many accounts.
    TooMany,
}

impl fmt::Display for AccountError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Jwt(error) => write!(f, "{error}"),
            Self::Subject => f.write_str("the JWT is another account's"),
            Self::Issuer => f.write_str("not signed by a trusted operator"),
            Self::Claims => f.write_str("the account's claims are not in order"),
            Self::TooMany => f.write_str("too many accounts"),
        }
    }
}

impl std::error::Error for AccountError {}

/// An account that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Its key.
    pub account: Box<str>,
    /// Why not.
    pub error: AccountError,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "account {:?}: {}", self.account, self.error)
    }
}

/// What learning an account changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Learned {
    /// It was known like this.
    Same,
    /// It is new, or other than it was.
    Changed,
}

/// The answer to a request in operator mode.
#[derive(Debug, Clone)]
pub enum Verdict {
    /// The client is let in.
    Admit(Box<Admitted>),
    /// It is not.
    Refuse(Refusal),
    /// The account with this key is not known, or expired: get it, and ask again by
    /// [`OperatorState::decide_known`].
    Fetch(Box<str>),
    /// The client would be let in, and its account wants its external service to decide.
    Ask(Box<Referral>),
}

/// A client whose account wants its external service to decide.
#[derive(Debug, Clone)]
pub struct Referral {
    /// The account that asks.
    pub account: Arc<OperatorAccount>,
    /// The user that the client's JWT names.
    pub user: Box<str>,
    /// The name in the JWT.
    pub name: Box<str>,
    /// The tags in the JWT.
    pub tags: Vec<String>,
    /// The JWT itself, which may be the default sentinel.
    pub jwt: crate::config::Secret,
}

impl OperatorState {
    /// Takes over the configuration. Preloaded accounts that cannot be used are told with the
    /// reason and left out; whatever else is wrong is an error.
    pub fn new(
        written: &access::Operator,
        surroundings: &Surroundings,
    ) -> Result<(Self, Vec<Problem>), OperatorError> {
        let operators = super::trust::operators(written, surroundings)?;
        let mut state = Self {
            trusted: operators.trusted,
            strict: operators.strict,
            system_account: operators.system_account,
            account_server: operators.account_server,
            accounts: BTreeMap::new(),
            pinned: written.pinned_accounts.iter().cloned().collect(),
            sentinel: written.default_sentinel.clone(),
            texts: BTreeMap::new(),
            zone: surroundings.zone.parse().unwrap_or(Tz::UTC),
            fetches: false,
        };
        state.fetches = state.resolver_url(written).is_some();
        if !state.pinned.is_empty() {
            // The operator's own account can always come in.
            state.pinned.extend(state.system_account.clone());
        }
        if let Some(key) = state.pinned.iter().find(|key| !KeyKind::Account.is_key(key)) {
            return Err(OperatorError::Key(key.clone()));
        }
        let mut problems = Vec::new();
        for (key, text) in &written.preload {
            jwt::decode::<AccountPart>(text)
                .map_err(|error| OperatorError::Preload(key.clone(), error))?;
            if let Err(error) = state.learn(key, text) {
                problems.push(Problem { account: key.clone(), error });
            }
        }
        Ok((state, problems))
    }

    /// Where accounts are fetched from, if from a web server: the resolver's address, or the one
    /// that a single operator names when the file says nothing about accounts.
    pub fn resolver_url(&self, written: &access::Operator) -> Option<Box<str>> {
        match &written.resolver {
            Resolver::Url(url) => Some(url.clone()),
            Resolver::Memory if written.preload.is_empty() => self.account_server.clone(),
            Resolver::Memory | Resolver::Directory(_) => None,
        }
    }

    /// The system account's key.
    pub fn system_account(&self) -> Option<&str> {
        self.system_account.as_deref()
    }

    /// The account with this key, if it is known.
    pub fn account(&self, key: &str) -> Option<&Arc<OperatorAccount>> {
        self.accounts.get(key)
    }

    /// Takes in an account's JWT. An account that is known stays as it was when the new JWT is not
    /// in order.
    pub fn learn(&mut self, key: &str, text: &str) -> Result<Learned, AccountError> {
        let signed: Signed<AccountPart> = jwt::decode(text.trim()).map_err(AccountError::Jwt)?;
        if signed.claims.subject != key {
            return Err(AccountError::Subject);
        }
        if !self.trusted.contains(&signed.claims.issuer[..]) {
            return Err(AccountError::Issuer);
        }
        let account = OperatorAccount::new(signed).ok_or(AccountError::Claims)?;
        let known = self.accounts.get(key);
        if known.is_some_and(|known| **known == account) {
            return Ok(Learned::Same);
        }
        if known.is_none() && self.accounts.len() >= ACCOUNTS_MAX {
            return Err(AccountError::TooMany);
        }
        self.accounts.insert(key.into(), Arc::new(account));
        if self.fetches {
            self.texts.insert(key.into(), text.trim().into());
        }
        Ok(Learned::Changed)
    }

    /// Takes over the accounts of an earlier state that are not known here and whose signers are
    /// trusted here too.
    pub fn inherit(&mut self, before: &Self) {
        for (key, account) in &before.accounts {
            let trusted = self.trusted.contains(&account.issuer);
            if trusted && self.accounts.len() < ACCOUNTS_MAX {
                self.accounts.entry(key.clone()).or_insert_with(|| Arc::clone(account));
                if let Some(text) = before.texts.get(key) {
                    self.texts.entry(key.clone()).or_insert_with(|| text.clone());
                }
            }
        }
    }

    /// The JWTs of accounts that were fetched, by their keys.
    pub fn texts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.texts.iter().map(|(key, text)| (&**key, &**text))
    }

    /// Forgets an account whose JWT is gone.
    pub fn forget(&mut self, key: &str) -> Learned {
        self.texts.remove(key);
        if self.accounts.remove(key).is_some() { Learned::Changed } else { Learned::Same }
    }

    /// Accounts that known ones import from and that are not known themselves, and the system
    /// account if it is not.
    pub fn missing(&self) -> BTreeSet<&str> {
        let imports = self.accounts.values().flat_map(|account| &account.written().imports);
        let wanted = imports.map(|import| &*import.account).chain(self.system_account.as_deref());
        wanted.filter(|key| KeyKind::Account.is_key(key) && self.account(key).is_none()).collect()
    }

    /// All accounts, as the core needs to know them at this Unix time, with the imports that are
    /// approved, and the Unix time at which that may change by itself.
    ///
    /// An import that has a token here has had it checked: the core need not know what it says.
    pub fn accounts(&self, now_s: i64) -> (Vec<Account>, Option<i64>) {
        let mut change: Option<i64> = None;
        let mut sooner = |at: i64| change = Some(change.map_or(at, |known| known.min(at)));
        let mut found = Vec::with_capacity(self.accounts.len());
        for account in self.accounts.values() {
            let times = [account.times.expires_s, account.times.not_before_s];
            let times = times.into_iter().filter(|at| *at > now_s);
            times.for_each(&mut sooner);
            let mut written = account.written().clone();
            written.imports.retain(|import| match self.approve(import, now_s) {
                Approval::Always => true,
                Approval::Until(at) => {
                    sooner(at);
                    true
                }
                Approval::From(at) => {
                    sooner(at);
                    false
                }
                Approval::Refused => false,
            });
            found.push(written);
        }
        (found, change)
    }

    fn approve(&self, import: &access::Import, now_s: i64) -> Approval {
        let Some(exporter) = self.account(&import.account) else { return Approval::Refused };
        let signs = |key: &str| self.signer(exporter, key).is_some();
        let exports = &exporter.written().exports;
        shares::approve(import, &Exporter { key: &exporter.key, signs: &signs, exports }, now_s)
    }

    /// What a key may sign for an account.
    pub(super) fn signer<'a>(&self, account: &'a OperatorAccount, key: &str) -> Option<Signer<'a>> {
        if key == &*account.key && !self.strict.contains(&account.issuer) {
            return Some(Signer::Full);
        }
        account.signer(key)
    }

    /// Decides about a client. Says [`Verdict::Fetch`] when a resolver may know more.
    pub fn decide(&self, request: &AuthRequest, vouching: Vouching) -> Verdict {
        self.judge(request, vouching, self.fetches)
    }

    /// Decides about a client by what is known.
    pub fn decide_known(&self, request: &AuthRequest, vouching: Vouching) -> Verdict {
        self.judge(request, vouching, false)
    }

    fn judge(&self, request: &AuthRequest, vouching: Vouching, fetches: bool) -> Verdict {
        let (user, text) = match self.user(request, vouching) {
            Ok(found) => found,
            Err(refusal) => return Verdict::Refuse(refusal),
        };
        let now_s = seconds(request.wall_ms);
        let known = self.account(user.account());
        let holds = known.map(|account| account.check_times(now_s));
        let (account, stale) = match (known, holds) {
            (Some(account), Some(Ok(()))) => (account, None),
            (Some(account), Some(Err(error))) => (account, Some(error)),
            _ if fetches => return Verdict::Fetch(user.account().into()),
            _ => return Verdict::Refuse(Refusal::Jwt),
        };
        match stale {
            None => {}
            Some(TimeError::Expired) if fetches => return Verdict::Fetch(account.key.clone()),
            Some(TimeError::Expired) => return Verdict::Refuse(Refusal::AccountExpired),
            Some(TimeError::NotYet) => return Verdict::Refuse(Refusal::Jwt),
        }
        match self.admit(user, account, request, vouching, text) {
            Ok(verdict) => verdict,
            Err(refusal) => Verdict::Refuse(refusal),
        }
    }

    /// The user that a client presents, or the default one, and its JWT.
    fn user<'a>(
        &'a self,
        request: &'a AuthRequest,
        vouching: Vouching,
    ) -> Result<(User, &'a str), Refusal> {
        let presented = request.credentials.jwt.as_ref().map(crate::config::Secret::expose);
        let texts = presented.into_iter().chain(self.sentinel.as_deref());
        // As in nats-server, what is no user JWT at all leaves the way to the sentinel open.
        let mut signed = texts.filter_map(|text| Some((jwt::decode::<UserPart>(text).ok()?, text)));
        let none = if presented.is_some() { Refusal::Jwt } else { Refusal::Credentials };
        let (signed, text) = signed.next().ok_or(none)?;
        let user = User::new(signed, self.zone).ok_or(Refusal::Jwt)?;
        if user.proxy_required() && vouching == Vouching::Absent {
            return Err(Refusal::Proxy);
        }
        user.check_times(seconds(request.wall_ms))?;
        if !self.pinned.is_empty() && !self.pinned.contains(user.account()) {
            return Err(Refusal::Jwt);
        }
        Ok((user, text))
    }

    fn admit(
        &self,
        mut user: User,
        account: &Arc<OperatorAccount>,
        request: &AuthRequest,
        vouching: Vouching,
        text: &str,
    ) -> Result<Verdict, Refusal> {
        let signer = self.signer(account, user.issuer()).ok_or(Refusal::Jwt)?;
        user.scope(signer, account)?;
        if user.proxy_required() && vouching == Vouching::Absent {
            return Err(Refusal::Proxy);
        }
        let admitted = user.admit(account, request)?;
        let asked = account.callout.as_ref();
        if asked.is_some_and(|callout| !callout.auth_users.iter().any(|key| **key == *user.key())) {
            return Ok(Verdict::Ask(Box::new(Referral {
                account: account.clone(),
                user: user.key().into(),
                name: user.name().into(),
                tags: user.tags().to_vec(),
                jwt: crate::config::Secret::new(text),
            })));
        }
        Ok(Verdict::Admit(Box::new(admitted)))
    }

    /// The server's time zone.
    pub(super) fn zone(&self) -> Tz {
        self.zone
    }

    /// Whether a client that was let in may stay, after accounts have changed or time has passed.
    pub fn revisit(&self, grant: &Grant, now_s: i64) -> Result<(), Refusal> {
        let account = self.account(&grant.account.key).ok_or(Refusal::Jwt)?;
        match account.check_times(now_s) {
            Ok(()) => {}
            Err(TimeError::Expired) => return Err(Refusal::AccountExpired),
            Err(TimeError::NotYet) => return Err(Refusal::Jwt),
        }
        if account.is_revoked(&grant.user, grant.issued_s) {
            return Err(Refusal::Revoked);
        }
        // Rights that came from a scope went into the client; another scope is another user.
        let (then, now) =
            (self.signer(&grant.account, &grant.issuer), self.signer(account, &grant.issuer));
        if now.is_some() && then == now { Ok(()) } else { Err(Refusal::Credentials) }
    }
}

/// Unix time in seconds.
pub(crate) fn seconds(wall_ms: u64) -> i64 {
    i64::try_from(wall_ms / 1000).unwrap_or(i64::MAX)
}

/// Accounts that are kept.
const ACCOUNTS_MAX: usize = 65_536;

#[cfg(test)]
pub(super) mod tests;
