//! What a row of the table says.

use serde_json::Value;

use crate::helpers::TestApp;

/// Status and message.
pub(super) type Outcome = (u16, &'static str);

/// What goes out, beside the method and the path that the matrix gives.
pub(super) struct Request {
    /// Who acts; nobody where the merchant does.
    pub(super) customer: Option<String>,
    /// For the parts of the path in braces.
    pub(super) ids: Vec<String>,
    /// With its question mark.
    pub(super) query: &'static str,
    pub(super) body: Option<Value>,
}

/// Makes what a request needs, and the request.
pub(super) type Make = fn(&TestApp) -> Request;

/// What one route answers.
pub(super) struct Row {
    /// Method and path.
    pub(super) name: &'static str,
    pub(super) success: Outcome,
    pub(super) right: Make,
    /// The right request a second time; the same again where nothing is said.
    pub(super) again: Option<Outcome>,
    /// Ids in the path that nothing has.
    pub(super) unknown: Option<Outcome>,
    /// The right request with another merchant's key.
    pub(super) foreign: Option<Outcome>,
    /// The right request as Dan.
    pub(super) stranger: Option<Outcome>,
    /// The right request without the header, where that is the merchant.
    pub(super) unnamed: Option<Outcome>,
    /// Requests that are wrong in a way of their own, and what they are told.
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

    /// Neither other merchants nor anyone else have it.
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

/// A row that says what the right request answers, and nothing else yet.
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
