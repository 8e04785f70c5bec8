//! A common design on PostgreSQL: the same web framework and a pool of connections. The
//! whole work unit is one stored function, so that a request takes one round trip.

use std::path::Path;

use actix_web::{HttpRequest, HttpResponse, web};
use anyhow::{Context, ensure};
use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod};
use tokio_postgres::NoTls;

use super::{CONFIRM, customer_id, reply};
use crate::postgres::{CONNECTIONS, config};

struct Postgres {
    pool: Pool,
    is_chained: bool,
}

/// Serves confirmations with the function in this database.
pub(super) fn serve(sockets: &Path, database: &str, is_chained: bool) -> anyhow::Result<()> {
    let recycling = ManagerConfig {
        recycling_method: RecyclingMethod::Fast,
    };
    let manager = Manager::from_config(config(sockets, database), NoTls, recycling);
    let pool = Pool::builder(manager).max_size(CONNECTIONS).build()?;
    let postgres = web::Data::new(Postgres { pool, is_chained });
    super::serve(move |config| {
        config.app_data(postgres.clone()).route(CONFIRM, web::post().to(handle));
    })
}

async fn handle(
    postgres: web::Data<Postgres>,
    request: HttpRequest,
    path: web::Path<(String, String)>,
) -> HttpResponse {
    match confirm(&postgres, customer_id(&request), &path.0, &path.1).await {
        Ok(text) => reply(text),
        Err(error) => HttpResponse::InternalServerError().body(format!("{error:#}")),
    }
}

async fn confirm(postgres: &Postgres, buyer: &str, escrow: &str, milestone: &str) -> anyhow::Result<String> {
    let client = postgres.pool.get().await?;
    let statement = client.prepare_cached("SELECT * FROM confirm($1, $2, $3, $4)").await?;
    let (escrow, milestone) = (hex::decode(escrow)?, hex::decode(milestone)?);
    let row = client
        .query_one(&statement, &[&buyer, &escrow, &milestone, &postgres.is_chained])
        .await?;
    let (status, titles): (String, Vec<String>) = (row.try_get("status")?, row.try_get("titles")?);
    let released: Vec<bool> = row.try_get("released")?;
    ensure!(titles.len() == released.len(), "a title for each milestone");
    let first = titles.first().context("at least one milestone")?;
    Ok(format!("{status} {first}"))
}
