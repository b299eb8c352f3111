//! What keys mean: configurations, their warnings and their errors.
//!
//! Absent: the language (`text`).

mod access;

use super::super::listen::{Address, Listener};
use super::super::{Config, Files, IoUring, Limits, LogFormat, Syslog, load};

struct One(String);

impl Files for One {
    fn read(&mut self, path: &str) -> Result<String, String> {
        if path == "f.conf" { Ok(self.0.clone()) } else { Err("no such file".to_owned()) }
    }
    fn variable(&self, _: &str) -> Option<String> {
        None
    }
}

pub(super) fn config(text: &str) -> Config {
    load("f.conf", &mut One(text.to_owned()), Config::default())
        .unwrap_or_else(|errors| panic!("{text}\n{errors}"))
}

pub(super) fn errors(text: &str) -> Vec<String> {
    match load("f.conf", &mut One(text.to_owned()), Config::default()) {
        Ok(_) => panic!("{text}\nwas taken"),
        Err(errors) => errors.lines().to_vec(),
    }
}

#[test]
fn the_classic_keys_make_the_first_listener() {
    for (text, host, port) in [
        ("port: 4567", "0.0.0.0", 4567),
        ("port: -1", "0.0.0.0", 0),
        ("port: 0", "0.0.0.0", 4222),
        ("listen: 127.0.0.1:-1", "127.0.0.1", 0),
        ("listen: 4333", "0.0.0.0", 4333),
        ("listen: \"[::1]:4\"", "::1", 4),
        ("net: localhost", "localhost", 4222),
        ("HOST: \"::\"\nPort = 7", "::", 7),
    ] {
        let config = config(text);
        let address = Address::Tcp { host: host.into(), port };
        assert_eq!(config.listeners[0].address, address, "{text}");
        assert_eq!(config.listeners.len(), 1);
    }
}

#[test]
fn unknown_keys_are_errors_with_their_place_and_a_hint() {
    assert_eq!(
        errors("port: 1\n prot: 2\ndebug: true, zzz: 1"),
        [
            "f.conf:2:2: unknown field \"prot\"; did you mean \"port\"?",
            "f.conf:3:14: unknown field \"zzz\"",
        ]
    );
    config("X: 4222\nport: $X");
}

#[test]
fn every_key_that_is_suggested_is_known() {
    for keys in super::KEYS {
        for key in *keys {
            let found = match load("f.conf", &mut One(format!("{key}: 1\n")), Config::default()) {
                Ok(_) => continue,
                Err(errors) => errors.to_string(),
            };
            assert!(!found.contains("unknown field"), "{key}: {found}");
        }
    }
}

#[test]
fn keys_of_the_top_level_have_their_places() {
    let config = config(
        "server_name: n\nserver_tags: [ A, b, a ]\nserver_metadata { k: v }\nshards: 3\n\
         io_uring: off\nspin: \"50us\"\n\
         pid_file: p\nports_file_dir: d\nwatch: yes\nno_header_support: on\n\
         lame_duck_duration: \"1m\"\nlame_duck_grace_period: \"2s\"\ndebug: true\n\
         trace_verbose: true\nlogtime: false\nlogtime_utc: true\nlog_file: l\nlog_format: json\n\
         log_size_limit: 1k\nlog_max_num: 3\nremote_syslog: \"udp://h:1\"\n\
         max_traced_msg_len: 9\nmax_control_line: 1k\nmax_payload: 2k\nmax_pending: 3k\n\
         max_pending_total: 4k\nmax_connections: 5\nmax_subs: 6\nmax_sub_tokens: 7\n\
         max_filters: 8\nmax_system_events: 13\n\
         ping_interval: \"9s\"\nping_max: 10\nwrite_deadline: \"11s\"\n\
         connect_timeout: 12\nstop_deadline: \"14s\"\n",
    );
    assert_eq!(config.server_name, "n");
    assert_eq!(config.server_tags, ["a", "b"]);
    assert_eq!(config.server_metadata, [("k".to_owned(), "v".to_owned())]);
    assert_eq!((config.io_uring, config.spin_ns), (IoUring::Off, 50_000));
    assert_eq!((config.shards, config.watch, config.no_headers), (3, true, true));
    assert_eq!(config.pid_file.as_deref(), Some("p"));
    assert_eq!(config.ports_file_dir.as_deref(), Some("d"));
    assert_eq!(config.lame_duck_duration_ns, 60_000_000_000);
    assert_eq!(config.lame_duck_grace_ns, 2_000_000_000);
    let shown = config.verbosity;
    assert!(shown.debug && shown.trace && shown.trace_verbose && !shown.trace_headers);
    assert_eq!((config.log_time, config.log_utc), (false, true));
    assert_eq!(config.log_format, LogFormat::Json);
    assert_eq!(config.log_file.as_deref(), Some("l"));
    assert_eq!((config.log_size_max, config.log_files_max), (1_000, 3));
    assert_eq!(config.syslog, Some(Syslog::Remote("udp://h:1".to_owned())));
    assert_eq!(config.traced_message_max, 9);
    let limits = Limits {
        control_line_max: 1_000,
        payload_max: 2_000,
        pending_bytes_max: 3_000,
        shard_spool_bytes_max: 4_000,
        total_spool_bytes_max: 4_000,
        connections_max: 5,
        subscriptions_max: 6,
        subscription_tokens_max: 7,
        filters_max: 8,
        events_per_second: 13,
        ping_interval_ns: 9_000_000_000,
        pings_out_max: 10,
        write_deadline_ns: 11_000_000_000,
        connect_timeout_ns: 12_000_000_000,
        stop_deadline_ns: 14_000_000_000,
        ..Limits::default()
    };
    assert_eq!(config.limits, limits);
}

#[test]
fn how_shards_send_and_wait_is_one_of_a_few_things() {
    for (text, wish) in [("auto", IoUring::Auto), ("on", IoUring::On), ("off", IoUring::Off)] {
        assert_eq!(config(&format!("io_uring: {text}")).io_uring, wish);
        assert_eq!(wish.to_string(), text);
    }
    for (text, why) in [
        ("io_uring: 1", "io_uring must be 'auto', 'on' or 'off'"),
        ("io_uring: perhaps", "io_uring must be 'auto', 'on' or 'off'"),
        ("spin: \"1001ms\"", "spin must not be longer than a second"),
    ] {
        let refused = load("f.conf", &mut One(text.to_owned()), Config::default());
        let errors = refused.expect_err(text).to_string();
        assert!(errors.contains(why), "{errors}");
    }
}

#[test]
fn zero_leaves_a_default_or_lifts_a_bound() {
    let config = config(
        "max_payload: 0\nmax_pending: 0\nping_interval: \"0s\"\nwrite_deadline: 0\nping_max: 0\n\
         max_connections: 0\nmax_subscriptions: -1\nlog_file: ''\nmax_control_line: 0",
    );
    let all = usize::try_from(u32::MAX).expect("a usize has 32 bits at least");
    let limits = Limits { connections_max: all, subscriptions_max: 0, ..Limits::default() };
    assert_eq!((config.limits, config.log_file), (limits, None));
}

#[test]
fn a_bare_number_of_seconds_is_taken_with_a_warning() {
    let config = config("ping_interval: 5\n");
    assert_eq!(config.limits.ping_interval_ns, 5_000_000_000);
    assert_eq!(
        config.warnings,
        ["f.conf:1:1: invalid use of field \"ping_interval\": ping_interval should be converted \
             to a duration"]
    );
}

#[test]
fn what_is_not_written_stays_as_the_base_has_it() {
    let base = Config {
        server_name: "base".to_owned(),
        listeners: vec![Listener::classic("127.0.0.1", 1)],
        ..Config::default()
    };
    let config = load("f.conf", &mut One("port: 2".to_owned()), base).expect("legal");
    assert_eq!(config.server_name, "base");
    let address = Address::Tcp { host: "127.0.0.1".into(), port: 2 };
    assert_eq!(config.listeners[0].address, address);
}

#[test]
fn missing_features_are_warned_of_once_each() {
    let config = config(
        "jetstream { store_dir: x }\nstore_dir: y\n\
         accounts { A { jetstream: enabled } }\n\
         leafnodes { listen: 1 }\nmqtt { port: 1 }\n",
    );
    let features = ["jetstream does", "leafnodes does", "mqtt does"];
    assert_eq!(config.warnings.len(), features.len(), "{:?}", config.warnings);
    for (warning, feature) in config.warnings.iter().zip(features) {
        assert!(warning.contains(feature), "{warning}");
    }
    assert!(self::config("jetstream: false\nocsp: false\n").warnings.is_empty());
}

#[test]
fn secrets_appear_in_no_error_and_no_debug_output() {
    let text = "authorization { users [ {user: a, password: hunter2}, {user: a, pass: hunter2} ], \
                token: hunter2, password: hunter2, nkey: hunter2 }\n";
    assert!(!errors(text).join("\n").contains("hunter2"));
    let config = config("authorization { user: a, password: hunter2 }");
    assert!(!format!("{config:?}").contains("hunter2"));
}

#[test]
fn all_errors_are_reported_and_too_many_are_counted() {
    let lines: Vec<_> = (0..300).map(|n| format!("key_nobody_knows_{n}: 1\n")).collect();
    let errors = errors(&lines.concat());
    assert_eq!(errors.len(), 201);
    assert_eq!(errors[200], "… and 100 more errors");
}
