//! The statements of which the engine of PostgreSQL lets changes wait for the end of a group. It
//! knows them by their words, so another wording would make each a round trip of its own.

use crate::store::engine::postgres::{changes_parties, waits};
use crate::store::tables::escrows::{CLOSE, COMPLETE, RELEASE};
use crate::store::tables::transfers::MOVE_BALANCE;

#[test]
fn the_changes_of_a_confirm_wait_and_leave_the_parties_of_the_deal() {
    for sql in [RELEASE, COMPLETE, CLOSE, MOVE_BALANCE] {
        assert!(waits(sql), "{sql}");
        assert!(!changes_parties(sql), "{sql}");
    }
}
