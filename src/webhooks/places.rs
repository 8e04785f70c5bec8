//! The places for attempts of all merchants: how many more may start at once.

/// Attempts in flight at once, of all merchants.
const ALL_MAX: usize = 256;
/// Attempts in flight at once to endpoints that fail or have not been tried. The other places are
/// for healthy endpoints, so that endpoints which take their time to fail do not delay them.
const UNHEALTHY_MAX: usize = 192;

/// The attempts under way or not yet recorded, of all merchants.
#[derive(Debug, Default)]
pub(super) struct Places {
    taken: usize,
    /// The part of `taken` whose endpoint was not healthy when the attempt started.
    taken_by_unhealthy: usize,
}

impl Places {
    /// Returns how many more attempts may start to an endpoint. Healthy endpoints may take every place. When
    /// a place is given back, the merchants that wait for one come first.
    pub(super) fn room(&self, is_healthy: bool) -> usize {
        let room = ALL_MAX - self.taken;
        if is_healthy {
            room
        } else {
            room.min(UNHEALTHY_MAX.saturating_sub(self.taken_by_unhealthy))
        }
    }

    /// Returns true if no attempt may start.
    pub(super) fn are_taken(&self) -> bool {
        self.taken == ALL_MAX
    }

    /// Returns true if no attempt is in flight.
    pub(super) fn are_free(&self) -> bool {
        self.taken == 0
    }

    /// Takes a place for an attempt. There must be room.
    pub(super) fn take(&mut self, is_healthy: bool) {
        self.taken += 1;
        self.taken_by_unhealthy += usize::from(!is_healthy);
    }

    /// Gives back a place. `was_healthy` is the value with which it was taken.
    pub(super) fn give_back(&mut self, was_healthy: bool) {
        self.taken -= 1;
        self.taken_by_unhealthy -= usize::from(!was_healthy);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn healthy_endpoints_leave_the_places_of_the_others() {
        let mut places = Places::default();
        (0..UNHEALTHY_MAX).for_each(|_| places.take(true));
        let left = ALL_MAX - UNHEALTHY_MAX;
        assert_eq!((places.room(true), places.room(false)), (left, left));
        (0..left).for_each(|_| places.take(false));
        assert!(places.are_taken());
        places.give_back(true);
        assert_eq!((places.room(true), places.room(false)), (1, 1));
    }

    #[test]
    fn unhealthy_endpoints_leave_places_for_healthy_ones() {
        let mut places = Places::default();
        (0..UNHEALTHY_MAX).for_each(|_| places.take(false));
        assert_eq!((places.room(true), places.room(false)), (ALL_MAX - UNHEALTHY_MAX, 0));
        places.give_back(false);
        assert_eq!(places.room(false), 1);
        (0..UNHEALTHY_MAX - 1).for_each(|_| places.give_back(false));
        assert!(places.are_free());
    }
}
