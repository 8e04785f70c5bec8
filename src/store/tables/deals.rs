//! Looks up deals: escrows of every settlement type.

use crate::domain::escrow::Escrow;
use crate::domain::escrow::deal::Deal;
use crate::domain::ids::{EscrowId, EscrowKey, MerchantId, NUMBERS_APART, PaymentToken, TransactionId};
use crate::store::engine::error::Error;
use crate::store::engine::sql::{GroupQuery, Row, Rows, params};
use crate::store::foreseen::Foreseen;
use crate::store::tables::accounts::SELECT_ACCOUNTS_OF_DEAL;
use crate::store::tables::columns::{broken, is_reachable};
use crate::store::tables::customers::{SELECT_ACCESS, SELECT_SELLER};
use crate::store::tables::deal_row::{DealRow, MILESTONE, STANDARD, VAULT};
use crate::store::tables::escrows::SELECT_MILESTONES;
use crate::store::tx::{Snapshot, Tx};

const SELECT_BY_ID: &str = select_deal!("id = ?1 AND guard = ?2");

/// Returns true if the rows of a deal can be asked for by the id alone. Callers send any number, and
/// PostgreSQL refuses a sum that does not fit.
fn can_be_asked_for(id: EscrowId) -> bool {
    !id.is_seeded() && id.number().checked_add(NUMBERS_APART).is_some()
}

impl Tx<'_> {
    /// Reads what these commands, which have not run yet, are known to need.
    pub(crate) fn read_ahead(&self, foreseen: &[&Foreseen]) -> Result<(), Error> {
        let query = |sql, is_of_parties| GroupQuery {
            sql,
            is_of_parties,
            asked: Vec::new(),
        };
        let mut deals = query(SELECT_BY_ID, false);
        let mut milestones = query(SELECT_MILESTONES, false);
        let mut accounts = query(SELECT_ACCOUNTS_OF_DEAL, true);
        let mut sellers = query(SELECT_SELLER, true);
        let mut buyers = query(SELECT_ACCESS, true);
        for Foreseen {
            merchant,
            customer,
            deal,
        } in foreseen.iter().filter(|foreseen| can_be_asked_for(foreseen.deal))
        {
            let number = deal.number();
            deals.asked.push((number, vec![number.into(), deal.guard().into()]));
            milestones.asked.push((number, vec![number.into()]));
            accounts.asked.push((number, vec![number.into()]));
            if let Some(merchant) = merchant {
                sellers.asked.push((number, vec![merchant.0.into(), number.into()]));
                let customer = customer.as_ref().map(|customer| customer.as_str().into());
                buyers
                    .asked
                    .extend(customer.map(|customer| (number, vec![merchant.0.into(), customer])));
            }
        }
        let queries = [deals, milestones, accounts, sellers, buyers];
        let queries = queries.into_iter().filter(|query| !query.asked.is_empty());
        self.connection.read_for_group(queries.collect())
    }

    /// Begins to read a deal with its milestones, which [`Snapshot::deal`] will return for its id,
    /// and the accounts of its customers, which [`Tx::post`] will need.
    pub fn ask_for_deal(&mut self, id: EscrowId) -> Result<(), Error> {
        if !can_be_asked_for(id) {
            return Ok(());
        }
        self.connection
            .ask_ahead(SELECT_BY_ID, params![id.number(), id.guard()])?;
        self.connection.ask_ahead(SELECT_MILESTONES, params![id.number()])?;
        self.ask_for_accounts_of_deal(id)
    }
}

impl Snapshot<'_> {
    /// Returns the merchant's deal that a caller names. Another merchant's deal is not
    /// found.
    pub fn deal(&self, merchant: MerchantId, key: &EscrowKey) -> Result<Option<Deal>, Error> {
        let deal = match key {
            EscrowKey::Id(id) => match self.with_row_key(merchant, *id)? {
                Some(id) => self.deal_by_id(id)?,
                None => None,
            },
            EscrowKey::Token(token) => {
                let condition = select_deal!("payment_token = ?1 AND merchant_id = ?2");
                let mut statement = self.connection.prepare(condition)?;
                statement.first(params![token.as_str(), merchant.0], |row| self.read_deal(row))?
            }
        };
        Ok(deal.filter(|deal| deal.merchant() == merchant))
    }

    /// Returns the deal with this payment token, of any merchant. Only in live mode does a
    /// token lead to one deal: sandbox merchants may have loaded the same seed.
    pub fn deal_of_link(&self, token: &PaymentToken) -> Result<Option<Deal>, Error> {
        let mut statement = self.connection.prepare(select_deal!("payment_token = ?1"))?;
        statement.first(params![token.as_str()], |row| self.read_deal(row))
    }

    /// Returns a deal of any merchant. The id must have the key of its row, which
    /// [`Snapshot::with_row_key`] adds.
    pub(crate) fn deal_by_id(&self, id: EscrowId) -> Result<Option<Deal>, Error> {
        let mut statement = self.connection.prepare(SELECT_BY_ID)?;
        statement.first(params![id.number(), id.guard()], |row| self.read_deal(row))
    }

    /// Adds the key of the row to an id that a caller sent. Returns `None` if a seed made the
    /// id and the merchant has no such row. Only the text of a seeded id lacks the key;
    /// `domain/ids/seeded.rs` explains why.
    fn with_row_key(&self, merchant: MerchantId, id: EscrowId) -> Result<Option<EscrowId>, Error> {
        if !id.is_seeded() {
            return Ok(Some(id));
        }
        // The second condition on the guard lets SQLite use the index `escrow_of_seed`.
        let key = self
            .connection
            .prepare("SELECT id FROM escrow WHERE merchant_id = ?1 AND guard = ?2 AND guard > 4294967295")?
            .first(params![merchant.0, id.guard()], |row| row.get(0))?;
        let with_key = key.map(|key| EscrowId::new(key, id.guard()));
        // The guard of a milestone's id can equal an escrow's, so compare the whole id.
        Ok(with_key.filter(|&with_key| with_key == id))
    }

    /// Returns true if any merchant has this deal. Merchants that a reset left behind do not
    /// count. Seeded ids and tokens do not count either: other merchants may have loaded the
    /// same seed, and a caller must not learn of it.
    pub fn any_merchant_has_deal(&self, key: &EscrowKey) -> Result<bool, Error> {
        match key {
            EscrowKey::Id(id) => self
                .connection
                .prepare(concat!(
                    "SELECT 1 FROM escrow WHERE id = ?1 AND guard = ?2 AND guard <= 4294967295 AND deleted_at IS NULL AND ",
                    is_reachable!()
                ))?
                .exists(params![id.number(), id.guard()]),
            EscrowKey::Token(token) => self
                .connection
                .prepare(concat!(
                    "SELECT 1 FROM escrow WHERE payment_token = ?1 AND guard <= 4294967295 AND deleted_at IS NULL AND ",
                    is_reachable!()
                ))?
                .exists(params![token.as_str()]),
        }
    }

    /// Returns the key of the row of a merchant's deal. A deleted deal is found too.
    pub fn number_of_deal(&self, merchant: MerchantId, id: EscrowId) -> Result<Option<i64>, Error> {
        let Some(id) = self.with_row_key(merchant, id)? else {
            return Ok(None);
        };
        self.connection
            .prepare("SELECT id FROM escrow WHERE id = ?1 AND guard = ?2 AND merchant_id = ?3")?
            .first(params![id.number(), id.guard(), merchant.0], |row| row.get(0))
    }

    /// Returns the escrows that one payment funded, oldest first.
    pub fn escrows_of_payment(&self, payment: TransactionId) -> Result<Vec<Escrow>, Error> {
        let mut statement = self
            .connection
            .prepare(concat!(select_deal!("payment_id = ?1"), " ORDER BY id"))?;
        self.read_escrows(statement.query(params![payment.number()])?)
    }

    /// Reads the escrows among these deals. Vaults are left out.
    pub(crate) fn read_escrows(&self, mut rows: Rows<'_>) -> Result<Vec<Escrow>, Error> {
        let mut escrows = Vec::new();
        while let Some(row) = rows.next()? {
            if let Deal::Escrow(escrow) = self.read_deal(row)? {
                escrows.push(escrow);
            }
        }
        Ok(escrows)
    }

    /// Reads a row of [`select_deal`], and the deal's rows in other tables.
    pub(crate) fn read_deal(&self, row: Row<'_>) -> Result<Deal, Error> {
        let row = DealRow::read(row)?;
        match row.settlement_type {
            STANDARD | MILESTONE => self.escrow_of_row(row).map(Deal::Escrow),
            VAULT => self.vault_of_row(row).map(Deal::Vault),
            other => Err(broken("a settlement type", other)),
        }
    }
}
