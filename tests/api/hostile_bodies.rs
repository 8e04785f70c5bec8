//! Bodies that cost the service more than their bytes: nested ones, endless ones, large ones, and
//! those that are slow to search.

use crate::desk::spawn_desk;
use crate::helpers::spawn_app;

#[test]
fn lists_of_any_depth_around_a_data_url_stop_nothing() {
    let deep = |text: &str| format!("{}\"{text}\"{}", "[".repeat(32_000), "]".repeat(32_000));
    for app in [spawn_app(), spawn_desk()] {
        for text in [";base64,", "data:image/png;base64,AAAA"] {
            let body = format!("{{\"publicKey\":{}}}", deep(text));
            let answer = app.json_text("POST", "/v1/checkout/session", "", &body);
            assert_eq!(answer.status, 400, "{answer:?}");
        }
    }
}
