//! Facts about the file as a whole: where its time and its numbers go on after a
//! restart.

use crate::domain::time::Timestamp;
use crate::domain::{currency, ids};
use crate::store::engine::error::Error;
use crate::store::engine::sql::params;
use crate::store::engine::value::mode_of;
use crate::store::tables::columns::broken;
use crate::store::tx::{Snapshot, Tx};

impl Snapshot<'_> {
    /// Returns the ledger time of the newest commit, or an earlier time that no later
    /// command can fall before; `None` in a fresh file. Takes it from the mark, and also
    /// from the tables numbered in insertion order, since rows can be added to a file
    /// without the service: transfers, events and accounts.
    ///
    /// Each of these rows carries its merchant's time, which is ledger time plus the
    /// merchant's clock offset. Offsets only grow. So a row's time minus the current
    /// offset is never later than the ledger time of its write. It is earlier if the
    /// clock was moved after the write; the move itself is stored in ledger time and
    /// is then the newer of the two.
    pub(crate) fn newest_ledger_time(&self) -> Result<Option<Timestamp>, Error> {
        let sql = "SELECT max(at) FROM (
                 SELECT (SELECT created_at - (SELECT clock_offset_millis FROM merchant WHERE merchant.id = merchant_id)
                         FROM transfer ORDER BY id DESC LIMIT 1) AS at
                 UNION ALL
                 SELECT (SELECT created_at - (SELECT clock_offset_millis FROM merchant WHERE merchant.id = merchant_id)
                         FROM event ORDER BY id DESC LIMIT 1)
                 UNION ALL
                 SELECT (SELECT updated_at - (SELECT clock_offset_millis FROM merchant WHERE merchant.id = merchant_id)
                         FROM account ORDER BY id DESC LIMIT 1)
                 UNION ALL
                 SELECT max(clock_moved_at) FROM merchant
                 UNION ALL
                 SELECT nullif(ledger_time, 0) FROM file_mark) AS times";
        self.connection.prepare(sql)?.one(params![], |row| row.get(0))
    }

    /// Checks the row that says what the database was made for, which a start compares with the
    /// configuration.
    pub(crate) fn check_instance(&self) -> Result<(), Error> {
        let mut statement = self.connection.prepare("SELECT mode, currency FROM instance")?;
        let (mode, currency): (String, String) = statement.one(params![], |row| Ok((row.get(0)?, row.get(1)?)))?;
        mode_of(&mode).ok_or_else(|| broken("a mode", &mode))?;
        currency::check(&currency).map_err(|_| broken("a currency", &currency))
    }

    /// Returns the currency of all amounts.
    pub(crate) fn currency(&self) -> Result<String, Error> {
        let sql = "SELECT currency FROM instance";
        self.connection.prepare(sql)?.one(params![], |row| row.get(0))
    }

    /// Returns a number that is not less than any that a row took from
    /// [`IdSource`](crate::domain::ids::IdSource), 0 in a fresh file. New numbers must
    /// be greater.
    pub(crate) fn newest_number(&self) -> Result<i64, Error> {
        let sql = "SELECT max(coalesce((SELECT max(id) FROM escrow), 0), coalesce((SELECT max(id) FROM payment_transaction), 0),
                        coalesce((SELECT max(id) FROM card), 0), coalesce((SELECT max(id) FROM whitelist_address), 0),
                        coalesce((SELECT max(id) FROM category), 0), coalesce((SELECT max(id) FROM delivery), 0),
                        coalesce((SELECT max(id) FROM event), 0), coalesce((SELECT max(id) FROM receipt), 0),
                        coalesce((SELECT max(id) FROM payout), 0), coalesce((SELECT max(id) FROM operator), 0))";
        let of_row: i64 = self.connection.prepare(sql)?.one(params![], |row| row.get(0))?;
        // Wallets take numbers too, and no index leads to the greatest of them. But each
        // wallet is created with accounts, whose time `newest_ledger_time` includes.
        let of_wallet = self.newest_ledger_time()?.map_or(0, ids::last_number_of);
        Ok(of_row.max(of_wallet))
    }
}

impl Tx<'_> {
    /// Changes the mark to what it is, which makes a command change something.
    pub(crate) fn touch_mark(&mut self) -> Result<(), Error> {
        let sql = "UPDATE file_mark SET commits = commits";
        self.connection.prepare(sql)?.execute(params![]).map(drop)
    }

    /// Keeps the number of the newest transfer, before transfers are removed in the transaction
    /// under way: the next one follows it.
    pub(crate) fn keep_newest_transfer(&self) -> Result<(), Error> {
        let sql = "UPDATE file_mark
                   SET newest_transfer = max(newest_transfer, coalesce((SELECT max(id) FROM transfer), 0))";
        self.connection.prepare(sql)?.execute(params![]).map(drop)
    }
}
