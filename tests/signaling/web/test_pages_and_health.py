"""Pages, health and the headers that every answer carries."""

import pytest

from signaling.web.ports import Readiness


async def test_the_root_leads_to_the_phone(house):
    response = await house.client.get("/", allow_redirects=False)

    assert response.status == 302
    assert response.headers["Location"] == "/phone"


@pytest.mark.parametrize("path", ["/phone", "/console"])
async def test_pages_that_were_not_built_say_how_to_build_them(house, path):
    response = await house.client.get(path)

    body = await response.json()
    assert (response.status, body["code"]) == (503, "pages_not_built")
    assert "npm" in body["fix"]


@pytest.fixture
def built(tmp_path):
    folder = tmp_path / "static"
    folder.mkdir()
    (folder / "phone.html").write_text("<!doctype html><title>Phone</title>")
    (folder / "console.html").write_text("<!doctype html><title>Console</title>")
    (folder / "phone-ABC123.js").write_text("1")
    (tmp_path / "secret.txt").write_text("secret")
    return folder


@pytest.mark.parametrize("path", ["/phone", "/console"])
async def test_a_built_page_is_served_with_strict_headers(built, house, path):
    response = await house.client.get(path)

    assert response.status == 200
    assert response.content_type == "text/html"
    policy = response.headers["Content-Security-Policy"].split("; ")
    assert {"default-src 'self'", "connect-src 'self' ws: wss:", "media-src 'self' blob:"} <= set(policy)
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in response.headers["Content-Security-Policy"]
    assert response.headers["X-Content-Type-Options"] == "nosniff"


async def test_scripts_are_kept_for_ever_because_their_names_change_with_them(built, house):
    response = await house.client.get("/static/phone-ABC123.js")

    assert response.status == 200
    assert "immutable" in response.headers["Cache-Control"]
    assert response.content_type in ("text/javascript", "application/javascript")


@pytest.mark.parametrize(
    "path",
    ["/static/../secret.txt", "/static/%2e%2e%2fsecret.txt", "/static/..%2Fsecret.txt", "/static/none.js"],
)
async def test_nothing_outside_of_the_folder_is_served(built, house, path):
    from yarl import URL

    response = await house.client.get(URL(path, encoded=True))

    assert response.status == 404
    assert "secret" not in (await response.text()).replace("secret.txt", "")


@pytest.mark.parametrize("path", ["/phone", "/v1/calls", "/healthz", "/nothing/here"])
async def test_every_answer_carries_the_security_headers_even_a_refusal(house, path):
    response = await house.client.get(path)

    assert "default-src 'self'" in response.headers["Content-Security-Policy"]
    assert response.headers["Referrer-Policy"] == "no-referrer"


async def test_calls_are_not_cached(house):
    response = await house.client.get("/v1/calls", headers=house.bearer())

    assert response.headers["Cache-Control"] == "no-store"


async def test_an_unknown_path_and_a_wrong_method_are_problems_too(house):
    unknown = await house.client.get("/v1/nothing")
    assert (unknown.status, (await unknown.json())["code"]) == (404, "not_found")

    wrong = await house.client.put("/v1/calls", data="x")
    assert (wrong.status, (await wrong.json())["code"]) == (405, "method_not_allowed")
    assert "POST" in wrong.headers["Allow"]


async def test_a_load_balancer_may_ask_with_head(house):
    response = await house.client.head("/readyz")

    assert response.status == 200
    assert await response.read() == b""


async def test_health_needs_nothing(house):
    response = await house.client.get("/healthz")

    assert (response.status, await response.json()) == (200, {"status": "ok"})


@pytest.mark.parametrize(
    ("readiness", "status"),
    [
        (Readiness(ready=True), 200),
        (Readiness(ready=True, degraded=["redis", "postgres"]), 200),
        (Readiness(ready=False, reasons=["The model cannot be reached."]), 503),
    ],
)
async def test_readiness_is_503_only_when_no_call_could_be_answered(house, readiness, status):
    house.desk.state = readiness

    response = await house.client.get("/readyz")

    assert response.status == status
    assert await response.json() == {
        "ready": readiness.ready,
        "degraded": list(readiness.degraded),
        "reasons": list(readiness.reasons),
    }
