//! The deals in a file, as a client knows them, and the order in which their
//! milestones are confirmed.

use std::path::Path;

use anyhow::Context;

/// One funded escrow.
#[derive(Clone)]
pub(crate) struct Deal {
    pub(crate) buyer: String,
    pub(crate) escrow: String,
    pub(crate) token: String,
    pub(crate) milestones: Vec<String>,
}

/// Deals, and every milestone of them once, in a random order that is the same
/// every time.
pub(crate) struct Deals {
    deals: Vec<Deal>,
    order: Vec<(usize, usize)>,
}

/// One milestone to confirm.
pub(crate) struct Confirmation<'a> {
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

    /// Takes the deals apart into so many sets, each spread evenly.
    pub(crate) fn into_sets(self, sets: usize) -> Vec<Self> {
        let mut parts = vec![Vec::new(); sets];
        for (index, deal) in self.deals.into_iter().enumerate() {
            parts[index % sets].push(deal);
        }
        parts.into_iter().map(Self::shuffled).collect()
    }

    /// Every deal, as built.
    pub(crate) fn deals(&self) -> &[Deal] {
        &self.deals
    }

    /// How many milestones there are to confirm.
    pub(crate) const fn len(&self) -> usize {
        self.order.len()
    }

    /// The milestone whose turn comes at this place.
    pub(crate) fn confirmation(&self, place: usize) -> Option<Confirmation<'_>> {
        let &(deal, milestone) = self.order.get(place)?;
        let deal = &self.deals[deal];
        Some(Confirmation {
            buyer: &deal.buyer,
            escrow: &deal.escrow,
            milestone: &deal.milestones[milestone],
        })
    }

    /// A deal to read: they come in a random order, again and again.
    pub(crate) fn to_read(&self, place: usize) -> &Deal {
        // Milestones in order of their turns are deals at random.
        let (deal, _) = self.order[place % self.order.len()];
        &self.deals[deal]
    }

    /// Writes the confirmations to a file, one to a line, in order.
    pub(crate) fn write_confirmations(&self, file: &Path) -> anyhow::Result<()> {
        let mut text = String::with_capacity(self.len() * 60);
        for place in 0..self.len() {
            let Confirmation {
                buyer,
                escrow,
                milestone,
            } = self.confirmation(place).context("a place below the length")?;
            for word in [buyer, " ", escrow, " ", milestone, "\n"] {
                text.push_str(word);
            }
        }
        std::fs::write(file, text).with_context(|| format!("no room for {}", file.display()))
    }
}

impl<'a> Confirmation<'a> {
    /// Reads a line that [`Deals::write_confirmations`] wrote.
    pub(crate) fn parse(line: &'a str) -> Option<Self> {
        let mut words = line.split(' ');
        Some(Self {
            buyer: words.next()?,
            escrow: words.next()?,
            milestone: words.next()?,
        })
    }
}
