//! The parts of the pages, and who sees each of them.

use actix_web::http::Method;

use crate::http::{Person, Visitor};

/// A part of the pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// For everyone who has logged in, or needs no login.
    Everyone,
    /// The parts that only a sandbox has.
    Sandbox,
    Deals,
    Offer,
    Customers,
    Events,
    Ledger,
    Desk,
    /// Operators, merchants, keys and webhook endpoints.
    People,
}

/// The parts by the beginnings of their paths. A path belongs to the first that fits.
const PARTS: [(&str, Part); 18] = [
    ("/console/call", Part::Everyone),
    ("/console/upload", Part::Everyone),
    ("/console/merchant", Part::Everyone),
    ("/console/example", Part::Sandbox),
    ("/console/requests", Part::Sandbox),
    ("/console/clock", Part::Sandbox),
    ("/console/faults", Part::Sandbox),
    ("/console/deals", Part::Deals),
    ("/console/offer", Part::Offer),
    ("/console/customers", Part::Customers),
    ("/console/events", Part::Events),
    ("/console/ledger", Part::Ledger),
    ("/console/earnings", Part::Ledger),
    ("/console/desk/people", Part::People),
    ("/console/desk/keys", Part::People),
    ("/console/desk", Part::Desk),
    ("/demo", Part::Sandbox),
    ("/pay", Part::Sandbox),
];

impl Part {
    /// Returns the part of a path. A path that the list lacks is a sandbox's.
    pub(super) fn of(path: &str) -> Self {
        if path == "/" {
            return Self::Everyone;
        }
        let is_below = |start: &str| {
            path.strip_prefix(start)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let found = PARTS.iter().find(|(start, _)| is_below(start));
        found.map_or(Self::Sandbox, |(_, part)| *part)
    }

    /// Returns true if the visitor sees the part: if the API would show the same to the
    /// visitor's key, or if the visitor is an operator, who reads everything of a merchant.
    pub(super) fn is_for(self, visitor: &Visitor) -> bool {
        let is_operator = visitor.operator().is_some();
        let may = |method: Method, path: &str| visitor.may(&method, path);
        match self {
            Self::Everyone => true,
            Self::Sandbox => matches!(visitor.person, Person::Local(_) | Person::SandboxMerchant(_)),
            Self::Deals => is_operator || may(Method::GET, "/v1/escrow/transactions"),
            Self::Offer => may(Method::POST, "/v1/escrow/milestone/create"),
            Self::Customers => is_operator || may(Method::GET, "/v1/customers"),
            Self::Events => may(Method::GET, "/operator/events"),
            Self::Ledger => may(Method::GET, "/operator/journal"),
            Self::Desk => may(Method::GET, "/operator/position"),
            Self::People => is_operator,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_belongs_to_the_part_below_which_it_lies() {
        for (path, part) in [
            ("/", Part::Everyone),
            ("/console/deals", Part::Deals),
            ("/console/deals/665f", Part::Deals),
            ("/console/desk", Part::Desk),
            ("/console/desk/payouts", Part::Desk),
            ("/console/desk/keys", Part::People),
            ("/console/upload", Part::Everyone),
            ("/console/merchant", Part::Everyone),
            ("/pay/PY_X", Part::Sandbox),
            // A page that the list lacks is not shown in live mode.
            ("/console/dealsx", Part::Sandbox),
            ("/console/new", Part::Sandbox),
        ] {
            assert_eq!(Part::of(path), part, "{path}");
        }
    }
}
