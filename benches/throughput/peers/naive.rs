//! The naive design: a pool of SQLite connections. Each request takes a connection and
//! begins its own transaction, which waits for the lock with a busy timeout.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use actix_web::{HttpRequest, HttpResponse, web};
use escrowd::clock::SystemClock;
use escrowd::commands::Policy;
use escrowd::domain::ids::{Entropy, MerchantId};
use escrowd::domain::time::{Clock, Timestamp};
use escrowd::entropy::SystemEntropy;
use escrowd::store::{GroupMemory, Tx};
use r2d2_sqlite::SqliteConnectionManager;

use super::{CONFIRM, confirm, customer_id, reply, set_up, the_merchant};
use crate::data;

/// The connections in the pool.
const POOL: u32 = 8;

struct Naive {
    pool: r2d2::Pool<SqliteConnectionManager>,
    policy: Policy,
    merchant: MerchantId,
    entropy: SharedEntropy,
}

/// One source of ids for all requests, so that no id is generated twice.
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

    fn newest(&self) -> i64 {
        self.lock().newest()
    }

    fn random(&mut self) -> u128 {
        self.lock().random()
    }
}

/// Serves the naive design on this file.
pub(super) fn serve(file: &Path) -> anyhow::Result<()> {
    let manager = SqliteConnectionManager::file(file).with_init(|connection| set_up(connection));
    let pool = r2d2::Pool::builder().max_size(POOL).build(manager)?;
    let merchant = the_merchant(&*pool.get()?)?;
    let naive = web::Data::new(Naive {
        pool,
        policy: data::policy(),
        merchant,
        entropy: SharedEntropy(Arc::default()),
    });
    super::serve(move |config| {
        config.app_data(naive.clone()).route(CONFIRM, web::post().to(handle));
    })
}

async fn handle(naive: web::Data<Naive>, request: HttpRequest, path: web::Path<(String, String)>) -> HttpResponse {
    let buyer = customer_id(&request).to_owned();
    let confirmed = web::block(move || {
        let connection = naive.pool.get()?;
        connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        let mut entropy = naive.entropy.clone();
        let mut memory = GroupMemory::default();
        let mut tx = Tx::on(&connection, SystemClock.now(), &mut entropy, &mut memory);
        let escrow = confirm(&mut tx, &naive.policy, naive.merchant, &buyer, &path.0, &path.1)?;
        tx.save_merchants()?;
        connection.prepare_cached("COMMIT")?.execute([])?;
        anyhow::Ok(escrow)
    })
    .await;
    match confirmed {
        Ok(Ok(escrow)) => reply(escrow.id.to_string()),
        Ok(Err(error)) => HttpResponse::InternalServerError().body(error.to_string()),
        Err(error) => HttpResponse::InternalServerError().body(error.to_string()),
    }
}
