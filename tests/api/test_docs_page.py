"""`/docs`: a page that loads from us alone."""

import re
from html.parser import HTMLParser

import pytest

from cloudmanager.api.docs_page import ASSETS


class References(HTMLParser):
    """What a page names: addresses of other things, and code of its own."""

    def __init__(self):
        super().__init__()
        self.found = []
        self.inline = []

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.found += [values[name] for name in ("src", "href", "data-document") if name in values]
        if (tag == "script" and "src" not in values) or tag == "style" or "style" in values:
            self.inline.append(tag)


@pytest.fixture
def page(api):
    response = api.ask("GET", "/docs", role="nobody")
    assert response.status_code == 200
    parser = References()
    parser.feed(response.text)
    return response, parser


def test_everything_on_the_page_loads_from_us(api, page):
    _, parser = page

    assert {"/openapi.json", "/docs/swagger-ui-bundle.js", "/docs/swagger-ui.css"} <= set(parser.found)
    assert {f"/docs/{name}" for name in ASSETS} <= set(parser.found)
    for address in parser.found:
        assert address.startswith("/")
        assert not address.startswith("//")
        assert api.ask("GET", address, role="nobody").status_code == 200, address


def test_styles_and_scripts_load_nothing_else(api):
    styles = api.ask("GET", "/docs/swagger-ui.css").text + api.ask("GET", "/docs/page.css").text
    assert "@import" not in styles
    assert {address[:5] for address in re.findall(r"url\([\"']?([^)\"']+)", styles)} <= {"data:"}
    start = api.ask("GET", "/docs/start.js").text
    assert "validatorUrl: null" in start
    assert "://" not in start


def test_the_browser_is_told_to_ask_nobody_else(page):
    response, parser = page
    policy = dict(part.split(" ", 1) for part in response.headers["Content-Security-Policy"].split("; "))

    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert "unsafe" not in response.headers["Content-Security-Policy"]
    assert not parser.inline
    assert response.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("name", ASSETS)
def test_a_file_has_its_type_and_is_sent_once(api, name):
    first = api.ask("GET", f"/docs/{name}", role="nobody")
    expected = {"js": "text/javascript", "css": "text/css", "png": "image/png"}[name.rpartition(".")[2]]

    assert first.mimetype == expected
    assert first.headers["X-Content-Type-Options"] == "nosniff"
    assert "max-age" in first.headers["Cache-Control"]
    again = api.ask("GET", f"/docs/{name}", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")


@pytest.mark.parametrize(
    "name", ["oauth2-redirect.html", "../docs_page.py", "page.html", "%2e%2e/app.py", "x"]
)
def test_nothing_else_is_served(api, name):
    assert api.ask("GET", f"/docs/{name}").status_code == 404


def test_behind_a_prefix_addresses_have_it(api):
    page = api.ask("GET", "/docs", environ_overrides={"SCRIPT_NAME": "/fleet"}).text
    assert '"/fleet/docs/start.js"' in page
    assert '"/fleet/openapi.json"' in page
