//! The API document of a server, built once for each policy.

use std::io;
use std::sync::Arc;

use actix_web::web::Bytes;
use arc_swap::ArcSwapOption;
use serde::Serialize;
use serde_json::Value;
use serde_json::ser::{Formatter, Serializer};

use crate::commands::Policy;

/// The document for the policy for which it was last asked. A reload of the configuration makes
/// a new policy.
#[derive(Debug, Default)]
pub struct ApiDocument(ArcSwapOption<Built>);

/// A document and its JSON.
#[derive(Debug)]
pub(crate) struct Built {
    policy: Arc<Policy>,
    pub(crate) document: Value,
    pub(crate) json: Bytes,
}

impl ApiDocument {
    /// Returns the document of this policy. Builds it if the last one was of another.
    pub(crate) fn of(&self, policy: &Arc<Policy>, describe: impl FnOnce(&Policy) -> Value) -> Arc<Built> {
        let last = self.0.load_full();
        if let Some(last) = last.filter(|last| Arc::ptr_eq(&last.policy, policy)) {
            return last;
        }
        let document = describe(policy);
        let built = Arc::new(Built {
            policy: Arc::clone(policy),
            json: json_of(&document).into(),
            document,
        });
        self.0.store(Some(Arc::clone(&built)));
        built
    }
}

/// Writes a document. Its numbers with a fraction are bounds of amounts, of which the largest has more
/// digits than JSON libraries write by themselves.
fn json_of(document: &Value) -> Vec<u8> {
    struct TwoDecimals;

    impl Formatter for TwoDecimals {
        fn write_f64<W: ?Sized + io::Write>(&mut self, writer: &mut W, value: f64) -> io::Result<()> {
            let written = format!("{value:.2}");
            writer.write_all(written.trim_end_matches('0').trim_end_matches('.').as_bytes())
        }
    }

    let mut json = Vec::new();
    let mut serializer = Serializer::with_formatter(&mut json, TwoDecimals);
    document
        .serialize(&mut serializer)
        .expect("memory takes every document");
    json
}
