//! Categories, by which a party sorts its deals (contract sections 3.9 and 4.9). The
//! positions of a party's categories are 1, 2, 3 and so on without a gap.

use crate::domain::escrow::limits::TermsLimits;
use crate::domain::file::FileName;
use crate::domain::ids::CategoryId;
use crate::domain::invalid::{Invalid, Parsed};
use crate::domain::party::Party;
use crate::domain::refusal::Refusal;

/// The categories that an offer may name, for a refusal.
pub const OF_SELLER_OR_MERCHANT: &str = "the id of a category of the seller or of the merchant";

/// The categories that a vault or an offer of the merchant's own may name, for a refusal.
pub const OF_MERCHANT: &str = "the id of a category of the merchant";

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Category {
    pub id: CategoryId,
    /// The customer who owns it, or the merchant.
    pub owner: Party,
    pub name: String,
    pub description: Option<String>,
    /// Its position among the owner's categories, from 1.
    pub position: i64,
    pub image: Option<FileName>,
}

/// The parsed request to create or edit a category. An edit leaves fields as they are
/// that the request does not have.
#[derive(Clone, Debug)]
pub struct CategoryRequest {
    /// Required for a new category.
    pub name: Option<String>,
    pub description: Option<String>,
    /// True if an edit keeps the description: the request has no such field. One that is null
    /// or empty clears it.
    pub keeps_description: bool,
    pub image: Option<FileName>,
    /// The position among the owner's categories.
    pub position: Option<i64>,
}

/// A change of the positions of neighbouring categories, which makes room for another one
/// or closes a gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PositionShift {
    /// The first position to change.
    pub first: i64,
    /// The last position to change.
    pub last: i64,
    /// The number to add to each position: 1 or -1.
    pub by: i64,
}

/// The checked fields of a request.
struct CheckedFields {
    name: Option<String>,
    description: Option<String>,
    image: Option<FileName>,
    position: Option<i64>,
}

impl CategoryRequest {
    /// Returns the request with the uploaded picture, if there is one.
    pub fn with_image(self, image: Option<FileName>) -> Self {
        Self { image, ..self }
    }

    fn checked(self, limits: &TermsLimits) -> Result<CheckedFields, Invalid> {
        let name = self.name.map(|name| limits.purpose("name", name)).transpose()?;
        let description = limits.description("description", self.description)?;
        let position = self
            .position
            .map(|position| check_position("category_position", position))
            .transpose()?;
        Ok(CheckedFields {
            name,
            description,
            image: self.image,
            position,
        })
    }
}

impl Category {
    /// Creates a category for an owner who has `count` of them. Returns it with the
    /// change of positions that makes room for it. It comes last if the request names no
    /// position, or one beyond the end.
    ///
    /// # Errors
    ///
    /// Checks the fields in the order of [`CategoryRequest`], and then that the owner has
    /// fewer than `count_max` categories.
    pub fn new(
        id: CategoryId,
        owner: Party,
        request: CategoryRequest,
        limits: &TermsLimits,
        count: u32,
        count_max: u32,
    ) -> Result<(Self, PositionShift), Refusal> {
        let fields = request.checked(limits)?;
        let name = fields.name.ok_or_else(|| Invalid::missing("name"))?;
        if count >= count_max {
            return Err(Refusal::TooManyCategories { max: count_max });
        }
        let last = i64::from(count) + 1;
        let position = fields.position.map_or(last, |position| position.min(last));
        let category = Self {
            id,
            owner,
            name,
            description: fields.description,
            position,
            image: fields.image,
        };
        let room = PositionShift {
            first: position,
            last,
            by: 1,
        };
        Ok((category, room))
    }

    /// Applies an edit to one of `count` categories. Returns the change of the others'
    /// positions.
    ///
    /// # Errors
    ///
    /// Checks the fields in the order of [`CategoryRequest`], and then that the caller
    /// owns the category.
    pub fn edit(
        &mut self,
        caller: &Party,
        request: CategoryRequest,
        limits: &TermsLimits,
        count: u32,
    ) -> Result<Option<PositionShift>, Refusal> {
        let keeps_description = request.keeps_description;
        let fields = request.checked(limits)?;
        self.check_owner(caller)?;
        self.name = fields.name.unwrap_or_else(|| std::mem::take(&mut self.name));
        if !keeps_description {
            self.description = fields.description;
        }
        self.image = fields.image.or(self.image);
        Ok(fields.position.and_then(|position| self.put_at(position, count)))
    }

    /// Moves one of `count` categories. Returns the change of the others' positions.
    ///
    /// # Errors
    ///
    /// Checks the position, and then that the caller owns the category.
    pub fn move_to(&mut self, caller: &Party, position: i64, count: u32) -> Result<Option<PositionShift>, Refusal> {
        let position = check_position("newPosition", position)?;
        self.check_owner(caller)?;
        Ok(self.put_at(position, count))
    }

    /// Returns the change of positions that closes the gap when one of `count` categories
    /// is deleted.
    ///
    /// # Errors
    ///
    /// Checks that the caller owns the category.
    pub fn delete(&self, caller: &Party, count: u32) -> Result<PositionShift, Refusal> {
        self.check_owner(caller)?;
        Ok(PositionShift {
            first: self.position + 1,
            last: i64::from(count),
            by: -1,
        })
    }

    fn check_owner(&self, caller: &Party) -> Result<(), Refusal> {
        if self.owner == *caller {
            Ok(())
        } else {
            Err(Refusal::AccessDenied)
        }
    }

    fn put_at(&mut self, position: i64, count: u32) -> Option<PositionShift> {
        let (from, to) = (self.position, position.min(i64::from(count)));
        self.position = to;
        match from.cmp(&to) {
            std::cmp::Ordering::Less => Some(PositionShift {
                first: from + 1,
                last: to,
                by: -1,
            }),
            std::cmp::Ordering::Equal => None,
            std::cmp::Ordering::Greater => Some(PositionShift {
                first: to,
                last: from - 1,
                by: 1,
            }),
        }
    }
}

/// Checks that a position is at least 1.
fn check_position(field: &str, position: i64) -> Parsed<i64> {
    if position < 1 {
        return Err(Invalid::wrong(
            field,
            "a whole number of 1 or more",
            &position.to_string(),
        ));
    }
    Ok(position)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::money::Amount;
    use proptest::prelude::*;

    const LIMITS: TermsLimits = TermsLimits {
        amount_min: Amount::ZERO,
        milestones_max: 2,
        purpose_chars_max: 5,
        description_chars_max: 5,
        is_strict: false,
    };
    const COUNT_MAX: u32 = 9;

    fn request(name: Option<&str>, position: Option<i64>) -> CategoryRequest {
        CategoryRequest {
            name: name.map(str::to_owned),
            description: None,
            keeps_description: true,
            image: None,
            position,
        }
    }

    fn created(number: i64, position: Option<i64>, count: u32) -> Result<(Category, PositionShift), Refusal> {
        let id = CategoryId::new(number, 0);
        Category::new(
            id,
            Party::Merchant,
            request(Some("Shoes"), position),
            &LIMITS,
            count,
            COUNT_MAX,
        )
    }

    /// The stored categories of one owner, in no order.
    #[derive(Default)]
    struct Stored(Vec<Category>);

    impl Stored {
        fn count(&self) -> u32 {
            u32::try_from(self.0.len()).unwrap()
        }

        fn shift(&mut self, shift: Option<PositionShift>) {
            let Some(shift) = shift else { return };
            for category in &mut self.0 {
                if (shift.first..=shift.last).contains(&category.position) {
                    category.position += shift.by;
                }
            }
        }

        fn create(&mut self, position: Option<i64>) {
            let number = i64::from(self.count()) + 1;
            let (category, shift) = created(number, position, self.count()).unwrap();
            self.shift(Some(shift));
            self.0.push(category);
        }

        fn move_to(&mut self, index: usize, position: i64) {
            let mut category = self.0.remove(index);
            let shift = category.move_to(&Party::Merchant, position, self.count() + 1).unwrap();
            self.shift(shift);
            self.0.push(category);
        }

        fn delete(&mut self, index: usize) {
            let category = self.0.remove(index);
            let shift = category.delete(&Party::Merchant, self.count() + 1).unwrap();
            self.shift(Some(shift));
        }

        /// The numbers of the categories in their order.
        fn order(&self) -> Vec<i64> {
            let mut categories: Vec<&Category> = self.0.iter().collect();
            categories.sort_by_key(|category| category.position);
            categories.iter().map(|category| category.id.number()).collect()
        }

        fn positions(&self) -> Vec<i64> {
            let mut positions: Vec<i64> = self.0.iter().map(|category| category.position).collect();
            positions.sort_unstable();
            positions
        }
    }

    #[test]
    fn moving_a_category_changes_the_positions_between() {
        let mut stored = Stored::default();
        for position in [None, Some(7), Some(1), None] {
            stored.create(position);
        }
        assert_eq!(stored.order(), [3, 1, 2, 4]);
        let at = |stored: &Stored, number| stored.0.iter().position(|one| one.id.number() == number).unwrap();
        for (number, position, order) in [
            (3, 3, [1, 2, 3, 4]),
            (4, 1, [4, 1, 2, 3]),
            (4, 99, [1, 2, 3, 4]),
            (2, 2, [1, 2, 3, 4]),
        ] {
            let index = at(&stored, number);
            stored.move_to(index, position);
            assert_eq!(stored.order(), order);
        }
        let index = at(&stored, 2);
        stored.delete(index);
        assert_eq!((stored.order(), stored.positions()), (vec![1, 3, 4], vec![1, 2, 3]));
    }

    #[test]
    fn the_first_wrong_field_of_a_category_is_named() {
        let refusal = |request| {
            let id = CategoryId::new(1, 0);
            Category::new(id, Party::Merchant, request, &LIMITS, COUNT_MAX, COUNT_MAX).unwrap_err()
        };
        let too_low = || Invalid::wrong("category_position", "a whole number of 1 or more", "0");
        let mut everything = request(Some("too long"), Some(0));
        everything.description = Some("too long".to_owned());
        let first_field = |request| match refusal(request) {
            Refusal::Invalid(invalid) => invalid.field,
            other => panic!("{other:?}"),
        };
        assert_eq!(first_field(everything.clone()), "name");
        everything.name = None;
        assert_eq!(first_field(everything), "description");
        assert_eq!(refusal(request(None, Some(0))), too_low().into());
        assert_eq!(refusal(request(None, None)), Invalid::missing("name").into());
        assert_eq!(
            refusal(request(Some("Shoes"), None)),
            Refusal::TooManyCategories { max: COUNT_MAX }
        );
    }

    #[test]
    fn only_its_owner_changes_a_category() {
        let (mut category, _) = created(1, None, 0).unwrap();
        let before = category.clone();
        let caller = Party::Customer(crate::domain::ids::CustomerId::parse("ben").unwrap());
        let edited = category.edit(&caller, request(Some("Hats"), Some(1)), &LIMITS, 1);
        assert_eq!(edited, Err(Refusal::AccessDenied));
        assert_eq!(category.move_to(&caller, 1, 1), Err(Refusal::AccessDenied));
        let too_low = Invalid::wrong("newPosition", "a whole number of 1 or more", "0");
        assert_eq!(category.move_to(&caller, 0, 1), Err(too_low.into()), "told first");
        assert_eq!(category.delete(&caller, 1), Err(Refusal::AccessDenied));
        assert_eq!(category, before);
    }

    #[test]
    fn an_edit_keeps_the_fields_it_does_not_have() {
        let (mut category, _) = created(1, None, 0).unwrap();
        category.description = Some("Left".to_owned());
        let before = category.clone();
        assert_eq!(
            category.edit(&Party::Merchant, request(None, None), &LIMITS, 1),
            Ok(None)
        );
        assert_eq!(category, before);
        category
            .edit(&Party::Merchant, request(Some("Hats"), None), &LIMITS, 1)
            .unwrap();
        assert_eq!(
            (category.name.as_str(), &category.description),
            ("Hats", &before.description)
        );
        let mut without = request(None, None);
        without.keeps_description = false;
        category.edit(&Party::Merchant, without, &LIMITS, 1).unwrap();
        assert_eq!((category.name.as_str(), category.description), ("Hats", None));
    }

    proptest! {
        #[test]
        fn positions_stay_dense(steps in prop::collection::vec((0_u8..3, any::<prop::sample::Index>(), 1_i64..12), 1..40)) {
            let mut stored = Stored::default();
            for (step, index, position) in steps {
                match step {
                    0 if stored.count() < COUNT_MAX => stored.create(Some(position)),
                    1 if stored.count() > 0 => stored.move_to(index.index(stored.0.len()), position),
                    2 if stored.count() > 0 => stored.delete(index.index(stored.0.len())),
                    _ => {}
                }
                prop_assert_eq!(stored.positions(), (1..=i64::from(stored.count())).collect::<Vec<_>>());
            }
        }
    }
}
