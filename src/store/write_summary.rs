//! The summary of one command's writes, for the request log.

use std::ops::RangeInclusive;

use crate::domain::ids::EventId;
use crate::domain::ledger::Transfer;

/// The transfers and events of one command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WriteSummary {
    /// The numbers of the transfers. They are consecutive, because commands run one after
    /// another.
    pub transfers: Option<RangeInclusive<i64>>,
    /// The events in the order in which the command emitted them.
    pub events: Vec<EventId>,
    /// The newest transfer that an act of an operator covers.
    pub(crate) newest_of_acts: Option<i64>,
}

impl WriteSummary {
    /// Returns the numbers of the transfers that no act covers yet, for the act that covers them.
    pub(crate) fn transfers_of_act(&mut self) -> Option<RangeInclusive<i64>> {
        let numbers = self.transfers.as_ref()?;
        let (newest, covered) = (*numbers.end(), self.newest_of_acts);
        let first = covered.map_or(*numbers.start(), |covered| covered + 1);
        self.newest_of_acts = Some(newest);
        (first <= newest).then_some(first..=newest)
    }

    /// Adds a transfer that was just posted.
    pub(crate) fn add_transfer(&mut self, number: i64) {
        let first = self.transfers.as_ref().map_or(number, |known| *known.start());
        self.transfers = Some(first..=number);
    }
}

/// Transfers with their numbers, and events with their names.
pub type WriteSummaryRows = (Vec<(i64, Transfer)>, Vec<(EventId, String)>);

#[cfg(test)]
mod tests {
    use super::*;

    /// A command that records several acts, such as the results of a batch, gives each act its own
    /// transfers.
    #[test]
    fn an_act_covers_the_transfers_since_the_act_before() {
        let mut summary = WriteSummary::default();
        assert_eq!(summary.transfers_of_act(), None);
        for (posted, covered) in [(vec![7, 8], Some(7..=8)), (vec![], None), (vec![9], Some(9..=9))] {
            for number in posted {
                summary.add_transfer(number);
            }
            assert_eq!(summary.transfers_of_act(), covered);
        }
        assert_eq!(summary.transfers, Some(7..=9));
    }
}
