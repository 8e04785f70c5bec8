//! `escrowd config`: the commented defaults, and the settings in force with their sources.

use serde_json::Value;

use crate::helpers::{WorkFolder, stderr, stdout};

/// Returns the line of a setting without the blanks in it.
fn line_of(shown: &str, key: &str) -> String {
    let start = format!("{key} = ");
    let line = shown.lines().find(|line| line.starts_with(&start)).unwrap();
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn the_printed_defaults_are_a_configuration_file_to_begin_with() {
    let work_folder = WorkFolder::new();
    let printed = work_folder.run(&["config", "default"]);
    assert!(printed.status.success(), "{}", stderr(&printed));
    let defaults = stdout(&printed);
    assert_eq!(defaults, include_str!("../../config.toml"));
    work_folder.write("config.toml", &defaults);
    let shown = stdout(&work_folder.run(&["config"]));
    assert_eq!(line_of(&shown, "mode"), "mode = \"sandbox\" # config.toml");
}

#[test]
fn each_setting_names_the_source_that_set_it() {
    let work_folder = WorkFolder::new();
    work_folder.write("config.toml", "currency = \"GHS\"\n[fees]\nplatform_bps = 100\n");
    let shown = |arguments: &[&str]| {
        let mut command = work_folder.command(arguments);
        let output = command.env("ESCROWD_FEES_PLATFORM_BPS", "50").output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        stdout(&output)
    };
    let plain = shown(&["config", "--listen", "127.0.0.1:0"]);
    assert_eq!(plain, shown(&["config", "show", "--listen", "127.0.0.1:0"]));
    assert!(!plain.contains('\u{1b}'), "no colours where there is no terminal");
    for line in [
        "currency = \"GHS\" # config.toml",
        "fees.platform_bps = 50 # ESCROWD_FEES_PLATFORM_BPS",
        "listen = \"127.0.0.1:0\" # --listen",
        "database = \"escrowd.db\" # default",
    ] {
        assert_eq!(line_of(&plain, line.split(' ').next().unwrap()), line);
    }
    assert!(plain.contains("# public_url is not set"), "{plain}");
    assert!(
        plain.parse::<toml::Table>().is_ok(),
        "each line is one of a configuration file"
    );

    let json: Value = serde_json::from_str(&shown(&["config", "--json"])).unwrap();
    let setting = |key: &str| {
        let settings = json["settings"].as_array().unwrap();
        settings.iter().find(|setting| setting["key"] == key).unwrap().clone()
    };
    let of_variable = setting("fees.platform_bps");
    assert_eq!(
        (&of_variable["value"], &of_variable["source"]),
        (&50.into(), &"variable".into())
    );
    assert_eq!(of_variable["from"], "ESCROWD_FEES_PLATFORM_BPS");
    assert_eq!(setting("currency")["from"], "config.toml");
    assert_eq!(setting("public_url")["isSet"], false);
}

#[test]
fn a_secret_is_said_to_be_set_and_not_shown() {
    let work_folder = WorkFolder::new();
    let url = "http://127.0.0.1:9/hook?token=s3cret";
    for arguments in [&["config"][..], &["config", "--json"]] {
        let mut command = work_folder.command(arguments);
        let shown = stdout(&command.env("ESCROWD_WEBHOOKS_CALLBACK_URL", url).output().unwrap());
        assert!(
            shown.contains("ESCROWD_WEBHOOKS_CALLBACK_URL") && !shown.contains("s3cret"),
            "{shown}"
        );
    }
}

#[test]
fn the_folder_for_backups_is_shown() {
    let work_folder = WorkFolder::new();
    work_folder.write("config.toml", "[backups]\nfolder = \"/mnt/backup\"\n");
    let shown = stdout(&work_folder.run(&["config"]));
    assert_eq!(
        line_of(&shown, "backups.folder"),
        "backups.folder = \"/mnt/backup\" # config.toml"
    );
}

#[test]
fn two_servers_take_no_address_together_unless_the_port_is_free() {
    let work_folder = WorkFolder::new();
    let both = |port: u16| format!("listen = \"127.0.0.1:{port}\"\n[metrics]\nlisten = \"127.0.0.1:{port}\"\n");
    work_folder.write("config.toml", &both(8089));
    let refused = stderr(&work_folder.run(&["config"]));
    let told = "listen and metrics.listen are both 127.0.0.1:8089";
    assert!(refused.contains(told), "{refused}");
    work_folder.write("config.toml", &both(0));
    let shown = work_folder.run(&["config"]);
    assert!(shown.status.success(), "{}", stderr(&shown));

    let both = |listen: &str, metrics: &str| {
        format!("listen = \"{listen}\"\nsandbox.expose = true\n[metrics]\nlisten = \"{metrics}\"\n")
    };
    for (listen, metrics, overlap) in [
        ("0.0.0.0:8089", "127.0.0.1:8089", true),
        ("127.0.0.1:8089", "0.0.0.0:8089", true),
        ("[::]:8089", "127.0.0.1:8089", true),
        ("[::1]:8089", "[::]:8089", true),
        ("[::ffff:127.0.0.1]:8089", "127.0.0.1:8089", true),
        ("0.0.0.0:8089", "[::1]:8089", false),
        ("127.0.0.1:8089", "127.0.0.2:8089", false),
        ("0.0.0.0:8089", "127.0.0.1:8090", false),
        ("0.0.0.0:0", "127.0.0.1:0", false),
    ] {
        work_folder.write("config.toml", &both(listen, metrics));
        let shown = work_folder.run(&["config"]);
        assert_eq!(
            shown.status.success(),
            !overlap,
            "{listen} {metrics}: {}",
            stderr(&shown)
        );
        let told = format!("listen is {listen} and metrics.listen is {metrics}, which has the same port");
        assert_eq!(stderr(&shown).contains(&told), overlap, "{}", stderr(&shown));
    }
}

#[test]
fn an_invalid_configuration_fails_as_a_start_does() {
    let work_folder = WorkFolder::new();
    for config in [
        "listne = 1\n",
        "listen = \"0.0.0.0:0\"\n",
        "mode = \"live\"\nephemeral = true\n",
        "listen = \"127.0.0.1:8089\"\n[metrics]\nlisten = \"127.0.0.1:8089\"\n",
    ] {
        work_folder.write("config.toml", config);
        let (shown, started) = (work_folder.run(&["config"]), work_folder.run(&[]));
        assert_eq!(shown.status.code(), Some(1), "{config}");
        assert_eq!(stderr(&shown), stderr(&started), "{config}");
        assert_eq!(stdout(&shown), "");
    }
    let missing = work_folder.run(&["config", "--config", "none.toml"]);
    assert_eq!(missing.status.code(), Some(1));
    assert!(stderr(&missing).contains("none.toml"));
    let endless = work_folder.run(&["config", "--config", "/dev/zero"]);
    assert_eq!(endless.status.code(), Some(1));
    assert!(stderr(&endless).contains("it has more than 1048576 bytes"));
    std::os::unix::fs::symlink("none.toml", work_folder.path().join("link.toml")).unwrap();
    let leads_nowhere = work_folder.run(&["config", "--config", "link.toml"]);
    let told = "link.toml cannot be read: it is a symbolic link to a file that does not exist";
    assert!(stderr(&leads_nowhere).contains(told), "{leads_nowhere:?}");
    std::fs::remove_file(work_folder.path().join("config.toml")).unwrap();
    std::os::unix::fs::symlink("none.toml", work_folder.path().join("config.toml")).unwrap();
    let leads_nowhere = work_folder.run(&[]);
    assert_eq!(leads_nowhere.status.code(), Some(1));
    assert!(
        stderr(&leads_nowhere).contains("config.toml cannot be read"),
        "{leads_nowhere:?}"
    );
}
