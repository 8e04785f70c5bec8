//! Categories in the reference, in the command generator and in the service under test. The
//! reference keeps each owner's categories as a list in their order.

use std::collections::BTreeSet;

use escrowd::commands::{Error, Policy, categories};
use escrowd::domain::escrow::category::CategoryRequest;
use escrowd::domain::ids::CategoryId;
use escrowd::domain::party::{Actor, Party};

use crate::generator::Random;
use crate::reference::{Action, Command, Id, MISSING, Reference, refuse_if};
use crate::requests::customer;
use crate::service::{Reply, Service};

/// The most categories of one owner.
pub(crate) const CATEGORIES_MAX: usize = 4;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CategoryCommand {
    /// True if the merchant sends it, in its own name.
    pub(crate) by_merchant: bool,
    pub(crate) step: Step,
}

/// A category is an index into the reference's categories. `None` is one that does not exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Create {
        name: &'static str,
        position: Option<i64>,
    },
    Edit {
        category: Option<usize>,
        name: Option<&'static str>,
        position: Option<i64>,
    },
    Move {
        category: Option<usize>,
        position: i64,
    },
    Delete {
        category: Option<usize>,
    },
}

/// The owner of categories: a merchant and a customer of it. Without a customer, the merchant
/// itself.
pub(crate) type Owner = (usize, Option<String>);

#[derive(Clone, Debug)]
pub(crate) struct Category {
    pub(crate) id: Id,
    owner: Owner,
    name: &'static str,
    is_deleted: bool,
}

impl Category {
    /// Returns a category that takes a place and does not exist.
    pub(crate) const fn missing() -> Self {
        Self {
            id: MISSING,
            owner: (0, None),
            name: "",
            is_deleted: true,
        }
    }
}

impl CategoryCommand {
    fn owner(&self, command: &Command) -> Owner {
        let customer = (!self.by_merchant).then(|| command.customer.clone());
        (command.merchant, customer)
    }
}

impl Reference {
    /// Runs a command of a customer or of the merchant.
    pub(crate) fn category(
        &mut self,
        command: &Command,
        of_category: &CategoryCommand,
        newcomers: BTreeSet<String>,
    ) -> Result<(), String> {
        let owner = of_category.owner(command);
        match of_category.step {
            Step::Create { name, position } => {
                check_fields(Some(name), position)?;
                let count = self.category_orders.get(&owner).map_or(0, Vec::len);
                let is_full = format!("TooManyCategories {{ max: {CATEGORIES_MAX} }}");
                refuse_if(count >= CATEGORIES_MAX, &is_full)?;
                self.register(command, newcomers);
                let place = self.categories.len();
                self.categories.push(Category {
                    id: Id::default(),
                    owner: owner.clone(),
                    name,
                    is_deleted: false,
                });
                put_at(self.category_orders.entry(owner).or_default(), place, position);
            }
            Step::Edit {
                category,
                name,
                position,
            } => {
                let place = self.category_of_merchant(command, category)?;
                check_fields(name, position)?;
                self.check_category_owner(place, &owner)?;
                let known = &mut self.categories[place];
                known.name = name.unwrap_or(known.name);
                if position.is_some() {
                    self.move_category(place, position);
                }
            }
            Step::Move { category, position } => {
                let place = self.category_of_merchant(command, category)?;
                refuse_if(position < 1, "Invalid newPosition")?;
                self.check_category_owner(place, &owner)?;
                self.move_category(place, Some(position));
            }
            Step::Delete { category } => {
                let place = self.category_of_merchant(command, category)?;
                self.check_category_owner(place, &owner)?;
                self.order_of(place).retain(|&other| other != place);
                self.categories[place].is_deleted = true;
                let id = self.categories[place].id;
                for deal in self.deals.iter_mut().filter(|deal| deal.category == Some(id)) {
                    deal.category = None;
                }
            }
        }
        Ok(())
    }

    fn category_of_merchant(&self, command: &Command, category: Option<usize>) -> Result<usize, String> {
        let is_known = |&place: &usize| {
            let category = &self.categories[place];
            category.owner.0 == command.merchant && !category.is_deleted
        };
        category.filter(is_known).ok_or_else(|| "CategoryNotFound".to_owned())
    }

    fn check_category_owner(&self, place: usize, owner: &Owner) -> Result<(), String> {
        refuse_if(self.categories[place].owner != *owner, "AccessDenied")
    }

    fn order_of(&mut self, place: usize) -> &mut Vec<usize> {
        let order = self.category_orders.get_mut(&self.categories[place].owner);
        order.expect("an owner with a category has a list of them")
    }

    fn move_category(&mut self, place: usize, position: Option<i64>) {
        let order = self.order_of(place);
        order.retain(|&other| other != place);
        put_at(order, place, position);
    }

    /// Checks that a seller may sort an escrow into the category that the terms name.
    pub(crate) fn check_category(&self, command: &Command, category: Option<usize>) -> Result<(), String> {
        let Some(place) = category else { return Ok(()) };
        let named = &self.categories[place];
        let (merchant, owner) = &named.owner;
        let is_usable = owner.as_ref().is_none_or(|owner| *owner == command.customer);
        let is_known = *merchant == command.merchant && !named.is_deleted;
        refuse_if(!is_known || !is_usable, "Invalid categoryId")
    }

    /// Copies the id of a new category.
    pub(crate) fn learn_category(&mut self, command: &Command, reply: &Reply) {
        if let Action::Category(of_category) = &command.action
            && let Step::Create { .. } = of_category.step
            && let Some(category) = &reply.category
        {
            let known = self.categories.last_mut().unwrap();
            known.id = (category.id.number(), category.id.guard().into());
        }
    }
}

fn check_fields(name: Option<&str>, position: Option<i64>) -> Result<(), String> {
    refuse_if(name.is_some_and(|name| name.trim().is_empty()), "Invalid name")?;
    refuse_if(
        position.is_some_and(|position| position < 1),
        "Invalid category_position",
    )
}

/// Inserts a category at a position from 1, or else at the end.
fn put_at(order: &mut Vec<usize>, place: usize, position: Option<i64>) {
    let wanted = position.map_or(order.len(), |position| usize::try_from(position - 1).unwrap());
    order.insert(wanted.min(order.len()), place);
}

/// Creates a category, or changes mostly one of the command's party.
pub(crate) fn next(random: &mut Random, reference: &Reference, command: &Command) -> Action {
    let by_merchant = random.one_in(4);
    let owner = (command.merchant, (!by_merchant).then(|| command.customer.clone()));
    let own = reference.category_orders.get(&owner).map_or(&[][..], Vec::as_slice);
    let category = if random.one_in(8) && !reference.categories.is_empty() {
        Some(random.below(reference.categories.len()))
    } else if own.is_empty() || random.one_in(20) {
        None
    } else {
        Some(own[random.below(own.len())])
    };
    let position = match random.below(12) {
        0 => [0, -1, i64::MAX][random.below(3)],
        _ => 1 + i64::try_from(random.below(CATEGORIES_MAX + 1)).unwrap(),
    };
    let may_be_absent = random.one_in(2);
    let position_or_none = may_be_absent.then_some(position);
    let names = if random.one_in(6) { 4 } else { 3 };
    let name = ["Shoes", "Bags", "Books", "  "][random.below(names)];
    let step = match random.below(8) {
        _ if own.is_empty() && !random.one_in(8) => Step::Create {
            name,
            position: position_or_none,
        },
        0..3 => Step::Create {
            name,
            position: position_or_none,
        },
        3..5 => Step::Edit {
            category,
            name: random.one_in(2).then_some(name),
            position: position_or_none,
        },
        5..7 => Step::Move { category, position },
        _ => Step::Delete { category },
    };
    Action::Category(CategoryCommand { by_merchant, step })
}

/// Sorts some of the offered escrows into a category, mostly one that the seller may use.
pub(crate) fn sort_offer(random: &mut Random, reference: &Reference, command: &mut Command) {
    let owner = (command.merchant, (!random.one_in(3)).then(|| command.customer.clone()));
    let (Action::OfferMilestones(terms)
    | Action::OfferStandard(terms)
    | Action::Edit { terms, .. }
    | Action::EditStandard { terms, .. }) = &mut command.action
    else {
        return;
    };
    let own = reference.category_orders.get(&owner).map_or(&[][..], Vec::as_slice);
    if random.one_in(20) && !reference.categories.is_empty() {
        terms.category = Some(random.below(reference.categories.len()));
    } else if !own.is_empty() && random.one_in(2) {
        terms.category = Some(own[random.below(own.len())]);
    }
}

pub(crate) fn category_id((number, guard): Id) -> CategoryId {
    CategoryId::new(number, u32::try_from(guard).unwrap())
}

impl Service {
    pub(crate) fn category(
        &self,
        command: &Command,
        of_category: &CategoryCommand,
        policy: Policy,
        reference: &Reference,
    ) -> Result<Reply, Error> {
        let actor = Actor {
            merchant: self.merchants[command.merchant].0,
            party: if of_category.by_merchant {
                Party::Merchant
            } else {
                Party::Customer(customer(&command.customer))
            },
        };
        let id = |place: &Option<usize>| category_id(place.map_or(MISSING, |place| reference.categories[place].id));
        let request = |name: Option<&str>, position: Option<i64>| CategoryRequest {
            name: name.map(str::to_owned),
            description: None,
            keeps_description: true,
            image: None,
            position,
        };
        let category = match &of_category.step {
            Step::Create { name, position } => {
                let request = request(Some(name), *position);
                self.run(policy, move |tx, policy| {
                    categories::create(tx, policy, &actor, Ok(request)).map(Some)
                })
            }
            Step::Edit {
                category,
                name,
                position,
            } => {
                let (id, request) = (id(category), request(*name, *position));
                self.run(policy, move |tx, policy| {
                    categories::edit(tx, policy, &actor, id, Ok(request)).map(Some)
                })
            }
            Step::Move { category, position } => {
                let (id, position) = (id(category), *position);
                self.run(policy, move |tx, policy| {
                    categories::move_to(tx, policy, &actor, id, Ok(position)).map(Some)
                })
            }
            Step::Delete { category } => {
                let id = id(category);
                self.run(policy, move |tx, policy| {
                    categories::delete(tx, policy, &actor, id).map(|()| None)
                })
            }
        }?;
        Ok(Reply {
            category,
            ..Reply::default()
        })
    }

    /// Compares every category of a merchant.
    pub(crate) fn assert_categories(&self, merchant: usize, reference: &Reference) {
        let sql = "SELECT id, guard, owner_id, name, position FROM category
                   WHERE merchant_id = ?1 AND deleted_at IS NULL ORDER BY owner_id NULLS FIRST, position, id";
        let text = |text: &Option<String>| text.clone().unwrap();
        let number = |number: &Option<String>| text(number).parse::<i64>().unwrap();
        let rows = self.rows.rows(sql, &[self.merchants[merchant].0.0]).into_iter();
        let stored: Vec<(Id, Option<String>, String, i64)> = rows
            .map(|row| {
                let id = (number(&row[0]), number(&row[1]));
                (id, row[2].clone(), text(&row[3]), number(&row[4]))
            })
            .collect();
        let orders = reference.category_orders.range((merchant, None)..(merchant + 1, None));
        let expected: Vec<(Id, Option<String>, String, i64)> = orders
            .flat_map(|((_, owner), order)| {
                (1..).zip(order).map(|(position, &place)| {
                    let category = &reference.categories[place];
                    (category.id, owner.clone(), category.name.to_owned(), position)
                })
            })
            .collect();
        assert_eq!(stored, expected, "the categories of merchant {merchant}");
    }
}
