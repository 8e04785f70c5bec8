//! Completions of shells and manual pages, which follow from the command line's definition.

use std::fs;
use std::process::{Command, Stdio};

use crate::helpers::{WorkFolder, stderr, stdout};

const SHELLS: [&str; 5] = ["bash", "elvish", "fish", "powershell", "zsh"];

#[test]
fn every_shell_has_a_script_that_names_the_commands() {
    let work_folder = WorkFolder::new();
    for shell in SHELLS {
        let script = stdout(&work_folder.run(&["completions", shell]));
        for word in ["completions", "position", "accept-loss"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
    let other = work_folder.run(&["completions", "tcsh"]);
    assert_eq!(other.status.code(), Some(2));
    assert!(stderr(&other).contains("bash"), "{}", stderr(&other));
}

/// Asks a real bash to complete this command line, and returns the words that it offers.
fn completed(work_folder: &WorkFolder, words: &[&str]) -> Vec<String> {
    let quoted: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
    let last = words.len() - 1;
    let asked = format!(
        "source ./escrowd.bash; COMP_WORDS=({}); COMP_CWORD={last}; \
         complete -p escrowd >/dev/null; _escrowd escrowd '{}' '{}'; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        quoted.join(" "),
        words[last],
        words[last - 1],
    );
    let shell = Command::new("bash")
        .args(["--norc", "--noprofile", "-c", &asked])
        .current_dir(work_folder.path())
        .output()
        .unwrap();
    assert!(shell.status.success(), "{}", stderr(&shell));
    assert_eq!(stderr(&shell), "", "the script loads without a complaint");
    stdout(&shell).lines().map(str::to_owned).collect()
}

#[test]
fn a_real_bash_completes_commands_options_and_values() {
    let work_folder = WorkFolder::new();
    work_folder.write("escrowd.bash", &stdout(&work_folder.run(&["completions", "bash"])));
    assert_eq!(completed(&work_folder, &["escrowd", "pos"]), ["position"]);
    assert_eq!(completed(&work_folder, &["escrowd", "position", "--js"]), ["--json"]);
    assert_eq!(completed(&work_folder, &["escrowd", "operator", "rev"]), ["revoke"]);
    assert_eq!(completed(&work_folder, &["escrowd", "completions", "z"]), ["zsh"]);
    assert!(completed(&work_folder, &["escrowd", "--database", "escrowd.b"]).contains(&"escrowd.bash".to_owned()));
}

#[test]
fn a_page_is_printed_and_one_of_each_command_is_written() {
    let work_folder = WorkFolder::new();
    let printed = stdout(&work_folder.run(&["man"]));
    assert!(
        printed.contains(".TH escrowd 1") && printed.contains("escrowd\\-serve(1)"),
        "{printed}"
    );
    let written = work_folder.run(&["man", "--out-dir", "pages/man1"]);
    assert!(written.status.success(), "{}", stderr(&written));
    let page = |name: &str| fs::read_to_string(work_folder.path().join("pages/man1").join(name)).unwrap();
    assert!(page("escrowd.1").contains("escrowd\\-serve(1)"));
    assert!(page("escrowd-serve.1").contains("\\-\\-accept\\-loss"));
    assert!(page("escrowd-operator-create.1").contains("\\-\\-role"));
    assert!(page("escrowd-reset.1").contains("ESCROWD_URL"));

    let over_a_file = work_folder.run(&["man", "--out-dir", "pages/man1/escrowd.1"]);
    assert_eq!(over_a_file.status.code(), Some(1));
    assert!(stderr(&over_a_file).contains("cannot write manual pages to pages/man1/escrowd.1"));
}

/// `groff` warns of each wrong macro. Skipped where it is missing, which CI does not allow.
#[test]
fn the_pages_render_without_a_warning() {
    let work_folder = WorkFolder::new();
    assert!(work_folder.run(&["man", "--out-dir", "."]).status.success());
    let mut pages = 0;
    for entry in fs::read_dir(work_folder.path()).unwrap() {
        let page = entry.unwrap().path();
        let mut groff = Command::new("groff");
        groff
            .args(["-man", "-Tutf8", "-ww", "-z"])
            .arg(&page)
            .stdin(Stdio::null());
        let Ok(rendered) = groff.output() else {
            assert!(std::env::var_os("CI").is_none(), "groff is missing");
            return;
        };
        assert!(rendered.status.success());
        assert_eq!(stderr(&rendered), "", "{}", page.display());
        pages += 1;
    }
    assert!(pages > 12, "{pages} pages");
}

#[test]
fn a_reader_that_stops_early_is_no_failure() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let work_folder = WorkFolder::new();
    let printed = work_folder
        .command(&["completions", "bash"])
        .stdout(writer)
        .output()
        .unwrap();
    assert_eq!((printed.status.code(), stderr(&printed)), (Some(0), String::new()));
}
