//! The parsed requests for commands of the model.

use escrowd::app;
use escrowd::commands::Policy;
use escrowd::commands::disputes::ResolutionRequest;
use escrowd::commands::milestone_escrows::MilestoneEscrowRequest;
use escrowd::config::{Config, Fees, Limits, Sandbox};
use escrowd::domain::escrow::dispute;
use escrowd::domain::escrow::terms::{MilestoneRequest, TermsRequest};
use escrowd::domain::fees::WhoPays;
use escrowd::domain::ids::{CustomerId, EscrowId, EscrowKey, PaymentToken, Reference as PaymentName};
use escrowd::domain::money::Amount;
use escrowd::domain::payments::request::{Gateway, PaymentRequest};
use escrowd::domain::time::Date;
use escrowd::domain::transaction::DepositAccount;
use escrowd::domain::treasury::operator::TwoPersonRule;

use crate::categories::{CATEGORIES_MAX, category_id};
use crate::disputes::Ruling;
use crate::helpers::kobo;
use crate::offers::GRACE_SECONDS;
use crate::reference::{self, MILESTONES_MAX, MISSING, Named, Reference};
use crate::treasury::ALONE_MAX;
use crate::vaults::PARTICIPANTS_MAX;

pub(crate) fn payment_request(
    deals: &[Named],
    offered: Option<i64>,
    name: Option<&str>,
    reference: &Reference,
) -> PaymentRequest {
    let key = |named: &Named| match named.deal {
        Some(place) if named.by_token => EscrowKey::Token(PaymentToken::named(&reference.deals[place].token)),
        _ => EscrowKey::Id(escrow_id(named.deal.map_or(MISSING, |place| reference.deals[place].id))),
    };
    PaymentRequest {
        token: None,
        escrows: deals.iter().map(key).collect(),
        amount: offered.map(kobo),
        reference: name.map(|name| PaymentName::parse(name).unwrap()),
        gateway: Gateway::Wallet,
    }
}

pub(crate) fn resolution(ruling: Ruling) -> ResolutionRequest {
    let ruling = match ruling {
        Ruling::Complete => dispute::Ruling::Completed,
        Ruling::Refund => dispute::Ruling::Refunded {
            additional_fee_refundable: None,
        },
        Ruling::Split { seller, buyer } => dispute::Ruling::Split {
            seller: kobo(seller),
            buyer: kobo(buyer),
            additional_fee_refundable: None,
        },
    };
    ResolutionRequest {
        resolution: "So be it".to_owned(),
        ruling,
    }
}

pub(crate) fn escrow_id((number, guard): reference::Id) -> EscrowId {
    EscrowId::new(number, guard)
}

pub(crate) fn customer(name: &str) -> CustomerId {
    CustomerId::parse(name).unwrap()
}

pub(crate) fn policy(merchant: &reference::Merchant) -> Policy {
    let bps = |bps: i64| u16::try_from(bps).unwrap();
    let config = Config {
        fees: Fees {
            platform_bps: bps(merchant.platform_bps),
            commission_bps: bps(merchant.commission_bps),
            ..Config::default().fees
        },
        sandbox: Sandbox {
            opening_balance_minor: Amount::from_minor(merchant.opening_balance).unwrap(),
            ..Config::default().sandbox
        },
        limits: Limits {
            amount_min_minor: Amount::from_minor(1).unwrap(),
            milestones_max: MILESTONES_MAX,
            participants_max: PARTICIPANTS_MAX,
            categories_max: CATEGORIES_MAX.try_into().unwrap(),
            ..Config::default().limits
        },
        claim_grace_seconds: GRACE_SECONDS,
        ..Config::default()
    };
    let mut policy = app::policy(&config).unwrap();
    policy.two_person = TwoPersonRule {
        alone_max: Some(kobo(ALONE_MAX)),
    };
    policy.deposit_account_default = merchant.has_bank.then(|| DepositAccount {
        bank_name: "Bank".to_owned(),
        bank_code: None,
        account_number: "0123456789".to_owned(),
        account_name: "Shop".to_owned(),
    });
    policy
}

pub(crate) fn terms_request(terms: &reference::Terms, reference: &Reference) -> TermsRequest {
    TermsRequest {
        amount: kobo(terms.amount),
        purpose: terms.purpose.to_owned(),
        description: None,
        who_pays: terms.who_pays.parse::<WhoPays>().unwrap(),
        max_delivery: terms.max_delivery,
        delivery_timeline: Some(terms.timeline.parse().unwrap()),
        total_quantity: terms.quantity,
        category: terms.category.map(|place| category_id(reference.categories[place].id)),
    }
}

pub(crate) fn milestone_request(terms: &reference::Terms, reference: &Reference) -> MilestoneEscrowRequest {
    let stage = |milestone: &reference::MilestoneTerms| {
        let due_date = if milestone.is_overdue {
            "2026-06-22"
        } else {
            "2199-12-31"
        };
        MilestoneRequest {
            title: "Stage".to_owned(),
            description: None,
            amount: kobo(milestone.amount),
            due_date: Date::parse(due_date),
            beneficiary: milestone.payee.as_deref().map(customer),
        }
    };
    MilestoneEscrowRequest {
        terms: terms_request(terms, reference),
        milestones: terms.milestones.iter().map(stage).collect(),
    }
}
