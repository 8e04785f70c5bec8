//! Reading of the results of pay-outs, which a batch comes back with.

use std::collections::BTreeMap;

use crate::csv::errors::{FileErrors, quoted};
use crate::csv::statement::{one_line, read_date};
use crate::csv::table::{Column, Row, Table};
use crate::domain::time::Date;
use crate::domain::treasury::reference::ReferenceKey;

/// The columns of the file. A file with other columns is refused, since the values of a misspelled
/// column would be ignored without notice.
pub const COLUMNS: [&str; 5] = ["payoutId", "status", "bankReference", "valueDate", "reason"];

/// The result of one pay-out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PayoutResult {
    /// The line of the file, from 1.
    pub line: u64,
    /// The id of the pay-out, as the file has it.
    pub payout_id: String,
    pub outcome: PayoutOutcome,
}

/// The end of a pay-out at the bank.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PayoutOutcome {
    Paid {
        bank_reference: String,
        /// The day on which the bank took the money.
        value_date: Date,
    },
    Returned {
        /// The bank's reference of the return, if it gave one.
        bank_reference: Option<String>,
        /// The day on which the bank gave the money back.
        value_date: Date,
        reason: String,
    },
}

/// Reads the results of a batch. Each pay-out stands in the file once.
///
/// # Errors
///
/// Returns the errors of all lines.
pub fn read_payout_results(bytes: &[u8]) -> Result<Vec<PayoutResult>, FileErrors> {
    let mut table = Table::read(bytes, &COLUMNS);
    table.refuse_columns_beside(&COLUMNS);
    let columns: Vec<Column> = COLUMNS.iter().filter_map(|name| table.column(name)).collect();
    let Table { rows, mut errors, .. } = table;
    let Ok([payout_id, status, bank_reference, value_date, reason]) = <[Column; 5]>::try_from(columns) else {
        return Err(errors);
    };
    let mut results = Vec::with_capacity(rows.len());
    let mut first_lines: BTreeMap<&str, u64> = BTreeMap::new();
    for row in &rows {
        let payout_id = Field {
            row,
            column: &payout_id,
        };
        let outcome = read_outcome(
            &Field { row, column: &status },
            &Field {
                row,
                column: &bank_reference,
            },
            &Field {
                row,
                column: &value_date,
            },
            &Field { row, column: &reason },
            &mut errors,
        );
        let id = payout_id.text();
        if id.is_empty() {
            payout_id.refuse("the id of a pay-out", &mut errors);
        } else if let Some(first) = first_lines.get(id) {
            let expected = format!("the id of another pay-out than that of line {first}");
            payout_id.refuse(&expected, &mut errors);
        } else {
            first_lines.insert(id, row.line);
        }
        if let Some(outcome) = outcome {
            results.push(PayoutResult {
                line: row.line,
                payout_id: id.to_owned(),
                outcome,
            });
        }
    }
    errors.or(results)
}

/// A field of a row.
struct Field<'a> {
    row: &'a Row,
    column: &'a Column,
}

impl<'a> Field<'a> {
    fn text(&self) -> &'a str {
        self.row.text(self.column)
    }

    fn refuse(&self, expected: &str, errors: &mut FileErrors) {
        errors.add(self.row.line, Some(&self.column.name), expected, quoted(self.text()));
    }

    /// Returns the text in one line, or adds an error if it is empty.
    fn required(&self, expected: &str, errors: &mut FileErrors) -> Option<String> {
        let text = one_line(self.text());
        if text.is_empty() {
            self.refuse(expected, errors);
        }
        Some(text).filter(|text| !text.is_empty())
    }
}

/// Reads the bank's reference of a payment. One without a letter or digit would equal no reference
/// of the bank's statement.
fn read_payment_reference(field: &Field<'_>, errors: &mut FileErrors) -> Option<String> {
    let reference = one_line(field.text());
    let is_one = !ReferenceKey::of(&reference).is_empty();
    if !is_one {
        let expected = "the bank's reference of the payment, with at least one letter or digit";
        field.refuse(expected, errors);
    }
    is_one.then_some(reference)
}

/// Reads the fields behind the id. A paid pay-out has no reason, because a reason beside
/// `paid` is more likely a wrong status.
fn read_outcome(
    status: &Field<'_>,
    bank_reference: &Field<'_>,
    value_date: &Field<'_>,
    reason: &Field<'_>,
    errors: &mut FileErrors,
) -> Option<PayoutOutcome> {
    let day = read_date(value_date.row, value_date.column, errors);
    match status.text().to_ascii_lowercase().as_str() {
        "paid" => {
            let reference = read_payment_reference(bank_reference, errors);
            let has_reason = !reason.text().is_empty();
            if has_reason {
                reason.refuse("empty for a pay-out that is paid", errors);
            }
            let (bank_reference, value_date) = reference.zip(day).filter(|_| !has_reason)?;
            Some(PayoutOutcome::Paid {
                bank_reference,
                value_date,
            })
        }
        "returned" => {
            let reason = reason.required("the reason for the return", errors);
            let (reason, value_date) = reason.zip(day)?;
            Some(PayoutOutcome::Returned {
                bank_reference: Some(one_line(bank_reference.text())).filter(|text| !text.is_empty()),
                value_date,
                reason,
            })
        }
        _ => {
            status.refuse("paid or returned", errors);
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HEADER: &str = "payoutId,status,bankReference,valueDate,reason\n";

    fn errors(text: &str) -> Vec<String> {
        let errors = read_payout_results(text.as_bytes()).unwrap_err();
        errors.first.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn results_are_read_with_their_lines() {
        let text = format!(
            "{HEADER}6650a,paid,FT-1,2026-11-27,\n\n6650b,Returned,,28/11/2026,\"Account closed,\nsays the bank\"\n\
             6650c,returned,RV-3,28-Nov-2026,'=odd\n"
        );
        let day = |text| Date::parse(text).unwrap();
        let returned = |bank_reference: Option<&str>, reason: &str| PayoutOutcome::Returned {
            bank_reference: bank_reference.map(str::to_owned),
            value_date: day("2026-11-28"),
            reason: reason.to_owned(),
        };
        let paid = PayoutOutcome::Paid {
            bank_reference: "FT-1".to_owned(),
            value_date: day("2026-11-27"),
        };
        let expected = [
            (2, "6650a", paid),
            (4, "6650b", returned(None, "Account closed, says the bank")),
            (6, "6650c", returned(Some("RV-3"), "=odd")),
        ];
        let expected = expected.map(|(line, id, outcome)| PayoutResult {
            line,
            payout_id: id.to_owned(),
            outcome,
        });
        assert_eq!(read_payout_results(text.as_bytes()), Ok(expected.to_vec()));
        assert_eq!(read_payout_results(HEADER.as_bytes()), Ok(Vec::new()));
    }

    #[test]
    fn wrong_lines_are_told_with_what_is_right() {
        let text = format!(
            "{HEADER}a,paid,- - -,2026-11-27,\na,paid,FT-1,tomorrow,\nb,returned,,2026-11-27,\nc,failed,FT-2,2026-11-27,x\n\
             ,paid,FT-3,2026-11-27,x\n"
        );
        assert_eq!(
            errors(&text),
            [
                "line 2, column \"bankReference\" must be the bank's reference of the payment, with at least one letter \
                 or digit; got \"- - -\"",
                "line 3, column \"valueDate\" must be a day such as 2026-11-27, 27/11/2026, 27-11-2026, 27-Nov-2026 \
                 or 27 Nov 2026, the day before the month; got \"tomorrow\"",
                "line 3, column \"payoutId\" must be the id of another pay-out than that of line 2; got \"a\"",
                "line 4, column \"reason\" must be the reason for the return; got \"\"",
                "line 5, column \"status\" must be paid or returned; got \"failed\"",
                "line 6, column \"reason\" must be empty for a pay-out that is paid; got \"x\"",
                "line 6, column \"payoutId\" must be the id of a pay-out; got \"\"",
            ]
        );
    }

    #[test]
    fn unknown_and_missing_columns_are_told() {
        assert_eq!(
            errors("payoutId,status,bankReference,valuedate,note\na,paid,FT-1,2026-11-27,x\n"),
            [
                "line 1, column \"note\" must be one of the columns payoutId, status, bankReference, valueDate, \
                 reason; got another column",
                "line 1, column \"reason\" must be the name of one column; the file has \"payoutId\", \"status\", \
                 \"bankReference\", \"valuedate\", \"note\"; got no such column",
            ]
        );
        assert_eq!(
            errors(""),
            ["line 1 must be a row with the names of the columns; got an empty file"]
        );
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..100), marks in "[,\n\"a]{0,40}") {
            let _results = read_payout_results(&bytes);
            let mut file = HEADER.as_bytes().to_vec();
            file.extend(marks.as_bytes());
            file.extend(bytes);
            let _results = read_payout_results(&file);
        }
    }
}
