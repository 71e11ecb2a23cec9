//! Names that a transform can have.

/// Names that cargo and rustc refuse or warn about, and names that the scaffold uses, with `-` as `_`. Keywords are
/// those of edition 2024.
const RESERVED_CRATES: &str = "alloc core ocpp_transform proc_macro serde serde_json std test \
    abstract as async await become box break const continue crate do dyn else enum extern false final fn for gen if impl \
    in let loop macro match mod move mut override priv pub ref return self static struct super trait true try type typeof \
    unsafe unsized use virtual where while yield";
/// Keywords of Python, modules of its standard library up to 3.14, which a module of the same name would replace, and
/// those that componentize-py generates.
const RESERVED_MODULES: &str = "false none true \
    and as assert async await break class continue def del elif else except finally for from global if import in is lambda \
    nonlocal not or pass raise return try while with yield componentize_py_runtime componentize_py_types poll_loop wit_world \
    abc annotationlib antigravity argparse array ast asyncio atexit base64 bdb binascii bisect builtins bz2 calendar \
    cmath cmd code codecs codeop collections colorsys compileall compression concurrent configparser contextlib \
    contextvars copy copyreg cprofile csv ctypes curses dataclasses datetime dbm decimal difflib dis doctest email \
    encodings ensurepip enum errno faulthandler fcntl filecmp fileinput fnmatch fractions ftplib functools gc genericpath \
    getopt getpass gettext glob graphlib grp gzip hashlib heapq hmac html http idlelib imaplib importlib inspect io \
    ipaddress itertools json keyword linecache locale logging lzma mailbox marshal math mimetypes mmap modulefinder \
    msvcrt multiprocessing netrc nt ntpath nturl2path numbers opcode operator optparse os pathlib pdb pickle pickletools \
    pkgutil platform plistlib poplib posix posixpath pprint profile pstats pty pwd py_compile pyclbr pydoc pydoc_data \
    pyexpat queue quopri random re readline reprlib resource rlcompleter runpy sched secrets select selectors shelve \
    shlex shutil signal site smtplib socket socketserver sqlite3 sre_compile sre_constants sre_parse ssl stat statistics \
    string stringprep struct subprocess symtable sys sysconfig syslog tabnanny tarfile tempfile termios textwrap this \
    threading time timeit tkinter token tokenize tomllib trace traceback tracemalloc tty turtle turtledemo types typing \
    unicodedata unittest urllib uuid venv warnings wave weakref webbrowser winreg winsound wsgiref xml xmlrpc zipapp \
    zipfile zipimport zlib zoneinfo";
const MAX_LENGTH: usize = 64;

/// Checks a name from the command line, for any language.
pub(crate) fn transform_name(text: &str) -> Result<String, String> {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if !text.starts_with(|c: char| c.is_ascii_alphabetic()) || !text.chars().all(legal) {
        return Err("a name begins with a letter; letters, digits, - and _ follow".into());
    }
    if text.len() > MAX_LENGTH {
        return Err(format!("a name has at most {MAX_LENGTH} characters"));
    }
    Ok(text.to_owned())
}

/// Checks the name of a crate.
pub(super) fn check_crate(name: &str) -> Result<(), String> {
    check(name, RESERVED_CRATES, "a crate")
}

/// Checks the name of a module in Python.
pub(super) fn check_module(name: &str) -> Result<(), String> {
    check(name, RESERVED_MODULES, "a module in Python")
}

fn check(name: &str, reserved: &str, what: &str) -> Result<(), String> {
    let name = name.replace('-', "_").to_lowercase();
    if reserved.split_whitespace().any(|reserved| reserved == name) {
        return Err(format!("{what} cannot have the name {name}: it is reserved"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_no_folder_or_file_should_have_are_refused() {
        for good in ["mine", "acme-quirks", "a_1", "X", "fn", "json"] {
            assert_eq!(transform_name(good).as_deref(), Ok(good));
        }
        let long = "x".repeat(65);
        for bad in ["", "1a", "-a", "a b", "a/b", "../a", "ä", &long] {
            assert!(transform_name(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn names_with_a_meaning_in_the_language_are_refused() {
        for bad in ["fn", "Self", "serde-json", "ocpp-transform"] {
            assert!(check_crate(bad).is_err(), "{bad}");
        }
        for bad in ["json", "lambda", "wit-world", "None"] {
            assert!(check_module(bad).is_err(), "{bad}");
        }
        assert_eq!((check_crate("json"), check_module("fn")), (Ok(()), Ok(())));
    }
}
