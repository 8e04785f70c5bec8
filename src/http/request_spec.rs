//! The fields of a request, described once: the parser of the route checks in debug builds that
//! it reads no other field and none as another kind, the routes of escrowd's own refuse every
//! other name, and the API document has the same names, kinds and bounds.

use crate::domain::escrow::limits::TermsLimits;
use crate::domain::mode::Variant;

/// The fields that a route reads from the query and from the body.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RequestSpec {
    /// The fields of the query.
    pub(crate) query: FieldGroups,
    /// The body.
    pub(crate) body: BodySpec,
}

/// Fields in groups, so that routes can share a group, such as that of a page.
pub(crate) type FieldGroups = &'static [&'static [FieldSpec]];

/// The body of a request.
#[derive(Clone, Copy, Debug)]
pub(crate) enum BodySpec {
    /// No body.
    None,
    /// A JSON object.
    Json(FieldGroups),
    /// A JSON object, which the client may leave out.
    OptionalJson(FieldGroups),
    /// A JSON object, or a form that may have files.
    JsonOrForm(FieldGroups),
    /// A CSV file, which the client may leave out.
    Csv,
    /// A JSON object in the format of another party, such as a payment provider.
    Foreign,
}

/// One field.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FieldSpec {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) need: Need,
    /// One sentence for clients, where name and kind do not explain enough.
    pub(crate) about: &'static str,
    /// A JSON value for the example of the request, where any value of the kind would not do or
    /// where the field is worth showing although it may be left out.
    pub(crate) example: &'static str,
}

/// The condition under which a field must be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    Always,
    /// Always, but null has a meaning of its own.
    AlwaysOrNull,
    /// Only by the strict rules.
    Strict,
    Never,
}

/// The kind of a field's value.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    /// A text of any length.
    Text,
    /// A text of 1 to this many characters.
    TextUpTo(usize),
    /// A purpose, a title or a name of an offer: one line of bounded length.
    Line,
    /// A description of bounded length.
    Prose,
    /// A text of this form, as a regular expression.
    Pattern(&'static str),
    /// One of these words.
    Words(fn() -> Vec<&'static str>),
    /// One or several of these words in a query, separated by commas.
    SeveralWords(fn() -> Vec<&'static str>),
    /// An amount of at least so many minor units, sent in major units with at most two
    /// decimals.
    Amount(i64),
    /// An amount of this many minor units to that many, both included.
    AmountFromTo(i64, i64),
    /// The amount of an offer, which has a configured minimum.
    OfferAmount,
    /// The amount of an offer with milestones, to which their amounts add up.
    SumOfMilestones,
    /// The amount of a milestone: whole major units, or by the strict rules any amount from one.
    MilestoneAmount,
    /// An amount above or below zero.
    SignedAmount,
    /// A whole number in these bounds, both included.
    Integer(i64, i64),
    /// A whole number, in whose place any other text counts as none.
    LenientInteger,
    Boolean,
    /// A calendar day, `YYYY-MM-DD`.
    Date,
    /// A point in time, RFC 3339.
    Moment,
    /// A span of time: a text such as `1d12h`, or a number of seconds.
    Span,
    CustomerId,
    /// The id of an object: 24 lower-case hex characters.
    ObjectId,
    Email,
    /// A country's two letters, or its id.
    Country,
    /// The reference of a payment.
    Reference,
    /// An address on the web.
    Url,
    /// The deployment's currency.
    Currency,
    /// An object with these fields. `is_closed` if it may have no others.
    Object {
        fields: FieldGroups,
        is_closed: bool,
    },
    /// A list of up to so many values of a kind.
    List(&'static Kind, ListMax),
    /// A list of at least so many values of a kind, up to so many.
    ListOfAtLeast(usize, &'static Kind, ListMax),
    /// One value of a kind, or a list of them.
    OneOrList(&'static Kind, ListMax),
    /// Up to so many files, in a form only.
    Files(ListMax),
}

/// The most entries of a list.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ListMax {
    Is(usize),
    /// The configured number of milestones of an offer.
    Milestones,
    /// The configured number of participants of a vault.
    Participants,
    /// The configured number of escrows of a payment.
    EscrowsPerPayment,
    /// The configured number of files of a request.
    Files,
}

/// The way in which a parser reads a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReadAs {
    Text,
    Amount,
    Integer,
    Boolean,
    Span,
    Object,
    List,
    File,
}

/// The rules of a server that bounds depend on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules<'a> {
    /// The variant of the server.
    pub(crate) variant: Variant,
    /// The bounds of offers.
    pub(crate) terms: &'a TermsLimits,
    /// The currency of every amount.
    pub(crate) currency: &'a str,
    /// The most participants of a vault.
    pub(crate) participants_max: usize,
    /// The most escrows of a payment.
    pub(crate) escrows_per_payment_max: usize,
    /// The most files of a request.
    pub(crate) files_per_request_max: usize,
}

impl RequestSpec {
    /// A request that carries no fields.
    pub(crate) const NOTHING: Self = Self {
        query: &[],
        body: BodySpec::None,
    };

    /// A request with a JSON body in the format of another party.
    pub(crate) const FOREIGN: Self = Self {
        body: BodySpec::Foreign,
        ..Self::NOTHING
    };

    /// A request with these fields in its query.
    pub(crate) const fn of_query(query: FieldGroups) -> Self {
        Self { query, ..Self::NOTHING }
    }

    /// A request with these fields in its JSON body.
    pub(crate) const fn of_body(body: FieldGroups) -> Self {
        Self {
            body: BodySpec::Json(body),
            ..Self::NOTHING
        }
    }

    /// A request with these fields in a JSON body, which the client may leave out.
    pub(crate) const fn of_optional_body(body: FieldGroups) -> Self {
        Self {
            body: BodySpec::OptionalJson(body),
            ..Self::NOTHING
        }
    }

    /// A request with these fields in a JSON body or in a form.
    pub(crate) const fn of_form(body: FieldGroups) -> Self {
        Self {
            body: BodySpec::JsonOrForm(body),
            ..Self::NOTHING
        }
    }

    /// A request with these fields in its query, and a CSV file as its body.
    pub(crate) const fn of_csv(query: FieldGroups) -> Self {
        Self {
            query,
            body: BodySpec::Csv,
        }
    }

    /// Returns the fields of a body that is an object.
    pub(crate) const fn body_fields(&self) -> FieldGroups {
        match self.body {
            BodySpec::Json(fields) | BodySpec::OptionalJson(fields) | BodySpec::JsonOrForm(fields) => fields,
            BodySpec::None | BodySpec::Csv | BodySpec::Foreign => &[],
        }
    }
}

impl FieldSpec {
    /// A field that the client may leave out.
    pub(crate) const fn optional(name: &'static str, kind: Kind) -> Self {
        Self {
            name,
            kind,
            need: Need::Never,
            about: "",
            example: "",
        }
    }

    /// A field that must be sent.
    pub(crate) const fn required(name: &'static str, kind: Kind) -> Self {
        Self {
            need: Need::Always,
            ..Self::optional(name, kind)
        }
    }

    /// A field that must be sent, and may be null.
    pub(crate) const fn required_or_null(name: &'static str, kind: Kind) -> Self {
        Self {
            need: Need::AlwaysOrNull,
            ..Self::optional(name, kind)
        }
    }

    /// A field that must be sent by the strict rules.
    pub(crate) const fn required_if_strict(name: &'static str, kind: Kind) -> Self {
        Self {
            need: Need::Strict,
            ..Self::optional(name, kind)
        }
    }

    /// The field with a sentence for clients.
    pub(crate) const fn about(self, about: &'static str) -> Self {
        Self { about, ..self }
    }

    /// The field with an example, as a JSON text.
    pub(crate) const fn example(self, example: &'static str) -> Self {
        Self { example, ..self }
    }
}

impl Kind {
    /// An object that may have no other fields.
    pub(crate) const fn closed(fields: FieldGroups) -> Self {
        Self::Object {
            fields,
            is_closed: true,
        }
    }

    /// An object whose other fields are ignored.
    pub(crate) const fn open(fields: FieldGroups) -> Self {
        Self::Object {
            fields,
            is_closed: false,
        }
    }

    /// Returns the fields of an object, or `None` for another kind.
    pub(crate) const fn fields(&self) -> Option<FieldGroups> {
        match self {
            Self::Object { fields, .. } => Some(*fields),
            _ => None,
        }
    }

    /// Returns the kind of each entry of a list, or `None` for another kind.
    pub(crate) const fn entry(&self) -> Option<&'static Self> {
        match self {
            Self::List(entry, _) | Self::ListOfAtLeast(_, entry, _) | Self::OneOrList(entry, _) => Some(*entry),
            _ => None,
        }
    }

    /// Returns true if a parser may read values of this kind in this way.
    pub(crate) fn is_read_as(&self, read_as: ReadAs) -> bool {
        match self {
            Self::OneOrList(entry, _) => read_as == ReadAs::List || entry.is_read_as(read_as),
            _ => read_as == self.read_as(),
        }
    }

    const fn read_as(&self) -> ReadAs {
        match self {
            Self::Amount(_)
            | Self::AmountFromTo(..)
            | Self::OfferAmount
            | Self::SumOfMilestones
            | Self::MilestoneAmount => ReadAs::Amount,
            Self::Integer(..) | Self::LenientInteger => ReadAs::Integer,
            Self::Boolean => ReadAs::Boolean,
            Self::Span => ReadAs::Span,
            Self::Object { .. } => ReadAs::Object,
            Self::List(..) | Self::ListOfAtLeast(..) | Self::OneOrList(..) => ReadAs::List,
            Self::Files(_) => ReadAs::File,
            Self::Text
            | Self::TextUpTo(_)
            | Self::Line
            | Self::Prose
            | Self::Pattern(_)
            | Self::Words(_)
            | Self::SeveralWords(_)
            | Self::SignedAmount
            | Self::Date
            | Self::Moment
            | Self::CustomerId
            | Self::ObjectId
            | Self::Email
            | Self::Country
            | Self::Reference
            | Self::Url
            | Self::Currency => ReadAs::Text,
        }
    }
}

impl ListMax {
    /// Returns the most entries by the rules of a server.
    pub(crate) const fn by(self, rules: &Rules<'_>) -> usize {
        match self {
            Self::Is(max) => max,
            Self::Milestones => rules.terms.milestones_max,
            Self::Participants => rules.participants_max,
            Self::EscrowsPerPayment => rules.escrows_per_payment_max,
            Self::Files => rules.files_per_request_max,
        }
    }
}

/// Returns the field of this name.
pub(crate) fn find(fields: FieldGroups, name: &str) -> Option<&'static FieldSpec> {
    all(fields).find(|field| field.name == name)
}

/// Returns every field of the groups, in their order.
pub(crate) fn all(fields: FieldGroups) -> impl Iterator<Item = &'static FieldSpec> {
    fields.iter().flat_map(|group| group.iter())
}

/// Returns the words of an enum's variants.
pub(crate) fn words<T: strum::VariantArray + Copy + Into<&'static str>>() -> Vec<&'static str> {
    T::VARIANTS.iter().map(|&word| word.into()).collect()
}
