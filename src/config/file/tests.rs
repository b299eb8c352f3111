//! What keys mean: configurations, their warnings and their errors.
//!
//! Absent: the language (`text`).

use super::super::listen::Address;
use super::super::{Config, Files, load};

struct One(String);

impl Files for One {
    fn read(&mut self, path: &str) -> Result<String, String> {
        if path == "f.conf" { Ok(self.0.clone()) } else { Err("no such file".to_owned()) }
    }
    fn variable(&self, _: &str) -> Option<String> {
        None
    }
}

pub(super) fn config(text: &str) -> Config {
    load("f.conf", &mut One(text.to_owned()), Config::default())
        .unwrap_or_else(|errors| panic!("{text}\n{errors}"))
}

pub(super) fn errors(text: &str) -> Vec<String> {
    match load("f.conf", &mut One(text.to_owned()), Config::default()) {
        Ok(_) => panic!("{text}\nwas taken"),
        Err(errors) => errors.lines().to_vec(),
    }
}

#[test]
fn the_classic_keys_make_the_first_listener() {
    for (text, host, port) in [
        ("port: 4567", "0.0.0.0", 4567),
        ("port: -1", "0.0.0.0", 0),
        ("port: 0", "0.0.0.0", 4222),
        ("listen: 127.0.0.1:-1", "127.0.0.1", 0),
        ("listen: 4333", "0.0.0.0", 4333),
        ("listen: \"[::1]:4\"", "::1", 4),
        ("net: localhost", "localhost", 4222),
        ("HOST: \"::\"\nPort = 7", "::", 7),
    ] {
        let config = config(text);
        let address = Address::Tcp { host: host.into(), port };
        assert_eq!(config.listeners[0].address, address, "{text}");
        assert_eq!(config.listeners.len(), 1);
    }
}

#[test]
fn unknown_keys_are_errors_with_their_place_and_a_hint() {
    assert_eq!(
        errors("port: 1\n prot: 2\ndebug: true, zzz: 1"),
        [
            "f.conf:2:2: unknown field \"prot\"; did you mean \"port\"?",
            "f.conf:3:14: unknown field \"zzz\"",
        ]
    );
    config("X: 4222\nport: $X");
}
