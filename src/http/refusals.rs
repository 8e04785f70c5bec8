//! The refusals of a route's own rules, as its file lists them beside its handler. Refusals that
//! follow from the facts of a route are in `refusal_codes`.

use crate::domain::mode::Mode;
use crate::domain::refusal::RefusalKind;
use crate::http::error::ApiErrorKind;

/// Rules in groups, so that routes can share a group, such as that of a ruling.
pub(crate) type RuleGroups = &'static [&'static [RefusalKind]];

/// The refusals of a route's own rules. All others follow from the facts of the route.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Refusals {
    pub(super) rules: RuleGroups,
    pub(super) in_sandbox: &'static [RefusalKind],
    pub(super) in_live: &'static [RefusalKind],
    pub(super) of_entries: RuleGroups,
    pub(super) of_http: &'static [ApiErrorKind],
    /// The only mode in which the route does its work, and the refusal in the other one.
    pub(super) only_in: Option<(Mode, RefusalKind)>,
    /// The use of the store. `None` if it follows from the other facts of the route.
    pub(super) work: Option<Work>,
}

/// The use that a handler makes of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// It reads nothing but the key.
    Reads,
    /// It reads on a thread for long reads.
    ReadsLong,
    /// It reads what the merchant has. In a sandbox the first use of a key creates the merchant.
    FindsMerchant,
    /// As [`Work::FindsMerchant`], on a thread for long reads.
    FindsMerchantLong,
    /// It reads for a party that it has admitted. The first use may create the customer.
    Admits,
    /// It changes state. The header `Idempotency-Key` has no effect.
    Writes,
    /// It changes state once for each idempotency key.
    Executes,
}

impl Refusals {
    /// A route without rules of its own.
    pub(crate) const NONE: Self = Self {
        rules: &[],
        in_sandbox: &[],
        in_live: &[],
        of_entries: &[],
        of_http: &[],
        only_in: None,
        work: None,
    };

    /// The refusals of these rules.
    pub(crate) const fn of(rules: RuleGroups) -> Self {
        Self { rules, ..Self::NONE }
    }

    /// No rules, and this use of the store.
    pub(crate) const fn by(work: Work) -> Self {
        Self::NONE.with(work)
    }

    /// Adds rules that hold in a sandbox alone.
    pub(crate) const fn in_sandbox(self, in_sandbox: &'static [RefusalKind]) -> Self {
        Self { in_sandbox, ..self }
    }

    /// Adds rules that hold in live mode alone.
    pub(crate) const fn in_live(self, in_live: &'static [RefusalKind]) -> Self {
        Self { in_live, ..self }
    }

    /// Adds rules that entries of a seed break. The status of each is that of
    /// [`RefusalKind::SeedEntry`].
    pub(crate) const fn of_entries(self, of_entries: RuleGroups) -> Self {
        Self { of_entries, ..self }
    }

    /// Adds errors that are no rules of the domain.
    pub(crate) const fn of_http(self, of_http: &'static [ApiErrorKind]) -> Self {
        Self { of_http, ..self }
    }

    /// A route that refuses everything in a sandbox.
    pub(crate) const fn only_live(self) -> Self {
        Self {
            only_in: Some((Mode::Live, RefusalKind::LiveOnly)),
            ..self
        }
    }

    /// A route that refuses everything in live mode.
    pub(crate) const fn only_sandbox(self) -> Self {
        Self {
            only_in: Some((Mode::Sandbox, RefusalKind::SandboxOnly)),
            ..self
        }
    }

    /// States the use of the store, where it does not follow from the other facts of the route.
    pub(crate) const fn with(self, work: Work) -> Self {
        Self {
            work: Some(work),
            ..self
        }
    }
}
