//! Markdown as HTML. The text is the project's own, so its HTML is trusted.

use std::collections::HashMap;

use pulldown_cmark::{CowStr, Event, Options, Parser, Tag, TagEnd, html as render};

/// Returns the first heading.
pub(super) fn title(text: &str) -> &str {
    let heading = text.lines().find_map(|line| line.strip_prefix("# "));
    heading.unwrap_or_default()
}

/// Renders a document. Headings have ids as on common code hosts, so that links to them work
/// here and there. A code in the second column of a table has its own text as id. A link to
/// another document that `is_known` leads to its page; a link to another file is plain text and
/// a picture is left out, since the binary does not have the file.
pub(super) fn html(text: &str, is_known: impl Fn(&str) -> bool) -> String {
    let events: Vec<Event<'_>> = Parser::new_ext(text, Options::ENABLE_TABLES).collect();
    let mut ids = Ids::default();
    let mut cell = 0;
    let mut in_dropped_link = false;
    let mut in_picture = false;
    let mut out = Vec::with_capacity(events.len());
    for (index, event) in events.iter().enumerate() {
        match event {
            Event::Start(Tag::Image { .. }) => in_picture = true,
            Event::End(TagEnd::Image) => {
                in_picture = false;
                continue;
            }
            Event::Start(Tag::Heading {
                level, classes, attrs, ..
            }) => {
                let id = ids.of_heading(&plain(&events[index + 1..]));
                out.push(Event::Start(Tag::Heading {
                    level: *level,
                    id: Some(id.into()),
                    classes: classes.clone(),
                    attrs: attrs.clone(),
                }));
                continue;
            }
            Event::Start(Tag::Table(_)) => out.push(Event::Html("<div class=\"table-scroll\" tabindex=\"0\">".into())),
            // A program's text may be wider than the page, and the keyboard scrolls what has the focus.
            Event::Start(Tag::CodeBlock(_)) => {
                out.push(Event::Html("<pre tabindex=\"0\"><code>".into()));
                continue;
            }
            Event::End(TagEnd::CodeBlock) => {
                out.push(Event::Html("</code></pre>\n".into()));
                continue;
            }
            Event::Start(Tag::TableRow) => cell = 0,
            Event::End(TagEnd::TableCell) => cell += 1,
            Event::Code(code) if cell == 1 && is_word(code) => {
                if let Some(id) = ids.of_code(code) {
                    out.push(Event::InlineHtml(format!("<code id=\"{id}\">{code}</code>").into()));
                    continue;
                }
            }
            Event::Start(Tag::Link {
                link_type,
                dest_url,
                title,
                id,
            }) => {
                let Some(dest_url) = destination(dest_url, &is_known) else {
                    in_dropped_link = true;
                    continue;
                };
                out.push(Event::Start(Tag::Link {
                    link_type: *link_type,
                    dest_url,
                    title: title.clone(),
                    id: id.clone(),
                }));
                continue;
            }
            Event::End(TagEnd::Link) if in_dropped_link => {
                in_dropped_link = false;
                continue;
            }
            _ => {}
        }
        if in_picture {
            continue;
        }
        out.push(event.clone());
        if let Event::End(TagEnd::Table) = event {
            out.push(Event::Html("</div>".into()));
        }
    }
    let mut html = String::with_capacity(text.len() * 2);
    render::push_html(&mut html, out.into_iter());
    html
}

/// Renders the text of a table's cell. Its links are plain text.
pub(super) fn inline(text: &str) -> String {
    let html = html(text, |_| false);
    let text = html
        .trim_end()
        .strip_prefix("<p>")
        .and_then(|html| html.strip_suffix("</p>"));
    text.unwrap_or_default().to_owned()
}

/// Returns where a link leads from a page, or `None` if the binary does not have its target.
fn destination<'a>(url: &CowStr<'a>, is_known: &impl Fn(&str) -> bool) -> Option<CowStr<'a>> {
    if url.starts_with('#') || url.contains("://") {
        return Some(url.clone());
    }
    let (file, fragment) = url.split_once('#').unwrap_or((url, ""));
    let name = file.strip_suffix(".md").filter(|name| is_known(name))?;
    Some(match fragment {
        "" => format!("/docs/{name}").into(),
        fragment => format!("/docs/{name}#{fragment}").into(),
    })
}

/// Returns the text of a heading whose inner events come first.
fn plain(events: &[Event<'_>]) -> String {
    let inner = events
        .iter()
        .take_while(|event| !matches!(event, Event::End(TagEnd::Heading(_))));
    let texts = inner.filter_map(|event| match event {
        Event::Text(text) | Event::Code(text) => Some(&**text),
        _ => None,
    });
    texts.collect()
}

/// Returns true for the code of a refusal: lower-case words joined by underscores.
fn is_word(code: &str) -> bool {
    !code.is_empty() && code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

/// The ids of a document so far.
#[derive(Default)]
struct Ids(HashMap<String, usize>);

impl Ids {
    fn of_heading(&mut self, text: &str) -> String {
        let kept = text.to_lowercase();
        let kept = kept.chars().filter_map(|c| match c {
            ' ' => Some('-'),
            c if c.is_alphanumeric() || c == '-' || c == '_' => Some(c),
            _ => None,
        });
        let slug: String = kept.collect();
        let uses = self.0.entry(slug.clone()).or_default();
        *uses += 1;
        match *uses {
            1 => slug,
            uses => format!("{slug}-{}", uses - 1),
        }
    }

    /// Returns the id of a code, unless the document had it before.
    fn of_code<'c>(&mut self, code: &'c str) -> Option<&'c str> {
        let uses = self.0.entry(code.to_owned()).or_default();
        *uses += 1;
        (*uses == 1).then_some(code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(text: &str) -> String {
        html(text, |name| name == "errors")
    }

    #[test]
    fn a_program_can_be_scrolled_with_the_keyboard() {
        let html = rendered("```json\n{\"a\": \"<b>\"}\n```\n");
        let program = "<pre tabindex=\"0\"><code>{\"a\": \"&lt;b&gt;\"}\n</code></pre>\n";
        assert_eq!(html, program);
    }

    #[test]
    fn pictures_are_left_out() {
        assert_eq!(rendered("a ![deal](deal.png) b"), "<p>a  b</p>\n");
    }

    #[test]
    fn headings_have_ids_and_links_lead_to_pages() {
        let html =
            rendered("# A `b` c!\n\n[x](errors.md#no_token) [y](../schema.sql) [z](https://example.com)\n\n## a b c\n");
        assert!(html.contains("<h1 id=\"a-b-c\">"), "{html}");
        assert!(html.contains("<h2 id=\"a-b-c-1\">"), "{html}");
        assert!(
            html.contains("<a href=\"/docs/errors#no_token\">x</a> y <a href=\"https://example.com\">"),
            "{html}"
        );
    }

    #[test]
    fn a_code_of_a_table_can_be_linked_to() {
        let html = rendered("| Status | `code` |\n|---|---|\n| 401 | `no_token` |\n| 403 | `no_token` |\n");
        assert_eq!(html.matches("id=\"no_token\"").count(), 1, "{html}");
    }
}
