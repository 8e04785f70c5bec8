//! The configuration of nginx in `packaging/nginx`, in front of the real service, with TLS.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::service::Service;
use crate::tools::{has, printed};

const CONFIGURATION: &str = include_str!("../../packaging/nginx/escrowd.conf");
const NAME: &str = "escrow.example";

/// nginx with a certificate of its own, in front of a service. Dropping it ends both.
struct Proxy {
    service: Service,
    nginx: Child,
    folder: TempDir,
    port: u16,
}

impl Proxy {
    /// Starts nginx before a sandbox with these settings, or returns `None` if a program is
    /// missing.
    fn start(settings: &[(&str, &str)]) -> Option<Self> {
        if !has("nginx") || !has("openssl") || !has("curl") {
            return None;
        }
        let settings = [&[("ESCROWD_SANDBOX_EXPOSE", "true")], settings].concat();
        let service = Service::start(&settings);
        let folder = tempfile::tempdir().unwrap();
        make_certificate(folder.path());
        let [port, plain_port] = free_ports();
        write_configuration(folder.path(), &service.address, port, plain_port);
        let nginx = Command::new("nginx")
            .arg("-p")
            .arg(folder.path())
            .args(["-e", "stderr", "-c", "nginx.conf"])
            .spawn()
            .unwrap();
        let proxy = Self {
            service,
            nginx,
            folder,
            port,
        };
        for _ in 0..100 {
            if proxy.curl("/healthz", &[]).0 == 200 {
                return Some(proxy);
            }
            thread::sleep(Duration::from_millis(50));
        }
        panic!("nginx does not answer");
    }

    /// Returns the command that sends a request through the proxy, as a client that trusts its
    /// certificate.
    fn request(&self, path: &str, arguments: &[&str]) -> Command {
        let port = self.port;
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
    fn curl(&self, path: &str, arguments: &[&str]) -> (u16, Value) {
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
    fn ok(&self, path: &str, arguments: &[&str]) -> Value {
        let (status, mut reply) = self.curl(path, arguments);
        assert!((200..300).contains(&status), "{path}: {status} {reply}");
        reply["data"].take()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // SIGTERM lets the master end its workers too.
        drop(Command::new("kill").arg(self.nginx.id().to_string()).status());
        drop(self.nginx.wait());
    }
}

fn make_certificate(folder: &Path) {
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"])
        .args(["-subj", &format!("/CN={NAME}")])
        .args(["-addext", &format!("subjectAltName=DNS:{NAME}")])
        .args(["-keyout", "key.pem", "-out", "cert.pem"])
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", printed(&made));
}

/// Returns two ports that no program listens on.
fn free_ports() -> [u16; 2] {
    let listeners = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().port())
}

/// Writes the packaged configuration with these addresses in it, and a frame around it.
fn write_configuration(folder: &Path, service: &str, port: u16, plain_port: u16) {
    let mut server = CONFIGURATION.to_owned();
    for (packaged, here) in [
        ("server escrowd:8080;", format!("server {service};")),
        ("listen 8443 ssl;", format!("listen 127.0.0.1:{port} ssl;")),
        ("listen 8080;", format!("listen 127.0.0.1:{plain_port};")),
        ("/etc/nginx/certs/fullchain.pem", "cert.pem".to_owned()),
        ("/etc/nginx/certs/privkey.pem", "key.pem".to_owned()),
    ] {
        assert!(server.contains(packaged), "{packaged}");
        server = server.replace(packaged, &here);
    }
    fs::write(folder.join("escrowd.conf"), server).unwrap();
    // As root, the workers would run as a user that may not open this folder.
    let is_root = Command::new("id").arg("-u").output().unwrap().stdout == b"0\n";
    let user = if is_root { "user root;" } else { "" };
    let frame = format!(
        "daemon off; worker_processes 1; pid nginx.pid; error_log stderr warn; {user}
         events {{ worker_connections 64; }}
         http {{
             access_log off;
             client_body_temp_path body; proxy_temp_path proxied; fastcgi_temp_path fastcgi;
             uwsgi_temp_path uwsgi; scgi_temp_path scgi;
             include escrowd.conf;
         }}"
    );
    fs::write(folder.join("nginx.conf"), frame).unwrap();
}

/// Creates an escrow with three pictures of 4 MiB, more than nginx takes by default.
fn create_with_pictures(proxy: &Proxy) -> (u16, Value) {
    let picture = proxy.folder.path().join("photo.png");
    let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
    bytes.resize(4 << 20, 7);
    fs::write(&picture, bytes).unwrap();
    let file = format!("imageUrl=@{};type=image/png", picture.display());
    let fields = [
        "amount=1000",
        "purpose=A bicycle",
        "whoPays=seller",
        "maxDelivery=3",
        "deliveryTimeline=days",
    ];
    let mut arguments = vec!["-H", "customer-id: ada"];
    for field in fields.iter().copied().chain([file.as_str(); 3]) {
        arguments.extend(["-F", field]);
    }
    proxy.curl("/v1/escrow/create", &arguments)
}

#[test]
fn a_deal_goes_through_the_proxy() {
    let Some(proxy) = Proxy::start(&[]) else { return };
    let seed = json!({
        "customers": [{ "id": "ada", "balance": 0 }, { "id": "ben", "balance": 20_000 }],
        "escrows": [{
            "name": "Shop", "seller": "ada",
            "milestones": [{ "title": "Frame", "amount": 4_000 }, { "title": "Finish", "amount": 6_000 }],
        }],
    });
    let seeded = proxy.ok("/sandbox/seed", &["--json", &seed.to_string()]);
    let escrow = &seeded["escrows"][0];
    let token = escrow["paymentToken"].as_str().unwrap();
    let pay = json!({ "escrowDetails": { "paymentToken": token } }).to_string();
    proxy.ok("/v1/payment/escrow", &["-H", "customer-id: ben", "--json", &pay]);
    for milestone in escrow["milestones"].as_array().unwrap() {
        let (id, milestone) = (escrow["id"].as_str().unwrap(), milestone["id"].as_str().unwrap());
        let path = format!("/v1/escrow/milestone/confirm/{id}/{milestone}");
        proxy.ok(&path, &["-X", "POST", "-H", "customer-id: ben"]);
    }
    let wallet = proxy.ok("/v1/wallet", &["-H", "customer-id: ada"]);
    assert_eq!(wallet["mainBalance"], 10_000);
}

#[test]
fn large_files_go_through_the_proxy_and_back() {
    let Some(proxy) = Proxy::start(&[("ESCROWD_PUBLIC_URL", "https://escrow.example")]) else {
        return;
    };
    let (status, created) = create_with_pictures(&proxy);
    assert_eq!(status, 201, "{created}");
    let url = created["data"]["imageUrl"][0].as_str().unwrap();
    let path = url.strip_prefix("https://escrow.example").unwrap();
    let fetched = proxy.request(path, &[]).output().unwrap();
    assert_eq!(fetched.stdout.len(), 4 << 20);
}

#[test]
fn events_leave_the_proxy_as_they_happen() {
    let Some(proxy) = Proxy::start(&[]) else { return };
    let mut stream = proxy
        .request("/sandbox/events/stream", &["-N"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (sender, lines) = mpsc::channel();
    let output = BufReader::new(stream.stdout.take().unwrap());
    thread::spawn(move || {
        for line in output.lines() {
            let Ok(()) = sender.send(line.unwrap()) else { break };
        }
    });
    // The stream begins with a line of its own, so the event below comes behind it.
    let next = |what: &str| lines.recv_timeout(Duration::from_secs(5)).expect(what);
    let _opened = next("the stream opens at once");
    proxy.ok(
        "/v1/payment/topup",
        &["-H", "customer-id: ada", "--json", "{\"amount\": 1000}"],
    );
    while !next("the event comes at once").contains("payment.deposit.success") {}
    drop(stream.kill());
    drop(stream.wait());
}

/// nginx keeps a connection to the service for longer than the service does here.
#[test]
fn a_connection_that_the_service_has_closed_fails_no_request() {
    let Some(proxy) = Proxy::start(&[("ESCROWD_LIMITS_KEEP_ALIVE_SECONDS", "1")]) else {
        return;
    };
    for _ in 0..3 {
        assert_eq!(proxy.curl("/healthz", &[]).0, 200);
        thread::sleep(Duration::from_millis(1_300));
    }
    assert_eq!(proxy.curl("/healthz", &[]).0, 200);
}

#[test]
fn a_service_that_is_gone_is_a_502_of_the_proxy() {
    let Some(mut proxy) = Proxy::start(&[]) else { return };
    proxy.service.stop();
    assert_eq!(proxy.curl("/healthz", &[]).0, 502);
}

/// The record of acts has the client's address, which only the proxy knows.
#[test]
fn the_service_sees_the_client_behind_the_proxy() {
    let Some(proxy) = Proxy::start(&[("ESCROWD_TRUSTED_PROXIES", "[\"127.0.0.1\"]")]) else {
        return;
    };
    proxy.ok("/v1/wallet", &["-H", "customer-id: ada"]);
    let receipt = json!({ "amount": 10, "bankReference": "FT-1", "valueDate": "2026-11-02", "customerId": "ada" });
    let from_elsewhere = ["--interface", "127.0.0.2", "--json", &receipt.to_string()];
    proxy.ok("/operator/receipts", &from_elsewhere);
    let acts = proxy.ok("/operator/acts", &[]);
    assert_eq!(acts["data"][0]["address"], "127.0.0.2", "{acts}");
    // A list that the client sends is not believed.
    let receipt = json!({ "amount": 10, "bankReference": "FT-2", "valueDate": "2026-11-02", "customerId": "ada" });
    let forged = ["-H", "x-forwarded-for: 192.0.2.7", "--json", &receipt.to_string()];
    proxy.ok("/operator/receipts", &forged);
    let acts = proxy.ok("/operator/acts", &[]);
    assert_eq!(acts["data"][0]["address"], "127.0.0.1", "{acts}");
}
