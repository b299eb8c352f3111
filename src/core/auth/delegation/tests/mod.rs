//! An external service is asked, and answers: rightly, wrongly, and with malice.

mod operated;

use std::sync::Arc;

use nkeys::{KeyPair, XKey};
use serde_json::{Value, json};

use super::{DelegationError, Knowledge, Premises};
use crate::config::access::{self, Access, Account, Identity, Operator, Permissions, User};
use crate::config::{Secret, access::ConnectionType};
use crate::core::auth::answer::AnswerError;
use crate::core::auth::authority::{Authority, AuthorityError};
use crate::core::auth::callout::Caller;
use crate::core::auth::callout_claims::RequestPart;
use crate::core::auth::jwt::{JwtError, decode};
use crate::core::auth::operator::OperatorState;
use crate::core::auth::operator::tests::fixtures::*;
use crate::core::auth::password::Work;
use crate::core::auth::{Admitted, AuthRequest, Callout, Decision, Question, Refusal, TlsPeer};

fn caller(key: &KeyPair) -> Arc<Caller> {
    let mut caller = Caller::new(key.clone(), XKey::new_from_raw([9; 32]), [7; 32]);
    caller.tags = vec!["east".to_owned()];
    Arc::new(caller)
}

/// A broker, a service, and what the service signs with.
struct Bench {
    server: KeyPair,
    service: KeyPair,
    curve: XKey,
    authority: Authority,
}

impl Bench {
    /// A file in which the service asks for itself in account `AUTH` as user `auth`.
    fn file(change: impl FnOnce(&mut Access)) -> Self {
        let (server, service) = (KeyPair::new_server(), KeyPair::new_account());
        let curve = XKey::new_from_raw([5; 32]);
        let account = |name: &str| Account { name: name.into(), ..Account::default() };
        let user = |name: &str, account: &str| User {
            identity: Identity::Password { name: name.into(), password: Some(Secret::new("pw")) },
            account: account.into(),
            permissions: None,
            connection_types: Vec::new(),
            proxy_required: false,
            rate: access::Rate::default(),
        };
        let mut access = Access {
            accounts: vec![account("AUTH"), account("APP"), account("OTHER")],
            users: vec![user("auth", "AUTH"), user("app", "APP"), user("other", "OTHER")],
            callout: Some(access::Callout {
                issuer: service.public_key().into(),
                account: Some("AUTH".into()),
                auth_users: vec!["auth".into()],
                xkey: None,
                allowed_accounts: Vec::new(),
            }),
            ..Access::default()
        };
        access.accounts[1].default_permissions = Some(Permissions::default());
        change(&mut access);
        let premises = Premises { caller: Some(caller(&server)), ..Premises::default() };
        let authority = Authority::new(&access, &[], &premises, 7).unwrap();
        Self { server, service, curve, authority }
    }
    fn asked(&self, request: &AuthRequest) -> Callout {
        match self.authority.decide(request) {
            Decision::Ask(callout) => *callout,
            other => panic!("{other:?}"),
        }
    }
    /// The answer to a question, with claims laid over the right ones of it and of its user.
    fn reply(&self, callout: &Callout, over: Value, user: Value) -> String {
        let nats = json!({"type": "user", "version": 2});
        let claims = json!({"sub": callout.user_nkey, "aud": "APP", "name": "ann", "nats": nats});
        let user = sign(with(claims, &user), &self.service);
        let nats = json!({"type": "authorization_response", "version": 2, "jwt": user});
        let claims =
            json!({"sub": callout.user_nkey, "aud": self.server.public_key(), "nats": nats});
        sign(with(claims, &over), &self.service)
    }
    fn hear(&self, callout: &Callout, payload: &[u8]) -> Result<Admitted, AnswerError> {
        let mut work = Work::default();
        match self.authority.decide_callout(callout, payload, Knowledge::Final, &mut work) {
            (Decision::Admit(admitted), None) => Ok(*admitted),
            (Decision::Refuse(_), Some(error)) => Err(error),
            other => panic!("{other:?}"),
        }
    }
    #[track_caller]
    fn check(&self, over: Value, user: Value, expected: Result<(), AnswerError>) {
        let callout = self.asked(&named("who", "pw"));
        let text = self.reply(&callout, over, user);
        assert_eq!(self.hear(&callout, text.as_bytes()).map(|_| ()), expected);
    }
}

fn named(user: &str, pass: &str) -> AuthRequest {
    let mut request = bare_request();
    request.credentials.user = Some(user.into());
    request.credentials.pass = Some(Secret::new(pass));
    request
}

#[test]
fn the_question_says_who_wants_to_come_in() {
    let bench = Bench::file(|_| {});
    let mut request = named("who", "secret");
    request.credentials.sig = Some(Secret::new("sig"));
    request.client.lang = Some("rust".into());
    request.connection_type = ConnectionType::WebSocket;
    let chain = vec![Box::from(&[1_u8; 60][..])];
    request.tls = Some(Arc::new(TlsPeer { version: "1.3".into(), cipher: "C".into(), chain }));
    let callout = bench.asked(&request);
    assert_eq!((&*callout.account, &callout.headers[..]), ("AUTH", &b""[..]));
    let text = std::str::from_utf8(&callout.payload).unwrap();
    let claims = decode::<RequestPart>(text).unwrap().claims;
    assert_eq!(claims.audience, "nats-authorization-request");
    assert_eq!(claims.issuer, bench.server.public_key());
    assert_eq!(claims.subject, bench.service.public_key());
    assert_eq!((claims.issued_s, claims.expires_s), (NOW, NOW + 2));
    let part = serde_json::to_value(&claims.nats).unwrap();
    let user = callout.user_nkey.clone();
    let pem = part["client_tls"]["verified_chains"][0][0].as_str().unwrap().to_owned();
    assert!(pem.starts_with("-----BEGIN CERTIFICATE-----\nAQEB"), "{pem}");
    assert_eq!(pem.lines().map(str::len).max(), Some(64));
    assert_eq!(
        part,
        json!({
            "server_id": {"name": bench.server.public_key(), "host": "",
                "id": bench.server.public_key(), "tags": ["east"]},
            "user_nkey": user,
            "client_info": {"host": "127.0.0.1", "id": 7, "user": "who", "kind": "Client",
                "type": "websocket", "nonce": NONCE},
            "connect_opts": {"sig": "sig", "user": "who", "pass": "secret", "lang": "rust",
                "protocol": 0},
            "client_tls": {"version": "1.3", "cipher": "C", "verified_chains": [[pem]]},
            "type": "authorization_request",
            "version": 2,
        })
    );
    assert!(!format!("{callout:?}").contains("secret"));
}

#[test]
fn a_user_is_who_the_service_says() {
    let bench = Bench::file(|_| {});
    let callout = bench.asked(&named("who", "pw"));
    let nats = json!({"nats": {"pub": {"allow": ["a"]}, "payload": 5}});
    let text = bench.reply(&callout, json!({}), with(nats, &json!({"exp": NOW + 9})));
    let found = bench.hear(&callout, text.as_bytes()).unwrap();
    assert_eq!((&*found.account, found.user.as_deref()), ("APP", Some("ann")));
    assert_eq!(found.expires_ms, Some(1000 * u64::try_from(NOW + 9).unwrap()));
    assert_eq!((found.limits.payload_max, found.limits.subscriptions_max), (Some(5), None));
    assert!(!found.permissions.unwrap().may_publish(b"b"));
    // Without a name it stays who it said it is, without permissions it has the account's.
    let text = bench.reply(&callout, json!({}), json!({"name": null}));
    let found = bench.hear(&callout, text.as_bytes()).unwrap();
    assert_eq!(found.user.as_deref(), Some("who"));
    assert!(found.permissions.unwrap().may_publish(b"b"));
    // In the service's own account it may not ask itself.
    let text = bench.reply(&callout, json!({}), json!({"aud": "AUTH"}));
    let found = bench.hear(&callout, text.as_bytes()).unwrap();
    assert!(!found.permissions.unwrap().may_publish(b"$SYS.REQ.USER.AUTH"));
}

#[test]
fn who_is_asked_about_and_who_is_not() {
    let bench = Bench::file(|access| {
        if let Some(callout) = &mut access.callout {
            callout.allowed_accounts = vec!["APP".into()];
        }
    });
    let admitted = |request: &AuthRequest| match bench.authority.decide(request) {
        Decision::Admit(admitted) => Some(admitted),
        _ => None,
    };
    // The service itself, and users of accounts that are not delegated.
    let service = admitted(&named("auth", "pw")).unwrap();
    assert!(!service.permissions.unwrap().may_publish(b"$SYS.REQ.USER.AUTH"));
    assert!(admitted(&named("other", "pw")).is_some());
    // The service's name does not help who does not know its password.
    let wrong = bench.authority.decide(&named("auth", "guess"));
    assert!(matches!(wrong, Decision::Refuse(Refusal::Credentials)));
    // Everybody else, right or wrong.
    for request in [named("app", "pw"), named("app", "no"), named("who", ""), bare_request()] {
        bench.asked(&request);
    }
}

/// The service's users are exempt by what they prove, not by what anybody calls itself.
#[test]
fn nobody_is_exempt_by_another_name() {
    use crate::core::auth::certificate::tests::{CN, UTF8, certificate};
    let bench = Bench::file(|access| {
        let identity = Identity::Password { name: "CN=c".into(), password: None };
        access.users.push(User { identity, ..access.users[1].clone() });
    });
    let mut request = named("app", "pw");
    request.credentials.nkey = Some("auth".into());
    bench.asked(&request);
    let chain = vec![certificate(&[&[(CN, UTF8, b"c")]], &[]).into_boxed_slice()];
    let mut request = named("auth", "");
    request.credentials.pass = None;
    request.map_certificate = true;
    request.tls = Some(Arc::new(TlsPeer { chain, ..TlsPeer::default() }));
    bench.asked(&request);
}

/// Whoever needs a proxy needs it whatever the service says.
#[test]
fn the_service_lets_nobody_in_past_a_missing_proxy() {
    let bench = Bench::file(|access| access.users[1].proxy_required = true);
    for pass in ["pw", "wrong"] {
        let decision = bench.authority.decide(&named("app", pass));
        assert!(matches!(decision, Decision::Refuse(Refusal::Proxy)), "{decision:?}");
    }
}

#[test]
fn answers_must_be_about_this_user_from_this_service_to_this_server() {
    let bench = Bench::file(|_| {});
    bench.check(json!({}), json!({}), Ok(()));
    let stranger = KeyPair::new_user().public_key();
    bench.check(json!({"sub": stranger}), json!({}), Err(AnswerError::Subject));
    bench.check(json!({}), json!({"sub": stranger}), Err(AnswerError::UserSubject));
    let other = KeyPair::new_server().public_key();
    bench.check(json!({"aud": other}), json!({}), Err(AnswerError::Server));
    bench.check(json!({"aud": null}), json!({}), Err(AnswerError::Server));
    bench.check(json!({"exp": NOW - 1}), json!({}), Err(AnswerError::Times));
    bench.check(json!({"nbf": NOW + 9}), json!({}), Err(AnswerError::Times));
    let expired = Err(AnswerError::Refused(Refusal::Expired));
    bench.check(json!({}), json!({"exp": NOW - 1}), expired);
    bench.check(json!({}), json!({"aud": "NOWHERE"}), Err(AnswerError::Account));
    bench.check(json!({}), json!({"aud": null}), Err(AnswerError::Account));
    let placed = json!({"nats": {"issuer_account": bench.service.public_key()}});
    bench.check(json!({}), placed, Err(AnswerError::Issuer));
    let wrong = json!({"nats": {"pub": {"deny": ["a..b"]}}});
    bench.check(json!({}), wrong, Err(AnswerError::UserClaims));
    let way = json!({"nats": {"allowed_connection_types": ["MQTT"]}});
    bench.check(json!({}), way, Err(AnswerError::Refused(Refusal::ConnectionType)));
    let proxy = json!({"nats": {"proxy_required": true}});
    bench.check(json!({}), proxy, Err(AnswerError::Refused(Refusal::Proxy)));
    let both = json!({"nats": {"error": "no"}});
    bench.check(both, json!({}), Err(AnswerError::Claims));
    let neither = json!({"nats": {"jwt": null}});
    bench.check(neither, json!({}), Err(AnswerError::Claims));
    let no = json!({"nats": {"jwt": null, "error": "go\r\n away"}});
    bench.check(no, json!({}), Err(AnswerError::Said("go away".into())));
}

#[test]
fn a_stranger_cannot_answer() {
    let mut bench = Bench::file(|_| {});
    let callout = bench.asked(&named("who", "pw"));
    let service = std::mem::replace(&mut bench.service, KeyPair::new_account());
    let text = bench.reply(&callout, json!({}), json!({}));
    let heard = bench.hear(&callout, text.as_bytes()).map(|_| ());
    assert_eq!(heard, Err(AnswerError::Issuer));
    let text = bench.reply(&callout, json!({"iss": service.public_key()}), json!({}));
    let heard = bench.hear(&callout, text.as_bytes()).map(|_| ());
    assert_eq!(heard, Err(AnswerError::Response(JwtError::Signature)));
    for payload in [&b"x"[..], b"eyJ", &[0xff; 9], callout.payload.as_slice()] {
        let heard = bench.hear(&callout, payload).map(|_| ());
        assert!(matches!(heard, Err(AnswerError::Response(_))), "{heard:?}");
    }
    assert_eq!(bench.hear(&callout, b"").map(|_| ()), Err(AnswerError::Empty));
    let long = vec![b'e'; 2 << 20];
    let heard = bench.hear(&callout, &long).map(|_| ());
    assert_eq!(heard, Err(AnswerError::Response(JwtError::TooLong)));
}

#[test]
fn an_answer_is_of_no_use_for_another_question() {
    let bench = Bench::file(|_| {});
    let first = bench.asked(&named("who", "pw"));
    let text = bench.reply(&first, json!({}), json!({}));
    let mut later = named("who", "pw");
    later.wall_ms += 1;
    let mut another = named("who", "pw");
    another.number += 1;
    for request in [later, another] {
        let callout = bench.asked(&request);
        assert_ne!(callout.user_nkey, first.user_nkey);
        let heard = bench.hear(&callout, text.as_bytes()).map(|_| ());
        assert_eq!(heard, Err(AnswerError::Subject));
    }
}

#[test]
fn questions_and_answers_can_be_encrypted() {
    let xkey = XKey::new_from_raw([5; 32]).public_key();
    let bench = Bench::file(|access| {
        if let Some(callout) = &mut access.callout {
            callout.xkey = Some(xkey.into());
        }
    });
    let callout = bench.asked(&named("who", "pw"));
    let server = XKey::new_from_raw([9; 32]).public_key();
    let header = format!("NATS/1.0\r\nNats-Server-Xkey: {server}\r\n\r\n");
    assert_eq!(callout.headers, header.as_bytes());
    let server = XKey::from_public_key(&server).unwrap();
    let opened = bench.curve.open(&callout.payload, &server).unwrap();
    let claims = decode::<RequestPart>(std::str::from_utf8(&opened).unwrap()).unwrap().claims;
    assert_eq!(claims.nats.server_id.xkey, server.public_key());
    // The same question is the same, another one shares no nonce with it.
    assert_eq!(bench.asked(&named("who", "pw")).payload, callout.payload);
    assert_ne!(bench.asked(&named("who", "PW")).payload[4..28], callout.payload[4..28]);
    let text = bench.reply(&callout, json!({}), json!({}));
    let sealed = bench.curve.seal_with_nonce(text.as_bytes(), &server, [1; 24].into()).unwrap();
    assert!(bench.hear(&callout, &sealed).is_ok());
    assert!(bench.hear(&callout, text.as_bytes()).is_ok());
    let stranger = XKey::new_from_raw([3; 32]);
    let forged = stranger.seal_with_nonce(text.as_bytes(), &server, [1; 24].into()).unwrap();
    for wrong in [&forged[..], &sealed[..40], b"xkv1"] {
        let heard = bench.hear(&callout, wrong).map(|_| ());
        assert_eq!(heard, Err(AnswerError::Sealed));
    }
}

#[test]
fn a_changed_configuration_hears_no_old_answers() {
    let bench = Bench::file(|_| {});
    let callout = bench.asked(&named("who", "pw"));
    let text = bench.reply(&callout, json!({}), json!({}));
    let later = Bench::file(|_| {});
    let heard = later.hear(&callout, text.as_bytes()).map(|_| ());
    assert_eq!(heard, Err(AnswerError::Refused(Refusal::Callout)));
}

#[test]
fn what_cannot_be_set_up_is_told() {
    let server = KeyPair::new_server();
    let premises = Premises { caller: Some(caller(&server)), ..Premises::default() };
    let error =
        |access: &Access, premises: &Premises| match Authority::new(access, &[], premises, 7)
            .unwrap_err()
        {
            AuthorityError::Delegation(error) => error,
            other => panic!("{other:?}"),
        };
    let callout = |issuer: &str, account: Option<&str>, xkey: Option<&str>| Access {
        callout: Some(access::Callout {
            issuer: issuer.into(),
            account: account.map(Into::into),
            auth_users: vec!["auth".into()],
            xkey: xkey.map(Into::into),
            allowed_accounts: Vec::new(),
        }),
        ..Access::default()
    };
    let key = KeyPair::new_account().public_key();
    let wrong = DelegationError::Key("A".into());
    assert_eq!(error(&callout("A", None, None), &premises), wrong);
    let wrong = DelegationError::Key(key.as_str().into());
    assert_eq!(error(&callout(&key, None, Some(&key)), &premises), wrong);
    let wrong = DelegationError::Account("NOWHERE".into());
    assert_eq!(error(&callout(&key, Some("NOWHERE"), None), &premises), wrong);
    let wrong = error(&callout(&key, None, None), &Premises::default());
    assert_eq!(wrong, DelegationError::NoCaller);
    let operator = Access { operator: Some(Operator::default()), ..callout(&key, None, None) };
    let wrong = DelegationError::WithOperator("authorization callouts");
    assert_eq!(error(&operator, &premises), wrong);
    let operator = Access { operator: Some(Operator::default()), ..Access::default() };
    assert_eq!(error(&operator, &premises), DelegationError::NoOperator);
}
