//! The row type of the contract table: one route's requests and their expected outcomes.

use serde_json::Value;

use crate::helpers::TestApp;

/// The expected status and message.
pub(super) type Outcome = (u16, &'static str);

/// A request without its method and path, which come from the matrix.
pub(super) struct Request {
    /// The acting customer, or `None` if the merchant acts.
    pub(super) customer: Option<String>,
    /// The values for the parts of the path in braces, in order.
    pub(super) ids: Vec<String>,
    /// The query string with its leading question mark, or an empty text.
    pub(super) query: &'static str,
    pub(super) body: Option<Value>,
}

/// Creates the objects that a request refers to, and returns the request.
pub(super) type Make = fn(&TestApp) -> Request;

/// One route's requests and the outcome of each.
pub(super) struct Row {
    /// The route's method and path.
    pub(super) name: &'static str,
    pub(super) success: Outcome,
    pub(super) right: Make,
    /// The outcome if the valid request is repeated. `None` means the same outcome again.
    pub(super) again: Option<Outcome>,
    /// The outcome if the ids in the path do not exist.
    pub(super) unknown: Option<Outcome>,
    /// The outcome of the valid request with another merchant's key.
    pub(super) foreign: Option<Outcome>,
    /// The outcome if Dan sends the valid request, although he takes no part in the escrow.
    pub(super) stranger: Option<Outcome>,
    /// The outcome of the valid request without a `customer-id` header, on a route where the
    /// merchant may act too.
    pub(super) unnamed: Option<Outcome>,
    /// Requests that this route refuses for reasons of its own, with the refusals.
    pub(super) refusals: Vec<(Make, Outcome)>,
}

impl Row {
    pub(super) const fn again(mut self, outcome: Outcome) -> Self {
        self.again = Some(outcome);
        self
    }

    pub(super) const fn unknown(mut self, outcome: Outcome) -> Self {
        self.unknown = Some(outcome);
        self
    }

    pub(super) const fn foreign(mut self, outcome: Outcome) -> Self {
        self.foreign = Some(outcome);
        self
    }

    /// Sets the outcome both for ids that do not exist and for another merchant's key.
    pub(super) const fn hidden(self, outcome: Outcome) -> Self {
        self.unknown(outcome).foreign(outcome)
    }

    pub(super) const fn stranger(mut self, outcome: Outcome) -> Self {
        self.stranger = Some(outcome);
        self
    }

    pub(super) const fn unnamed(mut self, outcome: Outcome) -> Self {
        self.unnamed = Some(outcome);
        self
    }

    pub(super) fn refuses(mut self, make: Make, outcome: Outcome) -> Self {
        self.refusals.push((make, outcome));
        self
    }
}

/// Returns a row with only the outcome of the valid request.
pub(super) fn row(name: &'static str, status: u16, message: &'static str, right: Make) -> Row {
    Row {
        name,
        success: (status, message),
        right,
        again: None,
        unknown: None,
        foreign: None,
        stranger: None,
        unnamed: None,
        refusals: Vec::new(),
    }
}

impl Request {
    pub(super) fn of_merchant() -> Self {
        Self {
            customer: None,
            ids: Vec::new(),
            query: "",
            body: None,
        }
    }

    pub(super) fn by(customer: impl Into<String>) -> Self {
        Self {
            customer: Some(customer.into()),
            ..Self::of_merchant()
        }
    }

    pub(super) fn to(mut self, id: impl Into<String>) -> Self {
        self.ids.push(id.into());
        self
    }

    pub(super) fn with(mut self, body: Value) -> Self {
        self.body = Some(body);
        self
    }

    pub(super) fn asking(mut self, query: &'static str) -> Self {
        self.query = query;
        self
    }
}
