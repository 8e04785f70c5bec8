//! The operations of the API document.

use serde_json::Value;

/// An operation: a method of a path, with its description in the document.
pub(super) struct Operation<'d> {
    /// The method, in capitals.
    pub(super) method: String,
    pub(super) path: &'d str,
    pub(super) facts: &'d Value,
}

/// Returns every operation of a document, in its order.
pub(super) fn operations(document: &Value) -> Vec<Operation<'_>> {
    let paths = document["paths"].as_object().into_iter().flatten();
    let operations = paths.flat_map(|(path, item)| {
        let methods = item.as_object().into_iter().flatten();
        methods.map(move |(method, facts)| Operation {
            method: method.to_ascii_uppercase(),
            path,
            facts,
        })
    });
    operations.collect()
}
