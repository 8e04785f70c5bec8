//! Tests of a guarded stream against a client on a real socket.

use std::io::Write as _;
use std::net::Ipv4Addr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;
use crate::http::client_address::TrustedProxies;

/// A connection that is one of the only two of its server, and its client's side.
async fn open(connections: &Arc<Connections>, listener: &TcpListener) -> (GuardedStream, TcpStream) {
    let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (accepted, _) = listener.accept().await.unwrap();
    let (guarded, _) = GuardedStream::new(accepted, Arc::clone(connections)).unwrap();
    (guarded, client)
}

fn two_connections() -> Arc<Connections> {
    let limits = ConnectionLimits {
        connections_max: 2,
        keep_alive: Duration::from_secs(75),
        head: Duration::from_secs(75),
        progress: Duration::from_secs(75),
        reply_bytes_max: 100,
    };
    Arc::new(Connections::new(limits, Arc::new(TrustedProxies::default())))
}

#[tokio::test]
async fn a_connection_whose_request_lies_unread_makes_no_room() {
    let connections = two_connections();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let (mut sent, mut client) = open(&connections, &listener).await;
    client.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
    tokio::time::sleep(Duration::from_millis(2)).await;
    let (mut silent, _silent_client) = open(&connections, &listener).await;
    let (new, _new_client) = open(&connections, &listener).await;
    assert!(sent.connection().makes_room(), "it has waited longest");
    let mut head = [0; 64];
    assert_eq!(sent.read(&mut head).await.unwrap(), 16);
    assert!(!sent.connection().makes_room() && !new.connection().makes_room());
    assert_eq!(
        silent.read(&mut head).await.unwrap_err().kind(),
        io::ErrorKind::ConnectionAborted,
        "another one goes for it"
    );
    drop(silent);
    let reading = connections.read();
    assert_eq!((reading.open, reading.closed_by_limit), (2, 1));
}

#[tokio::test]
async fn bytes_that_the_runtime_has_not_seen_lie_unread_too() {
    let connections = two_connections();
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let mut client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (accepted, _) = listener.accept().unwrap();
    accepted.set_nonblocking(true).unwrap();
    client.write_all(b"GET / HTTP/1.1\r\n").unwrap();
    let accepted = TcpStream::from_std(accepted).unwrap();
    let (mut sent, _) = GuardedStream::new(accepted, Arc::clone(&connections)).unwrap();
    // Nothing was awaited: the runtime has not looked at the socket since the client wrote.
    sent.connection().make_room();
    let mut head = [0; 64];
    assert_eq!(sent.read(&mut head).await.unwrap(), 16);
    assert!(!sent.connection().makes_room());
    sent.connection().make_room();
    let error = sent.read(&mut head).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionAborted, "all its bytes are read");
}

#[tokio::test]
async fn a_reply_that_is_about_to_be_written_is_not_cut() {
    let connections = two_connections();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let (mut answered, mut client) = open(&connections, &listener).await;
    answered.connection().enter(Phase::Idle);
    answered.connection().make_room();
    answered.write_all(b"HTTP/1.1 200 OK\r\n").await.unwrap();
    let mut head = [0; 64];
    assert_eq!(client.read(&mut head).await.unwrap(), 17);
    assert_eq!(
        answered.read(&mut head).await.unwrap_err().kind(),
        io::ErrorKind::ConnectionAborted
    );
}

#[tokio::test]
async fn a_connection_whose_client_takes_no_reply_makes_room() {
    let connections = two_connections();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let (mut answered, _client) = open(&connections, &listener).await;
    answered.connection().enter(Phase::Idle);
    answered.connection().make_room();
    let written = answered.write_all(&vec![0; 64 << 20]).await;
    assert_eq!(written.unwrap_err().kind(), io::ErrorKind::ConnectionAborted);
}

/// Reads once, as the HTTP server does when its task wakes. `None` if there is nothing to read.
async fn read_once(stream: &mut GuardedStream) -> Option<Vec<u8>> {
    let mut bytes = vec![0; 1_024];
    let reading = tokio::time::timeout(Duration::from_millis(50), stream.read(&mut bytes));
    let length = reading.await.ok()?.unwrap();
    bytes.truncate(length);
    Some(bytes)
}

#[tokio::test]
async fn a_later_request_is_shown_when_the_reply_is_encoded() {
    let connections = two_connections();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let (mut stream, mut client) = open(&connections, &listener).await;
    let (first, second) = (b"GET /1 HTTP/1.1\r\n\r\n", b"GET /2 HTTP/1.1\r\n\r\n");
    client.write_all(&[*first, *second].concat()).await.unwrap();
    drop(client);
    for request in [first, second] {
        assert_eq!(read_once(&mut stream).await.unwrap(), request);
        assert_eq!(stream.connection().phase(), Phase::Head);
        stream.connection().enter(Phase::Handler);
        if request == first {
            assert_eq!(read_once(&mut stream).await, None, "the end comes behind the second");
        }
        stream.connection().enter(Phase::Idle);
    }
    assert_eq!(read_once(&mut stream).await.unwrap(), b"", "the end");
}

#[tokio::test]
async fn withheld_bytes_are_bounded_and_keep_the_connection() {
    let connections = two_connections();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let (mut stream, mut client) = open(&connections, &listener).await;
    let request = b"GET / HTTP/1.1\r\n\r\n";
    client.write_all(&request.repeat(5_000)).await.unwrap();
    let mut head = [0; 18];
    assert_eq!(stream.read(&mut head).await.unwrap(), 18);
    assert_eq!(read_once(&mut stream).await, None);
    assert!(stream.withheld.len() < WITHHELD_BYTES_MAX + AHEAD_BYTES);
    stream.connection().enter(Phase::Idle);
    stream.connection().make_room();
    assert_eq!(stream.read(&mut head).await.unwrap(), 18);
    assert!(!stream.connection().makes_room(), "its next request had come");
}

#[tokio::test]
async fn bytes_behind_the_last_request_are_dropped() {
    let connections = two_connections();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let (mut stream, mut client) = open(&connections, &listener).await;
    client
        .write_all(&b"GET / HTTP/1.1\r\n\r\n".repeat(5_000))
        .await
        .unwrap();
    drop(client);
    assert_eq!(stream.read(&mut [0; 18]).await.unwrap(), 18);
    stream.connection().enter(Phase::Idle);
    stream.connection().end_with_this_request();
    assert_eq!(read_once(&mut stream).await.unwrap(), b"", "the end");
}

#[tokio::test]
async fn a_reply_that_ends_while_its_client_takes_it_leaves_the_connection_idle() {
    let connections = two_connections();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let (mut answered, mut client) = open(&connections, &listener).await;
    answered.connection().enter(Phase::Handler);
    let connection = Arc::clone(answered.connection());
    let bytes = vec![0; 16 << 20];
    let writing = async {
        answered.write_all(&bytes).await.unwrap();
    };
    let taking = async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert_eq!(connection.phase(), Phase::Reply);
        connection.enter(Phase::Idle);
        assert_eq!(connection.phase(), Phase::Reply);
        client.read_exact(&mut vec![0; 16 << 20]).await.unwrap();
    };
    tokio::join!(writing, taking);
    assert_eq!(connection.phase(), Phase::Idle);
}
