//! Pending deliveries of events about nothing, for tests of the deliverer.

use std::path::Path;

use rusqlite::Connection;

use crate::domain::ids::MerchantId;

/// Inserts as many deliveries of each merchant into a SQLite file. All of them are due.
pub(crate) fn insert(file: &Path, merchants: &[MerchantId], of_each: i64) {
    let connection = Connection::open(file).unwrap();
    connection.pragma_update(None, "foreign_keys", false).unwrap();
    for merchant in merchants {
        for id in (0..of_each).map(|number| merchant.0 * 1024 + number) {
            let event = "INSERT INTO event (id, guard, merchant_id, name_id, escrow_id, created_at, checksum)
                         VALUES (?1, 0, ?2, 1, 1, 0, 0)";
            connection.execute(event, [id, merchant.0]).unwrap();
            let delivery = "INSERT INTO delivery (id, event_id, merchant_id, due_at) VALUES (?1, ?1, ?2, 0)";
            connection.execute(delivery, [id, merchant.0]).unwrap();
        }
    }
}

/// Removes the table of deliveries, so that they cannot be read.
pub(crate) fn lose(file: &Path) {
    let connection = Connection::open(file).unwrap();
    connection.pragma_update(None, "foreign_keys", false).unwrap();
    connection.execute_batch("DROP TABLE delivery").unwrap();
}
