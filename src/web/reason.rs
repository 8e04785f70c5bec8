//! The words in which a page says why a route has refused its request.

use maud::{Markup, html};
use serde::Deserialize;
use serde_json::Value;

use crate::web::api::{Envelope, Major};
use crate::web::text;

/// The details that are amounts, with their words.
const AMOUNTS: [(&str, &str); 11] = [
    ("amount", "The amount"),
    ("sum", "The sum of the parts"),
    ("pool", "What there is to share"),
    ("due", "The total"),
    ("offered", "The amount that was sent"),
    ("needed", "Needed"),
    ("available", "Available"),
    ("aloneMax", "The most that one person moves alone"),
    ("min", "At least"),
    ("pot", "The pot"),
    ("stake", "The stake"),
];

/// The details that are texts, with their words.
const TEXTS: [(&str, &str); 8] = [
    ("field", "The field"),
    ("expected", "What it may be"),
    ("got", "What was sent"),
    ("status", "The status now"),
    ("actions", "What is possible now"),
    ("allowed", "What is allowed"),
    ("role", "Your role"),
    ("id", "The id"),
];

/// Returns the message of a refusal. A refusal of the total that a form had shown names both totals.
pub(super) fn of(refusal: &Envelope, currency: &str) -> Markup {
    let total = |name: &str| Major::deserialize(refusal.details.get(name)?).ok();
    let totals = (refusal.code.as_deref(), total("due"), total("offered"));
    let (Some("amount_mismatch"), Some(Major(due)), Some(Major(shown))) = totals else {
        return html! { (refusal.message) };
    };
    html! {
        "The price has changed since the page was shown. The total is now " (text::amount(due, currency))
        "; it was " (text::amount(shown, currency)) "."
    }
}

/// Shows the details of a refusal that its message leaves out.
pub(super) fn facts(refusal: &Envelope, currency: &str) -> Markup {
    if refusal.code.as_deref() == Some("amount_mismatch") {
        return html! {};
    }
    let amounts = AMOUNTS.iter().filter_map(|(name, words)| {
        let Major(amount) = Major::deserialize(refusal.details.get(name)?).ok()?;
        Some((*words, text::amount(amount, currency)))
    });
    let texts = TEXTS.iter().filter_map(|(name, words)| {
        let said = words_of(refusal.details.get(name)?)?;
        let is_new = !said.is_empty() && !refusal.message.contains(&said);
        is_new.then(|| (*words, html! { (said) }))
    });
    let facts: Vec<(&str, Markup)> = amounts.chain(texts).collect();
    html! {
        @if !facts.is_empty() {
            dl.facts { @for (words, value) in &facts { dt { (words) } dd { (value) } } }
        }
    }
}

/// Returns a text, or a list of texts, in words.
fn words_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Array(list) => {
            let texts: Option<Vec<&str>> = list.iter().map(Value::as_str).collect();
            texts.map(|texts| texts.join(", "))
        }
        _ => None,
    }
}
