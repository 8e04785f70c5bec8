//! `PgBouncer` between the service and the server.

use std::fs;
use std::path::Path;
use std::process::{Child, Command};

use postgres::{Client, NoTls};
use tempfile::TempDir;

use crate::cluster;
use crate::service::{Service, check, refusal};
use crate::waiting::until_ok;

/// `PgBouncer` in front of a new database. Dropping it ends it.
struct Pooler {
    process: Child,
    folder: TempDir,
}

impl Pooler {
    /// Starts it with these settings, or returns `None` if it is not installed, which CI does not
    /// allow.
    fn start(settings: &str) -> Option<Self> {
        const PROGRAM: &str = "/usr/sbin/pgbouncer";
        let is_installed = cluster::is_installed() && Path::new(PROGRAM).exists();
        assert!(is_installed || std::env::var_os("CI").is_none(), "{PROGRAM} is missing");
        if !is_installed {
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        cluster::own(folder.path());
        let server = cluster::new_database();
        let (server, database) = server.rsplit_once('/').unwrap();
        let server = server.rsplit_once('@').unwrap().1.replace("%2F", "/");
        let path = folder.path().display();
        let configuration = format!(
            "[databases]\npooled = host={server} dbname={database}\n[pgbouncer]\nunix_socket_dir = {path}\n\
             listen_port = 5432\nauth_type = trust\nauth_file = {path}/users\nserver_login_retry = 0\n{settings}\n"
        );
        fs::write(folder.path().join("pooler.ini"), configuration).unwrap();
        fs::write(folder.path().join("users"), "\"escrowd\" \"\"\n").unwrap();
        let process = cluster::as_owner(Path::new(PROGRAM))
            .arg("-q")
            .arg(folder.path().join("pooler.ini"))
            .spawn()
            .unwrap();
        let pooler = Self { process, folder };
        until_ok("PgBouncer starts", || Client::connect(&pooler.url(), NoTls));
        Some(pooler)
    }

    fn url(&self) -> String {
        let folder = self.folder.path().display().to_string().replace('/', "%2F");
        format!("postgres://escrowd@{folder}/pooled")
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

#[test]
fn two_processes_work_behind_a_pooler_that_keeps_sessions() {
    let Some(pooler) = Pooler::start("pool_mode = session\ndefault_pool_size = 60") else {
        return;
    };
    let receiver = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    receiver.set_nonblocking(true).unwrap();
    let callback = format!("http://{}/hook", receiver.local_addr().unwrap());
    let environment = [("ESCROWD_WEBHOOKS_CALLBACK_URL", callback.as_str())];
    let services = [(); 2].map(|()| Service::start_with(&pooler.url(), &environment));
    for service in &services {
        let deal = service.funded();
        let [escrow, milestone] = [&deal["id"], &deal["milestones"][0]["id"]].map(|id| id.as_str().unwrap());
        let path = format!("/v1/escrow/milestone/confirm/{escrow}/{milestone}");
        service.post(&path, "ben", &serde_json::json!({}));
    }
    // The leader, which one of them is by its session's lock, sends webhooks.
    crate::processes::wait_for_connection(&receiver);
    check(&pooler.url());
}

/// With the session used last first, as `PgBouncer` does by itself, with the one used first, and
/// with a single one.
#[test]
fn a_pooler_that_lends_sessions_for_transactions_is_refused() {
    for settings in ["", "server_round_robin = 1", "default_pool_size = 1"] {
        let Some(pooler) = Pooler::start(&format!("pool_mode = transaction\n{settings}")) else {
            return;
        };
        // Sessions that are free, for the pooler to lend out.
        let mut clients: Vec<Client> = (0..3).map(|_| Client::connect(&pooler.url(), NoTls).unwrap()).collect();
        if settings != "default_pool_size = 1" {
            for client in &mut clients {
                client.batch_execute("BEGIN; SELECT 1").unwrap();
            }
            for client in &mut clients {
                client.batch_execute("ROLLBACK").unwrap();
            }
        }
        // A service that starts is ended.
        let output = Command::new("timeout")
            .args(["20", env!("CARGO_BIN_EXE_escrowd"), "serve", "--listen", "127.0.0.1:0"])
            .args(["--database", &pooler.url()])
            .output()
            .unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success(), "{settings}");
        assert!(
            said.contains("set pool_mode = session in PgBouncer"),
            "{settings}: {said}"
        );
        let folder = tempfile::tempdir().unwrap();
        let copy = folder.path().join("copy.db").display().to_string();
        for arguments in [
            &["position", &pooler.url()][..],
            &["check", &pooler.url()],
            &["copy", &pooler.url(), &copy],
        ] {
            let said = refusal(arguments);
            assert!(
                said.contains("set pool_mode = session in PgBouncer"),
                "{arguments:?}: {said}"
            );
        }
    }
}
