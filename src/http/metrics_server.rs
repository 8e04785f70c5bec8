//! The server of `/metrics`, on an address of its own. It answers GET on this one path, and
//! bounds connections and waits as the service does. On a loopback address it answers only requests
//! for this machine, so that no web page reads it by a host name of its own that resolves to it.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use actix_http::{HttpMessage, HttpService, Request, Response};
use actix_server::Server;
use actix_service::{ServiceFactoryExt, fn_service};
use actix_web::body::BoxBody;
use actix_web::http::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::web::Bytes;

use crate::http::client_address::TrustedProxies;
use crate::http::connections::{
    Connection, ConnectionLimits, Connections, DISCONNECT_TIMEOUT, Phase, ReplyBody, accept, attach_connection,
};
use crate::http::context::single_host;
use crate::http::server::BoundAddress;
use crate::http::this_machine::is_for_this_machine;

/// Returns the text of the metrics, or the problem that prevents it.
pub type Scrape = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = Result<String, String>>>> + Send + Sync>;

const PATH: &str = "/metrics";
/// The format of Prometheus.
const TEXT_FORMAT: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
const PLAIN: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const GET: HeaderValue = HeaderValue::from_static("GET");

const LIMITS: ConnectionLimits = ConnectionLimits {
    connections_max: 16,
    keep_alive: Duration::from_secs(75),
    head: Duration::from_secs(5),
    progress: Duration::from_secs(10),
    reply_bytes_max: 16_777_216,
};
/// Connections that the kernel hands over before one is closed for another.
const ACCEPTED_MAX: usize = 32;

/// Returns the server on a bound address. It runs when it is polled.
pub fn metrics_server(address: BoundAddress, scrape: Scrape) -> io::Result<Server> {
    let connections = Arc::new(Connections::new(LIMITS, Arc::new(TrustedProxies::default())));
    let own = Some(address.address()?).filter(|address| address.ip().is_loopback());
    let server = Server::build()
        .workers(1)
        .max_concurrent_connections(ACCEPTED_MAX)
        .shutdown_timeout(1)
        .disable_signals()
        .listen("metrics", address.listen()?, move || {
            let (scrape, of_replies) = (Arc::clone(&scrape), Arc::clone(&connections));
            let connections = Arc::clone(&connections);
            let http = HttpService::build()
                .keep_alive(LIMITS.keep_alive)
                .client_request_timeout(LIMITS.head)
                .client_disconnect_timeout(DISCONNECT_TIMEOUT)
                .on_connect_ext(attach_connection)
                .finish(fn_service(move |request: Request| {
                    answer(request, own, Arc::clone(&scrape), Arc::clone(&of_replies))
                }));
            accept(connections).and_then(http)
        })?
        .run();
    Ok(server)
}

/// Returns true if a request names this machine, by a loopback name or by the server's own address.
fn names_this_machine(request: &Request, own: SocketAddr) -> bool {
    let headers = request.headers();
    is_for_this_machine(headers, request.uri()) || single_host(headers) == Some(&own.to_string())
}

/// Answers one request. `own` is the server's address if it is a loopback one. While it is scraped,
/// the connection waits for the service and not for its client.
async fn answer(
    request: Request,
    own: Option<SocketAddr>,
    scrape: Scrape,
    connections: Arc<Connections>,
) -> Result<Response<BoxBody>, Infallible> {
    let connection = request.conn_data::<Arc<Connection>>().cloned();
    let enter = |phase| {
        if let Some(connection) = &connection {
            connection.enter(phase);
        }
    };
    enter(Phase::Handler);
    let mut reply = if let Some(own) = own.filter(|own| !names_this_machine(&request, *own)) {
        let right = format!("the Host must name this machine: http://{own}{PATH}\n");
        plain(StatusCode::FORBIDDEN, right)
    } else if request.path() != PATH {
        plain(StatusCode::NOT_FOUND, format!("there is only {PATH}\n"))
    } else if request.method() != Method::GET {
        let mut refusal = plain(StatusCode::METHOD_NOT_ALLOWED, "only GET is allowed\n".to_owned());
        refusal.headers_mut().insert(ALLOW, GET);
        refusal
    } else {
        match scraped(&scrape).await {
            Ok(text) => {
                let text = Bytes::from(text);
                let in_pieces = connection
                    .as_ref()
                    .and_then(|connection| ReplyBody::new(&text, &connections, connection));
                let body = in_pieces.map_or_else(|| BoxBody::new(text), BoxBody::new);
                let mut reply = Response::with_body(StatusCode::OK, body);
                reply.headers_mut().insert(CONTENT_TYPE, TEXT_FORMAT);
                reply
            }
            Err(problem) => plain(StatusCode::SERVICE_UNAVAILABLE, format!("{problem}\n")),
        }
    };
    if request.head().headers.contains_key("content-length") || request.chunked().unwrap_or(true) {
        // The body is not read, so no other request can follow it.
        reply.head_mut().set_connection_type(actix_http::ConnectionType::Close);
        enter(Phase::UnreadBody);
    } else {
        enter(Phase::Idle);
    }
    Ok(reply)
}

/// Scrapes in a task of its own, because the server drops a handler when its client
/// disconnects. The next scrape then still waits for this one, and gets its text.
async fn scraped(scrape: &Scrape) -> Result<String, String> {
    let task = actix_web::rt::spawn(scrape());
    task.await
        .unwrap_or_else(|_| Err("the metrics could not be read".to_owned()))
}

fn plain(status: StatusCode, text: String) -> Response<BoxBody> {
    let mut reply = Response::with_body(status, BoxBody::new(text));
    reply.headers_mut().insert(CONTENT_TYPE, PLAIN);
    reply
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use actix_http::test::TestRequest;
    use actix_web::rt::System;
    use tokio::sync::Notify;
    use tokio::time::timeout;

    use super::*;

    #[test]
    fn a_scrape_ends_although_its_client_is_gone() {
        let (may_end, has_ended) = (Arc::new(Notify::new()), Arc::new(AtomicBool::new(false)));
        let (go, ended) = (Arc::clone(&may_end), Arc::clone(&has_ended));
        let scrape: Scrape = Arc::new(move || {
            let (go, ended) = (Arc::clone(&go), Arc::clone(&ended));
            Box::pin(async move {
                go.notified().await;
                ended.store(true, Ordering::SeqCst);
                Ok(String::new())
            })
        });
        System::new().block_on(async {
            let connections = Arc::new(Connections::new(LIMITS, Arc::new(TrustedProxies::default())));
            let request = TestRequest::with_uri(PATH).finish();
            let answered = timeout(Duration::from_millis(20), answer(request, None, scrape, connections)).await;
            assert!(answered.is_err(), "the scrape is under way when its handler is dropped");
            may_end.notify_one();
            tokio::time::sleep(Duration::from_millis(20)).await;
        });
        assert!(has_ended.load(Ordering::SeqCst));
    }
}
