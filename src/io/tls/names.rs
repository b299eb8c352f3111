//! The names that Go gives to cipher suites and curves, and what they are here.
//!
//! Absent: opinions. A name that Go knows and this broker's cryptography has not is told apart from
//! one that nobody knows.

use rustls::crypto::SupportedKxGroup;
use rustls::crypto::ring::{ALL_CIPHER_SUITES, kx_group};
use rustls::{CipherSuite, ProtocolVersion, SupportedCipherSuite};

use super::TlsError;

/// The suites of TLS 1.2 that these names choose; those of TLS 1.3 are not chosen, as with Go.
pub(super) fn cipher_suites(names: &[Box<str>]) -> Result<Vec<SupportedCipherSuite>, TlsError> {
    let of_v13 = |suite: &&SupportedCipherSuite| suite.version().version == V13;
    let mut chosen: Vec<_> = ALL_CIPHER_SUITES.iter().filter(of_v13).copied().collect();
    for name in names {
        let (_, suite) = SUITES
            .iter()
            .find(|(known, _)| name.eq_ignore_ascii_case(known))
            .ok_or_else(|| TlsError::UnknownCipher(name.clone()))?;
        let suite = suite.and_then(|wanted| {
            ALL_CIPHER_SUITES.iter().find(|suite| suite.suite() == wanted).copied()
        });
        let suite = suite.ok_or_else(|| TlsError::MissingCipher(name.clone()))?;
        if !chosen.contains(&suite) {
            chosen.push(suite);
        }
    }
    Ok(chosen)
}

/// The key exchange groups that these names choose, in their order.
pub(super) fn curves(names: &[Box<str>]) -> Result<Vec<&'static dyn SupportedKxGroup>, TlsError> {
    names.iter().map(|name| curve(name)).collect()
}

fn curve(name: &str) -> Result<&'static dyn SupportedKxGroup, TlsError> {
    match &name.to_ascii_lowercase()[..] {
        "x25519" => Ok(kx_group::X25519),
        "curvep256" => Ok(kx_group::SECP256R1),
        "curvep384" => Ok(kx_group::SECP384R1),
        "curvep521" | "x25519mlkem768" | "secp256r1mlkem768" | "secp384r1mlkem1024" => {
            Err(TlsError::MissingCurve(name.into()))
        }
        _ => Err(TlsError::UnknownCurve(name.into())),
    }
}

/// What Go calls a suite.
pub(super) fn name_of(suite: CipherSuite) -> &'static str {
    SUITES.iter().find(|(_, known)| *known == Some(suite)).map_or("unknown", |(name, _)| name)
}

/// What Go calls a version.
pub(super) fn version_of(version: ProtocolVersion) -> &'static str {
    match version {
        ProtocolVersion::TLSv1_2 => "1.2",
        ProtocolVersion::TLSv1_3 => "1.3",
        _ => "unknown",
    }
}

const V13: ProtocolVersion = ProtocolVersion::TLSv1_3;

/// Every name that nats-server knows; without a suite where no sound cryptography offers it.
const SUITES: &[(&str, Option<CipherSuite>)] = &[
    ("TLS_AES_128_GCM_SHA256", Some(CipherSuite::TLS13_AES_128_GCM_SHA256)),
    ("TLS_AES_256_GCM_SHA384", Some(CipherSuite::TLS13_AES_256_GCM_SHA384)),
    ("TLS_CHACHA20_POLY1305_SHA256", Some(CipherSuite::TLS13_CHACHA20_POLY1305_SHA256)),
    (
        "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
        Some(CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256),
    ),
    (
        "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
        Some(CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384),
    ),
    (
        "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
        Some(CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256),
    ),
    (
        "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
        Some(CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256),
    ),
    (
        "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
        Some(CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384),
    ),
    (
        "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
        Some(CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256),
    ),
    // Older spellings of the last ones, which Go still knows.
    (
        "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305",
        Some(CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256),
    ),
    (
        "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305",
        Some(CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256),
    ),
    ("TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA", None),
    ("TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256", None),
    ("TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA", None),
    ("TLS_ECDHE_ECDSA_WITH_RC4_128_SHA", None),
    ("TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA", None),
    ("TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA", None),
    ("TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256", None),
    ("TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA", None),
    ("TLS_ECDHE_RSA_WITH_RC4_128_SHA", None),
    ("TLS_RSA_WITH_3DES_EDE_CBC_SHA", None),
    ("TLS_RSA_WITH_AES_128_CBC_SHA", None),
    ("TLS_RSA_WITH_AES_128_CBC_SHA256", None),
    ("TLS_RSA_WITH_AES_128_GCM_SHA256", None),
    ("TLS_RSA_WITH_AES_256_CBC_SHA", None),
    ("TLS_RSA_WITH_AES_256_GCM_SHA384", None),
    ("TLS_RSA_WITH_RC4_128_SHA", None),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(names: &[&str]) -> Result<Vec<&'static str>, String> {
        let names: Vec<Box<str>> = names.iter().map(|name| (*name).into()).collect();
        let suites = cipher_suites(&names).map_err(|error| error.to_string())?;
        Ok(suites.iter().map(|suite| name_of(suite.suite())).collect())
    }

    #[test]
    fn names_choose_suites_of_tls_1_2_only() {
        let name = "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384";
        let suites = chosen(&[name]).expect("a good name");
        assert_eq!(suites.len(), 4);
        assert_eq!(suites[3], name);
        assert_eq!(chosen(&["TLS_AES_128_GCM_SHA256"]).expect("a good name").len(), 3);
    }

    #[test]
    fn what_is_missing_is_not_what_is_unknown() {
        let missing = chosen(&["TLS_RSA_WITH_AES_128_CBC_SHA"]).expect_err("not sound");
        assert!(missing.contains("TLS_RSA_WITH_AES_128_CBC_SHA is not supported"), "{missing}");
        let unknown = chosen(&["TLS_NONSENSE"]).expect_err("nobody knows it");
        assert_eq!(unknown, "unrecognized cipher TLS_NONSENSE");
    }

    #[test]
    fn every_suite_at_hand_has_a_name() {
        for suite in ALL_CIPHER_SUITES {
            assert_ne!(name_of(suite.suite()), "unknown", "{suite:?}");
        }
    }

    #[test]
    fn curves_keep_their_order() {
        let names: Vec<Box<str>> = vec!["CurveP384".into(), "X25519".into()];
        let curves = curves(&names).expect("good names");
        let curves: Vec<_> = curves.iter().map(|curve| format!("{:?}", curve.name())).collect();
        assert_eq!(curves, ["secp384r1", "X25519"]);
        let error = super::curves(&["CurveP521".into()]).expect_err("ring has it not");
        assert!(error.to_string().contains("CurveP521 is not supported"), "{error}");
    }
}
