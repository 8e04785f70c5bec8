//! Routes of operators, under `/operator`: the people, money in, money out, and the record of
//! what was done.

mod acting;
mod acts;
mod callback;
mod deposits;
mod fields;
mod keys;
mod merchants;
mod operators;
mod payout_batches;
mod payouts;
mod position;
mod receipts;
mod statements;

use crate::domain::treasury::operator::Right;
use crate::http::query;
use crate::http::route::{ActsAs, KnownFields};
use crate::http::routes::disputes::{RULING_FIELDS, resolve_as_operator};
use crate::http::routes::events;
use crate::http::routes::registry::{GET, POST, PUT, Routes};

/// The fields of a request that gives a reason alone.
const REASON: [&str; 1] = ["reason"];
/// The fields of a request to replace a key or a secret.
const OVERLAP: [&str; 1] = ["overlapHours"];
/// The fields of a list that can be filtered by status.
const LIST_FIELDS: [&str; 4] = ["status", "page", "limit", "cursor"];

/// Adds the routes of operators to the route table.
#[rustfmt::skip] // Keeps each route on one line.
pub(super) fn add_routes(table: &mut Routes) {
    use ActsAs::{Deployment, MerchantOfOperator, OperatorItself};
    use Right::{Administer, Approve, Read, Record};

    table.operator(GET, "/operator/operators", OperatorItself, Read, KnownFields::of_query(&query::PAGE_FIELDS), operators::list);
    table.operator(POST, "/operator/operators", OperatorItself, Administer, KnownFields::of_body(&operators::FIELDS), operators::create);
    table.operator(POST, "/operator/operators/{operatorId}/revoke", OperatorItself, Administer, KnownFields::of_body(&REASON), operators::revoke);
    table.operator(GET, "/operator/merchants", OperatorItself, Read, KnownFields::of_query(&query::PAGE_FIELDS), merchants::list);
    table.operator(POST, "/operator/merchants", OperatorItself, Administer, KnownFields::of_body(&merchants::FIELDS), merchants::create);
    table.operator(GET, "/operator/merchant", MerchantOfOperator, Read, KnownFields::NONE, merchants::get);
    table.operator(PUT, "/operator/merchant", MerchantOfOperator, Administer, KnownFields::of_body(&merchants::SETTINGS), merchants::change);
    table.operator(GET, "/operator/keys", MerchantOfOperator, Read, KnownFields::NONE, keys::list);
    table.operator(POST, "/operator/keys", MerchantOfOperator, Administer, KnownFields::of_body(&keys::FIELDS), keys::create);
    table.operator(POST, "/operator/keys/{keyId}/rotate", MerchantOfOperator, Administer, KnownFields::of_body(&OVERLAP), keys::rotate);
    table.operator(POST, "/operator/keys/{keyId}/revoke", MerchantOfOperator, Administer, KnownFields::of_body(&REASON), keys::revoke);
    table.operator(GET, "/operator/callback", MerchantOfOperator, Read, KnownFields::NONE, callback::get);
    table.operator(PUT, "/operator/callback", MerchantOfOperator, Administer, KnownFields::of_body(&["url", "events"]), callback::set);
    table.operator(POST, "/operator/callback/rotate-secret", MerchantOfOperator, Administer, KnownFields::of_body(&OVERLAP), callback::rotate_secret);
    table.operator(PUT, "/operator/notices/{provider}", MerchantOfOperator, Administer, KnownFields::of_body(&["secret"]), callback::set_notice_secret);
    table.operator(GET, "/operator/events", MerchantOfOperator, Read, KnownFields::of_query(&events::FILTERS), events::list);
    table.operator(POST, "/operator/events/replay", MerchantOfOperator, Record, KnownFields::of_body(&["from", "since", "status"]), events::replay);
    table.operator(GET, "/operator/events/{id}", MerchantOfOperator, Read, KnownFields::NONE, events::get);
    table.operator(POST, "/operator/events/{id}/resend", MerchantOfOperator, Record, KnownFields::NONE, events::resend);
    table.operator(GET, "/operator/acts", Deployment, Read, KnownFields::of_query(&query::PAGE_FIELDS), acts::list);
    table.operator(GET, "/operator/deposits", MerchantOfOperator, Read, KnownFields::of_query(&query::PAGE_FIELDS), deposits::list);
    table.operator(POST, "/operator/deposits/expire", MerchantOfOperator, Record, KnownFields::of_body(&deposits::FIELDS), deposits::expire);
    table.operator(POST, "/operator/deals/{escrowId}/resolve", MerchantOfOperator, Approve, KnownFields::of_body(&RULING_FIELDS), resolve_as_operator);
    table.operator(GET, "/operator/receipts", MerchantOfOperator, Read, KnownFields::of_query(&LIST_FIELDS), receipts::list);
    table.operator(POST, "/operator/receipts", MerchantOfOperator, Record, KnownFields::of_body(&receipts::FIELDS), receipts::record);
    table.operator(GET, "/operator/receipts/{receiptId}", MerchantOfOperator, Read, KnownFields::NONE, receipts::get);
    table.operator(POST, "/operator/receipts/{receiptId}/approve", MerchantOfOperator, Approve, KnownFields::NONE, receipts::approve);
    table.operator(POST, "/operator/receipts/{receiptId}/reject", MerchantOfOperator, Approve, KnownFields::of_body(&REASON), receipts::reject);
    table.operator(POST, "/operator/receipts/{receiptId}/assign", MerchantOfOperator, Record, KnownFields::of_body(&receipts::TARGET_FIELDS), receipts::assign);
    table.operator(POST, "/operator/receipts/{receiptId}/reverse", MerchantOfOperator, Record, KnownFields::of_body(&REASON), receipts::reverse);
    table.operator(GET, "/operator/payouts", MerchantOfOperator, Read, KnownFields::of_query(&LIST_FIELDS), payouts::list);
    table.operator(POST, "/operator/payouts", MerchantOfOperator, Record, KnownFields::of_body(&payouts::FIELDS), payouts::request);
    table.operator(POST, "/operator/payouts/export", MerchantOfOperator, Record, KnownFields::NONE, payout_batches::export);
    table.operator(POST, "/operator/payouts/results", MerchantOfOperator, Record, KnownFields::of_csv(&[]), payout_batches::results);
    table.operator(GET, "/operator/payouts/{payoutId}", MerchantOfOperator, Read, KnownFields::NONE, payouts::get);
    table.operator(POST, "/operator/payouts/{payoutId}/approve", MerchantOfOperator, Approve, KnownFields::NONE, payouts::approve);
    table.operator(POST, "/operator/payouts/{payoutId}/reject", MerchantOfOperator, Approve, KnownFields::of_body(&REASON), payouts::reject);
    table.operator(POST, "/operator/payouts/{payoutId}/pay", MerchantOfOperator, Record, KnownFields::of_body(&payouts::PAID_FIELDS), payouts::pay);
    table.operator(POST, "/operator/payouts/{payoutId}/return", MerchantOfOperator, Record, KnownFields::of_body(&REASON), payouts::take_back);
    table.operator(GET, "/operator/position", Deployment, Read, KnownFields::NONE, position::get);
    table.operator(POST, "/operator/position/reconcile", Deployment, Read, KnownFields::of_csv(&position::RECONCILE_FIELDS), position::reconcile);
    table.operator(GET, "/operator/customers/{customerId}/statement", MerchantOfOperator, Read, KnownFields::of_query(&statements::FIELDS), statements::of_customer);
    table.operator(GET, "/operator/merchant/statement", MerchantOfOperator, Read, KnownFields::of_query(&statements::FIELDS), statements::of_merchant);
    table.operator(GET, "/operator/deals/{escrowId}/statement", MerchantOfOperator, Read, KnownFields::of_query(&statements::FIELDS), statements::of_deal);
    table.operator(GET, "/operator/journal", MerchantOfOperator, Read, KnownFields::of_query(&statements::FIELDS), statements::journal);
}
