//! From the tree of a configuration file to a configuration: what every key means.
//!
//! Absent: the language itself (`text`), and files that a configuration only names, such as
//! certificates. Operator JWTs are read, for other keys depend on what they say.
//!
//! Keys and their aliases are those of nats-server, those of ours are listed beside them; an
//! unknown key is an error. All errors are reported together.

mod access;
mod accounts;
mod address;
mod authorization;
mod findings;
mod graph;
mod keys;
mod later;
mod listeners;
mod mappings;
mod monitoring;
mod operator;
mod permissions;
mod shares;
mod subjects;
mod tls;
mod top;
mod users;
mod websocket;

#[cfg(test)]
mod tests;

use super::Config;
use super::duration;
use super::text::{Files, Tree};
use access::Parts;
use findings::Findings;
use later::Later;
use listeners::Classic;

/// Reads a whole tree over a base; what the tree does not say stays as it is.
pub(super) fn read(
    tree: &Tree,
    files: &mut dyn Files,
    base: Config,
) -> Result<Config, Vec<String>> {
    let mut found = Findings::new(tree);
    let mut draft = Draft {
        config: base,
        classic: Classic::default(),
        later: Later::default(),
        access: Parts::default(),
        websocket: None,
    };
    if tree.root.is_empty() {
        let name = tree.files.first().map_or("", |name| &**name);
        found.general_warning(format!("{name}: config has no values or is empty"));
    }
    for (at, key) in &tree.repeated {
        found.warn(*at, format!("{key:?} is written more than once; the last one counts"));
    }
    draft.take_all(&mut found, tree, files);
    let Draft { mut config, classic, access, websocket, .. } = draft;
    classic.apply(&mut config);
    access.finish(&mut found, &mut config.access);
    if let Some(draft) = websocket {
        let has_operator = config.access.operator.is_some();
        config.listeners.extend(draft.finish(&mut found, &mut config.access, has_operator));
    }
    if !found.has_errors() {
        checks(&mut found, &config);
    }
    config.warnings.extend(found.finish()?);
    Ok(config)
}

/// A configuration in the making.
struct Draft {
    config: Config,
    classic: Classic,
    later: Later,
    access: Parts,
    websocket: Option<websocket::Draft>,
}

impl Draft {
    fn take_all(&mut self, found: &mut Findings<'_>, tree: &Tree, files: &mut dyn Files) {
        for entry in tree.root.entries() {
            let key = entry.key.to_ascii_lowercase();
            let config = &mut self.config;
            let known = self.classic.take(found, &key, entry)
                || top::name(found, config, &key, entry)
                || top::log(found, config, &key, entry)
                || top::limit(found, config, &key, entry)
                || monitoring::take(found, &mut config.monitoring, &key, entry)
                || top::without_effect(found, &key, entry)
                || self.later.take(found, &key, entry);
            let sinks = (&mut self.config.access, &mut self.later);
            if known || self.access.take(found, files, sinks, &key, entry) {
                continue;
            }
            let config = &mut self.config;
            match &*key {
                "listeners" => {
                    config.listeners.truncate(1);
                    config.listeners.extend(listeners::read(found, entry));
                }
                "websocket" | "ws" => self.websocket = websocket::read(found, entry),
                _ => found.unknown(entry, KEYS),
            }
        }
    }
}

/// What only shows when all is read.
fn checks(found: &mut Findings<'_>, config: &Config) {
    if config.lame_duck_grace_ns >= config.lame_duck_duration_ns {
        found.general(format!(
            "lame duck grace period ({}) should be strictly lower than lame duck duration ({})",
            duration::show(config.lame_duck_grace_ns),
            duration::show(config.lame_duck_duration_ns),
        ));
    }
    if let Err(error) = config.limits.check() {
        found.general(error.to_string());
    }
    if let Some((classic, others)) = config.listeners.split_first()
        && listeners::collides(others, classic)
    {
        found.general("two listeners have the same address");
    }
}

/// All keys of the top level.
const KEYS: &[&[&str]] = &[
    listeners::CLASSIC,
    top::NAMES,
    top::LOG,
    top::LIMITS,
    top::WITHOUT_EFFECT,
    monitoring::KEYS,
    later::KEYS,
    access::KEYS,
    operator::KEYS,
    websocket::TOP,
    &["listeners"],
];
