//! Bodies and queries of payments, cards and the whitelist (contract sections
//! 4.3.2 to 4.3.6, 4.10 and 4.11).

use strum::{IntoStaticStr, VariantArray};

use crate::commands::intents::{CryptoWithdrawalRequest, IntentKind, IntentRequest, WalletTransferRequest};
use crate::domain::ids::Reference;
use crate::domain::money::Amount;
use crate::domain::page::{LIMIT_DEFAULT, LIMIT_MAX, PageRequest};
use crate::domain::payments::bank::{AccountQuery, check_bank_code, is_account_number};
use crate::domain::payments::card::TestCard;
use crate::domain::payments::history::{HistoryFilter, HistoryShape};
use crate::domain::payments::intent;
use crate::domain::payments::whitelist::{EvmAddress, LABEL_CHARS_MAX, NETWORK, WhitelistRequest};
use crate::domain::refusal::Invalid;
use crate::domain::transaction::{BankAccount, TransactionType};
use crate::http::drafts::{AppState, Field, Fields, JsonBody, Parsed, check_currency, reference};
use crate::http::query::page_number;

/// Characters of a name, a narration or a phone number.
const TEXT_CHARS_MAX: usize = 255;

/// The purposes of an intent, in the contract's order.
#[derive(Clone, Copy, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
enum Purpose {
    Withdrawal,
    Deposit,
    WalletTransfer,
}

/// Contract section 4.3.2.
pub(in crate::http) fn intent(body: &JsonBody, api: &AppState) -> Parsed<IntentRequest> {
    let fields = body.fields()?;
    let amount = intent::check_amount(fields.field("amount").amount()?)?;
    let reference = reference(&fields, api.policy.strict)?;
    let purpose = fields.field("transactionType").one_of_any_case(Purpose::VARIANTS)?;
    check_currency(&fields, &api.policy.currency)?;
    Ok(IntentRequest {
        amount,
        reference,
        draft: match purpose {
            Purpose::Deposit => deposit(&fields)?,
            Purpose::Withdrawal => withdrawal(&fields)?,
            Purpose::WalletTransfer => wallet_transfer(&fields)?,
        },
    })
}

fn deposit(fields: &Fields<'_>) -> Parsed<IntentKind> {
    let details = fields.field("depositDetails").optional(Field::object)?;
    let card = match details {
        Some(details) => details.field("cardId").optional(Field::text)?,
        None => None,
    };
    Ok(IntentKind::Deposit { card })
}

/// To a bank account or to an address on a blockchain, not both.
fn withdrawal(fields: &Fields<'_>) -> Parsed<IntentKind> {
    let (bank, chain) = (fields.field("withdrawalDetails"), fields.field("blockchainDetails"));
    if chain.is_absent() {
        return Ok(IntentKind::BankWithdrawal(bank_account(&bank.object()?)?));
    }
    if !bank.is_absent() {
        return Err(chain.must_be("left out where withdrawalDetails is sent"));
    }
    let details = chain.object()?;
    let to_address = evm_address(&details.field("toAddress"))?;
    details.field("network").one_of(&[NETWORK])?;
    let token_address = details.field("tokenAddress").optional(evm_address)?;
    Ok(IntentKind::CryptoWithdrawal(CryptoWithdrawalRequest {
        to_address: to_address.as_str().to_owned(),
        token_address: token_address.map(|address| address.as_str().to_owned()),
    }))
}

fn bank_account(details: &Fields<'_>) -> Parsed<BankAccount> {
    Ok(BankAccount {
        bank_code: bank_code(&details.field("bankCode"), "withdrawalDetails.bankCode")?,
        account_number: account_number(&details.field("accountNumber"))?,
        account_name: short_text(&details.field("accountName"))?,
        bank_name: short_text(&details.field("bankName"))?,
        narration: details.field("narration").optional(short_text)?,
    })
}

fn wallet_transfer(fields: &Fields<'_>) -> Parsed<IntentKind> {
    let details = fields.field("walletDetails").object()?;
    Ok(IntentKind::WalletTransfer(WalletTransferRequest {
        phone: short_text(&details.field("phone"))?,
        name: short_text(&details.field("name"))?,
        narration: details.field("narration").optional(short_text)?,
    }))
}

/// Contract section 4.3.3. An `otp` is never asked for, and so ignored.
pub(in crate::http) fn verification(body: &JsonBody) -> Parsed<Reference> {
    body.fields()?.field("reference").reference()
}

/// What pays a test account: an amount, or whatever is due.
pub(in crate::http) fn test_payment(body: &JsonBody) -> Parsed<Option<Amount>> {
    body.fields()?.field("amount").optional(Field::amount)
}

/// Contract section 4.3.6.
pub(in crate::http) fn account_query(body: &JsonBody) -> Parsed<AccountQuery> {
    let fields = body.fields()?;
    Ok(AccountQuery {
        account_number: account_number(&fields.field("accountNumber"))?,
        bank_code: bank_code(&fields.field("bankCode"), "bankCode")?,
        bank_name: fields.field("bankName").optional(short_text)?,
    })
}

/// The number of a test card.
pub(in crate::http) fn card(body: &JsonBody) -> Parsed<TestCard> {
    TestCard::of_number(&body.fields()?.field("number").text()?)
}

/// Contract section 4.11. An `otp` is never asked for, and so ignored.
pub(in crate::http) fn whitelist_address(body: &JsonBody) -> Parsed<WhitelistRequest> {
    let fields = body.fields()?;
    let wallet_address = evm_address(&fields.field("walletAddress"))?;
    fields.field("network").one_of(&[NETWORK])?;
    let label = fields.field("label");
    Ok(WhitelistRequest {
        wallet_address,
        label: label.optional(|label| text_up_to(label, LABEL_CHARS_MAX))?,
    })
}

/// Contract sections 1.8 and 4.3.4: `reference`, `fromDate` or `toDate` ask for an
/// answer without pages. A limit that is too large is capped, and one that is none
/// is the default.
pub(in crate::http) fn history(
    fields: &Fields<'_>,
    types: &[TransactionType],
) -> Parsed<(HistoryFilter, HistoryShape)> {
    let filter = HistoryFilter {
        transaction_type: fields.field("type").optional(|field| field.one_of(types))?,
        reference: fields.field("reference").optional(Field::text)?,
        from: fields.field("fromDate").optional(Field::date)?,
        to: fields.field("toDate").optional(Field::date)?,
    };
    if filter.reference.is_some() || filter.from.is_some() || filter.to.is_some() {
        return Ok((filter, HistoryShape::Flat));
    }
    let limit = match fields.field("limit").integer().map(u32::try_from) {
        Ok(Ok(rows @ 1..)) => rows.min(LIMIT_MAX),
        _ => LIMIT_DEFAULT,
    };
    let number = page_number(fields)?;
    Ok((filter, HistoryShape::Page(PageRequest { number, limit })))
}

fn account_number(field: &Field<'_>) -> Parsed<String> {
    let number = field.text()?;
    if is_account_number(&number) {
        Ok(number)
    } else {
        Err(field.must_be("10 digits"))
    }
}

fn bank_code(field: &Field<'_>, name: &str) -> Parsed<String> {
    let code = field.text()?;
    check_bank_code(name, &code)?;
    Ok(code)
}

fn evm_address(field: &Field<'_>) -> Parsed<EvmAddress> {
    EvmAddress::parse(&field.text()?).ok_or_else(|| field.must_be(EvmAddress::SHAPE))
}

fn short_text(field: &Field<'_>) -> Parsed<String> {
    text_up_to(field, TEXT_CHARS_MAX)
}

fn text_up_to(field: &Field<'_>, chars_max: usize) -> Result<String, Invalid> {
    let text = field.text()?;
    if text.trim().is_empty() || text.chars().count() > chars_max {
        return Err(field.must_be(format!("a text of 1 to {chars_max} characters")));
    }
    Ok(text)
}
