//! Files of credentials as they are and as they must not be.
//!
//! Absent: a server that judges them.

use std::path::PathBuf;

use super::*;

/// A file that is gone when the test is over.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str, text: &str) -> Self {
        let path = std::env::temp_dir().join(format!("fanfare-{}-{name}", std::process::id()));
        std::fs::write(&path, text).unwrap();
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn jwt(key: &KeyPair, exp: u64) -> String {
    let claims = format!(r#"{{"sub":"{}","exp":{exp}}}"#, key.public_key());
    format!("eyJ0eXAiOiJKV1QifQ.{}.c2ln", BASE64URL_NOPAD.encode(claims.as_bytes()))
}

fn creds(jwt: &str, seed: &str) -> String {
    format!(
        "-----BEGIN NATS USER JWT-----\n{jwt}\n------END NATS USER JWT------\n\n\
         ************************* IMPORTANT *************************\n\
         NKEY Seed printed below can be used to sign and prove identity.\n\n\
         -----BEGIN USER NKEY SEED-----\r\n{seed}\r\n------END USER NKEY SEED------\r\n\n\
         *************************************************************\n"
    )
}

fn read_creds(name: &str, text: &str) -> Result<Credentials, String> {
    let file = Scratch::new(name, text);
    Credentials::from_creds_file(&file.0).map_err(|error| error.to_string())
}

fn read_nkey(name: &str, text: &str) -> Result<Credentials, String> {
    let file = Scratch::new(name, text);
    Credentials::from_nkey_file(&file.0).map_err(|error| error.to_string())
}

#[test]
fn a_creds_file_signs_the_nonce_and_shows_no_secret() {
    let key = KeyPair::new_user();
    let (seed, jwt) = (key.seed().unwrap(), jwt(&key, 0));
    let read = read_creds("good.creds", &creds(&jwt, &seed)).unwrap();
    let mut options = ConnectOptions::default();
    read.fill_in(&mut options, Some("nonce"));
    assert_eq!(options.jwt.as_deref(), Some(&jwt[..]));
    let signature = BASE64URL_NOPAD.decode(options.sig.unwrap().as_bytes()).unwrap();
    key.verify(b"nonce", &signature).unwrap();
    let shown = format!("{read:?} {}", read.advice());
    assert!(!shown.contains(&seed) && !shown.contains(&jwt), "{shown}");
}

#[test]
fn an_expired_jwt_is_said_to_be_expired() {
    let key = KeyPair::new_user();
    let text = creds(&jwt(&key, 1000), &key.seed().unwrap());
    let Credentials::Creds(read) = read_creds("old.creds", &text).unwrap() else { panic!() };
    assert!(read.advice(1000 + 3 * 86_400).ends_with("expired 3 days ago"));
    assert!(!read.advice(999).contains("expired"));
}

#[test]
fn a_malformed_creds_file_is_refused_without_repeating_it() {
    let (key, other) = (KeyPair::new_user(), KeyPair::new_user());
    let (seed, good) = (key.seed().unwrap(), jwt(&key, 0));
    let account = KeyPair::new_account().seed().unwrap();
    let cases = [
        ("empty", String::new(), "holds no credentials"),
        ("bare", format!("{good}\n{seed}\n"), "holds no credentials"),
        ("half", creds(&good, ""), "one block only"),
        ("nojwt", creds("abc", &seed), "not a JWT"),
        ("base64", creds("a.!!.c", &seed), "not a JWT"),
        ("cut", creds(&good, seed.split_at(40).0), "not a user's seed"),
        ("account", creds(&good, &account), "seed of an account"),
        ("foreign", creds(&good, &other.seed().unwrap()), "different users"),
    ];
    for (name, text, expected) in cases {
        let error = read_creds(name, &text).unwrap_err();
        assert!(error.contains(expected), "{name}: {error}");
        assert!(!error.contains(&seed) && !error.contains(&account), "{error}");
    }
    let mut bytes = creds(&good, &seed).into_bytes();
    bytes.push(0xFF);
    let file = Scratch::new("binary", "");
    std::fs::write(&file.0, bytes).unwrap();
    assert!(Credentials::from_creds_file(&file.0).is_err());
}

#[test]
fn an_nkey_file_is_read_bare_and_between_fences() {
    let key = KeyPair::new_user();
    let seed = key.seed().unwrap();
    let expected = Credentials::Nkey(Signer::of_user(&seed).unwrap());
    assert_eq!(read_nkey("bare.nk", &format!("{seed}\n")), Ok(expected.clone()));
    let fenced = format!(
        "# a comment\n-----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n"
    );
    assert_eq!(read_nkey("fenced.nk", &fenced), Ok(expected));
    for (name, text) in [
        ("none.nk", String::new()),
        ("public.nk", key.public_key()),
        ("account.nk", KeyPair::new_account().seed().unwrap()),
        ("changed.nk", seed.replacen("SU", "SUA", 1)),
    ] {
        let error = read_nkey(name, &text).unwrap_err();
        assert!(error.contains("does not hold a user's seed") && !error.contains(&seed), "{error}");
    }
}

#[test]
fn lengths_are_rough() {
    for (seconds, text) in
        [(3, "3 s"), (119, "119 s"), (120, "2 minutes"), (7200, "2 hours"), (200_000, "2 days")]
    {
        assert_eq!(rough_length(seconds), text);
    }
}
