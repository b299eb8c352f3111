//! Who a client is: from what CONNECT presented to an account, permissions and bounds, or a no.
//!
//! Absent: sockets, clocks and waiting. A decision that costs much (hashes, signatures) is a value,
//! [`AuthRequest`], that any thread may work on; the shard goes on meanwhile. One function admits
//! (`Authority::decide`), whatever way a client came in.
//!
//! Operator mode: `json`, `claims`, `callout_claims`, `key` and `jwt` read what was signed;
//! `rights`, `network`, `schedule`, `template` and `shares` say what it means; `account`, `user`,
//! `trust` and `operator` are the chain. `callout` asks an external service, `answer` hears it.

pub mod account;
pub mod answer;
pub mod authority;
pub mod callout;
pub mod callout_claims;
mod certificate;
pub mod claims;
pub mod delegation;
mod dn;
mod json;
pub mod jwt;
pub mod key;
mod network;
mod nonce;
pub mod operator;
pub mod password;
mod readmission;
pub mod refusal;
mod rights;
mod schedule;
mod shares;
mod simple;
mod template;
mod trust;
mod user;
mod users;
pub mod voucher;

use std::fmt;
use std::sync::Arc;

use core::net::IpAddr;

use fanfare_protocol::connect::ConnectOptions;

use self::voucher::Voucher;
use super::permissions::Permissions;
use crate::config::Secret;
use crate::config::access::{ConnectionType, Rate};

/// What is known about a client when it asks to be let in.
#[derive(Debug, Clone)]
pub struct AuthRequest {
    /// What CONNECT said.
    pub credentials: Credentials,
    /// What INFO asked the client to sign.
    pub nonce: Box<str>,
    /// Where it comes from; `None` for a Unix socket.
    pub address: Option<IpAddr>,
    /// How it is connected.
    pub connection_type: ConnectionType,
    /// What its TLS handshake showed; `None` without TLS.
    pub tls: Option<Arc<TlsPeer>>,
    /// Its listener takes the user from the certificate (`verify_and_map`), which the handshake
    /// has then verified.
    pub map_certificate: bool,
    /// Unix time, in milliseconds.
    pub wall_ms: u64,
    /// The connection's number, for logs and for an auth callout.
    pub number: u64,
    /// The client's name, language, version and protocol, for an auth callout.
    pub client: ClientFacts,
}

/// What CONNECT presented. `Debug` shows no secret.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Credentials {
    /// User name.
    pub user: Option<Box<str>>,
    /// Password.
    pub pass: Option<Secret>,
    /// Token.
    pub token: Option<Secret>,
    /// Public key.
    pub nkey: Option<Box<str>>,
    /// Signature of the nonce.
    pub sig: Option<Secret>,
    /// User JWT.
    pub jwt: Option<Secret>,
    /// A proxy's signature of the nonce.
    pub proxy_sig: Option<Secret>,
}

/// What an HTTP request's cookies say in place of a CONNECT. `Debug` shows no secret.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cookies {
    /// User JWT.
    pub jwt: Option<Secret>,
    /// User name.
    pub user: Option<Box<str>>,
    /// Password.
    pub pass: Option<Secret>,
    /// Token.
    pub token: Option<Secret>,
}

impl Cookies {
    /// Puts into a CONNECT what it leaves out.
    pub fn fill_in(&self, options: &mut ConnectOptions) {
        let fill = |place: &mut Option<Box<str>>, cookie: Option<&str>| {
            if place.as_deref().is_none_or(str::is_empty)
                && let Some(cookie) = cookie
            {
                *place = Some(cookie.into());
            }
        };
        fill(&mut options.jwt, self.jwt.as_ref().map(Secret::expose));
        fill(&mut options.user, self.user.as_deref());
        fill(&mut options.pass, self.pass.as_ref().map(Secret::expose));
        fill(&mut options.auth_token, self.token.as_ref().map(Secret::expose));
    }
}

/// What a client says about itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClientFacts {
    /// Its name.
    pub name: Option<Box<str>>,
    /// Its language.
    pub lang: Option<Box<str>>,
    /// Its library's version.
    pub version: Option<Box<str>>,
    /// The protocol it speaks.
    pub protocol: i64,
}

/// What a TLS handshake showed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsPeer {
    /// The protocol's version, as Go writes it (`1.3`).
    pub version: Box<str>,
    /// The cipher suite, as Go writes it (`TLS_AES_128_GCM_SHA256`).
    pub cipher: Box<str>,
    /// The client's certificate and those behind it, DER; empty when it showed none.
    pub chain: Vec<Box<[u8]>>,
}

/// What somebody with time is to work on: it takes hashes or signatures.
#[derive(Debug, Clone)]
pub enum Question {
    /// May this client enter? `Authority::decide` knows.
    Enter(Box<AuthRequest>),
    /// An external service has answered: `Authority::decide_callout` reads it.
    Answer {
        /// What it was asked.
        callout: Box<Callout>,
        /// What it answered.
        payload: Box<[u8]>,
    },
}

/// The answer to a request.
#[derive(Debug, Clone)]
pub enum Decision {
    /// The client is let in.
    Admit(Box<Admitted>),
    /// It is not.
    Refuse(Refusal),
    /// An external service is to be asked: publish this, and hand the answer to
    /// `Authority::decide_callout`.
    Ask(Box<Callout>),
    /// The account's JWT is to be fetched first: then the same is asked again.
    Fetch(Box<Fetch>),
}

/// What a client that is let in may do.
#[derive(Debug, Clone)]
pub struct Admitted {
    /// Its account's name.
    pub account: Box<str>,
    /// Who it is: the user's name or public key; `None` where nobody asks.
    pub user: Option<Box<str>>,
    /// What it may publish and subscribe; `None` for everything.
    pub permissions: Option<Arc<Permissions>>,
    /// When it must leave, Unix time in milliseconds.
    pub expires_ms: Option<u64>,
    /// Bounds of its user.
    pub limits: UserLimits,
    /// What a JWT said about it, when one let it in.
    pub grant: Option<Arc<Grant>>,
    /// By what it was let in, for the day the configuration changes.
    pub voucher: Voucher,
}

/// What a JWT said about a client that was let in: enough to judge it again when accounts change.
#[derive(Debug, Clone, PartialEq)]
pub struct Grant {
    /// The user's public key.
    pub user: Box<str>,
    /// The key that signed its JWT.
    pub issuer: Box<str>,
    /// When that was, in Unix seconds.
    pub issued_s: i64,
    /// The name in it.
    pub name: Box<str>,
    /// The tags in it.
    pub tags: Vec<String>,
    /// Its account as it was then.
    pub account: Arc<account::OperatorAccount>,
}

/// Bounds of one user; `None` is no bound.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct UserLimits {
    /// Subscriptions of one connection.
    pub subscriptions_max: Option<u32>,
    /// Bytes of one message.
    pub payload_max: Option<u32>,
    /// Flow of all the user's connections.
    pub rate: Rate,
}

/// Why a client is not let in. The client learns less.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Nothing that it presented is known or right.
    Credentials,
    /// After a reload, its user is not there any more, or in another account.
    Gone,
    /// The way it connected is not allowed to this user.
    ConnectionType,
    /// Its JWT, or its account's, is not in order.
    Jwt,
    /// Its JWT has expired.
    Expired,
    /// Its JWT was revoked.
    Revoked,
    /// Its account's JWT has expired.
    AccountExpired,
    /// It comes from an address, or at a time, that its JWT does not allow.
    Restricted,
    /// A trusted proxy should have vouched for it.
    Proxy,
    /// A proxy that nobody trusts vouched for it.
    ProxyUntrusted,
    /// The external service said no, or nothing.
    Callout,
    /// Its account has as many connections as it may have.
    AccountFull,
    /// Its user has as many connections as it may have.
    UserFull,
    /// Its address has as many connections as it may have.
    AddressFull,
}

/// An account that is not known, or no more in order, and whose JWT a resolver may have.
#[derive(Debug, Clone)]
pub struct Fetch {
    /// The account's public key.
    pub account: Box<str>,
    /// What is to be asked again when it is there, or is known not to be.
    pub question: Question,
}

/// What an external service is to be asked.
#[derive(Clone)]
pub struct Callout {
    /// The account to publish in.
    pub account: Box<str>,
    /// The headers' block, empty for none.
    pub headers: Vec<u8>,
    /// The request: a JWT, encrypted or not.
    pub payload: Vec<u8>,
    /// The user that the answer must be about.
    pub user_nkey: Box<str>,
    /// Who the client said it is.
    pub user: Option<Box<str>>,
    /// Who is asked.
    pub service: Arc<callout::Service>,
    /// Whether a trusted proxy vouched for the client.
    pub vouching: authority::Vouching,
    /// The request that this is about.
    pub request: Box<AuthRequest>,
}

impl fmt::Debug for Callout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The payload holds what CONNECT presented, and may not be encrypted.
        f.debug_struct("Callout").field("service", &self.service).finish_non_exhaustive()
    }
}
