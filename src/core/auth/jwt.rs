//! JWTs: from text to claims whose signature was checked, and from claims to signed text.
//!
//! Absent: whether the issuer may say what it says (`operator`, `user`, `callout`) and whether it
//! still holds ([`Claims::check_times`] is asked by those). The algorithm is fixed: what a header
//! names is compared, never chosen by.

use std::fmt;

use data_encoding::{BASE32_NOPAD, BASE64URL_NOPAD};
use nkeys::KeyPair;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha512_256};

use super::callout_claims::{RequestPart, ResponsePart};
use super::claims::{AccountPart, ActivationPart, Claims, Head, OperatorPart, UserPart};
use super::json;
use super::key::{KeyKind, PublicKey, SIGNATURE_BYTES};

/// What one kind of JWT is about, and who may sign it.
pub trait Part: Default + DeserializeOwned {
    /// The kind's name.
    const KIND: &'static str;
    /// Kinds of keys that may sign it.
    const ISSUERS: &'static [KeyKind];
    /// The kind of key that it is about; `None` when that is checked by its reader.
    const SUBJECT: Option<KeyKind>;
    /// Whether version 1 is still read.
    const OLD: bool;
}

impl Part for OperatorPart {
    const KIND: &'static str = "operator";
    const ISSUERS: &'static [KeyKind] = &[KeyKind::Operator];
    const SUBJECT: Option<KeyKind> = Some(KeyKind::Operator);
    const OLD: bool = true;
}

impl Part for AccountPart {
    const KIND: &'static str = "account";
    const ISSUERS: &'static [KeyKind] = &[KeyKind::Operator];
    const SUBJECT: Option<KeyKind> = Some(KeyKind::Account);
    const OLD: bool = true;
}

impl Part for UserPart {
    const KIND: &'static str = "user";
    const ISSUERS: &'static [KeyKind] = &[KeyKind::Account];
    const SUBJECT: Option<KeyKind> = Some(KeyKind::User);
    const OLD: bool = true;
}

impl Part for ActivationPart {
    const KIND: &'static str = "activation";
    const ISSUERS: &'static [KeyKind] = &[KeyKind::Account];
    const SUBJECT: Option<KeyKind> = Some(KeyKind::Account);
    const OLD: bool = true;
}

impl Part for RequestPart {
    const KIND: &'static str = "authorization_request";
    const ISSUERS: &'static [KeyKind] = &[KeyKind::Server];
    const SUBJECT: Option<KeyKind> = None;
    const OLD: bool = false;
}

impl Part for ResponsePart {
    const KIND: &'static str = "authorization_response";
    const ISSUERS: &'static [KeyKind] = &[KeyKind::Account];
    const SUBJECT: Option<KeyKind> = Some(KeyKind::User);
    const OLD: bool = false;
}

/// What is wrong with a JWT. Never holds any of its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JwtError {
    /// It is longer than any JWT may be.
    TooLong,
    /// It is not three sections of base 64 with JSON in the first two.
    Malformed,
    /// The header names another type or algorithm.
    Header,
    /// Claims of another version.
    Version,
    /// It is a JWT of another kind.
    Kind,
    /// Claims that do not have the shape of their kind.
    Claims,
    /// The issuer or the subject is not a key of the right kind.
    Key,
    /// The issuer did not sign it.
    Signature,
}

impl fmt::Display for JwtError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLong => "longer than a JWT may be",
            Self::Malformed => "not a JWT",
            Self::Header => "not signed by the algorithm ed25519-nkey",
            Self::Version => "of an unknown version",
            Self::Kind => "a JWT of another kind",
            Self::Claims => "claims are not of the kind's shape",
            Self::Key => "issuer or subject is not a key of the right kind",
            Self::Signature => "the signature is not the issuer's",
        })
    }
}

impl std::error::Error for JwtError {}

/// Claims whose issuer signed them.
#[derive(Debug, Clone, PartialEq)]
pub struct Signed<T> {
    /// The claims.
    pub claims: Claims<T>,
    /// Which shape they came in.
    pub version: Version,
}

/// Versions of JWTs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// Before nats-server 2.2; only the payload is signed.
    One,
    /// Since then; header and payload are signed.
    Two,
}

/// Reads a JWT of one kind and checks its signature.
pub fn decode<T: Part>(text: &str) -> Result<Signed<T>, JwtError> {
    if text.len() > TOKEN_BYTES_MAX {
        return Err(JwtError::TooLong);
    }
    let (signed, signature) = text.rsplit_once('.').ok_or(JwtError::Malformed)?;
    let (header, payload) = signed.split_once('.').ok_or(JwtError::Malformed)?;
    check_header(header)?;
    let value = json::parse(&section(payload)?).ok_or(JwtError::Malformed)?;
    let version = identify::<T>(&value)?;
    let issuer = value.get("iss").and_then(serde_json::Value::as_str).ok_or(JwtError::Key)?;
    let key = T::ISSUERS.iter().find_map(|kind| PublicKey::parse(issuer, *kind));
    let key = key.ok_or(JwtError::Key)?;
    let signature: [u8; SIGNATURE_BYTES] =
        section(signature)?.try_into().map_err(|_| JwtError::Signature)?;
    let covered = match version {
        Version::One => payload,
        Version::Two => signed,
    };
    if !key.verify(covered.as_bytes(), &signature) {
        return Err(JwtError::Signature);
    }
    let claims: Claims<T> = Claims::deserialize(value).map_err(|_| JwtError::Claims)?;
    if T::SUBJECT.is_some_and(|kind| !kind.is_key(&claims.subject)) {
        return Err(JwtError::Key);
    }
    Ok(Signed { claims, version })
}

/// The kind and version that claims say they have.
fn identify<T: Part>(value: &serde_json::Value) -> Result<Version, JwtError> {
    let (kind, version) = if let Some(kind) = value.get("type") {
        (kind.as_str().unwrap_or_default().to_owned(), Version::One)
    } else {
        let head = value.get("nats").ok_or(JwtError::Kind)?;
        if !head.is_object() {
            return Err(JwtError::Claims);
        }
        let head = Head::deserialize(head).map_err(|_| JwtError::Claims)?;
        if head.version != 2 {
            return Err(JwtError::Version);
        }
        (head.kind, Version::Two)
    };
    if kind != T::KIND {
        return Err(JwtError::Kind);
    }
    if version == Version::One && !T::OLD {
        return Err(JwtError::Version);
    }
    Ok(version)
}

fn section(text: &str) -> Result<Vec<u8>, JwtError> {
    BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|_| JwtError::Malformed)
}

fn check_header(text: &str) -> Result<(), JwtError> {
    #[derive(Deserialize)]
    struct Header {
        typ: String,
        alg: String,
    }
    if text.len() > HEADER_BYTES_MAX {
        return Err(JwtError::TooLong);
    }
    let header: Header = json::read(&section(text)?).ok_or(JwtError::Header)?;
    // nats-server compares both without case.
    let typed = header.typ.eq_ignore_ascii_case("JWT");
    let known = ["ed25519-nkey", "ed25519"].iter().any(|alg| header.alg.eq_ignore_ascii_case(alg));
    if typed && known { Ok(()) } else { Err(JwtError::Header) }
}

/// Signs claims; `jti` becomes a hash of the others, as the libraries of NATS make it.
pub fn encode<T: Serialize>(mut claims: Outgoing<T>, key: &KeyPair) -> Option<String> {
    claims.issuer = key.public_key();
    let identity = Outgoing { nats: None::<()>, ..claims.without_part() };
    let identity = serde_json::to_vec(&identity).ok()?;
    claims.id = BASE32_NOPAD.encode(&Sha512_256::digest(identity));
    let payload = BASE64URL_NOPAD.encode(&serde_json::to_vec(&claims).ok()?);
    let signed = format!("{}.{payload}", BASE64URL_NOPAD.encode(HEADER.as_bytes()));
    let signature = BASE64URL_NOPAD.encode(&key.sign(signed.as_bytes()).ok()?);
    Some(format!("{signed}.{signature}"))
}

/// Claims to be signed.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Outgoing<T> {
    /// For whom.
    #[serde(rename = "aud", skip_serializing_if = "String::is_empty")]
    pub audience: String,
    /// Unix seconds; 0 for never.
    #[serde(rename = "exp", skip_serializing_if = "is_zero")]
    pub expires_s: i64,
    /// Set by [`encode`].
    #[serde(rename = "jti", skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// Unix seconds.
    #[serde(rename = "iat", skip_serializing_if = "is_zero")]
    pub issued_s: i64,
    /// Set by [`encode`].
    #[serde(rename = "iss", skip_serializing_if = "String::is_empty")]
    pub issuer: String,
    /// The key it is about.
    #[serde(rename = "sub", skip_serializing_if = "String::is_empty")]
    pub subject: String,
    /// What is special to the kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nats: Option<T>,
}

impl<T> Outgoing<T> {
    fn without_part(&self) -> Outgoing<()> {
        Outgoing {
            audience: self.audience.clone(),
            expires_s: self.expires_s,
            id: self.id.clone(),
            issued_s: self.issued_s,
            issuer: self.issuer.clone(),
            subject: self.subject.clone(),
            nats: None,
        }
    }
}

#[allow(clippy::trivially_copy_pass_by_ref)] // The serializer's signature.
fn is_zero(number: &i64) -> bool {
    *number == 0
}

/// Why claims do not hold at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeError {
    /// They held once.
    Expired,
    /// They will hold.
    NotYet,
}

impl<T> Claims<T> {
    /// Whether they hold at this Unix time. The last second is part of it.
    pub fn check_times(&self, now_s: i64) -> Result<(), TimeError> {
        if self.expires_s != 0 && now_s > self.expires_s {
            return Err(TimeError::Expired);
        }
        if self.not_before_s > now_s { Err(TimeError::NotYet) } else { Ok(()) }
    }

    /// When they stop to hold, Unix time in milliseconds.
    pub fn expires_ms(&self) -> Option<u64> {
        let at = u64::try_from(self.expires_s).unwrap_or(0).saturating_mul(1000);
        (self.expires_s != 0).then_some(at)
    }
}

/// Longest JWT.
pub const TOKEN_BYTES_MAX: usize = 1 << 20;
/// Longest header of one.
const HEADER_BYTES_MAX: usize = 1024;
/// The header of those that are signed here.
const HEADER: &str = r#"{"typ":"JWT","alg":"ed25519-nkey"}"#;
