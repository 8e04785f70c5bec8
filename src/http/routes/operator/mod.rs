//! Routes of operators, under `/operator`: the people, money in, money out, and the record of
//! what was done.

mod acting;
mod acts;
mod deals;
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
mod webhook_endpoint;

use crate::domain::treasury::operator::Right;
use crate::http::query;
use crate::http::refusals::{Refusals, Work};
use crate::http::request_spec::RequestSpec;
use crate::http::route::ActsAs;
use crate::http::routes::disputes::RULING;
use crate::http::routes::events;
use crate::http::routes::operator::fields::REASON_ALONE;
use crate::http::routes::registry::{GET, POST, PUT, Routes};
use crate::http::routes::webhook_endpoint::SETTING;

/// Adds the routes of operators to the route table.
#[rustfmt::skip] // Keeps each route on one line.
pub(super) fn add_routes(table: &mut Routes) {
    use ActsAs::{Deployment, MerchantOfOperator, OperatorItself};
    use Right::{Administer, Approve, Read, Record};

    table.operator(GET, "/operator/operators", OperatorItself, Read, operators::list).reading(query::PAGE_ALONE).refusing(Refusals::by(Work::Reads));
    table.operator(POST, "/operator/operators", OperatorItself, Administer, operators::create).reading(operators::OPERATOR).refusing(operators::CREATE_REFUSALS);
    table.operator(POST, "/operator/operators/{operatorId}/revoke", OperatorItself, Administer, operators::revoke).reading(REASON_ALONE).refusing(operators::REVOKE_REFUSALS);
    table.operator(GET, "/operator/merchants", OperatorItself, Read, merchants::list).reading(query::PAGE_ALONE).refusing(Refusals::by(Work::Reads).only_live());
    table.operator(POST, "/operator/merchants", OperatorItself, Administer, merchants::create).reading(merchants::MERCHANT).refusing(merchants::CREATE_REFUSALS);
    table.operator(GET, "/operator/merchant", MerchantOfOperator, Read, merchants::get).refusing(Refusals::NONE.only_live());
    table.operator(PUT, "/operator/merchant", MerchantOfOperator, Administer, merchants::change).reading(merchants::CHANGE).refusing(Refusals::by(Work::Writes).only_live());
    table.operator(GET, "/operator/keys", MerchantOfOperator, Read, keys::list).refusing(Refusals::NONE.only_live());
    table.operator(POST, "/operator/keys", MerchantOfOperator, Administer, keys::create).reading(keys::KEY).refusing(Refusals::by(Work::Writes).only_live());
    table.operator(POST, "/operator/keys/{keyId}/rotate", MerchantOfOperator, Administer, keys::rotate).reading(keys::ROTATION).refusing(keys::ROTATE_REFUSALS);
    table.operator(POST, "/operator/keys/{keyId}/revoke", MerchantOfOperator, Administer, keys::revoke).reading(REASON_ALONE).refusing(keys::REVOKE_REFUSALS);
    table.operator(GET, "/operator/callback", MerchantOfOperator, Read, webhook_endpoint::get).refusing(Refusals::NONE.only_live());
    table.operator(PUT, "/operator/callback", MerchantOfOperator, Administer, webhook_endpoint::set).reading(SETTING).refusing(Refusals::by(Work::Writes).only_live());
    table.operator(POST, "/operator/callback/rotate-secret", MerchantOfOperator, Administer, webhook_endpoint::rotate_secret).reading(webhook_endpoint::ROTATION).refusing(webhook_endpoint::ROTATE_SECRET_REFUSALS);
    table.operator(PUT, "/operator/notices/{provider}", MerchantOfOperator, Administer, webhook_endpoint::set_notice_secret).reading(webhook_endpoint::NOTICE_SECRET).refusing(webhook_endpoint::SET_NOTICE_SECRET_REFUSALS);
    table.operator(GET, "/operator/events", MerchantOfOperator, Read, events::list).reading(events::LIST).refusing(Refusals::by(Work::ReadsLong));
    table.operator(POST, "/operator/events/replay", MerchantOfOperator, Record, events::replay).reading(events::REPLAY).refusing(events::REPLAY_REFUSALS);
    table.operator(GET, "/operator/events/{id}", MerchantOfOperator, Read, events::get).refusing(events::GET_REFUSALS);
    table.operator(POST, "/operator/events/{id}/resend", MerchantOfOperator, Record, events::resend).refusing(events::RESEND_REFUSALS);
    table.operator(GET, "/operator/acts", Deployment, Read, acts::list).reading(query::PAGE_ALONE).refusing(Refusals::by(Work::FindsMerchantLong));
    table.operator(GET, "/operator/deposits", MerchantOfOperator, Read, deposits::list).reading(query::PAGE_ALONE).refusing(Refusals::by(Work::FindsMerchantLong));
    table.operator(POST, "/operator/deposits/expire", MerchantOfOperator, Record, deposits::expire).reading(deposits::EXPIRY).refusing(deposits::EXPIRE_REFUSALS);
    table.operator(POST, "/operator/deals/{escrowId}/resolve", MerchantOfOperator, Approve, deals::resolve).reading(RULING).refusing(deals::RESOLVE_REFUSALS);
    table.operator(GET, "/operator/deals/{escrowId}/ruling", MerchantOfOperator, Read, deals::asked).refusing(deals::ASKED_REFUSALS);
    table.operator(POST, "/operator/deals/{escrowId}/retract", MerchantOfOperator, Approve, deals::retract).reading(REASON_ALONE).refusing(deals::RETRACT_REFUSALS);
    table.operator(GET, "/operator/receipts", MerchantOfOperator, Read, receipts::list).reading(receipts::LIST).refusing(Refusals::by(Work::FindsMerchantLong));
    table.operator(POST, "/operator/receipts", MerchantOfOperator, Record, receipts::record).reading(receipts::RECEIPT).refusing(receipts::RECORD_REFUSALS);
    table.operator(GET, "/operator/receipts/{receiptId}", MerchantOfOperator, Read, receipts::get).refusing(receipts::GET_REFUSALS);
    table.operator(POST, "/operator/receipts/{receiptId}/approve", MerchantOfOperator, Approve, receipts::approve).refusing(receipts::APPROVE_REFUSALS);
    table.operator(POST, "/operator/receipts/{receiptId}/reject", MerchantOfOperator, Approve, receipts::reject).reading(REASON_ALONE).refusing(receipts::REJECT_REFUSALS);
    table.operator(POST, "/operator/receipts/{receiptId}/assign", MerchantOfOperator, Record, receipts::assign).reading(receipts::ASSIGNMENT).refusing(receipts::ASSIGN_REFUSALS);
    table.operator(POST, "/operator/receipts/{receiptId}/reverse", MerchantOfOperator, Record, receipts::reverse).reading(REASON_ALONE).refusing(receipts::REVERSE_REFUSALS);
    table.operator(POST, "/operator/receipts/{receiptId}/retract", MerchantOfOperator, Record, receipts::retract).reading(REASON_ALONE).refusing(receipts::RETRACT_REFUSALS);
    table.operator(GET, "/operator/payouts", MerchantOfOperator, Read, payouts::list).reading(payouts::LIST).refusing(Refusals::by(Work::FindsMerchantLong));
    table.operator(POST, "/operator/payouts", MerchantOfOperator, Record, payouts::request).reading(payouts::PAYOUT).refusing(payouts::REQUEST_REFUSALS);
    table.operator(POST, "/operator/payouts/export", MerchantOfOperator, Record, payout_batches::export).reading(payout_batches::EXPORT);
    table.operator(POST, "/operator/payouts/results", MerchantOfOperator, Record, payout_batches::results).reading(RequestSpec::of_csv(&[])).refusing(payout_batches::RESULTS_REFUSALS);
    table.operator(GET, "/operator/payouts/{payoutId}", MerchantOfOperator, Read, payouts::get).refusing(payouts::GET_REFUSALS);
    table.operator(POST, "/operator/payouts/{payoutId}/approve", MerchantOfOperator, Approve, payouts::approve).refusing(payouts::APPROVE_REFUSALS);
    table.operator(POST, "/operator/payouts/{payoutId}/reject", MerchantOfOperator, Approve, payouts::reject).reading(REASON_ALONE).refusing(payouts::REJECT_REFUSALS);
    table.operator(POST, "/operator/payouts/{payoutId}/pay", MerchantOfOperator, Record, payouts::pay).reading(payouts::PAID).refusing(payouts::PAY_REFUSALS);
    table.operator(POST, "/operator/payouts/{payoutId}/return", MerchantOfOperator, Record, payouts::record_return).reading(REASON_ALONE).refusing(payouts::RECORD_RETURN_REFUSALS);
    table.operator(POST, "/operator/payouts/{payoutId}/reopen", MerchantOfOperator, Record, payouts::reopen).reading(REASON_ALONE).refusing(payouts::REOPEN_REFUSALS);
    table.operator(POST, "/operator/payouts/{payoutId}/retract", MerchantOfOperator, Record, payouts::retract).reading(REASON_ALONE).refusing(payouts::RETRACT_REFUSALS);
    table.operator(GET, "/operator/position", Deployment, Read, position::get).refusing(position::GET_REFUSALS);
    table.operator(POST, "/operator/position/reconcile", Deployment, Read, position::reconcile).reading(position::RECONCILIATION).refusing(position::RECONCILE_REFUSALS);
    table.operator(GET, "/operator/customers/{customerId}/statement", MerchantOfOperator, Read, statements::of_customer).reading(statements::STATEMENT).refusing(statements::OF_CUSTOMER_REFUSALS);
    table.operator(GET, "/operator/merchant/statement", MerchantOfOperator, Read, statements::of_merchant).reading(statements::STATEMENT).refusing(statements::OF_MERCHANT_REFUSALS);
    table.operator(GET, "/operator/deals/{escrowId}/statement", MerchantOfOperator, Read, statements::of_deal).reading(statements::STATEMENT).refusing(statements::OF_DEAL_REFUSALS);
    table.operator(GET, "/operator/journal", MerchantOfOperator, Read, statements::journal).reading(statements::STATEMENT).refusing(statements::JOURNAL_REFUSALS);
}
