//! The OpenSSL context of a listener: what the configuration is for rustls.
//!
//! rustls reads the files here too, chooses among the certificates, and verifies those of clients. So both accept and
//! refuse the same; OpenSSL only speaks TLS.

use super::certificates::CertificateChoice;
use super::files::at;
use crate::config::CertificateConfig;
use foreign_types::ForeignTypeRef as _;
use openssl::error::ErrorStack;
use openssl::pkey::PKey;
use openssl::ssl::{
    ClientHelloResponse, SslCipherRef, SslContext, SslContextBuilder, SslMethod, SslMode, SslOptions, SslRef,
    SslSessionCacheMode, SslVerifyMode, SslVersion,
};
use openssl::stack::{Stack, StackRef};
use openssl::x509::{X509, X509Name, X509StoreContextRef, X509VerifyResult};
use rustls::SignatureScheme;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::danger::ClientCertVerifier;
use std::sync::Arc;

/// The cipher suites of TLS 1.2: those of rustls, then those that OCPP wants beside them (2.0.1 part 2, A00.FR.318).
const SUITES: &str = "ECDHE+AESGCM:ECDHE+CHACHA20:kRSA+AESGCM";

/// RSA keys of 2048 bits or more, and no SHA-1: as rustls. Otherwise each system has a level of its own.
const SECURITY_LEVEL: u32 = 2;

/// Tickets of one context are of no use in another one.
const SESSIONS: &[u8] = b"ocpp";

/// The OpenSSL context of a listener with these certificates, which speaks TLS 1.2 and 1.3. An error names the faulty
/// file.
///
/// `clients`: checks the certificates of clients; `None`: they are not asked for one. `resumes`: whether sessions can be
/// resumed, which are not checked again. Each context has keys of its own for their tickets.
pub fn server_context(
    files: &[CertificateConfig],
    clients: Option<Arc<dyn ClientCertVerifier>>,
    resumes: bool,
) -> Result<SslContext, String> {
    let choice = CertificateChoice::read(files)?;
    let of_pairs = files.iter().zip(choice.chains()).map(|(pair, chain)| {
        let builder = builder(clients.as_ref(), resumes).map_err(|error| error.to_string())?;
        with_certificate(builder, pair, chain)
    });
    let of_pairs: Vec<SslContext> = of_pairs.collect::<Result<_, _>>()?;
    let mut builder = builder(clients.as_ref(), resumes).map_err(|error| error.to_string())?;
    builder.set_client_hello_callback(move |ssl, _| {
        let schemes = signature_schemes(ssl)?;
        if let Some(chosen) = of_pairs.get(choice.choose(server_name(ssl), &schemes)) {
            ssl.set_ssl_context(chosen)?;
        }
        Ok(ClientHelloResponse::SUCCESS)
    });
    Ok(builder.build())
}

fn builder(clients: Option<&Arc<dyn ClientCertVerifier>>, resumes: bool) -> Result<SslContextBuilder, ErrorStack> {
    let mut builder = SslContext::builder(SslMethod::tls_server())?;
    builder.set_min_proto_version(Some(SslVersion::TLS1_2))?;
    builder.set_security_level(SECURITY_LEVEL);
    builder.set_cipher_list(SUITES)?;
    builder.set_options(SslOptions::NO_RENEGOTIATION | SslOptions::CIPHER_SERVER_PREFERENCE);
    // An idle connection keeps no buffers. The others are what a stream that is polled needs.
    builder.set_mode(
        SslMode::RELEASE_BUFFERS
            | SslMode::AUTO_RETRY
            | SslMode::ENABLE_PARTIAL_WRITE
            | SslMode::ACCEPT_MOVING_WRITE_BUFFER,
    );
    // Sessions are in tickets, which the clients keep.
    builder.set_session_cache_mode(SslSessionCacheMode::OFF);
    builder.set_session_id_context(SESSIONS)?;
    if !resumes {
        builder.set_options(SslOptions::NO_TICKET);
        builder.set_num_tickets(0)?;
    }
    if let Some(clients) = clients {
        let mut names = Stack::new()?;
        for name in clients.root_hint_subjects() {
            names.push(X509Name::from_der(name.as_ref())?)?;
        }
        builder.set_client_ca_list(names);
        let clients = Arc::clone(clients);
        builder
            .set_verify_callback(SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT, move |is_valid, chain| {
                verify(&*clients, is_valid, chain)
            });
    }
    Ok(builder)
}

/// Sets the certificate with its `chain`, and its key, which rustls has read before but does not give out.
fn with_certificate(
    mut builder: SslContextBuilder,
    pair: &CertificateConfig,
    chain: &[CertificateDer<'_>],
) -> Result<SslContext, String> {
    let key = PrivateKeyDer::from_pem_file(&pair.key).map_err(|error| at(&pair.key, &error))?;
    let set = || {
        let mut chain = chain.iter().map(|certificate| X509::from_der(certificate));
        if let Some(certificate) = chain.next() {
            builder.set_certificate(&*certificate?)?;
        }
        for issuer in chain {
            builder.add_extra_chain_cert(issuer?)?;
        }
        builder.set_private_key(&*PKey::private_key_from_der(key.secret_der())?)?;
        Ok(builder.build())
    };
    set().map_err(|error: ErrorStack| format!("{} with {}: {error}", pair.cert.display(), pair.key.display()))
}

/// Called for each fault that OpenSSL finds, which does not count, and for each certificate at the end, that of the
/// client last.
fn verify(clients: &dyn ClientCertVerifier, is_valid: bool, context: &mut X509StoreContextRef) -> bool {
    if !is_valid || context.error_depth() != 0 {
        return true;
    }
    let is_verified = context.chain().is_some_and(|chain| is_verified(clients, chain));
    context.set_error(if is_verified { X509VerifyResult::OK } else { X509VerifyResult::APPLICATION_VERIFICATION });
    is_verified
}

fn is_verified(clients: &dyn ClientCertVerifier, chain: &StackRef<X509>) -> bool {
    let chain: Result<Vec<CertificateDer<'_>>, _> = chain.iter().map(|one| one.to_der().map(Into::into)).collect();
    let chain = chain.unwrap_or_default();
    let verified = chain
        .split_first()
        .map(|(certificate, intermediates)| clients.verify_client_cert(certificate, intermediates, UnixTime::now()));
    matches!(verified, Some(Ok(_)))
}

/// The name in SNI (RFC 6066, 3): a list of one name, which is of type 0, with their lengths.
fn server_name(ssl: &SslRef) -> Option<&str> {
    let [_, _, 0, _, _, name @ ..] = extension(ssl, EXTENSION_SERVER_NAME)? else { return None };
    std::str::from_utf8(name).ok()
}

/// The signature schemes of a client, without those that do not go with the cipher suites that it and [`SUITES`] have.
fn signature_schemes(ssl: &SslRef) -> Result<Vec<SignatureScheme>, ErrorStack> {
    let mut schemes = match extension(ssl, EXTENSION_SIGNATURE_ALGORITHMS) {
        // A list of numbers of 16 bits, with its length (RFC 8446, 4.2.3).
        Some([_, _, list @ ..]) => {
            list.chunks_exact(2).map(|scheme| u16::from_be_bytes([scheme[0], scheme[1]]).into()).collect()
        }
        // It does not say, and may need no signature: what its cipher suites need decides.
        _ => vec![
            SignatureScheme::RSA_PKCS1_SHA256,
            SignatureScheme::ECDSA_NISTP256_SHA256,
            SignatureScheme::ECDSA_NISTP384_SHA384,
        ],
    };
    let suites = ssl.bytes_to_cipher_list(ssl.client_hello_ciphers().unwrap_or_default(), false)?.suites;
    let goes_with = |kinds: &[&str]| {
        suites.iter().filter_map(SslCipherRef::standard_name).any(|name| match name.split_once("_WITH_") {
            Some((kind, cipher)) => kinds.contains(&kind) && (cipher.contains("GCM") || cipher.contains("CHACHA20")),
            // Those of TLS 1.3 go with any certificate.
            None => true,
        })
    };
    let (rsa, ecdsa) = (goes_with(&["TLS_ECDHE_RSA", "TLS_RSA"]), goes_with(&["TLS_ECDHE_ECDSA"]));
    schemes.retain(|scheme| if is_of_ecdsa(*scheme) { ecdsa } else { rsa });
    Ok(schemes)
}

fn is_of_ecdsa(scheme: SignatureScheme) -> bool {
    use SignatureScheme::{ECDSA_NISTP256_SHA256, ECDSA_NISTP384_SHA384, ECDSA_NISTP521_SHA512, ED448, ED25519};
    matches!(scheme, ECDSA_NISTP256_SHA256 | ECDSA_NISTP384_SHA384 | ECDSA_NISTP521_SHA512 | ED25519 | ED448)
}

/// The numbers of extensions (RFC 8446, 4.2).
const EXTENSION_SERVER_NAME: u32 = 0;
const EXTENSION_SIGNATURE_ALGORITHMS: u32 = 13;

/// The content of this extension. `None`: the client has not sent it, or this is not the client hello callback.
fn extension(ssl: &SslRef, number: u32) -> Option<&[u8]> {
    let (mut content, mut length) = (std::ptr::null(), 0);
    // The `openssl` crate has no function for this.
    // SAFETY: `ssl` is valid. OpenSSL returns 1 if it has set a pointer into the client's message, which it keeps as
    // long as the callback runs; no `SslRef` of the callback outlives that.
    unsafe {
        let found = openssl_sys::SSL_client_hello_get0_ext(ssl.as_ptr(), number, &mut content, &mut length);
        (found == 1 && !content.is_null()).then(|| std::slice::from_raw_parts(content, length))
    }
}
