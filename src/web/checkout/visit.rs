//! A request for a checkout page: its session, the deal, and who pays.

use actix_web::HttpRequest;
use actix_web::web::Data;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::domain::escrow::Escrow;
use crate::domain::escrow::deal::Deal;
use crate::domain::ids::{CustomerId, EscrowKey, MerchantId, Reference};
use crate::domain::mode::Mode;
use crate::domain::money::Amount;
use crate::domain::page::PageRequest;
use crate::domain::payments::history::HistoryFilter;
use crate::domain::payments::payment::Payment;
use crate::domain::transaction::{DepositAccount, TransactionType};
use crate::domain::treasury::receipt::{Receipt, ReceiptStatus};
use crate::http::{
    ApiError, AppState, CallReply, CheckoutDoor, Door, PlayMoney, RealMoney, Session, client_of, on_behalf_of,
};
use crate::store::{self, Snapshot};
use crate::web::api::data_of;
use crate::web::checkout::framing::Framing;
use crate::web::layout::{Page, Refused};
use crate::web::paying::{self, THE_SHOP};
use crate::web::text;

/// The newest payments of a customer among which a checkout looks for money that came.
const CAME_MAX: u32 = 20;

/// The facts in the address of a page beside its session.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Shown {
    /// The origin of the page that frames this one, as the script knows it.
    #[serde(default)]
    pub(super) from: String,
    /// The customer who pays, if the session does not say.
    #[serde(default)]
    pub(super) customer: String,
    /// The payment whose receipt to show, signed for the session that has made it.
    #[serde(default)]
    pub(super) paid: String,
}

/// A request with a valid session.
#[derive(Debug)]
pub(super) struct Visit {
    pub(super) state: Data<AppState>,
    pub(super) session: Session,
    /// The session as it stands in the address.
    text: String,
    merchant: MerchantId,
    /// The way to the routes, if it is known who pays.
    pub(super) door: Option<CheckoutDoor>,
    pub(super) framing: Framing,
    shown: Shown,
}

/// The deal of a session, as it is now.
#[derive(Debug)]
pub(super) struct Found {
    /// The offer or link that the session names. `None` if the seller has deleted it.
    pub(super) offered: Option<Escrow>,
    /// The escrow that this payer has paid for.
    pub(super) paid: Option<Escrow>,
    /// The bank transfer that was announced for this session, or else by the same payer for the
    /// same deal and amount: a second one would not be paid too.
    pub(super) transfer: Option<Payment>,
    /// The name of the seller. Empty if there is neither an offer nor an escrow that was paid for.
    pub(super) seller: String,
    /// The name of a live merchant without a bank account that customers pay to.
    pub(super) without_transfers: Option<String>,
    /// The other amounts that came with the reference of that transfer, and are in the wallet.
    pub(super) came: Vec<Amount>,
    /// The live payer is blocked, or may not buy: money that comes would pay for nothing.
    pub(super) is_payer_stopped: bool,
}

/// The state of a session's offer for a payer who has not paid for it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Standing<'f> {
    /// It can be paid for.
    Open(&'f Escrow),
    /// It can be paid for, and the shop has stopped this live payer from buying.
    PayerStopped,
    /// Another buyer has paid for it.
    Paid,
    /// It was open to several buyers, who have paid for all of it. This payer may be one of them.
    SoldOut,
    /// The seller has deleted it. It may have been open to several buyers, as above.
    Deleted,
}

impl Found {
    /// Returns what the offer is for a payer who has not paid for it.
    pub(super) fn standing(&self) -> Standing<'_> {
        match &self.offered {
            None => Standing::Deleted,
            Some(escrow) if escrow.check_open_to_buyers().is_ok() => {
                if self.is_payer_stopped {
                    Standing::PayerStopped
                } else {
                    Standing::Open(escrow)
                }
            }
            Some(escrow) if escrow.is_link => Standing::SoldOut,
            Some(_) => Standing::Paid,
        }
    }
}

impl Visit {
    /// Reads the session of a request.
    ///
    /// # Errors
    ///
    /// Refuses a session that has ended or was changed, and the session of a merchant that is
    /// gone.
    pub(super) async fn of(
        request: &HttpRequest,
        state: Data<AppState>,
        door: Door,
        text: &str,
        shown: Shown,
    ) -> Result<Self, Refused> {
        let session = state.checkout_sessions.read(text, state.store.ledger_time());
        let session = session.ok_or_else(ended)?;
        let key = session.merchant.clone();
        let found = state
            .store
            .read(move |snapshot| snapshot.merchant_of_publishable_key(&key));
        let merchant = found.await.map_err(refused)?.ok_or_else(ended)?;
        let on_behalf = on_behalf_of(&state, &session.merchant, merchant, client_of(request));
        let on_behalf = on_behalf.await.map_err(refused)?;
        let mode = state.policy.load().mode;
        let asked = || CustomerId::parse(shown.customer.trim()).filter(|_| mode == Mode::Sandbox);
        let customer = session.customer.clone().or_else(asked);
        let door = customer.map(|customer| CheckoutDoor::new(door, on_behalf, &session, customer, mode));
        Ok(Self {
            framing: Framing::of(request, &shown.from),
            state,
            session,
            text: text.to_owned(),
            merchant,
            door,
            shown,
        })
    }

    /// Returns the customer who pays, if that is known.
    pub(super) fn customer(&self) -> Option<&CustomerId> {
        self.door.as_ref().map(CheckoutDoor::customer)
    }

    /// Returns what was typed as the customer who pays.
    pub(super) fn typed_customer(&self) -> &str {
        self.shown.customer.trim()
    }

    /// Returns the way to the routes.
    ///
    /// # Errors
    ///
    /// Refuses a form that does not say who pays.
    pub(super) fn payer(&self) -> Result<&CheckoutDoor, Refused> {
        let missing = || {
            let message = "Say first who pays: 1 to 128 visible characters without spaces.";
            Refused::new(400, page("Who are you?"), message).bare()
        };
        self.door.as_ref().ok_or_else(missing)
    }

    /// Returns what the payer's play money can do.
    ///
    /// # Errors
    ///
    /// Refuses a form that does not say who pays, and every form in live mode.
    pub(super) fn play_money(&self) -> Result<PlayMoney<'_>, Refused> {
        let live = || {
            let message = "With real money a checkout takes bank transfers only. Nothing was paid.";
            Refused::new(403, page("Not in live mode"), message).bare()
        };
        self.payer()?.play_money().ok_or_else(live)
    }

    /// Returns what real money can do.
    ///
    /// # Errors
    ///
    /// Refuses every form in a sandbox.
    pub(super) fn real_money(&self) -> Result<RealMoney<'_>, Refused> {
        let sandbox = || {
            let message = "In a sandbox a checkout takes play money only. Nothing was announced.";
            Refused::new(403, page("Not in a sandbox"), message).bare()
        };
        self.payer()?.real_money().ok_or_else(sandbox)
    }

    /// Returns the currency of every amount.
    pub(super) fn currency(&self) -> String {
        self.state.policy.load().currency.to_string()
    }

    /// Returns true in a sandbox where a new name is a new customer: one that is not strict.
    pub(super) fn registers_unknown(&self) -> bool {
        let policy = self.state.policy.load();
        policy.mode == Mode::Sandbox && !policy.is_strict
    }

    pub(super) fn mode(&self) -> Mode {
        self.state.policy.load().mode
    }

    /// Returns the fields that every form repeats: their names and values.
    pub(super) fn kept(&self) -> [(&'static str, &str); 2] {
        let from = self.framing.origin().unwrap_or_default();
        [("from", from), ("customer", self.shown.customer.as_str())]
    }

    /// Returns the address of a page of this session.
    pub(super) fn path(&self, below: &str) -> String {
        format!("/checkout/{}{below}", self.text)
    }

    /// Returns the address of the page after a form, with the payment that was made.
    pub(super) fn back(&self, payment: Option<&str>) -> String {
        let sign = |payment| self.state.checkout_sessions.sign_payment(&self.text, payment);
        let paid = payment.map(sign).unwrap_or_default();
        let fields = self.kept().into_iter().chain([("paid", paid.as_str())]);
        let fields = fields.filter(|(_, value)| !value.is_empty());
        let query: Vec<String> = fields
            .map(|(name, value)| format!("{name}={}", text::segment(value)))
            .collect();
        format!("{}?{}", self.path(""), query.join("&"))
    }

    /// Reads the deal of the session, what this payer has paid of it, and the transfer that is
    /// expected or has come for it. A transfer is found also if the deal is gone.
    ///
    /// # Errors
    ///
    /// Says why the read failed.
    pub(super) async fn find(&self) -> Result<Found, Refused> {
        let (merchant, key) = (self.merchant, EscrowKey::Token(self.session.token.clone()));
        let payment = self.state.checkout_sessions.read_payment(&self.text, &self.shown.paid);
        let reference = self.session.transfer.clone();
        let payer = self.customer().cloned();
        let policy = self.state.policy.load_full();
        let read = self.state.store.read_long(merchant, move |snapshot| {
            let offered = match snapshot.deal(merchant, &key)? {
                Some(Deal::Escrow(escrow)) => Some(escrow),
                Some(Deal::Vault(_)) | None => None,
            };
            let of_payment = paying::bought_by(snapshot, merchant, payment, payer.as_ref())?;
            let is_own = |escrow: &&Escrow| paying::is_bought_by(escrow, merchant, payer.as_ref());
            let paid = of_payment.or_else(|| offered.as_ref().filter(is_own).cloned());
            let account = policy.known_deposit_account(snapshot, merchant)?;
            let transfer = match (&reference, &payer) {
                (Some(reference), Some(payer)) => {
                    let offer = offered.as_ref().zip(account.as_ref());
                    transfer_of(snapshot, merchant, reference, payer, offer)?
                }
                _ => None,
            };
            let seller = match offered.as_ref().or(paid.as_ref()) {
                Some(escrow) => paying::seller_of(snapshot, escrow)?,
                None => String::new(),
            };
            let came = match &transfer {
                Some(transfer) => others_that_came(snapshot, merchant, transfer)?,
                None => Vec::new(),
            };
            let is_payer_stopped = match &payer {
                Some(payer) if policy.mode == Mode::Live => is_stopped(snapshot, merchant, payer)?,
                _ => false,
            };
            let takes_transfers = policy.mode == Mode::Sandbox || account.is_some();
            let without_transfers = if takes_transfers {
                None
            } else {
                Some(snapshot.merchant_name(merchant)?.unwrap_or_else(|| THE_SHOP.to_owned()))
            };
            Ok(Found {
                offered,
                paid,
                transfer,
                seller,
                without_transfers,
                came,
                is_payer_stopped,
            })
        });
        read.await.map_err(refused)
    }
}

/// Returns true for a customer who is blocked, or may not buy.
fn is_stopped(snapshot: &Snapshot<'_>, merchant: MerchantId, customer: &CustomerId) -> Result<bool, store::Error> {
    let access = snapshot.customer_access(merchant, customer)?;
    Ok(access.is_some_and(|access| access.check_active_buyer().is_err()))
}

/// Returns the payer's transfer with the reference of the session, or else the one that another
/// session of the payer has announced for the same deal, terms and amount to the same bank account.
fn transfer_of(
    snapshot: &Snapshot<'_>,
    merchant: MerchantId,
    reference: &Reference,
    payer: &CustomerId,
    offer: Option<(&Escrow, &DepositAccount)>,
) -> Result<Option<Payment>, store::Error> {
    let own = snapshot.deposit_with_reference(merchant, reference)?;
    let found = match (own, offer) {
        (None, Some((escrow, account))) => {
            snapshot.pending_transfer(merchant, payer, escrow, escrow.charge(), account)?
        }
        (own, _) => own,
    };
    Ok(found.filter(|transfer| transfer.transaction.owner.customer() == Some(payer)))
}

/// Returns the amounts that came with the reference of a transfer and did not settle it: other
/// amounts, or the same after it was given up. Looks at the newest payments of the customer.
fn others_that_came(
    snapshot: &Snapshot<'_>,
    merchant: MerchantId,
    transfer: &Payment,
) -> Result<Vec<Amount>, store::Error> {
    let newest = PageRequest::numbered(1, CAME_MAX);
    let owner = &transfer.transaction.owner;
    let history = snapshot.history(merchant, owner, &HistoryFilter::default(), newest)?;
    let mut came = Vec::new();
    for payment in history.rows {
        if payment.transaction.transaction_type != TransactionType::Deposit {
            continue;
        }
        let receipt = snapshot.receipt_of_deposit(payment.transaction.id)?;
        let is_other = |receipt: &Receipt| {
            receipt.status == ReceiptStatus::Credited
                && receipt.expected == Some(transfer.transaction.id)
                && receipt.deposit != receipt.expected
        };
        came.extend(receipt.filter(is_other).map(|receipt| receipt.amount));
    }
    Ok(came)
}

/// Returns the `data` of a reply.
///
/// # Errors
///
/// Returns the refusal of the route as a page.
pub(super) fn data<T: DeserializeOwned>(reply: Result<CallReply, ApiError>) -> Result<T, Refused> {
    data_of(&reply.map_err(refused)?).map_err(Refused::bare)
}

/// Returns the page of a failure.
pub(super) fn refused(error: impl Into<ApiError>) -> Refused {
    Refused::from(error.into()).bare()
}

/// Returns the frame of a checkout page.
pub(super) fn page(title: &str) -> Page {
    Page::new(title).narrow().bare()
}

fn ended() -> Refused {
    let message = "A checkout is open for an hour at most. What you have paid or transferred still counts, and the shop \
                   shows what became of it. If you have not paid, go back to the shop and begin again.";
    Refused::new(403, page("This checkout has ended"), message).bare()
}
