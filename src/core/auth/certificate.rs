//! The user names that a client certificate stands for, in the order in which they are tried.
//!
//! Absent: verifying certificates, which the handshake has done, and who the users are (`users`).
//! Order and spelling are nats-server's: e-mail addresses, host names, URIs, then the subject.

use x509_cert::Certificate;
use x509_cert::attr::AttributeTypeAndValue;
use x509_cert::der::{Decode, Tag, Tagged};
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::name::Name;

use super::dn::{Attribute, Dn};

/// Something that a certificate says of its owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum CertificateName {
    /// A user's name, letter by letter.
    Text(String),
    /// A distinguished name, which users may spell in several ways.
    Subject(Dn),
}

/// All names of a certificate, DER; none if it cannot be read.
pub(super) fn names(certificate: &[u8]) -> Vec<CertificateName> {
    let Ok(certificate) = Certificate::from_der(certificate) else { return Vec::new() };
    let Some(mut names) = alternative_names(&certificate) else { return Vec::new() };
    let subject = certificate.tbs_certificate().subject();
    names.extend(distinguished_name(subject).map(CertificateName::Subject));
    if let Some(literal) = literal(subject) {
        let domains = domain_components(subject);
        if !domains.is_empty() {
            names.push(CertificateName::Text(format!("{literal},{domains}")));
        }
        names.push(CertificateName::Text(literal));
    }
    // Nobody's name is empty, and nobody has a name without parts.
    names.retain(|name| match name {
        CertificateName::Text(text) => !text.is_empty(),
        CertificateName::Subject(name) => !name.is_empty(),
    });
    names
}

/// E-mail addresses, host names and URIs; nothing if they cannot be read.
fn alternative_names(certificate: &Certificate) -> Option<Vec<CertificateName>> {
    let extension = certificate.tbs_certificate().get_extension::<SubjectAltName>().ok()?;
    let Some((_critical, SubjectAltName(all))) = extension else { return Some(Vec::new()) };
    let pick = |kind: fn(&GeneralName) -> Option<&str>| {
        all.iter().filter_map(kind).map(str::to_owned).collect::<Vec<_>>()
    };
    let mut names = pick(|name| match name {
        GeneralName::Rfc822Name(text) => Some(text.as_str()),
        _ => None,
    });
    names.extend(pick(|name| match name {
        GeneralName::DnsName(text) => Some(text.as_str()),
        _ => None,
    }));
    let uris = pick(|name| match name {
        GeneralName::UniformResourceIdentifier(text) => Some(text.as_str()),
        _ => None,
    });
    names.extend(uris.into_iter().map(with_lower_scheme));
    Some(names.into_iter().map(CertificateName::Text).collect())
}

/// A URI as Go writes it again after it has read it.
fn with_lower_scheme(mut uri: String) -> String {
    let end = uri.find(':').unwrap_or(0);
    if let Some(scheme) = uri.get_mut(..end) {
        scheme.make_ascii_lowercase();
    }
    uri
}

/// The subject, if all its attributes are of known kinds; the most special part first.
fn distinguished_name(subject: &Name) -> Option<Dn> {
    let mut parts = Vec::new();
    for part in subject.iter_rdn() {
        let attribute = |one: &AttributeTypeAndValue| {
            let kind = kind(one)?.as_bytes().to_vec();
            Some(Attribute { kind, value: value(one)? })
        };
        parts.push(part.iter().map(attribute).collect::<Option<Vec<_>>>()?);
    }
    Some(Dn::new(parts.into_iter().rev().filter(|part| !part.is_empty())))
}

/// The subject as Go's `pkix.Name` writes it: a fixed order of kinds whatever the certificate's
/// order is, values of one kind joined by `+`, of name and serial number only the last.
fn literal(subject: &Name) -> Option<String> {
    let mut parts = Vec::new();
    for kind in LITERAL_KINDS {
        let mut values = texts(subject, kind)?;
        if matches!(*kind, "CN" | "SERIALNUMBER") {
            values = values.pop().filter(|text| !text.is_empty()).into_iter().collect();
        }
        let attribute = |value: &String| format!("{kind}={}", escaped(value));
        if !values.is_empty() {
            parts.push(values.iter().map(attribute).collect::<Vec<_>>().join("+"));
        }
    }
    Some(parts.join(","))
}

/// The domain components, which the literal subject lacks.
fn domain_components(subject: &Name) -> String {
    let components = texts(subject, "DC").unwrap_or_default();
    components.iter().map(|value| format!("DC={value}")).collect::<Vec<_>>().join(",")
}

/// All values of one kind in the certificate's order; nothing if one is no text.
fn texts(subject: &Name, wanted: &str) -> Option<Vec<String>> {
    let attributes = subject.iter().filter(|attribute| kind(attribute) == Some(wanted));
    let values = attributes.filter_map(value);
    values.map(|value| String::from_utf8(value).ok()).collect()
}

fn escaped(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for (index, letter) in value.char_indices() {
        let outer = index == 0 || index + 1 == value.len();
        let first = index == 0;
        if matches!(letter, ',' | '+' | '"' | '\\' | '<' | '>' | ';')
            || (letter == ' ' && outer)
            || (letter == '#' && first)
        {
            text.push('\\');
        }
        text.push(letter);
    }
    text
}

fn kind(attribute: &AttributeTypeAndValue) -> Option<&'static str> {
    Some(match attribute.oid.to_string().as_str() {
        "2.5.4.3" => "CN",
        "2.5.4.5" => "SERIALNUMBER",
        "2.5.4.6" => "C",
        "2.5.4.7" => "L",
        "2.5.4.8" => "ST",
        "2.5.4.9" => "STREET",
        "2.5.4.10" => "O",
        "2.5.4.11" => "OU",
        "2.5.4.17" => "POSTALCODE",
        "0.9.2342.19200300.100.1.25" => "DC",
        _ => return None,
    })
}

/// The bytes of a value that is a text of any kind.
fn value(attribute: &AttributeTypeAndValue) -> Option<Vec<u8>> {
    let bytes = attribute.value.value();
    match attribute.value.tag() {
        Tag::Utf8String
        | Tag::PrintableString
        | Tag::NumericString
        | Tag::Ia5String
        | Tag::TeletexString => Some(bytes.to_vec()),
        Tag::BmpString => {
            let units = bytes.chunks(2).map(|pair| match pair {
                [high, low] => Some(u16::from_be_bytes([*high, *low])),
                _ => None,
            });
            let units = units.collect::<Option<Vec<_>>>()?;
            Some(String::from_utf16(&units).ok()?.into_bytes())
        }
        _ => None,
    }
}

/// The kinds of a literal subject, in its order.
const LITERAL_KINDS: &[&str] =
    &["SERIALNUMBER", "CN", "POSTALCODE", "STREET", "L", "ST", "OU", "O", "C"];

#[cfg(test)]
pub(super) mod tests;
