//! A row for each route: the valid request and its reply, and the requests that the route
//! refuses for reasons of its own.
//!
//! Ada sells and Ben buys. Dan takes no part in the escrow.

use serde_json::json;

use super::row::{Outcome, Request, Row, row};
use super::scene::{address, card, category, completed, disputed, paid, profile, profiled, stakes, standard, vault};
use crate::helpers::{Deal, standard_terms, two_milestones};

const ACCESS_DENIED: Outcome = (401, "Access denied");
const ACTION_NOT_ALLOWED: Outcome = (400, "Action not allowed");
const CATEGORY_NOT_FOUND: Outcome = (400, "Category not found");
const CUSTOMER_NOT_FOUND: Outcome = (400, "Customer not found");
const ESCROW_NOT_FOUND: Outcome = (400, "Escrow not found");
const NOT_PAYABLE: Outcome = (400, "Escrow is not in a valid state for checkout");
const NO_FOREIGN_VAULT: Outcome = (400, "Vault does not belong to this merchant");

/// Returns a row for every route of the contract, in the contract's order, and for those that
/// escrowd adds.
pub(super) fn rows() -> Vec<Row> {
    [
        milestone_escrows(),
        standard_escrows(),
        standard_escrows_once_offered(),
        payments(),
        customers(),
        disputes(),
        merchants(),
        vaults(),
        categories(),
        cards_and_addresses(),
        added(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn milestone_escrows() -> Vec<Row> {
    vec![
        row(
            "POST /v1/escrow/milestone/create",
            201,
            "Milestone escrow created successfully",
            |_| Request::by("ada").with(two_milestones()),
        ),
        row(
            "PUT /v1/escrow/milestone/edit/{paymentToken}",
            200,
            "Milestone escrow updated successfully",
            |app| Request::by("ada").to(app.offered().token).with(two_milestones()),
        )
        .hidden(ESCROW_NOT_FOUND)
        .stranger(ACCESS_DENIED)
        .refuses(
            |app| Request::by("ada").to(app.funded().token).with(two_milestones()),
            ACTION_NOT_ALLOWED,
        )
        .refuses(
            |app| Request::by("ada").to(standard(app).token).with(two_milestones()),
            (400, "Escrow is not a milestone escrow"),
        ),
        row(
            "PUT /v1/escrow/milestone/convert/{paymentToken}",
            200,
            "Escrow converted to milestone successfully",
            |app| Request::by("ada").to(standard(app).token).with(two_milestones()),
        )
        .again((400, "Escrow is already a milestone escrow"))
        .hidden(ESCROW_NOT_FOUND)
        .stranger(ACCESS_DENIED)
        .refuses(
            |app| Request::by("ada").to(paid(app).token).with(two_milestones()),
            ACTION_NOT_ALLOWED,
        ),
        row(
            "GET /v1/escrow/milestone/{paymentToken}",
            200,
            "Milestones fetched successfully",
            |app| Request::of_merchant().to(app.offered().token),
        )
        .hidden(ESCROW_NOT_FOUND),
        row(
            "POST /v1/escrow/milestone/confirm/{escrowId}/{milestoneId}",
            200,
            "Milestone confirmed successfully",
            |app| {
                let deal = app.funded();
                Request::by("ben").to(deal.id).to(&deal.milestones[0])
            },
        )
        .again((400, "Milestone has already been released"))
        .hidden(ESCROW_NOT_FOUND)
        .stranger(ACCESS_DENIED)
        .refuses(
            |app| {
                let deal = app.offered();
                Request::by("ben").to(deal.id).to(&deal.milestones[0])
            },
            (400, "Escrow has not been funded yet"),
        )
        .refuses(
            |app| Request::by("ben").to(app.funded().id).to("0123456789abcdef01234567"),
            (400, "Milestone not found"),
        ),
    ]
}

fn standard_escrows() -> Vec<Row> {
    vec![
        row("POST /v1/escrow/create", 201, "Created successfully", |_| {
            Request::by("ada").with(standard_terms())
        })
        .unnamed((201, "Created successfully")),
        row(
            "PUT /v1/escrow/edit/{paymentToken}",
            200,
            "Escrow updated successfully",
            |app| Request::by("ada").to(standard(app).token).with(standard_terms()),
        )
        .unnamed(ACCESS_DENIED)
        .hidden(ESCROW_NOT_FOUND)
        .stranger(ACCESS_DENIED)
        .refuses(
            |app| Request::by("ada").to(paid(app).token).with(standard_terms()),
            ACTION_NOT_ALLOWED,
        ),
        row(
            "PUT /v1/escrow/additional-fee/{paymentToken}",
            200,
            "Additional fee updated successfully",
            |app| {
                Request::of_merchant()
                    .to(standard(app).token)
                    .with(json!({ "additionalFee": 75 }))
            },
        )
        .unknown(ESCROW_NOT_FOUND)
        .foreign((400, "Escrow does not belong to this merchant"))
        .refuses(
            |app| {
                Request::of_merchant()
                    .to(paid(app).token)
                    .with(json!({ "additionalFee": 75 }))
            },
            (
                400,
                "An additional fee can only be updated while the escrow is pending payment",
            ),
        )
        .refuses(
            |app| {
                Request::of_merchant()
                    .to(app.offered().token)
                    .with(json!({ "additionalFee": 75 }))
            },
            (400, "An additional fee can only be set on a standard escrow"),
        ),
        row(
            "DELETE /v1/escrow/delete/{paymentToken}",
            200,
            "Escrow deleted successfully",
            |app| Request::by("ada").to(standard(app).token),
        )
        .again(ESCROW_NOT_FOUND)
        .unnamed(ACCESS_DENIED)
        .hidden(ESCROW_NOT_FOUND)
        .stranger(ACCESS_DENIED)
        .refuses(|app| Request::by("ada").to(paid(app).token), ACTION_NOT_ALLOWED),
    ]
}

/// Returns the rows of the routes that verify, claim and list standard escrows.
fn standard_escrows_once_offered() -> Vec<Row> {
    vec![
        row(
            "GET /v1/escrow/verify/{paymentToken}",
            200,
            "Escrow verified successfully",
            |app| Request::of_merchant().to(standard(app).token),
        )
        .hidden(ESCROW_NOT_FOUND),
        row(
            "GET /v1/escrow/claim-funds/{paymentToken}",
            200,
            "Funds claimed successfully",
            |app| {
                let deal = paid(app);
                app.pass_seconds(5 * 86_400);
                Request::by("ada").to(deal.token)
            },
        )
        .again(ACTION_NOT_ALLOWED)
        .unnamed(ACCESS_DENIED)
        .hidden(ESCROW_NOT_FOUND)
        .stranger(ACCESS_DENIED)
        .refuses(
            |app| Request::by("ada").to(paid(app).token),
            (400, "Escrow cannot be claimed yet"),
        )
        .refuses(|app| Request::by("ada").to(standard(app).token), ACTION_NOT_ALLOWED),
        row(
            "GET /v1/escrow/transactions",
            200,
            "Transaction fetched successfully",
            |app| {
                standard(app);
                Request::by("ada").asking("?type=sales")
            },
        )
        .unnamed((200, "Transaction fetched successfully"))
        .refuses(|_| Request::by("ada"), (401, "Type is required"))
        .refuses(
            |_| Request::by("ada").asking("?type=all"),
            (401, "Invalid type provider, allowed types: sales | buy"),
        ),
    ]
}

fn payments() -> Vec<Row> {
    vec![
        row(
            "POST /v1/payment/escrow",
            200,
            "Payment intent verified successfully",
            |app| payment_by("ben", &standard(app)),
        )
        .again(NOT_PAYABLE)
        .foreign((400, "You can only buy to your merchant's escrow"))
        .refuses(
            |_| Request::by("ben").with(json!({ "escrowDetails": { "escrowId": "0123456789abcdef01234567" } })),
            ESCROW_NOT_FOUND,
        )
        .refuses(
            |app| payment_by("ada", &standard(app)),
            (400, "Buyer and seller must be different customers"),
        ),
        row(
            "POST /v1/payment/create-intent",
            200,
            "Payment intent created successfully",
            |_| Request::by("ada").with(json!({ "amount": 1000, "transactionType": "deposit" })),
        ),
        row(
            "POST /v1/payment/verify",
            200,
            "Payment intent verified successfully",
            |app| {
                let body = json!({ "amount": 1000, "transactionType": "deposit" });
                let reference = app.create_intent("ada", &body).ok().text("reference");
                Request::by("ada").with(json!({ "reference": reference }))
            },
        )
        .foreign((400, "Payment not found"))
        .stranger((400, "Payment not found"))
        .refuses(
            |_| Request::by("ada").with(json!({ "reference": "no such payment" })),
            (400, "Payment not found"),
        ),
        row(
            "GET /v1/payment/history",
            200,
            "Transactions retrieved successfully",
            |_| Request::by("ada"),
        ),
        row("GET /v1/payment/bank-list", 200, "Banks fetched successfully", |_| {
            Request::of_merchant()
        }),
        row(
            "POST /v1/payment/verify-account",
            200,
            "Account details retrieved successfully",
            |_| Request::by("ada").with(json!({ "accountNumber": "0123456789", "bankCode": "058" })),
        ),
        row(
            "GET /v1/payment/verify-phone/{phone}",
            200,
            "Phone number verified",
            |app| Request::of_merchant().to(profiled(app).text("phone")),
        )
        .hidden((400, "Phone number does not belong to a customer")),
        row(
            "GET /v1/payment/deposit/wallet",
            200,
            "Deposit wallet address retrieved successfully",
            |_| Request::of_merchant(),
        ),
        row(
            "POST /v1/payment/topup",
            200,
            "Virtual account top up successful",
            |_| Request::by("ada").with(json!({ "amount": 1000 })),
        ),
        row(
            "POST /v1/payment/virtual-account",
            410,
            "Virtual accounts are no longer supported; pay for the escrow directly, or deposit by an intent",
            |_| Request::by("ada"),
        ),
        row("GET /v1/wallet", 200, "Wallet fetched successfully", |_| {
            Request::by("ada")
        }),
    ]
}

/// Returns a payment for one escrow.
fn payment_by(buyer: &str, deal: &Deal) -> Request {
    Request::by(buyer).with(json!({ "escrowDetails": { "escrowId": deal.id } }))
}

fn customers() -> Vec<Row> {
    vec![
        row(
            "POST /v1/customer/create",
            201,
            "Customer created successfully",
            |app| Request::of_merchant().with(profile(app)),
        )
        .again((400, "A customer with this email already exists under this merchant")),
        row("GET /v1/customers", 200, "Customers fetched successfully", |_| {
            Request::of_merchant()
        })
        .refuses(
            |_| Request::of_merchant().asking("?limit=51"),
            (400, "Maximum fetch limit is 50"),
        )
        .refuses(
            |_| Request::of_merchant().asking("?email=nobody@shop.example"),
            (400, "No customer found with the provided email"),
        )
        .refuses(
            |_| Request::of_merchant().asking("?phone=08099999999"),
            (400, "No customer found with the provided phone"),
        )
        .refuses(
            |_| Request::of_merchant().asking("?email=nobody@shop.example&phone=08099999999"),
            (400, "No customer found with the provided email and phone"),
        ),
        row(
            "GET /v1/customer/get/{customerId}",
            200,
            "Customer fetched successfully",
            |app| Request::of_merchant().to(profiled(app).text("customerId")),
        )
        .hidden(CUSTOMER_NOT_FOUND),
        row(
            "PUT /v1/customer/update/{customerId}",
            200,
            "Customer updated successfully",
            |app| {
                let id = profiled(app).text("customerId");
                Request::of_merchant().to(id).with(json!({ "firstname": "Eva" }))
            },
        )
        .hidden(CUSTOMER_NOT_FOUND)
        .refuses(
            |app| {
                Request::of_merchant()
                    .to(profiled(app).text("customerId"))
                    .with(json!({}))
            },
            (400, "Provide at least one of firstname, lastname or email"),
        )
        .refuses(
            |app| {
                let taken = profiled(app).text("email");
                let id = profiled(app).text("customerId");
                Request::of_merchant().to(id).with(json!({ "email": taken }))
            },
            (400, "Another customer already uses this email address"),
        ),
        row(
            "PUT /v1/customer/permissions/{customerId}",
            200,
            "Customer permissions updated successfully",
            |app| {
                let id = profiled(app).text("customerId");
                Request::of_merchant().to(id).with(json!({ "canBuy": false }))
            },
        )
        .hidden(CUSTOMER_NOT_FOUND),
        row(
            "PUT /v1/customer/block/{customerId}",
            200,
            "Customer status updated successfully",
            |app| Request::of_merchant().to(profiled(app).text("customerId")),
        )
        .hidden(CUSTOMER_NOT_FOUND),
        row(
            "PUT /v1/customer/unblock/{customerId}",
            200,
            "Customer status updated successfully",
            |app| Request::of_merchant().to(profiled(app).text("customerId")),
        )
        .hidden(CUSTOMER_NOT_FOUND),
    ]
}

fn disputes() -> Vec<Row> {
    vec![
        row(
            "POST /v1/escrow/confirm-payment/{escrowId}",
            200,
            "Escrow updated successfully",
            |app| Request::by("ben").to(paid(app).id),
        )
        .again(ACTION_NOT_ALLOWED)
        .hidden(ESCROW_NOT_FOUND)
        .stranger(ACCESS_DENIED)
        .refuses(|app| Request::by("ben").to(standard(app).id), ACTION_NOT_ALLOWED)
        .refuses(|app| Request::by("ben").to(app.funded().id), ACTION_NOT_ALLOWED)
        .refuses(|app| Request::by("ben").to(disputed(app).id), ACTION_NOT_ALLOWED),
        row(
            "POST /v1/escrow/submit-dispute/{paymentToken}",
            200,
            "Escrow dispute submitted successfully",
            |app| dispute_by("ben", paid(app).token),
        )
        .again((400, "Buyer already submitted Dispute"))
        .hidden(ESCROW_NOT_FOUND)
        .stranger(ACCESS_DENIED)
        .refuses(|app| dispute_by("ada", standard(app).token), ACTION_NOT_ALLOWED)
        .refuses(|app| dispute_by("ben", completed(app).token), ACTION_NOT_ALLOWED)
        .refuses(
            |app| dispute_by("ada", vault(app).text("paymentToken")),
            (400, "Vault escrows cannot be disputed"),
        ),
        row(
            "GET /v1/escrow/dispute/get",
            200,
            "Escrow retrieved successfully",
            |app| {
                disputed(app);
                Request::by("ben")
            },
        ),
        row(
            "GET /v1/escrow/dispute/get/{escrowId}",
            200,
            "Escrow dispute retrieved successfully",
            |app| Request::by("ben").to(disputed(app).id),
        )
        .hidden((400, "Access denied"))
        .stranger((400, "Access denied")),
        row(
            "GET /v1/escrow/all-dispute",
            200,
            "Dispute fetched successfully",
            |_| Request::of_merchant(),
        ),
        row(
            "GET /v1/escrow/feeds",
            200,
            "Escrow transactions fetched successfully",
            |_| Request::of_merchant(),
        ),
        row(
            "POST /v1/escrow/dispute/resolve/{escrowId}",
            200,
            "Dispute resolution submitted successfully",
            |app| refund_ruling(disputed(app).id),
        )
        .again((400, "Escrow already completed"))
        .hidden(ESCROW_NOT_FOUND)
        .refuses(
            |app| refund_ruling(paid(app).id),
            (400, "No dispute found for this escrow"),
        ),
    ]
}

fn dispute_by(caller: &str, token: String) -> Request {
    Request::by(caller).to(token).with(json!({ "message": "It is broken" }))
}

fn refund_ruling(escrow: String) -> Request {
    Request::of_merchant()
        .to(escrow)
        .with(json!({ "resolution": "It was sent back", "status": "REFUNDED" }))
}

fn merchants() -> Vec<Row> {
    vec![
        row(
            "GET /v1/merchant/balance",
            200,
            "Merchant balance fetched successfully",
            |_| Request::of_merchant(),
        ),
        row(
            "GET /v1/merchant/transactions",
            200,
            "Transactions retrieved successfully",
            |_| Request::of_merchant(),
        ),
        row("GET /v1/countries", 200, "Countries fetched successfully", |_| {
            Request::of_merchant()
        }),
    ]
}

fn vaults() -> Vec<Row> {
    vec![
        row(
            "POST /v1/escrow/vault/create",
            201,
            "Vault escrow created successfully",
            |_| Request::of_merchant().with(stakes("ada", "ben")),
        )
        .refuses(
            |_| Request::of_merchant().with(stakes("ada", "ada")),
            (400, "Each participant may only appear once in a vault"),
        ),
        row(
            "POST /v1/escrow/vault/winner/{paymentToken}",
            200,
            "Vault winner declared successfully",
            |app| winner_declaration("ada", vault(app).text("paymentToken")),
        )
        .again((400, "Vault has already been settled"))
        .unknown(ESCROW_NOT_FOUND)
        .foreign(NO_FOREIGN_VAULT)
        .refuses(
            |app| winner_declaration("dan", vault(app).text("paymentToken")),
            (400, "Winner must be a participant of this vault"),
        )
        .refuses(
            |app| winner_declaration("ada", standard(app).token),
            (400, "Escrow is not a vault escrow"),
        ),
        row(
            "POST /v1/escrow/vault/cancel/{paymentToken}",
            200,
            "Vault escrow cancelled successfully",
            |app| Request::of_merchant().to(vault(app).text("paymentToken")),
        )
        .again((400, "Vault has already been settled"))
        .unknown(ESCROW_NOT_FOUND)
        .foreign(NO_FOREIGN_VAULT)
        .refuses(
            |app| Request::of_merchant().to(standard(app).token),
            (400, "Escrow is not a vault escrow"),
        ),
        row(
            "GET /v1/escrow/vault/{paymentToken}",
            200,
            "Vault escrow fetched successfully",
            |app| Request::of_merchant().to(vault(app).text("paymentToken")),
        )
        .hidden(ESCROW_NOT_FOUND)
        .refuses(
            |app| Request::of_merchant().to(standard(app).token),
            (400, "Escrow is not a vault escrow"),
        ),
    ]
}

fn winner_declaration(winner: &str, token: String) -> Request {
    Request::of_merchant().to(token).with(json!({ "winnerId": winner }))
}

fn categories() -> Vec<Row> {
    vec![
        row(
            "POST /v1/escrow/category/create",
            201,
            "Category created successfully",
            |_| Request::by("ada").with(json!({ "name": "Bicycles" })),
        )
        .unnamed((201, "Category created successfully"))
        .refuses(|_| Request::by("ada").with(json!({})), (400, "name is required")),
        row(
            "PUT /v1/escrow/category/edit/{categoryId}",
            200,
            "Category updated successfully",
            |app| Request::by("ada").to(category(app)).with(json!({ "name": "Boats" })),
        )
        .unnamed(ACCESS_DENIED)
        .hidden(CATEGORY_NOT_FOUND)
        .stranger(ACCESS_DENIED),
        row(
            "GET /v1/escrow/category/get",
            200,
            "Categories fetched successfully",
            |_| Request::by("ada"),
        )
        .unnamed((200, "Categories fetched successfully")),
        row(
            "GET /v1/escrow/category/get/{categoryId}",
            200,
            "Category fetched successfully",
            |app| Request::by("ada").to(category(app)),
        )
        .unnamed(CATEGORY_NOT_FOUND)
        .hidden(CATEGORY_NOT_FOUND)
        .stranger(CATEGORY_NOT_FOUND),
        row(
            "PUT /v1/escrow/category/position/{categoryId}",
            200,
            "Category position updated successfully",
            |app| Request::by("ada").to(category(app)).with(json!({ "newPosition": 1 })),
        )
        .unnamed(ACCESS_DENIED)
        .hidden(CATEGORY_NOT_FOUND)
        .stranger(ACCESS_DENIED),
        row(
            "DELETE /v1/escrow/category/delete/{categoryId}",
            200,
            "Category deleted successfully",
            |app| Request::by("ada").to(category(app)),
        )
        .again(CATEGORY_NOT_FOUND)
        .unnamed(ACCESS_DENIED)
        .hidden(CATEGORY_NOT_FOUND)
        .stranger(ACCESS_DENIED),
    ]
}

fn cards_and_addresses() -> Vec<Row> {
    vec![
        row("GET /v1/cards", 200, "Cards fetched successfully", |_| {
            Request::by("ada")
        }),
        row("DELETE /v1/card/{cardId}", 200, "Card removed successfully", |app| {
            Request::by("ada").to(card(app))
        })
        .again((400, "Card not found"))
        .hidden((400, "Card not found"))
        .stranger((400, "Card not found")),
        row(
            "GET /v1/whitelist-address",
            200,
            "Whitelisted addresses retrieved successfully",
            |_| Request::by("ada"),
        ),
        row(
            "POST /v1/whitelist-address",
            201,
            "Wallet address whitelisted successfully",
            |app| Request::by("ada").with(address(app)),
        )
        .again((400, "Wallet address is already whitelisted")),
        row(
            "DELETE /v1/whitelist-address/{addressId}",
            200,
            "Address removed successfully",
            |app| {
                let added = app.json("POST", "/v1/whitelist-address", "ada", &address(app));
                Request::by("ada").to(added.ok().text("id"))
            },
        )
        .again((400, "Address not found"))
        .hidden((400, "Address not found"))
        .stranger((400, "Address not found")),
    ]
}

fn added() -> Vec<Row> {
    vec![
        row(
            "POST /v1/escrow/refund/{paymentToken}",
            200,
            "Escrow refunded successfully",
            |app| Request::by("ada").to(paid(app).token),
        )
        .again(ACTION_NOT_ALLOWED)
        .unnamed(ACCESS_DENIED)
        .hidden(ESCROW_NOT_FOUND)
        .stranger(ACCESS_DENIED)
        .refuses(|app| Request::by("ben").to(paid(app).token), ACCESS_DENIED)
        .refuses(|app| Request::by("ada").to(standard(app).token), ACTION_NOT_ALLOWED)
        .refuses(
            |app| Request::by("ada").to(vault(app).text("paymentToken")),
            ACTION_NOT_ALLOWED,
        ),
    ]
}
