//! Who is let in and who is not, method by method.
//!
//! Absent: JWTs and the auth callout, which have tests of their own.

mod attacks;
mod matrix;
mod order;

use nkeys::KeyPair;

use super::super::{ClientFacts, TlsPeer};
use super::*;
use crate::config::Secret;
use crate::config::access::{ConnectionType, Identity};
use crate::config::listen::Tls;

const NONCE: &str = "PXoWU7zWAMt75FY";

/// A request that presents nothing, over TCP.
fn request() -> AuthRequest {
    AuthRequest {
        credentials: Credentials::default(),
        nonce: NONCE.into(),
        address: Some([127, 0, 0, 1].into()),
        connection_type: ConnectionType::Standard,
        tls: None,
        map_certificate: false,
        wall_ms: 1_800_000_000_000,
        number: 7,
        client: ClientFacts::default(),
    }
}

fn with(edit: impl FnOnce(&mut Credentials)) -> AuthRequest {
    let mut request = request();
    edit(&mut request.credentials);
    request
}

fn named(name: &str, pass: &str) -> AuthRequest {
    with(|it| {
        it.user = Some(name.into());
        it.pass = (!pass.is_empty()).then(|| Secret::new(pass));
    })
}

fn token(text: &str) -> AuthRequest {
    with(|it| it.token = Some(Secret::new(text)))
}

/// A request that presents a key and signs this text with that pair.
fn signed(key: &str, pair: &KeyPair, text: &str) -> AuthRequest {
    with(|it| {
        it.nkey = Some(key.into());
        it.sig = Some(sign(pair, text));
    })
}

fn sign(pair: &KeyPair, text: &str) -> Secret {
    let signature = pair.sign(text.as_bytes()).unwrap();
    Secret::new(data_encoding::BASE64URL_NOPAD.encode(&signature))
}

/// A request over TLS whose certificate says who the user is.
fn certified(der: Vec<u8>) -> AuthRequest {
    let chain = vec![der.into_boxed_slice()];
    let tls = Some(Arc::new(TlsPeer { chain, ..TlsPeer::default() }));
    AuthRequest { tls, map_certificate: true, ..request() }
}

fn user(name: &str, password: &str) -> access::User {
    access::User {
        identity: Identity::Password {
            name: name.into(),
            password: (!password.is_empty()).then(|| Secret::new(password)),
        },
        account: Account::GLOBAL.into(),
        permissions: None,
        connection_types: Vec::new(),
        proxy_required: false,
        rate: access::Rate::default(),
    }
}

fn nkey_user(pair: &KeyPair) -> access::User {
    access::User { identity: Identity::Nkey(pair.public_key().into()), ..user("", "") }
}

fn hashed(password: &str, cost: u32) -> String {
    bcrypt::hash_with_salt(password, cost, [9; 16]).unwrap().to_string()
}

fn users(users: Vec<access::User>) -> Access {
    Access { users, authorization_block: true, ..Access::default() }
}

fn authority(access: &Access) -> Authority {
    Authority::new(access, &[], &Premises::default(), 7).unwrap()
}

/// A listener that takes users from certificates.
fn mapping_listener() -> Listener {
    let tls = Tls { verify: true, verify_and_map: true, ..Tls::default() };
    Listener { tls: Some(tls), ..Listener::classic("::", 4222) }
}

/// What a client became: `account/user`, or why it was refused.
fn outcome(authority: &Authority, request: &AuthRequest) -> String {
    match authority.decide(request) {
        Decision::Admit(it) => format!("{}/{}", it.account, it.user.as_deref().unwrap_or("")),
        Decision::Refuse(refusal) => format!("{refusal:?}"),
        Decision::Ask(_) => "Ask".to_owned(),
        Decision::Fetch(_) => "Fetch".to_owned(),
    }
}

/// Holds a decision to what is expected.
#[track_caller]
fn check(access: &Access, request: &AuthRequest, expected: &str) {
    assert_eq!(outcome(&authority(access), request), expected, "{request:?}");
}
