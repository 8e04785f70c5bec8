//! The file, the environment and the flags are merged into one configuration, or an error
//! names the line or the variable to change.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::defaults::KEYS_WITHOUT_DEFAULT;
use super::*;

fn load(text: &str, variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    let flags = Flags {
        config: Some(path),
        ..Flags::default()
    };
    let variables = variables
        .iter()
        .map(|(name, text)| ((*name).to_owned(), Ok((*text).to_owned())));
    Config::load(&flags, variables)
}

pub(super) fn error(text: &str, variables: &[(&str, &str)]) -> String {
    load(text, variables).unwrap_err().to_string()
}

const DOCUMENTED: &str = include_str!("../../config.toml");

#[test]
fn the_embedded_file_holds_the_defaults() {
    assert_eq!(load("", &[]).unwrap(), Config::default());
    assert_eq!(load(DOCUMENTED, &[]).unwrap(), Config::default());
}

#[test]
fn every_setting_has_a_comment_and_a_variable() {
    let mut section = String::new();
    let mut previous_line = "";
    let mut without_default = Vec::new();
    for line in DOCUMENTED.lines().take_while(|line| *line != "# [bank]") {
        if let Some(name) = line.strip_prefix('[') {
            section = format!("{}.", name.trim_end_matches(']'));
        }
        let setting = line
            .trim_start_matches("# ")
            .split_once(" = ")
            .filter(|(key, _)| !key.contains(' '));
        if let Some((key, _)) = setting {
            assert!(
                !previous_line.is_empty() && !previous_line.starts_with('['),
                "{section}{key} has no comment"
            );
            if line.starts_with('#') {
                without_default.push(format!("{section}{key}"));
            }
        }
        previous_line = line;
    }
    assert_eq!(without_default, KEYS_WITHOUT_DEFAULT);
}

#[test]
fn flags_override_the_environment_which_overrides_the_file() {
    let text = "listen = \"127.0.0.1:1\"\ndatabase = \"file.db\"\n[limits]\nmilestones_max = 7";
    let config = load(
        text,
        &[
            ("ESCROWD_LISTEN", "127.0.0.1:2"),
            ("ESCROWD_LIMITS_MILESTONES_MAX", "8"),
        ],
    )
    .unwrap();
    assert_eq!((config.listen.port(), config.limits.milestones_max), (2, 8));
    assert_eq!(config.database.path(), Some(Path::new("file.db")));

    let flags = Flags {
        listen: Some(SocketAddr::from(([127, 0, 0, 1], 3))),
        ..Flags::default()
    };
    let variables = [("ESCROWD_LISTEN".to_owned(), Ok("127.0.0.1:2".to_owned()))];
    assert_eq!(Config::load(&flags, variables).unwrap().listen.port(), 3);
}

#[test]
fn requests_are_limited_when_configured_or_strict() {
    let limit = |text| load(text, &[]).unwrap().requests_per_minute();
    assert_eq!(limit(""), None);
    assert_eq!(limit("strict = true"), Some(10));
    assert_eq!(limit("[limits]\nrequests_per_minute = 600"), Some(600));
    assert_eq!(limit("strict = true\n[limits]\nrequests_per_minute = 600"), Some(600));
}

#[test]
fn an_error_says_in_plain_words_which_values_are_right() {
    for (text, problem) in [
        (
            "[fees]\nplatform_bps = -1",
            "must be a whole number from 0 to 5000; got -1",
        ),
        (
            "[fees]\ncommission_bps = 70000",
            "must be a whole number from 0 to 5000; got 70000",
        ),
        ("[fees]\nplatform_bps = 1.5", "expected a whole number from 0 to 5000"),
        (
            "[storage]\nreaders = \"many\"",
            "must be a whole number from 1 to 256; got \"many\"",
        ),
        (
            "[limits]\namount_min_minor = true",
            "expected a whole number from 1 to 9007199254740991",
        ),
        ("strict = \"yes\"", "expected true or false, without quotes"),
        (
            "listen = 8080",
            "expected an IP address and a port, such as \"127.0.0.1:8080\" in quotes",
        ),
        ("database = \"\"", "an empty text names no database; name a file"),
        ("database = \"a\\u0000b\"", "a null character is in no name"),
        (
            "database = 1",
            "expected the path of a file, or the URL of a PostgreSQL database in quotes",
        ),
        (
            "[webhooks]\nretry_seconds = [\"1m\"]",
            "must be a list of at most 20 whole numbers of seconds",
        ),
        (
            "[webhooks]\nretry_seconds = 60",
            "must be a list of at most 20 whole numbers of seconds",
        ),
        (
            "currency = \"JPY\"",
            "must be a currency whose smallest unit is a hundredth",
        ),
        ("currency = \"BHD\"", "which has thousandths"),
        (
            "trusted_proxies = [\"10.0.0.1/8\"]",
            "each entry an address without bits behind its prefix: the range is 10.0.0.0/8; got \"10.0.0.1/8\"",
        ),
        (
            "trusted_proxies = [\"proxy.example\"]",
            "each entry an IP address or a range of them, such as 192.0.2.7 or 2001:db8::/32; got \"proxy.example\"",
        ),
        (
            "trusted_proxies = \"10.0.0.1\"",
            "must be a list of IP addresses and ranges in quotes",
        ),
    ] {
        let error = load(text, &[]).unwrap_err().to_string();
        assert!(error.contains(problem) && error.contains("line "), "{error}");
        for type_name in ["u16", "u32", "u64", "usize", "i64", "path string"] {
            assert!(!error.contains(type_name), "{error}");
        }
    }
    for (variable, text, problem) in [
        (
            "ESCROWD_STORAGE_READERS",
            "0",
            "must be a whole number from 1 to 256; got 0",
        ),
        (
            "ESCROWD_STORAGE_READERS",
            "abc",
            "must be a whole number from 1 to 256; got \"abc\"",
        ),
        ("ESCROWD_LISTEN", "8080", "must be an IP address and a port"),
        ("ESCROWD_CURRENCY", "KRW", "which has no smaller unit"),
    ] {
        let error = load("", &[(variable, text)]).unwrap_err().to_string();
        assert!(error.contains(problem) && error.contains(variable), "{error}");
    }
}

#[test]
fn an_error_names_the_invalid_line() {
    for (text, line, problem) in [
        (
            "mode = \"sandbox\"\nlisten_on = 1",
            "line 2",
            "unknown field `listen_on`",
        ),
        (
            "\n\n[limits]\nmilestones_max = 1",
            "line 4",
            "must be a whole number from 2 to 1000; got 1",
        ),
        ("mode = \"play\"", "line 1", "expected `sandbox` or `live`"),
        (
            "listen = \"8080\"",
            "line 1",
            "must be an IP address and a port, such as \"127.0.0.1:8080\"; got \"8080\"",
        ),
        (
            "country = \"Nigeria\"",
            "line 1",
            "must be the two letters of a country in capitals, such as \"NG\"; got \"Nigeria\"",
        ),
        ("currency = \"naira\"", "line 1", "must be a currency code"),
        (
            "[fees]\nwithdrawal_minor = \"5:1\"",
            "line 2",
            "must be steps of rising amounts",
        ),
        (
            "[storage]\nsynchronous = \"off\"",
            "line 2",
            "expected `full` or `normal`",
        ),
        (
            "[storage]\nclock_jump_hours_max = 0",
            "line 2",
            "from 1 to 876000; got 0",
        ),
        ("log = ", "line 1", ""),
        (
            "[webhooks]\ncallback_url = \"shop.example\"",
            "line 2",
            "must be a web address",
        ),
        (
            "[webhooks]\ncallback_url = \"http://169.254.169.254/\"",
            "line 2",
            "which is a metadata address",
        ),
        ("[webhooks]\nretry_seconds = [60, 0]", "line 2", "each from 1 to 604800"),
        (
            "[webhooks]\nretry_after_seconds_max = 604801",
            "line 2",
            "from 0 to 604800",
        ),
        ("[webhooks]\ntimeout_seconds = 0", "line 2", "from 1 to 60"),
        ("[webhooks]\nevents_kept_days = -1", "line 2", "from 0 to 36500"),
    ] {
        let error = error(text, &[]);
        assert!(error.contains(line) && error.contains(problem), "{text}: {error}");
    }
}

#[test]
fn an_error_names_the_invalid_variable() {
    for (name, text, problem) in [
        ("ESCROWD_LISTN", "x", "there is no such setting"),
        (
            "ESCROWD_BANK_BANK_NAME",
            "x",
            "[bank] is set in the configuration file only",
        ),
        (
            "ESCROWD_LIMITS_MILESTONES_MAX",
            "many",
            "must be a whole number from 2 to 1000; got \"many\"",
        ),
        ("ESCROWD_LIMITS_MILESTONES_MAX", "1", "from 2 to 1000"),
        ("ESCROWD_SANDBOX_EXPOSE", "yes", "true or false"),
    ] {
        let error = error("", &[(name, text)]);
        assert!(error.contains(name) && error.contains(problem), "{error}");
    }
}

#[test]
fn variables_can_set_lists_and_settings_without_a_default() {
    for text in ["[1, 2,3]", "1,2,3", " 1, 2, 3 "] {
        let config = load("", &[("ESCROWD_WEBHOOKS_RETRY_SECONDS", text)]).unwrap();
        assert_eq!(
            config.webhooks.retry_seconds,
            RetrySchedule::new(vec![1, 2, 3]),
            "{text}"
        );
    }
    let none = load("", &[("ESCROWD_WEBHOOKS_RETRY_SECONDS", "")]).unwrap();
    assert_eq!(none.webhooks.retry_seconds, RetrySchedule::new(Vec::new()));
    let error = error("", &[("ESCROWD_WEBHOOKS_RETRY_SECONDS", "soon")]);
    assert!(error.contains("must be a list of at most 20 whole numbers"), "{error}");
    let variables = [
        ("ESCROWD_PUBLIC_URL", "https://escrow.example"),
        ("ESCROWD_WEBHOOKS_CALLBACK_URL", "http://127.0.0.1:9000/"),
    ];
    let config = load("", &variables).unwrap();
    assert_eq!(config.public_url.as_deref(), Some("https://escrow.example"));
    let callback_url = config.webhooks.callback_url.unwrap();
    assert_eq!(callback_url.as_str(), "http://127.0.0.1:9000/");
}

#[test]
fn an_error_names_the_variable_that_is_not_utf_8() {
    let variables = [("ESCROWD_DATABASE".to_owned(), Err("x\u{fffd}".to_owned()))];
    let error = Config::load(&Flags::default(), variables).unwrap_err().to_string();
    assert!(error.contains("ESCROWD_DATABASE") && error.contains("UTF-8"), "{error}");
}

#[test]
fn variables_that_kubernetes_adds_are_ignored() {
    let variables = [
        ("ESCROWD_PORT", "tcp://10.0.0.1:80"),
        ("ESCROWD_SERVICE_HOST", "10.0.0.1"),
        ("ESCROWD_SERVICE_PORT_HTTP", "80"),
        ("ESCROWD_PORT_80_TCP_ADDR", "10.0.0.1"),
        ("ESCROWD_METRICS_SERVICE_HOST", "10.0.0.2"),
        ("ESCROWD_METRICS_SERVICE_PORT", "9464"),
        ("ESCROWD_METRICS_PORT", "tcp://10.0.0.2:9464"),
        ("ESCROWD_METRICS_PORT_9464_TCP_PORT", "9464"),
    ];
    assert_eq!(load("", &variables).unwrap(), Config::default());
    let misspelled = error("", &[("ESCROWD_LISTEN_PORT", "9000")]);
    assert!(misspelled.contains("there is no such setting"), "{misspelled}");
    let config = load("", &[("ESCROWD_LIMITS_REPORT_ROWS_MAX", "7")]).unwrap();
    assert_eq!(config.limits.report_rows_max, 7);
}

#[test]
fn settings_without_a_default_are_shown_unless_they_may_hold_a_secret() {
    for key in KEYS_WITHOUT_DEFAULT {
        let is_shown = redaction::may_show_valid(key);
        assert_eq!(is_shown, key != "webhooks.callback_url", "{key}");
    }
}

#[test]
fn settings_that_contradict_each_other_are_refused() {
    for (text, problem) in [
        ("listen = \"0.0.0.0:80\"", "sandbox.expose"),
        (
            "[fees]\nplatform_bps = 3000\ncommission_bps = 2001",
            "at most 5000 together",
        ),
        (
            "[limits]\nfile_bytes_max = 20000000\nuploads_bytes_max = 10000000",
            "limits.uploads_bytes_max is 10000000",
        ),
        (
            "mode = \"live\"\n[webhooks]\ncallback_url = \"https://a.example\"",
            "each merchant has an endpoint of its own",
        ),
    ] {
        let error = error(text, &[]);
        assert!(error.contains(problem), "{text}: {error}");
    }
    assert!(load("listen = \"0.0.0.0:80\"\n[sandbox]\nexpose = true", &[]).is_ok());
    assert!(load("mode = \"live\"\nlisten = \"0.0.0.0:80\"", &[]).is_ok());
}

#[test]
fn addresses_that_clients_cannot_use_are_refused() {
    let read = |url: &str| load(&format!("public_url = \"{url}\""), &[]);
    for (written, stored) in [
        ("https://escrow.example", "https://escrow.example"),
        ("https://escrow.example/", "https://escrow.example"),
        ("http://10.0.0.5:8080/escrow/", "http://10.0.0.5:8080/escrow"),
    ] {
        assert_eq!(read(written).unwrap().public_url.as_deref(), Some(stored));
    }
    for url in [
        "HTTPS://escrow.example",
        "escrow.example",
        "ftp://escrow.example",
        "http://",
        "http:///path",
        "http://0.0.0.0:8080",
        "http://[::]",
        "https://user:secret@escrow.example",
        "https://secret@escrow.example",
        "https://escrow.example?secret",
        "https://escrow.example#secret",
        "https://escrow .example",
        "https://escrow.example\\\\x",
    ] {
        let refused = read(url).unwrap_err().to_string();
        assert!(
            refused.contains("must be http:// or https:// and a host"),
            "{url}: {refused}"
        );
    }
}

fn loaded(text: &str) -> Loaded {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    fs::write(&path, text).unwrap();
    let flags = Flags {
        config: Some(path),
        ..Flags::default()
    };
    Loaded::load(&flags, []).unwrap()
}

#[test]
fn every_setting_that_a_reload_applies_exists() {
    let documented: toml::Table = DOCUMENTED.parse().unwrap();
    for key in reload::RELOADABLE {
        let (section, name) = key
            .split_once('.')
            .map_or((None, key), |(section, name)| (Some(section), name));
        let table = section.map_or(&documented, |section| documented[section].as_table().unwrap());
        assert!(table.contains_key(name) || KEYS_WITHOUT_DEFAULT.contains(&key), "{key}");
    }
}

#[test]
fn a_reload_takes_the_settings_that_a_running_service_can_change() {
    let running = loaded("[storage]\nreaders = 3\n");
    let new = loaded(
        "mode = \"sandbox\"\npublic_url = \"https://escrow.example\"\n[storage]\nreaders = 4\n[fees]\nplatform_bps = 1\n",
    );
    let (applied, changes) = running.reloaded(&new).unwrap();
    assert_eq!(changes.applied, ["fees.platform_bps", "public_url"]);
    assert_eq!(changes.postponed, ["storage.readers"]);
    assert_eq!(
        (applied.config.fees.platform_bps, applied.config.storage.readers),
        (1, 3)
    );
    assert_eq!(applied.config.public_url.as_deref(), Some("https://escrow.example"));
    // A setting that waits for a restart is told again; one that was applied is not.
    let (_, again) = applied.reloaded(&new).unwrap();
    assert_eq!(
        (again.applied.len(), again.postponed.as_slice()),
        (0, &["storage.readers".to_owned()][..])
    );
    // A setting that is taken out of the file has its default again.
    let (back, changes) = applied.reloaded(&running).unwrap();
    assert_eq!(changes.applied, ["fees.platform_bps", "public_url"]);
    assert_eq!(back.config, running.config);
}

#[test]
fn a_reload_does_not_fall_back_to_the_defaults_when_the_file_is_gone() {
    let running = loaded("[fees]\nplatform_bps = 1\n");
    let mut new = loaded("");
    new.file = None;
    let refused = running.reloaded(&new).unwrap_err().to_string();
    assert!(refused.contains("config.toml was read before and is gone"), "{refused}");
    // A service that started without a file has none to miss, until one is put there.
    let (without, _) = new.reloaded(&new).unwrap();
    let (with, _) = without.reloaded(&running).unwrap();
    assert!(with.reloaded(&new).is_err());
}

#[test]
fn an_allowed_origin_is_written_as_browsers_write_it() {
    let read = |entry: &str| load(&format!("allowed_origins = [\"{entry}\"]"), &[]);
    for entry in ["https://shop.example", "http://10.0.0.5:3000"] {
        assert_eq!(read(entry).unwrap().allowed_origins, [entry]);
    }
    for entry in [
        "*",
        "null",
        "shop.example",
        "https://shop.example/",
        "https://shop.example:443",
        "https://Shop.example",
        "",
    ] {
        let refused = read(entry).unwrap_err().to_string();
        assert!(refused.contains("an origin as browsers write it"), "{entry}: {refused}");
    }
    for variable in ["https://shop.example", "[1]", "1"] {
        let refused = load("", &[("ESCROWD_ALLOWED_ORIGINS", variable)])
            .unwrap_err()
            .to_string();
        assert!(
            refused.contains("such as [\"https://shop.example\"]"),
            "{variable}: {refused}"
        );
    }
}
