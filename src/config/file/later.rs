//! Blocks and keys of features that this version does not have.
//!
//! Absent: any effect. Existing files start the broker; one warning for each feature says what is
//! missing, and misspelt keys are errors here too.

use super::super::text::{Entry, Map, Value};
use super::findings::Findings;

/// The top-level keys, each with its feature.
const KEYS_OF: &[(&str, &[&str])] = &[
    ("jetstream", &["jetstream", "store_dir", "storedir", "default_js_domain"]),
    ("cluster", &["cluster"]),
    ("gateway", &["gateway"]),
    ("leafnodes", &["leafnodes", "leaf"]),
    ("mqtt", &["mqtt"]),
    ("profiling", &["prof_port", "prof_block_rate"]),
    ("ocsp", &["ocsp", "ocsp_cache"]),
];

/// All of them.
pub(super) const KEYS: &[&str] = &[
    "jetstream",
    "store_dir",
    "storedir",
    "default_js_domain",
    "cluster",
    "gateway",
    "leafnodes",
    "leaf",
    "mqtt",
    "prof_port",
    "prof_block_rate",
    "ocsp",
    "ocsp_cache",
];

/// What was seen of these features.
#[derive(Default)]
pub(super) struct Later {
    warned: Vec<&'static str>,
}

impl Later {
    /// Takes a top-level key.
    pub(super) fn take(&mut self, found: &mut Findings<'_>, key: &str, entry: &Entry) -> bool {
        let of = KEYS_OF.iter().find(|(_, keys)| keys.contains(&key));
        let Some((feature, _)) = of else { return false };
        if let Some(shape) = shape(key) {
            shape.check(found, entry);
        }
        if key == "jetstream" {
            switch(found, entry);
        }
        if !off(entry) {
            self.warn(found, entry, feature);
        }
        true
    }

    /// Takes an account's `jetstream`.
    pub(super) fn account_jetstream(&mut self, found: &mut Findings<'_>, entry: &Entry) {
        ACCOUNT_JETSTREAM.check(found, entry);
        switch(found, entry);
        if !off(entry) {
            self.warn(found, entry, "jetstream");
        }
    }

    /// Says once that a feature is missing.
    pub(super) fn warn(&mut self, found: &mut Findings<'_>, entry: &Entry, feature: &'static str) {
        if self.warned.contains(&feature) {
            return;
        }
        self.warned.push(feature);
        let why = format!("{feature} does not exist in this version; {:?} is ignored", entry.key);
        found.warn(entry.node.at, why);
    }
}

/// Whether a key switches its feature off, so that nothing is missing.
fn off(entry: &Entry) -> bool {
    match &entry.node.value {
        Value::Boolean(on) => !on,
        Value::Text(text) => ["disabled", "disable"].contains(&&*text.to_ascii_lowercase()),
        Value::Map(map) => {
            let enabled = map.entry("enabled").or_else(|| map.entry("enable"));
            enabled.is_some_and(|entry| matches!(entry.node.value, Value::Boolean(false)))
        }
        Value::Integer(number) => *number == 0,
        Value::Float(_) | Value::Date(_) | Value::List(_) => false,
    }
}

/// A feature that one word may switch.
fn switch(found: &mut Findings<'_>, entry: &Entry) {
    let words = ["enabled", "enable", "disabled", "disable"];
    match &entry.node.value {
        Value::Map(_) | Value::Boolean(_) => {}
        Value::Text(text) if words.contains(&&*text.to_ascii_lowercase()) => {}
        _ => found.mismatch(entry, "a map, a boolean, \"enabled\" or \"disabled\""),
    }
}

/// Which keys a block may have.
enum Shape {
    /// A map with these keys, or something that is no map.
    Keys(&'static [(&'static str, Shape)]),
    /// A list of such maps.
    Each(&'static [(&'static str, Shape)]),
    /// Anything.
    Any,
}

impl Shape {
    fn check(&self, found: &mut Findings<'_>, entry: &Entry) {
        match (self, &entry.node.value) {
            (Self::Keys(known), Value::Map(map)) => keys(found, map, known),
            (Self::Each(known), Value::List(items)) => {
                for item in items {
                    if let Value::Map(map) = &item.value {
                        keys(found, map, known);
                    }
                }
            }
            _ => {}
        }
    }
}

fn keys(found: &mut Findings<'_>, map: &Map, known: &[(&'static str, Shape)]) {
    for entry in map.entries() {
        let key = entry.key.to_ascii_lowercase();
        let shape = known.iter().find(|(names, _)| names.split(' ').any(|name| name == key));
        if let Some((_, shape)) = shape {
            shape.check(found, entry);
        } else {
            let names: Vec<&str> = known.iter().flat_map(|(names, _)| names.split(' ')).collect();
            found.unknown(entry, &[&names]);
        }
    }
}

fn shape(key: &str) -> Option<&'static Shape> {
    Some(match key {
        "jetstream" => &JETSTREAM,
        "cluster" => &CLUSTER,
        "gateway" => &GATEWAY,
        "leafnodes" | "leaf" => &LEAFNODES,
        "mqtt" => &MQTT,
        "ocsp" => &Shape::Keys(&[("mode urls url", Shape::Any)]),
        _ => return None,
    })
}

const ACCOUNT_JETSTREAM: Shape = Shape::Keys(&[(
    "max_memory max_mem mem memory max_store max_file max_disk store disk max_streams streams \
     max_consumers consumers max_bytes_required max_stream_bytes max_bytes mem_max_stream_bytes \
     memory_max_stream_bytes disk_max_stream_bytes store_max_stream_bytes max_ack_pending \
     cluster_traffic",
    Shape::Any,
)]);

const JETSTREAM: Shape = Shape::Keys(&[
    (
        "strict store store_dir storedir sync sync_interval max_memory_store max_mem_store \
         max_mem max_file_store max_file domain enable enabled key ek encryption_key prev_key \
         prev_ek prev_encryption_key cipher extension_hint unique_tag max_outstanding_catchup \
         max_buffered_size max_buffered_msgs request_queue_limit info_queue_limit meta_compact \
         meta_compact_size meta_compact_sync",
        Shape::Any,
    ),
    (
        "limits",
        Shape::Keys(&[
            ("max_ack_pending max_ha_assets max_request_batch duplicate_window", Shape::Any),
            (
                "batch",
                Shape::Keys(&[(
                    "max_inflight_per_stream max_inflight_total max_msgs timeout",
                    Shape::Any,
                )]),
            ),
        ]),
    ),
    ("tpm", Shape::Keys(&[("keys_file encryption_password srk_password pcr cipher", Shape::Any)])),
]);

const COMPRESSION: Shape = Shape::Keys(&[("mode rtt_thresholds thresholds rtts rtt", Shape::Any)]);

const CLUSTER: Shape = Shape::Keys(&[
    (
        "name listen port host net routes tls cluster_advertise advertise no_advertise \
         connect_retries connect_backoff permissions pool_size accounts ping_interval ping_max \
         write_deadline write_timeout",
        Shape::Any,
    ),
    (
        "authorization",
        Shape::Keys(&[(
            "user username pass password token timeout users default_permission \
             default_permissions permissions auth_callout auth_hook proxy_required",
            Shape::Any,
        )]),
    ),
    ("compression", COMPRESSION),
]);

const GATEWAY: Shape = Shape::Keys(&[
    (
        "name listen port host net authorization tls advertise connect_retries connect_backoff \
         reject_unknown reject_unknown_cluster write_deadline write_timeout",
        Shape::Any,
    ),
    ("gateways", Shape::Each(&[("name tls url urls", Shape::Any)])),
]);

const LEAFNODES: Shape = Shape::Keys(&[
    (
        "listen port host net reconnect reconnect_delay reconnect_interval tls \
         leafnode_advertise advertise no_advertise min_version minimum_version \
         isolate_leafnode_interest isolate write_deadline write_timeout",
        Shape::Any,
    ),
    (
        "authorization",
        Shape::Keys(&[
            ("user username pass password nkey timeout account proxy_required", Shape::Any),
            (
                "users",
                Shape::Each(&[("user username pass password account proxy_required", Shape::Any)]),
            ),
        ]),
    ),
    (
        "remotes",
        Shape::Each(&[
            (
                "no_randomize dont_randomize url urls account local creds credentials nkey seed \
                 tls hub deny_imports deny_import deny_exports deny_export ws_compress \
                 ws_compression websocket_compress websocket_compression ws_no_masking \
                 websocket_no_masking jetstream_cluster_migrate js_cluster_migrate \
                 isolate_leafnode_interest isolate request_isolation first_info_timeout disabled \
                 ignore_discovered_servers",
                Shape::Any,
            ),
            ("compression", COMPRESSION),
            ("proxy", Shape::Keys(&[("url username password timeout", Shape::Any)])),
        ]),
    ),
    ("compression", COMPRESSION),
]);

const SIMPLE_AUTHORIZATION: Shape =
    Shape::Keys(&[("user username pass password token timeout", Shape::Any)]);

const MQTT: Shape = Shape::Keys(&[
    (
        "listen port host net tls no_auth_user ack_wait ackwait js_api_timeout api_timeout \
         max_ack_pending max_pending max_inflight js_domain stream_replicas consumer_replicas \
         consumer_memory_storage consumer_inactive_threshold consumer_auto_cleanup \
         reject_qos2_publish downgrade_qos2_subscribe",
        Shape::Any,
    ),
    ("authorization authentication", SIMPLE_AUTHORIZATION),
]);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_two_lists_of_keys_agree() {
        let all: Vec<&str> = KEYS_OF.iter().flat_map(|(_, keys)| keys.iter().copied()).collect();
        assert_eq!(all, KEYS);
    }
}
