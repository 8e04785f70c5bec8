//! Receipts, pay-outs and the record of operators' acts: the audit explains what the bank
//! holds by them, and finds every change of them.

use std::sync::LazyLock;

use escrowd::commands::operators::{self, OperatorActor, OperatorRequest};
use escrowd::commands::payouts::{self, PayoutRequest, RequestedSource};
use escrowd::commands::receipts::{self, ReceiptRequest, ReceiptTarget};
use escrowd::commands::{Error, Policy};
use escrowd::domain::fees::WhoPays;
use escrowd::domain::ids::{CustomerId, MerchantId, OperatorId, PayoutId, ReceiptId};
use escrowd::domain::mode::Mode;
use escrowd::domain::time::Date;
use escrowd::domain::transaction::BankAccount;
use escrowd::domain::treasury::act::Agent;
use escrowd::domain::treasury::operator::Role;
use escrowd::domain::treasury::payout::BankEntry;
use escrowd::store::{Error as StoreError, Store, Tx};

use crate::database::{Engine, Outside};
use crate::helpers::{TestDatabase, TestFile, Trade, history, kobo, policy, read, wait_for, write};

/// An operator who acts for the merchant of a trade.
pub(crate) struct Desk<'a> {
    trade: &'a Trade,
    operator: Option<OperatorId>,
}

/// Makes an operator with this name, who may act for all merchants.
pub(crate) fn make_operator(store: &Store, name: &str) -> OperatorId {
    let request = OperatorRequest {
        name: name.to_owned(),
        role: Role::Admin,
        merchants: Vec::new(),
    };
    let (agent, key) = (
        Agent {
            operator: None,
            address: None,
        },
        format!("op_live_{name}"),
    );
    write(store, move |tx| operators::create(tx, &agent, Ok(request), &key)).id
}

fn entry(reference: &str) -> BankEntry {
    BankEntry {
        reference: reference.to_owned(),
        value_date: Date::parse("2026-06-22").unwrap(),
    }
}

impl<'a> Desk<'a> {
    pub(crate) const fn of(trade: &'a Trade, operator: Option<OperatorId>) -> Self {
        Self { trade, operator }
    }

    fn run<T: Send + 'static>(
        &self,
        command: impl FnOnce(&mut Tx<'_>, &Policy, &OperatorActor) -> Result<T, Error> + Send + 'static,
    ) -> T {
        let actor = OperatorActor {
            merchant: self.trade.merchant,
            agent: Agent {
                operator: self.operator,
                address: Some("192.0.2.7".to_owned()),
            },
        };
        write(&self.trade.store, move |tx| {
            tx.act_for(actor.merchant)?;
            command(tx, &policy(), &actor)
        })
    }

    fn record(&self, minor: i64, bank_reference: &str, target: ReceiptTarget) -> ReceiptId {
        let request = ReceiptRequest {
            amount: kobo(minor),
            entry: entry(bank_reference),
            note: Some("by transfer".to_owned()),
            target,
        };
        let outcome = self.run(move |tx, policy, actor| receipts::record(tx, policy, actor, Ok(request)));
        outcome.receipt.id
    }

    fn request(&self, source: RequestedSource) -> PayoutId {
        let request = PayoutRequest {
            source,
            destination: BankAccount {
                bank_code: "058".to_owned(),
                account_number: "0123456789".to_owned(),
                account_name: "Shop".to_owned(),
                bank_name: "Bank".to_owned(),
                narration: None,
            },
            reason: Some("monthly".to_owned()),
        };
        let outcome = self.run(move |tx, policy, actor| payouts::request(tx, policy, actor, Ok(request)));
        outcome.payout.id
    }

    fn approve(&self, payout: PayoutId) {
        self.run(move |tx, policy, actor| payouts::approve(tx, policy, actor, payout));
    }

    fn pay(&self, payout: PayoutId, bank_reference: &'static str) {
        self.run(move |tx, policy, actor| payouts::pay(tx, policy, actor, payout, Ok(entry(bank_reference))));
    }

    fn reopen(&self, payout: PayoutId) {
        let reason = Ok("another one was paid".to_owned());
        self.run(move |tx, policy, actor| payouts::reopen(tx, policy, actor, payout, reason));
    }

    fn give_back(&self, payout: PayoutId) {
        let reason = Ok("account closed".to_owned());
        self.run(move |tx, policy, actor| payouts::record_return(tx, policy, actor, payout, reason));
    }

    /// Writes receipts and pay-outs in every status.
    pub(crate) fn trade_everything(&self) {
        // A deal, of which merchant and platform earn.
        let deal = self.trade.offer_standard("ada", 250_000, WhoPays::Seller);
        self.trade.fund("ben", deal.id);
        self.trade.confirm_payment("ben", deal.id);
        let ada = || ReceiptTarget::Customer(CustomerId::parse("ada").unwrap());
        self.record(500_000, "in-1", ada());
        let wrong = self.record(400_000, "in-2", ada());
        let reason = Ok("of another customer".to_owned());
        self.run(move |tx, policy, actor| receipts::reverse(tx, policy, actor, wrong, reason));
        self.record(300_000, "in-3", ReceiptTarget::Unknown);
        let unknown = self.record(200_000, "in-4", ReceiptTarget::Unknown);
        self.request(RequestedSource::Receipt(unknown));
        self.request(RequestedSource::PlatformFees(kobo(100)));
        let approved = self.request(RequestedSource::PlatformFees(kobo(200)));
        self.approve(approved);
        let paid = self.request(RequestedSource::Merchant(kobo(300)));
        self.approve(paid);
        self.pay(paid, "out-1");
        let rejected = self.request(RequestedSource::PlatformFees(kobo(400)));
        let reason = Ok("too early".to_owned());
        self.run(move |tx, policy, actor| payouts::reject(tx, policy, actor, rejected, reason));
        self.trade.withdraw("ada", "paid and returned", "0123456789");
        let withdrawn: PayoutId = self.newest_payout();
        self.approve(withdrawn);
        self.pay(withdrawn, "out-2");
        self.reopen(withdrawn);
        self.pay(withdrawn, "out-2");
        self.give_back(withdrawn);
        self.trade.withdraw("ada", "open", "0123456789");
    }

    fn newest_payout(&self) -> PayoutId {
        let request = escrowd::domain::page::PageRequest::numbered(1, 1);
        let merchant = self.trade.merchant;
        let page = read(&self.trade.store, move |snapshot| {
            snapshot.payouts(merchant, None, request)
        });
        page.rows[0].payout.id
    }
}

/// A closed file with receipts, pay-outs and acts of the first merchant.
static SOUND: LazyLock<TestDatabase> = LazyLock::new(|| {
    let file = TestDatabase::new();
    let store = file.open();
    history(&store, &file.clock);
    let operator = make_operator(&store, "Ada Obi");
    let trade = Trade::of_key(&store, 1);
    Desk::of(&trade, Some(operator)).trade_everything();
    drop(trade);
    store.close();
    file
});

/// The same of a live database, whose customers have money by receipts alone.
static LIVE: LazyLock<TestDatabase> = LazyLock::new(|| {
    let mut file = TestDatabase::new();
    file.settings.mode = Mode::Live;
    let store = file.open();
    let operator = make_operator(&store, "Ada Obi");
    let trade = Trade::of_key(&store, 1);
    trade.register("ada");
    trade.register("ben");
    let desk = Desk::of(&trade, Some(operator));
    let ben = CustomerId::parse("ben").unwrap();
    desk.record(1_000_000, "in-0", ReceiptTarget::Customer(ben));
    desk.trade_everything();
    drop(trade);
    store.close();
    file
});

/// Copies the sandbox's database and opens a connection without what refuses wrong rows.
fn damaged() -> (TestDatabase, Outside) {
    damaged_copy_of(&SOUND)
}

fn damaged_copy_of(sound: &TestDatabase) -> (TestDatabase, Outside) {
    let database = TestDatabase::copy_of(sound);
    let outside = database.outside();
    outside.allow_damage();
    (database, outside)
}

/// Changes one row, and returns the invariants that the audit finds broken, without those of
/// single rows, and the findings as text.
#[track_caller]
fn findings_after(sql: &str) -> (Vec<u8>, String) {
    findings_in(&SOUND, sql)
}

/// Does the same to a copy of a database.
#[track_caller]
fn findings_in(sound: &TestDatabase, sql: &str) -> (Vec<u8>, String) {
    let (database, outside) = damaged_copy_of(sound);
    assert_eq!(outside.execute(sql, &[]), Ok(1), "{sql}");
    let findings = database.audit().findings;
    let mut broken: Vec<u8> = findings.iter().map(|finding| finding.invariant).collect();
    broken.retain(|invariant| *invariant != 9);
    broken.sort_unstable();
    broken.dedup();
    let text: Vec<String> = findings.into_iter().map(|finding| finding.problem).collect();
    (broken, text.join("\n"))
}

#[test]
fn a_file_with_receipts_payouts_and_acts_is_sound() {
    // A database that another connection reads cannot be copied.
    let database = TestDatabase::copy_of(&SOUND);
    database.assert_sound();
    let outside = database.outside();
    let count = |table: &str| outside.number(&format!("SELECT count(DISTINCT status) FROM {table}"), &[]);
    assert_eq!((count("receipt"), count("payout")), (4, 5));
}

/// The fee of a withdrawal stays with the platform when the bank returns the payment.
#[test]
fn the_fee_of_a_withdrawal_that_came_back_is_part_of_its_history() {
    let sql = "SELECT fee FROM payout WHERE status = 'returned' AND was_paid = 1 AND fee > 0";
    let fees = SOUND.outside().number(sql, &[]);
    assert!(fees > 0);
    TestDatabase::copy_of(&SOUND).assert_sound();
    let sql = "UPDATE payout SET was_paid = 0 WHERE status = 'returned'";
    assert_eq!(findings_after(sql).0, [8, 11]);
}

#[test]
fn each_change_of_an_act_is_found() {
    let some = "(SELECT min(id) + 2 FROM operator_act WHERE merchant_id = 1)";
    for change in [
        "merchant_id = 2",
        "number = number + 100",
        "operator_id = NULL",
        "kind = 'payout_paid'",
        "subject = subject || '0'",
        "reason = 'because'",
        "reason = NULL",
        "address = '192.0.2.8'",
        "first_transfer = first_transfer - 1",
        "last_transfer = last_transfer + 1",
        "created_at = created_at + 1",
        "hash = zeroblob(32)",
    ] {
        let (broken, _) = findings_after(&format!("UPDATE operator_act SET {change} WHERE id = {some}"));
        assert_eq!(broken, [12], "{change}");
    }
    // The act of the whole deployment: an operator was made.
    let (broken, text) = findings_after("UPDATE operator_act SET subject = 'x' WHERE merchant_id IS NULL");
    assert_eq!(broken, [12]);
    assert!(text.contains("of the deployment"), "{text}");
}

#[test]
fn a_removed_act_is_found_also_the_newest() {
    for which in ["max(id)", "min(id)", "min(id) + 3"] {
        let sql =
            format!("DELETE FROM operator_act WHERE id = (SELECT {which} FROM operator_act WHERE merchant_id = 1)");
        let (broken, text) = findings_after(&sql);
        assert_eq!(broken, [12], "{which}");
        assert!(text.contains("of merchant 1"), "{text}");
    }
    let (broken, _) = findings_after("DELETE FROM operator_act WHERE merchant_id IS NULL");
    assert_eq!(broken, [12]);
    let (broken, _) = findings_after("DELETE FROM operator_act_head WHERE merchant_id = 1");
    assert_eq!(broken, [12]);
    let sql = "UPDATE operator_act_head SET number = number - 1 WHERE merchant_id = 1";
    assert_eq!(findings_after(sql).0, [12]);
}

#[test]
fn money_in_transit_or_in_suspense_without_its_row_is_found() {
    for sql in [
        "DELETE FROM payout WHERE status = 'approved'",
        "UPDATE payout SET status = 'rejected' WHERE status = 'approved'",
        "UPDATE payout SET amount = amount + 1 WHERE status = 'approved'",
        "UPDATE payout SET status = 'approved' WHERE status = 'rejected'",
    ] {
        let (broken, text) = findings_after(sql);
        assert_eq!(broken, [11], "{sql}");
        assert!(text.contains("account IN_TRANSIT holds"), "{text}");
    }
    for sql in [
        "DELETE FROM receipt WHERE status = 'suspense'",
        "UPDATE receipt SET amount = amount - 1 WHERE status = 'suspense'",
        "UPDATE receipt SET status = 'suspense' WHERE status = 'sent_back'",
    ] {
        let (broken, text) = findings_after(sql);
        assert_eq!(broken, [11], "{sql}");
        assert!(text.contains("account SUSPENSE holds"), "{text}");
    }
}

#[test]
fn a_payout_or_a_receipt_that_went_another_way_than_its_payment_is_found() {
    for (sql, invariants, place) in [
        (
            "UPDATE payment_detail SET status = 'failed'
             WHERE transaction_id = (SELECT transaction_id FROM payout WHERE status = 'paid')",
            &[8, 11][..],
            "is paid, and its withdrawal is failed",
        ),
        (
            "UPDATE payment_detail SET status = 'success'
             WHERE transaction_id = (SELECT deposit_id FROM receipt WHERE status = 'reversed')",
            &[8, 11],
            "is reversed, and its deposit is success",
        ),
        (
            "UPDATE payout SET receipt_id = NULL WHERE receipt_id IS NOT NULL",
            &[11],
            "is sent_back, and its pay-out is missing",
        ),
    ] {
        let (broken, text) = findings_after(sql);
        assert_eq!(broken, invariants, "{sql}");
        assert!(text.contains(place), "{text}");
    }
}

/// The money at the bank of a live database is that of its receipts and pay-outs.
#[test]
fn a_lost_receipt_or_payout_of_a_live_database_is_found() {
    TestDatabase::copy_of(&LIVE).assert_sound();
    for sql in [
        "DELETE FROM receipt WHERE bank_reference = 'in-1'",
        "UPDATE receipt SET status = 'rejected', deposit_id = NULL WHERE bank_reference = 'in-1'",
        "DELETE FROM payout WHERE status = 'paid'",
        "DELETE FROM payout WHERE status = 'returned'",
        "DELETE FROM payout WHERE id = (SELECT max(id) FROM payout)",
    ] {
        let (broken, text) = findings_in(&LIVE, sql);
        assert!(broken.contains(&11), "{sql}");
        assert!(text.contains("is missing"), "{sql}: {text}");
    }
    for sql in [
        "DELETE FROM receipt WHERE bank_reference = 'in-1'",
        "DELETE FROM payout WHERE status = 'paid'",
    ] {
        let (_, text) = findings_in(&LIVE, sql);
        assert!(text.contains("account OUTSIDE_WORLD holds"), "{sql}: {text}");
    }
}

#[test]
fn a_lost_receipt_of_a_deposit_is_found_in_a_sandbox_too() {
    for sql in [
        "DELETE FROM receipt WHERE status = 'credited'",
        "DELETE FROM receipt WHERE status = 'reversed'",
    ] {
        let (broken, text) = findings_after(sql);
        assert_eq!(broken, [11], "{sql}");
        assert!(text.contains("and its receipt is missing"), "{text}");
    }
}

/// Its money could be credited a second time.
#[test]
fn a_credited_receipt_that_waits_again_is_found() {
    for status in ["recorded", "rejected", "suspense", "sent_back"] {
        let (broken, text) = findings_after(&format!(
            "UPDATE receipt SET status = '{status}' WHERE status = 'credited'"
        ));
        assert_eq!(broken, [11], "{status}");
        let place = format!("is {status}, and its deposit is success");
        assert!(text.contains(&place), "{text}");
    }
}

#[test]
fn a_deposit_of_a_receipt_without_its_details_is_found() {
    let (broken, text) = findings_after(
        "DELETE FROM payment_detail
         WHERE transaction_id = (SELECT deposit_id FROM receipt WHERE status = 'credited')",
    );
    assert_eq!(broken, [11]);
    assert!(
        text.contains("is credited, and its deposit is without details"),
        "{text}"
    );
}

/// The command says that the stored data is broken, and changes nothing.
#[test]
fn a_receipt_or_payout_whose_payment_has_no_details_is_not_settled() {
    let database = TestDatabase::copy_of(&SOUND);
    let outside = database.outside();
    outside.ignore_references();
    let sql =
        "DELETE FROM payment_detail WHERE transaction_id IN (SELECT deposit_id FROM receipt WHERE status = 'credited'
        UNION ALL SELECT transaction_id FROM payout WHERE status = 'requested')";
    assert_eq!(outside.execute(sql, &[]), Ok(2));
    let before = outside.number("SELECT count(*) FROM transfer", &[]);
    let receipt = outside.row("SELECT id, guard FROM receipt WHERE status = 'credited'", &[]);
    let receipt = ReceiptId::new(receipt[0], receipt[1].try_into().unwrap());
    let payout = "SELECT id, guard FROM payout WHERE status = 'requested' AND transaction_id IS NOT NULL";
    let payout = outside.row(payout, &[]);
    let payout = PayoutId::new(payout[0], payout[1].try_into().unwrap());
    let store = database.open();
    let actor = || OperatorActor {
        merchant: MerchantId(1),
        agent: Agent {
            operator: None,
            address: None,
        },
    };
    let reversed = wait_for(store.write(move |tx| {
        tx.act_for(MerchantId(1))?;
        receipts::reverse(tx, &policy(), &actor(), receipt, Ok("a mistake".to_owned())).map(drop)
    }));
    let rejected = wait_for(store.write(move |tx| {
        tx.act_for(MerchantId(1))?;
        payouts::reject(tx, &policy(), &actor(), payout, Ok("a mistake".to_owned())).map(drop)
    }));
    for outcome in [reversed, rejected] {
        let Err(Error::Store(StoreError::Corrupt(problem))) = outcome else {
            panic!("{outcome:?}");
        };
        assert!(problem.contains("is not a payment with details"), "{problem}");
    }
    assert_eq!(outside.number("SELECT count(*) FROM transfer", &[]), before);
}

#[test]
fn fees_of_the_platform_without_their_rows_are_found() {
    for database in [&*SOUND, &*LIVE] {
        for sql in [
            "UPDATE payout SET status = 'paid', was_paid = 1 WHERE status = 'rejected' AND amount = 400",
            "UPDATE payout SET amount = amount + 1 WHERE status = 'requested' AND amount = 100",
            "UPDATE payout SET account_id = (SELECT id FROM account WHERE merchant_id = 1 AND purpose = 'MERCHANT_MAIN')
             WHERE status = 'approved' AND amount = 200",
        ] {
            let (broken, text) = findings_in(database, sql);
            assert_eq!(broken, [11], "{sql}");
            assert!(text.contains("account PLATFORM_FEES holds"), "{sql}: {text}");
        }
    }
}

/// Without it, the same request again would move the money a second time.
#[test]
fn a_lost_request_of_a_payment_is_found() {
    let withdrawal = "credit_type = 'debit' AND transaction_type = 'withdrawal'";
    for payment in [withdrawal, "transaction_type = 'escrow'"] {
        let (broken, text) = findings_in(
            &LIVE,
            &format!(
                "DELETE FROM requested_payment WHERE transaction_id = (SELECT max(payment_transaction.id)
                     FROM payment_transaction JOIN account ON account.id = account_id
                     WHERE purpose = 'CUSTOMER_MAIN' AND credit_type = 'debit' AND {payment})"
            ),
        );
        assert_eq!(broken, [8], "{payment}");
        assert!(text.contains("has no request"), "{text}");
    }
}

/// The columns of a receipt, a pay-out and an operator of which only a checksum tells a change. In
/// PostgreSQL rows have none: its own are of pages.
const UNDER_THE_CHECKSUM_ALONE: [&str; 28] = [
    "receipt.guard",
    "receipt.bank_reference",
    "receipt.bank_reference_key",
    "receipt.note",
    "receipt.expected_id",
    "receipt.recorded_by",
    "receipt.created_at",
    "receipt.updated_at",
    "receipt.checksum",
    "receipt.asked_by",
    "payout.guard",
    "payout.requested_by",
    "payout.approved_by",
    "payout.bank_reference",
    "payout.bank_reference_key",
    "payout.reason",
    "payout.created_at",
    "payout.updated_at",
    "payout.checksum",
    "payout.batch",
    "payout.asked_by",
    "operator.guard",
    "operator.name",
    "operator.key_hash",
    "operator.created_at",
    "operator.last_used_at",
    "operator.revoked_at",
    "operator.checksum",
];

/// Every column of the rows of operators, receipts and pay-outs is under the checksum.
#[test]
fn each_change_of_a_receipt_a_payout_or_an_operator_is_found() {
    let mut missed = Vec::new();
    for (table, row) in [
        ("receipt", "status = 'credited'"),
        ("payout", "status = 'paid'"),
        ("operator", "name = 'Ada Obi'"),
    ] {
        let columns = SOUND.outside().columns(table);
        for (column, kind) in columns {
            if column == "id" {
                continue;
            }
            let (database, outside) = damaged();
            let changed = match kind.as_str() {
                "INTEGER" => format!("coalesce({column} + 1, 1)"),
                "TEXT" => format!("coalesce({column} || '1', '1')"),
                _ => "zeroblob(32)".to_owned(),
            };
            let sql = format!("UPDATE {table} SET {column} = {changed} WHERE {row}");
            assert_eq!(outside.execute(&sql, &[]), Ok(1), "{sql}");
            drop(outside);
            let findings = database.audit().findings;
            let is_of_row =
                |finding: &escrowd::store::Finding| finding.invariant == 9 && finding.problem.contains(table);
            if Engine::wanted() == Engine::Sqlite {
                assert!(findings.iter().any(is_of_row), "{table}.{column}: {findings:#?}");
            } else if findings.is_empty() {
                missed.push(format!("{table}.{column}"));
            }
        }
    }
    if Engine::wanted() == Engine::Postgres {
        assert_eq!(missed, UNDER_THE_CHECKSUM_ALONE);
    }
}

#[test]
fn sql_does_not_change_or_delete_an_act() {
    let database = TestDatabase::copy_of(&SOUND);
    let outside = database.outside();
    for (sql, message) in [
        ("UPDATE operator_act SET reason = 'because'", "is never changed"),
        ("UPDATE operator_act SET id = id + 1000", "is never changed"),
        ("DELETE FROM operator_act", "is never deleted"),
        ("DELETE FROM operator_act WHERE merchant_id IS NULL", "is never deleted"),
    ] {
        let error = outside.execute(sql, &[]).unwrap_err();
        assert!(error.contains(message), "{sql}: {error}");
    }
    drop(outside);
    database.assert_sound();
}

#[test]
fn an_act_is_not_replaced_in_a_file() {
    let file = TestFile::new();
    let store = file.open();
    make_operator(&store, "Ada Obi");
    store.close();
    let connection = file.sqlite();
    connection.execute_batch("PRAGMA recursive_triggers = ON;").unwrap();
    let sql = "INSERT OR REPLACE INTO operator_act SELECT * FROM operator_act WHERE id = 1";
    let error = connection.execute(sql, []).unwrap_err().to_string();
    assert!(error.contains("is never deleted"), "{error}");
    drop(connection);
    file.assert_sound();
}
