//! Which method is asked first, certificates and proxies included.

use super::super::super::certificate::tests::{CN, O, OU, Pair, UTF8, certificate};
use super::*;

/// Decides with a listener that maps certificates.
#[track_caller]
fn check_mapped(access: &Access, request: &AuthRequest, expected: &str) {
    let ready = Authority::new(access, &[mapping_listener()], &Premises::default(), 7).unwrap();
    assert!(!ready.is_cheap(request));
    assert_eq!(outcome(&ready, request), expected);
}

#[test]
fn keys_come_before_certificates_and_certificates_before_names() {
    let pair = KeyPair::new_user();
    let access = users(vec![nkey_user(&pair), user("c@x", ""), user("a", "one")]);
    let cert = certificate(&[&[(CN, UTF8, b"x")]], &[(1, "c@x")]);
    let key = pair.public_key();
    let mut all = certified(cert.clone());
    all.credentials.user = Some("a".into());
    check_mapped(&access, &all, "$G/c@x");
    all.credentials.nkey = Some(key.as_str().into());
    check_mapped(&access, &all, "Credentials");
    all.credentials.sig = Some(sign(&pair, NONCE));
    check_mapped(&access, &all, &format!("$G/{key}"));
    // The right password does not help where the certificate decides.
    let mut other = certified(certificate(&[&[(CN, UTF8, b"x")]], &[]));
    other.credentials = named("a", "one").credentials;
    check_mapped(&access, &other, "Credentials");
}

#[test]
fn the_names_of_a_certificate_are_tried_in_order() {
    let subject: &[&[Pair<'_>]] =
        &[&[(O, UTF8, b"Acme")], &[(OU, UTF8, b"Ops")], &[(CN, UTF8, b"bob")]];
    let alternatives = [(6, "spiffe://x/bob"), (2, "bob.x"), (1, "bob@x"), (1, "rob@x")];
    let names = [
        "bob@x",
        "rob@x",
        "bob.x",
        "spiffe://x/bob",
        "CN=bob,OU=Ops,O=Acme",
        "O=Acme,CN=bob,OU=Ops",
    ];
    // Whoever is listed, the first of them in this order is meant.
    for first in 0..names.len() {
        let listed = names[first..].iter().rev().map(|name| user(name, "")).collect();
        let request = certified(certificate(subject, &alternatives));
        check_mapped(&users(listed), &request, &format!("$G/{}", names[first]));
    }
    for stranger in ["CN=bob,OU=Ops", "CN=bob", "CN=Bob,OU=Ops,O=Acme", "CN=bob,OU=Ops,O=Acme,C=x"]
    {
        let request = certified(certificate(subject, &alternatives));
        check_mapped(&users(vec![user(stranger, "")]), &request, "Credentials");
    }
}

#[test]
fn a_name_that_may_not_connect_this_way_is_passed_over() {
    let websocket = vec![ConnectionType::WebSocket];
    let first = access::User { connection_types: websocket, ..user("bob@x", "") };
    let request = certified(certificate(&[&[(CN, UTF8, b"bob")]], &[(1, "bob@x")]));
    check_mapped(&users(vec![first.clone(), user("cn=bob", "")]), &request, "$G/cn=bob");
    check_mapped(&users(vec![first]), &request, "Credentials");
}

#[test]
fn only_the_certificate_at_the_head_of_the_chain_counts() {
    let mut request = certified(certificate(&[&[(CN, UTF8, b"a")]], &[]));
    let second = certificate(&[&[(CN, UTF8, b"b")]], &[]).into_boxed_slice();
    let mut tls = TlsPeer::clone(request.tls.as_ref().unwrap());
    tls.chain.push(second);
    request.tls = Some(Arc::new(tls));
    check_mapped(&users(vec![user("CN=b", "")]), &request, "Credentials");
    check_mapped(&users(vec![user("CN=a", "")]), &request, "$G/CN=a");
}

#[test]
fn without_a_certificate_nobody_is_mapped() {
    let mut access = users(vec![user("CN=a", "one"), user("guest", "")]);
    access.no_auth_user = Some("guest".into());
    let mut plain = named("CN=a", "one");
    plain.map_certificate = true;
    check_mapped(&access, &plain, "Credentials");
    let mut empty = certified(Vec::new());
    empty.tls = Some(Arc::new(TlsPeer::default()));
    check_mapped(&access, &empty, "Credentials");
    check_mapped(&access, &certified(b"no certificate".to_vec()), "Credentials");
}

#[test]
fn a_mapped_user_with_a_password_must_know_it() {
    for stored in ["one".to_owned(), hashed("one", 4)] {
        let access = users(vec![user("CN=a", &stored)]);
        let mut request = certified(certificate(&[&[(CN, UTF8, b"a")]], &[]));
        check_mapped(&access, &request, "Credentials");
        request.credentials.pass = Some(Secret::new("one"));
        check_mapped(&access, &request, "$G/CN=a");
    }
    // And who has none must not present one.
    let mut request = certified(certificate(&[&[(CN, UTF8, b"a")]], &[]));
    request.credentials.pass = Some(Secret::new("one"));
    check_mapped(&users(vec![user("CN=a", "")]), &request, "Credentials");
}

#[test]
fn a_proxys_signature_is_looked_at_before_everything() {
    let (proxy, other) = (KeyPair::new_server(), KeyPair::new_account());
    let behind = access::User { proxy_required: true, ..user("b", "two") };
    let mut access = users(vec![user("a", "one"), behind]);
    access.trusted_proxies = vec![other.public_key().into(), proxy.public_key().into()];
    let ready = authority(&access);
    assert!(ready.wants_nonce());
    let vouched = |mut request: AuthRequest, pair: &KeyPair, text: &str| {
        request.credentials.proxy_sig = Some(sign(pair, text));
        assert!(!ready.is_cheap(&request));
        outcome(&ready, &request)
    };
    let stranger = KeyPair::new_server();
    for pair in [&proxy, &other] {
        assert_eq!(vouched(named("a", "one"), pair, NONCE), "$G/a");
        assert_eq!(vouched(named("b", "two"), pair, NONCE), "$G/b");
        assert_eq!(vouched(named("b", "x"), pair, NONCE), "Credentials");
        assert_eq!(vouched(named("b", "two"), pair, "old"), "ProxyUntrusted");
    }
    assert_eq!(vouched(named("a", "one"), &stranger, NONCE), "ProxyUntrusted");
    let padded = data_encoding::BASE64.encode(&proxy.sign(NONCE.as_bytes()).unwrap());
    let mut request = named("a", "one");
    request.credentials.proxy_sig = Some(Secret::new(padded));
    assert_eq!(outcome(&ready, &request), "ProxyUntrusted");
    assert_eq!(outcome(&ready, &named("a", "one")), "$G/a");
    assert_eq!(outcome(&ready, &named("b", "two")), "Proxy");
    // The proxy is missing whatever else is wrong: nobody else may let such a client in.
    assert_eq!(outcome(&ready, &named("b", "wrong")), "Proxy");
    assert_eq!(outcome(&ready, &named("c", "wrong")), "Credentials");
    // Where nobody is trusted a signature means nothing.
    let mut request = named("b", "two");
    request.credentials.proxy_sig = Some(sign(&proxy, NONCE));
    access.trusted_proxies.clear();
    check(&access, &request, "Proxy");
}

#[test]
fn the_token_and_the_single_user_may_need_a_proxy() {
    let proxy = KeyPair::new_server();
    let base = Access {
        proxy_required: true,
        trusted_proxies: vec![proxy.public_key().into()],
        ..Access::default()
    };
    let with_token = Access { token: Some(Secret::new("t")), ..base.clone() };
    let with_single = Access { single: Some(("a".into(), Secret::new("p"))), ..base };
    for (access, mut request, expected) in
        [(with_token, token("t"), "$G/"), (with_single, named("a", "p"), "$G/a")]
    {
        check(&access, &request, "Proxy");
        request.credentials.proxy_sig = Some(sign(&proxy, NONCE));
        check(&access, &request, expected);
    }
}

#[test]
fn names_come_before_the_token() {
    let mut access = users(vec![user("a", "one")]);
    access.token = Some(Secret::new("t"));
    let mut both = token("t");
    check(&access, &both, "$G/");
    both.credentials.user = Some("a".into());
    check(&access, &both, "Credentials");
    both.credentials.pass = Some(Secret::new("one"));
    check(&access, &both, "$G/a");
}

#[test]
fn the_token_comes_before_the_single_user() {
    let mut access = Access { token: Some(Secret::new("t")), ..Access::default() };
    access.single = Some(("a".into(), Secret::new("one")));
    check(&access, &token("t"), "$G/");
    check(&access, &named("a", "one"), "Credentials");
}
