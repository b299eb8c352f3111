//! A user as its JWT describes it, and whether it may come in: the last link of the chain.
//!
//! Absent: which account it belongs to and who may sign for that (`operator`). All times are
//! absolute ones that were signed; what is compared with them comes with the request.

use std::sync::Arc;

use chrono_tz::Tz;

use super::account::{OperatorAccount, Signer};
use super::claims::{Claims, UserPart};
use super::jwt::{Signed, TimeError, Version};
use super::key::KeyKind;
use super::network::Network;
use super::nonce;
use super::password::Work;
use super::rights::{self, Wrong, bound};
use super::schedule::{Presence, Schedule};
use super::template::{self, Facts};
use super::voucher::{VouchedBy, Voucher};
use super::{Admitted, AuthRequest, Grant, Refusal, UserLimits};
use crate::config::access::{self, Rate};
use crate::core::permissions::Permissions;

/// A user of an operator's account.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct User {
    claims: Claims<UserPart>,
    /// What it may do: of its JWT, or of the scope of the key that signed it.
    rights: UserPart,
    account: String,
    zone: Tz,
}

impl User {
    /// Checks the shape of what a user's JWT says.
    pub(super) fn new(signed: Signed<UserPart>, zone: Tz) -> Option<Self> {
        let Signed { mut claims, version } = signed;
        if version == Version::One {
            let part = &mut claims.nats;
            part.tags = std::mem::take(&mut claims.old_tags);
            part.issuer_account = std::mem::take(&mut claims.old_issuer_account);
            // Version 1 left out what it did not bound.
            part.subs = part.subs.or(Some(-1));
            part.payload = part.payload.or(Some(-1));
        }
        let named = &claims.nats.issuer_account;
        if !named.is_empty() && !KeyKind::Account.is_key(named) {
            return None;
        }
        let account = if named.is_empty() { claims.issuer.clone() } else { named.clone() };
        let user = Self { rights: claims.nats.clone(), account, claims, zone };
        let _ = (user.permissions().ok()?, user.networks()?, user.schedule()?);
        Some(user)
    }

    /// Its public key.
    pub(super) fn key(&self) -> &str {
        &self.claims.subject
    }

    /// The name people gave.
    pub(super) fn name(&self) -> &str {
        &self.claims.name
    }

    /// The key of its account.
    pub(super) fn account(&self) -> &str {
        &self.account
    }

    /// The key that signed it.
    pub(super) fn issuer(&self) -> &str {
        &self.claims.issuer
    }

    /// The account that the issuer signed for, if it said one.
    pub(super) fn issuer_account(&self) -> Option<&str> {
        Some(&self.claims.nats.issuer_account[..]).filter(|account| !account.is_empty())
    }

    /// For whom.
    pub(super) fn audience(&self) -> &str {
        &self.claims.audience
    }

    /// When its JWT expires, Unix time in milliseconds.
    pub(super) fn expires_ms(&self) -> Option<u64> {
        self.claims.expires_ms()
    }

    /// Its tags.
    pub(super) fn tags(&self) -> &[String] {
        &self.claims.nats.tags
    }

    /// A trusted proxy must vouch for its connections.
    pub(super) fn proxy_required(&self) -> bool {
        self.rights.proxy_required || self.claims.nats.proxy_required
    }

    /// Its bearer needs no signature.
    pub(super) fn is_bearer(&self) -> bool {
        self.rights.bearer_token
    }

    /// Whether its JWT says nothing of rights and bounds, as one signed by a scoped key must.
    pub(super) fn has_no_rights(&self) -> bool {
        let part = &self.claims.nats;
        let zero = |number: Option<i64>| number.unwrap_or(0) == 0;
        let silent = UserPart {
            issuer_account: part.issuer_account.clone(),
            tags: part.tags.clone(),
            subs: part.subs,
            data: part.data,
            payload: part.payload,
            ..UserPart::default()
        };
        *part == silent && zero(part.subs) && zero(part.data) && zero(part.payload)
    }

    /// Whether its JWT holds at this Unix time.
    pub(super) fn check_times(&self, now_s: i64) -> Result<(), Refusal> {
        self.claims.check_times(now_s).map_err(|error| match error {
            TimeError::Expired => Refusal::Expired,
            TimeError::NotYet => Refusal::Jwt,
        })
    }

    /// Takes its rights from the scope of the key that signed it, if that has one.
    pub(super) fn scope(
        &mut self,
        signer: Signer<'_>,
        account: &OperatorAccount,
    ) -> Result<(), Refusal> {
        let Signer::Scoped(scope) = signer else { return Ok(()) };
        if !self.has_no_rights() {
            return Err(Refusal::Jwt);
        }
        let facts = Facts {
            name: &self.claims.name,
            subject: &self.claims.subject,
            account_name: &account.name,
            account_subject: &self.claims.nats.issuer_account,
            tags: &self.claims.nats.tags,
            account_tags: &account.tags,
        };
        let mut rights = template::fill(&scope.template, &facts).ok_or(Refusal::Jwt)?;
        // A scope bounds only what it names.
        rights.subs = rights.subs.or(Some(-1));
        rights.payload = rights.payload.or(Some(-1));
        self.rights = rights;
        Ok(())
    }

    /// Lets the user in, or says why not. The issuer's right to sign is known by now.
    pub(super) fn admit(
        &self,
        account: &Arc<OperatorAccount>,
        request: &AuthRequest,
    ) -> Result<Admitted, Refusal> {
        if self.is_bearer() && account.bearers_refused {
            return Err(Refusal::Jwt);
        }
        self.check_way(request)?;
        if !self.is_bearer() {
            self.check_nonce(request)?;
        }
        if account.is_revoked(self.key(), self.claims.issued_s) {
            return Err(Refusal::Revoked);
        }
        let until = self.check_place(request)?;
        let permissions = self.permissions().map_err(|Wrong| Refusal::Jwt)?;
        let permissions = permissions.or_else(|| account.written().default_permissions.clone());
        Ok(Admitted {
            account: account.key.clone(),
            user: Some(self.key().into()),
            permissions: permissions.map(|written| Arc::new(Permissions::compile(&written))),
            expires_ms: self.claims.expires_ms().into_iter().chain(until).min(),
            limits: self.limits(),
            grant: Some(Arc::new(self.grant(account))),
            voucher: Voucher { way: request.connection_type, by: VouchedBy::Jwt },
        })
    }

    /// What is needed to judge it again later.
    pub(super) fn grant(&self, account: &Arc<OperatorAccount>) -> Grant {
        Grant {
            user: self.key().into(),
            issuer: self.issuer().into(),
            issued_s: self.claims.issued_s,
            name: self.claims.name.as_str().into(),
            tags: self.claims.nats.tags.clone(),
            account: account.clone(),
        }
    }

    /// Whether the way that the client is connected is allowed.
    pub(super) fn check_way(&self, request: &AuthRequest) -> Result<(), Refusal> {
        let names = &self.rights.allowed_connection_types;
        let allowed = rights::type_allowed(names, request.connection_type);
        if allowed { Ok(()) } else { Err(Refusal::ConnectionType) }
    }

    fn check_nonce(&self, request: &AuthRequest) -> Result<(), Refusal> {
        let signed = nonce::is_signed(self.key(), None, request, &mut Work::default());
        if signed { Ok(()) } else { Err(Refusal::Credentials) }
    }

    /// Whether place and time are allowed, and until when (Unix time in milliseconds).
    pub(super) fn check_place(&self, request: &AuthRequest) -> Result<Option<u64>, Refusal> {
        let networks = self.networks().ok_or(Refusal::Jwt)?;
        let inside = |address| networks.iter().any(|network: &Network| network.contains(address));
        if !networks.is_empty() && !request.address.is_some_and(inside) {
            return Err(Refusal::Restricted);
        }
        match self.schedule().ok_or(Refusal::Jwt)?.at(request.wall_ms) {
            Presence::Always => Ok(None),
            Presence::Until(at) => Ok(Some(at)),
            Presence::Never => Err(Refusal::Restricted),
        }
    }

    /// What it may do; `None` when that says nothing.
    pub(super) fn permissions(&self) -> Result<Option<access::Permissions>, Wrong> {
        let rights = &self.rights;
        rights::permissions(&rights.publish, &rights.subscribe, rights.responses)
    }

    /// Bounds of a user whose JWT the client itself presented: what is left out is 0.
    fn limits(&self) -> UserLimits {
        UserLimits {
            subscriptions_max: bound(self.rights.subs.unwrap_or(0)),
            payload_max: bound(self.rights.payload.unwrap_or(0)),
            rate: Rate::default(),
        }
    }

    /// Bounds of a user that an auth callout describes: what is left out is none.
    pub(super) fn limits_of_answer(&self) -> UserLimits {
        UserLimits {
            subscriptions_max: self.rights.subs.and_then(bound),
            payload_max: self.rights.payload.and_then(bound),
            rate: Rate::default(),
        }
    }

    fn networks(&self) -> Option<Vec<Network>> {
        self.rights.networks.iter().map(|text| Network::parse(text)).collect()
    }

    fn schedule(&self) -> Option<Schedule> {
        Schedule::parse(&self.rights.times, &self.rights.times_location, self.zone)
    }
}
