//! Packs the JSON texts that rows keep, such as the data of an event, into few bytes.
//!
//! A packed text is a zstd frame without its first four bytes, which are the same in all frames;
//! rows of version 1 of the schema have them. Texts of one kind have the same field names and
//! words, so the frames are made with a dictionary of them. The header of a frame has the number
//! of its dictionary. A file may hold frames of every dictionary there ever was: a number is
//! never used for another dictionary, and a later program keeps the earlier ones.
//!
//! `cargo bench --bench throughput -- dictionary` trains one from database files.

use std::borrow::Cow;
use std::cell::RefCell;
use std::sync::LazyLock;

use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::{Connection, Error};
use zstd::bulk::{Compressor, Decompressor};
use zstd::dict::{DecoderDictionary, EncoderDictionary};

/// The bytes that begin every zstd frame (RFC 8878). No header that [`pack`] leaves
/// begins with them: their first one would be that of a frame without a numbered dictionary.
const MAGIC: [u8; 4] = 0xfd2f_b528_u32.to_le_bytes();
/// The dictionary number 1, with which all texts are packed.
static DICTIONARY: &[u8] = include_bytes!("dictionary_1.zdict");
/// The fastest of zstd's ordinary levels. Level 3 saves a twentieth of the bytes, but takes
/// half as long again, on the thread of all writes.
const LEVEL: i32 = 1;
/// The most bytes of an unpacked text: more than any reply has, so that a damaged frame
/// cannot ask for more memory.
const TEXT_BYTES_MAX: usize = 64 << 20;

static ENCODER: LazyLock<EncoderDictionary<'static>> = LazyLock::new(|| EncoderDictionary::copy(DICTIONARY, LEVEL));
static DECODER: LazyLock<DecoderDictionary<'static>> = LazyLock::new(|| DecoderDictionary::copy(DICTIONARY));

thread_local! {
    // Each has tables of some hundred kilobytes, which only threads that need them have.
    static COMPRESSOR: RefCell<Compressor<'static>> = RefCell::new(
        Compressor::with_prepared_dictionary(&ENCODER).expect("memory for a compressor"),
    );
    static DECOMPRESSOR: RefCell<Decompressor<'static>> = RefCell::new(
        Decompressor::with_prepared_dictionary(&DECODER).expect("memory for a decompressor"),
    );
}

/// Packs a text.
pub(crate) fn pack(text: &str) -> Vec<u8> {
    let mut frame = COMPRESSOR
        .with_borrow_mut(|compressor| compressor.compress(text.as_bytes()).expect("memory for a packed text"));
    frame.drain(..MAGIC.len());
    frame
}

/// Returns the text that was packed, or `None` for bytes that [`pack`] did not make.
pub(crate) fn unpack(packed: &[u8]) -> Option<String> {
    let frame = frame_of(packed);
    let bytes_max = usize::try_from(zstd::zstd_safe::get_frame_content_size(&frame).ok()??).ok()?;
    if bytes_max > TEXT_BYTES_MAX {
        return None;
    }
    let bytes = DECOMPRESSOR.with_borrow_mut(|decompressor| decompressor.decompress(&frame, bytes_max));
    String::from_utf8(bytes.ok()?).ok()
}

/// Returns the whole frame of a packed text.
fn frame_of(packed: &[u8]) -> Cow<'_, [u8]> {
    if packed.starts_with(&MAGIC) {
        Cow::Borrowed(packed)
    } else {
        Cow::Owned([&MAGIC, packed].concat())
    }
}

/// Adds the SQL functions `pack(text)` and `unpack(packed)` to a connection.
pub(crate) fn register(connection: &Connection) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_DIRECTONLY;
    connection.create_scalar_function("pack", 1, flags, |of: &Context<'_>| Ok(pack(&of.get::<String>(0)?)))?;
    connection.create_scalar_function("unpack", 1, flags, |of: &Context<'_>| {
        unpack(&of.get::<Vec<u8>>(0)?).ok_or(Error::InvalidQuery)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use sha2::{Digest, Sha256};

    use super::*;

    /// Files hold texts that were packed with it.
    #[test]
    fn the_dictionary_never_changes() {
        let hash = hex::encode(Sha256::digest(DICTIONARY));
        assert_eq!(hash, "79ab8a82fe0c22a7fca367edb3e8d6d52dd65363f1b298ccf62012d0c04af727");
        let number = zstd::zstd_safe::get_dict_id_from_dict(DICTIONARY);
        assert_eq!(number.map(u32::from), Some(1));
    }

    #[test]
    fn a_frame_says_which_dictionary_it_needs() {
        let packed = pack(r#"{"id":"00d10d1319fd88013a5d4433","status":"PENDING"}"#);
        let number = zstd::zstd_safe::get_dict_id_from_frame(&frame_of(&packed));
        assert_eq!(number.map(u32::from), Some(1));
    }

    #[test]
    fn texts_that_version_1_packed_are_read() {
        let text = r#"{"id":"00d10d1319fd88013a5d4433","status":"PENDING"}"#;
        let packed = pack(text);
        assert!(!packed.starts_with(&MAGIC));
        let of_version_1 = COMPRESSOR.with_borrow_mut(|compressor| compressor.compress(text.as_bytes()).unwrap());
        assert_eq!(of_version_1[MAGIC.len()..], packed);
        assert_eq!(unpack(&of_version_1).as_deref(), Some(text));
    }

    #[test]
    fn field_names_and_words_take_few_bytes() {
        let text = r#"{"id":"00d10d1348eb30001848a2b2","reference":"4SGXYXVABERE8B2TCEC","amount":500,"fee":0,"currency":"NGN","status":"success","transactionType":"escrow","creditType":"credit","customerId":"ada","withdrawalDetails":null,"walletDetails":null,"escrowDetails":null,"blockchainDetails":null,"createdAt":"2026-12-12T23:33:35.353Z","updatedAt":"2026-12-12T23:33:35.353Z","environment":"test","merchantId":1}"#;
        assert!(pack(text).len() * 4 < text.len(), "{}", pack(text).len());
    }

    #[test]
    fn bytes_that_are_no_packed_text_are_refused() {
        let packed = pack(&"{\"purpose\":\"Roof\"}".repeat(40));
        for bytes in [&b""[..], b"{}", &packed[1..], &packed[..packed.len() - 1]] {
            assert_eq!(unpack(bytes), None, "{bytes:?}");
        }
        let mut of_another_dictionary = packed.clone();
        of_another_dictionary[1] = 2;
        assert_eq!(unpack(&of_another_dictionary), None);
        // The beginning of a frame without a numbered dictionary.
        let other = Compressor::with_dictionary(LEVEL, b"another dictionary, of plain content")
            .unwrap()
            .compress(b"{}");
        assert_eq!(unpack(&other.unwrap()[..5]), None);
    }

    proptest! {
        #[test]
        fn every_text_comes_back(text in ".{0,300}") {
            prop_assert_eq!(unpack(&pack(&text)), Some(text));
        }

        #[test]
        fn damaged_bytes_do_not_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), at in any::<prop::sample::Index>(), bit in 0_u8..8) {
            let _ = unpack(&bytes);
            let mut packed = pack("{\"event\":\"escrow.completed\",\"data\":{\"status\":\"COMPLETED\"}}");
            let at = at.index(packed.len());
            packed[at] ^= 1 << bit;
            let _ = unpack(&packed);
        }
    }
}
