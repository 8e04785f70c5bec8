//! Reads every row by the functions with which the service reads it, and compares the
//! checksums of the rows that have one.

use std::path::Path;

use crate::domain::file::FileName;
use crate::domain::idempotency::IdempotencyKey;
use crate::domain::ids::{CustomerId, EscrowId, EventId, MerchantId, TransactionId};
use crate::store::engine::error::Error;
use crate::store::engine::sql::{Connection, Row, Value, params};
use crate::store::engine::sqlite::blobs;
use crate::store::tables::columns::{FromColumn, broken, read_all, row};
use crate::store::tables::deal_row::SELECT_DEALS;
use crate::store::tx::Snapshot;

/// Rows that cannot be read or are not as the service wrote them, and files that are missing.
#[derive(Default)]
pub(super) struct Rows {
    /// Each names the row.
    pub(super) unreadable: Vec<String>,
    /// Each names the file.
    pub(super) missing_files: Vec<String>,
    /// Merchants whose number of events is not the one that is stored.
    pub(super) miscounted: Vec<String>,
}

row! {
    struct OwnerRow, owner_columns! {
        customer_id: CustomerId,
        merchant_id: MerchantId,
    }
}

row! {
    struct CountRow, count_columns! {
        id: i64,
        event_count: i64,
        events: i64 = "(SELECT count(*) FROM event WHERE merchant_id = merchant.id)",
    }
}

impl Rows {
    /// Reads all rows on one snapshot. Files are beside the database file, if it is one.
    ///
    /// # Errors
    ///
    /// Fails when the rows cannot be read.
    pub(super) fn read(connection: Connection<'_>, database: Option<&Path>) -> Result<Self, Error> {
        let mut rows = Self::default();
        // PostgreSQL has checksums of its pages instead.
        if matches!(connection, Connection::Sqlite(_)) {
            rows.compare_checksums(connection)?;
        }
        rows.read_as_service(&Snapshot::of(connection))?;
        rows.count_events(connection)?;
        // In PostgreSQL a reference leads from each name to the content.
        if let Some(database) = database {
            rows.look_for_files(connection, database)?;
        }
        Ok(rows)
    }

    /// Compares the checksum of every row that has one.
    fn compare_checksums(&mut self, connection: Connection<'_>) -> Result<(), Error> {
        const TABLES: &str = "SELECT list.name FROM pragma_table_list AS list
             WHERE list.schema = 'main' AND EXISTS
                 (SELECT 1 FROM pragma_table_xinfo(list.name) WHERE name = 'checksum') ORDER BY list.name";
        // Virtual columns are computed from others.
        const COLUMNS: &str = "SELECT name, pk FROM pragma_table_xinfo(?1) WHERE hidden = 0 AND name <> 'checksum'";
        let mut tables = connection.prepare(TABLES)?;
        let tables: Vec<String> = read_all(tables.query(params![])?, |row| row.get(0))?;
        for table in tables {
            let (mut key, mut covered) = (Vec::new(), Vec::new());
            let mut columns = connection.prepare(COLUMNS)?;
            let mut columns = columns.query(params![&table])?;
            while let Some(column) = columns.next()? {
                let name: String = column.get(0)?;
                covered.push(format!("'{name}', \"{name}\""));
                if column.get::<i64>(1)? > 0 {
                    key.push(format!("quote(\"{name}\")"));
                }
            }
            let (key, covered) = (key.join(" || ', ' || "), covered.join(", "));
            // The table itself is read: an index may hold another value.
            let sql =
                format!("SELECT {key} FROM \"{table}\" NOT INDEXED WHERE checksum IS NOT row_checksum({covered})");
            let mut changed = connection.prepare(&sql)?;
            let mut changed = changed.query(params![])?;
            while let Some(row) = changed.next()? {
                let key: String = row.get(0)?;
                self.unreadable.push(format!(
                    "the row of {table} with the key {key} is not as the service wrote it: the disk or another program \
                     has changed it"
                ));
            }
        }
        Ok(())
    }

    fn read_as_service(&mut self, snapshot: &Snapshot<'_>) -> Result<(), Error> {
        match snapshot.check_instance() {
            Err(error) if is_of_row(&error) => self
                .unreadable
                .push(format!("the row of instance cannot be read: {error}")),
            checked => checked?,
        }
        self.read_merchants(snapshot)?;
        self.read_customers(snapshot)?;
        self.read_deals(snapshot)?;
        self.read_payments(snapshot)?;
        self.read_treasury(snapshot)?;
        self.read_events(snapshot)?;
        self.read_idempotency_records(snapshot)
    }

    /// Reads merchants, their keys and the secrets of their payment providers.
    fn read_merchants(&mut self, snapshot: &Snapshot<'_>) -> Result<(), Error> {
        self.read_each(snapshot, "merchant", "SELECT id FROM merchant", |row| {
            let merchant = MerchantId::from_column(row, 0)?;
            snapshot.merchant_name(merchant)?;
            snapshot.merchant_wallet(merchant)?;
            snapshot.clock_of(merchant)?;
            snapshot.webhook_endpoint(merchant)?;
            snapshot.merchant_settings(merchant)?;
            snapshot.next_deliveries(merchant, usize::MAX).map(drop)
        })?;
        self.read_each(snapshot, "key", "SELECT key_hash FROM merchant_key", |row| {
            let hash = <[u8; 32]>::from_column(row, 0)?;
            snapshot.key_access(&hash)?;
            snapshot.merchant_key_of_hash(&hash).map(drop)
        })?;
        let secrets = "SELECT provider, merchant_id FROM notice_secret";
        self.read_each(snapshot, "secret of provider", secrets, |row| {
            let (provider, merchant) = (<&str>::from_column(row, 0)?, MerchantId::from_column(row, 1)?);
            snapshot.notice_secret(merchant, provider).map(drop)
        })
    }

    /// Reads accounts and customers, with their cards and whitelisted addresses.
    fn read_customers(&mut self, snapshot: &Snapshot<'_>) -> Result<(), Error> {
        self.read_each(snapshot, "account", "SELECT id FROM account", |row| {
            snapshot.account_of_number(i64::from_column(row, 0)?).map(drop)
        })?;
        let customers = "SELECT id AS customer_id, merchant_id FROM customer";
        self.read_each(snapshot, "customer", customers, |row| {
            let OwnerRow {
                customer_id,
                merchant_id,
            } = OwnerRow::read(row)?;
            snapshot.customer(merchant_id, &customer_id)?;
            snapshot.customer_access(merchant_id, &customer_id)?;
            snapshot.topped_up_at(merchant_id, &customer_id)?;
            let wallet = snapshot.wallet(merchant_id, &customer_id)?;
            wallet
                .map(drop)
                .ok_or_else(|| broken("a customer with both accounts", customer_id.as_str()))
        })?;
        let owners = concat!("SELECT DISTINCT ", owner_columns!(), " FROM card");
        self.read_each(snapshot, "card", owners, |row| {
            let row = OwnerRow::read(row)?;
            snapshot.cards(row.merchant_id, &row.customer_id).map(drop)
        })?;
        let owners = concat!("SELECT DISTINCT ", owner_columns!(), " FROM whitelist_address");
        self.read_each(snapshot, "whitelist address", owners, |row| {
            let row = OwnerRow::read(row)?;
            snapshot.whitelist(row.merchant_id, &row.customer_id).map(drop)
        })
    }

    /// Reads escrows and vaults, with their categories and the rulings that wait for a second operator.
    fn read_deals(&mut self, snapshot: &Snapshot<'_>) -> Result<(), Error> {
        self.read_each(snapshot, "category", "SELECT id FROM category", |row| {
            snapshot.category_of_number(Some(i64::from_column(row, 0)?)).map(drop)
        })?;
        self.read_each(snapshot, "escrow", SELECT_DEALS, |row| {
            snapshot.read_deal(row).map(drop)
        })?;
        let asked = "SELECT escrow_id, escrow.guard FROM asked_ruling JOIN escrow ON escrow.id = escrow_id";
        self.read_each(snapshot, "asked ruling", asked, |row| {
            let escrow = EscrowId::new(i64::from_column(row, 0)?, i64::from_column(row, 1)?);
            snapshot.asked_ruling(escrow).map(drop)
        })
    }

    /// Reads transactions and the requests, test accounts and pending withdrawals that belong to them.
    fn read_payments(&mut self, snapshot: &Snapshot<'_>) -> Result<(), Error> {
        let payments = "SELECT id FROM payment_transaction";
        self.read_each(snapshot, "transaction", payments, |row| {
            snapshot.payment_of_number(i64::from_column(row, 0)?).map(drop)
        })?;
        let requests = "SELECT transaction_id, merchant_id FROM requested_payment";
        self.read_each(snapshot, "requested payment", requests, |row| {
            let (number, merchant) = (i64::from_column(row, 0)?, MerchantId::from_column(row, 1)?);
            let reference = snapshot.payment_of_number(number)?.transaction.reference;
            let used = snapshot.used_reference(merchant, &reference)?;
            used.map(drop).ok_or_else(|| {
                broken(
                    "a requested payment that is found by its reference",
                    &number.to_string(),
                )
            })
        })?;
        let test_accounts = "SELECT account_number, merchant_id FROM test_account";
        self.read_each(snapshot, "test account", test_accounts, |row| {
            let (name, merchant) = (<&str>::from_column(row, 0)?, MerchantId::from_column(row, 1)?);
            snapshot.payment_at_test_account(merchant, name).map(drop)
        })?;
        let withdrawals = "SELECT transaction_id, merchant_id, guard FROM slow_withdrawal
                           JOIN payment_transaction ON payment_transaction.id = transaction_id";
        self.read_each(snapshot, "slow withdrawal", withdrawals, |row| {
            let withdrawal = TransactionId::new(i64::from_column(row, 0)?, u32::from_column(row, 2)?);
            let merchant = MerchantId::from_column(row, 1)?;
            snapshot.slow_withdrawal_due(merchant, withdrawal).map(drop)
        })
    }

    /// Reads the movements at the operator's bank, and the operators.
    fn read_treasury(&mut self, snapshot: &Snapshot<'_>) -> Result<(), Error> {
        self.read_each(snapshot, "receipt", "SELECT id FROM receipt", |row| {
            snapshot.receipt_of_number(i64::from_column(row, 0)?).map(drop)
        })?;
        self.read_each(snapshot, "pay-out", "SELECT id FROM payout", |row| {
            snapshot.payout_of_number(i64::from_column(row, 0)?).map(drop)
        })?;
        self.read_each(snapshot, "operator", "SELECT key_hash FROM operator", |row| {
            snapshot.operator_of_key(&<[u8; 32]>::from_column(row, 0)?).map(drop)
        })
    }

    /// Reads events and the attempts of their deliveries.
    fn read_events(&mut self, snapshot: &Snapshot<'_>) -> Result<(), Error> {
        self.read_each(snapshot, "event", "SELECT id FROM event", |row| {
            snapshot.event_of_number(i64::from_column(row, 0)?).map(drop)
        })?;
        let attempts = "SELECT DISTINCT event_id, guard FROM delivery_attempt JOIN event ON event.id = event_id";
        self.read_each(snapshot, "delivery attempt of event", attempts, |row| {
            let event = EventId::new(i64::from_column(row, 0)?, u32::from_column(row, 1)?);
            snapshot.delivery_of(event).map(drop)
        })
    }

    fn read_idempotency_records(&mut self, snapshot: &Snapshot<'_>) -> Result<(), Error> {
        let records = "SELECT key, merchant_id FROM idempotency_record";
        self.read_each(snapshot, "idempotency record", records, |row| {
            let (text, merchant) = (<&str>::from_column(row, 0)?, MerchantId::from_column(row, 1)?);
            // No request leads to a record with another key.
            IdempotencyKey::parse(text).map_or(Ok(()), |key| snapshot.idempotency_record(merchant, &key).map(drop))
        })
    }

    /// Reads each row of a query. A row that cannot be read is noted by its first column.
    fn read_each(
        &mut self,
        snapshot: &Snapshot<'_>,
        what: &str,
        sql: &str,
        read: impl Fn(Row<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut statement = snapshot.connection.prepare(sql)?;
        let mut rows = statement.query(params![])?;
        while let Some(row) = rows.next()? {
            match read(row) {
                Ok(()) => {}
                Err(error) if is_of_row(&error) => {
                    let key = match row.value(0) {
                        Ok(Value::Integer(number)) => number.to_string(),
                        Ok(Value::Text(text)) => text.to_owned(),
                        Ok(Value::Blob(bytes)) => hex::encode(bytes),
                        Ok(Value::Null) | Err(_) => "without a key".to_owned(),
                    };
                    self.unreadable.push(format!("{what} {key} cannot be read: {error}"));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn count_events(&mut self, connection: Connection<'_>) -> Result<(), Error> {
        let mut statement = connection.prepare(concat!("SELECT ", count_columns!(), " FROM merchant"))?;
        let mut rows = statement.query(params![])?;
        while let Some(row) = rows.next()? {
            let CountRow {
                id,
                event_count,
                events,
            } = CountRow::read(row)?;
            if event_count != events {
                self.miscounted
                    .push(format!("merchant {id} counts {event_count} events, and has {events}"));
            }
        }
        Ok(())
    }

    fn look_for_files(&mut self, connection: Connection<'_>, database: &Path) -> Result<(), Error> {
        let mut statement = connection.prepare("SELECT name FROM file")?;
        let mut rows = statement.query(params![])?;
        while let Some(row) = rows.next()? {
            let name = match FileName::from_column(row, 0) {
                Ok(name) => name,
                Err(error) => {
                    self.unreadable.push(format!("a row of file cannot be read: {error}"));
                    continue;
                }
            };
            if let Err(problem) = blobs::check_presence(database, name) {
                self.missing_files.push(problem.to_string());
            }
        }
        Ok(())
    }
}

/// Returns true if an error says that a row is damaged, and not the file's structure. SQLite ends a sum
/// of amounts that are too large.
fn is_of_row(error: &Error) -> bool {
    match error {
        Error::Corrupt(_) => true,
        Error::Sqlite(error) => error.to_string() == "integer overflow",
        _ => false,
    }
}
