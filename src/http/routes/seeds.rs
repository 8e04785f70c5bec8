//! The route that loads a seed into a sandbox merchant.

use std::collections::HashSet;
use std::sync::{Arc, OnceLock};

use actix_web::rt;
use actix_web::web::Data;
use schemars::JsonSchema;
use serde::Serialize;

use crate::commands::{clocks, seeds};
use crate::domain::customers::profile::PartialProfileRequest;
use crate::domain::escrow::limits::TermsLimits;
use crate::domain::escrow::terms::{
    DeliveryTimeline, MAX_DELIVERY_DEFAULT, MAX_DELIVERY_MAX, MILESTONES_MIN, MilestoneRequest,
    STANDARD_MAX_DELIVERY_DEFAULT, TOTAL_QUANTITY_MAX, TermsRequest,
};
use crate::domain::escrow::{Escrow, Status};
use crate::domain::fees::WhoPays;
use crate::domain::ids::{CustomerId, EscrowId, SeededIds};
use crate::domain::invalid::{Invalid, Parsed};
use crate::domain::money::Amount;
use crate::domain::refusal::RefusalKind;
use crate::domain::sandbox::seed::{
    CUSTOMERS_MAX, CustomerSeed, EscrowSeed, MILESTONES_MAX, ProgressRequest, SeedRequest,
};
use crate::domain::time::Date;
use crate::http::auth::Caller;
use crate::http::body::{JsonBody, LargeJsonBody};
use crate::http::envelope::{CreatedReply, Reply};
use crate::http::error::{ApiError, ApiErrorKind};
use crate::http::fields::{Field, Fields};
use crate::http::own_task::in_own_task;
use crate::http::refusals::Refusals;
use crate::http::request_spec::{FieldSpec, Kind, ListMax, RequestSpec, words};
use crate::http::routes::clocks::{ClockView, do_what_is_due};
use crate::http::routes::shared_fields::{buyer_pays, milestone_amount, offer_amount};
use crate::http::state::AppState;
use crate::views::{AsText, MajorUnits, MilestoneView, Words};

/// The rules that a customer or an escrow of a seed can break.
const OF_ENTRIES: [RefusalKind; 13] = [
    RefusalKind::EmailExists,
    RefusalKind::PhoneExists,
    RefusalKind::TooMuchMoney,
    RefusalKind::CustomerBlocked,
    RefusalKind::SellingDisabled,
    RefusalKind::BuyingDisabled,
    RefusalKind::TooFewMilestones,
    RefusalKind::MilestonesDoNotAddUp,
    RefusalKind::BuyerIsSeller,
    RefusalKind::BuyerIsBeneficiary,
    RefusalKind::InsufficientBalance,
    RefusalKind::MilestonesOutOfOrder,
    RefusalKind::SplitDoesNotAddUp,
];

/// The refusals of [`load`].
pub(crate) const LOAD_REFUSALS: Refusals = Refusals::of(&[&[RefusalKind::SeededBefore]])
    .of_entries(&[&OF_ENTRIES])
    .of_http(&[ApiErrorKind::UploadsBusy]);

pub(crate) const PATH: &str = "/sandbox/seed";

/// `POST /sandbox/seed`, as the merchant of the key. A seed with a claimed deal moves the clock; then
/// the reply does not wait for the deliveries that fell due.
///
/// Does what fell due also if the client disconnects.
pub(crate) async fn load(
    state: Data<AppState>,
    caller: Caller,
    large: LargeJsonBody,
) -> Result<CreatedReply<SeedView>, ApiError> {
    let request = parse_seed(&large.body, &state.policy.load().terms_limits);
    in_own_task(async move {
        let moved = Arc::new(OnceLock::new());
        let note = Arc::clone(&moved);
        let reply = state
            .execute(
                &caller,
                move |tx, policy, actor| {
                    let before = clocks::read(tx).ahead;
                    let seeded = seeds::load(tx, policy, actor.merchant, request)?;
                    note.get_or_init(|| (actor.merchant, seeded.clock.ahead.time_since(before)));
                    Ok(seeded)
                },
                |seeded, _context| {
                    let clock = ClockView::new(seeded.clock.now, seeded.clock.ahead);
                    let view = SeedView::new(seeded.customers, seeded.escrows, clock);
                    Reply::created("Sandbox seeded successfully", view)
                },
            )
            .await?;
        if let Some(&(merchant, time)) = moved.get()
            && reply.is_first()
            && !time.is_zero()
        {
            state.rate_limiter.advance(&caller.key_hash, time);
            rt::spawn(async move { do_what_is_due(&state, merchant).await });
        }
        Ok(reply)
    })
    .await
}

const CUSTOMER: [FieldSpec; 8] = [
    FieldSpec::optional("id", Kind::CustomerId),
    FieldSpec::optional("balance", Kind::Amount(0)),
    FieldSpec::optional("firstname", Kind::Text),
    FieldSpec::optional("lastname", Kind::Text),
    FieldSpec::optional("email", Kind::Email),
    FieldSpec::optional("phone", Kind::Text),
    FieldSpec::optional("countryId", Kind::Country),
    FieldSpec::optional("bvn", Kind::Text),
];
const MILESTONE: [FieldSpec; 6] = [
    FieldSpec::optional("title", Kind::Text),
    FieldSpec::optional("description", Kind::Text),
    FieldSpec::required("amount", Kind::MilestoneAmount),
    FieldSpec::optional("dueDate", Kind::Date),
    FieldSpec::optional("customerId", Kind::CustomerId),
    FieldSpec::optional("released", Kind::Boolean),
];
const ESCROW: [FieldSpec; 15] = [
    FieldSpec::optional("name", Kind::Text).about("By which the reply names the escrow"),
    FieldSpec::required("seller", Kind::CustomerId),
    FieldSpec::optional("buyer", Kind::CustomerId),
    FieldSpec::optional("status", Kind::Words(words::<Status>)),
    FieldSpec::optional("amount", Kind::OfferAmount).about("The sum of the milestones, if left out"),
    FieldSpec::optional("purpose", Kind::Text),
    FieldSpec::optional("description", Kind::Text),
    FieldSpec::optional("whoPays", Kind::Words(words::<WhoPays>)),
    FieldSpec::optional("maxDelivery", Kind::Integer(1, MAX_DELIVERY_MAX)),
    FieldSpec::optional("deliveryTimeline", Kind::Words(words::<DeliveryTimeline>)),
    FieldSpec::optional("totalQuantity", Kind::Integer(1, TOTAL_QUANTITY_MAX)),
    FieldSpec::optional(
        "milestones",
        Kind::ListOfAtLeast(MILESTONES_MIN, &Kind::closed(&[&MILESTONE]), ListMax::Milestones),
    ),
    FieldSpec::optional("released", Kind::Integer(0, i64::MAX)).about("How many milestones are released"),
    FieldSpec::optional("sellerAmount", Kind::Amount(0)),
    FieldSpec::optional("buyerAmount", Kind::Amount(0)),
];

/// The request of [`load`].
pub(crate) const SEED: RequestSpec = RequestSpec::of_body(&[&[
    FieldSpec::optional(
        "customers",
        Kind::List(&Kind::closed(&[&CUSTOMER]), ListMax::Is(CUSTOMERS_MAX)),
    )
    .example(r#"[{"id":"ada","balance":50000}]"#),
    FieldSpec::optional(
        "escrows",
        Kind::List(&Kind::closed(&[&ESCROW]), ListMax::Is(SeededIds::ESCROWS_MAX)),
    )
    .about("All of them together may have 10,000 milestones"),
]]);

/// Parses the body of `POST /sandbox/seed`.
fn parse_seed(body: &JsonBody, limits: &TermsLimits) -> Parsed<SeedRequest> {
    let fields = body.fields()?;
    let customers = entries(&fields.field("customers"), CUSTOMERS_MAX)?;
    let escrows_field = fields.field("escrows");
    let escrows = entries(&escrows_field, SeededIds::ESCROWS_MAX)?;
    let mut ids = HashSet::new();
    let customers = customers.iter().map(|entry| customer(entry, &mut ids));
    let customers = customers.collect::<Parsed<_>>()?;
    let mut names = HashSet::new();
    let escrow = |(entry, index): (&Field<'_>, usize)| escrow(entry, index, &mut names, limits);
    let escrows = escrows.iter().zip(1..).map(escrow).collect::<Parsed<Vec<_>>>()?;
    check_milestone_count(&escrows_field, &escrows)?;
    Ok(SeedRequest {
        content_hash: body.content_hash()?,
        customers,
        escrows,
    })
}

/// Reads a list. An absent list is empty.
fn entries<'a>(field: &Field<'a>, entries_max: usize) -> Parsed<Vec<Field<'a>>> {
    let entries = field.optional(Field::list)?.unwrap_or_default();
    if entries.len() > entries_max {
        let (expected, got) = (format!("a list of at most {entries_max} entries"), entries.len());
        return Err(Invalid::wrong(field.path(), expected, &format!("{got} of them")));
    }
    Ok(entries)
}

/// Checks that the escrows do not have too many milestones together.
fn check_milestone_count(field: &Field<'_>, escrows: &[EscrowSeed]) -> Parsed<()> {
    let milestones = escrows.iter().filter_map(|escrow| escrow.milestones.as_ref());
    let count: usize = milestones.map(Vec::len).sum();
    if count <= MILESTONES_MAX {
        return Ok(());
    }
    let expected = format!("a list of escrows with at most {MILESTONES_MAX} milestones together");
    Err(Invalid::wrong(field.path(), expected, &format!("{count} of them")))
}

/// Parses a customer. Refuses the id of an earlier customer.
fn customer(entry: &Field<'_>, ids: &mut HashSet<CustomerId>) -> Parsed<CustomerSeed> {
    let fields = entry.object()?;
    fields.check_known(&[&CUSTOMER])?;
    let id_field = fields.field("id");
    let id = id_field.optional(Field::customer_id)?;
    if id.as_ref().is_some_and(|id| !ids.insert(id.clone())) {
        return Err(id_field.must_be("an id that no customer before it in the seed has"));
    }
    Ok(CustomerSeed {
        id,
        balance: fields.field("balance").optional(Field::amount)?,
        profile: PartialProfileRequest {
            firstname: fields.field("firstname").optional_text()?,
            lastname: fields.field("lastname").optional_text()?,
            email: fields.field("email").optional(Field::email)?,
            phone: fields.field("phone").optional(Field::text)?,
            country: fields.field("countryId").optional(Field::country)?,
            bvn: fields.field("bvn").optional(Field::text)?,
        },
    })
}

/// Parses an escrow. `position` is its position among the seed's escrows, from 1.
fn escrow(entry: &Field<'_>, position: usize, names: &mut HashSet<String>, limits: &TermsLimits) -> Parsed<EscrowSeed> {
    let fields = entry.object()?;
    fields.check_known(&[&ESCROW])?;
    let name_field = fields.field("name");
    let name = name(&name_field, names)?;
    let purpose = match name.clone() {
        Some(name) => limits.purpose(name_field.path(), name),
        None => Ok(format!("Escrow {position}")),
    };
    let seller = fields.field("seller").customer_id()?;
    let buyer = fields.field("buyer").optional(Field::customer_id)?;
    let status = fields.field("status").optional(Field::word)?;
    let milestones = fields.field("milestones").optional(|field| milestones(field, limits))?;
    let terms = terms(&fields, purpose, milestones.as_deref(), limits)?;
    let marks = |milestones: &Vec<MilestoneSeed>| milestones.iter().map(|milestone| milestone.released).collect();
    let progress = ProgressRequest {
        status,
        buyer,
        released: fields.field("released").optional(Field::integer)?,
        milestones: milestones.as_ref().map(marks),
        seller_amount: fields.field("sellerAmount").optional(Field::amount)?,
        buyer_amount: fields.field("buyerAmount").optional(Field::amount)?,
    };
    Ok(EscrowSeed {
        name,
        seller,
        terms,
        milestones: milestones.map(|milestones| milestones.into_iter().map(MilestoneSeed::into_request).collect()),
        progress,
    })
}

/// Reads the name by which the seed's author refers to an escrow. Refuses the name of an
/// earlier escrow.
fn name(field: &Field<'_>, names: &mut HashSet<String>) -> Parsed<Option<String>> {
    let name = field.optional_text()?;
    match &name {
        Some(name) if !names.insert(name.clone()) => Err(field.must_be("a name that no escrow before it has")),
        _ => Ok(name),
    }
}

/// Reads the terms of an escrow. An absent field has a default or follows from other fields:
/// an absent amount is the sum of the milestones. `purpose` is the one of an escrow that has none.
fn terms(
    fields: &Fields<'_>,
    purpose: Parsed<String>,
    milestones: Option<&[MilestoneSeed]>,
    limits: &TermsLimits,
) -> Parsed<TermsRequest> {
    let amount = fields.field("amount");
    let amount = match (amount.optional(|amount| offer_amount(amount, limits))?, milestones) {
        (Some(amount), _) => amount,
        (None, Some(milestones)) => sum(&fields.field("milestones"), milestones, limits)?,
        (None, None) => return Err(Invalid::missing(amount.path())),
    };
    let window = milestones.map_or(STANDARD_MAX_DELIVERY_DEFAULT, |_| MAX_DELIVERY_DEFAULT);
    let timeline = fields.field("deliveryTimeline");
    let timeline = timeline.optional(Field::word)?;
    Ok(TermsRequest {
        amount,
        purpose: fields.field("purpose").optional_text()?.map_or(purpose, Ok)?,
        description: fields.field("description").optional(Field::text)?,
        who_pays: match milestones {
            Some(_) => fields.field("whoPays").optional(buyer_pays)?,
            None => fields.field("whoPays").optional(Field::word)?,
        }
        .unwrap_or(WhoPays::Buyer),
        max_delivery: Some(fields.field("maxDelivery").optional(Field::integer)?.unwrap_or(window)),
        delivery_timeline: Some(timeline.unwrap_or(DeliveryTimeline::Days)),
        total_quantity: fields.field("totalQuantity").optional(Field::integer)?,
        category: None,
    })
}

/// Returns the amount of an escrow that follows from its milestones, which are named if it cannot be
/// one.
fn sum(field: &Field<'_>, milestones: &[MilestoneSeed], limits: &TermsLimits) -> Parsed<Amount> {
    if milestones.is_empty() {
        return Err(field.must_be("a list of at least 2 milestones, or left out"));
    }
    let wrong = |bound: String, got: &str| {
        let expected = format!("a list whose amounts add up to {bound}");
        Invalid::wrong(field.path(), expected, got)
    };
    let sum = Amount::total(milestones.iter().map(|milestone| milestone.amount));
    let sum = sum.ok_or_else(|| wrong(format!("at most {}", Amount::MAX), "more"))?;
    if sum < limits.amount_min {
        return Err(wrong(format!("at least {}", limits.amount_min), &sum.to_string()));
    }
    Ok(sum)
}

/// A parsed milestone of a seed.
struct MilestoneSeed {
    title: String,
    description: Option<String>,
    amount: Amount,
    due_date: Option<Date>,
    beneficiary: Option<CustomerId>,
    released: Option<bool>,
}

fn milestones(field: &Field<'_>, limits: &TermsLimits) -> Parsed<Vec<MilestoneSeed>> {
    let entries = field.list()?;
    let milestone = |(entry, position)| milestone(entry, position, limits);
    entries.iter().zip(1..).map(milestone).collect()
}

/// Parses a milestone. `position` is its position among those of the escrow, from 1.
fn milestone(entry: &Field<'_>, position: usize, limits: &TermsLimits) -> Parsed<MilestoneSeed> {
    let fields = entry.object()?;
    fields.check_known(&[&MILESTONE])?;
    let title = fields.field("title").optional_text()?;
    Ok(MilestoneSeed {
        title: title.unwrap_or_else(|| format!("Milestone {position}")),
        description: fields.field("description").optional(Field::text)?,
        amount: milestone_amount(&fields.field("amount"), limits)?,
        due_date: fields.field("dueDate").optional(Field::date)?,
        beneficiary: fields.field("customerId").optional(Field::customer_id)?,
        released: fields.field("released").optional(Field::boolean)?,
    })
}

impl MilestoneSeed {
    fn into_request(self) -> MilestoneRequest {
        MilestoneRequest {
            title: self.title,
            description: self.description,
            amount: self.amount,
            due_date: self.due_date,
            beneficiary: self.beneficiary,
        }
    }
}

/// The customers and escrows that a seed created, in the seed's order, and the clock,
/// which the seed may have advanced.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct SeedView {
    customers: Vec<SeededCustomerView>,
    escrows: Vec<SeededEscrowView>,
    clock: ClockView,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct SeededCustomerView {
    customer_id: AsText<CustomerId>,
    balance: MajorUnits,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct SeededEscrowView {
    name: Option<String>,
    id: AsText<EscrowId>,
    payment_token: String,
    #[schemars(with = "Words<Status>")]
    status: &'static str,
    milestones: Vec<MilestoneView>,
}

impl SeedView {
    /// Shows the customers with their main balances, and the escrows with the names that
    /// they have in the seed.
    pub(crate) fn new(
        customers: Vec<(CustomerId, Amount)>,
        escrows: Vec<(Option<String>, Escrow)>,
        clock: ClockView,
    ) -> Self {
        let customer = |(id, balance)| SeededCustomerView {
            customer_id: AsText(id),
            balance: MajorUnits(balance),
        };
        let escrow = |(name, escrow): (Option<String>, Escrow)| SeededEscrowView {
            name,
            id: AsText(escrow.id),
            payment_token: escrow.payment_token.as_str().to_owned(),
            status: escrow.status().into_str(),
            milestones: MilestoneView::list(escrow.plan),
        };
        Self {
            customers: customers.into_iter().map(customer).collect(),
            escrows: escrows.into_iter().map(escrow).collect(),
            clock,
        }
    }
}
