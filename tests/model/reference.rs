//! A second, independent implementation of the rules of the contract. It computes the state
//! of the ledger and the reply to each command with plain numbers and maps. It must not
//! call the code under test. It knows ids as numbers, names as text and refusals by their
//! names.

use std::collections::BTreeSet;

use crate::disputes::Dispute;
use crate::intents;
use crate::offers::delivery_seconds;
pub(crate) use crate::records::*;

/// The customers that a command registers if it succeeds.
type Newcomers = BTreeSet<String>;

impl Reference {
    /// Runs a command and returns the deals it created or changed. A refusal returns the
    /// name of its rule and changes nothing. The reference learns the ids of new rows from
    /// the service afterwards.
    #[allow(clippy::too_many_lines, reason = "one arm for each kind of command")]
    pub(crate) fn execute(&mut self, command: &Command) -> Result<Vec<usize>, String> {
        let mut newcomers = Newcomers::new();
        self.touched.clear();
        self.touched_receipts.clear();
        self.touched_payouts.clear();
        if let Action::TopUp { .. } = command.action
            && command.is_live
        {
            return Err("SandboxOnly".into());
        }
        if let Action::Vault(step) = &command.action {
            return self.vault(command, step).map(|()| vec![]);
        }
        if let Action::AdvanceClock { seconds } = command.action {
            self.merchants[command.merchant].ahead_seconds += seconds;
            self.settle_due(command);
            return Ok(vec![]);
        }
        if let Action::Intent(intents::Step::Pay { intent, amount }) = command.action {
            return self.pay(command, intent, amount);
        }
        if let Action::Operator(act) = &command.action {
            return self.operate(command, act);
        }
        if let Action::Category(of_category) = &command.action
            && of_category.by_merchant
        {
            return self.category(command, of_category, newcomers).map(|()| vec![]);
        }
        if let Action::Resolve { deal, ruling } = command.action {
            return self.resolve(command, deal, ruling);
        }
        if let Action::SetFee {
            deal,
            amount,
            is_refundable,
        } = command.action
        {
            return self.set_fee(command, deal, amount, is_refundable);
        }
        if !self.admit(command, &command.customer, &mut newcomers)? {
            let has_them = |merchant: &Merchant| merchant.customers.contains_key(&command.customer);
            refuse_if(self.merchants.iter().any(has_them), "CustomerOfAnotherMerchant")?;
            return Err("CustomerNotFound".into());
        }
        match &command.action {
            Action::OfferMilestones(terms) => {
                self.check_milestones(command, terms, &mut newcomers)?;
                let deal = self.new_deal(command, terms, true)?;
                self.register(command, newcomers);
                Ok(self.offer(deal))
            }
            Action::OfferStandard(terms) => {
                self.check_category(command, terms.category)?;
                check_terms(terms, false)?;
                let deal = self.new_deal(command, terms, false)?;
                self.register(command, newcomers);
                Ok(self.offer(deal))
            }
            Action::Edit { deal, terms } => {
                self.check_milestones(command, terms, &mut newcomers)?;
                let place = self.own(command, *deal).ok_or("EscrowNotFound")?;
                let old = &self.deals[place];
                refuse_if(old.seller != command.customer, "AccessDenied")?;
                refuse_if(old.milestones.is_none(), "NotAMilestoneEscrow")?;
                refuse_if(old.buyer.is_some(), "ActionNotAllowed")?;
                let new = Deal {
                    id: old.id,
                    token: old.token.clone(),
                    ..self.new_deal(command, terms, true)?
                };
                let gone = old
                    .milestones
                    .iter()
                    .flatten()
                    .next()
                    .map(|milestone| (place, milestone.id));
                self.gone_milestones.extend(gone);
                self.deals[place] = new;
                self.register(command, newcomers);
                Ok(vec![place])
            }
            Action::Fund {
                deals,
                offered,
                reference,
            } => self.fund(command, deals, *offered, reference.as_deref(), newcomers),
            Action::EditStandard { deal, terms } => self.edit_standard(command, *deal, terms),
            Action::Convert {
                deal,
                keeps_amount,
                terms,
            } => self.convert(command, *deal, *keeps_amount, terms, newcomers),
            Action::Claim { deal } => self.claim(command, *deal),
            Action::ConfirmMilestone { deal, milestone } => {
                let id = self.milestone_id(*milestone);
                let place = self.own(command, *deal).ok_or("EscrowNotFound")?;
                let deal = &self.deals[place];
                let buyer = deal.buyer.as_ref().ok_or("EscrowNotFunded")?;
                refuse_if(*buyer != command.customer, "AccessDenied")?;
                let is_named = |milestone: &Milestone| milestone.id == id;
                let position = deal.milestones.iter().flatten().position(is_named);
                let position = position.ok_or("MilestoneNotFound")?;
                let milestones = deal.milestones.as_ref().unwrap();
                refuse_if(milestones[position].is_released, "MilestoneAlreadyReleased")?;
                refuse_if(deal.is_closed || deal.dispute != Dispute::None, "ActionNotAllowed")?;
                self.release_milestone(place, position);
                Ok(vec![place])
            }
            Action::ConfirmPayment { deal } => {
                let place = self.own(command, *deal).ok_or("EscrowNotFound")?;
                let deal = &self.deals[place];
                let buyer = deal.buyer.as_ref().ok_or("ActionNotAllowed")?;
                refuse_if(*buyer != command.customer, "AccessDenied")?;
                let is_over = deal.is_closed || deal.dispute != Dispute::None;
                refuse_if(deal.milestones.is_some() || is_over, "ActionNotAllowed")?;
                let seller_fee = deal.platform_fee + deal.commission - deal.buyer_fee;
                let (payee, net) = (deal.seller.clone(), deal.amount - seller_fee);
                self.pay_out(place, &payee, net);
                self.close(place, "COMPLETED");
                Ok(vec![place])
            }
            Action::Intent(step) => self.intent(command, step, newcomers).map(|()| vec![]),
            Action::Category(of_category) => self.category(command, of_category, newcomers).map(|()| vec![]),
            Action::Delete { deal } => self.delete(command, *deal),
            Action::Dispute { deal } => self.dispute(command, *deal),
            Action::Refund { deal } => self.refund(command, *deal),
            Action::Resolve { .. }
            | Action::SetFee { .. }
            | Action::Vault(_)
            | Action::AdvanceClock { .. }
            | Action::Operator(_) => {
                unreachable!("the merchant's commands are run above")
            }
            Action::TopUp { amount } => self.top_up(command, *amount, newcomers),
            Action::SeeWallet => {
                self.register(command, newcomers);
                Ok(vec![])
            }
        }
    }

    fn top_up(&mut self, command: &Command, amount: i64, newcomers: Newcomers) -> Result<Vec<usize>, String> {
        refuse_if(!(100_000..=10_000_000).contains(&amount), "Invalid amount")?;
        let merchant = &self.merchants[command.merchant];
        let with_newcomers = merchant.deposited + merchant.opening_balance * count(&newcomers);
        refuse_if(with_newcomers + amount > MOST, "TooMuchMoney")?;
        self.register(command, newcomers);
        self.deposit(command.merchant, &command.customer, amount);
        self.rows.events += 1;
        Ok(vec![])
    }

    /// Returns true if the customer exists or the command may register it. In the sandbox a
    /// command may register every customer, as long as there is room for the opening
    /// balance.
    pub(crate) fn admit(&self, command: &Command, customer: &str, newcomers: &mut Newcomers) -> Result<bool, String> {
        let merchant = &self.merchants[command.merchant];
        if merchant.customers.contains_key(customer) || newcomers.contains(customer) {
            return Ok(true);
        }
        if command.is_live {
            return Ok(false);
        }
        newcomers.insert(customer.to_owned());
        let all = merchant.deposited + merchant.opening_balance * count(newcomers);
        refuse_if(all > MOST, "TooMuchMoney")?;
        Ok(true)
    }

    /// Returns the id of the milestone that a command names.
    pub(crate) fn milestone_id(&self, pick: Pick) -> Id {
        let id = match pick {
            Pick::At(deal, position) => {
                let milestones = self.deals[deal].milestones.as_ref();
                milestones
                    .and_then(|milestones| milestones.get(position))
                    .map(|milestone| milestone.id)
            }
            Pick::Gone(deal) => self.gone_milestones.get(&deal).copied(),
            Pick::Missing => None,
        };
        id.unwrap_or(MISSING)
    }

    pub(crate) fn register(&mut self, command: &Command, newcomers: Newcomers) {
        for newcomer in newcomers {
            let opening_balance = self.merchants[command.merchant].opening_balance;
            self.merchants[command.merchant]
                .customers
                .insert(newcomer.clone(), Wallet::default());
            self.deposit(command.merchant, &newcomer, opening_balance);
        }
    }

    fn deposit(&mut self, merchant: usize, customer: &str, amount: i64) {
        self.merchants[merchant].deposited += amount;
        self.wallet(merchant, customer).main += amount;
        self.rows.transfers += i64::from(amount > 0);
        self.rows.entries += i64::from(amount > 0);
    }

    pub(crate) fn wallet(&mut self, merchant: usize, customer: &str) -> &mut Wallet {
        let customers = &mut self.merchants[merchant].customers;
        customers.get_mut(customer).expect("only known customers have money")
    }

    /// Returns the deal if it belongs to the merchant of the command.
    pub(crate) fn own(&self, command: &Command, deal: Option<usize>) -> Option<usize> {
        deal.filter(|&place| self.deals[place].merchant == command.merchant && !self.deals[place].is_deleted)
    }

    fn check_milestones(&self, command: &Command, terms: &Terms, newcomers: &mut Newcomers) -> Result<(), String> {
        self.check_category(command, terms.category)?;
        check_terms(terms, true)?;
        Self::check_milestone_list(terms)?;
        terms.check_sum()?;
        self.admit_payees(command, terms, newcomers)
    }

    pub(crate) fn check_milestone_list(terms: &Terms) -> Result<(), String> {
        refuse_if(terms.milestones.len() > MILESTONES_MAX, "Invalid milestones")?;
        for (index, milestone) in terms.milestones.iter().enumerate() {
            let is_whole = milestone.amount > 0 && milestone.amount % 100 == 0;
            refuse_if(!is_whole, &format!("Invalid milestones[{index}].amount"))?;
            refuse_if(milestone.is_overdue, &format!("Invalid milestones[{index}].dueDate"))?;
        }
        refuse_if(terms.milestones.len() < 2, "TooFewMilestones")
    }

    pub(crate) fn admit_payees(
        &self,
        command: &Command,
        terms: &Terms,
        newcomers: &mut Newcomers,
    ) -> Result<(), String> {
        for (index, milestone) in terms.milestones.iter().enumerate() {
            if let Some(payee) = &milestone.payee {
                let is_known = self.admit(command, payee, newcomers)?;
                refuse_if(!is_known, &format!("Invalid milestones[{index}].customerId"))?;
            }
        }
        Ok(())
    }

    pub(crate) fn new_deal(&self, command: &Command, terms: &Terms, has_milestones: bool) -> Result<Deal, String> {
        let (platform_fee, commission, buyer_fee) = self.merchants[command.merchant].fee(terms.amount, terms.who_pays);
        refuse_if(terms.amount + buyer_fee > MOST, "Invalid amount")?;
        let milestone = |milestone: &MilestoneTerms| Milestone {
            id: Id::default(),
            amount: milestone.amount,
            payee: milestone.payee.clone(),
            is_released: false,
        };
        Ok(Deal {
            id: Id::default(),
            token: String::new(),
            merchant: command.merchant,
            seller: command.customer.clone(),
            amount: terms.amount,
            platform_fee,
            commission,
            buyer_fee,
            extra: 0,
            extra_is_refundable: true,
            stock: terms.quantity.filter(|&quantity| !has_milestones && quantity > 1),
            category: terms.category.map(|place| self.categories[place].id),
            delivery_seconds: delivery_seconds(terms, has_milestones),
            moved_at: 0,
            is_deleted: false,
            milestones: has_milestones.then(|| terms.milestones.iter().map(milestone).collect()),
            buyer: None,
            dispute: Dispute::None,
            is_closed: false,
            ending: "",
            held: 0,
        })
    }

    fn offer(&mut self, deal: Deal) -> Vec<usize> {
        self.deals.push(deal);
        self.rows.events += 2;
        vec![self.deals.len() - 1]
    }

    pub(crate) fn fund(
        &mut self,
        command: &Command,
        named: &[Named],
        offered: Option<i64>,
        reference: Option<&str>,
        newcomers: Newcomers,
    ) -> Result<Vec<usize>, String> {
        let merchant = &self.merchants[command.merchant];
        if let Some(first) = reference.and_then(|reference| merchant.references.get(reference)) {
            let is_same = first.customer == command.customer && first.action == without_reference(&command.action);
            refuse_if(!is_same, "DuplicateReference")?;
            return Ok(first.deals.clone());
        }
        let mut places = BTreeSet::new();
        for name in named {
            let place = name.deal.filter(|&place| !self.deals[place].is_deleted);
            let place = place.ok_or("EscrowNotFound")?;
            refuse_if(
                self.deals[place].merchant != command.merchant,
                "EscrowOfAnotherMerchant",
            )?;
            refuse_if(!places.insert(place), "Invalid escrowDetails.escrowId")?;
        }
        // The copy that a link makes is newer than all other deals, so it comes last.
        let is_link = |&place: &usize| self.deals[place].stock.is_some_and(|stock| stock > 0);
        let (links, mut places): (Vec<usize>, Vec<usize>) = places.into_iter().partition(is_link);
        places.extend(links);
        for &place in &places {
            let deal = &self.deals[place];
            refuse_if(deal.buyer.is_some() || deal.stock == Some(0), "EscrowNotPayable")?;
            check_buyer(deal, command)?;
        }
        let due: i128 = places.iter().map(|&place| i128::from(self.deals[place].charge())).sum();
        let due = i64::try_from(due)
            .ok()
            .filter(|&due| due <= MOST)
            .ok_or("TooMuchMoney")?;
        if let Some(offered) = offered {
            refuse_if(offered != due, &format!("AmountMismatch {due} {offered}"))?;
        }
        let wallet = merchant.customers.get(&command.customer);
        let available = wallet.map_or(merchant.opening_balance, |wallet| wallet.main);
        refuse_if(available < due, &format!("InsufficientBalance {due} {available}"))?;

        self.register(command, newcomers);
        let now = self.now(command.merchant);
        let deals = self.take_from_links(&places);
        for &place in &deals {
            let deal = &mut self.deals[place];
            deal.buyer = Some(command.customer.clone());
            deal.held = deal.charge();
            deal.moved_at = now;
            let (charge, fee) = (deal.held, deal.platform_fee + deal.commission + deal.extra);
            let wallet = self.wallet(command.merchant, &command.customer);
            wallet.main -= charge;
            wallet.hold += charge;
            wallet.fees_in_hold += fee;
            self.rows.transfers += 1;
            self.rows.events += 1;
        }
        self.rows.entries += 1;
        self.rows.events += 1;
        if let Some(reference) = reference {
            self.learn_reference(command, reference, &deals, None);
        }
        Ok(deals)
    }

    /// Records the reference of a payment: the client's own or the generated one.
    pub(crate) fn learn_reference(
        &mut self,
        command: &Command,
        reference: &str,
        deals: &[usize],
        intent: Option<usize>,
    ) {
        let used = Use {
            customer: command.customer.clone(),
            action: without_reference(&command.action),
            deals: deals.to_vec(),
            intent,
        };
        let references = &mut self.merchants[command.merchant].references;
        references.entry(reference.to_owned()).or_insert(used);
    }

    /// The buyer pays the whole fee of a milestone escrow, so a milestone's amount is
    /// released in full.
    fn release_milestone(&mut self, place: usize, position: usize) {
        let now = self.now(self.deals[place].merchant);
        let deal = &mut self.deals[place];
        deal.moved_at = now;
        let milestone = &mut deal.milestones.as_mut().expect("it has milestones")[position];
        milestone.is_released = true;
        let amount = milestone.amount;
        let payee = milestone.payee.clone().unwrap_or_else(|| deal.seller.clone());
        let is_last = deal.milestones.iter().flatten().all(|milestone| milestone.is_released);
        self.pay_out(place, &payee, amount);
        if is_last {
            self.close(place, "COMPLETED");
        }
    }

    pub(crate) fn pay_out(&mut self, place: usize, payee: &str, amount: i64) {
        let (merchant, buyer) = self.take_from_hold(place, amount);
        debug_assert_ne!(buyer, payee, "a buyer's own escrow pays the buyer nothing");
        self.wallet(merchant, payee).main += amount;
        self.rows.transfers += i64::from(amount > 0);
        self.rows.entries += i64::from(amount > 0);
        self.rows.events += i64::from(amount > 0);
    }

    /// On a refund the commission goes to the platform.
    pub(crate) fn close(&mut self, place: usize, ending: &'static str) {
        let deal = &mut self.deals[place];
        deal.is_closed = true;
        deal.ending = ending;
        let (platform_fee, commission) = match ending {
            "REFUNDED" => (deal.platform_fee + deal.commission, 0),
            _ => (deal.platform_fee, deal.commission),
        };
        self.settle_extra(place, ending);
        let (merchant, buyer) = self.take_from_hold(place, platform_fee + commission);
        assert_eq!(self.deals[place].held, 0, "a closed deal holds nothing");
        self.wallet(merchant, &buyer).fees_in_hold -= platform_fee + commission;
        self.merchants[merchant].earned += commission;
        self.merchants[merchant].platform_earned += platform_fee;
        self.rows.transfers += i64::from(commission > 0) + i64::from(platform_fee > 0);
        self.rows.entries += i64::from(commission > 0);
        self.rows.events += 1 + i64::from(commission > 0);
    }

    pub(crate) fn take_from_hold(&mut self, place: usize, amount: i64) -> (usize, String) {
        let deal = &mut self.deals[place];
        deal.held -= amount;
        let (merchant, buyer) = (deal.merchant, deal.buyer.clone().expect("a buyer has paid for it"));
        self.wallet(merchant, &buyer).hold -= amount;
        (merchant, buyer)
    }
}

pub(crate) fn check_terms(terms: &Terms, has_milestones: bool) -> Result<(), String> {
    refuse_if(terms.amount < 1, "Invalid amount")?;
    refuse_if(terms.purpose.trim().is_empty(), "Invalid purpose")?;
    refuse_if(has_milestones && terms.who_pays != "buyer", "Invalid whoPays")?;
    refuse_if(
        terms.max_delivery.is_some_and(|units| !(1..=365).contains(&units)),
        "Invalid maxDelivery",
    )?;
    refuse_if(
        terms.quantity.is_some_and(|quantity| quantity < 1),
        "Invalid totalQuantity",
    )
}

/// Returns the payment without its reference.
pub(crate) fn without_reference(action: &Action) -> Action {
    let mut action = action.clone();
    if let Action::Fund { reference, .. } | Action::Intent(intents::Step::Request { reference, .. }) = &mut action {
        *reference = None;
    }
    action
}

/// Refuses the seller of a deal, and a customer whom one of its milestones pays, as its buyer.
pub(crate) fn check_buyer(deal: &Deal, command: &Command) -> Result<(), String> {
    refuse_if(deal.seller == command.customer, "BuyerIsSeller")?;
    let pays_the_buyer = |milestone: &Milestone| milestone.payee.as_ref() == Some(&command.customer);
    refuse_if(
        deal.milestones.iter().flatten().any(pays_the_buyer),
        "BuyerIsBeneficiary",
    )
}

pub(crate) fn refuse_if(is_broken: bool, rule: &str) -> Result<(), String> {
    if is_broken { Err(rule.to_owned()) } else { Ok(()) }
}

fn count(newcomers: &Newcomers) -> i64 {
    i64::try_from(newcomers.len()).unwrap()
}
