//! Joins a module with all that it imports: a browser takes longer for two dozen small files than for all else of the first view.
//!
//! The modules of the console keep to a part of the language that needs no parser: imports stand at the beginning of a line, as does
//! `export`, and no module assigns to what it exports. Those of `vendor/` stay as they are published, and are imported by the joined one.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write as _;

/// A folder of files by their paths below it, with slashes.
pub(crate) type Files = BTreeMap<String, Vec<u8>>;

/// Puts everything that the module `entry` imports into it, and in the place of each of those a module that exports the same from there.
/// `address`: of the folder, as a browser sees it.
pub(crate) fn join(files: &mut Files, entry: &str, address: &str) -> Result<(), Box<dyn Error>> {
    let mut joined = Joined::default();
    joined.add(files, entry)?;
    let mut text = String::new();
    for (place, path) in joined.published.iter().enumerate() {
        writeln!(text, "import * as $published{place} from \"{address}{path}\";")?;
    }
    for (place, Member { path, body, exports }) in joined.members.iter().enumerate() {
        let body = body.replace("import(\"./", &format!("import(\"{address}{}", folder(path)));
        writeln!(
            text,
            "// {path}\nexport const $module{place} = (() => {{\n{body}return {{ {} }};\n}})();",
            exports.join(", ")
        )?;
        files.insert(path.clone(), member(place, exports, &format!("{address}{entry}")).into_bytes());
    }
    files.insert(entry.to_owned(), text.into_bytes());
    Ok(())
}

/// The module that stands where one was that is joined now.
fn member(place: usize, exports: &[String], joined: &str) -> String {
    let mut text = format!("import {{ $module{place} }} from \"{joined}\";\n");
    for export in exports {
        text += &match export.split_once(": ") {
            Some((default, _)) => format!("export {default} $module{place}.{default};\n"),
            None => format!("export const {export} = $module{place}.{export};\n"),
        };
    }
    text
}

/// What was found so far. A module stands behind those that it imports.
#[derive(Default)]
struct Joined {
    members: Vec<Member>,
    /// Paths of modules of `vendor/`.
    published: Vec<String>,
    /// Modules that are not complete yet.
    open: Vec<String>,
}

struct Member {
    path: String,
    /// Without the keywords of exports; imports are taken from the objects of the other modules.
    body: String,
    /// Names, as properties of an object: `default: Name` for what is exported as default.
    exports: Vec<String>,
}

impl Joined {
    /// Adds a module, if it is not there, and returns the name of the object with its exports.
    fn add(&mut self, files: &Files, path: &str) -> Result<String, Box<dyn Error>> {
        if path.starts_with("vendor/") {
            let place = self.published.iter().position(|known| known == path).unwrap_or(self.published.len());
            if place == self.published.len() {
                self.published.push(path.to_owned());
            }
            return Ok(format!("$published{place}"));
        }
        if let Some(place) = self.members.iter().position(|member| member.path == path) {
            return Ok(format!("$module{place}"));
        }
        if self.open.iter().any(|open| open == path) {
            return Err(format!("{path} imports itself: {} → {path}", self.open.join(" → ")).into());
        }
        self.open.push(path.to_owned());
        let source = files.get(path).ok_or_else(|| format!("no {path}, which {:?} imports", self.open))?;
        let (body, exports) = self.read(files, path, std::str::from_utf8(source)?)?;
        self.open.pop();
        self.members.push(Member { path: path.to_owned(), body, exports });
        Ok(format!("$module{}", self.members.len() - 1))
    }

    /// The body of a module and what it exports, after adding what it imports.
    fn read(&mut self, files: &Files, path: &str, source: &str) -> Result<(String, Vec<String>), Box<dyn Error>> {
        let (mut body, mut exports) = (String::new(), Vec::new());
        let mut lines = source.lines();
        while let Some(line) = lines.next() {
            if line.starts_with("import ") {
                let statement = whole(line, &mut lines, "\";")?;
                let (names, from) =
                    statement["import ".len()..].rsplit_once(" from ").ok_or_else(|| format!("{path}: {line}"))?;
                let object = self.add(files, &resolve(path, from.trim_matches(['"', ';']))?)?;
                let names = match names.starts_with('{') {
                    true => names.replace(" as ", ": "),
                    false => format!("{{ default: {names} }}"),
                };
                writeln!(body, "const {names} = {object};")?;
            } else if line.starts_with("export {") {
                let statement = whole(line, &mut lines, "};")?;
                let names = statement.trim_start_matches("export {").trim_end_matches("};").split(',');
                exports.extend(names.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()));
            } else if let Some(declaration) = line.strip_prefix("export ") {
                let plain = declaration.strip_prefix("default ").unwrap_or(declaration);
                let name = declared(plain).ok_or_else(|| format!("{path}: {line}"))?;
                exports.push(if plain == declaration { name.to_owned() } else { format!("default: {name}") });
                writeln!(body, "{plain}")?;
            } else {
                writeln!(body, "{line}")?;
            }
        }
        Ok((body, exports))
    }
}

/// A statement over several lines, in one.
fn whole<'a>(first: &str, lines: &mut impl Iterator<Item = &'a str>, end: &str) -> Result<String, String> {
    let mut statement = first.to_owned();
    while !statement.ends_with(end) {
        let line = lines.next().ok_or_else(|| format!("no end: {first}"))?;
        statement += " ";
        statement += line.trim();
    }
    Ok(statement)
}

/// The name that a declaration gives.
fn declared(declaration: &str) -> Option<&str> {
    let kinds = ["async function ", "function ", "const ", "class "];
    let rest = kinds.iter().find_map(|kind| declaration.strip_prefix(kind))?;
    rest.split(|end: char| !end.is_alphanumeric() && end != '_').next().filter(|name| !name.is_empty())
}

/// The folder of a file, with the slash at its end.
fn folder(path: &str) -> &str {
    path.rfind('/').map_or("", |slash| &path[..=slash])
}

/// The path of the module that `from` names in the module `path`.
fn resolve(path: &str, from: &str) -> Result<String, String> {
    let mut parts: Vec<&str> = folder(path).split('/').filter(|part| !part.is_empty()).collect();
    for part in from.split('/') {
        match part {
            "." => {}
            ".." => _ = parts.pop().ok_or_else(|| format!("{path} imports {from}"))?,
            part => parts.push(part),
        }
    }
    Ok(parts.join("/"))
}
