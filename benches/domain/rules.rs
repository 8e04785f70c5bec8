//! Measures the domain: amounts, fees, offers, confirmations, the hash chain and ids.

use std::hint::black_box;

use criterion::{BatchSize, Criterion};
use escrowd::domain::chain_hash::ChainHash;
use escrowd::domain::escrow::{Escrow, ReleaseOrder};
use escrowd::domain::fees::{Fee, WhoPays};
use escrowd::domain::ids::{EscrowId, MerchantId, PaymentToken};
use escrowd::domain::ledger::{PostedTransfer, TransferKind};
use escrowd::domain::money::Amount;

use crate::deals::{self, CountingIds, SIZES};

pub(crate) fn measure(criterion: &mut Criterion) {
    amounts(criterion);
    deals(criterion);
    ledger(criterion);
    ids(criterion);
}

fn amounts(criterion: &mut Criterion) {
    for text in ["1500", "90071992547409.91", "1.0E7"] {
        criterion.bench_function(&format!("parse an amount, {text}"), |bencher| {
            bencher.iter(|| Amount::parse_major(black_box(text)));
        });
    }
    let (amount, rates) = (deals::kobo(123_457), deals::rates());
    criterion.bench_function("fee of an amount", |bencher| {
        bencher.iter(|| Fee::of(black_box(amount), WhoPays::Both, rates));
    });
}

fn deals(criterion: &mut Criterion) {
    for milestones in SIZES {
        let name = format!("offer a milestone escrow, {milestones} milestones");
        let offer = deals::offer(milestones);
        criterion.bench_function(&name, |bencher| {
            let mut ids = CountingIds::new();
            bencher.iter_batched(
                || (deals::seller(), offer.clone()),
                |(seller, offer)| Escrow::offer_milestones(seller, offer, ids.booking()),
                BatchSize::SmallInput,
            );
        });
    }
    for milestones in SIZES {
        let name = format!("confirm a milestone, {milestones} milestones");
        let (escrow, buyer) = (deals::funded(milestones), deals::buyer());
        let milestone = escrow.milestones()[milestones / 2].id;
        criterion.bench_function(&name, |bencher| {
            let mut ids = CountingIds::new();
            bencher.iter_batched(
                || escrow.clone(),
                |mut escrow| {
                    let settlement = escrow.confirm_milestone(&buyer, milestone, ReleaseOrder::Any, ids.booking());
                    (settlement, escrow)
                },
                BatchSize::SmallInput,
            );
        });
    }
}

fn ledger(criterion: &mut Criterion) {
    let transfer = PostedTransfer {
        id: 1_234_567,
        merchant: MerchantId(1),
        kind: TransferKind::Release.into_str(),
        debit_account: 17,
        credit_account: 4_711,
        amount: 33_333,
        escrow: Some(0x5a5a_5a5a),
        created_at: deals::now().millis(),
    };
    criterion.bench_function("chain hash of a transfer", |bencher| {
        bencher.iter(|| ChainHash::START.followed_by(black_box(&transfer)));
    });
}

fn ids(criterion: &mut Criterion) {
    let text = "0199c0ffee7abcdef0123456";
    let id = EscrowId::named(text);
    criterion.bench_function("parse an id", |bencher| {
        bencher.iter(|| EscrowId::named(black_box(text)));
    });
    criterion.bench_function("print an id", |bencher| bencher.iter(|| black_box(id).to_string()));
    criterion.bench_function("draw a payment token", |bencher| {
        bencher.iter(|| PaymentToken::from_random(black_box(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef)));
    });
}
