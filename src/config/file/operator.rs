//! Operator mode: operators, keys they trust, and where account JWTs come from.
//!
//! Absent: signatures and expiry, which are checked where clients are.

use super::super::access::{Operator, Resolver};
use super::super::listen::Tls;
use super::super::text::{Entry, Files, Map, Position, Value};
use super::findings::Findings;
use super::keys::{self, Kind};
use super::tls::{self, Purpose};

/// The keys of the top level.
pub(super) const KEYS: &[&str] = &[
    "operator",
    "operators",
    "root",
    "roots",
    "root_operator",
    "root_operators",
    "resolver",
    "account_resolver",
    "accounts_resolver",
    "resolver_tls",
    "resolver_preload",
    "resolver_pinned_accounts",
    "trusted",
    "trusted_keys",
    "default_sentinel",
];

/// What the keys say.
#[derive(Default)]
pub(super) struct Draft {
    /// Where the first operator or trusted key stands.
    at: Option<Position>,
    jwts: Vec<Box<str>>,
    /// System accounts that operators name, one for each operator.
    system_accounts: Vec<Option<Box<str>>>,
    /// Where an operator says its accounts are served.
    server_url: Option<Box<str>>,
    trusted_keys: Vec<Box<str>>,
    trusted_at: Option<Position>,
    resolver: Option<(Position, Resolver)>,
    tls: Option<Tls>,
    preload: Vec<(Box<str>, Box<str>)>,
    pinned: Vec<(Position, Box<str>)>,
    sentinel: Option<(Position, Box<str>)>,
}

impl Draft {
    /// Takes one of the keys.
    pub(super) fn take(
        &mut self,
        found: &mut Findings<'_>,
        files: &mut dyn Files,
        key: &str,
        entry: &Entry,
    ) -> bool {
        match key {
            "operator" | "operators" | "root" | "roots" | "root_operator" | "root_operators" => {
                self.operators(found, files, entry);
            }
            "resolver" | "account_resolver" | "accounts_resolver" => {
                self.resolver = resolver(found, entry).map(|read| (entry.node.at, read));
            }
            "resolver_tls" => self.tls = tls::read(found, entry, Purpose::Client),
            "resolver_preload" => self.preload(found, entry),
            "resolver_pinned_accounts" => {
                let texts = found.texts(entry).unwrap_or_default();
                self.pinned = texts.into_iter().map(|(at, key)| (at, key.into())).collect();
            }
            "trusted" | "trusted_keys" => {
                self.trusted_at = Some(entry.node.at);
                for (at, key) in found.texts(entry).unwrap_or_default() {
                    if Kind::Operator.is_key(key) {
                        self.trusted_keys.push(key.into());
                    } else {
                        found.error(at, "a trusted key must be a valid public operator nkey");
                    }
                }
            }
            "default_sentinel" => {
                let sentinel = found.boxed(entry).filter(|jwt| !jwt.is_empty());
                self.sentinel = sentinel.map(|jwt| (entry.node.at, jwt));
            }
            _ => return false,
        }
        true
    }

    fn operators(&mut self, found: &mut Findings<'_>, files: &mut dyn Files, entry: &Entry) {
        for (at, text) in found.texts(entry).unwrap_or_default() {
            let jwt: Box<str> = if text.starts_with(keys::JWT_HEAD) {
                text.trim().into()
            } else {
                match files.read(text) {
                    Ok(content) => keys::undecorated(&content).into(),
                    Err(why) => {
                        let why = format!("error parsing operator JWT: open {text}: {why}");
                        found.error(at, why);
                        continue;
                    }
                }
            };
            let Some(claims) = keys::claims(&jwt, "operator") else {
                found.error(at, "error parsing operator JWT: this is no operator's JWT");
                continue;
            };
            self.at.get_or_insert(at);
            self.system_accounts.push(keys::claim(&claims, "system_account").map(Box::from));
            self.server_url = keys::claim(&claims, "account_server_url").map(Box::from);
            self.jwts.push(jwt);
        }
    }

    fn preload(&mut self, found: &mut Findings<'_>, entry: &Entry) {
        let Some(map) = found.map(entry) else { return };
        for entry in map.entries().filter(|entry| !entry.used) {
            let Some(jwt) = found.text(entry) else { continue };
            let Some(claims) = keys::claims(jwt.trim(), "account") else {
                found.error(entry.node.at, "invalid account JWT");
                continue;
            };
            if claims.get("sub").and_then(|sub| sub.as_str()) != Some(&*entry.key) {
                let why = "this account JWT is another account's, nobody will find it here";
                found.warn(entry.node.at, why);
            }
            self.preload.push((entry.key.clone(), jwt.trim().into()));
        }
    }

    /// Whether users and accounts are JWTs.
    pub(super) fn is_on(&self) -> bool {
        !self.jwts.is_empty() || !self.trusted_keys.is_empty()
    }

    /// Where operator mode is asked for.
    pub(super) fn place(&self) -> Option<Position> {
        self.at.or(self.trusted_at)
    }

    /// Whether operators themselves are configured, rather than keys alone.
    pub(super) fn has_operators(&self) -> bool {
        !self.jwts.is_empty()
    }

    /// Puts everything together; the system account is the configuration's or the operator's.
    pub(super) fn finish(
        mut self,
        found: &mut Findings<'_>,
        system_account: &mut Option<Box<str>>,
    ) -> Option<Operator> {
        if !self.is_on() {
            self.unused(found);
            return None;
        }
        let at = self.place().unwrap_or_default();
        if self.has_operators() && !self.trusted_keys.is_empty() {
            found.error(at, "conflicting options for 'TrustedKeys' and 'TrustedOperators'");
        }
        let derived = self.server_url.take().filter(|_| self.jwts.len() == 1);
        let resolver = match (self.resolver.take(), derived) {
            (Some((_, resolver)), _) => resolver,
            (None, Some(url)) => Resolver::Url(format!("{url}/accounts").into()),
            (None, None) if self.has_operators() => {
                found.error(at, "operators require an account resolver to be configured");
                Resolver::Memory
            }
            (None, None) => Resolver::Memory,
        };
        self.system_account(found, system_account, &resolver);
        for (at, key) in &self.pinned {
            if !Kind::Account.is_key(key) {
                found.error(*at, "a pinned account is a valid public account nkey");
            }
        }
        if let Some((at, jwt)) = &self.sentinel
            && keys::claims(jwt, "user").is_none()
        {
            found.error(*at, "default sentinel JWT not valid");
        }
        Some(Operator {
            jwts: self.jwts,
            trusted_keys: self.trusted_keys,
            resolver,
            resolver_tls: self.tls,
            preload: self.preload,
            pinned_accounts: self.pinned.into_iter().map(|(_, key)| key).collect(),
            default_sentinel: self.sentinel.map(|(_, jwt)| jwt),
        })
    }

    fn system_account(
        &self,
        found: &mut Findings<'_>,
        system_account: &mut Option<Box<str>>,
        resolver: &Resolver,
    ) {
        let at = self.place().unwrap_or_default();
        let named: Vec<&str> = self.system_accounts.iter().flatten().map(|name| &**name).collect();
        match system_account {
            Some(account) if !named.is_empty() && !named.contains(&&**account) => {
                found.error(at, "system_account in config and operator JWT must be identical");
            }
            Some(_) => {}
            None => {
                let first = self.system_accounts.first().cloned().flatten();
                if first.is_none() && matches!(resolver, Resolver::Directory(_)) {
                    found.error(
                        at,
                        "using nats based account resolver - the system account needs to be \
                         specified in configuration or the operator jwt",
                    );
                }
                *system_account = first.filter(|_| self.jwts.len() == 1);
            }
        }
    }

    /// Keys that mean nothing without an operator.
    fn unused(&self, found: &mut Findings<'_>) {
        if let Some((at, _)) = &self.sentinel {
            found.error(*at, "default sentinel requires operators and accounts");
        }
        if let Some((at, _)) = &self.resolver {
            found.warn(*at, "a resolver has no effect without an operator or trusted keys");
        }
    }
}

/// `MEMORY`, `URL(…)`, or a map.
fn resolver(found: &mut Findings<'_>, entry: &Entry) -> Option<Resolver> {
    match &entry.node.value {
        Value::Text(text) => {
            let upper = text.trim().to_ascii_uppercase();
            if upper == "MEM" || upper == "MEMORY" {
                return Some(Resolver::Memory);
            }
            if let Some(url) = url(text) {
                return Some(Resolver::Url(url.into()));
            }
        }
        Value::Map(map) => return directory(found, entry, map),
        _ => {}
    }
    found.error(
        entry.node.at,
        "error parsing account resolver, should be MEM or URL(\"url\") or a map containing dir \
         and type state=[FULL|CACHE])",
    );
    None
}

/// The address in `URL(…)`.
fn url(text: &str) -> Option<&str> {
    let (head, rest) = text.trim().split_at_checked(3)?;
    let inside = rest.trim().strip_prefix('(')?.strip_suffix(')')?.trim();
    let url = inside.strip_prefix('"').and_then(|url| url.strip_suffix('"')).unwrap_or(inside);
    let known = url.starts_with("http://") || url.starts_with("https://");
    (head.eq_ignore_ascii_case("URL") && known && !url.contains(char::is_whitespace)).then_some(url)
}

/// `{ type, dir, … }`.
fn directory(found: &mut Findings<'_>, entry: &Entry, map: &Map) -> Option<Resolver> {
    const KEYS: &[&str] =
        &["type", "dir", "allow_delete", "hard_delete", "limit", "ttl", "interval", "timeout"];
    let at = entry.node.at;
    let (mut kind, mut dir) = (String::new(), None);
    let (mut delete, mut hard, mut ttl, mut interval) = (false, false, 0, 0);
    for entry in map.entries() {
        match &*entry.key.to_ascii_lowercase() {
            "type" => kind = found.text(entry).unwrap_or_default().to_ascii_uppercase(),
            "dir" => dir = found.boxed(entry).filter(|dir| !dir.is_empty()),
            "allow_delete" => delete = found.boolean(entry).unwrap_or_default(),
            "hard_delete" => hard = found.boolean(entry).is_some(),
            "limit" => {
                found.count::<u64>(entry);
            }
            "ttl" => ttl = found.duration(entry).unwrap_or_default(),
            "interval" => interval = found.duration(entry).unwrap_or_default(),
            "timeout" => {
                found.duration(entry);
            }
            _ => found.unknown(entry, &[KEYS]),
        }
    }
    let faults = match &*kind {
        "MEM" | "MEMORY" => return Some(Resolver::Memory),
        "FULL" => [
            (ttl > 0, "FULL does not accept ttl"),
            (hard && !delete, "hard_delete has no effect without delete"),
            (false, ""),
        ],
        "CACHE" => [
            (interval > 0, "CACHE does not accept sync"),
            (delete, "CACHE does not accept allow_delete"),
            (hard, "CACHE does not accept hard_delete"),
        ],
        _ => [(true, "the type of a resolver is MEMORY, FULL or CACHE"), (false, ""), (false, "")],
    };
    for (_, why) in faults.into_iter().filter(|(wrong, _)| *wrong) {
        found.error(at, why);
    }
    if dir.is_none() {
        found.error(at, "dir has no value and needs to point to a directory");
    }
    found.warn(
        at,
        "accounts are read from the resolver's directory at start and on reload; this version \
         neither exchanges them with other servers nor takes them from \"nsc push\"",
    );
    dir.map(Resolver::Directory)
}
