//! Money that leaves through the bank account, in the reference.

use escrowd::domain::ids::PayoutId;
use escrowd::domain::treasury::payout::{PayoutAsked, PayoutStep};

use crate::helpers::read;
use crate::reference::{Command, Id, MISSING, MOST, Reference, refuse_if};
use crate::service::Service;
use crate::treasury::{Source, check_two_persons, decides};

#[derive(Clone, Debug)]
pub(crate) struct Payout {
    pub(crate) id: Id,
    pub(crate) merchant: usize,
    owner: Owner,
    amount: i64,
    fee: i64,
    /// Empty for one that does not exist.
    pub(crate) status: &'static str,
    requested_by: Option<usize>,
    /// The operator who asked for a step, and the step.
    pub(crate) asked: Option<(usize, PayoutStep)>,
    pub(crate) bank_reference: Option<String>,
}

/// The owner of the money.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// The customer of this withdrawal.
    Customer(usize),
    Merchant,
    Platform,
    /// The payer of this receipt.
    Payer(usize),
}

impl Payout {
    /// Returns a pay-out that takes a place and does not exist.
    pub(crate) const fn missing() -> Self {
        Self {
            id: MISSING,
            merchant: 0,
            owner: Owner::Merchant,
            amount: 0,
            fee: 0,
            status: "",
            requested_by: None,
            asked: None,
            bank_reference: None,
        }
    }

    pub(crate) fn requested(merchant: usize, owner: Owner, amount: i64, fee: i64) -> Self {
        Self {
            merchant,
            owner,
            amount,
            fee,
            status: "requested",
            ..Self::missing()
        }
    }

    /// Returns true if the operator decides, and keeps what one asks for otherwise.
    fn ask(&mut self, step: PayoutStep, operator: Option<usize>) -> Result<bool, String> {
        let first = self.asked.filter(|(_, asked)| *asked == step).map(|(by, _)| by);
        let is_decided = decides(self.amount, first, operator)?;
        self.asked = operator.filter(|_| !is_decided).map(|by| (by, step));
        Ok(is_decided)
    }

    pub(crate) fn is_open(&self) -> bool {
        ["requested", "approved"].contains(&self.status)
    }
}

impl Reference {
    /// Returns the money on its way: that of all open pay-outs.
    pub(crate) fn in_transit(&self, merchant: usize) -> i64 {
        let is_held = |payout: &&Payout| payout.merchant == merchant && payout.is_open();
        let held = self.payouts.iter().filter(is_held);
        held.map(|payout| payout.amount + payout.fee).sum()
    }

    pub(crate) fn request_payout(
        &mut self,
        command: &Command,
        operator: Option<usize>,
        source: &Source,
    ) -> Result<Vec<usize>, String> {
        let merchant = &mut self.merchants[command.merchant];
        let (owner, amount) = match *source {
            Source::Merchant(needed) => {
                let available = merchant.earned;
                refuse_if(available < needed, &format!("InsufficientBalance {needed} {available}"))?;
                merchant.earned -= needed;
                self.rows.entries += 1;
                (Owner::Merchant, needed)
            }
            Source::Platform(needed) => {
                let available = merchant.platform_earned;
                refuse_if(available < needed, &format!("InsufficientBalance {needed} {available}"))?;
                merchant.platform_earned -= needed;
                (Owner::Platform, needed)
            }
            Source::Receipt(receipt) => {
                let place = self.receipt_in(command, receipt, &["suspense"], "sent back")?;
                self.receipts[place].let_lapse();
                self.receipts[place].status = "sent_back";
                (Owner::Payer(place), self.receipts[place].amount)
            }
        };
        self.rows.transfers += 1;
        self.touched_payouts.push(self.payouts.len());
        self.payouts.push(Payout {
            requested_by: operator,
            ..Payout::requested(command.merchant, owner, amount, 0)
        });
        Ok(vec![])
    }

    pub(crate) fn approve_payout(
        &mut self,
        command: &Command,
        operator: Option<usize>,
        payout: Option<usize>,
    ) -> Result<Vec<usize>, String> {
        let place = self.payout_in(command, payout, &["requested"], "approved")?;
        let known = &self.payouts[place];
        check_two_persons(known.amount, known.requested_by, operator)?;
        self.payouts[place].status = "approved";
        Ok(vec![])
    }

    pub(crate) fn reject_payout(&mut self, command: &Command, payout: Option<usize>) -> Result<Vec<usize>, String> {
        let place = self.payout_in(command, payout, &["requested"], "rejected")?;
        self.give_back(place, "rejected", "failed");
        Ok(vec![])
    }

    pub(crate) fn pay_payout(
        &mut self,
        command: &Command,
        payout: Option<usize>,
        bank_reference: &str,
    ) -> Result<Vec<usize>, String> {
        let place = self.payout_in(command, payout, &["approved"], "paid")?;
        // In live mode merchants may share a bank account.
        let is_used = |payout: &Payout| {
            let is_near = command.is_live || payout.merchant == command.merchant;
            is_near && payout.bank_reference.as_deref() == Some(bank_reference)
        };
        refuse_if(self.payouts.iter().any(is_used), "BankReferenceUsed")?;
        self.payouts[place].bank_reference = Some(bank_reference.to_owned());
        self.leave(place);
        Ok(vec![])
    }

    pub(crate) fn return_payout(
        &mut self,
        command: &Command,
        operator: Option<usize>,
        payout: Option<usize>,
    ) -> Result<Vec<usize>, String> {
        let place = self.payout_in(command, payout, &["approved", "paid"], "returned")?;
        let Payout {
            owner, amount, status, ..
        } = self.payouts[place];
        let is_paid = status == "paid";
        let deposited = self.merchants[command.merchant].deposited;
        refuse_if(is_paid && deposited + amount > MOST, "TooMuchMoney")?;
        if !self.payouts[place].ask(PayoutStep::Return, operator)? {
            return Ok(vec![]);
        }
        if !is_paid {
            self.give_back(place, "returned", "reversed");
            return Ok(vec![]);
        }
        // The fee was for a payment that was made.
        self.merchants[command.merchant].deposited += amount;
        self.rows.transfers += 1;
        self.credit(command.merchant, owner, amount);
        self.end(place, "returned", "reversed");
        Ok(vec![])
    }

    pub(crate) fn reopen_payout(
        &mut self,
        command: &Command,
        operator: Option<usize>,
        payout: Option<usize>,
    ) -> Result<Vec<usize>, String> {
        let place = self.payout_in(command, payout, &["paid"], "reopened")?;
        let Payout { owner, amount, fee, .. } = self.payouts[place];
        let merchant = &self.merchants[command.merchant];
        refuse_if(merchant.deposited + amount > MOST, "TooMuchMoney")?;
        let available = merchant.platform_earned;
        refuse_if(available < fee, &format!("AlreadySpent {fee} {available}"))?;
        if !self.payouts[place].ask(PayoutStep::Reopening, operator)? {
            return Ok(vec![]);
        }
        let merchant = &mut self.merchants[command.merchant];
        merchant.deposited += amount;
        merchant.platform_earned -= fee;
        self.rows.transfers += 1 + i64::from(fee > 0);
        let reopened = &mut self.payouts[place];
        reopened.status = "approved";
        reopened.bank_reference = None;
        // A pending payment emits no event.
        if let Owner::Customer(intent) = owner {
            self.intents[intent].status = "pending";
            self.touched.push(intent);
        }
        Ok(vec![])
    }

    pub(crate) fn retract_payout(&mut self, command: &Command, payout: Option<usize>) -> Result<Vec<usize>, String> {
        let any = ["requested", "approved", "rejected", "paid", "returned"];
        let place = self.payout_in(command, payout, &any, "retracted")?;
        self.payouts[place].asked.take().ok_or("NothingAsked")?;
        Ok(vec![])
    }

    /// Settles a withdrawal as the sandbox's bank does.
    pub(crate) fn settle_payout_by_bank(&mut self, place: usize, status: &'static str) {
        self.touched_payouts.push(place);
        match status {
            "success" => self.leave(place),
            "reversed" => self.give_back(place, "returned", "reversed"),
            _ => self.give_back(place, "rejected", "failed"),
        }
    }

    fn payout_in(
        &mut self,
        command: &Command,
        payout: Option<usize>,
        statuses: &[&str],
        done: &str,
    ) -> Result<usize, String> {
        let is_own = |&place: &usize| {
            let payout = &self.payouts[place];
            payout.merchant == command.merchant && !payout.status.is_empty()
        };
        let place = payout.filter(is_own).ok_or("PayoutNotFound")?;
        let status = self.payouts[place].status;
        let refusal = format!("NotInStatus pay-out {status} {done}");
        refuse_if(!statuses.contains(&status), &refusal)?;
        self.touched_payouts.push(place);
        Ok(place)
    }

    /// Lets the money leave. The platform gets the fee.
    fn leave(&mut self, place: usize) {
        let Payout {
            merchant, amount, fee, ..
        } = self.payouts[place];
        self.rows.transfers += 1 + i64::from(fee > 0);
        self.merchants[merchant].deposited -= amount;
        self.merchants[merchant].platform_earned += fee;
        self.end(place, "paid", "success");
    }

    /// Returns amount and fee to the owner.
    fn give_back(&mut self, place: usize, status: &'static str, of_withdrawal: &'static str) {
        let Payout {
            merchant,
            owner,
            amount,
            fee,
            ..
        } = self.payouts[place];
        self.rows.transfers += 1;
        self.credit(merchant, owner, amount + fee);
        self.end(place, status, of_withdrawal);
    }

    fn credit(&mut self, merchant: usize, owner: Owner, amount: i64) {
        match owner {
            Owner::Customer(intent) => {
                let customer = self.intents[intent].customer.clone();
                self.wallet(merchant, &customer).main += amount;
            }
            Owner::Merchant => self.merchants[merchant].earned += amount,
            Owner::Platform => self.merchants[merchant].platform_earned += amount,
            Owner::Payer(receipt) => {
                self.receipts[receipt].status = "suspense";
                self.touched_receipts.push(receipt);
            }
        }
    }

    fn end(&mut self, place: usize, status: &'static str, of_withdrawal: &'static str) {
        self.payouts[place].status = status;
        self.payouts[place].asked = None;
        if let Owner::Customer(intent) = self.payouts[place].owner {
            self.intents[intent].status = of_withdrawal;
            self.intents[intent].due_at = None;
            self.touched.push(intent);
            self.rows.events += 1;
        }
    }
}

impl Service {
    /// Compares a pay-out with its stored row.
    pub(crate) fn assert_payout_stored(&self, payout: &Payout) {
        let merchant = self.merchants[payout.merchant].0;
        let id = PayoutId::new(payout.id.0, u32::try_from(payout.id.1).unwrap());
        let stored = read(&self.store, move |snapshot| snapshot.payout(merchant, id));
        let Some(stored) = stored else {
            assert_eq!(payout.status, "", "the pay-out is not stored");
            return;
        };
        let found = stored.payout;
        assert_eq!(
            (found.amount.minor(), found.fee.minor(), found.status.into_str()),
            (payout.amount, payout.fee, payout.status),
            "the amount, the fee and the status of a pay-out"
        );
        let requester = payout.requested_by.map(|place| self.operators[place]);
        assert_eq!(found.requested_by, requester, "the operator who asked for it");
        let asked = payout.asked.map(|(place, step)| PayoutAsked {
            by: self.operators[place],
            step,
        });
        assert_eq!(found.asked, asked, "what an operator asked for");
        let has_withdrawal = matches!(payout.owner, Owner::Customer(_) | Owner::Merchant);
        assert_eq!(stored.withdrawal.is_some(), has_withdrawal, "a withdrawal");
        assert_eq!(found.destination.is_some(), !has_withdrawal, "a bank account");
        let reference = found.paid.map(|paid| paid.reference);
        assert_eq!(reference, payout.bank_reference, "the reference of the bank");
    }
}
