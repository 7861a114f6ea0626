//! The options of one call, by name, with the declared defaults behind them.

use std::collections::BTreeMap;
use std::time::Duration;

use merkury_api::ApiError;

use crate::spec::Spec;
use crate::value::{Value, parse_duration};

/// The options of a call. Only names the operation declares (or global ones) are asked for: debug builds check that.
#[derive(Clone, Debug)]
pub struct Options {
    spec: &'static Spec,
    given: BTreeMap<&'static str, Value>,
}

impl Options {
    /// None given.
    pub fn new(spec: &'static Spec) -> Self {
        Self { spec, given: BTreeMap::new() }
    }

    /// Takes values that a parser read.
    pub fn from_given(spec: &'static Spec, given: BTreeMap<&'static str, Value>) -> Self {
        Self { spec, given }
    }

    /// The operation they belong to.
    pub fn spec(&self) -> &'static Spec {
        self.spec
    }

    /// What the caller gave, by first name.
    pub fn given(&self) -> &BTreeMap<&'static str, Value> {
        &self.given
    }

    /// Gives a value; replaces one that was given.
    pub fn set(&mut self, name: &str, value: Value) {
        if let Some(option) = self.spec.option(name) {
            self.given.insert(option.name(), value);
        }
    }

    /// Whether the caller gave it.
    pub fn is_given(&self, name: &str) -> bool {
        debug_assert!(self.spec.option(name).is_some(), "{} has no option {name}", self.spec.path);
        self.given.contains_key(name)
    }

    fn value(&self, name: &str) -> Option<Value> {
        if self.is_given(name) {
            return self.given.get(name).cloned();
        }
        let option = self.spec.option(name)?;
        option.default.and_then(|text| Value::parse(option.kind, text).ok())
    }

    /// A flag; `false` when neither given nor defaulted.
    pub fn flag(&self, name: &str) -> bool {
        matches!(self.value(name), Some(Value::Bool(true)))
    }

    /// A flag that was given, whatever its default.
    pub fn flag_given(&self, name: &str) -> Option<bool> {
        match self.given.get(name) {
            Some(Value::Bool(value)) => Some(*value),
            _ => None,
        }
    }

    /// Words.
    pub fn text(&self, name: &str) -> Option<String> {
        match self.value(name) {
            Some(Value::Text(value)) => Some(value),
            _ => None,
        }
    }

    /// Words, as often as they were given.
    pub fn list(&self, name: &str) -> Vec<String> {
        match self.value(name) {
            Some(Value::List(values)) => values,
            _ => Vec::new(),
        }
    }

    /// A whole number.
    pub fn int(&self, name: &str) -> Option<i64> {
        match self.value(name) {
            Some(Value::Int(value)) => Some(value),
            Some(Value::Uint(value)) => i64::try_from(value).ok(),
            _ => None,
        }
    }

    /// Words of an option that was given, whether or not the operation declares one of that name.
    pub fn text_of(&self, name: &str) -> Option<String> {
        match self.given.get(name) {
            Some(Value::Text(value)) => Some(value.clone()),
            _ => None,
        }
    }

    /// A whole number without a sign.
    pub fn uint(&self, name: &str) -> Option<u64> {
        match self.value(name) {
            Some(Value::Uint(value)) => Some(value),
            _ => None,
        }
    }

    /// A whole number that must not be negative.
    pub fn count(&self, name: &str, what_negative: &str) -> Result<Option<u64>, ApiError> {
        match self.int(name) {
            None => Ok(None),
            Some(value) => u64::try_from(value).map(Some).map_err(|_| ApiError::invalid(what_negative)),
        }
    }

    /// The `--timeout` of the call.
    pub fn timeout(&self) -> Result<Option<Duration>, ApiError> {
        self.text("timeout").map(|text| parse_duration(&text).map_err(ApiError::invalid)).transpose()
    }

    /// Whether peers may not be asked.
    pub fn is_offline(&self) -> bool {
        self.flag("offline") || self.flag("local")
    }

    /// An error for each given option whose work does not exist here: it is never ignored in silence.
    pub fn refuse(&self, names: &[&str]) -> Result<(), ApiError> {
        for name in names {
            let asks = match self.given.get(name) {
                None | Some(Value::Bool(false)) => false,
                Some(_) => true,
            };
            if asks {
                return Err(ApiError::invalid(format!("option --{name} is not supported by this version of merkury")));
            }
        }
        Ok(())
    }
}
