//! A reloaded configuration on its way to everything that runs by it.
//!
//! Absent: reading and judging it (`reload`), and the log, which has changed already.

use std::sync::Arc;

use super::supervisor::Supervisor;
use crate::config::Config;

impl Supervisor {
    /// Lets a configuration take effect that can no longer be refused.
    pub(super) fn apply(&mut self, config: Arc<Config>) {
        self.connections_max = config.limits.connections_max as u64;
    }
}
