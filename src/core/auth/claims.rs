//! Claims as JWTs of NATS spell them, read into structures; nothing in them has been checked yet.
//!
//! Absent: what claims mean (`account`, `user`, `shares`, `callout`). Fields that Fanfare has no
//! use for are left out, and ignored when they come. Those of an auth callout are in
//! `callout_claims`.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};

/// The part that all JWTs have, around what is special to a kind.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Claims<T> {
    /// For whom.
    #[serde(rename = "aud")]
    pub audience: String,
    /// Unix seconds from which on it is void; 0 for never.
    #[serde(rename = "exp")]
    pub expires_s: i64,
    /// Unix seconds of the signature.
    #[serde(rename = "iat")]
    pub issued_s: i64,
    /// The key that signed.
    #[serde(rename = "iss")]
    pub issuer: String,
    /// The name people gave.
    pub name: String,
    /// Unix seconds before which it is void; 0 for none.
    #[serde(rename = "nbf")]
    pub not_before_s: i64,
    /// The key it is about.
    #[serde(rename = "sub")]
    pub subject: String,
    /// What is special to the kind.
    pub nats: T,
    /// Version 1: the kind.
    #[serde(rename = "type")]
    pub old_kind: String,
    /// Version 1: tags.
    #[serde(rename = "tags")]
    pub old_tags: Vec<String>,
    /// Version 1: the account that the issuer signs for.
    #[serde(rename = "issuer_account")]
    pub old_issuer_account: String,
}

/// What tells a JWT's kind and version.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Head {
    /// The kind, in version 2.
    #[serde(rename = "type")]
    pub kind: String,
    /// The version, from 2 on.
    pub version: i64,
}

/// An operator's part.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct OperatorPart {
    /// Other keys that sign for the operator.
    pub signing_keys: Vec<String>,
    /// Where accounts are served.
    pub account_server_url: String,
    /// The system account's key.
    pub system_account: String,
    /// The lowest version of the server.
    pub assert_server_version: String,
    /// Only signing keys sign.
    pub strict_signing_key_usage: bool,
}

/// An account's part.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct AccountPart {
    /// What it takes from others.
    pub imports: Vec<ImportPart>,
    /// What it offers.
    pub exports: Vec<ExportPart>,
    /// Bounds.
    pub limits: AccountLimitsPart,
    /// Other keys that sign for the account.
    pub signing_keys: Vec<SigningKey>,
    /// Users, or `*` for all, whose JWTs are void when issued at or before the Unix seconds.
    pub revocations: BTreeMap<String, i64>,
    /// Permissions of users that have none.
    pub default_permissions: PermissionsPart,
    /// Subject mappings.
    pub mappings: BTreeMap<String, Vec<DestinationPart>>,
    /// An external service decides about users.
    pub authorization: AuthorizationPart,
    /// Tags.
    pub tags: Vec<String>,
    /// Where traces of messages go that tracing systems ask for.
    pub trace: Option<TracePart>,
}

/// Where traces of messages go.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct TracePart {
    /// A subject.
    pub dest: String,
    /// The share of messages in percent; 0 for all.
    pub sampling: i64,
}

/// Bounds of an account; -1 is no bound, absence is 0.
#[derive(Debug, Clone, Copy, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct AccountLimitsPart {
    /// Subscriptions.
    pub subs: i64,
    /// Bytes of a message.
    pub payload: i64,
    /// Imports.
    pub imports: i64,
    /// Exports.
    pub exports: i64,
    /// Exports may have wildcards.
    pub wildcards: bool,
    /// Users may not be bearers.
    pub disallow_bearer: bool,
    /// Connections.
    pub conn: i64,
    /// Leaf node connections.
    pub leaf: i64,
}

/// A key that signs for an account, with or without a scope.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum SigningKey {
    /// Any users.
    Plain(String),
    /// Users with these rights.
    Scoped(Box<ScopePart>),
}

/// The scope of a signing key.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct ScopePart {
    /// `user_scope`.
    pub kind: String,
    /// The key.
    pub key: String,
    /// What users get.
    #[serde(default)]
    pub template: UserPart,
}

/// A user's part, and a scope's template.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct UserPart {
    /// Subjects it may publish to.
    #[serde(rename = "pub")]
    pub publish: RulesPart,
    /// Subjects it may subscribe to.
    #[serde(rename = "sub")]
    pub subscribe: RulesPart,
    /// It may answer.
    #[serde(rename = "resp")]
    pub responses: Option<ResponsesPart>,
    /// Networks it may come from.
    #[serde(rename = "src", deserialize_with = "list_or_commas")]
    pub networks: Vec<String>,
    /// Times of the day at which it may be there.
    pub times: Vec<TimesPart>,
    /// The time zone of the times.
    pub times_location: String,
    /// Subscriptions; -1 for any number.
    pub subs: Option<i64>,
    /// Bytes in all; read, compared with nothing, and bounding nothing, as in nats-server.
    pub data: Option<i64>,
    /// Bytes of a message; -1 for any number.
    pub payload: Option<i64>,
    /// No signature of the nonce is wanted.
    pub bearer_token: bool,
    /// A trusted proxy must vouch.
    pub proxy_required: bool,
    /// Ways to connect.
    pub allowed_connection_types: Vec<String>,
    /// The account that the issuer signs for.
    pub issuer_account: String,
    /// Tags.
    pub tags: Vec<String>,
}

/// Permissions of both directions.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct PermissionsPart {
    /// Publishing.
    #[serde(rename = "pub")]
    pub publish: RulesPart,
    /// Subscribing.
    #[serde(rename = "sub")]
    pub subscribe: RulesPart,
    /// Answering.
    #[serde(rename = "resp")]
    pub responses: Option<ResponsesPart>,
}

/// Allowed and denied subjects.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct RulesPart {
    /// Allowed; empty for all.
    pub allow: Vec<String>,
    /// Denied.
    pub deny: Vec<String>,
}

/// How a user may answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct ResponsesPart {
    /// Answers to one request; 0 for the default, negative for any number.
    pub max: i64,
    /// Nanoseconds; 0 for the default, negative for ever.
    pub ttl: i64,
}

/// A range of times of the day.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct TimesPart {
    /// `HH:MM:SS`.
    pub start: String,
    /// `HH:MM:SS`.
    pub end: String,
}

/// A destination of a mapping.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct DestinationPart {
    /// The subject.
    pub subject: String,
    /// Percent; 0 for 100.
    pub weight: u8,
    /// Only in this cluster.
    pub cluster: String,
}

/// Stream or service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ShareType {
    /// Messages flow to the importer.
    Stream,
    /// Requests flow from the importer.
    Service,
}

/// An export.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct ExportPart {
    /// The subject.
    #[serde(default)]
    pub subject: String,
    /// Its kind.
    #[serde(rename = "type")]
    pub kind: ShareType,
    /// Importers need an activation token.
    #[serde(default)]
    pub token_req: bool,
    /// Importers whose tokens are void when issued at or before the Unix seconds.
    #[serde(default)]
    pub revocations: BTreeMap<String, i64>,
    /// `Singleton`, `Stream` or `Chunked`.
    #[serde(default)]
    pub response_type: String,
    /// Nanoseconds.
    #[serde(default)]
    pub response_threshold: i64,
    /// Samples of latency.
    #[serde(default)]
    pub service_latency: Option<LatencyPart>,
    /// Which token must be the importer.
    #[serde(default)]
    pub account_token_position: u32,
    /// Traces may cross.
    #[serde(default)]
    pub allow_trace: bool,
}

/// Samples of latency.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct LatencyPart {
    /// How many.
    #[serde(default)]
    pub sampling: SamplingPart,
    /// Where to.
    #[serde(default)]
    pub results: String,
}

/// Percent, 0 or `"headers"`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum SamplingPart {
    /// Percent; 0 is by headers.
    Percent(i64),
    /// `headers`.
    Word(String),
}

impl Default for SamplingPart {
    fn default() -> Self {
        Self::Percent(0)
    }
}

/// An import.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct ImportPart {
    /// The subject as the first publisher sees it.
    #[serde(default)]
    pub subject: String,
    /// The exporting account.
    #[serde(default)]
    pub account: String,
    /// The activation token.
    #[serde(default)]
    pub token: String,
    /// The old way to say the other subject.
    #[serde(default)]
    pub to: String,
    /// The subject in the importing account.
    #[serde(default)]
    pub local_subject: String,
    /// Its kind.
    #[serde(rename = "type")]
    pub kind: ShareType,
    /// The importer is shown.
    #[serde(default)]
    pub share: bool,
    /// Traces may cross.
    #[serde(default)]
    pub allow_trace: bool,
}

/// External authorization.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct AuthorizationPart {
    /// Users that are not asked about; none switches it off.
    pub auth_users: Vec<String>,
    /// Accounts that users may be placed in.
    pub allowed_accounts: Vec<String>,
    /// The service's key.
    pub xkey: String,
}

/// An activation token's part.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct ActivationPart {
    /// What may be imported.
    pub subject: String,
    /// Its kind, in version 2.
    pub kind: Option<ShareType>,
    /// Its kind, in version 1; in version 2 the kind of JWT.
    #[serde(rename = "type")]
    pub old_kind: String,
    /// The account that the issuer signs for.
    pub issuer_account: String,
}

/// Networks are a list, or one text with commas.
fn list_or_commas<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        List(Vec<String>),
        Text(String),
    }
    Ok(match Either::deserialize(deserializer)? {
        Either::List(list) => list,
        Either::Text(text) => {
            let parts = text.split(',').map(|part| part.trim().to_ascii_lowercase());
            parts.filter(|part| !part.is_empty()).collect()
        }
    })
}
