//! One operation of the document: a method of a path.

use schemars::SchemaGenerator;
use serde_json::{Value, json};

use crate::domain::idempotency::KEY_BYTES_MAX;
use crate::domain::mode::Mode;
use crate::http::answer::{Success, SuccessBody, SuccessOf};
use crate::http::media_type::{CSV, EVENT_STREAM, FORM, JSON};
use crate::http::openapi::schema::{self, CUSTOMER_ID, SentAs};
use crate::http::openapi::{example, headers, refusals};
use crate::http::refusals::Work;
use crate::http::request_spec::{BodySpec, FieldSpec, Kind, Rules, all};
use crate::http::route::{Access, ActsAs, CONTRACT_PREFIX, RouteFacts, Section};

/// The path of the document.
pub(in crate::http) const PATH: &str = "/openapi.json";

/// A method of a path with its facts.
pub(in crate::http) struct DescribedRoute {
    pub(in crate::http) method: String,
    /// Parameters are in braces.
    pub(in crate::http) path: &'static str,
    pub(in crate::http) facts: RouteFacts,
    /// Describes the success of the route.
    pub(in crate::http) success: SuccessOf,
}

/// Returns the operation object of a route. The schemas that it refers to are added to
/// `schemas`.
pub(super) fn describe(rules: &Rules<'_>, route: &DescribedRoute, schemas: &mut SchemaGenerator) -> Value {
    let success = (route.success)(schemas);
    let mut responses = refusals::responses(rules, &route.facts);
    responses[success.status.to_string()] = json!({
        "description": "The request was carried out",
        "content": content(&success),
    });
    headers::add(&mut responses, &route.facts);
    let mut operation = json!({
        "operationId": operation_id(&route.method, route.path),
        "tags": [tag(route.facts.section)],
        "description": access(route),
        "security": security(rules.variant.mode, route.facts.section),
        "parameters": parameters(rules, route, &success),
        "responses": responses,
    });
    if let Some(body) = body(rules, route) {
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
        Section::Checkout => "checkout",
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
        (Section::Checkout, _) => "Takes the publishable key in the body.".to_owned(),
        (_, Access::Business) => "For every key of the merchant, also one with the scope `business`.".to_owned(),
        (_, Access::SuperAdmin) => "For keys with the scope `super_admin`.".to_owned(),
        (_, Access::Operator(right)) => {
            let right = right.into_str();
            match route.facts.refusals.only_in {
                Some((Mode::Live, _)) => format!(
                    "For operators with the right `{right}`, in live mode alone: a sandbox answers 403 `live_only`."
                ),
                _ => format!("For operators with the right `{right}`; in a sandbox for every key."),
            }
        }
    };
    format!("{party} {keys}")
}

/// A program on the machine of a sandbox needs no key.
fn security(mode: Mode, section: Section) -> Value {
    match (section, mode) {
        (Section::Open | Section::Checkout, _) => json!([]),
        (_, Mode::Sandbox) => json!([{ "key": [] }, {}]),
        (_, Mode::Live) => json!([{ "key": [] }]),
    }
}

fn parameters(rules: &Rules<'_>, route: &DescribedRoute, success: &Success) -> Vec<Value> {
    let parameter = |place: &str, name: &str, is_required: bool, schema: Value| json!({ "name": name, "in": place, "required": is_required, "schema": schema });
    // An empty header counts as left out, and a viewer's may be any text.
    let customer = |pattern: &str| {
        let schema = json!({ "type": "string", "pattern": pattern });
        parameter("header", "customer-id", pattern == CUSTOMER_ID, schema)
    };
    let names = route
        .path
        .split('/')
        .filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'));
    let segment = json!({ "type": "string", "minLength": 1 });
    let mut parameters: Vec<Value> = names
        .map(|name| parameter("path", name, true, segment.clone()))
        .collect();
    match route.facts.acts_as {
        ActsAs::Customer => parameters.push(customer(CUSTOMER_ID)),
        ActsAs::Party => parameters.push(customer("^[!-~]{0,128}$")),
        ActsAs::Viewer if route.facts.needs_key() => {
            parameters.push(customer("^"));
        }
        ActsAs::MerchantOfOperator | ActsAs::Deployment => {
            // In a sandbox it has no effect.
            let schema = json!({ "type": "string" });
            parameters.push(parameter("header", "merchant-id", false, schema));
        }
        ActsAs::Merchant | ActsAs::MerchantAccount | ActsAs::Key | ActsAs::OperatorItself | ActsAs::Viewer => {}
    }
    if route.facts.work() == Some(Work::Executes) {
        let schema = json!({ "type": "string", "pattern": format!("^[ -~]{{1,{KEY_BYTES_MAX}}}$") });
        parameters.push(parameter("header", "Idempotency-Key", false, schema));
    }
    if matches!(success.body, SuccessBody::Media(EVENT_STREAM)) {
        // An empty header counts as left out.
        let schema = json!({ "type": "string", "pattern": "^([0-9a-f]{24})?$" });
        let mut last = parameter("header", "Last-Event-ID", false, schema);
        last["description"] = json!("The id of the last event that the client has, in the place of after");
        parameters.push(last);
    }
    let query = |spec: &'static FieldSpec| {
        let schema = schema::field(spec, SentAs::Query, rules);
        let is_required = schema::is_required(spec, rules);
        let mut parameter = parameter("query", spec.name, is_required, schema);
        if is_required {
            parameter["example"] = example::field(spec, rules);
        } else {
            parameter["allowEmptyValue"] = json!(true);
        }
        if matches!(spec.kind, Kind::SeveralWords(_)) {
            // The entries are separated by commas, since a field that is sent twice is refused.
            parameter["style"] = json!("form");
            parameter["explode"] = json!(false);
        }
        parameter
    };
    parameters.extend(all(route.facts.request.query).map(query));
    parameters
}

/// Returns the body of the request, if the route can read one. A route of the contract ignores
/// fields that it does not know.
fn body(rules: &Rules<'_>, route: &DescribedRoute) -> Option<Value> {
    let is_closed = !route.facts.ignores_unknown;
    let object = |fields, sent_as| json!({ "schema": schema::object(fields, is_closed, sent_as, rules) });
    let with_example = |fields| {
        let mut json = object(fields, SentAs::Json);
        json["example"] = example::object(fields, rules);
        json
    };
    let (is_required, content) = match route.facts.request.body {
        BodySpec::None => return None,
        BodySpec::Csv => (false, json!({ CSV: { "schema": { "type": "string" } } })),
        BodySpec::Foreign => (
            true,
            json!({ JSON: {
                "schema": { "type": "object", "description": "The signed body of the other party, byte for byte" },
                "example": {},
            } }),
        ),
        BodySpec::Json(fields) => (true, json!({ JSON: with_example(fields) })),
        BodySpec::OptionalJson(fields) => (false, json!({ JSON: with_example(fields) })),
        BodySpec::JsonOrForm(fields) => (
            true,
            json!({ JSON: with_example(fields), FORM: object(fields, SentAs::Form) }),
        ),
    };
    Some(json!({ "required": is_required, "content": content }))
}

fn content(success: &Success) -> Value {
    match &success.body {
        SuccessBody::Data(data) => json!({ JSON: { "schema": {
            "type": "object",
            "required": ["status", "message", "data"],
            "additionalProperties": false,
            "properties": {
                "status": { "type": "integer", "const": success.status, "description": "The HTTP status" },
                "message": { "type": "string", "description": "For people" },
                "data": data,
            },
        } } }),
        SuccessBody::Whole(schema) => json!({ JSON: { "schema": schema } }),
        SuccessBody::Media(media_type) => json!({ *media_type: {} }),
    }
}
