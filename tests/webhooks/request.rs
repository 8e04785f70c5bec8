//! A snapshot of the request that delivers an event. The `api` suite has snapshots of the
//! payloads of all events.

use crate::receiver::Receiver;
use crate::service::Disk;

#[test]
fn an_event_is_sent_under_the_same_headers_as_ever() {
    let (disk, receiver) = (Disk::new(), Receiver::start());
    let service = disk.serve_to(&receiver.url(), &[]);
    service.completed("sk_test_shop", 2);
    disk.wait_for_deliveries();
    let events = disk.events();
    let requests = receiver.verified("sk_test_shop");
    assert_eq!(requests.len(), events.len());
    for event in &events {
        let request = requests.iter().find(|request| request.id() == event.id).unwrap();
        assert_eq!(request.body, event.payload, "the payload is sent byte for byte");
    }
    // The signatures and ids, which differ in each request, are verified above.
    let varying = [
        "content-length",
        "host",
        "webhook-id",
        "webhook-signature",
        "webhook-timestamp",
        "x-payluk-signature",
    ];
    let mut heads: Vec<String> = requests
        .iter()
        .map(|request| {
            let mut lines: Vec<String> = request
                .headers
                .iter()
                .map(|(name, value)| {
                    let is_varying = varying.contains(&name.as_str());
                    format!(
                        "{name}: {}",
                        if is_varying {
                            "[varies]"
                        } else {
                            value.to_str().unwrap()
                        }
                    )
                })
                .collect();
            lines.sort();
            format!("{}\n{}", request.path, lines.join("\n"))
        })
        .collect();
    heads.dedup();
    assert_eq!(heads.len(), 1, "all requests have the same headers: {heads:?}");
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!("request", heads[0]);
    });
}
