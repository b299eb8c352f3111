//! The subject mappings of one account: where a published subject goes instead.
//!
//! Absent: how a new subject is written (`transform`), and randomness, which is handed in. Of
//! several sources that select a subject the most specific one decides; nats-server takes any.
//! Destinations of a cluster count for nothing, because a broker without one has no such name.

use std::fmt;

use super::subject_set::{SubjectSet, specificity};
use crate::config::access::{Destination, Mapping};
use crate::config::transform::{Transform, TransformError};

/// See the module's head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mappings {
    sources: SubjectSet,
    /// In the order of `sources`: the most specific ones first.
    mappings: Box<[Compiled]>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Compiled {
    source: Box<str>,
    choices: Box<[Choice]>,
}

/// Taken by draws below `below`, of 100, unless an earlier one is.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Choice {
    below: u8,
    to: To,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum To {
    Subject(Transform),
    /// The weights leave something over, which stays where it is.
    Itself,
}

/// What became of a subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mapped {
    /// It stays.
    Unchanged,
    /// It is the one that was written.
    To,
    /// The message goes nowhere: the mapping is meant to lose a share.
    Dropped,
}

impl Mappings {
    /// Makes mappings ready; the later one of two with the same source counts.
    pub fn compile(written: &[Mapping]) -> Result<Self, MappingError> {
        let mut compiled: Vec<Compiled> = Vec::new();
        for mapping in written {
            let made = compile(mapping).map_err(|problem| {
                let (source, destination) = (mapping.source.clone(), only(&mapping.destinations));
                MappingError { source, destination, problem }
            })?;
            match compiled.iter_mut().find(|old| old.source == made.source) {
                Some(old) => *old = made,
                None => compiled.push(made),
            }
        }
        compiled.sort_by_cached_key(|mapping| specificity(&mapping.source));
        let sources = SubjectSet::new(compiled.iter().map(|mapping| mapping.source.as_bytes()));
        Ok(Self { sources, mappings: compiled.into() })
    }

    /// Whether no subject is mapped.
    pub fn is_empty(&self) -> bool {
        self.mappings.is_empty()
    }

    /// Maps a subject; what it is mapped to is appended to `out`.
    ///
    /// `random` gives a number below its argument, which is never 0.
    pub fn map(
        &self,
        subject: &[u8],
        random: &mut impl FnMut(u32) -> u32,
        out: &mut Vec<u8>,
    ) -> Mapped {
        let Some(mapping) = self.find(subject) else { return Mapped::Unchanged };
        let certain = |choice: &&Choice| choice.below == CERTAIN;
        let chosen = mapping.choices.first().filter(certain).or_else(|| {
            let draw = random(u32::from(CERTAIN));
            mapping.choices.iter().find(|choice| draw < u32::from(choice.below))
        });
        match chosen.map(|choice| &choice.to) {
            None => Mapped::Dropped,
            Some(To::Itself) => Mapped::Unchanged,
            Some(To::Subject(transform)) => {
                transform.write(subject, random, out);
                Mapped::To
            }
        }
    }

    fn find(&self, subject: &[u8]) -> Option<&Compiled> {
        if subject.contains(&b'>') {
            // Rare, and selected by rules of its own.
            let selects = |source: &str| Transform::selects(source.as_bytes(), subject);
            return self.mappings.iter().find(|mapping| selects(&mapping.source));
        }
        // INVARIANT: the set was made of the sources of `mappings`, in their order.
        self.sources.most_specific(subject).map(|index| &self.mappings[index])
    }
}

/// A mapping that cannot be made, and why; in the words of nats-server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MappingError {
    /// The mapping's source.
    pub source: Box<str>,
    /// Its destination, if it has just one.
    pub destination: Option<Box<str>>,
    /// What is wrong.
    pub problem: MappingProblem,
}

/// What can be wrong with a mapping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MappingProblem {
    /// The source is no valid subject.
    BadSource,
    /// A destination is named twice.
    Duplicate(Box<str>),
    /// One weight is above 100.
    WeightAbove100,
    /// All weights of one cluster together are above 100.
    TotalAbove100,
    /// A destination is wrong.
    Transform(TransformError),
}

impl fmt::Display for MappingProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadSource => f.write_str("invalid subject"),
            Self::Duplicate(subject) => write!(f, "duplicate entry for {subject:?}"),
            Self::WeightAbove100 => f.write_str("individual weights need to be <= 100"),
            Self::TotalAbove100 => f.write_str("total weight needs to be <= 100"),
            Self::Transform(error) => error.fmt(f),
        }
    }
}

impl fmt::Display for MappingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Error adding mapping for {:?}", self.source)?;
        if let Some(destination) = &self.destination {
            write!(f, " to {destination:?}")?;
        }
        write!(f, " : {}", self.problem)
    }
}

impl std::error::Error for MappingError {}

fn only(destinations: &[Destination]) -> Option<Box<str>> {
    match destinations {
        [Destination { subject, weight: CERTAIN, cluster: None }] => Some(subject.clone()),
        _ => None,
    }
}

fn compile(mapping: &Mapping) -> Result<Compiled, MappingProblem> {
    let source = &mapping.source;
    if !fanfare_protocol::subject::Filter::parse(source.as_bytes()).is_some_and(no_form_feed) {
        return Err(MappingProblem::BadSource);
    }
    let mut choices = Vec::new();
    let (mut total, mut loses) = (0, false);
    for (index, destination) in mapping.destinations.iter().enumerate() {
        let same = |other: &Destination| other.subject == destination.subject;
        if mapping.destinations[..index].iter().any(same) {
            return Err(MappingProblem::Duplicate(destination.subject.clone()));
        }
        check_weight(&mapping.destinations[..=index], destination)?;
        let parsed = Transform::parse(source, &destination.subject);
        let transform = parsed.map_err(MappingProblem::Transform)?;
        // Who names the source among the destinations wants the rest to be lost.
        loses |= destination.subject == *source;
        if destination.cluster.is_none() {
            total += destination.weight;
            choices.push(Choice { below: destination.weight, to: To::Subject(transform) });
        }
    }
    if total != CERTAIN && !loses {
        choices.push(Choice { below: CERTAIN - total, to: To::Itself });
    }
    choices.sort_by_key(|choice| choice.below);
    let mut below = 0;
    for choice in &mut choices {
        below += choice.below;
        choice.below = below;
    }
    choices.retain(|choice| choice.below > 0);
    Ok(Compiled { source: source.clone(), choices: choices.into() })
}

/// The weights up to and with this destination, which is the last of them.
fn check_weight(upto: &[Destination], last: &Destination) -> Result<(), MappingProblem> {
    if last.weight > CERTAIN {
        return Err(MappingProblem::WeightAbove100);
    }
    let mates = upto.iter().filter(|other| other.cluster == last.cluster);
    let total: u32 = mates.map(|other| u32::from(other.weight)).sum();
    if total > u32::from(CERTAIN) { Err(MappingProblem::TotalAbove100) } else { Ok(()) }
}

fn no_form_feed(filter: fanfare_protocol::subject::Filter<'_>) -> bool {
    !filter.as_bytes().contains(&b'\x0C')
}

/// Percent of what is always taken.
const CERTAIN: u8 = 100;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::core::rng::Rng;

    fn mapping(source: &str, destinations: &[(&str, u8)]) -> Mapping {
        let destination = |(subject, weight): &(&str, u8)| Destination {
            subject: (*subject).into(),
            weight: *weight,
            cluster: None,
        };
        let destinations = destinations.iter().map(destination).collect();
        Mapping { source: source.into(), destinations }
    }

    fn map(mappings: &Mappings, subject: &str, draw: u32) -> Option<String> {
        let mut out = Vec::new();
        match mappings.map(subject.as_bytes(), &mut |_| draw, &mut out) {
            Mapped::Unchanged => Some(subject.to_owned()),
            Mapped::To => Some(String::from_utf8(out).unwrap()),
            Mapped::Dropped => None,
        }
    }

    #[test]
    fn the_most_specific_source_decides() {
        let list = [
            mapping(">", &[("all.>", 100)]),
            mapping("a.*", &[("star.$1", 100)]),
            mapping("a.b", &[("old", 100)]),
            mapping("*.b", &[("late.$1", 100)]),
            mapping("a.>", &[("rest.>", 100)]),
            mapping("a.b", &[("new", 100)]),
        ];
        let mappings = Mappings::compile(&list).unwrap();
        for (subject, expected) in [
            ("a.b", "new"),
            ("a.c", "star.c"),
            ("a.c.d", "rest.c.d"),
            ("x.b", "late.x"),
            ("x", "all.x"),
            ("a.>", "rest.>"),
            ("x..y", "x..y"),
        ] {
            assert_eq!(map(&mappings, subject, 0).as_deref(), Some(expected), "{subject}");
        }
    }

    #[test]
    fn what_the_weights_leave_over_stays() {
        let mappings =
            Mappings::compile(&[mapping("a", &[("b", 20), ("c", 30), ("d", 0)])]).unwrap();
        let at = |draw| map(&mappings, "a", draw).unwrap();
        assert_eq!([at(0), at(19), at(20), at(49), at(50), at(99)], ["b", "b", "c", "c", "a", "a"]);
        assert_eq!(map(&mappings, "b", 0).as_deref(), Some("b"), "once is enough");
        let none = Mappings::compile(&[mapping("a", &[])]).unwrap();
        assert_eq!(map(&none, "a", 99).as_deref(), Some("a"));
    }

    #[test]
    fn a_source_among_its_destinations_loses_the_rest() {
        let mappings = Mappings::compile(&[mapping("a", &[("a", 20)])]).unwrap();
        assert_eq!(map(&mappings, "a", 19).as_deref(), Some("a"));
        assert_eq!(map(&mappings, "a", 20), None);
    }

    #[test]
    fn destinations_of_a_cluster_count_for_nothing() {
        let mut list = [mapping("a", &[("b", 100), ("c", 60)])];
        list[0].destinations[0].cluster = Some("east".into());
        let mappings = Mappings::compile(&list).unwrap();
        assert_eq!(map(&mappings, "a", 39).as_deref(), Some("a"), "the smaller share goes first");
        assert_eq!(map(&mappings, "a", 40).as_deref(), Some("c"));
    }

    #[test]
    fn a_certain_destination_needs_no_draw() {
        let mappings = Mappings::compile(&[mapping("a.*", &[("b.$1", 100)])]).unwrap();
        let mut out = b"kept ".to_vec();
        let mut never = |_| unreachable!("nothing is drawn");
        assert_eq!(mappings.map(b"a.x", &mut never, &mut out), Mapped::To);
        assert_eq!(out, b"kept b.x");
    }

    /// As nats-server 2.14.0 wrote them.
    #[test]
    fn wrong_mappings_are_named() {
        let check = |source: &str, destinations: &[(&str, u8)], expected: &str| {
            let error = Mappings::compile(&[mapping(source, destinations)]).unwrap_err();
            assert_eq!(error.to_string(), expected);
        };
        check(
            "foo",
            &[("a", 60), ("b", 50)],
            "Error adding mapping for \"foo\" : total weight needs to be <= 100",
        );
        check(
            "foo",
            &[("a", 60), ("a", 10)],
            "Error adding mapping for \"foo\" : duplicate entry for \"a\"",
        );
        check(
            "foo",
            &[("a", 101)],
            "Error adding mapping for \"foo\" : individual weights need to be <= 100",
        );
        check(
            "foo.*",
            &[("bar.$2", 100)],
            "Error adding mapping for \"foo.*\" to \"bar.$2\" : invalid mapping destination: \
             wildcard index out of range in $2: [2]",
        );
        check(
            "foo..x",
            &[("a", 100)],
            "Error adding mapping for \"foo..x\" to \"a\" : invalid subject",
        );
    }

    proptest! {
        #[test]
        fn shares_are_as_the_weights_say(weights in proptest::collection::vec(0u8..34, 0..4)) {
            let names = ["b", "c", "d"];
            let list: Vec<_> = names.into_iter().zip(weights.clone()).collect();
            let mappings = Mappings::compile(&[mapping("a", &list)]).unwrap();
            let (mut rng, mut out) = (Rng::new(weights.len() as u64), Vec::new());
            let mut counts = [0_u32; 3];
            for _ in 0..4_000 {
                out.clear();
                mappings.map(b"a", &mut |bound| rng.below(bound), &mut out);
                if let Some(n) = names.iter().position(|name| name.as_bytes() == out) {
                    counts[n] += 1;
                }
            }
            for (count, (_, weight)) in counts.iter().zip(&list) {
                let expected = 40 * u32::from(*weight);
                prop_assert!(count.abs_diff(expected) < 200, "{} for {}", count, weight);
            }
        }
    }
}
