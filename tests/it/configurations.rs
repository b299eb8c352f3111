//! Whole configuration files: those that nats-server takes and refuses, and where we are stricter.
//!
//! Absent: a running broker. `configs/taken` was compared with `nats-server -t` 2.14.0: it takes
//! all of these files and prints the same digests. It refuses all of `configs/refused.txt`, for the
//! same reasons, with other words where ours say more; and takes, at least with `-t`, most of
//! `configs/stricter.txt`.

use std::path::PathBuf;

use fanfare::config::{Config, ConfigErrors, Files, load};

/// Files below `tests/configs/taken`, and one that exists in memory only.
struct Shelf {
    text: Option<String>,
}

impl Files for Shelf {
    fn read(&mut self, path: &str) -> Result<String, String> {
        if let Some(text) = self.text.take_if(|_| path == "f.conf") {
            return Ok(text);
        }
        let path = configs().join("taken").join(path);
        std::fs::read_to_string(path).map_err(|error| error.to_string())
    }
    fn variable(&self, name: &str) -> Option<String> {
        (name == "FANFARE_TEST_NAME").then(|| "from-env".to_owned())
    }
}

fn configs() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/configs")
}

fn read(path: &str, text: Option<String>) -> Result<Config, ConfigErrors> {
    load(path, &mut Shelf { text }, Config::default())
}

/// Files that are taken: name, digest, number of warnings.
const TAKEN: &[(&str, &str, usize)] = &[
    ("accounts", "6007bf71f650f5590d04add477fe113ce44edca262103d9bf481c7d763ea597d", 1),
    ("basics", "f97df734bc4eeaa90c7eb04225552b3ed1a7ea122e530831f299cc32ddc963fc", 0),
    ("blocks", "280c6358acbd13afe2ebc2d9da86bf897398246f0da4bb5211d26d467b12e073", 5),
    ("callout", "788621bf4b1061de0257174180eda55db70b9d955ac6da3efe1c2e6fc5f7c2d5", 0),
    ("grammar", "444e1b7f33843ec99bffc5293e174a10a7aa12f70769e25c8ecc855274e6e2d4", 1),
    ("harness", "b945650e6d509885b8cf03230ed71ed1ebb8763ce4a01da9240af3bdd844439e", 3),
    ("json", "09722b0bd6f26bcd385de0a7ecb32b006c9bdaffd07298f30fc6c20e3c6c0735", 0),
    ("names", "027e8d37db5962f3b1a8cd6e2feac27fc91252644acecee3868aa98f3360d95a", 0),
    ("nkeys", "4bbc6a6717d66304fb473bb4032a051848469f604dd97c1c26cf2fab3655b159", 0),
    ("operator", "885488c8134a5ffd719ca834f1b67a9ca92c509b9e52353141abc725ff62e82a", 0),
    ("operator_dir", "da39ed6f4726ebd621fd9830a0231f48ce51e3a7bb2b1ef69858314175012c8f", 1),
    ("operator_url", "c2b1e32db46e6bbb8e99645d84ddb1bc792df2916216de814b364cd53445bef1", 0),
    ("single", "6e47cf6754e41db50706ce0649a6cda2d486351a9b1728a65c302e7c483ad444", 0),
    ("tls", "283da8fdf02b4a472c925bc0373bc7e67d49a49a917154d8d82e5f9583f140cc", 0),
    ("tls_many", "6146088b5061ad1b75f15bb7bf6ab0c9c8c63b8a91c96aa40b11ddeb99554a00", 0),
    ("token", "32dbb56d51ba1dd9f0c71e2b29a171c2452ef1e0999f6be58346da4311a46a67", 0),
    ("trusted", "064a5c25c44f52c34dc4616abdfc78dc9a53f6b336a2186c08d0da1ab1cdfa23", 0),
    ("users", "a72572233d1fc91c66c58cc5c2edd9a0fcdaef1f403d65a33c805ebe9367ceb9", 0),
    ("variables", "befd929b5d7f20d69de3a30c017bfbe8c94d8cd8583cd6746e5a5df5f0143e28", 0),
];

#[test]
fn real_files_are_taken_and_have_the_digests_of_nats_server() {
    for (name, digest, warnings) in TAKEN {
        let config =
            read(&format!("{name}.conf"), None).unwrap_or_else(|errors| panic!("{name}: {errors}"));
        assert_eq!(config.digest, Some(format!("sha256:{digest}")), "{name}");
        assert_eq!(config.warnings.len(), *warnings, "{name}: {:?}", config.warnings);
    }
}

#[test]
fn every_file_that_is_taken_is_compared() {
    let mut names: Vec<String> = std::fs::read_dir(configs().join("taken"))
        .expect("the directory is there")
        .map(|entry| entry.expect("it can be read").file_name().to_string_lossy().into_owned())
        .filter_map(|name| name.strip_suffix(".conf").map(str::to_owned))
        .collect();
    names.sort();
    assert_eq!(names, TAKEN.iter().map(|(name, ..)| *name).collect::<Vec<_>>());
}

/// Configurations with the errors that stand above each of them, one a line after dashes.
fn with_errors(name: &str) -> Vec<(Vec<String>, String)> {
    let text = std::fs::read_to_string(configs().join(name)).expect("the list is there");
    let mut all: Vec<(Vec<String>, String)> = Vec::new();
    for line in text.lines() {
        if let Some(error) = line.strip_prefix("--- ") {
            if all.last().is_none_or(|(_, text)| !text.is_empty()) {
                all.push((Vec::new(), String::new()));
            }
            all.last_mut().expect("just pushed").0.push(error.to_owned());
        } else {
            let (_, text) = all.last_mut().expect("errors stand above");
            text.push_str(line);
            text.push('\n');
        }
    }
    all
}

#[test]
fn wrong_files_are_refused_with_all_their_errors() {
    for (list, least) in [("refused.txt", 100), ("stricter.txt", 30)] {
        let all = with_errors(list);
        assert!(all.len() >= least, "{list} has {}", all.len());
        for (errors, text) in all {
            let Err(got) = read("f.conf", Some(text.clone())) else { panic!("taken:\n{text}") };
            assert_eq!(got.lines(), errors, "{text}");
        }
    }
}

#[test]
fn our_own_keys_make_listeners_and_rates() {
    let config = read("../ours/listeners.conf", None).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(config.warnings, Vec::<String>::new());
    let names: Vec<&str> = config.listeners.iter().map(|listener| &*listener.name).collect();
    assert_eq!(names, ["default", "internal", "public", "any"]);
    assert_eq!(config.access.accounts[0].limits.rate.bytes, Some(1 << 20));
    assert_eq!(config.access.connection_rate.messages, Some(10_000));
}
