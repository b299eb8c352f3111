//! Permissions with holes in them, which a scoped signing key prescribes and a user's JWT fills.
//!
//! Absent: who may use a scope (`user`). Values are put in once and never read as templates
//! themselves. What a tag or a name holds becomes text of a subject, and never a wildcard.

use fanfare_protocol::subject::Filter;

use super::claims::{RulesPart, UserPart};

/// What the holes can be filled with.
pub(super) struct Facts<'a> {
    /// The user's name.
    pub(super) name: &'a str,
    /// The user's key.
    pub(super) subject: &'a str,
    /// The account's name.
    pub(super) account_name: &'a str,
    /// The account's key.
    pub(super) account_subject: &'a str,
    /// The user's tags.
    pub(super) tags: &'a [String],
    /// The account's tags.
    pub(super) account_tags: &'a [String],
}

/// Fills a scope's template; `None` when a deny cannot be filled, a hole has no meaning, or there
/// are too many ways to fill it.
pub(super) fn fill(template: &UserPart, facts: &Facts<'_>) -> Option<UserPart> {
    let mut filled = template.clone();
    fill_rules(&mut filled.publish, facts)?;
    fill_rules(&mut filled.subscribe, facts)?;
    Some(filled)
}

fn fill_rules(rules: &mut RulesPart, facts: &Facts<'_>) -> Option<()> {
    let allowed_some = !rules.allow.is_empty();
    rules.allow = fill_list(&rules.allow, facts, Unfilled::Dropped)?;
    rules.deny = fill_list(&rules.deny, facts, Unfilled::Fatal)?;
    if allowed_some && rules.allow.is_empty() {
        // An empty list would allow everything.
        rules.deny.push(">".to_owned());
    }
    Some(())
}

/// What becomes of an entry that cannot be filled.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unfilled {
    Dropped,
    Fatal,
}

fn fill_list(list: &[String], facts: &Facts<'_>, unfilled: Unfilled) -> Option<Vec<String>> {
    if !list.iter().any(|entry| split(entry).iter().any(|piece| matches!(piece, Piece::Hole(_)))) {
        return Some(list.to_vec());
    }
    let mut filled = Vec::new();
    for entry in list {
        let pieces = split(entry);
        let holes = holes(&pieces, facts)?;
        let count = |hole: &Hole<'_>| hole.values.len();
        let ways = holes.iter().try_fold(1_usize, |ways, hole| ways.checked_mul(count(hole)))?;
        if ways > EXPANSIONS_MAX - filled.len() {
            return None;
        }
        if unfilled == Unfilled::Fatal && ways == 0 {
            return None;
        }
        for way in 0..ways {
            match put_together(&pieces, &holes, way) {
                Some(subject) => filled.push(subject),
                None if unfilled == Unfilled::Fatal => return None,
                None => {}
            }
        }
    }
    Some(filled)
}

/// A part of an entry.
enum Piece<'a> {
    Text(&'a str),
    /// With its braces: holes with the same text get the same value.
    Hole(&'a str),
}

/// Cuts an entry where holes are: two braces, at least one character that is no closing brace, two
/// closing braces.
fn split(entry: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let (mut text_from, mut at) = (0, 0);
    while let Some(found) = entry.get(at..).and_then(|rest| rest.find("{{")) {
        let open = at + found;
        let inside = entry.get(open + 2..).unwrap_or_default();
        let close = inside.find('}').unwrap_or(0);
        if close > 0 && inside.get(close..).is_some_and(|rest| rest.starts_with("}}")) {
            let end = open + 2 + close + 2;
            pieces.extend(entry.get(text_from..open).map(Piece::Text));
            pieces.extend(entry.get(open..end).map(Piece::Hole));
            (text_from, at) = (end, end);
        } else {
            at = open + 1;
        }
    }
    pieces.extend(entry.get(text_from..).map(Piece::Text));
    pieces
}

/// A hole and what fits.
struct Hole<'a> {
    text: &'a str,
    values: Vec<&'a str>,
}

/// The different holes of an entry; `None` when one has no meaning.
fn holes<'a>(pieces: &[Piece<'a>], facts: &Facts<'a>) -> Option<Vec<Hole<'a>>> {
    let mut holes: Vec<Hole<'a>> = Vec::new();
    for piece in pieces {
        if let Piece::Hole(text) = piece
            && !holes.iter().any(|hole| hole.text == *text)
        {
            holes.push(Hole { text, values: values(text, facts)? });
        }
    }
    Some(holes)
}

/// What fits into a hole; `None` when it has no meaning.
fn values<'a>(hole: &str, facts: &Facts<'a>) -> Option<Vec<&'a str>> {
    let operation = hole.strip_prefix("{{")?.strip_suffix("}}")?.trim();
    let is = |name: &str| operation.eq_ignore_ascii_case(name);
    let named = |name: &str| {
        let head = operation.get(..name.len())?;
        let known = head.eq_ignore_ascii_case(name) && operation.ends_with(')');
        // As in nats-server, the name of a tag follows only when the word is in lower case.
        let tag = operation.strip_prefix(name).unwrap_or(operation);
        known.then(|| tag.strip_suffix(')').unwrap_or(tag).to_lowercase())
    };
    if is("name()") {
        return Some(vec![facts.name]);
    }
    if is("subject()") {
        return Some(vec![facts.subject]);
    }
    if is("account-name()") {
        return Some(vec![facts.account_name]);
    }
    if is("account-subject()") {
        return Some(vec![facts.account_subject]);
    }
    if let Some(tag) = named("tag(") {
        return Some(tagged(facts.tags, &tag));
    }
    named("account-tag(").map(|tag| tagged(facts.account_tags, &tag))
}

/// Values of the tags `name:value`.
fn tagged<'a>(tags: &'a [String], name: &str) -> Vec<&'a str> {
    let value = |tag: &'a String| tag.strip_prefix(name)?.strip_prefix(':');
    tags.iter().filter_map(value).collect()
}

/// The entry with one choice of values, counted through; `None` when that is no subject.
fn put_together(pieces: &[Piece<'_>], holes: &[Hole<'_>], way: usize) -> Option<String> {
    let mut chosen = Vec::with_capacity(holes.len());
    let mut rest = way;
    for hole in holes.iter().rev() {
        let value = hole.values.get(rest % hole.values.len())?;
        rest /= hole.values.len();
        // Who names users may not widen what the scope allows.
        if value.contains(['*', '>']) {
            return None;
        }
        chosen.push((hole.text, *value));
    }
    let mut subject = String::new();
    for piece in pieces {
        match piece {
            Piece::Text(text) => subject.push_str(text),
            Piece::Hole(text) => {
                let (_, value) = chosen.iter().find(|(hole, _)| hole == text)?;
                subject.push_str(value);
            }
        }
        if subject.len() > SUBJECT_BYTES_MAX {
            return None;
        }
    }
    Filter::parse(subject.as_bytes()).is_some().then_some(subject)
}

/// Subjects that the entries of one list may become.
const EXPANSIONS_MAX: usize = 4096;
/// Longest subject made from a template.
const SUBJECT_BYTES_MAX: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    fn own(list: &[&str]) -> Vec<String> {
        list.iter().map(|text| (*text).to_owned()).collect()
    }
    fn filled(
        list: &[&str],
        name: &str,
        tags: &[String],
        unfilled: Unfilled,
    ) -> Option<Vec<String>> {
        let account_tags = own(&["acc:a1", "acc:a2"]);
        let facts = Facts {
            name,
            subject: "UKEY",
            account_name: "shop",
            account_subject: "AKEY",
            tags,
            account_tags: &account_tags,
        };
        fill_list(&own(list), &facts, unfilled)
    }
    #[track_caller]
    fn check(entry: &str, tags: &[&str], expected: Option<&[&str]>) {
        let found = filled(&[entry], "ann", &own(tags), Unfilled::Dropped);
        assert_eq!(found, expected.map(own), "{entry}");
    }

    #[test]
    fn holes_are_filled() {
        check("a.{{name()}}.>", &[], Some(&["a.ann.>"]));
        check("{{ NAME() }}", &[], Some(&["ann"]));
        check("{{subject()}}.{{account-name()}}", &[], Some(&["UKEY.shop"]));
        check("{{account-subject()}}", &[], Some(&["AKEY"]));
        check("KV_{{tag(b)}}x", &["b:1", "c:2", "b:3"], Some(&["KV_1x", "KV_3x"]));
        check("{{tag(B)}}", &["b:1"], Some(&["1"]));
        check("{{account-tag(acc)}}", &[], Some(&["a1", "a2"]));
    }

    #[test]
    fn several_tags_are_multiplied_and_one_tag_is_itself() {
        let tags = ["a:1", "a:2", "b:3", "b:4"];
        check("{{tag(a)}}.{{tag(b)}}", &tags, Some(&["1.3", "1.4", "2.3", "2.4"]));
        check("{{tag(a)}}.{{tag(a)}}", &tags, Some(&["1.1", "2.2"]));
    }

    #[test]
    fn what_cannot_be_filled_allows_nothing_and_denies_at_all_costs() {
        check("a.{{tag(none)}}", &["b:1"], Some(&[]));
        let fatal = |list: &[&str], tags: &[&str]| filled(list, "ann", &own(tags), Unfilled::Fatal);
        assert_eq!(fatal(&["a.{{tag(none)}}"], &[]), None);
        assert_eq!(fatal(&["a.{{tag(b)}}"], &["b:x y"]), None);
        assert_eq!(fatal(&["a.{{tag(b)}}"], &["b:x"]), Some(own(&["a.x"])));
        check("a.{{telex()}}", &[], None);
        check("{{{{name()}}", &[], None);
        check("{{TAG(b)}}", &["b:1"], Some(&[]));
    }

    #[test]
    fn values_do_not_widen_what_is_allowed() {
        for value in ["*", ">", "a.>", "a.*", "x y", "", ".", "a.", "	"] {
            let tag = format!("b:{value}");
            check("q.{{tag(b)}}", &[&tag], Some(&[]));
            let named = filled(&["q.{{name()}}"], value, &[], Unfilled::Dropped);
            assert_eq!(named, Some(vec![]), "{value}");
            assert_eq!(filled(&["q.{{name()}}"], value, &[], Unfilled::Fatal), None, "{value}");
        }
        // A dot is allowed, as in nats-server.
        check("q.{{tag(b)}}", &["b:x.y"], Some(&["q.x.y"]));
    }

    #[test]
    fn values_are_no_templates() {
        let found = filled(&["{{name()}}.{{subject()}}"], "{{subject()}}", &[], Unfilled::Dropped);
        assert_eq!(found, Some(own(&["{{subject()}}.UKEY"])));
    }

    #[test]
    fn a_list_that_was_not_empty_does_not_become_empty() {
        let mut template = UserPart::default();
        template.publish.allow = own(&["{{tag(none)}}"]);
        let facts = Facts {
            name: "",
            subject: "",
            account_name: "",
            account_subject: "",
            tags: &[],
            account_tags: &[],
        };
        let filled = fill(&template, &facts).unwrap();
        assert_eq!(filled.publish, RulesPart { allow: vec![], deny: own(&[">"]) });
        assert_eq!(filled.subscribe, RulesPart::default());
    }

    #[test]
    fn expansions_are_counted() {
        let many = |count: usize| -> Vec<String> {
            let tags = |name: &'static str| (0..count).map(move |index| format!("{name}:{index}"));
            tags("a").chain(tags("b")).collect()
        };
        let fits = filled(&["{{tag(a)}}.{{tag(b)}}"], "", &many(64), Unfilled::Dropped);
        assert_eq!(fits.unwrap().len(), 4096);
        assert_eq!(filled(&["{{tag(a)}}.{{tag(b)}}"], "", &many(65), Unfilled::Dropped), None);
        let both = ["x", "{{tag(a)}}.{{tag(b)}}"];
        assert_eq!(filled(&both, "", &many(64), Unfilled::Dropped), None);
    }

    #[test]
    fn entries_are_cut_at_holes_only() {
        for plain in ["", "a", "{{", "{{}}", "{{a}", "}}{{", "{{a}b}}", "a.{b}", "ä{{ö}"] {
            let pieces = split(plain);
            assert!(matches!(pieces[..], [Piece::Text(text)] if text == plain), "{plain}");
        }
        let pieces = split("ä{{{name()}}}ü");
        assert!(matches!(
            pieces[..],
            [Piece::Text("ä"), Piece::Hole("{{{name()}}"), Piece::Text("}ü")]
        ));
    }
}
