//! What an operator may set, as immutable values with their defaults.
//!
//! Absent: flags (see `cli`), and reading files and the environment, which [`load`] asks for
//! through [`Files`]. A value here has been checked; nothing below this floor reads a raw option.

pub mod access;
mod duration;
mod file;
pub mod import_map;
mod io_uring;
mod limits;
pub mod listen;
mod load;
pub mod monitoring;
pub(crate) mod nearest;
pub mod reload;
mod secret;
pub mod text;
pub mod transform;
pub mod websocket;

pub use access::Access;
pub use io_uring::IoUring;
pub use limits::{Limits, LimitsError};
pub use listen::Listener;
pub use load::{ConfigErrors, load};
pub use monitoring::Monitoring;
pub use secret::Secret;
pub use text::Files;

/// Levels of detail in the log, beyond the lines that are always written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Verbosity {
    /// Lines about connections coming and going.
    pub debug: bool,
    /// Every protocol line, with secrets redacted.
    pub trace: bool,
    /// Trace lines of the system account too (`trace_verbose`).
    pub trace_verbose: bool,
    /// Trace lines show a message's headers and not its payload (`trace_headers`).
    pub trace_headers: bool,
}

/// Where system log lines go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Syslog {
    /// To this machine's system log.
    Local,
    /// To the one at this address, such as `udp://localhost:514`.
    Remote(String),
}

/// What log lines look like.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// As nats-server's, for people.
    #[default]
    Text,
    /// One JSON object a line, for programs.
    Json,
}

impl LogFormat {
    /// The format of this name.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "text" => Some(Self::Text),
            "json" => Some(Self::Json),
            _ => None,
        }
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
        }
    }
}

/// Everything one broker is started with.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where clients connect; the first is the one of the classic keys.
    pub listeners: Vec<Listener>,
    /// Who may connect, and what they may do.
    pub access: Access,
    /// Where the broker lets itself be looked at.
    pub monitoring: Monitoring,
    /// The server's name in INFO; the server's id when empty.
    pub server_name: String,
    /// How many shards, each with a thread of its own; at most [`Config::SHARDS_MAX`].
    pub shards: usize,
    /// Whether shards hand many sends to the kernel in one call.
    pub io_uring: IoUring,
    /// How long a shard without work looks for some before it sleeps, in nanoseconds.
    pub spin_ns: u64,
    /// File that receives the process id.
    pub pid_file: Option<String>,
    /// File that receives the log instead of standard error.
    pub log_file: Option<String>,
    /// Bytes after which the log file is put aside and a new one begun; 0 for never.
    pub log_size_max: u64,
    /// Log files that are kept, the current one included; 0 for all.
    pub log_files_max: u32,
    /// Where system log lines go, if the log goes there.
    pub syslog: Option<Syslog>,
    /// Whether log lines carry date and time.
    pub log_time: bool,
    /// Whether log lines carry UTC instead of local time.
    pub log_utc: bool,
    /// What log lines look like.
    pub log_format: LogFormat,
    /// Directory that receives the file with the listening addresses.
    pub ports_file_dir: Option<String>,
    /// `server_tags`.
    pub server_tags: Vec<String>,
    /// `server_metadata`, in the order of the file.
    pub server_metadata: Vec<(String, String)>,
    /// Message headers are switched off (`no_header_support`).
    pub no_headers: bool,
    /// How long a broker in lame duck mode takes to close its clients, in nanoseconds.
    pub lame_duck_duration_ns: u64,
    /// How long it waits before it closes the first, in nanoseconds.
    pub lame_duck_grace_ns: u64,
    /// The configuration and its certificates are read again when a file changes.
    pub watch: bool,
    /// What an operator should know about the configuration: one line each, logged as warnings.
    pub warnings: Vec<String>,
    /// `sha256:` and the digest of the file, when there is one.
    pub digest: Option<String>,
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
    /// `lame_duck_duration` unless the file says otherwise.
    pub const LAME_DUCK_DURATION_NS: u64 = 120_000_000_000;
    /// `lame_duck_grace_period` unless the file says otherwise.
    pub const LAME_DUCK_GRACE_NS: u64 = 10_000_000_000;
    /// Longest `spin`: a core that is busy for longer without work serves nobody.
    pub const SPIN_NS_MAX: u64 = 1_000_000_000;
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listeners: vec![Listener::classic("0.0.0.0", Self::PORT)],
            access: Access::default(),
            monitoring: Monitoring::default(),
            server_name: String::new(),
            shards: 1,
            io_uring: IoUring::default(),
            spin_ns: 0,
            pid_file: None,
            log_file: None,
            log_size_max: 0,
            log_files_max: 0,
            syslog: None,
            log_time: true,
            log_utc: false,
            log_format: LogFormat::Text,
            ports_file_dir: None,
            server_tags: Vec::new(),
            server_metadata: Vec::new(),
            no_headers: false,
            lame_duck_duration_ns: Self::LAME_DUCK_DURATION_NS,
            lame_duck_grace_ns: Self::LAME_DUCK_GRACE_NS,
            watch: false,
            warnings: Vec::new(),
            digest: None,
            verbosity: Verbosity::default(),
            traced_message_max: 0,
            limits: Limits::default(),
        }
    }
}
