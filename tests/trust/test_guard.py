"""Which URLs and addresses the guard lets through, and that every parser reads them alike."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st
from urllib3.util import parse_url

from cds_service.trust.guard import address_allowed, canonical_base, resolve_under

BASE = "https://good.example/r4/A"
HOSTILE_BASES = [
    "",
    " ",
    "good.example/fhir",
    "//good.example/fhir",
    "https:/good.example/fhir",
    "https:good.example/fhir",
    "https:///fhir",
    "https://",
    "ftp://good.example/fhir",
    "file:///etc/passwd",
    "gopher://good.example:70/fhir",
    "javascript:alert(1)",
    "https://evil.test\\@good.example/fhir",
    "https://good.example\\.evil.test/fhir",
    "https://user@good.example/fhir",
    "https://user:password@good.example/fhir",
    "https://@good.example/fhir",
    "https://good.example/fhir?x=1",
    "https://good.example/fhir?",
    "https://good.example/fhir#x",
    "https://good.example#@evil.test/fhir",
    "https://good.example/r4/A/../B",
    "https://good.example/r4/./A",
    "https://good.example/r4/..",
    "https://good.example/r4/%2e%2e/B",
    "https://good.example/r4%2fB",
    "https://good.example//fhir",
    "https://good.example/r4/..;/B",
    "https://good.example/fhir\n",
    "https://good.example/fh\tir",
    "https://good.example /fhir",
    "https://good.example/fhir\x00",
    "https://bücher.example/fhir",
    "https://ｇｏｏｄ.example/fhir",
    "https://good.example。evil.test/fhir",
    "https://good.example./fhir",
    "https://good..example/fhir",
    "https://%67ood.example/fhir",
    "http://2130706433/fhir",
    "http://0x7f000001/fhir",
    "http://0x7f.1/fhir",
    "http://0177.0.0.1/fhir",
    "http://127.1/fhir",
    "http://[fe80::1%25eth0]/fhir",
    "http://[::1/fhir",
    "https://good.example:0/fhir",
    "https://good.example:99999/fhir",
    "https://good.example:443x/fhir",
    "https://good.example/" + "a" * 512,
]


@pytest.mark.parametrize("url", HOSTILE_BASES)
def test_a_hostile_base_is_refused(url: str) -> None:
    assert canonical_base(url) is None


@pytest.mark.parametrize("value", [None, 7, [], {}, b"https://good.example", True])
def test_what_is_no_text_is_no_base(value: object) -> None:
    assert canonical_base(value) is None


@pytest.mark.parametrize(
    ("url", "canonical"),
    [
        ("https://good.example/fhir", "https://good.example/fhir"),
        ("https://good.example/r4/tenant-1", "https://good.example/r4/tenant-1"),
        ("http://127.0.0.1:8642/demo/fhir", "http://127.0.0.1:8642/demo/fhir"),
        ("HTTPS://GOOD.Example/FHIR", "https://good.example/FHIR"),
        ("https://good.example:443/fhir/", "https://good.example/fhir"),
        ("http://good.example:80", "http://good.example"),
        ("https://good.example:/fhir", "https://good.example/fhir"),
        ("https://good.example:80/fhir", "https://good.example:80/fhir"),
        ("https://good.example/", "https://good.example"),
        ("https://[2001:DB8::1]:8443/fhir", "https://[2001:db8::1]:8443/fhir"),
        ("https://xn--bcher-kva.example/fhir", "https://xn--bcher-kva.example/fhir"),
        ("http://hapi_fhir:8080/fhir", "http://hapi_fhir:8080/fhir"),
    ],
)
def test_a_base_has_one_spelling(url: str, canonical: str) -> None:
    assert canonical_base(url) == canonical
    assert canonical_base(url) == canonical


@pytest.mark.parametrize(
    "url",
    [
        "http://good.example/r4/A",
        "https://good.example:8443/r4/A",
        "https://good.example/r4/B",
        "https://good.example/r4/a",
        "https://good.example/r4/A/B",
        "https://good.example/r4",
        "https://evil.test/r4/A",
        "https://good.example.evil.test/r4/A",
        None,
    ],
)
def test_another_scheme_port_path_or_tenant_is_another_base(url: str | None) -> None:
    assert canonical_base(url) != BASE


@pytest.mark.parametrize(
    ("link", "url"),
    [
        ("Medication/1", f"{BASE}/Medication/1"),
        ("Patient/7/_history/2", f"{BASE}/Patient/7/_history/2"),
        (f"{BASE}/Medication/1", f"{BASE}/Medication/1"),
        ("HTTPS://GOOD.EXAMPLE:443/r4/A/Medication/1", f"{BASE}/Medication/1"),
        ("?_getpages=1&x=..", f"{BASE}?_getpages=1&x=.."),
        (f"{BASE}?_getpages=a%7Cb", f"{BASE}?_getpages=a%7Cb"),
        ("/r4/A/Observation?page=2", f"{BASE}/Observation?page=2"),
        (
            "Observation?code=http://loinc.org|2951-2",
            f"{BASE}/Observation?code=http://loinc.org%7C2951-2",
        ),
        (f"{BASE}/Observation?next=" + "x" * 2000, f"{BASE}/Observation?next=" + "x" * 2000),
    ],
)
def test_a_reference_or_next_link_below_the_base_is_resolved(link: str, url: str) -> None:
    assert resolve_under(BASE, link) == url


@pytest.mark.parametrize(
    "link",
    [
        "",
        None,
        7,
        "#contained",
        "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0",
        "mailto:a@b.example",
        "//evil.test/r4/A/x",
        "https://evil.test/r4/A/x",
        "http://good.example/r4/A/x",
        "https://good.example:8443/r4/A/x",
        "https://good.example/r4/B/x",
        "https://good.example/r4/AB/x",
        "https://good.example/r4",
        "/r4/B/x",
        "/",
        "..",
        "../B/x",
        "Patient/..",
        "https://good.example/r4/A/../B/x",
        "https://good.example/r4/A/%2e%2e/B/x",
        "https://good.example/r4/A/..;/B/x",
        "https://good.example/r4/A\\..\\B/x",
        "https://evil.test\\@good.example/r4/A/x",
        "https://good.example@evil.test/r4/A/x",
        "https://good.example/r4/A//evil.test/x",
        "Medication/1\r\nX-Evil: 1",
        "Medication/1?x=\u0660",
        "Medication/1?x=1#y",
        "x" * 600,
        "Observation?x=" + "x" * 9000,
    ],
)
def test_whatever_leaves_the_base_is_not_resolved(link: object) -> None:
    assert resolve_under(BASE, link) is None


OTHER = "http://inner.example:8080/ehr"


@pytest.mark.parametrize(
    ("link", "url"),
    [
        (f"{OTHER}/Observation?page=2", f"{BASE}/Observation?page=2"),
        (f"{OTHER}?_getpages=1", f"{BASE}?_getpages=1"),
        ("http://INNER.example:8080/ehr/Patient/7", f"{BASE}/Patient/7"),
        ("https://inner.example:8080/ehr/Patient/7", None),
        ("http://inner.example/ehr/Patient/7", None),
        ("http://inner.example:8080/other/Patient/7", None),
        (f"{OTHER}/../secret", None),
        (f"{OTHER}x/Patient/7", None),
        ("http://a@inner.example:8080/ehr/Patient/7", None),
    ],
)
def test_a_link_under_another_name_of_the_server_is_taken_onto_the_base(
    link: str, url: str | None
) -> None:
    assert resolve_under(BASE, link, (OTHER,)) == url


URLISH = st.text(alphabet="aA.:/\\@?#%;[]012x-_ \n\u00fc&=", max_size=30)


@settings(max_examples=300)
@given(
    tail=URLISH,
    head=st.sampled_from(["https://", "http://", "https://good.example", BASE, BASE + "/", ""]),
)
def test_every_parser_reads_an_accepted_url_alike(head: str, tail: str) -> None:
    for url in (canonical_base(head + tail), resolve_under(BASE, head + tail)):
        if url is not None:
            hosts = {urlsplit(url).hostname, (parse_url(url).host or "").strip("[]")}
            assert len(hosts) == 1
            assert requests.Request("GET", url).prepare().url in (
                url,
                url + "/",
                url.replace("?", "/?", 1),
            )


@settings(max_examples=300)
@given(tail=URLISH)
def test_nothing_resolves_to_another_place(tail: str) -> None:
    url = resolve_under(BASE, BASE + tail)
    assert url is None or url == BASE or url.startswith((BASE + "/", BASE + "?"))


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:4700::1111"])
def test_a_public_address_is_allowed(address: str) -> None:
    assert address_allowed(address, allow_private=False)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.0.1",
        "100.64.0.1",
        "::1",
        "fd12::1",
        "::ffff:10.0.0.1",
    ],
)
def test_a_private_address_is_allowed_only_where_the_entry_says_so(address: str) -> None:
    assert not address_allowed(address, allow_private=False)
    assert address_allowed(address, allow_private=True)


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "2002:a9fe:a9fe::1",
        "fe80::1%eth0",
        "fd00:ec2::254",
        "100.100.100.200",
        "168.63.129.16",
        "0.0.0.0",  # noqa: S104  # nothing is bound here
        "::",
        "224.0.0.1",
        "ff02::1",
        "255.255.255.255",
        "not an address",
    ],
)
def test_metadata_link_local_and_multicast_addresses_are_never_allowed(address: str) -> None:
    assert not address_allowed(address, allow_private=True)
