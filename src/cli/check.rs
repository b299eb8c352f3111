//! `-t` and `check`: whether a configuration file is in order, and what it sets up.
//!
//! Absent: serving. Every error and every warning is shown, and no secret.

use std::fmt::Write as _;
use std::process::ExitCode;

use super::flags::Flags;
use super::{failure, print, reading, tell};
use crate::admin::verify;
use crate::config::access::{Identity, Resolver};
use crate::config::listen::{Address, Tls};
use crate::config::{Access, Config, Listener, Syslog};

/// `-t`: says that the file is in order, in nats-server's words.
pub(super) fn test(executable: &str, flags: &Flags) -> ExitCode {
    let Some(file) = reading::file(flags) else { return failure(executable, NO_FILE) };
    match verified(flags) {
        Ok(config) => {
            for warning in &config.warnings {
                tell(&format!("{executable}: warning: {warning}\n"));
            }
            tell(&verdict(executable, file, &config));
            ExitCode::SUCCESS
        }
        Err(reason) => failure(executable, &reason),
    }
}

/// What `check` is for, in one line.
pub(super) const ABOUT: &str = "Check a configuration file and say what it sets up";

/// `check -c FILE`: the same, and what the file sets up.
pub(super) fn command(executable: &str, arguments: &[String]) -> ExitCode {
    let flags = match Flags::parse(arguments) {
        Ok(flags) => flags,
        Err(error) => return failure(executable, &error.to_string()),
    };
    if let Some(word) = flags.rest.first() {
        let text = format!("unexpected {word:?}; write {executable} check -c FILE");
        return failure(executable, &text);
    }
    let Some(file) = reading::file(&flags) else {
        return failure(executable, &format!("write {executable} check -c FILE"));
    };
    match verified(&flags) {
        Ok(config) => print(&format!("{}{}", verdict(executable, file, &config), summary(&config))),
        Err(reason) => {
            let count = reason.lines().count();
            let plural = if count == 1 { "" } else { "s" };
            let text = format!("configuration file {file} has {count} error{plural}");
            failure(executable, &format!("{text}:\n{reason}"))
        }
    }
}

/// The configuration, if it could be served.
fn verified(flags: &Flags) -> Result<Config, String> {
    let mut config = reading::read(flags).map_err(|error| error.reason)?.config;
    let told = verify::verify(&config).map_err(|error| error.to_string())?;
    config.warnings.extend(told);
    Ok(config)
}

fn verdict(executable: &str, file: &str, config: &Config) -> String {
    let digest = config.digest.as_deref().unwrap_or_default();
    format!("{executable}: configuration file {file} is valid ({digest})\n")
}

/// What a configuration sets up, on less than a screen as a rule.
fn summary(config: &Config) -> String {
    let mut text = String::new();
    let mut row = |head: &str, value: &str| {
        // Writing to a string does not fail.
        let _ = writeln!(text, "  {head:<10} {value}");
    };
    for (index, listener) in config.listeners.iter().take(ROWS_MAX).enumerate() {
        let head = if index == 0 { "listeners" } else { "" };
        row(head, &place(listener));
    }
    if config.listeners.len() > ROWS_MAX {
        row("", &format!("and {} more", config.listeners.len() - ROWS_MAX));
    }
    row("sign-in", &sign_in(&config.access));
    row("users", &users(&config.access));
    row("accounts", &accounts(&config.access));
    row("log", &log(config));
    let limits = &config.limits;
    row(
        "limits",
        &format!(
            "{} connections, {} bytes a message, {} bytes unsent a client",
            limits.connections_max, limits.payload_max, limits.pending_bytes_max
        ),
    );
    row("shards", &config.shards.to_string());
    let itself = if config.watch { ", and by itself when a file changes" } else { "" };
    row("reload", &format!("on SIGHUP{itself}"));
    for warning in &config.warnings {
        row("warning", warning);
    }
    text
}

fn place(listener: &Listener) -> String {
    let address = match &listener.address {
        Address::Tcp { host, port: 0 } => format!("{host}, any free port"),
        Address::Tcp { host, port } if host.contains(':') => format!("[{host}]:{port}"),
        Address::Tcp { host, port } => format!("{host}:{port}"),
        Address::Unix { path, .. } => format!("unix:{path}"),
    };
    let tls = listener.tls.as_ref().map_or("no TLS", tls);
    let proxy = if listener.proxy_protocol { ", PROXY protocol" } else { "" };
    format!("{}: {address}, {tls}{proxy}", listener.name)
}

fn tls(tls: &Tls) -> &'static str {
    match (tls.allow_non_tls, tls.verify || tls.verify_and_map, tls.verify_and_map) {
        (true, _, _) => "TLS or not",
        (false, false, _) => "TLS",
        (false, true, false) => "TLS with client certificates",
        (false, true, true) => "TLS with client certificates that name the user",
    }
}

fn sign_in(access: &Access) -> String {
    let mut ways = Vec::new();
    if let Some(operator) = &access.operator {
        let resolver = match operator.resolver {
            Resolver::Memory => "accounts of this file",
            Resolver::Directory(_) => "accounts of a directory",
            Resolver::Url(_) => "accounts of a web server",
        };
        ways.push(format!("JWTs of an operator ({resolver})"));
    }
    if access.callout.is_some() {
        ways.push("an external service (auth callout)".to_owned());
    }
    if !access.users.is_empty() {
        ways.push("users of this file".to_owned());
    }
    if access.single.is_some() {
        ways.push("one user and password".to_owned());
    }
    if access.token.is_some() {
        ways.push("a token".to_owned());
    }
    if let Some(user) = &access.no_auth_user {
        ways.push(format!("without credentials as {user:?}"));
    }
    if ways.is_empty() { "not needed: everybody may connect".to_owned() } else { ways.join(", ") }
}

fn users(access: &Access) -> String {
    let keys = access.users.iter().filter(|user| matches!(user.identity, Identity::Nkey(_)));
    let keys = keys.count();
    let hashes = access.users.iter().filter(|user| {
        let Identity::Password { password, .. } = &user.identity else { return false };
        password.as_ref().is_some_and(crate::config::Secret::is_bcrypt)
    });
    let (hashes, total) = (hashes.count(), access.users.len());
    format!("{total} ({} by password, {hashes} of them hashed, {keys} by nkey)", total - keys)
}

fn accounts(access: &Access) -> String {
    let shown: Vec<&str> =
        access.accounts.iter().take(ROWS_MAX).map(|account| &*account.name).collect();
    let more = access.accounts.len() - shown.len();
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let names = if shown.is_empty() { "none of its own".to_owned() } else { shown.join(", ") };
    let system = match &access.system_account {
        _ if access.no_system_account => "no system account".to_owned(),
        Some(name) => format!("system account {name}"),
        None => "system account $SYS".to_owned(),
    };
    format!("{}: {names}{more}; {system}", access.accounts.len())
}

fn log(config: &Config) -> String {
    match (&config.log_file, &config.syslog) {
        (Some(path), _) if config.log_size_max > 0 => {
            let kept = match config.log_files_max {
                0 => "all are kept".to_owned(),
                count => format!("{count} are kept"),
            };
            format!("{path}, a new file each {} bytes, {kept}", config.log_size_max)
        }
        (Some(path), _) => path.clone(),
        (None, Some(Syslog::Local)) => "the system log".to_owned(),
        (None, Some(Syslog::Remote(url))) => format!("the system log at {url}"),
        (None, None) => "standard error".to_owned(),
    }
}

const NO_FILE: &str = "must specify [-c, --config] option to check configuration file syntax";
/// Listeners, and accounts, that are shown one by one.
const ROWS_MAX: usize = 12;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secret;

    #[test]
    fn a_summary_tells_what_is_there_and_no_secret() {
        let mut config = Config::default();
        config.listeners[0].tls = Some(Tls { verify: true, ..Tls::default() });
        config.access.single = Some(("joe".into(), Secret::new("hunter2")));
        config.access.token = Some(Secret::new("hunter3"));
        config.warnings.push("mind the gap".to_owned());
        let text = summary(&config);
        for part in [
            "default: 0.0.0.0:4222, TLS with client certificates",
            "one user and password, a token",
            "standard error",
            "system account $SYS",
            "mind the gap",
        ] {
            assert!(text.contains(part), "no {part:?} in:\n{text}");
        }
        assert!(!text.contains("hunter"), "{text}");
        assert!(summary(&Config::default()).contains("everybody may connect"));
    }
}
