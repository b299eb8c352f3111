//! Whether a configuration could be served: certificates and accounts are looked at as a start does.
//!
//! Absent: serving it, and addresses, which may be taken by the very broker that serves it now.

use super::listeners;
use super::run_error::RunError;
use crate::config::Config;
use crate::core::accounts::Accounts;
use crate::core::policy::Policy;

/// Looks at everything that a configuration names; says what an operator should know of it.
pub(crate) fn verify(config: &Config) -> Result<Vec<String>, RunError> {
    listeners::gates(config)?;
    let policy = Policy::compile(config, &Accounts::none(), 0).map_err(RunError::Policy)?;
    Ok(policy.accounts.complaints().to_vec())
}
