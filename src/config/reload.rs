//! What changes from one configuration to the next, and what a running broker cannot change.
//!
//! Absent: letting changes take effect, and files that a configuration only names: certificates
//! and operators' JWTs may have new content although nothing here changes.
//!
//! Lines are nats-server's, where it has them; secrets are in none of them.

use std::fmt::Display;

use super::access::{Access, Identity, Operator};
use super::listen::{Address, HandshakeFirst, Listener, Tls};
use super::{Config, Limits, Monitoring, Syslog, duration};

/// What a reload changes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// One line for each changed part, for the log: `Reloaded: debug = true`.
    pub lines: Vec<String>,
    /// Where log lines go, or what they show.
    pub log: bool,
    /// Bounds and times.
    pub limits: bool,
    /// Who may connect, and what they may do.
    pub access: bool,
    /// TLS, advertised addresses, types or numbers of connections of listeners.
    pub listeners: bool,
    /// The process id's or the ports' file.
    pub files: bool,
    /// Tags or metadata.
    pub labels: bool,
}

impl Changes {
    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Compares two configurations; the error says what cannot change while the broker runs.
pub fn between(old: &Config, new: &Config) -> Result<Changes, Vec<String>> {
    let refused = fixed(old, new);
    if !refused.is_empty() {
        return Err(refused);
    }
    let mut changes = Changes::default();
    let (shown, lines) = (log(old, new), &mut changes.lines);
    changes.log = !shown.is_empty();
    lines.extend(shown);
    let labels = labels(old, new);
    changes.labels = !labels.is_empty();
    lines.extend(labels);
    let files = files(old, new);
    changes.files = !files.is_empty();
    lines.extend(files);
    let limits = limits(old, new);
    changes.limits = !limits.is_empty();
    lines.extend(limits);
    let access = access(&old.access, &new.access);
    changes.access = !access.is_empty();
    lines.extend(access);
    for (old, new) in old.listeners.iter().zip(&new.listeners) {
        let listener = listener(old, new);
        changes.listeners |= !listener.is_empty();
        lines.extend(listener);
    }
    Ok(changes)
}

/// Collects what cannot change.
#[derive(Default)]
struct Fixed(Vec<String>);

impl Fixed {
    fn same<T: PartialEq + Display>(&mut self, name: &str, old: T, new: T) {
        if old != new {
            self.0.push(format!("config reload not supported for {name}: old={old}, new={new}"));
        }
    }

    /// For what is too long or too secret to be shown.
    fn same_unseen<T: PartialEq + ?Sized>(&mut self, name: &str, old: &T, new: &T) {
        if old != new {
            self.0.push(format!("config reload not supported for {name}"));
        }
    }
}

fn fixed(old: &Config, new: &Config) -> Vec<String> {
    let mut fixed = Fixed::default();
    fixed.same("ServerName", &old.server_name, &new.server_name);
    fixed.same("Shards", old.shards, new.shards);
    fixed.same("IoUring", old.io_uring, new.io_uring);
    fixed.same("Spin", old.spin_ns, new.spin_ns);
    fixed.same("NoHeaderSupport", old.no_headers, new.no_headers);
    places(&mut fixed, &old.listeners, &new.listeners);
    monitoring(&mut fixed, &old.monitoring, &new.monitoring);
    let (old, new) = (&old.access, &new.access);
    fixed.same("NoSystemAccount", old.no_system_account, new.no_system_account);
    let system = |access: &Access| access.system_account.clone().unwrap_or_else(|| "$SYS".into());
    fixed.same("SystemAccount", system(old), system(new));
    operators(&mut fixed, old.operator.as_ref(), new.operator.as_ref());
    fixed.0
}

/// Listeners stay where they are; whoever asks for any port keeps the one it has.
fn places(fixed: &mut Fixed, old: &[Listener], new: &[Listener]) {
    let names = |all: &[Listener]| all.iter().map(|l| &*l.name).collect::<Vec<_>>().join(", ");
    if names(old) != names(new) {
        fixed.same("Listeners", names(old), names(new));
        return;
    }
    for (place, (old, new)) in old.iter().zip(new).enumerate() {
        let named = |name: &str| match place {
            0 => name.to_owned(),
            _ => format!("{name} of listener {:?}", old.name),
        };
        match (&old.address, &new.address) {
            (
                Address::Tcp { host: old_host, port: old_port },
                Address::Tcp { host: new_host, port: new_port },
            ) => {
                fixed.same(&named("Host"), old_host, new_host);
                if *new_port != 0 {
                    fixed.same(&named("Port"), old_port, new_port);
                }
            }
            (old, new) => fixed.same_unseen(&named("Address"), old, new),
        }
        fixed.same(&named("ProxyProtocol"), old.proxy_protocol, new.proxy_protocol);
    }
}

/// As in nats-server, the monitoring port stays as it was opened; who asked for any port keeps the
/// one it has.
fn monitoring(fixed: &mut Fixed, old: &Monitoring, new: &Monitoring) {
    let count = |port: Option<u16>| port.map_or(0, u32::from);
    let port = |old: Option<u16>, new: Option<u16>| if new == Some(0) { old } else { new };
    fixed.same("HTTPHost", &old.host, &new.host);
    fixed.same("HTTPPort", count(old.http), count(port(old.http, new.http)));
    fixed.same("HTTPSPort", count(old.https), count(port(old.https, new.https)));
    fixed.same("HTTPBasePath", &old.base_path, &new.base_path);
    fixed.same_unseen("HTTPAuth", &old.auth, &new.auth);
}

fn operators(fixed: &mut Fixed, old: Option<&Operator>, new: Option<&Operator>) {
    let (Some(old), Some(new)) = (old, new) else {
        if old.is_some() != new.is_some() {
            let why = "config reload does not support moving to or from an account resolver";
            fixed.0.push(why.to_owned());
        }
        return;
    };
    fixed.same_unseen("TrustedOperators", &old.jwts, &new.jwts);
    fixed.same_unseen("TrustedKeys", &old.trusted_keys, &new.trusted_keys);
}

/// Lines about what differs.
#[derive(Default)]
struct Lines(Vec<String>);

impl Lines {
    fn shown<T: PartialEq + Display>(&mut self, name: &str, old: T, new: T) {
        if old != new {
            self.0.push(format!("Reloaded: {name} = {new}"));
        }
    }

    fn named<T: PartialEq + ?Sized>(&mut self, name: &str, old: &T, new: &T) {
        if old != new {
            self.0.push(format!("Reloaded: {name}"));
        }
    }

    fn time(&mut self, name: &str, old: u64, new: u64) {
        self.shown(name, duration::show(old), duration::show(new));
    }
}

fn log(old: &Config, new: &Config) -> Vec<String> {
    let mut lines = Lines::default();
    let (before, after) = (&old.verbosity, &new.verbosity);
    lines.shown("trace", before.trace, after.trace);
    lines.shown("trace_verbose", before.trace_verbose, after.trace_verbose);
    lines.shown("trace_headers", before.trace_headers, after.trace_headers);
    lines.shown("debug", before.debug, after.debug);
    lines.shown("logtime", old.log_time, new.log_time);
    lines.shown("logtime_utc", old.log_utc, new.log_utc);
    lines.shown("log_format", old.log_format.name(), new.log_format.name());
    lines.shown("log_file", text(old.log_file.as_ref()), text(new.log_file.as_ref()));
    lines.shown("logfile_size_limit", old.log_size_max, new.log_size_max);
    lines.shown("logfile_max_num", old.log_files_max, new.log_files_max);
    let local = |config: &Config| config.syslog == Some(Syslog::Local);
    lines.shown("syslog", local(old), local(new));
    lines.shown("remote_syslog", remote(old), remote(new));
    lines.shown("max_traced_msg_len", old.traced_message_max, new.traced_message_max);
    lines.0
}

fn remote(config: &Config) -> &str {
    match &config.syslog {
        Some(Syslog::Remote(address)) => address,
        Some(Syslog::Local) | None => "",
    }
}

fn text(path: Option<&String>) -> &str {
    path.map_or("", String::as_str)
}

fn labels(old: &Config, new: &Config) -> Vec<String> {
    let mut lines = Lines::default();
    lines.named("tags", &old.server_tags, &new.server_tags);
    lines.named("metadata", &old.server_metadata, &new.server_metadata);
    lines.0
}

fn files(old: &Config, new: &Config) -> Vec<String> {
    let mut lines = Lines::default();
    lines.shown("pid_file", text(old.pid_file.as_ref()), text(new.pid_file.as_ref()));
    let directory = |config: &Config| text(config.ports_file_dir.as_ref()).to_owned();
    lines.shown("ports_file_dir", directory(old), directory(new));
    lines.shown("watch", old.watch, new.watch);
    lines.0
}

fn limits(old: &Config, new: &Config) -> Vec<String> {
    let mut lines = Lines::default();
    let Limits {
        connections_max,
        subscriptions_max,
        subscription_tokens_max,
        filters_max,
        control_line_max,
        payload_max,
        pending_bytes_max,
        shard_spool_bytes_max,
        total_spool_bytes_max,
        write_deadline_ns,
        connect_timeout_ns,
        ping_interval_ns,
        pings_out_max,
        closed_clients_max,
        events_per_second,
        stop_deadline_ns,
    } = old.limits;
    let after = &new.limits;
    lines.shown("max_connections", connections_max, after.connections_max);
    lines.shown("max_subscriptions", subscriptions_max, after.subscriptions_max);
    lines.shown("max_sub_tokens", subscription_tokens_max, after.subscription_tokens_max);
    lines.shown("max_filters", filters_max, after.filters_max);
    lines.shown("max_control_line", control_line_max, after.control_line_max);
    lines.shown("max_payload", payload_max, after.payload_max);
    lines.shown("max_pending", pending_bytes_max, after.pending_bytes_max);
    lines.shown("max_pending_shard", shard_spool_bytes_max, after.shard_spool_bytes_max);
    lines.shown("max_pending_total", total_spool_bytes_max, after.total_spool_bytes_max);
    lines.time("write_deadline", write_deadline_ns, after.write_deadline_ns);
    lines.time("connect_timeout", connect_timeout_ns, after.connect_timeout_ns);
    lines.time("ping_interval", ping_interval_ns, after.ping_interval_ns);
    lines.shown("ping_max", pings_out_max, after.pings_out_max);
    lines.shown("max_closed_clients", closed_clients_max, after.closed_clients_max);
    lines.shown("max_system_events", events_per_second, after.events_per_second);
    lines.time("stop_deadline", stop_deadline_ns, after.stop_deadline_ns);
    lines.time("lame_duck_duration", old.lame_duck_duration_ns, new.lame_duck_duration_ns);
    lines.time("lame_duck_grace_period", old.lame_duck_grace_ns, new.lame_duck_grace_ns);
    lines.0
}

fn access(old: &Access, new: &Access) -> Vec<String> {
    let mut lines = Lines::default();
    let user = |access: &Access| access.single.as_ref().map(|(user, _)| user.clone());
    let password = |access: &Access| access.single.as_ref().map(|(_, password)| password.clone());
    lines.named("authorization username", &user(old), &user(new));
    lines.named("authorization password", &password(old), &password(new));
    lines.named("authorization token", &old.token, &new.token);
    if old.timeout_ns != new.timeout_ns {
        let time = new.timeout_ns.map_or_else(|| "default".to_owned(), duration::show);
        lines.0.push(format!("Reloaded: authorization timeout = {time}"));
    }
    lines.named("authorization users", &users(old, false), &users(new, false));
    lines.named("authorization nkey users", &users(old, true), &users(new, true));
    lines.named("default_permissions", &old.default_permissions, &new.default_permissions);
    lines.named("accounts", &old.accounts, &new.accounts);
    lines.named("accounts", &resolver(old), &resolver(new));
    lines.named("mappings", &old.mappings, &new.mappings);
    lines.named("no_auth_user", &old.no_auth_user, &new.no_auth_user);
    lines.named("auth_callout", &old.callout, &new.callout);
    let sentinel = |access: &Access| access.operator.as_ref().map(|o| o.default_sentinel.clone());
    lines.named("default_sentinel", &sentinel(old), &sentinel(new));
    lines.named("proxies", &old.trusted_proxies, &new.trusted_proxies);
    lines.named("proxy_required", &old.proxy_required, &new.proxy_required);
    let (before, after) = (old.user_connections_max, new.user_connections_max);
    lines.shown("max_user_connections", count(before), count(after));
    let (before, after) = (old.address_connections_max, new.address_connections_max);
    lines.shown("max_address_connections", count(before), count(after));
    lines.named("rate_limits", &old.connection_rate, &new.connection_rate);
    lines.named("websocket authorization", &old.websocket, &new.websocket);
    lines.0.dedup();
    lines.0
}

/// Users with or without keys, in an order of their own.
fn users(access: &Access, with_keys: bool) -> Vec<&super::access::User> {
    let is_key = |identity: &Identity| matches!(identity, Identity::Nkey(_));
    let mut users: Vec<_> =
        access.users.iter().filter(|user| is_key(&user.identity) == with_keys).collect();
    users.sort_by(|a, b| a.identity.name().cmp(b.identity.name()));
    users
}

/// What decides about accounts in operator mode, beside the operator itself.
fn resolver(access: &Access) -> Option<Operator> {
    let mut operator = access.operator.clone()?;
    operator.default_sentinel = None;
    Some(operator)
}

fn count(bound: Option<u32>) -> i64 {
    bound.map_or(-1, i64::from)
}

fn listener(old: &Listener, new: &Listener) -> Vec<String> {
    let mut lines = Lines::default();
    let advertised = |listener: &Listener| listener.advertise.clone().unwrap_or_default();
    lines.shown("client_advertise", advertised(old), advertised(new));
    lines.named("connection_type", &old.connection_type, &new.connection_type);
    let bounds = (count(old.connections_max), count(new.connections_max));
    lines.shown("max_connections", bounds.0, bounds.1);
    lines.named("websocket", &old.websocket, &new.websocket);
    tls(&mut lines, old.tls.as_ref(), new.tls.as_ref());
    if &*new.name != "default" {
        for line in &mut lines.0 {
            *line = format!("{line} (listener {:?})", new.name);
        }
    }
    lines.0
}

fn tls(lines: &mut Lines, old: Option<&Tls>, new: Option<&Tls>) {
    let (Some(old), Some(new)) = (old, new) else {
        let word = |tls: Option<&Tls>| if tls.is_some() { "enabled" } else { "disabled" };
        lines.shown("tls", word(old), word(new));
        return;
    };
    lines.time("tls timeout", old.timeout_ns, new.timeout_ns);
    if old.pinned_certs != new.pinned_certs {
        lines.0.push(format!("Reloaded: {} pinned_certs", new.pinned_certs.len()));
    }
    if old.handshake_first != new.handshake_first {
        let line = match new.handshake_first {
            HandshakeFirst::No => "Reloaded: Client TLS handshake first: false".to_owned(),
            HandshakeFirst::Yes => "Reloaded: Client TLS handshake first: true".to_owned(),
            HandshakeFirst::Auto(delay) => {
                let delay = duration::show(delay);
                format!("Reloaded: Client TLS handshake first fallback delay: {delay}")
            }
        };
        lines.0.push(line);
    }
    lines.shown("allow_non_tls", old.allow_non_tls, new.allow_non_tls);
    let rest = |tls: &Tls| Tls {
        timeout_ns: 0,
        pinned_certs: Vec::new(),
        handshake_first: HandshakeFirst::No,
        allow_non_tls: false,
        ..tls.clone()
    };
    if rest(old) != rest(new) {
        lines.0.push("Reloaded: tls = enabled".to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Files, load};

    struct One(&'static str);

    impl Files for One {
        fn read(&mut self, _: &str) -> Result<String, String> {
            Ok(self.0.to_owned())
        }
        fn variable(&self, _: &str) -> Option<String> {
            None
        }
    }

    fn config(text: &'static str) -> Config {
        load("f.conf", &mut One(text), Config::default()).expect("legal")
    }

    fn compare(old: &'static str, new: &'static str) -> Result<Changes, Vec<String>> {
        between(&config(old), &config(new))
    }

    #[test]
    fn nothing_changes_between_the_same() {
        let text = "port: 4222\nauthorization { users [ {user: a, password: b} ] }\n";
        assert!(compare(text, text).expect("no change").is_empty());
        let turned = "authorization { users [ {user: a, password: b} ] }\n# moved\nport: 4222";
        assert!(compare(text, turned).expect("no change").is_empty());
    }

    #[test]
    fn each_part_has_its_lines() {
        for (old, new, lines) in [
            ("port: 4222", "debug: true\n", &["Reloaded: debug = true"][..]),
            (
                "debug: true\n",
                "trace: true",
                &["Reloaded: trace = true", "Reloaded: debug = false"],
            ),
            ("port: 4222", "log_file: x", &["Reloaded: log_file = x"]),
            ("port: 4222", "ping_interval: '90s'", &["Reloaded: ping_interval = 1m30s"]),
            ("port: 4222", "max_payload: 1k\n", &["Reloaded: max_payload = 1000"]),
            ("port: 4222", "server_tags: a", &["Reloaded: tags"]),
            ("port: 4222", "accounts { A {} }", &["Reloaded: accounts"]),
            (
                "authorization { user: a, password: b }",
                "authorization { user: a, password: c }",
                &["Reloaded: authorization password"],
            ),
            (
                "authorization { users [ {user: a, password: b} ] }",
                "authorization { users [ {user: a, password: c} ] }",
                &["Reloaded: authorization users"],
            ),
            ("port: 4222", "tls { cert_file: c, key_file: k }", &["Reloaded: tls = enabled"]),
            (
                "tls { cert_file: c, key_file: k }",
                "tls { cert_file: c, key_file: k2, timeout: 3 }",
                &["Reloaded: tls timeout = 3s", "Reloaded: tls = enabled"],
            ),
            ("listen: '127.0.0.1:4222'", "listen: '127.0.0.1:-1'", &[]),
        ] {
            let changes = compare(old, new).unwrap_or_else(|refused| panic!("{new}: {refused:?}"));
            assert_eq!(changes.lines, lines, "{old} -> {new}");
        }
    }

    #[test]
    fn parts_are_told_apart() {
        let changes = compare("port: 4222", "debug: true").expect("live");
        assert!(changes.log && !changes.access && !changes.limits && !changes.listeners);
        let changes = compare("port: 4222", "max_conn: 5\naccounts { A {} }").expect("live");
        assert!(!changes.log && changes.access && changes.limits && !changes.listeners);
        let changes = compare("port: 4222", "client_advertise: 'h:1'").expect("live");
        assert!(changes.listeners && !changes.limits);
    }

    #[test]
    fn what_cannot_change_is_named() {
        for (old, new, line) in [
            (
                "port: 4222",
                "port: 4223",
                "config reload not supported for Port: old=4222, new=4223",
            ),
            ("host: a", "host: b", "config reload not supported for Host: old=a, new=b"),
            (
                "server_name: a",
                "server_name: b",
                "config reload not supported for ServerName: old=a, new=b",
            ),
            ("spin: '1s'", "", "config reload not supported for Spin: old=1000000000, new=0"),
            ("shards: 1", "shards: 2", "config reload not supported for Shards: old=1, new=2"),
            (
                "port: 4222",
                "listeners { a { listen: 1 } }",
                "config reload not supported for Listeners: old=default, new=default, a",
            ),
            (
                "listeners { a { unix: x } }",
                "listeners { a { unix: y } }",
                "config reload not supported for Address of listener \"a\"",
            ),
            (
                "accounts { A {} }",
                "accounts { A {} }\nsystem_account: A",
                "config reload not supported for SystemAccount: old=$SYS, new=A",
            ),
        ] {
            assert_eq!(compare(old, new).expect_err(new), [line], "{old} -> {new}");
        }
    }

    #[test]
    fn no_line_shows_a_secret() {
        let changes = compare(
            "authorization { user: a, password: hunter2 }",
            "authorization { token: hunter3 }",
        );
        let lines = changes.expect("live").lines.join("\n");
        assert!(!lines.contains("hunter"), "{lines}");
    }
}
