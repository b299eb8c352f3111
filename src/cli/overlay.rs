//! Options laid over a configuration: what the command line says counts more than the file.
//!
//! Absent: reading either. The same options are laid over a file that is read again.

use std::time::Duration;

use super::flags::{Flag, Flags, Value};
use super::options::Id;
use crate::config::listen::{Address, Certificate, Tls};
use crate::config::{Config, IoUring, Limits, Listener, LogFormat, Secret, Syslog};

/// What is configured when nothing is said.
pub(super) fn base() -> Config {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    Config { shards: cores.min(Config::SHARDS_DEFAULT_MAX), ..Config::default() }
}

/// Lays options over a configuration, and checks what came of it.
pub(super) fn lay_over(flags: &Flags, mut config: Config) -> Result<Config, String> {
    for flag in flags.iter() {
        set(&mut config, flag)?;
    }
    lay_credentials(flags, &mut config)?;
    lay_tls(flags, &mut config)?;
    let asks_for_routes = flags.text(Id::Routes).is_some_and(|routes| !routes.is_empty());
    let has_cluster = flags.text(Id::ClusterListen).is_some_and(|listen| !listen.is_empty());
    if asks_for_routes && !has_cluster && flags.text(Id::Config).is_none() {
        return Err("solicited routes require cluster capabilities, e.g. --cluster".to_owned());
    }
    config.warnings.extend(absent_features(flags));
    config.limits.check().map_err(|error| error.to_string())?;
    config.monitoring.check(config.listeners.first().is_some_and(|l| l.tls.is_some()))?;
    Ok(config)
}

fn set(config: &mut Config, flag: &Flag) -> Result<(), String> {
    match &flag.value {
        Value::Truth(yes) => set_truth(config, flag.id, *yes),
        Value::Text(text) => return set_text(config, flag.id, text),
        Value::Integer(number) => return set_integer(config, flag, *number),
        Value::Size(bytes) => set_size(&mut config.limits, flag.id, *bytes),
        Value::Time(time) if flag.id == Id::Spin => return set_spin(config, *time),
        Value::Time(time) => set_time(&mut config.limits, flag.id, *time),
        Value::Secret(_) => {}
    }
    Ok(())
}

fn set_truth(config: &mut Config, id: Id, yes: bool) {
    let verbosity = &mut config.verbosity;
    match id {
        Id::Debug => verbosity.debug = yes,
        Id::Trace => verbosity.trace = yes,
        Id::TraceVerbose => {
            verbosity.trace = yes;
            verbosity.trace_verbose = yes;
        }
        Id::DebugAndTrace | Id::DebugAndTraceVerbose => {
            verbosity.debug = yes;
            verbosity.trace = yes;
            verbosity.trace_verbose = yes && id == Id::DebugAndTraceVerbose;
        }
        Id::LogTime => config.log_time = yes,
        Id::LogUtc => config.log_utc = yes,
        Id::Syslog if yes => config.syslog = config.syslog.take().or(Some(Syslog::Local)),
        Id::Syslog if config.syslog == Some(Syslog::Local) => config.syslog = None,
        _ => {}
    }
}

fn set_text(config: &mut Config, id: Id, text: &str) -> Result<(), String> {
    let given = || (!text.is_empty()).then(|| text.to_owned());
    match id {
        Id::Host => match &mut classic(config).address {
            Address::Tcp { host, .. } => {
                *host = if text.is_empty() { "0.0.0.0" } else { text }.into();
            }
            Address::Unix { .. } => {}
        },
        Id::ClientAdvertise => classic(config).advertise = given().map(Into::into),
        Id::Name => text.clone_into(&mut config.server_name),
        Id::Pid => config.pid_file = given(),
        Id::PortsFileDir => config.ports_file_dir = given(),
        Id::Log => config.log_file = given(),
        Id::LogFormat => {
            let format = LogFormat::named(text);
            config.log_format = format.ok_or("-log_format must be 'text' or 'json'")?;
        }
        Id::IoUring => {
            let wish = IoUring::named(text);
            config.io_uring = wish.ok_or("-io-uring must be 'auto', 'on' or 'off'")?;
        }
        Id::RemoteSyslog => config.syslog = given().map(Syslog::Remote),
        _ => {}
    }
    Ok(())
}

fn set_integer(config: &mut Config, flag: &Flag, number: i64) -> Result<(), String> {
    let limits = &mut config.limits;
    let count =
        || usize::try_from(number).map_err(|_| format!("-{} must not be below 0", flag.name));
    match flag.id {
        Id::Port => {
            let wanted = match number {
                0 => Config::PORT,
                _ => port(number)?,
            };
            if let Address::Tcp { port, .. } = &mut classic(config).address {
                *port = wanted;
            }
        }
        // As in nats-server, 0 leaves what the file says.
        Id::HttpPort | Id::HttpsPort if number != 0 => {
            let monitoring = &mut config.monitoring;
            let secure = flag.id == Id::HttpsPort;
            let place = if secure { &mut monitoring.https } else { &mut monitoring.http };
            *place = Some(port(number)?);
        }
        Id::Shards => {
            config.shards = count()?;
            if !(1..=Config::SHARDS_MAX).contains(&config.shards) {
                return Err(format!("-shards must lie between 1 and {}", Config::SHARDS_MAX));
            }
        }
        Id::LogSizeLimit => config.log_size_max = u64::try_from(number).unwrap_or(0),
        Id::TracedMessageMax => config.traced_message_max = usize::try_from(number).unwrap_or(0),
        Id::ConnectionsMax => limits.connections_max = count()?,
        Id::SubscriptionsMax => limits.subscriptions_max = count()?,
        Id::SubscriptionTokensMax => limits.subscription_tokens_max = count()?,
        Id::FiltersMax => limits.filters_max = count()?,
        Id::PingsMax => {
            let max = u32::try_from(number);
            limits.pings_out_max = max.map_err(|_| "-ping_max is out of range".to_owned())?;
        }
        _ => {}
    }
    Ok(())
}

/// A port that is listened on; -1 asks for any free one.
fn port(number: i64) -> Result<u16, String> {
    match number {
        -1 => Ok(0),
        _ => u16::try_from(number).map_err(|_| format!("{number} is not a port")),
    }
}

fn set_size(limits: &mut Limits, id: Id, bytes: u64) {
    let count = usize::try_from(bytes).unwrap_or(usize::MAX);
    match id {
        Id::ControlLineMax => limits.control_line_max = count,
        Id::PayloadMax => limits.payload_max = count,
        Id::PendingMax => limits.pending_bytes_max = bytes,
        Id::PendingTotalMax => {
            limits.total_spool_bytes_max = bytes;
            limits.shard_spool_bytes_max = limits.shard_spool_bytes_max.min(bytes);
        }
        _ => {}
    }
}

fn set_time(limits: &mut Limits, id: Id, time: Duration) {
    let ns = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    match id {
        Id::WriteDeadline => limits.write_deadline_ns = ns,
        Id::ConnectTimeout => limits.connect_timeout_ns = ns,
        Id::PingInterval => limits.ping_interval_ns = ns,
        _ => {}
    }
}

fn set_spin(config: &mut Config, time: Duration) -> Result<(), String> {
    let ns = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    if ns > Config::SPIN_NS_MAX {
        return Err("-spin must not be longer than a second".to_owned());
    }
    config.spin_ns = ns;
    Ok(())
}

/// The listener of the classic options, made if there is none.
fn classic(config: &mut Config) -> &mut Listener {
    let is_classic = config.listeners.first().is_some_and(|listener| {
        &*listener.name == "default" && matches!(listener.address, Address::Tcp { .. })
    });
    if !is_classic {
        config.listeners.insert(0, Listener::classic("0.0.0.0", Config::PORT));
    }
    // INVARIANT: a list that was given an element has a first one.
    &mut config.listeners[0]
}

/// `--user`, `--pass` and `--auth`.
fn lay_credentials(flags: &Flags, config: &mut Config) -> Result<(), String> {
    let given = |text: &&str| !text.is_empty();
    let access = &mut config.access;
    let (user, pass) = (flags.text(Id::User).filter(given), flags.secret(Id::Pass));
    if user.is_some() || pass.is_some() {
        let (file_user, file_pass) = access.single.take().unzip();
        let user = user.map(Into::into).or(file_user);
        let user = user.ok_or("--pass needs --user, or everybody could connect")?;
        let pass = pass.cloned().or(file_pass).unwrap_or_else(|| Secret::new(""));
        access.single = Some((user, pass));
    }
    if let Some(token) = flags.secret(Id::Auth).filter(|token| !token.expose().is_empty()) {
        access.token = Some(token.clone());
    }
    let is_given = user.is_some() || pass.is_some() || flags.secret(Id::Auth).is_some();
    if is_given && !(access.users.is_empty() && access.operator.is_none()) {
        let text = "--user, --pass and --auth have no effect: the file names the users";
        config.warnings.push(text.to_owned());
    }
    Ok(())
}

/// `--tls…`; the certificate is checked when the listener is opened.
fn lay_tls(flags: &Flags, config: &mut Config) -> Result<(), String> {
    if flags.truth(Id::Tls) == Some(false) {
        classic(config).tls = None;
        return Ok(());
    }
    let named = [Id::Tls, Id::TlsVerify, Id::TlsCert, Id::TlsKey, Id::TlsCa];
    if !flags.iter().any(|flag| named.contains(&flag.id)) {
        return Ok(());
    }
    let file = |id| flags.text(id).filter(|path| !path.is_empty()).map(Box::from);
    let cert_file = file(Id::TlsCert).ok_or("TLS Server certificate must be present and valid")?;
    let key_file = file(Id::TlsKey).ok_or("TLS Server private key must be present and valid")?;
    let listener = classic(config);
    let from_file = listener.tls.take();
    let tls = from_file.unwrap_or(Tls { timeout_ns: Tls::TIMEOUT_NS, ..Tls::default() });
    // What is not about certificates stays as the file says.
    listener.tls = Some(Tls {
        certificates: vec![Certificate { cert_file, key_file }],
        ca_file: file(Id::TlsCa),
        verify: flags.truth(Id::TlsVerify).unwrap_or(false),
        verify_and_map: false,
        min_version: None,
        cipher_suites: Vec::new(),
        curve_preferences: Vec::new(),
        ..tls
    });
    Ok(())
}

/// A line for each feature that was asked for and is not there.
fn absent_features(flags: &Flags) -> Vec<String> {
    let mut lines = Vec::new();
    for (ids, feature) in NOT_YET {
        let asked = flags.iter().filter(|flag| ids.contains(&flag.id) && asks(&flag.value));
        let names: Vec<String> = asked.map(|flag| format!("-{}", flag.name)).collect();
        if !names.is_empty() {
            lines.push(format!("{} ignored: {feature}", names.join(", ")));
        }
    }
    lines
}

/// Whether a value asks for a feature rather than declines it.
fn asks(value: &Value) -> bool {
    match value {
        Value::Truth(yes) => *yes,
        Value::Integer(number) => *number != 0,
        Value::Text(text) => !text.is_empty(),
        Value::Secret(_) | Value::Size(_) | Value::Time(_) => true,
    }
}

/// Options of nats-server by the feature they belong to.
const NOT_YET: [(&[Id], &str); 3] = [
    (&[Id::JetStream, Id::StoreDir], "this release has no JetStream"),
    (&[Id::Profile], "this release has no profiling port"),
    (
        &[Id::Cluster, Id::ClusterListen, Id::Routes],
        "this release has no clusters, the broker stands alone",
    ),
];

#[cfg(test)]
mod tests;
