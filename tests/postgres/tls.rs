//! TLS to a real server: which certificates are taken, and what the refusal of the others says.

use std::fs;
use std::path::Path;
use std::process::Command;

use postgres::{Client, NoTls};

use crate::cluster::{self, Cluster};
use crate::service::{Service, refusal, run};
use crate::waiting::until;

/// The host in the server's certificates, which no resolver needs to know: `hostaddr` leads to
/// the server.
const HOST: &str = "db.example";
const PASSWORD: &str = "s3cret";

/// By the name of the database: a password, or a certificate of the client.
const ACCESS: &str = "
    local   all            all     trust
    host    postgres       escrowd 127.0.0.0/8 scram-sha-256
    hostssl by_certificate escrowd 127.0.0.0/8 cert";

/// A server, and the certificates that it and its clients may show.
struct Secured {
    cluster: Cluster,
    folder: tempfile::TempDir,
    address: String,
}

impl Secured {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        make_certificates(folder.path());
        fs::write(folder.path().join("access"), ACCESS).unwrap();
        let address = cluster::own_address(1);
        let file = |name: &str| folder.path().join(name).display().to_string();
        let settings = [
            format!("listen_addresses={address}"),
            format!("hba_file={}", file("access")),
            format!("ssl_ca_file={}", file("authority.pem")),
            format!("ssl_cert_file={}", file("shown.pem")),
            format!("ssl_key_file={}", file("key.pem")),
        ];
        let secured = Self {
            cluster: Cluster::start(folder.path(), &settings.each_ref().map(String::as_str)),
            address,
            folder,
        };
        let sql = format!("ALTER ROLE escrowd PASSWORD '{PASSWORD}'");
        secured.client().batch_execute(&sql).unwrap();
        secured
            .client()
            .batch_execute("CREATE DATABASE by_certificate")
            .unwrap();
        secured
    }

    fn client(&self) -> Client {
        Client::connect(&self.cluster.url("postgres"), NoTls).unwrap()
    }

    /// Changes what the server shows, and waits until it does.
    fn reload(&self) {
        let loaded = || -> std::time::SystemTime {
            let row = self.client().query_one("SELECT pg_conf_load_time()", &[]);
            row.unwrap().get(0)
        };
        let before = loaded();
        self.client().batch_execute("SELECT pg_reload_conf()").unwrap();
        until("the server loads its settings", || loaded() != before);
    }

    /// Shows another certificate from now on.
    fn show(&self, certificate: &str) {
        let path = |name: &str| self.folder.path().join(name);
        fs::copy(path(certificate), path("shown.pem")).unwrap();
        self.reload();
    }

    fn url(&self, host: &str, database: &str, options: &str) -> String {
        let files = self.folder.path().display();
        let options = options.replace("DIR", &files.to_string());
        format!(
            "postgres://escrowd:{PASSWORD}@{host}/{database}?hostaddr={}{options}",
            self.address
        )
    }

    /// Returns what the program says when it cannot connect with these options.
    #[track_caller]
    fn refusal(&self, host: &str, options: &str) -> String {
        let url = self.url(host, "postgres", options);
        let said = refusal(&["check", &url]);
        assert!(!said.contains(PASSWORD), "{said}");
        assert!(said.contains(&format!("postgres://escrowd@{host}/postgres")), "{said}");
        said
    }

    /// Starts the service with these options.
    #[track_caller]
    fn serves(&self, database: &str, options: &str) {
        let _service = Service::start(&self.url(HOST, database, options));
        let sql = "SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
                   WHERE usename = 'escrowd' AND client_addr IS NOT NULL AND ssl = $1";
        let encrypted = |ssl: bool| -> i64 { self.client().query_one(sql, &[&ssl]).unwrap().get(0) };
        let is_plain = options.contains("disable");
        // The server ends a session some time after its connection is closed.
        until(options, || encrypted(is_plain) == 0);
        assert!(encrypted(!is_plain) > 0, "{options}");
    }
}

/// Makes an authority, another, and certificates for the server and for a client.
fn make_certificates(folder: &Path) {
    let script = format!(
        "set -eu
         ec='-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes'
         openssl req -x509 $ec -days 2 -subj '/CN=An authority' -keyout authority.key -out authority.pem
         openssl req -x509 $ec -days 2 -subj '/CN=Another' -keyout other.key -out other.pem
         openssl req $ec -subj /CN=escrowd -addext subjectAltName=DNS:{HOST} -keyout key.pem -out request.pem
         sign() {{ openssl x509 -req -in request.pem -CA authority.pem -CAkey authority.key -copy_extensions copy $@; }}
         sign -days 2 -out valid.pem
         # It ends when it begins. What follows takes longer than a second.
         sign -days 0 -out expired.pem
         openssl req -x509 -key key.pem -days 2 -subj /CN={HOST} -addext subjectAltName=DNS:{HOST} -out itself.pem
         cp valid.pem shown.pem; cp key.pem client.key; cp authority.key unlike.key
         chmod 600 key.pem; chmod 644 client.key unlike.key"
    );
    let made = Command::new("sh")
        .args(["-c", &script])
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    for name in ["key.pem", "shown.pem"] {
        cluster::own(&folder.join(name));
    }
}

#[test]
fn certificates_are_verified_and_refusals_say_what_to_do() {
    if !cluster::is_installed() {
        return;
    }
    let server = Secured::start();
    let trusting = "&sslmode=verify-full&sslrootcert=DIR/authority.pem";
    for wanted in [trusting, "&sslmode=require"] {
        let said = server.refusal(HOST, wanted);
        assert!(said.contains("does not support TLS; turn on ssl"), "{said}");
    }
    server.client().batch_execute("ALTER SYSTEM SET ssl = on").unwrap();
    server.reload();

    server.serves("postgres", &format!("{trusting}&channel_binding=require"));
    server.serves("postgres", "&sslmode=disable");

    let said = server.refusal("other.example", trusting);
    assert!(
        said.contains("other.example") && said.contains("subject alternative names"),
        "{said}"
    );
    for unknown in ["", "&sslmode=require", "&sslrootcert=DIR/other.pem"] {
        let said = server.refusal(HOST, unknown);
        assert!(
            said.contains("UnknownIssuer") && said.contains("by sslrootcert"),
            "{said}"
        );
    }

    // Files that are not as they should be.
    let said = server.refusal(HOST, "&sslrootcert=DIR/nowhere.pem");
    assert!(
        said.contains("nowhere.pem cannot be used") && said.contains("No such file"),
        "{said}"
    );
    let said = server.refusal(HOST, "&sslrootcert=DIR/access");
    assert!(said.contains("it has no certificate in PEM format"), "{said}");

    // A client that shows who it is.
    let client = format!("{trusting}&sslcert=DIR/valid.pem&sslkey=DIR/client.key");
    server.serves("by_certificate", &client);
    let url = server.url(HOST, "by_certificate", trusting);
    let said = String::from_utf8(run(&["check", &url]).stderr).unwrap();
    assert!(said.contains("requires a valid client certificate"), "{said}");
    let said = server.refusal(HOST, &client.replace("client.key", "unlike.key"));
    assert!(
        said.contains("sslkey=") && said.contains("unlike.key cannot be used"),
        "{said}"
    );

    server.show("expired.pem");
    let said = server.refusal(HOST, trusting);
    assert!(said.contains("certificate expired"), "{said}");
    server.show("itself.pem");
    let said = server.refusal(HOST, "&sslrootcert=DIR/itself.pem");
    assert!(said.contains("sign another with it"), "{said}");
}
