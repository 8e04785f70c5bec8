//! nginx with a packaged configuration and a certificate of its own.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::ports::free_address;
use crate::tools::{has, printed};

pub(crate) const NAME: &str = "escrow.example";

/// A running nginx. Dropping it ends it.
pub(crate) struct Nginx {
    process: Child,
    pub(crate) folder: TempDir,
    pub(crate) address: SocketAddr,
}

/// Returns true if the programs that the tests need are there.
pub(crate) fn is_installed() -> bool {
    has("nginx") && has("openssl") && has("curl")
}

impl Nginx {
    /// Starts nginx with a configuration, in which the addresses of services stand in place of
    /// the packaged ones, and waits until a request leads through it.
    pub(crate) fn start(configuration: &str, services: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        make_certificate(folder.path());
        let [address, plain] = [free_address(), free_address()];
        let mut replaced = vec![
            ("listen 8443 ssl;", format!("listen {address} ssl;")),
            ("listen 8080;", format!("listen {plain};")),
            ("/etc/nginx/certs/fullchain.pem", "cert.pem".to_owned()),
            ("/etc/nginx/certs/privkey.pem", "key.pem".to_owned()),
        ];
        for (packaged, here) in services {
            replaced.push((packaged, (*here).to_owned()));
        }
        write_configuration(folder.path(), configuration, &replaced);
        let process = Command::new("nginx")
            .arg("-p")
            .arg(folder.path())
            .args(["-e", "stderr", "-c", "nginx.conf"])
            .spawn()
            .unwrap();
        let nginx = Self {
            process,
            folder,
            address,
        };
        for _ in 0..100 {
            if nginx.curl("/healthz", &[]).0 == 200 {
                return nginx;
            }
            thread::sleep(Duration::from_millis(50));
        }
        panic!("nginx does not answer");
    }

    /// Returns the command that sends a request through the proxy, as a client that trusts its
    /// certificate.
    pub(crate) fn request(&self, path: &str, arguments: &[&str]) -> Command {
        let port = self.address.port();
        let mut curl = Command::new("curl");
        curl.args(["-sS", "--max-time", "20", "--cacert"])
            .arg(self.folder.path().join("cert.pem"))
            .args(["--resolve", &format!("{NAME}:{port}:127.0.0.1")])
            .args(["-H", "authorization: Bearer sk_test_proxy"])
            .args(arguments)
            .arg(format!("https://{NAME}:{port}{path}"));
        curl
    }

    /// Sends a request and returns the status and the reply.
    pub(crate) fn curl(&self, path: &str, arguments: &[&str]) -> (u16, Value) {
        let arguments = [arguments, &["-w", "\n%{http_code}"]].concat();
        let output = self.request(path, &arguments).output().unwrap();
        let shown = printed(&output);
        let Some((body, status)) = shown.trim_end().rsplit_once('\n') else {
            return (0, Value::String(shown));
        };
        let value = serde_json::from_str(body).unwrap_or_else(|_| Value::String(body.to_owned()));
        (status.parse().unwrap_or(0), value)
    }

    /// Sends a request that succeeds, and returns the data of its reply.
    #[track_caller]
    pub(crate) fn ok(&self, path: &str, arguments: &[&str]) -> Value {
        let (status, mut reply) = self.curl(path, arguments);
        assert!((200..300).contains(&status), "{path}: {status} {reply}");
        reply["data"].take()
    }

    /// Walks a deal from the offer to the payout.
    #[track_caller]
    pub(crate) fn walk_a_deal(&self) {
        let seed = json!({
            "customers": [{ "id": "ada", "balance": 0 }, { "id": "ben", "balance": 20_000 }],
            "escrows": [{
                "name": "Shop", "seller": "ada",
                "milestones": [{ "title": "Frame", "amount": 4_000 }, { "title": "Finish", "amount": 6_000 }],
            }],
        });
        let seeded = self.ok("/sandbox/seed", &["--json", &seed.to_string()]);
        let escrow = &seeded["escrows"][0];
        let token = escrow["paymentToken"].as_str().unwrap();
        let pay = json!({ "escrowDetails": { "paymentToken": token } }).to_string();
        self.ok("/v1/payment/escrow", &["-H", "customer-id: ben", "--json", &pay]);
        for milestone in escrow["milestones"].as_array().unwrap() {
            let (id, milestone) = (escrow["id"].as_str().unwrap(), milestone["id"].as_str().unwrap());
            let path = format!("/v1/escrow/milestone/confirm/{id}/{milestone}");
            self.ok(&path, &["-X", "POST", "-H", "customer-id: ben"]);
        }
        let wallet = self.ok("/v1/wallet", &["-H", "customer-id: ada"]);
        assert_eq!(wallet["mainBalance"], 10_000);
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // SIGTERM lets the master end its workers too.
        drop(Command::new("kill").arg(self.process.id().to_string()).status());
        drop(self.process.wait());
    }
}

fn make_certificate(folder: &Path) {
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"])
        .args(["-subj", &format!("/CN={NAME}")])
        .args(["-addext", &format!("subjectAltName=DNS:{NAME}")])
        .args(["-addext", "basicConstraints=CA:FALSE"])
        .args(["-keyout", "key.pem", "-out", "cert.pem"])
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", printed(&made));
}

/// Writes a packaged configuration with what is replaced in it, and a frame around it.
fn write_configuration(folder: &Path, packaged: &str, replaced: &[(&str, String)]) {
    let mut server = packaged.to_owned();
    for (packaged, here) in replaced {
        assert!(server.contains(packaged), "{packaged}");
        server = server.replace(packaged, here);
    }
    fs::write(folder.join("escrowd.conf"), server).unwrap();
    // As root, the workers would run as a user that may not open this folder.
    let is_root = Command::new("id").arg("-u").output().unwrap().stdout == b"0\n";
    let user = if is_root { "user root;" } else { "" };
    let frame = format!(
        "daemon off; worker_processes 1; pid nginx.pid; error_log stderr crit; {user}
         events {{ worker_connections 256; }}
         http {{
             access_log off;
             client_body_temp_path body; proxy_temp_path proxied; fastcgi_temp_path fastcgi;
             uwsgi_temp_path uwsgi; scgi_temp_path scgi;
             include escrowd.conf;
         }}"
    );
    fs::write(folder.join("nginx.conf"), frame).unwrap();
}
