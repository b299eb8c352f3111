//! Ctrl-C: the first asks a run to end and report what it has, the second ends the process.
//!
//! Absent: everything else that ends a run.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

/// Whether the user has asked to end.
#[derive(Debug, Clone)]
pub struct Interrupt {
    asked: Arc<AtomicBool>,
}

impl Interrupt {
    /// Listens from now on; all users of a process share one.
    pub fn listen() -> Self {
        static SHARED: OnceLock<Arc<AtomicBool>> = OnceLock::new();
        let asked = SHARED.get_or_init(|| {
            let asked = Arc::new(AtomicBool::new(false));
            for signal in [SIGINT, SIGTERM] {
                // The order matters: the first signal finds the flag unset and only sets it. If
                // either cannot be set up, the signal ends the process, as it does without us.
                let _ = flag::register_conditional_shutdown(signal, 130, Arc::clone(&asked));
                let _ = flag::register(signal, Arc::clone(&asked));
            }
            asked
        });
        Self { asked: Arc::clone(asked) }
    }

    /// Whether the user has asked to end.
    pub fn is_asked(&self) -> bool {
        self.asked.load(Ordering::SeqCst)
    }
}
