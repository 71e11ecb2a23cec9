//! The server's part of the negotiation (RFC 7692 sections 5 and 7.1).

mod parse;

use crate::settings::{Agreed, Compression, Settings, WindowBits};
use parse::{Extension, Parameter, extensions};

/// The answer to the client's offers: the values of all its `Sec-WebSocket-Extensions` lines, in their order.
///
/// The first acceptable offer wins. An offer is declined if it has an unknown, repeated or malformed parameter; other
/// extensions are ignored. `None`: the response names no extension, and messages are not compressed.
///
/// A window of 8 bits for messages of the gateway is accepted, although zlib compresses with 9 bits at least: then no
/// message refers to earlier ones, and only those that fit in the window are compressed.
pub fn negotiate<'a>(lines: impl IntoIterator<Item = &'a str>, settings: &Settings) -> Option<Agreed> {
    let offers = lines.into_iter().flat_map(extensions).flatten();
    let mut offers = offers.filter(|offer| offer.name.eq_ignore_ascii_case("permessage-deflate"));
    offers.find_map(|offer| Some(accept(&Offer::read(&offer)?, settings)))
}

/// The parameters of one offer. `None`: absent.
#[derive(Default)]
struct Offer {
    server_no_context_takeover: Option<()>,
    client_no_context_takeover: Option<()>,
    server_max_window_bits: Option<WindowBits>,
    /// Inside, `None`: without a value.
    client_max_window_bits: Option<Option<WindowBits>>,
}

impl Offer {
    /// `None`: the offer is declined.
    fn read(extension: &Extension<'_>) -> Option<Self> {
        let mut offer = Offer::default();
        for Parameter { name, value } in &extension.parameters {
            let is_repeated = if name.eq_ignore_ascii_case("server_no_context_takeover") {
                offer.server_no_context_takeover.replace(no_value(value.as_deref())?).is_some()
            } else if name.eq_ignore_ascii_case("client_no_context_takeover") {
                offer.client_no_context_takeover.replace(no_value(value.as_deref())?).is_some()
            } else if name.eq_ignore_ascii_case("server_max_window_bits") {
                offer.server_max_window_bits.replace(window_bits(value.as_deref()?)?).is_some()
            } else if name.eq_ignore_ascii_case("client_max_window_bits") {
                let bits = value.as_deref().map_or(Some(None), |value| window_bits(value).map(Some))?;
                offer.client_max_window_bits.replace(bits).is_some()
            } else {
                return None;
            };
            if is_repeated {
                return None;
            }
        }
        Some(offer)
    }
}

fn accept(offer: &Offer, settings: &Settings) -> Agreed {
    let server_window = offer.server_max_window_bits.unwrap_or(WindowBits::MAX).min(settings.server_window);
    // The server may only limit the window of a client that offers to limit it (section 7.1.2.2).
    let client_window = match offer.client_max_window_bits {
        Some(bits) => bits.unwrap_or(WindowBits::MAX).min(settings.client_window),
        None => WindowBits::MAX,
    };
    let fits_zlib = server_window > WindowBits::MIN;
    Agreed {
        compression: Compression {
            threshold: u32::try_from(settings.threshold).unwrap_or(u32::MAX),
            level: settings.level.clamp(1, 9),
            window: server_window,
            is_takeover: settings.server_takeover && offer.server_no_context_takeover.is_none() && fits_zlib,
        },
        client_takeover: settings.client_takeover && offer.client_no_context_takeover.is_none(),
        client_window,
    }
}

fn no_value(value: Option<&str>) -> Option<()> {
    value.is_none().then_some(())
}

/// A decimal number without leading zeros, 8 to 15 (section 7.1.2).
fn window_bits(value: &str) -> Option<WindowBits> {
    if value.starts_with('0') || !value.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    WindowBits::new(value.parse().ok()?)
}

#[cfg(test)]
mod tests;
