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
use crate::http::refusals::{Refusals, Work};
use crate::http::request_spec::RequestSpec;
use crate::http::route::ActsAs;
use crate::http::routes::disputes::{RESOLVE_REFUSALS, RULING, resolve_as_operator};
use crate::http::routes::operator::fields::REASON_ALONE;
use crate::http::routes::registry::{GET, POST, PUT, Routes};
use crate::http::routes::{events, webhook_endpoint};

/// Adds the routes of operators to the route table.
#[rustfmt::skip] // Keeps each route on one line.
pub(super) fn add_routes(table: &mut Routes) {
    use ActsAs::{Deployment, MerchantOfOperator, OperatorItself};
    use Right::{Administer, Approve, Read, Record};

    const NOTHING: RequestSpec = RequestSpec::NOTHING;

    table.operator(GET, "/operator/operators", OperatorItself, Read, query::PAGE_ALONE, operators::list).refusing(Refusals::by(Work::Reads));
    table.operator(POST, "/operator/operators", OperatorItself, Administer, operators::OPERATOR, operators::create).refusing(operators::CREATE_REFUSALS);
    table.operator(POST, "/operator/operators/{operatorId}/revoke", OperatorItself, Administer, REASON_ALONE, operators::revoke).refusing(operators::REVOKE_REFUSALS);
    table.operator(GET, "/operator/merchants", OperatorItself, Read, query::PAGE_ALONE, merchants::list).refusing(Refusals::by(Work::Reads).only_live());
    table.operator(POST, "/operator/merchants", OperatorItself, Administer, merchants::MERCHANT, merchants::create).refusing(merchants::CREATE_REFUSALS);
    table.operator(GET, "/operator/merchant", MerchantOfOperator, Read, NOTHING, merchants::get).refusing(Refusals::NONE.only_live());
    table.operator(PUT, "/operator/merchant", MerchantOfOperator, Administer, merchants::CHANGE, merchants::change).refusing(Refusals::by(Work::Writes).only_live());
    table.operator(GET, "/operator/keys", MerchantOfOperator, Read, NOTHING, keys::list).refusing(Refusals::NONE.only_live());
    table.operator(POST, "/operator/keys", MerchantOfOperator, Administer, keys::KEY, keys::create).refusing(Refusals::by(Work::Writes).only_live());
    table.operator(POST, "/operator/keys/{keyId}/rotate", MerchantOfOperator, Administer, keys::ROTATION, keys::rotate).refusing(keys::ROTATE_REFUSALS);
    table.operator(POST, "/operator/keys/{keyId}/revoke", MerchantOfOperator, Administer, REASON_ALONE, keys::revoke).refusing(keys::REVOKE_REFUSALS);
    table.operator(GET, "/operator/callback", MerchantOfOperator, Read, NOTHING, callback::get).refusing(Refusals::NONE.only_live());
    table.operator(PUT, "/operator/callback", MerchantOfOperator, Administer, webhook_endpoint::SETTING, callback::set).refusing(Refusals::by(Work::Writes).only_live());
    table.operator(POST, "/operator/callback/rotate-secret", MerchantOfOperator, Administer, callback::ROTATION, callback::rotate_secret).refusing(callback::ROTATE_SECRET_REFUSALS);
    table.operator(PUT, "/operator/notices/{provider}", MerchantOfOperator, Administer, callback::NOTICE_SECRET, callback::set_notice_secret).refusing(callback::SET_NOTICE_SECRET_REFUSALS);
    table.operator(GET, "/operator/events", MerchantOfOperator, Read, events::LIST, events::list).refusing(Refusals::by(Work::ReadsLong));
    table.operator(POST, "/operator/events/replay", MerchantOfOperator, Record, events::REPLAY, events::replay).refusing(events::REPLAY_REFUSALS);
    table.operator(GET, "/operator/events/{id}", MerchantOfOperator, Read, NOTHING, events::get).refusing(events::GET_REFUSALS);
    table.operator(POST, "/operator/events/{id}/resend", MerchantOfOperator, Record, NOTHING, events::resend).refusing(events::RESEND_REFUSALS);
    table.operator(GET, "/operator/acts", Deployment, Read, query::PAGE_ALONE, acts::list).refusing(Refusals::by(Work::FindsMerchantLong));
    table.operator(GET, "/operator/deposits", MerchantOfOperator, Read, query::PAGE_ALONE, deposits::list).refusing(Refusals::by(Work::FindsMerchantLong));
    table.operator(POST, "/operator/deposits/expire", MerchantOfOperator, Record, deposits::EXPIRY, deposits::expire).refusing(deposits::EXPIRE_REFUSALS);
    table.operator(POST, "/operator/deals/{escrowId}/resolve", MerchantOfOperator, Approve, RULING, resolve_as_operator).refusing(RESOLVE_REFUSALS);
    table.operator(GET, "/operator/receipts", MerchantOfOperator, Read, receipts::LIST, receipts::list).refusing(Refusals::by(Work::FindsMerchantLong));
    table.operator(POST, "/operator/receipts", MerchantOfOperator, Record, receipts::RECEIPT, receipts::record).refusing(receipts::RECORD_REFUSALS);
    table.operator(GET, "/operator/receipts/{receiptId}", MerchantOfOperator, Read, NOTHING, receipts::get).refusing(receipts::GET_REFUSALS);
    table.operator(POST, "/operator/receipts/{receiptId}/approve", MerchantOfOperator, Approve, NOTHING, receipts::approve).refusing(receipts::APPROVE_REFUSALS);
    table.operator(POST, "/operator/receipts/{receiptId}/reject", MerchantOfOperator, Approve, REASON_ALONE, receipts::reject).refusing(receipts::REJECT_REFUSALS);
    table.operator(POST, "/operator/receipts/{receiptId}/assign", MerchantOfOperator, Record, receipts::ASSIGNMENT, receipts::assign).refusing(receipts::ASSIGN_REFUSALS);
    table.operator(POST, "/operator/receipts/{receiptId}/reverse", MerchantOfOperator, Record, REASON_ALONE, receipts::reverse).refusing(receipts::REVERSE_REFUSALS);
    table.operator(POST, "/operator/receipts/{receiptId}/retract", MerchantOfOperator, Record, REASON_ALONE, receipts::retract).refusing(receipts::RETRACT_REFUSALS);
    table.operator(GET, "/operator/payouts", MerchantOfOperator, Read, payouts::LIST, payouts::list).refusing(Refusals::by(Work::FindsMerchantLong));
    table.operator(POST, "/operator/payouts", MerchantOfOperator, Record, payouts::PAYOUT, payouts::request).refusing(payouts::REQUEST_REFUSALS);
    table.operator(POST, "/operator/payouts/export", MerchantOfOperator, Record, payout_batches::EXPORT, payout_batches::export);
    table.operator(POST, "/operator/payouts/results", MerchantOfOperator, Record, RequestSpec::of_csv(&[]), payout_batches::results).refusing(payout_batches::RESULTS_REFUSALS);
    table.operator(GET, "/operator/payouts/{payoutId}", MerchantOfOperator, Read, NOTHING, payouts::get).refusing(payouts::GET_REFUSALS);
    table.operator(POST, "/operator/payouts/{payoutId}/approve", MerchantOfOperator, Approve, NOTHING, payouts::approve).refusing(payouts::APPROVE_REFUSALS);
    table.operator(POST, "/operator/payouts/{payoutId}/reject", MerchantOfOperator, Approve, REASON_ALONE, payouts::reject).refusing(payouts::REJECT_REFUSALS);
    table.operator(POST, "/operator/payouts/{payoutId}/pay", MerchantOfOperator, Record, payouts::PAID, payouts::pay).refusing(payouts::PAY_REFUSALS);
    table.operator(POST, "/operator/payouts/{payoutId}/return", MerchantOfOperator, Record, REASON_ALONE, payouts::take_back).refusing(payouts::TAKE_BACK_REFUSALS);
    table.operator(POST, "/operator/payouts/{payoutId}/reopen", MerchantOfOperator, Record, REASON_ALONE, payouts::reopen).refusing(payouts::REOPEN_REFUSALS);
    table.operator(GET, "/operator/position", Deployment, Read, NOTHING, position::get).refusing(position::GET_REFUSALS);
    table.operator(POST, "/operator/position/reconcile", Deployment, Read, position::RECONCILIATION, position::reconcile).refusing(position::RECONCILE_REFUSALS);
    table.operator(GET, "/operator/customers/{customerId}/statement", MerchantOfOperator, Read, statements::STATEMENT, statements::of_customer).refusing(statements::OF_CUSTOMER_REFUSALS);
    table.operator(GET, "/operator/merchant/statement", MerchantOfOperator, Read, statements::STATEMENT, statements::of_merchant).refusing(statements::OF_MERCHANT_REFUSALS);
    table.operator(GET, "/operator/deals/{escrowId}/statement", MerchantOfOperator, Read, statements::STATEMENT, statements::of_deal).refusing(statements::OF_DEAL_REFUSALS);
    table.operator(GET, "/operator/journal", MerchantOfOperator, Read, statements::STATEMENT, statements::journal).refusing(statements::JOURNAL_REFUSALS);
}
