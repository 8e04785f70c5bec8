//! The listening socket, and the HTTP service behind it.
//!
//! `actix_web::HttpServer` hands its own sockets to the HTTP service, so this file builds
//! the same server from its parts, and [`accept`] puts a guarded stream in place of the socket.

use std::future::ready;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use actix_http::HttpService;
use actix_server::Server;
use actix_service::{
    IntoServiceFactory, ServiceFactory, ServiceFactoryExt, fn_factory_with_config, fn_service, map_config,
};
use actix_web::dev::AppConfig;
use actix_web::middleware::from_fn;
use actix_web::web::ServiceConfig;
use actix_web::{App, web};
use socket2::{Domain, Socket, Type};

use crate::http::connections::{DISCONNECT_TIMEOUT, accept, attach_connection};
use crate::http::door::WorkerDoor;
use crate::http::state::AppState;
use crate::http::{expect, middleware, routes};

/// The connections that the kernel holds until the server accepts them.
const BACKLOG: i32 = 1_024;
/// The threads of each worker that read and write uploaded files.
const BLOCKING_THREADS: usize = 16;
/// The bytes of a reply that the dispatcher buffers before it waits for the client.
const WRITE_BUFFER_BYTES: usize = 16_384;

/// Returns the server on a bound address, which takes connections from now on. The server runs when it
/// is polled. When it stops, requests in flight have `stop_seconds_max` to finish. `pages` adds the pages for people to the
/// routes.
pub fn server(
    state: AppState,
    address: BoundAddress,
    stop_seconds_max: u64,
    pages: impl Fn(&mut ServiceConfig) + Clone + Send + 'static,
) -> io::Result<Server> {
    let workers = std::thread::available_parallelism()?.get();
    // The server stops accepting only far above the limit at which a new connection closes
    // the one that has waited longest.
    let connections_max = state.connections.limits().connections_max;
    let next_worker = Arc::new(AtomicUsize::new(0));
    let server = Server::build()
        .workers(workers)
        .worker_max_blocking_threads(BLOCKING_THREADS)
        .max_concurrent_connections(connections_max.saturating_mul(2).div_ceil(workers))
        .shutdown_timeout(stop_seconds_max)
        .disable_signals()
        .listen("http", address.listen()?, move || {
            // Each worker has its own state, API key cache and counters, so that the cores do
            // not contend for shared reference counts, locks and cache lines.
            let state = AppState {
                api_keys: Arc::new(state.api_keys.for_worker()),
                request_meter: state.request_meter.for_worker(),
                store: state.store.for_worker(next_worker.fetch_add(1, Ordering::Relaxed)),
                ..state.clone()
            };
            let (body_limits, policy) = (state.limits, state.policy.clone());
            let limits = *state.connections.limits();
            let connections = Arc::clone(&state.connections);
            let variant = state.policy.load().variant();
            let door = WorkerDoor::default();
            let state = web::Data::new(state);
            let app = App::new()
                .app_data(state.clone())
                .app_data(door.clone())
                .wrap(from_fn(move |request, next| {
                    middleware::observe(state.clone(), request, next)
                }))
                .configure(|config| routes::configure(config, variant))
                .configure(pages.clone())
                .into_factory();
            let app = fn_factory_with_config(move |config: AppConfig| {
                let (door, started) = (door.clone(), app.new_service(config));
                async move {
                    let service = Rc::new(started.await?);
                    door.open(&service);
                    Ok::<_, ()>(service)
                }
            });
            let app = app.map_err(|error: actix_web::Error| error.error_response());
            let http = HttpService::build()
                .keep_alive(limits.keep_alive)
                .client_request_timeout(limits.head)
                .client_disconnect_timeout(DISCONNECT_TIMEOUT)
                .h1_write_buffer_size(WRITE_BUFFER_BYTES)
                .expect(fn_service(move |request| {
                    ready(expect::check(request, body_limits, &policy))
                }))
                .on_connect_ext(attach_connection)
                .finish(map_config(app, |()| AppConfig::default()));
            accept(connections).and_then(http)
        })?
        .run();
    Ok(server)
}

/// An address that this process has bound. Its clients are refused until the server listens, so that
/// they, or the proxy before them, ask another process at once.
#[derive(Debug)]
pub struct BoundAddress {
    socket: TcpListener,
}

impl BoundAddress {
    /// Binds an address. A restarted server can use the address at once.
    ///
    /// # Errors
    ///
    /// Fails if another server listens on the address, or it is none of this machine.
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
        socket.set_reuse_address(true)?;
        socket.bind(&address.into())?;
        let socket = socket.into();
        Ok(Self { socket })
    }

    /// Returns the address with its port.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Lets the kernel queue connections.
    ///
    /// # Errors
    ///
    /// Fails if another server that had bound the address too listens on it by now.
    pub(super) fn listen(self) -> io::Result<TcpListener> {
        let socket = Socket::from(self.socket);
        socket.listen(BACKLOG)?;
        Ok(socket.into())
    }
}
