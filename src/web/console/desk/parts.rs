//! The parts that the pages of the desk share.

use maud::{Markup, html};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::web::api::Envelope;
use crate::web::console::timeline::Rows;
use crate::web::layout::Refused;
use crate::web::parts::Part;
use crate::web::reader::Reader;
use crate::web::reason;
pub(super) use crate::web::sections::DESK as SECTION;
use crate::web::sections::DESK_PAGES;
use crate::web::text;

/// Links to the pages of the desk.
pub(super) fn pages(reader: &Reader, current: &str) -> Markup {
    let is_shown = |(_, path): &(&str, &str)| reader.sees(Part::of(path));
    html! {
        nav.site-nav.pages-of-section aria-label="Pages of the desk" {
            @for (name, path) in DESK_PAGES.into_iter().filter(is_shown) {
                a href=(path) aria-current=[(path == current).then_some("page")] { (name) }
            }
        }
    }
}

/// Reads a page of a list: the rows behind the cursor, or the newest ones. `path` has a query.
pub(super) async fn rows<T: DeserializeOwned>(
    reader: &Reader,
    path: &str,
    cursor: Option<&str>,
) -> Result<Rows<T>, Refused> {
    let behind = cursor.map_or_else(String::new, |cursor| format!("&cursor={}", text::segment(cursor)));
    reader.api.get(format!("{path}{behind}")).await
}

/// The words of the links of a list: to its first rows, and to the next ones.
pub(super) type Words = (&'static str, &'static str);
pub(super) const NEWEST_FIRST: Words = ("Newest", "Older");
pub(super) const OLDEST_FIRST: Words = ("Oldest", "Newer");

/// Links to the next rows of a list, and from there to its first ones. `list` is the id of the
/// list's heading, and the field of the page's address with the cursor.
pub(super) fn pager<T>(page: &str, list: &str, cursor: Option<&str>, rows: &Rows<T>, words: Words) -> Markup {
    let (first, further) = words;
    html! {
        @if cursor.is_some() || rows.next_cursor().is_some() {
            nav.pages aria-labelledby=(list) {
                @if cursor.is_some() { a.button href={ (page) "#" (list) } { (first) } } @else { span {} }
                @if let Some(next) = rows.next_cursor() {
                    a.button href={ (page) "?" (list) "=" (next) "#" (list) } { (further) }
                }
            }
        }
    }
}

/// Returns the day of the merchant's clock, such as `2026-11-27`.
pub(super) async fn today(reader: &Reader) -> Result<String, Refused> {
    Ok(reader.now().await?.date().to_string())
}

/// Fields for the bank's reference and the day of a movement. `id` tells them from others of
/// the page.
pub(super) fn bank_entry(id: &str, today: &str) -> Markup {
    html! {
        div.field {
            label for={ "reference-" (id) } { "The bank's reference" }
            input id={ "reference-" (id) } name="s:bankReference" required autocomplete="off";
        }
        div.field {
            label for={ "date-" (id) } { "Value date" }
            input id={ "date-" (id) } type="date" name="s:valueDate" value=(today) required;
        }
    }
}

/// Fields for the bank account that a pay-out goes to.
pub(super) fn destination(id: &str) -> Markup {
    let lines = [
        ("accountName", "Account holder"),
        ("accountNumber", "Account number"),
        ("bankName", "Bank"),
        ("bankCode", "Bank code"),
    ];
    html! {
        div.fields {
            @for (name, label) in lines {
                div.field {
                    label for={ (name) "-" (id) } { (label) }
                    input id={ (name) "-" (id) } name={ "s:destination." (name) } required autocomplete="off";
                }
            }
        }
    }
}

/// The details of a refusal of a file.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct FileRefusal {
    errors: Vec<LineError>,
}

#[derive(Debug, Deserialize)]
struct LineError {
    line: u64,
    column: Option<String>,
    expected: String,
    got: String,
}

/// Returns the text of a pasted CSV file, which is empty if the text has blanks alone. Its empty lines
/// stay, so that a refusal names the lines that the reader sees. Other blanks before the first row go.
pub(super) fn pasted(text: &str) -> String {
    let rows = text.trim_start();
    if rows.is_empty() {
        return String::new();
    }
    let before = &text[..text.len() - rows.len()];
    let breaks = before.chars().filter(|char| matches!(char, '\r' | '\n'));
    breaks.chain(rows.chars()).collect()
}

/// Shows a pasted file in its field again. Browsers leave out a line break at the beginning of a field.
pub(super) fn typed_file(text: &str) -> Markup {
    html! { "\n" (text) }
}

/// Says why a CSV file is refused, with all of its errors, and what was changed: `nothing` says it for
/// a refusal that changes nothing.
pub(super) fn file_refusal(envelope: &Envelope, currency: &str, nothing: &str) -> Markup {
    let errors = FileRefusal::deserialize(&envelope.details).unwrap_or_default().errors;
    html! {
        div.notice.bad role="alert" {
            p { strong { (reason::of(envelope, currency)) } }
            @if errors.len() > 1 {
                ul {
                    @for error in &errors {
                        li {
                            "Line " (error.line)
                            @if let Some(column) = &error.column { ", column “" (column) "”" }
                            ": must be " (error.expected) "; got " (error.got)
                        }
                    }
                }
            }
            p { (reason::outcome(envelope, nothing)) }
        }
    }
}
