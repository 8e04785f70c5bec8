//! A database for one test, the store on it, and a short history of deals that the
//! real commands write.

use std::fmt::Debug;
use std::fs;
use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use escrowd::app;
use escrowd::commands::customers::{self, BalanceRequest};
use escrowd::commands::intents;
use escrowd::commands::milestone_escrows::{self, MilestoneEscrowRequest};
use escrowd::commands::payments;
use escrowd::commands::{Policy, cards, merchants, standard_escrows, vaults};
use escrowd::config::{Config, Fees, Limits};
use escrowd::domain::escrow::Escrow;
use escrowd::domain::escrow::terms::{MilestoneRequest, TermsRequest};
use escrowd::domain::escrow::vault::{StakeRequest, Vault, VaultRequest};
use escrowd::domain::fees::WhoPays;
use escrowd::domain::ids::{CustomerId, Entropy, EscrowId, EscrowKey, MerchantId, Reference};
use escrowd::domain::merchant::key::SandboxKey;
use escrowd::domain::mode::Mode;
use escrowd::domain::money::Amount;
use escrowd::domain::party::{Actor, Party};
use escrowd::domain::payments::card::TEST_CARDS;
use escrowd::domain::payments::request::{Gateway, IntentKind, IntentRequest, PaymentRequest};
use escrowd::domain::time::{Clock, Timestamp};
use escrowd::domain::transaction::BankAccount;
use escrowd::store::{
    Audit, CommandError, Error, OpenError, Settings, Snapshot, Store, Synchronous, Tx, WriterEnded, audit,
};
use rusqlite::Connection;
use tempfile::TempDir;

use crate::cluster::folder_in_memory;
use crate::database::{self, Engine, Outside};
use crate::waiting::{until_in_a_row, until_some};

/// The time when every test begins, 2026-06-22T10:15:00Z, in milliseconds.
pub(crate) const START: i64 = 1_782_123_300_000;

/// A clock that only the test moves. Copies share the time.
#[derive(Clone)]
pub(crate) struct TestClock {
    now: Arc<AtomicI64>,
    elapsed_millis: Arc<AtomicI64>,
}

impl TestClock {
    pub(crate) fn new() -> Self {
        Self {
            now: Arc::new(AtomicI64::new(START)),
            elapsed_millis: Arc::default(),
        }
    }

    /// Sets the time. Up to the latest time so far, it has really passed.
    pub(crate) fn set(&self, millis: i64) {
        self.elapsed_millis.fetch_max(millis - START, Ordering::SeqCst);
        self.now.store(millis, Ordering::SeqCst);
    }

    /// Sets the time as a program would that sets the clock of the machine: none passes.
    pub(crate) fn jump_to(&self, millis: i64) {
        self.now.store(millis, Ordering::SeqCst);
    }

    /// Returns the time that has passed since [`START`], as a right clock would show it.
    pub(crate) fn right(&self) -> i64 {
        START + self.elapsed_millis.load(Ordering::SeqCst)
    }

    /// Lets time pass that the system's clock does not show.
    pub(crate) fn stand_still(&self, millis: i64) {
        self.elapsed_millis.fetch_add(millis, Ordering::SeqCst);
    }

    /// Lets time pass.
    pub(crate) fn pass(&self, millis: i64) {
        self.elapsed_millis.fetch_add(millis, Ordering::SeqCst);
        self.now.fetch_add(millis, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.now.load(Ordering::SeqCst)).unwrap()
    }

    fn elapsed(&self) -> Duration {
        Duration::from_millis(self.elapsed_millis.load(Ordering::SeqCst).try_into().unwrap())
    }
}

/// The multiple of 1,024 at which the numbers of ids begin in 1970. Lower numbers are
/// positions in seeds.
const FIRST_NUMBER: u64 = 1 << 16;

/// Ids and random bits that count up. Copies share the count, so that a reopened file gets
/// no id twice.
#[derive(Clone)]
pub(crate) struct CountingEntropy(Arc<AtomicU64>);

impl CountingEntropy {
    fn next(&self) -> u64 {
        self.0.fetch_add(1, Ordering::SeqCst)
    }
}

impl Entropy for CountingEntropy {
    fn number(&mut self, _now: Timestamp) -> i64 {
        i64::try_from(self.next() * 1024).unwrap()
    }

    fn start_after(&mut self, number: i64) {
        self.0
            .fetch_max(u64::try_from(number / 1024 + 1).unwrap(), Ordering::SeqCst);
    }

    fn newest(&self) -> i64 {
        i64::try_from(self.0.load(Ordering::SeqCst) * 1024).unwrap()
    }

    fn random(&mut self) -> u128 {
        u128::from(self.next())
    }
}

/// A place for a database, with the clock and the ids of the stores on it. It is a file, or with
/// `ESCROWD_TEST_DATABASE=postgres` a database of a server, which ends with this value.
pub(crate) struct TestDatabase {
    pub(crate) settings: Settings,
    pub(crate) clock: TestClock,
    pub(crate) entropy: CountingEntropy,
    folder: TempDir,
}

impl TestDatabase {
    /// Creates a place without tables.
    pub(crate) fn new() -> Self {
        Self::on(Engine::wanted())
    }

    /// Creates a place of an engine.
    pub(crate) fn on(engine: Engine) -> Self {
        let folder = folder_in_memory();
        Self {
            settings: Settings {
                place: database::new_place(engine, folder.path()),
                mode: Mode::Sandbox,
                currency: "NGN".to_owned(),
                synchronous: Synchronous::Full,
                readers: 2,
                long_readers: 2,
                long_reads_waiting_max: 64,
                read_time_max: Duration::from_secs(5),
                queue_commands_max: 64,
                group_commands_max: 64,
                checkpoint_pages: 1000,
                accept_loss: false,
                clock_jump_max: Duration::from_hours(72),
                accept_clock: false,
                vacuum_free_bytes_min: None,
            },
            clock: TestClock::new(),
            entropy: CountingEntropy(Arc::new(AtomicU64::new(FIRST_NUMBER))),
            folder,
        }
    }

    /// Copies a database without a store, for damaging it.
    pub(crate) fn copy_of(original: &Self) -> Self {
        let copy = Self::new();
        database::copy(&original.settings.place, &copy.settings.place);
        copy
    }

    pub(crate) fn try_open(&self) -> Result<(Store, WriterEnded), OpenError> {
        Store::open(
            &self.settings,
            Box::new(self.clock.clone()),
            Box::new(self.entropy.clone()),
        )
    }

    #[track_caller]
    pub(crate) fn open(&self) -> Store {
        self.try_open().unwrap().0
    }

    /// Returns the message with which the store refuses the database.
    #[track_caller]
    pub(crate) fn refusal(&self) -> String {
        self.try_open().unwrap_err().to_string()
    }

    /// Opens a plain connection to the database, without the store's settings.
    #[track_caller]
    pub(crate) fn outside(&self) -> Outside {
        Outside::of(&self.settings.place)
    }

    #[track_caller]
    pub(crate) fn audit(&self) -> Audit {
        audit(&self.settings.place, &mut |_, _| {}).unwrap()
    }

    #[track_caller]
    pub(crate) fn assert_sound(&self) {
        assert_eq!(self.audit().findings, []);
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        database::remove(&self.settings.place);
    }
}

/// A database that is a file in any case, for tests of the file itself.
pub(crate) struct TestFile {
    pub(crate) path: PathBuf,
    database: TestDatabase,
}

impl TestFile {
    /// Creates a folder without a database.
    pub(crate) fn new() -> Self {
        let database = TestDatabase::on(Engine::Sqlite);
        Self {
            path: database.folder.path().join("test.db"),
            database,
        }
    }

    /// Copies a closed file, for damaging it.
    pub(crate) fn copy_of(original: &Self) -> Self {
        let copy = Self::new();
        fs::copy(&original.path, &copy.path).unwrap();
        copy
    }

    /// Opens a plain SQLite connection to the file, without the store's settings.
    #[track_caller]
    pub(crate) fn sqlite(&self) -> Connection {
        Connection::open(&self.path).unwrap()
    }

    /// Returns the path beside the database with this suffix.
    pub(crate) fn beside(&self, suffix: &str) -> PathBuf {
        beside(&self.path, suffix)
    }
}

impl Deref for TestFile {
    type Target = TestDatabase;

    fn deref(&self) -> &TestDatabase {
        &self.database
    }
}

impl DerefMut for TestFile {
    fn deref_mut(&mut self) -> &mut TestDatabase {
        &mut self.database
    }
}

pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Copies the files with these suffixes as they are at one moment. If a store changes one of them
/// meanwhile, it copies them again.
pub(crate) fn copy(from: &TestFile, to: &TestFile, suffixes: &[&str]) {
    let states = || -> Vec<(SystemTime, u64)> {
        let files = suffixes.iter().map(|suffix| fs::metadata(from.beside(suffix)).unwrap());
        files.map(|file| (file.modified().unwrap(), file.len())).collect()
    };
    loop {
        let before = states();
        for suffix in suffixes {
            fs::copy(from.beside(suffix), to.beside(suffix)).unwrap();
        }
        if states() == before {
            return;
        }
    }
}

/// Copies a file of a running store, with these suffixes, into a folder of its own.
pub(crate) fn copied(from: &TestFile, suffixes: &[&str]) -> TestFile {
    let to = TestFile::new();
    copy(from, &to, suffixes);
    to
}

/// Copies file and log before an idle store has moved the log into the file. On a busy machine
/// that may take some attempts, and a top-up for each.
pub(crate) fn copied_in_use(file: &TestFile, trade: &Trade) -> TestFile {
    until_some("a copy is in use", || {
        trade.top_up("ada", 100_000);
        let copy = copied(file, &["", "-wal"]);
        (log_bytes(&copy) > 0).then_some(copy)
    })
}

pub(crate) fn log_bytes(file: &TestFile) -> u64 {
    fs::metadata(file.beside("-wal")).map_or(0, |log| log.len())
}

/// Waits until an idle store has moved the log into the file.
#[track_caller]
pub(crate) fn wait_until_settled(file: &TestFile) {
    // The mark is closed in a commit of its own, after the log is empty for the first time.
    until_in_a_row("the log is empty", 20, || log_bytes(file) == 0);
}

/// Waits for a future on this thread.
pub(crate) fn wait_for<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap()
        .block_on(future)
}

/// Waits a short time for the writer to end, and returns its outcome.
pub(crate) async fn outcome_of(writer_ended: WriterEnded) -> Result<(), Error> {
    let outcome = tokio::time::timeout(Duration::from_secs(20), writer_ended).await;
    outcome.expect("the writer has ended").unwrap()
}

/// Runs one command, which must succeed, and waits until it is durable.
#[track_caller]
pub(crate) fn write<T, E>(store: &Store, command: impl FnOnce(&mut Tx<'_>) -> Result<T, E> + Send + 'static) -> T
where
    T: Send + 'static,
    E: CommandError + Debug + Send + 'static,
{
    wait_for(store.write(command)).unwrap()
}

/// Reads from one snapshot, which must succeed.
#[track_caller]
pub(crate) fn read<T: Send + 'static>(
    store: &Store,
    query: impl FnOnce(&Snapshot<'_>) -> Result<T, Error> + Send + 'static,
) -> T {
    wait_for(store.read(query)).unwrap()
}

/// Returns a command that inserts a merchant with this name.
pub(crate) fn name_merchant(name: &'static str) -> impl FnOnce(&mut Tx<'_>) -> Result<MerchantId, Error> + Send {
    move |tx| tx.insert_merchant(Some(name), None)
}

/// Returns true if [`name_merchant`] was committed for this name.
#[track_caller]
pub(crate) fn is_named(store: &Store, name: &'static str) -> bool {
    read(store, move |snapshot| snapshot.merchant_named(name)).is_some()
}

/// Returns a sandbox key for each number.
pub(crate) fn sandbox_key(number: u8) -> SandboxKey {
    SandboxKey::new(&format!("sk_test_{number}"))
}

/// Every column of a transfer.
pub(crate) const TRANSFER_COLUMNS: [&str; 9] = [
    "id",
    "merchant_id",
    "kind",
    "debit_account_id",
    "credit_account_id",
    "amount",
    "escrow_id",
    "created_at",
    "hash",
];

pub(crate) fn kobo(minor: i64) -> Amount {
    Amount::from_minor(minor).unwrap()
}

/// Returns a sandbox policy: each customer starts with 1,000,000, and 2 percent go to the
/// platform and 1 percent to the merchant.
pub(crate) fn policy() -> Policy {
    let config = Config {
        fees: Fees {
            commission_bps: 100,
            ..Config::default().fees
        },
        limits: Limits {
            amount_min_minor: kobo(1),
            ..Config::default().limits
        },
        ..Config::default()
    };
    app::policy(&config).unwrap()
}

pub(crate) fn terms(minor: i64, who_pays: WhoPays) -> TermsRequest {
    TermsRequest {
        amount: kobo(minor),
        purpose: "Shop fit-out".to_owned(),
        description: None,
        who_pays,
        max_delivery: None,
        delivery_timeline: None,
        total_quantity: None,
        category: None,
    }
}

/// Returns the request to pay a deal from the wallet.
pub(crate) fn payment_from_wallet(escrow: EscrowId) -> PaymentRequest {
    PaymentRequest {
        token: None,
        escrows: vec![EscrowKey::Id(escrow)],
        amount: None,
        reference: None,
        gateway: Gateway::Wallet,
    }
}

/// A merchant whose customers act through the real commands.
#[derive(Clone)]
pub(crate) struct Trade {
    pub(crate) store: Store,
    pub(crate) merchant: MerchantId,
}

impl Trade {
    /// Returns the merchant of this sandbox key.
    pub(crate) fn of_key(store: &Store, key: u8) -> Self {
        let merchant = write(store, move |tx| merchants::of_sandbox_key(tx, &sandbox_key(key)));
        Self {
            store: store.clone(),
            merchant,
        }
    }

    pub(crate) fn actor(&self, customer: &str) -> Actor {
        Actor {
            merchant: self.merchant,
            party: Party::Customer(CustomerId::parse(customer).unwrap()),
        }
    }

    /// Returns the request that offers a milestone for each amount.
    pub(crate) fn milestones(amounts: &[i64]) -> MilestoneEscrowRequest {
        let stage = |&minor: &i64| MilestoneRequest {
            title: "Stage".to_owned(),
            description: None,
            amount: kobo(minor),
            due_date: None,
            beneficiary: None,
        };
        MilestoneEscrowRequest {
            terms: terms(amounts.iter().sum(), WhoPays::Buyer),
            milestones: amounts.iter().map(stage).collect(),
        }
    }

    /// Registers a customer without money.
    #[track_caller]
    pub(crate) fn register(&self, customer: &str) {
        let (merchant, customer) = (self.merchant, CustomerId::parse(customer).unwrap());
        let balance = kobo(0);
        write(&self.store, move |tx| {
            customers::set_balance(tx, &policy(), merchant, Ok(BalanceRequest { customer, balance }))
        });
    }

    /// Offers an escrow with a milestone for each amount.
    #[track_caller]
    pub(crate) fn offer_milestones(&self, seller: &str, amounts: &[i64]) -> Escrow {
        let (seller, draft) = (self.actor(seller), Self::milestones(amounts));
        write(&self.store, move |tx| {
            milestone_escrows::create(tx, &policy(), &seller, Ok(draft))
        })
    }

    #[track_caller]
    pub(crate) fn offer_standard(&self, seller: &str, minor: i64, who_pays: WhoPays) -> Escrow {
        let seller = self.actor(seller);
        write(&self.store, move |tx| {
            standard_escrows::create(tx, &policy(), &seller, Ok(terms(minor, who_pays)), &[])
        })
    }

    #[track_caller]
    pub(crate) fn fund(&self, buyer: &str, escrow: EscrowId) {
        let buyer = self.actor(buyer);
        write(&self.store, move |tx| {
            payments::fund(tx, &policy(), &buyer, Ok(payment_from_wallet(escrow)))
        });
    }

    #[track_caller]
    pub(crate) fn fund_by_card(&self, buyer: &str, escrow: EscrowId) {
        let buyer = self.actor(buyer);
        write(&self.store, move |tx| {
            let card = cards::save(tx, &policy(), &buyer, Ok(TEST_CARDS[0]))?.card;
            let request = PaymentRequest {
                token: None,
                escrows: vec![EscrowKey::Id(escrow)],
                amount: None,
                reference: None,
                gateway: Gateway::Card(card.id),
            };
            payments::fund(tx, &policy(), &buyer, Ok(request))
        });
    }

    /// Requests a withdrawal of 1,000 to this account.
    #[track_caller]
    pub(crate) fn withdraw(&self, customer: &str, reference: &str, account_number: &str) {
        let customer = self.actor(customer);
        let request = IntentRequest {
            amount: kobo(100_000),
            reference: Reference::parse(reference),
            kind: IntentKind::BankWithdrawal(BankAccount {
                bank_code: "058".to_owned(),
                account_number: account_number.to_owned(),
                account_name: "Ada".to_owned(),
                bank_name: "Bank".to_owned(),
                narration: None,
            }),
        };
        write(&self.store, move |tx| {
            intents::create(tx, &policy(), &customer, Ok(request))
        });
    }

    #[track_caller]
    pub(crate) fn verify(&self, customer: &str, reference: &str) {
        let (customer, reference) = (self.actor(customer), Reference::parse(reference).unwrap());
        write(&self.store, move |tx| {
            intents::verify(tx, &policy(), &customer, Ok(reference))
        });
    }

    /// Opens a vault in which each of these customers puts 500.
    #[track_caller]
    pub(crate) fn open_vault(&self, participants: &[&str]) -> Vault {
        let stake = |name: &&str| StakeRequest {
            customer: CustomerId::parse(name).unwrap(),
            amount: kobo(50_000),
        };
        let (merchant, vault) = (
            self.merchant,
            VaultRequest {
                purpose: "Bet".to_owned(),
                description: None,
                category: None,
                participants: participants.iter().map(stake).collect(),
            },
        );
        write(&self.store, move |tx| {
            tx.act_for(merchant)?;
            vaults::create(tx, &policy(), merchant, Ok(vault))
        })
    }

    /// Confirms the milestones at these positions, in order.
    #[track_caller]
    pub(crate) fn confirm_milestones(&self, buyer: &str, escrow: &Escrow, positions: &[usize]) {
        for &position in positions {
            let (buyer, id) = (self.actor(buyer), escrow.id);
            let milestone = escrow.milestones()[position].id;
            write(&self.store, move |tx| {
                milestone_escrows::confirm(tx, &policy(), &buyer, id, milestone)
            });
        }
    }

    #[track_caller]
    pub(crate) fn confirm_payment(&self, buyer: &str, escrow: EscrowId) {
        let buyer = self.actor(buyer);
        write(&self.store, move |tx| {
            standard_escrows::confirm_payment(tx, &policy(), &buyer, escrow)
        });
    }

    #[track_caller]
    pub(crate) fn top_up(&self, customer: &str, minor: i64) {
        let customer = self.actor(customer);
        write(&self.store, move |tx| {
            payments::top_up(tx, &policy(), &customer, Ok(kobo(minor)))
        });
    }
}

/// The escrows of [`history`], one for each state.
pub(crate) struct History {
    /// Two milestones, not funded.
    pub(crate) offered: EscrowId,
    /// Three milestones, the first released.
    pub(crate) open: EscrowId,
    /// Two milestones, both released.
    pub(crate) closed: EscrowId,
    /// Standard, funded, nothing released.
    pub(crate) standard_open: EscrowId,
    /// Standard, completed.
    pub(crate) standard_closed: EscrowId,
}

/// Writes deals of two merchants in every state, and returns the first merchant's.
pub(crate) fn history(store: &Store, clock: &TestClock) -> History {
    let trade = Trade::of_key(store, 1);
    let other = Trade::of_key(store, 2);
    let offered = trade.offer_milestones("ada", &[400_000, 600_000]);
    clock.set(START + 1_000);

    let open = trade.offer_milestones("ada", &[100_000, 200_000, 300_000]);
    trade.fund("ben", open.id);
    trade.confirm_milestones("ben", &open, &[0]);
    clock.set(START + 2_000);

    let elsewhere = other.offer_milestones("ada", &[500_000, 500_000]);
    other.fund("ben", elsewhere.id);
    let closed = trade.offer_milestones("ada", &[700_000, 300_000]);
    trade.fund("cleo", closed.id);
    trade.confirm_milestones("cleo", &closed, &[1, 0]);
    other.confirm_milestones("ben", &elsewhere, &[1]);
    clock.set(START + 3_000);

    let standard_open = trade.offer_standard("ada", 123_456, WhoPays::Both);
    trade.fund("ben", standard_open.id);
    let standard_closed = trade.offer_standard("cleo", 250_000, WhoPays::Seller);
    trade.fund("ben", standard_closed.id);
    trade.confirm_payment("ben", standard_closed.id);
    trade.top_up("ada", 100_000);
    other.top_up("ben", 200_000);
    History {
        offered: offered.id,
        open: open.id,
        closed: closed.id,
        standard_open: standard_open.id,
        standard_closed: standard_closed.id,
    }
}

/// A pseudo-random generator, xorshift64.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % bound as u64).unwrap()
    }
}
