//! The example in `packaging/scaling`: its nginx, its two processes and its PostgreSQL with a
//! standby, with other addresses and folders and without containers.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Output, Stdio};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

use crate::cluster;
use crate::nginx::{self, Nginx};
use crate::ports::free_address;
use crate::scaling_load::{Load, Receiver};
use crate::service::Service;
use crate::tools::printed;
use crate::waiting::until_ok;

const COMPOSE: &str = include_str!("../../packaging/scaling/compose.yaml");
const NGINX: &str = include_str!("../../packaging/scaling/nginx.conf");
const START: &str = include_str!("../../packaging/scaling/postgres/start.sh");
const ACCESS: &str = include_str!("../../packaging/scaling/postgres/pg_hba.conf");

/// Longer than `fail_timeout`, after which nginx asks a process again. It counts in whole seconds and
/// waits until more than that many have passed.
const ASKED_AGAIN: Duration = Duration::from_millis(3_200);

/// PostgreSQL on two nodes, each an address of this machine.
struct Nodes {
    folder: TempDir,
    /// The shells that run the servers while their input is open.
    running: [Option<Child>; 2],
}

impl Nodes {
    fn start() -> Self {
        let folder = cluster::folder_in_memory();
        cluster::own(folder.path());
        // The folders of the sockets.
        for node in 0..2 {
            let sockets = folder.path().join(Self::address(node));
            fs::create_dir(&sockets).unwrap();
            cluster::own(&sockets);
        }
        fs::write(folder.path().join("start.sh"), START).unwrap();
        fs::write(folder.path().join("pg_hba.conf"), ACCESS).unwrap();
        let mut nodes = Self {
            folder,
            running: [None, None],
        };
        for node in 0..2 {
            nodes.run(node, 0);
        }
        nodes
    }

    fn address(node: usize) -> String {
        cluster::own_address(2 + u8::try_from(node).unwrap())
    }

    fn data(&self, node: usize) -> PathBuf {
        self.folder.path().join(format!("db{}", node + 1))
    }

    /// Returns the shell that starts a node as the example does, and a folder for its socket.
    fn shell(&self, node: usize, primary: usize, script: &str) -> std::process::Command {
        let data = self.data(node);
        let programs = cluster::programs();
        let path = std::env::var("PATH").unwrap();
        let mut shell = cluster::as_owner(Path::new("/bin/sh"));
        shell
            .args(["-c", script, "start", "-k"])
            .arg(self.folder.path().join(Self::address(node)))
            .args(["-c", "max_connections=100"])
            .current_dir(self.folder.path())
            .env("PATH", format!("{}:{path}", programs.display()))
            .env("PGDATA", data)
            .env("NODE", Self::address(node))
            .env("PRIMARY", Self::address(primary))
            .envs([
                ("STANDBYS", "*"),
                ("DATABASE_PASSWORD", "d4t4base"),
                ("STANDBY_PASSWORD", "st4ndby"),
            ]);
        shell
    }

    /// Starts a node, of which `primary` is the primary.
    fn run(&mut self, node: usize, primary: usize) {
        let log = fs::File::create(self.folder.path().join(format!("log{node}"))).unwrap();
        // The server ends at the end of the test process, however that comes about.
        let script = "sh start.sh \"$@\" & server=$!; read _; kill -KILL $server; wait $server";
        let shell = self
            .shell(node, primary, script)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        self.running[node] = Some(shell);
    }

    /// Kills a node.
    fn kill(&mut self, node: usize) {
        if let Some(mut shell) = self.running[node].take() {
            drop(shell.stdin.take());
            shell.wait().unwrap();
        }
    }

    /// Starts a node that is refused, and returns what it says.
    fn refusal(&self, node: usize, primary: usize) -> Output {
        self.shell(node, primary, "sh start.sh").output().unwrap()
    }

    fn promote(&self, node: usize) {
        let mut promote = cluster::as_owner(&cluster::programs().join("pg_ctl"));
        let promoted = promote.arg("promote").env("PGDATA", self.data(node)).output().unwrap();
        assert!(promoted.status.success(), "{}", printed(&promoted));
    }

    /// Returns the value of the example's variable for the processes.
    fn url() -> String {
        let line = COMPOSE
            .lines()
            .find_map(|line| line.trim().strip_prefix("ESCROWD_DATABASE: "));
        let url = line.unwrap().trim_matches('"');
        for part in ["${DATABASE_PASSWORD:?}", "db1", "db2"] {
            assert!(url.contains(part), "{url}");
        }
        url.replace("${DATABASE_PASSWORD:?}", "d4t4base")
            .replace("db1", &Self::address(0))
            .replace("db2", &Self::address(1))
    }

    fn log(&self, node: usize) -> String {
        fs::read_to_string(self.folder.path().join(format!("log{node}"))).unwrap()
    }

    /// Waits until a node says this in its log.
    fn wait_for(&self, node: usize, line: &str) {
        until_ok(&format!("{line:?} is told"), || {
            let log = self.log(node);
            if log.contains(line) { Ok(()) } else { Err(log) }
        });
    }
}

impl Drop for Nodes {
    fn drop(&mut self) {
        for node in 0..2 {
            self.kill(node);
        }
    }
}

/// A process of escrowd, which keeps its address when it is started again.
struct Process {
    address: SocketAddr,
    settings: Vec<(&'static str, String)>,
    service: Service,
}

impl Process {
    fn start(address: SocketAddr, url: &str, callback: &str) -> Self {
        let settings = vec![
            ("ESCROWD_DATABASE", url.to_owned()),
            ("ESCROWD_WEBHOOKS_CALLBACK_URL", callback.to_owned()),
            ("ESCROWD_SANDBOX_EXPOSE", "true".to_owned()),
            ("ESCROWD_TRUSTED_PROXIES", "[\"127.0.0.1\"]".to_owned()),
        ];
        let service = Self::run(address, &settings);
        Self {
            address,
            settings,
            service,
        }
    }

    fn run(address: SocketAddr, settings: &[(&str, String)]) -> Service {
        let settings: Vec<(&str, &str)> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
        Service::start_on(&address.to_string(), &settings)
    }

    fn start_again(&mut self) {
        self.service = Self::run(self.address, &self.settings);
    }
}

#[test]
fn requests_events_and_webhooks_go_on_when_a_process_or_the_primary_ends() {
    if !nginx::is_installed() || !cluster::is_installed() {
        return;
    }
    let mut nodes = Nodes::start();
    nodes.wait_for(1, "started streaming WAL");
    let receiver = Receiver::start();
    let addresses = [free_address(), free_address()];
    let mut processes = addresses.map(|address| Process::start(address, &Nodes::url(), &receiver.url));
    let [first, second] = addresses.map(|address| address.to_string());
    let nginx = Nginx::start(NGINX, &[("escrowd1:8080", &first), ("escrowd2:8080", &second)]);
    nginx.walk_a_deal();

    let load = Load::start(&nginx);
    thread::sleep(Duration::from_millis(500));
    processes[0].service.stop();
    thread::sleep(Duration::from_millis(500));
    processes[0].start_again();
    thread::sleep(ASKED_AGAIN);
    load.check_that_none_failed("one was stopped");
    processes[1].service.kill();
    thread::sleep(Duration::from_millis(500));
    load.stop_and_check(&nginx, &receiver);

    // The steps of docs/scaling.md after the loss of the primary.
    nodes.kill(0);
    nodes.promote(1);
    wait_for_a_write(&nginx);
    let refused = nodes.refusal(0, 1);
    assert!(
        printed(&refused).contains("that of an earlier primary"),
        "{}",
        printed(&refused)
    );
    fs::remove_dir_all(nodes.data(0)).unwrap();
    nodes.run(0, 1);
    nodes.wait_for(0, "started streaming WAL");
    nodes.kill(1);
    nodes.run(1, 1);
    wait_for_a_write(&nginx);
}

/// Makes deposits until one succeeds.
fn wait_for_a_write(nginx: &Nginx) {
    let deposit = ["-H", "customer-id: ada", "--json", "{\"amount\": 1000}"];
    until_ok("a write succeeds", || match nginx.curl("/v1/payment/topup", &deposit) {
        (200, _) => Ok(()),
        (_, reply) => Err(reply),
    });
}

/// Asserts the parts that both examples share, with other addresses and ways to the files.
#[test]
fn both_examples_agree() {
    let lines = |text: &str| -> Vec<String> {
        let lines = text
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty() && !line.starts_with('#'));
        lines.map(str::to_owned).collect()
    };
    let several = lines(NGINX);
    let differ = [
        "server escrowd:8080;",
        "proxy_connect_timeout 5s;",
        "proxy_next_upstream off;",
    ];
    for line in lines(include_str!("../../packaging/nginx/escrowd.conf")) {
        assert!(
            several.contains(&line) || differ.contains(&line.as_str()),
            "nginx.conf lacks {line:?}"
        );
    }
    let several = lines(COMPOSE);
    for line in lines(include_str!("../../compose.yaml")) {
        let line = line
            .replace("./packaging/nginx/escrowd.conf", "./nginx.conf")
            .replace("172.31.254.3", "172.31.253.4")
            .replace("172.31.254.", "172.31.253.");
        let differs = ["build: .", "escrowd:", "- data:/data", "data:", "depends_on:"].contains(&line.as_str())
            || line.contains("condition: service_healthy")
            || line.contains("ipv4_address")
            || line.starts_with("config: [{ subnet");
        assert!(differs || several.contains(&line), "compose.yaml lacks {line:?}");
    }
}

/// Asserts that each example trusts the address of its proxy and no other. A range would have the gateway, from
/// which programs of the host connect, and the other containers.
#[test]
fn examples_trust_the_proxy_alone() {
    for text in [COMPOSE, include_str!("../../compose.yaml")] {
        let trusted = text
            .lines()
            .find_map(|line| line.trim().strip_prefix("ESCROWD_TRUSTED_PROXIES: "));
        let proxy = text.split_once("\n  proxy:\n").unwrap().1;
        let address = proxy
            .lines()
            .find_map(|line| line.trim().strip_prefix("networks: { default: { ipv4_address: "));
        let address = address.unwrap().trim_end_matches(" } }");
        assert_eq!(trusted, Some(&*format!("'[\"{address}\"]'")));
        // The range is the upper half of the 16 addresses of the network.
        let ranges = text.lines().find_map(|line| line.split_once("ip_range: "));
        let range: Ipv4Addr = ranges.unwrap().1.split_once("/29").unwrap().0.parse().unwrap();
        let address: Ipv4Addr = address.parse().unwrap();
        assert!(
            u32::from(address) < u32::from(range),
            "{address} may be another container's"
        );
    }
}

/// Asserts that the script takes the passwords that the URL of the database takes as they are.
#[test]
fn passwords_that_a_url_does_not_take_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    for [database, standby] in [
        ["a/b", "c"],
        ["a", "b/c"],
        ["", "b"],
        ["a", ""],
        ["a", "b c"],
        ["a'", "b"],
    ] {
        let mut start = std::process::Command::new("/bin/sh");
        let start = start
            .args(["-c", START, "start.sh"])
            .envs([("DATABASE_PASSWORD", database), ("STANDBY_PASSWORD", standby)])
            .envs([
                ("NODE", "db1"),
                ("PRIMARY", "db1"),
                ("STANDBYS", "*"),
                ("PATH", "/none"),
            ])
            .env("PGDATA", folder.path().join("data"))
            .output();
        let refused = printed(&start.unwrap());
        let told = "the passwords must be of letters and digits";
        assert!(refused.contains(told), "{database:?} {standby:?}: {refused}");
    }
}

/// Asserts that the images have full names, without which Podman pulls none.
#[test]
fn images_have_full_names() {
    let files = [
        COMPOSE,
        include_str!("../../compose.yaml"),
        include_str!("../../Dockerfile"),
    ];
    let lines = files.iter().flat_map(|text| text.lines()).map(str::trim);
    let named = lines.filter_map(|line| line.strip_prefix("image: ").or(line.strip_prefix("FROM ")));
    let (full, short): (Vec<_>, Vec<_>) = named.partition(|name| name.starts_with("docker.io/library/"));
    assert_eq!(full.len(), 4, "{full:?}");
    let own = "${ESCROWD_IMAGE:-escrowd}";
    assert_eq!(short, [own, own, "scratch"]);
}

/// Asserts that the proxies listen on IPv4 alone. Docker passes IPv6 on to these networks from their
/// own gateway, so that all such clients would have its address.
#[test]
fn proxies_listen_on_ipv4_alone() {
    for text in [COMPOSE, include_str!("../../compose.yaml")] {
        let ports: Vec<_> = text
            .lines()
            .filter_map(|line| line.trim().strip_prefix("ports: "))
            .collect();
        assert_eq!(ports, [r#"["0.0.0.0:443:8443", "0.0.0.0:80:8080"]"#]);
    }
}
