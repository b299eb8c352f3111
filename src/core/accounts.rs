//! The accounts of a broker, ready for messages: bounds, mappings, and who shares what with whom.
//!
//! Absent: users (`auth`) and subscriptions (`interest`). A table is made once for each
//! configuration and never changed; an account keeps its number for as long as the broker runs, so
//! that what clients and filters are bound to stays the same account in the next table.

use std::collections::BTreeMap;

use fanfare_protocol::subject::covers;

use super::ids::AccountId;
use super::mappings::{MappingError, Mappings};
use super::shares;
use crate::config::access::{self, AccountLimits, Export, Latency, ResponseType, ShareKind};
use crate::config::import_map::ImportMap;

/// One account.
#[derive(Debug, Default)]
pub struct Account {
    name: Box<str>,
    tag: Option<Box<str>>,
    /// Bounds.
    pub limits: AccountLimits,
    pub(crate) mappings: Option<Mappings>,
    /// Where traces go that tracing systems ask for.
    pub(crate) trace: Option<access::MessageTrace>,
    /// Streams of this account that others import.
    pub(crate) streams: Vec<StreamShare>,
    /// Services of others that this account imports.
    pub(crate) services: Vec<ServiceShare>,
    /// Whether it exists in the present configuration.
    present: bool,
}

impl Account {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What people call it: an operator's accounts are named by keys.
    pub fn tag(&self) -> &str {
        self.tag.as_deref().unwrap_or(&self.name)
    }

    /// Whether its messages need more than a plan in their own account.
    pub(crate) fn is_special(&self) -> bool {
        self.mappings.is_some()
            || self.crosses()
            || self.limits.payload_max.is_some()
            || self.limits.rate != access::Rate::default()
    }

    /// Whether its messages may enter other accounts.
    pub(crate) fn crosses(&self) -> bool {
        !self.streams.is_empty() || !self.services.is_empty()
    }
}

/// A stream that leads from an account to one that imports it.
#[derive(Debug)]
pub(crate) struct StreamShare {
    pub(crate) to: AccountId,
    pub(crate) map: ImportMap,
    /// Traces tell who receives it.
    pub(crate) allow_trace: bool,
}

/// A service that leads from an account that imports it to the one that exports it.
#[derive(Debug)]
pub(crate) struct ServiceShare {
    pub(crate) to: AccountId,
    pub(crate) map: ImportMap,
    pub(crate) response: ResponseType,
    pub(crate) threshold_ns: u64,
    pub(crate) share: bool,
    pub(crate) latency: Option<Latency>,
    /// Traces tell where requests go.
    pub(crate) allow_trace: bool,
}

/// See the module's head.
#[derive(Debug)]
pub struct Accounts {
    list: Vec<Account>,
    by_name: BTreeMap<Box<str>, AccountId>,
    /// Imports that nobody exports to their account, for the operator.
    complaints: Vec<String>,
}

impl Accounts {
    /// The table of a broker without any configured account.
    pub fn none() -> Self {
        let named = |name: &str| Account { name: name.into(), present: true, ..Account::default() };
        let list = vec![named(GLOBAL), named(SYSTEM)];
        let by_name = [(GLOBAL.into(), AccountId::GLOBAL), (SYSTEM.into(), AccountId::SYSTEM)];
        Self { list, by_name: by_name.into_iter().collect(), complaints: Vec::new() }
    }

    /// The table of a configuration; accounts that `before` knows keep their numbers.
    pub fn compile(
        accounts: &[access::Account],
        global_mappings: &[access::Mapping],
        system: Option<&str>,
        before: &Self,
    ) -> Result<Self, AccountsError> {
        let mut table = Self::none();
        for known in before.list.iter().skip(2) {
            table.insert(known.name.clone());
        }
        if let Some(system) = system.filter(|name| *name != SYSTEM) {
            table.by_name.remove(SYSTEM);
            table.by_name.insert(system.into(), AccountId::SYSTEM);
            table.list[AccountId::SYSTEM.index()].name = system.into();
        }
        for account in accounts {
            let id = match table.by_name.get(&account.name) {
                Some(id) => *id,
                None => table.insert(account.name.clone()),
            };
            if table.list.len() > ACCOUNTS_MAX {
                return Err(AccountsError::TooMany);
            }
            let mappings = mappings(&account.name, &account.mappings)?;
            let entry = &mut table.list[id.index()];
            entry.present = true;
            entry.limits = account.limits;
            entry.mappings = mappings;
            entry.trace.clone_from(&account.trace);
            entry.tag.clone_from(&account.display_name);
        }
        if !global_mappings.is_empty() {
            let mappings = mappings(GLOBAL, global_mappings)?;
            table.list[AccountId::GLOBAL.index()].mappings = mappings;
        }
        let system = table.list[AccountId::SYSTEM.index()].name.clone();
        table.connect(accounts, &system);
        Ok(table)
    }

    /// The account with this name, if it is in the present configuration.
    pub fn find(&self, name: &str) -> Option<AccountId> {
        let id = *self.by_name.get(name)?;
        self.list.get(id.index()).is_some_and(|account| account.present).then_some(id)
    }

    /// The accounts of the present configuration, by their names.
    pub fn present(&self) -> impl Iterator<Item = AccountId> {
        let ids = self.by_name.values().copied();
        ids.filter(|id| self.list.get(id.index()).is_some_and(|account| account.present))
    }

    /// What is known of an account; of a number that was never given out, nothing.
    #[inline]
    pub fn get(&self, id: AccountId) -> &Account {
        // INVARIANT: numbers come from this table or an earlier one, whose accounts it contains;
        // the first account always exists.
        self.list.get(id.index()).unwrap_or(&self.list[0])
    }

    /// Imports that lead nowhere, for the operator.
    pub fn complaints(&self) -> &[String] {
        &self.complaints
    }

    fn insert(&mut self, name: Box<str>) -> AccountId {
        let id = AccountId::from_index(self.list.len());
        self.list.push(Account { name: name.clone(), ..Account::default() });
        self.by_name.insert(name, id);
        id
    }

    /// Satisfies imports; what is not satisfied leads nowhere.
    fn connect(&mut self, accounts: &[access::Account], system: &str) {
        let is_system = |account: &&access::Account| *account.name == *system;
        let extended = with_exports_of_system(accounts.iter().find(is_system), system);
        let added = (!accounts.iter().any(|account| is_system(&account))).then_some(&extended);
        let all = accounts.iter().map(|it| if is_system(&it) { &extended } else { it });
        let all = all.chain(added);
        let named = all.filter_map(|account| Some((self.find(&account.name)?, account)));
        let named: Vec<_> = named.collect();
        // Whoever made the list has checked the tokens, and left out what they do not activate.
        let (shares, refused) = shares::satisfy(&named, &mut |_, import, _| import.token.is_some());
        let of = |id| named.iter().find(|(other, _)| *other == id).map(|(_, account)| *account);
        for share in shares {
            let (Some(importer), Some(exporter)) = (of(share.importer), of(share.exporter)) else {
                continue;
            };
            // INVARIANT: both indexes were taken from these lists.
            let (import, export) =
                (&importer.imports[share.import], &exporter.exports[share.export]);
            match import.kind {
                ShareKind::Stream => {
                    let stream = StreamShare {
                        to: share.importer,
                        map: share.map,
                        allow_trace: import.allow_trace,
                    };
                    self.list[share.exporter.index()].streams.push(stream);
                }
                ShareKind::Service => {
                    self.list[share.importer.index()].services.push(ServiceShare {
                        to: share.exporter,
                        map: share.map,
                        response: export.response,
                        threshold_ns: threshold(export),
                        share: import.share,
                        latency: export.latency.clone(),
                        allow_trace: export.allow_trace,
                    });
                }
            }
        }
        for refused in refused {
            let importer = self.get(refused.importer).name();
            self.complaints.push(format!("Account {importer:?}: {refused}"));
        }
    }
}

/// Why accounts cannot be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccountsError {
    /// More than a broker has room for.
    TooMany,
    /// A mapping of the named account.
    Mapping(Box<str>, MappingError),
}

impl std::fmt::Display for AccountsError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::TooMany => write!(f, "more than {ACCOUNTS_MAX} accounts"),
            Self::Mapping(account, error) => write!(f, "mapping of account {account:?}: {error}"),
        }
    }
}

impl std::error::Error for AccountsError {}

fn mappings(
    account: &str,
    mappings: &[access::Mapping],
) -> Result<Option<Mappings>, AccountsError> {
    if mappings.is_empty() {
        return Ok(None);
    }
    let bad = |error| AccountsError::Mapping(account.into(), error);
    Mappings::compile(mappings).map(Some).map_err(bad)
}

/// The system account with the services that every account may import, as nats-server adds them:
/// about itself, because its name must stand in the subject.
fn with_exports_of_system(written: Option<&access::Account>, name: &str) -> access::Account {
    let mut account = match written {
        Some(account) => account.clone(),
        None => access::Account { name: name.into(), ..access::Account::default() },
    };
    for (subject, position) in [
        ("$SYS.REQ.ACCOUNT.*.CONNZ", Some(4)),
        ("$SYS.REQ.ACCOUNT.*.STATZ", Some(4)),
        ("$SYS.DEBUG.SUBSCRIBERS", None),
    ] {
        let selects = |export: &Export| {
            export.kind == ShareKind::Service
                && covers(export.subject.as_bytes(), subject.as_bytes())
        };
        if !account.exports.iter().any(selects) {
            account.exports.push(Export {
                kind: ShareKind::Service,
                subject: subject.into(),
                accounts: None,
                token_required: false,
                revocations: Vec::new(),
                response: ResponseType::Stream,
                response_threshold_ns: None,
                latency: None,
                account_token_position: position,
                allow_trace: false,
            });
        }
    }
    account
}

fn threshold(export: &Export) -> u64 {
    export.response_threshold_ns.unwrap_or(RESPONSE_THRESHOLD_NS).max(1)
}

/// The account of clients that have none of their own.
pub const GLOBAL: &str = "$G";
/// The system account, unless the configuration names another.
pub const SYSTEM: &str = "$SYS";
/// Accounts of one broker.
pub const ACCOUNTS_MAX: usize = 1 << 20;
/// How long an answer is waited for unless the export says otherwise (nats-server: two minutes).
const RESPONSE_THRESHOLD_NS: u64 = 120_000_000_000;
