//! What the broker has beside its configuration to decide by: its own keys, its operators, and the
//! accounts that these have signed.
//!
//! Absent: deciding (`core::auth`), and fetching accounts from a web server (`fetching`).

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use super::identity::{Identity, PROTOCOL_VERSION};
use super::run_error::RunError;
use crate::config::Config;
use crate::config::access::{self, Resolver};
use crate::core::auth::delegation::Premises;
use crate::core::auth::operator::{OperatorState, Problem, Surroundings};
use crate::io::account_files;
use crate::io::resolver::Origin;
use crate::io::tls::Outgoing;
use crate::io::web::Site;

/// Premises that are ready, and what goes with them.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) premises: Premises,
    /// Where more accounts are fetched from.
    pub(super) origin: Option<Origin>,
    /// What an operator should know of them.
    pub(super) told: Vec<String>,
}

/// Premises of a configuration. What cannot be used is told and left out. Accounts that earlier
/// premises have fetched are kept as long as their signer is
/// trusted.
pub(super) fn prepare(
    config: &Config,
    identity: &Identity,
    before: &Premises,
) -> Result<Prepared, RunError> {
    let mut told = Vec::new();
    let before = before.operator.as_deref();
    let operator = match &config.access.operator {
        None => None,
        Some(written) => Some(Arc::new(operator(written, config, before, &mut told)?)),
    };
    let premises = Premises { caller: Some(identity.caller(config)), operator, wall_ms: wall_ms() };
    let url = |written| premises.operator.as_ref()?.resolver_url(written);
    let origin = match config.access.operator.as_ref().and_then(|o| Some((o, url(o)?))) {
        Some((written, url)) => Some(origin(written, &url)?),
        None => None,
    };
    Ok(Prepared { premises, origin, told })
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

/// Where a resolver's address leads.
fn origin(written: &access::Operator, url: &str) -> Result<Origin, RunError> {
    let site = Site::parse(url).ok_or_else(|| RunError::Resolver("not a web address".into()))?;
    let tls = if site.is_secure() {
        let tls = Outgoing::new(written.resolver_tls.as_ref());
        Some(Arc::new(tls.map_err(|error| RunError::Resolver(error.to_string()))?))
    } else {
        None
    };
    Ok(Origin { site, tls })
}

/// The name of the machine's time zone; UTC when it has none.
fn local_zone() -> String {
    let named = std::env::var("TZ").ok().map(|zone| zone.trim_start_matches(':').to_owned());
    named.or_else(|| iana_time_zone::get_timezone().ok()).unwrap_or_default()
}

/// Unix time, in milliseconds; 0 before 1970.
pub(super) fn wall_ms() -> u64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
}
