//! An auth callout's answer: whether it is one, and whom it lets in.
//!
//! Absent: waiting for it. Whatever a service says, a user is placed only where the service may
//! place users, and only the one who was asked about.

use std::fmt;
use std::sync::Arc;

use chrono_tz::Tz;

use super::account::{AllowedAccounts, OperatorAccount};
use super::authority::Vouching;
use super::callout::{Caller, Service, deny_requests};
use super::callout_claims::ResponsePart;
use super::claims::UserPart;
use super::jwt::{self, JwtError, Signed};
use super::key::KeyKind;
use super::operator::{OperatorState, seconds};
use super::user::User;
use super::voucher::{VouchedBy, Voucher};
use super::{Admitted, Callout, Grant, Refusal};
use crate::config::access;
use crate::core::permissions::Permissions;

/// Where users can be placed.
pub(super) enum Realm<'a> {
    /// Accounts of a file: default permissions of the account with a name, or `None` when there is
    /// no such account.
    File(&'a dyn Fn(&str) -> Option<DefaultPermissions>),
    /// Accounts of an operator.
    Operator(&'a OperatorState),
}

/// Permissions of users that have none of their own.
pub(super) type DefaultPermissions = Option<access::Permissions>;

/// Why an answer lets nobody in: for the log, with what the service itself said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AnswerError {
    /// It is empty.
    Empty,
    /// It cannot be decrypted.
    Sealed,
    /// It is no answer's JWT.
    Response(JwtError),
    /// Something that it says is wrong.
    Claims,
    /// It has expired, or does not hold yet.
    Times,
    /// It is about another user.
    Subject,
    /// It is for another server.
    Server,
    /// The service says no, and why.
    Said(Box<str>),
    /// Who signed it does not sign for the service's account.
    Signer,
    /// The user JWT in it is none.
    User(JwtError),
    /// The user JWT in it says something wrong.
    UserClaims,
    /// Its user is not who was asked about.
    UserSubject,
    /// Its issuer may not place users, or not there.
    Issuer,
    /// There is no such account.
    Account,
    /// The account must be fetched first.
    Unknown(Box<str>),
    /// The user may not come this way.
    Refused(Refusal),
}

impl fmt::Display for AnswerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("auth callout violation: no reason supplied"),
            Self::Sealed => f.write_str("error decrypting auth callout response"),
            Self::Response(error) => write!(f, "authorization response: {error}"),
            Self::Claims => f.write_str("authorization response had validation errors"),
            Self::Times => f.write_str("authorization response does not hold now"),
            Self::Subject => {
                f.write_str("auth callout violation: response is not for expected user")
            }
            Self::Server => f.write_str("auth callout violation: response is not for server"),
            Self::Said(text) => write!(f, "auth callout service returned an error: {text}"),
            Self::Signer => f.write_str("auth callout signing key is unknown"),
            Self::User(error) => write!(f, "user JWT of auth callout: {error}"),
            Self::UserClaims => f.write_str("user JWT of auth callout is not in order"),
            Self::UserSubject => f.write_str("user JWT of auth callout is for another user"),
            Self::Issuer => f.write_str("wrong issuer for auth callout response"),
            Self::Account => f.write_str("no valid account for auth callout response"),
            Self::Unknown(key) => write!(f, "account {key} of auth callout response is not known"),
            Self::Refused(refusal) => write!(f, "user of auth callout: {refusal}"),
        }
    }
}

impl std::error::Error for AnswerError {}

/// Reads a service's answer to a question, at the time that the request in it says.
pub(super) fn read(
    caller: &Caller,
    realm: &Realm<'_>,
    callout: &Callout,
    payload: &[u8],
) -> Result<Admitted, AnswerError> {
    let now_s = seconds(callout.request.wall_ms);
    let response = open(caller, callout, payload)?;
    let text = check_response(caller, realm, callout, &response, now_s)?;
    let zone = match realm {
        Realm::File(_) => Tz::UTC,
        Realm::Operator(state) => state.zone(),
    };
    let signed: Signed<UserPart> = jwt::decode(text).map_err(AnswerError::User)?;
    let mut user = User::new(signed, zone).ok_or(AnswerError::UserClaims)?;
    if *user.key() != *callout.user_nkey {
        return Err(AnswerError::UserSubject);
    }
    user.check_times(now_s).map_err(AnswerError::Refused)?;
    let placed = match realm {
        Realm::File(account) => place_in_file(&callout.service, &user, account)?,
        Realm::Operator(state) => place(state, &callout.service, &mut user, now_s)?,
    };
    // A scope may have changed what the user may do, so this comes after it.
    if user.proxy_required() && callout.vouching == Vouching::Absent {
        return Err(AnswerError::Refused(Refusal::Proxy));
    }
    user.check_way(&callout.request).map_err(AnswerError::Refused)?;
    let until = user.check_place(&callout.request).map_err(AnswerError::Refused)?;
    let own = user.permissions().map_err(|_| AnswerError::UserClaims)?;
    let mut permissions = own.or(placed.permissions);
    if placed.account == callout.service.account {
        permissions = Some(deny_requests(permissions));
    }
    let named = Some(user.name()).filter(|name| !name.is_empty());
    Ok(Admitted {
        account: placed.account,
        user: named.or(callout.user.as_deref()).map(Into::into),
        permissions: permissions.map(|written| Arc::new(Permissions::compile(&written))),
        expires_ms: user.expires_ms().into_iter().chain(until).min(),
        limits: user.limits_of_answer(),
        grant: placed.grant.map(Arc::new),
        voucher: Voucher { way: callout.request.connection_type, by: VouchedBy::Callout },
    })
}

/// Decrypts an answer, if it is encrypted, and checks its signature.
fn open(caller: &Caller, callout: &Callout, payload: &[u8]) -> Result<Response, AnswerError> {
    if payload.is_empty() {
        return Err(AnswerError::Empty);
    }
    if payload.len() > jwt::TOKEN_BYTES_MAX {
        return Err(AnswerError::Response(JwtError::TooLong));
    }
    let mut plain = payload.to_vec();
    let mut sealing = Sealing::Open;
    if let Some(xkey) = &callout.service.xkey
        && !payload.starts_with(b"eyJ")
    {
        plain = caller.open(payload, xkey).ok_or(AnswerError::Sealed)?;
        sealing = Sealing::Sealed;
    }
    let text = String::from_utf8(plain).map_err(|_| AnswerError::Response(JwtError::Malformed))?;
    let signed = jwt::decode(&text).map_err(AnswerError::Response)?;
    Ok(Response { signed, sealing })
}

/// An answer whose signature was checked.
struct Response {
    signed: Signed<ResponsePart>,
    sealing: Sealing,
}

/// Whether an answer came encrypted, which only the service can do.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sealing {
    Sealed,
    Open,
}

/// Checks what an answer says about itself; gives the user JWT in it.
fn check_response<'a>(
    caller: &Caller,
    realm: &Realm<'_>,
    callout: &Callout,
    response: &'a Response,
    now_s: i64,
) -> Result<&'a str, AnswerError> {
    let claims = &response.signed.claims;
    let part = &claims.nats;
    let named = part.issuer_account.is_empty() || KeyKind::Account.is_key(&part.issuer_account);
    if !named || part.jwt.is_empty() == part.error.is_empty() {
        return Err(AnswerError::Claims);
    }
    claims.check_times(now_s).map_err(|_| AnswerError::Times)?;
    if *claims.subject != *callout.user_nkey {
        return Err(AnswerError::Subject);
    }
    if claims.audience != caller.id() {
        return Err(AnswerError::Server);
    }
    if let Realm::Operator(state) = realm
        && response.sealing == Sealing::Open
    {
        let account = state.account(&callout.service.account).ok_or(AnswerError::Account)?;
        let own = part.issuer_account.is_empty() || *part.issuer_account == *account.key;
        if !own || state.signer(account, &claims.issuer).is_none() {
            return Err(AnswerError::Signer);
        }
    }
    if !part.error.is_empty() {
        let shown = part.error.chars().filter(|letter| !letter.is_control()).take(SAID_MAX);
        return Err(AnswerError::Said(shown.collect::<String>().into()));
    }
    Ok(&part.jwt)
}

/// Where a user is placed.
struct Placed {
    account: Box<str>,
    permissions: Option<access::Permissions>,
    grant: Option<Grant>,
}

/// Without an operator, one key signs all users, and says in which account each is.
fn place_in_file(
    service: &Service,
    user: &User,
    account: &dyn Fn(&str) -> Option<DefaultPermissions>,
) -> Result<Placed, AnswerError> {
    if user.issuer_account().is_some() || *user.issuer() != *service.issuer {
        return Err(AnswerError::Issuer);
    }
    let permissions = account(user.audience()).ok_or(AnswerError::Account)?;
    Ok(Placed { account: user.audience().into(), permissions, grant: None })
}

/// In operator mode, who signs a user says where it is; the asking account says where it may be.
fn place(
    state: &OperatorState,
    service: &Service,
    user: &mut User,
    now_s: i64,
) -> Result<Placed, AnswerError> {
    let target = user.account().to_owned();
    if target != *service.account {
        let asking = state.account(&service.account).ok_or(AnswerError::Account)?;
        let allowed = asking.callout.as_ref().is_some_and(|callout| match &callout.allowed {
            AllowedAccounts::Any => true,
            AllowedAccounts::Only(keys) => keys.iter().any(|key| **key == *target),
        });
        if !allowed {
            return Err(AnswerError::Issuer);
        }
    }
    let account: &Arc<OperatorAccount> = match state.account(&target) {
        Some(account) => account,
        None => return Err(AnswerError::Unknown(target.into())),
    };
    if account.check_times(now_s).is_err() {
        return Err(AnswerError::Account);
    }
    let signer = state.signer(account, user.issuer()).ok_or(AnswerError::Issuer)?;
    user.scope(signer, account).map_err(AnswerError::Refused)?;
    Ok(Placed {
        account: account.key.clone(),
        permissions: account.written().default_permissions.clone(),
        grant: Some(user.grant(account)),
    })
}

/// Letters of what a service says that are shown.
const SAID_MAX: usize = 512;
