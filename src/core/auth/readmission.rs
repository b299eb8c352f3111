//! Judging clients again that were let in by an earlier configuration.
//!
//! Absent: their secrets, which nobody keeps (`voucher`), and the first decision (`authority`).

use std::sync::Arc;

use super::account::OperatorAccount;
use super::answer::AnswerError;
use super::authority::{Authority, REFUSED, rights};
use super::delegation::{Delegation, Knowledge};
use super::password::Stored;
use super::password::Work;
use super::simple::Guest;
use super::users::Users;
use super::voucher::{Fingerprint, VouchedBy};
use super::{Admitted, Callout, Decision, Fetch, Question, Refusal};

impl Authority {
    /// An authority that lets everybody in.
    pub fn open() -> Self {
        Self {
            users: Users::none(),
            token: None,
            single: None,
            guest: None,
            websocket: None,
            proxy_required: false,
            trusted_proxies: Vec::new(),
            global_permissions: None,
            delegation: Delegation::default(),
            seed: 0,
        }
    }

    /// Reads what an external service answered about a client, at the time that the request in the
    /// question says. The reason of a refusal is for the log: it may quote the service.
    pub fn decide_callout(
        &self,
        callout: &Callout,
        payload: &[u8],
        knowledge: Knowledge,
        work: &mut Work,
    ) -> (Decision, Option<AnswerError>) {
        work.signatures += ANSWER_SIGNATURES;
        match self.delegation.answer(callout, payload) {
            Ok(admitted) => (Decision::Admit(Box::new(admitted)), None),
            Err(AnswerError::Unknown(account)) if knowledge == Knowledge::MayGrow => {
                let callout = Box::new(callout.clone());
                let question = Question::Answer { callout, payload: payload.into() };
                (Decision::Fetch(Box::new(Fetch { account, question })), None)
            }
            Err(AnswerError::Refused(refusal @ (Refusal::Proxy | Refusal::Expired))) => {
                (Decision::Refuse(refusal), Some(AnswerError::Refused(refusal)))
            }
            Err(error) => (Decision::Refuse(Refusal::Callout), Some(error)),
        }
    }

    /// An operator's account, as it is known now.
    pub(crate) fn operator_account(&self, key: &str) -> Option<&Arc<OperatorAccount>> {
        self.delegation.operator.as_ref()?.account(key)
    }

    /// Judges a client again that an earlier configuration let in; both have the same seed.
    pub fn readmit(&self, admitted: &Admitted, wall_ms: u64) -> Result<Admitted, Refusal> {
        let name = admitted.user.as_deref().unwrap_or_default();
        let way = admitted.voucher.way;
        let simple = self.simple(way);
        let same = |stored: &Stored, before: Fingerprint| {
            Fingerprint::of_stored(stored, self.seed) == before
        };
        match admitted.voucher.by {
            VouchedBy::Nobody => match (self.is_open_to(way), simple.guest) {
                (true, _) | (false, Some(Guest::Global)) => {
                    Ok(self.in_global(None, way, VouchedBy::Nobody))
                }
                (false, Some(Guest::User(_)) | None) => REFUSED,
            },
            VouchedBy::Guest => {
                let guest = matches!(simple.guest, Some(Guest::User(guest)) if **guest == *name);
                let user = self.users.by_name(name).or_else(|| self.users.by_key(name));
                let user = user.filter(|_| guest).ok_or(Refusal::Credentials)?;
                rights(user, way, VouchedBy::Guest)
            }
            VouchedBy::User(before) => {
                let user = self.users.by_name(name).or_else(|| self.users.by_key(name));
                let user = user.ok_or(Refusal::Gone)?;
                if Fingerprint::of_user(user, self.seed) != before {
                    return REFUSED;
                }
                rights(user, way, VouchedBy::User(before))
            }
            VouchedBy::Token(before) => match simple.token {
                Some(token) if same(token, before) => {
                    Ok(self.in_global(None, way, VouchedBy::Token(before)))
                }
                Some(_) | None => REFUSED,
            },
            VouchedBy::Single(before) => match simple.single {
                Some((single, stored)) if **single == *name && same(stored, before) => {
                    Ok(self.in_global(Some(name), way, VouchedBy::Single(before)))
                }
                Some(_) | None => REFUSED,
            },
            VouchedBy::Jwt | VouchedBy::Callout => self.delegation.readmit(admitted, wall_ms),
        }
    }
}

/// Signatures of an answer: the service's own, and that of the user in it.
const ANSWER_SIGNATURES: u32 = 2;
