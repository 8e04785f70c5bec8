//! The ids of the deals in a file, and the order in which their milestones are confirmed.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;

/// One funded escrow.
#[derive(Clone)]
pub(crate) struct Deal {
    /// The key of its merchant, which is empty for the default merchant.
    pub(crate) key: Arc<str>,
    pub(crate) buyer: String,
    pub(crate) escrow: String,
    pub(crate) token: String,
    pub(crate) milestones: Vec<String>,
}

/// Deals, and all their milestones in a random order. The random seed is constant, so every
/// run has the same order.
pub(crate) struct Deals {
    deals: Vec<Deal>,
    order: Vec<(usize, usize)>,
}

/// One milestone to confirm.
pub(crate) struct Confirmation<'a> {
    pub(crate) key: &'a str,
    pub(crate) buyer: &'a str,
    pub(crate) escrow: &'a str,
    pub(crate) milestone: &'a str,
}

impl Deals {
    pub(crate) fn shuffled(deals: Vec<Deal>) -> Self {
        let milestones = |(deal, of): (usize, &Deal)| (0..of.milestones.len()).map(move |milestone| (deal, milestone));
        let mut order: Vec<_> = deals.iter().enumerate().flat_map(milestones).collect();
        fastrand::Rng::with_seed(7).shuffle(&mut order);
        Self { deals, order }
    }

    /// Splits the deals into the oldest ones, as many as this, and the others.
    pub(crate) fn split_at(self, oldest: usize) -> (Self, Self) {
        let mut older = self.deals;
        let newer = older.split_off(oldest);
        (Self::shuffled(older), Self::shuffled(newer))
    }

    /// Splits the deals into this many sets, each spread evenly over all of them.
    pub(crate) fn into_sets(self, sets: usize) -> Vec<Self> {
        let mut parts = vec![Vec::new(); sets];
        for (index, deal) in self.deals.into_iter().enumerate() {
            parts[index % sets].push(deal);
        }
        parts.into_iter().map(Self::shuffled).collect()
    }

    /// Returns the deals in the order of their creation.
    pub(crate) fn deals(&self) -> &[Deal] {
        &self.deals
    }

    /// Returns the number of milestones.
    pub(crate) const fn len(&self) -> usize {
        self.order.len()
    }

    /// Returns the milestone at this place in the order, or `None` after the last.
    pub(crate) fn confirmation(&self, place: usize) -> Option<Confirmation<'_>> {
        let &(deal, milestone) = self.order.get(place)?;
        let deal = &self.deals[deal];
        Some(Confirmation {
            key: &deal.key,
            buyer: &deal.buyer,
            escrow: &deal.escrow,
            milestone: &deal.milestones[milestone],
        })
    }

    /// Returns the deal to read at this place of a random order that repeats.
    pub(crate) fn to_read(&self, place: usize) -> &Deal {
        // The order of the milestones is random, so the order of their deals is too.
        let (deal, _) = self.order[place % self.order.len()];
        &self.deals[deal]
    }

    /// Writes the confirmations of the default merchant to a file in order, one per line.
    pub(crate) fn write_confirmations(&self, file: &Path) -> anyhow::Result<()> {
        let mut text = String::with_capacity(self.len() * 60);
        for place in 0..self.len() {
            let Confirmation {
                buyer,
                escrow,
                milestone,
                ..
            } = self.confirmation(place).context("a place below the length")?;
            for word in [buyer, " ", escrow, " ", milestone, "\n"] {
                text.push_str(word);
            }
        }
        std::fs::write(file, text).with_context(|| format!("{} cannot be written", file.display()))
    }
}

impl<'a> Confirmation<'a> {
    /// Parses a line that [`Deals::write_confirmations`] wrote.
    pub(crate) fn parse(line: &'a str) -> Option<Self> {
        let mut words = line.split(' ');
        Some(Self {
            key: "",
            buyer: words.next()?,
            escrow: words.next()?,
            milestone: words.next()?,
        })
    }
}
