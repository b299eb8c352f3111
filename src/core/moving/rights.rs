//! What is written down of why a client was let in, so that another process comes to the same
//! rights by its own configuration.
//!
//! Absent: secrets. A fingerprint tells two proofs apart for whoever has the broker's seed, and is
//! of no use to anybody else.

use std::sync::Arc;

use super::MovingError;
use super::pack::Packer;
use super::unpack::Unpacker;
use crate::config::access::{self, ConnectionType, Rate, ResponseGrant, Rule, Rules};
use crate::core::auth::authority::Authority;
use crate::core::auth::voucher::{Fingerprint, VouchedBy, Voucher};
use crate::core::auth::{Admitted, Grant, Refusal, UserLimits};
use crate::core::permissions::Permissions;

/// See the module's head.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Rights {
    account: Box<str>,
    user: Option<Box<str>>,
    permissions: Option<access::Permissions>,
    expires_ms: Option<u64>,
    limits: UserLimits,
    grant: Option<GrantRecord>,
    voucher: Voucher,
}

/// What a JWT said, and of which issue of its account's JWT.
#[derive(Debug, Clone, PartialEq)]
struct GrantRecord {
    user: Box<str>,
    issuer: Box<str>,
    issued_s: i64,
    name: Box<str>,
    tags: Vec<String>,
    account: Box<str>,
    account_issued_s: i64,
}

impl Rights {
    /// Of a client that is in.
    pub(super) fn of(admitted: &Admitted) -> Self {
        Self {
            account: admitted.account.clone(),
            user: admitted.user.clone(),
            permissions: admitted.permissions.as_ref().map(|it| it.written().clone()),
            expires_ms: admitted.expires_ms,
            limits: admitted.limits,
            grant: admitted.grant.as_deref().map(|grant| GrantRecord {
                user: grant.user.clone(),
                issuer: grant.issuer.clone(),
                issued_s: grant.issued_s,
                name: grant.name.clone(),
                tags: grant.tags.clone(),
                account: grant.account.key.clone(),
                account_issued_s: grant.account.times.issued_s,
            }),
            voucher: admitted.voucher.clone(),
        }
    }

    /// The same, where another authority decides.
    pub(super) fn judged_by(
        self,
        authority: &Authority,
        wall_ms: u64,
    ) -> Result<Admitted, Refusal> {
        let grant = match self.grant {
            None => None,
            Some(grant) => {
                let account = authority.operator_account(&grant.account).ok_or(Refusal::Jwt)?;
                // Rights that a signing key's scope gave stand in the account's JWT: with another
                // issue of it the client has to come anew.
                if account.times.issued_s != grant.account_issued_s && *grant.issuer != *account.key
                {
                    return Err(Refusal::Credentials);
                }
                Some(Arc::new(Grant {
                    user: grant.user,
                    issuer: grant.issuer,
                    issued_s: grant.issued_s,
                    name: grant.name,
                    tags: grant.tags,
                    account: Arc::clone(account),
                }))
            }
        };
        let expires_ms = self.expires_ms;
        let admitted = Admitted {
            account: self.account,
            user: self.user,
            permissions: self.permissions.map(|it| Arc::new(Permissions::compile(&it))),
            expires_ms,
            limits: self.limits,
            grant,
            voucher: self.voucher,
        };
        let again = authority.readmit(&admitted, wall_ms)?;
        Ok(Admitted { expires_ms, ..again })
    }
}

pub(super) fn pack_rights(out: &mut Packer, rights: &Rights) {
    out.text(&rights.account);
    out.option(rights.user.as_deref(), Packer::text);
    out.option(rights.permissions.as_ref(), |out, permissions| {
        pack_rules(out, &permissions.publish);
        pack_rules(out, &permissions.subscribe);
        out.option(permissions.responses, |out, grant| {
            out.option(grant.max, Packer::u32);
            out.option(grant.expires_ns, Packer::u64);
        });
        out.flag(permissions.no_wildcards);
    });
    out.option(rights.expires_ms, Packer::u64);
    out.option(rights.limits.subscriptions_max, Packer::u32);
    out.option(rights.limits.payload_max, Packer::u32);
    out.option(rights.limits.rate.messages, Packer::u64);
    out.option(rights.limits.rate.bytes, Packer::u64);
    out.option(rights.grant.as_ref(), |out, grant| {
        out.text(&grant.user);
        out.text(&grant.issuer);
        out.i64(grant.issued_s);
        out.text(&grant.name);
        out.list(&grant.tags, |out, tag| out.text(tag));
        out.text(&grant.account);
        out.i64(grant.account_issued_s);
    });
    pack_voucher(out, &rights.voucher);
}

pub(super) fn unpack_rights(from: &mut Unpacker<'_>) -> Result<Rights, MovingError> {
    Ok(Rights {
        account: from.text()?,
        user: from.option(Unpacker::text)?,
        permissions: from.option(|from| {
            Ok(access::Permissions {
                publish: unpack_rules(from)?,
                subscribe: unpack_rules(from)?,
                responses: from.option(|from| {
                    let max = from.option(Unpacker::u32)?;
                    Ok(ResponseGrant { max, expires_ns: from.option(Unpacker::u64)? })
                })?,
                no_wildcards: from.flag()?,
            })
        })?,
        expires_ms: from.option(Unpacker::u64)?,
        limits: UserLimits {
            subscriptions_max: from.option(Unpacker::u32)?,
            payload_max: from.option(Unpacker::u32)?,
            rate: Rate {
                messages: from.option(Unpacker::u64)?,
                bytes: from.option(Unpacker::u64)?,
            },
        },
        grant: from.option(|from| {
            Ok(GrantRecord {
                user: from.text()?,
                issuer: from.text()?,
                issued_s: from.i64()?,
                name: from.text()?,
                tags: from.list(|from| from.text().map(String::from))?,
                account: from.text()?,
                account_issued_s: from.i64()?,
            })
        })?,
        voucher: unpack_voucher(from)?,
    })
}

fn pack_rules(out: &mut Packer, rules: &Rules) {
    let rule = |out: &mut Packer, rule: &Rule| {
        out.text(&rule.subject);
        out.option(rule.queue.as_deref(), Packer::text);
    };
    out.option(rules.allow.as_deref(), |out, allow| out.list(allow, rule));
    out.list(&rules.deny, rule);
}

fn unpack_rules(from: &mut Unpacker<'_>) -> Result<Rules, MovingError> {
    let rule = |from: &mut Unpacker<'_>| {
        Ok(Rule { subject: from.text()?, queue: from.option(Unpacker::text)? })
    };
    Ok(Rules { allow: from.option(|from| from.list(rule))?, deny: from.list(rule)? })
}

fn pack_voucher(out: &mut Packer, voucher: &Voucher) {
    let way = (0..).zip(WAYS).find(|(_, way)| *way == voucher.way);
    out.u8(way.map_or(u8::MAX, |(word, _)| word));
    let (word, print) = match voucher.by {
        VouchedBy::Nobody => (0, None),
        VouchedBy::Guest => (1, None),
        VouchedBy::User(print) => (2, Some(print)),
        VouchedBy::Token(print) => (3, Some(print)),
        VouchedBy::Single(print) => (4, Some(print)),
        VouchedBy::Jwt => (5, None),
        VouchedBy::Callout => (6, None),
    };
    out.u8(word);
    out.u64(print.map_or(0, Fingerprint::value));
}

fn unpack_voucher(from: &mut Unpacker<'_>) -> Result<Voucher, MovingError> {
    let way = *WAYS.get(usize::from(from.u8()?)).ok_or(MovingError::Word)?;
    let (word, print) = (from.u8()?, Fingerprint::from_value(from.u64()?));
    let by = match word {
        0 => VouchedBy::Nobody,
        1 => VouchedBy::Guest,
        2 => VouchedBy::User(print),
        3 => VouchedBy::Token(print),
        4 => VouchedBy::Single(print),
        5 => VouchedBy::Jwt,
        6 => VouchedBy::Callout,
        _ => return Err(MovingError::Word),
    };
    Ok(Voucher { way, by })
}

/// Ways to connect, in the order of the format.
const WAYS: [ConnectionType; 7] = [
    ConnectionType::Standard,
    ConnectionType::WebSocket,
    ConnectionType::LeafNode,
    ConnectionType::LeafNodeWs,
    ConnectionType::Mqtt,
    ConnectionType::MqttWs,
    ConnectionType::InProcess,
];
