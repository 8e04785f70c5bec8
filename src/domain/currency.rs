//! Currencies. Every amount of the service is in hundredths of a currency's unit, so that a
//! currency with another smallest unit would have wrong amounts.

/// The currencies of ISO 4217 whose smallest unit is not a hundredth, with that unit.
const OTHER_MINOR_UNITS: [(&str, &[&str]); 4] = [
    (
        "no smaller unit",
        &[
            "BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND", "VUV", "XAF",
            "XOF", "XPF",
        ],
    ),
    ("thousandths", &["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"]),
    ("ten-thousandths", &["CLF", "UYW"]),
    ("fifths", &["MGA", "MRU"]),
];

/// The codes that begin with X and are money. The others stand for metals, tests and units of
/// account.
const MONEY_WITH_X: [&str; 2] = ["XCD", "XCG"];

/// Checks that a text is the code of a currency whose smallest unit is a hundredth.
///
/// # Errors
///
/// Returns what the code must be, to follow "must be".
pub fn check(code: &str) -> Result<(), String> {
    if code.len() != 3 || !code.bytes().all(|byte| byte.is_ascii_uppercase()) {
        return Err(format!(
            "a currency code of three capital letters, such as NGN; got {code:?}"
        ));
    }
    let other = OTHER_MINOR_UNITS.iter().find(|(_, codes)| codes.contains(&code));
    let is_money = !code.starts_with('X') || MONEY_WITH_X.contains(&code);
    let unit = other
        .map(|(unit, _)| *unit)
        .or((!is_money).then_some("no unit of money"));
    unit.map_or(Ok(()), |unit| {
        Err(format!(
            "a currency whose smallest unit is a hundredth, such as NGN, GHS, KES, ZAR or USD; got {code:?}, which has {unit}"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_currencies_of_hundredths_are_accepted() {
        for code in ["NGN", "GHS", "KES", "ZAR", "USD", "EUR", "HUF", "XCD"] {
            assert_eq!(check(code), Ok(()));
        }
        for (code, unit) in [
            ("JPY", "no smaller unit"),
            ("BHD", "thousandths"),
            ("XOF", "no smaller unit"),
            ("XAU", "no unit of money"),
        ] {
            assert!(check(code).unwrap_err().ends_with(unit), "{code}");
        }
        for code in ["", "ngn", "NG", "NGNN", "N1N", "ÑGN"] {
            assert!(
                check(code)
                    .unwrap_err()
                    .starts_with("a currency code of three capital letters"),
                "{code}"
            );
        }
    }
}
