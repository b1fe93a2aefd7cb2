//! What may use what, as xtask/layers.toml states it.

use std::collections::BTreeMap;

use toml::{Table, Value};

/// The rules.
#[derive(Debug, Default)]
pub(crate) struct Rules {
    /// Of each package: what it may depend on, and what its tests may besides.
    pub(crate) packages: BTreeMap<String, (Vec<String>, Vec<String>)>,
    /// Of a package: its modules.
    pub(crate) modules: BTreeMap<String, Modules>,
}

/// The rules for the modules of one package.
#[derive(Debug, Default)]
pub(crate) struct Modules {
    /// From the lowest on. A module uses those of its own layer and of lower ones.
    pub(crate) layers: Vec<Vec<String>>,
    /// Modules of which no child uses another one.
    pub(crate) apart: Vec<String>,
    /// What does not use what, and why.
    pub(crate) never: Vec<Never>,
}

/// That one module does not use another one.
#[derive(Debug)]
pub(crate) struct Never {
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) why: String,
}

/// True if a module is the one of that name, or below it.
pub(crate) fn is_in(module: &str, name: &str) -> bool {
    let rest = module.strip_prefix(name);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

impl Modules {
    /// The layer of a module: that of the longest name that it is in.
    pub(crate) fn layer(&self, module: &str) -> Option<usize> {
        let named = self.layers.iter().enumerate();
        let named = named.flat_map(|(layer, names)| names.iter().map(move |name| (layer, name)));
        let of = named.filter(|(_, name)| is_in(module, name));
        of.max_by_key(|(_, name)| name.len())
            .map(|(layer, _)| layer)
    }

    /// Why a module does not use another one, if it does not.
    pub(crate) fn objection(&self, from: &str, to: &str) -> Option<String> {
        let mut never = self.never.iter();
        if let Some(rule) = never.find(|rule| is_in(from, &rule.from) && is_in(to, &rule.to)) {
            return Some(rule.why.clone());
        }
        let child = |module: &str, parent: &str| {
            let rest = module.strip_prefix(parent)?.strip_prefix("::")?;
            rest.split("::").next().map(ToOwned::to_owned)
        };
        for parent in &self.apart {
            if let Some((of, other)) = child(from, parent).zip(child(to, parent))
                && of != other
            {
                return Some(format!("nothing in {parent} uses another part of it"));
            }
        }
        let (below, above) = (self.layer(from)?, self.layer(to)?);
        (below < above).then(|| format!("{to} is in a higher layer"))
    }
}

impl Rules {
    /// Reads xtask/layers.toml.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let table: Table = text
            .parse()
            .map_err(|error: toml::de::Error| error.to_string())?;
        let section = |name: &str| {
            table
                .get(name)
                .and_then(Value::as_table)
                .into_iter()
                .flatten()
        };
        let mut rules = Self::default();
        for (name, value) in section("packages") {
            let of = |key| strings(value.get(key));
            rules
                .packages
                .insert(name.clone(), (of("uses"), of("tests_use")));
        }
        for (name, value) in section("modules") {
            let list = |key| {
                value
                    .get(key)
                    .and_then(Value::as_array)
                    .into_iter()
                    .flatten()
            };
            let never = list("never").map(|rule| {
                let of = |key| {
                    rule.get(key)
                        .and_then(Value::as_str)
                        .unwrap_or_default()
                        .to_owned()
                };
                Never {
                    from: of("from"),
                    to: of("to"),
                    why: of("why"),
                }
            });
            let modules = Modules {
                layers: list("layers").map(|layer| strings(Some(layer))).collect(),
                apart: strings(value.get("apart")),
                never: never.collect(),
            };
            rules.modules.insert(name.clone(), modules);
        }
        Ok(rules)
    }
}

fn strings(value: Option<&Value>) -> Vec<String> {
    let values = value.and_then(Value::as_array).into_iter().flatten();
    values
        .filter_map(Value::as_str)
        .map(ToOwned::to_owned)
        .collect()
}
