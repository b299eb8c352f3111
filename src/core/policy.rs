//! What a configuration says about clients, accounts and their bounds, as one value for all shards.
//!
//! Absent: changing it. A new configuration makes a new policy, which every shard swaps in between
//! two turns and then holds each of its clients to (`review`).

use std::borrow::Cow;
use std::fmt;

use super::accounts::Accounts;
use super::accounts::AccountsError;
use super::auth::authority::{Authority, AuthorityError};
use super::auth::delegation::Premises;
use super::auth::operator;
use crate::config::Config;
use crate::config::access::{Account, Rate};

/// See the module's head.
#[derive(Debug)]
pub struct Policy {
    /// Who may enter.
    pub authority: Authority,
    /// The accounts.
    pub accounts: Accounts,
    /// How long a client may take to come in, in nanoseconds; 0 for ever.
    pub entry_timeout_ns: u64,
    /// Whether connections are counted by account, user or address: then every decision is made
    /// where the counts are.
    pub counts_connections: bool,
    /// Connections of one user; `None` for any number.
    pub user_connections_max: Option<u32>,
    /// Connections from one address; `None` for any number.
    pub address_connections_max: Option<u32>,
    /// Flow of each connection.
    pub connection_rate: Rate,
    /// What the broker says of itself in events: `server_tags` and `server_metadata`.
    pub tags: Vec<String>,
    /// See `tags`.
    pub metadata: Vec<(String, String)>,
}

impl Policy {
    /// The policy of a broker that lets everybody in.
    pub fn open() -> Self {
        Self {
            authority: Authority::open(),
            accounts: Accounts::none(),
            entry_timeout_ns: Self::ENTRY_TIMEOUT_NS,
            counts_connections: false,
            user_connections_max: None,
            address_connections_max: None,
            connection_rate: Rate::default(),
            tags: Vec::new(),
            metadata: Vec::new(),
        }
    }

    /// What a configuration says; accounts that `before` knows keep their numbers. The seed is the
    /// broker's, the same for all its configurations.
    pub fn compile(
        config: &Config,
        before: &Accounts,
        premises: &Premises,
        seed: u64,
    ) -> Result<Self, PolicyError> {
        let access = &config.access;
        let authority = Authority::new(access, &config.listeners, premises, seed)?;
        let accounts = match &premises.operator {
            Some(operator) if access.operator.is_some() => {
                let (accounts, _) = operator.accounts(operator::seconds(premises.wall_ms));
                Cow::Owned(accounts)
            }
            Some(_) | None => Cow::Borrowed(&access.accounts),
        };
        let named = premises.operator.as_ref().and_then(|operator| operator.system_account());
        let system = access.system_account.as_deref().or(named);
        let is_counted = |account: &Account| account.limits.connections_max.is_some();
        let counts_connections = access.user_connections_max.is_some()
            || access.address_connections_max.is_some()
            || accounts.iter().any(is_counted);
        let accounts = Accounts::compile(&accounts, &access.mappings, system, before)?;
        Ok(Self {
            authority,
            accounts,
            entry_timeout_ns: access.timeout_ns.unwrap_or(Self::ENTRY_TIMEOUT_NS),
            counts_connections,
            user_connections_max: access.user_connections_max,
            address_connections_max: access.address_connections_max,
            connection_rate: access.connection_rate,
            tags: config.server_tags.clone(),
            metadata: config.server_metadata.clone(),
        })
    }

    /// Whether anybody has to be asked before a client is in: who it is, or how many there are.
    pub fn asks(&self) -> bool {
        self.counts_connections || !self.authority.is_open()
    }

    /// How long a client may take to come in unless the configuration says otherwise.
    pub const ENTRY_TIMEOUT_NS: u64 = 2_000_000_000;
}

/// Why a configuration makes no policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PolicyError {
    /// Its users.
    Authority(AuthorityError),
    /// Its accounts.
    Accounts(AccountsError),
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Authority(error) => error.fmt(f),
            Self::Accounts(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for PolicyError {}

impl From<AuthorityError> for PolicyError {
    fn from(error: AuthorityError) -> Self {
        Self::Authority(error)
    }
}

impl From<AccountsError> for PolicyError {
    fn from(error: AccountsError) -> Self {
        Self::Accounts(error)
    }
}
