//! Where somebody else than the file's table of users decides: operators by their JWTs, and an
//! external service.
//!
//! Absent: the chain (`operator`), the question (`callout`) and the answer (`answer`). What the
//! service says replaces what the table says, also where the table would have let a client in.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::answer::{self, AnswerError, DefaultPermissions, Realm};
use super::authority::{Authority, Claim, Vouching};
use super::callout::{self, About, Caller, Service};
use super::key::KeyKind;
use super::operator::{OperatorState, Referral, Verdict, seconds};
use super::password::Work;
use super::{Admitted, AuthRequest, Callout, Decision, Fetch, Question, Refusal};
use crate::config::access::{Access, Account};
use crate::core::permissions::Permissions;

/// What a broker has beside its configuration to decide by.
#[derive(Debug, Clone, Default)]
pub struct Premises {
    /// Its keys, to ask an external service with.
    pub caller: Option<Arc<Caller>>,
    /// Operators and the accounts that are known.
    pub operator: Option<Arc<OperatorState>>,
    /// Unix time, in milliseconds: which imports of accounts are approved now.
    pub wall_ms: u64,
}

/// See the module's head.
#[derive(Debug, Default)]
pub(super) struct Delegation {
    caller: Option<Arc<Caller>>,
    pub(super) operator: Option<Arc<OperatorState>>,
    file: Option<FileCallout>,
}

/// `auth_callout` of a file.
#[derive(Debug)]
struct FileCallout {
    service: Arc<Service>,
    /// Users that the service is not asked about.
    auth_users: Vec<Box<str>>,
    /// Accounts whose users the service is asked about, besides those of `$G`; empty for all.
    delegated: Vec<Box<str>>,
    /// Where users can be placed.
    placements: BTreeMap<Box<str>, DefaultPermissions>,
}

/// Why nobody else can decide.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DelegationError {
    /// What a configuration with operators cannot have.
    WithOperator(&'static str),
    /// Without its state, an operator decides nothing.
    NoOperator,
    /// Without keys, no service can be asked.
    NoCaller,
    /// A key of the auth callout is none of its kind.
    Key(Box<str>),
    /// The auth callout's account does not exist.
    Account(Box<str>),
}

impl fmt::Display for DelegationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WithOperator(what) => {
                write!(f, "operators do not allow {what} to be configured directly")
            }
            Self::NoOperator => f.write_str("operator mode is not set up"),
            Self::NoCaller => f.write_str("the server has no keys to ask an auth callout with"),
            Self::Key(key) => write!(f, "auth callout: {key:?} is not a public key of its kind"),
            Self::Account(name) => {
                write!(f, "Authorization callout account {name:?} not valid")
            }
        }
    }
}

impl std::error::Error for DelegationError {}

impl Authority {
    pub(super) fn decide_with(
        &self,
        request: &AuthRequest,
        knowledge: Knowledge,
        work: &mut Work,
    ) -> Decision {
        let vouching = match self.vouching(request, work) {
            Ok(vouching) => vouching,
            Err(refusal) => return Decision::Refuse(refusal),
        };
        if let Some(operator) = &self.delegation.operator {
            work.signatures += JWT_SIGNATURES;
            return self.delegation.decide_by_jwt(operator, request, vouching, knowledge);
        }
        let claim = self.claim(request);
        let user = match claim {
            Claim::Guest(user) | Claim::Certificate(Some(user)) => Some(&*user.name),
            Claim::Anybody
            | Claim::GlobalGuest
            | Claim::Key(..)
            | Claim::Name(..)
            | Claim::Certificate(None)
            | Claim::Token(_)
            | Claim::Single(..)
            | Claim::Nothing => None,
        };
        let found = self.prove(claim, request, vouching, work);
        self.delegation.review(found, claim.name(), user, request, vouching)
    }
}

impl Delegation {
    /// Takes over what a configuration says.
    pub(super) fn new(access: &Access, premises: &Premises) -> Result<Self, DelegationError> {
        let caller = premises.caller.clone();
        if access.operator.is_some() {
            let excluded = [
                (!access.accounts.is_empty(), "Accounts"),
                (!access.users.is_empty(), "users"),
                (access.callout.is_some(), "authorization callouts"),
            ];
            if let Some((_, what)) = excluded.into_iter().find(|(present, _)| *present) {
                return Err(DelegationError::WithOperator(what));
            }
            let operator = premises.operator.clone().ok_or(DelegationError::NoOperator)?;
            return Ok(Self { caller, operator: Some(operator), file: None });
        }
        let file = access.callout.as_ref().map(|callout| file_callout(callout, access));
        let file = file.transpose()?;
        if file.is_some() && caller.is_none() {
            return Err(DelegationError::NoCaller);
        }
        Ok(Self { caller, operator: None, file })
    }

    /// Whether signatures are made or checked for every client.
    pub(super) fn is_busy(&self) -> bool {
        self.operator.is_some() || self.file.is_some()
    }

    /// Decides by an operator's JWTs.
    pub(super) fn decide_by_jwt(
        &self,
        operator: &OperatorState,
        request: &AuthRequest,
        vouching: Vouching,
        knowledge: Knowledge,
    ) -> Decision {
        let verdict = match knowledge {
            Knowledge::MayGrow => operator.decide(request, vouching),
            Knowledge::Final => operator.decide_known(request, vouching),
        };
        match verdict {
            Verdict::Admit(mut admitted) => {
                let account = operator.account(&admitted.account);
                if account.is_some_and(|account| account.callout.is_some()) {
                    deny_requests(&mut admitted);
                }
                Decision::Admit(admitted)
            }
            Verdict::Refuse(refusal) => Decision::Refuse(refusal),
            Verdict::Fetch(account) => {
                let question = Question::Enter(Box::new(request.clone()));
                Decision::Fetch(Box::new(Fetch { account, question }))
            }
            Verdict::Ask(referral) => self.refer(&referral, request, vouching),
        }
    }

    fn refer(&self, referral: &Referral, request: &AuthRequest, vouching: Vouching) -> Decision {
        let account = &referral.account;
        let xkey = account.callout.as_ref().and_then(|callout| callout.xkey.clone());
        let key = || account.key.clone();
        let service = Arc::new(Service { account: key(), issuer: key(), xkey });
        let about = About {
            user: Some(&referral.user),
            name: &referral.name,
            tags: &referral.tags,
            jwt: Some(referral.jwt.expose()),
        };
        self.ask(service, &about, request, vouching)
    }

    fn ask(
        &self,
        service: Arc<Service>,
        about: &About<'_>,
        request: &AuthRequest,
        vouching: Vouching,
    ) -> Decision {
        let Some(caller) = &self.caller else { return Decision::Refuse(Refusal::Callout) };
        let question = callout::request(caller, service, about, request.clone(), vouching);
        match question {
            Some(question) => Decision::Ask(Box::new(question)),
            None => Decision::Refuse(Refusal::Callout),
        }
    }

    /// What becomes of a decision of the file's table about whoever had to prove to be `proven`;
    /// `user` is who it became without saying so.
    pub(super) fn review(
        &self,
        found: Result<Admitted, Refusal>,
        proven: Option<&str>,
        user: Option<&str>,
        request: &AuthRequest,
        vouching: Vouching,
    ) -> Decision {
        let Some(file) = &self.file else {
            return match found {
                Ok(admitted) => Decision::Admit(Box::new(admitted)),
                Err(refusal) => Decision::Refuse(refusal),
            };
        };
        // Only who had to prove to be a user of the service is exempt: other names beside that one
        // in a CONNECT are worth nothing, though nats-server looks at them.
        let is_known = |user: &str| file.auth_users.iter().any(|known| **known == *user);
        let exempt = proven.is_some_and(is_known);
        // A refusal leaves the client in `$G`, whose clients are always asked about.
        let account = found.as_ref().map_or(Account::GLOBAL, |admitted| &admitted.account);
        let delegated = account == Account::GLOBAL
            || file.delegated.is_empty()
            || file.delegated.iter().any(|known| **known == *account);
        match found {
            Err(Refusal::Proxy) => Decision::Refuse(Refusal::Proxy),
            found if delegated && !exempt => {
                let about = About { user, ..About::default() };
                drop(found);
                self.ask(Arc::clone(&file.service), &about, request, vouching)
            }
            Ok(mut admitted) => {
                if admitted.account == file.service.account {
                    deny_requests(&mut admitted);
                }
                Decision::Admit(Box::new(admitted))
            }
            Err(refusal) => Decision::Refuse(refusal),
        }
    }

    /// Reads a service's answer, at the time that the request in the question says.
    pub(super) fn answer(
        &self,
        callout: &Callout,
        payload: &[u8],
    ) -> Result<Admitted, AnswerError> {
        let Some(caller) = &self.caller else {
            return Err(AnswerError::Refused(Refusal::Callout));
        };
        if let Some(operator) = &self.operator {
            return answer::read(caller, &Realm::Operator(operator), callout, payload);
        }
        let Some(file) = self.file.as_ref().filter(|file| file.service == callout.service) else {
            // The configuration has changed since the question.
            return Err(AnswerError::Refused(Refusal::Callout));
        };
        let account = |name: &str| file.placements.get(name).cloned();
        answer::read(caller, &Realm::File(&account), callout, payload)
    }

    /// Whether a client may stay that a JWT or a service let in.
    pub(super) fn readmit(&self, admitted: &Admitted, wall_ms: u64) -> Result<Admitted, Refusal> {
        match (&admitted.grant, &self.operator, &self.file) {
            (Some(grant), Some(operator), _) => operator.revisit(grant, seconds(wall_ms))?,
            (None, None, Some(file)) if file.placements.contains_key(&admitted.account) => {}
            _ => return Err(Refusal::Credentials),
        }
        Ok(admitted.clone())
    }
}

/// Whether an account that is not known may be fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Knowledge {
    /// A resolver may know more.
    MayGrow,
    /// There is no more to be known.
    Final,
}

/// Signatures that are checked for one user JWT: its own, and the nonce's.
const JWT_SIGNATURES: u32 = 2;

/// Only the broker itself asks the service.
fn deny_requests(admitted: &mut Admitted) {
    let written = admitted.permissions.as_ref().map(|permissions| permissions.written().clone());
    let denied = callout::deny_requests(written);
    admitted.permissions = Some(Arc::new(Permissions::compile(&denied)));
}

fn file_callout(
    written: &crate::config::access::Callout,
    access: &Access,
) -> Result<FileCallout, DelegationError> {
    let xkey = written.xkey.as_ref().filter(|key| !KeyKind::Curve.is_key(key));
    let issuer = (!KeyKind::Account.is_key(&written.issuer)).then_some(&written.issuer);
    if let Some(wrong) = xkey.or(issuer) {
        return Err(DelegationError::Key(wrong.clone()));
    }
    let named = access.accounts.iter();
    let mut placements: BTreeMap<Box<str>, DefaultPermissions> =
        named.map(|account| (account.name.clone(), account.default_permissions.clone())).collect();
    let system = access.system_account.as_deref().unwrap_or(Account::SYSTEM);
    for always in [Account::GLOBAL, system] {
        placements.entry(always.into()).or_default();
    }
    let account = written.account.as_deref().unwrap_or(Account::GLOBAL);
    if !placements.contains_key(account) {
        return Err(DelegationError::Account(account.into()));
    }
    Ok(FileCallout {
        service: Arc::new(Service {
            account: account.into(),
            issuer: written.issuer.clone(),
            xkey: written.xkey.clone(),
        }),
        auth_users: written.auth_users.clone(),
        delegated: written.allowed_accounts.clone(),
        placements,
    })
}

#[cfg(test)]
mod tests;
