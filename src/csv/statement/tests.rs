//! Tests of the reading of statements.

use proptest::prelude::*;

use super::*;

fn one(date: &str, amount: &str, reference: &str) -> StatementColumns {
    StatementColumns {
        date: date.to_owned(),
        amount: AmountColumns::One(amount.to_owned()),
        reference: reference.to_owned(),
    }
}

fn two() -> StatementColumns {
    StatementColumns {
        amount: AmountColumns::CreditAndDebit {
            credit: "Credit".to_owned(),
            debit: "Debit".to_owned(),
        },
        ..one("Date", "", "Reference")
    }
}

fn read(bytes: &[u8], columns: &StatementColumns) -> Result<Vec<StatementLine>, FileErrors> {
    read_statement(bytes, columns, "NGN")
}

/// Returns the lines as text: number, date, minor units, reference.
fn lines(text: &str, columns: &StatementColumns) -> Vec<String> {
    let lines = read(text.as_bytes(), columns).unwrap_or_else(|errors| panic!("{text:?}: {errors}"));
    let shown = lines.iter().map(|line| {
        let (number, date, amount) = (line.line, line.value_date, line.amount.minor());
        format!("{number} {date} {amount} {}", line.reference)
    });
    shown.collect()
}

fn errors(bytes: &[u8], columns: &StatementColumns) -> Vec<String> {
    let errors = read(bytes, columns).unwrap_err();
    assert_eq!(errors.count, errors.first.len());
    errors.first.iter().map(ToString::to_string).collect()
}

#[test]
fn a_statement_is_read_with_every_delimiter_and_line_end() {
    let columns = one("Value Date", "amount", "Narration");
    let expected = ["2 2026-11-27 123450 DEP-1", "3 2026-11-28 -2000 PAY, 2"];
    for text in [
        "Value Date,Amount,Narration\n2026-11-27,\"1,234.50\",DEP-1\n28/11/2026,(20.00),\"PAY, 2\"\n",
        "Value Date,Amount,Narration\r\n2026-11-27,\"1,234.50\",DEP-1\r\n28/11/2026,(20.00),\"PAY, 2\"",
        "Value Date,Amount,Narration\r2026-11-27,\"1,234.50\",DEP-1\r28/11/2026,(20.00),\"PAY, 2\"\r",
        "\u{feff}value date;AMOUNT;Narration;Other\n27 Nov 2026;1,234.50;DEP-1;\n28-Nov-2026;20.00 DR;PAY, 2;x\n",
        "No\tNarration\tAmount\tValue Date\n1\tDEP-1\tNGN 1,234.50\t27-11-2026\n2\tPAY, 2\t-20\t28-11-2026\n",
        "\"Value Date\",\"Amount\",\"Narration\"\n\"2026-11-27\",\"1234.5\",\"DEP-1\"\n\"2026-11-28\",\"-20.00\",\"PAY, 2\"\n",
        "Value Date,Amount,Narration\n2026-11-27,1234.5,DEP-1,,\n2026-11-28,-20,\"PAY, 2\"\n,,\n  \n\n",
    ] {
        assert_eq!(lines(text, &columns), expected, "{text:?}");
    }
}

#[test]
fn the_delimiter_is_the_one_that_finds_the_columns() {
    let text = "Date;Amount, in NGN;Text, of the bank\n2026-11-27;1,234.50;a, b, c\n";
    let columns = one("Date", "Amount, in NGN", "Text, of the bank");
    assert_eq!(lines(text, &columns), ["2 2026-11-27 123450 a, b, c"]);
}

#[test]
fn lines_are_counted_as_editors_count_them() {
    let columns = one("Date", "Amount", "Reference");
    for end in ["\n", "\r\n", "\r"] {
        let text =
            "¶Date,Amount,Reference¶¶2026-11-27,1,\"two¶lines \"\"quoted\"\"\"¶¶¶2026-11-28,2,'=b¶2026-11-29,3,¶";
        assert_eq!(
            lines(&text.replace('¶', end), &columns),
            [
                "4 2026-11-27 100 two lines \"quoted\"",
                "8 2026-11-28 200 =b",
                "9 2026-11-29 300 "
            ],
            "{end:?}"
        );
    }
}

#[test]
fn credits_and_debits_stand_in_two_columns() {
    let text = "Date,Credit,Debit,Reference\n2026-11-27,10.00,,a\n2026-11-27,,20.00,b\n2026-11-27,0.00,30,c\n\
                2026-11-27,40,0,d\n2026-11-27,,-50,e\n2026-11-27,60 CR,,f\n2026-11-27,,0.00,g\n2026-11-27,0,0,h\n";
    assert_eq!(
        lines(text, &two()).iter().map(|line| &line[13..]).collect::<Vec<_>>(),
        ["1000 a", "-2000 b", "-3000 c", "4000 d", "-5000 e", "6000 f"],
        "lines without money are left out"
    );
    let text = "Date,Credit,Debit,Reference\n2026-11-27,,,a\n2026-11-27,1,2,b\n2026-11-27,-1,,c\n2026-11-27,,2 CR,d\n";
    assert_eq!(
        errors(text.as_bytes(), &two()),
        [
            "line 2, column \"Credit\" must be an amount, here or in column \"Debit\"; got no amount in both",
            "line 3, column \"Credit\" must be empty or 0.00, since column \"Debit\" has an amount; got \"1\"",
            "line 4, column \"Credit\" must be an amount that came in, without a minus, parentheses or DR; got \"-1\"",
            "line 5, column \"Debit\" must be an amount that went out, without a plus or CR; got \"2 CR\"",
        ]
    );
}

#[test]
fn all_errors_are_told_with_line_column_and_the_right_form() {
    let columns = one("Date", "Amount", "Reference");
    let text = b"Date,Amount,Reference\n2026-11-27,20.001,a\n11/27/2026,,b\n2026-11-28,1\n2026-11-28,1,b,c\n\
                 2026-11-28,1,caf\xe9\n2026-11-28,USD 1,d\n2026-11-28,\"1\"2,e\n2026-11-28,1,\"f\n";
    assert_eq!(
        errors(text, &columns),
        [
            "line 2, column \"Amount\" must be an amount with at most two decimals; got \"20.001\"",
            "line 3, column \"Date\" must be a day such as 2026-11-27, 27/11/2026, 27-11-2026, 27-Nov-2026 or \
             27 Nov 2026, the day before the month; got \"11/27/2026\"",
            "line 3, column \"Amount\" must be an amount such as 1,234.50, 1234.5, -20.00, (20.00), NGN 20.00 or \
             20.00 DR: commas between thousands, a point before the decimals; got \"\"",
            "line 4 must be a row of 3 fields, as the header; got 2 fields",
            "line 5 must be a row of 3 fields, as the header; got 4 fields",
            "line 6, column \"Reference\" must be UTF-8 text; save the file as CSV UTF-8; got \"caf\u{fffd}\"",
            "line 7, column \"Amount\" must be an amount in NGN; got \"USD 1\"",
            "line 8 must be a row whose quoted fields are closed; got a quoted field with text after its closing quote",
            "line 9 must be a row whose quoted fields are closed; got a quote that is never closed",
        ]
    );
}

#[test]
fn a_column_that_does_not_exist_is_told_with_those_that_do() {
    let columns = one("Datum", "Amount", "Reference");
    assert_eq!(
        errors(b"\nDate,Amount,Reference,amount \n2026-11-27,1,a,2\n", &columns),
        [
            "line 2, column \"Datum\" must be the name of one column; the file has \"Date\", \"Amount\", \
             \"Reference\", \"amount\"; got no such column",
            "line 2, column \"Amount\" must be the name of one column; the file has \"Date\", \"Amount\", \
             \"Reference\", \"amount\"; got several columns of this name",
        ]
    );
    for (bytes, expected) in [
        (
            &b""[..],
            "line 1 must be a row with the names of the columns; got an empty file",
        ),
        (
            b"\xef\xbb\xbf\r\n\r\n",
            "line 1 must be a row with the names of the columns; got an empty file",
        ),
        (
            b"\xff\xfeD\0a\0",
            "line 1 must be UTF-8 text; save the file as CSV UTF-8; got UTF-16",
        ),
        (
            b"Date,Am\xe9",
            "line 1 must be UTF-8 text; save the file as CSV UTF-8; got \"Am\u{fffd}\"",
        ),
    ] {
        assert_eq!(errors(bytes, &columns), [expected]);
    }
    assert_eq!(lines("Datum,Amount,Reference\n", &columns), [""; 0]);
}

#[test]
fn rows_fields_and_told_errors_are_bounded() {
    let columns = one("Date", "Amount", "Reference");
    let rows = |count: usize, row: &str| format!("Date,Amount,Reference\n{}", row.repeat(count));
    assert_eq!(lines(&rows(ROWS_MAX, "2026-11-27,1,a\n"), &columns).len(), ROWS_MAX);
    assert_eq!(
        errors(rows(ROWS_MAX + 2, "2026-11-27,1,a\n").as_bytes(), &columns),
        ["line 50002 must be the end of the file, after at most 50000 rows; got another row; split the file"]
    );
    let refused = read(rows(1_000, "x,y,z\n").as_bytes(), &columns).unwrap_err();
    assert_eq!((refused.first.len(), refused.count), (20, 2_000));
    let long = "é".repeat(FIELD_CHARS_MAX);
    assert_eq!(lines(&rows(1, &format!("2026-11-27,1,{long}")), &columns).len(), 1);
    assert_eq!(
        errors(rows(1, &format!("2026-11-27,1,{long}é")).as_bytes(), &columns),
        ["line 2, column \"Reference\" must be a text of at most 500 characters; got 501 characters"]
    );
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        marks in "[,;\t\r\n\"0-9a.-]{0,60}",
    ) {
        let columns = one("Date", "Amount", "Reference");
        let _lines = read(&bytes, &columns);
        let _lines = read(marks.as_bytes(), &columns);
        for columns in [columns, two()] {
            let mut file = b"Date,Amount,Credit,Debit,Reference\n".to_vec();
            file.extend(marks.as_bytes());
            file.extend(&bytes);
            if let Err(errors) = read(&file, &columns) {
                prop_assert!(errors.count > 0 && errors.first.iter().all(|error| error.line > 0));
            }
        }
    }

    #[test]
    fn a_written_statement_is_read_back(
        entries in prop::collection::vec((1_u8..=28, -99_999_i64..99_999, "[a-z0-9,;\"=+'-]{0,12}"), 0..20),
    ) {
        let entries: Vec<_> = entries.into_iter().filter(|(_, minor, _)| *minor != 0).collect();
        let mut rows = vec!["Reference;Amount;Date\n".to_owned()];
        for (day, minor, reference) in &entries {
            let amount = SignedAmount::from_minor(*minor).unwrap();
            let reference = reference.replace('"', "\"\"");
            rows.push(format!("\"{reference}\";{amount};{day}/02/2026\n"));
        }
        let columns = one("Date", "Amount", "Reference");
        let read = read(rows.concat().as_bytes(), &columns).unwrap();
        prop_assert_eq!(read.len(), entries.len());
        for (number, (line, (day, minor, reference))) in (2..).zip(read.iter().zip(&entries)) {
            prop_assert_eq!((line.line, line.amount.minor()), (number, *minor));
            prop_assert_eq!(line.value_date.to_string(), format!("2026-02-{day:02}"));
            prop_assert_eq!(&line.reference, &unprefixed(reference));
        }
    }
}
