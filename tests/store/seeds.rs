//! Escrows whose ids are the same in several merchants.

use escrowd::commands::milestone_escrows;
use escrowd::domain::escrow::Escrow;
use escrowd::domain::ids::{EscrowId, EscrowKey, MilestoneId, SeededIds};
use escrowd::store::Store;

use crate::helpers::{TestDatabase, TestFile, Trade, policy, read, write};

const CONTENT: [u8; 32] = [7; 32];

/// Two milestones that the seller offers in each of two merchants, with the ids of one seed.
struct Twins {
    file: TestDatabase,
    store: Store,
    merchants: [Trade; 2],
    escrows: [Escrow; 2],
}

impl Twins {
    fn seeded() -> Self {
        let file = TestDatabase::new();
        let store = file.open();
        let merchants = [1, 2].map(|key| Trade::of_key(&store, key));
        let escrows = [0, 1].map(|one: usize| {
            let (seller, draft) = (merchants[one].actor("ada"), Trade::milestones(&[100_000, 200_000]));
            write(&store, move |tx| {
                tx.use_seeded_ids(SeededIds::new(CONTENT));
                milestone_escrows::create(tx, &policy(), &seller, Ok(draft))
            })
        });
        Self {
            file,
            store,
            merchants,
            escrows,
        }
    }

    /// Returns true if a merchant can find the deal.
    fn is_anyones(&self, key: &EscrowKey) -> bool {
        let key = key.clone();
        read(&self.store, move |snapshot| snapshot.any_merchant_has_deal(&key))
    }

    /// Returns the number of the row that this merchant finds.
    fn found(&self, merchant: &Trade, key: &EscrowKey) -> Option<i64> {
        let (merchant, key) = (merchant.merchant, key.clone());
        let deal = read(&self.store, move |snapshot| snapshot.deal(merchant, &key));
        deal.map(|deal| deal.id().number())
    }
}

#[test]
fn each_merchant_finds_its_own_escrow_by_the_id_and_the_token_they_share() {
    let twins = Twins::seeded();
    let [one, other] = &twins.escrows;
    assert_eq!(one.id.to_string(), other.id.to_string());
    assert_eq!(one.payment_token, other.payment_token);
    assert_ne!(one.id.number(), other.id.number());
    let third = Trade::of_key(&twins.store, 3);
    let written = EscrowKey::Id(EscrowId::named(&one.id.to_string()));
    for key in [
        written,
        EscrowKey::Id(one.id),
        EscrowKey::Token(one.payment_token.clone()),
    ] {
        for (merchant, escrow) in twins.merchants.iter().zip(&twins.escrows) {
            assert_eq!(twins.found(merchant, &key), Some(escrow.id.number()), "{key:?}");
        }
        assert_eq!(twins.found(&third, &key), None, "{key:?}");
        assert!(
            !twins.is_anyones(&key),
            "the lookup reveals another merchant's seed: {key:?}"
        );
    }
    let unused = SeededIds::new([8; 32]).first_escrow_id();
    for key in [
        EscrowKey::Id(unused),
        EscrowKey::Id(EscrowId::named("0000000000000400ffffffff")),
    ] {
        assert_eq!(twins.found(&twins.merchants[0], &key), None);
        assert!(!twins.is_anyones(&key));
    }
}

#[test]
fn a_milestone_is_released_in_the_acting_merchant_only() {
    let twins = Twins::seeded();
    let [one, other] = &twins.merchants;
    let written = EscrowId::named(&twins.escrows[0].id.to_string());
    let milestone = MilestoneId::named(&twins.escrows[0].milestones()[0].id.to_string());
    one.fund("ben", written);
    other.fund("ben", written);
    let buyer = other.actor("ben");
    let confirmed = write(&twins.store, move |tx| {
        milestone_escrows::confirm(tx, &policy(), &buyer, written, milestone)
    });
    assert_eq!(confirmed.merchant, other.merchant);
    let sql = "SELECT id FROM milestone WHERE is_released = 1";
    let released = twins.file.outside().numbers(sql, &[]);
    assert_eq!(released, [twins.escrows[1].id.number() + 1]);
    twins.store.close();
    twins.file.assert_sound();
}

#[test]
fn a_seeded_escrow_is_found_only_where_its_seed_was_loaded() {
    let twins = Twins::seeded();
    let first = SeededIds::new(CONTENT).first_escrow_id();
    assert_eq!(first, twins.escrows[0].id);
    let is_seeded = |merchant: &Trade, escrow| {
        let merchant = merchant.merchant;
        read(&twins.store, move |snapshot| snapshot.number_of_deal(merchant, escrow)).is_some()
    };
    let third = Trade::of_key(&twins.store, 3);
    assert!(is_seeded(&twins.merchants[0], first) && !is_seeded(&third, first));
    assert!(!is_seeded(
        &twins.merchants[0],
        SeededIds::new([8; 32]).first_escrow_id()
    ));
    let sql = "UPDATE escrow SET deleted_at = 1";
    assert_eq!(twins.file.outside().execute(sql, &[]), Ok(2));
    assert!(
        is_seeded(&twins.merchants[0], first),
        "a deleted escrow keeps its seeded id"
    );
}

#[test]
fn a_seeded_id_is_looked_up_in_the_index_alone() {
    let file = TestFile::new();
    file.open().close();
    let connection = file.sqlite();
    let sql = "EXPLAIN QUERY PLAN SELECT id FROM escrow
               WHERE merchant_id = 1 AND guard = 4294967296 AND guard > 4294967295";
    let plan: String = connection.query_row(sql, [], |row| row.get("detail")).unwrap();
    assert!(plan.contains("COVERING INDEX escrow_of_seed"), "{plan}");
}
