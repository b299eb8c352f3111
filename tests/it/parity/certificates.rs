//! The certificates that tests use: two authorities, several of servers and of clients.
//!
//! Absent: files under version control. They are made once in each run of the tests, into the
//! build directory; `tests/parity/README.md` lists them.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, PublicKeyData, SanType,
    date_time_ymd,
};
use rustls::crypto::ring::cipher_suite::TLS13_AES_128_GCM_SHA256;

use crate::broker::scratch;

/// Where the files are.
#[derive(Debug)]
pub(crate) struct Certificates {
    folder: PathBuf,
    hashes: Vec<(String, String)>,
}

/// What a certificate says.
struct Wish {
    name: &'static str,
    authority: &'static str,
    names: &'static [&'static str],
    email: Option<&'static str>,
    unit: Option<&'static str>,
    expired: bool,
}

const WISH: Wish =
    Wish { name: "", authority: "ca", names: &[], email: None, unit: None, expired: false };

/// All certificates but those of the authorities.
const WISHES: &[Wish] = &[
    Wish { name: "server", names: &["localhost", "127.0.0.1"], ..WISH },
    Wish { name: "second", names: &["localhost", "127.0.0.1", "second.example"], ..WISH },
    Wish { name: "elsewhere", names: &["nats.example"], ..WISH },
    Wish { name: "old", names: &["localhost", "127.0.0.1"], expired: true, ..WISH },
    Wish { name: "alice", email: Some("alice@example.org"), ..WISH },
    Wish { name: "bob", names: &["bob.example.org"], ..WISH },
    Wish { name: "carol", unit: Some("people"), ..WISH },
    Wish { name: "nobody", email: Some("nobody@example.org"), ..WISH },
    Wish { name: "late", email: Some("alice@example.org"), expired: true, ..WISH },
    Wish { name: "stranger", authority: "other", email: Some("alice@example.org"), ..WISH },
];

impl Certificates {
    /// The ones of this run.
    pub(crate) fn get() -> &'static Self {
        static MADE: OnceLock<Certificates> = OnceLock::new();
        MADE.get_or_init(|| Self::make(scratch("certificates")))
    }

    /// Where a file is, such as `ca.pem`, `alice.pem` or `alice.key`.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Copies all files into a broker's folder.
    pub(crate) fn copy_to(&self, folder: &Path) {
        for entry in fs::read_dir(&self.folder).expect("our own folder") {
            let entry = entry.expect("our own folder");
            fs::copy(entry.path(), folder.join(entry.file_name())).expect("a copy");
        }
    }

    /// SHA-256 of a certificate's public key, in hexadecimal digits.
    pub(crate) fn public_key_hash(&self, name: &str) -> String {
        let found = self.hashes.iter().find(|(known, _)| known == name);
        found.unwrap_or_else(|| panic!("no certificate {name}")).1.clone()
    }

    /// Makes all of them.
    fn make(folder: PathBuf) -> Self {
        fs::create_dir_all(&folder).expect("the build directory");
        let mut made = Self { folder, hashes: Vec::new() };
        let authorities = ["ca", "other"].map(|name| (name, made.authority(name)));
        for wish in WISHES {
            let (_, issuer) =
                authorities.iter().find(|(name, _)| *name == wish.authority).expect("an authority");
            made.certificate(wish, issuer);
        }
        made
    }

    /// An authority, and its file.
    fn authority(&self, name: &str) -> Issuer<'static, KeyPair> {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, format!("{name} of the parity tests"));
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).expect("a certificate");
        fs::write(self.file(&format!("{name}.pem")), certificate.pem()).expect("our own folder");
        Issuer::new(params, key)
    }

    /// A certificate, and its files.
    fn certificate(&mut self, wish: &Wish, issuer: &Issuer<'static, KeyPair>) {
        let key = KeyPair::generate().expect("a key");
        let names: Vec<String> = wish.names.iter().map(|&name| name.to_owned()).collect();
        let mut params = CertificateParams::new(names).expect("names");
        if let Some(email) = wish.email {
            let email = email.try_into().expect("plain letters");
            params.subject_alt_names.push(SanType::Rfc822Name(email));
        }
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationName, "Example");
        if let Some(unit) = wish.unit {
            params.distinguished_name.push(DnType::OrganizationalUnitName, unit);
        }
        params.distinguished_name.push(DnType::CommonName, wish.name);
        if wish.expired {
            params.not_before = date_time_ymd(2001, 1, 1);
            params.not_after = date_time_ymd(2002, 1, 1);
        }
        let certificate = params.signed_by(&key, issuer).expect("a certificate");
        let write = |end: &str, text: String| {
            fs::write(self.file(&format!("{}.{end}", wish.name)), text).expect("our own folder");
        };
        write("pem", certificate.pem());
        write("key", key.serialize_pem());
        let hash = sha256(&key.subject_public_key_info());
        self.hashes.push((wish.name.to_owned(), hash));
    }
}

/// SHA-256 in hexadecimal digits.
fn sha256(bytes: &[u8]) -> String {
    let suite = TLS13_AES_128_GCM_SHA256.tls13().expect("its name says so");
    let hash = suite.common.hash_provider.hash(bytes);
    data_encoding::HEXLOWER.encode(hash.as_ref())
}
