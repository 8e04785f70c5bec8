//! The API document of a server, built once for each policy.

use std::sync::Arc;

use actix_web::web::Bytes;
use arc_swap::ArcSwapOption;
use serde_json::Value;

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
            json: document.to_string().into(),
            document,
        });
        self.0.store(Some(Arc::clone(&built)));
        built
    }
}
