//! The `details` of refusals: the values in their messages, for programs.
//!
//! They are rendered without a JSON value in between, since that would turn amounts into
//! floating-point numbers.

use serde::{Serialize, Serializer};

use crate::csv::errors::FileErrors;
use crate::domain::invalid::{Invalid, Problem};
use crate::domain::money::Amount;
use crate::domain::refusal::Refusal;
use crate::views::MajorUnits;

/// The names and values of one `details` object, in their order.
#[derive(Debug)]
pub(super) struct Details<'a>(Vec<(&'static str, Detail<'a>)>);

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Detail<'a> {
    Text(&'a str),
    Owned(String),
    Money(MajorUnits),
    Number(usize),
    Words(&'a [&'static str]),
    Lines(Vec<LineError<'a>>),
}

/// An error of a line of a file.
#[derive(Debug, Serialize)]
struct LineError<'a> {
    line: u64,
    /// Null for an error of the whole line.
    column: Option<&'a str>,
    expected: &'a str,
    got: &'a str,
}

impl Serialize for Details<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

/// Returns the `details` of a refusal, if it has any.
pub(super) fn details(refusal: &Refusal) -> Option<Details<'_>> {
    use Detail::{Number, Owned, Text, Words};

    let details = match refusal {
        Refusal::Invalid(invalid) | Refusal::CustomerIdMalformed(invalid) | Refusal::NoSuchCustomerId(invalid) => {
            let Invalid { field, problem } = invalid;
            match problem {
                Problem::Missing => vec![("field", Text(field))],
                Problem::Wrong { expected, got } => {
                    vec![("field", Text(field)), ("expected", Text(expected)), ("got", Text(got))]
                }
            }
        }
        Refusal::ActionNotAllowedNow { status, actions } => {
            vec![("status", Text(status)), ("actions", Words(actions))]
        }
        Refusal::ClaimTooEarly { claimable_at } => {
            vec![("claimableAt", Owned(claimable_at.unix_seconds().to_string()))]
        }
        Refusal::NoDisputeYet { rulable_at } => {
            vec![("rulableAt", Owned(rulable_at.unix_seconds().to_string()))]
        }
        Refusal::MilestonesDoNotAddUp { amount, sum } => vec![("amount", money(*amount)), ("sum", sum_of(*sum))],
        Refusal::SplitDoesNotAddUp { pool, sum } => vec![("pool", money(*pool)), ("sum", sum_of(*sum))],
        Refusal::AmountMismatch { due, offered } => vec![("due", money(*due)), ("offered", money(*offered))],
        Refusal::InsufficientBalance { needed, available } | Refusal::AlreadySpent { needed, available } => {
            vec![("needed", money(*needed)), ("available", money(*available))]
        }
        Refusal::NotInStatus { status, allowed, .. } => vec![("status", Text(status)), ("allowed", Words(allowed))],
        Refusal::RoleNotAllowed { role, allowed } => vec![("role", Text(role)), ("allowed", Words(allowed))],
        Refusal::SamePerson { alone_max } => vec![("aloneMax", money(*alone_max))],
        Refusal::BankReferenceUsed { id: Some(id) } => vec![("id", Text(id))],
        Refusal::ReferenceNotQuoted { quoted } => vec![("depositReference", Text(quoted.as_str()))],
        Refusal::OwnerMayNotWithdraw { problem } => vec![("problem", Text(problem.into_str()))],
        Refusal::PotTooSmall { min, pot } => vec![("min", money(*min)), ("pot", money(*pot))],
        Refusal::StakeNotCovered { stake, available, .. } => {
            vec![("stake", money(*stake)), ("available", money(*available))]
        }
        Refusal::TooManyTransactions { max } => vec![("max", Number(*max))],
        Refusal::SeedEntry { refusal, .. } => return self::details(refusal),
        _ => return None,
    };
    Some(Details(details))
}

/// Returns the `details` of a header with a wrong value.
pub(super) fn of_header(name: &'static str, expected: &'static str, got: String) -> Details<'static> {
    Details(vec![
        ("field", Detail::Text(name)),
        ("expected", Detail::Text(expected)),
        ("got", Detail::Owned(got)),
    ])
}

/// Returns the `details` of a file with errors: their number, and the first of them.
pub(super) fn of_file(errors: &FileErrors) -> Details<'_> {
    let lines = errors.first.iter().map(|error| LineError {
        line: error.line,
        column: error.column.as_deref(),
        expected: &error.expected,
        got: &error.got,
    });
    Details(vec![
        ("count", Detail::Number(errors.count)),
        ("errors", Detail::Lines(lines.collect())),
    ])
}

/// Returns the `details` of a request for too much at once.
pub(super) fn of_max(max: usize) -> Details<'static> {
    Details(vec![("max", Detail::Number(max))])
}

const fn money(amount: Amount) -> Detail<'static> {
    Detail::Money(MajorUnits(amount))
}

/// Shows the sum of the amounts in a request, which may be more than any amount.
fn sum_of(sum: Option<Amount>) -> Detail<'static> {
    sum.map_or_else(|| Detail::Owned(format!("more than {}", Amount::MAX)), money)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_written_by_their_digits() {
        // The largest amount has no floating-point number.
        let refusal = Refusal::InsufficientBalance {
            needed: Amount::MAX,
            available: Amount::from_minor(9_007_199_254_740_990).unwrap(),
        };
        let text = serde_json::to_string(&details(&refusal).unwrap()).unwrap();
        assert_eq!(text, r#"{"needed":90071992547409.91,"available":90071992547409.9}"#);
    }
}
