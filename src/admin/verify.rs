//! Whether a configuration could be served: certificates and accounts are judged as by a start.
//!
//! Absent: serving it, and addresses, which may be taken by the very broker that serves it now.

use super::identity::Identity;
use super::listeners;
use super::premises::{self, Prepared};
use super::run_error::RunError;
use crate::config::Config;
use crate::core::accounts::Accounts;
use crate::core::auth::delegation::Premises;
use crate::core::policy::Policy;

/// Looks at everything that a configuration names; says what an operator should know of it.
pub(crate) fn verify(config: &Config) -> Result<Vec<String>, RunError> {
    listeners::gates(config)?;
    let identity =
        Identity::draw().map_err(|error| RunError::System("drawing the server's keys", error))?;
    let Prepared { premises, mut told, .. } =
        premises::prepare(config, &identity, &Premises::default())?;
    let policy = Policy::compile(config, &Accounts::none(), &premises, 0);
    told.extend_from_slice(policy.map_err(RunError::Policy)?.accounts.complaints());
    Ok(told)
}
