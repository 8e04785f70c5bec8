//! Says where a key of the configuration file belongs that stands at a wrong place.

use toml::Value;

const UNKNOWN: &str = "unknown field `";
/// The keys of the sections `[[merchant]]`, which version 1 had.
const MERCHANT: &str = "merchant";

/// Replaces the list of right keys in an error by the place of the key, if it is one of `keys`
/// elsewhere.
pub(super) fn explain(problem: &str, keys: &[(String, Value)]) -> String {
    let lines = problem.lines().map(|line| {
        let name = line.strip_prefix(UNKNOWN).and_then(|rest| rest.split('`').next());
        let hint = name.and_then(|name| Some((name, hint(name, keys)?)));
        hint.map_or_else(|| line.to_owned(), |(name, hint)| format!("{UNKNOWN}{name}`: {hint}"))
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Says where a key of this name belongs.
fn hint(name: &str, keys: &[(String, Value)]) -> Option<String> {
    if name == MERCHANT {
        return Some(
            "merchants are in the database now. Keep a copy of this file, remove the sections [[merchant]], and after \
             the start set each merchant again with `escrowd merchant set` (docs/operating.md, Upgrade)"
                .to_owned(),
        );
    }
    let places = keys.iter().filter_map(|(key, _)| match key.rsplit_once('.') {
        Some((section, last)) => (last == name).then(|| format!("[{section}]")),
        None => (key == name).then(|| "the top of the file, before the sections".to_owned()),
    });
    let places: Vec<String> = places.collect();
    (!places.is_empty()).then(|| format!("it belongs to {}", places.join(", or to ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_at_a_wrong_place_is_told_its_own() {
        let keys = ["fees.platform_bps", "listen", "metrics.listen"].map(|key| (key.to_owned(), Value::Integer(0)));
        let said = |name: &str| {
            let problem = format!("line 1\nunknown field `{name}`, expected one of `a`, `b`\n(hidden)");
            explain(&problem, &keys)
        };
        assert_eq!(
            said("platform_bps"),
            "line 1\nunknown field `platform_bps`: it belongs to [fees]\n(hidden)"
        );
        assert_eq!(
            said("listen"),
            "line 1\nunknown field `listen`: it belongs to the top of the file, before the sections, or to [metrics]\n(hidden)"
        );
        assert!(
            said("merchant").contains("`escrowd merchant set`"),
            "{}",
            said("merchant")
        );
        assert_eq!(
            said("listne"),
            "line 1\nunknown field `listne`, expected one of `a`, `b`\n(hidden)"
        );
    }
}
