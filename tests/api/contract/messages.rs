//! Every message that the contract prints is produced by some test, which then has
//! its text.

use std::fs;
use std::path::Path;

/// The contract's messages, section by section. Where one names something, what
/// stands beside the name. One is left out that nothing here can lead to, since every
/// escrow is a merchant's: `Escrow is not associated with any merchant`. Of virtual
/// accounts the contract leaves the text to us.
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

/// The text of every test over the socket but this one.
fn tests() -> String {
    let mut text = String::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/api")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") && !path.ends_with("contract/messages.rs") {
                text += &fs::read_to_string(&path).unwrap();
            }
        }
    }
    text
}

#[test]
fn every_message_of_the_contract_is_looked_for() {
    let tests = tests();
    let is_missing = |message: &&str| !tests.contains(message);
    assert_eq!(MESSAGES.lines().filter(is_missing).collect::<Vec<_>>(), [""; 0]);
    let tested_by_none = ["Escrow is not associated", "with any merchant"].join(" ");
    assert!(
        is_missing(&tested_by_none.as_str()),
        "a message that no test has is seen"
    );
}
