//! A reload: the configuration is read again, compared, and takes effect as a whole or not at all.
//!
//! Absent: what can be changed without a restart (`config::reload`). Reading and opening files
//! happens on a thread of its own, so that the supervisor goes on serving meanwhile; only what can
//! no longer fail is done by the supervisor.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use super::identity::Identity;
use super::source::Source;
use super::stop::send_now;
use super::supervisor::{Ended, Supervisor};
use super::watch::Watch;
use super::{listeners, policy, premises};
use crate::config::{Config, reload};
use crate::core::auth::delegation::Premises;
use crate::core::ids::ShardId;
use crate::core::policy::Policy;
use crate::core::system_requests::{Asker, Content, SystemAnswer};
use crate::io::disk::Snapshot;
use crate::io::exchange::Mail;
use crate::io::gate::Gate;
use crate::io::log::{Level, Log};
use crate::io::log_sink::{LogTarget, Sink};
use crate::io::resolver::Origin;

/// What a broker needs to reload.
pub(super) struct Reloading {
    source: Option<Source>,
    /// The log as it is now.
    pub(super) target: LogTarget,
    /// Wakes the supervisor.
    bell: Arc<Ended>,
    told: Sender<Outcome>,
    outcomes: Receiver<Outcome>,
    /// Whether a reload is under way, and whether another was asked for meanwhile.
    under_way: bool,
    again: bool,
    /// Who is to be told how this one ends, and the next one.
    askers: Vec<(ShardId, Asker)>,
    later_askers: Vec<(ShardId, Asker)>,
    watch: Watch,
}

/// How a reload's reading ended.
struct Outcome {
    files: Snapshot,
    result: Result<Box<Prepared>, String>,
}

/// A configuration that can take effect.
struct Prepared {
    config: Config,
    /// What was in effect when it was prepared: accounts keep the numbers that they have there.
    before: Arc<Policy>,
    policy: Arc<Policy>,
    premises: Premises,
    /// Where more accounts are fetched from.
    origin: Option<Origin>,
    /// One for each listener, with its certificates.
    gates: Vec<Gate>,
    /// What is said about it: one line for each thing that changes.
    lines: Vec<String>,
    /// Where log lines go from now on, if that changes.
    log: Option<(LogTarget, Sink)>,
}

impl Prepared {
    /// Whether it still follows what is in effect. An account that came meanwhile may have a
    /// number that another has here.
    fn follows(&self, policy: &Arc<Policy>) -> bool {
        Arc::ptr_eq(&self.before, policy)
    }
}

impl Reloading {
    pub(super) fn new(
        source: Option<Source>,
        files: Snapshot,
        config: &Config,
        target: LogTarget,
        bell: Arc<Ended>,
    ) -> Self {
        let (told, outcomes) = channel();
        let watch = Watch::new(files, config.watch && source.is_some());
        Self {
            source,
            target,
            bell,
            told,
            outcomes,
            under_way: false,
            again: false,
            askers: Vec::new(),
            later_askers: Vec::new(),
            watch,
        }
    }

    /// Whether files are being read again.
    pub(super) fn is_under_way(&self) -> bool {
        self.under_way
    }

    /// Looks at the files, if it is time to.
    pub(super) fn watch(&mut self) -> &mut Watch {
        &mut self.watch
    }
}

impl Supervisor {
    /// Reloads for those who asked for it in the system account, or, once nobody is left here,
    /// has the new process do it.
    pub(super) fn grant_wishes(&mut self, is_over: bool) {
        while let Some(asker) = self.ended.wishes.pop() {
            // A process that comes up may have read the files before this.
            self.upgrading.must_tell = true;
            if !is_over {
                self.reloading.later_askers.push(asker);
                self.reload();
            }
        }
    }

    /// Tells those who asked how it went.
    fn tell_askers(&mut self, content: &Content) {
        for (shard, to) in std::mem::take(&mut self.reloading.askers) {
            let answer = SystemAnswer { to, content: content.clone() };
            send_now(&self.exchange, shard, Mail::SystemAnswer(Box::new(answer)));
        }
    }

    /// Reads the configuration again and lets it take effect; its end is told in the log.
    pub(super) fn reload(&mut self) {
        if !self.reloading.under_way {
            let later = std::mem::take(&mut self.reloading.later_askers);
            self.reloading.askers.extend(later);
        }
        let Some(source) = self.reloading.source.clone() else {
            let reason = "can only reload config when a file is provided using -c or --config";
            self.refuse(reason);
            return;
        };
        if self.reloading.under_way {
            self.reloading.again = true;
            return;
        }
        let preparation = Preparation {
            source,
            target: self.reloading.target.clone(),
            executable: self.executable.clone(),
            config: Arc::clone(&self.config),
            before: Arc::clone(&self.policy),
            identity: Arc::clone(&self.identity),
            premises: self.premises.clone(),
            seed: self.seed,
            log: self.log.clone(),
        };
        let told = self.reloading.told.clone();
        let bell = Arc::clone(&self.reloading.bell);
        let spawned = std::thread::Builder::new().name("reload".to_owned()).spawn(move || {
            // Both fail only when the supervisor has ended.
            let _ = told.send(preparation.run());
            let _ = bell.waker.wake();
        });
        match spawned {
            Ok(_) => {
                self.reloading.under_way = true;
                self.notify.reloading();
            }
            Err(error) => self.refuse(&error.to_string()),
        }
    }

    /// Takes the end of a reload's reading, if there is one.
    pub(super) fn finish_reload(&mut self) {
        while let Ok(outcome) = self.reloading.outcomes.try_recv() {
            self.reloading.under_way = false;
            match outcome.result {
                // It is prepared again, from files that are read again.
                Ok(prepared) if !prepared.follows(&self.policy) => self.reloading.again = true,
                Ok(prepared) => {
                    self.reloading.watch = Watch::new(outcome.files, prepared.config.watch);
                    self.take_effect(*prepared);
                }
                Err(reason) => {
                    let is_on = self.reloading.watch.is_on();
                    self.reloading.watch = Watch::new(outcome.files, is_on);
                    self.refuse(&reason);
                }
            }
            if std::mem::take(&mut self.reloading.again) {
                self.reload();
            }
            if !self.reloading.under_way {
                self.notify.ready();
            }
        }
    }

    fn refuse(&mut self, reason: &str) {
        self.tell_askers(&Content::Failed { code: 500, why: reason.to_owned() });
        let reason = reason.replace('\n', "; ");
        self.log.line(Level::Error, format!("Failed to reload server configuration: {reason}"));
    }

    fn take_effect(&mut self, prepared: Prepared) {
        let Prepared { mut config, policy, premises, origin, gates, lines, log, .. } = prepared;
        self.fetching.resolver.set_origin(origin);
        self.settle_in(premises);
        for warning in &config.warnings {
            if !self.config.warnings.contains(warning) {
                self.log.line(Level::Warn, warning.clone());
            }
        }
        for line in lines {
            self.log.line(Level::Info, line);
        }
        if let Some((target, sink)) = log {
            self.reloading.target = target;
            self.log.replace(sink);
        }
        self.log.set_debug(config.verbosity.debug);
        listeners::settle_ports(&mut config, &self.listeners);
        let old = std::mem::replace(&mut self.config, Arc::new(config));
        self.renew_files(&old);
        self.apply(gates, policy);
        let digest = self.config.digest.as_deref().map(|digest| format!(" ({digest})"));
        let digest = digest.unwrap_or_default();
        self.log.line(Level::Info, format!("Reloaded server configuration{digest}"));
        self.tell_askers(&Content::Done);
    }
}

/// Everything about a reload that may take long or fail.
struct Preparation {
    source: Source,
    target: LogTarget,
    executable: String,
    /// What is in effect.
    config: Arc<Config>,
    before: Arc<Policy>,
    identity: Arc<Identity>,
    premises: Premises,
    seed: u64,
    log: Log,
}

impl Preparation {
    fn run(self) -> Outcome {
        match (self.source.read)() {
            Err(error) => Outcome { files: error.files, result: Err(error.reason) },
            Ok(reading) => {
                let result = self.prepare(reading.config);
                Outcome { files: reading.files, result: result.map(Box::new) }
            }
        }
    }

    fn prepare(&self, config: Config) -> Result<Prepared, String> {
        let changes =
            reload::between(&self.config, &config).map_err(|reasons| reasons.join("; "))?;
        let gates = listeners::gates(&config).map_err(|error| error.to_string())?;
        let wanted = LogTarget::of(&config, &self.executable);
        let log = if wanted == self.target {
            None
        } else {
            let sink = Sink::open(wanted.clone()).map_err(|error| error.to_string())?;
            Some((wanted, sink))
        };
        let prepared = premises::prepare(&config, &self.identity, &self.premises);
        let prepared = prepared.map_err(|error| error.to_string())?;
        let premises::Prepared { premises, origin, told } = prepared;
        for line in told {
            self.log.line(Level::Warn, line);
        }
        let before = &self.before.accounts;
        let policy = policy::compile(&config, before, &premises, self.seed, &self.log);
        let policy = policy.map_err(|error| error.to_string())?;
        let (before, lines) = (Arc::clone(&self.before), changes.lines);
        Ok(Prepared { config, before, policy, premises, origin, gates, lines, log })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_prepared_from_another_policy_does_not_take_effect() {
        let before = Arc::new(Policy::open());
        let prepared = Prepared {
            config: Config::default(),
            before: Arc::clone(&before),
            policy: Arc::new(Policy::open()),
            premises: Premises::default(),
            origin: None,
            gates: Vec::new(),
            lines: Vec::new(),
            log: None,
        };
        assert!(prepared.follows(&before));
        assert!(!prepared.follows(&Arc::new(Policy::open())), "an account came meanwhile");
    }
}
