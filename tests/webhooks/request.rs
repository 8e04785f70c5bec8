//! A snapshot of the request that brings an event to its receiver. The `api` suite has
//! the payloads of all events.

use crate::receiver::Receiver;
use crate::service::Disk;

#[test]
fn an_event_is_sent_under_the_same_headers_as_ever() {
    let (disk, receiver) = (Disk::new(), Receiver::start());
    let service = disk.serve_to(&receiver.url(), &[]);
    service.completed("sk_test_shop", 2);
    disk.settles();
    let events = disk.events();
    let calls = receiver.verified("sk_test_shop");
    assert_eq!(calls.len(), events.len());
    for event in &events {
        let call = calls.iter().find(|call| call.id() == event.id).unwrap();
        assert_eq!(call.body, event.payload, "the payload is sent byte for byte");
    }
    // Those that differ from call to call are verified above.
    let varying = [
        "content-length",
        "host",
        "webhook-id",
        "webhook-signature",
        "webhook-timestamp",
        "x-payluk-signature",
    ];
    let mut heads: Vec<String> = calls
        .iter()
        .map(|call| {
            let mut lines: Vec<String> = call
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
            format!("{}\n{}", call.path, lines.join("\n"))
        })
        .collect();
    heads.dedup();
    assert_eq!(heads.len(), 1, "all are sent alike: {heads:?}");
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!("request", heads[0]);
    });
}
