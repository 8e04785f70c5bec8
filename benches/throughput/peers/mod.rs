//! The peers: other implementations of the same work unit, with which escrowd is compared.
//! Each runs in its own process.

mod fixed;
mod naive;
mod null;
mod postgres;
mod raw;

use std::io::Read;
use std::net::TcpListener;
use std::time::Duration;

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use anyhow::anyhow;
use escrowd::commands::{Policy, milestone_escrows};
use escrowd::domain::escrow::Escrow;
use escrowd::domain::ids::{CustomerId, EscrowId, MerchantId, MilestoneId};
use escrowd::domain::party::{Actor, Party};
use escrowd::store::Tx;
use rusqlite::Connection;

pub(crate) use raw::run as run_raw;

use crate::arguments::Peer;

/// The route that confirms a milestone.
const CONFIRM: &str = "/v1/escrow/milestone/confirm/{escrow}/{milestone}";

/// Runs this peer. A server runs until the process is killed or its parent process ends.
pub(crate) fn run_peer(peer: &Peer) -> anyhow::Result<()> {
    if !matches!(peer, Peer::Raw { .. }) {
        std::thread::spawn(|| {
            drop(std::io::stdin().read_to_end(&mut Vec::new()));
            std::process::exit(0);
        });
    }
    match peer {
        Peer::Naive { file } => naive::serve(file),
        Peer::Fixed { bytes } => fixed::serve(*bytes),
        Peer::Null => null::serve(),
        Peer::Postgres {
            sockets,
            database,
            chained,
        } => postgres::serve(sockets, database, *chained),
        Peer::Raw {
            file,
            confirmations,
            skip,
            seconds,
        } => raw::measure(file, confirmations, *skip, Duration::from_secs(*seconds)),
    }
}

/// Serves on a free port and prints the address for the parent process.
fn serve(configure: impl Fn(&mut web::ServiceConfig) + Clone + Send + 'static) -> anyhow::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("http://{}", listener.local_addr()?);
    let server = move || {
        let configure = configure.clone();
        App::new().configure(move |config| configure(config))
    };
    Ok(actix_web::rt::System::new().block_on(HttpServer::new(server).listen(listener)?.run())?)
}

fn customer_id(request: &HttpRequest) -> &str {
    let id = request.headers().get("customer-id");
    id.and_then(|id| id.to_str().ok()).unwrap_or_default()
}

/// Returns a reply of about the length of escrowd's, without the cost of rendering one.
fn reply(text: impl std::fmt::Display) -> HttpResponse {
    HttpResponse::Ok().body(format!("{text:1500}"))
}

/// Confirms a milestone with escrowd's own command, in a transaction of the caller.
fn confirm(
    tx: &mut Tx<'_>,
    policy: &Policy,
    merchant: MerchantId,
    buyer: &str,
    escrow: &str,
    milestone: &str,
) -> anyhow::Result<Escrow> {
    let customer = CustomerId::parse(buyer).ok_or_else(|| anyhow!("{buyer:?} is no customer id"))?;
    let actor = Actor {
        merchant,
        party: Party::Customer(customer),
    };
    let (escrow, milestone) = (EscrowId::named(escrow), MilestoneId::named(milestone));
    milestone_escrows::confirm(tx, policy, &actor, escrow, milestone).map_err(|error| anyhow!("{error:?}"))
}

/// Applies settings like those of escrowd's writer: full sync, foreign keys and a page cache
/// of 64 MiB.
fn set_up(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_prepared_statement_cache_capacity(128);
    connection.busy_timeout(Duration::from_secs(30))?;
    escrowd::store::add_functions(connection)?;
    connection.execute_batch("PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA cache_size = -65536;")
}

fn the_merchant(connection: &Connection) -> anyhow::Result<MerchantId> {
    Ok(connection.query_row("SELECT id FROM merchant", [], |row| row.get(0).map(MerchantId))?)
}
