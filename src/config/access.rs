//! Who may connect, and what they may do: users, accounts, permissions, as an operator wrote them.
//!
//! Absent: reading them from a file (`text`, `file`) and deciding by them (`core::auth`). Values
//! here are plain data with checked shape: subjects and patterns in them are valid.

use super::Secret;
use super::listen::Tls;

/// Everything that decides who may connect.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Access {
    /// `authorization { user, password }`: the one user of a simple broker.
    pub single: Option<(Box<str>, Secret)>,
    /// `authorization { token }`.
    pub token: Option<Secret>,
    /// Connections of the one user or token must come with the signature of a trusted proxy
    /// (`authorization { proxy_required }`).
    pub proxy_required: bool,
    /// Users of `authorization` (in `$G`) and of all accounts, in the order of the file.
    pub users: Vec<User>,
    /// Accounts of the file, without `$G` and `$SYS` unless the file names them.
    pub accounts: Vec<Account>,
    /// The user that clients without any credentials become.
    pub no_auth_user: Option<Box<str>>,
    /// Permissions of users of `authorization` that have none of their own.
    pub default_permissions: Option<Permissions>,
    /// The file has an `authorization` block, whatever is in it. Without one, a file whose only
    /// account is the system account leaves everybody else where they were: in `$G`, unasked.
    pub authorization_block: bool,
    /// `authorization { timeout }`, in nanoseconds.
    pub timeout_ns: Option<u64>,
    /// The system account's name; `$SYS` when absent.
    pub system_account: Option<Box<str>>,
    /// `no_system_account`.
    pub no_system_account: bool,
    /// Subject mappings of `$G` (top level `mappings`).
    pub mappings: Vec<Mapping>,
    /// Operator mode: users and accounts are JWTs.
    pub operator: Option<Operator>,
    /// An external service decides about users.
    pub callout: Option<Callout>,
    /// `proxies { trusted }`: public keys of proxies whose signature vouches for a client.
    pub trusted_proxies: Vec<Box<str>>,
    /// Connections of one user; `None` for any number (Fanfare's own `max_user_connections`).
    pub user_connections_max: Option<u32>,
    /// Connections from one source address; `None` for any number (Fanfare's own
    /// `max_address_connections`).
    pub address_connections_max: Option<u32>,
    /// Flow of each connection (Fanfare's own `rate_limits` at the top level).
    pub connection_rate: Rate,
    /// What WebSocket clients are asked instead of `single`, `token` and `no_auth_user`.
    pub websocket: Option<WebSocketAccess>,
}

/// `websocket { authorization, no_auth_user }`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WebSocketAccess {
    /// The one user.
    pub single: Option<(Box<str>, Secret)>,
    /// The token.
    pub token: Option<Secret>,
    /// The user that clients without any credentials become.
    pub no_auth_user: Option<Box<str>>,
}

/// How a user proves who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identity {
    /// A name and a password; an empty password is only reachable by certificate or no-auth user.
    Password {
        /// The name.
        name: Box<str>,
        /// The password or its bcrypt hash; `None` when the file gives none.
        password: Option<Secret>,
    },
    /// A public key `U…` whose seed signs the nonce.
    Nkey(Box<str>),
}

impl Identity {
    /// The user's name or public key.
    pub fn name(&self) -> &str {
        match self {
            Self::Password { name, .. } | Self::Nkey(name) => name,
        }
    }
}

/// One user.
#[derive(Debug, Clone, PartialEq)]
pub struct User {
    /// Name and proof.
    pub identity: Identity,
    /// Its account; `$G` for users of `authorization`.
    pub account: Box<str>,
    /// Its own permissions; defaults of account or broker apply when absent.
    pub permissions: Option<Permissions>,
    /// Ways to connect that it may use; empty for all.
    pub connection_types: Vec<ConnectionType>,
    /// The connection must come with the signature of a trusted proxy.
    pub proxy_required: bool,
    /// Flow of this user, all its connections together.
    pub rate: Rate,
}

/// Ways to connect, as `allowed_connection_types` names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ConnectionType {
    /// `STANDARD`: the client protocol over TCP, TLS or a Unix socket.
    Standard,
    /// `WEBSOCKET`.
    WebSocket,
    /// `LEAFNODE`.
    LeafNode,
    /// `LEAFNODE_WS`.
    LeafNodeWs,
    /// `MQTT`.
    Mqtt,
    /// `MQTT_WS`.
    MqttWs,
    /// `IN_PROCESS`.
    InProcess,
}

impl ConnectionType {
    /// The type with this name, in any case.
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name.to_ascii_uppercase().as_str() {
            "STANDARD" => Self::Standard,
            "WEBSOCKET" => Self::WebSocket,
            "LEAFNODE" => Self::LeafNode,
            "LEAFNODE_WS" => Self::LeafNodeWs,
            "MQTT" => Self::Mqtt,
            "MQTT_WS" => Self::MqttWs,
            "IN_PROCESS" => Self::InProcess,
            _ => return None,
        })
    }
}

/// What a client may publish and subscribe.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Permissions {
    /// Subjects it may publish to.
    pub publish: Rules,
    /// Filters it may subscribe to.
    pub subscribe: Rules,
    /// Whether it may answer requests that it was sent.
    pub responses: Option<ResponseGrant>,
    /// Only literal filters may be subscribed (Fanfare's own `no_wildcards`).
    pub no_wildcards: bool,
}

/// Allowed and denied subjects; what is denied is denied, whatever is allowed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rules {
    /// Allowed patterns; `None` allows everything.
    pub allow: Option<Vec<Rule>>,
    /// Denied patterns.
    pub deny: Vec<Rule>,
}

/// One pattern of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// A subject, possibly with wildcards.
    pub subject: Box<str>,
    /// Only for queue groups whose name this pattern matches (`"foo v1.*"`).
    pub queue: Option<Box<str>>,
}

/// `allow_responses`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResponseGrant {
    /// Answers to one request; `None` for any number.
    pub max: Option<u32>,
    /// How long answers may be sent, in nanoseconds; `None` for ever.
    pub expires_ns: Option<u64>,
}

impl ResponseGrant {
    /// One answer, within two minutes.
    pub const DEFAULT: Self = Self { max: Some(1), expires_ns: Some(120_000_000_000) };
}

/// A subject space of its own.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Account {
    /// Its name: a word in a configuration file, a public key in operator mode.
    pub name: Box<str>,
    /// The name that people gave to an account known by its key.
    pub display_name: Option<Box<str>>,
    /// `nkey` of the account, a public key `A…`.
    pub nkey: Option<Box<str>>,
    /// Bounds.
    pub limits: AccountLimits,
    /// Permissions of its users that have none of their own.
    pub default_permissions: Option<Permissions>,
    /// Subject mappings.
    pub mappings: Vec<Mapping>,
    /// What it offers to others.
    pub exports: Vec<Export>,
    /// What it takes from others.
    pub imports: Vec<Import>,
    /// Where traces go that tracing systems ask for.
    pub trace: Option<MessageTrace>,
}

impl Account {
    /// The account of clients that no other account has.
    pub const GLOBAL: &str = "$G";
    /// The system account unless the file names another.
    pub const SYSTEM: &str = "$SYS";
}

/// Bounds of one account; `None` is no bound.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct AccountLimits {
    /// Connections.
    pub connections_max: Option<u32>,
    /// Subscriptions of each of its connections.
    pub subscriptions_max: Option<u64>,
    /// Bytes of one message.
    pub payload_max: Option<u32>,
    /// Leaf node connections; accepted and kept for the day there are any.
    pub leafs_max: Option<u32>,
    /// Flow of the account, all its connections together.
    pub rate: Rate,
}

/// Messages and bytes a second that are taken from clients; who sends more is read more slowly.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Rate {
    /// Messages a second; `None` for any number.
    pub messages: Option<u64>,
    /// Bytes a second; `None` for any number.
    pub bytes: Option<u64>,
}

/// A subject that is published under another name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapping {
    /// The pattern that published subjects are compared with.
    pub source: Box<str>,
    /// Where they go, by weight.
    pub destinations: Vec<Destination>,
}

/// One destination of a mapping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    /// The new subject, with `$1` or `{{…}}` functions.
    pub subject: Box<str>,
    /// Its share, in percent.
    pub weight: u8,
    /// Only in this cluster.
    pub cluster: Option<Box<str>>,
}

/// What is exported or imported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShareKind {
    /// Messages flow from the exporting account to the importing one.
    Stream,
    /// Requests flow from the importing account to the exporting one, answers back.
    Service,
}

/// What an account offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Export {
    /// Stream or service.
    pub kind: ShareKind,
    /// The subject, possibly with wildcards.
    pub subject: Box<str>,
    /// Accounts that may import it; `None` for all.
    pub accounts: Option<Vec<Box<str>>>,
    /// Importers need an activation token (operator mode).
    pub token_required: bool,
    /// Importers whose activation tokens are revoked if issued before the time (Unix seconds).
    pub revocations: Vec<(Box<str>, i64)>,
    /// How many answers a service sends.
    pub response: ResponseType,
    /// How long answers are waited for, in nanoseconds.
    pub response_threshold_ns: Option<u64>,
    /// Samples of a service's latency.
    pub latency: Option<Latency>,
    /// Which token of the subject must be the importing account's name, counted from 1.
    pub account_token_position: Option<u32>,
    /// Traces may cross.
    pub allow_trace: bool,
}

/// Where traces of messages go that tracing systems ask for (`msg_trace`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageTrace {
    /// A subject of the account.
    pub dest: Box<str>,
    /// Which share of the messages, in percent.
    pub sampling: u8,
}

/// How many answers a service sends to one request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ResponseType {
    /// One.
    #[default]
    Singleton,
    /// Any number until the threshold passes without one, ended by an empty one.
    Stream,
    /// Any number, ended by an empty one.
    Chunked,
}

/// Samples of how long a service takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Latency {
    /// The subject, in the exporting account, that samples are published to.
    pub subject: Box<str>,
    /// Which requests are sampled.
    pub sampling: Sampling,
}

/// Which requests are sampled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sampling {
    /// This share, in percent.
    Percent(u8),
    /// Those whose headers ask for it.
    Headers,
}

/// What an account takes from another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    /// Stream or service.
    pub kind: ShareKind,
    /// The exporting account's name.
    pub account: Box<str>,
    /// The subject in the exporting account.
    pub subject: Box<str>,
    /// The subject in the importing account (`to`, or what `prefix` makes of it); the same when
    /// absent. It may refer to the wildcards of `subject` by `$1`, `$2`, ….
    pub to: Option<Box<str>>,
    /// The importer's identity is shown to the service.
    pub share: bool,
    /// The activation token (operator mode).
    pub token: Option<Box<str>>,
    /// Traces may cross.
    pub allow_trace: bool,
}

/// Operator mode.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Operator {
    /// Operator JWTs, their text.
    pub jwts: Vec<Box<str>>,
    /// `trusted_keys`: public keys `O…` that may sign accounts, without an operator JWT.
    pub trusted_keys: Vec<Box<str>>,
    /// Where account JWTs come from.
    pub resolver: Resolver,
    /// TLS towards the web server that a resolver asks (`resolver_tls`).
    pub resolver_tls: Option<Tls>,
    /// Account JWTs of the file, by account public key.
    pub preload: Vec<(Box<str>, Box<str>)>,
    /// Accounts that clients may not authenticate for unless they are pinned.
    pub pinned_accounts: Vec<Box<str>>,
    /// The user JWT of clients that present none (`default_sentinel`).
    pub default_sentinel: Option<Box<str>>,
}

/// Where account JWTs come from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Resolver {
    /// Only the preloaded ones.
    #[default]
    Memory,
    /// A directory with one file `ACCOUNTKEY.jwt` for each account.
    Directory(Box<str>),
    /// A web server: the account's key is appended to this address.
    Url(Box<str>),
}

/// `auth_callout`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Callout {
    /// The public key `A…` that answers must be signed with.
    pub issuer: Box<str>,
    /// The account in which the service listens; `$G` when absent.
    pub account: Option<Box<str>>,
    /// Users that the service itself connects as; it is not asked about them.
    pub auth_users: Vec<Box<str>>,
    /// The service's public key `X…`: requests are encrypted for it.
    pub xkey: Option<Box<str>>,
    /// Accounts that it may place users in; empty for all.
    pub allowed_accounts: Vec<Box<str>>,
}
