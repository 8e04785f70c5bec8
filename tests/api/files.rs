//! Tests the upload of files in forms and their download (contract section 1.9).

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use serde_json::{Value, json};

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
    let app = spawn_app_with(|config| config.public_url = Some("https://escrow.example/".to_owned()));
    let created = create(&app, "ada", &[picture(PNG)]).ok();
    let url = created.data()["imageUrl"][0].as_str().unwrap();
    assert!(url.starts_with("https://escrow.example/files/"), "{url}");
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

#[test]
fn files_in_unknown_fields_are_not_stored() {
    let app = spawn_app();
    let created = create(&app, "ada", &[("avatar", Some("me.png"), PNG)]).ok();
    assert_eq!(created.data()["imageUrl"], Value::Null);
    assert_eq!(app.stored_files(), [""; 0]);
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
        create(app, "not an id!", &[picture(PNG)])
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
    let message = "Too many files are being received; nothing was changed, try again shortly";
    let answer = app.refuses(503, message, |app| {
        create(app, "ada", &[picture(&large), picture(&large)])
    });
    assert_eq!(answer.header("retry-after"), Some("1"));
    create(&app, "ada", &[picture(&large)]).ok();
}

#[test]
fn only_the_owner_may_read_the_folder() {
    let app = spawn_app();
    create(&app, "ada", &[picture(PNG)]).ok();
    let root = PathBuf::from(format!("{}-files", app.database.display()));
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
