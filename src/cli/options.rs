//! Every option that a broker can be started with: its names and the kind of its value.
//!
//! Absent: what an option does (`overlay`) and how it is written (`flags`).

use crate::config::nearest;

/// What an option is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Id {
    Help,
    HelpTls,
    Version,
    Test,
    Config,
    Signal,
    Host,
    Port,
    Name,
    ClientAdvertise,
    Pid,
    PortsFileDir,
    Log,
    LogTime,
    LogUtc,
    LogSizeLimit,
    Syslog,
    RemoteSyslog,
    Debug,
    Trace,
    TraceVerbose,
    DebugAndTrace,
    DebugAndTraceVerbose,
    TracedMessageMax,
    User,
    Pass,
    Auth,
    Tls,
    TlsCert,
    TlsKey,
    TlsVerify,
    TlsCa,
    Shards,
    ConnectionsMax,
    SubscriptionsMax,
    SubscriptionTokensMax,
    FiltersMax,
    ControlLineMax,
    PayloadMax,
    PendingMax,
    PendingTotalMax,
    WriteDeadline,
    ConnectTimeout,
    PingInterval,
    PingsMax,
    JetStream,
    StoreDir,
    Monitoring,
    Profile,
    Cluster,
    ClusterListen,
    Routes,
}

/// The kind of an option's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Yes or no; the option alone means yes.
    Truth,
    /// A whole number.
    Integer,
    /// Any text.
    Text,
    /// A text that nobody may read.
    Secret,
    /// A number of bytes.
    Size,
    /// A time.
    Time,
}

/// The option of this name, if there is one. Names are as the reference's are: upper and lower
/// case differ.
pub(super) fn find(name: &str) -> Option<(Id, Kind)> {
    OPTIONS.iter().find(|(names, ..)| names.contains(&name)).map(|&(_, id, kind)| (id, kind))
}

/// The name that somebody may have meant who wrote this one.
pub(super) fn nearest(name: &str) -> Option<&'static str> {
    let names = OPTIONS.iter().flat_map(|(names, ..)| names.iter().copied());
    // Everything short is near to everything else that is short.
    nearest::nearest(name, names.filter(|known| known.len() > 2))
}

/// All names, for a test of the help.
#[cfg(test)]
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    OPTIONS.iter().flat_map(|(names, ..)| names.iter().copied())
}

const OPTIONS: &[(&[&str], Id, Kind)] = &[
    (&["h", "help"], Id::Help, Kind::Truth),
    (&["help_tls"], Id::HelpTls, Kind::Truth),
    (&["v", "version"], Id::Version, Kind::Truth),
    (&["t"], Id::Test, Kind::Truth),
    (&["c", "config"], Id::Config, Kind::Text),
    (&["sl", "signal"], Id::Signal, Kind::Text),
    (&["a", "addr", "net"], Id::Host, Kind::Text),
    (&["p", "port"], Id::Port, Kind::Integer),
    (&["n", "name", "server_name"], Id::Name, Kind::Text),
    (&["client_advertise"], Id::ClientAdvertise, Kind::Text),
    (&["P", "pid"], Id::Pid, Kind::Text),
    (&["ports_file_dir"], Id::PortsFileDir, Kind::Text),
    (&["l", "log"], Id::Log, Kind::Text),
    (&["T", "logtime"], Id::LogTime, Kind::Truth),
    (&["logtime_utc"], Id::LogUtc, Kind::Truth),
    (&["log_size_limit"], Id::LogSizeLimit, Kind::Integer),
    (&["s", "syslog"], Id::Syslog, Kind::Truth),
    (&["r", "remote_syslog"], Id::RemoteSyslog, Kind::Text),
    (&["D", "debug"], Id::Debug, Kind::Truth),
    (&["V", "trace"], Id::Trace, Kind::Truth),
    (&["VV"], Id::TraceVerbose, Kind::Truth),
    (&["DV"], Id::DebugAndTrace, Kind::Truth),
    (&["DVV"], Id::DebugAndTraceVerbose, Kind::Truth),
    (&["max_traced_msg_len"], Id::TracedMessageMax, Kind::Integer),
    (&["user"], Id::User, Kind::Text),
    (&["pass"], Id::Pass, Kind::Secret),
    (&["auth"], Id::Auth, Kind::Secret),
    (&["tls"], Id::Tls, Kind::Truth),
    (&["tlscert"], Id::TlsCert, Kind::Text),
    (&["tlskey"], Id::TlsKey, Kind::Text),
    (&["tlsverify"], Id::TlsVerify, Kind::Truth),
    (&["tlscacert"], Id::TlsCa, Kind::Text),
    (&["shards"], Id::Shards, Kind::Integer),
    (&["max_connections"], Id::ConnectionsMax, Kind::Integer),
    (&["max_subscriptions"], Id::SubscriptionsMax, Kind::Integer),
    (&["max_sub_tokens"], Id::SubscriptionTokensMax, Kind::Integer),
    (&["max_filters"], Id::FiltersMax, Kind::Integer),
    (&["max_control_line"], Id::ControlLineMax, Kind::Size),
    (&["max_payload"], Id::PayloadMax, Kind::Size),
    (&["max_pending"], Id::PendingMax, Kind::Size),
    (&["max_pending_total"], Id::PendingTotalMax, Kind::Size),
    (&["write_deadline"], Id::WriteDeadline, Kind::Time),
    (&["connect_timeout"], Id::ConnectTimeout, Kind::Time),
    (&["ping_interval"], Id::PingInterval, Kind::Time),
    (&["ping_max"], Id::PingsMax, Kind::Integer),
    (&["js", "jetstream"], Id::JetStream, Kind::Truth),
    (&["sd", "store_dir"], Id::StoreDir, Kind::Text),
    (&["m", "http_port", "ms", "https_port"], Id::Monitoring, Kind::Integer),
    (&["profile"], Id::Profile, Kind::Integer),
    (&["cluster", "cluster_listen"], Id::ClusterListen, Kind::Text),
    (&["routes"], Id::Routes, Kind::Text),
    (&["cluster_name", "cluster_advertise"], Id::Cluster, Kind::Text),
    (&["no_advertise"], Id::Cluster, Kind::Truth),
    (&["connect_retries"], Id::Cluster, Kind::Integer),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_stands_for_two_options() {
        let mut names: Vec<&str> = names().collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }

    #[test]
    fn a_misspelt_name_finds_the_right_one() {
        for (written, meant) in [
            ("prot", Some("port")),
            ("server-name", Some("server_name")),
            ("stor_dir", Some("store_dir")),
            ("tls_cert", Some("tlscert")),
            ("adr", Some("addr")),
            ("nope", None),
            ("x", None),
            ("", None),
            ("something_else_altogether", None),
        ] {
            assert_eq!(nearest(written), meant, "{written}");
        }
    }
}
