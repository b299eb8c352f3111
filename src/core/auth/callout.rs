//! The question to an auth callout: a JWT that the server signs, encrypted or not.
//!
//! Absent: publishing it, waiting, and what an answer is worth (`answer`). Nothing here draws
//! random numbers: keys come from a secret of the process and from what is asked, so that the same
//! request of the same server is the same question, and nobody else can tell the key in it.

use std::fmt;
use std::sync::Arc;

use data_encoding::BASE64;
use nkeys::{KeyPair, KeyPairType, XKey};
use sha2::{Digest, Sha512_256};

use super::authority::Vouching;
use super::callout_claims::{ClientPart, ConnectPart, RequestPart, ServerPart, TlsPart};
use super::jwt::{self, Outgoing};
use super::operator::seconds;
use super::{AuthRequest, Callout, TlsPeer};
use crate::config::Secret;
use crate::config::access::{ConnectionType, Permissions, Rule};

/// The server that asks: what it says about itself, and the keys that it signs and decrypts with.
pub struct Caller {
    /// Its name.
    pub name: String,
    /// Where it listens.
    pub host: String,
    /// The version that INFO reports.
    pub version: String,
    /// Its tags.
    pub tags: Vec<String>,
    /// How long it waits for an answer, in seconds.
    pub timeout_s: u32,
    key: KeyPair,
    curve: XKey,
    secret: [u8; 32],
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caller").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Caller {
    /// A server with this key (`N…`), this curve key (`X…`) and random bytes that nobody knows.
    pub fn new(key: KeyPair, curve: XKey, secret: [u8; 32]) -> Self {
        Self {
            name: key.public_key(),
            host: String::new(),
            version: String::new(),
            tags: Vec::new(),
            timeout_s: 2,
            key,
            curve,
            secret,
        }
    }

    /// Its public key.
    pub fn id(&self) -> String {
        self.key.public_key()
    }

    /// The public key that answers may be encrypted for.
    pub fn xkey(&self) -> String {
        self.curve.public_key()
    }

    /// Reads what a service has encrypted for this server.
    pub(super) fn open(&self, sealed: &[u8], service: &str) -> Option<Vec<u8>> {
        self.curve.open(sealed, &XKey::from_public_key(service).ok()?).ok()
    }

    /// 32 bytes that follow from the parts, and that nobody without the secret can tell.
    fn derive(&self, purpose: &[u8], parts: &[&[u8]]) -> [u8; 32] {
        let mut hash = Sha512_256::new();
        hash.update(self.secret);
        hash.update(purpose);
        for part in parts {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        hash.finalize().into()
    }
}

/// Who is asked, and for whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// The account that it listens in.
    pub account: Box<str>,
    /// Whose key signs its users: in operator mode the account's, else what the file says.
    pub issuer: Box<str>,
    /// Its public key, if requests are encrypted.
    pub xkey: Option<Box<str>>,
}

/// What is known about a client besides its request.
#[derive(Debug, Clone, Default)]
pub(super) struct About<'a> {
    /// The user that its JWT names.
    pub(super) user: Option<&'a str>,
    /// The name in its JWT.
    pub(super) name: &'a str,
    /// The tags in its JWT.
    pub(super) tags: &'a [String],
    /// The JWT that is shown to the service, when it is not the one presented.
    pub(super) jwt: Option<&'a str>,
}

/// Makes the question; `None` when the service's key is none.
pub(super) fn request(
    caller: &Caller,
    service: Arc<Service>,
    about: &About<'_>,
    request: AuthRequest,
    vouching: Vouching,
) -> Option<Callout> {
    let number = request.number.to_le_bytes();
    let parts: &[&[u8]] = &[&number, &request.wall_ms.to_le_bytes(), request.nonce.as_bytes()];
    let user = KeyPair::new_from_raw(KeyPairType::User, caller.derive(b"user", parts)).ok()?;
    let user_nkey = user.public_key();
    let part = RequestPart {
        server_id: ServerPart {
            name: caller.name.clone(),
            host: caller.host.clone(),
            id: caller.id(),
            version: caller.version.clone(),
            tags: caller.tags.clone(),
            xkey: service.xkey.as_ref().map(|_| caller.xkey()).unwrap_or_default(),
        },
        user_nkey: user_nkey.clone(),
        client_info: client_part(&request, about),
        connect_opts: connect_part(&request, about),
        client_tls: request.tls.as_deref().map(tls_part),
        kind: "authorization_request".to_owned(),
        version: 2,
    };
    let now_s = seconds(request.wall_ms);
    let claims = Outgoing {
        audience: AUDIENCE.to_owned(),
        expires_s: now_s.saturating_add(i64::from(caller.timeout_s)),
        issued_s: now_s,
        subject: service.issuer.clone().into(),
        nats: Some(part),
        ..Outgoing::default()
    };
    let signed = jwt::encode(claims, &caller.key)?.into_bytes();
    let (headers, payload) = match &service.xkey {
        None => (Vec::new(), signed),
        Some(xkey) => {
            let theirs = XKey::from_public_key(xkey).ok()?;
            // Derived from all of the text, so that no nonce is ever used for two.
            let [nonce @ .., _, _, _, _, _, _, _, _] = caller.derive(b"nonce", &[&signed]);
            let sealed = caller.curve.seal_with_nonce(&signed, &theirs, nonce.into()).ok()?;
            let header = format!("NATS/1.0\r\n{XKEY_HEADER}: {}\r\n\r\n", caller.xkey());
            (header.into_bytes(), sealed)
        }
    };
    Some(Callout {
        account: service.account.clone(),
        headers,
        payload,
        user_nkey: user_nkey.into(),
        user: raw_user(&request, about).map(Into::into),
        service,
        vouching,
        request: Box::new(request),
    })
}

fn client_part(request: &AuthRequest, about: &About<'_>) -> ClientPart {
    let protocol = match request.connection_type {
        ConnectionType::WebSocket | ConnectionType::LeafNodeWs => "websocket",
        ConnectionType::Mqtt | ConnectionType::MqttWs => "mqtt",
        ConnectionType::Standard | ConnectionType::LeafNode | ConnectionType::InProcess => "nats",
    };
    let signed = request.credentials.sig.is_some();
    ClientPart {
        host: request.address.map(|address| address.to_string()).unwrap_or_default(),
        id: request.number,
        user: raw_user(request, about).unwrap_or_default().to_owned(),
        name: text(request.client.name.as_deref()),
        tags: about.tags.to_vec(),
        name_tag: about.name.to_owned(),
        kind: "Client".to_owned(),
        protocol: protocol.to_owned(),
        nonce: if signed { String::from(request.nonce.clone()) } else { String::new() },
    }
}

/// Who the client says it is, as nats-server names it.
fn raw_user<'a>(request: &'a AuthRequest, about: &About<'a>) -> Option<&'a str> {
    let credentials = &request.credentials;
    let named = credentials.nkey.as_deref().or(credentials.user.as_deref()).or(about.user);
    let hidden = credentials.token.is_some() && credentials.jwt.is_none();
    named.or(hidden.then_some("[REDACTED]"))
}

fn connect_part(request: &AuthRequest, about: &About<'_>) -> ConnectPart {
    let credentials = &request.credentials;
    let secret = |secret: &Option<Secret>| text(secret.as_ref().map(Secret::expose));
    ConnectPart {
        jwt: about.jwt.map_or_else(|| secret(&credentials.jwt), str::to_owned),
        nkey: text(credentials.nkey.as_deref()),
        sig: secret(&credentials.sig),
        auth_token: secret(&credentials.token),
        user: text(credentials.user.as_deref()),
        pass: secret(&credentials.pass),
        name: text(request.client.name.as_deref()),
        lang: text(request.client.lang.as_deref()),
        version: text(request.client.version.as_deref()),
        protocol: request.client.protocol,
    }
}

fn text(text: Option<&str>) -> String {
    text.unwrap_or_default().to_owned()
}

/// A client shows a certificate only when it is asked to, and then it is verified.
fn tls_part(peer: &TlsPeer) -> TlsPart {
    let chain: Vec<String> = peer.chain.iter().map(|certificate| pem(certificate)).collect();
    TlsPart {
        version: peer.version.clone().into(),
        cipher: peer.cipher.clone().into(),
        certs: Vec::new(),
        verified_chains: if chain.is_empty() { Vec::new() } else { vec![chain] },
    }
}

fn pem(certificate: &[u8]) -> String {
    let encoded = BASE64.encode(certificate);
    let mut text = "-----BEGIN CERTIFICATE-----\n".to_owned();
    let mut rest = &encoded[..];
    while !rest.is_empty() {
        let (line, later) = rest.split_at(rest.len().min(64));
        text.push_str(line);
        text.push('\n');
        rest = later;
    }
    text.push_str("-----END CERTIFICATE-----\n");
    text
}

/// Denies the right to ask the service: only the server may.
pub(super) fn deny_requests(permissions: Option<Permissions>) -> Permissions {
    let mut permissions = permissions.unwrap_or_default();
    permissions.publish.deny.push(Rule { subject: REQUEST_SUBJECT.into(), queue: None });
    permissions
}

/// The subject that services listen on.
pub const REQUEST_SUBJECT: &str = "$SYS.REQ.USER.AUTH";
/// For whom requests are.
const AUDIENCE: &str = "nats-authorization-request";
/// The header that says which key an answer may be encrypted for.
const XKEY_HEADER: &str = "Nats-Server-Xkey";
