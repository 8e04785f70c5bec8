-- Derives the remaining rows from the copied escrows and milestones: the customers,
-- their balances and payments, the payment histories and the events.

INSERT INTO merchant VALUES (1, decode(repeat('00', 32), 'hex'));

INSERT INTO customer
SELECT 1, id FROM (SELECT seller_id AS id FROM escrow UNION SELECT buyer_id FROM escrow) AS customers;

INSERT INTO account (merchant_id, customer_id, purpose, balance, updated_at)
SELECT 1, customer.id, 'CUSTOMER_MAIN', 100000000 - coalesce(paid, 0), 0
FROM customer
LEFT JOIN (SELECT buyer_id, sum(amount + fee) AS paid FROM escrow GROUP BY buyer_id) AS payments ON buyer_id = customer.id
UNION ALL
SELECT 1, buyer_id, 'CUSTOMER_ESCROW', sum(amount + fee), 0 FROM escrow GROUP BY buyer_id
UNION ALL
SELECT 1, NULL, 'OUTSIDE_WORLD', -100000000 * count(*), 0 FROM customer
UNION ALL
VALUES (1, NULL, 'MERCHANT_MAIN', 0, 0), (1, NULL, 'PLATFORM_FEES', 0, 0);

INSERT INTO transfer (merchant_id, kind, debit_account_id, credit_account_id, amount, created_at, hash)
SELECT 1, 'OPENING_BALANCE', outside.id, wallet.id, 100000000, 0, sha256(int8send(wallet.id))
FROM account AS wallet JOIN account AS outside ON outside.purpose = 'OUTSIDE_WORLD'
WHERE wallet.purpose = 'CUSTOMER_MAIN';

INSERT INTO transfer (merchant_id, kind, debit_account_id, credit_account_id, amount, escrow_id, created_at, hash)
SELECT 1, 'FUND', wallet.id, hold.id, amount + fee, escrow.id, created_at, sha256(escrow.id)
FROM escrow
JOIN account AS wallet ON wallet.customer_id = buyer_id AND wallet.purpose = 'CUSTOMER_MAIN'
JOIN account AS hold ON hold.customer_id = buyer_id AND hold.purpose = 'CUSTOMER_ESCROW';

INSERT INTO payment_transaction (account_id, transaction_type, credit_type, amount, reference, created_at)
SELECT wallet.id, 'escrow', 'debit', amount + fee, payment_reference, created_at
FROM escrow JOIN account AS wallet ON wallet.customer_id = buyer_id AND wallet.purpose = 'CUSTOMER_MAIN';

INSERT INTO event (merchant_id, name, escrow_id, created_at)
SELECT 1, name, id, created_at
FROM escrow, (VALUES ('escrow.created'), ('escrow.pending'), ('escrow.ongoing')) AS names (name);

INSERT INTO event (merchant_id, name, account_id, transaction_id, created_at)
SELECT 1, 'payment.escrow.success', account_id, id, created_at FROM payment_transaction;
