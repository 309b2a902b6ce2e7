//! Web addresses of endpoints: encrypted, or on this very machine; never with a password in them.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use crate::said;
use crate::say::Said;

/// A checked web address.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Url(String);

impl Url {
    /// The address as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// An address requests are sent to. As the `base` of others it has no `?` part, and loses a slash at its end.
    pub(super) fn parse(text: &str, base: bool) -> Result<Url, Said> {
        let Parts {
            encrypted,
            host,
            has_query,
        } = parts(text)?;
        if !encrypted && !is_this_machine(host) {
            return Err(said!(
                "địa chỉ http:// không mã hóa chỉ được dùng cho chính máy này (localhost, 127.0.0.1, [::1])",
                "http:// without encryption is only for this very machine (localhost, 127.0.0.1, [::1])"
            ));
        }
        if base && has_query {
            return Err(said!("địa chỉ gốc không được có dấu ?", "a base address has no ? part"));
        }
        Ok(Url(if base { text.trim_end_matches('/') } else { text }.to_owned()))
    }

    /// The address of a proxy: inside the site, so encryption is not asked of it.
    pub(super) fn parse_proxy(text: &str) -> Result<Url, Said> {
        parts(text).map(|_| Url(text.trim_end_matches('/').to_owned()))
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

struct Parts<'t> {
    encrypted: bool,
    host: &'t str,
    has_query: bool,
}

fn parts(text: &str) -> Result<Parts<'_>, Said> {
    let broken = || said!("đây không phải là địa chỉ web đúng", "this is not a valid web address");
    let (scheme, rest) = text.split_once("://").ok_or_else(broken)?;
    let encrypted = match scheme {
        "https" => true,
        "http" => false,
        _ => {
            return Err(said!(
                "địa chỉ phải bắt đầu bằng https://",
                "an address starts with https://"
            ));
        }
    };
    let authority_ends = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(authority_ends);
    if authority.contains('@') {
        return Err(said!(
            "địa chỉ không được chứa tên đăng nhập hay mật khẩu",
            "an address does not contain a user name or password"
        ));
    }
    let usable = |byte: u8| byte.is_ascii_graphic() && !br##""<>\^`{|}#"##.contains(&byte);
    if !text.bytes().all(usable) || text.len() > 2000 {
        return Err(broken());
    }
    let (host, port) = host_and_port(authority).ok_or_else(broken)?;
    let port_is_right =
        port.is_none_or(|port| port.bytes().all(|b| b.is_ascii_digit()) && matches!(port.parse::<u16>(), Ok(1..)));
    if !port_is_right || !is_host(host) {
        return Err(broken());
    }
    Ok(Parts {
        encrypted,
        host,
        has_query: path.contains('?'),
    })
}

fn host_and_port(authority: &str) -> Option<(&str, Option<&str>)> {
    if authority.starts_with('[') {
        let (host, rest) = authority.split_at(authority.find(']')? + 1);
        return if rest.is_empty() {
            Some((host, None))
        } else {
            Some((host, Some(rest.strip_prefix(':')?)))
        };
    }
    Some(
        authority
            .split_once(':')
            .map_or((authority, None), |(host, port)| (host, Some(port))),
    )
}

fn is_host(host: &str) -> bool {
    if let Some(bracketed) = host.strip_prefix('[') {
        return bracketed
            .strip_suffix(']')
            .is_some_and(|address| address.parse::<Ipv6Addr>().is_ok());
    }
    let is_label = |label: &str| {
        !label.is_empty() && label.len() <= 63 && label.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
    };
    // Browsers and libraries take "127.1" or "0x7f.1" for numbers too; what ends in a number is an address in full or wrong.
    let last = host.rsplit('.').next().unwrap_or_default();
    let ends_in_number = last.starts_with(|c: char| c.is_ascii_digit());
    host.len() <= 253 && host.split('.').all(is_label) && (!ends_in_number || host.parse::<Ipv4Addr>().is_ok())
}

fn is_this_machine(host: &str) -> bool {
    let v6 = host.trim_start_matches('[').trim_end_matches(']').parse::<Ipv6Addr>();
    host == "localhost"
        || host.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback())
        || v6.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn encrypted_addresses_and_those_on_this_machine_are_accepted() {
        for text in [
            "https://vhr.example.vn",
            "https://vhr.example.vn:8443/fhir/r4",
            "https://10.0.0.7/fhir",
            "https://[2001:db8::1]:8443/fhir",
            "http://127.0.0.1:8080/fhir",
            "http://127.3.2.1",
            "http://[::1]:8080",
            "http://localhost:8080/fhir",
        ] {
            assert_eq!(Url::parse(text, true).unwrap().as_str(), text);
        }
    }

    #[test]
    fn plain_http_to_another_machine_is_refused() {
        for text in [
            "http://vhr.example.vn",
            "http://10.0.0.7",
            "http://[::2]",
            "http://127.0.0.1.example.vn",
            "http://localhost.example.vn",
            "http://0.0.0.0",
        ] {
            assert!(
                Url::parse(text, true).unwrap_err().en.contains("this very machine"),
                "{text}"
            );
        }
    }

    #[test]
    fn an_address_with_a_password_is_refused_without_repeating_it() {
        for text in [
            "https://u:s3cret@example.vn",
            "https://s3cret@example.vn/a",
            "http://u:s3cret@127.0.0.1",
            "https://u:s3cret @x",
        ] {
            let said = Url::parse(text, true).unwrap_err();
            assert!(
                said.en.contains("password") && !said.to_string().contains("s3cret"),
                "{said}"
            );
        }
    }

    #[test]
    fn what_is_not_an_address_is_refused() {
        for text in [
            "",
            "vhr.example.vn",
            "https://",
            "https:///fhir",
            "ftp://example.vn",
            "https://exa mple.vn",
            "https://ví-dụ.vn",
            "https://example..vn",
            "https://example.vn:0",
            "https://example.vn:99999",
            "https://example.vn:+1",
            "https://example.vn:",
            "https://[::1",
            "https://[::1]x",
            "https://example.vn\\@other.vn",
            "https://127.1",
            "https://0x7f.0x1",
            "https://example.vn/#a",
        ] {
            assert!(Url::parse(text, true).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_base_address_loses_its_last_slash_and_has_no_question_mark() {
        assert_eq!(
            Url::parse("https://example.vn/fhir/", true).unwrap().as_str(),
            "https://example.vn/fhir"
        );
        assert!(Url::parse("https://example.vn/fhir?a=b", true).is_err());
        assert_eq!(
            Url::parse("https://example.vn/token/?a=b", false).unwrap().as_str(),
            "https://example.vn/token/?a=b"
        );
    }

    #[test]
    fn a_proxy_may_be_plain_but_has_no_password() {
        assert_eq!(
            Url::parse_proxy("http://proxy.bv.local:3128/").unwrap().as_str(),
            "http://proxy.bv.local:3128"
        );
        assert!(Url::parse_proxy("http://u:p@proxy.bv.local:3128").is_err());
    }

    proptest! {
        #[test]
        fn reading_an_address_never_panics(text in "(https?://)?\\PC{0,40}", odd in "https?://[\\[\\]:@/.0-9a-f]{0,30}") {
            let _ = (Url::parse(&text, true), Url::parse(&odd, false));
        }
    }
}
