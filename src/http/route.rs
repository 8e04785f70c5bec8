//! The facts of a route. The route table states them; everything else reads them here.

/// The start of every path of the contract.
pub(crate) const CONTRACT_PREFIX: &str = "/v1/";

/// What a route is, beside its path and its handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RouteFacts {
    /// The party that the route acts for.
    pub(crate) acts_as: ActsAs,
    /// The keys that open the route.
    pub(crate) access: Access,
    /// The section it belongs to.
    pub(crate) section: Section,
    /// Whether it changes anything.
    pub(crate) writes: bool,
}

/// The rule for the `customer-id` header (contract section 1.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ActsAs {
    /// A customer: the header is required.
    Customer,
    /// The customer of the header or, without one, the merchant itself.
    Party,
    /// The merchant: the header is forbidden.
    Merchant,
    /// The merchant's own account: the header is forbidden, with a message of its own.
    MerchantAccount,
    /// The merchant of the key: the header has no effect.
    Key,
    /// No party: the header says only who looks. A header that names no customer, or
    /// several, counts as none.
    Viewer,
}

/// The keys that open a route (contract section 1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Those of every business account.
    Business,
    /// A merchant super-admin's only.
    SuperAdmin,
}

/// A section of the route table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Section {
    /// Routes of the contract, under [`CONTRACT_PREFIX`]: rate limited, and hit by faults.
    Contract,
    /// Routes of the sandbox, under `/sandbox`. The rate limit is one of the contract's,
    /// and moving the clock is how a test waits for it, so they are not limited.
    Sandbox,
    /// Routes without a key: health and files.
    Open,
}

impl RouteFacts {
    /// Returns whether a request counts against its key's rate limit.
    pub(crate) const fn is_limited(self) -> bool {
        matches!(self.section, Section::Contract)
    }

    /// Returns whether the request log keeps a request: every one of the contract, and
    /// those of the sandbox that change something.
    pub(crate) const fn is_recorded(self) -> bool {
        match self.section {
            Section::Contract => true,
            Section::Sandbox => self.writes,
            Section::Open => false,
        }
    }
}
