//! Signatures of the nonce that INFO gave to a client.
//!
//! Absent: making nonces (`admin`). A signature is of one nonce, and nothing signs for a request
//! that has none.

use super::AuthRequest;
use super::key::{KeyKind, PublicKey, parse_signature};
use super::password::Work;
use super::users::{Proof, User};

/// Whether a key's owner signed the nonce. A stranger's signature is verified, too, so that both
/// take the same time.
pub(super) fn is_signed(
    text: &str,
    user: Option<&User>,
    request: &AuthRequest,
    work: &mut Work,
) -> bool {
    let key = user.and_then(|user| match &user.proof {
        Proof::Key(key) => Some(*key),
        Proof::Password(_) | Proof::Certificate => None,
    });
    let key = key.or_else(|| PublicKey::parse(text, KeyKind::User));
    let signature = request.credentials.sig.as_ref();
    let signature = signature.and_then(|text| parse_signature(text.expose()));
    let (Some(key), Some(signature)) = (key, signature) else { return false };
    work.signatures += 1;
    verify(&key, request, &signature)
}

/// Whether the nonce was signed. A request without a nonce cannot prove anything by a signature:
/// whoever has seen one of nothing could show it again.
pub(super) fn verify(key: &PublicKey, request: &AuthRequest, signature: &[u8; 64]) -> bool {
    !request.nonce.is_empty() && key.verify(request.nonce.as_bytes(), signature)
}
