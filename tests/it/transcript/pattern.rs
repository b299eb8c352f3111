//! What one expected piece of a conversation looks like: bytes with a few blanks to fill in.
//!
//! Absent: sockets. A pattern says of the bytes that came so far whether they fit, do not fit, or
//! are too few to tell.

/// Bytes, a run of digits, or any run of bytes within one line.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Bytes(Vec<u8>),
    Digits,
    Anything,
}

/// An expected piece of a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pattern {
    pieces: Vec<Piece>,
}

/// How a pattern fits the bytes that came so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fit {
    /// The first so many bytes are what was expected.
    Whole(usize),
    /// More bytes could complete it.
    Partial,
    /// No more bytes can.
    Never,
}

impl Pattern {
    /// Reads a pattern whose escapes are already resolved: `<int>` is a run of digits, `<...>` any
    /// run of bytes within a line.
    pub(crate) fn parse(mut text: &[u8]) -> Self {
        let mut pieces = Vec::new();
        let mut bytes = Vec::new();
        while let Some((&first, rest)) = text.split_first() {
            let blank = [(&b"<int>"[..], Piece::Digits), (&b"<...>"[..], Piece::Anything)];
            let found = blank.into_iter().find(|(name, _)| text.starts_with(name));
            if let Some((name, piece)) = found {
                pieces.push(Piece::Bytes(std::mem::take(&mut bytes)));
                pieces.push(piece);
                text = &text[name.len()..];
            } else {
                bytes.push(first);
                text = rest;
            }
        }
        pieces.push(Piece::Bytes(bytes));
        Self { pieces }
    }

    /// Compares with the bytes that came so far.
    pub(crate) fn fit(&self, input: &[u8]) -> Fit {
        fit(&self.pieces, input, 0)
    }
}

/// Tries every length of a blank, shortest first: a pattern has few of them.
fn fit(pieces: &[Piece], input: &[u8], at: usize) -> Fit {
    let Some((piece, others)) = pieces.split_first() else { return Fit::Whole(at) };
    let rest = &input[at..];
    let admitted: fn(&u8) -> bool = match piece {
        Piece::Bytes(bytes) if rest.starts_with(bytes) => {
            return fit(others, input, at + bytes.len());
        }
        Piece::Bytes(bytes) if bytes.starts_with(rest) => return Fit::Partial,
        Piece::Bytes(_) => return Fit::Never,
        Piece::Digits => u8::is_ascii_digit,
        Piece::Anything => |&byte| byte != b'\n',
    };
    let run = rest.iter().take_while(|&byte| admitted(byte)).count();
    let least = usize::from(*piece == Piece::Digits);
    for length in least..=run {
        let found = fit(others, input, at + length);
        if found != Fit::Never {
            return found;
        }
    }
    if at + run == input.len() { Fit::Partial } else { Fit::Never }
}

#[test]
fn a_pattern_tells_whole_from_partial_from_never() {
    let check =
        |pattern: &str, input: &str| Pattern::parse(pattern.as_bytes()).fit(input.as_bytes());
    assert_eq!(check("PONG\r\n", "PONG\r\nX"), Fit::Whole(6));
    assert_eq!(check("PONG\r\n", "PO"), Fit::Partial);
    assert_eq!(check("PONG\r\n", "PI"), Fit::Never);
    assert_eq!(check("id <int>,<...>}\r\n", "id 12,a}b}\r\n"), Fit::Whole(12));
    assert_eq!(check("id <int>,", "id ,"), Fit::Never);
    assert_eq!(check("id <int>,", "id 1"), Fit::Partial);
    assert_eq!(check("<...>x\r\n", "abc\r\n"), Fit::Never);
    assert_eq!(check("", "abc"), Fit::Whole(0));
}
