//! What the broker has beside its configuration to decide by: its own keys, its operators, and the
//! accounts that these have signed.
//!
//! Absent: deciding (`core::auth`), and fetching accounts from a web server.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use super::identity::{Identity, PROTOCOL_VERSION};
use super::run_error::RunError;
use crate::config::Config;
use crate::config::access::{self, Resolver};
use crate::core::auth::delegation::Premises;
use crate::core::auth::operator::{OperatorState, Problem, Surroundings};
use crate::io::account_files;

/// Premises of a configuration, and what an operator should know of them: what cannot be used is
/// left out. Accounts that earlier premises have fetched are kept as long as their signer is
/// trusted.
pub(super) fn prepare(
    config: &Config,
    identity: &Identity,
    before: &Premises,
) -> Result<(Premises, Vec<String>), RunError> {
    let mut told = Vec::new();
    let before = before.operator.as_deref();
    let operator = match &config.access.operator {
        None => None,
        Some(written) => Some(Arc::new(operator(written, config, before, &mut told)?)),
    };
    let premises = Premises { caller: Some(identity.caller(config)), operator, wall_ms: wall_ms() };
    Ok((premises, told))
}

fn operator(
    written: &access::Operator,
    config: &Config,
    before: Option<&OperatorState>,
    told: &mut Vec<String>,
) -> Result<OperatorState, RunError> {
    let surroundings = Surroundings {
        system_account: config.access.system_account.clone(),
        version: PROTOCOL_VERSION.into(),
        zone: local_zone().into(),
    };
    let (mut state, problems) =
        OperatorState::new(written, &surroundings).map_err(RunError::Operator)?;
    told.extend(problems.iter().map(ToString::to_string));
    if let Resolver::Directory(directory) = &written.resolver {
        let files = account_files::read(directory)
            .map_err(|error| RunError::AccountFiles(directory.clone(), error))?;
        told.extend(files.problems.iter().map(|problem| format!("account resolver: {problem}")));
        for (key, text) in files.found {
            if let Err(error) = state.learn(&key, &text) {
                told.push(Problem { account: key, error }.to_string());
            }
        }
    }
    if state.resolver_url(written).is_some()
        && let Some(before) = before
    {
        state.inherit(before);
    }
    Ok(state)
}

/// The name of the machine's time zone; UTC when it has none.
fn local_zone() -> String {
    let named = std::env::var("TZ").ok().map(|zone| zone.trim_start_matches(':').to_owned());
    named.or_else(|| iana_time_zone::get_timezone().ok()).unwrap_or_default()
}

/// Unix time, in milliseconds; 0 before 1970.
fn wall_ms() -> u64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
}
