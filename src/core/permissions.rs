//! What one user may publish, subscribe and receive, ready to be asked for every message.
//!
//! Absent: who the user is (`auth`) and what a refusal says (`session`).

use crate::config::access;

/// See the module's head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permissions {
    written: access::Permissions,
}

impl Permissions {
    /// Makes permissions ready.
    pub fn compile(written: &access::Permissions) -> Self {
        Self { written: written.clone() }
    }

    /// What was written.
    pub fn written(&self) -> &access::Permissions {
        &self.written
    }
}
