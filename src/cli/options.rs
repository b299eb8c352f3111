//! Every option that a broker can be started with: its names, the kind of its value, and the words
//! by which the help, the manual and the shells' completions speak of it.
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
    LogFormat,
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
    IoUring,
    Spin,
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
    HttpPort,
    HttpsPort,
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

/// One option: its names, what it is about, and how the help speaks of it.
#[derive(Debug)]
pub(super) struct Choice {
    /// Without dashes; the short ones first.
    pub(super) names: &'static [&'static str],
    pub(super) id: Id,
    pub(super) kind: Kind,
    /// What stands for its value in the help; empty for those of yes or no.
    pub(super) value: &'static str,
    /// One line; what holds without it stands in brackets.
    pub(super) help: &'static str,
}

/// Options of one kind, under their heading.
pub(super) type Section = (&'static str, &'static [Choice]);

/// The option of this name, if there is one. Names are as the reference's are: upper and lower
/// case differ.
pub(super) fn find(name: &str) -> Option<(Id, Kind)> {
    all().find(|choice| choice.names.contains(&name)).map(|choice| (choice.id, choice.kind))
}

/// The name that somebody may have meant who wrote this one.
pub(super) fn nearest(name: &str) -> Option<&'static str> {
    let names = all().flat_map(|choice| choice.names.iter().copied());
    // Everything short is near to everything else that is short.
    nearest::nearest(name, names.filter(|known| known.len() > 2))
}

/// All options in the order of the help.
pub(super) fn all() -> impl Iterator<Item = &'static Choice> {
    SECTIONS.iter().flat_map(|(_, choices)| choices.iter())
}

const fn truth(names: &'static [&'static str], id: Id, help: &'static str) -> Choice {
    Choice { names, id, kind: Kind::Truth, value: "", help }
}

const fn valued(
    names: &'static [&'static str],
    id: Id,
    kind: Kind,
    value: &'static str,
    help: &'static str,
) -> Choice {
    Choice { names, id, kind, value, help }
}

/// See the module's head.
pub(super) const SECTIONS: &[Section] = &[
    (
        "Server",
        &[
            valued(
                &["a", "addr", "net"],
                Id::Host,
                Kind::Text,
                "HOST",
                "address to listen on [0.0.0.0]",
            ),
            valued(
                &["p", "port"],
                Id::Port,
                Kind::Integer,
                "PORT",
                "port for clients [4222]; -1 for any free one",
            ),
            valued(
                &["n", "name", "server_name"],
                Id::Name,
                Kind::Text,
                "NAME",
                "the server's name [its id]",
            ),
            valued(&["c", "config"], Id::Config, Kind::Text, "FILE", "configuration file"),
            truth(&["t"], Id::Test, "check the configuration file and end"),
            valued(&["P", "pid"], Id::Pid, Kind::Text, "FILE", "file to write the process id to"),
            valued(
                &["ports_file_dir"],
                Id::PortsFileDir,
                Kind::Text,
                "DIR",
                "directory for EXE_PID.ports, a file with all addresses",
            ),
            valued(
                &["client_advertise"],
                Id::ClientAdvertise,
                Kind::Text,
                "H:P",
                "address that clients are told",
            ),
            valued(
                &["shards"],
                Id::Shards,
                Kind::Integer,
                "N",
                "threads that serve [one per core, at most 16]",
            ),
            valued(
                &["io-uring", "io_uring"],
                Id::IoUring,
                Kind::Text,
                "WHEN",
                "send to many clients by one system call: auto, on, off [auto]",
            ),
            valued(
                &["spin"],
                Id::Spin,
                Kind::Time,
                "TIME",
                "look for work so long before a thread sleeps [0]",
            ),
            valued(
                &["sl", "signal"],
                Id::Signal,
                Kind::Text,
                "CMD[=PID]",
                "signal a running server: stop, quit, term, reopen, reload, \
                 ldm; PID is a number, a pid file, or begins some (12*)",
            ),
        ],
    ),
    (
        "Log",
        &[
            valued(&["l", "log"], Id::Log, Kind::Text, "FILE", "file to log to [standard error]"),
            valued(
                &["log_size_limit"],
                Id::LogSizeLimit,
                Kind::Integer,
                "BYTES",
                "begin a new file when this is reached [0: never]",
            ),
            truth(&["T", "logtime"], Id::LogTime, "date and time in each line [true]"),
            truth(&["logtime_utc"], Id::LogUtc, "in UTC"),
            valued(
                &["log_format"],
                Id::LogFormat,
                Kind::Text,
                "FORMAT",
                "text, or json: one object a line [text]",
            ),
            truth(&["s", "syslog"], Id::Syslog, "log to the system log"),
            valued(
                &["r", "remote_syslog"],
                Id::RemoteSyslog,
                Kind::Text,
                "URL",
                "log to a system log elsewhere (udp://localhost:514)",
            ),
            truth(&["D", "debug"], Id::Debug, "connections that come and go"),
            truth(&["V", "trace"], Id::Trace, "every protocol line"),
            truth(&["VV"], Id::TraceVerbose, "and those of the system account"),
            truth(&["DV"], Id::DebugAndTrace, "both"),
            truth(&["DVV"], Id::DebugAndTraceVerbose, "both, and those of the system account"),
            valued(
                &["max_traced_msg_len"],
                Id::TracedMessageMax,
                Kind::Integer,
                "BYTES",
                "longest piece of a message in a trace [0: all]",
            ),
        ],
    ),
    (
        "Who may connect",
        &[
            valued(&["user"], Id::User, Kind::Text, "NAME", "the one user"),
            valued(&["pass"], Id::Pass, Kind::Secret, "WORD", "its password"),
            valued(&["auth"], Id::Auth, Kind::Secret, "TOKEN", "the one token"),
        ],
    ),
    (
        "TLS",
        &[
            truth(&["tls"], Id::Tls, "speak TLS"),
            valued(&["tlscert"], Id::TlsCert, Kind::Text, "FILE", "certificate of the server"),
            valued(&["tlskey"], Id::TlsKey, Kind::Text, "FILE", "its private key"),
            truth(&["tlsverify"], Id::TlsVerify, "clients must show a certificate"),
            valued(
                &["tlscacert"],
                Id::TlsCa,
                Kind::Text,
                "FILE",
                "who signs clients' certificates",
            ),
            truth(&["help_tls"], Id::HelpTls, "TLS in the configuration file"),
        ],
    ),
    (
        "Monitoring",
        &[
            valued(
                &["m", "http_port"],
                Id::HttpPort,
                Kind::Integer,
                "PORT",
                "port to look at the broker; -1 for any free one",
            ),
            valued(
                &["ms", "https_port"],
                Id::HttpsPort,
                Kind::Integer,
                "PORT",
                "the same over TLS",
            ),
        ],
    ),
    (
        "Limits",
        &[
            valued(
                &["max_connections"],
                Id::ConnectionsMax,
                Kind::Integer,
                "N",
                "connections [65536]",
            ),
            valued(
                &["max_subscriptions"],
                Id::SubscriptionsMax,
                Kind::Integer,
                "N",
                "subscriptions of one client [1048576]",
            ),
            valued(
                &["max_sub_tokens"],
                Id::SubscriptionTokensMax,
                Kind::Integer,
                "N",
                "tokens of a filter; 0 leaves it to the control line [0]",
            ),
            valued(
                &["max_filters"],
                Id::FiltersMax,
                Kind::Integer,
                "N",
                "different filters that the broker knows [16777216]",
            ),
            valued(
                &["max_control_line"],
                Id::ControlLineMax,
                Kind::Size,
                "BYTES",
                "a control line [4096]",
            ),
            valued(&["max_payload"], Id::PayloadMax, Kind::Size, "BYTES", "a message [1MB]"),
            valued(
                &["max_pending"],
                Id::PendingMax,
                Kind::Size,
                "BYTES",
                "unsent bytes of one client until it is closed [64MB]",
            ),
            valued(
                &["max_pending_total"],
                Id::PendingTotalMax,
                Kind::Size,
                "BYTES",
                "memory for unsent messages, all clients together [2GB]",
            ),
            valued(
                &["write_deadline"],
                Id::WriteDeadline,
                Kind::Time,
                "TIME",
                "time for a client to take something of what waits [10s]",
            ),
            valued(
                &["connect_timeout"],
                Id::ConnectTimeout,
                Kind::Time,
                "TIME",
                "time for a connection's first operation; 0s for ever [60s]",
            ),
            valued(
                &["ping_interval"],
                Id::PingInterval,
                Kind::Time,
                "TIME",
                "between PINGs to a silent client [2m]",
            ),
            valued(
                &["ping_max"],
                Id::PingsMax,
                Kind::Integer,
                "N",
                "PINGs that may stay unanswered [2]",
            ),
        ],
    ),
    (
        "Known, and ignored with a warning, for what they ask is not there yet",
        &[
            truth(&["js", "jetstream"], Id::JetStream, "persistence"),
            valued(&["sd", "store_dir"], Id::StoreDir, Kind::Text, "DIR", "where it would be kept"),
            valued(&["profile"], Id::Profile, Kind::Integer, "PORT", "profiling"),
            valued(
                &["cluster", "cluster_listen"],
                Id::ClusterListen,
                Kind::Text,
                "URL",
                "where other servers of a cluster would connect",
            ),
            valued(&["cluster_name"], Id::Cluster, Kind::Text, "NAME", "its name"),
            valued(
                &["cluster_advertise"],
                Id::Cluster,
                Kind::Text,
                "H:P",
                "address that other servers would be told",
            ),
            valued(&["routes"], Id::Routes, Kind::Text, "URL,URL", "other servers of it"),
            truth(&["no_advertise"], Id::Cluster, "do not tell clients of them"),
            valued(
                &["connect_retries"],
                Id::Cluster,
                Kind::Integer,
                "N",
                "how often to try one of them",
            ),
        ],
    ),
    (
        "Answers",
        &[
            truth(&["h", "help"], Id::Help, "this text"),
            truth(&["v", "version"], Id::Version, "the version"),
        ],
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_stands_for_two_options() {
        let mut names: Vec<&str> = all().flat_map(|choice| choice.names).copied().collect();
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
