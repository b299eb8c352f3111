//! `tls { … }` blocks.
//!
//! Absent: reading certificates and choosing ciphers, which is done where TLS is spoken.

use super::super::duration;
use super::super::listen::{Certificate, HandshakeFirst, Tls, TlsVersion};
use super::super::text::{Entry, Map, Value};
use super::findings::{Findings, set};

/// What a block of TLS is for, which decides what it must say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Clients connect to it: it needs a certificate.
    Listener,
    /// The broker is the client.
    Client,
}

/// The keys of a block.
pub(super) const KEYS: &[&str] = &[
    "cert_file",
    "key_file",
    "ca_file",
    "insecure",
    "verify",
    "verify_and_map",
    "verify_cert_and_check_known_urls",
    "allow_insecure_cipher_suites",
    "cipher_suites",
    "curve_preferences",
    "timeout",
    "connection_rate_limit",
    "pinned_certs",
    "cert_store",
    "cert_match_by",
    "cert_match",
    "ca_certs_match",
    "cert_match_skip_invalid",
    "handshake_first",
    "first",
    "immediate",
    "ocsp_peer",
    "certs",
    "certificates",
    "min_version",
];

/// What a block says before it is put together.
#[derive(Default)]
struct Block {
    tls: Tls,
    cert_file: Option<Box<str>>,
    key_file: Option<Box<str>>,
    certs: bool,
    allow_insecure: bool,
}

/// Reads a block.
pub(super) fn read(found: &mut Findings<'_>, entry: &Entry, purpose: Purpose) -> Option<Tls> {
    let map = found.map(entry)?;
    let mut block = Block::default();
    block.tls.timeout_ns = Tls::TIMEOUT_NS;
    for entry in map.entries() {
        let key = entry.key.to_ascii_lowercase();
        let known = files(found, &mut block, &key, entry)
            || handshake(found, &mut block, &key, entry)
            || choices(found, &mut block, &key, entry);
        if !known {
            found.unknown(entry, &[KEYS]);
        }
    }
    Some(assemble(found, entry, block, purpose))
}

/// Keys that name files and what they prove.
fn files(found: &mut Findings<'_>, block: &mut Block, key: &str, entry: &Entry) -> bool {
    let tls = &mut block.tls;
    match key {
        "cert_file" => block.cert_file = found.boxed(entry),
        "key_file" => block.key_file = found.boxed(entry),
        "ca_file" => tls.ca_file = found.boxed(entry),
        "certs" | "certificates" => {
            block.certs = true;
            for (at, map) in found.maps(entry) {
                if let Some(pair) = certificate(found, map) {
                    tls.certificates.push(pair);
                } else {
                    found.error(at, "a certificate needs both 'cert_file' and 'key_file'");
                }
            }
        }
        "verify" => set(&mut tls.verify, found.boolean(entry)),
        "verify_and_map" => {
            set(&mut tls.verify_and_map, found.boolean(entry));
            tls.verify |= tls.verify_and_map;
        }
        "verify_cert_and_check_known_urls" => {
            if found.boolean(entry) == Some(true) {
                found.error(
                    entry.node.at,
                    "verify_cert_and_check_known_urls not supported in this context",
                );
            }
        }
        "insecure" => {
            if found.boolean(entry) == Some(true) {
                let why = "\"insecure\" is ignored: certificates are always verified";
                found.warn(entry.node.at, why);
            }
        }
        "ocsp_peer" => found.warn(
            entry.node.at,
            "\"ocsp_peer\" is ignored: this version does not ask whether certificates are revoked",
        ),
        "cert_store"
        | "cert_match_by"
        | "cert_match"
        | "ca_certs_match"
        | "cert_match_skip_invalid" => {
            found
                .error(entry.node.at, format!("{key:?} needs Windows; use cert_file and key_file"));
        }
        _ => return false,
    }
    true
}

/// Keys about time and order of the handshake.
fn handshake(found: &mut Findings<'_>, block: &mut Block, key: &str, entry: &Entry) -> bool {
    let tls = &mut block.tls;
    match key {
        "timeout" => set(&mut tls.timeout_ns, found.seconds(entry).filter(|&time| time > 0)),
        "connection_rate_limit" => found.bound(entry, &mut tls.connection_rate_limit),
        "handshake_first" | "first" | "immediate" => {
            set(&mut tls.handshake_first, first(found, entry));
        }
        _ => return false,
    }
    true
}

/// Keys that narrow what is spoken, and with whom.
fn choices(found: &mut Findings<'_>, block: &mut Block, key: &str, entry: &Entry) -> bool {
    let tls = &mut block.tls;
    match key {
        "min_version" => {
            tls.min_version = match found.text(entry) {
                Some("1.2") => Some(TlsVersion::V12),
                Some("1.3") => Some(TlsVersion::V13),
                Some(other) => {
                    let why = format!("unsupported TLS version {other:?}: there are 1.2 and 1.3");
                    found.error(entry.node.at, why);
                    None
                }
                None => None,
            };
        }
        "cipher_suites" => tls.cipher_suites = names(found, entry, SUITES, "cipher"),
        "curve_preferences" => {
            tls.curve_preferences = names(found, entry, CURVES, "curve preference");
        }
        "allow_insecure_cipher_suites" => set(&mut block.allow_insecure, found.boolean(entry)),
        "pinned_certs" => {
            for (at, pin) in found.texts(entry).unwrap_or_default() {
                if pin.len() == 64 && pin.bytes().all(|b| b.is_ascii_hexdigit()) {
                    tls.pinned_certs.push(pin.to_ascii_lowercase().into());
                } else {
                    found.error(
                        at,
                        "'pinned_certs' holds SHA-256 digests of public keys (DER encoded \
                         SubjectPublicKeyInfo), 64 hexadecimal digits each",
                    );
                }
            }
        }
        _ => return false,
    }
    true
}

fn names(found: &mut Findings<'_>, entry: &Entry, known: &[&str], kind: &str) -> Vec<Box<str>> {
    let texts = found.texts(entry).unwrap_or_default();
    if texts.is_empty() {
        found.error(entry.node.at, format!("'{}' cannot be empty", entry.key));
    }
    let mut names = Vec::with_capacity(texts.len());
    for (at, name) in texts {
        if known.contains(&name) || (kind == "cipher" && INSECURE.contains(&name)) {
            names.push(name.into());
        } else {
            found.error(at, format!("unrecognized {kind} {name:?}"));
        }
    }
    names
}

fn certificate(found: &mut Findings<'_>, map: &Map) -> Option<Certificate> {
    let (mut cert_file, mut key_file) = (None, None);
    for entry in map.entries() {
        match &*entry.key.to_ascii_lowercase() {
            "cert_file" => cert_file = found.boxed(entry),
            "key_file" => key_file = found.boxed(entry),
            _ => found.unknown(entry, &[&["cert_file", "key_file"]]),
        }
    }
    Some(Certificate { cert_file: cert_file?, key_file: key_file? })
}

fn first(found: &mut Findings<'_>, entry: &Entry) -> Option<HandshakeFirst> {
    match &entry.node.value {
        Value::Boolean(true) => return Some(HandshakeFirst::Yes),
        Value::Boolean(false) => return Some(HandshakeFirst::No),
        Value::Text(text) => match (&*text.to_ascii_lowercase(), duration::parse(text)) {
            ("true" | "on", _) | (_, Some(0)) => return Some(HandshakeFirst::Yes),
            ("false" | "off", _) => return Some(HandshakeFirst::No),
            ("auto" | "auto_fallback", _) => return Some(HandshakeFirst::Auto(Tls::AUTO_NS)),
            (_, Some(delay)) => return Some(HandshakeFirst::Auto(delay)),
            _ => {}
        },
        _ => {}
    }
    let why = format!("{:?} is true, false, auto, or how long to wait (\"300ms\")", entry.key);
    found.error(entry.node.at, why);
    None
}

fn assemble(found: &mut Findings<'_>, entry: &Entry, block: Block, purpose: Purpose) -> Tls {
    let Block { mut tls, cert_file, key_file, certs, allow_insecure } = block;
    let at = entry.node.at;
    match (cert_file, key_file) {
        (Some(_), _) | (_, Some(_)) if certs => {
            found.error(at, "cannot combine 'cert_file' option with 'certs' option");
        }
        (Some(cert_file), Some(key_file)) => {
            tls.certificates.push(Certificate { cert_file, key_file });
        }
        (Some(_), None) => found.error(at, "missing 'key_file' in TLS configuration"),
        (None, Some(_)) => found.error(at, "missing 'cert_file' in TLS configuration"),
        (None, None) if tls.certificates.is_empty() && purpose == Purpose::Listener => {
            found.error(at, "TLS for clients needs a certificate: 'cert_file' and 'key_file'");
        }
        (None, None) => {}
    }
    let insecure: Vec<&str> = tls
        .cipher_suites
        .iter()
        .map(|name| &**name)
        .filter(|name| INSECURE.contains(name))
        .collect();
    if !allow_insecure && !insecure.is_empty() {
        let why = format!(
            "insecure cipher suites configured without 'allow_insecure_cipher_suites' option \
             set: {}",
            insecure.join(", ")
        );
        found.error(at, why);
    }
    tls
}

/// Curves, as Go's configuration names them.
const CURVES: &[&str] = &["X25519MLKEM768", "X25519", "CurveP256", "CurveP384", "CurveP521"];

/// Cipher suites that Go thinks secure.
const SUITES: &[&str] = &[
    "TLS_AES_128_GCM_SHA256",
    "TLS_AES_256_GCM_SHA384",
    "TLS_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
];

/// Those it has and does not think secure.
const INSECURE: &[&str] = &[
    "TLS_RSA_WITH_RC4_128_SHA",
    "TLS_RSA_WITH_3DES_EDE_CBC_SHA",
    "TLS_RSA_WITH_AES_128_CBC_SHA",
    "TLS_RSA_WITH_AES_256_CBC_SHA",
    "TLS_RSA_WITH_AES_128_CBC_SHA256",
    "TLS_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_ECDSA_WITH_RC4_128_SHA",
    "TLS_ECDHE_RSA_WITH_RC4_128_SHA",
    "TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256",
];
