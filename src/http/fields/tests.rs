//! Tests of reading fields.

use super::*;
use crate::domain::invalid::Problem;
use crate::domain::treasury::payout::PayoutStatus;
use crate::http::request_spec::{FieldSpec, ListMax};

fn wrong(invalid: Invalid) -> (String, String, String) {
    match invalid.problem {
        Problem::Missing => (invalid.field, "required".to_owned(), String::new()),
        Problem::Wrong { expected, got } => (invalid.field, expected, got),
    }
}

#[test]
fn amounts_are_read_from_their_digits() {
    for (json, minor) in [
        ("100.2", 10_020),
        ("1000.0", 100_000),
        ("90071992547409.91", 9_007_199_254_740_991),
    ] {
        let body = format!("{{\"amount\":{json}}}");
        let fields = Fields::from_json(&body).unwrap();
        assert_eq!(fields.field("amount").amount().unwrap().minor(), minor);
    }
}

#[test]
fn several_words_are_separated_by_commas() {
    use PayoutStatus::{Approved, Paid, Requested};
    let read = |text: &str| {
        let form = [("status".to_owned(), text.to_owned())];
        let fields = Fields::from_form(&form).unwrap();
        fields.field("status").several_words::<PayoutStatus>()
    };
    for (text, statuses) in [
        ("paid", vec![Paid]),
        ("requested,approved", vec![Requested, Approved]),
        ("paid,requested,paid", vec![Requested, Paid]),
    ] {
        assert_eq!(read(text).unwrap(), statuses, "{text}");
    }
    let expected = "\"requested\" or \"approved\" or \"rejected\" or \"paid\" or \"returned\", \
                    or several of them separated by commas";
    for text in [
        "done",
        "paid,done",
        "paid,",
        ",",
        "Paid",
        "paid, requested",
        "paid;requested",
    ] {
        let refused = ("status".to_owned(), expected.to_owned(), text.to_owned());
        assert_eq!(wrong(read(text).unwrap_err()), refused);
    }
}

#[test]
fn a_wrong_amount_is_told_the_least_of_its_field() {
    const SPECS: FieldGroups = &[&[
        FieldSpec::required("balance", Kind::Amount(0)),
        FieldSpec::required("receipt", Kind::Amount(1)),
        FieldSpec::required("stake", Kind::Amount(10_000)),
    ]];
    for (raw, name, expected) in [
        ("-1", "balance", "a number of 0 or more"),
        ("-1", "receipt", "a number of 0.01 or more"),
        ("-1", "stake", "a number of 100 or more"),
        ("\"5\"", "balance", "a number, such as 1500 or 99.95"),
        ("\"5\"", "stake", "a number, such as 100 or 199.95"),
    ] {
        let body = format!("{{\"{name}\":{raw}}}");
        let fields = Fields::from_json(&body).unwrap().described_by(Some(SPECS));
        assert_eq!(wrong(fields.field(name).amount().unwrap_err()).1, expected, "{name}");
    }
}

#[test]
fn an_error_names_its_field() {
    let body = r#"{"a":"5","b":-1,"c":1.234,"d":"x","e":null,"f":"","g":{"h":[1,{"i":true}]}}"#;
    let fields = Fields::from_json(body).unwrap();
    let cases = [
        ("a", "a number, such as 1500 or 99.95", "\"5\""),
        ("b", "a number of 0 or more", "-1"),
        ("c", "a number with at most two decimals", "1.234"),
        ("d", "a number, such as 1500 or 99.95", "\"x\""),
        ("e", "required", ""),
        ("f", "required", ""),
        ("g", "a number, such as 1500 or 99.95", r#"{"h":[1,{"i":true}]}"#),
        ("z", "required", ""),
    ];
    for (name, expected, got) in cases {
        let found = wrong(fields.field(name).amount().unwrap_err());
        assert_eq!(found, (name.to_owned(), expected.to_owned(), got.to_owned()));
    }
    let list = fields.field("g").object().unwrap().field("h").list().unwrap();
    let inner = list[1].object().unwrap().field("i").text().unwrap_err();
    assert_eq!(inner.field, "g.h[1].i");
}

#[test]
fn booleans_are_true_and_false() {
    let fields = Fields::from_json(r#"{"a":true,"b":false,"c":"true","d":1}"#).unwrap();
    assert_eq!(fields.field("a").boolean(), Ok(true));
    assert_eq!(fields.field("b").boolean(), Ok(false));
    for name in ["c", "d"] {
        assert_eq!(wrong(fields.field(name).boolean().unwrap_err()).1, "true or false");
    }
    let form = [("a".to_owned(), "true".to_owned())];
    assert_eq!(Fields::from_form(&form).unwrap().field("a").boolean(), Ok(true));
}

#[test]
fn an_object_has_its_null_and_empty_fields_too() {
    let fields = Fields::from_json(r#"{"a":"","b":null}"#).unwrap();
    assert!(fields.has("a") && fields.has("b") && !fields.has("c"));
    assert!(fields.field("a").is_absent() && fields.field("b").is_absent());
}

#[test]
fn check_known_names_an_unknown_field() {
    const OUTER: [FieldSpec; 2] = [
        FieldSpec::optional("a", Kind::open(&[])),
        FieldSpec::optional("c", Kind::Text),
    ];
    const INNER: [FieldSpec; 2] = [
        FieldSpec::optional("b", Kind::Text),
        FieldSpec::optional("c", Kind::Text),
    ];
    let fields = Fields::from_json(r#"{"a":{"b":1,"B":2}}"#).unwrap();
    assert_eq!(fields.check_known(&[&OUTER]), Ok(()));
    let inner = fields.field("a").object().unwrap().check_known(&[&INNER]);
    let expected = "one of the fields b, c".to_owned();
    assert_eq!(
        wrong(inner.unwrap_err()),
        ("a.B".to_owned(), expected, "\"B\"".to_owned())
    );
}

#[test]
fn bodies_that_are_not_objects_are_refused() {
    let deep = "[".repeat(100_000);
    for body in [
        "",
        " ",
        "null",
        "[]",
        "5",
        "{",
        "{\"a\":}",
        "{\"a\":1,}",
        "\u{feff}{}",
        deep.as_str(),
    ] {
        let (field, expected, _) = wrong(Fields::from_json(body).unwrap_err());
        assert_eq!(field, "the body");
        assert!(expected.contains("JSON"), "{expected}");
    }
}

#[test]
fn a_field_sent_twice_is_refused() {
    let found = wrong(Fields::from_json(r#"{"amount":1,"amount":2}"#).unwrap_err());
    assert_eq!(
        found,
        ("amount".to_owned(), "sent once".to_owned(), "it twice".to_owned())
    );
    let form = [("a".to_owned(), "1".to_owned()), ("a".to_owned(), "2".to_owned())];
    assert_eq!(Fields::from_form(&form).unwrap_err().field, "a");
}

#[test]
fn form_fields_are_read_by_the_same_rules() {
    let form = [
        ("amount".to_owned(), "1234.56".to_owned()),
        ("note".to_owned(), "null-ish".to_owned()),
    ];
    let fields = Fields::from_form(&form).unwrap();
    assert_eq!(fields.field("amount").amount().unwrap().minor(), 123_456);
    assert_eq!(fields.field("note").text().unwrap(), "null-ish");
}

proptest::proptest! {
    #[test]
    fn no_body_makes_the_reader_panic(body in "\\PC{0,200}") {
        if let Ok(fields) = Fields::from_json(&body) {
            let _outcome = (fields.field("a").amount(), fields.field("a").list());
        }
    }
}

#[test]
#[should_panic(expected = "the parser reads \"b\", which is not described")]
fn a_parser_reads_only_described_fields() {
    const SPECS: FieldGroups = &[&[FieldSpec::optional("a", Kind::Text)]];
    let fields = Fields::from_json("{}").unwrap().described_by(Some(SPECS));
    fields.field("b");
}

#[test]
#[should_panic(expected = "the parser reads a[0].b as Integer, but it is described as Text")]
fn a_parser_reads_a_field_as_its_kind() {
    const ENTRY: Kind = Kind::open(&[&[FieldSpec::optional("b", Kind::Text)]]);
    const SPECS: FieldGroups = &[&[FieldSpec::optional("a", Kind::List(&ENTRY, ListMax::Is(9)))]];
    let fields = Fields::from_json(r#"{"a":[{"b":1}]}"#)
        .unwrap()
        .described_by(Some(SPECS));
    let entries = fields.field("a").list().unwrap();
    drop(entries[0].object().unwrap().field("b").integer());
}
