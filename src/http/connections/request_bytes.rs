//! Finds the end of a request among the bytes of its client.
//!
//! The HTTP server decodes several requests ahead of their replies, and frames a reply by the request
//! that it has decoded last. So a stream shows it one request at a time, for which the stream must
//! know where each one ends. The rules are those of the server's decoder, `actix_http::h1::decoder`,
//! and a test compares the two. Bytes that the decoder refuses count as the request's without end:
//! the server answers them with 400 and closes the connection.

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
    /// Everything: the request has no end, or the decoder refuses it.
    Everything,
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
    /// least one, unless the request is complete.
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
                Part::Nothing => return taken,
                Part::Everything => return bytes.len(),
            }
        }
        taken
    }

    /// Returns true if the request's last byte has come.
    pub(super) const fn is_complete(&self) -> bool {
        matches!(self.part, Part::Nothing)
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
                self.part = Part::Everything;
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
    /// Returns the part behind this byte. `None` if the decoder refuses the byte.
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
            (Self::LineStart | Self::Trailer, _) => Self::Trailer,
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
mod tests {
    use std::cell::Cell;

    use actix_codec::Decoder as _;
    use actix_http::h1::{Codec, Message, MessageType};
    use bytes::BytesMut;
    use proptest::prelude::*;
    use proptest::test_runner::TestRunner;

    use super::*;

    const GET: &str = "GET /v1/wallet HTTP/1.1\r\nhost: localhost\r\n\r\n";
    const CHUNKED: &str = "POST / HTTP/1.1\r\nhost: a\r\nTransfer-Encoding: Chunked\r\n\r\n";

    /// Runs a test where the server's decoder runs: it looks after a clock in a task.
    fn with_decoder(test: impl FnOnce()) {
        actix_web::rt::System::new().block_on(async { test() });
    }

    /// The length of the first request by the server's own decoder, and whether it is complete.
    /// `None` if the decoder refuses the bytes.
    fn decoded(bytes: &[u8]) -> Option<(usize, bool)> {
        let (mut codec, mut rest) = (Codec::default(), BytesMut::from(bytes));
        let end = |rest: &BytesMut| Some((bytes.len() - rest.len(), true));
        if codec.decode(&mut rest).ok()?.is_none() {
            return Some((bytes.len(), false));
        }
        if matches!(codec.message_type(), MessageType::None) {
            return end(&rest);
        }
        loop {
            match codec.decode(&mut rest).ok()? {
                Some(Message::Chunk(Some(_))) => {}
                Some(_) => return end(&rest),
                None => return Some((bytes.len(), false)),
            }
        }
    }

    /// The length of the first request by the rules of this file, from bytes that come in two parts.
    fn taken(bytes: &[u8], split_at: usize) -> (usize, bool) {
        let mut request = RequestBytes::default();
        let (first, second) = bytes.split_at(split_at);
        let mut count = request.take(first);
        if !request.is_complete() {
            assert_eq!(count, first.len(), "{request:?}");
            count += request.take(second);
        }
        (count, request.is_complete())
    }

    /// Asserts that both agree on where the first request ends, wherever its bytes are split.
    #[track_caller]
    fn assert_agree(bytes: &[u8]) {
        let Some(expected) = decoded(bytes) else {
            return;
        };
        for split_at in 0..=bytes.len() {
            let text = bytes.escape_ascii();
            assert_eq!(taken(bytes, split_at), expected, "split at {split_at}: {text}");
        }
    }

    #[test]
    fn a_request_ends_where_the_decoder_ends_it() {
        with_decoder(|| {
            let post = |lines: &str, body: &str| format!("POST / HTTP/1.1\r\nhost: a\r\n{lines}\r\n{body}");
            let chunked = |body: &str| format!("{CHUNKED}{body}");
            for (request, is_accepted) in [
                (GET.to_owned(), true),
                (GET.replace("\r\n", "\n"), true),
                (format!("\r\n\n\r\n{GET}"), true),
                ("GET / HTTP/1.0\r\n\r\n".to_owned(), true),
                ("HEAD / HTTP/1.1\r\nhost: a\n\r\n".to_owned(), true),
                (post("", ""), true),
                (post("content-length: 5\r\n", "12345"), true),
                (post("Content-Length:  0 \r\n", ""), true),
                (post("content-length: 5\r\ncontent-length: 5\r\n", "12345"), false),
                (post("content-length: +5\r\n", "12345"), false),
                (post("content-length: 5, 5\r\n", "12345"), false),
                (post("content-length: \r\n", ""), false),
                (chunked("0\r\n\r\n"), true),
                (chunked("5\r\n12345\r\nA \t\r\n1234567890\r\n00\r\n\r\n"), true),
                (
                    chunked("5;a=b;c=\"d\"\r\n12345\r\n0;last\r\nx-sum: 1\r\ny: 2\r\n\r\n"),
                    true,
                ),
                (chunked("5\n12345\r\n0\r\n\r\n"), false),
                (chunked("5\r\n123456\r\n0\r\n\r\n"), false),
                (chunked("fffffffffffffffff\r\n"), false),
                (chunked("x\r\n"), false),
                (
                    post("content-length: 5\r\ntransfer-encoding: chunked\r\n", "0\r\n\r\n"),
                    false,
                ),
                (post("transfer-encoding: gzip, chunked\r\n", "0\r\n\r\n"), false),
                (post("transfer-encoding: identity\r\n", ""), false),
                (post("expect: 100-continue\r\ncontent-length: 2\r\n", "{}"), true),
                (
                    "POST / HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n".to_owned(),
                    false,
                ),
                (
                    "CONNECT a HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\n{}".to_owned(),
                    true,
                ),
                ("\u{1}\r\n\r\n".to_owned(), false),
            ] {
                assert_eq!(decoded(request.as_bytes()).is_some(), is_accepted, "{request:?}");
                for next in ["", GET, CHUNKED, "\r\n", "\u{1}"] {
                    let both = format!("{request}{next}");
                    assert_agree(both.as_bytes());
                    if is_accepted {
                        assert_eq!(decoded(both.as_bytes()), Some((request.len(), true)), "{both:?}");
                    }
                }
            }
        });
    }

    #[test]
    fn a_request_without_an_end_takes_all_bytes() {
        with_decoder(|| {
            for head in [
                "CONNECT a HTTP/1.1\r\nhost: a\r\n\r\n",
                "GET / HTTP/1.1\r\nhost: a\r\nupgrade: WebSocket\r\ncontent-length: 1\r\n\r\n",
            ] {
                let both = format!("{head}{GET}");
                assert_eq!(decoded(both.as_bytes()), Some((both.len(), false)));
                assert_agree(both.as_bytes());
            }
        });
    }

    #[test]
    fn many_requests_in_one_buffer_are_taken_one_by_one() {
        let all = [GET, CHUNKED, "5\r\n12345\r\n0\r\n\r\n", GET].concat();
        let mut rest = all.as_bytes();
        let mut lengths = Vec::new();
        while !rest.is_empty() {
            let mut request = RequestBytes::default();
            assert!(!request.has_begun());
            lengths.push(request.take(rest));
            assert!(request.is_complete() && request.has_begun());
            assert_eq!(request.take(rest), 0, "it is complete");
            rest = &rest[lengths[lengths.len() - 1]..];
        }
        assert_eq!(lengths, [GET.len(), CHUNKED.len() + 15, GET.len()]);
    }

    #[test]
    fn empty_lines_before_a_request_are_not_kept() {
        let mut request = RequestBytes::default();
        for part in ["\r", "\n", "\r\n\r", "\n\n"] {
            assert_eq!(request.take(part.as_bytes()), part.len());
        }
        assert!(!request.has_begun());
        assert_eq!(request.take(GET.as_bytes()), GET.len());
        assert!(request.is_complete());
    }

    /// Pieces of requests, of which the test puts some together.
    const PIECES: [&str; 36] = [
        "GET / HTTP/1.1\r\n",
        "POST / HTTP/1.1\r\n",
        "HEAD / HTTP/1.0\n",
        "CONNECT a HTTP/1.1\r\n",
        "host: a\r\n",
        "host: a\n",
        "Content-Length: 3\r\n",
        "content-length:\t12 \n",
        "content-length: 0\r\n",
        "transfer-encoding: chunked\r\n",
        "TRANSFER-ENCODING: CHUNKED \n",
        "transfer-encoding: identity\r\n",
        "upgrade: websocket\r\n",
        "connection: close\r\n",
        "x: \u{e9}\r\n",
        " folded\r\n",
        "\r\n",
        "\r\n\r\n",
        "\n",
        "\r",
        "abc",
        "0",
        "1",
        "a",
        "F",
        "3\r\nabc\r\n",
        "0\r\n",
        "0\r\n\r\n",
        ";x=y",
        " ",
        "\t",
        "\u{7f}",
        ":",
        "x-trailer: 1\r\n",
        "1\r\n\r\r\n",
        "ffffffffffffffff",
    ];

    /// A request that is well-formed, or nearly so, and something behind it.
    fn bytes_of_clients() -> impl Strategy<Value = String> {
        let pieces = |range| prop::collection::vec(prop::sample::select(&PIECES[range]), 0..5);
        (
            pieces(0..4),
            pieces(4..16),
            pieces(16..19),
            pieces(16..36),
            pieces(0..36),
        )
            .prop_map(|(line, headers, end, body, rest)| {
                let line = line.first().copied().unwrap_or(PIECES[1]);
                let end = end.first().copied().unwrap_or(PIECES[16]);
                [line, PIECES[4], &headers.concat(), end, &body.concat(), &rest.concat()].concat()
            })
    }

    #[test]
    fn whatever_the_decoder_takes_ends_alike() {
        with_decoder(|| {
            let mut runner = TestRunner::new(ProptestConfig::with_cases(2_000));
            let complete = Cell::new(0);
            let agree = |text: String| {
                assert_agree(text.as_bytes());
                let is_complete = decoded(text.as_bytes()).is_some_and(|(_, is_complete)| is_complete);
                complete.set(complete.get() + usize::from(is_complete));
                Ok(())
            };
            runner.run(&bytes_of_clients(), agree).unwrap();
            assert!(
                complete.get() >= 400,
                "{complete:?} of 2,000 cases were complete requests"
            );
        });
    }
}
