//! Any bytes in a certificate's place name a user that is written in them, or nobody.
//!
//! Absent: verifying certificates, which a handshake does before.
#![no_main]

use std::sync::{Arc, LazyLock};

use fanfare::config::access::{Access, Account, ConnectionType, Identity, Rate, User};
use fanfare::config::listen::{Listener, Tls};
use fanfare::core::auth::authority::Authority;
use fanfare::core::auth::delegation::Premises;
use fanfare::core::auth::{AuthRequest, ClientFacts, Credentials, Decision, TlsPeer};
use libfuzzer_sys::fuzz_target;

/// Users whose names a certificate may stand for, and what must be in it then.
const USERS: [(&str, &[&str]); 6] = [
    ("bob@x", &["bob@x"]),
    ("bob.x", &["bob.x"]),
    ("spiffe://x/bob", &["://x/bob"]),
    ("CN=bob,OU=Ops,O=Acme", &["bob", "Ops", "Acme"]),
    ("DC=com,DC=example,O=Acme\\, Inc.,OU=A,OU=B,CN=bob smith", &["bob smith", "Acme, Inc."]),
    ("CN=bob,OU=dev+OU=ops,O=Acme,C=DE,DC=com", &["bob", "dev", "ops", "Acme", "DE", "com"]),
];

static AUTHORITY: LazyLock<Authority> = LazyLock::new(|| {
    let users = USERS.iter().map(|(name, _)| User {
        identity: Identity::Password { name: (*name).into(), password: None },
        account: Account::GLOBAL.into(),
        permissions: None,
        connection_types: Vec::new(),
        proxy_required: false,
        rate: Rate::default(),
    });
    let access = Access { users: users.collect(), ..Access::default() };
    let tls = Tls { verify_and_map: true, ..Tls::default() };
    let listener = Listener { tls: Some(tls), ..Listener::classic("::", 4222) };
    let ready = Authority::new(&access, &[listener], &Premises::default(), 7);
    ready.expect("the users are all different")
});

fuzz_target!(|certificate: &[u8]| {
    let tls = TlsPeer { chain: vec![certificate.into()], ..TlsPeer::default() };
    let request = AuthRequest {
        credentials: Credentials::default(),
        nonce: "nonce".into(),
        address: None,
        connection_type: ConnectionType::Standard,
        tls: Some(Arc::new(tls)),
        map_certificate: true,
        wall_ms: 0,
        number: 1,
        client: ClientFacts::default(),
    };
    let Decision::Admit(admitted) = AUTHORITY.decide(&request) else { return };
    let name = admitted.user.expect("a certificate names somebody");
    let (_, texts) = USERS.iter().find(|(user, _)| **user == *name).expect("a user of ours");
    // Texts of two bytes a letter have zeros between them.
    let letters: Vec<u8> = certificate.iter().copied().filter(|byte| *byte != 0).collect();
    for text in *texts {
        let written = letters.windows(text.len()).any(|window| window == text.as_bytes());
        assert!(written, "{name} without {text}");
    }
});
