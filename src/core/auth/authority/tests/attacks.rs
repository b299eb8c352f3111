//! What others have broken brokers with, and what must therefore fail here.

use super::super::super::certificate::tests::{CN, UTF8, certificate};
use super::*;

/// The rounds of bcrypt and the signatures that a decision takes.
fn work(authority: &Authority, request: &AuthRequest) -> Work {
    let mut work = Work::default();
    let _ = authority.decide_counted(request, &mut work);
    work
}

#[test]
fn names_are_not_told_apart_by_work() {
    let websocket = vec![ConnectionType::WebSocket];
    let ready = authority(&users(vec![
        user("plain", "one"),
        user("hashed", &hashed("two", 4)),
        user("dearer", &hashed("three", 6)),
        user("broken", "$2a$04$short"),
        access::User { connection_types: websocket, ..user("elsewhere", &hashed("four", 5)) },
        access::User { proxy_required: true, ..user("behind", "five") },
        user("empty", ""),
    ]));
    for name in
        ["plain", "hashed", "dearer", "broken", "elsewhere", "behind", "empty", "nobody", "", "é"]
    {
        for pass in ["wrong", "\0", &"x".repeat(4000)] {
            let request = named(name, pass);
            assert!(!ready.is_cheap(&request));
            assert_eq!(work(&ready, &request).rounds, 1 << 6, "{name}");
            let expected = if name == "behind" { "Proxy" } else { "Credentials" };
            assert_eq!(outcome(&ready, &request), expected);
        }
    }
    // The same of the single user.
    let single = Some(("a".into(), Secret::new(hashed("p", 5))));
    let ready = authority(&Access { single, ..Access::default() });
    for name in ["a", "b"] {
        assert_eq!(work(&ready, &named(name, "wrong")).rounds, 1 << 5);
    }
}

#[test]
fn keys_are_not_told_apart_by_work() {
    let (pair, other) = (KeyPair::new_user(), KeyPair::new_user());
    let ready = authority(&users(vec![nkey_user(&pair)]));
    for key in [pair.public_key(), other.public_key()] {
        let request = signed(&key, &other, "something else");
        assert!(!ready.is_cheap(&request));
        assert_eq!(work(&ready, &request).signatures, 1);
    }
}

#[test]
fn nothing_is_hashed_where_nothing_is_a_hash() {
    let ready = authority(&users(vec![user("a", "one")]));
    for request in [named("a", "wrong"), named("b", "wrong"), request()] {
        assert!(ready.is_cheap(&request));
        assert_eq!(work(&ready, &request), Work::default());
    }
}

/// A signature is of one nonce: an old one is worth nothing, nor is one of no nonce.
#[test]
fn signatures_cannot_be_replayed() {
    let pair = KeyPair::new_user();
    let key = pair.public_key();
    let ready = authority(&users(vec![nkey_user(&pair)]));
    let mut replayed = signed(&key, &pair, NONCE);
    assert_eq!(outcome(&ready, &replayed), format!("$G/{key}"));
    replayed.nonce = "the nonce of the next connection".into();
    assert_eq!(outcome(&ready, &replayed), "Credentials");
    let mut empty = signed(&key, &pair, "");
    empty.nonce = "".into();
    assert_eq!(outcome(&ready, &empty), "Credentials");
}

/// The second half of a signature, moved by the group's order, would verify under lax rules.
#[test]
fn malleable_signatures_are_refused() {
    const ORDER: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde,
        0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let pair = KeyPair::new_user();
    let mut signature = pair.sign(NONCE.as_bytes()).unwrap();
    let mut carry = 0;
    for (byte, order) in signature[32..].iter_mut().zip(ORDER) {
        let sum = u16::from(*byte) + u16::from(order) + carry;
        (*byte, carry) = ((sum & 255) as u8, sum >> 8);
    }
    let request = with(|it| {
        it.nkey = Some(pair.public_key().into());
        it.sig = Some(Secret::new(data_encoding::BASE64URL_NOPAD.encode(&signature)));
    });
    check(&users(vec![nkey_user(&pair)]), &request, "Credentials");
}

#[test]
fn signatures_of_every_length_are_refused() {
    let pair = KeyPair::new_user();
    let ready = authority(&users(vec![nkey_user(&pair)]));
    for len in (0..200).chain([1 << 16]) {
        for letter in ["A", "=", "_", "+", "é"] {
            let request = with(|it| {
                it.nkey = Some(pair.public_key().into());
                it.sig = Some(Secret::new(letter.repeat(len)));
            });
            assert_eq!(outcome(&ready, &request), "Credentials");
        }
    }
}

#[test]
fn keys_of_every_length_are_refused() {
    let pair = KeyPair::new_user();
    let ready = authority(&users(vec![nkey_user(&pair)]));
    for len in (0..120).chain([1 << 16]) {
        for letter in ["U", "A", "0", "é", "\0"] {
            let key = letter.repeat(len);
            assert_eq!(outcome(&ready, &signed(&key, &pair, NONCE)), "Credentials");
        }
    }
}

/// A user who is only reached by certificate has an empty password, which must open nothing on a
/// listener that asks for no certificate.
#[test]
fn certificate_users_cannot_come_by_name() {
    let access = users(vec![user("CN=a", ""), user("b", "two")]);
    let ready = Authority::new(&access, &[mapping_listener()], &Premises::default(), 7).unwrap();
    for pass in ["", "x"] {
        assert_eq!(outcome(&ready, &named("CN=a", pass)), "Credentials");
    }
    let cert = certificate(&[&[(CN, UTF8, b"a")]], &[]);
    assert_eq!(outcome(&ready, &certified(cert.clone())), "$G/CN=a");
    // A certificate says nothing where it is not asked for.
    let unasked = AuthRequest { map_certificate: false, ..certified(cert) };
    assert_eq!(outcome(&ready, &unasked), "Credentials");
    // Without such a listener an empty password is one, as nats-server has it.
    check(&access, &named("CN=a", ""), "$G/CN=a");
    check(&access, &named("CN=a", "x"), "Credentials");
}

/// Who has a key's name but no seed must not come by name, nor the other way round.
#[test]
fn names_and_keys_are_not_mixed_up() {
    let pair = KeyPair::new_user();
    let ready = authority(&users(vec![nkey_user(&pair), user("a", "one")]));
    let key = pair.public_key();
    assert_eq!(outcome(&ready, &named(&key, "")), "Credentials");
    assert_eq!(outcome(&ready, &signed("a", &pair, NONCE)), "Credentials");
}

#[test]
fn a_guest_has_no_more_rights_than_its_user() {
    let websocket = vec![ConnectionType::WebSocket];
    let elsewhere = access::User { connection_types: websocket, ..user("guest", "") };
    let behind = access::User { proxy_required: true, ..user("guest", "") };
    for (guest, expected) in [(elsewhere, "ConnectionType"), (behind, "Proxy")] {
        let access = Access { no_auth_user: Some("guest".into()), ..users(vec![guest]) };
        check(&access, &request(), expected);
    }
}

/// What the system account's users are must not open the broker to anybody's token or name.
#[test]
fn an_empty_table_of_users_is_not_an_open_door() {
    let access = Access { token: Some(Secret::new("t")), ..users(Vec::new()) };
    assert!(!authority(&access).is_open());
    check(&access, &request(), "Credentials");
}

#[test]
fn any_credentials_are_decided_about() {
    use proptest::prelude::*;
    let pair = KeyPair::new_user();
    let mut access = users(vec![nkey_user(&pair), user("a", "one"), user("b", &hashed("two", 4))]);
    access.trusted_proxies = vec![KeyPair::new_server().public_key().into()];
    let ready = Authority::new(&access, &[mapping_listener()], &Premises::default(), 7).unwrap();
    let key = pair.public_key();
    let text = || {
        let some = prop_oneof![
            Just("a".to_owned()),
            Just("b".to_owned()),
            Just("one".to_owned()),
            Just(key.clone()),
            Just(data_encoding::BASE64.encode(&[7; 64])),
            any::<String>(),
        ];
        prop::option::of(some)
    };
    let secret = || text().prop_map(|text| text.map(Secret::new));
    let cert = prop::collection::vec(any::<u8>(), 0..80);
    let names = (text(), secret(), secret(), text());
    let proofs = (secret(), secret(), secret());
    proptest!(|(names in names, proofs in proofs, cert in cert, map: bool)| {
        let credentials = Credentials {
            user: names.0.map(Into::into),
            pass: names.1,
            token: names.2,
            nkey: names.3.map(Into::into),
            sig: proofs.0,
            jwt: proofs.1,
            proxy_sig: proofs.2,
        };
        let right = credentials.user.as_deref() == Some("a")
            && credentials.pass.as_ref().is_some_and(|pass| pass.expose() == "one")
            && credentials.nkey.is_none()
            && credentials.proxy_sig.is_none();
        let request = AuthRequest { credentials, map_certificate: map, ..certified(cert) };
        let admitted = matches!(ready.decide(&request), Decision::Admit(_));
        prop_assert_eq!(admitted, right && !map);
    });
}
