//! Operators and the record of their acts.

use crate::domain::chain_hash::ChainHash;
use crate::domain::ids::{MerchantId, OperatorId};
use crate::domain::page::{Page, PageRequest};
use crate::domain::time::Timestamp;
use crate::domain::treasury::act::{ActKind, Agent, NewAct, PostedAct};
use crate::domain::treasury::operator::{Operator, Role};
use crate::store::engine::error::Error;
use crate::store::engine::sql::{Row, params};
use crate::store::tables::checked::{insert_checked, update_checked};
use crate::store::tables::columns::{read_all, row, stored_as_word};
use crate::store::tx::{Snapshot, Tx};

/// An act as the record shows it.
#[derive(Clone, Debug)]
pub struct RecordedAct {
    /// The key of its row.
    pub id: i64,
    pub merchant: Option<MerchantId>,
    /// 1, 2, 3, ... of the merchant, or of the deployment.
    pub number: i64,
    /// The operator's name. `None` in a sandbox, for a provider's notice and for a command on the machine itself.
    pub operator: Option<String>,
    pub kind: ActKind,
    pub subject: String,
    pub reason: Option<String>,
    pub address: Option<String>,
    /// The first and the last transfer that it posted.
    pub transfers: Option<(i64, i64)>,
    /// Ledger time.
    pub at: Timestamp,
}

/// The acts that a list has.
#[derive(Clone, Debug)]
pub enum ActScope {
    /// All acts of the deployment.
    All,
    /// The acts of one merchant.
    Of(MerchantId),
    /// The acts of the merchants that an operator is limited to.
    OfLimited(OperatorId),
}

stored_as_word!(Role, "the role of an operator");
stored_as_word!(ActKind, "the kind of an act");

row! {
    struct OperatorRow, operator_columns! {
        id: i64,
        guard: u32,
        name: String,
        role: Role,
        created_at: Timestamp,
        last_used_at: Option<Timestamp>,
        revoked_at: Option<Timestamp>,
    }
}

row! {
    struct ActRow, act_columns! {
        id: i64 = "operator_act.id",
        merchant_id: Option<MerchantId>,
        number: i64,
        operator_name: Option<String> = "operator.name",
        kind: ActKind,
        subject: String,
        reason: Option<String>,
        address: Option<String>,
        first_transfer: Option<i64>,
        last_transfer: Option<i64>,
        at: Timestamp = "operator_act.created_at",
    }
}

macro_rules! select_operator {
    ($condition:literal) => {
        concat!("SELECT ", operator_columns!(), " FROM operator WHERE ", $condition)
    };
}

// PostgreSQL infers the type of a parameter from its first use, so `?1 IS NULL` comes last.

/// The operators whose limits are no wider than those of the operator ?1. All, if that is null.
macro_rules! is_within {
    () => {
        "((EXISTS (SELECT 1 FROM operator_merchant WHERE operator_id = operator.id)
              AND NOT EXISTS (SELECT 1 FROM operator_merchant WHERE operator_id = operator.id
                  AND merchant_id NOT IN (SELECT merchant_id FROM operator_merchant WHERE operator_id = ?1)))
          OR ?1 IS NULL)"
    };
}

macro_rules! select_acts {
    ($chosen:literal) => {
        concat!(
            "SELECT ",
            act_columns!(),
            " FROM operator_act LEFT JOIN operator ON operator.id = operator_id
              WHERE operator_act.id IN (SELECT id FROM operator_act WHERE ",
            $chosen,
            " DESC LIMIT ?2 OFFSET ?3) ORDER BY operator_act.id DESC"
        )
    };
}

// `+number` keeps both engines from walking all acts of the merchant by number.

/// A page of the acts of all merchants, or of those to which an operator (?1) is limited.
const ACTS: &str = select_acts!(
    "(merchant_id IN (SELECT merchant_id FROM operator_merchant WHERE operator_id = ?1) OR ?1 IS NULL)
     AND id <= ?4 ORDER BY id"
);
const COUNT: &str = "SELECT count(*) FROM operator_act
     WHERE (merchant_id IN (SELECT merchant_id FROM operator_merchant WHERE operator_id = ?1) OR ?1 IS NULL)
       AND id <= ?2";

/// A page of a merchant's acts, whose numbers follow their ids.
const ACTS_OF_MERCHANT: &str = select_acts!("merchant_id = ?1 AND id <= ?4 ORDER BY number");
const COUNT_OF_MERCHANT: &str = "SELECT count(*) FROM operator_act WHERE merchant_id = ?1 AND id <= ?2";

impl Snapshot<'_> {
    /// Returns the operator whose key has this SHA-256 hash, also a revoked one.
    pub fn operator_of_key(&self, key_hash: &[u8; 32]) -> Result<Option<Operator>, Error> {
        let mut statement = self.connection.prepare(select_operator!("key_hash = ?1"))?;
        statement.first(params![key_hash], |row| self.read_operator(row))
    }

    /// Returns the operator with this id.
    pub fn operator(&self, id: OperatorId) -> Result<Option<Operator>, Error> {
        let mut statement = self.connection.prepare(select_operator!("id = ?1 AND guard = ?2"))?;
        statement.first(params![id.number(), id.guard()], |row| self.read_operator(row))
    }

    /// Returns the names of all operators, also of the revoked ones. They are people, so the names
    /// are few.
    pub fn operator_names(&self) -> Result<Vec<String>, Error> {
        let mut statement = self.connection.prepare("SELECT name FROM operator")?;
        read_all(statement.query(params![])?, |row| row.get(0))
    }

    /// Returns a page of the operators, oldest first, also the revoked ones. With `within` these
    /// are the ones whose limits are no wider than that operator's, who is limited.
    pub fn operators(&self, within: Option<OperatorId>, request: PageRequest) -> Result<Page<Operator>, Error> {
        let within = within.map(|operator| operator.number());
        let mut statement = self.connection.prepare(concat!(
            "SELECT ",
            operator_columns!(),
            " FROM operator WHERE ",
            is_within!(),
            " AND id > ?4 ORDER BY id LIMIT ?2 OFFSET ?3"
        ))?;
        let (limit, offset) = (request.rows_read(), request.offset());
        let rows = statement.query(params![within, limit, offset, request.behind()])?;
        let rows = read_all(rows, |row| self.read_operator(row))?;
        let count = self.count(
            concat!("SELECT count(*) FROM operator WHERE ", is_within!()),
            params![within],
        )?;
        Ok(Page::of(rows, count, request, |operator| operator.id.number()))
    }

    /// Returns true if an admin of all merchants other than this one has a valid key.
    pub fn has_other_admin(&self, id: OperatorId) -> Result<bool, Error> {
        self.connection
            .prepare(
                "SELECT 1 FROM operator WHERE role = 'admin' AND revoked_at IS NULL AND id <> ?1
                 AND NOT EXISTS (SELECT 1 FROM operator_merchant WHERE operator_id = operator.id) LIMIT 1",
            )?
            .exists(params![id.number()])
    }

    fn read_operator(&self, row: Row<'_>) -> Result<Operator, Error> {
        let row = OperatorRow::read(row)?;
        let mut statement = self
            .connection
            .prepare("SELECT merchant_id FROM operator_merchant WHERE operator_id = ?1 ORDER BY merchant_id")?;
        let merchants = read_all(statement.query(params![row.id])?, |row| row.get(0))?;
        Ok(Operator {
            id: OperatorId::new(row.id, row.guard),
            name: row.name,
            role: row.role,
            merchants,
            created_at: row.created_at,
            last_used_at: row.last_used_at,
            revoked_at: row.revoked_at,
        })
    }

    /// Returns the merchants that an operator may act for, with their names.
    pub fn merchants_of(&self, operator: &Operator) -> Result<Vec<(MerchantId, Option<String>)>, Error> {
        let mut statement = self
            .connection
            .prepare("SELECT id, name FROM merchant WHERE left_at IS NULL ORDER BY id")?;
        let mut merchants = read_all(statement.query(params![])?, |row| Ok((row.get(0)?, row.get(1)?)))?;
        merchants.retain(|(merchant, _)| operator.may_act_for(*merchant));
        Ok(merchants)
    }

    /// Returns a page of the record, newest first.
    pub fn acts(&self, scope: &ActScope, request: PageRequest) -> Result<Page<RecordedAct>, Error> {
        let (page, count, of) = match scope {
            ActScope::All => (ACTS, COUNT, None),
            ActScope::Of(merchant) => (ACTS_OF_MERCHANT, COUNT_OF_MERCHANT, Some(merchant.0)),
            ActScope::OfLimited(operator) => (ACTS, COUNT, Some(operator.number())),
        };
        let mut statement = self.connection.prepare(page)?;
        let (limit, offset) = (request.rows_read(), request.offset());
        let rows = statement.query(params![of, limit, offset, request.newest()])?;
        let rows = read_all(rows, |row| {
            let row = ActRow::read(row)?;
            Ok(RecordedAct {
                id: row.id,
                merchant: row.merchant_id,
                number: row.number,
                operator: row.operator_name,
                kind: row.kind,
                subject: row.subject,
                reason: row.reason,
                address: row.address,
                transfers: row.first_transfer.zip(row.last_transfer),
                at: row.at,
            })
        })?;
        let count = self.count(count, params![of, request.newest_counted()])?;
        Ok(Page::of(rows, count, request, |act| act.id))
    }
}

impl Tx<'_> {
    /// Inserts an operator with the hash of its key.
    pub fn insert_operator(&mut self, operator: &Operator, key_hash: &[u8; 32]) -> Result<(), Error> {
        self.connection
            .prepare(insert_checked!(
                "operator",
                id: "?1",
                guard: "?2",
                name: "?3",
                role: "?4",
                key_hash: "?5",
                created_at: "?6",
            ))?
            .change_row(
                params![
                    operator.id.number(),
                    operator.id.guard(),
                    operator.name,
                    operator.role.into_str(),
                    key_hash,
                    operator.created_at.millis(),
                ],
                "an operator",
            )?;
        for merchant in &operator.merchants {
            self.connection
                .prepare("INSERT INTO operator_merchant (operator_id, merchant_id) VALUES (?1, ?2)")?
                .change_row(params![operator.id.number(), merchant.0], "a merchant of an operator")?;
        }
        Ok(())
    }

    /// Saves when an operator's key was last used and when it was revoked.
    pub fn save_operator(&mut self, operator: &Operator) -> Result<(), Error> {
        self.connection
            .prepare(concat!(
                update_checked!("operator", last_used_at: "?2", revoked_at: "?3"),
                " WHERE id = ?1"
            ))?
            .change_row(
                params![
                    operator.id.number(),
                    operator.last_used_at.map(Timestamp::millis),
                    operator.revoked_at.map(Timestamp::millis),
                ],
                "an operator",
            )
    }

    /// Adds an act to the record, with its place in the chain of its merchant's acts or of
    /// the deployment's.
    pub fn insert_act(&mut self, agent: &Agent, act: &NewAct) -> Result<(), Error> {
        let scope = act.merchant.map_or(0, |merchant| merchant.0);
        let newest: Option<(i64, [u8; 32])> = self
            .connection
            .prepare("SELECT number, hash FROM operator_act_head WHERE merchant_id = ?1")?
            .first(params![scope], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let (number, before) = newest.unwrap_or((0, *ChainHash::START.bytes()));
        let posted = PostedAct {
            merchant: scope,
            number: number + 1,
            operator: agent.operator.as_ref().map(OperatorId::number),
            kind: act.kind.into_str(),
            subject: &act.subject,
            reason: act.reason.as_deref(),
            address: agent.address.as_deref(),
            first_transfer: act.transfers.as_ref().map(|transfers| *transfers.start()),
            last_transfer: act.transfers.as_ref().map(|transfers| *transfers.end()),
            created_at: self.ledger_time().millis(),
        };
        let hash = ChainHash::from_bytes(before).followed_by(&posted);
        self.connection
            .prepare(
                "INSERT INTO operator_act (id, merchant_id, number, operator_id, kind, subject, reason, address,
                     first_transfer, last_transfer, created_at, hash)
                 VALUES ((SELECT coalesce(max(id), 0) + 1 FROM operator_act), ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10,
                     ?11)",
            )?
            .change_row(
                params![
                    act.merchant.map(|merchant| merchant.0),
                    posted.number,
                    posted.operator,
                    posted.kind,
                    posted.subject,
                    posted.reason,
                    posted.address,
                    posted.first_transfer,
                    posted.last_transfer,
                    posted.created_at,
                    hash.bytes(),
                ],
                "an act",
            )?;
        self.connection
            .prepare(
                "INSERT INTO operator_act_head (merchant_id, number, hash) VALUES (?1, ?2, ?3)
                 ON CONFLICT (merchant_id) DO UPDATE SET number = excluded.number, hash = excluded.hash",
            )?
            .execute(params![scope, posted.number, hash.bytes()])?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::engine::sqlite::plans;

    #[test]
    fn the_acts_of_a_merchant_are_found_by_its_index() {
        plans::assert_reads_its_page(ACTS_OF_MERCHANT, "operator_act", "merchant_id=?");
        let counted = "SEARCH operator_act USING COVERING INDEX operator_act_of_merchant (merchant_id=?)";
        assert_eq!(plans::of(COUNT_OF_MERCHANT), [counted]);
    }
}
