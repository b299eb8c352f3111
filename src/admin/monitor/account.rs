//! One account as `/accountz` shows it.
//!
//! Absent: tokens, and the system's own imports, which nobody has configured. The fields and their
//! order are those of nats-server.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Monitor;
use super::moments::date_of_ms;
use super::subsz::SublistStats;
use super::varz::is_false;
use crate::config::access::{self, Export, Import, Latency, ResponseType, Sampling, ShareKind};
use crate::core::auth::account::OperatorAccount;
use crate::core::ids::AccountId;
use crate::core::report::account::AccountUse;

/// `/accountz`.
#[derive(Debug, Serialize)]
pub(super) struct Accountz {
    pub(super) server_id: String,
    pub(super) now: String,
    pub(super) system_account: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) accounts: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) account_detail: Option<AccountDetail>,
}

#[derive(Debug, Serialize)]
pub(super) struct AccountDetail {
    account_name: String,
    update_time: String,
    #[serde(skip_serializing_if = "is_false")]
    is_system: bool,
    expired: bool,
    complete: bool,
    jetstream_enabled: bool,
    leafnode_connections: u64,
    client_connections: u64,
    subscriptions: u64,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    mappings: BTreeMap<String, Vec<Destination>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    exports: Vec<ExportShown>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    imports: Vec<ImportShown>,
    #[serde(skip_serializing_if = "String::is_empty")]
    issuer_key: String,
    name_tag: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags: Vec<String>,
    sublist_stats: SublistStats,
}

/// Shares add up, as in nats-server: the last destination's is 100.
#[derive(Debug, Serialize)]
struct Destination {
    subject: String,
    weight: u32,
    #[serde(skip_serializing_if = "String::is_empty")]
    cluster: String,
}

#[derive(Debug, Serialize)]
struct ExportShown {
    subject: String,
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "is_false")]
    token_req: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_latency: Option<LatencyShown>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    approved_accounts: Vec<String>,
}

#[derive(Debug, Serialize)]
struct LatencyShown {
    sampling: u8,
    results: String,
}

#[derive(Debug, Serialize)]
struct ImportShown {
    subject: String,
    account: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<String>,
    local_subject: String,
    #[serde(rename = "type")]
    kind: &'static str,
    invalid: bool,
    share: bool,
    tracking: bool,
}

impl Monitor {
    /// What people call an account.
    pub(super) fn name_tag(&self, account: AccountId) -> String {
        let name = self.account_name(account);
        let known = self.operated(&name).map(|known| known.name.to_string());
        known.filter(|tag| !tag.is_empty()).unwrap_or(name)
    }

    fn operated(&self, name: &str) -> Option<&OperatorAccount> {
        self.news.operator.as_ref()?.account(name).map(|account| &**account)
    }

    /// Everything about one account.
    pub(super) fn account_detail(&self, account: AccountId, used: &AccountUse) -> AccountDetail {
        let name = self.account_name(account);
        let operated = self.operated(&name);
        let configured = self.news.config.access.accounts.iter();
        let written = operated.map(OperatorAccount::written);
        let written = written.or_else(|| configured.clone().find(|known| *known.name == *name));
        let exports = written.map_or(&[][..], |written| &written.exports);
        let imports = written.map_or(&[][..], |written| &written.imports);
        let global = &self.news.config.access.mappings;
        let mappings = match written {
            Some(written) => &written.mappings,
            None if account == AccountId::GLOBAL => global,
            None => &Vec::new(),
        };
        AccountDetail {
            update_time: date_of_ms(self.news.loaded_ms),
            is_system: account == AccountId::SYSTEM,
            expired: false,
            complete: true,
            jetstream_enabled: false,
            leafnode_connections: 0,
            client_connections: used.clients,
            subscriptions: used.subscriptions,
            mappings: mappings.iter().map(shown_mapping).collect(),
            exports: exports.iter().map(shown_export).collect(),
            imports: imports.iter().map(shown_import).collect(),
            issuer_key: operated.map(|known| known.issuer.to_string()).unwrap_or_default(),
            name_tag: self.name_tag(account),
            tags: operated.map(|known| known.tags.clone()).unwrap_or_default(),
            sublist_stats: SublistStats::of_account(used),
            account_name: name,
        }
    }
}

fn shown_mapping(mapping: &access::Mapping) -> (String, Vec<Destination>) {
    let mut sum = 0;
    let destinations = mapping.destinations.iter().map(|destination| {
        sum += u32::from(destination.weight);
        Destination {
            subject: destination.subject.to_string(),
            weight: sum,
            cluster: destination.cluster.as_deref().unwrap_or_default().to_owned(),
        }
    });
    (mapping.source.to_string(), destinations.collect())
}

fn shown_export(export: &Export) -> ExportShown {
    let is_service = export.kind == ShareKind::Service;
    let response = match export.response {
        ResponseType::Singleton => "Singleton",
        ResponseType::Stream => "Stream",
        ResponseType::Chunked => "Chunked",
    };
    let latency = |latency: &Latency| LatencyShown {
        sampling: match latency.sampling {
            Sampling::Percent(percent) => percent,
            Sampling::Headers => 0,
        },
        results: latency.subject.to_string(),
    };
    let approved = export.accounts.iter().flatten();
    ExportShown {
        subject: export.subject.to_string(),
        kind: kind(export.kind),
        token_req: export.token_required,
        response_type: is_service.then_some(response),
        service_latency: export.latency.as_ref().map(latency),
        approved_accounts: approved.map(ToString::to_string).collect(),
    }
}

fn shown_import(import: &Import) -> ImportShown {
    let local = import.to.as_deref().unwrap_or(&import.subject).to_owned();
    ImportShown {
        subject: import.subject.to_string(),
        account: import.account.to_string(),
        to: (import.kind == ShareKind::Service).then(|| local.clone()),
        local_subject: local,
        kind: kind(import.kind),
        invalid: false,
        share: import.share,
        tracking: false,
    }
}

fn kind(kind: ShareKind) -> &'static str {
    match kind {
        ShareKind::Stream => "stream",
        ShareKind::Service => "service",
    }
}
