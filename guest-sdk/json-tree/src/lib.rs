//! JSON that is edited in a few places: for transforms that correct payloads.
//!
//! Parts that are not edited keep their text: the order of members, including duplicates, and the text of numbers and
//! strings. Only the white space between them is removed. `serde_json::Value` would sort the members and read numbers
//! as floats; its features against that change it for every crate of the build.
//!
//! ```
//! use ocpp_transform_json_tree::Tree;
//!
//! let mut tree = Tree::parse(r#"{"unit": "Wh", "value": 17.10}"#).expect("JSON");
//! let Tree::Object(sample) = &mut tree else { panic!("no object") };
//! sample.set("unit", Tree::string("kWh"));
//! sample.set("context", Tree::string("Sample.Clock"));
//! assert_eq!(tree.to_string(), r#"{"unit":"kWh","value":17.10,"context":"Sample.Clock"}"#);
//! ```

mod read;
mod tree;

pub use read::{MAX_DEPTH, ReadError};
pub use tree::{Object, Tree};

#[cfg(test)]
mod tests;
