//! What is special to the JWTs of an auth callout: the request, and the answer.
//!
//! Absent: when a service is asked, and what an answer is worth (`callout`). Field names and what
//! is left out when empty are nats-server's, so that services written for it read them.

use serde::{Deserialize, Serialize};

/// A request to an auth callout.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RequestPart {
    /// Who asks.
    pub server_id: ServerPart,
    /// The user's key in the answer.
    pub user_nkey: String,
    /// Who wants to come in.
    pub client_info: ClientPart,
    /// What CONNECT said.
    pub connect_opts: ConnectPart,
    /// What its TLS handshake showed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_tls: Option<TlsPart>,
    /// The kind of JWT.
    #[serde(rename = "type")]
    pub kind: String,
    /// The version.
    pub version: i64,
}

/// The server that asks.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ServerPart {
    /// Its name.
    pub name: String,
    /// Where it listens.
    pub host: String,
    /// Its public key.
    pub id: String,
    /// Its version.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub version: String,
    /// Its tags.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// The key that answers may be encrypted for.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub xkey: String,
}

/// The client that wants to come in.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClientPart {
    /// Its address.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub host: String,
    /// Its number.
    #[serde(skip_serializing_if = "is_zero")]
    pub id: u64,
    /// Its user.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub user: String,
    /// Its name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Tags of its JWT.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// The name in its JWT.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name_tag: String,
    /// `Client`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// `nats`, `websocket` or `mqtt`.
    #[serde(rename = "type", skip_serializing_if = "String::is_empty")]
    pub protocol: String,
    /// The nonce, when it was signed.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub nonce: String,
}

/// What CONNECT said. Holds secrets, and therefore has no `Debug` of its fields.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ConnectPart {
    /// The user JWT.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub jwt: String,
    /// The public key.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub nkey: String,
    /// The signature of the nonce.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub sig: String,
    /// The token.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub auth_token: String,
    /// The user.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub user: String,
    /// The password.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub pass: String,
    /// The client's name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Its language.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub lang: String,
    /// Its library's version.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub version: String,
    /// The protocol it speaks.
    pub protocol: i64,
}

impl std::fmt::Debug for ConnectPart {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ConnectPart(***)")
    }
}

/// What a TLS handshake showed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TlsPart {
    /// The protocol's version.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub version: String,
    /// The cipher suite.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub cipher: String,
    /// Certificates that were not verified, PEM.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub certs: Vec<String>,
    /// Chains of certificates that were verified, PEM.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub verified_chains: Vec<Vec<String>>,
}

/// An auth callout's answer.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct ResponsePart {
    /// The user JWT.
    pub jwt: String,
    /// Why not.
    pub error: String,
    /// The account that the issuer signs for.
    pub issuer_account: String,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // The serializer's signature.
fn is_zero(number: &u64) -> bool {
    *number == 0
}
