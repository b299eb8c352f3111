//! Go's grammar of options: one dash or two, a value behind a blank or `=`.
//!
//! Absent: what an option does. An option of yes or no takes its value only behind `=`; the first
//! argument that is no option, or `--`, ends the options.

use std::fmt;
use std::time::Duration;

use super::options::{self, Id, Kind};
use super::values;
use crate::config::Secret;

/// Options as they were written, in their order, and what stands behind them.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Flags {
    set: Vec<Flag>,
    /// What is no option.
    pub(super) rest: Vec<String>,
}

/// One option.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Flag {
    /// Which one.
    pub(super) id: Id,
    /// The name it was called by.
    pub(super) name: String,
    /// Its value.
    pub(super) value: Value,
}

/// An option's value, of the kind that the option asks for.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Truth(bool),
    Integer(i64),
    Text(String),
    Secret(Secret),
    Size(u64),
    Time(Duration),
}

/// What is wrong with a command line. The texts are those of Go's flags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum FlagError {
    /// Dashes without a name.
    Syntax(String),
    /// No option has this name.
    Unknown(String),
    /// The value is missing.
    NoValue(String),
    /// The value is of another kind.
    BadValue { name: String, shown: String, why: &'static str },
    /// The value is neither yes nor no.
    BadTruth { name: String, value: String },
}

impl fmt::Display for FlagError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax(argument) => write!(f, "bad flag syntax: {argument}"),
            Self::Unknown(name) => {
                write!(f, "flag provided but not defined: -{name}")?;
                match options::nearest(name) {
                    Some(near) => write!(f, " (did you mean -{near}?)"),
                    None => Ok(()),
                }
            }
            Self::NoValue(name) => write!(f, "flag needs an argument: -{name}"),
            Self::BadValue { name, shown, why } => {
                write!(f, "invalid value {shown} for flag -{name}: {why}")
            }
            Self::BadTruth { name, value } => {
                write!(f, "invalid boolean value {value:?} for -{name}: parse error")
            }
        }
    }
}

impl Flags {
    /// Reads what stands behind the name of the executable.
    pub(super) fn parse(arguments: &[String]) -> Result<Self, FlagError> {
        let mut flags = Self::default();
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.as_slice().first() {
            let Some(text) = argument.strip_prefix('-').filter(|text| !text.is_empty()) else {
                break;
            };
            arguments.next();
            let text = text.strip_prefix('-').unwrap_or(text);
            if text.is_empty() {
                break;
            }
            if text.starts_with(['-', '=']) {
                return Err(FlagError::Syntax(argument.clone()));
            }
            let (name, value) = match text.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (text, None),
            };
            let (id, kind) =
                options::find(name).ok_or_else(|| FlagError::Unknown(name.to_owned()))?;
            let value = match value {
                None if kind == Kind::Truth => "true".to_owned(),
                None => {
                    let next = arguments.next().cloned();
                    next.ok_or_else(|| FlagError::NoValue(name.to_owned()))?
                }
                Some(value) => value,
            };
            let value = read(name, kind, value)?;
            flags.set.push(Flag { id, name: name.to_owned(), value });
        }
        flags.rest = arguments.cloned().collect();
        Ok(flags)
    }

    /// All options in their order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Flag> {
        self.set.iter()
    }

    fn last(&self, id: Id) -> Option<&Value> {
        self.set.iter().rev().find(|flag| flag.id == id).map(|flag| &flag.value)
    }

    /// Whether an option of yes or no was set, and to what.
    pub(super) fn truth(&self, id: Id) -> Option<bool> {
        match self.last(id)? {
            Value::Truth(yes) => Some(*yes),
            _ => None,
        }
    }

    /// The text of an option.
    pub(super) fn text(&self, id: Id) -> Option<&str> {
        match self.last(id)? {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The secret of an option.
    pub(super) fn secret(&self, id: Id) -> Option<&Secret> {
        match self.last(id)? {
            Value::Secret(secret) => Some(secret),
            _ => None,
        }
    }
}

fn read(name: &str, kind: Kind, text: String) -> Result<Value, FlagError> {
    let value = match kind {
        Kind::Text => return Ok(Value::Text(text)),
        Kind::Secret => return Ok(Value::Secret(Secret::new(text))),
        Kind::Truth => {
            let name = name.to_owned();
            return values::truth(&text)
                .map(Value::Truth)
                .map_err(|_| FlagError::BadTruth { name, value: text });
        }
        Kind::Integer => values::integer(&text).map(Value::Integer),
        Kind::Size => values::size(&text).map(Value::Size),
        Kind::Time => values::duration(&text).map(Value::Time),
    };
    let bad = |why| FlagError::BadValue { name: name.to_owned(), shown: format!("{text:?}"), why };
    value.map_err(bad)
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn parse(line: &str) -> Result<Flags, FlagError> {
        let arguments: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        Flags::parse(&arguments)
    }

    #[test]
    fn one_dash_or_two_and_a_blank_or_an_equals_sign() {
        for line in ["-addr ::1", "--addr ::1", "-addr=::1", "--addr=::1", "-a=::1", "--a ::1"] {
            assert_eq!(parse(line).expect(line).text(Id::Host), Some("::1"), "{line}");
        }
    }

    #[test]
    fn an_option_of_yes_or_no_takes_its_value_behind_an_equals_sign_only() {
        let flags = parse("-D -tls=false -js no").expect("a command line");
        assert_eq!(flags.truth(Id::Debug), Some(true));
        assert_eq!(flags.truth(Id::Tls), Some(false));
        assert_eq!(flags.rest, ["no"]);
    }

    #[test]
    fn the_last_one_counts() {
        let flags = parse("-n a --name=b -server_name c").expect("a command line");
        assert_eq!(flags.text(Id::Name), Some("c"));
    }

    #[test]
    fn two_dashes_or_a_word_end_the_options() {
        for line in ["-D -- -V", "-D - -V", "-D word -V"] {
            let flags = parse(line).expect(line);
            assert_eq!(flags.truth(Id::Trace), None, "{line}");
            assert_eq!(flags.rest.last().map(String::as_str), Some("-V"), "{line}");
        }
    }

    #[test]
    fn a_value_may_begin_with_a_dash_or_hold_an_equals_sign() {
        let flags = parse("-n -x -sl stop=1 --log=a=b").expect("a command line");
        assert_eq!(flags.text(Id::Name), Some("-x"));
        assert_eq!(flags.text(Id::Signal), Some("stop=1"));
        assert_eq!(flags.text(Id::Log), Some("a=b"));
    }

    #[test]
    fn what_is_wrong_is_said_as_go_says_it() {
        for (line, text) in [
            ("--nope", "flag provided but not defined: -nope"),
            ("-prot 1", "flag provided but not defined: -prot (did you mean -port?)"),
            ("-p", "flag needs an argument: -p"),
            ("-p abc", "invalid value \"abc\" for flag -p: parse error"),
            ("-D=x", "invalid boolean value \"x\" for -D: parse error"),
            ("---", "bad flag syntax: ---"),
            ("-=3", "bad flag syntax: -=3"),
            ("--=3", "bad flag syntax: --=3"),
        ] {
            assert_eq!(parse(line).expect_err(line).to_string(), text);
        }
    }

    proptest! {
        /// Any arguments are read or refused, with a reason.
        #[test]
        fn no_command_line_is_too_odd(line in vec("(-{0,3}[a-zA-Z_=]{0,6}=?)?\\PC{0,8}", 0..6)) {
            if let Err(error) = Flags::parse(&line) {
                prop_assert!(!error.to_string().is_empty());
            }
        }

        /// How an option is written makes no difference.
        #[test]
        fn all_spellings_mean_the_same(value in "[^=]\\PC{0,20}", long in any::<bool>()) {
            let dashes = if long { "--" } else { "-" };
            let joined = Flags::parse(&[format!("{dashes}name={value}")]);
            let apart = Flags::parse(&[format!("{dashes}name"), value]);
            prop_assert_eq!(joined, apart);
        }
    }

    #[test]
    fn secrets_are_not_shown() {
        let flags = parse("-pass hunter2 -auth hunter3").expect("a command line");
        assert!(!format!("{flags:?}").contains("hunter"), "{flags:?}");
    }
}
