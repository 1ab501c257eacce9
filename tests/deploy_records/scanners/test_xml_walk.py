import pytest

from tests.deploy_records.scanners.sbom_reports import CYCLONEDX_XML
from tests.deploy_records.scanners.understand import refusal, understood

OPENING = '<bom xmlns="http://cyclonedx.org/schema/bom/1.5">'


@pytest.mark.parametrize(
    "declared",
    [
        '<!DOCTYPE bom [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>',
        '<!DOCTYPE bom SYSTEM "http://127.0.0.1/x.dtd">',
        '<!DOCTYPE bom [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
        "<!DOCTYPE html>",
    ],
)
def test_document_types_and_entities_are_refused(declared: str) -> None:
    assert "declares a document type or an entity" in refusal(f"{declared}{OPENING}</bom>")


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (CYCLONEDX_XML[:700], "this is not XML (unclosed token)"),
        (f"{OPENING}<a></b></bom>", "this is not XML (mismatched tag)"),
        (f"{OPENING}&x;</bom>", "this is not XML (undefined entity)"),
        (f'{OPENING}<a b="1" b="2"/></bom>', "this is not XML (duplicate attribute)"),
        (f"{OPENING}\x00</bom>", "this is not XML"),
        (f"{OPENING}</bom><bom/>", "this is not XML (junk after document element)"),
        (OPENING + "<a>" * 100_000, "it goes too deep. Expected at most 64 levels"),
        (OPENING + "<a>" * 64 + "</a>" * 64 + "</bom>", "it goes too deep"),
        (f'{OPENING}<a b="{"x" * 3_000_000}', "a tag is longer than 1 MiB"),
        (OPENING + "<components>" + "<x/>" * 50_000 + "</components></bom>", "too much stands beside"),
        (OPENING + "<components>" + "<x/><component/>" * 50_000 + "</components></bom>", "too much stands beside"),
    ],
)
def test_what_is_no_xml_or_too_much_of_it_is_refused_with_its_place(text: str, what: str) -> None:
    said = refusal(text)
    assert what in said
    assert ", line " in said


def test_bytes_that_are_no_text_are_refused() -> None:
    assert "this is not XML (not well-formed (invalid token))" in refusal(CYCLONEDX_XML.encode().replace(b"curl<", b"c\xfcrl<"))


def test_what_the_first_line_says_of_the_encoding_does_not_matter() -> None:
    text = CYCLONEDX_XML.replace('encoding="UTF-8"', 'encoding="ISO-8859-1"').replace("owner/app", "Müller/app")
    assert understood(text).report.target == "Müller/app 1.2"


def test_character_data_and_comments_are_read_as_text() -> None:
    text = CYCLONEDX_XML.replace("<description>Reads beyond", "<description><!-- no --><![CDATA[Reads <b>beyond]]>")
    assert understood(text).only.description == "Reads <b>beyond the end. And more."
