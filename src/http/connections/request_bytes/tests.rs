//! Where a request ends among the bytes of its client, and that the server's decoder agrees.

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

/// The part of a request that the server's own decoder refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refused {
    Head,
    Body,
}

/// The length of the first request by the server's own decoder, and whether it is complete.
fn decoded(bytes: &[u8]) -> Result<(usize, bool), Refused> {
    let (mut codec, mut rest) = (Codec::default(), BytesMut::from(bytes));
    let end = |rest: &BytesMut| Ok((bytes.len() - rest.len(), true));
    if codec.decode(&mut rest).map_err(|_| Refused::Head)?.is_none() {
        return Ok((bytes.len(), false));
    }
    if matches!(codec.message_type(), MessageType::None) {
        return end(&rest);
    }
    loop {
        match codec.decode(&mut rest).map_err(|_| Refused::Body)? {
            Some(Message::Chunk(Some(_))) => {}
            Some(_) => return end(&rest),
            None => return Ok((bytes.len(), false)),
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

/// The length of a request up to the first wrong byte of its body, and whether that byte stands in a
/// trailer. `None` if all bytes are right.
fn malformed_at(bytes: &[u8]) -> Option<(usize, bool)> {
    let mut request = RequestBytes::default();
    let mut taken = 0;
    while taken < bytes.len() && !request.is_complete() {
        let part = request.part;
        taken += request.take(&bytes[taken..=taken]);
        if request.is_malformed() {
            let is_in_trailer = matches!(part, Part::Chunked(Chunked::LineStart | Chunked::Trailer, _));
            return Some((taken, is_in_trailer));
        }
    }
    None
}

/// Asserts that both agree on where the first request ends, wherever its bytes are split, and that the
/// decoder would see no byte of a body that it refuses.
#[track_caller]
fn assert_agree(bytes: &[u8]) {
    let expected = match decoded(bytes) {
        Ok(expected) => expected,
        Err(Refused::Head) => return,
        Err(Refused::Body) => {
            assert!(
                malformed_at(bytes).is_some(),
                "the decoder refuses it: {}",
                bytes.escape_ascii()
            );
            return;
        }
    };
    if let Some((_, is_in_trailer)) = malformed_at(bytes) {
        assert!(is_in_trailer, "the decoder accepts it: {}", bytes.escape_ascii());
        return;
    }
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
            assert_eq!(decoded(request.as_bytes()).is_ok(), is_accepted, "{request:?}");
            for next in ["", GET, CHUNKED, "\r\n", "\u{1}"] {
                let both = format!("{request}{next}");
                assert_agree(both.as_bytes());
                if is_accepted {
                    assert_eq!(decoded(both.as_bytes()), Ok((request.len(), true)), "{both:?}");
                }
            }
        }
    });
}

#[test]
fn a_control_character_in_a_trailer_is_wrong() {
    let beginning = format!("{CHUNKED}2\r\n{{}}\r\n0\r\n");
    for (trailer, wrong) in [
        ("\n\r\n", Some(0)),
        ("x: y\n\r\n", Some(4)),
        ("x: 1\r\n\n", Some(6)),
        ("x: 1\r\ny: \0\r\n\r\n", Some(9)),
        ("x: \u{7f}\r\n\r\n", Some(3)),
        ("x:\t\u{e9}~\r\n\r\n", None),
        ("\r\n", None),
    ] {
        let all = format!("{beginning}{trailer}{GET}");
        let expected = wrong.map(|place| (beginning.len() + place, true));
        assert_eq!(malformed_at(all.as_bytes()), expected, "{trailer:?}");
    }
}

#[test]
fn a_malformed_body_ends_before_its_first_wrong_byte() {
    for (body, place) in [
        ("x", 0),
        ("5\n12345\r\n", 1),
        ("5 1\r\n", 2),
        ("5;\u{7f}\r\n", 2),
        ("5\r12345\r\n", 2),
        ("5\r\n123456\r\n", 8),
        ("5\r\n12345\rx", 9),
        ("fffffffffffffffff\r\n", 16),
    ] {
        let all = format!("{CHUNKED}{body}{GET}");
        let expected = CHUNKED.len() + place;
        assert_eq!(malformed_at(all.as_bytes()), Some((expected, false)), "{body:?}");
        for split_at in 0..=all.len() {
            let mut request = RequestBytes::default();
            let (first, second) = all.as_bytes().split_at(split_at);
            let count = request.take(first) + request.take(second);
            assert_eq!((count, request.is_malformed()), (expected, true), "{body:?}");
        }
    }
}

#[test]
fn a_request_without_an_end_takes_all_bytes() {
    with_decoder(|| {
        for head in [
            "CONNECT a HTTP/1.1\r\nhost: a\r\n\r\n",
            "GET / HTTP/1.1\r\nhost: a\r\nupgrade: WebSocket\r\ncontent-length: 1\r\n\r\n",
        ] {
            let both = format!("{head}{GET}");
            assert_eq!(decoded(both.as_bytes()), Ok((both.len(), false)));
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
            let is_complete = decoded(text.as_bytes()).is_ok_and(|(_, is_complete)| is_complete);
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
