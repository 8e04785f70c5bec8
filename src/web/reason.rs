//! The words in which a page says why a route has refused its request.

use maud::{Markup, html};
use serde::Deserialize;
use serde_json::Value;

use crate::domain::time::Timestamp;
use crate::web::api::{Envelope, Major};
use crate::web::text;

/// The details that are amounts, with their words.
const AMOUNTS: [(&str, &str); 10] = [
    ("amount", "The amount"),
    ("sum", "The sum of the parts"),
    ("pool", "What there is to share"),
    ("due", "The total"),
    ("offered", "The amount that was sent"),
    ("needed", "Needed"),
    ("available", "Available"),
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

/// The details that are moments, in seconds since 1970, with their words.
const TIMES: [(&str, &str); 2] = [
    ("claimableAt", "It can be claimed from"),
    ("rulableAt", "It can be ruled on from"),
];

/// The fields of requests for which forms have other words.
const LABELS: [(&str, &str); 22] = [
    ("depositReference", "Reference of the deposit"),
    ("purpose", "What for"),
    ("maxDelivery", "Time to deliver"),
    ("deliveryTimeline", "Unit of time"),
    ("whoPays", "Who pays the fee"),
    ("milestones", "Stages"),
    ("message", "What is wrong"),
    ("resolution", "Reason"),
    ("by", "Later by"),
    ("balance", "Set the wallet to"),
    ("sellerAmount", "To the seller"),
    ("buyerAmount", "To the buyer"),
    ("bankReference", "The bank's reference"),
    ("valueDate", "Value date"),
    ("overlapHours", "Hours in which both are valid"),
    ("commissionBps", "Commission in basis points"),
    ("times", "How many requests"),
    ("delayMs", "Wait first, in milliseconds"),
    ("firstname", "First name"),
    ("lastname", "Last name"),
    ("scope", "What it opens"),
    ("label", "What it is for"),
];

/// The objects of requests that are bank accounts, and the words of forms for their fields.
const BANK_ACCOUNTS: [&str; 2] = ["destination", "withdrawalDetails"];
const BANK_LABELS: [(&str, &str); 4] = [
    ("accountName", "Account holder"),
    ("accountNumber", "Account number"),
    ("bankName", "Bank"),
    ("bankCode", "Bank code"),
];

/// Returns the message of a refusal. A refusal of the total that a form had shown names both totals,
/// and one that takes two persons names the limit as pages write amounts. The message of a failure
/// that leaves the outcome open, and that of a form whose first copy is still being done, is for
/// programs, so [`outcome`] says what to do.
pub(super) fn of(refusal: &Envelope, currency: &str) -> Markup {
    let amount = |name: &str| {
        let Major(amount) = Major::deserialize(refusal.details.get(name)?).ok()?;
        Some(text::amount(amount, currency))
    };
    if refusal.leaves_outcome_open() {
        return html! { "Something went wrong on our side." };
    }
    if refusal.is_in_flight() {
        return html! { "This form was sent before, and is still being done." };
    }
    let code = refusal.code.as_deref();
    match (code, amount("due"), amount("offered"), amount("aloneMax")) {
        (Some("amount_mismatch"), Some(due), Some(shown), _) => html! {
            "The price has changed since the page was shown. The total is now " (due) "; it was " (shown) "."
        },
        (Some("same_person"), _, _, Some(alone_max)) => html! {
            "An amount above " (alone_max) " needs a second operator; you recorded or requested this one."
        },
        _ => html! { (refusal.message) },
    }
}

/// Says what a refused request has changed: `nothing` says it for a refusal that changes nothing.
pub(super) fn outcome<'o>(refusal: &Envelope, nothing: &'o str) -> &'o str {
    if refusal.leaves_outcome_open() {
        "It may have been done. Look at the page of the form before you send it again."
    } else if refusal.is_in_flight() {
        "Open the page of the form again in a moment: it shows if it was done."
    } else {
        nothing
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
    let times = TIMES.iter().filter_map(|(name, words)| {
        let seconds: i64 = refusal.details.get(name)?.as_str()?.parse().ok()?;
        let at = Timestamp::from_millis(seconds.checked_mul(1_000)?)?;
        Some((*words, text::instant(at)))
    });
    let texts = TEXTS.iter().filter_map(|(name, words)| {
        let said = words_of(refusal.details.get(name)?)?;
        let is_new = !said.is_empty() && !refusal.message.contains(&said);
        is_new.then(|| (*words, html! { (said) }))
    });
    let field = refusal.details.get("field").and_then(Value::as_str);
    let label = field
        .and_then(label_of)
        .map(|label| ("In the form", html! { "“" (label) "”" }));
    let facts: Vec<(&str, Markup)> = label.into_iter().chain(amounts.chain(times).chain(texts)).collect();
    html! {
        @if !facts.is_empty() {
            dl.facts { @for (words, value) in &facts { dt { (words) } dd { (value) } } }
        }
    }
}

/// Returns the label that forms have beside a field of a request, if it has other words. Forms count
/// stages from 1, and requests from 0.
fn label_of(field: &str) -> Option<String> {
    let bank = field
        .split_once('.')
        .filter(|(object, _)| BANK_ACCOUNTS.contains(object));
    let (labels, field) = match bank {
        Some((_, part)) => (BANK_LABELS.as_slice(), part),
        None => (LABELS.as_slice(), field),
    };
    if let Some((_, label)) = labels.iter().find(|(name, _)| *name == field) {
        return Some((*label).to_owned());
    }
    let (index, name) = field.strip_prefix("milestones[")?.split_once("].")?;
    let stage = index.parse::<usize>().ok()?.checked_add(1)?;
    Some(match name {
        "amount" => format!("Amount of stage {stage}"),
        "description" => format!("Description of stage {stage}"),
        "dueDate" => format!("Stage {stage}, due"),
        "customerId" => format!("Stage {stage}, paid to"),
        _ => format!("Stage {stage}"),
    })
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
