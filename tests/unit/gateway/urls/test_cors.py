from __future__ import annotations

from typing import Any

from multidict import CIMultiDict

from thaw.api.v1alpha1 import Cors
from thaw.gateway.urls.cors import applied, is_preflight, preflight

PAGE, OTHER = "https://page.example", "https://other.example"


def rules(**fields: Any) -> Cors:
    return Cors.model_validate({"allowOrigins": [PAGE], "allowMethods": ["GET", "PUT"], **fields})


def test_a_preflight_is_an_options_request_of_a_browser() -> None:
    asked = CIMultiDict({"origin": PAGE, "access-control-request-method": "PUT"})
    assert is_preflight("OPTIONS", asked)
    assert not is_preflight("GET", asked)
    assert not is_preflight("OPTIONS", CIMultiDict({"origin": PAGE}))


def test_a_preflight_is_told_what_is_allowed() -> None:
    cors = rules(allowHeaders=["x-a", "x-b"], maxAge=60, allowCredentials=True)
    assert preflight(cors, PAGE, "PUT") == {
        "vary": "Origin",
        "access-control-allow-origin": PAGE,
        "access-control-allow-credentials": "true",
        "access-control-allow-methods": "GET,PUT",
        "access-control-allow-headers": "x-a,x-b",
        "access-control-max-age": "60",
    }


def test_who_may_not_is_told_nothing() -> None:
    assert preflight(rules(), OTHER, "PUT") == {"vary": "Origin"}
    assert preflight(rules(), PAGE, "DELETE") == {"vary": "Origin"}


def test_anybody_and_anything() -> None:
    found = preflight(rules(allowOrigins=["*"], allowMethods=["*"]), OTHER, "DELETE")
    assert found["access-control-allow-origin"] == "*"
    assert found["access-control-allow-methods"] == "DELETE"


def test_the_url_speaks_for_the_function() -> None:
    said = {"content-type": "x", "access-control-allow-origin": "*", "vary": "Accept"}
    assert applied(rules(exposeHeaders=["x-a"]), PAGE, said) == {
        "content-type": "x",
        "vary": "Accept, Origin",
        "access-control-allow-origin": PAGE,
        "access-control-expose-headers": "x-a",
    }
    assert applied(rules(), OTHER, said) == {"content-type": "x", "vary": "Accept, Origin"}


def test_a_url_that_says_nothing_leaves_it_to_the_function() -> None:
    said = {"access-control-allow-origin": "*"}
    assert applied(None, PAGE, said) == said
