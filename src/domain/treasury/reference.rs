//! Bank references, compared as people read them: without case, spaces and punctuation, also
//! inside a longer text.

use rustc_hash::FxHashSet;
use unicode_normalization::UnicodeNormalization;

/// The fewest characters of a reference that is looked for inside a longer text. A shorter
/// one stands in too many texts by chance, as a day or a branch's number does.
pub const EMBEDDED_CHARS_MIN: usize = 6;

/// The merchants among whose movements at the bank a reference is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReferenceScope {
    /// The merchant of the command.
    OwnMerchant,
    /// All merchants, since they may share a bank account.
    AllMerchants,
}

/// A reference without case, spaces and punctuation, with the places at which the text had
/// them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReferenceKey {
    key: String,
    /// The bytes of the key before which the text had spaces or punctuation.
    gaps: Vec<usize>,
}

impl ReferenceKey {
    /// Returns the key of a text: its letters and digits in lower case. Those that Unicode calls
    /// compatible are one, such as wide and narrow ones.
    pub fn of(text: &str) -> Self {
        let (mut key, mut gaps) = (String::new(), Vec::new());
        for c in text.nfkc() {
            if c.is_alphanumeric() {
                key.extend(c.to_lowercase());
            } else if gaps.last() != Some(&key.len()) {
                gaps.push(key.len());
            }
        }
        Self { key, gaps }
    }

    /// Returns the letters and digits.
    pub fn as_str(&self) -> &str {
        &self.key
    }

    /// Returns true if the text has neither letters nor digits.
    pub const fn is_empty(&self) -> bool {
        self.key.is_empty()
    }

    /// Returns true if a reference can begin or end at this byte: not between two digits
    /// that stand side by side, since they are one number.
    fn is_bound(&self, at: usize) -> bool {
        let (before, after) = self.key.split_at(at);
        let is_number =
            before.ends_with(|c: char| c.is_ascii_digit()) && after.starts_with(|c: char| c.is_ascii_digit());
        !is_number || self.gaps.binary_search(&at).is_ok()
    }
}

/// References by their keys, to find those that stand in a longer text. A text costs its
/// length times the logarithm of the number of references.
pub struct ReferenceIndex<'a> {
    /// The keys in order, each once.
    keys: Vec<&'a str>,
    /// For each key, the longest other key that it begins with.
    parents: Vec<Option<usize>>,
    /// The first bytes of the keys. They rule out most places of a text at once.
    beginnings: FxHashSet<&'a [u8]>,
}

/// Returns the bytes by which a key begins. It has as many, since it has as many characters.
fn beginning(text: &str) -> Option<&[u8]> {
    text.as_bytes().get(..EMBEDDED_CHARS_MIN)
}

impl<'a> ReferenceIndex<'a> {
    /// Makes the index of these keys. It leaves out those below [`EMBEDDED_CHARS_MIN`].
    pub fn new(keys: impl IntoIterator<Item = &'a ReferenceKey>) -> Self {
        let keys = keys.into_iter().map(ReferenceKey::as_str);
        let mut keys: Vec<&str> = keys.filter(|key| key.chars().count() >= EMBEDDED_CHARS_MIN).collect();
        keys.sort_unstable();
        keys.dedup();
        let mut parents = Vec::with_capacity(keys.len());
        let mut open: Vec<usize> = Vec::new();
        for (index, key) in keys.iter().enumerate() {
            while open.last().is_some_and(|&parent| !key.starts_with(keys[parent])) {
                open.pop();
            }
            parents.push(open.last().copied());
            open.push(index);
        }
        Self {
            beginnings: keys.iter().filter_map(|key| beginning(key)).collect(),
            keys,
            parents,
        }
    }

    /// Returns the keys that stand in a text, each once and in order. A key is left out
    /// where it is a part of a longer one.
    pub fn found_in(&self, text: &ReferenceKey) -> Vec<&'a str> {
        let mut found = Vec::new();
        let mut end_of_longest = 0;
        for (start, _) in text.key.char_indices() {
            if !text.is_bound(start) {
                continue;
            }
            if let Some(key) = self.longest_at(text, start)
                && start + key.len() > end_of_longest
            {
                end_of_longest = start + key.len();
                found.push(key);
            }
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    /// Returns the longest key that stands at this byte of a text.
    ///
    /// Every key between a prefix of the rest and the rest itself, in the order of the keys,
    /// begins with that prefix. So all such prefixes are the greatest key that is not behind
    /// the rest, or its parents.
    fn longest_at(&self, text: &ReferenceKey, start: usize) -> Option<&'a str> {
        let rest = &text.key[start..];
        if !self.beginnings.contains(beginning(rest)?) {
            return None;
        }
        let behind = self.keys.partition_point(|key| *key <= rest);
        let mut candidate = behind.checked_sub(1);
        while let Some(index) = candidate {
            let key = self.keys[index];
            if rest.starts_with(key) && text.is_bound(start + key.len()) {
                return Some(key);
            }
            candidate = self.parents[index];
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn found(references: &[&str], text: &str) -> Vec<String> {
        let keys: Vec<ReferenceKey> = references.iter().map(|text| ReferenceKey::of(text)).collect();
        let index = ReferenceIndex::new(&keys);
        let found = index.found_in(&ReferenceKey::of(text));
        found.into_iter().map(str::to_owned).collect()
    }

    #[test]
    fn references_are_compared_without_case_spaces_and_punctuation() {
        let same = ["DEP-7K2M 9Q", "dep7k2m9q", " Dep/7k2m_9q. "];
        for text in same {
            assert_eq!(ReferenceKey::of(text).as_str(), "dep7k2m9q");
        }
        assert!(ReferenceKey::of(" -/. ").is_empty());
        assert_eq!(ReferenceKey::of("ÀÉ 1").as_str(), "àé1");
        for (text, key) in [
            ("FT²001", "ft2001"),
            ("ＦＴ２００１", "ft2001"),
            ("ﬀ1", "ff1"),
            ("E\u{301}", "é"),
        ] {
            assert_eq!(ReferenceKey::of(text).as_str(), key, "{text}");
        }
    }

    #[test]
    fn references_are_found_inside_a_narration() {
        for (references, text, expected) in [
            (
                &["DEP-123456"][..],
                "NIP FRM ADA OBI/dep 123456/GTB",
                &["dep123456"][..],
            ),
            (&["DEP-123456"], "NIPDEP123456ADA", &["dep123456"]),
            (&["DEP-123456"], "DEP1234567", &[]),
            (&["123456"], "TRF 123456 7", &["123456"]),
            (&["123456"], "TRF 7123456", &[]),
            (&["12345"], "TRF 12345", &[]),
            (&["DEP123456", "DEP1234567"], "X DEP1234567", &["dep1234567"]),
            (&["REFABC", "XREFAB"], "XREFABC", &["refabc", "xrefab"]),
            (&["REFABC", "REFABCDE"], "TO REFABCD", &["refabc"]),
            (&["REFABC", "ABCDEFG"], "ABCDEFG REFABC", &["abcdefg", "refabc"]),
            (&["REFABC"], "REFABC, REFABC", &["refabc"]),
            (&["éclair1"], "Für ÉCLAIR-1", &["éclair1"]),
            (&[], "anything", &[]),
            (&["REFABC"], "", &[]),
        ] {
            assert_eq!(found(references, text), expected, "{references:?} in {text}");
        }
    }

    proptest! {
        #[test]
        fn the_index_finds_what_a_search_finds(
            references in proptest::collection::vec("[ab]{6,9}", 0..8),
            text in "[ab]{0,30}",
        ) {
            let references: Vec<&str> = references.iter().map(String::as_str).collect();
            // The longest reference at each place, unless an earlier one reaches as far.
            let (mut expected, mut end) = (Vec::new(), 0);
            for start in 0..text.len() {
                let at = references.iter().filter(|key| text[start..].starts_with(**key));
                if let Some(key) = at.max_by_key(|key| key.len())
                    && start + key.len() > end
                {
                    end = start + key.len();
                    expected.push((*key).to_owned());
                }
            }
            expected.sort();
            expected.dedup();
            prop_assert_eq!(found(&references, &text), expected);
        }

        #[test]
        fn no_text_makes_the_search_panic(references in proptest::collection::vec(".{0,12}", 0..5), text in ".{0,40}") {
            let references: Vec<&str> = references.iter().map(String::as_str).collect();
            let _keys = found(&references, &text);
        }
    }
}
