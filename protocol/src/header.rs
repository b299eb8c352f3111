//! A read-only view of a message's header block: `NATS/1.0[ status[ text]]`, then `Key: value`
//! lines, then an empty line.
//!
//! Absent: building and changing blocks, which a server never does but for its own (see
//! [`crate::encode::no_responders_block`]). A block is whatever a client sent and may be garbage:
//! what does not read as a header is not there, and nothing may panic.

/// A header block's bytes, not validated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Headers<'a>(&'a [u8]);

impl<'a> Headers<'a> {
    /// Looks at a block.
    pub fn new(block: &'a [u8]) -> Self {
        Self(block)
    }

    /// Whether the block begins as one of version 1.0.
    pub fn is_known_version(self) -> bool {
        self.version_rest().is_some()
    }

    /// The three digits of a status, of a block that has one.
    pub fn status(self) -> Option<u16> {
        let rest = self.version_rest()?;
        let (digits, behind) = rest.split_at_checked(3)?;
        let is_whole = matches!(behind.first(), None | Some(b' '));
        let number = crate::decimal::read(digits).filter(|_| is_whole)?;
        u16::try_from(number).ok()
    }

    /// The text behind the status.
    pub fn description(self) -> Option<&'a [u8]> {
        self.status()?;
        let text = trim_start(self.version_rest()?.get(3..)?);
        (!text.is_empty()).then_some(text)
    }

    /// The first value of a key, which must be spelled exactly so.
    pub fn get(self, key: &[u8]) -> Option<&'a [u8]> {
        self.iter().find(|(found, _)| *found == key).map(|(_, value)| value)
    }

    /// All keys with their values, in order, repeated keys too. Lines without a colon are skipped.
    pub fn iter(self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        lines(self.0).skip(1).take_while(|line| !line.is_empty()).filter_map(|line| {
            let colon = memchr::memchr(b':', line)?;
            let (key, value) = line.split_at_checked(colon)?;
            (!key.is_empty()).then_some((key, trim_start(value.get(1..)?)))
        })
    }

    /// What the first line says behind the version, if it is a version line.
    fn version_rest(self) -> Option<&'a [u8]> {
        let rest = lines(self.0).next()?.strip_prefix(b"NATS/1.0")?;
        matches!(rest.first(), None | Some(b' ' | b'\t')).then_some(trim_start(rest))
    }
}

/// The lines of a block without their CR LF; text behind the last CR LF is no line.
fn lines(block: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = block;
    core::iter::from_fn(move || {
        let end = memchr::memmem::find(rest, b"\r\n")?;
        let line = rest.get(..end)?;
        rest = rest.get(end + 2..)?;
        Some(line)
    })
}

fn trim_start(text: &[u8]) -> &[u8] {
    let blanks = text.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    text.get(blanks..).unwrap_or_default()
}
