//! Clients that hold connections and make no progress. Each kind opens more connections
//! than the server allows; an honest client is answered meanwhile, and the server's memory
//! stays bounded.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};
use std::{fs, thread};

use crate::helpers::{RunningServer, WorkFolder, get};

const FILE_BYTES: usize = 5 << 20;
/// The times that a client asks for the file and takes none. All are more than the kernel holds for it.
const FILES_ASKED: usize = 4;
/// The connections of each kind: more than `limits.connections_max`.
const HOSTILE: usize = 560;
/// The requests of the honest client beside each kind.
const HONEST: usize = 200;
/// The time of all but the slowest hundredth of the honest requests. It allows for a busy machine
/// and a debug build; the figures that the test prints are the measurement.
const HONEST_MAX: Duration = Duration::from_secs(5);
/// The growth of the server's resident memory over the whole test. A debug build takes more
/// for each connection than a release build.
const GROWTH_BYTES_MAX: u64 = 96 << 20;
/// Makes the allocator return freed memory after 10 milliseconds and not after a second, so
/// that the test measures what the server holds and not what the allocator keeps for later.
const ALLOCATOR: [(&str, &str); 1] = [("MIMALLOC_PURGE_DELAY", "10")];

/// Something that a hostile client sends on a new connection.
struct Kind {
    name: &'static str,
    request: Vec<u8>,
    /// True to wait for a reply, and then to send the beginning of another request.
    begins_another: bool,
}

fn kinds(file: &str) -> Vec<Kind> {
    let kind = |name, request: String, begins_another| Kind {
        name,
        request: request.into_bytes(),
        begins_another,
    };
    let create = "POST /v1/escrow/create HTTP/1.1\r\nhost: localhost\r\ncustomer-id: ada\r\n";
    vec![
        kind("say nothing", String::new(), false),
        kind(
            "stop in the first head",
            "GET /healthz HTTP/1.1\r\nho".to_owned(),
            false,
        ),
        kind(
            "stop in the second head",
            "GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n".to_owned(),
            true,
        ),
        kind(
            "stop after the first chunk of a body",
            format!("{create}content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n1\r\n{{\r\n"),
            false,
        ),
        kind(
            "stop in the body of a refused request",
            format!(
                "{create}authorization: Basic x\r\ncontent-type: application/json\r\n\
                 transfer-encoding: chunked\r\n\r\n1\r\n{{\r\n"
            ),
            false,
        ),
        kind(
            "announce a large form and send nothing",
            format!("{create}content-type: multipart/form-data; boundary=b\r\ncontent-length: 26000000\r\n\r\n"),
            false,
        ),
        kind(
            "never read a large file",
            format!("GET {file} HTTP/1.1\r\nhost: localhost\r\n\r\n").repeat(FILES_ASKED),
            false,
        ),
        kind(
            "never read large lists",
            "GET /sandbox/events?limit=100 HTTP/1.1\r\nhost: localhost\r\n\r\n".to_owned(),
            false,
        ),
        kind(
            "announce the form of a page and send nothing",
            "POST /login HTTP/1.1\r\nhost: localhost\r\nsec-fetch-site: same-origin\r\n\
             content-type: application/x-www-form-urlencoded\r\ncontent-length: 10\r\n\r\n"
                .to_owned(),
            false,
        ),
    ]
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream
}

/// Opens a connection of one kind. The server may close it at any time.
fn open(address: SocketAddr, kind: &Kind) -> TcpStream {
    let mut stream = connect(address);
    let sent = stream.write_all(&kind.request);
    if kind.begins_another && sent.is_ok() && stream.read(&mut [0; 4096]).is_ok_and(|bytes| bytes > 0) {
        drop(stream.write_all(b"GET /healthz HTTP/1.1\r\nho"));
    }
    stream
}

fn attack(address: SocketAddr, kind: &Kind) -> Vec<TcpStream> {
    (0..HOSTILE).map(|_| open(address, kind)).collect()
}

/// Makes honest requests, each on a new connection, and returns the slowest hundredth and
/// the slowest.
fn honest(address: SocketAddr) -> (Duration, Duration) {
    let request = b"GET /v1/wallet HTTP/1.1\r\nhost: localhost\r\ncustomer-id: ben\r\nconnection: close\r\n\r\n";
    let mut times: Vec<Duration> = (0..HONEST)
        .map(|_| {
            let began = Instant::now();
            let mut stream = connect(address);
            stream.write_all(request).unwrap();
            let mut reply = Vec::new();
            stream.read_to_end(&mut reply).unwrap();
            assert!(
                reply.starts_with(b"HTTP/1.1 200"),
                "{}",
                String::from_utf8_lossy(&reply)
            );
            began.elapsed()
        })
        .collect();
    times.sort();
    (times[HONEST - 1 - HONEST / 100], times[HONEST - 1])
}

/// Returns the resident memory of the server in bytes.
fn memory(server: &RunningServer) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", server.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    let kib: u64 = line.trim().trim_end_matches(" kB").parse().unwrap();
    kib * 1024
}

/// Stores a picture of 5 MiB and events of megabytes, and returns the picture's path.
fn fill(server: &RunningServer) -> String {
    let mut picture = b"\x89PNG\r\n\x1a\n".to_vec();
    picture.resize(FILE_BYTES, 0);
    let mut form = Vec::new();
    for (name, value) in [
        ("amount", "1000"),
        ("purpose", "Shop"),
        ("whoPays", "buyer"),
        ("maxDelivery", "3"),
        ("deliveryTimeline", "days"),
    ] {
        form.extend(format!("--b\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n").bytes());
    }
    form.extend(b"--b\r\ncontent-disposition: form-data; name=\"imageUrl\"; filename=\"a.png\"\r\n\r\n");
    form.extend(picture);
    form.extend(b"\r\n--b--\r\n");
    let post = |content_type: &str, path: &str, body: &[u8]| {
        let mut reply = ureq::post(server.url(path))
            .header("customer-id", "ada")
            .header("content-type", content_type)
            .send(body)
            .unwrap();
        reply.body_mut().read_to_string().unwrap()
    };
    let created = post("multipart/form-data; boundary=b", "/v1/escrow/create", &form);
    let file = created.split("/files/").nth(1).unwrap().split('"').next().unwrap();
    let stages: Vec<String> = (0..50)
        .map(|_| {
            let description = "x".repeat(1_000);
            format!("{{\"title\":\"Stage\",\"amount\":1,\"description\":\"{description}\"}}")
        })
        .collect();
    let offer = format!(
        "{{\"amount\":50,\"purpose\":\"Shop\",\"whoPays\":\"buyer\",\"milestones\":[{}]}}",
        stages.join(",")
    );
    for _ in 0..25 {
        post("application/json", "/v1/escrow/milestone/create", offer.as_bytes());
    }
    format!("/files/{file}")
}

#[test]
fn clients_without_progress_keep_no_other_client_out() {
    let folder = WorkFolder::new();
    let mut command = folder.server(&[]);
    command.envs(ALLOCATOR);
    let server = RunningServer::start(command);
    let address: SocketAddr = server.address.parse().unwrap();
    let file = fill(&server);
    let (_, listed) = get(&server.url("/sandbox/events?limit=100"), &[]);
    assert!(listed.len() > 1 << 20, "{} bytes of events", listed.len());
    honest(address);
    let before = memory(&server);
    let mut all = Vec::new();
    for kind in &kinds(&file) {
        let hostile = attack(address, kind);
        let (p99, slowest) = honest(address);
        let grown = memory(&server).saturating_sub(before);
        println!(
            "{HOSTILE} clients {}: p99 {p99:?}, slowest {slowest:?}, {} MiB more",
            kind.name,
            grown >> 20
        );
        assert!(p99 < HONEST_MAX, "{}: {p99:?}", kind.name);
        assert!(grown < GROWTH_BYTES_MAX, "{}: {grown} bytes more", kind.name);
        all.push(hostile);
    }
    let (p99, _) = honest(address);
    assert!(p99 < HONEST_MAX, "beside all kinds: {p99:?}");
}

#[test]
fn every_wait_for_a_client_ends() {
    let folder = WorkFolder::new();
    // An honest client may need more time than the limits below.
    let file = fill(&folder.serve(&["--database", "test.db"]));
    folder.write(
        "config.toml",
        "[limits]\nhead_seconds_max = 1\nbody_seconds_max = 1\nkeep_alive_seconds = 2\n",
    );
    let server = folder.serve(&["--database", "test.db"]);
    let address: SocketAddr = server.address.parse().unwrap();
    let waiting: Vec<_> = kinds(&file)
        .iter()
        .map(|kind| (kind.name, open(address, kind)))
        .collect();
    // The client takes nothing for longer than every limit.
    thread::sleep(Duration::from_secs(4));
    for (name, mut stream) in waiting {
        let mut rest = Vec::new();
        match stream.read_to_end(&mut rest) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
            Err(error) => panic!("the client that would {name} still has its connection: {error}"),
        }
        // A client that takes nothing for too long gets no more of its reply.
        assert!(
            rest.len() < FILES_ASKED * FILE_BYTES,
            "the client that would {name} got {} bytes",
            rest.len()
        );
    }
}
