//! Containers of the model: entries with places, conditions and repetitions, heirs and what they ask for.

use super::types::{Coding, Meaning, Scalar, Type};
use super::{Is, Random, packet};

/// A database.
pub(super) struct Model {
    pub(super) parameters: Vec<Parameter>,
    pub(super) root: Container,
    containers: usize,
}

pub(super) struct Parameter {
    pub(super) name: String,
    pub(super) own: Type,
    pub(super) validity: Option<Condition>,
}

pub(super) struct Container {
    pub(super) name: String,
    pub(super) is_abstract: bool,
    pub(super) entries: Vec<Entry>,
    pub(super) heirs: Vec<(Option<Condition>, Container)>,
}

pub(super) struct Entry {
    pub(super) place: Place,
    pub(super) what: What,
    pub(super) include: Option<Condition>,
    /// How often, and bits from one to the next.
    pub(super) repeat: Option<(Times, usize)>,
}

pub(super) enum What {
    /// Index into [`Model::parameters`].
    Parameter(usize),
    Container(Container),
}

#[derive(Clone, Copy)]
pub(super) enum Place {
    Next,
    /// So many bits after the entry before.
    After(usize),
    /// So many bits after the start of the container.
    At(usize),
}

#[derive(Clone, Copy)]
pub(super) enum Times {
    Fixed(usize),
    Count,
}

pub(super) enum Condition {
    Compare { parameter: String, instance: usize, calibrated: bool, operator: &'static str, value: String },
    All(Vec<Condition>),
    Any(Vec<Condition>),
}

impl Model {
    pub(super) fn random(random: &mut Random) -> Model {
        let root = Container {
            name: "Root".into(),
            is_abstract: random.one_in(2),
            entries: Vec::new(),
            heirs: Vec::new(),
        };
        let mut model = Model { parameters: Vec::new(), root, containers: 0 };
        let count = model.add(Type::Scalar(Scalar::count()), "Count");
        let kind = model.add(Type::Scalar(Scalar::selector(random)), "Kind");
        let mut entries = vec![Entry::plain(count), Entry::plain(kind)];
        let start = model.most(&entries);
        model.entries(&mut entries, start, 3, random);
        let end = model.most(&entries);
        model.root.entries = entries;
        model.root.heirs = model.heirs(end, kind, 0, random);
        model
    }

    fn add(&mut self, own: Type, name: &str) -> usize {
        self.parameters.push(Parameter { name: name.into(), own, validity: None });
        self.parameters.len() - 1
    }

    fn name(&mut self) -> String {
        self.containers += 1;
        format!("C{}", self.containers)
    }

    /// Heirs of a container that ends at most at `end`, told apart by the parameter `key` and others.
    fn heirs(
        &mut self,
        end: usize,
        key: usize,
        depth: usize,
        random: &mut Random,
    ) -> Vec<(Option<Condition>, Container)> {
        let mut heirs = Vec::new();
        for _ in 0..random.below(4) {
            let mut parts = vec![self.compare(key, "==", 0, true, random)];
            while random.one_in(4) {
                parts.push(self.condition(random));
            }
            let condition = if parts.len() == 1 { parts.remove(0) } else { Condition::All(parts) };
            // Now and then an heir without a condition, which takes whatever is left.
            let condition = if random.one_in(12) { None } else { Some(condition) };
            let mut entries = Vec::new();
            self.entries(&mut entries, end, 4, random);
            let (mut is_abstract, mut below) = (false, Vec::new());
            if depth < 2 && random.one_in(2) {
                let key = self.selector(random);
                entries.push(Entry::plain(key));
                let own = self.most_from(&entries, end);
                below = self.heirs(own, key, depth + 1, random);
                is_abstract = random.one_in(3);
            }
            heirs.push((condition, Container { name: self.name(), is_abstract, entries, heirs: below }));
        }
        heirs
    }

    fn selector(&mut self, random: &mut Random) -> usize {
        let name = format!("P{}", self.parameters.len());
        self.add(Type::Scalar(Scalar::selector(random)), &name)
    }

    /// Appends up to `most` entries, the first of which begins at most at bit `start`.
    fn entries(&mut self, entries: &mut Vec<Entry>, start: usize, most: u64, random: &mut Random) {
        let first = entries.len();
        for _ in 0..random.below(most + 1) {
            let position = self.most_from(&entries[first..], start);
            let what = if random.one_in(10) {
                What::Container(self.included(random))
            } else if random.one_in(5) {
                // One that there is already.
                What::Parameter(random.below(self.parameters.len() as u64) as usize)
            } else if random.one_in(4) {
                What::Parameter(self.selector(random))
            } else {
                let own = Type::random(random, 0);
                let validity = random.one_in(12).then(|| self.condition(random));
                let name = format!("P{}", self.parameters.len());
                let at = self.add(own, &name);
                self.parameters[at].validity = validity;
                What::Parameter(at)
            };
            let place = match random.below(8) {
                0 => Place::After(random.below(20) as usize),
                1 => Place::At(position + random.below(20) as usize),
                _ => Place::Next,
            };
            let times = random.of(&[Times::Fixed(0), Times::Fixed(2), Times::Fixed(3), Times::Count]);
            let repeat = random.one_in(8).then(|| (times, random.below(5) as usize));
            let include = random.one_in(6).then(|| self.condition(random));
            entries.push(Entry { place, what, include, repeat });
        }
    }

    /// A container that another one holds, sometimes with heirs of its own.
    fn included(&mut self, random: &mut Random) -> Container {
        let mut entries = Vec::new();
        self.entries(&mut entries, 0, 2, random);
        let (name, mut heirs) = (self.name(), Vec::new());
        if random.one_in(2) {
            let key = self.selector(random);
            entries.push(Entry::plain(key));
            let end = self.most(&entries);
            heirs = self.heirs(end, key, 2, random);
        }
        Container { name, is_abstract: random.one_in(4), entries, heirs }
    }

    fn most(&self, entries: &[Entry]) -> usize {
        self.most_from(entries, 0)
    }

    /// Where entries that begin at `start` end at most.
    fn most_from(&self, entries: &[Entry], start: usize) -> usize {
        entries.iter().fold(start, |position, entry| {
            let position = match entry.place {
                Place::Next => position,
                Place::After(bits) => position + bits,
                Place::At(bits) => position.max(bits),
            };
            let one = match &entry.what {
                What::Parameter(at) => self.parameters[*at].own.most(),
                What::Container(container) => self.most_of(container, 0),
            };
            let (times, gap) = entry.repeat.map_or((1, 0), |(_, gap)| (3, gap));
            position + times * (one + gap)
        })
    }

    fn most_of(&self, container: &Container, start: usize) -> usize {
        let end = self.most_from(&container.entries, start);
        container.heirs.iter().map(|(_, heir)| self.most_of(heir, end)).max().unwrap_or(end)
    }

    /// Any condition on any parameter so far.
    fn condition(&self, random: &mut Random) -> Condition {
        let one = |random: &mut Random| {
            let subjects: Vec<usize> = (0..self.parameters.len()).filter(|at| self.is_subject(*at)).collect();
            let parameter = random.of(&subjects);
            let ordered = !matches!(&self.parameters[parameter].own, Type::Scalar(own) if matches!(own.meaning, Meaning::Label | Meaning::Boolean));
            let calibrated = !random.one_in(4);
            let operators: &[&str] =
                if ordered || !calibrated { &["==", "!=", "<", "<=", ">", ">="] } else { &["==", "!="] };
            let operator = random.of(operators);
            let instance = if random.one_in(4) { 1 + random.below(2) as usize } else { 0 };
            self.compare(parameter, operator, instance, calibrated, random)
        };
        match random.below(6) {
            0 => Condition::All(vec![one(random), one(random)]),
            1 => Condition::Any(vec![one(random), Condition::All(vec![one(random), one(random)])]),
            _ => one(random),
        }
    }

    /// Whether conditions may look at a parameter: a number, label or boolean.
    fn is_subject(&self, at: usize) -> bool {
        match &self.parameters[at].own {
            Type::Scalar(own) => match own.coding {
                Coding::Integer { .. } => !matches!(own.meaning, Meaning::Time | Meaning::Span),
                Coding::Float { .. } => own.in_quarters(),
                _ => false,
            },
            _ => false,
        }
    }

    /// A comparison with a value that the parameter may well have.
    fn compare(
        &self,
        at: usize,
        operator: &'static str,
        instance: usize,
        calibrated: bool,
        random: &mut Random,
    ) -> Condition {
        let parameter = &self.parameters[at];
        let Type::Scalar(own) = &parameter.own else { unreachable!("only scalars are compared") };
        let value = loop {
            let raw = packet::draw(own, random);
            let value = if calibrated { own.engineering(&raw) } else { raw };
            break match value {
                Is::Integer(value) => value.to_string(),
                Is::Float(value) => format!("{value:?}"),
                Is::Boolean(value) => super::types::ZERO_AND_ONE[usize::from(value)].to_owned(),
                Is::Label(label) => label,
                // No label: another one.
                _ => continue,
            };
        };
        // Of 64-bit numbers only what XTCE can write.
        Condition::Compare { parameter: parameter.name.clone(), instance, calibrated, operator, value }
    }
}

impl Entry {
    fn plain(parameter: usize) -> Entry {
        Entry { place: Place::Next, what: What::Parameter(parameter), include: None, repeat: None }
    }
}
