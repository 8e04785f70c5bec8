//! Request fields that several resources have: terms, milestones, references, bank
//! accounts and addresses.

use crate::domain::escrow::limits::TermsLimits;
use crate::domain::escrow::terms::{
    BUYER_PAYS, DeliveryTimeline, MAX_DELIVERY_MAX, MILESTONES_MIN, MilestoneRequest, TOTAL_QUANTITY_MAX, TermsRequest,
    check_max_delivery, check_total_quantity,
};
use crate::domain::fees::WhoPays;
use crate::domain::ids::{EscrowId, Reference};
use crate::domain::invalid::{Invalid, Parsed};
use crate::domain::money::Amount;
use crate::domain::payments::bank::{BankCodes, is_account_number};
use crate::domain::payments::whitelist::EvmAddress;
use crate::domain::text;
use crate::http::fields::{AmountShape, Field, Fields};
use crate::http::request_spec::{FieldSpec, Kind, ListMax, words};

pub(super) const PURPOSE: FieldSpec = FieldSpec::required("purpose", Kind::Line);
pub(super) const DESCRIPTION: FieldSpec = FieldSpec::optional("description", Kind::Prose);
pub(super) const CATEGORY_ID: FieldSpec = FieldSpec::optional("categoryId", Kind::ObjectId);
const MAX_DELIVERY: FieldSpec = FieldSpec::required_if_strict("maxDelivery", Kind::Integer(1, MAX_DELIVERY_MAX))
    .about("The time to deliver, in units of deliveryTimeline");
const DELIVERY_TIMELINE: FieldSpec =
    FieldSpec::required_if_strict("deliveryTimeline", Kind::Words(words::<DeliveryTimeline>));
const TOTAL_QUANTITY: FieldSpec = FieldSpec::optional("totalQuantity", Kind::Integer(1, TOTAL_QUANTITY_MAX))
    .about("The number of buyers that the offer is open to");

/// The terms of a standard escrow.
pub(super) const STANDARD_TERMS: [FieldSpec; 8] = [
    FieldSpec::required("amount", Kind::OfferAmount),
    PURPOSE,
    DESCRIPTION,
    FieldSpec::required("whoPays", Kind::Words(words::<WhoPays>)).about("Who pays the fee"),
    MAX_DELIVERY,
    DELIVERY_TIMELINE,
    TOTAL_QUANTITY,
    CATEGORY_ID,
];

/// The terms of a milestone escrow.
pub(super) const MILESTONE_TERMS: [FieldSpec; 8] = [
    FieldSpec::required("amount", Kind::SumOfMilestones),
    PURPOSE,
    DESCRIPTION,
    FieldSpec::required("whoPays", Kind::Words(|| vec![WhoPays::Buyer.into_str()])).about("Who pays the fee"),
    MAX_DELIVERY,
    DELIVERY_TIMELINE,
    TOTAL_QUANTITY,
    CATEGORY_ID,
];

/// The milestones of an offer or a conversion.
pub(super) const MILESTONES: FieldSpec = FieldSpec::required(
    "milestones",
    Kind::ListOfAtLeast(
        MILESTONES_MIN,
        &Kind::open(&[&[
            FieldSpec::required("title", Kind::Line),
            DESCRIPTION,
            FieldSpec::required("amount", Kind::MilestoneAmount),
            FieldSpec::optional("dueDate", Kind::Date),
            FieldSpec::optional("customerId", Kind::CustomerId).about("Who is paid for it, if not the seller"),
        ]]),
        ListMax::Milestones,
    ),
)
.about("At least two, whose amounts add up to the amount of the escrow")
.example(r#"[{"title":"Design","amount":4000},{"title":"Launch","amount":6000}]"#);

/// The reference of a payment.
pub(super) const REFERENCE: FieldSpec = FieldSpec::required_if_strict("reference", Kind::Reference)
    .about("Of a new payment: with a letter or digit, and not beginning with CMSN- or DLV-");

/// The currency of a request.
pub(super) const CURRENCY: FieldSpec = FieldSpec::optional("currency", Kind::Currency);

/// The escrows that [`escrows_by_id`] reads.
pub(super) const ESCROW_IDS: FieldSpec =
    FieldSpec::optional("escrowId", Kind::OneOrList(&Kind::Text, ListMax::EscrowsPerPayment));

/// The number of a bank account.
pub(super) const ACCOUNT_NUMBER: FieldSpec =
    FieldSpec::required("accountNumber", Kind::Pattern("^[0-9]{10}$")).example("\"0123456789\"");

/// The code of a bank.
pub(super) const BANK_CODE: FieldSpec = FieldSpec::required("bankCode", Kind::Text).example("\"058\"");

/// A text that [`short_text`] reads.
pub(super) const SHORT_TEXT: Kind = Kind::TextUpTo(TEXT_CHARS_MAX);

/// An address of a wallet on a blockchain.
pub(super) const EVM_ADDRESS: Kind = Kind::Pattern("^0x[0-9a-fA-F]{40}$");

/// Reads the terms of a milestone escrow.
pub(super) fn milestone_terms(fields: &Fields<'_>, limits: &TermsLimits) -> Parsed<TermsRequest> {
    read_terms(fields, limits, Plan::Milestones)
}

/// Reads the terms of a standard escrow.
pub(super) fn standard_terms(fields: &Fields<'_>, limits: &TermsLimits) -> Parsed<TermsRequest> {
    read_terms(fields, limits, Plan::Standard)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Plan {
    Standard,
    Milestones,
}

/// Reads each field and checks it, in the order of the contract's table. The buyer pays
/// the fee of a milestone escrow. The delivery window is required if the limits are strict.
fn read_terms(fields: &Fields<'_>, limits: &TermsLimits, plan: Plan) -> Parsed<TermsRequest> {
    let amount = fields.field("amount");
    let amount = match plan {
        Plan::Standard => offer_amount(&amount, limits)?,
        Plan::Milestones => staged_amount(&amount, limits)?,
    };
    limits.check_amount(amount)?;
    let purpose = short_line(&fields.field("purpose"), limits)?;
    let description = description(fields, limits)?;
    let who_pays = fields.field("whoPays");
    let who_pays = match plan {
        Plan::Standard => who_pays.word()?,
        Plan::Milestones => buyer_pays(&who_pays)?,
    };
    let max_delivery = read_if(limits.is_strict, &fields.field("maxDelivery"), Field::integer)?;
    max_delivery.map_or(Ok(()), check_max_delivery)?;
    let delivery_timeline = read_if(limits.is_strict, &fields.field("deliveryTimeline"), Field::word)?;
    let total_quantity = fields.field("totalQuantity").optional(Field::integer)?;
    total_quantity.map_or(Ok(()), check_total_quantity)?;
    Ok(TermsRequest {
        amount,
        purpose,
        description,
        who_pays,
        max_delivery,
        delivery_timeline,
        total_quantity,
        category: fields.field("categoryId").optional(Field::category_id)?,
    })
}

/// Reads the amount of an offer. The caller checks that it is not below the smallest.
pub(super) fn offer_amount(field: &Field<'_>, limits: &TermsLimits) -> Parsed<Amount> {
    field.amount_of(AmountShape::AtLeast(limits.amount_min))
}

/// Reads the amount of an offer with milestones. The caller checks that it is not below the smallest.
pub(super) fn staged_amount(field: &Field<'_>, limits: &TermsLimits) -> Parsed<Amount> {
    field.amount_of(AmountShape::of_milestones_together(limits))
}

/// Reads who pays the fee of a milestone escrow.
pub(super) fn buyer_pays(field: &Field<'_>) -> Parsed<WhoPays> {
    field.parsed(BUYER_PAYS, |word| {
        (word == WhoPays::Buyer.into_str()).then_some(WhoPays::Buyer)
    })
}

/// Reads the amount of a milestone, and checks it.
pub(super) fn milestone_amount(field: &Field<'_>, limits: &TermsLimits) -> Parsed<Amount> {
    let amount = field.amount_of(AmountShape::of_milestone(limits))?;
    limits.check_milestone_amount(field.path(), amount)?;
    Ok(amount)
}

/// Reads a purpose, a title or a name, and checks it.
pub(super) fn short_line(field: &Field<'_>, limits: &TermsLimits) -> Parsed<String> {
    limits.purpose(field.path(), field.text()?)
}

/// Reads the optional `description` of an object, and checks it.
pub(super) fn description(fields: &Fields<'_>, limits: &TermsLimits) -> Parsed<Option<String>> {
    let description = fields.field("description");
    limits.description(description.path(), description.optional(Field::text)?)
}

/// Reads a field that is required or optional.
fn read_if<'a, T>(
    is_required: bool,
    field: &Field<'a>,
    read: impl FnOnce(&Field<'a>) -> Parsed<T>,
) -> Parsed<Option<T>> {
    if is_required {
        read(field).map(Some)
    } else {
        field.optional(read)
    }
}

/// Reads the milestones of an offer or a conversion.
pub(super) fn milestones(fields: &Fields<'_>, limits: &TermsLimits) -> Parsed<Vec<MilestoneRequest>> {
    let milestones = fields.field("milestones").list()?;
    limits.check_milestone_count(milestones.len())?;
    milestones.iter().map(|entry| milestone(entry, limits)).collect()
}

fn milestone(entry: &Field<'_>, limits: &TermsLimits) -> Parsed<MilestoneRequest> {
    let fields = entry.object()?;
    let title = short_line(&fields.field("title"), limits)?;
    let description = description(&fields, limits)?;
    Ok(MilestoneRequest {
        title,
        description,
        amount: milestone_amount(&fields.field("amount"), limits)?,
        due_date: fields.field("dueDate").optional(Field::date)?,
        beneficiary: fields.field("customerId").optional(Field::customer_id)?,
    })
}

pub(super) fn reference(fields: &Fields<'_>, is_strict: bool) -> Parsed<Option<Reference>> {
    let reference = fields.field("reference");
    if is_strict {
        reference.reference().map(Some)
    } else {
        reference.optional(Field::reference)
    }
}

/// Checks that `currency` is absent or the server's one currency.
pub(super) fn check_currency(fields: &Fields<'_>, currency: &str) -> Parsed<()> {
    fields.field("currency").optional(|field| field.one_of(&[currency]))?;
    Ok(())
}

/// The most characters of a name, a narration or a phone number.
const TEXT_CHARS_MAX: usize = 255;

pub(super) fn account_number(field: &Field<'_>) -> Parsed<String> {
    let number = field.text()?;
    if is_account_number(&number) {
        Ok(number)
    } else {
        Err(field.must_be("10 digits"))
    }
}

pub(super) fn bank_code(field: &Field<'_>, codes: BankCodes) -> Parsed<String> {
    let code = field.text()?;
    codes.check(field.path(), &code)?;
    Ok(code)
}

pub(super) fn evm_address(field: &Field<'_>) -> Parsed<EvmAddress> {
    EvmAddress::parse(&field.text()?).ok_or_else(|| field.must_be(EvmAddress::SHAPE))
}

pub(super) fn short_text(field: &Field<'_>) -> Parsed<String> {
    text_up_to(field, TEXT_CHARS_MAX)
}

pub(super) fn text_up_to(field: &Field<'_>, chars_max: usize) -> Result<String, Invalid> {
    text::line_up_to(field.path(), field.text()?, chars_max)
}

/// Parses the id of an escrow, or a list of 1 to `escrows_max` of them.
pub(super) fn escrows_by_id(ids: &Field<'_>, escrows_max: usize) -> Parsed<Vec<EscrowId>> {
    let by_id = |field: &Field<'_>| Ok(EscrowId::named(&field.text()?));
    if !ids.is_list() {
        return Ok(vec![by_id(ids)?]);
    }
    let list = ids.list()?;
    if list.is_empty() || list.len() > escrows_max {
        return Err(ids.must_be(format!("an escrow id or a list of 1 to {escrows_max} of them")));
    }
    list.iter().map(by_id).collect()
}
