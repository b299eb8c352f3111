//! Names of certificates, checked on certificates that are written byte by byte.
//!
//! Absent: signatures, which nothing here looks at.

use super::*;

/// A DER value.
pub(crate) fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![tag];
    let len = content.len();
    match len {
        0..=127 => bytes.push(u8::try_from(len).unwrap()),
        128..=255 => bytes.extend([0x81, u8::try_from(len).unwrap()]),
        _ => {
            let [high, low] = u16::try_from(len).unwrap().to_be_bytes();
            bytes.extend([0x82, high, low]);
        }
    }
    bytes.extend(content);
    bytes
}

/// One attribute of a subject: the OID's bytes, the tag of its value, its value.
pub(crate) type Pair<'a> = (&'a [u8], u8, &'a [u8]);

pub(crate) const CN: &[u8] = &[0x55, 4, 3];
pub(crate) const O: &[u8] = &[0x55, 4, 10];
pub(crate) const OU: &[u8] = &[0x55, 4, 11];
const SERIAL: &[u8] = &[0x55, 4, 5];
const L: &[u8] = &[0x55, 4, 7];
const ST: &[u8] = &[0x55, 4, 8];
const STREET: &[u8] = &[0x55, 4, 9];
const POSTAL: &[u8] = &[0x55, 4, 17];
const C: &[u8] = &[0x55, 4, 6];
const DC: &[u8] = &[9, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 100, 1, 25];
const EMAIL: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 1];
pub(crate) const UTF8: u8 = 12;
const PRINTABLE: u8 = 19;
const BMP: u8 = 30;

/// A certificate with this subject, and with these alternative names: (context tag, text).
pub(crate) fn certificate(subject: &[&[Pair<'_>]], alternatives: &[(u8, &str)]) -> Vec<u8> {
    let part = |part: &&[Pair<'_>]| {
        let pair =
            |(oid, tag, value): &Pair<'_>| der(0x30, &[der(6, oid), der(*tag, value)].concat());
        let mut pairs: Vec<Vec<u8>> = part.iter().map(pair).collect();
        pairs.sort();
        der(0x31, &pairs.concat())
    };
    let subject = der(0x30, &subject.iter().map(part).collect::<Vec<_>>().concat());
    let algorithm = der(0x30, &der(6, &[0x2b, 0x65, 0x70]));
    let time = der(23, b"260101000000Z");
    let mut fields = vec![
        der(0xa0, &der(2, &[2])),
        der(2, &[1]),
        algorithm.clone(),
        der(0x30, &[]),
        der(0x30, &[time.clone(), time].concat()),
        subject,
        der(0x30, &[algorithm.clone(), der(3, &[0; 33])].concat()),
    ];
    if !alternatives.is_empty() {
        let names = alternatives.iter().map(|(kind, text)| der(0x80 | kind, text.as_bytes()));
        let names = der(0x30, &names.collect::<Vec<_>>().concat());
        let extension = der(0x30, &[der(6, &[0x55, 0x1d, 17]), der(4, &names)].concat());
        fields.push(der(0xa3, &der(0x30, &extension)));
    }
    let body = der(0x30, &fields.concat());
    der(0x30, &[body, algorithm, der(3, &[0; 65])].concat())
}

fn text(text: &str) -> CertificateName {
    CertificateName::Text(text.to_owned())
}

fn subject(text: &str) -> CertificateName {
    CertificateName::Subject(Dn::parse(text).unwrap())
}

#[test]
fn alternative_names_come_before_the_subject() {
    let der = certificate(
        &[&[(O, UTF8, b"Acme")], &[(CN, UTF8, b"bob")]],
        &[
            (6, "spiffe://a/b"),
            (2, "bob.example"),
            (1, "bob@example"),
            (2, "b.example"),
            (7, "abcd"),
        ],
    );
    assert_eq!(
        names(&der),
        [
            text("bob@example"),
            text("bob.example"),
            text("b.example"),
            text("spiffe://a/b"),
            subject("CN=bob,O=Acme"),
            text("CN=bob,O=Acme"),
        ]
    );
}

#[test]
fn the_literal_subject_has_an_order_of_its_own() {
    let der = certificate(
        &[
            &[(DC, 22, b"com")],
            &[(DC, 22, b"example")],
            &[(CN, UTF8, b"first")],
            &[(O, UTF8, b"b, c"), (OU, PRINTABLE, b"x")],
            &[(OU, PRINTABLE, b"y")],
            &[(SERIAL, PRINTABLE, b"7")],
            &[(CN, BMP, b"\x01\xc4\0b")],
        ],
        &[],
    );
    assert_eq!(
        names(&der),
        [
            subject("CN=Ǆb,SERIALNUMBER=7,OU=y,OU=x+O=b\\, c,CN=first,DC=example,DC=com"),
            text("SERIALNUMBER=7,CN=Ǆb,OU=x+OU=y,O=b\\, c,DC=com,DC=example"),
            text("SERIALNUMBER=7,CN=Ǆb,OU=x+OU=y,O=b\\, c"),
        ]
    );
}

/// The order is the one that nats-server 2.14 shows in its log for such a certificate.
#[test]
fn all_kinds_of_a_literal_subject_have_their_place() {
    let kinds = [SERIAL, L, ST, STREET, POSTAL, CN, O, OU, C];
    let values = [*b"1", *b"2", *b"3", *b"4", *b"5", *b"6", *b"7", *b"8", *b"9"];
    let pairs: Vec<[Pair<'_>; 1]> =
        kinds.iter().zip(&values).map(|(kind, value)| [(*kind, PRINTABLE, &value[..])]).collect();
    let parts: Vec<&[Pair<'_>]> = pairs.iter().map(|pair| &pair[..]).collect();
    let literal = "SERIALNUMBER=1,CN=6,POSTALCODE=5,STREET=4,L=2,ST=3,OU=8,O=7,C=9";
    assert_eq!(names(&certificate(&parts, &[])).last(), Some(&text(literal)));
}

#[test]
fn the_scheme_of_a_uri_is_in_lower_case() {
    let der = certificate(&[], &[(6, "SPIFFE://X/Bob"), (6, "urn:A"), (6, "no scheme")]);
    assert_eq!(names(&der), [text("spiffe://X/Bob"), text("urn:A"), text("no scheme")]);
}

#[test]
fn an_attribute_of_an_unknown_kind_leaves_the_literal_subject() {
    let der = certificate(&[&[(EMAIL, 22, b"bob@example")], &[(CN, UTF8, b" #bob ")]], &[]);
    assert_eq!(names(&der), [text("CN=\\ #bob\\ ")]);
}

#[test]
fn values_that_are_no_text_name_nobody() {
    assert_eq!(names(&certificate(&[&[(CN, 2, &[7])]], &[])), []);
    assert_eq!(names(&certificate(&[&[(CN, BMP, b"a")]], &[])), []);
    assert_eq!(names(&certificate(&[&[(CN, BMP, &[0xd8, 0])]], &[])), []);
}

#[test]
fn what_says_nothing_names_nobody() {
    assert_eq!(names(&certificate(&[], &[])), []);
    assert_eq!(names(&[]), []);
    assert_eq!(names(b"no certificate"), []);
}

#[test]
fn cut_and_changed_certificates_are_read_or_refused() {
    use proptest::prelude::*;
    let whole = certificate(&[&[(O, UTF8, b"Acme")], &[(CN, UTF8, b"bob")]], &[(1, "bob@example")]);
    for cut in 0..whole.len() {
        assert_eq!(names(&whole[..cut]), [], "{cut}");
    }
    proptest!(|(at in 0..whole.len(), byte: u8, more in prop::collection::vec(any::<u8>(), 0..9))| {
        let mut bytes = whole.clone();
        bytes[at] = byte;
        bytes.splice(at..at, more);
        prop_assert!(names(&bytes).len() <= 4);
    });
}
