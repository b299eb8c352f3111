//! Subjects in a configuration: which are valid, and what their transforms may say.
//!
//! Absent: transforming.

use fanfare_protocol::subject::{Filter, Subject};

/// Whether it is a valid subject, wildcards allowed.
pub(super) fn is_filter(text: &str) -> bool {
    Filter::parse(text.as_bytes()).is_some() && !text.contains(['\0', '\u{c}'])
}

/// Whether it is a valid subject without wildcards.
pub(super) fn is_literal(text: &str) -> bool {
    is_filter(text) && Subject::parse(text.as_bytes()).is_some()
}

/// What is wrong with a destination for subjects that `source` selects, if anything is.
///
/// `reversible` transforms, those of imports, know wildcards only and must use them all.
pub(super) fn destination_fault(
    source: &str,
    destination: &str,
    reversible: bool,
) -> Option<String> {
    let wrong = |why: &str| Some(format!("invalid mapping destination: {why}"));
    let stars = source.split('.').filter(|token| *token == "*").count();
    let rest = |text: &str| text.split('.').next_back() == Some(">");
    let dots_only = |text: &str| text.split('.').any(|token| token == "*");
    if !is_filter(&plain(destination))
        || dots_only(destination)
        || rest(source) != rest(destination)
    {
        return wrong("no valid subject, or wildcards that do not agree with the source");
    }
    let mut used = 0;
    for token in tokens(destination) {
        let (name, arguments) = match function(token) {
            Token::Text => continue,
            Token::Unknown => return wrong(&format!("{token}: unknown function")),
            Token::Function(name, arguments) => (name, arguments),
        };
        if reversible && name != "wildcard" {
            return wrong(&format!("{token}: imports know only {{{{wildcard()}}}}"));
        }
        match wildcards(&name, &arguments) {
            Err(why) => return wrong(&format!("{token}: {why}")),
            Ok(indices) if indices.iter().any(|&index| index == 0 || index > stars) => {
                return wrong(&format!("{token}: wildcard index out of range"));
            }
            Ok(indices) => used += indices.len(),
        }
    }
    if reversible && used < stars {
        return wrong("not using all of the token wildcard(s)");
    }
    None
}

/// A destination whose placeholders became wildcards.
pub(super) fn pattern(destination: &str) -> String {
    let star = |token| match function(token) {
        Token::Text => token,
        Token::Function(..) | Token::Unknown => "*",
    };
    tokens(destination).map(star).collect::<Vec<_>>().join(".")
}

/// The same with harmless words in the place of functions, whose blanks no subject has.
fn plain(destination: &str) -> String {
    let word = |token| match function(token) {
        Token::Text => token,
        Token::Function(..) | Token::Unknown => "x",
    };
    tokens(destination).map(word).collect::<Vec<_>>().join(".")
}

/// Tokens of a destination.
fn tokens(destination: &str) -> impl Iterator<Item = &str> {
    destination.split('.')
}

enum Token<'t> {
    Text,
    Function(String, Vec<&'t str>),
    Unknown,
}

/// `$n` and `{{name(arguments)}}`.
fn function(token: &str) -> Token<'_> {
    if let Some(index) = token.strip_prefix('$')
        && !index.is_empty()
        && index.bytes().all(|byte| byte.is_ascii_digit())
    {
        return Token::Function("wildcard".to_owned(), vec![index]);
    }
    let Some(inside) = token.strip_prefix("{{").and_then(|rest| rest.strip_suffix("}}")) else {
        return Token::Text;
    };
    let parts = inside.trim().strip_suffix(')').and_then(|call| call.split_once('('));
    match parts {
        Some((name, arguments)) => {
            let name = name.trim().to_ascii_lowercase();
            Token::Function(name, arguments.split(',').collect())
        }
        None => Token::Unknown,
    }
}

/// Which wildcards a function refers to, or what is wrong with its arguments.
fn wildcards(name: &str, arguments: &[&str]) -> Result<Vec<usize>, &'static str> {
    const INVALID: &str = "function argument is invalid or in the wrong format";
    let number = |text: &&str| text.trim().parse::<i32>().map_err(|_| INVALID);
    let index = |text: &&str| text.trim().parse::<usize>().map_err(|_| INVALID);
    let exactly = |count: usize| match arguments.len() {
        have if have < count || arguments == [""] => {
            Err("not enough arguments passed to the function")
        }
        have if have > count => Err("too many arguments passed to the function"),
        _ => Ok(()),
    };
    match (name, arguments) {
        ("wildcard", _) => {
            exactly(1)?;
            arguments.iter().map(index).collect()
        }
        ("partition", [buckets, of @ ..]) => {
            number(buckets)?;
            of.iter().map(index).collect()
        }
        ("random", [ceiling]) => number(ceiling).map(|_| Vec::new()),
        ("random", _) => exactly(1).map(|()| Vec::new()),
        ("split", [of, at]) => {
            let clean = !at.is_empty() && !at.contains([' ', '.']);
            if clean { Ok(vec![index(of)?]) } else { Err(INVALID) }
        }
        ("split", _) => exactly(2).map(|()| Vec::new()),
        (
            "splitfromleft" | "splitfromright" | "slicefromleft" | "slicefromright" | "left"
            | "right",
            _,
        ) => {
            exactly(2)?;
            let (of, size) = (arguments.first().ok_or(INVALID)?, arguments.last().ok_or(INVALID)?);
            number(size)?;
            Ok(vec![index(of)?])
        }
        _ => Err("unknown function"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn destinations_are_judged_as_nats_server_judges_them() {
        for (source, destination, good) in [
            ("foo", "bar", true),
            ("foo.*", "bar.$1", true),
            ("foo.*", "bar.{{wildcard(1)}}", true),
            ("foo.*", "bar.{{ Wildcard( 1 ) }}", true),
            ("foo.*", "bar", true),
            ("foo.*", "bar.$2", false),
            ("foo.*", "bar.*", false),
            ("foo.>", "bar.>", true),
            ("foo.>", "bar", false),
            ("foo", "bar.>", false),
            ("foo", "bar..x", false),
            ("foo.*.*", "bar.{{partition(10,1,2)}}", true),
            ("foo", "bar.{{partition(10)}}", true),
            ("foo.*", "bar.{{partition(x,1)}}", false),
            ("foo.*", "bar.{{split(1,-)}}", true),
            ("foo.*", "bar.{{split(1)}}", false),
            ("foo.*", "bar.{{left(1,2)}}", true),
            ("foo.*", "bar.{{left(1,2,3)}}", false),
            ("foo.*", "bar.{{sliceFromRight(1,2)}}", true),
            ("foo", "bar.{{random(5)}}", true),
            ("foo.*", "bar.{{nonsense(1)}}", false),
            ("foo.*", "bar.{{wildcard}}", false),
            ("foo.*", "bar.{{wildcard()}}", false),
        ] {
            let fault = destination_fault(source, destination, false);
            assert_eq!(fault.is_none(), good, "{source} {destination}: {fault:?}");
        }
    }

    #[test]
    fn imports_must_be_reversible() {
        assert!(destination_fault("a.*.*", "b.$2.$1", true).is_none());
        assert!(destination_fault("a.*.*", "b.$2", true).is_some());
        assert!(destination_fault("a.*", "b.{{partition(3,1)}}", true).is_some());
        assert_eq!(pattern("b.$2.{{wildcard(1)}}.c"), "b.*.*.c");
    }
}
