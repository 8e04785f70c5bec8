-- What a PostgreSQL database of a sandbox has beside the other statements. The removal of a
-- merchant that a reset left behind deletes rows that others may reference, and PostgreSQL looks
-- for these at each deletion. A live database removes no merchant, so its commits do without the
-- indexes. SQLite does not check references meanwhile.
DO $$ BEGIN
IF EXISTS (SELECT FROM instance WHERE mode = 'SANDBOX') THEN
    CREATE INDEX reference_of_account_to_merchant ON account (merchant_id);
    CREATE INDEX reference_of_category_to_owner ON category (merchant_id, owner_id);
    CREATE INDEX reference_of_escrow_to_category ON escrow (category_id) WHERE category_id IS NOT NULL;
    CREATE INDEX reference_of_escrow_to_winner ON escrow (merchant_id, winner_id) WHERE winner_id IS NOT NULL;
    CREATE INDEX reference_of_milestone_to_escrow ON milestone (escrow_id);
    CREATE INDEX reference_of_transfer_to_merchant ON transfer (merchant_id);
    CREATE INDEX reference_of_transfer_to_debit_account ON transfer (debit_account_id);
    CREATE INDEX reference_of_transfer_to_credit_account ON transfer (credit_account_id);
    CREATE INDEX reference_of_transfer_to_escrow ON transfer (escrow_id) WHERE escrow_id IS NOT NULL;
    CREATE INDEX reference_of_transaction_to_account ON payment_transaction (account_id);
    CREATE INDEX reference_of_transaction_to_escrow ON payment_transaction (escrow_id) WHERE escrow_id IS NOT NULL;
    CREATE INDEX reference_of_operator_to_merchant ON operator_merchant (merchant_id);
    CREATE INDEX reference_of_receipt_to_customer ON receipt (merchant_id, customer_id) WHERE customer_id IS NOT NULL;
    CREATE INDEX reference_of_receipt_to_expected ON receipt (expected_id) WHERE expected_id IS NOT NULL;
    CREATE INDEX reference_of_payout_to_account ON payout (account_id);
    CREATE INDEX reference_of_payout_to_receipt ON payout (receipt_id) WHERE receipt_id IS NOT NULL;
    CREATE INDEX reference_of_test_account_to_deposit ON test_account (transaction_id);
    CREATE INDEX reference_of_slow_withdrawal ON slow_withdrawal (transaction_id);
    CREATE INDEX reference_of_request_to_merchant ON requested_payment (merchant_id);
    CREATE INDEX reference_of_event_to_escrow ON event (escrow_id) WHERE escrow_id IS NOT NULL;
    CREATE INDEX reference_of_event_to_transaction ON event (transaction_id) WHERE transaction_id IS NOT NULL;
END IF;
END $$;
