//! The languages of transforms. A command knows none of them: it asks the `Language` of a folder.
//!
//! - `definition`: the trait `Language`, and what a build makes.
//! - `scaffold`: new folders, from `host/gateway/scaffold`; `sdk`: what of them comes from the SDK; `files`: their files;
//!   `name`: names of transforms.
//! - `folder`: files by patterns; `tools`: programs of others, such as npm.
//! - `rust`, `javascript`, `python`, `jq`: a language each.
//! - `project`: a folder with a transform, and its language.

mod definition;
mod files;
mod folder;
mod javascript;
mod jq;
mod name;
mod project;
mod python;
mod rust;
mod scaffold;
mod sdk;
mod tools;

pub(super) use definition::{Language, Product};
pub(super) use name::transform_name;
pub(super) use project::{LANGUAGES, Project, SOURCE_FOLDERS, find};
pub(super) use scaffold::NewTransform;
