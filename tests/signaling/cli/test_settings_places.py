"""Where settings come from, which wins, and how every mistake is reported at once."""

import pytest

from signaling.cli.environment import default_outbox, read_settings
from signaling.cli.failure import ExitCode, Failure
from signaling.cli.layers import setting_paths, variable_name
from signaling.settings import Settings


@pytest.fixture
def read(tmp_path):
    def reader(toml="", dotenv="", demo_env="", environ=None, flags=None, client=False):
        (tmp_path / "cordboard.toml").write_text(toml)
        (tmp_path / ".env").write_text(dotenv)
        (tmp_path / ".cordboard").mkdir(exist_ok=True)
        (tmp_path / ".cordboard" / "env").write_text(demo_env)
        return read_settings(flags, client=client, environ=environ or {}, folder=tmp_path)

    return reader


def problems_of(read, **places):
    with pytest.raises(Failure) as failure:
        read(**places)
    assert failure.value.code is ExitCode.SETTINGS
    return failure.value.what


def test_without_anything_there_are_defaults_and_this_machines_name(read):
    settings = read()

    assert settings.server.port == 8080
    assert settings.realtime.model == "gpt-realtime-2.1"
    assert settings.server.node not in ("", "node")


def test_each_place_wins_over_the_one_before(read):
    places = {
        "toml": "[server]\nport = 1\nhost = 'toml'\nnode = 'toml'\n[realtime]\nmodel = 'toml'",
        "dotenv": "CORDBOARD_SERVER__PORT=2\nCORDBOARD_SERVER__HOST=dotenv\nCORDBOARD_SERVER__NODE=dotenv",
        "environ": {"CORDBOARD_SERVER__PORT": "3", "CORDBOARD_SERVER__HOST": "environ"},
        "flags": {"server": {"port": 4, "host": None}},
    }

    settings = read(**places)

    assert (settings.server.port, settings.server.host, settings.server.node, settings.realtime.model) == (
        4, "environ", "dotenv", "toml",
    )  # fmt: skip


def test_some_variables_have_names_of_their_own(read):
    settings = read(
        environ={
            "OPENAI_API_KEY": "sk-1",
            "REDIS_URL": "redis://r:6379/0",
            "DATABASE_URL": "postgresql://u:p@d/x",
            "CORDBOARD_HTTP_PORT": "9999",
            "CORDBOARD_URL": "http://localhost:9999",
            "CORDBOARD_TOKEN": "t",
        }
    )

    assert settings.realtime.api_key.get_secret_value() == "sk-1"
    assert settings.redis_url == "redis://r:6379/0"
    assert settings.database_url == "postgresql://u:p@d/x"
    assert settings.server.port == 9999
    assert settings.client.token.get_secret_value() == "t"


def test_every_setting_can_be_given_by_its_exact_name(read):
    assert len(setting_paths()) > 30
    assert variable_name(("server", "max_calls")) == "CORDBOARD_SERVER__MAX_CALLS"
    assert read(environ={"CORDBOARD_SERVER__MAX_CALLS": "7"}).server.max_calls == 7


def test_the_exact_name_wins_over_the_short_one(read):
    settings = read(environ={"CORDBOARD_REDIS_URL": "redis://exact:1/0", "REDIS_URL": "redis://short:1/0"})

    assert settings.redis_url == "redis://exact:1/0"


def test_lists_come_as_json_or_between_commas(read):
    settings = read(
        environ={
            "CORDBOARD_TOOLS__MODULES": "shop.tools, shop.more",
            "CORDBOARD_MEDIA__ICE_SERVERS": '[{"urls": "stun:a,stun:b"}]',
            "CORDBOARD_SERVER__ADDRESSES": "[]",
        }
    )

    assert settings.tools.modules == ("shop.tools", "shop.more")
    assert settings.media.ice_servers[0].urls == ("stun:a", "stun:b")
    assert settings.server.addresses == ()


def test_an_empty_variable_is_not_set_and_foreign_ones_are_ignored(read):
    assert read(environ={"OPENAI_API_KEY": "", "CORDBOARD_HTTP_PORT": " ", "HOME": "/x"}).server.port == 8080


def test_a_running_demo_is_found_by_client_verbs_only_and_loses_to_everything(read):
    demo_env = "CORDBOARD_URL='http://localhost:1'\nCORDBOARD_TOKEN='demo'\n"

    assert read(demo_env=demo_env, client=True).client.url == "http://localhost:1"
    assert read(demo_env=demo_env).client.url == "http://localhost:8080"
    environ = {"CORDBOARD_URL": "http://localhost:2"}
    assert read(demo_env=demo_env, client=True, environ=environ).client.url == "http://localhost:2"


MISTAKES = [
    ({"toml": "[server]\nport = 'abc'"}, "server.port (cordboard.toml): ", "(got 'abc')"),
    ({"environ": {"CORDBOARD_SERVER__PORT": "abc"}}, "server.port (CORDBOARD_SERVER__PORT): ", "(got 'abc')"),
    ({"environ": {"CORDBOARD_HTTP_PORT": "70000"}}, "server.port (CORDBOARD_HTTP_PORT): ", "65535"),
    ({"dotenv": "CORDBOARD_SERVER__PORT=abc"}, "(CORDBOARD_SERVER__PORT in .env)", "integer"),
    ({"flags": {"server": {"port": -1}}}, "server.port (command line)", "greater"),
    ({"toml": "[realtime]\nmodle = 'x'"}, "realtime.modle (cordboard.toml): unknown", "did you mean model?"),
    ({"toml": "[realtme]\nmodel = 'x'"}, "realtme", "did you mean realtime?"),
    ({"toml": "server = 3"}, "server (cordboard.toml)", ""),
    (
        {"environ": {"CORDBOARD_REALTIME__MODLE": "x"}},
        "CORDBOARD_REALTIME__MODLE: unknown",
        "CORDBOARD_REALTIME__MODEL?",
    ),
    (
        {"environ": {"CORDBOARD_AUTH__SECRET": "short"}},
        "auth.secret (CORDBOARD_AUTH__SECRET)",
        "openssl rand",
    ),
    ({"environ": {"REDIS_URL": "http://x"}}, "redis_url (REDIS_URL)", ""),
    ({"environ": {"CORDBOARD_TOOLS__MODULES": "[oops"}}, "tools.modules", "JSON"),
    ({"toml": "[[media.ice_servers]]\nurl = 'stun:x'"}, "media.ice_servers.0.url", "did you mean urls?"),
    ({"toml": "not toml at all"}, "cordboard.toml is not TOML", ""),
]


@pytest.mark.parametrize(("places", "where", "what"), MISTAKES)
def test_a_mistake_is_named_by_path_place_value_and_remedy(read, places, where, what):
    said = problems_of(read, **places)

    assert where in said
    assert what in said


def test_all_mistakes_are_reported_together(read):
    said = problems_of(
        read,
        toml="[server]\nport = 'abc'\nhots = 'x'",
        environ={"CORDBOARD_REALTIME__CONNECT_TIMEOUT_S": "0", "CORDBOARD_FOO": "1"},
    )

    assert said.startswith("the settings have 4 problems:")
    assert len(said.splitlines()) == 5


def test_no_message_shows_a_secret(read):
    said = problems_of(
        read,
        environ={
            "CORDBOARD_AUTH__SECRET": "hunter2",
            "DATABASE_URL": "mysql://u:hunter2@d/x",
            "REDIS_URL": "hunter2",
            "CORDBOARD_CLIENT__TOKEN": "",
        },
    )

    assert "hunter2" not in said


def test_settings_do_not_show_their_secrets_and_cannot_be_changed():
    settings = Settings.model_validate(
        {
            "auth": {"secret": "s" * 32},
            "realtime": {"api_key": "sk-hunter2"},
            "database_url": "postgresql://u:hunter2@d/x",
            "redis_url": "redis://:hunter2@r",
        }
    )

    assert "hunter2" not in repr(settings)
    with pytest.raises(ValueError):
        settings.server.port = 1


def test_every_setting_is_described():
    for path in setting_paths():
        model = Settings
        for part in path[:-1]:
            model = model.model_fields[part].annotation
        description = model.model_fields[path[-1]].description
        assert description, path
        assert description.endswith((".", "`")), path


@pytest.mark.parametrize(
    ("environ", "place"),
    [
        ({"XDG_STATE_HOME": "/state", "HOME": "/"}, "/state/cordboard"),
        ({"XDG_STATE_HOME": "relative", "HOME": "{home}"}, "{home}/.local/state/cordboard"),
        ({"HOME": "{home}"}, "{home}/.local/state/cordboard"),
        ({"HOME": "{home}/missing"}, "{here}/.cordboard"),
        ({}, "{here}/.cordboard"),
    ],
)
def test_the_outbox_is_where_a_users_state_belongs_or_else_here(environ, place, tmp_path):
    names = {"home": str(tmp_path), "here": str(tmp_path / "here")}
    environ = {name: value.format(**names) for name, value in environ.items()}

    assert default_outbox(environ, tmp_path / "here") == place.format(**names) + "/outbox.sqlite"
