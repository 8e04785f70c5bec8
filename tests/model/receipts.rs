//! Money that came to the bank account, in the reference.

use escrowd::domain::ids::{CustomerId, OperatorId, ReceiptId, TransactionId};

use crate::helpers::read;
use crate::intents::NO_REFERENCE;
use crate::reference::{Command, Id, MISSING, MOST, Reference, refuse_if};
use crate::service::Service;
use crate::treasury::{Target, check_two_persons, decides, quoted};

#[derive(Clone, Debug)]
pub(crate) struct Receipt {
    pub(crate) id: Id,
    pub(crate) merchant: usize,
    pub(crate) amount: i64,
    pub(crate) bank_reference: String,
    /// Empty for one that does not exist.
    pub(crate) status: &'static str,
    customer: Option<String>,
    /// The deposit that its payer named.
    expected: Option<usize>,
    /// The expected deposit, if the receipt has settled it.
    settled: Option<usize>,
    recorded_by: Option<usize>,
    /// The operator who asked to assign or to reverse it. In suspense `customer` and `expected` are those
    /// of the request.
    pub(crate) asked_by: Option<usize>,
}

impl Receipt {
    /// Returns a receipt that takes a place and does not exist.
    pub(crate) const fn missing() -> Self {
        Self {
            id: MISSING,
            merchant: 0,
            amount: 0,
            bank_reference: String::new(),
            status: "",
            customer: None,
            expected: None,
            settled: None,
            recorded_by: None,
            asked_by: None,
        }
    }

    /// Returns the owner for whom an operator asked to assign it.
    pub(crate) fn asked_for(&self) -> Option<Target> {
        let is_asked = self.status == "suspense" && self.asked_by.is_some();
        let customer = self.customer.clone().filter(|_| is_asked)?;
        Some(match self.expected {
            Some(deposit) => Target::Deposit(Some(deposit)),
            None => Target::Customer(customer),
        })
    }

    /// Forgets what an operator asked for.
    pub(crate) fn let_lapse(&mut self) {
        if self.asked_by.take().is_some() && self.status == "suspense" {
            (self.customer, self.expected) = (None, None);
        }
    }

    fn is_valid(&self) -> bool {
        !["", "rejected", "reversed"].contains(&self.status)
    }
}

impl Reference {
    /// Returns the money in suspense: that of all receipts whose owner is not known.
    pub(crate) fn suspense(&self, merchant: usize) -> i64 {
        let is_held = |receipt: &&Receipt| receipt.merchant == merchant && receipt.status == "suspense";
        self.receipts.iter().filter(is_held).map(|receipt| receipt.amount).sum()
    }

    pub(crate) fn record_receipt(
        &mut self,
        command: &Command,
        operator: Option<usize>,
        amount: i64,
        bank_reference: &str,
        target: &Target,
    ) -> Result<Vec<usize>, String> {
        // In live mode merchants may share a bank account.
        let is_used = |receipt: &Receipt| {
            let is_near = command.is_live || receipt.merchant == command.merchant;
            is_near && receipt.is_valid() && receipt.bank_reference == bank_reference
        };
        refuse_if(self.receipts.iter().any(is_used), "BankReferenceUsed")?;
        let (customer, expected) = self.resolve_target(command, target)?;
        let takes_two = operator.is_some() && amount > crate::treasury::ALONE_MAX;
        if !takes_two {
            self.check_room(command, amount)?;
        }
        let place = self.receipts.len();
        self.receipts.push(Receipt {
            merchant: command.merchant,
            amount,
            bank_reference: bank_reference.to_owned(),
            status: "recorded",
            customer,
            expected,
            recorded_by: operator,
            ..Receipt::missing()
        });
        self.touched_receipts.push(place);
        Ok(if takes_two {
            vec![]
        } else {
            self.take_in(command, place)
        })
    }

    pub(crate) fn approve_receipt(
        &mut self,
        command: &Command,
        operator: Option<usize>,
        receipt: Option<usize>,
    ) -> Result<Vec<usize>, String> {
        let place = self.receipt_in(command, receipt, &["recorded"], "approved")?;
        let known = &self.receipts[place];
        check_two_persons(known.amount, known.recorded_by, operator)?;
        self.check_room(command, known.amount)?;
        Ok(self.take_in(command, place))
    }

    pub(crate) fn reject_receipt(&mut self, command: &Command, receipt: Option<usize>) -> Result<Vec<usize>, String> {
        let place = self.receipt_in(command, receipt, &["recorded"], "rejected")?;
        self.receipts[place].status = "rejected";
        Ok(vec![])
    }

    pub(crate) fn assign_receipt(
        &mut self,
        command: &Command,
        operator: Option<usize>,
        receipt: Option<usize>,
        target: &Target,
    ) -> Result<Vec<usize>, String> {
        let place = self.receipt_in(command, receipt, &["suspense"], "assigned")?;
        let (customer, expected) = self.resolve_target(command, target)?;
        let known = &mut self.receipts[place];
        let is_the_same = known.customer == customer && known.expected == expected;
        let first = known.asked_by.filter(|_| is_the_same);
        let is_decided = decides(known.amount, first, operator)?;
        known.customer = customer;
        known.expected = expected;
        known.asked_by = operator.filter(|_| !is_decided);
        Ok(if is_decided {
            self.take_in(command, place)
        } else {
            vec![]
        })
    }

    pub(crate) fn reverse_receipt(
        &mut self,
        command: &Command,
        operator: Option<usize>,
        receipt: Option<usize>,
    ) -> Result<Vec<usize>, String> {
        let place = self.receipt_in(command, receipt, &["credited", "suspense"], "reversed")?;
        let known = self.receipts[place].clone();
        let owner = known.customer.clone().filter(|_| known.status == "credited");
        if let Some(customer) = &owner {
            let (needed, available) = (known.amount, self.wallet(command.merchant, customer).main);
            refuse_if(available < needed, &format!("AlreadySpent {needed} {available}"))?;
        }
        let is_the_same = known.status == "credited" || known.customer.is_none();
        let is_decided = decides(known.amount, known.asked_by.filter(|_| is_the_same), operator)?;
        let asked = &mut self.receipts[place];
        asked.asked_by = operator.filter(|_| !is_decided);
        if asked.status == "suspense" {
            (asked.customer, asked.expected) = (None, None);
        }
        if !is_decided {
            return Ok(vec![]);
        }
        if let Some(customer) = owner {
            self.wallet(command.merchant, &customer).main -= known.amount;
            // Its deposit is reversed.
            self.rows.events += 1;
            if let Some(intent) = known.settled {
                self.intents[intent].status = "reversed";
                self.touched.push(intent);
            }
        }
        self.rows.transfers += 1;
        self.merchants[command.merchant].deposited -= known.amount;
        self.receipts[place].status = "reversed";
        Ok(vec![])
    }

    pub(crate) fn retract_receipt(&mut self, command: &Command, receipt: Option<usize>) -> Result<Vec<usize>, String> {
        let any = ["recorded", "rejected", "credited", "suspense", "reversed", "sent_back"];
        let place = self.receipt_in(command, receipt, &any, "retracted")?;
        refuse_if(self.receipts[place].asked_by.is_none(), "NothingAsked")?;
        self.receipts[place].let_lapse();
        Ok(vec![])
    }

    pub(crate) fn expire_deposit(&mut self, command: &Command, intent: Option<usize>) -> Result<Vec<usize>, String> {
        let place = self.deposit_named(command, intent)?;
        let status = self.intents[place].status;
        refuse_if(status != "pending", &format!("NotInStatus deposit {status} given up"))?;
        let waits = |receipt: &Receipt| {
            let waits = ["recorded", "suspense"].contains(&receipt.status);
            receipt.merchant == command.merchant && waits && receipt.expected == Some(place)
        };
        refuse_if(self.receipts.iter().any(waits), "DepositHasReceipt")?;
        self.intents[place].status = "failed";
        self.touched.push(place);
        self.rows.events += 1;
        Ok(vec![])
    }

    /// Returns the place of a receipt of the command's merchant that has one of these statuses.
    pub(crate) fn receipt_in(
        &mut self,
        command: &Command,
        receipt: Option<usize>,
        statuses: &[&str],
        done: &str,
    ) -> Result<usize, String> {
        let is_own = |&place: &usize| {
            let receipt = &self.receipts[place];
            receipt.merchant == command.merchant && !receipt.status.is_empty()
        };
        let place = receipt.filter(is_own).ok_or("ReceiptNotFound")?;
        let status = self.receipts[place].status;
        let refusal = format!("NotInStatus receipt {status} {done}");
        refuse_if(!statuses.contains(&status), &refusal)?;
        self.touched_receipts.push(place);
        Ok(place)
    }

    /// Returns the deposit that the name of an intent leads to.
    fn deposit_named(&self, command: &Command, intent: Option<usize>) -> Result<usize, String> {
        let name = intent.map_or(NO_REFERENCE, |place| &self.intents[place].reference);
        let used = self.merchants[command.merchant].references.get(name);
        let place = used.and_then(|used| used.intent);
        let place = place.filter(|&place| self.intents[place].is_deposit());
        place.ok_or_else(|| "DepositNotFound".to_owned())
    }

    /// Returns the deposit that the reference which its payer quotes leads to.
    fn deposit_quoted(&self, command: &Command, intent: Option<usize>) -> Result<usize, String> {
        let is_own = |&place: &usize| {
            let intent = &self.intents[place];
            intent.merchant == command.merchant && intent.id != MISSING && intent.is_deposit()
        };
        intent.filter(is_own).ok_or_else(|| "DepositNotFound".to_owned())
    }

    /// Returns the customer whose money it is, and the deposit that the payer named.
    fn resolve_target(&self, command: &Command, target: &Target) -> Result<(Option<String>, Option<usize>), String> {
        match target {
            Target::Unknown => Ok((None, None)),
            Target::Customer(name) => {
                let is_known = self.merchants[command.merchant].customers.contains_key(name);
                refuse_if(!is_known, "NoSuchCustomer")?;
                Ok((Some(name.clone()), None))
            }
            Target::Deposit(intent) | Target::Named(intent) => {
                let place = match target {
                    Target::Deposit(_) if command.is_live => self.deposit_quoted(command, *intent)?,
                    _ => self.deposit_named(command, *intent)?,
                };
                // Each merchant chooses the references of payments for itself.
                let is_quoted = matches!(target, Target::Deposit(_)) || {
                    let intent = &self.intents[place];
                    intent.reference == quoted(intent.id)
                };
                refuse_if(command.is_live && !is_quoted, "ReferenceNotQuoted")?;
                Ok((Some(self.intents[place].customer.clone()), Some(place)))
            }
        }
    }

    fn check_room(&self, command: &Command, amount: i64) -> Result<(), String> {
        let inside = self.merchants[command.merchant].deposited;
        refuse_if(inside + amount > MOST, "TooMuchMoney")
    }

    /// Takes the money in, from the outside world or out of suspense. Returns the deals that
    /// its deposit funds.
    fn take_in(&mut self, command: &Command, place: usize) -> Vec<usize> {
        let receipt = self.receipts[place].clone();
        if receipt.status == "recorded" {
            self.merchants[command.merchant].deposited += receipt.amount;
        }
        self.rows.transfers += 1;
        let Some(customer) = receipt.customer else {
            self.receipts[place].status = "suspense";
            return vec![];
        };
        self.wallet(command.merchant, &customer).main += receipt.amount;
        self.rows.events += 1;
        let is_settled = |&intent: &usize| {
            let intent = &self.intents[intent];
            intent.is_open() && intent.amount == receipt.amount
        };
        let settled = receipt.expected.filter(is_settled);
        self.receipts[place].status = "credited";
        self.receipts[place].settled = settled;
        let Some(intent) = settled else {
            self.rows.entries += 1;
            return vec![];
        };
        self.intents[intent].status = "success";
        self.touched.push(intent);
        self.fund_named(command, intent)
    }
}

impl Service {
    /// Compares a receipt with its stored rows.
    pub(crate) fn assert_receipt_stored(&self, receipt: &Receipt) {
        let merchant = self.merchants[receipt.merchant].0;
        let id = ReceiptId::new(receipt.id.0, u32::try_from(receipt.id.1).unwrap());
        let stored = read(&self.store, move |snapshot| snapshot.receipt(merchant, id));
        let Some(stored) = stored else {
            assert_eq!(receipt.status, "", "the receipt is not stored");
            return;
        };
        assert_eq!(stored.amount.minor(), receipt.amount, "the amount of a receipt");
        assert_eq!(stored.entry.reference, receipt.bank_reference);
        assert_eq!(stored.status.into_str(), receipt.status, "the status of a receipt");
        let (owner, expected_deposit) = stored.intended_for();
        assert_eq!(
            owner.map(CustomerId::as_str),
            receipt.customer.as_deref(),
            "the customer of a receipt"
        );
        let recorder: Option<OperatorId> = receipt.recorded_by.map(|place| self.operators[place]);
        assert_eq!(stored.recorded_by, recorder, "the operator who recorded it");
        let asker: Option<OperatorId> = receipt.asked_by.map(|place| self.operators[place]);
        assert_eq!(
            stored.asked.as_ref().map(|asked| asked.by),
            asker,
            "the operator who asked to assign or to reverse it"
        );
        assert_eq!(
            expected_deposit.is_some(),
            receipt.expected.is_some(),
            "the expected deposit"
        );
        assert_eq!(stored.deposit == expected_deposit, {
            receipt.settled.is_some() || (stored.deposit.is_none() && receipt.expected.is_none())
        });
        let status = |id: TransactionId| {
            let deposit = read(&self.store, move |snapshot| snapshot.payment(id));
            deposit.unwrap().status().into_str()
        };
        let expected = match (receipt.status, &receipt.customer) {
            ("credited", _) => Some("success"),
            ("reversed", Some(_)) => Some("reversed"),
            _ => None,
        };
        assert_eq!(stored.deposit.map(status), expected, "the deposit of a receipt");
    }
}
