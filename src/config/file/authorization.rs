//! `authorization { … }`: one user, a token, or users of the global account; and who else decides.
//!
//! Absent: accounts.

use super::super::Secret;
use super::super::access::{Access, Account, Callout, User};
use super::super::duration;
use super::super::text::{Entry, Position};
use super::findings::{Findings, set};
use super::keys::{self, Kind};
use super::{permissions, users};

/// The keys of the block.
const KEYS: &[&str] = &[
    "user",
    "username",
    "pass",
    "password",
    "token",
    "timeout",
    "users",
    "default_permission",
    "default_permissions",
    "permissions",
    "auth_callout",
    "auth_hook",
    "proxy_required",
];

/// What must be compared with the rest of the configuration.
#[derive(Default)]
pub(super) struct Authorization {
    /// Where the block stands, if there is one.
    pub(super) at: Option<Position>,
    /// It has a list of users, be it empty.
    pub(super) has_users: bool,
    pub(super) users: Vec<(Position, User)>,
    /// Where `auth_callout` stands.
    pub(super) callout_at: Option<Position>,
}

/// Reads the block.
pub(super) fn read(found: &mut Findings<'_>, access: &mut Access, entry: &Entry) -> Authorization {
    let mut block = Authorization { at: Some(entry.node.at), ..Authorization::default() };
    access.authorization_block = true;
    let (mut user, mut password): (Option<Box<str>>, Option<Secret>) = (None, None);
    let Some(map) = found.map(entry) else { return block };
    let at = entry.node.at;
    for entry in map.entries() {
        match &*entry.key.to_ascii_lowercase() {
            "user" | "username" => user = found.boxed(entry).filter(|name| !name.is_empty()),
            "pass" | "password" => password = users::secret(found, entry),
            "token" => access.token = users::secret(found, entry),
            "timeout" => set_timeout(found, access, entry),
            "users" => {
                block.has_users = true;
                block.users = users::read(found, entry, Account::GLOBAL);
            }
            "default_permission" | "default_permissions" | "permissions" => {
                access.default_permissions = permissions::read(found, entry);
            }
            "auth_callout" | "auth_hook" => {
                block.callout_at = Some(entry.node.at);
                access.callout = callout(found, entry);
            }
            "proxy_required" => set(&mut access.proxy_required, found.boolean(entry)),
            _ => found.unknown(entry, &[KEYS]),
        }
    }
    match (user, password) {
        (Some(user), password) => {
            access.single = Some((user, password.unwrap_or_else(|| Secret::new(""))));
        }
        (None, Some(_)) => found.error(at, "a password without a user would let everybody in"),
        (None, None) => {}
    }
    if access.single.is_some() && access.token.is_some() {
        found.error(at, "Cannot have a user/pass and token");
    }
    block
}

fn set_timeout(found: &mut Findings<'_>, access: &mut Access, entry: &Entry) {
    let Some(time) = found.seconds(entry).filter(|&time| time > 0) else { return };
    if time > TIMEOUT_HIGH_NS {
        let why = format!(
            "timeout of {} is high, consider keeping it under 60 seconds; possibly caused by an \
             unquoted duration: use '1m' instead of 1m, for example",
            duration::show(time)
        );
        found.warn(entry.node.at, why);
    }
    access.timeout_ns = Some(time);
}

/// `auth_callout { … }`.
fn callout(found: &mut Findings<'_>, entry: &Entry) -> Option<Callout> {
    let map = found.map(entry)?;
    let mut callout = Callout {
        issuer: "".into(),
        account: None,
        auth_users: Vec::new(),
        xkey: None,
        allowed_accounts: Vec::new(),
    };
    for entry in map.entries() {
        match &*entry.key.to_ascii_lowercase() {
            "issuer" => {
                set(&mut callout.issuer, found.boxed(entry));
                if !Kind::Account.is_key(&callout.issuer) {
                    let why = "the issuer of auth_callout must be a valid public account nkey";
                    found.error(entry.node.at, why);
                }
            }
            "account" | "acc" => callout.account = found.boxed(entry).filter(|a| !a.is_empty()),
            "auth_users" | "users" => set(&mut callout.auth_users, found.words(entry)),
            "xkey" | "key" => {
                callout.xkey = found.boxed(entry);
                if !callout.xkey.as_deref().is_some_and(|key| Kind::Curve.is_key(key)) {
                    let why = "the xkey of auth_callout must be a valid public xkey";
                    found.error(entry.node.at, why);
                }
            }
            "allowed_accounts" => set(&mut callout.allowed_accounts, found.words(entry)),
            _ => {
                let keys = ["issuer", "account", "acc", "auth_users", "users", "xkey", "key"];
                found.unknown(entry, &[&keys, &["allowed_accounts"]]);
            }
        }
    }
    if callout.issuer.is_empty() && !map.entries().any(|e| e.key.eq_ignore_ascii_case("issuer")) {
        let why = "Authorization callouts require an issuer to be specified";
        found.error(entry.node.at, why);
    }
    if callout.auth_users.is_empty() {
        let why = "Authorization callouts require authorized users to be specified";
        found.error(entry.node.at, why);
    }
    Some(callout)
}

/// `proxies { trusted [ { key } ] }`.
pub(super) fn proxies(found: &mut Findings<'_>, access: &mut Access, entry: &Entry) {
    let Some(map) = found.map(entry) else { return };
    for entry in map.entries() {
        if !entry.key.eq_ignore_ascii_case("trusted") {
            found.unknown(entry, &[&["trusted"]]);
            continue;
        }
        for (at, proxy) in found.maps(entry) {
            let mut key = None;
            for entry in proxy.entries() {
                match &*entry.key.to_ascii_lowercase() {
                    "key" | "public_key" => key = found.boxed(entry),
                    _ => found.unknown(entry, &[&["key", "public_key"]]),
                }
            }
            match key {
                Some(key) if keys::is_public(&key) => access.trusted_proxies.push(key),
                _ => found.error(at, "a trusted proxy needs a valid public key"),
            }
        }
    }
}

/// From here on a time to authenticate is doubtful.
const TIMEOUT_HIGH_NS: u64 = 60_000_000_000;
