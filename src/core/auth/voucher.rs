//! What is kept of a client that was let in, so that a changed configuration can judge it again.
//!
//! Absent: its secrets. Of what proved a user only a keyed fingerprint is kept: a user whose
//! password was changed is known to be another one, and the password itself is not needed.

use std::hash::{DefaultHasher, Hasher};

use super::password::Stored;
use super::users::{Proof, User};
use crate::config::access::ConnectionType;

/// How a client was let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Voucher {
    /// How it is connected.
    pub way: ConnectionType,
    /// By what it was let in.
    pub by: VouchedBy,
}

/// By what a client was let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VouchedBy {
    /// Nobody was asked.
    Nobody,
    /// It became the user of clients without credentials.
    Guest,
    /// It proved to be a user of the table.
    User(Fingerprint),
    /// It knew the token.
    Token(Fingerprint),
    /// It was the single user.
    Single(Fingerprint),
    /// Its JWT, of which the grant keeps what is judged again.
    Jwt,
    /// An external service let it in.
    Callout,
}

/// Tells two proofs apart without showing them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint(u64);

impl Fingerprint {
    /// As a number, for another process with the same seed.
    pub(crate) fn value(self) -> u64 {
        self.0
    }

    /// The inverse of [`Fingerprint::value`].
    pub(crate) fn from_value(value: u64) -> Self {
        Self(value)
    }

    /// Of a password or token; `seed` is the broker's, the same for all its configurations.
    pub(super) fn of_stored(stored: &Stored, seed: u64) -> Self {
        let mut hasher = DefaultHasher::new();
        hasher.write_u64(seed);
        match stored {
            Stored::Plain(secret) => hasher.write(secret.expose().as_bytes()),
            Stored::Hashed(secret, cost) => {
                hasher.write_u32(*cost);
                hasher.write(secret.expose().as_bytes());
            }
            Stored::Unmatchable => hasher.write_u8(1),
        }
        Self(hasher.finish())
    }

    /// Of what proves a user.
    pub(super) fn of_user(user: &User, seed: u64) -> Self {
        match &user.proof {
            Proof::Password(stored) => Self::of_stored(stored, seed),
            // The name is the key, or what the certificate says.
            Proof::Certificate | Proof::Key(_) => Self(seed),
        }
    }
}
