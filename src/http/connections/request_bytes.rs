//! Finds the end of a request among the bytes of its client.
//!
//! The HTTP server decodes several requests ahead of their replies, and frames a reply by the request
//! that it has decoded last. So a stream shows it one request at a time, for which the stream must
//! know where each one ends. The rules are those of the server's decoder, `actix_http::h1::decoder`,
//! and a test compares the two. A head that the decoder refuses counts as the request's without end:
//! the server answers it with 400 and closes the connection.
//!
//! A malformed chunked body ends before its first wrong byte. The server must not see that byte: it
//! would take it for a client that has gone, and drop a request whose handler does not wait for the
//! body yet, without a reply. Two rules are stricter than the decoder's, which takes any byte in a
//! trailer: a line feed without a carriage return, and any other control character, are wrong there.
//! The decoder would take the next request for a part of the trailer, where another program sees an
//! end.

use std::mem::{self, MaybeUninit};

/// The most headers that the decoder takes.
const HEADERS_MAX: usize = 96;

/// The place in one request up to which its bytes have come.
#[derive(Debug, Default)]
pub(super) struct RequestBytes {
    part: Part,
    /// The beginning of a head whose end has not come, without empty lines. The decoder refuses a
    /// head that is too long, so this has an end.
    head: Vec<u8>,
}

/// The part of a request that comes next.
#[derive(Clone, Copy, Debug, Default)]
enum Part {
    #[default]
    Head,
    /// The rest of a body of known length, in bytes. There is at least one.
    Body(u64),
    /// A chunked body, with the rest of the chunk in bytes.
    Chunked(Chunked, u64),
    /// None: all has come.
    Nothing,
    /// Everything: the request has no end, or the decoder refuses its head.
    Everything,
    /// None: the next byte is wrong in a chunked body.
    Malformed,
}

/// The part of a chunked body that comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Chunked {
    /// The first digit of a chunk's size.
    FirstDigit,
    /// Another digit, or what ends the size.
    Digit,
    /// Blanks behind the size.
    Blank,
    Extension,
    /// The line feed that ends the line of the size.
    SizeEnd,
    Data,
    /// The carriage return behind the data.
    DataReturn,
    /// The line feed behind the data.
    DataEnd,
    /// A trailer line, or the empty line that ends the body.
    LineStart,
    /// The rest of a trailer line.
    Trailer,
    /// The line feed that ends a trailer line.
    TrailerEnd,
    /// The line feed that ends the body.
    BodyEnd,
    /// None: the body is complete.
    Nothing,
}

impl RequestBytes {
    /// Takes bytes that have come, and returns how many of them belong to the request. Takes at
    /// least one, unless the request is complete or malformed.
    pub(super) fn take(&mut self, bytes: &[u8]) -> usize {
        let mut taken = 0;
        while let Some(rest) = bytes.get(taken..).filter(|rest| !rest.is_empty()) {
            match self.part {
                Part::Head => taken += self.take_head(rest),
                Part::Body(left) => {
                    let (count, left) = count_of(left, rest);
                    taken += count;
                    self.part = if left == 0 { Part::Nothing } else { Part::Body(left) };
                }
                Part::Chunked(part, size) => taken += self.take_chunked(part, size, rest),
                Part::Nothing | Part::Malformed => return taken,
                Part::Everything => return bytes.len(),
            }
        }
        taken
    }

    /// Returns true if the request's last byte has come.
    pub(super) const fn is_complete(&self) -> bool {
        matches!(self.part, Part::Nothing)
    }

    /// Returns true if the next byte is wrong, so that the request's body has no end.
    pub(super) const fn is_malformed(&self) -> bool {
        matches!(self.part, Part::Malformed)
    }

    /// Returns true if the request's first byte has come. Empty lines before it do not count.
    pub(super) const fn has_begun(&self) -> bool {
        !matches!(self.part, Part::Head) || !self.head.is_empty()
    }

    fn take_head(&mut self, bytes: &[u8]) -> usize {
        if self.head.is_empty() {
            let empty = empty_lines(bytes);
            if empty > 0 {
                return empty;
            }
            if let Some((length, body)) = parse(bytes) {
                self.part = body;
                return length;
            }
            self.head.extend_from_slice(bytes);
            return bytes.len();
        }
        self.head.extend_from_slice(bytes);
        // A head ends with a line.
        if !bytes.contains(&b'\n') {
            return bytes.len();
        }
        self.head.drain(..empty_lines(&self.head));
        let Some((length, body)) = parse(&self.head) else {
            return bytes.len();
        };
        let head = mem::take(&mut self.head);
        self.part = body;
        bytes.len() - (head.len() - length)
    }

    fn take_chunked(&mut self, part: Chunked, mut size: u64, bytes: &[u8]) -> usize {
        let (mut part, mut taken) = (part, 0);
        while let Some(&byte) = bytes.get(taken) {
            if part == Chunked::Data {
                let (count, left) = count_of(size, &bytes[taken..]);
                taken += count;
                size = left;
                if left == 0 {
                    part = Chunked::DataReturn;
                }
                continue;
            }
            let Some(next) = part.next(byte, &mut size) else {
                self.part = Part::Malformed;
                return taken;
            };
            part = next;
            taken += 1;
            if part == Chunked::Nothing {
                self.part = Part::Nothing;
                return taken;
            }
        }
        self.part = Part::Chunked(part, size);
        taken
    }
}

impl Chunked {
    /// Returns the part behind this byte. `None` if the byte is wrong.
    fn next(self, byte: u8, size: &mut u64) -> Option<Self> {
        Some(match (self, byte) {
            (Self::FirstDigit, _) => {
                *size = digit(byte)?;
                Self::Digit
            }
            (Self::Digit | Self::Blank, b'\t' | b' ') => Self::Blank,
            (Self::Digit | Self::Blank, b';') | (Self::Extension, b'\t' | b' '..=b'~' | 0x80..) => Self::Extension,
            (Self::Digit | Self::Blank | Self::Extension, b'\r') => Self::SizeEnd,
            (Self::Digit, _) => {
                *size = size.checked_mul(16)? + digit(byte)?;
                Self::Digit
            }
            (Self::SizeEnd, b'\n') if *size > 0 => Self::Data,
            (Self::SizeEnd | Self::TrailerEnd, b'\n') => Self::LineStart,
            (Self::DataReturn, b'\r') => Self::DataEnd,
            (Self::DataEnd, b'\n') => Self::FirstDigit,
            (Self::LineStart, b'\r') => Self::BodyEnd,
            (Self::Trailer, b'\r') => Self::TrailerEnd,
            (Self::LineStart | Self::Trailer, b'\t' | b' '..=b'~' | 0x80..) => Self::Trailer,
            (Self::BodyEnd, b'\n') => Self::Nothing,
            _ => return None,
        })
    }
}

/// Returns how many of these bytes are among the next `left` ones, and how many are left then.
fn count_of(left: u64, bytes: &[u8]) -> (usize, u64) {
    let count = usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len()));
    let rest = u64::try_from(count).map_or(0, |count| left - count);
    (count, rest)
}

fn digit(byte: u8) -> Option<u64> {
    char::from(byte).to_digit(16).map(u64::from)
}

/// Returns the length of the empty lines at the beginning. The decoder skips them.
fn empty_lines(bytes: &[u8]) -> usize {
    let mut length = 0;
    loop {
        match &bytes[length..] {
            [b'\n', ..] => length += 1,
            [b'\r', b'\n', ..] => length += 2,
            _ => return length,
        }
    }
}

/// Returns the length of a head, and its body. `None` if the end of the head has not come.
fn parse(bytes: &[u8]) -> Option<(usize, Part)> {
    let mut headers = [const { MaybeUninit::uninit() }; HEADERS_MAX];
    let mut request = httparse::Request::new(&mut []);
    match request.parse_with_uninit_headers(bytes, &mut headers) {
        Ok(httparse::Status::Complete(length)) => Some((length, body_of(&request).unwrap_or(Part::Everything))),
        Ok(httparse::Status::Partial) => None,
        Err(_) => Some((bytes.len(), Part::Everything)),
    }
}

/// Returns the body of a request. `None` if the decoder refuses the request for its length.
fn body_of(request: &httparse::Request<'_, '_>) -> Option<Part> {
    let (mut length, mut is_chunked, mut is_websocket) = (None, false, false);
    for header in request.headers.iter() {
        let value = header.value.trim_ascii();
        if header.name.eq_ignore_ascii_case("content-length") {
            if length.replace(length_of(value)?).is_some() {
                return None;
            }
        } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
            let is_known = value.eq_ignore_ascii_case(b"chunked") && request.version == Some(1);
            if !is_known || is_chunked {
                return None;
            }
            is_chunked = true;
        } else if header.name.eq_ignore_ascii_case("upgrade") && value.eq_ignore_ascii_case(b"websocket") {
            is_websocket = true;
        }
    }
    Some(match length {
        Some(_) if is_chunked => return None,
        None if is_chunked => Part::Chunked(Chunked::FirstDigit, 0),
        _ if is_websocket => Part::Everything,
        Some(length @ 1..) => Part::Body(length),
        None | Some(0) if request.method == Some("CONNECT") => Part::Everything,
        None | Some(0) => Part::Nothing,
    })
}

fn length_of(value: &[u8]) -> Option<u64> {
    let text = str::from_utf8(value).ok().filter(|text| !text.starts_with('+'))?;
    text.parse().ok()
}

#[cfg(test)]
mod tests;
