//! The reference: what the ledger must hold and what it must answer, written a
//! second time in plain numbers and maps from the rules in the contract and the
//! design. It must not call the code it checks; it knows ids as numbers and names
//! as text, and refusals by their names.

use std::collections::{BTreeMap, BTreeSet};

use crate::disputes::{Dispute, Ruling};

/// 2^53-1: the most that a merchant's accounts may hold together.
pub(crate) const MOST: i64 = 9_007_199_254_740_991;
/// Milestones in one escrow at most.
pub(crate) const PARTS_MAX: usize = 20;

pub(crate) type Id = (i64, i64);

/// One command: who asks for what. Deals are named by their place in the
/// reference; `None` names one that does not exist.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    pub(crate) merchant: usize,
    pub(crate) customer: String,
    /// As in live mode, where nobody is registered by asking.
    pub(crate) is_live: bool,
    pub(crate) wish: Wish,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    OfferMilestones(Draft),
    OfferStandard(Draft),
    Edit {
        deal: Option<usize>,
        draft: Draft,
    },
    Fund {
        deals: Vec<Named>,
        offered: Option<i64>,
        reference: Option<String>,
    },
    ConfirmMilestone {
        deal: Option<usize>,
        milestone: Id,
    },
    ConfirmPayment {
        deal: Option<usize>,
    },
    SetFee {
        deal: Option<usize>,
        amount: i64,
        comes_back: Option<bool>,
    },
    Delete {
        deal: Option<usize>,
    },
    Dispute {
        deal: Option<usize>,
    },
    Resolve {
        deal: Option<usize>,
        ruling: Ruling,
    },
    TopUp {
        amount: i64,
    },
    SeeWallet,
}

/// A deal as a buyer names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) deal: Option<usize>,
    pub(crate) by_token: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Draft {
    pub(crate) amount: i64,
    pub(crate) purpose: &'static str,
    pub(crate) who_pays: &'static str,
    pub(crate) max_delivery: Option<i64>,
    pub(crate) quantity: Option<i64>,
    pub(crate) parts: Vec<PartDraft>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PartDraft {
    pub(crate) amount: i64,
    pub(crate) payee: Option<String>,
    pub(crate) is_overdue: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Reference {
    pub(crate) merchants: Vec<Merchant>,
    pub(crate) deals: Vec<Deal>,
    /// By deal, a milestone that an edit did away with.
    pub(crate) gone_milestones: BTreeMap<usize, Id>,
    /// Rows there must be of transfers, events and entries of histories.
    pub(crate) rows: Rows,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rows {
    pub(crate) transfers: i64,
    pub(crate) events: i64,
    pub(crate) entries: i64,
}

#[derive(Debug, Default)]
pub(crate) struct Merchant {
    pub(crate) platform_bps: i64,
    pub(crate) commission_bps: i64,
    pub(crate) opening_balance: i64,
    pub(crate) customers: BTreeMap<String, Purse>,
    pub(crate) earned: i64,
    pub(crate) platform_earned: i64,
    pub(crate) came_in: i64,
    pub(crate) references: BTreeMap<String, Use>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Purse {
    pub(crate) main: i64,
    pub(crate) hold: i64,
    /// The part of the hold that is for fees.
    pub(crate) fees_in_hold: i64,
}

/// What a reference was used for.
#[derive(Clone, Debug)]
pub(crate) struct Use {
    pub(crate) customer: String,
    pub(crate) wish: Wish,
    pub(crate) deals: Vec<usize>,
}

#[derive(Clone, Debug)]
pub(crate) struct Deal {
    pub(crate) id: Id,
    pub(crate) token: String,
    pub(crate) merchant: usize,
    pub(crate) seller: String,
    pub(crate) amount: i64,
    pub(crate) platform_fee: i64,
    pub(crate) commission: i64,
    pub(crate) buyer_fee: i64,
    /// What the merchant adds, and whether it comes back when the deal fails.
    pub(crate) extra: i64,
    pub(crate) extra_comes_back: bool,
    /// Of a link, how many buyers it is still open to.
    pub(crate) stock: Option<i64>,
    pub(crate) is_deleted: bool,
    /// `None` for a standard escrow.
    pub(crate) parts: Option<Vec<Part>>,
    pub(crate) buyer: Option<String>,
    pub(crate) dispute: Dispute,
    pub(crate) is_closed: bool,
    /// The status it closed with.
    pub(crate) ending: &'static str,
    /// What is left of the buyer's payment.
    pub(crate) held: i64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) id: Id,
    pub(crate) amount: i64,
    pub(crate) payee: Option<String>,
    pub(crate) is_released: bool,
}

impl Deal {
    pub(crate) const fn charge(&self) -> i64 {
        self.amount + self.buyer_fee + self.extra
    }
}

impl Merchant {
    /// Platform fee, commission and the buyer's part of both; each rounded half up.
    fn fee(&self, amount: i64, who_pays: &str) -> (i64, i64, i64) {
        let share = |bps: i64| {
            let exact = i128::from(amount) * i128::from(bps);
            let rounds_up = exact % 10_000 >= 5_000;
            i64::try_from(exact / 10_000).unwrap() + i64::from(rounds_up)
        };
        let (platform, commission) = (share(self.platform_bps), share(self.commission_bps));
        let fee = platform + commission;
        let buyer_fee = match who_pays {
            "buyer" => fee,
            "both" => fee - fee / 2,
            _ => 0,
        };
        (platform, commission, buyer_fee)
    }
}

/// The newcomers that a command registers, if it succeeds.
type Newcomers = BTreeSet<String>;

impl Reference {
    /// Does what the order says and answers the deals it made or changed, or the
    /// name of the refusal, which changes nothing. Ids of what is new are
    /// learned afterwards.
    pub(crate) fn execute(&mut self, order: &Order) -> Result<Vec<usize>, String> {
        let mut newcomers = Newcomers::new();
        if let Wish::TopUp { .. } = order.wish
            && order.is_live
        {
            return Err("SandboxOnly".into());
        }
        if let Wish::Resolve { deal, ruling } = order.wish {
            return self.resolve(order, deal, ruling);
        }
        if let Wish::SetFee {
            deal,
            amount,
            comes_back,
        } = order.wish
        {
            return self.set_fee(order, deal, amount, comes_back);
        }
        if !self.admit(order, &order.customer, &mut newcomers)? {
            let has_them = |merchant: &Merchant| merchant.customers.contains_key(&order.customer);
            refuse_if(self.merchants.iter().any(has_them), "CustomerOfAnotherMerchant")?;
            return Err("CustomerNotFound".into());
        }
        match &order.wish {
            Wish::OfferMilestones(draft) => {
                self.check_milestones(order, draft, &mut newcomers)?;
                let deal = self.drafted(order, draft, true)?;
                self.register(order, newcomers);
                Ok(self.offer(deal))
            }
            Wish::OfferStandard(draft) => {
                check_terms(draft, false)?;
                let deal = self.drafted(order, draft, false)?;
                self.register(order, newcomers);
                Ok(self.offer(deal))
            }
            Wish::Edit { deal, draft } => {
                self.check_milestones(order, draft, &mut newcomers)?;
                let place = self.own(order, *deal).ok_or("EscrowNotFound")?;
                let old = &self.deals[place];
                refuse_if(old.seller != order.customer, "AccessDenied")?;
                refuse_if(old.parts.is_none(), "NotAMilestoneEscrow")?;
                refuse_if(old.buyer.is_some(), "ActionNotAllowed")?;
                let new = Deal {
                    id: old.id,
                    token: old.token.clone(),
                    ..self.drafted(order, draft, true)?
                };
                let gone = old.parts.iter().flatten().next().map(|part| (place, part.id));
                self.gone_milestones.extend(gone);
                self.deals[place] = new;
                self.register(order, newcomers);
                Ok(vec![place])
            }
            Wish::Fund {
                deals,
                offered,
                reference,
            } => self.fund(order, deals, *offered, reference.as_deref(), newcomers),
            Wish::ConfirmMilestone { deal, milestone } => {
                let place = self.own(order, *deal).ok_or("EscrowNotFound")?;
                let deal = &self.deals[place];
                let buyer = deal.buyer.as_ref().ok_or("EscrowNotFunded")?;
                refuse_if(*buyer != order.customer, "AccessDenied")?;
                let is_meant = |part: &Part| part.id == *milestone;
                let position = deal.parts.iter().flatten().position(is_meant);
                let position = position.ok_or("MilestoneNotFound")?;
                let parts = deal.parts.as_ref().unwrap();
                refuse_if(parts[position].is_released, "MilestoneAlreadyReleased")?;
                refuse_if(deal.is_closed || deal.dispute != Dispute::None, "ActionNotAllowed")?;
                self.release_part(place, position);
                Ok(vec![place])
            }
            Wish::ConfirmPayment { deal } => {
                let place = self.own(order, *deal).ok_or("EscrowNotFound")?;
                let deal = &self.deals[place];
                let buyer = deal.buyer.as_ref().ok_or("ActionNotAllowed")?;
                refuse_if(*buyer != order.customer, "AccessDenied")?;
                let is_over = deal.is_closed || deal.dispute != Dispute::None;
                refuse_if(deal.parts.is_some() || is_over, "ActionNotAllowed")?;
                let seller_fee = deal.platform_fee + deal.commission - deal.buyer_fee;
                let (payee, net) = (deal.seller.clone(), deal.amount - seller_fee);
                self.pay_out(place, &payee, net);
                self.close(place, "COMPLETED");
                Ok(vec![place])
            }
            Wish::Delete { deal } => self.delete(order, *deal),
            Wish::Dispute { deal } => self.dispute(order, *deal),
            Wish::Resolve { .. } | Wish::SetFee { .. } => unreachable!("they are the merchant's own"),
            Wish::TopUp { amount } => self.top_up(order, *amount, newcomers),
            Wish::SeeWallet => {
                self.register(order, newcomers);
                Ok(vec![])
            }
        }
    }

    fn top_up(&mut self, order: &Order, amount: i64, newcomers: Newcomers) -> Result<Vec<usize>, String> {
        refuse_if(!(100_000..=10_000_000).contains(&amount), "Invalid amount")?;
        let merchant = &self.merchants[order.merchant];
        let with_newcomers = merchant.came_in + merchant.opening_balance * count(&newcomers);
        refuse_if(with_newcomers + amount > MOST, "TooMuchMoney")?;
        self.register(order, newcomers);
        self.come_in(order.merchant, &order.customer, amount);
        self.rows.events += 1;
        Ok(vec![])
    }

    /// Whether the customer is known or may become so. In the sandbox everyone
    /// may, as long as there is room for their opening balance.
    fn admit(&self, order: &Order, customer: &str, newcomers: &mut Newcomers) -> Result<bool, String> {
        let merchant = &self.merchants[order.merchant];
        if merchant.customers.contains_key(customer) || newcomers.contains(customer) {
            return Ok(true);
        }
        if order.is_live {
            return Ok(false);
        }
        newcomers.insert(customer.to_owned());
        let all = merchant.came_in + merchant.opening_balance * count(newcomers);
        refuse_if(all > MOST, "TooMuchMoney")?;
        Ok(true)
    }

    fn register(&mut self, order: &Order, newcomers: Newcomers) {
        for newcomer in newcomers {
            let opening_balance = self.merchants[order.merchant].opening_balance;
            self.merchants[order.merchant]
                .customers
                .insert(newcomer.clone(), Purse::default());
            self.come_in(order.merchant, &newcomer, opening_balance);
        }
    }

    fn come_in(&mut self, merchant: usize, customer: &str, amount: i64) {
        self.merchants[merchant].came_in += amount;
        self.purse(merchant, customer).main += amount;
        self.rows.transfers += i64::from(amount > 0);
        self.rows.entries += i64::from(amount > 0);
    }

    pub(crate) fn purse(&mut self, merchant: usize, customer: &str) -> &mut Purse {
        let customers = &mut self.merchants[merchant].customers;
        customers.get_mut(customer).expect("only known customers have money")
    }

    /// The deal, if it is one of the merchant's own.
    pub(crate) fn own(&self, order: &Order, deal: Option<usize>) -> Option<usize> {
        deal.filter(|&place| self.deals[place].merchant == order.merchant && !self.deals[place].is_deleted)
    }

    fn check_milestones(&self, order: &Order, draft: &Draft, newcomers: &mut Newcomers) -> Result<(), String> {
        check_terms(draft, true)?;
        refuse_if(draft.parts.len() > PARTS_MAX, "Invalid milestones")?;
        for (index, part) in draft.parts.iter().enumerate() {
            let is_whole = part.amount > 0 && part.amount % 100 == 0;
            refuse_if(!is_whole, &format!("Invalid milestones[{index}].amount"))?;
            refuse_if(part.is_overdue, &format!("Invalid milestones[{index}].dueDate"))?;
        }
        refuse_if(draft.parts.len() < 2, "TooFewMilestones")?;
        let sum: i128 = draft.parts.iter().map(|part| i128::from(part.amount)).sum();
        refuse_if(sum != i128::from(draft.amount), "MilestonesDoNotAddUp")?;
        for (index, part) in draft.parts.iter().enumerate() {
            if let Some(payee) = &part.payee {
                let is_known = self.admit(order, payee, newcomers)?;
                refuse_if(!is_known, &format!("Invalid milestones[{index}].customerId"))?;
            }
        }
        Ok(())
    }

    fn drafted(&self, order: &Order, draft: &Draft, has_parts: bool) -> Result<Deal, String> {
        let (platform_fee, commission, buyer_fee) = self.merchants[order.merchant].fee(draft.amount, draft.who_pays);
        refuse_if(draft.amount + buyer_fee > MOST, "Invalid amount")?;
        let part = |part: &PartDraft| Part {
            id: Id::default(),
            amount: part.amount,
            payee: part.payee.clone(),
            is_released: false,
        };
        Ok(Deal {
            id: Id::default(),
            token: String::new(),
            merchant: order.merchant,
            seller: order.customer.clone(),
            amount: draft.amount,
            platform_fee,
            commission,
            buyer_fee,
            extra: 0,
            extra_comes_back: true,
            stock: draft.quantity.filter(|&quantity| !has_parts && quantity > 1),
            is_deleted: false,
            parts: has_parts.then(|| draft.parts.iter().map(part).collect()),
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

    fn fund(
        &mut self,
        order: &Order,
        named: &[Named],
        offered: Option<i64>,
        reference: Option<&str>,
        newcomers: Newcomers,
    ) -> Result<Vec<usize>, String> {
        let merchant = &self.merchants[order.merchant];
        if let Some(first) = reference.and_then(|reference| merchant.references.get(reference)) {
            let is_same = first.customer == order.customer && first.wish == nameless(&order.wish);
            refuse_if(!is_same, "DuplicateReference")?;
            return Ok(first.deals.clone());
        }
        let mut places = BTreeSet::new();
        for name in named {
            let place = name.deal.filter(|&place| !self.deals[place].is_deleted);
            let place = place.ok_or("EscrowNotFound")?;
            refuse_if(self.deals[place].merchant != order.merchant, "EscrowOfAnotherMerchant")?;
            refuse_if(!places.insert(place), "Invalid escrowDetails.escrowId")?;
        }
        // What a link becomes is newer than all the rest, and so it comes last.
        let is_link = |&place: &usize| self.deals[place].stock.is_some_and(|stock| stock > 0);
        let (links, mut places): (Vec<usize>, Vec<usize>) = places.into_iter().partition(is_link);
        places.extend(links);
        for &place in &places {
            let deal = &self.deals[place];
            refuse_if(deal.buyer.is_some() || deal.stock == Some(0), "EscrowNotPayable")?;
            refuse_if(deal.seller == order.customer, "BuyerIsSeller")?;
            let pays_the_buyer = |part: &Part| part.payee.as_ref() == Some(&order.customer);
            refuse_if(deal.parts.iter().flatten().any(pays_the_buyer), "BuyerIsBeneficiary")?;
        }
        let due: i128 = places.iter().map(|&place| i128::from(self.deals[place].charge())).sum();
        let due = i64::try_from(due)
            .ok()
            .filter(|&due| due <= MOST)
            .ok_or("TooMuchMoney")?;
        if let Some(offered) = offered {
            refuse_if(offered != due, &format!("AmountMismatch {due} {offered}"))?;
        }
        let purse = merchant.customers.get(&order.customer);
        let available = purse.map_or(merchant.opening_balance, |purse| purse.main);
        refuse_if(available < due, &format!("InsufficientBalance {due} {available}"))?;

        self.register(order, newcomers);
        let deals = self.take_from_links(&places);
        for &place in &deals {
            let deal = &mut self.deals[place];
            deal.buyer = Some(order.customer.clone());
            deal.held = deal.charge();
            let (charge, fee) = (deal.held, deal.platform_fee + deal.commission + deal.extra);
            let purse = self.purse(order.merchant, &order.customer);
            purse.main -= charge;
            purse.hold += charge;
            purse.fees_in_hold += fee;
            self.rows.transfers += 1;
            self.rows.events += 1;
        }
        self.rows.entries += 1;
        self.rows.events += 1;
        if let Some(reference) = reference {
            self.learn_reference(order, reference, &deals);
        }
        Ok(deals)
    }

    /// The reference a payment went by: what the client chose, or what it was given.
    pub(crate) fn learn_reference(&mut self, order: &Order, reference: &str, deals: &[usize]) {
        let used = Use {
            customer: order.customer.clone(),
            wish: nameless(&order.wish),
            deals: deals.to_vec(),
        };
        let references = &mut self.merchants[order.merchant].references;
        references.entry(reference.to_owned()).or_insert(used);
    }

    /// A milestone's fee is all on its buyer, so its amount is released whole.
    fn release_part(&mut self, place: usize, position: usize) {
        let deal = &mut self.deals[place];
        let part = &mut deal.parts.as_mut().expect("it has milestones")[position];
        part.is_released = true;
        let amount = part.amount;
        let payee = part.payee.clone().unwrap_or_else(|| deal.seller.clone());
        let is_last = deal.parts.iter().flatten().all(|part| part.is_released);
        self.pay_out(place, &payee, amount);
        if is_last {
            self.close(place, "COMPLETED");
        }
    }

    pub(crate) fn pay_out(&mut self, place: usize, payee: &str, amount: i64) {
        let (merchant, buyer) = self.take_from_hold(place, amount);
        debug_assert_ne!(buyer, payee, "nobody is paid by their own escrow");
        self.purse(merchant, payee).main += amount;
        self.rows.transfers += i64::from(amount > 0);
        self.rows.entries += i64::from(amount > 0);
        self.rows.events += i64::from(amount > 0);
    }

    /// On a refund the commission is the platform's.
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
        self.purse(merchant, &buyer).fees_in_hold -= platform_fee + commission;
        self.merchants[merchant].earned += commission;
        self.merchants[merchant].platform_earned += platform_fee;
        self.rows.transfers += i64::from(commission > 0) + i64::from(platform_fee > 0);
        self.rows.entries += i64::from(commission > 0);
        self.rows.events += 1 + i64::from(commission > 0);
    }

    pub(crate) fn take_from_hold(&mut self, place: usize, amount: i64) -> (usize, String) {
        let deal = &mut self.deals[place];
        deal.held -= amount;
        let (merchant, buyer) = (deal.merchant, deal.buyer.clone().expect("it was paid for"));
        self.purse(merchant, &buyer).hold -= amount;
        (merchant, buyer)
    }
}

fn check_terms(draft: &Draft, has_parts: bool) -> Result<(), String> {
    refuse_if(draft.amount < 1, "Invalid amount")?;
    refuse_if(draft.purpose.trim().is_empty(), "Invalid purpose")?;
    refuse_if(has_parts && draft.who_pays != "buyer", "Invalid whoPays")?;
    refuse_if(
        draft.max_delivery.is_some_and(|units| !(1..=365).contains(&units)),
        "Invalid maxDelivery",
    )?;
    refuse_if(
        draft.quantity.is_some_and(|quantity| quantity < 1),
        "Invalid totalQuantity",
    )
}

/// What a payment asks for, whatever it is called.
fn nameless(wish: &Wish) -> Wish {
    let mut wish = wish.clone();
    if let Wish::Fund { reference, .. } = &mut wish {
        *reference = None;
    }
    wish
}

pub(crate) fn refuse_if(is_broken: bool, rule: &str) -> Result<(), String> {
    if is_broken { Err(rule.to_owned()) } else { Ok(()) }
}

fn count(newcomers: &Newcomers) -> i64 {
    i64::try_from(newcomers.len()).unwrap()
}
