//! Measures single functions of the domain and of the encoding, so that a regression can be
//! located: `cargo bench --bench domain`.
//!
//! Each figure is compared with that of the previous run, which is stored under
//! `target/criterion`.

mod deals;
mod encoding;
mod rules;

use std::time::Duration;

use criterion::Criterion;

fn main() {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(400))
        .measurement_time(Duration::from_millis(1_200))
        .configure_from_args();
    rules::measure(&mut criterion);
    encoding::measure(&mut criterion);
    criterion.final_summary();
}
