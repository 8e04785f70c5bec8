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
use crate::http::request_spec::RequestSpec;
use crate::http::route::ActsAs;
use crate::http::routes::disputes::{RULING, resolve_as_operator};
use crate::http::routes::operator::fields::REASON_ALONE;
use crate::http::routes::registry::{GET, POST, PUT, Routes};
use crate::http::routes::{events, webhook_endpoint};

/// Adds the routes of operators to the route table.
#[rustfmt::skip] // Keeps each route on one line.
pub(super) fn add_routes(table: &mut Routes) {
    use ActsAs::{Deployment, MerchantOfOperator, OperatorItself};
    use Right::{Administer, Approve, Read, Record};

    const NOTHING: RequestSpec = RequestSpec::NOTHING;

    table.operator(GET, "/operator/operators", OperatorItself, Read, query::PAGE_ALONE, operators::list);
    table.operator(POST, "/operator/operators", OperatorItself, Administer, operators::OPERATOR, operators::create);
    table.operator(POST, "/operator/operators/{operatorId}/revoke", OperatorItself, Administer, REASON_ALONE, operators::revoke);
    table.operator(GET, "/operator/merchants", OperatorItself, Read, query::PAGE_ALONE, merchants::list);
    table.operator(POST, "/operator/merchants", OperatorItself, Administer, merchants::MERCHANT, merchants::create);
    table.operator(GET, "/operator/merchant", MerchantOfOperator, Read, NOTHING, merchants::get);
    table.operator(PUT, "/operator/merchant", MerchantOfOperator, Administer, merchants::CHANGE, merchants::change);
    table.operator(GET, "/operator/keys", MerchantOfOperator, Read, NOTHING, keys::list);
    table.operator(POST, "/operator/keys", MerchantOfOperator, Administer, keys::KEY, keys::create);
    table.operator(POST, "/operator/keys/{keyId}/rotate", MerchantOfOperator, Administer, keys::ROTATION, keys::rotate);
    table.operator(POST, "/operator/keys/{keyId}/revoke", MerchantOfOperator, Administer, REASON_ALONE, keys::revoke);
    table.operator(GET, "/operator/callback", MerchantOfOperator, Read, NOTHING, callback::get);
    table.operator(PUT, "/operator/callback", MerchantOfOperator, Administer, webhook_endpoint::SETTING, callback::set);
    table.operator(POST, "/operator/callback/rotate-secret", MerchantOfOperator, Administer, callback::ROTATION, callback::rotate_secret);
    table.operator(PUT, "/operator/notices/{provider}", MerchantOfOperator, Administer, callback::NOTICE_SECRET, callback::set_notice_secret);
    table.operator(GET, "/operator/events", MerchantOfOperator, Read, events::LIST, events::list);
    table.operator(POST, "/operator/events/replay", MerchantOfOperator, Record, events::REPLAY, events::replay);
    table.operator(GET, "/operator/events/{id}", MerchantOfOperator, Read, NOTHING, events::get);
    table.operator(POST, "/operator/events/{id}/resend", MerchantOfOperator, Record, NOTHING, events::resend);
    table.operator(GET, "/operator/acts", Deployment, Read, query::PAGE_ALONE, acts::list);
    table.operator(GET, "/operator/deposits", MerchantOfOperator, Read, query::PAGE_ALONE, deposits::list);
    table.operator(POST, "/operator/deposits/expire", MerchantOfOperator, Record, deposits::EXPIRY, deposits::expire);
    table.operator(POST, "/operator/deals/{escrowId}/resolve", MerchantOfOperator, Approve, RULING, resolve_as_operator);
    table.operator(GET, "/operator/receipts", MerchantOfOperator, Read, receipts::LIST, receipts::list);
    table.operator(POST, "/operator/receipts", MerchantOfOperator, Record, receipts::RECEIPT, receipts::record);
    table.operator(GET, "/operator/receipts/{receiptId}", MerchantOfOperator, Read, NOTHING, receipts::get);
    table.operator(POST, "/operator/receipts/{receiptId}/approve", MerchantOfOperator, Approve, NOTHING, receipts::approve);
    table.operator(POST, "/operator/receipts/{receiptId}/reject", MerchantOfOperator, Approve, REASON_ALONE, receipts::reject);
    table.operator(POST, "/operator/receipts/{receiptId}/assign", MerchantOfOperator, Record, receipts::ASSIGNMENT, receipts::assign);
    table.operator(POST, "/operator/receipts/{receiptId}/reverse", MerchantOfOperator, Record, REASON_ALONE, receipts::reverse);
    table.operator(GET, "/operator/payouts", MerchantOfOperator, Read, payouts::LIST, payouts::list);
    table.operator(POST, "/operator/payouts", MerchantOfOperator, Record, payouts::PAYOUT, payouts::request);
    table.operator(POST, "/operator/payouts/export", MerchantOfOperator, Record, NOTHING, payout_batches::export);
    table.operator(POST, "/operator/payouts/results", MerchantOfOperator, Record, RequestSpec::of_csv(&[]), payout_batches::results);
    table.operator(GET, "/operator/payouts/{payoutId}", MerchantOfOperator, Read, NOTHING, payouts::get);
    table.operator(POST, "/operator/payouts/{payoutId}/approve", MerchantOfOperator, Approve, NOTHING, payouts::approve);
    table.operator(POST, "/operator/payouts/{payoutId}/reject", MerchantOfOperator, Approve, REASON_ALONE, payouts::reject);
    table.operator(POST, "/operator/payouts/{payoutId}/pay", MerchantOfOperator, Record, payouts::PAID, payouts::pay);
    table.operator(POST, "/operator/payouts/{payoutId}/return", MerchantOfOperator, Record, REASON_ALONE, payouts::take_back);
    table.operator(GET, "/operator/position", Deployment, Read, NOTHING, position::get);
    table.operator(POST, "/operator/position/reconcile", Deployment, Read, position::RECONCILIATION, position::reconcile);
    table.operator(GET, "/operator/customers/{customerId}/statement", MerchantOfOperator, Read, statements::STATEMENT, statements::of_customer);
    table.operator(GET, "/operator/merchant/statement", MerchantOfOperator, Read, statements::STATEMENT, statements::of_merchant);
    table.operator(GET, "/operator/deals/{escrowId}/statement", MerchantOfOperator, Read, statements::STATEMENT, statements::of_deal);
    table.operator(GET, "/operator/journal", MerchantOfOperator, Read, statements::STATEMENT, statements::journal);
}
