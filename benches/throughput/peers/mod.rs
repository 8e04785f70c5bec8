//! What escrowd is compared with: the same work unit, done in other ways, each in
//! a process of its own.

mod fixed;
mod naive;
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

/// Where a milestone is confirmed.
const CONFIRM: &str = "/v1/escrow/milestone/confirm/{escrow}/{milestone}";

/// Is this peer until killed, or until whoever started it has ended.
pub(crate) fn be(peer: &Peer) -> anyhow::Result<()> {
    if !matches!(peer, Peer::Raw { .. }) {
        std::thread::spawn(|| {
            drop(std::io::stdin().read_to_end(&mut Vec::new()));
            std::process::exit(0);
        });
    }
    match peer {
        Peer::Naive { file } => naive::serve(file),
        Peer::Fixed { bytes } => fixed::serve(*bytes),
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

/// Serves on a free port, printed for whoever started this.
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

/// A reply of the length that escrowd's has, at no cost of rendering it.
fn reply(what: impl std::fmt::Display) -> HttpResponse {
    HttpResponse::Ok().body(format!("{what:1500}"))
}

/// One confirmation by escrowd's own command, in a transaction of the caller's.
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

/// The settings that the design recommends, by hand.
fn set_up(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_prepared_statement_cache_capacity(128);
    connection.busy_timeout(Duration::from_secs(30))?;
    connection.execute_batch("PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA cache_size = -65536;")
}

fn the_merchant(connection: &Connection) -> anyhow::Result<MerchantId> {
    Ok(connection.query_row("SELECT id FROM merchant", [], |row| row.get(0).map(MerchantId))?)
}
