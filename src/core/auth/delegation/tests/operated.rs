//! The external service of an account of an operator.

use super::*;

/// An operator whose account wants a service to decide, and another account.
struct Realm {
    bench: Bench,
    house: House,
    other: KeyPair,
    scoped: KeyPair,
}

impl Realm {
    fn new(allowed: &[&str]) -> Self {
        let house = House::new();
        let (other, service) = (KeyPair::new_account(), KeyPair::new_user());
        let (server, signing) = (KeyPair::new_server(), KeyPair::new_account());
        let scoped = KeyPair::new_account();
        let allowed: Vec<String> = allowed
            .iter()
            .map(|name| match *name {
                "other" => other.public_key(),
                name => name.to_owned(),
            })
            .collect();
        let authorization =
            json!({"auth_users": [service.public_key()], "allowed_accounts": allowed});
        let nats = json!({"authorization": authorization, "signing_keys": [signing.public_key()]});
        let mut state = house.state(json!({"nats": nats}));
        let scope = json!({"kind": "user_scope", "key": scoped.public_key(),
            "template": {"pub": {"allow": ["scoped"]}}});
        let claims = json!({"sub": other.public_key(), "nats": {"signing_keys": [scope]}});
        state.learn(&other.public_key(), &house.account_jwt(claims)).unwrap();
        let bench = Bench {
            authority: authority(&house, state, &server),
            server,
            service: house.account.clone(),
            curve: XKey::new_from_raw([5; 32]),
        };
        Self { bench, house, other, scoped }
    }
    fn asked(&self) -> Callout {
        self.bench.asked(&self.house.request(&self.house.user_jwt(json!({}))))
    }
    /// What becomes of a user that this key signs.
    fn placed(&self, user: Value, signer: &KeyPair) -> Result<Admitted, AnswerError> {
        let callout = self.asked();
        let nats = json!({"type": "user", "version": 2});
        let claims = json!({"sub": callout.user_nkey, "nats": nats});
        let user = sign(with(claims, &user), signer);
        let over = json!({"nats": {"jwt": user}});
        let text = self.bench.reply(&callout, over, json!({}));
        self.bench.hear(&callout, text.as_bytes())
    }
}

fn authority(house: &House, state: OperatorState, server: &KeyPair) -> Authority {
    let access = Access { operator: Some(house.written()), ..Access::default() };
    let premises = Premises {
        caller: Some(caller(server)),
        operator: Some(Arc::new(state)),
        wall_ms: bare_request().wall_ms,
    };
    Authority::new(&access, &[], &premises, 7).unwrap()
}

#[test]
fn an_operators_account_asks_about_its_users() {
    let realm = Realm::new(&["other"]);
    let callout = realm.asked();
    let key = realm.house.account.public_key();
    assert_eq!(*callout.account, key);
    let text = std::str::from_utf8(&callout.payload).unwrap();
    let claims = decode::<RequestPart>(text).unwrap().claims;
    let info = &claims.nats.client_info;
    assert_eq!((&claims.subject, &info.name_tag[..]), (&key, "ann"));
    assert_eq!(info.user, realm.house.user.public_key());
    assert!(claims.nats.connect_opts.jwt.starts_with("eyJ"));
    let found = realm.placed(json!({}), &realm.house.account).unwrap();
    assert_eq!(*found.account, key);
    assert!(!found.permissions.unwrap().may_publish(b"$SYS.REQ.USER.AUTH"));
    // Who does not get in by its JWT is not asked about.
    let stranger = realm.house.request(&realm.house.user_jwt(json!({"exp": NOW - 1})));
    let decision = realm.bench.authority.decide(&stranger);
    assert!(matches!(decision, Decision::Refuse(Refusal::Expired)));
}

#[test]
fn users_are_placed_in_allowed_accounts_only() {
    let realm = Realm::new(&["other"]);
    let found = realm.placed(json!({}), &realm.other).unwrap();
    assert_eq!(*found.account, realm.other.public_key());
    let scoped = json!({"nats": {"issuer_account": realm.other.public_key()}});
    let found = realm.placed(scoped.clone(), &realm.scoped).unwrap();
    let permissions = found.permissions.unwrap();
    assert!(permissions.may_publish(b"scoped") && !permissions.may_publish(b"else"));
    let with_rights = with(scoped.clone(), &json!({"nats": {"subs": 5}}));
    let error = realm.placed(with_rights, &realm.scoped).unwrap_err();
    assert_eq!(error, AnswerError::Refused(Refusal::Jwt));
    let error = realm.placed(scoped, &KeyPair::new_account()).unwrap_err();
    assert_eq!(error, AnswerError::Issuer);
    let stranger = KeyPair::new_account();
    assert_eq!(realm.placed(json!({}), &stranger).unwrap_err(), AnswerError::Issuer);
    let closed = Realm::new(&[]);
    assert_eq!(closed.placed(json!({}), &closed.other).unwrap_err(), AnswerError::Issuer);
    let open = Realm::new(&["*"]);
    assert!(open.placed(json!({}), &open.other).is_ok());
    let unknown = stranger.public_key();
    let error = open.placed(json!({}), &stranger).unwrap_err();
    assert_eq!(error, AnswerError::Unknown(unknown.as_str().into()));
}

#[test]
fn answers_are_signed_for_the_asking_account() {
    let mut realm = Realm::new(&["*"]);
    let callout = realm.asked();
    realm.bench.service = realm.other.clone();
    let text = realm.bench.reply(&callout, json!({}), json!({}));
    let heard = realm.bench.hear(&callout, text.as_bytes()).map(|_| ());
    assert_eq!(heard, Err(AnswerError::Signer));
    // Naming the account does not make a stranger its signer.
    let named = json!({"nats": {"issuer_account": realm.house.account.public_key()}});
    let text = realm.bench.reply(&callout, named, json!({}));
    let heard = realm.bench.hear(&callout, text.as_bytes()).map(|_| ());
    assert_eq!(heard, Err(AnswerError::Signer));
}

#[test]
fn an_account_that_may_be_fetched_is_fetched_for_an_answer_too() {
    let realm = Realm::new(&["*"]);
    let callout = realm.asked();
    let stranger = KeyPair::new_account();
    let nats = json!({"type": "user", "version": 2});
    let user = sign(json!({"sub": callout.user_nkey, "nats": nats}), &stranger);
    let text = realm.bench.reply(&callout, json!({"nats": {"jwt": user}}), json!({}));
    let mut work = Work::default();
    let knowledge = Knowledge::MayGrow;
    let authority = &realm.bench.authority;
    let (decision, _) = authority.decide_callout(&callout, text.as_bytes(), knowledge, &mut work);
    let Decision::Fetch(fetch) = decision else { panic!("{decision:?}") };
    assert_eq!(*fetch.account, stranger.public_key());
    assert!(matches!(fetch.question, Question::Answer { .. }));
}

#[test]
fn clients_of_operators_and_services_are_judged_again() {
    let realm = Realm::new(&["other"]);
    let found = realm.placed(json!({}), &realm.other).unwrap();
    let wall_ms = bare_request().wall_ms;
    let authority = &realm.bench.authority;
    assert!(authority.readmit(&found, wall_ms).is_ok());
    let mut state = OperatorState::new(&realm.house.written(), &surroundings()).unwrap().0;
    let gone = self::authority(&realm.house, state.clone(), &realm.bench.server);
    assert_eq!(gone.readmit(&found, wall_ms).unwrap_err(), Refusal::Jwt);
    let claims = json!({"sub": realm.other.public_key(), "exp": NOW + 5});
    state.learn(&realm.other.public_key(), &realm.house.account_jwt(claims)).unwrap();
    let later = self::authority(&realm.house, state, &realm.bench.server);
    assert!(later.readmit(&found, wall_ms).is_ok());
    assert_eq!(later.readmit(&found, wall_ms + 6000).unwrap_err(), Refusal::AccountExpired);
    let bench = Bench::file(|_| {});
    assert_eq!(bench.authority.readmit(&found, wall_ms).unwrap_err(), Refusal::Credentials);
    let callout = bench.asked(&named("who", "pw"));
    let text = bench.reply(&callout, json!({}), json!({}));
    let found = bench.hear(&callout, text.as_bytes()).unwrap();
    assert!(bench.authority.readmit(&found, wall_ms).is_ok());
    let without = Bench::file(|access| access.accounts.truncate(1));
    assert_eq!(without.authority.readmit(&found, wall_ms).unwrap_err(), Refusal::Credentials);
}
