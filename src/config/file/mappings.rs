//! `mappings { … }`: subjects that are published under other names.
//!
//! Absent: choosing among destinations.

use std::collections::BTreeMap;

use super::super::access::{Destination, Mapping};
use super::super::text::{Entry, Map, Position, Value};
use super::super::transform::Transform;
use super::findings::Findings;
use super::subjects;

/// Reads the block.
pub(super) fn read(found: &mut Findings<'_>, entry: &Entry) -> Vec<Mapping> {
    let mut mappings = Vec::new();
    let Some(map) = found.map(entry) else { return mappings };
    for entry in map.entries().filter(|entry| !entry.used) {
        if !subjects::is_filter(&entry.key) {
            let why = format!("Subject {:?} is not a valid subject", entry.key);
            found.error(entry.node.at, why);
            continue;
        }
        let destinations = destinations(found, entry);
        check(found, entry, &destinations);
        let destinations = destinations.into_iter().map(|(_, destination)| destination).collect();
        mappings.push(Mapping { source: entry.key.clone(), destinations });
    }
    mappings
}

fn destinations(found: &mut Findings<'_>, entry: &Entry) -> Vec<(Position, Destination)> {
    let at = entry.node.at;
    match &entry.node.value {
        Value::Text(subject) => {
            vec![(at, Destination { subject: subject.clone(), weight: 100, cluster: None })]
        }
        Value::Map(map) => one(found, at, map).into_iter().map(|one| (at, one)).collect(),
        Value::List(_) => {
            let maps = found.maps(entry);
            maps.into_iter().filter_map(|(at, map)| Some((at, one(found, at, map)?))).collect()
        }
        _ => {
            found.mismatch(entry, "a subject, a map or a list of maps");
            Vec::new()
        }
    }
}

fn one(found: &mut Findings<'_>, at: Position, map: &Map) -> Option<Destination> {
    let (mut subject, mut weight, mut cluster) = (None, None, None);
    for entry in map.entries() {
        match &*entry.key.to_ascii_lowercase() {
            "dest" | "destination" => subject = found.boxed(entry),
            "weight" => {
                weight = percent(entry);
                if weight.is_none() {
                    let why = "Invalid weight for mapping destination: it lies between 0 and 100";
                    found.error(entry.node.at, why);
                    return None;
                }
            }
            "cluster" => cluster = found.boxed(entry).filter(|name| !name.is_empty()),
            _ => found.unknown(entry, &[&["dest", "destination", "weight", "cluster"]]),
        }
    }
    let subject = subject.unwrap_or_default();
    if weight.is_none() {
        found.error(at, format!("Missing weight for mapping destination {subject:?}"));
    }
    Some(Destination { subject, weight: weight?, cluster })
}

/// `50` or `"50%"`.
pub(super) fn percent(entry: &Entry) -> Option<u8> {
    let number = match &entry.node.value {
        Value::Integer(number) => u8::try_from(*number).ok(),
        Value::Text(text) => text.strip_suffix('%').unwrap_or(text).parse().ok(),
        _ => None,
    };
    number.filter(|&number| number <= 100)
}

fn check(found: &mut Findings<'_>, entry: &Entry, destinations: &[(Position, Destination)]) {
    let mut seen = Vec::new();
    let mut totals: BTreeMap<Option<&str>, u32> = BTreeMap::new();
    if destinations.len() > DESTINATIONS_MAX {
        let why = format!("a mapping has at most {DESTINATIONS_MAX} destinations");
        found.error(entry.node.at, why);
        return;
    }
    for (at, destination) in destinations {
        let subject = &*destination.subject;
        let head = format!("Error adding mapping for {:?} to {subject:?}", entry.key);
        if seen.contains(&subject) {
            found.error(*at, format!("{head}: duplicate entry for {subject:?}"));
        }
        seen.push(subject);
        let total = totals.entry(destination.cluster.as_deref()).or_default();
        *total += u32::from(destination.weight);
        if *total > 100 {
            found.error(*at, format!("{head}: total weight needs to be <= 100"));
        }
        if let Err(fault) = Transform::parse(&entry.key, subject) {
            found.error(*at, format!("{head}: {fault}"));
        }
    }
}

/// Most destinations of one subject: each has a percent at least, in each of a few clusters.
const DESTINATIONS_MAX: usize = 1_024;
