"""Which addresses may be fetched, in every notation."""

from __future__ import annotations

import ipaddress

import pytest

from bot.core.errors import ImageError
from bot.media.addresses import AddressRules, HostNotListed, host_of, is_public

NOTHING = AddressRules()
CDN = AddressRules(allowed_hosts=("cdn.discordapp.com", "media.test:8443"))
STORES = AddressRules(allowed_hosts=("*.oxen.test", "s3.*.amazonaws.com", "*.s3.*.amazonaws.com"))
HOME = AddressRules(allowed_hosts=("127.0.0.1:9000", "[::1]:9000", "minio.internal"), trusted_hosts=("10.0.0.5:80",))

INSIDE = (
    "https://127.0.0.1/a.png",
    "https://10.1.2.3/",
    "https://192.168.0.1/",
    "https://169.254.169.254/latest/meta-data",  # cloud metadata with credentials
    "https://100.64.0.1/",  # carrier-grade NAT
    "https://0.0.0.0/",
    "https://224.0.0.1/",
    "https://[::1]/",
    "https://[::]/",
    "https://[fe80::1]/",
    "https://[fd00::1]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[::ffff:7f00:1]/",
    "https://[64:ff9b::7f00:1]/",
    "https://[2002:7f00:1::]/",
)
ODD_NUMBERS = (
    "https://2130706433/",
    "https://017700000001/",
    "https://0177.0.0.1/",
    "https://0x7f000001/",
    "https://0x7f.1/",
    "https://127.1/",
    "https://127.0.0.1./",
    "https://1.2.3.4.5/",
    "https://１２７.0.0.1/",
)
NOT_PLAIN = (
    "http://images.test/a.png",
    "ftp://images.test/a.png",
    "file:///etc/passwd",
    "data:image/png;base64,AAAA",
    "//images.test/a.png",
    "https://user:pass@images.test/a.png",
    "https://user@images.test/a.png",
    "https://",
    "https:///a.png",
    "https://images.test:99999/",
    "https://[::1/",
    "",
)


@pytest.mark.parametrize("url", [*INSIDE, *ODD_NUMBERS, *NOT_PLAIN])
@pytest.mark.parametrize("rules", [NOTHING, CDN, STORES], ids=["nothing", "listed", "patterns"])
def test_private_and_malformed_addresses_are_refused(rules: AddressRules, url: str) -> None:
    with pytest.raises(ImageError):
        rules.check(url)


@pytest.mark.parametrize("url", ["https://images.test/a.png?sig=1", "https://93.184.215.14/a.png", "https://[2606:4700::1111]:8443/"])
def test_a_public_host_that_nothing_lists_could_be_listed(url: str) -> None:
    with pytest.raises(HostNotListed):
        NOTHING.check(url)


@pytest.mark.parametrize("url", [*INSIDE, *ODD_NUMBERS, *NOT_PLAIN])
def test_a_private_or_malformed_address_could_not(url: str) -> None:
    with pytest.raises(ImageError) as refused:
        NOTHING.check(url)
    assert not isinstance(refused.value, HostNotListed)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("fox.s3.eu-central-1.amazonaws.com", True),
        ("a.fox.s3.eu-central-1.amazonaws.com", True),
        ("s3.eu-central-1.amazonaws.com", True),
        ("files.oxen.test", True),
        ("oxen.test", False),
        ("evil-oxen.test", False),
        ("oxen.test.evil.test", False),
        ("s3.evil.test.amazonaws.com", False),
        ("ec2-1-2-3-4.compute-1.amazonaws.com", False),
        ("fox.s3.eu.evil.amazonaws.com", False),
        ("files.oxen.test:8443", False),
    ],
)
def test_a_pattern_allows_the_names_below_it(host: str, expected: bool) -> None:
    url = f"https://{host}/fox.png"
    if expected:
        assert str(STORES.check(url)) == url
    else:
        with pytest.raises(HostNotListed):
            STORES.check(url)


@pytest.mark.parametrize("host", ["oxen.test", "files.oxen.test"])
def test_a_host_that_no_setting_lists_itself_has_public_addresses_only(host: str) -> None:
    rules = AddressRules(public_hosts=("oxen.test", "*.oxen.test"))
    assert rules.check(f"https://{host}/fox.png")
    assert not rules.names(host=host, port=443)
    with pytest.raises(ImageError):
        rules.check(f"http://{host}/fox.png")


def test_a_pattern_names_no_private_address() -> None:
    assert not STORES.names(host="files.oxen.test", port=443)
    with pytest.raises(ImageError):
        STORES.check("http://files.oxen.test/fox.png")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://cdn.discordapp.com/a.png", True),
        ("https://CDN.DiscordApp.com/a.png", True),
        ("https://media.test:8443/", True),
        ("https://cdn.discordapp.com:8443/", False),
        ("https://media.test/", False),
        ("https://cdn.discordapp.com.evil.test/", False),
        ("https://evil.test/cdn.discordapp.com", False),
        ("https://cdn.discordapp.com@evil.test/", False),
        ("https://evil.test#@cdn.discordapp.com/", False),
        ("https://evil.test\\@cdn.discordapp.com/", False),
    ],
)
def test_a_list_allows_only_its_hosts_and_ports(url: str, expected: bool) -> None:
    try:
        allowed = CDN.check(url) is not None
    except ImageError:
        allowed = False
    assert allowed is expected


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:9000/a", "http://[::1]:9000/a", "https://127.0.0.1:9000/a", "http://10.0.0.5/a", "https://minio.internal/a"]
)
def test_named_private_hosts_may_use_http(url: str) -> None:
    assert HOME.check(url)


@pytest.mark.parametrize("url", ["http://127.0.0.1:9001/", "http://127.0.0.1/", "http://localhost:9000/", "https://10.0.0.6/"])
def test_naming_one_private_address_allows_no_other(url: str) -> None:
    with pytest.raises(ImageError):
        HOME.check(url)


@pytest.mark.parametrize(
    ("url", "expected"),
    [("https://hub.oxen.ai", "hub.oxen.ai:443"), ("http://127.0.0.1:90/x", "127.0.0.1:90"), ("http://[::1]", "[::1]:80")],
)
def test_the_host_entry_of_a_url(url: str, expected: str) -> None:
    assert host_of(url) == expected
    assert AddressRules(trusted_hosts=(expected,)).check(url)


def test_plain_http_to_a_public_address_is_refused_even_if_named() -> None:
    with pytest.raises(ImageError):
        AddressRules(allowed_hosts=("93.184.215.14:80",)).check("http://93.184.215.14/")


def test_a_refusal_shows_only_the_host() -> None:
    with pytest.raises(ImageError) as caught:
        CDN.check("https://evil.test/path?signature=s3cret")
    assert caught.value.sentence == "Images can't be loaded from evil.test."


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "64:ff9b::808:808", "::ffff:8.8.8.8"])
def test_an_address_with_an_embedded_public_one_is_public(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", ["2001:db8::1", "240.0.0.1", "255.255.255.255", "2001::1", "ff02::1", "fe80::1%1"])
def test_reserved_addresses_are_not_public(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))
