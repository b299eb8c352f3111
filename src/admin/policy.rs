//! From the configuration to the policy that shards hold their clients to, and nonces.
//!
//! Absent: reading files, and the shards' side of a change (`core::review`).

use std::sync::Arc;

use data_encoding::BASE64URL_NOPAD;

use super::run_error::RunError;
use super::supervisor::Supervisor;
use crate::config::Config;
use crate::core::accounts::Accounts;
use crate::core::auth::delegation::Premises;
use crate::core::policy::Policy;
use crate::io::log::{Level, Log};

/// The policy of a configuration; what it complains about is logged.
pub(super) fn compile(
    config: &Config,
    before: &Accounts,
    premises: &Premises,
    seed: u64,
    log: &Log,
) -> Result<Arc<Policy>, RunError> {
    let policy = Policy::compile(config, before, premises, seed).map_err(RunError::Policy)?;
    for complaint in policy.accounts.complaints() {
        log.line(Level::Warn, complaint.clone());
    }
    Ok(Arc::new(policy))
}

impl Supervisor {
    /// What the next client is asked to sign, where anybody looks at signatures.
    pub(super) fn nonce(&self) -> Option<Box<str>> {
        if !self.policy.authority.wants_nonce() {
            return None;
        }
        let mut bytes = [0; NONCE_BYTES];
        if let Err(error) = getrandom::fill(&mut bytes) {
            // Without a nonce no signature is accepted, which is the safe side.
            self.log.line(Level::Error, format!("Error drawing a nonce: {error}"));
            return None;
        }
        Some(BASE64URL_NOPAD.encode(&bytes).into_boxed_str())
    }
}

/// Bytes of a nonce; nats-server's has as many.
const NONCE_BYTES: usize = 11;
