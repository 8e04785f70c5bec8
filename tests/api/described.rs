//! The API document held against every request and reply of the suite: a success has the
//! described status and body, a refusal has a status and a code that the document lists for the
//! operation, and a request that was carried out is one that the document allows.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex};

use escrowd::app::openapi_document;
use escrowd::config::Config;
use escrowd::domain::mode::Mode;
use jsonschema::{Registry, Validator};
use serde_json::{Value, json};

use crate::helpers::Answer;

/// The documents, one for the rules of each kind of server.
static DOCUMENTS: LazyLock<Vec<(Mode, bool, Document)>> = LazyLock::new(|| {
    let rules = [
        (Mode::Sandbox, false),
        (Mode::Sandbox, true),
        (Mode::Live, false),
        (Mode::Live, true),
    ];
    rules
        .map(|(mode, strict)| (mode, strict, Document::of(mode, strict)))
        .into()
});

/// The address of the document for references into it.
const ADDRESS: &str = "urn:escrowd:api";

pub(crate) struct Document {
    json: &'static Value,
    registry: Registry<'static>,
    /// The described paths by their segments, those with the fewest parameters first.
    paths: Vec<(Vec<&'static str>, &'static str)>,
    /// A validator for each schema that was needed, by its place in the document.
    validators: Mutex<HashMap<String, &'static Validator>>,
}

impl Document {
    /// Returns the document of a server with the default settings.
    pub(crate) fn of_rules(mode: Mode, strict: bool) -> &'static Self {
        let found = DOCUMENTS
            .iter()
            .find(|document| (document.0, document.1) == (mode, strict));
        &found.expect("there is one for all rules").2
    }

    fn of(mode: Mode, strict: bool) -> Self {
        let mut config = Config {
            mode,
            strict,
            ..Config::default()
        };
        // The suite sets limits of its own; these are the ones that no test exceeds.
        config.limits.milestones_max = 10_000;
        let json: &Value = Box::leak(Box::new(openapi_document(&config).unwrap()));
        let patterns = json["paths"].as_object().unwrap().keys();
        let mut paths: Vec<(Vec<&str>, &str)> = patterns
            .map(|pattern| (pattern.split('/').collect(), pattern.as_str()))
            .collect();
        paths.sort_by_key(|(_, pattern)| pattern.matches('{').count());
        Self {
            json,
            registry: Registry::new().add(ADDRESS, json).unwrap().prepare().unwrap(),
            paths,
            validators: Mutex::default(),
        }
    }

    /// Checks a reply and, if its request was carried out, the request. The pages for people
    /// are not in the document.
    #[track_caller]
    pub(crate) fn check(&self, method: &str, target: &str, body: Option<&[u8]>, answer: &Answer) {
        let path = target.split('?').next().unwrap();
        let Some((pattern, item)) = self.item_of(path) else {
            return;
        };
        let method = method.to_ascii_lowercase();
        let Some(operation) = item.get(&method) else {
            assert!(answer.status >= 300 || ["head", "options"].contains(&method.as_str()));
            return;
        };
        let range = format!("{}XX", answer.status / 100);
        let responses = &operation["responses"];
        let status = [answer.status.to_string(), range]
            .into_iter()
            .find(|status| !responses[status].is_null());
        let place = format!("{method} {pattern}");
        let status = status.unwrap_or_else(|| panic!("{place} does not describe {answer:?}"));
        if answer.text.is_empty() {
            return;
        }
        let content = &responses[&status]["content"];
        let media_type = answer
            .header("content-type")
            .and_then(|header| header.split(';').next())
            .unwrap();
        if content[media_type].is_null() {
            assert!(
                !content["*/*"].is_null(),
                "{place} does not describe {media_type}: {answer:?}"
            );
            return;
        }
        let of_reply = format!(
            "/paths/{}/{method}/responses/{status}/content/{}/schema",
            escaped(pattern),
            escaped(media_type)
        );
        if media_type == "application/json" {
            let sent: Value = serde_json::from_str(&answer.text).unwrap();
            self.check_value(&of_reply, &sent, &place);
        }
        if let (200..=299, Some(body)) = (answer.status, body)
            && let Ok(mut sent) = serde_json::from_slice::<Value>(body)
        {
            normalize(&mut sent);
            let of_request = format!(
                "/paths/{}/{method}/requestBody/content/application~1json/schema",
                escaped(pattern)
            );
            self.check_value(&of_request, &sent, &place);
        }
    }

    /// Checks a value against the schema at this place of the document, if there is one.
    #[track_caller]
    fn check_value(&self, place: &str, value: &Value, operation: &str) {
        if self.json.pointer(place).is_none() {
            return;
        }
        let known = self.validators.lock().unwrap().get(place).copied();
        let validator = known.unwrap_or_else(|| {
            let place_in_uri = place.replace('{', "%7B").replace('}', "%7D");
            let schema = json!({ "$ref": format!("{ADDRESS}#{place_in_uri}") });
            let options = jsonschema::options().with_registry(&self.registry);
            let validator = options.should_validate_formats(true).build(&schema);
            let validator: &Validator =
                Box::leak(Box::new(validator.unwrap_or_else(|error| panic!("{place}: {error}"))));
            self.validators.lock().unwrap().insert(place.to_owned(), validator);
            validator
        });
        if validator.is_valid(value) {
            return;
        }
        let errors: Vec<String> = validator
            .iter_errors(value)
            .map(|error| format!("{} at {}", error, error.instance_path()))
            .collect();
        panic!("{operation}: {errors:#?}\n{value}");
    }

    /// Returns the described path that a request's path is of, a literal one first.
    fn item_of(&self, path: &str) -> Option<(&str, &Value)> {
        let segments: Vec<&str> = path.split('/').collect();
        let is_of = |parts: &[&str]| {
            let mut pairs = parts.iter().zip(&segments);
            parts.len() == segments.len()
                && pairs.all(|(part, segment)| part == segment || (part.starts_with('{') && !segment.is_empty()))
        };
        let (_, pattern) = self.paths.iter().find(|(parts, _)| is_of(parts))?;
        Some((pattern, &self.json["paths"][pattern]))
    }
}

/// Applies the rules that the document states once for all fields: an empty text counts as null,
/// and two words may come in any letter case.
fn normalize(sent: &mut Value) {
    match sent {
        Value::Object(fields) => {
            // Read only where the gateway is a card.
            fields.remove("cardId");
            for (name, value) in fields {
                match value {
                    Value::String(text) if text.is_empty() => *value = Value::Null,
                    Value::String(word) if ["gateway", "transactionType"].contains(&name.as_str()) => {
                        word.make_ascii_lowercase();
                    }
                    _ => normalize(value),
                }
            }
        }
        Value::Array(entries) => entries.iter_mut().for_each(normalize),
        _ => {}
    }
}

/// Escapes a name for its place in a JSON pointer.
fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}
