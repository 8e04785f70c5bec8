-- From version 1 to version 2: merchants and their keys are kept by operators in the file,
-- no longer in the configuration, and customers may be of any country.

CREATE TABLE new_instance (
    only_row   INTEGER PRIMARY KEY CHECK (only_row = 1),
    mode       TEXT    NOT NULL CHECK (mode IN ('SANDBOX', 'LIVE')),
    currency   TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    checksum   INTEGER NOT NULL
) STRICT;
INSERT INTO new_instance (only_row, mode, currency, created_at, checksum)
    SELECT only_row, mode, currency, created_at,
    row_checksum('only_row', only_row, 'mode', mode, 'currency', currency, 'created_at', created_at) FROM instance;
DROP TABLE instance;
ALTER TABLE new_instance RENAME TO instance;

CREATE TABLE new_merchant (
    id         INTEGER PRIMARY KEY,
    name       TEXT    UNIQUE,
    chain_head BLOB    NOT NULL CHECK (length(chain_head) = 32),
    wallet_id    INTEGER NOT NULL,
    wallet_guard INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    publishable_key TEXT UNIQUE CHECK (publishable_key GLOB 'pk_test_?*' OR publishable_key GLOB 'pk_live_?*'),
    is_business    INTEGER CHECK (is_business = 0 OR is_business = 1),
    country        TEXT    CHECK (country GLOB '[A-Z][A-Z]'),
    commission_bps INTEGER CHECK (commission_bps BETWEEN 0 AND 5000),
    deposit_account   TEXT,
    allowed_addresses TEXT CHECK (length(allowed_addresses) > 0),
    callback_url TEXT,
    callback_events TEXT CHECK (length(callback_events) > 0),
    callback_gone_at INTEGER,
    callback_version INTEGER NOT NULL DEFAULT 0 CHECK (callback_version >= 0),
    signing_secret TEXT,
    previous_signing_secret TEXT,
    previous_secret_until   INTEGER,
    clock_offset_millis INTEGER NOT NULL DEFAULT 0 CHECK (clock_offset_millis BETWEEN 0 AND 31536000000000),
    clock_moved_at      INTEGER,
    event_count INTEGER NOT NULL DEFAULT 0 CHECK (event_count >= 0),
    left_at     INTEGER,
    CHECK ((clock_offset_millis = 0) = (clock_moved_at IS NULL)),
    CHECK ((previous_signing_secret IS NULL) = (previous_secret_until IS NULL))
) STRICT;
INSERT INTO new_merchant (id, name, chain_head, wallet_id, wallet_guard, created_at, callback_url, callback_events, callback_gone_at,
    callback_version, signing_secret, clock_offset_millis, clock_moved_at, event_count, left_at)
    SELECT id, name, chain_head, wallet_id, wallet_guard, created_at, callback_url, callback_events, callback_gone_at,
    callback_version, signing_secret, clock_offset_millis, clock_moved_at, event_count, left_at FROM merchant;
-- A new merchant gets its publishable key in the same forms. The merchant of requests without a
-- key has the hash of the empty text.
UPDATE new_merchant SET publishable_key = CASE
    WHEN EXISTS (SELECT 1 FROM merchant_key
        WHERE merchant_id = new_merchant.id AND key_hash = x'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855')
        THEN 'pk_test_default'
    WHEN (SELECT mode FROM instance) = 'LIVE' THEN 'pk_live_' || lower(hex(randomblob(16)))
    ELSE 'pk_test_' || lower(hex(randomblob(16))) END
    WHERE left_at IS NULL;
DROP TABLE merchant;
ALTER TABLE new_merchant RENAME TO merchant;
CREATE INDEX merchant_left_behind ON merchant (left_at) WHERE left_at IS NOT NULL;

CREATE TABLE notice_secret (
    merchant_id INTEGER NOT NULL REFERENCES merchant (id),
    provider    TEXT    NOT NULL,
    secret      TEXT    NOT NULL,
    PRIMARY KEY (merchant_id, provider)
) STRICT, WITHOUT ROWID;

-- The time at which a key was added is not known; it is at least as old as its merchant.
CREATE TABLE new_merchant_key (
    key_hash    BLOB    PRIMARY KEY CHECK (length(key_hash) = 32),
    merchant_id INTEGER NOT NULL REFERENCES merchant (id),
    scope       TEXT    NOT NULL CHECK (scope IN ('BUSINESS', 'SUPER_ADMIN')),
    label       TEXT,
    ending      TEXT    CHECK (length(ending) = 4),
    created_at  INTEGER NOT NULL,
    expires_at  INTEGER,
    revoked_at  INTEGER,
    last_used_at INTEGER
) STRICT, WITHOUT ROWID;
INSERT INTO new_merchant_key (key_hash, merchant_id, scope, created_at)
    SELECT key_hash, merchant_id, scope, (SELECT created_at FROM merchant WHERE id = merchant_id) FROM merchant_key;
DROP TABLE merchant_key;
ALTER TABLE new_merchant_key RENAME TO merchant_key;
CREATE INDEX merchant_key_of_merchant ON merchant_key (merchant_id);

CREATE TABLE new_customer_profile (
    merchant_id INTEGER NOT NULL,
    customer_id TEXT    NOT NULL,
    firstname   TEXT,
    lastname    TEXT,
    email       TEXT    CHECK (email = lower(email)),
    phone       TEXT    CHECK (phone GLOB '0[0-9]*' OR phone GLOB '+[1-9][0-9]*'),
    bvn         TEXT    CHECK (length(bvn) = 11),
    country     TEXT    NOT NULL CHECK (country GLOB '[A-Z][A-Z]'),
    PRIMARY KEY (merchant_id, customer_id),
    FOREIGN KEY (merchant_id, customer_id) REFERENCES customer (merchant_id, id)
) STRICT, WITHOUT ROWID;
INSERT INTO new_customer_profile (merchant_id, customer_id, firstname, lastname, email, phone, bvn, country)
    SELECT merchant_id, customer_id, firstname, lastname, email, phone, bvn, country FROM customer_profile;
DROP TABLE customer_profile;
ALTER TABLE new_customer_profile RENAME TO customer_profile;
CREATE UNIQUE INDEX customer_by_email ON customer_profile (merchant_id, email) WHERE email IS NOT NULL;
CREATE UNIQUE INDEX customer_by_phone ON customer_profile (merchant_id, phone) WHERE phone IS NOT NULL;

-- Of the categories that were deleted before, it is not known.
ALTER TABLE category ADD COLUMN was_behind INTEGER;

ALTER TABLE receipt ADD COLUMN asked_by INTEGER REFERENCES operator (id);

-- The bank may have what was exported since its approval, so it is in the first batch. An export had at
-- most 1,000 pay-outs, so with more than that some of these were not exported yet.
ALTER TABLE payout ADD COLUMN batch INTEGER CHECK (batch >= 1);
UPDATE payout SET batch = 1, checksum = changed_checksum(checksum, 'batch', NULL, 1)
    WHERE status = 'approved' AND EXISTS (SELECT 1 FROM operator_act
        WHERE operator_act.merchant_id = payout.merchant_id AND kind = 'payouts_exported' AND created_at >= payout.updated_at);
ALTER TABLE payout ADD COLUMN asked_by INTEGER REFERENCES operator (id);
ALTER TABLE payout ADD COLUMN asked_for TEXT CHECK (asked_for IN ('return', 'reopening')) CHECK ((asked_by IS NULL) = (asked_for IS NULL));
CREATE INDEX payout_of_batch ON payout (merchant_id, batch) WHERE batch IS NOT NULL;

-- Deposits from before name no terms, and no checkout has announced one.
ALTER TABLE payment_detail ADD COLUMN announcement BLOB CHECK (length(announcement) = 32);
CREATE INDEX payment_announced ON payment_detail (announcement, transaction_id) WHERE status = 'pending' AND announcement IS NOT NULL;

CREATE TABLE asked_ruling (
    escrow_id     INTEGER PRIMARY KEY REFERENCES escrow (id),
    asked_by      INTEGER NOT NULL REFERENCES operator (id),
    status        TEXT    NOT NULL CHECK (status IN ('COMPLETED', 'REFUNDED', 'SPLIT')),
    seller_amount INTEGER CHECK (seller_amount BETWEEN 0 AND 9007199254740991),
    buyer_amount  INTEGER CHECK (buyer_amount BETWEEN 0 AND 9007199254740991),
    additional_fee_refundable INTEGER CHECK (additional_fee_refundable IN (0, 1)),
    checksum      INTEGER NOT NULL
) STRICT;
