//! Any credentials are decided about, and only the right ones let anybody in.
//!
//! Absent: certificates (`certificate`) and JWTs.
#![no_main]

use std::sync::LazyLock;

use fanfare::config::Secret;
use fanfare::config::access::{Access, Account, ConnectionType, Identity, Rate, User};
use fanfare::core::auth::authority::Authority;
use fanfare::core::auth::delegation::Premises;
use fanfare::core::auth::{AuthRequest, ClientFacts, Credentials, Decision};
use libfuzzer_sys::fuzz_target;

/// A user's public key, whose seed is nowhere in here.
const KEY: &str = "UBO2MQV67TQTVIRV3XFTEZOACM4WLOCMCDMAWN5QVN5PI2N6JHTVDRON";
/// `two`, hashed at the lowest cost.
const HASH: &str = "$2b$04$AOiHAOiHAOiHAOiHAOiHAOnjAAzutpvjivOavMup6W.jm4tataIgy";

fn user(identity: Identity) -> User {
    User {
        identity,
        account: Account::GLOBAL.into(),
        permissions: None,
        connection_types: Vec::new(),
        proxy_required: false,
        rate: Rate::default(),
    }
}

/// A broker with users, one with a token, and one with a single user.
static BROKERS: LazyLock<[Authority; 3]> = LazyLock::new(|| {
    let named = |name: &str, password: &str| {
        user(Identity::Password { name: name.into(), password: Some(Secret::new(password)) })
    };
    let nkey = user(Identity::Nkey(KEY.into()));
    let users = vec![named("a", "one"), named("b", HASH), nkey];
    let trusted_proxies = vec![KEY.into()];
    let ready = |access: Access| {
        Authority::new(&access, &[], &Premises::default(), 7).expect("it is in order")
    };
    [
        ready(Access { users, trusted_proxies, ..Access::default() }),
        ready(Access { token: Some(Secret::new("t")), ..Access::default() }),
        ready(Access { single: Some(("a".into(), Secret::new("one"))), ..Access::default() }),
    ]
});

fuzz_target!(|bytes: &[u8]| {
    let mut texts = bytes.split(|byte| *byte == 0xff).map(|text| {
        let text = std::str::from_utf8(text).ok().filter(|text| !text.is_empty());
        text.map(Box::<str>::from)
    });
    let mut next = || texts.next().flatten();
    let (user, pass, token, nkey) = (next(), next(), next(), next());
    let (sig, jwt, proxy_sig) = (next(), next(), next());
    let is = |text: &Option<Box<str>>, wanted: &str| text.as_deref() == Some(wanted);
    let secret = |text: Option<Box<str>>| text.map(Secret::new);
    let is_a = is(&user, "a") && is(&pass, "one");
    let is_b = is(&user, "b") && pass.as_deref().is_some_and(|it| it.starts_with("two"));
    let right = [(is_a || is_b) && nkey.is_none() && proxy_sig.is_none(), is(&token, "t"), is_a];
    let request = AuthRequest {
        credentials: Credentials {
            user,
            pass: secret(pass),
            token: secret(token),
            nkey,
            sig: secret(sig),
            jwt: secret(jwt),
            proxy_sig: secret(proxy_sig),
        },
        nonce: "nonce".into(),
        address: None,
        connection_type: ConnectionType::Standard,
        tls: None,
        map_certificate: false,
        wall_ms: 0,
        number: 1,
        client: ClientFacts::default(),
    };
    for (broker, right) in BROKERS.iter().zip(right) {
        let admitted = matches!(broker.decide(&request), Decision::Admit(_));
        assert!(right || !admitted, "{request:?}");
    }
});
