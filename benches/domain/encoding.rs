//! Measures the parsing of request bodies and the rendering of replies, with the code that
//! the routes use.

use criterion::{BatchSize, Criterion};
use escrowd::domain::party::Party;
use escrowd::http::bench;

use crate::deals::{self, LIMITS, SIZES};

pub(crate) fn measure(criterion: &mut Criterion) {
    for milestones in SIZES {
        let name = format!("read a milestone escrow, {milestones} milestones");
        let body = deals::body(milestones);
        criterion.bench_function(&name, |bencher| {
            bencher.iter_batched(
                || body.clone(),
                |body| bench::read_milestone_escrow(body, &LIMITS),
                BatchSize::SmallInput,
            );
        });
    }
    for milestones in SIZES {
        let name = format!("write an escrow, {milestones} milestones");
        let (escrow, viewer) = (deals::funded(milestones), Party::Customer(deals::buyer()));
        criterion.bench_function(&name, |bencher| {
            bencher.iter_batched(
                || escrow.clone(),
                |escrow| bench::write_escrow(escrow, Some(&viewer), "NGN"),
                BatchSize::SmallInput,
            );
        });
    }
}
