"""What a SPEC promises to serve is read from its headings."""

from __future__ import annotations

from executor.domain.droplet import DropletIdentity
from executor.domain.spec_endpoints import endpoints_of
from executor.domain.spec_writer import SpecRequest, write_spec


def test_headings_that_name_a_method_and_a_path_are_endpoints_once_each():
    spec = "### 1. POST /books\n\ntext GET /not-a-heading\n\n### 2. GET /books/{id}\n### POST /books\n"
    assert endpoints_of(spec) == ("POST /books", "GET /books/{id}")


def test_the_contract_is_not_business():
    identity = DropletIdentity(13, "library", "0.1.0", "store books", 8000)
    spec = write_spec(SpecRequest(identity=identity, intent="Build a Library Droplet that stores books"))
    found = endpoints_of(spec)
    assert "POST /books" in found
    assert not [endpoint for endpoint in found if endpoint.endswith(("/health", "/message"))]
