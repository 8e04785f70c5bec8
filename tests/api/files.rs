//! Tests the upload of files in forms and their download (contract section 1.9).

use std::fs;
use std::io::{Read as _, Write as _};
use std::iter;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::cluster;
use crate::helpers::{Answer, TestApp, form_of, spawn_app, spawn_app_with};

type Part<'a> = (&'a str, Option<&'a str>, &'a [u8]);

const JPEG: &[u8] = b"\xff\xd8\xff\xe0 a photograph";
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n a drawing";
const GIF: &[u8] = b"GIF89a a short film";
const WEBP: &[u8] = b"RIFF\x20\0\0\0WEBPVP8 a photograph again";
const PDF: &[u8] = b"%PDF-1.7 a paper";

const TERMS: [Part<'_>; 5] = [
    ("amount", None, b"1234.56"),
    ("purpose", None, b"A bicycle"),
    ("whoPays", None, b"seller"),
    ("maxDelivery", None, b"3"),
    ("deliveryTimeline", None, b"days"),
];

fn create(app: &TestApp, seller: &str, files: &[Part<'_>]) -> Answer {
    app.form("POST", "/v1/escrow/create", seller, &[&TERMS, files].concat())
}

fn picture(bytes: &[u8]) -> Part<'_> {
    ("imageUrl", Some("photo.jpg"), bytes)
}

/// Returns the paths of an escrow's pictures.
fn paths(app: &TestApp, answer: &Answer) -> Vec<String> {
    let address = format!("http://{}", app.address);
    let urls = answer.data()["imageUrl"].as_array().unwrap();
    let path = |url: &Value| url.as_str().unwrap().strip_prefix(&address).unwrap().to_owned();
    urls.iter().map(path).collect()
}

#[test]
fn pictures_of_every_kind_come_back_as_they_were_sent() {
    let app = spawn_app();
    let kinds = [
        (JPEG, "image/jpeg", ".jpg"),
        (PNG, "image/png", ".png"),
        (GIF, "image/gif", ".gif"),
        (WEBP, "image/webp", ".webp"),
    ];
    let created = create(&app, "ada", &kinds.map(|(bytes, ..)| picture(bytes))).ok();
    let paths = paths(&app, &created);
    assert_eq!(paths.len(), 4);
    for (path, (bytes, content_type, end)) in paths.iter().zip(kinds) {
        assert!(path.starts_with("/files/") && path.ends_with(end), "{path}");
        let (status, headers, body) = app.file(path);
        assert_eq!((status, body.as_slice()), (200, bytes));
        let name = path.trim_start_matches("/files/");
        let inline = format!("inline; filename=\"{name}\"");
        for (header, value) in [
            ("content-type", content_type),
            ("x-content-type-options", "nosniff"),
            ("content-security-policy", "default-src 'none'"),
            ("content-disposition", &inline),
            ("cache-control", "public, max-age=31536000, immutable"),
        ] {
            let found = headers.iter().find(|(name, _)| name == header);
            assert_eq!(found.map(|(_, value)| value.as_str()), Some(value), "{header}");
        }
    }
    let verified = app.verify(&created.text("paymentToken")).ok();
    assert_eq!(verified.data()["imageUrl"], created.data()["imageUrl"]);
}

#[test]
fn file_urls_start_with_the_configured_address() {
    for public_url in ["https://escrow.example", "https://shop.example/escrow"] {
        let app = spawn_app_with(|config| config.public_url = Some(public_url.to_owned()));
        let created = create(&app, "ada", &[picture(PNG)]).ok();
        let url = created.data()["imageUrl"][0].as_str().unwrap();
        assert!(url.starts_with(&format!("{public_url}/files/")), "{url}");
    }
}

#[test]
fn unknown_file_names_are_not_found() {
    let app = spawn_app();
    let created = create(&app, "ada", &[picture(PNG)]).ok();
    let known = paths(&app, &created).remove(0);
    let other_kind = known.replace(".png", ".jpg");
    let unknown = format!("/files/{}.png", "0".repeat(64));
    let upper = known.to_uppercase().replace("/FILES/", "/files/");
    for path in [
        unknown.as_str(),
        &other_kind,
        &upper,
        "/files/test.db",
        "/files/..%2Ftest.db",
        "/files/..%2f..%2f..%2fetc%2fpasswd",
        "/files/incoming",
        "/files/%00",
        "/files/%ff",
    ] {
        let answer = app.refuses(404, "File not found", |app| app.send("GET", path, &[], None));
        assert_eq!(answer.body["code"], "file_not_found", "{path}");
    }
    for path in ["/files/", "/files", "/files/a/b.png"] {
        let answer = app.send("GET", path, &[], None);
        assert_eq!((answer.status, &answer.body["code"]), (404, &json!("route_not_found")));
    }
}

/// Something else in the place of a file, beside a database file.
#[test]
fn a_file_that_was_changed_on_the_disk_is_refused() {
    let app = spawn_app();
    let Some(database) = app.database.path().map(Path::to_owned) else {
        return;
    };
    let created = create(&app, "ada", &[picture(PNG)]).ok();
    let path = paths(&app, &created).remove(0);
    let name = path.trim_start_matches("/files/");
    let file = PathBuf::from(format!("{}-files", database.display()))
        .join(&name[..2])
        .join(name);
    let changes: [(&str, &dyn Fn()); 6] = [
        ("changed", &|| fs::write(&file, [PNG, b"."].concat()).unwrap()),
        ("cut off", &|| fs::write(&file, &PNG[..PNG.len() - 1]).unwrap()),
        ("emptied", &|| fs::write(&file, b"").unwrap()),
        ("a named pipe", &|| {
            assert!(Command::new("mkfifo").arg(&file).status().unwrap().success());
        }),
        ("a socket", &|| {
            // The path of the file may be too long for one.
            let short = database.with_file_name("socket");
            drop(UnixListener::bind(&short).unwrap());
            fs::rename(short, &file).unwrap();
        }),
        ("a folder", &|| fs::create_dir(&file).unwrap()),
    ];
    for (change, make) in changes {
        fs::remove_file(&file).unwrap();
        make();
        let answer = app.send("GET", &path, &[], None);
        assert_eq!(answer.body["code"], "file_damaged", "{change}: {:?}", answer.body);
        for answer in [answer, app.send_for_head("HEAD", &path, &[])] {
            assert_eq!((answer.status, answer.header("cache-control")), (503, None), "{change}");
        }
    }
    fs::remove_dir(&file).unwrap();
    let answer = app.send("GET", &path, &[], None);
    assert_eq!((answer.status, &answer.body["code"]), (404, &json!("file_not_found")));

    // The same picture, sent again, takes the place of what stands there.
    for (change, make) in &changes[..5] {
        drop(fs::remove_file(&file));
        make();
        create(&app, "ada", &[picture(PNG)]).ok();
        let (status, _, body) = app.file(&path);
        assert_eq!((status, body.as_slice()), (200, PNG), "{change}");
    }
}

#[test]
fn the_content_of_a_file_decides_its_type() {
    let app = spawn_app();
    for (bytes, got) in [
        (PDF, "something else"),
        (b"<svg xmlns=\"http://www.w3.org/2000/svg\"/>", "something else"),
        (b"<html><script>alert(1)</script></html>", "something else"),
        (b"", "an empty file"),
    ] {
        let message = format!("imageUrl must be a JPEG, PNG, GIF or WebP picture; got {got}");
        app.refuses(400, &message, |app| create(app, "ada", &[picture(PNG), picture(bytes)]));
        assert_eq!(app.stored_files(), [""; 0]);
    }
    let created = create(&app, "ada", &[("imageUrl", Some("../../etc/passwd"), GIF)]).ok();
    assert!(paths(&app, &created)[0].contains(".gif"));
}

#[test]
fn an_empty_file_input_is_ignored() {
    let app = spawn_app();
    let created = create(&app, "ada", &[("imageUrl", Some(""), b"")]).ok();
    assert_eq!(created.data()["imageUrl"], Value::Null);
    assert_eq!(app.stored_files(), [""; 0]);
}

/// Every route that takes files, with the field for them and the other fields of a request
/// that succeeds.
fn file_routes(app: &TestApp) -> Vec<FileRoute> {
    let create = || create(app, "ada", &[]).ok();
    let disputed = || {
        let deal = app.standard_with(&json!({}));
        app.pay_for("ben", &deal).ok();
        (deal.id, format!("/v1/escrow/submit-dispute/{}", deal.token))
    };
    let category = app.form("POST", "/v1/escrow/category/create", "ada", &[("name", None, b"Boats")]);
    let (_, submit) = disputed();
    let (id, other) = disputed();
    app.json("POST", &other, "ben", &json!({ "message": "It leaks" })).ok();
    let edit = format!("/v1/escrow/edit/{}", create().text("paymentToken"));
    let edit_category = format!("/v1/escrow/category/edit/{}", category.ok().text("id"));
    vec![
        FileRoute::new("POST", "/v1/escrow/create", "ada", "imageUrl", &TERMS),
        FileRoute::new("PUT", &edit, "ada", "imageUrl", &TERMS),
        FileRoute::new(
            "POST",
            "/v1/escrow/category/create",
            "ada",
            "imageUrl",
            &[("name", None, b"Cars")],
        ),
        FileRoute::new("PUT", &edit_category, "ada", "imageUrl", &[("name", None, b"Ships")]),
        FileRoute::new("POST", &submit, "ben", "file", &[("message", None, b"It leaks")]),
        FileRoute::new(
            "POST",
            &format!("/v1/escrow/dispute/resolve/{id}"),
            "",
            "file",
            &[
                ("resolution", None, b"The buyer is right"),
                ("status", None, b"REFUNDED"),
            ],
        ),
    ]
}

struct FileRoute {
    method: &'static str,
    path: String,
    customer: &'static str,
    file_field: &'static str,
    texts: Vec<Part<'static>>,
}

impl FileRoute {
    fn new(
        method: &'static str,
        path: &str,
        customer: &'static str,
        file_field: &'static str,
        texts: &[Part<'static>],
    ) -> Self {
        Self {
            method,
            path: path.to_owned(),
            customer,
            file_field,
            texts: texts.to_vec(),
        }
    }

    fn send(&self, app: &TestApp, files: &[Part<'_>]) -> Answer {
        let parts = [&self.texts[..], files].concat();
        app.form(self.method, &self.path, self.customer, &parts)
    }

    /// Sends the texts as JSON, with one more field.
    fn send_json(&self, app: &TestApp, field: &str, value: Value) -> Answer {
        let text =
            |bytes: &[u8]| serde_json::from_slice(bytes).unwrap_or_else(|_| json!(str::from_utf8(bytes).unwrap()));
        let mut body: serde_json::Map<String, Value> = self
            .texts
            .iter()
            .map(|(name, _, bytes)| ((*name).to_owned(), text(bytes)))
            .collect();
        body.insert(field.to_owned(), value);
        let body = Value::from(body);
        match self.customer {
            "" => app.as_merchant(self.method, &self.path, Some(&body)),
            customer => app.json(self.method, &self.path, customer, &body),
        }
    }
}

#[test]
fn a_file_that_no_route_reads_is_refused_with_both_names() {
    let app = spawn_app();
    for route in file_routes(&app) {
        let field = route.file_field;
        for name in [
            "evidence",
            "avatar",
            "files[0]",
            "imageUrl[a]",
            "imageUrl[]x",
            "file[-1]",
            "IMAGEURL",
            "amount",
        ] {
            let message = format!(
                "{name} must be sent without a filename, or named {field}, the field for files of this route; got a file"
            );
            let answer = app.refuses(400, &message, |app| route.send(app, &[(name, Some("one.png"), PNG)]));
            assert_eq!(answer.body["details"]["field"], name);
        }
        let first = route.texts[0].0;
        let message = format!(
            "{first} must be sent without a filename, or named {field}, the field for files of this route; got a file"
        );
        app.refuses(400, &message, |app| {
            let as_file = [&[(first, Some("text.txt"), &b"x"[..])], &route.texts[1..]].concat();
            app.form(route.method, &route.path, route.customer, &as_file)
        });
        assert_eq!(app.stored_files(), [""; 0]);
        // An empty file input has no content that could be lost.
        route.send(&app, &[("avatar", Some(""), b"")]).ok();
    }
}

#[test]
fn a_text_in_the_place_of_a_file_is_refused() {
    let app = spawn_app();
    let link = "https://img.example/a.png";
    let data_url = "data:image/png;base64,iVBORw0KGgo=";
    for route in file_routes(&app) {
        let field = route.file_field;
        let expected = format!("sent as a file in the field {field} of a multipart/form-data body");
        let spellings = [field.to_owned(), format!("{field}[]"), format!("{field}[0]")];
        for name in &spellings {
            for text in [link, data_url] {
                let message = format!("{name} must be {expected}; got {text}");
                app.refuses(400, &message, |app| route.send(app, &[(name, None, text.as_bytes())]));
                let message = format!("{name} must be {expected}; got \"{text}\"");
                app.refuses(400, &message, |app| route.send_json(app, name, json!(text)));
                let message = format!("{name} must be {expected}; got [\"{text}\"]");
                app.refuses(400, &message, |app| route.send_json(app, name, json!([text])));
            }
        }
        let message = format!("picture must be {expected}; got a data URL");
        app.refuses(400, &message, |app| route.send_json(app, "picture", json!(data_url)));
        app.refuses(400, &message, |app| {
            route.send_json(app, "picture", json!(["x", data_url]))
        });
        app.refuses(400, &message, |app| {
            route.send(app, &[("picture", None, data_url.as_bytes())])
        });
        for nothing in [json!(null), json!(""), json!([])] {
            let answer = route.send_json(&app, field, nothing);
            assert!(answer.status < 300 || !answer.message().contains(field), "{answer:?}");
        }
    }
    let mut offer = crate::helpers::two_milestones();
    offer["milestones"][0]["imageUrl"] = json!(data_url);
    app.refuses(
        400,
        "milestones[0].imageUrl must be left out, because no file belongs here; got a data URL",
        |app| app.create_milestone_escrow("ada", &offer),
    );
    let mut offer = crate::helpers::two_milestones();
    offer["imageUrl"] = json!(data_url);
    app.refuses(
        400,
        "imageUrl must be left out, because this route takes no files; got a data URL",
        |app| app.create_milestone_escrow("ada", &offer),
    );
    app.create_milestone_escrow("ada", &{
        offer["imageUrl"] = json!(link);
        offer["description"] = json!("A data: URL ends in ;base64, and content");
        offer
    })
    .ok();
}

#[test]
fn files_may_be_spelled_as_a_list() {
    let app = spawn_app();
    let kinds = [PNG, JPEG, GIF];
    for names in [
        ["imageUrl[]"; 3],
        ["imageUrl[0]", "imageUrl[1]", "imageUrl[2]"],
        ["imageUrl", "imageUrl[]", "imageUrl[7]"],
    ] {
        let files: Vec<Part<'_>> = names
            .iter()
            .zip(kinds)
            .map(|(name, bytes)| (*name, Some("a"), bytes))
            .collect();
        let created = create(&app, "ada", &files).ok();
        let ends: Vec<_> = paths(&app, &created)
            .iter()
            .map(|path| path[path.len() - 4..].to_owned())
            .collect();
        assert_eq!(ends, [".png", ".jpg", ".gif"]);
    }
    let created = create(
        &app,
        "ada",
        &[("imageUrl[1]", Some("a"), JPEG), ("imageUrl[0]", Some("a"), PNG)],
    );
    let paths = paths(&app, &created.ok());
    let kinds = paths.iter().map(|path| path.rsplit_once('.').unwrap().1);
    assert_eq!(kinds.collect::<Vec<_>>(), ["png", "jpg"], "the index is the order");
    for route in file_routes(&app) {
        route
            .send(&app, &[(&format!("{}[0]", route.file_field), Some("a.png"), PNG)])
            .ok();
    }
}

#[test]
fn a_file_with_an_encoded_name_only_is_a_file() {
    let app = spawn_app();
    let mut body = form_of(&TERMS);
    body.truncate(body.len() - "--form--\r\n".len());
    body.extend_from_slice(
        b"--form\r\ncontent-disposition: form-data; name=\"imageUrl\"; filename*=UTF-8''f%C3%B6to.png\r\n\r\n",
    );
    body.extend_from_slice(PNG);
    body.extend_from_slice(b"\r\n--form--\r\n");
    let headers = [
        ("content-type", "multipart/form-data; boundary=form"),
        ("customer-id", "ada"),
    ];
    let created = app.send("POST", "/v1/escrow/create", &headers, Some(&body)).ok();
    assert_eq!(paths(&app, &created).len(), 1);
}

#[test]
fn a_part_that_is_encoded_is_refused() {
    let app = spawn_app();
    app.wallet("ada").ok();
    let form = "--form\r\ncontent-disposition: form-data; name=\"purpose\"\r\ncontent-transfer-encoding: base64\r\n\r\n\
                QQ==\r\n--form--\r\n";
    let headers = [
        ("content-type", "multipart/form-data; boundary=form"),
        ("customer-id", "ada"),
    ];
    let message = "The body cannot be read: purpose is encoded as base64; send it as it is";
    app.refuses(400, message, |app| {
        app.send("POST", "/v1/escrow/create", &headers, Some(form.as_bytes()))
    });
}

#[test]
fn a_refused_request_leaves_no_file_behind() {
    let app = spawn_app();
    app.refuses(400, "amount is required", |app| {
        app.form(
            "POST",
            "/v1/escrow/create",
            "ada",
            &[&TERMS[1..], &[picture(PNG)]].concat(),
        )
    });
    app.refuses(404, "Customer not found", |app| {
        create(app, "not an id", &[picture(PNG)])
    });
    assert_eq!(app.stored_files(), [""; 0]);
}

#[test]
fn a_refusal_keeps_a_file_that_another_escrow_has() {
    let app = spawn_app();
    let created = create(&app, "ada", &[picture(PNG), picture(PNG)]).ok();
    let files = app.stored_files();
    assert_eq!(files.len(), 1, "the service stores equal files once: {files:?}");
    app.refuses(400, "amount is required", |app| {
        app.form(
            "POST",
            "/v1/escrow/create",
            "cleo",
            &[&TERMS[1..], &[picture(PNG)]].concat(),
        )
    });
    assert_eq!(app.stored_files(), files);
    assert_eq!(app.file(&paths(&app, &created)[0]).2, PNG);
}

#[test]
fn a_refusal_keeps_a_file_that_a_concurrent_request_stores() {
    let app = spawn_app();
    let answers = app.run_concurrently(12, |app, index| {
        let terms = if index % 2 == 0 { &TERMS[..] } else { &TERMS[1..] };
        app.form("POST", "/v1/escrow/create", "ada", &[terms, &[picture(JPEG)]].concat())
    });
    for (index, answer) in answers.iter().enumerate() {
        assert_eq!(answer.status, if index % 2 == 0 { 201 } else { 400 }, "{answer:?}");
    }
    assert_eq!(app.file(&paths(&app, &answers[0])[0]).2, JPEG);
    assert_eq!(
        app.stored_files().len(),
        1,
        "another file is left: {:?}",
        app.stored_files()
    );
}

#[test]
fn files_are_limited_in_size_and_number() {
    let app = spawn_app_with(|config| {
        config.limits.file_bytes_max = 2_048;
        config.limits.body_bytes_max = 1_024;
    });
    let mut large = PNG.to_vec();
    large.resize(2_048, 0);
    create(&app, "ada", &[picture(&large); 5]).ok();
    large.push(0);
    app.refuses(413, "imageUrl must be a file of at most 2048 bytes", |app| {
        create(app, "ada", &[picture(&large)])
    });
    app.refuses(400, "A request may have at most 5 files", |app| {
        create(app, "ada", &[picture(PNG); 6])
    });
    app.refuses(413, "The body must be at most 1024 bytes", |app| {
        create(app, "ada", &[("description", None, &[b'x'; 1_025])])
    });
    let whole = 1_024 + 5 * 2_048;
    app.refuses(413, &format!("The body must be at most {whole} bytes"), |app| {
        create(
            app,
            "ada",
            &[picture(&large[..2_048]), ("x", None, &[]), picture(&large[..2_048])].repeat(3),
        )
    });
}

#[test]
fn uploads_are_limited_in_total_memory_and_release_it() {
    let app = spawn_app_with(|config| {
        config.limits.uploads_bytes_max = 4_096;
    });
    let mut large = PNG.to_vec();
    large.resize(3_000, 0);
    for _ in 0..5 {
        create(&app, "ada", &[picture(&large)]).ok();
    }
    // Another client's picture, whose end is on the way.
    let form = form_of(&[&TERMS[..], &[picture(&large)]].concat());
    let (arrived, end) = form.split_at(form.len() - 40);
    let head = format!(
        "POST /v1/escrow/create HTTP/1.1\r\nhost: localhost\r\ncustomer-id: ben\r\ncontent-length: {}\r\n\
         content-type: multipart/form-data; boundary=form\r\n\r\n",
        form.len()
    );
    let send_most = || {
        let mut other = app.connect();
        other.write_all(&[head.as_bytes(), arrived].concat()).unwrap();
        thread::sleep(Duration::from_millis(100));
        other
    };
    // It is refused itself if it arrives while the service reads the one that asks for its memory.
    let mut tries = iter::repeat_with(send_most).take(50);
    let mut other = tries
        .find(|_| create(&app, "ada", &[picture(&large)]).status == 503)
        .expect("the other picture takes memory");
    let message = "Too many files are being received; nothing was changed, try again shortly";
    let answer = app.refuses(503, message, |app| create(app, "ada", &[picture(&large)]));
    assert_eq!(answer.header("retry-after"), Some("1"));
    other.write_all(end).unwrap();
    let mut start = [0; 12];
    other.read_exact(&mut start).unwrap();
    assert_eq!(str::from_utf8(&start), Ok("HTTP/1.1 201"));
    create(&app, "ada", &[picture(&large)]).ok();
}

/// Its client would try again for ever.
#[test]
fn a_request_that_alone_exceeds_the_memory_for_uploads_is_too_large() {
    let app = spawn_app_with(|config| {
        config.limits.uploads_bytes_max = 4_096;
    });
    let mut large = PNG.to_vec();
    large.resize(3_000, 0);
    let message =
        "This request alone takes more than 4096 bytes, the memory for all uploads (limits.uploads_bytes_max)";
    let pictures = |app: &TestApp| create(app, "ada", &[picture(&large), picture(&large)]);
    let seed = |app: &TestApp| app.json_text("POST", "/sandbox/seed", "", &format!("{{{}}}", " ".repeat(4_096)));
    for request in [&pictures as &dyn Fn(&TestApp) -> Answer, &seed] {
        let refused = app.refuses(413, message, request);
        assert_eq!(refused.body["code"], "body_too_large");
        assert_eq!(refused.header("retry-after"), None);
    }
    create(&app, "ada", &[picture(&large)]).ok();
}

#[test]
fn only_the_owner_may_read_the_folder() {
    if cluster::is_wanted() {
        // It changes rows of a file.
        return;
    }
    let app = spawn_app();
    create(&app, "ada", &[picture(PNG)]).ok();
    let root = PathBuf::from(format!("{}-files", app.database_file().display()));
    let files = app.stored_files();
    let folder = files[0].split('/').next().unwrap();
    assert!(files[0].starts_with(&format!("{folder}/{folder}")), "{files:?}");
    for (path, mode) in [
        (root.clone(), 0o700),
        (root.join("incoming"), 0o700),
        (root.join(folder), 0o700),
        (root.join(&files[0]), 0o600),
    ] {
        let found = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(found, mode, "{}", path.display());
    }
}

#[test]
fn a_form_is_read_correctly_whatever_its_files_contain() {
    let app = spawn_app();
    let like_a_boundary = [PNG, b"\r\n--for\r\n--\r\n\r\n--FORM--\r\n"].concat();
    let created = create(&app, "ada", &[picture(&like_a_boundary)]).ok();
    assert_eq!(app.file(&paths(&app, &created)[0]).2, like_a_boundary);
    let mut cut_off = form_of(&[&TERMS[..], &[picture(PNG)]].concat());
    cut_off.truncate(cut_off.len() - 12);
    let headers = [
        ("content-type", "multipart/form-data; boundary=form"),
        ("customer-id", "ada"),
    ];
    let answer = app.send("POST", "/v1/escrow/create", &headers, Some(&cut_off));
    assert_eq!((answer.status, &answer.body["code"]), (400, &json!("body_unreadable")));
    assert_eq!(app.stored_files().len(), 1);
}
