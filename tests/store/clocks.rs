//! Merchants' clocks and ledger time.

use escrowd::commands::{Error as CommandError, admission};
use escrowd::domain::ids::{CustomerId, MerchantId};
use escrowd::domain::party::Actor;
use escrowd::domain::sandbox::clock_offset::ClockOffset;
use escrowd::store::{Error, Store};

use crate::helpers::{START, TestDatabase, Trade, policy, read, write};

/// The work before a restart.
type Step = fn(&Store, MerchantId);

const MONTH: i64 = 30 * 86_400_000;

/// Returns the time on a merchant's clock.
fn shown(store: &Store, merchant: MerchantId) -> i64 {
    write(store, move |tx| {
        tx.act_for(merchant)?;
        Ok::<_, Error>(tx.now().millis())
    })
}

fn advance(store: &Store, merchant: MerchantId, millis: i64) {
    write(store, move |tx| {
        let ahead = tx.clock_of(merchant)?.millis() + millis;
        tx.save_clock(merchant, ClockOffset::from_millis(ahead).unwrap())
    });
}

/// Registers a sandbox customer at the merchant's time. This writes accounts, a transfer, a
/// history entry and an event.
fn register(store: &Store, merchant: MerchantId, customer: &str) {
    let customer = CustomerId::parse(customer).unwrap();
    write(store, move |tx| {
        tx.act_for(merchant)?;
        let party = Some(customer).into();
        admission::admit_party(tx, &policy(), &Actor { merchant, party })?;
        Ok::<_, CommandError>(())
    });
}

#[test]
fn a_clock_applies_to_its_own_merchant_only() {
    let database = TestDatabase::new();
    let store = database.open();
    let [ahead, other] = [1, 2].map(|key| Trade::of_key(&store, key).merchant);
    advance(&store, ahead, MONTH);
    assert_eq!(shown(&store, ahead), START + MONTH);
    assert_eq!(shown(&store, other), START);
    register(&store, ahead, "ada");
    register(&store, other, "ada");
    let dates = "SELECT DISTINCT created_at FROM transfer WHERE merchant_id = ?1
                 UNION SELECT created_at FROM event WHERE merchant_id = ?1
                 UNION SELECT created_at FROM customer WHERE merchant_id = ?1
                 UNION SELECT updated_at FROM account WHERE merchant_id = ?1 AND customer_id IS NOT NULL";
    for (merchant, date) in [(ahead, START + MONTH), (other, START)] {
        let found = database.outside().numbers(dates, &[merchant.0]);
        assert_eq!(found, [date], "{merchant:?}");
    }
}

#[test]
fn a_clock_never_goes_back() {
    let database = TestDatabase::new();
    let store = database.open();
    let merchant = Trade::of_key(&store, 1).merchant;
    advance(&store, merchant, MONTH);
    for millis in [MONTH - 1, MONTH, 0] {
        let clock = ClockOffset::from_millis(millis).unwrap();
        let moved = crate::helpers::wait_for(store.write(move |tx| tx.save_clock(merchant, clock)));
        assert!(moved.is_err(), "{millis}");
    }
    assert_eq!(shown(&store, merchant), START + MONTH);
}

/// The store takes ledger time from the newest rows. Some of these rows have the time of a
/// merchant whose clock is far ahead.
#[test]
fn a_clock_far_ahead_does_not_move_ledger_time() {
    let steps: [(&str, Step); 4] = [
        ("moved and used", |store, merchant| {
            advance(store, merchant, MONTH);
            register(store, merchant, "ada");
        }),
        ("used and moved", |store, merchant| {
            register(store, merchant, "ada");
            advance(store, merchant, MONTH);
        }),
        ("moved, used and moved", |store, merchant| {
            advance(store, merchant, MONTH);
            register(store, merchant, "ada");
            advance(store, merchant, 100 * 12 * MONTH);
        }),
        ("moved and used before another", |store, merchant| {
            advance(store, merchant, MONTH);
            register(store, merchant, "ada");
            let other = Trade::of_key(store, 2).merchant;
            register(store, other, "ada");
        }),
    ];
    for (case, step) in steps {
        let database = TestDatabase::new();
        let store = database.open();
        let merchant = Trade::of_key(&store, 1).merchant;
        database.clock.set(START + 7_000);
        step(&store, merchant);
        let ahead = read(&store, move |snapshot| snapshot.clock_of(merchant)).millis();
        store.close();
        drop(store);

        for (clock, ledger_time) in [(START + 10, START + 7_000), (START + 9_000, START + 9_000)] {
            database.clock.set(clock);
            let store = database.open();
            let now = write(&store, |tx| Ok::<_, Error>(tx.now().millis()));
            assert_eq!(now, ledger_time, "{case}");
            assert_eq!(shown(&store, merchant), ledger_time + ahead, "{case}");
            let newcomer = Trade::of_key(&store, 3).merchant;
            assert_eq!(shown(&store, newcomer), ledger_time, "{case}");
            store.close();
        }
        database.assert_sound();
    }
}
