//! `exports [ … ]` and `imports [ … ]` of accounts.
//!
//! Absent: whether an import finds its export (`graph`).

use super::super::access::{Export, Import, Latency, ResponseType, Sampling, ShareKind};
use super::super::import_map::ImportMap;
use super::super::text::{Entry, Map, Position, Value};
use super::findings::{Findings, set};
use super::{mappings, subjects};

/// The keys of an export.
const EXPORT_KEYS: &[&str] = &[
    "stream",
    "service",
    "accounts",
    "response",
    "response_type",
    "threshold",
    "response_threshold",
    "response_max_time",
    "response_time",
    "latency",
    "account_token_position",
    "allow_trace",
];

/// The keys of an import.
const IMPORT_KEYS: &[&str] = &["stream", "service", "prefix", "to", "share", "allow_trace"];

/// Reads a list of exports, each with its place.
pub(super) fn exports(found: &mut Findings<'_>, entry: &Entry) -> Vec<(Position, Export)> {
    let maps = found.maps(entry);
    maps.into_iter().filter_map(|(at, map)| Some((at, export(found, at, map)?))).collect()
}

/// Reads a list of imports, each with its place.
pub(super) fn imports(found: &mut Findings<'_>, entry: &Entry) -> Vec<(Position, Import)> {
    let maps = found.maps(entry);
    maps.into_iter().filter_map(|(at, map)| Some((at, import(found, at, map)?))).collect()
}

fn export(found: &mut Findings<'_>, at: Position, map: &Map) -> Option<Export> {
    let mut export = Export {
        kind: ShareKind::Stream,
        subject: "".into(),
        accounts: None,
        token_required: false,
        revocations: Vec::new(),
        response: ResponseType::default(),
        response_threshold_ns: None,
        latency: None,
        account_token_position: None,
        allow_trace: false,
    };
    let mut kinds = 0;
    // Where something stands that only services have.
    let mut services_only = None;
    for entry in map.entries() {
        let key = entry.key.to_ascii_lowercase();
        match &*key {
            "stream" | "service" => {
                kinds += 1;
                set(&mut export.subject, found.boxed(entry));
                export.kind = if key == "stream" { ShareKind::Stream } else { ShareKind::Service };
            }
            "accounts" => export.accounts = accounts(found, entry),
            "account_token_position" => {
                export.account_token_position = found.count(entry).filter(|&place| place > 0);
            }
            _ if service_key(found, &mut export, &key, entry) => {
                services_only = Some((entry.node.at, key));
            }
            _ => found.unknown(entry, &[EXPORT_KEYS]),
        }
    }
    if !one_kind(found, at, kinds) {
        return None;
    }
    if let (ShareKind::Stream, Some((at, key))) = (export.kind, services_only) {
        found.error(at, format!("Detected {key} directive on non-service"));
    }
    check_export(found, at, &export);
    Some(export)
}

fn one_kind(found: &mut Findings<'_>, at: Position, kinds: usize) -> bool {
    match kinds {
        1 => return true,
        0 => found.error(at, "expected a \"stream\" or a \"service\""),
        _ => found.error(at, "one entry is either a \"stream\" or a \"service\", not both"),
    }
    false
}

/// Keys that only services have.
fn service_key(found: &mut Findings<'_>, export: &mut Export, key: &str, entry: &Entry) -> bool {
    match key {
        "response" | "response_type" => {
            let named = found.text(entry).map(str::to_ascii_lowercase);
            export.response = match named.as_deref() {
                Some("single" | "singleton") | None => ResponseType::Singleton,
                Some("stream") => ResponseType::Stream,
                Some("chunk" | "chunked") => ResponseType::Chunked,
                Some(other) => {
                    found.error(entry.node.at, format!("Unknown response type: {other:?}"));
                    ResponseType::Singleton
                }
            };
        }
        "threshold" | "response_threshold" | "response_max_time" | "response_time" => {
            export.response_threshold_ns = found.duration(entry).filter(|&time| time > 0);
        }
        "latency" => export.latency = latency(found, entry),
        "allow_trace" => set(&mut export.allow_trace, found.boolean(entry)),
        _ => return false,
    }
    true
}

/// Accounts that may import; an empty list would let everybody, and is refused.
fn accounts(found: &mut Findings<'_>, entry: &Entry) -> Option<Vec<Box<str>>> {
    let names = found.words(entry)?;
    if names.is_empty() {
        found.error(
            entry.node.at,
            "an empty list of accounts would export to everybody in nats-server and is refused \
             here: leave the key out to do that",
        );
    }
    Some(names)
}

fn check_export(found: &mut Findings<'_>, at: Position, export: &Export) {
    let subject = &export.subject;
    if !subjects::is_filter(subject) {
        found.error(at, format!("export {subject:?} is not a valid subject"));
        return;
    }
    if let Some(position) = export.account_token_position {
        let index = usize::try_from(position).unwrap_or(usize::MAX);
        if subject.split('.').nth(index.saturating_sub(1)) != Some("*") {
            let why = format!("account_token_position {position} of {subject:?} is no '*'");
            found.error(at, why);
        }
    }
    let Some(latency) = &export.latency else { return };
    if !subjects::is_literal(&latency.subject) {
        found.error(at, format!("latency subject {:?} is not a valid one", latency.subject));
    }
    if export.response != ResponseType::Singleton {
        found.error(at, "latency is measured for services with a single response only");
    }
}

/// `latency`: a subject, or `{ subject, sampling }`.
fn latency(found: &mut Findings<'_>, entry: &Entry) -> Option<Latency> {
    if let Value::Text(subject) = &entry.node.value {
        return Some(Latency { subject: subject.clone(), sampling: Sampling::Percent(100) });
    }
    let map = found.map(entry)?;
    let (mut subject, mut sampling) = (None, Sampling::Percent(100));
    for entry in map.entries() {
        match &*entry.key.to_ascii_lowercase() {
            "subject" => subject = found.boxed(entry),
            "sampling" => match (&entry.node.value, mappings::percent(entry)) {
                (Value::Text(text), _) if text.trim().eq_ignore_ascii_case("headers") => {
                    sampling = Sampling::Headers;
                }
                (_, Some(percent)) if percent > 0 => sampling = Sampling::Percent(percent),
                _ => {
                    let why = "bad sampling percentage, should be 1-100, or \"headers\"";
                    found.error(entry.node.at, why);
                }
            },
            _ => found.unknown(entry, &[&["subject", "sampling"]]),
        }
    }
    if subject.is_none() {
        found.error(entry.node.at, "Latency subject required, but missing");
    }
    Some(Latency { subject: subject?, sampling })
}

fn import(found: &mut Findings<'_>, at: Position, map: &Map) -> Option<Import> {
    let (mut source, mut kinds, mut kind) = (None, 0, ShareKind::Stream);
    let (mut prefix, mut to) = (None, None);
    let (mut share, mut allow_trace) = (false, false);
    let mut traced_at = None;
    for entry in map.entries() {
        let key = entry.key.to_ascii_lowercase();
        match &*key {
            "stream" | "service" => {
                kinds += 1;
                kind = if key == "stream" { ShareKind::Stream } else { ShareKind::Service };
                source = import_source(found, entry);
            }
            "prefix" => prefix = found.boxed(entry).filter(|text| !text.is_empty()),
            "to" => to = found.boxed(entry).filter(|text| !text.is_empty()),
            "share" => set(&mut share, found.boolean(entry)),
            "allow_trace" => {
                set(&mut allow_trace, found.boolean(entry));
                traced_at = Some(entry.node.at);
            }
            _ => found.unknown(entry, &[IMPORT_KEYS]),
        }
    }
    if !one_kind(found, at, kinds) {
        return None;
    }
    if let (ShareKind::Service, Some(at)) = (kind, traced_at) {
        found.error(at, "Detected allow_trace directive on a non-stream");
    }
    let (account, subject) = source?;
    if kind == ShareKind::Stream && prefix.is_some() && to.is_some() {
        found.error(at, "Stream import can not have a 'prefix' and a 'to' property");
    }
    if let (ShareKind::Stream, Some(prefix)) = (kind, &prefix) {
        to = prefixed(found, at, prefix, &subject).or(to);
    }
    check_to(found, at, kind, &subject, to.as_deref());
    Some(Import { kind, account, subject, to, share, token: None, allow_trace })
}

/// `{ account, subject }`.
fn import_source(found: &mut Findings<'_>, entry: &Entry) -> Option<(Box<str>, Box<str>)> {
    let map = found.map(entry)?;
    let (mut account, mut subject) = (None, None);
    for entry in map.entries() {
        match &*entry.key.to_ascii_lowercase() {
            "account" => account = found.boxed(entry).filter(|text| !text.is_empty()),
            "subject" => subject = found.boxed(entry).filter(|text| !text.is_empty()),
            _ => found.unknown(entry, &[&["account", "subject"]]),
        }
    }
    if account.is_none() || subject.is_none() {
        found.error(entry.node.at, "Expect an account name and a subject");
    }
    let subject = subject?;
    if !subjects::is_filter(&subject) {
        found.error(entry.node.at, format!("subject {subject:?} is not a valid subject"));
        return None;
    }
    Some((account?, subject))
}

/// What `prefix` makes of a subject: its wildcards stay in their order.
fn prefixed(
    found: &mut Findings<'_>,
    at: Position,
    prefix: &str,
    subject: &str,
) -> Option<Box<str>> {
    let prefix = prefix.strip_suffix('.').unwrap_or(prefix);
    if !subjects::is_literal(prefix) {
        found.error(at, "stream import prefix can not contain wildcard tokens");
        return None;
    }
    Some(format!("{prefix}.{subject}").into())
}

fn check_to(
    found: &mut Findings<'_>,
    at: Position,
    kind: ShareKind,
    subject: &str,
    to: Option<&str>,
) {
    if let Err(fault) = ImportMap::new(subject, to) {
        let kind = match kind {
            ShareKind::Stream => "stream",
            ShareKind::Service => "service",
        };
        let to = to.unwrap_or(subject);
        found.error(at, format!("Error adding {kind} import {subject:?} to {to:?}: {fault}"));
    }
}
