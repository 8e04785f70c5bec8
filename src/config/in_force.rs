//! The settings in force, each with the source that set it. Secrets are left out here, so that
//! no caller can print them.

use std::collections::BTreeMap;

use toml::Value;

use super::defaults::KEYS_WITHOUT_DEFAULT;
use super::error::ConfigError;
use super::flags::Flags;
use super::sources::{Loaded, Source, leaves};
use super::{Config, redaction};
use crate::store::without_password;

/// A setting in force.
#[derive(Clone, Debug, PartialEq)]
pub struct Setting {
    /// The dotted key, such as `fees.platform_bps`.
    pub key: String,
    pub value: SettingValue,
    pub source: Source,
}

/// The value of a setting, as far as it may be shown.
#[derive(Clone, Debug, PartialEq)]
pub enum SettingValue {
    /// The setting has no value.
    Unset,
    /// The setting has a value that may contain a secret.
    Secret,
    Shown(Value),
}

impl Config {
    /// Merges and checks the sources as [`Config::load`] does, and returns every setting: first
    /// those of no section, then the sections.
    pub fn in_force(
        flags: &Flags,
        environment: impl IntoIterator<Item = (String, Result<String, String>)>,
    ) -> Result<Vec<Setting>, ConfigError> {
        let mut loaded = Loaded::load(flags, environment)?;
        let mut values = BTreeMap::from(KEYS_WITHOUT_DEFAULT.map(|key| (key.to_owned(), None)));
        values.extend(leaves(&loaded.values).map(|(key, value)| (key, Some(value))));
        let settings = values.into_iter().map(|(key, value)| Setting {
            value: shown(&key, value),
            source: loaded.sources.remove(&key).unwrap_or(Source::Default),
            key,
        });
        let mut settings: Vec<Setting> = settings.collect();
        settings.sort_by_key(|setting| setting.key.contains('.'));
        Ok(settings)
    }
}

fn shown(key: &str, value: Option<Value>) -> SettingValue {
    match value {
        None => SettingValue::Unset,
        Some(Value::String(place)) if key == "database" => SettingValue::Shown(without_password(&place).into()),
        Some(value) if redaction::may_show_valid(key) => SettingValue::Shown(value),
        Some(_) => SettingValue::Secret,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const FILE: &str = "claim_grace_seconds = 60\n[fees]\nplatform_bps = 100\ncommission_bps = 7\n[webhooks]\n\
        callback_url = \"http://127.0.0.1:9/hook?token=s3cret\"\n";

    /// Returns the settings in force with this file, these variables and these flags.
    fn in_force(file: &str, variables: &[(&str, &str)], flags: Flags) -> Result<Vec<Setting>, ConfigError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("escrowd.toml");
        fs::write(&path, file).unwrap();
        let flags = Flags {
            config: Some(path.clone()),
            ..flags
        };
        let variables = variables
            .iter()
            .map(|(name, text)| ((*name).to_owned(), Ok((*text).to_owned())));
        let mut settings = Config::in_force(&flags, variables)?;
        for setting in &mut settings {
            if setting.source == Source::File(path.clone()) {
                setting.source = Source::File("file".into());
            }
        }
        Ok(settings)
    }

    fn of<'a>(settings: &'a [Setting], key: &str) -> &'a Setting {
        settings.iter().find(|setting| setting.key == key).unwrap()
    }

    #[test]
    fn the_last_source_of_each_setting_is_named() {
        let variables = [
            ("ESCROWD_FEES_PLATFORM_BPS", "50"),
            ("ESCROWD_LISTEN", "127.0.0.1:1"),
            ("ESCROWD_PUBLIC_URL", "https://escrow.example"),
        ];
        let flags = Flags {
            listen: Some("127.0.0.1:2".parse().unwrap()),
            strict: true,
            ..Flags::default()
        };
        let settings = in_force(FILE, &variables, flags).unwrap();
        let file = || Source::File("file".into());
        for (key, value, source) in [
            ("claim_grace_seconds", Value::Integer(60), file()),
            ("fees.commission_bps", Value::Integer(7), file()),
            (
                "fees.platform_bps",
                Value::Integer(50),
                Source::Variable("ESCROWD_FEES_PLATFORM_BPS".to_owned()),
            ),
            ("listen", "127.0.0.1:2".into(), Source::Flag("--listen")),
            ("strict", true.into(), Source::Flag("--strict")),
            ("ephemeral", false.into(), Source::Default),
            ("currency", "NGN".into(), Source::Default),
            (
                "public_url",
                "https://escrow.example".into(),
                Source::Variable("ESCROWD_PUBLIC_URL".to_owned()),
            ),
        ] {
            let setting = of(&settings, key);
            assert_eq!(
                (&setting.value, &setting.source),
                (&SettingValue::Shown(value), &source),
                "{key}"
            );
        }
    }

    #[test]
    fn no_secret_is_among_the_settings() {
        let settings = in_force(FILE, &[], Flags::default()).unwrap();
        let shown = format!("{settings:?}");
        assert!(!shown.contains("s3cret"), "{shown}");
        let secret = of(&settings, "webhooks.callback_url");
        assert_eq!(
            (&secret.value, &secret.source),
            (&SettingValue::Secret, &Source::File("file".into()))
        );
    }

    #[test]
    fn every_setting_is_there_once_and_sections_come_last() {
        let settings = in_force("", &[], Flags::default()).unwrap();
        let unset = of(&settings, "public_url");
        assert_eq!((&unset.value, &unset.source), (&SettingValue::Unset, &Source::Default));
        let keys: Vec<&str> = settings.iter().map(|setting| setting.key.as_str()).collect();
        let in_sections = keys.iter().skip_while(|key| !key.contains('.'));
        assert!(in_sections.clone().all(|key| key.contains('.')) && in_sections.count() > 30);
        for key in ["mode", "public_url", "webhooks.callback_url", "limits.connections_max"] {
            assert_eq!(keys.iter().filter(|other| **other == key).count(), 1, "{key}");
        }
    }

    #[test]
    fn a_configuration_that_a_start_refuses_is_refused() {
        for (file, problem) in [
            ("listne = 1", "listne"),
            ("mode = \"live\"\nephemeral = true", "ephemeral"),
        ] {
            let refused = in_force(file, &[], Flags::default()).unwrap_err().to_string();
            assert!(refused.contains(problem), "{refused}");
        }
    }
}
