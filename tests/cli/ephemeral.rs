//! An ephemeral service, which removes its data when it stops.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use crate::helpers::{RunningServer, WorkFolder, get, stderr};

/// Returns the folder of a running service, as its first lines name it.
fn folder_of(server: &RunningServer) -> PathBuf {
    let line = server.greeting[1].trim();
    let database = line
        .strip_prefix("database  none is kept; until the service stops it is ")
        .unwrap_or_else(|| panic!("{line}"));
    let database = Path::new(database);
    assert!(database.exists(), "{line}");
    database.parent().unwrap().to_owned()
}

/// Stops a server with SIGTERM, so that it removes its folder.
fn stop(mut server: RunningServer) {
    server.signal("-TERM");
    assert_eq!(server.wait().code(), Some(0));
}

/// Returns the names of the files in a folder.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap().map(Result::unwrap);
    entries.map(|entry| entry.file_name().into_string().unwrap()).collect()
}

/// Returns the folders that this process has created and not removed.
fn folders_of_process(id: u32) -> Vec<PathBuf> {
    let places = [PathBuf::from("/dev/shm"), std::env::temp_dir()];
    let entries = places
        .iter()
        .flat_map(|place| fs::read_dir(place).into_iter().flatten().flatten());
    let locks = entries.map(|entry| entry.path().join("service.lock"));
    let is_its = |lock: &PathBuf| fs::read_to_string(lock).is_ok_and(|text| text.trim().ends_with(&format!(" {id}")));
    locks.filter(is_its).collect()
}

#[test]
fn nothing_is_left_of_it_when_it_stops() {
    for signal in ["-TERM", "-INT"] {
        let work_folder = WorkFolder::new();
        let mut server = work_folder.serve(&["--ephemeral"]);
        let folder = folder_of(&server);
        assert_eq!(get(&server.url("/v1/wallet"), &[("customer-id", "ada")]).0, 200);
        let database = folder.join("escrowd.db");
        assert!(work_folder.run(&["check", database.to_str().unwrap()]).status.success());
        server.signal(signal);
        assert_eq!(server.wait().code(), Some(0), "{signal}");
        assert!(!folder.exists(), "{signal}");
        assert_eq!(names(work_folder.path()), [""; 0], "{signal}");
    }
}

#[test]
fn nothing_is_left_of_it_when_it_is_stopped_at_once() {
    let work_folder = WorkFolder::new();
    let mut server = work_folder.serve(&["--ephemeral"]);
    let folder = folder_of(&server);
    assert_eq!(get(&server.url("/healthz"), &[]).0, 200);
    let _stalled = server.begin_deposit(99);
    server.signal("-INT");
    std::thread::sleep(Duration::from_millis(200));
    assert!(folder.exists(), "it waits for the request");
    assert_eq!(server.end_by_interrupts().code(), Some(130));
    assert!(!folder.exists());
}

#[test]
fn nothing_is_left_of_one_that_could_not_start() {
    let work_folder = WorkFolder::new();
    let server = work_folder.serve(&["--ephemeral"]);
    let mut second = work_folder.command(&["--ephemeral", "--listen", &server.address]);
    let second = second.stderr(Stdio::piped()).spawn().unwrap();
    let id = second.id();
    let output = second.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("--listen"), "{}", stderr(&output));
    assert_eq!(folders_of_process(id), Vec::<PathBuf>::new());
    assert!(folder_of(&server).exists(), "the first goes on");
    assert_eq!(get(&server.url("/healthz"), &[]).0, 200);
    stop(server);
}

/// The service must not miss a signal that arrives while it starts.
#[test]
fn nothing_is_left_of_it_when_it_is_stopped_while_it_starts() {
    let work_folder = WorkFolder::new();
    for _ in 0..3 {
        let mut server = work_folder.serve(&["--ephemeral"]);
        let folder = folder_of(&server);
        server.signal("-INT");
        assert_eq!(server.wait().code(), Some(0));
        assert!(!folder.exists());
    }
}

/// The start removes the folder of a killed service and keeps the folder of a running one.
#[test]
fn the_next_start_removes_what_a_killed_one_left() {
    let work_folder = WorkFolder::new();
    let running = work_folder.serve(&["--ephemeral"]);
    let mut killed = work_folder.serve(&["--ephemeral"]);
    let left = folder_of(&killed);
    killed.signal("-KILL");
    killed.wait();
    let next = work_folder.serve(&["--ephemeral"]);
    assert!(!left.exists());
    assert!(folder_of(&running) != folder_of(&next));
    for server in [&running, &next] {
        let (status, wallet) = get(&server.url("/v1/wallet"), &[("customer-id", "ada")]);
        assert!(status == 200 && wallet.contains("\"mainBalance\":1000000"), "{wallet}");
    }
    stop(running);
    stop(next);
}

#[test]
fn its_state_can_be_saved_also_if_the_configuration_makes_it_ephemeral() {
    let work_folder = WorkFolder::new();
    work_folder.write("config.toml", "ephemeral = true\n");
    let server = work_folder.serve(&[]);
    assert_eq!(get(&server.url("/v1/wallet"), &[("customer-id", "ada")]).0, 200);
    let database = folder_of(&server).join("escrowd.db");
    let save = ["snapshot", "save", "saved.db"];
    let said = stderr(&work_folder.run(&save));
    assert!(said.contains("name it by --database"), "{said}");
    assert!(!work_folder.path().join("saved.db").exists());
    let saved = work_folder.run(&[&save[..], &["--database", database.to_str().unwrap()]].concat());
    assert!(saved.status.success(), "{}", stderr(&saved));
    stop(server);
    assert!(work_folder.path().join("saved.db").exists());
}

#[test]
fn it_is_for_play_money_and_for_no_file() {
    let work_folder = WorkFolder::new();
    let said = stderr(&work_folder.run(&["--ephemeral", "--database", "kept.db"]));
    assert!(said.contains("--database names a file to keep"), "{said}");
    let by_environment = work_folder
        .command(&["--database", "kept.db"])
        .env("ESCROWD_EPHEMERAL", "true")
        .output()
        .unwrap();
    assert!(stderr(&by_environment).contains("--database names a file to keep"));

    work_folder.write("config.toml", "mode = \"live\"\nephemeral = true\n");
    let output = work_folder.run(&[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("ephemeral is for mode \"sandbox\""),
        "{}",
        stderr(&output)
    );
    assert_eq!(names(work_folder.path()), ["config.toml"]);
}
