-- The work unit as a function of PostgreSQL: the same look-ups, checks and rows as
-- `milestone_escrows::confirm` and `Tx::post`.
--
-- With `is_chained` the hash of each transfer covers the hash of the transfer before it,
-- as in escrowd. The head of that chain is one row, which every confirmation locks until
-- its commit, so confirmations run one after another. Without `is_chained` a hash covers
-- its own transfer only, and confirmations run in parallel.

-- Posts a transfer and returns the new head of the chain.
CREATE FUNCTION post_transfer(
    head bytea, the_kind text, debit bigint, credit bigint, the_amount bigint, the_escrow bytea, now_at bigint
) RETURNS bytea LANGUAGE plpgsql AS $$
DECLARE
    number bigint := nextval('transfer_id_seq');
    the_hash bytea := sha256(
        head || int8send(number) || int8send(1) || int8send(debit) || int8send(credit) || int8send(the_amount)
        || int8send(now_at) || int8send(length(the_kind)) || the_kind::bytea || int8send(length(the_escrow)) || the_escrow
    );
BEGIN
    UPDATE account SET balance = balance - the_amount, updated_at = now_at WHERE id = debit;
    UPDATE account SET balance = balance + the_amount, updated_at = now_at WHERE id = credit;
    INSERT INTO transfer VALUES (number, 1, the_kind, debit, credit, the_amount, the_escrow, now_at, the_hash);
    RETURN the_hash;
END $$;

-- Records a transaction in a payment history and emits its event.
CREATE FUNCTION record_payment(
    owner bigint, the_type text, the_amount bigint, the_reference text, the_escrow bytea, now_at bigint
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    payment bigint;
BEGIN
    INSERT INTO payment_transaction
        (account_id, transaction_type, credit_type, amount, reference, escrow_id, created_at)
    VALUES (owner, the_type, 'credit', the_amount, the_reference, the_escrow, now_at)
    RETURNING id INTO payment;
    INSERT INTO event (merchant_id, name, account_id, transaction_id, created_at)
    VALUES (1, 'payment.' || the_type || '.success', owner, payment, now_at);
END $$;

CREATE FUNCTION confirm(
    the_buyer text, the_escrow bytea, the_milestone bytea, is_chained boolean,
    OUT status text, OUT token text, OUT purpose text, OUT total bigint,
    OUT titles text[], OUT amounts bigint[], OUT released boolean[]
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    now_at bigint := (date_part('epoch', clock_timestamp()) * 1000)::bigint;
    deal escrow;
    released_amount bigint;
    hold bigint;
    payee bigint;
    head bytea := decode('0000000000000000000000000000000000000000000000000000000000000000', 'hex');
    merchant_account bigint;
    platform_account bigint;
BEGIN
    PERFORM FROM customer WHERE merchant_id = 1 AND id = the_buyer;
    IF NOT FOUND THEN RAISE EXCEPTION 'an unknown customer'; END IF;
    SELECT * INTO deal FROM escrow WHERE id = the_escrow FOR UPDATE;
    IF NOT FOUND THEN RAISE EXCEPTION 'an unknown escrow'; END IF;
    IF deal.buyer_id <> the_buyer THEN RAISE EXCEPTION 'not the buyer'; END IF;
    UPDATE milestone SET status = 'RELEASED', released_at = now_at
    WHERE escrow_id = the_escrow AND id = the_milestone AND status = 'PENDING'
    RETURNING amount INTO released_amount;
    IF NOT FOUND THEN RAISE EXCEPTION 'no pending milestone'; END IF;

    SELECT array_agg(stage.title), array_agg(stage.amount), array_agg(stage.status = 'RELEASED')
    INTO titles, amounts, released
    FROM (SELECT title, amount, status FROM milestone WHERE escrow_id = the_escrow ORDER BY position) AS stage;

    SELECT id INTO hold FROM account
    WHERE merchant_id = 1 AND customer_id = the_buyer AND purpose = 'CUSTOMER_ESCROW';
    SELECT id INTO payee FROM account
    WHERE merchant_id = 1 AND customer_id = deal.seller_id AND purpose = 'CUSTOMER_MAIN';
    IF is_chained THEN
        SELECT chain_head INTO head FROM merchant WHERE id = 1 FOR UPDATE;
    END IF;
    head := post_transfer(head, 'RELEASE', hold, payee, released_amount, the_escrow, now_at);
    PERFORM record_payment(payee, 'escrow', released_amount, gen_random_uuid()::text, the_escrow, now_at);

    status := deal.status;
    IF true = ALL (released) THEN
        status := 'COMPLETED';
        UPDATE escrow SET status = 'COMPLETED', completed_at = now_at WHERE id = the_escrow;
        IF deal.commission > 0 THEN
            SELECT id INTO merchant_account FROM account
            WHERE merchant_id = 1 AND customer_id IS NULL AND purpose = 'MERCHANT_MAIN';
            head := post_transfer(head, 'COMMISSION', hold, merchant_account, deal.commission, the_escrow, now_at);
            PERFORM record_payment(
                merchant_account, 'commission', deal.commission, deal.payment_reference || '-commission', the_escrow, now_at
            );
        END IF;
        IF deal.fee > deal.commission THEN
            SELECT id INTO platform_account FROM account
            WHERE merchant_id = 1 AND customer_id IS NULL AND purpose = 'PLATFORM_FEES';
            head := post_transfer(
                head, 'PLATFORM_FEE', hold, platform_account, deal.fee - deal.commission, the_escrow, now_at
            );
        END IF;
        INSERT INTO event (merchant_id, name, escrow_id, created_at)
        VALUES (1, 'escrow.completed', the_escrow, now_at);
    END IF;
    IF is_chained THEN
        UPDATE merchant SET chain_head = head WHERE id = 1;
    END IF;
    token := deal.payment_token;
    purpose := deal.purpose;
    total := deal.amount;
END $$;
