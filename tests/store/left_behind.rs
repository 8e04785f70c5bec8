//! Retention removes the merchants that resets left behind, and nothing else.

use std::collections::BTreeMap;
use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use escrowd::commands::deliveries::{self, Attempted};
use escrowd::commands::{self, disputes, merchants, payments};
use escrowd::domain::events::delivery::{Attempt, AttemptOutcome, RetrySchedule};
use escrowd::domain::fees::WhoPays;
use escrowd::domain::ids::{CustomerId, MerchantId};
use escrowd::domain::merchant::key::{KeyOwner, KeyScope};
use escrowd::domain::mode::Mode;
use escrowd::domain::party::{Actor, Party};
use escrowd::domain::time::Timestamp;
use escrowd::store::{Error, Removal, Store, check_structure};

use crate::database::{Engine, Outside};
use crate::helpers::{
    START, TestDatabase, TestFile, Trade, copied, copied_in_use, history, kobo, log_bytes, policy, read, sandbox_key,
    wait_for, wait_until_settled, write,
};
use crate::treasury::Desk;

/// Tables without rows of a sandbox merchant. Only in live mode are operators limited to some,
/// do rulings wait for a second one, and do providers have secrets of their own.
const OF_NO_MERCHANT: [&str; 12] = [
    "asked_ruling",
    "event_name",
    "file",
    "file_content",
    "file_mark",
    "instance",
    "operator",
    "operator_merchant",
    "notice_secret",
    "process_commit",
    "schema_identity",
    "shared_secret",
];
/// The expressions for the merchant of a row, where the column is not `merchant_id`.
const OWNERS: [(&str, &str); 6] = [
    ("merchant", "id"),
    (
        "milestone",
        "(SELECT merchant_id FROM escrow WHERE escrow.id = escrow_id)",
    ),
    (
        "dispute_statement",
        "(SELECT merchant_id FROM escrow WHERE escrow.id = escrow_id)",
    ),
    (
        "payment_transaction",
        "(SELECT merchant_id FROM account WHERE account.id = account_id)",
    ),
    (
        "payment_detail",
        "(SELECT merchant_id FROM payment_transaction AS entry JOIN account ON account.id = account_id
          WHERE entry.id = transaction_id)",
    ),
    (
        "delivery_attempt",
        "(SELECT merchant_id FROM event WHERE event.id = event_id)",
    ),
];

/// Every row as text, by the table and the merchant.
type Rows = BTreeMap<String, BTreeMap<Option<i64>, Vec<String>>>;

/// Reads all tables. A table whose merchant is not known fails the test.
fn rows_of(database: &TestDatabase) -> Rows {
    let outside = database.outside();
    let mut rows = Rows::new();
    for table in outside.tables() {
        if OF_NO_MERCHANT.contains(&table.as_str()) {
            continue;
        }
        let known = OWNERS.iter().find(|(name, _)| *name == table).map(|(_, owner)| *owner);
        let owner = known.unwrap_or("merchant_id");
        let of_table = rows.entry(table.clone()).or_default();
        for mut row in outside.rows(&format!("SELECT {owner}, {table}.* FROM {table}"), &[]) {
            let owner = row.remove(0).map(|number| number.parse().unwrap());
            of_table.entry(owner).or_default().push(format!("{row:?}"));
        }
        for of_owner in of_table.values_mut() {
            of_owner.sort_unstable();
        }
    }
    rows
}

/// Writes rows of a merchant into every table that [`history`] leaves empty.
fn trade_everything(trade: &Trade) {
    let disputed = trade.offer_standard("ada", 90_000, WhoPays::Buyer);
    trade.fund_by_card("dora", disputed.id);
    let (buyer, token) = (trade.actor("dora"), disputed.payment_token.clone());
    write(&trade.store, move |tx| {
        disputes::submit(tx, &policy(), &buyer, token, Ok("late".to_owned()), None)
    });
    trade.open_vault(&["ada", "dora"]);
    trade.withdraw("ada", "slow", "0000000003");
    trade.verify("ada", "slow");
    trade.withdraw("ada", "pending", "0123456789");
    Desk::of(trade, None).trade_everything();
}

/// Adds the rows whose commands need a request.
fn add_by_sql(outside: &Outside, merchant: i64) {
    let of = |sql: &str| sql.replace("?m", &merchant.to_string());
    let sql = "
        INSERT INTO test_account SELECT ?m, '0000000009', max(id) FROM payment_transaction
            WHERE account_id IN (SELECT id FROM account WHERE merchant_id = ?m);
        INSERT INTO idempotency_record (merchant_id, key, route, body_hash, status, body, created_at)
            WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1200)
            SELECT ?m, 'k' || i, 'POST /', zeroblob(32), 200, (SELECT data FROM event ORDER BY id LIMIT 1), 0 FROM n;
        INSERT INTO whitelist_address VALUES (?m + 100, 1, ?m, 'ada', '0x00000000000000000000000000000000000000aa', NULL, 0);
        INSERT INTO category VALUES (?m + 100, 1, ?m, 'ada', 'Old', NULL, 1, NULL, 0, 1, NULL), (?m + 200, 1, ?m, NULL, 'Own', NULL, 1, NULL, 0, NULL, NULL);
        INSERT INTO delivery_attempt SELECT min(id), 1, 0, 'http://127.0.0.1:9/', 200, NULL, 1, NULL FROM event WHERE merchant_id = ?m;
        INSERT INTO delivery SELECT max(id), max(id), ?m, NULL, 0, 0 FROM event WHERE merchant_id = ?m;";
    outside.batch(&of(sql));
}

/// Returns a database with rows of two merchants in every table. No store is open.
fn two_merchants() -> TestDatabase {
    let database = TestDatabase::new();
    fill(&database);
    database
}

/// Returns a file with the same rows.
fn two_merchants_in_a_file() -> TestFile {
    let file = TestFile::new();
    fill(&file);
    file
}

fn fill(database: &TestDatabase) {
    let store = database.open();
    history(&store, &database.clock);
    for key in [2, 1] {
        trade_everything(&Trade::of_key(&store, key));
    }
    store.close();
    drop(store);
    let outside = database.outside();
    for merchant in [1, 2] {
        add_by_sql(&outside, merchant);
    }
}

/// Resets the first merchant, whose transfers are the newest. Returns the new merchant.
fn reset(store: &Store) -> MerchantId {
    reset_merchant(store, MerchantId(1))
}

/// Resets the merchant of the first key. A reset removes pending deliveries, but not more
/// than one command may, so one is added again.
fn reset_merchant(store: &Store, merchant: MerchantId) -> MerchantId {
    let hash = *sandbox_key(1).hash();
    write(store, move |tx| {
        let delivery = tx.next_deliveries(merchant, 1)?.pop();
        let new = merchants::reset(tx, &hash, merchant)?;
        if let Some(delivery) = delivery {
            tx.insert_resend(merchant, delivery.event, None)?;
        }
        Ok::<_, Error>(new)
    })
}

/// Returns the removal of all that was left behind until now.
fn removal(store: &Store) -> Option<Removal> {
    let later = store.ledger_time().millis_later(1);
    read(store, move |snapshot| snapshot.removal(later, 20))
}

fn step(store: &Store, removal: Removal) -> Option<Removal> {
    write(store, move |tx| tx.remove_some(removal))
}

/// PostgreSQL looks for references to each removed row in whole tables.
#[test]
fn a_step_removes_few_deals_customers_and_payments_on_a_server() {
    let file = two_merchants();
    let store = file.open();
    reset(&store);
    let outside = file.outside();
    let counts = || {
        ["escrow", "customer", "payment_transaction"]
            .map(|table| outside.number(&format!("SELECT count(*) FROM {table}"), &[]))
    };
    let mut most = [0; 3];
    let (mut rest, mut before) = (removal(&store), counts());
    while let Some(removal) = rest {
        rest = step(&store, removal);
        let left = counts();
        for (most, (before, left)) in most.iter_mut().zip(before.into_iter().zip(left)) {
            *most = (before - left).max(*most);
        }
        before = left;
    }
    match Engine::wanted() {
        Engine::Postgres => assert_eq!(most, [1, 1, 10]),
        Engine::Sqlite => assert!(most.iter().all(|removed| *removed > 1), "{most:?}"),
    }
}

/// Removes all that was left behind, and returns the number of steps.
fn remove_all(store: &Store) -> usize {
    let (mut rest, mut steps) = (removal(store), 0);
    while let Some(removal) = rest {
        rest = step(store, removal);
        steps += 1;
    }
    steps
}

fn newest(file: &TestDatabase, table: &str) -> i64 {
    let sql = format!("SELECT max(id) FROM {table}");
    file.outside().number(&sql, &[])
}

/// A request that began before the reset would otherwise leave rows behind the removal.
#[test]
fn no_command_acts_for_a_merchant_that_a_reset_left_behind() {
    let file = two_merchants();
    let store = file.open();
    let act = || wait_for(store.write(|tx| tx.act_for(MerchantId(1))));
    act().unwrap();
    reset(&store);
    assert!(matches!(act(), Err(Error::MerchantGone(1))));
    wait_for(store.write(|tx| tx.act_for_any(MerchantId(1)))).unwrap();
    remove_all(&store);
    assert!(matches!(act(), Err(Error::MerchantGone(1))));
}

#[test]
fn no_row_of_a_merchant_from_before_a_reset_stays_and_no_other_is_changed() {
    let file = two_merchants();
    let store = file.open();
    assert_eq!(reset(&store), MerchantId(3));
    let before = rows_of(&file);
    for (table, rows) in &before {
        let merchants = if table == "merchant_key" { [2, 3] } else { [1, 2] };
        for merchant in merchants {
            assert!(
                rows.contains_key(&Some(merchant)),
                "{table} has no row of merchant {merchant}"
            );
        }
    }
    let steps = remove_all(&store);
    assert!(steps > 15, "{steps} steps for some thousand rows");
    let mut expected = before;
    for rows in expected.values_mut() {
        rows.remove(&Some(1));
    }
    assert_eq!(rows_of(&file), expected);
    assert!(removal(&store).is_none());

    // The writer checks references again.
    let owner = KeyOwner {
        merchant: MerchantId(999),
        scope: KeyScope::SuperAdmin,
    };
    let insert = || wait_for(store.write(move |tx| tx.insert_sandbox_key(&[9; 32], owner)));
    // PostgreSQL's first refusal of a change fails the group, and does not say why.
    insert().unwrap_err();
    let refusal = insert().unwrap_err().to_string();
    assert!(refusal.to_lowercase().contains("foreign key"), "{refusal}");
    store.close();
    file.assert_sound();
    if let Some(path) = file.settings.place.path() {
        assert_eq!(check_structure(path).unwrap(), Vec::<String>::new());
    }
}

#[test]
fn a_removal_that_a_kill_ends_is_sound_at_every_step_and_goes_on() {
    let file = two_merchants_in_a_file();
    let store = file.open();
    reset(&store);
    let mut rest = removal(&store);
    let mut steps = 0;
    while let Some(removal) = rest {
        rest = step(&store, removal);
        steps += 1;
        let killed = copied(&file, &["", "-wal"]);
        let audit = killed.audit();
        assert_eq!(audit.findings, [], "after step {steps}");
        let structure = check_structure(&killed.path).unwrap();
        assert_eq!(structure, Vec::<String>::new(), "after step {steps}");
        let restarted = killed.open();
        remove_all(&restarted);
        Trade::of_key(&restarted, 2).top_up("ben", 100_000);
        restarted.close();
        killed.assert_sound();
        assert!(rows_of(&killed).values().all(|rows| !rows.contains_key(&Some(1))));
    }
    assert!(steps > 15, "{steps}");
}

#[test]
fn the_numbers_of_removed_rows_are_never_used_again() {
    let file = two_merchants();
    let store = file.open();
    reset(&store);
    let tables = [
        "transfer",
        "payment_transaction",
        "escrow",
        "event",
        "account",
        "merchant",
    ];
    let before = tables.map(|table| newest(&file, table));
    remove_all(&store);
    let other = Trade::of_key(&store, 2);
    assert!(
        newest(&file, "transfer") < before[0],
        "the newest transfer was not removed"
    );
    other.top_up("ben", 100_000);
    assert_eq!(newest(&file, "transfer"), before[0] + 1);
    store.close();
    drop((store, other));

    // The same after a restart, and for a merchant that has the newest transfer again.
    let store = file.open();
    let third = Trade::of_key(&store, 1);
    third.top_up("zoe", 100_000);
    let newest_transfer = newest(&file, "transfer");
    reset_merchant(&store, MerchantId(3));
    remove_all(&store);
    store.close();
    drop((store, third));
    let store = file.open();
    assert!(newest(&file, "transfer") < newest_transfer);
    let other = Trade::of_key(&store, 2);
    other.top_up("ben", 100_000);
    assert_eq!(newest(&file, "transfer"), newest_transfer + 1);

    // The same in one commit.
    let third = Trade::of_key(&store, 1);
    let (newer, older) = (third.actor("zoe"), other.actor("ben"));
    let hash = *sandbox_key(1).hash();
    let before_commit = newest(&file, "transfer");
    write(&store, move |tx| {
        tx.act_for(newer.merchant)?;
        payments::top_up(tx, &policy(), &newer, Ok(kobo(100_000)))?;
        merchants::reset(tx, &hash, newer.merchant)?;
        let mut rest = tx.removal(tx.ledger_time().millis_later(1), 20)?;
        while let Some(removal) = rest {
            rest = tx.remove_some(removal)?;
        }
        tx.act_for(older.merchant)?;
        payments::top_up(tx, &policy(), &older, Ok(kobo(100_000)))?;
        Ok::<_, commands::Error>(())
    });
    // The opening balance and the top-up of one, then the top-up of the other.
    assert_eq!(newest(&file, "transfer"), before_commit + 3);

    let offered = other.offer_milestones("ada", &[100, 200]);
    other.fund("ben", offered.id);
    Trade::of_key(&store, 9).top_up("zoe", 100_000);
    for (table, before) in tables.iter().zip(before) {
        assert!(newest(&file, table) > before, "{table}");
    }
    store.close();
    file.assert_sound();
}

#[test]
fn only_a_merchant_that_a_sandbox_left_behind_loses_transfers() {
    let file = two_merchants();
    let store = file.open();
    assert!(removal(&store).is_none());
    reset(&store);
    let begun = removal(&store);
    store.close();
    drop(store);
    let outside = file.outside();
    let delete =
        |outside: &Outside, merchant: i64| outside.execute("DELETE FROM transfer WHERE merchant_id = ?1", &[merchant]);
    let refuses = |merchant: i64| {
        let refusal = delete(&outside, merchant).unwrap_err();
        assert!(refusal.contains("a transfer is never deleted"), "{refusal}");
    };
    refuses(2);
    // A reset is not enough while there is a key, nor is a lost key without a reset.
    outside.batch("UPDATE merchant SET left_at = 1 WHERE id = 2");
    refuses(2);
    outside.batch("UPDATE merchant SET left_at = NULL; DELETE FROM merchant_key WHERE merchant_id = 2");
    refuses(2);
    outside.batch("UPDATE merchant SET left_at = 1; UPDATE instance SET mode = 'LIVE'");
    refuses(1);
    // The last connection to a file moves its log into it.
    drop(outside);
    let mut live = TestDatabase::copy_of(&file);
    live.settings.mode = Mode::Live;
    let store = live.open();
    assert!(removal(&store).is_none());
    let before = rows_of(&live);
    assert!(step(&store, begun.unwrap()).is_none());
    assert_eq!(rows_of(&live), before);
    drop(store);
    let outside = file.outside();
    outside.batch("UPDATE instance SET mode = 'SANDBOX'");
    assert!(delete(&outside, 1).unwrap() > 0);
}

#[test]
fn an_attempt_that_ends_after_its_merchant_was_removed_changes_nothing() {
    let file = two_merchants();
    let store = file.open();
    let pending = read(&store, |snapshot| snapshot.next_deliveries(MerchantId(1), 1));
    reset(&store);
    remove_all(&store);
    let before = rows_of(&file);
    for status in [200, 410, 500] {
        let at = Timestamp::from_millis(START).unwrap();
        let attempted = Attempted {
            delivery: pending[0].clone(),
            attempt: Attempt {
                attempted_at: at,
                url: "http://127.0.0.1:9/".to_owned(),
                outcome: AttemptOutcome::Responded {
                    status,
                    beginning: String::new(),
                },
                duration_millis: 1,
            },
            since: at,
            retry_after_seconds: None,
            endpoint_version: 1,
            may_be_recorded: false,
        };
        let schedule = RetrySchedule::new(vec![60]);
        assert!(!write(&store, move |tx| deliveries::record(tx, &schedule, &attempted)));
    }
    assert_eq!(rows_of(&file), before);
}

/// The check beside the work has read some transfers of the merchant when they are removed.
#[test]
fn a_removal_beside_the_check_of_the_ledger_is_no_damage() {
    let file = two_merchants();
    let store = file.open();
    let trades = [1, 2].map(|key| Trade::of_key(&store, key));
    for trade in trades.iter().cycle().take(16) {
        let merchant = trade.merchant;
        write(&store, move |tx| {
            tx.act_for(merchant)?;
            for _ in 0..200 {
                let customer = CustomerId::parse("ada").unwrap();
                let party = Party::Customer(customer);
                payments::top_up(tx, &policy(), &Actor { merchant, party }, Ok(kobo(100_000)))?;
            }
            Ok::<_, commands::Error>(())
        });
    }
    store.close();
    drop((store, trades));
    for pause in [0, 60] {
        let copy = TestDatabase::copy_of(&file);
        let store = copy.open();
        thread::sleep(Duration::from_millis(pause));
        reset(&store);
        let mut rest = removal(&store);
        while let Some(removal) = rest {
            rest = step(&store, removal);
            thread::sleep(Duration::from_millis(5));
        }
        let until = Instant::now() + Duration::from_secs(1);
        while Instant::now() < until {
            Trade::of_key(&store, 2).top_up("ben", 100_000);
        }
        store.close();
        copy.assert_sound();
    }
}

/// Leaves a merchant with many rows behind, and waits until the idle store has given their pages back.
/// Returns the file, its store, and a copy from the moment when the pages in use were copied to the log
/// alone. On a busy machine the test may miss that moment.
fn shrunk_file() -> Option<(TestFile, Store, TestFile)> {
    let mut file = two_merchants_in_a_file();
    file.settings.vacuum_free_bytes_min = Some(64 * 1024);
    let store = file.open();
    let bytes = || fs::metadata(&file.path).unwrap().len();
    let first = Trade::of_key(&store, 1);
    for _ in 0..60 {
        first.offer_milestones("ada", &[100; 100]);
    }
    wait_until_settled(&file);
    let before = bytes();
    reset(&store);
    remove_all(&store);
    let rows = rows_of(&file);
    wait_until_settled(&file);
    let until = Instant::now() + Duration::from_secs(30);
    let mut killed = None;
    while bytes() > before / 2 {
        assert!(Instant::now() < until, "{} of {before} bytes", bytes());
        thread::sleep(Duration::from_millis(5));
        if killed.is_none() && log_bytes(&file) > before / 20 {
            let copy = copied(&file, &["", "-wal"]);
            killed = (log_bytes(&copy) > before / 20).then_some(copy);
        }
    }
    assert_eq!(rows_of(&file), rows);
    killed.map(|killed| (file, store, killed))
}

#[test]
fn an_idle_file_gives_its_free_pages_back() {
    let caught = (0..5).find_map(|_| shrunk_file());
    let (file, store, killed) = caught.expect("a copy before the checkpoint");
    let rows = rows_of(&file);
    assert_eq!(killed.audit().findings, []);
    let restarted = killed.open();
    assert_eq!(rows_of(&killed), rows);
    Trade::of_key(&restarted, 2).top_up("ben", 100_000);
    drop(restarted);
    killed.assert_sound();
    // The mark is as of any file: it has the schema's cookie, and is open with the next commit.
    let mark: (i64, i64) = file
        .sqlite()
        .query_row(
            "SELECT schema_cookie, (SELECT schema_version FROM pragma_schema_version) FROM file_mark",
            [],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .unwrap();
    assert_eq!(mark.0, mark.1);
    let in_use = copied_in_use(&file, &Trade::of_key(&store, 2));
    let without_log = copied(&in_use, &[""]);
    let refusal = without_log.refusal();
    assert!(refusal.contains("missing"), "{refusal}");
    store.close();
    drop(store);
    assert_eq!(check_structure(&file.path).unwrap(), Vec::<String>::new());
    file.assert_sound();
    let reopened = file.open();
    Trade::of_key(&reopened, 2).top_up("ben", 100_000);
    drop(reopened);
    file.assert_sound();

    // An operator may do the same while no service runs.
    file.sqlite().execute_batch("VACUUM").unwrap();
    file.assert_sound();
    drop(file.open());
    file.assert_sound();
}

#[test]
fn a_file_keeps_free_pages_that_are_few_or_not_asked_for() {
    let files = [None, Some(1 << 30)].map(|free_bytes_min| {
        let mut file = two_merchants_in_a_file();
        file.settings.vacuum_free_bytes_min = free_bytes_min;
        let store = file.open();
        reset(&store);
        remove_all(&store);
        (file, store)
    });
    let bytes = || {
        files
            .each_ref()
            .map(|(file, _)| fs::metadata(&file.path).unwrap().len())
    };
    thread::sleep(Duration::from_secs(1));
    let before = bytes();
    thread::sleep(Duration::from_secs(5));
    assert_eq!(bytes(), before);
}
