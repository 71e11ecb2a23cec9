//! Revocation lists (CRLs) of the authorities that sign certificates of clients.

use super::expiry::Validity;
use super::files::at;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer};
use std::cmp::Reverse;
use std::path::{Path, PathBuf};
use x509_parser::oid_registry::OID_X509_EXT_ISSUER_DISTRIBUTION_POINT;
use x509_parser::prelude::{CertificateRevocationList, FromDer as _, X509Certificate};
use x509_parser::x509::X509Version;

/// The first byte of a list in DER: a SEQUENCE.
const DER: u8 = 0x30;

/// The revocation lists of some files.
#[derive(Debug, Default)]
pub struct RevocationLists {
    /// The latest first, as the first one of a CA is used.
    pub lists: Vec<CertificateRevocationListDer<'static>>,
    /// Of each file the list that ends first.
    pub files: Vec<(PathBuf, Validity)>,
    /// The authorities that have no list, by name. Their certificates are not looked up.
    pub unchecked: Vec<String>,
}

impl RevocationLists {
    /// Reads the files, each of which has one list in DER, or several in PEM. Each list has to be signed by one of
    /// `authorities`. An error names the file.
    pub fn read(files: &[PathBuf], authorities: &[CertificateDer<'_>]) -> Result<Self, String> {
        let authorities: Vec<_> = authorities
            .iter()
            .filter_map(|authority| X509Certificate::from_der(authority).ok())
            .map(|(_, parsed)| parsed)
            .collect();
        let (mut lists, mut ends, mut listed) = (Vec::new(), Vec::new(), Vec::new());
        for file in files {
            let mut validities = Vec::new();
            for der in read_file(file)? {
                let (parsed, authority) = check(&der, &authorities).map_err(|problem| at(file, &problem))?;
                listed.push(authority.subject().to_string());
                let issued = parsed.last_update().timestamp();
                let next = parsed.next_update().map_or(i64::MAX, |next| next.timestamp());
                validities.push(Validity { subject: parsed.issuer().to_string(), not_before: issued, not_after: next });
                lists.push((Reverse(issued), der.clone()));
            }
            ends.extend(validities.into_iter().min_by_key(|it| it.not_after).map(|first| (file.clone(), first)));
        }
        lists.sort_by_key(|(issued, _)| *issued);
        let names = authorities.iter().map(|authority| authority.subject().to_string());
        let unchecked = names.filter(|name| !files.is_empty() && !listed.contains(name)).collect();
        Ok(RevocationLists { lists: lists.into_iter().map(|(_, der)| der).collect(), files: ends, unchecked })
    }
}

fn read_file(file: &Path) -> Result<Vec<CertificateRevocationListDer<'static>>, String> {
    let content = std::fs::read(file).map_err(|error| at(file, &error))?;
    if content.first() == Some(&DER) {
        return Ok(vec![content.into()]);
    }
    let lists = CertificateRevocationListDer::pem_slice_iter(&content).collect::<Result<Vec<_>, _>>();
    match lists {
        Ok(lists) if lists.is_empty() => Err(at(file, &"there is no revocation list in it, neither in PEM nor in DER")),
        Ok(lists) => Ok(lists),
        Err(error) => Err(at(file, &error)),
    }
}

/// Parses a list and finds the authority that has signed it.
fn check<'a, 'b>(
    der: &'a [u8],
    authorities: &'b [X509Certificate<'b>],
) -> Result<(CertificateRevocationList<'a>, &'b X509Certificate<'b>), String> {
    let (_, list) =
        CertificateRevocationList::from_der(der).map_err(|error| format!("not a revocation list: {error}"))?;
    let issuer = list.issuer().to_string();
    if list.version() != Some(X509Version::V2) {
        return Err(format!("the list of {issuer} is not of version 2: OpenSSL writes one with crl_extensions"));
    }
    // webpki looks a certificate up in such a list only if it names the same part: others would pass without a word.
    if list.extensions().iter().any(|extension| extension.oid == OID_X509_EXT_ISSUER_DISTRIBUTION_POINT) {
        let problem = "is for a part of its certificates only (issuing distribution point): use the complete one";
        return Err(format!("the list of {issuer} {problem}"));
    }
    let mut named = authorities.iter().filter(|authority| authority.subject().as_raw() == list.issuer().as_raw());
    let Some(signer) = named.clone().find(|authority| list.verify_signature(authority.public_key()).is_ok()) else {
        return Err(match named.next() {
            Some(_) => format!("the list of {issuer} is signed with another key than that of this CA in client_ca"),
            None => format!("it is the list of {issuer}, which is no CA in client_ca: add that CA, or remove the list"),
        });
    };
    // A list names its CA, and not the key. webpki would check certificates of the one against the list of the other.
    if named.any(|other| other.public_key().raw != signer.public_key().raw) {
        return Err(format!("client_ca has two CAs named {issuer}, with different keys: lists do not tell them apart"));
    }
    let usage = signer.key_usage().ok().flatten();
    if usage.is_some_and(|usage| !usage.value.crl_sign()) {
        return Err(format!("{issuer} may not sign revocation lists: its certificate in client_ca lacks cRLSign"));
    }
    Ok((list, signer))
}
