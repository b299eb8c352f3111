//! Exports and imports of an account's JWT in the broker's own shapes, and activation tokens.
//!
//! Absent: routing what is shared, and whether an import meets an export: that is asked where
//! accounts are put together. What a JWT says wrong here voids the whole JWT, as in nats-server.

use std::collections::BTreeMap;

use fanfare_protocol::subject::{Filter, covers, token_count, tokens};

use super::claims::{ActivationPart, Claims, ExportPart, ImportPart, LatencyPart};
use super::claims::{SamplingPart, ShareType};
use super::jwt::{self, Signed, Version};
use super::key::KeyKind;
use super::rights::is_subject;
use crate::config::access::{Export, Import, Latency, ResponseType, Sampling, ShareKind};

/// Exports; `None` when one of them is wrong, or two of a kind overlap.
pub(super) fn exports(parts: &[ExportPart]) -> Option<Vec<Export>> {
    if parts.len() > SHARES_MAX {
        return None;
    }
    let found: Vec<Export> = parts.iter().map(export).collect::<Option<_>>()?;
    for (index, left) in found.iter().enumerate() {
        let others = found.iter().enumerate().filter(|(other, _)| *other != index);
        let mut same = others.filter(|(_, right)| right.kind == left.kind);
        if same.any(|(_, right)| is_within(&left.subject, &right.subject)) {
            return None;
        }
    }
    Some(found)
}

fn export(part: &ExportPart) -> Option<Export> {
    let service = part.kind == ShareType::Service;
    let response = match (&part.response_type[..], service) {
        ("", _) | ("Singleton", true) => ResponseType::Singleton,
        ("Stream", true) => ResponseType::Stream,
        ("Chunked", true) => ResponseType::Chunked,
        _ => return None,
    };
    let threshold = u64::try_from(part.response_threshold).ok()?;
    let only_services = part.service_latency.is_some() || threshold > 0 || part.allow_trace;
    if !is_pattern(&part.subject) || (only_services && !service) {
        return None;
    }
    let position = part.account_token_position;
    if position > 0 {
        let index = usize::try_from(position - 1).ok()?;
        if tokens(part.subject.as_bytes()).nth(index) != Some(b"*") {
            return None;
        }
    }
    Some(Export {
        kind: kind(part.kind),
        subject: part.subject.as_str().into(),
        accounts: None,
        token_required: part.token_req,
        revocations: part.revocations.iter().map(|(key, at)| (key.as_str().into(), *at)).collect(),
        response,
        response_threshold_ns: (threshold > 0).then_some(threshold),
        latency: part.service_latency.as_ref().map(latency).transpose().ok()?,
        account_token_position: (position > 0).then_some(position),
        allow_trace: part.allow_trace,
    })
}

fn latency(part: &LatencyPart) -> Result<Latency, ()> {
    let sampling = match &part.sampling {
        SamplingPart::Percent(0) => Sampling::Headers,
        SamplingPart::Percent(percent @ 1..=100) => {
            Sampling::Percent(u8::try_from(*percent).map_err(|_| ())?)
        }
        SamplingPart::Word(word) if word.eq_ignore_ascii_case("headers") => Sampling::Headers,
        SamplingPart::Percent(_) | SamplingPart::Word(_) => return Err(()),
    };
    let literal = Filter::parse(part.results.as_bytes()).is_some_and(Filter::is_literal);
    if !literal {
        return Err(());
    }
    Ok(Latency { subject: part.results.as_str().into(), sampling })
}

/// Imports; `None` when one of them is wrong, or two services of one account overlap.
pub(super) fn imports(parts: &[ImportPart], importer: &str) -> Option<Vec<Import>> {
    if parts.len() > SHARES_MAX {
        return None;
    }
    let found: Vec<Import> =
        parts.iter().map(|part| import(part, importer)).collect::<Option<_>>()?;
    let mut services: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for part in parts.iter().filter(|part| part.kind == ShareType::Service) {
        let taken = services.entry(&part.account).or_default();
        let subject = [&part.to, &part.local_subject, &part.subject];
        let subject = unnumbered(subject.into_iter().find(|text| !text.is_empty())?);
        let overlap = |other: &String| is_within(&subject, other) || is_within(other, &subject);
        if taken.iter().any(overlap) {
            return None;
        }
        taken.push(subject);
    }
    Some(found)
}

fn import(part: &ImportPart, importer: &str) -> Option<Import> {
    let service = part.kind == ShareType::Service;
    let twice = !part.to.is_empty() && !part.local_subject.is_empty();
    if part.account.is_empty() || twice || (service && part.allow_trace) || (part.share && !service)
    {
        return None;
    }
    let (subject, to) = if !part.local_subject.is_empty() {
        if !renames(&part.local_subject, &part.subject) {
            return None;
        }
        (part.subject.clone(), Some(part.local_subject.clone()))
    } else if part.to.is_empty() {
        (part.subject.clone(), None)
    } else if service {
        // The old way: the importer's subject is `subject`, the exporter's is `to`.
        (part.to.clone(), Some(part.subject.clone()))
    } else {
        let prefix = part.to.strip_suffix('.').unwrap_or(&part.to);
        (part.subject.clone(), Some(format!("{prefix}.{}", part.subject)))
    };
    if !is_pattern(&subject) || !to.as_deref().is_none_or(is_pattern) {
        return None;
    }
    if !part.token.is_empty() {
        activation(&part.token, &part.account, importer, part.kind, &subject)?;
    }
    Some(Import {
        kind: kind(part.kind),
        account: part.account.as_str().into(),
        subject: subject.into(),
        to: to.map(Into::into),
        share: part.share,
        token: (!part.token.is_empty()).then(|| part.token.as_str().into()),
        allow_trace: part.allow_trace,
    })
}

/// What an activation token allows, when it is one, for this importer, from this exporter, for this
/// subject. Its times and its issuer are asked later, when the exporter is known.
fn activation(
    token: &str,
    exporter: &str,
    importer: &str,
    kind: ShareType,
    subject: &str,
) -> Option<Activation> {
    let found = read_activation(token)?;
    let from_exporter = found.issuer == exporter || found.issuer_account == exporter;
    let fits = found.importer == importer && found.kind == kind;
    (from_exporter && fits && is_within(subject, &found.subject)).then_some(found)
}

/// An activation token.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Activation {
    claims: Claims<()>,
    importer: String,
    issuer: String,
    issuer_account: String,
    kind: ShareType,
    subject: String,
}

/// Reads an activation token.
pub(super) fn read_activation(token: &str) -> Option<Activation> {
    let Signed { claims, version } = jwt::decode::<ActivationPart>(token).ok()?;
    let (kind, issuer_account) = match version {
        Version::Two => (claims.nats.kind?, claims.nats.issuer_account),
        Version::One => {
            let kind = match &claims.nats.old_kind[..] {
                "stream" => ShareType::Stream,
                "service" => ShareType::Service,
                _ => return None,
            };
            (kind, claims.old_issuer_account)
        }
    };
    let named = issuer_account.is_empty() || KeyKind::Account.is_key(&issuer_account);
    if !named || !is_pattern(&claims.nats.subject) {
        return None;
    }
    Some(Activation {
        claims: Claims {
            expires_s: claims.expires_s,
            issued_s: claims.issued_s,
            not_before_s: claims.not_before_s,
            ..Claims::default()
        },
        importer: claims.subject,
        issuer: claims.issuer,
        issuer_account,
        kind,
        subject: claims.nats.subject,
    })
}

/// Who says whether an activation token is good: the exporting account.
pub(super) struct Exporter<'a> {
    /// Its key.
    pub(super) key: &'a str,
    /// Whether a key signs for it.
    pub(super) signs: &'a dyn Fn(&str) -> bool,
    /// What it exports.
    pub(super) exports: &'a [Export],
}

/// Whether an import may be made, as far as tokens go, and until when (Unix seconds).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Approval {
    /// It may, for as long as both accounts stay as they are.
    Always,
    /// It may until the token expires.
    Until(i64),
    /// It may not.
    Refused,
    /// It may not yet, and may from this time on.
    From(i64),
}

/// Whether the importer may make this import of its own, at this time.
pub(super) fn approve(import: &Import, exporter: &Exporter<'_>, now_s: i64) -> Approval {
    let covers = |export: &&Export| {
        export.kind == import.kind && is_within(&import.subject, &export.subject)
    };
    // The export of exactly this subject comes before a wider one.
    let exact = exporter.exports.iter().filter(covers);
    let export = exact.clone().find(|export| export.subject == import.subject);
    let Some(export) = export.or_else(|| exact.clone().next()) else { return Approval::Refused };
    if export.account_token_position.is_some() || !export.token_required {
        return Approval::Always;
    }
    let Some(token) = import.token.as_deref().and_then(read_activation) else {
        return Approval::Refused;
    };
    let signed_by_itself = token.issuer_account.is_empty() && token.issuer == exporter.key;
    let signed_for_it = token.issuer_account == exporter.key && (exporter.signs)(&token.issuer);
    if !signed_by_itself && !signed_for_it {
        return Approval::Refused;
    }
    let revocations = export.revocations.iter();
    let mut revocations = revocations.filter(|(key, _)| **key == *token.importer || **key == *"*");
    if revocations.any(|(_, at)| token.claims.issued_s <= *at) {
        return Approval::Refused;
    }
    let claims = &token.claims;
    if claims.expires_s != 0 && claims.expires_s <= now_s {
        return Approval::Refused;
    }
    if claims.not_before_s > now_s {
        return Approval::From(claims.not_before_s);
    }
    if claims.expires_s == 0 { Approval::Always } else { Approval::Until(claims.expires_s) }
}

/// Whether every subject of the first pattern is one of the second.
fn is_within(inner: &str, outer: &str) -> bool {
    covers(outer.as_bytes(), inner.as_bytes())
}

/// Whether a local subject names each wildcard of the imported one, by itself or by number.
fn renames(local: &str, subject: &str) -> bool {
    let rest = |text: &str| text == ">" || text.ends_with(".>");
    if !is_subject(local) || rest(local) != rest(subject) {
        return false;
    }
    let wildcards = subject.split('.').filter(|token| *token == "*").count();
    let mut named = 0;
    for token in local.split('.') {
        let number = token.strip_prefix('$').and_then(|digits| digits.parse::<usize>().ok());
        match number {
            Some(number) if number == 0 || number > wildcards => return false,
            Some(_) => named += 1,
            None if token == "*" => named += 1,
            None => {}
        }
    }
    named == wildcards
}

/// A local subject with `*` where it names a wildcard by its number.
fn unnumbered(local: &str) -> String {
    let numbered =
        |token: &str| token.strip_prefix('$').is_some_and(|digits| digits.parse::<usize>().is_ok());
    let plain = |token| if numbered(token) { "*" } else { token };
    local.split('.').map(plain).collect::<Vec<_>>().join(".")
}

fn is_pattern(text: &str) -> bool {
    let bytes = text.as_bytes();
    Filter::parse(bytes).is_some() && token_count(bytes) <= SHARE_TOKENS_MAX
}

fn kind(part: ShareType) -> ShareKind {
    match part {
        ShareType::Stream => ShareKind::Stream,
        ShareType::Service => ShareKind::Service,
    }
}

/// Exports, or imports, of one account: they are compared with each other.
const SHARES_MAX: usize = 4096;
/// Tokens of a subject that is shared.
const SHARE_TOKENS_MAX: usize = 256;
