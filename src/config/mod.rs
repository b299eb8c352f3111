//! What an operator may set, as immutable values with their defaults.
//!
//! Absent: reading files, flags or the environment (see `cli`). A value here has been checked;
//! nothing below this floor reads a raw option.

mod limits;

pub use limits::{Limits, LimitsError};

/// Levels of detail in the log, beyond the lines that are always written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Verbosity {
    /// Lines about connections coming and going.
    pub debug: bool,
    /// Every protocol line, with secrets redacted.
    pub trace: bool,
}

/// Everything one broker is started with.
#[derive(Debug, Clone)]
pub struct Config {
    /// Address to listen on, a name or an IP address.
    pub host: String,
    /// Port to listen on; 0 asks the system for any free one.
    pub port: u16,
    /// The server's name in INFO; the server's id when empty.
    pub server_name: String,
    /// How many shards, each with a thread of its own; at most [`Config::SHARDS_MAX`].
    pub shards: usize,
    /// File that receives the process id.
    pub pid_file: Option<String>,
    /// File that receives the log instead of standard error.
    pub log_file: Option<String>,
    /// Whether log lines carry date and time.
    pub log_time: bool,
    /// What the log shows.
    pub verbosity: Verbosity,
    /// Longest piece of a message shown in a trace line, in bytes; 0 shows all.
    pub traced_message_max: usize,
    /// Bounds of everything that a client can make grow.
    pub limits: Limits,
}

impl Config {
    /// Most shards one broker runs: interest masks are 64 bits wide.
    pub const SHARDS_MAX: usize = 64;
    /// Shards of a default start: more cores than this gain little against the price of replicas.
    pub const SHARDS_DEFAULT_MAX: usize = 16;
    /// The port of NATS clients.
    pub const PORT: u16 = 4222;
}

impl Default for Config {
    fn default() -> Self {
        Self {
            host: "0.0.0.0".to_owned(),
            port: Self::PORT,
            server_name: String::new(),
            shards: 1,
            pid_file: None,
            log_file: None,
            log_time: true,
            verbosity: Verbosity::default(),
            traced_message_max: 0,
            limits: Limits::default(),
        }
    }
}
