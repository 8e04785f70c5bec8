//! What escrowd is compared with: the same work unit, through the same commands
//! and statements, committed in other ways.

use std::net::TcpListener;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use anyhow::anyhow;
use escrowd::clock::SystemClock;
use escrowd::commands::{Actor, Policy, milestone_escrows};
use escrowd::domain::escrow::Escrow;
use escrowd::domain::ids::{CustomerId, Entropy, EscrowId, MerchantId, MilestoneId};
use escrowd::domain::time::{Clock, Timestamp};
use escrowd::entropy::SystemEntropy;
use escrowd::store::Tx;
use hdrhistogram::Histogram;
use r2d2_sqlite::SqliteConnectionManager;
use rusqlite::Connection;

use crate::data::{self, Confirmation};
use crate::load::Run;

/// Connections of the naive design.
const POOL: u32 = 8;
/// Commands in one commit of the raw loop.
const RAW_GROUP: usize = 32;

/// How most would build it: a pool of connections; each request takes one, begins
/// a transaction of its own, and waits for the lock with a busy timeout.
struct Naive {
    pool: r2d2::Pool<SqliteConnectionManager>,
    policy: Policy,
    merchant: MerchantId,
    entropy: SharedEntropy,
}

/// One source of numbers for all requests, so that none is given out twice.
#[derive(Clone)]
struct SharedEntropy(Arc<Mutex<SystemEntropy>>);

impl SharedEntropy {
    fn lock(&self) -> MutexGuard<'_, SystemEntropy> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entropy for SharedEntropy {
    fn number(&mut self, now: Timestamp) -> i64 {
        self.lock().number(now)
    }

    fn start_after(&mut self, number: i64) {
        self.lock().start_after(number);
    }

    fn random(&mut self) -> u128 {
        self.lock().random()
    }
}

/// Serves the naive design on this socket until the process is killed.
pub(crate) fn serve_naive(file: &Path, listener: TcpListener) -> anyhow::Result<()> {
    let manager = SqliteConnectionManager::file(file).with_init(|connection| set_up(connection));
    let pool = r2d2::Pool::builder().max_size(POOL).build(manager)?;
    let merchant = the_merchant(&*pool.get()?)?;
    let naive = web::Data::new(Naive {
        pool,
        policy: data::policy(),
        merchant,
        entropy: SharedEntropy(Arc::default()),
    });
    serve(listener, move |config| {
        let path = "/v1/escrow/milestone/confirm/{escrow}/{milestone}";
        config
            .app_data(naive.clone())
            .route(path, web::post().to(naive_confirm));
    })
}

async fn naive_confirm(
    naive: web::Data<Naive>,
    request: HttpRequest,
    path: web::Path<(String, String)>,
) -> HttpResponse {
    let buyer = request
        .headers()
        .get("customer-id")
        .and_then(|id| id.to_str().ok())
        .unwrap_or_default()
        .to_owned();
    let confirmed = web::block(move || {
        let connection = naive.pool.get()?;
        connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        let mut entropy = naive.entropy.clone();
        let mut tx = Tx::on(&connection, SystemClock.now(), &mut entropy);
        let escrow = confirm(&mut tx, &naive.policy, naive.merchant, &buyer, &path.0, &path.1)?;
        connection.prepare_cached("COMMIT")?.execute([])?;
        anyhow::Ok(escrow)
    })
    .await;
    match confirmed {
        // A reply of the length that escrowd's has, at no cost of rendering it.
        Ok(Ok(escrow)) => HttpResponse::Ok().body(format!("{:1500}", escrow.id)),
        Ok(Err(error)) => HttpResponse::InternalServerError().body(error.to_string()),
        Err(error) => HttpResponse::InternalServerError().body(error.to_string()),
    }
}

/// Serves a fixed reply of this many bytes to everything, with no storage behind it.
pub(crate) fn serve_fixed(bytes: usize, listener: TcpListener) -> anyhow::Result<()> {
    let body = web::Bytes::from("x".repeat(bytes));
    serve(listener, move |config| {
        let body = body.clone();
        config.default_service(web::to(move || {
            let reply = HttpResponse::Ok().content_type("application/json").body(body.clone());
            std::future::ready(reply)
        }));
    })
}

fn serve(
    listener: TcpListener,
    configure: impl Fn(&mut web::ServiceConfig) + Clone + Send + 'static,
) -> anyhow::Result<()> {
    let server = move || {
        let configure = configure.clone();
        App::new().configure(move |config| configure(config))
    };
    Ok(actix_web::rt::System::new().block_on(HttpServer::new(server).listen(listener)?.run())?)
}

/// One thread, one connection, no HTTP: so many confirmations to a commit.
pub(crate) fn run_raw(file: &Path, confirmations: &[Confirmation], time: Duration) -> anyhow::Result<(Run, usize)> {
    let connection = Connection::open(file)?;
    set_up(&connection)?;
    let merchant = the_merchant(&connection)?;
    let policy = data::policy();
    let mut entropy = SystemEntropy::new();
    let mut latency = Histogram::new(3)?;
    let started = Instant::now();
    for group in confirmations.chunks_exact(RAW_GROUP) {
        if started.elapsed() >= time {
            break;
        }
        let begun = Instant::now();
        connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        for confirmation in group {
            let Confirmation {
                buyer,
                escrow,
                milestone,
                ..
            } = confirmation;
            let mut tx = Tx::on(&connection, SystemClock.now(), &mut entropy);
            confirm(&mut tx, &policy, merchant, buyer, escrow, milestone)?;
        }
        connection.prepare_cached("COMMIT")?.execute([])?;
        latency.record_n(u64::try_from(begun.elapsed().as_micros())?, RAW_GROUP as u64)?;
    }
    let done = usize::try_from(latency.len())?;
    Ok((
        Run {
            per_second: done as f64 / started.elapsed().as_secs_f64(),
            latency,
        },
        done,
    ))
}

fn confirm(
    tx: &mut Tx<'_>,
    policy: &Policy,
    merchant: MerchantId,
    buyer: &str,
    escrow: &str,
    milestone: &str,
) -> anyhow::Result<Escrow> {
    let customer = CustomerId::parse(buyer).ok_or_else(|| anyhow!("{buyer:?} is no customer id"))?;
    let actor = Actor { merchant, customer };
    let (escrow, milestone) = (EscrowId::named(escrow), MilestoneId::named(milestone));
    milestone_escrows::confirm(tx, policy, &actor, escrow, milestone).map_err(|error| anyhow!("{error:?}"))
}

/// The settings that the design recommends, by hand.
fn set_up(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_prepared_statement_cache_capacity(128);
    connection.busy_timeout(Duration::from_secs(30))?;
    connection.execute_batch("PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA cache_size = -65536;")
}

fn the_merchant(connection: &Connection) -> anyhow::Result<MerchantId> {
    Ok(connection.query_row("SELECT id FROM merchant", [], |row| row.get(0).map(MerchantId))?)
}
