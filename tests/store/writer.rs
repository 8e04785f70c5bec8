//! Group commit: the guarantees for a command, and the meaning of its reply.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use escrowd::domain::ids::IdSource;
use escrowd::domain::ledger::Account;
use escrowd::domain::merchant::key::{KeyOwner, KeyScope};
use escrowd::domain::money::Amount;
use escrowd::domain::time::Timestamp;
use escrowd::entropy::SystemEntropy;
use escrowd::store::{Error, Store, Tx};
use tokio::task::{JoinHandle, yield_now};
use tokio::time::sleep;

use crate::database::Engine;
use crate::helpers::{
    START, TestDatabase, TestFile, Trade, beside, is_named, name_merchant, outcome_of, read, wait_for, write,
};

type Answer<T> = JoinHandle<Result<T, Error>>;

/// Returns for each name if [`name_merchant`] was committed for it.
pub(crate) async fn are_named<const N: usize>(store: &Store, names: [&'static str; N]) -> [bool; N] {
    let read = store.read(move |snapshot| {
        let mut found = [false; N];
        for (is_found, name) in found.iter_mut().zip(names) {
            *is_found = snapshot.merchant_named(name)?.is_some();
        }
        Ok(found)
    });
    read.await.unwrap()
}

/// Sends a command without waiting for its reply. The command is in the queue on return,
/// because a test's runtime has one thread.
pub(crate) async fn send<T: Send + 'static>(
    store: &Store,
    command: impl FnOnce(&mut Tx<'_>) -> Result<T, Error> + Send + 'static,
) -> Answer<T> {
    let store = store.clone();
    let answer = tokio::spawn(async move { store.write(command).await });
    yield_now().await;
    answer
}

/// A command that keeps its group open until the test releases it.
pub(crate) struct Gate {
    has_started: mpsc::Receiver<()>,
    release: mpsc::Sender<()>,
    answer: Answer<()>,
}

impl Gate {
    /// Puts the gate into the queue.
    async fn send(store: &Store) -> Self {
        let (started, has_started) = mpsc::channel();
        let (release, released) = mpsc::channel();
        let answer = send(store, move |_| {
            started.send(()).unwrap();
            released.recv_timeout(Duration::from_secs(20)).unwrap();
            Ok(())
        })
        .await;
        Self {
            has_started,
            release,
            answer,
        }
    }

    /// Puts the gate into the queue and waits until the writer runs it.
    pub(crate) async fn block(store: &Store) -> Self {
        let gate = Self::send(store).await;
        gate.wait_until_reached();
        gate
    }

    fn wait_until_reached(&self) {
        self.has_started.recv_timeout(Duration::from_secs(20)).unwrap();
    }

    pub(crate) async fn release(self) -> Result<(), Error> {
        self.release.send(()).unwrap();
        self.answer.await.unwrap()
    }
}

/// Inserts a merchant, then refuses.
fn refused(name: &'static str) -> impl FnOnce(&mut Tx<'_>) -> Result<(), Error> + Send {
    move |tx| {
        tx.insert_merchant(Some(name), None)?;
        Err(Error::Corrupt("refused".to_owned()))
    }
}

/// Inserts a merchant, then panics.
fn panicking(name: &'static str) -> impl FnOnce(&mut Tx<'_>) -> Result<(), Error> + Send {
    move |tx| {
        tx.insert_merchant(Some(name), None)?;
        panic!("planned by the test")
    }
}

#[tokio::test]
async fn a_refused_command_rolls_back_alone() {
    let file = TestDatabase::new();
    let store = file.open();
    let gate = Gate::block(&store).await;
    let before = send(&store, name_merchant("before")).await;
    let refused = send(&store, refused("refused")).await;
    let after = send(&store, name_merchant("after")).await;
    gate.release().await.unwrap();

    before.await.unwrap().unwrap();
    assert!(matches!(refused.await.unwrap(), Err(Error::Corrupt(_))));
    after.await.unwrap().unwrap();
    assert_eq!(
        are_named(&store, ["before", "refused", "after"]).await,
        [true, false, true]
    );
}

#[tokio::test]
async fn a_command_sees_what_the_commands_before_it_in_the_group_did() {
    let file = TestDatabase::new();
    let store = file.open();
    let gate = Gate::block(&store).await;
    let first = send(&store, name_merchant("ada")).await;
    let refusal = send(&store, |tx| tx.merchant_named("ada").map(|found| found.is_some())).await;
    gate.release().await.unwrap();
    first.await.unwrap().unwrap();
    assert!(refusal.await.unwrap().unwrap());
}

#[tokio::test]
async fn every_answer_waits_for_the_commit() {
    let file = TestDatabase::new();
    let store = file.open();
    let first = Gate::block(&store).await;
    let kept = send(&store, name_merchant("kept")).await;
    let refused = send(&store, refused("refused")).await;
    let panicked = send(&store, panicking("panicked")).await;
    let last = Gate::send(&store).await;
    first.release.send(()).unwrap();
    last.wait_until_reached();

    // All commands except the last have run, and none is committed.
    for _ in 0..20 {
        yield_now().await;
        tokio::task::spawn_blocking(|| thread::sleep(Duration::from_millis(1)))
            .await
            .unwrap();
    }
    assert!(!first.answer.is_finished());
    assert!(!kept.is_finished());
    assert!(
        !refused.is_finished(),
        "a refusal may depend on a command that is not durable yet"
    );
    assert!(!panicked.is_finished());
    assert_eq!(are_named(&store, ["kept"]).await, [false]);

    last.release().await.unwrap();
    kept.await.unwrap().unwrap();
    assert_eq!(are_named(&store, ["kept"]).await, [true]);
}

#[tokio::test]
async fn a_read_after_the_reply_sees_the_commit() {
    let file = TestDatabase::new();
    let store = file.open();
    for round in 0..50_u8 {
        let key = [round; 32];
        let owner = store
            .write(move |tx| {
                let owner = KeyOwner {
                    merchant: tx.insert_merchant(None, None)?,
                    scope: KeyScope::SuperAdmin,
                };
                tx.insert_sandbox_key(&key, owner)?;
                Ok::<_, Error>(owner)
            })
            .await
            .unwrap();
        assert_eq!(
            store.read(move |snapshot| snapshot.owner_of_key(&key)).await.unwrap(),
            Some(owner),
            "round {round}"
        );
    }
}

#[tokio::test]
async fn a_group_holds_no_more_commands_than_its_bound() {
    let mut file = TestDatabase::new();
    file.settings.group_commands_max = 2;
    let store = file.open();
    let reader = store.clone();
    let gate = Gate::block(&store).await;
    let with_the_gate = send(&store, name_merchant("ada")).await;
    let on_its_own = send(&store, move |_| Ok::<_, Error>(is_named(&reader, "ada"))).await;
    gate.release().await.unwrap();
    with_the_gate.await.unwrap().unwrap();
    let is_committed_before = on_its_own.await.unwrap().unwrap();
    assert!(
        is_committed_before,
        "the third command shared the commit of the first two"
    );
}

#[tokio::test]
async fn a_panic_undoes_its_own_command_and_no_other() {
    let file = TestDatabase::new();
    let store = file.open();
    let gate = Gate::block(&store).await;
    let before = send(&store, name_merchant("before")).await;
    let panicked = send(&store, panicking("panicked")).await;
    let after = send(&store, name_merchant("after")).await;
    gate.release().await.unwrap();

    before.await.unwrap().unwrap();
    assert!(matches!(panicked.await.unwrap(), Err(Error::Panicked)));
    after.await.unwrap().unwrap();
    store.write(name_merchant("next")).await.unwrap();
    assert_eq!(
        are_named(&store, ["before", "panicked", "after", "next"]).await,
        [true, false, true, true]
    );
}

#[tokio::test]
async fn a_full_queue_refuses_at_once() {
    let mut file = TestDatabase::new();
    file.settings.queue_commands_max = 2;
    let store = file.open();
    // The session that listens to other processes has asked the writer before it leads.
    store.until_leader().await;
    let gate = Gate::block(&store).await;
    let waiting = [
        send(&store, name_merchant("first")).await,
        send(&store, name_merchant("second")).await,
    ];

    let one_too_many = send(&store, name_merchant("third")).await;
    assert!(one_too_many.is_finished(), "the command waited for room in the queue");
    assert!(matches!(one_too_many.await.unwrap(), Err(Error::QueueFull)));

    gate.release().await.unwrap();
    for answer in waiting {
        answer.await.unwrap().unwrap();
    }
    assert_eq!(are_named(&store, ["third"]).await, [false]);
    store.write(name_merchant("fourth")).await.unwrap();
}

/// A pass of retention that a busy second broke off would go on an hour later.
#[tokio::test]
async fn work_in_the_background_waits_for_a_place_in_a_full_queue() {
    let mut file = TestDatabase::new();
    file.settings.queue_commands_max = 1;
    let store = file.open();
    // The session that listens to other processes has asked the writer before it leads.
    store.until_leader().await;
    let gate = Gate::block(&store).await;
    let waiting = send(&store, name_merchant("waiting")).await;

    let patient = {
        let store = store.clone();
        tokio::spawn(async move { store.write_patiently(name_merchant("patient")).await })
    };
    sleep(Duration::from_millis(200)).await;
    assert!(!patient.is_finished(), "the full queue refused the command");
    assert_eq!(
        store.read_writer().refused,
        0,
        "the command counts as refused, although it waits"
    );

    gate.release().await.unwrap();
    waiting.await.unwrap().unwrap();
    patient.await.unwrap().unwrap();
    assert_eq!(are_named(&store, ["waiting", "patient"]).await, [true, true]);
}

#[tokio::test]
async fn closing_finishes_waiting_commands_and_refuses_later_ones() {
    let file = TestDatabase::new();
    let (store, writer_ended) = file.try_open().unwrap();
    let gate = Gate::block(&store).await;
    let waiting = send(&store, name_merchant("waiting")).await;
    let closing = {
        let store = store.clone();
        thread::spawn(move || store.close())
    };
    // The late command gets a reply, before or after the stop.
    let late = send(&store, name_merchant("late")).await;
    gate.release().await.unwrap();

    waiting.await.unwrap().unwrap();
    let is_late_done = match late.await.unwrap() {
        Ok(_) => true,
        Err(Error::Stopped) => false,
        Err(other) => panic!("{other}"),
    };
    closing.join().unwrap();
    outcome_of(writer_ended).await.unwrap();
    assert!(matches!(store.write(name_merchant("later")).await, Err(Error::Stopped)));
    store.close();
    drop(store);
    assert_eq!(are_named(&file.open(), ["waiting", "late"]).await, [true, is_late_done]);
}

#[tokio::test]
async fn commands_behind_the_stop_get_a_reply() {
    let mut file = TestDatabase::new();
    file.settings.group_commands_max = 1;
    let store = file.open();
    let gate = Gate::block(&store).await;
    let closing = {
        let store = store.clone();
        thread::spawn(move || store.close())
    };
    let until = Instant::now() + Duration::from_secs(20);
    while store.read_writer().waiting == 0 && Instant::now() < until {
        sleep(Duration::from_millis(10)).await;
    }
    // The message to stop is counted right before it is in the queue.
    sleep(Duration::from_millis(300)).await;
    let behind = send(&store, name_merchant("behind")).await;
    gate.release().await.unwrap();
    assert!(matches!(behind.await.unwrap(), Err(Error::Stopped)));
    closing.join().unwrap();
    drop(store);
    assert_eq!(are_named(&file.open(), ["behind"]).await, [false]);
}

#[tokio::test]
async fn a_command_runs_although_its_caller_stopped_waiting() {
    let file = TestDatabase::new();
    let store = file.open();
    let gate = Gate::block(&store).await;
    let abandoned = send(&store, name_merchant("abandoned")).await;
    abandoned.abort();
    assert!(abandoned.await.unwrap_err().is_cancelled());
    gate.release().await.unwrap();
    store.write(name_merchant("next")).await.unwrap();
    assert_eq!(are_named(&store, ["abandoned"]).await, [true]);
}

/// Makes the commit of every group fail that inserts a merchant named "doomed", with a
/// deferred constraint.
fn doom_commits(file: &TestFile) {
    file.sqlite()
        .execute_batch(
            "CREATE TABLE doomed (merchant INTEGER REFERENCES merchant (id) DEFERRABLE INITIALLY DEFERRED);
             CREATE TRIGGER doom AFTER INSERT ON merchant WHEN new.name = 'doomed'
             BEGIN INSERT INTO doomed VALUES (-1); END;",
        )
        .unwrap();
}

#[tokio::test]
async fn a_failed_commit_of_a_file_fails_the_whole_group_and_stops_the_store() {
    let file = TestFile::new();
    let (store, writer_ended) = file.try_open().unwrap();
    doom_commits(&file);
    let gate = Gate::block(&store).await;
    let innocent = send(&store, name_merchant("innocent")).await;
    let doomed = send(&store, name_merchant("doomed")).await;
    assert!(matches!(gate.release().await, Err(Error::OutcomeUnknown(_))));
    assert!(matches!(innocent.await.unwrap(), Err(Error::OutcomeUnknown(_))));
    assert!(matches!(doomed.await.unwrap(), Err(Error::OutcomeUnknown(_))));

    assert!(matches!(outcome_of(writer_ended).await, Err(Error::OutcomeUnknown(_))));
    assert!(matches!(store.write(name_merchant("later")).await, Err(Error::Stopped)));
    // The commit may be visible, and never becomes durable.
    let refused = store.read(|snapshot| snapshot.merchant_named("innocent")).await;
    assert!(matches!(refused, Err(Error::Stopped)), "{refused:?}");
    store.close();
    drop(store);
    let reopened = file.open();
    assert_eq!(are_named(&reopened, ["innocent"]).await, [false]);
    reopened.write(name_merchant("innocent")).await.unwrap();
}

/// A server that refuses a commit has changed nothing, so the store goes on.
#[tokio::test]
async fn a_commit_that_postgresql_refuses_fails_the_whole_group_and_no_other() {
    if Engine::wanted() == Engine::Sqlite {
        return;
    }
    let database = TestDatabase::new();
    let store = database.open();
    let sql = "CREATE TABLE doomed (merchant BIGINT REFERENCES merchant (id) DEFERRABLE INITIALLY DEFERRED);
               CREATE FUNCTION doom() RETURNS trigger LANGUAGE plpgsql AS $$
                   BEGIN INSERT INTO doomed VALUES (-1); RETURN NULL; END $$;
               CREATE TRIGGER doom AFTER INSERT ON merchant FOR EACH ROW WHEN (new.name = 'doomed')
                   EXECUTE FUNCTION doom()";
    thread::scope(|scope| scope.spawn(|| database.outside().batch(sql)).join().unwrap());
    let gate = Gate::block(&store).await;
    let innocent = send(&store, name_merchant("innocent")).await;
    let doomed = send(&store, name_merchant("doomed")).await;
    assert!(matches!(gate.release().await, Err(Error::Abandoned)));
    assert!(matches!(innocent.await.unwrap(), Err(Error::Abandoned)));
    assert!(matches!(doomed.await.unwrap(), Err(Error::Abandoned)));
    store.write(name_merchant("later")).await.unwrap();
    assert_eq!(
        are_named(&store, ["innocent", "doomed", "later"]).await,
        [false, false, true]
    );
}

/// Makes SQLite roll back the whole group when a command inserts a merchant named "doomed".
/// A disk that fills up during a command does the same.
fn give_up_on_the_doomed(file: &TestFile) {
    file.sqlite()
        .execute_batch(
            "CREATE TRIGGER give_up AFTER INSERT ON merchant WHEN new.name = 'doomed'
             BEGIN SELECT RAISE(ROLLBACK, 'given up'); END;",
        )
        .unwrap();
}

#[tokio::test]
async fn when_sqlite_rolls_back_the_group_no_command_succeeds() {
    let file = TestFile::new();
    let store = file.open();
    give_up_on_the_doomed(&file);
    let gate = Gate::block(&store).await;
    let innocent = send(&store, name_merchant("innocent")).await;
    let doomed = send(&store, name_merchant("doomed")).await;
    let after = send(&store, name_merchant("after")).await;
    assert!(matches!(gate.release().await, Err(Error::Abandoned)));
    assert!(matches!(innocent.await.unwrap(), Err(Error::Abandoned)));
    assert!(
        matches!(doomed.await.unwrap(), Err(Error::Sqlite(_))),
        "the command did not get its own error"
    );
    after.await.unwrap().unwrap();
    assert_eq!(
        are_named(&store, ["innocent", "doomed", "after"]).await,
        [false, false, true]
    );
}

/// The group that the question did not end is lost together with the command behind it.
#[tokio::test]
async fn a_question_does_not_end_the_group_under_way() {
    let file = TestFile::new();
    let store = file.open();
    give_up_on_the_doomed(&file);
    let gate = Gate::block(&store).await;
    let asking = store.clone();
    let question = tokio::spawn(async move { asking.check_health().await });
    yield_now().await;
    let doomed = send(&store, name_merchant("doomed")).await;
    assert!(matches!(gate.release().await, Err(Error::Abandoned)));
    question.await.unwrap().unwrap();
    assert!(matches!(doomed.await.unwrap(), Err(Error::Sqlite(_))));
}

#[tokio::test]
async fn a_command_that_ignores_the_loss_of_its_group_fails() {
    let file = TestFile::new();
    let store = file.open();
    give_up_on_the_doomed(&file);
    let overlooking = store.write(|tx| {
        drop(tx.insert_merchant(Some("doomed"), None));
        Ok::<_, Error>(())
    });
    assert!(matches!(overlooking.await, Err(Error::Abandoned)));
    store.write(name_merchant("next")).await.unwrap();
    assert_eq!(are_named(&store, ["doomed", "next"]).await, [false, true]);
}

/// The first command waits until the busy timeout. The others must fail with it. Otherwise
/// each would wait for the same timeout, one after another.
#[test]
fn a_foreign_lock_held_too_long_fails_all_waiting_commands_together() {
    let database = TestDatabase::new();
    let store = database.open();
    let outside = database.outside();
    outside.lock();
    let started = Instant::now();
    let names = ["a", "b", "c", "d", "e", "f", "g", "h"];
    let writes = names.iter().map(|&name| store.write(name_merchant(name)));
    for outcome in wait_for(futures_util::future::join_all(writes)) {
        assert!(matches!(outcome, Err(Error::FileBusy)), "{outcome:?}");
    }
    assert!(
        started.elapsed() < Duration::from_secs(15),
        "the commands waited one after another: {:?}",
        started.elapsed()
    );
    outside.unlock();
    assert_eq!(wait_for(are_named(&store, names)), [false; 8]);
    write(&store, name_merchant("let in"));
}

#[test]
fn a_group_of_refusals_writes_nothing() {
    let database = TestDatabase::new();
    let store = database.open();
    write(&store, name_merchant("ada"));
    let outside = database.outside();
    let log = database.settings.place.path().map(|path| beside(path, "-wal"));
    let written = || {
        let log_bytes = log.as_ref().map(|log| std::fs::metadata(log).unwrap().len());
        (outside.commits(), log_bytes)
    };
    let before = written();
    for number in 0..20 {
        let name = format!("nobody {number}");
        let refused = wait_for(store.write(move |tx| {
            tx.insert_merchant(Some(&name), None)?;
            Err::<(), Error>(Error::Corrupt("refused".to_owned()))
        }));
        assert!(refused.is_err());
    }
    assert_eq!(written(), before);
}

#[tokio::test]
async fn time_does_not_run_backwards_when_the_clock_does() {
    let file = TestDatabase::new();
    let store = file.open();
    let mut newest = Timestamp::EPOCH;
    for clock in [START, START + 5, START - 3_600_000, 0, START + 4, START + 6] {
        file.clock.set(clock);
        let now = store.write(|tx| Ok::<_, Error>(tx.now())).await.unwrap();
        assert!(now >= newest, "{now} comes before {newest}");
        newest = now;
    }
    assert_eq!(newest.millis(), START + 6, "time stands still although the clock moves");
}

#[test]
fn time_does_not_run_backwards_across_a_restart() {
    let actions: [fn(&Trade); 3] = [
        |trade| trade.top_up("ada", 100_000),
        |trade| drop(trade.offer_milestones("ada", &[400_000, 600_000])),
        |trade| drop(Trade::of_key(&trade.store, 9)),
    ];
    for (case, action) in actions.into_iter().enumerate() {
        let file = TestDatabase::new();
        let store = file.open();
        let trade = Trade::of_key(&store, 1);
        trade.top_up("ada", 100_000);
        file.clock.set(START + 7_000);
        action(&trade);
        store.close();
        drop((store, trade));

        file.clock.set(START + 10);
        let store = file.open();
        let now = write(&store, |tx| Ok::<_, Error>(tx.now()));
        assert!(now.millis() >= START + 7_000, "case {case}: {now}");
        store.close();
    }
}

#[test]
fn ids_rise_through_clock_steps_and_restarts() {
    let file = TestDatabase::new();
    let mut newest = 0;
    for restart in 0..20 {
        file.clock.set(START - 3_600_000);
        let (store, _) = Store::open(
            &file.settings,
            Box::new(file.clock.clone()),
            Box::new(SystemEntropy::new()),
        )
        .unwrap();
        for clock in [START, START + 1, START - 3_600_000, START + 1] {
            file.clock.set(clock);
            Trade::of_key(&store, 1).top_up("ada", 100_000);
            let sql = "SELECT max(id) FROM payment_transaction";
            let id = file.outside().number(sql, &[]);
            assert!(id > newest, "restart {restart}: {id:x} does not follow {newest:x}");
            newest = id;
        }
        store.close();
    }
}

/// A category takes an id number, and no other row of the file is as new.
#[test]
fn a_category_keeps_its_number_across_a_restart() {
    let file = TestDatabase::new();
    let store = file.open();
    Trade::of_key(&store, 1).top_up("ada", 100_000);
    drop(store);
    let number = (START + 1_000_000) << 15;
    let sql =
        "INSERT INTO category (id, guard, merchant_id, name, position, created_at) VALUES (?1, 1, 1, 'Toys', 1, 0)";
    assert_eq!(file.outside().execute(sql, &[number]), Ok(1));
    let store = file.open();
    let next = write(&store, |tx| Ok::<_, Error>(tx.number()));
    assert!(next > number, "{next:x} does not follow {number:x}");
}

#[test]
fn a_reader_sees_one_snapshot_while_writes_go_on() {
    let file = TestDatabase::new();
    let store = file.open();
    let trade = Trade::of_key(&store, 1);
    trade.top_up("ada", 100_000);
    trade.top_up("ben", 100_000);
    let accounts = {
        let [ada, ben] = ["ada", "ben"].map(|customer| trade.actor(customer).customer().clone());
        [
            Account::CustomerMain(ada.clone()),
            Account::CustomerEscrow(ada),
            Account::CustomerMain(ben.clone()),
            Account::CustomerEscrow(ben),
            Account::MerchantMain,
            Account::PlatformFees,
        ]
    };
    let is_enough = Arc::<AtomicBool>::default();
    let writer = {
        let (trade, is_enough) = (trade.clone(), Arc::clone(&is_enough));
        thread::spawn(move || {
            for round in 0..1_000 {
                if round >= 40 && is_enough.load(Ordering::SeqCst) {
                    break;
                }
                let escrow = trade.offer_milestones("ada", &[400_000, 600_000]);
                trade.fund("ben", escrow.id);
                trade.confirm_milestones("ben", &escrow, &[0, 1]);
                trade.top_up("ben", 100_000);
            }
        })
    };
    let mut snapshots = std::collections::HashSet::new();
    while !writer.is_finished() {
        let (merchant, accounts) = (trade.merchant, accounts.clone());
        let (inside, balances) = read(&store, move |snapshot| {
            let inside = snapshot.balance(merchant, &Account::OutsideWorld)?;
            thread::sleep(Duration::from_micros(500));
            let balances: Result<Vec<_>, _> = accounts
                .iter()
                .map(|account| snapshot.balance(merchant, account).map(Amount::minor))
                .collect();
            Ok((inside, balances?))
        });
        assert_eq!(balances.iter().sum::<i64>(), inside.minor(), "{balances:?}");
        snapshots.insert(balances);
        is_enough.store(snapshots.len() > 20, Ordering::SeqCst);
    }
    writer.join().unwrap();
    assert!(snapshots.len() > 20, "only {} different snapshots", snapshots.len());
    store.close();
    file.assert_sound();
}

#[test]
fn a_panic_while_reading_gives_the_connection_back() {
    let mut file = TestDatabase::new();
    file.settings.readers = 1;
    let store = file.open();
    let reader = store.clone();
    let panicked = thread::spawn(move || read(&reader, |_| -> Result<(), Error> { panic!("planned by the test") }));
    assert!(panicked.join().is_err());
    write(&store, name_merchant("ada"));
    assert!(is_named(&store, "ada"), "the connection was left in an old snapshot");
}
