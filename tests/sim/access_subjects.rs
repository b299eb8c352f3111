//! How subjects are selected and changed, for the access oracle: word by word.
//!
//! Absent: who may do what (`access_oracle`), and any text but what is right; wrong patterns and
//! destinations never come here.

use fanfare::config::access::{Import, Mapping};

/// A subject, filter or reply.
pub(crate) type Text = Vec<u8>;

/// What a destination may make of a subject that its source selects.
pub(crate) fn transform(mapping: &Mapping, destination: &str, subject: &[u8]) -> Vec<Text> {
    let subject_words: Vec<&[u8]> = words(subject).collect();
    let source: Vec<&str> = mapping.source.split('.').collect();
    let stars: Vec<usize> = (0..source.len()).filter(|n| source[*n] == "*").collect();
    let star = |n: &str| subject_words[stars[n.trim().parse::<usize>().unwrap() - 1]];
    let mut made: Vec<Text> = vec![Vec::new()];
    for (index, word) in destination.split('.').enumerate() {
        let parts: Vec<Text> = if word == ">" {
            vec![subject_words[source.len() - 1..].join(&b'.')]
        } else if let Some(n) = word.strip_prefix('$').filter(|n| n.parse::<usize>().is_ok()) {
            vec![star(n).to_vec()]
        } else if let Some(call) = word.strip_prefix("{{").and_then(|it| it.strip_suffix("}}")) {
            let (name, list) = call.trim().strip_suffix(')').unwrap().split_once('(').unwrap();
            let list: Vec<&str> = list.split(',').collect();
            let literal = stars.is_empty() && source.last() != Some(&">");
            function(&name.trim().to_lowercase(), &list, &star, (subject, literal))
        } else {
            vec![word.as_bytes().to_vec()]
        };
        let point: &[u8] = if index > 0 { b"." } else { b"" };
        let with = |head: &Text| -> Vec<Text> {
            parts.iter().map(|part| [head, point, part].concat()).collect()
        };
        made = made.iter().flat_map(with).collect();
    }
    made
}

/// What a function may give; all but delimiters, which no simulated subject has.
fn function<'a>(
    name: &str,
    list: &[&str],
    star: &impl Fn(&str) -> &'a [u8],
    (subject, literal): (&[u8], bool),
) -> Vec<Text> {
    let number = |n: usize| list[n].trim().parse::<usize>().unwrap();
    if name == "random" {
        return (0..number(0).max(1)).map(|n| n.to_string().into_bytes()).collect();
    }
    if name == "partition" {
        let key = match &list[1..] {
            // Of a source that is one subject, nothing is hashed, as in nats-server.
            [] if literal => Vec::new(),
            [] => subject.to_vec(),
            of => of.iter().flat_map(|n| star(n).to_vec()).collect(),
        };
        let mut hash = 2_166_136_261_u64;
        for byte in key {
            hash = ((hash ^ u64::from(byte)) * 16_777_619) % (1 << 32);
        }
        return vec![(hash % number(0) as u64).to_string().into_bytes()];
    }
    let word = star(list[0]);
    if name == "wildcard" || number(1) == 0 || number(1) >= word.len() {
        return vec![word.to_vec()];
    }
    let (size, odd) = (number(1), word.len() % number(1));
    let parts: Vec<&[u8]> = match name {
        "left" => vec![&word[..size]],
        "right" => vec![&word[word.len() - size..]],
        "splitfromleft" => vec![&word[..size], &word[size..]],
        "splitfromright" => vec![&word[..word.len() - size], &word[word.len() - size..]],
        "slicefromleft" => word.chunks(size).collect(),
        "slicefromright" if odd == 0 => word.chunks(size).collect(),
        "slicefromright" => [&word[..odd]].into_iter().chain(word[odd..].chunks(size)).collect(),
        _ => panic!("the oracle does not know {name}"),
    };
    vec![parts.join(&b'.')]
}

/// The local subject of what a stream brings.
pub(crate) fn to_local(import: &Import, subject: &[u8]) -> Option<Text> {
    let (exported, local) = sides(import);
    let bound = bind(&exported, subject)?;
    Some(build(&local, &bound))
}

/// The subject at the exporter's of a request to a local one.
pub(crate) fn to_exported(import: &Import, subject: &[u8]) -> Option<Text> {
    let (exported, local) = sides(import);
    if exported.iter().all(|word| matches!(word, Word::Text(_))) {
        let local = import.to.as_deref().unwrap_or(&import.subject);
        return selects(local.as_bytes(), subject).then(|| import.subject.as_bytes().to_vec());
    }
    let bound = bind(&local, subject)?;
    Some(build(&exported, &bound))
}

/// A word of an import's subjects.
enum Word {
    Text(Text),
    /// The exporter's n-th wildcard.
    Star(usize),
    Rest,
}

fn sides(import: &Import) -> (Vec<Word>, Vec<Word>) {
    let wild = words(import.subject.as_bytes()).any(|word| word == b"*" || word == b">");
    let side = |text: &str| {
        let mut stars = 0;
        let mut side = Vec::new();
        for word in text.split('.') {
            let number = word.strip_prefix('$').or_else(|| {
                word.to_lowercase().starts_with("{{").then(|| word.split(['(', ')']).nth(1))?
            });
            let number = number.and_then(|n| n.trim().parse::<usize>().ok());
            side.push(match (word, number) {
                ("*", _) if wild => {
                    stars += 1;
                    Word::Star(stars)
                }
                (">", _) if wild => Word::Rest,
                (_, Some(n)) if wild => Word::Star(n),
                _ => Word::Text(word.as_bytes().to_vec()),
            });
        }
        side
    };
    (side(&import.subject), side(import.to.as_deref().unwrap_or(&import.subject)))
}

/// What the wildcards stand for in a subject; `Rest` is wildcard 0.
fn bind(side: &[Word], subject: &[u8]) -> Option<Vec<(usize, Text)>> {
    let found: Vec<&[u8]> = words(subject).collect();
    let mut bound: Vec<(usize, Text)> = Vec::new();
    for (index, word) in side.iter().enumerate() {
        let here = *found.get(index).filter(|word| !word.is_empty())?;
        match word {
            Word::Rest => {
                bound.push((0, found[index..].join(&b'.')));
                return found.iter().all(|word| !word.is_empty()).then_some(bound);
            }
            Word::Text(text) if text == here => {}
            Word::Text(_) => return None,
            Word::Star(n) if bound.iter().any(|(m, old)| m == n && old != here) => return None,
            Word::Star(n) => bound.push((*n, here.to_vec())),
        }
    }
    (found.len() == side.len()).then_some(bound)
}

fn build(side: &[Word], bound: &[(usize, Text)]) -> Text {
    let value = |n: usize| bound.iter().find(|(m, _)| *m == n).unwrap().1.clone();
    let word = |word: &Word| match word {
        Word::Text(text) => text.clone(),
        Word::Star(n) => value(*n),
        Word::Rest => value(0),
    };
    side.iter().map(word).collect::<Vec<_>>().join(&b'.')
}

pub(crate) fn words(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|byte| *byte == b'.')
}

/// Whether a pattern selects a text, every word of which counts as it stands.
pub(crate) fn selects(pattern: &[u8], text: &[u8]) -> bool {
    super::oracle::matches(pattern, text)
}

/// Whether the text ends in `>` where the pattern has a `*`.
pub(crate) fn ends_wider(pattern: &[u8], text: &[u8]) -> bool {
    words(pattern).zip(words(text)).any(is_star_on_rest)
}

pub(crate) fn is_star_on_rest((pattern, text): (&[u8], &[u8])) -> bool {
    pattern == b"*" && text == b">"
}

/// Whether one pattern is more specific than another that selects something in common.
pub(crate) fn narrower(one: &str, other: &str) -> bool {
    let rank = |word: &str| ["*", ">"].iter().position(|wild| *wild == word).map_or(0, |n| n + 1);
    let ranks = one.split('.').map(rank).zip(other.split('.').map(rank));
    ranks.into_iter().find(|(a, b)| a != b).is_some_and(|(a, b)| a < b)
}
