//! What options make of a configuration.
//!
//! Absent: how they are written (`flags`).

use super::*;
use crate::config::Verbosity;
use crate::config::access::{Identity, User};

fn flags(line: &str) -> Flags {
    let arguments: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
    Flags::parse(&arguments).expect(line)
}

fn over(line: &str, config: Config) -> Config {
    lay_over(&flags(line), config).expect(line)
}

fn parse(line: &str) -> Config {
    over(line, Config::default())
}

fn refused(line: &str) -> String {
    lay_over(&flags(line), Config::default()).expect_err(line)
}

#[test]
fn address_and_port_of_the_classic_listener() {
    for line in ["-a ::1 -p 7", "--addr ::1 --port=7", "-addr=::1 -port 7", "-net ::1 -p=7"] {
        assert_eq!(parse(line).listeners, [Listener::classic("::1", 7)], "{line}");
    }
    for line in ["-p -1", "--port=-1"] {
        assert_eq!(parse(line).listeners, [Listener::classic("0.0.0.0", 0)], "{line}");
    }
    assert_eq!(parse("-p 0").listeners, [Listener::classic("0.0.0.0", 4222)]);
    for line in ["-p 65536", "-p -2", "-p 4294967297"] {
        assert!(refused(line).contains("is not a port"), "{line}");
    }
}

#[test]
fn a_file_that_only_has_a_unix_socket_gets_a_listener_for_the_port() {
    let unix = Listener {
        name: "local".into(),
        address: Address::Unix { path: "/tmp/s".into(), mode: None },
        ..Listener::classic("", 0)
    };
    let config = Config { listeners: vec![unix.clone()], ..Config::default() };
    assert_eq!(over("-D", config.clone()).listeners, config.listeners);
    assert_eq!(over("-p 7", config).listeners, [Listener::classic("0.0.0.0", 7), unix]);
}

#[test]
fn options_reach_the_configuration() {
    let (debug, trace) = (parse("-D").verbosity, parse("-V").verbosity);
    assert!(debug.debug && !debug.trace && trace.trace && !trace.debug);
    for line in ["-DV", "-DVV", "-D -VV"] {
        let Verbosity { debug, trace, trace_verbose, .. } = parse(line).verbosity;
        assert!(debug && trace, "{line}");
        assert_eq!(trace_verbose, line.contains("VV"), "{line}");
    }
    assert!(!parse("-DV -DV=false").verbosity.debug);
    assert_eq!(parse("-n joe").server_name, "joe");
    assert!(!parse("-T=false").log_time);
    assert!(parse("--logtime_utc").log_utc);
    assert_eq!(parse("--log_format json").log_format, LogFormat::Json);
    let limits = parse("-max_payload 1KB --max_pending=2MiB -ping_interval 250ms").limits;
    assert_eq!((limits.payload_max, limits.pending_bytes_max), (1024, 2 << 20));
    assert_eq!(limits.ping_interval_ns, 250_000_000);
    let config = parse("-P a --ports_file_dir=b -l c --log_size_limit 9");
    assert_eq!(config.pid_file.as_deref(), Some("a"));
    assert_eq!(config.ports_file_dir.as_deref(), Some("b"));
    assert_eq!(config.log_file.as_deref(), Some("c"));
    assert_eq!(config.log_size_max, 9);
}

#[test]
fn a_remote_system_log_counts_more_than_the_local_one() {
    let remote = Some(Syslog::Remote("udp://h:1".to_owned()));
    assert_eq!(parse("-s").syslog, Some(Syslog::Local));
    assert_eq!(parse("-r udp://h:1 -s").syslog, remote);
    assert_eq!(parse("-s -r udp://h:1").syslog, remote);
    let local = Config { syslog: Some(Syslog::Local), ..Config::default() };
    assert_eq!(over("-s=false", local).syslog, None);
}

#[test]
fn an_option_counts_more_than_the_file_and_only_where_it_is_given() {
    let file = Config {
        listeners: vec![Listener::classic("10.0.0.1", 5000)],
        server_name: "file".to_owned(),
        log_file: Some("file.log".to_owned()),
        ..Config::default()
    };
    let config = over("-p 6000 -n flag", file);
    assert_eq!(config.listeners, [Listener::classic("10.0.0.1", 6000)]);
    assert_eq!(config.server_name, "flag");
    assert_eq!(config.log_file.as_deref(), Some("file.log"));
}

#[test]
fn user_and_password_replace_those_of_the_file() {
    let single = |line: &str, file: Option<(&str, &str)>| {
        let single = file.map(|(user, pass)| (Box::from(user), Secret::new(pass)));
        let access = crate::config::Access { single, ..Default::default() };
        let single = over(line, Config { access, ..Config::default() }).access.single;
        single.map(|(user, pass)| (user.to_string(), pass.expose().to_owned()))
    };
    let pair = |user: &str, pass: &str| Some((user.to_owned(), pass.to_owned()));
    assert_eq!(single("--user u --pass p", None), pair("u", "p"));
    assert_eq!(single("--user u --pass p", Some(("a", "b"))), pair("u", "p"));
    assert_eq!(single("--pass p", Some(("a", "b"))), pair("a", "p"));
    assert_eq!(single("--user u", Some(("a", "b"))), pair("u", "b"));
    assert_eq!(single("-D", Some(("a", "b"))), pair("a", "b"));
    assert!(refused("--pass p").contains("--user"));
    assert_eq!(parse("--auth t").access.token, Some(Secret::new("t")));
}

#[test]
fn a_user_that_the_files_users_make_useless_is_warned_of() {
    let user = User {
        identity: Identity::Nkey("U".into()),
        account: "$G".into(),
        permissions: None,
        connection_types: Vec::new(),
        proxy_required: false,
        rate: crate::config::access::Rate::default(),
    };
    let access = crate::config::Access { users: vec![user], ..Default::default() };
    let config = over("--user u --pass p", Config { access, ..Config::default() });
    assert_eq!(config.warnings.len(), 1, "{:?}", config.warnings);
}

#[test]
fn tls_needs_certificate_and_key() {
    for line in ["--tls", "--tlsverify", "--tlskey k", "--tls --tlscacert c"] {
        assert_eq!(refused(line), "TLS Server certificate must be present and valid", "{line}");
    }
    let text = "TLS Server private key must be present and valid";
    assert_eq!(refused("--tls --tlscert c"), text);
    let tls = parse("--tlscert c --tlskey k --tlsverify --tlscacert a").listeners[0].tls.clone();
    let tls = tls.expect("TLS");
    assert_eq!(&*tls.certificates[0].cert_file, "c");
    assert_eq!(&*tls.certificates[0].key_file, "k");
    assert_eq!(tls.ca_file.as_deref(), Some("a"));
    assert!(tls.verify);
    assert_eq!(tls.timeout_ns, Tls::TIMEOUT_NS);
    let mut file = Config::default();
    file.listeners[0].tls = Some(tls);
    assert_eq!(over("--tls=false", file).listeners[0].tls, None);
}

#[test]
fn features_that_are_not_there_are_named_once_each() {
    let line = "-js -sd=d --cluster nats://h:1 --routes nats://h:2 -cluster_name c";
    let warnings = parse(line).warnings;
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(warnings[0].starts_with("-js, -sd ignored"), "{warnings:?}");
    for line in ["-js=false", "-m 0", "-cluster=", "--no_advertise=false", "-sd="] {
        assert_eq!(parse(line).warnings, Vec::<String>::new(), "{line}");
    }
}

#[test]
fn monitoring_is_switched_on_by_its_port() {
    assert_eq!(parse("-m 8222").monitoring.http, Some(8222));
    assert_eq!(parse("--http_port -1").monitoring.http, Some(0));
    let mut file = Config::default();
    file.monitoring.http = Some(1);
    assert_eq!(over("-m 0", file.clone()).monitoring.http, Some(1));
    assert_eq!(over("-m 2", file).monitoring.http, Some(2));
    assert!(refused("-ms 1").contains("TLS cert and key required"));
    assert!(refused("-m 1 -ms 2").contains("can't specify both"));
}

#[test]
fn routes_need_a_cluster() {
    assert!(refused("--routes nats://h:2").contains("solicited routes require"));
    assert_eq!(parse("--routes nats://h:2 -c file").warnings.len(), 1);
}

#[test]
fn limits_are_checked_together() {
    assert!(refused("--max_payload 2MB --max_pending 1MB").contains("max_payload"));
    assert!(refused("--shards 0").contains("shards"));
    assert!(refused("--io-uring maybe").contains("'auto', 'on' or 'off'"));
    assert!(refused("--spin 2s").contains("a second"));
    let config = parse("--io-uring off --spin 30us");
    assert_eq!((config.io_uring, config.spin_ns), (IoUring::Off, 30_000));
    assert!(refused("--shards 65").contains("shards"));
    assert!(refused("--max_connections=-1").contains("max_connections"));
}
