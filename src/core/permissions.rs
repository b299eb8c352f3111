//! What one user may publish, subscribe and receive, ready to be asked for every message.
//!
//! Absent: who the user is (`auth`), what a refusal says (`session`), and the replies that a client
//! may answer (`grants`). Answers are a function of the rules and the text alone.
//!
//! Where a filter is broader than what is allowed, or overlaps what is denied, it is refused or
//! accepted as nats-server would; what it then selects beyond the rules is never delivered.

use fanfare_protocol::subject::{Filter, covers, matches, overlaps, tokens};

use super::subject_set::SubjectSet;
use crate::config::access::{self, ResponseGrant, Rule};

/// See the module's head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permissions {
    written: access::Permissions,
    publish_allow: Option<SubjectSet>,
    publish_deny: Option<SubjectSet>,
    subscribe_allow: Option<FilterRules>,
    subscribe_deny: Option<FilterRules>,
    filters_delivery: bool,
}

impl Permissions {
    /// Makes permissions ready.
    pub fn compile(written: &access::Permissions) -> Self {
        let (publish, subscribe) = (&written.publish, &written.subscribe);
        // Who may answer requests and has no list may do nothing but answer (nats-server's
        // validateResponsePermissions).
        let nothing = written.responses.map(|_| &[][..]);
        let publish_allow = publish.allow.as_deref().or(nothing).map(|rules| {
            // A rule for a queue group says nothing about publishing; it must not allow anything.
            subject_set(rules.iter().filter(|rule| rule.queue.is_none()))
        });
        let publish_deny = (!publish.deny.is_empty()).then(|| subject_set(&publish.deny));
        let deny = &subscribe.deny;
        Self {
            publish_allow,
            publish_deny,
            subscribe_allow: subscribe.allow.as_deref().map(FilterRules::new),
            subscribe_deny: (!deny.is_empty()).then(|| FilterRules::new(deny)),
            filters_delivery: !written.no_wildcards
                && (!deny.is_empty()
                    || subscribe.allow.iter().flatten().any(is_narrower_than_it_accepts)),
            written: written.clone(),
        }
    }

    /// What was written.
    pub fn written(&self) -> &access::Permissions {
        &self.written
    }

    /// Whether there is any subject that may not be published to.
    pub fn restricts_publish(&self) -> bool {
        self.publish_allow.is_some() || self.publish_deny.is_some()
    }

    /// Whether a message may be published to the subject, answers to requests apart.
    pub fn may_publish(&self, subject: &[u8]) -> bool {
        self.publish_allow.as_ref().is_none_or(|allow| allow.selects(subject))
            && self.publish_deny.as_ref().is_none_or(|deny| !deny.selects(subject))
    }

    /// Whether the filter may be subscribed to, with or without a queue group.
    ///
    /// As in nats-server the rules are compared with the filter's text, so that `*` in a rule
    /// selects a `>` in the filter: allowing `foo.*` accepts `foo.>`. Unlike there, it then brings
    /// nothing that is not allowed; see [`Permissions::filters`].
    pub fn may_subscribe(&self, filter: &[u8], queue: Option<&[u8]>) -> bool {
        if self.written.no_wildcards && tokens(filter).any(|token| token == b"*" || token == b">") {
            return false;
        }
        self.allows(filter, queue)
    }

    /// Whether any subscription at all can select what may not be received.
    pub fn filters_delivery(&self) -> bool {
        self.filters_delivery
    }

    /// Whether an accepted subscription selects anything that may not be received, so that
    /// [`Permissions::may_receive`] must be asked for each of its messages.
    pub fn filters(&self, filter: &[u8], queue: Option<&[u8]>) -> bool {
        if !self.filters_delivery || Filter::parse(filter).is_some_and(Filter::is_literal) {
            // A literal filter was compared as the subject that it selects.
            return false;
        }
        self.subscribe_allow.as_ref().is_some_and(|rules| !rules.cover(filter, queue))
            || self.subscribe_deny.as_ref().is_some_and(|rules| rules.overlap(filter, queue))
    }

    /// Whether a message that a subscription selected may be delivered to it.
    pub fn may_receive(&self, subject: &[u8], queue: Option<&[u8]>) -> bool {
        self.allows(subject, queue)
    }

    /// Whether, and how far, requests may be answered.
    pub fn responses(&self) -> Option<ResponseGrant> {
        self.written.responses
    }

    fn allows(&self, text: &[u8], queue: Option<&[u8]>) -> bool {
        self.subscribe_allow.as_ref().is_none_or(|rules| rules.allow(text, queue))
            && self.subscribe_deny.as_ref().is_none_or(|rules| !rules.deny(text, queue))
    }
}

/// One list of rules for filters.
#[derive(Debug, Clone, PartialEq, Eq)]
struct FilterRules {
    plain: SubjectSet,
    plain_rules: Box<[Box<str>]>,
    queues: Box<[QueueRule]>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct QueueRule {
    subject: Box<str>,
    queue: Box<str>,
}

impl FilterRules {
    fn new(rules: &[Rule]) -> Self {
        let plain = || rules.iter().filter(|rule| rule.queue.is_none());
        let queues = rules.iter().filter_map(|rule| {
            Some(QueueRule { subject: rule.subject.clone(), queue: rule.queue.clone()? })
        });
        Self {
            plain: subject_set(plain()),
            plain_rules: plain().map(|rule| rule.subject.clone()).collect(),
            queues: queues.collect(),
        }
    }

    /// As an allow list. Once a rule for queue groups speaks of the text, only such rules decide
    /// about groups: `foo` with `foo v1` lets nobody else form a group on `foo`.
    fn allow(&self, text: &[u8], queue: Option<&[u8]>) -> bool {
        let Some(queue) = queue.filter(|_| !self.queues.is_empty()) else {
            return self.plain.selects(text);
        };
        let mut spoken = false;
        for rule in self.queues.iter().filter(|rule| matches(rule.subject.as_bytes(), text)) {
            if rule.names(queue) {
                return true;
            }
            spoken = true;
        }
        !spoken && self.plain.selects(text)
    }

    /// As a deny list.
    fn deny(&self, text: &[u8], queue: Option<&[u8]>) -> bool {
        let denied = |rule: &QueueRule| {
            matches(rule.subject.as_bytes(), text) && queue.is_some_and(|queue| rule.names(queue))
        };
        self.plain.selects(text) || self.queues.iter().any(denied)
    }

    /// Whether everything that the filter selects is surely allowed.
    fn cover(&self, filter: &[u8], queue: Option<&[u8]>) -> bool {
        let by_queue = queue.is_some_and(|queue| {
            let hit =
                |rule: &QueueRule| rule.names(queue) && covers(rule.subject.as_bytes(), filter);
            self.queues.iter().any(hit)
        });
        let undecided = |rule: &QueueRule| overlaps(rule.subject.as_bytes(), filter);
        by_queue
            || self.plain_rules.iter().any(|rule| covers(rule.as_bytes(), filter))
                && (queue.is_none() || !self.queues.iter().any(undecided))
    }

    /// Whether anything that the filter selects is denied.
    fn overlap(&self, filter: &[u8], queue: Option<&[u8]>) -> bool {
        let by_queue = |rule: &QueueRule| {
            queue.is_some_and(|queue| rule.names(queue))
                && overlaps(rule.subject.as_bytes(), filter)
        };
        self.plain_rules.iter().any(|rule| overlaps(rule.as_bytes(), filter))
            || self.queues.iter().any(by_queue)
    }
}

impl QueueRule {
    /// Whether the rule is about this group; names are compared as filters are.
    fn names(&self, queue: &[u8]) -> bool {
        let name = self.queue.as_bytes();
        name == queue || covers(name, queue)
    }
}

fn subject_set<'a>(rules: impl IntoIterator<Item = &'a Rule>) -> SubjectSet {
    SubjectSet::new(rules.into_iter().map(|rule| rule.subject.as_bytes()))
}

/// Whether an allowing rule lets in a filter that selects more than the rule does: one that ends in
/// `>` where the rule ends in `*`, or one whose group a narrower rule speaks of.
fn is_narrower_than_it_accepts(rule: &Rule) -> bool {
    rule.queue.is_some() || tokens(rule.subject.as_bytes()).last() == Some(b"*")
}

#[cfg(test)]
mod tests;
