//! A request in three languages, made of the example in the API document.

use serde_json::Value;

use crate::http::JSON;
use crate::web::docs::reference::operation::Operation;

/// A request to try.
pub(super) struct Sample {
    method: String,
    url: String,
    headers: Vec<(&'static str, String)>,
    /// The text of the JSON body.
    body: Option<String>,
    /// The words in capitals that stand for ids.
    placeholders: Vec<String>,
    /// True if the request needs the key of the environment variable `ESCROWD_KEY`.
    takes_key: bool,
}

impl Sample {
    /// Returns the request of an operation at this base URL.
    pub(super) fn new(operation: &Operation<'_>, base_url: &str, is_live: bool) -> Self {
        let facts = operation.facts;
        let mut placeholders = Vec::new();
        let segments = operation.path.split('/').map(|segment| {
            let name = segment.strip_prefix('{').and_then(|name| name.strip_suffix('}'));
            name.map_or_else(
                || segment.to_owned(),
                |name| {
                    let word = in_capitals(name);
                    placeholders.push(word.clone());
                    word
                },
            )
        });
        let path = segments.collect::<Vec<_>>().join("/");
        let parameters = facts["parameters"].as_array().into_iter().flatten();
        let needed: Vec<&Value> = parameters.filter(|parameter| parameter["required"] == true).collect();
        let query: Vec<String> = needed
            .iter()
            .filter(|parameter| parameter["in"] == "query")
            .map(|parameter| {
                let value = &parameter["example"];
                let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                format!("{}={value}", parameter["name"].as_str().unwrap_or_default())
            })
            .collect();
        let query = if query.is_empty() {
            String::new()
        } else {
            format!("?{}", query.join("&"))
        };
        let mut headers = Vec::new();
        if needed.iter().any(|parameter| parameter["name"] == "customer-id") {
            headers.push(("customer-id", "ada".to_owned()));
        }
        let example = &facts["requestBody"]["content"][JSON]["example"];
        let body = (!example.is_null()).then(|| serde_json::to_string_pretty(example).unwrap_or_default());
        if body.is_some() {
            headers.push(("content-type", JSON.to_owned()));
        }
        Self {
            method: operation.method.clone(),
            url: format!("{base_url}{path}{query}"),
            headers,
            body,
            placeholders,
            takes_key: is_live && facts["security"] != Value::Array(Vec::new()),
        }
    }

    /// Returns what to do before the request works.
    pub(super) fn hint(&self) -> Option<String> {
        let key = self
            .takes_key
            .then_some("Put your key into the environment variable ESCROWD_KEY.");
        let ids = (!self.placeholders.is_empty()).then(|| {
            format!(
                "Replace {} by what an earlier reply told.",
                self.placeholders.join(" and ")
            )
        });
        match (key, ids) {
            (None, None) => None,
            (key, ids) => Some(
                [key.unwrap_or_default(), ids.as_deref().unwrap_or_default()]
                    .join(" ")
                    .trim()
                    .to_owned(),
            ),
        }
    }

    /// Returns the name of each language, an id for its text, and the text.
    pub(super) fn in_each_language(&self) -> [(&'static str, &'static str, String); 3] {
        [
            ("curl", "sample-curl", self.curl()),
            ("Node.js", "sample-node", self.node()),
            ("Python", "sample-python", self.python()),
        ]
    }

    fn curl(&self) -> String {
        let mut text = format!("curl -sS -X {} '{}'", self.method, self.url);
        if self.takes_key {
            text.push_str(" \\\n  -H \"authorization: Bearer $ESCROWD_KEY\"");
        }
        for (name, value) in &self.headers {
            text.push_str(&[" \\\n  -H '", name, ": ", value, "'"].concat());
        }
        if let Some(body) = &self.body {
            text.push_str(&[" \\\n  -d '", &body.replace('\'', "'\\''"), "'"].concat());
        }
        text
    }

    /// Returns the headers as Node.js and Python write them alike.
    fn quoted_headers(&self) -> Vec<String> {
        let headers = self.headers.iter();
        headers
            .map(|(name, value)| format!("\"{name}\": \"{value}\""))
            .collect()
    }

    fn node(&self) -> String {
        let mut headers = self.quoted_headers();
        if self.takes_key {
            headers.push("authorization: `Bearer ${process.env.ESCROWD_KEY}`".to_owned());
        }
        let mut text = format!(
            "const reply = await fetch(\"{}\", {{\n  method: \"{}\",\n  headers: {{ {} }},\n",
            self.url,
            self.method,
            headers.join(", ")
        );
        if let Some(body) = &self.body {
            text.push_str(&["  body: JSON.stringify(", &body.replace('\n', "\n  "), "),\n"].concat());
        }
        text.push_str("});\nconsole.log(reply.status, await reply.text());");
        text
    }

    fn python(&self) -> String {
        let mut headers = self.quoted_headers();
        if self.takes_key {
            headers.push("\"authorization\": f\"Bearer {os.environ['ESCROWD_KEY']}\"".to_owned());
        }
        let mut text = format!(
            "{}import urllib.request\n\nrequest = urllib.request.Request(\n    \"{}\",\n    method=\"{}\",\n    headers={{{}}},\n",
            if self.takes_key { "import os\n" } else { "" },
            self.url,
            self.method,
            headers.join(", ")
        );
        if let Some(body) = &self.body {
            text.push_str(&["    data=r\"\"\"", body, "\"\"\".encode(),\n"].concat());
        }
        text.push_str(
            ")\nwith urllib.request.urlopen(request) as reply:\n    print(reply.status, reply.read().decode())",
        );
        text
    }
}

/// Returns a name as a word in capitals: `paymentToken` is `PAYMENT_TOKEN`.
fn in_capitals(name: &str) -> String {
    let mut word = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() {
            word.push('_');
        }
        word.push(letter.to_ascii_uppercase());
    }
    word
}
