//! The commands of one group share rows that the first of them has loaded, and changes that the
//! end of the group writes.

use escrowd::commands::payments;
use escrowd::domain::effects::Effects;
use escrowd::domain::escrow::deal::Deal;
use escrowd::domain::events::event::ReplayStart;
use escrowd::domain::ids::{EscrowId, EscrowKey, MerchantId};
use escrowd::domain::ledger::{Account, Transfer, TransferKind};
use escrowd::domain::merchant::key::{KeyOwner, KeyScope};

use escrowd::domain::time::Timestamp;
use escrowd::store::{Error, Snapshot, Tx};

use crate::database::Engine;
use crate::helpers::{START, TestDatabase, Trade, kobo, name_merchant, policy, wait_for, write};
use crate::writer::{Gate, are_named, send};

/// Adds an amount to the main balance of a customer.
fn top_up(tx: &mut Tx<'_>, trade: &Trade, customer: &str) -> Result<(), Error> {
    let topped_up = payments::top_up(tx, &policy(), &trade.actor(customer), Ok(kobo(100_000)));
    topped_up.map(drop).map_err(|error| panic!("{error:?}"))
}

/// Returns the effects of an amount, in kobo, that comes into the merchant's main account.
fn into_merchant_main(amount: i64) -> Effects {
    let mut effects = Effects::default();
    effects.transfers.push(Transfer {
        kind: TransferKind::TopUp,
        amount: kobo(amount),
        escrow: None,
        debit: Account::OutsideWorld,
        credit: Account::MerchantMain,
    });
    effects
}

fn refuse() -> Result<(), Error> {
    Err(Error::Corrupt("refused".to_owned()))
}

/// All names of events are new, the chains of two merchants grow, and what a command has posted
/// before it fails is in neither.
#[tokio::test]
async fn changes_of_a_failed_command_do_not_reach_later_commands() {
    let database = TestDatabase::new();
    let store = database.open();
    let trades = std::thread::scope(|scope| {
        let made = scope.spawn(|| [1, 2].map(|key| Trade::of_key(&store, key)));
        made.join().unwrap()
    });
    let [trade, other] = trades;
    let gate = Gate::block(&store).await;
    let acting = || (trade.clone(), other.clone());

    let (first, _) = acting();
    let refused = send(&store, move |tx| top_up(tx, &first, "ada").and_then(|()| refuse())).await;
    let (first, second) = acting();
    let kept = send(&store, move |tx| {
        top_up(tx, &first, "ada")?;
        top_up(tx, &second, "ada")
    })
    .await;
    let (first, second) = acting();
    let panicking = send(&store, move |tx| -> Result<(), Error> {
        top_up(tx, &first, "ada")?;
        top_up(tx, &second, "bea")?;
        panic!("planned by the test")
    })
    .await;
    let (first, second) = acting();
    let partly = send(&store, move |tx| {
        top_up(tx, &first, "bea")?;
        let attempt = tx.attempt(|tx| {
            top_up(tx, &first, "cec")?;
            top_up(tx, &second, "cec")?;
            refuse()
        })?;
        assert!(attempt.is_err());
        top_up(tx, &second, "bea")
    })
    .await;
    gate.release().await.unwrap();

    assert!(refused.await.unwrap().is_err());
    kept.await.unwrap().unwrap();
    assert!(matches!(panicking.await.unwrap(), Err(Error::Panicked)));
    partly.await.unwrap().unwrap();
    let merchants = [trade.merchant, other.merchant];
    let events = store.read(move |snapshot| {
        let mut counts = Vec::new();
        for merchant in merchants {
            let start = ReplayStart::Moment(Timestamp::from_millis(0).unwrap());
            counts.push(snapshot.events_from(merchant, start, 100)?.len());
        }
        Ok(counts)
    });
    let events = events.await.unwrap();
    assert_eq!(events[0], events[1]);
    assert!(events[0] > 0, "a top-up has an event");
    drop((trade, other, store));
    std::thread::scope(|scope| scope.spawn(|| database.assert_sound()).join().unwrap());
}

/// PostgreSQL gets the events and the balances of a group together at its end, or before a command
/// that reads them. If that command is undone, so is what was sent for it, but not for ever.
#[tokio::test]
async fn a_command_reads_what_those_before_it_have_done_and_undoes_none_of_it() {
    let database = TestDatabase::new();
    let store = database.open();
    let trade = std::thread::scope(|scope| scope.spawn(|| Trade::of_key(&store, 1)).join().unwrap());
    let merchant = trade.merchant;
    let count = move |snapshot: &Snapshot<'_>| {
        snapshot.merchant_wallet(merchant)?;
        let start = ReplayStart::Moment(Timestamp::from_millis(0).unwrap());
        Ok::<_, Error>(snapshot.events_from(merchant, start, 100)?.len())
    };
    let gate = Gate::block(&store).await;
    let acting = trade.clone();
    let kept = send(&store, move |tx| top_up(tx, &acting, "ada")).await;
    let acting = trade.clone();
    let refused = send(&store, move |tx| {
        top_up(tx, &acting, "ada")?;
        assert_eq!(count(tx)?, 2);
        top_up(tx, &acting, "ada")?;
        refuse()
    })
    .await;
    let acting = trade.clone();
    let reading = send(&store, move |tx| {
        assert_eq!(count(tx)?, 1);
        top_up(tx, &acting, "bea")?;
        let attempt = tx.attempt(|tx| {
            top_up(tx, &acting, "bea")?;
            assert_eq!(count(tx)?, 3);
            top_up(tx, &acting, "bea")?;
            refuse()
        });
        assert!(attempt?.is_err());
        top_up(tx, &acting, "bea")?;
        count(tx)
    })
    .await;
    gate.release().await.unwrap();

    kept.await.unwrap().unwrap();
    assert!(refused.await.unwrap().is_err());
    assert_eq!(reading.await.unwrap().unwrap(), 3);
    assert_eq!(store.read(count).await.unwrap(), 3);
    drop((trade, store));
    std::thread::scope(|scope| scope.spawn(|| database.assert_sound()).join().unwrap());
}

/// The removal of an event counts it off, before the end of the group would have counted it.
#[test]
fn events_of_the_same_group_can_be_removed() {
    let database = TestDatabase::new();
    let store = database.open();
    let trade = Trade::of_key(&store, 1);
    let acting = trade.clone();
    let removed = write(&store, move |tx| {
        top_up(tx, &acting, "ada")?;
        let end = Timestamp::from_millis(START + 1_000_000_000).unwrap();
        tx.delete_events_before(end, 100)
    });
    assert!(removed > 0);
    drop((trade, store));
    database.assert_sound();
}

#[test]
fn a_merchant_with_the_number_of_a_removed_one_has_a_row_of_its_own() {
    let database = TestDatabase::new();
    let store = database.open();
    let wallets = write(&store, |tx| {
        let removed = tx.insert_merchant(None, None)?;
        let former = tx.merchant(removed)?.wallet_id;
        tx.post(removed, &into_merchant_main(5))?;
        tx.save_left_behind(removed)?;
        let later = Timestamp::from_millis(START + 1_000_000_000).unwrap();
        let mut rest = tx.removal(later, 10)?;
        while let Some(removal) = rest {
            rest = tx.remove_some(removal)?;
        }
        let merchant = tx.insert_merchant(None, None)?;
        assert_eq!(merchant, removed);
        tx.post(merchant, &into_merchant_main(3))?;
        assert_eq!(tx.balance(merchant, &Account::MerchantMain)?, kobo(3));
        Ok::<_, Error>([
            former,
            tx.merchant(merchant)?.wallet_id,
            tx.merchant_wallet(merchant)?.id,
        ])
    });
    let [former, remembered, stored] = wallets;
    assert_eq!(remembered, stored);
    assert_ne!(former, stored);
}

#[test]
fn a_key_that_moves_is_looked_up_again() {
    let database = TestDatabase::new();
    let store = database.open();
    let hash = [7; 32];
    let owners = write(&store, move |tx| {
        let [first, second] = [tx.insert_merchant(None, None)?, tx.insert_merchant(None, None)?];
        let scope = KeyScope::SuperAdmin;
        tx.insert_sandbox_key(&hash, KeyOwner { merchant: first, scope })?;
        Ok::<_, Error>([first, second])
    });
    let [first, second] = owners;
    let found = wait_for(async {
        let gate = Gate::block(&store).await;
        let owner = move |tx: &mut Tx<'_>| Ok(tx.owner_of_key(&hash)?.map(|owner| owner.merchant));
        let before = send(&store, owner).await;
        let undone = send(&store, move |tx| {
            tx.save_key_owner(&hash, second)?;
            assert_eq!(owner(tx)?, Some(second));
            refuse()
        })
        .await;
        let between = send(&store, owner).await;
        let moved = send(&store, move |tx| {
            tx.save_key_owner(&hash, second)?;
            owner(tx)
        })
        .await;
        let after = send(&store, owner).await;
        gate.release().await.unwrap();
        assert!(undone.await.unwrap().is_err());
        let mut found = Vec::new();
        for answer in [before, between, moved, after] {
            found.push(answer.await.unwrap().unwrap().unwrap());
        }
        found
    });
    assert_eq!(found, [first, first, second, second]);
}

#[test]
fn endpoints_of_the_configuration_are_restored_for_the_rest_of_the_group() {
    let database = TestDatabase::new();
    let store = database.open();
    let merchant = Trade::of_key(&store, 1).merchant;
    let seen = wait_for(async {
        let gate = Gate::block(&store).await;
        let missed_since = move |tx: &mut Tx<'_>| Ok(tx.merchant(merchant)?.webhook_endpoint.missed_since);
        let gone = Timestamp::from_millis(START).unwrap();
        let marked = send(&store, move |tx| tx.save_webhook_gone(merchant, gone)).await;
        let before = send(&store, missed_since).await;
        let restored = send(&store, move |tx| {
            tx.restore_configured_endpoints()?;
            Ok(())
        })
        .await;
        let after = send(&store, missed_since).await;
        gate.release().await.unwrap();
        marked.await.unwrap().unwrap();
        restored.await.unwrap().unwrap();
        [before.await.unwrap().unwrap(), after.await.unwrap().unwrap()]
    });
    assert_eq!(seen, [Timestamp::from_millis(START), None]);
}

#[test]
fn a_deal_asked_for_ahead_is_read_as_the_command_has_changed_it() {
    let database = TestDatabase::new();
    let store = database.open();
    let trade = Trade::of_key(&store, 1);
    let escrow = trade.offer_milestones("seller", &[100, 200]);
    trade.fund("buyer", escrow.id);
    let (id, merchant, milestone) = (escrow.id, trade.merchant, escrow.milestones()[1].id);
    let read = write(&store, move |tx| {
        tx.ask_for_deal(id)?;
        tx.save_release(milestone)?;
        tx.deal(merchant, &EscrowKey::Id(id))
    });
    let Some(Deal::Escrow(read)) = read else {
        panic!("{read:?}");
    };
    let released: Vec<bool> = read.milestones().iter().map(|of| of.released_at().is_some()).collect();
    assert_eq!(released, [false, true]);
}

/// Answers that were asked for ahead and not read yet must not block the answers behind them.
#[test]
fn long_answers_that_were_asked_for_ahead_keep_no_other_waiting() {
    let database = TestDatabase::new();
    let store = database.open();
    let trade = Trade::of_key(&store, 1);
    let amounts = vec![100; 100];
    let offered = (0..20).map(|_| trade.offer_milestones("ada", &amounts).id);
    let deals: Vec<EscrowId> = offered.collect();
    let merchant = trade.merchant;
    let milestones = write(&store, move |tx| {
        for deal in &deals {
            tx.ask_for_deal(*deal)?;
        }
        assert_eq!(tx.merchant_name(merchant)?, None);
        let mut milestones = 0;
        for deal in deals {
            let Some(Deal::Escrow(found)) = tx.deal(merchant, &EscrowKey::Id(deal))? else {
                panic!("the deal was not found");
            };
            milestones += found.milestones().len();
        }
        Ok::<_, Error>(milestones)
    });
    assert_eq!(milestones, 2_000);
}

#[test]
fn a_command_may_change_a_thousand_rows_and_ask_nothing() {
    let database = TestDatabase::new();
    let store = database.open();
    let merchant = write(&store, name_merchant("ada"));
    write(&store, move |tx| {
        (0..1_000).try_for_each(|_| tx.save_publishable_key(merchant, None))
    });
    let missing = wait_for(store.write(move |tx| {
        tx.save_publishable_key(MerchantId(99), None)?;
        (0..1_000).try_for_each(|_| tx.save_publishable_key(merchant, None))
    }));
    assert!(missing.is_err());
}

/// The refusal arrives after the command has returned, since no call waits for the answer to a
/// change. The first one takes its group along; from then on the store waits for the answers.
#[tokio::test]
async fn a_change_that_postgresql_refuses_undoes_no_other_command_the_second_time() {
    if Engine::wanted() == Engine::Sqlite {
        return;
    }
    let database = TestDatabase::new();
    let store = database.open();
    let sql = "CREATE FUNCTION doom() RETURNS trigger LANGUAGE plpgsql AS $$
                   BEGIN RAISE EXCEPTION 'doomed'; END $$;
               CREATE TRIGGER doom BEFORE INSERT ON merchant FOR EACH ROW WHEN (new.name = 'doomed')
                   EXECUTE FUNCTION doom()";
    std::thread::scope(|scope| scope.spawn(|| database.outside().batch(sql)).join().unwrap());
    for names in [["lost", "lost too", "also lost"], ["before", "after", "at the end"]] {
        let is_first = names[0] == "lost";
        let gate = Gate::block(&store).await;
        let before = send(&store, name_merchant(names[0])).await;
        let doomed = send(&store, name_merchant("doomed")).await;
        let after = send(&store, name_merchant(names[1])).await;
        let overlooking = send(&store, |tx| {
            drop(tx.insert_merchant(Some("doomed"), None));
            drop(tx.merchant_named("before"));
            Ok::<_, Error>(())
        })
        .await;
        let last = send(&store, name_merchant(names[2])).await;
        drop(gate.release().await);
        for answer in [doomed.await.unwrap().map(drop), overlooking.await.unwrap()] {
            let is_right = match answer {
                Err(Error::Abandoned) => is_first,
                Err(Error::Postgres(_)) => !is_first,
                _ => false,
            };
            assert!(is_right, "{answer:?}");
        }
        for other in [before, after, last] {
            assert_eq!(other.await.unwrap().is_ok(), !is_first);
        }
    }
    assert_eq!(
        are_named(&store, ["lost", "before", "doomed", "after", "at the end"]).await,
        [false, true, false, true, true]
    );
}

/// Makes PostgreSQL answer an insert of a merchant with this name as it does when it finds a damaged page.
const DAMAGE: &str = "CREATE FUNCTION find_damage() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN RAISE EXCEPTION 'invalid page in block 7' USING ERRCODE = 'XX001'; END $$;
     CREATE TRIGGER damaged BEFORE INSERT ON merchant FOR EACH ROW WHEN (new.name = 'damaged')
         EXECUTE FUNCTION find_damage()";

/// Inserts a merchant on the damaged page, and waits for the answer.
fn meet_damage(tx: &mut Tx<'_>) -> Result<(), Error> {
    tx.insert_merchant(Some("damaged"), None)?;
    tx.merchant_named("damaged").map(drop)
}

/// The changes of the others could rest on the damage.
#[tokio::test]
async fn damage_that_one_command_finds_ends_its_group_and_all_that_wait() {
    if Engine::wanted() == Engine::Sqlite {
        return;
    }
    let mut database = TestDatabase::new();
    database.settings.group_commands_max = 4;
    let store = database.open();
    std::thread::scope(|scope| scope.spawn(|| database.outside().batch(DAMAGE)).join().unwrap());
    let gate = Gate::block(&store).await;
    let before = send(&store, name_merchant("before")).await;
    let damaged = send(&store, meet_damage).await;
    let after = send(&store, name_merchant("after")).await;
    let of_next_group = send(&store, name_merchant("later")).await;
    let of_gate = gate.release().await;
    let found = damaged.await.unwrap();
    assert!(matches!(found, Err(Error::Postgres(_))), "{found:?}");
    assert!(matches!(of_gate, Err(Error::LedgerBroken(_))), "{of_gate:?}");
    for other in [before, after, of_next_group] {
        let other = other.await.unwrap();
        assert!(matches!(other, Err(Error::LedgerBroken(_))), "{other:?}");
    }
    assert_eq!(are_named(&store, ["before", "after", "later"]).await, [false; 3]);
}

/// PostgreSQL tells of the damage after the command has returned.
#[tokio::test]
async fn damage_that_is_told_late_ends_the_group_too() {
    if Engine::wanted() == Engine::Sqlite {
        return;
    }
    let database = TestDatabase::new();
    let store = database.open();
    let sql = "CREATE FUNCTION doom() RETURNS trigger LANGUAGE plpgsql AS $$
                   BEGIN RAISE EXCEPTION 'doomed'; END $$;
               CREATE TRIGGER doom BEFORE INSERT ON merchant FOR EACH ROW WHEN (new.name = 'doomed')
                   EXECUTE FUNCTION doom()";
    let sql = format!("{sql}; {DAMAGE}");
    std::thread::scope(|scope| scope.spawn(|| database.outside().batch(&sql)).join().unwrap());
    // From here on the outcome of each command is awaited before the next one runs.
    store.write(name_merchant("doomed")).await.unwrap_err();
    let gate = Gate::block(&store).await;
    let before = send(&store, name_merchant("before")).await;
    let damaged = send(&store, name_merchant("damaged")).await;
    let after = send(&store, name_merchant("after")).await;
    let of_gate = gate.release().await;
    let found = damaged.await.unwrap();
    assert!(matches!(found, Err(Error::Postgres(_))), "{found:?}");
    assert!(matches!(of_gate, Err(Error::LedgerBroken(_))), "{of_gate:?}");
    for other in [before, after] {
        let other = other.await.unwrap();
        assert!(matches!(other, Err(Error::LedgerBroken(_))), "{other:?}");
    }
    assert_eq!(are_named(&store, ["before", "after"]).await, [false; 2]);
}

/// One command that finds a row missing in a damaged database fails its group, and no other. On
/// PostgreSQL the first one learns only that its group failed.
#[tokio::test]
async fn a_change_of_a_missing_row_is_never_committed() {
    let database = TestDatabase::new();
    let store = database.open();
    let missing = || {
        store.write(|tx| {
            name_merchant("within")(tx)?;
            tx.save_publishable_key(MerchantId(99), None)
        })
    };
    missing().await.unwrap_err();
    assert!(matches!(missing().await, Err(Error::Corrupt(_))));
    store.write(name_merchant("later")).await.unwrap();
    assert_eq!(are_named(&store, ["within", "later"]).await, [false, true]);
}

/// Two merchants are saved by one statement at the end of the group, and PostgreSQL changes one of
/// them only.
#[tokio::test]
async fn a_group_whose_merchants_are_not_all_saved_is_not_committed() {
    if Engine::wanted() == Engine::Sqlite {
        return;
    }
    let database = TestDatabase::new();
    let store = database.open();
    let sql = "CREATE FUNCTION skip() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
               CREATE TRIGGER skip BEFORE UPDATE ON merchant FOR EACH ROW WHEN (old.name = 'skipped')
                   EXECUTE FUNCTION skip()";
    let trades = std::thread::scope(|scope| {
        let made = scope.spawn(|| {
            database.outside().batch(sql);
            let trades = [1, 2].map(|key| Trade::of_key(&store, key));
            let skipped = trades[1].merchant.0;
            let sql = format!("UPDATE merchant SET name = 'skipped' WHERE id = {skipped}");
            database.outside().batch(&sql);
            trades
        });
        made.join().unwrap()
    });
    let gate = Gate::block(&store).await;
    let mut answers = Vec::new();
    for trade in trades.clone() {
        answers.push(send(&store, move |tx| top_up(tx, &trade, "ada")).await);
    }
    // The gate's own command is of the same group.
    assert!(matches!(gate.release().await, Err(Error::Abandoned)));
    for answer in answers {
        assert!(matches!(answer.await.unwrap(), Err(Error::Abandoned)));
    }
    let [saved, _] = trades.clone();
    store.write(move |tx| top_up(tx, &saved, "ada")).await.unwrap();
    drop((trades, store));
    std::thread::scope(|scope| scope.spawn(|| database.assert_sound()).join().unwrap());
}
