//! The service as in its container: process 1 of a root that holds the binary and nothing
//! else, read-only but for the data folder, as another user without any capability.
//!
//! `INSTALL_BINARY` names another binary than the one of this build, such as the static one
//! of a release.

use std::collections::BTreeSet;
use std::fs;
use std::io::BufReader;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::service::address_in;
use crate::tools::printed;

/// The user of the image, as in the Dockerfile.
const USER: u32 = 65_532;

/// Prepares the mounts, and becomes the service. `$1` is the root, `$2` the data folder, and
/// the rest are the service's arguments.
const ENTER: &str = r#"
    set -eu
    root=$1 data=$2; shift 2
    mount --bind "$root" "$root"
    mount --bind "$data" "$root/data"
    mount -t proc proc "$root/proc"
    mount -o remount,bind,ro "$root"
    exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin ESCROWD_DATABASE=/data/escrowd.db ESCROWD_LISTEN=127.0.0.1:0 ESCROWD_LOG=warn \
        setpriv --no-new-privs chroot --userspec=65532:65532 "$root" /escrowd "$@"
"#;

/// A root with the binary and the libraries that it loads, and a data folder beside it.
struct Root {
    folder: TempDir,
}

impl Root {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        for name in ["data", "proc"] {
            fs::create_dir_all(root.join(name)).unwrap();
        }
        let binary = std::env::var_os("INSTALL_BINARY").map_or(env!("CARGO_BIN_EXE_escrowd").into(), PathBuf::from);
        fs::copy(&binary, root.join("escrowd")).unwrap();
        for library in libraries(&binary) {
            let copy = root.join(library.strip_prefix("/").unwrap());
            fs::create_dir_all(copy.parent().unwrap()).unwrap();
            fs::copy(&library, copy).unwrap();
        }
        let data = folder.path().join("data");
        fs::create_dir(&data).unwrap();
        chown(&data, Some(USER), Some(USER)).unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        Self { folder }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("root")
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Starts the service as process 1 of the root.
    fn start(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("unshare");
        command
            .args(["--mount", "--pid", "--fork", "sh", "-c", ENTER, "enter"])
            .args([self.path(), self.data()])
            .args(arguments);
        command
    }

    /// Returns the command that runs the binary in the root, as its user.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("chroot");
        let user = format!("--userspec={USER}:{USER}");
        command.arg(user).arg(self.path()).arg("/escrowd").args(arguments);
        command
    }
}

/// Returns the shared libraries that a binary loads; none if it is static.
fn libraries(binary: &Path) -> Vec<PathBuf> {
    let listed = Command::new("ldd").arg(binary).output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    let paths = listed.split_whitespace().filter(|word| word.starts_with('/'));
    paths.map(PathBuf::from).collect()
}

/// The running service. Dropping it kills the process.
struct Contained {
    unshare: Child,
    stdout: BufReader<ChildStdout>,
    url: String,
}

impl Contained {
    fn start(mut command: Command) -> Self {
        let mut unshare = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut stdout = BufReader::new(unshare.stdout.take().unwrap());
        let url = format!("http://{}", address_in(&mut stdout));
        Self { unshare, stdout, url }
    }

    /// Returns the id of the service outside of its namespace.
    fn pid(&self) -> u32 {
        children(self.unshare.id())[0]
    }

    fn stop(&mut self) -> ExitStatus {
        let stopped = Command::new("kill").args(["-TERM", &self.pid().to_string()]).status();
        assert!(stopped.unwrap().success());
        let ended = self.unshare.wait().unwrap();
        std::io::copy(&mut self.stdout, &mut std::io::sink()).unwrap();
        ended
    }

    /// Sends a request for a customer, and returns the data of its reply.
    fn send(&self, method: &str, path: &str, customer: &str, body: Option<Value>) -> Value {
        let request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url))
            .header("customer-id", customer)
            .header("content-type", "application/json")
            .body(body.map_or(String::new(), |body| body.to_string()))
            .unwrap();
        let mut reply = ureq::run(request).unwrap();
        let mut reply: Value = serde_json::from_str(&reply.body_mut().read_to_string().unwrap()).unwrap();
        reply["data"].take()
    }
}

impl Drop for Contained {
    fn drop(&mut self) {
        // The service does not end with its parent: it has become another user.
        for pid in children(self.unshare.id()) {
            drop(Command::new("kill").args(["-KILL", &pid.to_string()]).status());
        }
        drop(self.unshare.kill());
        drop(self.unshare.wait());
    }
}

/// Returns the children of a process, also those that have ended and not been waited for.
fn children(pid: u32) -> Vec<u32> {
    let listed = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    listed.split_whitespace().map(|pid| pid.parse().unwrap()).collect()
}

/// Returns a line of a process's status.
fn status(pid: u32, key: &str) -> Vec<String> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
    line.unwrap().split_whitespace().map(str::to_owned).collect()
}

/// Returns true if this user may make namespaces and files of other users. The workflow runs
/// these tests by sudo.
fn is_root() -> bool {
    let is_root = Command::new("id").arg("-u").output().unwrap().stdout == b"0\n";
    let may = is_root
        && Command::new("unshare")
            .args(["--mount", "--pid", "--fork", "true"])
            .status()
            .unwrap()
            .success();
    if !may {
        eprintln!("skipped: only root can make an empty root");
    }
    may
}

/// Walks a deal from the offer to the payout.
fn deal(service: &Contained) {
    let seed = json!({
        "customers": [{ "id": "ada", "balance": 0 }, { "id": "ben", "balance": 20_000 }],
        "escrows": [{
            "name": "Shop", "seller": "ada",
            "milestones": [{ "title": "Frame", "amount": 4_000 }, { "title": "Finish", "amount": 6_000 }],
        }],
    });
    let escrow = &service.send("POST", "/sandbox/seed", "ada", Some(seed))["escrows"][0];
    let pay = json!({ "escrowDetails": { "paymentToken": escrow["paymentToken"] } });
    service.send("POST", "/v1/payment/escrow", "ben", Some(pay));
    for milestone in escrow["milestones"].as_array().unwrap() {
        let [escrow, milestone] = [escrow, milestone].map(|object| object["id"].as_str().unwrap());
        let path = format!("/v1/escrow/milestone/confirm/{escrow}/{milestone}");
        service.send("POST", &path, "ben", None);
    }
    let wallet = service.send("GET", "/v1/wallet", "ada", None);
    assert_eq!(wallet["mainBalance"], 10_000);
}

#[test]
fn a_deal_runs_as_process_1_of_an_empty_read_only_root() {
    if !is_root() {
        return;
    }
    let root = Root::new();
    let mut service = Contained::start(root.start(&[]));
    let pid = service.pid();
    assert_eq!(status(pid, "NSpid").last().unwrap(), "1");
    assert_eq!(status(pid, "Uid"), [USER.to_string().as_str(); 4]);
    assert_eq!(status(pid, "CapEff"), ["0000000000000000"]);
    deal(&service);

    let asked = root.command(&["health", "--url", &service.url]).output().unwrap();
    assert!(asked.status.success(), "{}", printed(&asked));
    assert_eq!(children(pid), [0; 0], "no child, so no zombie");
    assert_eq!(service.stop().code(), Some(0));

    for entry in fs::read_dir(root.data()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(name.starts_with("escrowd.db"), "{name}");
    }
    let again = Contained::start(root.start(&[]));
    let wallet = again.send("GET", "/v1/wallet", "ada", None);
    assert_eq!(
        wallet["mainBalance"], 10_000,
        "the next container goes on with the data"
    );
}

#[test]
fn an_ephemeral_service_says_what_folder_it_lacks() {
    if !is_root() {
        return;
    }
    let root = Root::new();
    let refused = root.start(&["--ephemeral"]).output().unwrap();
    assert_eq!(refused.status.code(), Some(1), "{}", printed(&refused));
    assert!(printed(&refused).contains("/tmp"), "{}", printed(&refused));

    let shm = root.path().join("dev/shm");
    fs::create_dir_all(&shm).unwrap();
    let mounted = ENTER.replace(
        "mount -t proc",
        "mount -t tmpfs -o mode=1777 tmpfs \"$root/dev/shm\"\n    mount -t proc",
    );
    let mut command = Command::new("unshare");
    command
        .args([
            "--mount",
            "--pid",
            "--fork",
            "--kill-child",
            "sh",
            "-c",
            &mounted,
            "enter",
        ])
        .args([root.path(), root.data()])
        .arg("--ephemeral");
    let mut service = Contained::start(command);
    deal(&service);
    assert_eq!(service.stop().code(), Some(0));
    assert_eq!(fs::read_dir(root.data()).unwrap().count(), 0);
}

/// A signal that comes during the start must not be lost: process 1 ignores a signal for which
/// it has no handler.
#[test]
fn a_stop_right_after_the_start_is_heeded() {
    if !is_root() {
        return;
    }
    let root = Root::new();
    for _ in 0..3 {
        let mut service = Contained::start(root.start(&[]));
        assert_eq!(service.stop().code(), Some(0));
        thread::sleep(Duration::from_millis(10));
    }
}

/// Runs the build of the Dockerfile on a small package with a procedural macro. The compiler makes
/// none for a target whose C library is linked statically.
#[test]
#[cfg(target_os = "linux")]
fn the_image_is_built_from_a_package_with_a_procedural_macro() {
    const DOCKERFILE: &str = include_str!("../../Dockerfile");
    let flags = DOCKERFILE
        .split_once("ENV RUSTFLAGS=\"")
        .and_then(|(_, rest)| rest.split_once('"'))
        .unwrap()
        .0;
    let (_, steps) = DOCKERFILE
        .split_once("--mount=type=cache,target=/source/target \\\n")
        .unwrap();
    let (steps, _) = steps.split_once("\n\n").unwrap();

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    let package = |name: &str| format!("name = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n");
    let files = [
        (
            "Cargo.toml",
            format!(
                "[package]\n{}[dependencies]\nmade = {{ path = \"made\" }}",
                package("escrowd")
            ),
        ),
        (
            "Cargo.lock",
            "version = 4\n[[package]]\nname = \"escrowd\"\nversion = \"0.1.0\"\ndependencies = [\"made\"]\n\
             [[package]]\nname = \"made\"\nversion = \"0.1.0\"\n"
                .to_owned(),
        ),
        ("src/main.rs", "fn main() { made::nothing!() }".to_owned()),
        (
            "made/Cargo.toml",
            format!("[package]\n{}[lib]\nproc-macro = true", package("made")),
        ),
        (
            "made/src/lib.rs",
            "use proc_macro::TokenStream;\n#[proc_macro]\n\
             pub fn nothing(_: TokenStream) -> TokenStream { TokenStream::new() }"
                .to_owned(),
        ),
    ];
    for (name, text) in files {
        let file = folder.path().join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }
    let built = Command::new("sh")
        .args([
            "-c",
            &steps
                .replace(" /escrowd", &format!(" {path}/escrowd"))
                .replace(" /data", &format!(" {path}/data")),
        ])
        .current_dir(folder.path())
        .env("RUSTFLAGS", flags)
        .env_remove("CARGO_TARGET_DIR")
        .env_remove("CARGO_BUILD_TARGET")
        .output()
        .unwrap();
    assert!(built.status.success(), "{}", printed(&built));
    let binary = folder.path().join("escrowd");
    assert!(libraries(&binary).is_empty(), "the image has no libraries");
    assert!(folder.path().join("data").is_dir());
}

/// Asserts that the build of the image gets every file that the library of this build was made from.
#[test]
fn the_build_of_the_image_has_every_file_that_the_library_embeds() {
    let taken: Vec<&str> = include_str!("../../.dockerignore")
        .lines()
        .filter_map(|line| line.strip_prefix('!'))
        .collect();
    let is_taken = |file: &str| {
        taken.iter().any(|taken| match taken.split_once('*') {
            Some((folder, ending)) => file
                .strip_prefix(folder)
                .and_then(|name| name.strip_suffix(ending))
                .is_some_and(|name| !name.contains('/')),
            None => file
                .strip_prefix(taken)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/')),
        })
    };
    let files = sources_of_the_library();
    for file in ["src/lib.rs", "schema.sql", "docs/errors.md"] {
        assert!(files.iter().any(|known| known == file), "{file} is not in {files:?}");
    }
    let missing: Vec<&String> = files.iter().filter(|file| !is_taken(file)).collect();
    assert_eq!(missing, [""; 0], ".dockerignore keeps these from the build");
}

/// Returns the files that the compiler has read to make the library, as it lists them beside it.
fn sources_of_the_library() -> BTreeSet<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = Path::new(env!("CARGO_BIN_EXE_escrowd")).with_file_name("deps");
    let mut sources = BTreeSet::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "d") {
            continue;
        }
        let list = fs::read_to_string(path).unwrap();
        if !list.contains("/libescrowd-") {
            continue;
        }
        // A list of an earlier build may name a file that is gone.
        for file in list.split_whitespace().filter(|file| file.starts_with("src/")) {
            if let Ok(file) = root.join(file).canonicalize() {
                sources.insert(file.strip_prefix(root).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    sources
}
