//! The body that the fields of a form describe.

use std::collections::HashSet;

use serde_json::{Map, Number, Value};

use crate::domain::invalid::shortened;
use crate::domain::money::Amount;
use crate::web::layout::{Page, Refused};

/// The most elements of a list that a form may name.
pub(in crate::web::console) const LIST_MAX: usize = 100;
/// The most parts of the path of a field. `milestones[0].title` has two.
const PARTS_MAX: usize = 8;
/// The most fields of all objects of a body and elements of all lists, counting empty ones.
const PLACES_MAX: usize = 4_096;

/// Refuses a form with a field that occurs twice, be it with different kinds: one of the values would be
/// lost.
pub(super) fn check_sent_once(fields: &[(String, String)]) -> Result<(), Refused> {
    let mut seen = HashSet::new();
    let repeated = fields.iter().find(|(name, _)| {
        let path_in_body = name.split_once(':').map(|(_kind, path)| path);
        !seen.insert(path_in_body.ok_or(name.as_str()))
    });
    repeated.map_or(Ok(()), |(name, _)| Err(sent_twice(name)))
}

/// Returns the body of the fields with a kind, or `None` without such fields. An empty field counts as
/// left out, unless its kind is `c`: a text that is cleared.
///
/// # Errors
///
/// Names a field that leads deeper or further than the body of any route, since a body is read
/// and printed by a call for each level. Names a field whose place has a value already, such as `a[00]`
/// after `a[0]`. Names a field whose amount a body would change.
pub(super) fn body(fields: &[(String, String)]) -> Result<Option<Value>, Refused> {
    let mut body = Value::Object(Map::new());
    let mut places_left = PLACES_MAX;
    let mut has_fields = false;
    for (name, text) in fields {
        let Some((kind, path)) = name.split_once(':') else {
            continue;
        };
        has_fields = true;
        let text = text.trim();
        if text.is_empty() && kind != "c" {
            continue;
        }
        let value = match kind {
            // Browsers send the line breaks of a text in their long form.
            "s" | "c" => Value::String(text.replace("\r\n", "\n")),
            // A text that is not a number is sent unchanged, so that the route names the mistake.
            "n" => match text.parse::<Number>() {
                Ok(number) if is_another(&number, text) => return Err(too_exact(name)),
                Ok(number) => Value::Number(number),
                Err(_) => text.into(),
            },
            "b" => text.parse::<bool>().map_or_else(|_| text.into(), Value::Bool),
            _ => continue,
        };
        let place = place(&mut body, path, &mut places_left).ok_or_else(|| beyond(name))?;
        if !place.is_null() {
            return Err(sent_twice(name));
        }
        *place = value;
    }
    Ok(has_fields.then(|| without_gaps(body)))
}

fn sent_twice(name: &str) -> Refused {
    let message = format!(
        "The field {} must be sent once; got it twice. Nothing was changed.",
        shortened(name)
    );
    Refused::new(400, Page::new("That form cannot be sent"), message)
}

/// Returns true if a number is another amount than the text that it was read from: with a fraction it
/// is a floating-point number, which does not hold every amount.
fn is_another(number: &Number, text: &str) -> bool {
    Amount::parse_major(text).is_ok_and(|amount| Amount::parse_major(&number.to_string()) != Ok(amount))
}

/// Refuses an amount that the body would change.
fn too_exact(name: &str) -> Refused {
    let message = format!(
        "The field {} has more digits than a form can send: use curl. Nothing was changed.",
        shortened(name)
    );
    Refused::new(400, Page::new("That form cannot be sent"), message)
}

/// Refuses a field that no body has a place for.
fn beyond(name: &str) -> Refused {
    let message = format!(
        "The field {} must have at most {PARTS_MAX} parts and whole numbers below {LIST_MAX} in brackets, and the \
         form at most {PLACES_MAX} fields. Nothing was changed.",
        shortened(name)
    );
    Refused::new(400, Page::new("That form cannot be sent"), message)
}

/// Returns the place of a path such as `milestones[0].title`, made if it is new. `None` for a
/// path that is too long, and if too few places are left for it.
fn place<'v>(body: &'v mut Value, path: &str, places_left: &mut usize) -> Option<&'v mut Value> {
    if path.split('.').count() > PARTS_MAX {
        return None;
    }
    let mut take = |count| {
        *places_left = places_left.checked_sub(count)?;
        Some(())
    };
    let mut place = body;
    for part in path.split('.') {
        let (name, index) = match part.strip_suffix(']').and_then(|part| part.split_once('[')) {
            Some((name, index)) => (
                name,
                Some(index.parse::<usize>().ok().filter(|index| *index < LIST_MAX)?),
            ),
            None => (part, None),
        };
        if !place.is_object() {
            *place = Value::Object(Map::new());
        }
        let object = place.as_object_mut()?;
        take(usize::from(!object.contains_key(name)))?;
        place = object.entry(name).or_insert(Value::Null);
        if let Some(index) = index {
            if !place.is_array() {
                *place = Value::Array(Vec::new());
            }
            let list = place.as_array_mut()?;
            if list.len() <= index {
                take(index + 1 - list.len())?;
                list.resize(index + 1, Value::Null);
            }
            place = list.get_mut(index)?;
        }
    }
    Some(place)
}

/// Leaves out the elements of lists whose fields were all empty.
fn without_gaps(value: Value) -> Value {
    match value {
        Value::Array(list) => {
            let kept = list.into_iter().filter(|value| !value.is_null());
            Value::Array(kept.map(without_gaps).collect())
        }
        Value::Object(fields) => {
            let fields = fields.into_iter().map(|(name, value)| (name, without_gaps(value)));
            Value::Object(fields.collect())
        }
        other => other,
    }
}

/// Returns the fields of a form that [`body`] reads back as this body.
pub(super) fn flat_fields(body: Option<&Value>) -> Vec<(String, String)> {
    fn add(path: &str, value: &Value, fields: &mut Vec<(String, String)>) {
        match value {
            Value::Null => {}
            Value::Bool(value) => fields.push((format!("b:{path}"), value.to_string())),
            Value::Number(value) => fields.push((format!("n:{path}"), value.to_string())),
            Value::String(value) if value.is_empty() => fields.push((format!("c:{path}"), String::new())),
            Value::String(value) => fields.push((format!("s:{path}"), value.clone())),
            Value::Array(list) => {
                for (index, value) in list.iter().enumerate() {
                    add(&format!("{path}[{index}]"), value, fields);
                }
            }
            Value::Object(object) => {
                for (name, value) in object {
                    let path = if path.is_empty() {
                        name.clone()
                    } else {
                        format!("{path}.{name}")
                    };
                    add(&path, value, fields);
                }
            }
        }
    }
    let mut fields = Vec::new();
    if let Some(body) = body {
        add("", body, &mut fields);
    }
    fields
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fields(fields: &[(&str, &str)]) -> Vec<(String, String)> {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        fields.iter().map(owned).collect()
    }

    #[test]
    fn fields_become_the_body_that_they_describe() {
        let form = fields(&[
            ("method", "POST"),
            ("s:purpose", " Garden "),
            ("s:note", "two\r\nlines"),
            ("n:amount", "3000.50"),
            ("s:description", ""),
            ("c:message", ""),
            ("c:title", " a\r\nb"),
            ("s:milestones[0].title", "Plan"),
            ("n:milestones[0].amount", "1000"),
            ("s:milestones[1].title", ""),
            ("s:milestones[2].title", "Dig"),
            ("n:milestones[2].amount", "two"),
            ("b:isLink", "true"),
        ]);
        let expected = json!({
            "purpose": "Garden", "note": "two\nlines", "amount": 3000.50, "isLink": true, "message": "",
            "title": "a\nb",
            "milestones": [{"title": "Plan", "amount": 1000}, {"title": "Dig", "amount": "two"}],
        });
        assert_eq!(body(&form).unwrap(), Some(expected.clone()));
        assert_eq!(body(&flat_fields(Some(&expected))).unwrap(), Some(expected));
        assert_eq!(
            body(&fields(&[("method", "POST"), ("s:a", " ")])).unwrap(),
            Some(json!({}))
        );
        assert_eq!(body(&fields(&[("method", "POST")])).unwrap(), None);
    }

    #[test]
    fn a_form_may_not_name_a_huge_body() {
        let refused = |form: &[(&str, &str)]| body(&fields(form)).unwrap_err().to_string();
        let deepest = format!("s:{}a", "a[0].".repeat(PARTS_MAX - 1));
        assert!(body(&fields(&[(&deepest, "x")])).unwrap().is_some());
        for name in [
            "s:a[100]",
            "s:a[x]",
            "s:a[1][2]",
            &deepest.replace("s:a", "s:a.a"),
            &format!("s:{}", "a.".repeat(100_000)),
        ] {
            let message = refused(&[("s:b", "x"), (name, "x")]);
            assert!(message.starts_with("The field s:a"), "{message}");
        }
        // Each of these lists has a hundred elements, of which one is named.
        let lists: Vec<String> = (0..41).map(|list| format!("s:a{list}[99]")).collect();
        let lists: Vec<(&str, &str)> = lists.iter().map(|name| (name.as_str(), "x")).collect();
        assert!(body(&fields(&lists[..40])).unwrap().is_some());
        assert!(refused(&lists).starts_with("The field s:a40[99]"));
    }

    #[test]
    fn no_amount_is_changed_on_its_way() {
        let sent = |amount: &str| body(&fields(&[("n:balance", amount)]));
        let refused = sent("90071992547409.91").unwrap_err().to_string();
        assert!(refused.starts_with("The field n:balance has more digits"), "{refused}");
        for amount in ["70368744177663.99", "90071992547409", "0.10", "3000.5"] {
            assert!(sent(amount).is_ok(), "{amount}");
        }
    }

    #[test]
    fn no_field_is_sent_twice() {
        let refused = |form: &[(&str, &str)]| {
            let form = fields(form);
            let refused = check_sent_once(&form).err().or_else(|| body(&form).err());
            refused.map(|refused| refused.to_string()).unwrap_or_default()
        };
        for twice in [
            [("path", "/v1/a"), ("path", "/v1/b")],
            [("customer", "ada"), ("customer", "ada")],
            [("n:amount", "1"), ("n:amount", "2")],
            [("s:note", ""), ("c:note", "")],
            [("n:a[0].b", "1"), ("s:a[0].b", "x")],
            [("n:a[0]", "1"), ("n:a[00]", "2")],
        ] {
            let name = twice[1].0;
            let message = format!("The field {name} must be sent once; got it twice. Nothing was changed.");
            assert_eq!(refused(&twice), message);
        }
        // A field of the body may have the name of a field beside it.
        assert_eq!(refused(&[("customer", "ada"), ("s:customer", "ada")]), "");
    }
}
