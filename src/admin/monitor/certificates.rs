//! What is told of certificates: when the broker's own ends, and which ones clients have shown.
//!
//! Absent: whether they are good, which the handshake has decided, and keys.

use data_encoding::{BASE64, HEXLOWER};
use serde::Serialize;
use sha2::{Digest, Sha256};
use x509_cert::Certificate;
use x509_cert::der::{Decode, Encode};

use super::moments::date_of_ms;
use crate::config::listen::Listener;

/// A certificate of a client, as nats-server tells it.
#[derive(Debug, Serialize)]
pub(super) struct PeerCertificate {
    #[serde(skip_serializing_if = "String::is_empty")]
    subject: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    spki_sha256: String,
    cert_sha256: String,
}

impl PeerCertificate {
    /// A certificate, DER; of one that cannot be read only its digest is told.
    pub(super) fn new(der: &[u8]) -> Self {
        let hex = |bytes: &[u8]| HEXLOWER.encode(&Sha256::digest(bytes));
        let read = Certificate::from_der(der).ok();
        let read = read.as_ref().map(Certificate::tbs_certificate);
        let key = read.and_then(|read| read.subject_public_key_info().to_der().ok());
        Self {
            subject: read.map(|read| read.subject().to_string()).unwrap_or_default(),
            spki_sha256: key.map(|key| hex(&key)).unwrap_or_default(),
            cert_sha256: hex(der),
        }
    }
}

/// When the first certificate of a listener ends, as a date; empty without TLS, or when its file
/// cannot be read any more.
pub(super) fn end_of(listener: Option<&Listener>) -> String {
    let tls = listener.and_then(|listener| listener.tls.as_ref());
    let file = tls.and_then(|tls| tls.certificates.first()).map(|files| &*files.cert_file);
    let text = file.and_then(|file| std::fs::read_to_string(file).ok());
    let end = text.and_then(|text| end_of_pem(&text));
    end.map(date_of_ms).unwrap_or_default()
}

/// When the first certificate of a PEM text ends, in milliseconds of Unix time.
fn end_of_pem(text: &str) -> Option<u64> {
    let (_, rest) = text.split_once("-----BEGIN CERTIFICATE-----")?;
    let (inside, _) = rest.split_once("-----END CERTIFICATE-----")?;
    let letters: String = inside.split_ascii_whitespace().collect();
    let der = BASE64.decode(letters.as_bytes()).ok()?;
    let certificate = Certificate::from_der(&der).ok()?;
    let end = certificate.tbs_certificate().validity().not_after.to_unix_duration();
    u64::try_from(end.as_millis()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_are_told_by_subject_and_digests() {
        let key = rcgen::KeyPair::generate().expect("a key");
        let mut wanted = rcgen::CertificateParams::new(vec!["here".to_owned()]).expect("a name");
        wanted.not_after = rcgen::date_time_ymd(2031, 2, 3);
        let certificate = wanted.self_signed(&key).expect("a certificate");
        let pem = format!("junk\n{}\n{0}", certificate.pem());
        assert_eq!(end_of_pem(&pem).map(date_of_ms), Some("2031-02-03T00:00:00Z".to_owned()));
        let told = PeerCertificate::new(certificate.der());
        assert_eq!(told.subject, "CN=rcgen self signed cert");
        assert_eq!((told.spki_sha256.len(), told.cert_sha256.len()), (64, 64));
        let unread = PeerCertificate::new(b"no certificate");
        assert_eq!((&*unread.subject, unread.cert_sha256.len()), ("", 64));
        assert_eq!(end_of_pem("-----BEGIN CERTIFICATE-----\n%\n-----END CERTIFICATE-----"), None);
    }
}
