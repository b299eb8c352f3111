//! Distinguished names, as certificates carry them and as user names spell them (RFC 4514).
//!
//! Absent: certificates (`certificate`) and users. Two names are equal when their parts are, part
//! by part; kinds of attributes in any case, their values byte by byte, attributes of one part in
//! any order.

/// A name: its parts, the most special one first, as RFC 4514 writes them.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Dn(Vec<Part>);

/// One part (relative distinguished name): how many attributes, and the different ones, sorted.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Part {
    count: usize,
    attributes: Vec<Attribute>,
}

/// One attribute: its kind in upper case, and its value.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Attribute {
    /// `CN`, `OU`, ….
    pub(super) kind: Vec<u8>,
    /// The text, in whatever encoding the certificate has.
    pub(super) value: Vec<u8>,
}

impl Dn {
    /// A name of these parts.
    pub(super) fn new(parts: impl Iterator<Item = Vec<Attribute>>) -> Self {
        Self(parts.map(Part::new).collect())
    }

    /// Reads a name; nothing when the text is none.
    ///
    /// As lenient as the reading of nats-server, whose user names it must find: blanks around
    /// kinds and values do not count, the rest of a value does, whatever it is.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut parser = Parser { bytes: text.bytes(), ..Parser::default() };
        parser.run()?;
        Some(Self(parser.parts))
    }

    /// The same name with its parts in an order that depends on nothing but them.
    pub(super) fn reordered(&self) -> Self {
        let mut parts = self.0.clone();
        parts.sort();
        Self(parts)
    }

    /// Whether there is nothing in it.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Part {
    fn new(mut attributes: Vec<Attribute>) -> Self {
        let count = attributes.len();
        for attribute in &mut attributes {
            attribute.kind.make_ascii_uppercase();
        }
        attributes.sort();
        attributes.dedup();
        Self { count, attributes }
    }
}

#[derive(Debug)]
struct Parser<'a> {
    bytes: std::str::Bytes<'a>,
    parts: Vec<Part>,
    part: Vec<Attribute>,
    kind: Vec<u8>,
    text: Vec<u8>,
    /// Blanks at the end of `text` that were not escaped.
    blanks: usize,
}

impl Default for Parser<'_> {
    fn default() -> Self {
        Self {
            bytes: "".bytes(),
            parts: Vec::new(),
            part: Vec::new(),
            kind: Vec::new(),
            text: Vec::new(),
            blanks: 0,
        }
    }
}

impl Parser<'_> {
    fn run(&mut self) -> Option<()> {
        while let Some(byte) = self.bytes.next() {
            match byte {
                b'\\' => self.escaped()?,
                b'=' => {
                    self.kind = self.take();
                    if self.bytes.clone().next() == Some(b'#') {
                        // The value is BER in hex, which no user name needs.
                        return None;
                    }
                }
                b',' => {
                    self.end_attribute()?;
                    self.end_part();
                }
                b'+' => self.end_attribute()?,
                b' ' if self.text.is_empty() => {}
                b' ' => {
                    self.blanks += 1;
                    self.text.push(b' ');
                }
                _ => {
                    self.blanks = 0;
                    self.text.push(byte);
                }
            }
        }
        // What ends with an empty value has not got it.
        if !self.text.is_empty() {
            self.end_attribute()?;
            self.end_part();
        }
        Some(())
    }

    /// A backslash: the next byte as it is, or two hex digits.
    fn escaped(&mut self) -> Option<()> {
        self.blanks = 0;
        let Some(byte) = self.bytes.next() else { return Some(()) };
        if b" \"#+,;<=>\\".contains(&byte) {
            self.text.push(byte);
            return Some(());
        }
        let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|d| u8::try_from(d).ok());
        let (high, low) = (digit(byte)?, digit(self.bytes.next()?)?);
        self.text.push((high << 4) | low);
        Some(())
    }

    fn take(&mut self) -> Vec<u8> {
        self.text.truncate(self.text.len().saturating_sub(self.blanks));
        self.blanks = 0;
        std::mem::take(&mut self.text)
    }

    fn end_attribute(&mut self) -> Option<()> {
        if self.kind.is_empty() {
            return None;
        }
        let value = self.take();
        self.part.push(Attribute { kind: std::mem::take(&mut self.kind), value });
        Some(())
    }

    fn end_part(&mut self) {
        self.parts.push(Part::new(std::mem::take(&mut self.part)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Dn {
        Dn::parse(text).unwrap_or_else(|| panic!("{text}"))
    }

    fn single(pairs: &[(&str, &str)]) -> Dn {
        let attribute = |(kind, value): &(&str, &str)| Attribute {
            kind: kind.as_bytes().to_vec(),
            value: value.as_bytes().to_vec(),
        };
        Dn::new(pairs.iter().map(|pair| vec![attribute(pair)]))
    }

    #[test]
    fn names_are_read_as_they_are_written() {
        assert_eq!(
            parse("CN=a,OU=b c,DC=com"),
            single(&[("CN", "a"), ("OU", "b c"), ("DC", "com")])
        );
        assert_eq!(parse(" cn = a , ou=b  "), single(&[("CN", "a"), ("OU", "b")]));
        assert_eq!(parse(r"CN=a\, b\20,O=\c3\bc"), single(&[("CN", "a, b "), ("O", "ü")]));
        assert_eq!(parse("CN=a=b"), single(&[("A", "b")]));
        assert_eq!(parse("CN=A").0, single(&[("CN", "A")]).0);
        assert!(parse("").is_empty());
    }

    #[test]
    fn what_is_no_name_is_none() {
        for text in ["a", "a,CN=b", "CN=#04024869", r"CN=\x", r"CN=\4", "CN=a,,O=b", "+", "=a"] {
            assert_eq!(Dn::parse(text), None, "{text}");
        }
    }

    #[test]
    fn values_are_compared_as_they_are() {
        assert_ne!(parse("CN=a"), parse("CN=A"));
        assert_ne!(parse("CN=a"), parse("CN=a,O=b"));
        assert_ne!(parse("CN=a"), parse("OU=a"));
        assert_ne!(parse("CN=a,OU=b").reordered(), parse("CN=b,OU=a").reordered());
        assert_ne!(parse("CN=a,CN=a,OU=b").reordered(), parse("CN=a,OU=b,OU=b").reordered());
    }

    #[test]
    fn parts_may_change_places_and_attributes_may_always() {
        assert_ne!(parse("CN=a,OU=b"), parse("OU=b,CN=a"));
        assert_eq!(parse("CN=a,OU=b").reordered(), parse("OU=b,CN=a").reordered());
        assert_eq!(parse("CN=a+OU=b,O=c"), parse("OU=b+CN=a,O=c"));
        assert_ne!(parse("CN=a+OU=b").reordered(), parse("CN=a,OU=b").reordered());
    }

    #[test]
    fn any_text_is_read_or_refused() {
        use proptest::prelude::*;
        proptest!(|(text in r"[ a-cA-C=,+#\\0-9üñ]{0,40}")| {
            if let Some(name) = Dn::parse(&text) {
                prop_assert_eq!(name.reordered(), name.reordered().reordered());
            }
        });
    }
}
