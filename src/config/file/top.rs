//! The top level of a configuration: names, log, limits, times.
//!
//! Absent: listeners, TLS and everything about access, which have rooms of their own.

use super::super::duration;
use super::super::text::{Entry, Map, Value};
use super::super::{Config, IoUring, LogFormat, Syslog};
use super::findings::{Findings, set};

/// Keys about the broker itself.
pub(super) const NAMES: &[&str] = &[
    "server_name",
    "server_tags",
    "server_metadata",
    "shards",
    "io_uring",
    "spin",
    "pid_file",
    "pidfile",
    "ports_file_dir",
    "watch",
    "no_header_support",
    "lame_duck_duration",
    "lame_duck_grace_period",
];

/// Keys about the log.
pub(super) const LOG: &[&str] = &[
    "debug",
    "trace",
    "trace_verbose",
    "trace_headers",
    "logtime",
    "logtime_utc",
    "log_format",
    "logfile",
    "log_file",
    "logfile_size_limit",
    "log_size_limit",
    "logfile_max_num",
    "log_max_num",
    "syslog",
    "remote_syslog",
    "max_traced_msg_len",
];

/// Bounds.
pub(super) const LIMITS: &[&str] = &[
    "max_control_line",
    "max_payload",
    "max_pending",
    "max_pending_total",
    "max_connections",
    "max_conn",
    "max_subscriptions",
    "max_subs",
    "max_sub_tokens",
    "max_subscription_tokens",
    "max_filters",
    "max_system_events",
    "ping_interval",
    "ping_max",
    "write_deadline",
    "connect_timeout",
    "stop_deadline",
];

/// Keys that change nothing here: what they tune is built differently.
pub(super) const WITHOUT_EFFECT: &[&str] = &[
    "write_timeout",
    "no_fast_producer_stall",
    "disable_sublist_cache",
    "no_sublist_cache",
    "max_closed_clients",
    "connect_error_reports",
    "reconnect_error_reports",
    "feature_flags",
];

/// Takes a key about the broker itself.
pub(super) fn name(
    found: &mut Findings<'_>,
    config: &mut Config,
    key: &str,
    entry: &Entry,
) -> bool {
    match key {
        "server_name" => {
            if let Some(name) = found.text(entry) {
                if name.contains(char::is_whitespace) {
                    found.error(entry.node.at, "server name cannot contain spaces");
                }
                config.server_name = name.to_owned();
            }
        }
        "server_tags" => {
            for (_, tag) in found.texts(entry).unwrap_or_default() {
                let tag = tag.trim().to_lowercase();
                if !config.server_tags.contains(&tag) {
                    config.server_tags.push(tag);
                }
            }
        }
        "server_metadata" => metadata(found, config, entry),
        "shards" => {
            if let Some(shards) = found.count::<usize>(entry) {
                if (1..=Config::SHARDS_MAX).contains(&shards) {
                    config.shards = shards;
                } else {
                    let why = format!("shards must lie between 1 and {}", Config::SHARDS_MAX);
                    found.error(entry.node.at, why);
                }
            }
        }
        "io_uring" => io_uring(found, config, entry),
        "spin" => match found.duration(entry) {
            Some(time) if time > Config::SPIN_NS_MAX => {
                found.error(entry.node.at, "spin must not be longer than a second");
            }
            time => set(&mut config.spin_ns, time),
        },
        "pid_file" | "pidfile" => path(found, entry, &mut config.pid_file),
        "ports_file_dir" => path(found, entry, &mut config.ports_file_dir),
        "watch" => set(&mut config.watch, found.boolean(entry)),
        "no_header_support" => set(&mut config.no_headers, found.boolean(entry)),
        "lame_duck_duration" => {
            if let Some(time) = found.duration(entry) {
                if time < LAME_DUCK_MIN_NS {
                    let shown = duration::show(time);
                    let why =
                        format!("invalid lame_duck_duration of {shown}, minimum is 30 seconds");
                    found.error(entry.node.at, why);
                }
                config.lame_duck_duration_ns = time;
            }
        }
        "lame_duck_grace_period" => set(&mut config.lame_duck_grace_ns, found.duration(entry)),
        _ => return false,
    }
    true
}

/// `on` and `off` are truth values to the language.
fn io_uring(found: &mut Findings<'_>, config: &mut Config, entry: &Entry) {
    let wish = match &entry.node.value {
        Value::Boolean(true) => Some(IoUring::On),
        Value::Boolean(false) => Some(IoUring::Off),
        Value::Text(text) => IoUring::named(text),
        _ => None,
    };
    match wish {
        Some(wish) => config.io_uring = wish,
        None => found.error(entry.node.at, "io_uring must be 'auto', 'on' or 'off'"),
    }
}

/// A path; an empty one is none.
fn path(found: &mut Findings<'_>, entry: &Entry, place: &mut Option<String>) {
    if let Some(text) = found.text(entry) {
        *place = (!text.is_empty()).then(|| text.to_owned());
    }
}

fn metadata(found: &mut Findings<'_>, config: &mut Config, entry: &Entry) {
    let Some(map) = found.map(entry) else { return };
    for entry in map.entries() {
        if let Some(text) = found.text(entry) {
            config.server_metadata.push((entry.key.to_string(), text.to_owned()));
        }
    }
}

/// Takes a key about the log.
pub(super) fn log(found: &mut Findings<'_>, config: &mut Config, key: &str, entry: &Entry) -> bool {
    let shown = &mut config.verbosity;
    match key {
        "debug" => set(&mut shown.debug, found.boolean(entry)),
        "trace" => set(&mut shown.trace, found.boolean(entry)),
        "trace_verbose" => {
            set(&mut shown.trace_verbose, found.boolean(entry));
            shown.trace = shown.trace_verbose;
        }
        "trace_headers" => {
            set(&mut shown.trace_headers, found.boolean(entry));
            shown.trace = shown.trace_headers;
        }
        "logtime" => set(&mut config.log_time, found.boolean(entry)),
        "logtime_utc" => set(&mut config.log_utc, found.boolean(entry)),
        "log_format" => match found.text(entry).map(LogFormat::named) {
            Some(None) => found.error(entry.node.at, "log_format must be 'text' or 'json'"),
            format => set(&mut config.log_format, format.flatten()),
        },
        "logfile" | "log_file" => path(found, entry, &mut config.log_file),
        "logfile_size_limit" | "log_size_limit" => {
            set(&mut config.log_size_max, found.count(entry));
        }
        "logfile_max_num" | "log_max_num" => set(&mut config.log_files_max, found.count(entry)),
        "syslog" => match (found.boolean(entry), &config.syslog) {
            (Some(true), None) => config.syslog = Some(Syslog::Local),
            (Some(false), Some(Syslog::Local)) => config.syslog = None,
            _ => {}
        },
        "remote_syslog" => {
            if let Some(address) = found.text(entry).filter(|text| !text.is_empty()) {
                config.syslog = Some(Syslog::Remote(address.to_owned()));
            }
        }
        "max_traced_msg_len" => {
            set(&mut config.traced_message_max, found.bound_or(entry, 0));
        }
        _ => return false,
    }
    true
}

/// Takes a bound or a time.
pub(super) fn limit(
    found: &mut Findings<'_>,
    config: &mut Config,
    key: &str,
    entry: &Entry,
) -> bool {
    let limits = &mut config.limits;
    match key {
        "max_control_line" => set(&mut limits.control_line_max, size(found, entry)),
        "max_payload" => set(&mut limits.payload_max, size(found, entry)),
        "max_pending" => set(&mut limits.pending_bytes_max, size(found, entry)),
        "max_pending_total" => {
            set(&mut limits.total_spool_bytes_max, size(found, entry));
            limits.shard_spool_bytes_max =
                limits.shard_spool_bytes_max.min(limits.total_spool_bytes_max);
        }
        "max_connections" | "max_conn" => {
            let all = usize::try_from(u32::MAX).unwrap_or(usize::MAX);
            set(&mut limits.connections_max, found.bound_or(entry, all));
        }
        "max_subscriptions" | "max_subs" => {
            set(&mut limits.subscriptions_max, found.bound_or(entry, 0));
        }
        "max_sub_tokens" | "max_subscription_tokens" => {
            match found.integer(entry).map(u8::try_from) {
                Some(Ok(tokens)) if tokens > 0 => limits.subscription_tokens_max = tokens.into(),
                Some(_) => {
                    found.error(entry.node.at, format!("{key} must lie between 1 and 255"));
                }
                None => {}
            }
        }
        "max_filters" => match found.count::<usize>(entry) {
            Some(0) => found.error(entry.node.at, "max_filters must not be 0"),
            filters => set(&mut limits.filters_max, filters),
        },
        "max_system_events" => set(&mut limits.events_per_second, found.count(entry)),
        "ping_interval" => set(&mut limits.ping_interval_ns, time(found, entry)),
        "ping_max" => {
            set(&mut limits.pings_out_max, found.count(entry).filter(|&pings| pings > 0));
        }
        "max_closed_clients" => set(&mut limits.closed_clients_max, found.bound_or(entry, 10_000)),
        "write_deadline" => set(&mut limits.write_deadline_ns, time(found, entry)),
        "connect_timeout" => match found.seconds(entry) {
            Some(0) => found.error(entry.node.at, "connect_timeout must not be 0"),
            time => set(&mut limits.connect_timeout_ns, time),
        },
        "stop_deadline" => match found.seconds(entry) {
            Some(0) => found.error(entry.node.at, "stop_deadline must not be 0"),
            time => set(&mut limits.stop_deadline_ns, time),
        },
        _ => return false,
    }
    true
}

/// A size; 0 leaves the default.
fn size<T: TryFrom<i64> + TryInto<u64> + Copy>(
    found: &mut Findings<'_>,
    entry: &Entry,
) -> Option<T> {
    let size = found.count::<T>(entry)?;
    (size.try_into().ok() != Some(0)).then_some(size)
}

/// A time; 0 leaves the default.
fn time(found: &mut Findings<'_>, entry: &Entry) -> Option<u64> {
    found.duration_or_seconds(entry).filter(|&time| time > 0)
}

/// Takes a key that changes nothing; its value must be of the right kind all the same.
pub(super) fn without_effect(found: &mut Findings<'_>, key: &str, entry: &Entry) -> bool {
    match key {
        "write_timeout" => match found.text(entry) {
            Some("default" | "close") | None => {}
            Some("retry") => found.warn(
                entry.node.at,
                "write_timeout \"retry\" is ignored: a client that takes no byte within \
                 write_deadline is closed",
            ),
            Some(_) => {
                let why = "write_timeout must be 'default', 'close' or 'retry'";
                found.error(entry.node.at, why);
            }
        },
        "no_fast_producer_stall" | "disable_sublist_cache" | "no_sublist_cache" => {
            found.boolean(entry);
        }
        "connect_error_reports" | "reconnect_error_reports" => {
            found.integer(entry);
        }
        "feature_flags" => {
            for entry in found.map(entry).into_iter().flat_map(Map::entries) {
                if !matches!(entry.node.value, Value::Boolean(_)) {
                    found.mismatch(entry, "true or false");
                }
            }
        }
        _ => return false,
    }
    true
}

/// Shortest `lame_duck_duration`.
const LAME_DUCK_MIN_NS: u64 = 30_000_000_000;
