//! Which keys are trusted to sign accounts: those of operator JWTs, or those that the file lists.
//!
//! Absent: accounts and users. An operator vouches for itself; that it may be believed is what the
//! file says by naming it.

use std::collections::BTreeSet;

use super::claims::OperatorPart;
use super::jwt::{self, Signed};
use super::key::KeyKind;
use super::operator::{OperatorError, Surroundings};
use crate::config::access::Operator;

/// What operators say together.
pub(super) struct Operators {
    /// Keys that sign accounts.
    pub(super) trusted: BTreeSet<Box<str>>,
    /// Those of them whose accounts sign users by signing keys only.
    pub(super) strict: BTreeSet<Box<str>>,
    /// The system account.
    pub(super) system_account: Option<Box<str>>,
    /// Where a single operator serves accounts.
    pub(super) account_server: Option<Box<str>>,
}

/// Reads and checks operators, trusted keys and the sentinel.
pub(super) fn operators(
    written: &Operator,
    surroundings: &Surroundings,
) -> Result<Operators, OperatorError> {
    if !written.jwts.is_empty() && !written.trusted_keys.is_empty() {
        return Err(OperatorError::TrustedTwice);
    }
    let mut found = Operators {
        trusted: written.trusted_keys.iter().cloned().collect(),
        strict: BTreeSet::new(),
        system_account: surroundings.system_account.clone(),
        account_server: None,
    };
    if let Some(key) = found.trusted.iter().find(|key| !KeyKind::Operator.is_key(key)) {
        return Err(OperatorError::Key(key.clone()));
    }
    let mut named = Vec::new();
    for (place, text) in written.jwts.iter().enumerate() {
        let signed = read(place, text)?;
        let part = &signed.claims.nats;
        check_version(&part.assert_server_version, &surroundings.version)?;
        let own = (!part.strict_signing_key_usage).then_some(&signed.claims.subject);
        found.trusted.extend(own.into_iter().chain(&part.signing_keys).map(|key| (**key).into()));
        if part.strict_signing_key_usage {
            found.strict.extend(part.signing_keys.iter().map(|key| (**key).into()));
        }
        named.push((place, part.system_account.clone()));
        if written.jwts.len() == 1 && !part.account_server_url.is_empty() {
            let base = part.account_server_url.trim_end_matches('/');
            found.account_server = Some(format!("{base}/accounts").into());
        }
    }
    found.system_account = system_account(found.system_account, &named)?;
    check_sentinel(written)?;
    Ok(found)
}

fn read(place: usize, text: &str) -> Result<Signed<OperatorPart>, OperatorError> {
    let signed: Signed<OperatorPart> =
        jwt::decode(text.trim()).map_err(|error| OperatorError::Operator(place, error))?;
    let part = &signed.claims.nats;
    if signed.claims.issuer != signed.claims.subject
        && !part.signing_keys.contains(&signed.claims.issuer)
    {
        return Err(OperatorError::NotSelfSigned(place));
    }
    let signing = part.signing_keys.iter().all(|key| KeyKind::Operator.is_key(key));
    let system = part.system_account.is_empty() || KeyKind::Account.is_key(&part.system_account);
    if signing && system { Ok(signed) } else { Err(OperatorError::OperatorKey(place)) }
}

/// The file's system account, which an operator must name too if any names one, or the first
/// operator's.
fn system_account(
    written: Option<Box<str>>,
    named: &[(usize, String)],
) -> Result<Option<Box<str>>, OperatorError> {
    let mut keys = named.iter().map(|(_, key)| &key[..]).filter(|key| !key.is_empty());
    match written {
        None => {
            let first = named.first().map(|(_, key)| &key[..]).filter(|key| !key.is_empty());
            Ok(first.map(Into::into))
        }
        Some(written) => {
            let some = keys.clone().next().is_some();
            if some && !keys.any(|key| *key == *written) {
                return Err(OperatorError::SystemAccount);
            }
            if !KeyKind::Account.is_key(&written) {
                return Err(OperatorError::Key(written));
            }
            Ok(Some(written))
        }
    }
}

/// Whether the server is at least of the version that an operator wants.
fn check_version(wanted: &str, version: &str) -> Result<(), OperatorError> {
    if wanted.is_empty() {
        return Ok(());
    }
    let parse = |text: &str| -> Option<[u32; 3]> {
        let parts: Option<Vec<u32>> = text.split('.').map(|part| part.parse().ok()).collect();
        parts?.try_into().ok()
    };
    match (parse(wanted), parse(version)) {
        (Some(wanted), Some(version)) if wanted <= version => Ok(()),
        _ => Err(OperatorError::Version(wanted.into())),
    }
}

/// The default sentinel must be of use to somebody who holds no seed: a bearer's, or a scoped
/// user's whose scope may make it one.
fn check_sentinel(written: &Operator) -> Result<(), OperatorError> {
    let Some(text) = &written.default_sentinel else { return Ok(()) };
    let signed = jwt::decode::<super::claims::UserPart>(text).map_err(OperatorError::Sentinel)?;
    let user = super::user::User::new(signed, chrono_tz::Tz::UTC);
    let user = user.ok_or(OperatorError::Sentinel(jwt::JwtError::Claims))?;
    let scoped = user.issuer_account().is_some() && user.has_no_rights();
    if user.is_bearer() || scoped { Ok(()) } else { Err(OperatorError::SentinelProof) }
}
