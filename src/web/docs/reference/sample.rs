//! A request in three languages, made of the example in the API document.

use serde_json::Value;

use crate::http::{CSV, EVENT_STREAM, JSON};
use crate::web::docs::reference::operation::Operation;

/// The file that stands for a reader's own.
const FILE: &str = "FILE.csv";

/// A request to try.
pub(super) struct Sample {
    method: String,
    url: String,
    headers: Vec<(&'static str, String)>,
    body: Option<Body>,
    /// The words in capitals that stand for ids.
    placeholders: Vec<String>,
    /// True if the request needs the key of the environment variable `ESCROWD_KEY`.
    takes_key: bool,
    /// True if the reply is a stream of events, which has no end.
    has_stream: bool,
}

enum Body {
    /// The text of a JSON body.
    Json(String),
    /// The content of [`FILE`].
    File,
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
        let content = &facts["requestBody"]["content"];
        let example = &content[JSON]["example"];
        let body = if !content[CSV].is_null() {
            headers.push(("content-type", CSV.to_owned()));
            Some(Body::File)
        } else if example.is_null() {
            None
        } else {
            headers.push(("content-type", JSON.to_owned()));
            Some(Body::Json(serde_json::to_string_pretty(example).unwrap_or_default()))
        };
        let mut replies = facts["responses"]
            .as_object()
            .into_iter()
            .flat_map(|replies| replies.values());
        Self {
            method: operation.method.clone(),
            url: format!("{base_url}{path}{query}"),
            headers,
            body,
            placeholders,
            takes_key: is_live && facts["security"] != Value::Array(Vec::new()),
            has_stream: replies.any(|reply| !reply["content"][EVENT_STREAM].is_null()),
        }
    }

    /// Returns what to do before the request works.
    pub(super) fn hint(&self) -> Option<String> {
        let key = self
            .takes_key
            .then(|| "Put your key into the environment variable ESCROWD_KEY.".to_owned());
        let ids = (!self.placeholders.is_empty()).then(|| {
            format!(
                "Replace {} by the values of an earlier reply.",
                self.placeholders.join(" and ")
            )
        });
        let file = matches!(self.body, Some(Body::File)).then(|| format!("Replace {FILE} by the path of your file."));
        let steps: Vec<String> = [key, ids, file].into_iter().flatten().collect();
        (!steps.is_empty()).then(|| steps.join(" "))
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
        let flags = if self.has_stream { "-sSN" } else { "-sS" };
        let mut text = format!("curl {flags} -X {} '{}'", self.method, self.url);
        if self.takes_key {
            text.push_str(" \\\n  -H \"authorization: Bearer $ESCROWD_KEY\"");
        }
        for (name, value) in &self.headers {
            text.push_str(&[" \\\n  -H '", name, ": ", value, "'"].concat());
        }
        match &self.body {
            Some(Body::Json(body)) => {
                text.push_str(&[" \\\n  -d '", &body.replace('\'', "'\\''"), "'"].concat());
            }
            Some(Body::File) => text.push_str(&[" \\\n  --data-binary '@", FILE, "'"].concat()),
            None => {}
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
        let import = match &self.body {
            Some(Body::File) => "import { readFileSync } from \"node:fs\";\n\n",
            _ => "",
        };
        let mut text = format!(
            "{import}const reply = await fetch(\"{}\", {{\n  method: \"{}\",\n  headers: {{ {} }},\n",
            self.url,
            self.method,
            headers.join(", ")
        );
        match &self.body {
            Some(Body::Json(body)) => {
                text.push_str(&["  body: JSON.stringify(", &body.replace('\n', "\n  "), "),\n"].concat());
            }
            Some(Body::File) => text.push_str(&["  body: readFileSync(\"", FILE, "\"),\n"].concat()),
            None => {}
        }
        text.push_str(if self.has_stream {
            "});\nconsole.log(reply.status);\nfor await (const piece of reply.body) process.stdout.write(piece);"
        } else {
            "});\nconsole.log(reply.status, await reply.text());"
        });
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
        match &self.body {
            Some(Body::Json(body)) => {
                text.push_str(&["    data=r\"\"\"", body, "\"\"\".encode(),\n"].concat());
            }
            Some(Body::File) => text.push_str(&["    data=open(\"", FILE, "\", \"rb\").read(),\n"].concat()),
            None => {}
        }
        text.push_str(")\nwith urllib.request.urlopen(request) as reply:\n");
        text.push_str(if self.has_stream {
            "    print(reply.status)\n    for line in reply:\n        print(line.decode(), end=\"\", flush=True)"
        } else {
            "    print(reply.status, reply.read().decode())"
        });
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
