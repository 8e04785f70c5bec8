//! Statements with more transfers than one query reads.

use escrowd::domain::effects::Effects;
use escrowd::domain::ledger::{Account, Transfer, TransferKind};
use escrowd::domain::treasury::account_statement::Period;
use escrowd::store::Error;

use crate::helpers::{TestDatabase, kobo, read, write};

#[test]
fn a_long_statement_has_every_transfer() {
    const TRANSFERS: usize = 2_500;
    let database = TestDatabase::new();
    let store = database.open();
    let merchant = write(&store, |tx| {
        let merchant = tx.insert_merchant(None, None)?;
        let mut effects = Effects::default();
        let transfer = Transfer {
            kind: TransferKind::TopUp,
            amount: kobo(1),
            escrow: None,
            debit: Account::OutsideWorld,
            credit: Account::MerchantMain,
        };
        effects.transfers.extend((0..TRANSFERS).map(|_| transfer.clone()));
        tx.post(merchant, &effects)?;
        Ok::<_, Error>(merchant)
    });
    let made = |rows_max| {
        read(&store, move |snapshot| {
            let journal = snapshot.journal(merchant, Period::default(), rows_max)?;
            let accounts = [Account::MerchantMain];
            let statement = snapshot.statement_of_accounts(merchant, &accounts, Period::default(), rows_max)?;
            Ok([journal, statement])
        })
    };
    for statement in made(TRANSFERS) {
        let statement = statement.unwrap();
        let numbers: Vec<i64> = statement.rows.iter().map(|row| row.line.number).collect();
        assert_eq!(numbers.len(), TRANSFERS);
        assert!(numbers.is_sorted_by(|a, b| a < b));
        let balances = [&statement.opening, &statement.closing].map(|balances| balances[0].minor());
        assert_eq!(balances, [0, 2_500]);
    }
    for statement in made(TRANSFERS - 1) {
        statement.unwrap_err();
    }
}
