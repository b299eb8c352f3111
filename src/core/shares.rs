//! Which imports the exports of other accounts satisfy, and which would go in circles.
//!
//! Absent: who listens, what flows, and whether an activation token is genuine, which the caller
//! says. Several exports can select one subject; the one with the same text decides, else the most
//! specific one, where nats-server takes any. A circle is one through at least two accounts; an
//! account may import from itself, there and here, so that a delivery must count its hops anyway.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use fanfare_protocol::subject::{covers, overlaps, tokens};

use super::ids::AccountId;
use super::subject_set::specificity;
use crate::config::access::{Account, Export, Import, ShareKind};
use crate::config::import_map::ImportMap;
use crate::config::transform::{TransformError, TransformProblem};

/// An import that is satisfied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Share {
    /// The account that imports.
    pub importer: AccountId,
    /// Which of its imports.
    pub import: usize,
    /// The account that exports.
    pub exporter: AccountId,
    /// Which of its exports.
    pub export: usize,
    /// The subjects on both sides.
    pub map: ImportMap,
}

/// An import that is not satisfied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedImport {
    /// The account that would import.
    pub importer: AccountId,
    /// Which of its imports.
    pub import: usize,
    /// Stream or service.
    pub kind: ShareKind,
    /// The exporting account's name.
    pub account: Box<str>,
    /// The subject in the exporting account.
    pub subject: Box<str>,
    /// Why not.
    pub problem: ShareProblem,
}

/// Why an import is not satisfied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ShareProblem {
    /// There is no account of this name.
    UnknownAccount,
    /// No export of the kind selects the subject, or not for this account.
    NotAuthorized,
    /// The importer has the same stream, or a service under this local subject, already.
    Duplicate {
        /// The local subject.
        local: Box<str>,
    },
    /// What comes out would come in again.
    Cycle,
    /// Too many accounts stand one behind the other to tell.
    SearchDepth,
    /// One of the subjects is not valid.
    BadSubject,
    /// The local subject does not fit the exporter's.
    Transform {
        /// The local subject, as written.
        local: Box<str>,
        /// What does not fit.
        error: TransformError,
    },
}

/// Satisfies the imports of all accounts with their exports: all streams, then all services, in the
/// order in which they are written. An earlier import is never refused because of a later one.
///
/// `activated` says whether the importer's activation token is good for the export.
pub fn satisfy(
    accounts: &[(AccountId, &Account)],
    activated: &mut impl FnMut(&Account, &Import, &Export) -> bool,
) -> (Vec<Share>, Vec<RefusedImport>) {
    let by_name: Accounts<'_> =
        accounts.iter().map(|(id, account)| (&*account.name, (*id, *account))).collect();
    let (mut shares, mut refused): (Vec<Share>, Vec<_>) = (Vec::new(), Vec::new());
    for kind in [ShareKind::Stream, ShareKind::Service] {
        let mut circles = Circles::new(kind);
        for (importer, account) in accounts {
            let own = shares.len();
            let imports = account.imports.iter().enumerate().filter(|(_, it)| it.kind == kind);
            for (import, wanted) in imports {
                let result = one(&by_name, account, wanted, activated).and_then(|found| {
                    let (exporter, export, map) = found;
                    let is_taken = |share: &Share| {
                        is_same(wanted, &map, &account.imports[share.import], &share.map)
                    };
                    if shares[own..].iter().any(is_taken) {
                        return Err(ShareProblem::Duplicate { local: map.local().into() });
                    }
                    let share = Share { importer: *importer, import, exporter, export, map };
                    circles.add(&share).map(|()| share)
                });
                match result {
                    Ok(share) => shares.push(share),
                    Err(problem) => refused.push(RefusedImport {
                        importer: *importer,
                        import,
                        kind,
                        account: wanted.account.clone(),
                        subject: wanted.subject.clone(),
                        problem,
                    }),
                }
            }
        }
    }
    (shares, refused)
}

type Accounts<'a> = BTreeMap<&'a str, (AccountId, &'a Account)>;

fn one(
    accounts: &Accounts<'_>,
    importer: &Account,
    import: &Import,
    activated: &mut impl FnMut(&Account, &Import, &Export) -> bool,
) -> Result<(AccountId, usize, ImportMap), ShareProblem> {
    let named = accounts.get(&*import.account).ok_or(ShareProblem::UnknownAccount)?;
    let (exporter, account) = named;
    let activated = &mut |export: &Export| activated(importer, import, export);
    let export = find_export(&account.exports, &importer.name, import, activated)
        .ok_or(ShareProblem::NotAuthorized)?;
    let map = ImportMap::new(&import.subject, import.to.as_deref()).map_err(|error| match error
        .problem()
    {
        TransformProblem::BadSubject if import.kind == ShareKind::Service => {
            ShareProblem::BadSubject
        }
        _ => {
            let local = import.to.as_deref().unwrap_or(&import.subject).into();
            ShareProblem::Transform { local, error }
        }
    })?;
    Ok((*exporter, export, map))
}

/// The export that satisfies an import, for the importer of this name.
pub fn find_export(
    exports: &[Export],
    importer: &str,
    import: &Import,
    activated: &mut impl FnMut(&Export) -> bool,
) -> Option<usize> {
    let wanted = import.subject.as_bytes();
    let selects =
        |export: &&Export| export.kind == import.kind && covers(export.subject.as_bytes(), wanted);
    let rank = |export: &&Export| (export.subject != import.subject, specificity(&export.subject));
    let subject = &exports.iter().filter(selects).min_by_key(rank)?.subject;
    // Several exports of one subject are one, as private as the most private of them.
    let same = |(_, export): &(usize, &Export)| selects(export) && export.subject == *subject;
    let mut same: Vec<_> = exports.iter().enumerate().filter(same).collect();
    if !same.iter().all(|(_, export)| is_public(export)) {
        same.retain(|(_, export)| !is_public(export));
    }
    let mut allowed =
        |(_, export): &&(usize, &Export)| is_allowed(export, importer, import, activated);
    same.iter().find(|it| allowed(it)).map(|(index, _)| *index)
}

/// Whether every account may use the export. An empty list is no list, as in nats-server.
fn is_public(export: &Export) -> bool {
    let positioned = export.account_token_position.is_some_and(|position| position > 0);
    let listed = export.accounts.as_ref().is_some_and(|accounts| !accounts.is_empty());
    !positioned && !listed && !export.token_required
}

/// Whether an account may use an export that selects the import's subject.
fn is_allowed(
    export: &Export,
    importer: &str,
    import: &Import,
    activated: &mut impl FnMut(&Export) -> bool,
) -> bool {
    if let Some(position) = export.account_token_position.filter(|position| *position > 0) {
        // INVARIANT: 32 bits fit into a usize on every target there is a build for.
        let token = tokens(import.subject.as_bytes()).nth(position as usize - 1);
        return token == Some(importer.as_bytes());
    }
    if export.token_required {
        return activated(export);
    }
    let named = |accounts: &[Box<str>]| accounts.iter().any(|account| **account == *importer);
    is_public(export) || export.accounts.as_deref().is_some_and(named)
}

/// Whether an account may not have both imports, which are of one kind.
fn is_same(import: &Import, map: &ImportMap, other: &Import, other_map: &ImportMap) -> bool {
    let same = match import.kind {
        ShareKind::Stream => import.subject == other.subject,
        ShareKind::Service => map.local() == other_map.local(),
    };
    same && import.account == other.account
}

/// The ways that messages of one kind take between accounts, without a circle among them.
#[derive(Debug)]
pub struct Circles {
    kind: ShareKind,
    /// By the account in which they begin.
    ways: BTreeMap<AccountId, Vec<Way>>,
}

/// One import, in the direction in which messages flow.
#[derive(Debug)]
struct Way {
    to: AccountId,
    map: ImportMap,
}

impl Circles {
    /// No ways yet.
    pub fn new(kind: ShareKind) -> Self {
        Self { kind, ways: BTreeMap::new() }
    }

    /// Adds an import of the kind, unless what it brings would come back to where it was taken
    /// from.
    pub fn add(&mut self, share: &Share) -> Result<(), ShareProblem> {
        let (exported, local) = (share.map.exported(), share.map.local());
        let (from, to, entry, exit) = match self.kind {
            ShareKind::Stream => (share.exporter, share.importer, exported, local),
            ShareKind::Service => (share.importer, share.exporter, local, exported),
        };
        if from != to {
            self.check((from, entry.as_bytes()), (to, exit.as_bytes()))?;
            self.ways.entry(from).or_default().push(Way { to, map: share.map.clone() });
        }
        Ok(())
    }

    /// Whether nothing that begins at `start` comes to any subject of `end`.
    fn check(
        &self,
        end: (AccountId, &[u8]),
        start: (AccountId, &[u8]),
    ) -> Result<(), ShareProblem> {
        let mut open = vec![(start.0, Box::<[u8]>::from(start.1))];
        let mut seen: BTreeSet<_> = open.iter().cloned().collect();
        while let Some((account, subject)) = open.pop() {
            if account == end.0 && overlaps(&subject, end.1) {
                return Err(ShareProblem::Cycle);
            }
            for way in self.ways.get(&account).into_iter().flatten() {
                let mut image = Vec::new();
                let found = match self.kind {
                    ShareKind::Stream => way.map.local_filter(&subject, &mut image),
                    ShareKind::Service => way.map.exported_filter(&subject, &mut image),
                };
                let next = (way.to, image.into_boxed_slice());
                if found && seen.insert(next.clone()) {
                    open.push(next);
                }
            }
            if seen.len() > SEARCHED_MAX {
                return Err(ShareProblem::SearchDepth);
            }
        }
        Ok(())
    }
}

/// Pairs of account and subject that one import may lead to.
const SEARCHED_MAX: usize = 4_096;

impl fmt::Display for RefusedImport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            ShareKind::Stream => "stream",
            ShareKind::Service => "service",
        };
        let Self { account, subject, .. } = self;
        if self.problem == ShareProblem::UnknownAccount {
            return write!(f, "{account:?} account not defined for {kind} import");
        }
        if let (ShareProblem::Duplicate { local }, ShareKind::Service) = (&self.problem, self.kind)
        {
            return write!(
                f,
                "Duplicate service import subject {local:?}, previously used in import for \
                 account {account:?}, subject {subject:?}"
            );
        }
        write!(f, "Error adding {kind} import {subject:?}: ")?;
        match &self.problem {
            ShareProblem::UnknownAccount => Ok(()),
            ShareProblem::NotAuthorized => write!(f, "{kind} import not authorized"),
            ShareProblem::Duplicate { .. } => f.write_str("stream import already exists"),
            ShareProblem::Cycle => f.write_str("import forms a cycle"),
            ShareProblem::SearchDepth => f.write_str("search cycle depth exhausted"),
            ShareProblem::BadSubject => f.write_str("sublist: invalid subject"),
            ShareProblem::Transform { local, error } => {
                let (from, to) = match self.kind {
                    ShareKind::Stream => (subject, local),
                    ShareKind::Service => (local, subject),
                };
                write!(
                    f,
                    "failed to create mapping transform for {kind} import subject from \
                     {from:?} to {to:?}: {error}"
                )
            }
        }
    }
}

impl std::error::Error for RefusedImport {}

#[cfg(test)]
mod tests;
