//! The value of a field as the client sent it, and when it counts as absent.

use serde_json::value::RawValue;

/// Stands in a data URL before content in base64.
const BASE64: &str = ";base64,";

/// A field's value as the client sent it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Value<'a> {
    Json(&'a RawValue),
    Form(&'a str),
}

impl<'a> Value<'a> {
    /// Returns the value's source text. A JSON text keeps its quotes and escapes.
    pub(super) fn as_written(&self) -> &'a str {
        match self {
            Self::Json(raw) => raw.get(),
            Self::Form(text) => text,
        }
    }

    /// Returns the text, or `None` if the value is not a text.
    pub(super) fn as_text(&self) -> Option<String> {
        match self {
            Self::Json(raw) => serde_json::from_str(raw.get()).ok(),
            Self::Form(text) => Some((*text).to_owned()),
        }
    }

    /// Returns true if the value counts as absent. A form has no null: its `null` is a
    /// text.
    pub(super) fn is_empty(&self) -> bool {
        self.is_empty_text() || matches!(self, Self::Json(raw) if raw.get() == "null")
    }

    pub(super) fn is_empty_text(&self) -> bool {
        match self {
            Self::Json(raw) => raw.get() == "\"\"",
            Self::Form(text) => text.is_empty(),
        }
    }

    pub(super) fn is_empty_list(&self) -> bool {
        let Self::Json(raw) = self else {
            return false;
        };
        let inside = raw.get().strip_prefix('[').and_then(|list| list.strip_suffix(']'));
        inside.is_some_and(|inside| inside.trim().is_empty())
    }

    /// Returns true if the value is a data URL with base64 content, or a list with one. The lists in
    /// a list may be nested to any depth, so they are not looked into; no route takes them.
    pub(super) fn has_data_url(&self) -> bool {
        match self {
            Self::Form(text) => is_data_url(text),
            Self::Json(raw) if !raw.get().contains(BASE64) => false,
            Self::Json(raw) if raw.get().starts_with('[') => {
                let entries: Vec<&RawValue> = serde_json::from_str(raw.get()).unwrap_or_default();
                entries.into_iter().any(is_data_url_text)
            }
            Self::Json(raw) => is_data_url_text(raw),
        }
    }
}

fn is_data_url_text(raw: &RawValue) -> bool {
    let text: Option<String> = serde_json::from_str(raw.get()).ok();
    text.is_some_and(|text| is_data_url(&text))
}

fn is_data_url(text: &str) -> bool {
    let scheme = text.trim_start().get(..5);
    scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case("data:")) && text.contains(BASE64)
}
