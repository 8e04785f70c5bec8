-- The whole schema of an escrowd file. Reading it from top to bottom is the
-- shortest introduction to the system. The binary embeds it, and a fresh file
-- gets exactly this.
--
-- How to read the columns
--   * Money is a whole number of minor units (kobo for NGN), 0 to 2^53-1, so
--     that every client can hold it exactly.
--   * Points in time are milliseconds since 1970-01-01 UTC, in columns `..._at`. In
--     a sandbox they are the merchant's time, unless a comment says "ledger time",
--     which all merchants share.
--   * Objects with a guard are numbered in time order, so that new rows land at the
--     right edge of their table. Their id on the wire is 24 hex characters:
--     printf('%016x%08x', id, guard). The guard is random, so that one id does not
--     lead to another. Sandbox: a seed gives escrows and milestones the same ids in
--     every merchant; the guards of these rows are 2^32 or more and contain the
--     position in the seed (src/domain/ids/seeded.rs).
--   * Every table is STRICT, relations are foreign keys, enumerations are CHECKs.
--     The rules are in the domain; the file refuses what no correct program would
--     write. In tables with many inserts a CHECK lists the words with OR: for an IN
--     list of three or more, SQLite builds a temporary index at every row.
--   * A checksum covers the other columns of its row, so that `escrowd check` finds a
--     value that the disk or another program has changed (src/store/engine/sqlite/checksum.rs).
--   * The most frequent updates of a row (a release, a completion) keep its length,
--     so that its page, which is full, need not be split.
--
-- The file itself is marked (application_id, user_version) and has pages of 2 KiB;
-- src/store/engine/sqlite/file.rs sets those. src/store/engine/sqlite/connection.rs sets WAL mode
-- and the pragmas of each connection.

-- The mark by which a start sees that the write-ahead log beside this file is missing
-- or belongs to another file. One row. Every commit changes it, so each log begins with
-- the mark that follows the file's. This table must stay the first: without SQLite,
-- src/store/engine/sqlite/mark.rs reads its only page, the second of the file.
CREATE TABLE file_mark (
    only_row   INTEGER PRIMARY KEY CHECK (only_row = 1),
    generation INTEGER NOT NULL,          -- random, new at each start: two copies that both went on differ
    previous_generation INTEGER NOT NULL, -- of the start before, which leads from its file to this log
    commits    INTEGER NOT NULL CHECK (commits >= 0), -- over all starts; a log continues this count without a gap
    newest_transfer INTEGER NOT NULL CHECK (newest_transfer >= 0), -- the greatest number so far, 0 without one: shows in a refusal what the file holds, and the next transfer follows it
    is_open    INTEGER NOT NULL CHECK (is_open IN (0, 1)), -- 1 in the file itself while commits may be in the log alone
    schema_cookie INTEGER NOT NULL,       -- SQLite's PRAGMA schema_version; differs in a copy that SQLite made (.backup, VACUUM INTO), which needs no log
    ledger_time INTEGER NOT NULL          -- of the newest commit; a start compares the system's clock with it, which no row shows for every kind of write
) STRICT;

-- The mode and the currency of this file, in one row. Neither ever changes: sandbox money
-- and real money never share a file, nor do two currencies.
CREATE TABLE instance (
    only_row   INTEGER PRIMARY KEY CHECK (only_row = 1),
    mode       TEXT    NOT NULL CHECK (mode IN ('SANDBOX', 'LIVE')),
    currency   TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    checksum   INTEGER NOT NULL
) STRICT;

-- A merchant owns customers, escrows, balances and a chain of transfers. No other
-- merchant can see them. Live: operators create merchants and keep their settings.
CREATE TABLE merchant (
    id         INTEGER PRIMARY KEY,       -- also `merchantId` on the wire
    name       TEXT    UNIQUE,            -- of a live merchant, for ever; NULL for the merchant of a sandbox key
    chain_head BLOB    NOT NULL CHECK (length(chain_head) = 32), -- hash of its newest transfer, zeros before the first
    wallet_id    INTEGER NOT NULL,        -- the merchant's earnings are a wallet on the wire, which has an id
    wallet_guard INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    -- Names the merchant in its web pages and opens nothing but checkout sessions, so it is no
    -- secret. A reset moves it to the new merchant; NULL for one that was left behind.
    publishable_key TEXT UNIQUE CHECK (publishable_key GLOB 'pk_test_?*' OR publishable_key GLOB 'pk_live_?*'),
    -- Live: the merchant's own settings. NULL stands for those of the deployment.
    is_business    INTEGER CHECK (is_business = 0 OR is_business = 1), -- may sell in its own name
    country        TEXT    CHECK (country GLOB '[A-Z][A-Z]'),
    commission_bps INTEGER CHECK (commission_bps BETWEEN 0 AND 5000), -- its part of the fee, in basis points
    deposit_account   TEXT,               -- JSON: the bank account to which its customers pay
    allowed_addresses TEXT CHECK (length(allowed_addresses) > 0), -- ranges in CIDR notation that may use its keys, separated by spaces; NULL for all
    -- The URL of the webhook endpoint. Sandbox: NULL stands for the configured URL, the
    -- empty text for none. Live: both stand for none.
    callback_url TEXT,
    -- The events that the endpoint wants, names and patterns separated by spaces.
    -- NULL stands for all.
    callback_events TEXT CHECK (length(callback_events) > 0),
    -- When the endpoint answered 410 Gone; no event is sent to it until it is set again. A
    -- restart sets an endpoint of the configuration again.
    callback_gone_at INTEGER,
    -- Counts how often the endpoint was set, so that a late 410 of an earlier one does not
    -- end it.
    callback_version INTEGER NOT NULL DEFAULT 0 CHECK (callback_version >= 0),
    -- The secret that signs webhooks; the service must have it to sign. Sandbox: by the
    -- contract the key itself, which gives access to sandbox money only, and anyone may make
    -- one up. Live: a secret of its own, since a live key is never stored.
    signing_secret TEXT,
    -- Live: the secret before the last rotation, and until when it signs too.
    previous_signing_secret TEXT,
    previous_secret_until   INTEGER,
    -- Sandbox: the time by which the merchant's clock is ahead of ledger time. It only
    -- grows, so that no past event comes to lie in the future.
    clock_offset_millis INTEGER NOT NULL DEFAULT 0 CHECK (clock_offset_millis BETWEEN 0 AND 31536000000000),
    clock_moved_at      INTEGER,          -- ledger time of the last move
    event_count INTEGER NOT NULL DEFAULT 0 CHECK (event_count >= 0), -- its rows in `event`, so that a page of them need not count them
    -- Sandbox: ledger time of the reset that left it behind without a key. From then on
    -- retention may remove its rows.
    left_at     INTEGER,
    CHECK ((clock_offset_millis = 0) = (clock_moved_at IS NULL)),
    CHECK ((previous_signing_secret IS NULL) = (previous_secret_until IS NULL))
) STRICT;

-- Finds the merchants that resets left behind, the oldest first.
CREATE INDEX merchant_left_behind ON merchant (left_at) WHERE left_at IS NOT NULL;

-- Live: the secrets with which payment providers sign their notices to a merchant.
CREATE TABLE notice_secret (
    merchant_id INTEGER NOT NULL REFERENCES merchant (id),
    provider    TEXT    NOT NULL,         -- its name in the path of its notices
    secret      TEXT    NOT NULL,
    PRIMARY KEY (merchant_id, provider)
) STRICT, WITHOUT ROWID;

-- The SHA-256 hashes of secret keys. A live key itself is never stored; a sandbox key also is
-- the merchant's signing_secret. Several keys may belong to one merchant, so that a key can be
-- replaced without a gap. A key that has ended stays, so that the record of acts can name it.
CREATE TABLE merchant_key (
    key_hash    BLOB    PRIMARY KEY CHECK (length(key_hash) = 32), -- SHA-256 of the bearer key; its first 12 bytes are the key's id
    merchant_id INTEGER NOT NULL REFERENCES merchant (id),
    scope       TEXT    NOT NULL CHECK (scope IN ('BUSINESS', 'SUPER_ADMIN')), -- the routes that it may use
    label       TEXT,                     -- live: the operator's word for its use
    ending      TEXT    CHECK (length(ending) = 4), -- live: the last characters of the key, by which people recognise it
    created_at  INTEGER NOT NULL,         -- ledger time, as all times of a key
    expires_at  INTEGER,                  -- from then on it opens nothing; NULL without an end
    revoked_at  INTEGER,
    last_used_at INTEGER                  -- live: to the hour, or to the minute if the key ends
) STRICT, WITHOUT ROWID;

-- Finds out if a merchant has a key. A merchant that a reset left behind has none.
CREATE INDEX merchant_key_of_merchant ON merchant_key (merchant_id);

-- A buyer or seller, known by the `customer-id` header. Has only the columns that every
-- command of a customer reads; name, email address and phone are in `customer_profile`.
CREATE TABLE customer (
    merchant_id    INTEGER NOT NULL REFERENCES merchant (id),
    id             TEXT    NOT NULL CHECK (length(id) BETWEEN 1 AND 128),
    wallet_id      INTEGER NOT NULL,      -- the wallet is its two accounts; on the wire it has an id
    wallet_guard   INTEGER NOT NULL,
    can_buy        INTEGER NOT NULL DEFAULT 1 CHECK (can_buy = 0 OR can_buy = 1),
    can_sell       INTEGER NOT NULL DEFAULT 1 CHECK (can_sell = 0 OR can_sell = 1),
    can_withdraw   INTEGER NOT NULL DEFAULT 1 CHECK (can_withdraw = 0 OR can_withdraw = 1),
    blocked_at     INTEGER,               -- NULL while active
    blocked_reason TEXT,
    created_at     INTEGER NOT NULL,
    topped_up_at   INTEGER,               -- with `strict`, the time of the last top-up
    PRIMARY KEY (merchant_id, id),
    CHECK ((blocked_at IS NULL) = (blocked_reason IS NULL))
) STRICT, WITHOUT ROWID;
-- A merchant's customers, oldest first; wallets are numbered in the same order.
CREATE UNIQUE INDEX customer_by_age ON customer (merchant_id, wallet_id);
-- Finds out if another merchant has a customer with this id.
CREATE INDEX customer_of_any_merchant ON customer (id);

-- A customer's name and addresses. A customer that a sandbox registered on first use, or
-- whom a seed describes in part, has a placeholder for an email address and a phone that
-- are not known.
CREATE TABLE customer_profile (
    merchant_id INTEGER NOT NULL,
    customer_id TEXT    NOT NULL,
    firstname   TEXT,
    lastname    TEXT,
    email       TEXT    CHECK (email = lower(email)), -- so that equal addresses are equal texts
    -- NG, GH, KE and ZA: as dialled within the country. Others: in E.164.
    phone       TEXT    CHECK (phone GLOB '0[0-9]*' OR phone GLOB '+[1-9][0-9]*'),
    bvn         TEXT    CHECK (length(bvn) = 11),     -- stored, without effect
    country     TEXT    NOT NULL CHECK (country GLOB '[A-Z][A-Z]'), -- the country of the phone number, ISO 3166-1 alpha-2
    PRIMARY KEY (merchant_id, customer_id),
    FOREIGN KEY (merchant_id, customer_id) REFERENCES customer (merchant_id, id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX customer_by_email ON customer_profile (merchant_id, email) WHERE email IS NOT NULL;
CREATE UNIQUE INDEX customer_by_phone ON customer_profile (merchant_id, phone) WHERE phone IS NOT NULL;

-- An account of the ledger: an owner and a purpose. A balance moves only together
-- with the transfer that explains it. Each merchant has its own OUTSIDE_WORLD account,
-- the only balance below zero: the negative of all money that came in. Its lower bound
-- limits the money in all accounts of the merchant, and so keeps every sum exact.
CREATE TABLE account (
    id          INTEGER PRIMARY KEY,
    merchant_id INTEGER NOT NULL REFERENCES merchant (id),
    customer_id TEXT,                     -- NULL for the merchant's own and the outside world
    purpose     TEXT    NOT NULL CHECK (purpose IN
                    ('CUSTOMER_MAIN', 'CUSTOMER_ESCROW', 'MERCHANT_MAIN', 'PLATFORM_FEES', 'IN_TRANSIT', 'SUSPENSE',
                     'OUTSIDE_WORLD')),
    balance     INTEGER NOT NULL DEFAULT 0
                    CHECK (balance BETWEEN CASE purpose WHEN 'OUTSIDE_WORLD' THEN -9007199254740991 ELSE 0 END
                                       AND CASE purpose WHEN 'OUTSIDE_WORLD' THEN 0 ELSE 9007199254740991 END),
    updated_at  INTEGER NOT NULL,         -- the time of the last change of the balance or the history
    -- The newest entry of its payment history; each entry names the one before. The
    -- account's page is written for the balance anyway, so the history needs no page
    -- and no index of its own. Neither reference is a foreign key, which would read an
    -- old page at every entry; `escrowd check` follows them all.
    newest_transaction_id INTEGER,
    transaction_count INTEGER NOT NULL DEFAULT 0, -- entries of that history, so that its length need not be counted
    checksum    INTEGER NOT NULL,
    CHECK ((customer_id IS NOT NULL) = (purpose IN ('CUSTOMER_MAIN', 'CUSTOMER_ESCROW'))),
    FOREIGN KEY (merchant_id, customer_id) REFERENCES customer (merchant_id, id)
) STRICT;
-- Two indexes, because in a unique index two NULLs are different.
CREATE UNIQUE INDEX account_of_customer ON account (merchant_id, customer_id, purpose) WHERE customer_id IS NOT NULL;
CREATE UNIQUE INDEX account_of_merchant ON account (merchant_id, purpose) WHERE customer_id IS NULL;

-- Blobs that rows refer to: pictures of what is sold, evidence in a dispute. Their
-- content is in the folder beside the database, `escrowd.db-files`, under these
-- names. A file that was referred to once stays.
CREATE TABLE file (
    name TEXT PRIMARY KEY CHECK (length(name) BETWEEN 68 AND 69) -- SHA-256 of its bytes in hex, a dot, its kind
) STRICT, WITHOUT ROWID;

-- A group into which a seller sorts its deals.
CREATE TABLE category (
    id          INTEGER PRIMARY KEY,
    guard       INTEGER NOT NULL,
    merchant_id INTEGER NOT NULL REFERENCES merchant (id),
    owner_id    TEXT,                     -- the customer; NULL for the merchant's own
    name        TEXT    NOT NULL,
    description TEXT,
    position    INTEGER NOT NULL CHECK (position >= 1), -- its place among the owner's: 1, 2, 3, ... without a gap
    image       TEXT    REFERENCES file (name),
    created_at  INTEGER NOT NULL,
    deleted_at  INTEGER,                  -- since then it is not found, and its escrows have no category
    was_behind  INTEGER,                  -- of a deleted one: the category in front of it then, NULL for the first
    FOREIGN KEY (merchant_id, owner_id) REFERENCES customer (merchant_id, id)
) STRICT;
CREATE INDEX category_of_owner ON category (merchant_id, owner_id, position) WHERE deleted_at IS NULL;

-- A deal. The terms come from the seller; an edit replaces all of them. The columns
-- from `buyer_id` to `paid_at` are set by the one payment that funds it. A vault is
-- open from the start: the stakes of its participants fund it.
CREATE TABLE escrow (
    id                  INTEGER PRIMARY KEY,
    guard               INTEGER NOT NULL,
    merchant_id         INTEGER NOT NULL REFERENCES merchant (id),
    payment_token       TEXT    NOT NULL, -- the seller gives it to the buyer
    seller_id           TEXT,                    -- NULL when the merchant itself sells, and of a vault
    settlement_type     TEXT    NOT NULL CHECK (settlement_type IN ('STANDARD', 'MILESTONE', 'VAULT')),

    amount              INTEGER NOT NULL CHECK (amount BETWEEN 1 AND 9007199254740991), -- of a vault: all stakes
    purpose             TEXT    NOT NULL,
    description         TEXT,
    images              TEXT,             -- names of files, separated by spaces
    category_id         INTEGER REFERENCES category (id),
    who_pays            TEXT    NOT NULL CHECK (who_pays IN ('buyer', 'seller', 'both')), -- the fee
    max_delivery        INTEGER NOT NULL CHECK (max_delivery BETWEEN 1 AND 365), -- in units of delivery_timeline
    delivery_timeline   TEXT    NOT NULL CHECK (delivery_timeline IN ('minutes', 'hours', 'days')),
    total_quantity      INTEGER NOT NULL CHECK (total_quantity >= 0), -- the number of buyers that it is still open to
    is_link             INTEGER NOT NULL CHECK (is_link IN (0, 1)), -- offered to several buyers: each payment makes an escrow of its own
    -- The fee is fixed with the terms, so that a change of rates does not change an
    -- existing deal. fee = the platform's part + commission; buyer_fee is the part of
    -- fee that the buyer pays on top of amount.
    fee                 INTEGER NOT NULL CHECK (fee BETWEEN 0 AND amount),
    commission          INTEGER NOT NULL CHECK (commission BETWEEN 0 AND fee),
    buyer_fee           INTEGER NOT NULL CHECK (buyer_fee BETWEEN 0 AND fee),
    -- A fee of the merchant, such as for delivery; the buyer pays it on top.
    additional_fee            INTEGER NOT NULL DEFAULT 0 CHECK (additional_fee >= 0),
    additional_fee_refundable INTEGER NOT NULL DEFAULT 1 CHECK (additional_fee_refundable IN (0, 1)),

    -- The place of the money: still with the buyer, in the hold, or paid out. Together with
    -- `dispute` and `closed_as` it determines the contract's status.
    state               TEXT    NOT NULL CHECK (state = 'AWAITING_PAYMENT' OR state = 'OPENED' OR state = 'CLOSED'),
    -- The state of the dispute: opened by one side, or answered by the other. RULED: there was
    -- none, and the merchant ruled after the parties' time. NULL: there are no statements.
    dispute             TEXT    CHECK (dispute IN ('DISPUTED', 'INVESTIGATING', 'RULED')),
    -- The way in which it closed; NULL when it was completed.
    closed_as           TEXT    CHECK (closed_as IN ('CLAIMED', 'REFUNDED', 'SPLIT')),
    split_seller_amount INTEGER CHECK (split_seller_amount >= 0),
    split_buyer_amount  INTEGER CHECK (split_buyer_amount >= 0),
    winner_id           TEXT,             -- the participant who won a vault's pot
    buyer_id            TEXT,
    -- The funding payment is final, so the facts that every reply shows are copied
    -- here. Showing an escrow then takes one row and its milestones.
    payment_id          INTEGER REFERENCES payment_transaction (id),
    payment_guard       INTEGER,
    payment_reference   TEXT,             -- NULL if it is made from the payment's id
    payment_amount      INTEGER CHECK (payment_amount > 0), -- of the whole payment, which may have funded more escrows
    paid_at             INTEGER,
    created_at          INTEGER NOT NULL,
    -- The time of the last change of this row; for a closed escrow, of its close. A release
    -- changes only the milestone's row, so an escrow last changed at the later of this time
    -- and its newest release.
    updated_at          INTEGER NOT NULL,
    deleted_at          INTEGER,          -- since then it is not found
    checksum            INTEGER NOT NULL,

    UNIQUE (payment_token, merchant_id),
    FOREIGN KEY (merchant_id, seller_id) REFERENCES customer (merchant_id, id),
    FOREIGN KEY (merchant_id, buyer_id) REFERENCES customer (merchant_id, id),
    FOREIGN KEY (merchant_id, winner_id) REFERENCES customer (merchant_id, id),
    CHECK (settlement_type <> 'MILESTONE' OR who_pays = 'buyer'),
    CHECK (who_pays <> 'buyer' OR buyer_fee = fee),
    CHECK (who_pays <> 'seller' OR buyer_fee = 0),
    CHECK (amount + buyer_fee + additional_fee <= 9007199254740991),
    CHECK (additional_fee = 0 OR settlement_type = 'STANDARD'),
    CHECK (is_link = 0 OR (settlement_type = 'STANDARD' AND state = 'AWAITING_PAYMENT')),
    CHECK (total_quantity >= 1 OR is_link = 1),
    CHECK (buyer_id IS NULL OR buyer_id IS NOT seller_id),
    CHECK (settlement_type = 'VAULT' OR (state = 'AWAITING_PAYMENT') = (buyer_id IS NULL)),
    CHECK (settlement_type <> 'VAULT' OR (state <> 'AWAITING_PAYMENT' AND seller_id IS NULL AND buyer_id IS NULL AND dispute IS NULL)),
    CHECK ((buyer_id IS NULL) = (payment_id IS NULL)),
    CHECK ((buyer_id IS NULL) = (payment_guard IS NULL)),
    CHECK (buyer_id IS NOT NULL OR payment_reference IS NULL),
    CHECK ((buyer_id IS NULL) = (payment_amount IS NULL)),
    CHECK ((state = 'AWAITING_PAYMENT') = (paid_at IS NULL)),
    CHECK (dispute IS NULL OR state <> 'AWAITING_PAYMENT'),
    CHECK (closed_as IS NULL OR state = 'CLOSED'),
    CHECK (closed_as IS NOT 'SPLIT' OR dispute IS NOT NULL), -- a seller may refund without a dispute
    CHECK ((split_seller_amount IS NULL) = (closed_as IS NOT 'SPLIT')),
    CHECK ((split_buyer_amount IS NULL) = (closed_as IS NOT 'SPLIT')),
    CHECK ((winner_id IS NULL) = (settlement_type <> 'VAULT' OR state <> 'CLOSED' OR closed_as IS NOT NULL)),
    CHECK (deleted_at IS NULL OR state = 'AWAITING_PAYMENT')
) STRICT;
-- Sandbox: escrows of a seed, whose ids do not contain the number of their row.
CREATE UNIQUE INDEX escrow_of_seed ON escrow (guard, merchant_id) WHERE guard > 4294967295;
-- The escrows that one payment funded.
CREATE INDEX escrow_by_payment ON escrow (payment_id) WHERE payment_id IS NOT NULL;
-- The lists of a merchant, of a seller, of a buyer, and of disputed escrows. Each index has
-- all that its list filters and adds up, so that only the rows of the page are read from the
-- table. The buyer's begins with the state, because a wallet's escrow balance leaves out
-- the fees of the open escrows.
CREATE INDEX escrow_by_merchant ON escrow (merchant_id, id, deleted_at, state, dispute, closed_as, category_id, created_at);
CREATE INDEX escrow_by_seller ON escrow (merchant_id, seller_id, id, deleted_at, state, dispute, closed_as, category_id, created_at, amount, settlement_type);
CREATE INDEX escrow_by_buyer ON escrow (merchant_id, buyer_id, state, id, deleted_at, dispute, closed_as, category_id, created_at, amount, fee, additional_fee) WHERE buyer_id IS NOT NULL;
CREATE INDEX escrow_disputed ON escrow (merchant_id, id, deleted_at, state, dispute, closed_as, category_id, created_at) WHERE dispute IS NOT NULL;
CREATE INDEX escrow_disputed_by_seller ON escrow (merchant_id, seller_id) WHERE dispute IS NOT NULL;
CREATE INDEX escrow_disputed_by_buyer ON escrow (merchant_id, buyer_id) WHERE dispute IS NOT NULL;

-- The statements of a dispute, or the merchant's alone on a ruling without one.
CREATE TABLE dispute_statement (
    escrow_id  INTEGER NOT NULL REFERENCES escrow (id),
    speaker    TEXT    NOT NULL CHECK (speaker IN ('BUYER', 'SELLER', 'MERCHANT')),
    position   INTEGER NOT NULL CHECK (position BETWEEN 1 AND 3), -- in order of arrival, since times may be equal
    name       TEXT,                      -- the speaker's name at the time; NULL if not known
    message    TEXT    NOT NULL,
    proof      TEXT    REFERENCES file (name),
    created_at INTEGER NOT NULL,
    checksum   INTEGER NOT NULL,
    PRIMARY KEY (escrow_id, speaker)
) STRICT, WITHOUT ROWID;

-- The stakes of a vault's participants.
CREATE TABLE vault_stake (
    escrow_id   INTEGER NOT NULL REFERENCES escrow (id),
    position    INTEGER NOT NULL,
    merchant_id INTEGER NOT NULL,
    customer_id TEXT    NOT NULL,
    amount      INTEGER NOT NULL CHECK (amount > 0),
    checksum    INTEGER NOT NULL,
    PRIMARY KEY (escrow_id, position),
    UNIQUE (escrow_id, customer_id),
    FOREIGN KEY (merchant_id, customer_id) REFERENCES customer (merchant_id, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX vault_stake_by_customer ON vault_stake (merchant_id, customer_id);

-- One stage of a milestone escrow. Escrows take every 1024th number and their
-- milestones the numbers after it, so that the milestones of an escrow are stored side
-- by side. A release changes the milestone's row only; the last one closes the escrow.
CREATE TABLE milestone (
    id             INTEGER PRIMARY KEY,
    escrow_id      INTEGER NOT NULL GENERATED ALWAYS AS (id & -1024) VIRTUAL REFERENCES escrow (id),
    position       INTEGER NOT NULL GENERATED ALWAYS AS ((id & 1023) - 1) VIRTUAL
                       CHECK (position BETWEEN 0 AND 999), -- its place in the escrow, from 0
    guard          INTEGER NOT NULL,      -- a new one with every edit
    title          TEXT    NOT NULL,
    description    TEXT,
    amount         INTEGER NOT NULL CHECK (amount > 0),
    due_date       TEXT,                  -- YYYY-MM-DD; for information, without effect
    beneficiary_id TEXT,                  -- the customer who is paid instead of the seller
    is_released    INTEGER NOT NULL CHECK (is_released = 0 OR is_released = 1),
    updated_at     INTEGER NOT NULL,      -- when it was released; before that, when it was offered
    checksum       INTEGER NOT NULL
) STRICT;

-- One movement of money, from the debited to the credited account. Rows are
-- numbered in the order they happened and never change. Those of a sandbox merchant that a
-- reset left behind are removed with it.
CREATE TABLE transfer (
    id                INTEGER PRIMARY KEY,   -- 1, 2, 3, ... over the whole file; a number is never used again
    merchant_id       INTEGER NOT NULL REFERENCES merchant (id),
    kind              TEXT    NOT NULL CHECK (kind = 'RELEASE' OR kind = 'FUND' OR kind = 'STAKE' OR kind = 'REFUND'
                          OR kind = 'COMMISSION' OR kind = 'PLATFORM_FEE' OR kind = 'ADDITIONAL_FEE'
                          OR kind = 'OPENING_BALANCE' OR kind = 'TOP_UP' OR kind = 'BALANCE_SET' OR kind = 'DEPOSIT'
                          OR kind = 'WITHDRAWAL' OR kind = 'WITHDRAWAL_FEE' OR kind = 'WALLET_TRANSFER'
                          OR kind = 'PAYOUT' OR kind = 'PAYOUT_RETURN' OR kind = 'UNALLOCATED' OR kind = 'ALLOCATION'
                          OR kind = 'CORRECTION'),
    debit_account_id  INTEGER NOT NULL REFERENCES account (id),
    credit_account_id INTEGER NOT NULL REFERENCES account (id),
    amount            INTEGER NOT NULL CHECK (amount BETWEEN 1 AND 9007199254740991),
    escrow_id         INTEGER REFERENCES escrow (id), -- the escrow whose hold it fills or empties; NULL if there is none
    created_at        INTEGER NOT NULL,
    -- SHA-256 over the hash of the merchant's transfer before it and every column
    -- above, so that `escrowd check` finds a changed, removed or inserted row.
    hash              BLOB    NOT NULL CHECK (length(hash) = 32),
    CHECK (debit_account_id <> credit_account_id),
    CHECK ((escrow_id IS NOT NULL) = (kind = 'RELEASE' OR kind = 'FUND' OR kind = 'STAKE' OR kind = 'REFUND'
                                   OR kind = 'COMMISSION' OR kind = 'PLATFORM_FEE' OR kind = 'ADDITIONAL_FEE'))
) STRICT;
CREATE TRIGGER transfer_is_never_changed BEFORE UPDATE ON transfer
BEGIN SELECT RAISE(ABORT, 'a transfer is never changed'); END;
-- The one exception: a merchant that a reset left behind in a sandbox.
CREATE TRIGGER transfer_is_never_deleted BEFORE DELETE ON transfer
WHEN NOT EXISTS (SELECT 1 FROM instance JOIN merchant ON merchant.id = OLD.merchant_id
                 WHERE mode = 'SANDBOX' AND left_at IS NOT NULL
                   AND NOT EXISTS (SELECT 1 FROM merchant_key WHERE merchant_id = OLD.merchant_id))
BEGIN SELECT RAISE(ABORT, 'a transfer is never deleted'); END;

-- The payment history of a customer or a merchant, one entry for each payment as the
-- owner sees it ("paid for two escrows", "received a milestone"). An entry never
-- changes. The status of an entry is in payment_detail; nearly all entries have no row
-- there and have succeeded. A history is read newest first, from
-- account.newest_transaction_id backwards.
CREATE TABLE payment_transaction (
    id               INTEGER PRIMARY KEY,
    guard            INTEGER NOT NULL,
    account_id       INTEGER NOT NULL REFERENCES account (id), -- the owner's main account
    previous_id      INTEGER,             -- the owner's entry before this one
    transaction_type TEXT    NOT NULL CHECK (transaction_type = 'deposit' OR transaction_type = 'escrow'
                         OR transaction_type = 'commission' OR transaction_type = 'delivery'
                         OR transaction_type = 'withdrawal' OR transaction_type = 'wallet_transfer'
                         OR transaction_type = 'transfer'),
    credit_type      TEXT    NOT NULL CHECK (credit_type = 'credit' OR credit_type = 'debit'),
    amount           INTEGER NOT NULL CHECK (amount > 0),
    reference        TEXT,                -- NULL if it is made from the id (src/domain/ids/reference.rs)
    escrow_id        INTEGER REFERENCES escrow (id), -- the source of a credit, or the vault of a stake; NULL for a funding, whose escrows have it as payment_id
    created_at       INTEGER NOT NULL,
    checksum         INTEGER NOT NULL,
    CHECK (previous_id < id)
) STRICT;

-- Details of a transaction: of an intent, of the credit that a wallet transfer made, of
-- an escrow payment by card. A transaction without a row here succeeded at once,
-- cost nothing and moved its owner's main balance by its amount. A transaction with a
-- row moved the balance only if it succeeded, and not at all if a card paid for an
-- escrow, since that money goes straight into the hold.
CREATE TABLE payment_detail (
    transaction_id INTEGER PRIMARY KEY REFERENCES payment_transaction (id),
    status         TEXT    NOT NULL CHECK (status IN ('pending', 'success', 'failed', 'reversed')),
    fee            INTEGER NOT NULL CHECK (fee BETWEEN 0 AND 9007199254740991), -- of a debit, on top of its amount
    settled_at     INTEGER,               -- when it succeeded or failed
    method         TEXT    NOT NULL CHECK (method IN ('TEST_ACCOUNT', 'CARD', 'BANK', 'BLOCKCHAIN', 'WALLET', 'BANK_TRANSFER')),
    details        TEXT    NOT NULL,      -- JSON, whose shape depends on the method
    checksum       INTEGER NOT NULL,
    -- Of a bank transfer for one deal: SHA-256 of the customer, the deal, its terms and the amount
    -- (src/domain/payments/announcement.rs). NULL if the terms are not known, as before version 2.
    announcement   BLOB    CHECK (length(announcement) = 32),
    CHECK ((settled_at IS NULL) = (status = 'pending'))
) STRICT;
-- Finds the deposits that wait for money, and the withdrawals that wait for their payment.
CREATE INDEX payment_pending ON payment_detail (transaction_id) WHERE status = 'pending';
-- Finds the transfer that is announced already, of any number of pending deposits.
CREATE INDEX payment_announced ON payment_detail (announcement, transaction_id) WHERE status = 'pending' AND announcement IS NOT NULL;

-- A person who runs this deployment in live mode. Acts through the routes under /operator
-- with a key of its own.
CREATE TABLE operator (
    id           INTEGER PRIMARY KEY,
    guard        INTEGER NOT NULL,
    name         TEXT    NOT NULL UNIQUE, -- stands in the record of acts
    role         TEXT    NOT NULL CHECK (role IN ('admin', 'cashier', 'approver', 'auditor')),
    key_hash     BLOB    NOT NULL UNIQUE CHECK (length(key_hash) = 32), -- SHA-256 of the bearer key
    created_at   INTEGER NOT NULL,
    last_used_at INTEGER,                 -- of the key, to the hour, so that reading writes seldom
    revoked_at   INTEGER,                 -- since then the key opens nothing
    checksum     INTEGER NOT NULL
) STRICT;

-- The merchants that an operator is limited to. An operator without a row may act for all.
CREATE TABLE operator_merchant (
    operator_id INTEGER NOT NULL REFERENCES operator (id),
    merchant_id INTEGER NOT NULL REFERENCES merchant (id),
    PRIMARY KEY (operator_id, merchant_id)
) STRICT, WITHOUT ROWID;

-- The record of all that operators did. A row never changes. Those of a sandbox merchant
-- that a reset left behind are removed with it.
CREATE TABLE operator_act (
    id             INTEGER PRIMARY KEY,
    merchant_id    INTEGER REFERENCES merchant (id), -- NULL for an act that concerns the whole deployment
    number         INTEGER NOT NULL CHECK (number >= 1), -- 1, 2, 3, ... of the merchant, or of the deployment
    operator_id    INTEGER REFERENCES operator (id), -- NULL for a sandbox key, and for a command on the machine itself
    kind           TEXT    NOT NULL,
    subject        TEXT    NOT NULL,      -- the id of what it is about
    reason         TEXT,
    address        TEXT,                  -- the client's IP address; NULL for a command on the machine itself
    first_transfer INTEGER,               -- the transfers that it posted; NULL if it moved nothing
    last_transfer  INTEGER,
    created_at     INTEGER NOT NULL,      -- ledger time
    -- SHA-256 over the hash of the act before it (of the same merchant, or of the deployment)
    -- and every column above but the id, so that `escrowd check` finds a changed or removed row.
    hash           BLOB    NOT NULL CHECK (length(hash) = 32),
    CHECK ((first_transfer IS NULL) = (last_transfer IS NULL)),
    CHECK (first_transfer <= last_transfer)
) STRICT;
CREATE UNIQUE INDEX operator_act_of_merchant ON operator_act (merchant_id, number);
CREATE TRIGGER operator_act_is_never_changed BEFORE UPDATE ON operator_act
BEGIN SELECT RAISE(ABORT, 'an act of an operator is never changed'); END;
CREATE TRIGGER operator_act_is_never_deleted BEFORE DELETE ON operator_act
WHEN NOT EXISTS (SELECT 1 FROM instance JOIN merchant ON merchant.id = OLD.merchant_id
                 WHERE mode = 'SANDBOX' AND left_at IS NOT NULL
                   AND NOT EXISTS (SELECT 1 FROM merchant_key WHERE merchant_id = OLD.merchant_id))
BEGIN SELECT RAISE(ABORT, 'an act of an operator is never deleted'); END;

-- The newest act of each merchant, and of the deployment as merchant 0, so that the loss of
-- the newest rows shows.
CREATE TABLE operator_act_head (
    merchant_id INTEGER PRIMARY KEY,
    number      INTEGER NOT NULL CHECK (number >= 1),
    hash        BLOB    NOT NULL CHECK (length(hash) = 32)
) STRICT;

-- Money that came to the bank account, as an operator recorded it or a payment provider
-- reported it.
CREATE TABLE receipt (
    id             INTEGER PRIMARY KEY,
    guard          INTEGER NOT NULL,
    merchant_id    INTEGER NOT NULL REFERENCES merchant (id),
    amount         INTEGER NOT NULL CHECK (amount BETWEEN 1 AND 9007199254740991), -- as it came
    bank_reference TEXT    NOT NULL,      -- the bank's name for the movement
    bank_reference_key TEXT NOT NULL,     -- the same without case, spaces and punctuation: people write it in several ways
    value_date     TEXT    NOT NULL,      -- YYYY-MM-DD
    note           TEXT,
    source         TEXT    NOT NULL CHECK (source IN ('operator', 'provider')),
    -- 'recorded' has moved nothing yet and waits for a second person; 'rejected' never did.
    status         TEXT    NOT NULL CHECK (status IN
                       ('recorded', 'rejected', 'credited', 'suspense', 'reversed', 'sent_back')),
    customer_id    TEXT,                  -- whose it is; NULL while it is not known
    expected_id    INTEGER REFERENCES payment_transaction (id), -- the deposit whose reference the payer quoted
    deposit_id     INTEGER REFERENCES payment_transaction (id), -- the deposit that credited it
    recorded_by    INTEGER REFERENCES operator (id), -- NULL for a provider, and in a sandbox
    created_at     INTEGER NOT NULL,
    updated_at     INTEGER NOT NULL,
    checksum       INTEGER NOT NULL,
    asked_by       INTEGER REFERENCES operator (id), -- who asked to assign or reverse it, until a second operator does
    CHECK (status <> 'credited' OR deposit_id IS NOT NULL),
    FOREIGN KEY (merchant_id, customer_id) REFERENCES customer (merchant_id, id)
) STRICT;
CREATE INDEX receipt_of_merchant ON receipt (merchant_id, status);
-- A bank reference is used once, unless its receipt was a mistake. In live mode a command
-- looks in all merchants, since they may share a bank account.
CREATE UNIQUE INDEX receipt_by_bank_reference ON receipt (bank_reference_key, merchant_id)
    WHERE status <> 'rejected' AND status <> 'reversed';
CREATE INDEX receipt_of_deposit ON receipt (deposit_id) WHERE deposit_id IS NOT NULL;

-- Money that leaves through the bank account: a withdrawal of a customer or of the merchant,
-- the platform's fees, or money in suspense that goes back. From the request to the payment
-- its amount and fee are in the account IN_TRANSIT.
CREATE TABLE payout (
    id             INTEGER PRIMARY KEY,
    guard          INTEGER NOT NULL,
    merchant_id    INTEGER NOT NULL REFERENCES merchant (id),
    account_id     INTEGER NOT NULL REFERENCES account (id), -- whose money it is
    transaction_id INTEGER REFERENCES payment_transaction (id), -- the withdrawal of a customer or the merchant, which has the bank account
    receipt_id     INTEGER REFERENCES receipt (id), -- the receipt in suspense that goes back
    amount         INTEGER NOT NULL CHECK (amount BETWEEN 1 AND 9007199254740991),
    fee            INTEGER NOT NULL CHECK (fee BETWEEN 0 AND 9007199254740991), -- on top, to the platform when it is paid
    destination    TEXT,                  -- JSON: the bank account, if there is no withdrawal
    status         TEXT    NOT NULL CHECK (status IN ('requested', 'approved', 'rejected', 'paid', 'returned')),
    requested_by   INTEGER REFERENCES operator (id), -- NULL if the customer asked with the merchant's key
    approved_by    INTEGER REFERENCES operator (id),
    bank_reference TEXT,                  -- of the payment; NULL if the sandbox's bank paid
    bank_reference_key TEXT,              -- the same without case, spaces and punctuation
    value_date     TEXT,                  -- YYYY-MM-DD
    was_paid       INTEGER NOT NULL CHECK (was_paid IN (0, 1)), -- 1 from the payment on, also if the bank then returned it: the platform keeps the fee
    reason         TEXT,                  -- of the rejection or the return
    created_at     INTEGER NOT NULL,
    updated_at     INTEGER NOT NULL,
    checksum       INTEGER NOT NULL,
    batch          INTEGER CHECK (batch >= 1), -- the merchant's batch in which it was exported for the bank
    asked_by       INTEGER REFERENCES operator (id), -- who asked to record its return or to reopen it, until a second operator does
    asked_for      TEXT CHECK (asked_for IN ('return', 'reopening')) CHECK ((asked_by IS NULL) = (asked_for IS NULL)),
    CHECK (status = 'returned' OR was_paid = (status = 'paid')),
    CHECK ((transaction_id IS NULL) = (destination IS NOT NULL)),
    CHECK ((bank_reference IS NULL) = (value_date IS NULL) AND (bank_reference IS NULL) = (bank_reference_key IS NULL))
) STRICT;
CREATE INDEX payout_of_merchant ON payout (merchant_id, status);
CREATE UNIQUE INDEX payout_of_transaction ON payout (transaction_id) WHERE transaction_id IS NOT NULL;
CREATE UNIQUE INDEX payout_of_receipt ON payout (receipt_id) WHERE receipt_id IS NOT NULL AND status <> 'rejected' AND status <> 'returned';
CREATE UNIQUE INDEX payout_by_bank_reference ON payout (bank_reference_key, merchant_id) WHERE bank_reference_key IS NOT NULL;
CREATE INDEX payout_of_batch ON payout (merchant_id, batch) WHERE batch IS NOT NULL;

-- The rulings on large holds that one operator has asked for, until a second one asks for the same.
CREATE TABLE asked_ruling (
    escrow_id     INTEGER PRIMARY KEY REFERENCES escrow (id),
    asked_by      INTEGER NOT NULL REFERENCES operator (id),
    status        TEXT    NOT NULL CHECK (status IN ('COMPLETED', 'REFUNDED', 'SPLIT')),
    seller_amount INTEGER CHECK (seller_amount BETWEEN 0 AND 9007199254740991), -- of a split
    buyer_amount  INTEGER CHECK (buyer_amount BETWEEN 0 AND 9007199254740991),
    additional_fee_refundable INTEGER CHECK (additional_fee_refundable IN (0, 1)), -- NULL leaves it as the escrow has it
    checksum      INTEGER NOT NULL
) STRICT;

-- Sandbox: bank accounts on which pending deposits wait for their payment.
CREATE TABLE test_account (
    merchant_id    INTEGER NOT NULL REFERENCES merchant (id),
    account_number TEXT    NOT NULL CHECK (length(account_number) = 10),
    transaction_id INTEGER NOT NULL REFERENCES payment_transaction (id),
    PRIMARY KEY (merchant_id, account_number)
) STRICT, WITHOUT ROWID;

-- Sandbox: withdrawals to the test account whose bank takes its time. A row is removed when
-- its withdrawal is settled.
CREATE TABLE slow_withdrawal (
    merchant_id    INTEGER NOT NULL REFERENCES merchant (id),
    transaction_id INTEGER NOT NULL REFERENCES payment_transaction (id),
    due_at         INTEGER NOT NULL,      -- when it is settled
    PRIMARY KEY (merchant_id, transaction_id)
) STRICT, WITHOUT ROWID;

-- Sandbox: test cards that customers have saved. The number is one of the documented
-- test numbers, never that of a real card. Removing a card deletes its row.
CREATE TABLE card (
    id          INTEGER PRIMARY KEY,
    guard       INTEGER NOT NULL,
    merchant_id INTEGER NOT NULL,
    customer_id TEXT    NOT NULL,
    number      TEXT    NOT NULL,
    created_at  INTEGER NOT NULL,
    UNIQUE (merchant_id, customer_id, number),
    FOREIGN KEY (merchant_id, customer_id) REFERENCES customer (merchant_id, id)
) STRICT;

-- Sandbox: addresses that crypto withdrawals may go to.
CREATE TABLE whitelist_address (
    id             INTEGER PRIMARY KEY,
    guard          INTEGER NOT NULL,
    merchant_id    INTEGER NOT NULL,
    customer_id    TEXT    NOT NULL,
    wallet_address TEXT    NOT NULL COLLATE NOCASE, -- as it was written; letter case only carries a checksum
    label          TEXT,
    created_at     INTEGER NOT NULL,
    UNIQUE (merchant_id, customer_id, wallet_address),
    FOREIGN KEY (merchant_id, customer_id) REFERENCES customer (merchant_id, id)
) STRICT;

-- Payments that clients have requested. The same request with the reference of its payment
-- gets the first reply again; another request is refused.
CREATE TABLE requested_payment (
    transaction_id  INTEGER PRIMARY KEY REFERENCES payment_transaction (id),
    merchant_id     INTEGER NOT NULL REFERENCES merchant (id),
    reference       TEXT,                 -- the transaction's, NULL if it is made from its id
    request_hash    BLOB    NOT NULL CHECK (length(request_hash) = 32), -- SHA-256 of the request
    checksum        INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX requested_payment_by_reference ON requested_payment (merchant_id, reference) WHERE reference IS NOT NULL;

-- The first request under each idempotency key of a merchant and its reply, written in
-- the same commit as the request's effects. The same request again gets the same reply.
-- Retention removes rows that are old enough by the merchant's clock.
CREATE TABLE idempotency_record (
    id          INTEGER PRIMARY KEY,
    merchant_id INTEGER NOT NULL REFERENCES merchant (id),
    key         TEXT    NOT NULL CHECK (length(key) BETWEEN 1 AND 255), -- as the caller chose it
    route       TEXT    NOT NULL,         -- method, and path with its query
    customer_id TEXT,                     -- the acting customer, or "operator " and the acting operator's id; NULL for the merchant itself
    body_hash   BLOB    NOT NULL CHECK (length(body_hash) = 32), -- SHA-256 of the body
    status      INTEGER NOT NULL CHECK (status BETWEEN 200 AND 499), -- of the reply; replies to internal errors are not stored
    body        BLOB    NOT NULL,         -- of the reply, packed by src/store/engine/packing.rs
    created_at  INTEGER NOT NULL,
    UNIQUE (merchant_id, key)
) STRICT;
-- Finds a merchant's records that are old enough to be removed.
CREATE INDEX idempotency_record_by_age ON idempotency_record (merchant_id, created_at);

-- The names of the events of this file. An event has a name's number, which is shorter.
CREATE TABLE event_name (
    id       INTEGER PRIMARY KEY,
    name     TEXT    NOT NULL UNIQUE,     -- for example escrow.completed
    checksum INTEGER NOT NULL
) STRICT;

-- Events, inserted in the same commit as the change that they report, also without a
-- webhook endpoint. An event of an escrow names the escrow. An event of a payment names
-- its transaction, and the escrow if there is only one. Retention removes old events.
-- The payload that is signed and sent is {"event": name, "data": data, "timestamp":
-- created_at}, the same bytes for every attempt.
CREATE TABLE event (
    id             INTEGER PRIMARY KEY,
    guard          INTEGER NOT NULL,
    merchant_id    INTEGER NOT NULL REFERENCES merchant (id),
    name_id        INTEGER NOT NULL REFERENCES event_name (id),
    escrow_id      INTEGER REFERENCES escrow (id), -- of an escrow.* event, its ordering key
    transaction_id INTEGER REFERENCES payment_transaction (id),
    created_at     INTEGER NOT NULL,
    -- The subject as it was then: JSON, packed by src/store/engine/packing.rs. NULL if it is
    -- that of the event before in this table, which is then of the same command and escrow.
    data           BLOB,
    -- The decision if it is sent, so that the inbox can say why it was not; NULL if the
    -- merchant had no webhook endpoint.
    dispatch       TEXT    CHECK (dispatch = 'QUEUED' OR dispatch = 'NOT_CHOSEN' OR dispatch = 'ENDPOINT_GONE'),
    checksum       INTEGER NOT NULL,
    CHECK (escrow_id IS NOT NULL OR transaction_id IS NOT NULL)
) STRICT;
-- A merchant's events, oldest first. A list with a filter reads the rows, which are short
-- and lie side by side.
CREATE INDEX event_of_merchant ON event (merchant_id);
-- Commands count the events that they insert, and the end of their group writes the count
-- (`Tx::save_merchants`): a trigger would make SQLite keep a journal of each insertion. Those that
-- retention removes are counted here.
CREATE TRIGGER removed_event_is_not_counted AFTER DELETE ON event
BEGIN UPDATE merchant SET event_count = event_count - 1 WHERE id = OLD.merchant_id; END;

-- Pending deliveries to webhook endpoints. With `event` this table is the outbox. An event
-- that is sent gets a row in its own commit, and one more for each resend or replay. A row is removed when the event was delivered or given up; the attempts
-- stay in `delivery_attempt`.
CREATE TABLE delivery (
    id          INTEGER PRIMARY KEY,      -- in the order of delivery: the event's own number, or a later one for a resend or replay
    event_id    INTEGER NOT NULL REFERENCES event (id),
    merchant_id INTEGER NOT NULL REFERENCES merchant (id),
    lane        INTEGER,                  -- the ordering key: the number of an escrow; NULL if order does not matter, or no more since the event was refused
    attempts    INTEGER NOT NULL DEFAULT 0 CHECK (attempts >= 0), -- made so far
    due_at      INTEGER                   -- of the next attempt, by the merchant's clock; NULL while it waits behind another of its lane
) STRICT;
CREATE INDEX delivery_of_event ON delivery (event_id);
CREATE INDEX delivery_by_lane ON delivery (lane) WHERE lane IS NOT NULL;
CREATE INDEX delivery_due ON delivery (merchant_id, due_at);

-- Attempts to deliver an event. A status from 200 to 299 is a success, everything else a
-- failure.
CREATE TABLE delivery_attempt (
    event_id        INTEGER NOT NULL REFERENCES event (id),
    number          INTEGER NOT NULL CHECK (number >= 1), -- 1, 2, 3, ... of this event
    attempted_at    INTEGER NOT NULL,     -- by the merchant's clock
    url             TEXT    NOT NULL,     -- the URL without its query
    status          INTEGER CHECK (status BETWEEN 100 AND 999), -- of the HTTP reply; NULL if none came
    error           TEXT,                 -- the reason why no reply came
    duration_millis INTEGER NOT NULL CHECK (duration_millis >= 0),
    answer          TEXT,                 -- the beginning of the reply's body
    PRIMARY KEY (event_id, number),
    CHECK ((status IS NULL) = (error IS NOT NULL))
) STRICT, WITHOUT ROWID;
