//! Everything about access together: who is named twice, and what excludes what.
//!
//! Absent: the blocks themselves, which are read each on its own.

use std::collections::BTreeSet;

use super::super::access::{Access, Account, Identity, User};
use super::super::text::{Entry, Files, Position};
use super::accounts::{self, Draft};
use super::authorization::{self, Authorization};
use super::findings::{Findings, set};
use super::later::Later;
use super::{graph, mappings, operator, users};

/// The keys of the top level, without those of operator mode.
pub(super) const KEYS: &[&str] = &[
    "authorization",
    "accounts",
    "mappings",
    "maps",
    "no_auth_user",
    "system_account",
    "system",
    "no_system_account",
    "no_system",
    "no_sys_acc",
    "proxies",
    "max_user_connections",
    "max_address_connections",
    "rate_limits",
];

/// What was read of them.
#[derive(Default)]
pub(super) struct Parts {
    authorization: Authorization,
    accounts: Vec<Draft>,
    operator: operator::Draft,
    no_auth_user_at: Option<Position>,
    system_at: Option<Position>,
}

impl Parts {
    /// Takes one of the keys.
    pub(super) fn take(
        &mut self,
        found: &mut Findings<'_>,
        files: &mut dyn Files,
        sinks: (&mut Access, &mut Later),
        key: &str,
        entry: &Entry,
    ) -> bool {
        let (access, later) = sinks;
        match key {
            "authorization" => self.authorization = authorization::read(found, access, entry),
            "accounts" => self.accounts = accounts::read(found, later, entry),
            "mappings" | "maps" => access.mappings = mappings::read(found, entry),
            "no_auth_user" => {
                self.no_auth_user_at = Some(entry.node.at);
                access.no_auth_user = found.boxed(entry).filter(|name| !name.is_empty());
            }
            "system_account" | "system" => {
                self.system_at = Some(entry.node.at);
                access.system_account = found.boxed(entry).filter(|name| !name.is_empty());
            }
            "no_system_account" | "no_system" | "no_sys_acc" => {
                set(&mut access.no_system_account, found.boolean(entry));
            }
            "proxies" => authorization::proxies(found, access, entry),
            "max_user_connections" => found.bound(entry, &mut access.user_connections_max),
            "max_address_connections" => {
                found.bound(entry, &mut access.address_connections_max);
            }
            "rate_limits" => access.connection_rate = users::rate(found, entry),
            _ => return self.operator.take(found, files, key, entry),
        }
        true
    }

    /// Puts everything together.
    pub(super) fn finish(mut self, found: &mut Findings<'_>, access: &mut Access) {
        self.conflicts(found, access);
        graph::check(found, &self.accounts);
        self.latencies(found, access);
        self.system(found, access);
        self.callout(found, access);
        let operator_at = self.operator.place().unwrap_or_default();
        if self.operator.has_operators() {
            self.excluded_by_operator(found, access, operator_at);
        }
        let operator = std::mem::take(&mut self.operator);
        access.operator = operator.finish(found, &mut access.system_account);
        let own = std::mem::take(&mut self.authorization.users);
        let of_accounts = self.accounts.iter_mut().map(|draft| std::mem::take(&mut draft.users));
        let users = std::iter::once(own).chain(of_accounts).flatten().map(|(_, user)| user);
        access.users.extend(users);
        access.accounts.extend(self.accounts.into_iter().map(|draft| draft.account));
        let name = access.no_auth_user.as_deref();
        self::no_auth_user(found, &access.users, name, self.no_auth_user_at);
    }

    /// One name for one user, and one way to say who users are.
    fn conflicts(&self, found: &mut Findings<'_>, access: &Access) {
        let block = &self.authorization;
        let at = block.at.unwrap_or_default();
        let elsewhere = self.accounts.iter().any(|draft| !draft.users.is_empty());
        if block.has_users || elsewhere {
            if access.single.is_some() {
                found.error(at, "Can not have a single user/pass and a users array");
            }
            if access.token.is_some() {
                found.error(at, "Can not have a token and a users array");
            }
        }
        let mut seen: BTreeSet<&str> = BTreeSet::new();
        let of_accounts = self.accounts.iter().flat_map(|draft| &draft.users);
        for (at, user) in block.users.iter().chain(of_accounts) {
            if !seen.insert(user.identity.name()) {
                let kind = match &user.identity {
                    Identity::Password { .. } => "user",
                    Identity::Nkey(_) => "nkey",
                };
                let name = user.identity.name();
                found.error(*at, format!("Duplicate {kind} {name:?} detected"));
            }
        }
    }

    /// Samples of latency are published by the system account.
    fn latencies(&self, found: &mut Findings<'_>, access: &Access) {
        if !access.no_system_account {
            return;
        }
        for draft in &self.accounts {
            for (export, at) in draft.account.exports.iter().zip(&draft.exports_at) {
                if export.latency.is_some() {
                    let why = format!(
                        "Error adding service latency sampling for {:?}: system account not setup",
                        export.subject
                    );
                    found.error(*at, why);
                }
            }
        }
    }

    fn has_account(&self, name: &str) -> bool {
        self.accounts.iter().any(|draft| *draft.account.name == *name)
    }

    fn system(&self, found: &mut Findings<'_>, access: &Access) {
        let Some(name) = access.system_account.as_deref() else { return };
        let at = self.system_at.unwrap_or_default();
        if name == Account::GLOBAL {
            found.error(at, "the global account can not be the system account");
        } else if !self.operator.is_on() && name != SYSTEM && !self.has_account(name) {
            found.error(at, format!("system_account {name:?} is not one of the accounts"));
        }
    }

    fn callout(&self, found: &mut Findings<'_>, access: &Access) {
        let Some(callout) = &access.callout else { return };
        let at = self.authorization.callout_at.unwrap_or_default();
        for name in &callout.allowed_accounts {
            if !self.has_account(name) {
                let why = format!(
                    "auth_callout allowed account {name:?} not found in configured accounts"
                );
                found.error(at, why);
            }
        }
        if let Some(name) = callout.account.as_deref()
            && name != Account::GLOBAL
            && !self.has_account(name)
        {
            found.error(at, format!("auth_callout account {name:?} is not one of the accounts"));
        }
    }

    /// With an operator, users and accounts are JWTs.
    fn excluded_by_operator(&self, found: &mut Findings<'_>, access: &Access, at: Position) {
        if !self.accounts.is_empty() {
            found.error(at, "operators do not allow Accounts to be configured directly");
        }
        let elsewhere = self.accounts.iter().any(|draft| !draft.users.is_empty());
        if !self.authorization.users.is_empty() || elsewhere {
            found.error(at, "operators do not allow users to be configured directly");
        }
        if access.callout.is_some() {
            let why = "operators do not allow authorization callouts to be configured directly";
            found.error(at, why);
        }
        if access.no_auth_user.is_some() {
            found.error(at, "no_auth_user not compatible with Trusted Operator");
        }
    }
}

/// The user without credentials must be one that is known.
pub(super) fn no_auth_user(
    found: &mut Findings<'_>,
    users: &[User],
    name: Option<&str>,
    at: Option<Position>,
) {
    let (Some(name), Some(at)) = (name, at) else { return };
    if users.is_empty() {
        let why = format!("no_auth_user: {name:?} present, but users/nkeys are not defined");
        found.error(at, why);
    } else if !users.iter().any(|user| user.identity.name() == name) {
        found.error(
            at,
            format!(
                "no_auth_user: {name:?} not present as user or nkey in authorization block or \
                 account configuration"
            ),
        );
    }
}

/// The system account's name unless the file says otherwise.
const SYSTEM: &str = "$SYS";
