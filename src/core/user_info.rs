//! Who a client is, as it is told when it asks (`$SYS.REQ.USER.INFO`).
//!
//! Absent: secrets, and anything about others.

use fanfare_protocol::json::Object;

use super::badge::Badge;
use super::ids::Slot;
use super::shard::Shard;
use crate::config::access::{Permissions, Rule, Rules};

impl Shard {
    /// Who the asking client is.
    pub(crate) fn user_info(&self, slot: Slot) -> Vec<u8> {
        let client = self.clients.get(slot);
        let badge = client.badge.as_deref();
        let admitted = badge.and_then(|badge| badge.admitted.as_deref());
        let account = self.policy.accounts.get(client.account);
        let mut out = Vec::new();
        let mut object = Object::begin(&mut out);
        object.text("user", admitted.and_then(|it| it.user.as_deref()).unwrap_or(""));
        object.text("account", account.name());
        object.text_if("account_name", account.tag());
        let grant = admitted.and_then(|admitted| admitted.grant.as_deref());
        object.text_if("user_name", grant.map_or("", |grant| &grant.name));
        if let Some(permissions) = badge.and_then(Badge::permissions) {
            object.raw("permissions", &permissions_json(permissions.written()));
        }
        if let Some(expires) = badge.and_then(|badge| badge.expires) {
            object.number_if("expires", expires.since_ns(self.now));
        }
        object.end();
        out
    }
}

fn permissions_json(permissions: &Permissions) -> Vec<u8> {
    let mut out = Vec::new();
    let mut object = Object::begin(&mut out);
    object.raw("publish", &rules_json(&permissions.publish));
    object.raw("subscribe", &rules_json(&permissions.subscribe));
    if let Some(grant) = permissions.responses {
        let mut json = Vec::new();
        let mut inner = Object::begin(&mut json);
        inner.integer("max", grant.max.map_or(-1, i64::from));
        inner.number("ttl", grant.expires_ns.unwrap_or(0));
        inner.end();
        object.raw("responses", &json);
    }
    object.end();
    out
}

fn rules_json(rules: &Rules) -> Vec<u8> {
    let texts = |rules: &[Rule]| -> Vec<String> {
        let text = |rule: &Rule| match &rule.queue {
            Some(queue) => format!("{} {queue}", rule.subject),
            None => rule.subject.to_string(),
        };
        rules.iter().map(text).collect()
    };
    let mut out = Vec::new();
    let mut object = Object::begin(&mut out);
    object.list_if("allow", &texts(rules.allow.as_deref().unwrap_or(&[])));
    object.list_if("deny", &texts(&rules.deny));
    object.end();
    out
}
