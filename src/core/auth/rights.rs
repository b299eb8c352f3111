//! Permissions, connection types and bounds of a JWT in the broker's own shapes.
//!
//! Absent: templates (`template`), and asking permissions for a message (`core::permissions`).

use fanfare_protocol::subject::Filter;

use super::claims::{ResponsesPart, RulesPart};
use crate::config::access::{ConnectionType, Permissions, ResponseGrant, Rule, Rules};

/// Claims that void the JWT they stand in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wrong;

/// Permissions as a JWT says them; `None` for those that say nothing.
///
/// A deny that cannot be understood voids the JWT. An allow that cannot be understood allows
/// nothing, as in nats-server.
pub(super) fn permissions(
    publish: &RulesPart,
    subscribe: &RulesPart,
    responses: Option<ResponsesPart>,
) -> Result<Option<Permissions>, Wrong> {
    let silent = |rules: &RulesPart| rules.allow.is_empty() && rules.deny.is_empty();
    let mut found = Permissions {
        publish: rules(publish, Side::Publish)?,
        subscribe: rules(subscribe, Side::Subscribe)?,
        responses: responses.map(grant),
        no_wildcards: false,
    };
    if silent(publish) && silent(subscribe) && responses.is_none() {
        return Ok(None);
    }
    if found.responses.is_some() && found.publish.allow.is_none() {
        // Who may answer, and was allowed nothing else, may only answer.
        found.publish.allow = Some(Vec::new());
    }
    Ok(Some(found))
}

/// Which list a rule stands in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Publish,
    Subscribe,
}

fn rules(part: &RulesPart, side: Side) -> Result<Rules, Wrong> {
    let mut allow = Vec::new();
    for text in &part.allow {
        allow.extend(rule(text, side)?);
    }
    let deny: Result<_, Wrong> =
        part.deny.iter().map(|text| rule(text, side)?.ok_or(Wrong)).collect();
    Ok(Rules { allow: (!part.allow.is_empty()).then_some(allow), deny: deny? })
}

/// One entry; `None` when it is of the right shape and yet no pattern.
fn rule(text: &str, side: Side) -> Result<Option<Rule>, Wrong> {
    let mut parts = text.split(' ');
    let (subject, queue) = (parts.next().unwrap_or_default(), parts.next());
    let queue_allowed = queue.is_none() || side == Side::Subscribe;
    if parts.next().is_some() || !queue_allowed {
        return Err(Wrong);
    }
    if !is_subject(subject) || queue.is_some_and(|queue| !is_subject(queue)) {
        return Err(Wrong);
    }
    let pattern = |text: &str| Filter::parse(text.as_bytes()).is_some();
    let understood = pattern(subject) && queue.is_none_or(pattern);
    Ok(understood.then(|| Rule { subject: subject.into(), queue: queue.map(Into::into) }))
}

/// What the libraries of NATS take for a subject in a JWT: no blank, and no empty token.
pub(super) fn is_subject(text: &str) -> bool {
    !text.contains(' ') && text.split('.').all(|token| !token.is_empty())
}

fn grant(part: ResponsesPart) -> ResponseGrant {
    let default = ResponseGrant::DEFAULT;
    ResponseGrant {
        max: match part.max {
            0 => default.max,
            max => bound(max),
        },
        expires_ns: match part.ttl {
            0 => default.expires_ns,
            ttl => u64::try_from(ttl).ok(),
        },
    }
}

/// A bound as JWTs say it: what is negative is none, what is too large is the largest.
pub(super) fn bound(number: i64) -> Option<u32> {
    (number >= 0).then(|| u32::try_from(number).unwrap_or(u32::MAX))
}

/// Whether a connection of this type may be used. Types that are not known allow nothing, and a
/// list without any known one does not allow all.
pub(super) fn type_allowed(names: &[String], used: ConnectionType) -> bool {
    names.is_empty() || names.iter().any(|name| ConnectionType::parse(name) == Some(used))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(allow: &[&str], deny: &[&str]) -> RulesPart {
        let own = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
        RulesPart { allow: own(allow), deny: own(deny) }
    }
    fn plain(subject: &str) -> Rule {
        Rule { subject: subject.into(), queue: None }
    }

    #[test]
    fn silence_is_no_permissions() {
        assert_eq!(permissions(&part(&[], &[]), &part(&[], &[]), None), Ok(None));
    }

    #[test]
    fn rules_have_queues_on_one_side_only() {
        let queue = Rule { subject: "a.*".into(), queue: Some("q.>".into()) };
        let found = permissions(&part(&["a"], &[]), &part(&["a.* q.>"], &["b"]), None);
        let found = found.unwrap().unwrap();
        assert_eq!(found.publish.allow, Some(vec![plain("a")]));
        assert_eq!(found.subscribe, Rules { allow: Some(vec![queue]), deny: vec![plain("b")] });
        assert_eq!(permissions(&part(&["a q"], &[]), &part(&[], &[]), None), Err(Wrong));
        assert_eq!(permissions(&part(&[], &[]), &part(&["a b c"], &[]), None), Err(Wrong));
    }

    #[test]
    fn entries_of_the_wrong_shape_void_it() {
        for wrong in ["", ".", "a.", ".a", "a..b", " a", "a ", "a  q"] {
            assert_eq!(
                permissions(&part(&[], &[]), &part(&[wrong], &[]), None),
                Err(Wrong),
                "{wrong}"
            );
            assert_eq!(
                permissions(&part(&[], &[]), &part(&[], &[wrong]), None),
                Err(Wrong),
                "{wrong}"
            );
        }
    }

    #[test]
    fn what_is_no_pattern_allows_nothing_and_denies_at_all_costs() {
        let found = permissions(&part(&["a.>.b", "a\tb"], &[]), &part(&[], &[]), None);
        assert_eq!(found.unwrap().unwrap().publish.allow, Some(vec![]));
        assert_eq!(permissions(&part(&[], &["a.>.b"]), &part(&[], &[]), None), Err(Wrong));
    }

    #[test]
    fn who_may_only_answer_may_publish_nothing_else() {
        let grant = |max, ttl| {
            let found =
                permissions(&part(&[], &[]), &part(&[], &[]), Some(ResponsesPart { max, ttl }));
            let found = found.unwrap().unwrap();
            assert_eq!(found.publish.allow, Some(vec![]));
            found.responses.unwrap()
        };
        assert_eq!(grant(0, 0), ResponseGrant::DEFAULT);
        assert_eq!(grant(-1, -1), ResponseGrant { max: None, expires_ns: None });
        assert_eq!(grant(5, 7), ResponseGrant { max: Some(5), expires_ns: Some(7) });
        assert_eq!(grant(i64::MAX, 7).max, Some(u32::MAX));
    }

    #[test]
    fn unknown_types_do_not_open_the_others() {
        let own = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        assert!(type_allowed(&[], ConnectionType::Standard));
        assert!(type_allowed(&own(&["telex", "standard"]), ConnectionType::Standard));
        assert!(!type_allowed(&own(&["telex"]), ConnectionType::Standard));
        assert!(!type_allowed(&own(&["WEBSOCKET"]), ConnectionType::Standard));
    }
}
