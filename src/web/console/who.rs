//! The identity of customers and operators, for the people who handle their money.

use std::collections::HashMap;

use maud::{Markup, html};

use crate::domain::customers::customer::Customer;
use crate::domain::customers::phone::Phone;
use crate::domain::customers::profile::{Email, Profile};
use crate::domain::ids::{CustomerId, OperatorId};
use crate::domain::treasury::operator::Operator;
use crate::web::layout::Refused;
use crate::web::parts::Part;
use crate::web::reader::Reader;
use crate::web::text;

/// The profiles of the customers of a page.
#[derive(Debug, Default)]
pub(super) struct People {
    profiles: HashMap<String, Profile>,
    /// True if the reader sees the pages of customers.
    has_pages: bool,
}

impl People {
    /// Reads who these customers are, if the reader sees customers.
    ///
    /// # Errors
    ///
    /// Returns the failure of the read as a page.
    pub(super) async fn of<'c>(reader: &Reader, customers: impl IntoIterator<Item = &'c str>) -> Result<Self, Refused> {
        if !reader.sees(Part::Customers) || reader.merchant().is_none() {
            return Ok(Self::default());
        }
        let mut ids: Vec<CustomerId> = customers.into_iter().filter_map(CustomerId::parse).collect();
        ids.sort_unstable_by(|one, other| one.as_str().cmp(other.as_str()));
        ids.dedup();
        let read = reader.read(move |snapshot, merchant| {
            let found = ids.iter().map(|id| snapshot.customer(merchant, id));
            found.collect::<Result<Vec<Option<Customer>>, _>>()
        });
        let found = read.await?.unwrap_or_default().into_iter().flatten();
        Ok(Self {
            profiles: found
                .filter_map(|customer| Some((customer.id.to_string(), customer.profile?)))
                .collect(),
            has_pages: true,
        })
    }

    /// Names a customer for a heading: by the name, or else by the id.
    pub(super) fn name(&self, customer: &str) -> String {
        let profile = self.profiles.get(customer);
        profile
            .and_then(Profile::full_name)
            .unwrap_or_else(|| customer.to_owned())
    }

    /// Shows a customer with everything by which people know one, and a link to its page.
    pub(super) fn show(&self, customer: &str) -> Markup {
        let known = self.profiles.get(customer);
        let name = known.and_then(Profile::full_name);
        let label = html! {
            @match &name { Some(name) => (name), None => (text::id(customer)) }
        };
        html! {
            @if self.has_pages {
                a href=(page_of(customer)) { (label) }
            } @else {
                (label)
            }
            @if let Some(profile) = known.filter(|_| name.is_some()) {
                (addresses(profile))
                div.small.muted { (text::id(customer)) }
            }
        }
    }
}

/// Returns the address of the page of a customer. A browser takes `.` and `..` in a path, escaped or not,
/// for the same folder and the one above, so these ids are in the query.
pub(super) fn page_of(customer: &str) -> String {
    match customer {
        "." | ".." => format!("/console/customers/?id={customer}"),
        _ => format!("/console/customers/{}", text::segment(customer)),
    }
}

/// Shows the email address and the phone of a customer who has a name. A sandbox makes up those of
/// a customer whom it registers by itself, who has none.
pub(super) fn addresses(profile: &Profile) -> Markup {
    html! {
        @for address in [profile.email.as_ref().map(Email::as_str), profile.phone.as_ref().map(Phone::as_str)].into_iter().flatten() {
            div.small.muted { (address) }
        }
    }
}

/// The names of the operators whose requests a page shows.
pub(super) struct Operators(HashMap<String, String>);

impl Operators {
    /// Reads the names of these operators.
    ///
    /// # Errors
    ///
    /// Returns the failure of the read as a page.
    pub(super) async fn of<'i>(reader: &Reader, ids: impl Iterator<Item = &'i str>) -> Result<Self, Refused> {
        let ids: Vec<OperatorId> = ids.map(OperatorId::named).collect();
        let read = reader.read(move |snapshot, _merchant| {
            let found = ids.iter().map(|id| snapshot.operator(*id));
            found.collect::<Result<Vec<Option<Operator>>, _>>()
        });
        let found = read.await?.unwrap_or_default().into_iter().flatten();
        Ok(Self(found.map(|found| (found.id.to_string(), found.name)).collect()))
    }

    /// Names an operator.
    pub(super) fn name<'n>(&'n self, id: &'n str) -> &'n str {
        self.0.get(id).map_or(id, String::as_str)
    }
}
