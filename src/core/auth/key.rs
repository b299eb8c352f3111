//! Public keys as NATS writes them: a letter for the kind, 32 bytes, a checksum, all in base 32.
//!
//! Absent: seeds and signing. A key is only ever used after its kind, length and checksum were
//! found right, and one whose signatures prove nothing (a point of small order, such as all zeros)
//! is no key.

use data_encoding::{BASE64, BASE64URL_NOPAD};
use ed25519_dalek::{Signature, VerifyingKey};

/// What a key stands for, by its first letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    /// `O…`: signs accounts.
    Operator,
    /// `A…`: signs users.
    Account,
    /// `U…`: signs nonces.
    User,
    /// `N…`: signs requests to an auth callout.
    Server,
    /// `X…`: encrypts, and signs nothing.
    Curve,
}

impl KeyKind {
    /// The byte before the key's own bytes.
    const fn prefix(self) -> u8 {
        match self {
            Self::Operator => 14 << 3,
            Self::Account => 0,
            Self::User => 20 << 3,
            Self::Server => 13 << 3,
            Self::Curve => 23 << 3,
        }
    }

    /// Whether the text is a public key of this kind: letter, length and checksum.
    pub fn is_key(self, text: &str) -> bool {
        self.decode(text).is_some()
    }

    fn decode(self, text: &str) -> Option<[u8; 32]> {
        let (prefix, bytes) = nkeys::from_public_key(text).ok()?;
        (prefix == self.prefix() && bytes != [0; 32]).then_some(bytes)
    }
}

/// A key that signatures can be checked with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

impl PublicKey {
    /// Reads a public key of the given kind.
    pub fn parse(text: &str, kind: KeyKind) -> Option<Self> {
        let key = VerifyingKey::from_bytes(&kind.decode(text)?).ok()?;
        (kind != KeyKind::Curve && !key.is_weak()).then_some(Self(key))
    }

    /// Whether the key's owner signed the message.
    pub fn verify(&self, message: &[u8], signature: &[u8; SIGNATURE_BYTES]) -> bool {
        self.0.verify_strict(message, &Signature::from_bytes(signature)).is_ok()
    }
}

/// Reads a signature of CONNECT: base 64 for URLs without padding, or plain base 64.
pub fn parse_signature(text: &str) -> Option<[u8; SIGNATURE_BYTES]> {
    if text.len() > SIGNATURE_TEXT_MAX {
        return None;
    }
    let decoded = BASE64URL_NOPAD.decode(text.as_bytes());
    let decoded = decoded.or_else(|_| BASE64.decode(text.as_bytes())).ok()?;
    decoded.try_into().ok()
}

/// Bytes of a signature.
pub const SIGNATURE_BYTES: usize = 64;
/// Its longest text: base 64 with padding.
const SIGNATURE_TEXT_MAX: usize = 88;

#[cfg(test)]
mod tests {
    use nkeys::KeyPair;

    use super::*;

    /// A public key's text of any prefix and bytes, with a right checksum.
    fn text(prefix: u8, bytes: [u8; 32]) -> String {
        let mut raw = vec![prefix];
        raw.extend(bytes);
        let mut crc = 0_u16;
        for byte in &raw {
            crc ^= u16::from(*byte) << 8;
            for _ in 0..8 {
                crc = if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 };
            }
        }
        raw.extend(crc.to_le_bytes());
        data_encoding::BASE32_NOPAD.encode(&raw)
    }

    #[test]
    fn a_key_is_of_its_kind_only() {
        let user = KeyPair::new_user().public_key();
        assert!(PublicKey::parse(&user, KeyKind::User).is_some());
        for kind in [KeyKind::Operator, KeyKind::Account, KeyKind::Server, KeyKind::Curve] {
            assert_eq!(PublicKey::parse(&user, kind), None);
            assert!(!kind.is_key(&user));
        }
    }

    #[test]
    fn what_is_cut_or_changed_is_no_key() {
        let user = KeyPair::new_user().public_key();
        for cut in 0..user.len() {
            assert!(!KeyKind::User.is_key(&user[..cut]));
        }
        let other = if user.ends_with('A') { "B" } else { "A" };
        assert!(!KeyKind::User.is_key(&format!("{}{other}", &user[..55])));
        assert!(!KeyKind::User.is_key(&user.to_lowercase()));
        assert!(!KeyKind::User.is_key(&"ü".repeat(28)));
    }

    #[test]
    fn keys_whose_signatures_prove_nothing_are_none() {
        let mut identity = [0; 32];
        identity[0] = 1;
        let mut minus_one = [0xff; 32];
        (minus_one[0], minus_one[31]) = (0xec, 0x7f);
        for bytes in [[0; 32], identity, minus_one] {
            assert_eq!(PublicKey::parse(&text(20 << 3, bytes), KeyKind::User), None);
        }
        assert!(!KeyKind::Curve.is_key(&text(23 << 3, [0; 32])));
        // The writer above is right: it makes keys that are taken.
        let (_, bytes) = nkeys::from_public_key(&KeyPair::new_user().public_key()).unwrap();
        assert!(KeyKind::User.is_key(&text(20 << 3, bytes)));
    }

    #[test]
    fn signatures_are_of_one_message_and_one_key() {
        let (pair, other) = (KeyPair::new_user(), KeyPair::new_user());
        let key = PublicKey::parse(&pair.public_key(), KeyKind::User).unwrap();
        let sign = |pair: &KeyPair, text: &[u8]| pair.sign(text).unwrap().try_into().unwrap();
        assert!(key.verify(b"nonce", &sign(&pair, b"nonce")));
        assert!(!key.verify(b"nonce", &sign(&pair, b"another")));
        assert!(!key.verify(b"nonce", &sign(&other, b"nonce")));
        assert!(!key.verify(b"nonce", &[0; 64]));
    }

    #[test]
    fn signatures_come_in_two_alphabets() {
        let bytes: [u8; 64] = core::array::from_fn(|index| 255 - u8::try_from(index).unwrap());
        assert_eq!(parse_signature(&BASE64URL_NOPAD.encode(&bytes)), Some(bytes));
        assert_eq!(parse_signature(&BASE64.encode(&bytes)), Some(bytes));
        for wrong in ["", "AAAA", "!", &BASE64.encode(&[0; 63]), &"A".repeat(1 << 16)] {
            assert_eq!(parse_signature(wrong), None);
        }
    }
}
