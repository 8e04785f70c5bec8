//! One operation of the document: a method of a path.

use serde_json::{Value, json};

use crate::domain::mode::Mode;
use crate::http::route::{Access, ActsAs, CONTRACT_PREFIX, KnownFields, RouteFacts, Section};

/// The path of the document.
pub(in crate::http) const PATH: &str = "/openapi.json";

/// A method of a path with its facts.
pub(in crate::http) struct DescribedRoute {
    pub(in crate::http) method: String,
    /// Parameters are in braces.
    pub(in crate::http) path: &'static str,
    pub(in crate::http) facts: RouteFacts,
}

const JSON: &str = "application/json";
const CSV: &str = "text/csv";

/// The routes whose success can be something else than an envelope, with its media type.
const OTHER_REPLIES: [(&str, &str); 7] = [
    ("/files/{name}", "*/*"),
    ("/sandbox/events/stream", "text/event-stream"),
    ("/operator/payouts/export", CSV),
    ("/operator/customers/{customerId}/statement", CSV),
    ("/operator/merchant/statement", CSV),
    ("/operator/deals/{escrowId}/statement", CSV),
    ("/operator/journal", CSV),
];

/// Returns the operation object of a route.
pub(super) fn describe(mode: Mode, route: &DescribedRoute) -> Value {
    let mut operation = json!({
        "operationId": operation_id(&route.method, route.path),
        "tags": [tag(route.facts.section)],
        "description": access(route),
        "security": security(mode, route.facts.section),
        "parameters": parameters(route),
        "responses": {
            "2XX": { "description": "The request was carried out", "content": success(route.path) },
            "4XX": refusal("The request was refused and changed nothing"),
            "5XX": refusal("The service could not carry out the request"),
        },
    });
    if let Some(body) = body(route) {
        operation["requestBody"] = body;
    }
    operation
}

/// Returns a name for the operation of generated clients. It depends on method and path
/// alone, so it is as stable as they are: `POST /v1/escrow/milestone/create` is
/// `postEscrowMilestoneCreate`, and a parameter is preceded by `By`.
fn operation_id(method: &str, path: &str) -> String {
    let path = path.strip_prefix(CONTRACT_PREFIX).unwrap_or(path);
    let mut id = method.to_ascii_lowercase();
    for segment in path.split('/') {
        let name = segment.trim_matches(['{', '}']);
        if name.len() < segment.len() {
            id.push_str("By");
        }
        for word in name.split(['-', '.']).filter(|word| !word.is_empty()) {
            id.push_str(&word[..1].to_ascii_uppercase());
            id.push_str(&word[1..]);
        }
    }
    id
}

const fn tag(section: Section) -> &'static str {
    match section {
        Section::Contract => "contract",
        Section::Sandbox => "sandbox",
        Section::Operator => "operator",
        Section::Open => "open",
    }
}

fn access(route: &DescribedRoute) -> String {
    let party = match route.facts.acts_as {
        ActsAs::Customer => "Acts as the customer of the header customer-id.",
        ActsAs::Party => "Acts as the customer of the header customer-id or, without it, as the merchant.",
        ActsAs::Merchant | ActsAs::MerchantAccount => {
            "Acts as the merchant of the key; the header customer-id is refused."
        }
        ActsAs::Key => "Acts as the merchant of the key; the header customer-id has no effect.",
        ActsAs::MerchantOfOperator => "Acts for the merchant of the header merchant-id.",
        ActsAs::Deployment => "Concerns the deployment, or the merchant of the header merchant-id.",
        ActsAs::OperatorItself => "Acts by the operator's own rights; the header merchant-id has no effect.",
        ActsAs::Viewer => "Acts as no party.",
    };
    let keys = match (route.facts.section, route.facts.access) {
        (Section::Open, _) => "Needs no key.".to_owned(),
        (_, Access::Business) => "For the keys of every business account.".to_owned(),
        (_, Access::SuperAdmin) => "For the keys of merchant super-admins.".to_owned(),
        (_, Access::Operator(right)) => {
            format!("For operators with the right {right:?}; in a sandbox for every key.")
        }
    };
    format!("{party} {keys}")
}

/// A program on the machine of a sandbox needs no key.
fn security(mode: Mode, section: Section) -> Value {
    match (section, mode) {
        (Section::Open, _) => json!([]),
        (_, Mode::Sandbox) => json!([{ "key": [] }, {}]),
        (_, Mode::Live) => json!([{ "key": [] }]),
    }
}

fn parameters(route: &DescribedRoute) -> Vec<Value> {
    let parameter = |place: &str, name: &str, is_required: bool| json!({ "name": name, "in": place, "required": is_required, "schema": { "type": "string" } });
    let names = route
        .path
        .split('/')
        .filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'));
    let mut parameters: Vec<Value> = names.map(|name| parameter("path", name, true)).collect();
    match route.facts.acts_as {
        ActsAs::Customer => parameters.push(parameter("header", "customer-id", true)),
        ActsAs::Party => parameters.push(parameter("header", "customer-id", false)),
        ActsAs::Viewer if route.facts.section != Section::Open => {
            parameters.push(parameter("header", "customer-id", false));
        }
        ActsAs::MerchantOfOperator | ActsAs::Deployment => {
            parameters.push(parameter("header", "merchant-id", false));
        }
        ActsAs::Merchant | ActsAs::MerchantAccount | ActsAs::Key | ActsAs::OperatorItself | ActsAs::Viewer => {}
    }
    let query = route.facts.known_fields.map_or(&[][..], |known| known.query);
    parameters.extend(query.iter().map(|name| parameter("query", name, false)));
    parameters
}

/// Returns the body of the request, if the route can read one. The schema of an own route
/// names all of its fields. A route of the contract ignores unknown ones.
fn body(route: &DescribedRoute) -> Option<Value> {
    let content = match route.facts.known_fields {
        Some(KnownFields { is_csv: true, .. }) => json!({ CSV: { "schema": { "type": "string" } } }),
        Some(KnownFields { body: [], .. }) => return None,
        Some(KnownFields { body, .. }) => {
            let properties: Vec<(&str, Value)> = body.iter().map(|name| (*name, json!({}))).collect();
            let properties: Value = properties.into_iter().collect();
            json!({ JSON: { "schema": {
                "type": "object", "properties": properties, "additionalProperties": false,
            } } })
        }
        None if ["POST", "PUT"].contains(&route.method.as_str()) => json!({ JSON: { "schema": { "type": "object" } } }),
        None => return None,
    };
    Some(json!({ "required": false, "content": content }))
}

fn success(path: &str) -> Value {
    let mut content = json!({ JSON: { "schema": { "$ref": "#/components/schemas/Success" } } });
    if path == PATH {
        content = json!({ JSON: { "schema": { "type": "object" } } });
    }
    if let Some((_, media_type)) = OTHER_REPLIES.iter().find(|(of_route, _)| *of_route == path) {
        content[media_type] = json!({});
    }
    content
}

fn refusal(description: &str) -> Value {
    json!({
        "description": description,
        "content": { JSON: { "schema": { "$ref": "#/components/schemas/Refusal" } } },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::routes;

    #[test]
    fn routes_with_other_replies_exist() {
        let routes = routes(Mode::Sandbox, false);
        for (path, _) in OTHER_REPLIES {
            assert!(routes.iter().any(|(_, of_route)| *of_route == path), "{path}");
        }
    }
}
