//! Checks that the snapshots are complete: they contain every route, every refusal code and
//! every message of the contract, and a test writes each of them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use escrowd::domain::mode::{Mode, Variant};
use escrowd::http;

/// Every snapshot. Remove a snapshot from this list together with the test that writes it.
pub(super) const SNAPSHOTS: [&str; 46] = [
    "banks_cards_and_addresses",
    "busy_file",
    "callbacks_and_inbox",
    "categories",
    "checkout",
    "customer_header",
    "customers",
    "disputes",
    "empty_replies",
    "events",
    "faults",
    "fields_of_customers",
    "fields_of_disputes_vaults_and_categories",
    "fields_of_escrows",
    "fields_of_payments",
    "fields_of_seeds",
    "fields_of_the_sandbox",
    "files",
    "idempotency",
    "intents",
    "keys",
    "keys_and_names",
    "live_checkout",
    "live_merchants",
    "live_mode",
    "live_operators",
    "live_position",
    "live_settings",
    "milestone_escrows",
    "operators",
    "other_methods",
    "own_faults",
    "payments",
    "position",
    "queries",
    "queries_of_the_request_log",
    "rate_limit",
    "sandbox",
    "settings",
    "slow_body",
    "standard_escrows",
    "states_and_ids",
    "strict_rules",
    "too_much_at_once",
    "unreadable_bodies",
    "vaults",
];

/// Every refusal code except [`CODES_OF_TROUBLE`]. Add a new code here and to a snapshot.
const CODES: [&str; 140] = [
    "access_denied",
    "account_not_resolved",
    "action_not_allowed",
    "additional_fee_negative",
    "additional_fee_not_pending",
    "additional_fee_not_standard",
    "additional_fee_refundable_unclear",
    "address_already_whitelisted",
    "address_not_found",
    "address_not_whitelisted",
    "already_a_milestone_escrow",
    "already_resolved",
    "already_spent",
    "amount_mismatch",
    "bank_reference_used",
    "body_too_large",
    "body_too_slow",
    "body_unreadable",
    "busy",
    "buyer_already_disputed",
    "buyer_is_beneficiary",
    "buyer_is_seller",
    "buying_disabled",
    "callback_gone",
    "card_expired",
    "card_insufficient_funds",
    "card_not_found",
    "card_processor_error",
    "cards_for_nigerians_only",
    "category_not_found",
    "claim_too_early",
    "customer_blocked",
    "customer_id_forbidden",
    "customer_id_required",
    "customer_not_found",
    "customer_of_another_merchant",
    "deposit_not_found",
    "dispute_not_accessible",
    "duplicate_reference",
    "email_exists",
    "email_taken",
    "escrow_not_found",
    "escrow_not_funded",
    "escrow_not_of_this_merchant",
    "escrow_not_payable",
    "escrow_of_another_merchant",
    "event_not_found",
    "fault",
    "feature_not_enabled",
    "file_not_found",
    "file_too_large",
    "foreign_address",
    "foreign_host",
    "idempotency_key_in_flight",
    "idempotency_key_reused",
    "insufficient_balance",
    "internal",
    "invalid_file",
    "invalid_request",
    "key_ended",
    "key_not_found",
    "last_admin",
    "list_type_missing",
    "list_type_unknown",
    "live_only",
    "merchant_id_required",
    "merchant_may_not_sell",
    "merchant_name_taken",
    "merchant_not_found",
    "method_not_allowed",
    "milestone_already_released",
    "milestone_not_found",
    "milestones_do_not_add_up",
    "milestones_out_of_order",
    "no_callback_url",
    "no_dispute",
    "no_permission_named",
    "no_such_customer",
    "no_token",
    "no_virtual_accounts",
    "not_a_milestone_escrow",
    "not_a_vault",
    "not_in_status",
    "nothing_asked",
    "nothing_left_to_dispute",
    "nothing_to_update",
    "operator_already_revoked",
    "operator_limited",
    "operator_name_taken",
    "operator_not_found",
    "participant_blocked",
    "participant_twice",
    "participant_unknown",
    "payment_not_found",
    "payout_not_found",
    "phone_exists",
    "phone_unknown",
    "pot_too_small",
    "publishable_key",
    "publishable_key_of_other_mode",
    "receipt_not_found",
    "reference_not_quoted",
    "request_not_found",
    "role_not_allowed",
    "route_not_found",
    "same_person",
    "sandbox_only",
    "seeded_before",
    "seller_already_replied",
    "selling_disabled",
    "sender_is_receiver",
    "split_amounts_missing",
    "split_amounts_without_split",
    "split_does_not_add_up",
    "stake_not_covered",
    "sum_too_large",
    "terms_changed",
    "test_account_not_found",
    "too_few_milestones",
    "too_few_participants",
    "too_many_categories",
    "too_many_customers_asked",
    "too_many_faults",
    "too_many_files",
    "too_many_rows",
    "too_many_streams",
    "too_many_transactions",
    "too_much_money",
    "topped_up_today",
    "unknown_key",
    "unknown_publishable_key",
    "unsupported_media_type",
    "vault_already_settled",
    "vault_not_disputable",
    "vault_not_splittable",
    "vault_of_another_merchant",
    "whitelist_full",
    "winner_not_a_participant",
    "withdrawing_disabled",
    "wrong_signature",
];

/// Refusal codes that need a failing disk, a wrong clock or a service that is stopping. The
/// suites `trouble` and `durability` provoke them.
const CODES_OF_TROUBLE: [&str; 5] = [
    "clock_jumped",
    "outcome_unknown",
    "stopping",
    "storage_failing",
    "storage_full",
];

/// The contract's messages, section by section. A message that names a value is listed
/// without the value. `Escrow is not associated with any merchant` is missing, since every
/// escrow belongs to a merchant. The contract leaves the message about virtual accounts
/// open.
const MESSAGES: &str = "\
No token provided
Unauthorized Access
Access denied
Unauthorized IP address
Too many request
customer-id header is required
Customer not found
Customer does not belong to the merchant
Your account is disabled. Please contact support
customer-id is not allowed in request header
Merchant cannot create escrow for itself via API
Maximum fetch limit is 50
Milestone escrow created successfully
The sum of milestone amounts must equal the escrow amount
A milestone escrow must have at least 2 milestones
amount is required
Milestone escrow updated successfully
Action not allowed
Escrow is not a milestone escrow
Escrow not found
Escrow converted to milestone successfully
Escrow is already a milestone escrow
Milestones fetched successfully
Milestone confirmed successfully
Escrow has not been funded yet
Milestone has already been released
Milestone not found
Created successfully
Escrow updated successfully
Additional fee updated successfully
An additional fee can only be updated while the escrow is pending payment
An additional fee can only be set on a standard escrow
Escrow does not belong to this merchant
additionalFee cannot be negative
Escrow deleted successfully
Escrow verified successfully
Funds claimed successfully
Escrow cannot be claimed yet
Transaction fetched successfully
Type is required
Invalid type provider, allowed types: sales | buy
Payment intent verified successfully
Amount mismatch
Escrow is not in a valid state for checkout
Insufficient balance
You can only buy to your merchant's escrow
Your account has been disabled from buying, please contact support
Card payments are only available for Nigerian users
Payment intent created successfully
Transactions retrieved successfully
Banks fetched successfully
Account details retrieved successfully
Phone number verified
Phone number does not belong to a customer
Deposit wallet address retrieved successfully
Virtual account top up successful
You can only top up your account once a day
This route is only available on staging environment
Customer created successfully
already exists under this merchant
Customers fetched successfully
No customer found with the provided email
No customer found with the provided phone
No customer found with the provided email and phone
Customer fetched successfully
Customer updated successfully
Provide at least one of firstname, lastname or email
Another customer already uses this email address
Customer permissions updated successfully
Customer status updated successfully
Wallet fetched successfully
Escrow dispute submitted successfully
Buyer already submitted Dispute
Seller already submitted Dispute
All milestones have been released; there are no held funds to dispute
Vault escrows cannot be disputed
Escrow retrieved successfully
Escrow dispute retrieved successfully
Dispute fetched successfully
Escrow transactions fetched successfully
Dispute resolution submitted successfully
No dispute found for this escrow
Escrow already completed
additionalFeeRefundable must be true or false
sellerAmount and buyerAmount are required on a SPLIT resolution
A split must add up to the
still held on this escrow
sellerAmount and buyerAmount are only valid on a SPLIT resolution
A VAULT escrow cannot be split between the parties
Merchant balance fetched successfully
Vault escrow created successfully
A vault escrow must have at least 2 participants
Each participant may only appear once in a vault
The total staked amount must be at least 1000
is not a customer of this merchant
is not an active customer
has insufficient main balance for their stake
Vault winner declared successfully
Winner must be a participant of this vault
Vault has already been settled
Escrow is not a vault escrow
Vault does not belong to this merchant
Vault escrow cancelled successfully
Vault escrow fetched successfully
Category created successfully
Category updated successfully
Categories fetched successfully
Category fetched successfully
Category position updated successfully
Category deleted successfully
Cards fetched successfully
This feature is not enabled on your merchant account, please enable to access this route
Card removed successfully
Whitelisted addresses retrieved successfully
Wallet address whitelisted successfully
Whitelist limit reached
Address removed successfully
Countries fetched successfully
";

/// The document has a snapshot of its own.
const DOCUMENT: &str = "GET /openapi.json";
/// A reply without an end, which `event_stream.rs` reads.
const ENDLESS: &str = "GET /sandbox/events/stream";

/// The only route that never succeeds.
const GONE: &str = "POST /v1/payment/virtual-account";

/// Reads every snapshot and returns it by name.
fn snapshots() -> BTreeMap<String, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/api/snapshots");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files
        .filter(|path| path.extension().is_some_and(|extension| extension == "snap"))
        .map(|path| {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            (name, fs::read_to_string(&path).unwrap())
        })
        .collect()
}

/// Returns the method and path of each request in a snapshot, with the status of its reply.
fn exchanges(snapshot: &str) -> Vec<(&str, &str, u16)> {
    let mut exchanges = Vec::new();
    let mut request = None;
    for line in snapshot.lines() {
        if let Some((method, path)) = line.split_once(' ')
            && path.starts_with('/')
            && method.bytes().all(|byte| byte.is_ascii_uppercase())
        {
            request = Some((method, path.split('?').next().unwrap()));
        } else if let (3, Ok(status)) = (line.len(), line.parse())
            && let Some((method, path)) = request.take()
        {
            exchanges.push((method, path, status));
        }
    }
    exchanges
}

/// Returns true if a path matches this route.
fn is_of_route(path: &str, route: &str) -> bool {
    let is_same = |(part, of_route): (&str, &str)| part == of_route || of_route.starts_with('{');
    path.split('/').count() == route.split('/').count() && path.split('/').zip(route.split('/')).all(is_same)
}

/// Returns the routes of this mode that have no wanted reply in these snapshots.
fn missing<'a>(mode: Mode, snapshots: impl Iterator<Item = &'a String>, is_wanted: fn(u16) -> bool) -> Vec<String> {
    let routes = http::routes(Variant::lenient(mode));
    let name = |(method, path): &(String, &str)| format!("{method} {path}");
    let mut missing: BTreeSet<String> = routes.iter().map(name).collect();
    for (method, path, _) in snapshots
        .flat_map(|snapshot| exchanges(snapshot))
        .filter(|(_, _, status)| is_wanted(*status))
    {
        let route = routes
            .iter()
            .find(|(of_route, route)| of_route == method && is_of_route(path, route));
        if let Some(route) = route {
            missing.remove(&name(route));
        }
    }
    missing.into_iter().collect()
}

#[test]
fn every_route_is_answered_in_some_snapshot() {
    let snapshots = snapshots();
    // Operators themselves, merchants and keys exist in live mode only.
    let is_of_sandbox = |name: &str| !name.starts_with("live_") || ["live_operators", "live_settings"].contains(&name);
    let of_sandbox = snapshots.iter().filter(|(name, _)| is_of_sandbox(name));
    let of_sandbox = of_sandbox.map(|(_, snapshot)| snapshot);
    assert_eq!(
        missing(Mode::Sandbox, of_sandbox, |status| status < 300),
        [DOCUMENT, ENDLESS, GONE]
    );
    let of_live = snapshots.iter().filter(|(name, _)| name.starts_with("live_"));
    let of_live = of_live.map(|(_, snapshot)| snapshot);
    assert_eq!(missing(Mode::Live, of_live, |_| true), [DOCUMENT]);
}

#[test]
fn every_code_of_a_refusal_is_in_some_snapshot() {
    let snapshots = snapshots();
    let text: String = snapshots.into_values().collect();
    let found: BTreeSet<&str> = text
        .split("\"code\":")
        .skip(1)
        .filter_map(|rest| rest.trim_start().strip_prefix('"')?.split('"').next())
        .filter(|code| code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'))
        .collect();
    let found: Vec<&str> = found.into_iter().collect();
    assert_eq!(found, CODES);
    assert!(CODES_OF_TROUBLE.iter().all(|code| !CODES.contains(code)));
    assert!(text.contains("{\n  \"status\": 429,\n  \"message\": \"Too many request\"\n}"));
}

#[test]
fn every_snapshot_is_still_written() {
    let names: Vec<String> = snapshots().into_keys().collect();
    assert_eq!(names, SNAPSHOTS);
}

#[test]
fn every_message_of_the_contract_is_in_some_snapshot() {
    let text: String = snapshots().into_values().collect();
    let missing: Vec<&str> = MESSAGES.lines().filter(|message| !text.contains(message)).collect();
    assert_eq!(missing, [""; 0]);
}
