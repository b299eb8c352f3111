//! Imports and exports of all accounts, seen together: who may import what, and who in a circle.
//!
//! Absent: the subjects' own validity, which was checked when they were read.

use std::collections::{BTreeMap, BTreeSet};

use fanfare_protocol::subject::{covers, overlaps};

use super::super::access::{Export, Import, ShareKind};
use super::super::import_map::ImportMap;
use super::accounts::Draft;
use super::findings::Findings;

/// Finds imports without an export, and circles.
pub(super) fn check(found: &mut Findings<'_>, drafts: &[Draft]) {
    let accounts: BTreeMap<&str, &Draft> =
        drafts.iter().map(|draft| (&*draft.account.name, draft)).collect();
    for draft in drafts {
        for (export, at) in draft.account.exports.iter().zip(&draft.exports_at) {
            for name in export.accounts.iter().flatten() {
                if !accounts.contains_key(&**name) {
                    let kind = name_of(export.kind);
                    found.error(*at, format!("{name:?} account not defined for {kind} export"));
                }
            }
        }
        for (import, at) in draft.account.imports.iter().zip(&draft.imports_at) {
            if let Some(fault) = import_fault(&accounts, &draft.account.name, import) {
                found.error(*at, fault);
            }
        }
        duplicates(found, draft);
    }
    for kind in [ShareKind::Stream, ShareKind::Service] {
        circles(found, drafts, kind);
    }
}

fn name_of(kind: ShareKind) -> &'static str {
    match kind {
        ShareKind::Stream => "stream",
        ShareKind::Service => "service",
    }
}

fn import_fault(
    accounts: &BTreeMap<&str, &Draft>,
    importer: &str,
    import: &Import,
) -> Option<String> {
    let kind = name_of(import.kind);
    let Some(exporter) = accounts.get(&*import.account) else {
        return Some(format!("{:?} account not defined for {kind} import", import.account));
    };
    let mut exports = exporter.account.exports.iter();
    let fits = exports.any(|export| export.kind == import.kind && admits(export, importer, import));
    let subject = &import.subject;
    (!fits).then(|| format!("Error adding {kind} import {subject:?}: {kind} import not authorized"))
}

/// Whether an export offers this subject to this account.
fn admits(export: &Export, importer: &str, import: &Import) -> bool {
    if !covers(export.subject.as_bytes(), import.subject.as_bytes()) {
        return false;
    }
    if let Some(position) = export.account_token_position {
        let index = usize::try_from(position).unwrap_or(usize::MAX).saturating_sub(1);
        return import.subject.split('.').nth(index) == Some(importer);
    }
    export.accounts.as_ref().is_none_or(|names| names.iter().any(|name| **name == *importer))
}

/// The same import twice.
fn duplicates(found: &mut Findings<'_>, draft: &Draft) {
    let mut seen: BTreeSet<(bool, &str, &str)> = BTreeSet::new();
    for (import, at) in draft.account.imports.iter().zip(&draft.imports_at) {
        let stream = import.kind == ShareKind::Stream;
        // One service may have several names here, one name several services elsewhere.
        let name =
            if stream { &import.subject } else { import.to.as_ref().unwrap_or(&import.subject) };
        if !seen.insert((stream, &import.account, name)) {
            found.error(
                *at,
                if stream {
                    format!("Error adding stream import {name:?}: stream import already exists")
                } else {
                    format!(
                        "Duplicate service import subject {name:?}, previously used in import for \
                     account {:?}",
                        import.account
                    )
                },
            );
        }
    }
}

/// One import of the graph: what it takes from whom, and under which name it has it.
struct Step<'d> {
    draft: &'d Draft,
    place: usize,
    import: &'d Import,
    map: ImportMap,
}

/// What has been seen of an import.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    New,
    OnWay,
    Done,
}

/// Finds imports that feed each other in a circle: an import is fed by those of its exporter whose
/// subjects there overlap with what it takes.
fn circles(found: &mut Findings<'_>, drafts: &[Draft], kind: ShareKind) {
    let mut steps: Vec<Step<'_>> = Vec::new();
    let mut of: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for draft in drafts {
        for (place, import) in draft.account.imports.iter().enumerate() {
            // What an account imports from itself is passed on once, as in nats-server.
            let own = import.account == draft.account.name;
            if import.kind == kind && !own {
                // What is no map was reported when it was read.
                let Ok(map) = ImportMap::new(&import.subject, import.to.as_deref()) else {
                    continue;
                };
                of.entry(&draft.account.name).or_default().push(steps.len());
                steps.push(Step { draft, place, import, map });
            }
        }
    }
    let mut marks = vec![Mark::New; steps.len()];
    for start in 0..steps.len() {
        if let Some(way) = circle(&steps, &of, &mut marks, start) {
            report(found, &steps, &way);
        }
    }
}

/// Walks from one import on, without recursion; the way of a circle if there is one.
fn circle(
    steps: &[Step<'_>],
    of: &BTreeMap<&str, Vec<usize>>,
    marks: &mut [Mark],
    start: usize,
) -> Option<Vec<usize>> {
    // INVARIANT: all indices are of `steps`, to which `marks` has the same length.
    if marks[start] != Mark::New {
        return None;
    }
    let mut way: Vec<(usize, usize)> = vec![(start, 0)];
    marks[start] = Mark::OnWay;
    let mut circle = None;
    while let Some((current, next)) = way.last_mut() {
        // INVARIANT: as above.
        let step = &steps[*current];
        let feeding = of.get(&*step.import.account).map_or(&[][..], Vec::as_slice);
        let Some(&candidate) = feeding.get(*next) else {
            // INVARIANT: as above.
            marks[*current] = Mark::Done;
            way.pop();
            continue;
        };
        *next += 1;
        // INVARIANT: as above.
        let (mark, local) = (marks[candidate], steps[candidate].map.local());
        if mark == Mark::Done || !overlaps(local.as_bytes(), step.import.subject.as_bytes()) {
            continue;
        }
        if mark == Mark::OnWay {
            let from = way.iter().position(|(index, _)| *index == candidate).unwrap_or_default();
            circle.get_or_insert_with(|| way.iter().skip(from).map(|(index, _)| *index).collect());
        } else {
            // INVARIANT: as above.
            marks[candidate] = Mark::OnWay;
            way.push((candidate, 0));
        }
    }
    circle
}

fn report(found: &mut Findings<'_>, steps: &[Step<'_>], way: &[usize]) {
    // INVARIANT: a way consists of indices of `steps`, and a circle of at least one.
    let first = &steps[way[0]];
    let mut names: Vec<String> = way
        .iter()
        .map(|&index| {
            // INVARIANT: as above.
            let step = &steps[index];
            format!("{} ({:?})", step.draft.account.name, step.import.subject)
        })
        .collect();
    names.push(first.draft.account.name.to_string());
    let at = first.draft.imports_at.get(first.place).copied().unwrap_or_default();
    found.error(at, format!("import forms a cycle: {}", names.join(" <- ")));
}
