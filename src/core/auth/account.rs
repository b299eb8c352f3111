//! An account as its JWT describes it: checked, and in the broker's own shapes.
//!
//! Absent: whether its issuer is trusted and which of its imports are approved (`operator`), and
//! the account at run time. An account that is wrong in one place is wrong.

use std::collections::BTreeMap;

use fanfare_protocol::subject::Filter;

use super::claims::{AccountLimitsPart, AccountPart, AuthorizationPart, Claims, DestinationPart};
use super::claims::{ScopePart, SigningKey, TracePart};
use super::jwt::{Signed, TimeError, Version};
use super::key::KeyKind;
use super::rights::{self, Wrong, bound};
use super::shares;
use crate::config::access::{Account, AccountLimits, Destination, Mapping, MessageTrace, Rate};

/// An account of an operator.
#[derive(Debug, Clone, PartialEq)]
pub struct OperatorAccount {
    /// Its public key.
    pub key: Box<str>,
    /// The name people gave.
    pub name: Box<str>,
    /// Its tags.
    pub tags: Vec<String>,
    /// The operator's key that signed it.
    pub issuer: Box<str>,
    /// The times at which it holds.
    pub times: Claims<()>,
    /// An external service decides about its users.
    pub callout: Option<AccountCallout>,
    /// Its users' JWTs must be proved by a signature.
    pub bearers_refused: bool,
    /// Keys that sign its users, besides its own, and what they may give.
    signers: BTreeMap<Box<str>, Option<Box<ScopePart>>>,
    /// Users whose JWTs are void when issued at or before the Unix seconds; `*` for all.
    revocations: BTreeMap<Box<str>, i64>,
    /// What the core needs to know, with all imports that it asks for.
    written: Account,
}

/// External authorization of an account's users.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountCallout {
    /// Public keys of users that are let in without being asked about.
    pub auth_users: Vec<Box<str>>,
    /// Accounts that users may be placed in.
    pub allowed: AllowedAccounts,
    /// The service's public key.
    pub xkey: Option<Box<str>>,
}

/// Accounts that users may be placed in, besides the one that asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AllowedAccounts {
    /// All of the operator.
    Any,
    /// These.
    Only(Vec<Box<str>>),
}

/// What a key may do for an account.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Signer<'a> {
    /// Sign any user.
    Full,
    /// Sign users with these rights.
    Scoped(&'a ScopePart),
}

/// Where traces go; nowhere if that is no subject. Beyond its range a share is the whole, as in
/// nats-server.
fn trace(part: TracePart) -> Option<MessageTrace> {
    let is_subject = Filter::parse(part.dest.as_bytes()).is_some_and(Filter::is_literal);
    let share = u8::try_from(part.sampling).ok().filter(|share| (1..100).contains(share));
    is_subject.then(|| MessageTrace { dest: part.dest.into(), sampling: share.unwrap_or(100) })
}

impl OperatorAccount {
    /// Checks what an account's JWT says; `None` when something of it is wrong.
    pub fn new(signed: Signed<AccountPart>) -> Option<Self> {
        let Signed { claims, version } = signed;
        let (key, part) = (claims.subject, claims.nats);
        let signers = signers(part.signing_keys)?;
        let written = Account {
            name: key.as_str().into(),
            display_name: (!claims.name.is_empty()).then(|| claims.name.as_str().into()),
            nkey: Some(key.as_str().into()),
            limits: limits(&part.limits),
            default_permissions: rights::permissions(
                &part.default_permissions.publish,
                &part.default_permissions.subscribe,
                part.default_permissions.responses,
            )
            .ok()?,
            mappings: part.mappings.iter().map(mapping).collect::<Option<_>>()?,
            exports: shares::exports(&part.exports)?,
            imports: shares::imports(&part.imports, &key)?,
            trace: part.trace.and_then(trace),
        };
        within_limits(&part.limits, &written)?;
        Some(Self {
            times: Claims {
                expires_s: claims.expires_s,
                issued_s: claims.issued_s,
                not_before_s: claims.not_before_s,
                ..Claims::default()
            },
            key: key.into(),
            name: claims.name.into(),
            tags: if version == Version::One { claims.old_tags } else { part.tags },
            issuer: claims.issuer.into(),
            callout: callout(part.authorization).ok()?,
            bearers_refused: part.limits.disallow_bearer,
            signers,
            revocations: part.revocations.into_iter().map(|(key, at)| (key.into(), at)).collect(),
            written,
        })
    }

    /// Whether it holds at this Unix time. Unlike a user, an account has expired in its last
    /// second already, as in nats-server.
    pub(super) fn check_times(&self, now_s: i64) -> Result<(), TimeError> {
        if self.times.expires_s != 0 && now_s >= self.times.expires_s {
            return Err(TimeError::Expired);
        }
        self.times.check_times(now_s)
    }

    /// What the core needs to know, with all imports that it asks for.
    pub fn written(&self) -> &Account {
        &self.written
    }

    /// What the key may do for this account, besides its own key.
    pub(super) fn signer(&self, key: &str) -> Option<Signer<'_>> {
        Some(match self.signers.get(key)? {
            None => Signer::Full,
            Some(scope) => Signer::Scoped(scope),
        })
    }

    /// Whether the JWT of a user, issued at the Unix seconds, is revoked.
    pub(super) fn is_revoked(&self, user: &str, issued_s: i64) -> bool {
        let revoked = |key: &str| self.revocations.get(key).is_some_and(|at| *at >= issued_s);
        revoked(user) || revoked("*")
    }
}

fn signers(keys: Vec<SigningKey>) -> Option<BTreeMap<Box<str>, Option<Box<ScopePart>>>> {
    let mut signers = BTreeMap::new();
    for key in keys {
        let (key, scope) = match key {
            SigningKey::Plain(key) => (key, None),
            SigningKey::Scoped(scope) if scope.kind == "user_scope" => {
                (scope.key.clone(), Some(scope))
            }
            SigningKey::Scoped(_) => return None,
        };
        if !KeyKind::Account.is_key(&key) {
            return None;
        }
        // A key that comes twice, with and without a scope, would mean two things.
        if signers.insert(key.into(), scope).is_some() {
            return None;
        }
    }
    Some(signers)
}

fn limits(part: &AccountLimitsPart) -> AccountLimits {
    AccountLimits {
        connections_max: bound(part.conn),
        subscriptions_max: bound(part.subs).map(u64::from),
        payload_max: bound(part.payload),
        leafs_max: bound(part.leaf),
        rate: Rate::default(),
    }
}

/// What the operator allows an account to say about itself.
fn within_limits(part: &AccountLimitsPart, account: &Account) -> Option<()> {
    let fits =
        |count: usize, max: i64| max < 0 || i64::try_from(count).is_ok_and(|count| count <= max);
    if !fits(account.imports.len(), part.imports) || !fits(account.exports.len(), part.exports) {
        return None;
    }
    let literal = |subject: &str| Filter::parse(subject.as_bytes()).is_some_and(Filter::is_literal);
    let wildcards = account.exports.iter().any(|export| !literal(&export.subject));
    (part.exports < 0 || part.wildcards || !wildcards).then_some(())
}

fn mapping((source, destinations): (&String, &Vec<DestinationPart>)) -> Option<Mapping> {
    Filter::parse(source.as_bytes())?;
    let mut total: BTreeMap<&str, u32> = BTreeMap::new();
    let mut found = Vec::with_capacity(destinations.len());
    for part in destinations {
        let weight = if part.weight == 0 { 100 } else { part.weight };
        let total = total.entry(&part.cluster).or_default();
        *total = total.checked_add(u32::from(weight)).filter(|total| *total <= 100)?;
        if !rights::is_subject(&part.subject) {
            return None;
        }
        found.push(Destination {
            subject: part.subject.as_str().into(),
            weight,
            cluster: (!part.cluster.is_empty()).then(|| part.cluster.as_str().into()),
        });
    }
    Some(Mapping { source: source.as_str().into(), destinations: found })
}

/// External authorization; without users that go round it, it is off.
fn callout(part: AuthorizationPart) -> Result<Option<AccountCallout>, Wrong> {
    let users = part.auth_users.iter().all(|user| KeyKind::User.is_key(user));
    let any = part.allowed_accounts == ["*"];
    let accounts = any || part.allowed_accounts.iter().all(|key| KeyKind::Account.is_key(key));
    let xkey = part.xkey.is_empty() || KeyKind::Curve.is_key(&part.xkey);
    let nobody = part.auth_users.is_empty() && !part.allowed_accounts.is_empty();
    if !users || !accounts || !xkey || nobody {
        return Err(Wrong);
    }
    if part.auth_users.is_empty() {
        return Ok(None);
    }
    let own = |list: Vec<String>| list.into_iter().map(String::into_boxed_str).collect();
    Ok(Some(AccountCallout {
        auth_users: own(part.auth_users),
        allowed: if any {
            AllowedAccounts::Any
        } else {
            AllowedAccounts::Only(own(part.allowed_accounts))
        },
        xkey: (!part.xkey.is_empty()).then(|| part.xkey.into()),
    }))
}
