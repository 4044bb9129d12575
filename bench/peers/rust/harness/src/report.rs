//! The lines that a runner prints: one JSON object a figure.

use serde_json::{json, Value};

pub struct Report {
    pub system: &'static str,
    pub version: String,
    pub input: String,
}

impl Report {
    pub fn figure(&self, measure: &str, value: f64, unit: &str) {
        self.line(measure, value, unit, json!({}));
    }

    /// A figure whose work gave these texts (of all replicas, where there are several), for the
    /// caller to check.
    pub fn figure_with_texts(&self, measure: &str, value: f64, unit: &str, texts: &[String]) {
        self.line(measure, value, unit, json!({ "texts": texts }));
    }

    fn line(&self, measure: &str, value: f64, unit: &str, mut line: Value) {
        line["system"] = json!(self.system);
        line["version"] = json!(self.version);
        line["input"] = json!(self.input);
        line["measure"] = json!(measure);
        line["value"] = json!(value);
        line["unit"] = json!(unit);
        println!("{line}");
    }
}
