//! Commands that say what they will read. On PostgreSQL it is read for the whole group before the
//! commands run, and a command must not see rows from before an earlier one changed them.

use escrowd::commands::{self, customers, milestone_escrows, payments};
use escrowd::domain::escrow::milestone::MilestoneStatus;
use escrowd::domain::escrow::{Escrow, Progress};
use escrowd::domain::ids::{CustomerId, EscrowId};
use escrowd::domain::ledger::Account;
use escrowd::domain::refusal::Refusal;
use escrowd::store::{Error, Foreseen, Store, Tx};
use tokio::task::{JoinHandle, yield_now};

use crate::helpers::{TestDatabase, Trade, payment_from_wallet, policy};
use crate::writer::{self, Gate};

/// The balance that a customer of a sandbox begins with, in kobo.
const OPENING_BALANCE: i64 = 100_000_000;

type Answer<T> = JoinHandle<Result<T, commands::Error>>;

/// Sends a command that says that it will read this deal, as this customer.
async fn send<T: Send + 'static>(
    store: &Store,
    trade: &Trade,
    customer: &str,
    deal: &Escrow,
    command: impl FnOnce(&mut Tx<'_>) -> Result<T, commands::Error> + Send + 'static,
) -> Answer<T> {
    let foreseen = Foreseen {
        merchant: Some(trade.merchant),
        customer: CustomerId::parse(customer),
        deal: deal.id,
    };
    let store = store.clone();
    let answer = tokio::spawn(async move { store.write_foreseen(Some(foreseen), command).await });
    yield_now().await;
    answer
}

async fn confirm(store: &Store, trade: &Trade, buyer: &str, deal: &Escrow, position: usize) -> Answer<Escrow> {
    let (actor, id, milestone) = (trade.actor(buyer), deal.id, deal.milestones()[position].id);
    send(store, trade, buyer, deal, move |tx| {
        milestone_escrows::confirm(tx, &policy(), &actor, id, milestone)
    })
    .await
}

fn refusal<T: std::fmt::Debug>(outcome: Result<T, commands::Error>) -> Refusal {
    match outcome {
        Err(commands::Error::Refused(refusal)) => refusal,
        other => panic!("{other:?} is no refusal"),
    }
}

fn prepare(database: &TestDatabase, store: &Store) -> (Trade, [Escrow; 3]) {
    std::thread::scope(|scope| {
        let made = scope.spawn(|| {
            let trade = Trade::of_key(store, 1);
            trade.top_up("bea", 10_000_000);
            trade.top_up("cec", 10_000_000);
            let deals = [(); 3].map(|()| trade.offer_milestones("ada", &[100_000, 200_000]));
            trade.fund("bea", deals[0].id);
            trade.fund("bea", deals[1].id);
            database.assert_sound();
            (trade, deals)
        });
        made.join().unwrap()
    })
}

#[tokio::test]
async fn a_command_sees_what_earlier_ones_of_its_group_have_changed() {
    let database = TestDatabase::new();
    let store = database.open();
    let (trade, [paid, other, unpaid]) = prepare(&database, &store);

    let gate = Gate::block(&store).await;
    let first = confirm(&store, &trade, "bea", &paid, 0).await;
    let again = confirm(&store, &trade, "bea", &paid, 0).await;
    let last = confirm(&store, &trade, "bea", &paid, 1).await;
    let of_closed = confirm(&store, &trade, "bea", &paid, 1).await;
    let of_another = confirm(&store, &trade, "bea", &other, 0).await;
    let too_early = confirm(&store, &trade, "cec", &unpaid, 0).await;
    let (actor, id) = (trade.actor("cec"), unpaid.id);
    let funded = send(&store, &trade, "cec", &unpaid, move |tx| {
        payments::fund(tx, &policy(), &actor, Ok(payment_from_wallet(id)))
    })
    .await;
    let after_funding = confirm(&store, &trade, "cec", &unpaid, 0).await;
    let (actor, deal, milestone) = (trade.actor("cec"), unpaid.id, unpaid.milestones()[1].id);
    let undone = send(&store, &trade, "cec", &unpaid, move |tx| {
        milestone_escrows::confirm(tx, &policy(), &actor, deal, milestone)?;
        Err::<(), _>(Error::Corrupt("planned by the test".to_owned()).into())
    })
    .await;
    let merchant = trade.merchant;
    let blocked = send(&store, &trade, "bea", &other, move |tx| {
        customers::block(tx, merchant, Ok(CustomerId::parse("bea").unwrap()))
    })
    .await;
    let of_blocked = confirm(&store, &trade, "bea", &other, 1).await;
    let after_undone = confirm(&store, &trade, "cec", &unpaid, 1).await;
    gate.release().await.unwrap();

    first.await.unwrap().unwrap();
    assert!(matches!(
        refusal(again.await.unwrap()),
        Refusal::MilestoneAlreadyReleased
    ));
    let closed = last.await.unwrap().unwrap();
    assert!(matches!(closed.progress, Progress::Closed { .. }));
    assert!(matches!(
        refusal(of_closed.await.unwrap()),
        Refusal::MilestoneAlreadyReleased
    ));
    of_another.await.unwrap().unwrap();
    assert!(matches!(refusal(too_early.await.unwrap()), Refusal::EscrowNotFunded));
    funded.await.unwrap().unwrap();
    after_funding.await.unwrap().unwrap();
    assert!(matches!(undone.await.unwrap(), Err(commands::Error::Store(_))));
    blocked.await.unwrap().unwrap();
    assert!(matches!(refusal(of_blocked.await.unwrap()), Refusal::CustomerBlocked));
    let closed = after_undone.await.unwrap().unwrap();
    assert!(matches!(closed.progress, Progress::Closed { .. }));

    let ada = CustomerId::parse("ada").unwrap();
    let earned = store
        .read(move |snapshot| snapshot.balance(merchant, &Account::CustomerMain(ada)))
        .await
        .unwrap();
    assert_eq!(earned.minor(), OPENING_BALANCE + 700_000);
    drop((trade, store));
    std::thread::scope(|scope| scope.spawn(|| database.assert_sound()).join().unwrap());
}

/// A removal forgets the accounts of the merchants that it removes. The balances of others may be
/// waiting for the end of the group.
#[tokio::test]
async fn a_command_behind_a_removal_sees_the_balances_from_before_it() {
    let database = TestDatabase::new();
    let store = database.open();
    let (trade, [paid, other, _]) = prepare(&database, &store);
    let left = store.write(|tx| {
        let gone = tx.insert_merchant(None, None)?;
        tx.save_left_behind(gone)
    });
    left.await.unwrap();
    let later = store.ledger_time().millis_later(1);
    let removal = store.read(move |snapshot| snapshot.removal(later, 10)).await;
    let mut removal = removal.unwrap().unwrap();
    // The first parts remove rows to which no others refer, and so forget no account.
    for _ in 0..12 {
        let step = store.write(move |tx| tx.remove_some(removal)).await;
        removal = step.unwrap().expect("the removal has further steps");
    }
    let again = removal.clone();

    let gate = Gate::block(&store).await;
    let first = confirm(&store, &trade, "bea", &paid, 0).await;
    let removing = writer::send(&store, move |tx| tx.remove_some(removal)).await;
    let second = confirm(&store, &trade, "bea", &other, 0).await;
    let removing_again = writer::send(&store, move |tx| tx.remove_some(again)).await;
    let third = confirm(&store, &trade, "bea", &paid, 1).await;
    gate.release().await.unwrap();

    for confirmed in [first, second, third] {
        confirmed.await.unwrap().unwrap();
    }
    for removed in [removing, removing_again] {
        assert!(
            removed.await.unwrap().unwrap().is_some(),
            "the removal has further steps"
        );
    }
    drop((trade, store));
    std::thread::scope(|scope| scope.spawn(|| database.assert_sound()).join().unwrap());
}

/// Numbers with which no deal can have milestones, deals of other merchants, and deals that do not exist.
#[tokio::test]
async fn any_id_can_be_foreseen() {
    let database = TestDatabase::new();
    let store = database.open();
    let (trade, [paid, other, _]) = prepare(&database, &store);
    let gate = Gate::block(&store).await;
    let mut answers = Vec::new();
    for text in [
        "ffffffffffffffff00000000",
        "7fffffffffffffff00000001",
        "7ffffffffffffc0000000001",
        "0000000000000000",
    ] {
        let mut nobodys = paid.clone();
        nobodys.id = EscrowId::named(text);
        answers.push(confirm(&store, &trade, "bea", &nobodys, 0).await);
    }
    let mut strangers = paid.clone();
    strangers.id = EscrowId::new(paid.id.number(), other.id.guard());
    answers.push(confirm(&store, &trade, "nobody", &strangers, 0).await);
    let known = confirm(&store, &trade, "bea", &paid, 0).await;
    gate.release().await.unwrap();
    for answer in answers {
        assert!(matches!(
            refusal(answer.await.unwrap()),
            Refusal::EscrowNotFound | Refusal::CustomerNotFound
        ));
    }
    known.await.unwrap().unwrap();
}

/// The rows for a group can be more than a connection reads at a time, from the first group on.
#[tokio::test]
async fn the_deals_of_a_group_can_be_large() {
    const DEALS: usize = 40;
    const MILESTONES: usize = 50;
    let database = TestDatabase::new();
    let store = database.open();
    let (trade, deals) = std::thread::scope(|scope| {
        let made = scope.spawn(|| {
            let trade = Trade::of_key(&store, 1);
            trade.top_up("bea", 10_000_000);
            let deals = [(); DEALS].map(|()| trade.offer_milestones("ada", &[1_000; MILESTONES]));
            for deal in &deals {
                trade.fund("bea", deal.id);
            }
            (trade, deals)
        });
        made.join().unwrap()
    });
    let gate = Gate::block(&store).await;
    let mut answers = Vec::new();
    for (place, deal) in deals.iter().enumerate() {
        answers.push(confirm(&store, &trade, "bea", deal, place).await);
    }
    gate.release().await.unwrap();
    for (place, answer) in answers.into_iter().enumerate() {
        let confirmed = answer.await.unwrap().unwrap();
        let released = confirmed
            .milestones()
            .iter()
            .filter(|milestone| matches!(milestone.status, MilestoneStatus::Released(_)));
        assert_eq!(
            released.map(|milestone| milestone.id).collect::<Vec<_>>(),
            [deals[place].milestones()[place].id]
        );
    }
    drop((trade, store));
    std::thread::scope(|scope| scope.spawn(|| database.assert_sound()).join().unwrap());
}
