//! Certificates and choices that are wrong: the broker does not start, and says which and why.
//!
//! Absent: what clients see.

use std::fs;

use crate::broker::{Kind, kind, scratch};
use crate::secure::{configured, file, tls};

/// A broker with this configuration refuses to start and says this.
fn check(text: &str, expected: &[&str]) {
    if kind() == Kind::Reference {
        return;
    }
    let (status, log) = configured(text).refused();
    assert!(!status.success(), "{text}");
    for part in expected {
        assert!(log.contains(part), "no {part:?} for {text}:\n{log}");
    }
}

fn pair(cert: &str, key: &str) -> String {
    format!("tls {{ cert_file: \"{cert}\", key_file: \"{key}\" }}\n")
}

#[test]
fn a_file_that_is_wrong_is_named() {
    let (cert, key) = (file("server.pem"), file("server.key"));
    let missing = scratch("missing.pem").to_str().expect("a path").to_owned();
    let garbage = scratch("garbage.pem").to_str().expect("a path").to_owned();
    fs::write(&garbage, "no certificate at all\n").expect("the scratch directory");
    let broken = scratch("broken.pem").to_str().expect("a path").to_owned();
    let text = fs::read_to_string(&cert).expect("a file of ours");
    fs::write(&broken, text.replace("MII", "MIJ")).expect("the scratch directory");
    check(&pair(&missing, &key), &[&missing, "no such file"]);
    check(&pair(&cert, &missing), &[&missing, "no such file"]);
    check(&pair(&garbage, &key), &[&garbage, "no certificate"]);
    check(&pair(&cert, &garbage), &[&garbage, "no private key"]);
    check(&pair(&broken, &key), &[&broken]);
    check(&pair(&cert, &file("second.key")), &[&file("second.key"), "not the key", &cert]);
    check(&tls(&format!("verify: true, ca_file: \"{missing}\"")), &[&missing, "no such file"]);
    check(&tls(&format!("verify: true, ca_file: \"{garbage}\"")), &[&garbage, "no certificate"]);
}

#[test]
fn a_choice_that_cannot_be_kept_is_named() {
    let suite = "TLS_RSA_WITH_AES_128_GCM_SHA256";
    let more = format!("allow_insecure_cipher_suites: true, cipher_suites: [\"{suite}\"]");
    check(&tls(&more), &[suite, "not supported"]);
    check(&tls("curve_preferences: [\"CurveP521\"]"), &["CurveP521", "not supported"]);
    check(&tls("cipher_suites: [\"TLS_NONSENSE\"]"), &["TLS_NONSENSE"]);
    check(&tls("curve_preferences: [\"Nonsense\"]"), &["Nonsense"]);
}
