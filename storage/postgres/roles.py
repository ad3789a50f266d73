"""The group roles in Postgres, and the rights of `rights.py` given to them.

Roles belong to the whole server and are made once, by somebody who may (`cordboard db roles`). Rights belong to
the tables: they are given again after every migration, so that a new table has them too. Where the roles have
not been made nothing happens, and whoever owns the tables does everything, as on a developer's machine.

They are groups without a password. A program gets a login of its own that is a member of one:
`CREATE ROLE worker LOGIN PASSWORD '…' IN ROLE cordboard_writer`.
"""

from __future__ import annotations

from typing import TypeAlias

import asyncpg

from storage.postgres.pool import Connection
from storage.postgres.rights import FUNCTIONS, OWNED, TABLES, Role

AnyConnection: TypeAlias = "Connection | asyncpg.Connection"

_EXISTING = "SELECT rolname::text FROM pg_roles WHERE rolname = ANY ($1::text[])"

# As the manual has it, CREATE ROLE knows no IF NOT EXISTS; two that make it at once must both succeed.
_MAKE = """
DO $$
BEGIN
    CREATE ROLE {role} NOLOGIN;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END
$$
"""

# Giving a table to a role takes membership in it; a superuser needs none.
_JOIN = """
DO $$
BEGIN
    IF NOT pg_has_role(current_user, 'cordboard_migrator', 'MEMBER') THEN
        EXECUTE format('GRANT cordboard_migrator TO %I', current_user);
    END IF;
END
$$
"""

_MAY_GIVE_OVER = "SELECT pg_has_role(current_user, 'cordboard_migrator', 'MEMBER')"

_SCHEMA = "SELECT current_schema()::text"

# Our tables that are there, with their months, and who owns them.
_RELATIONS = """
SELECT c.relname::text AS name, p.relname IS NULL AS is_table, pg_get_userbyid(c.relowner)::text AS owner
FROM pg_class AS c
     LEFT JOIN pg_inherits AS i ON i.inhrelid = c.oid
     LEFT JOIN pg_class AS p ON p.oid = i.inhparent
WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p')
  AND coalesce(p.relname, c.relname) = ANY ($1::text[])
ORDER BY c.relname
"""

# Our functions and types that are there and are not the migrator's yet.
_OTHERS = """
SELECT 'FUNCTION ' || p.oid::regprocedure::text AS name
FROM pg_proc AS p
WHERE p.pronamespace = current_schema()::regnamespace AND p.proname = ANY ($1::text[])
  AND pg_get_userbyid(p.proowner) <> 'cordboard_migrator'
  AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = p.oid AND deptype = 'i')
UNION ALL
SELECT 'TYPE ' || t.oid::regtype::text
FROM pg_type AS t
WHERE t.typnamespace = current_schema()::regnamespace AND t.typname = ANY ($1::text[])
  AND pg_get_userbyid(t.typowner) <> 'cordboard_migrator'
ORDER BY 1
"""


def roles_sql() -> str:
    """What an administrator has to run once on the server, where we may not."""
    return "\n".join(f"CREATE ROLE {role} NOLOGIN;" for role in Role) + (
        "\n-- and, for the login that runs `cordboard db migrate`:\n"
        f"GRANT {Role.MIGRATOR} TO the_login_that_migrates;\n"
    )


async def make_roles(connection: AnyConnection) -> list[Role]:
    """Make the roles that are missing; returns those made. Raises asyncpg.InsufficientPrivilegeError where this
    login has neither SUPERUSER nor CREATEROLE and a role is missing."""
    existing = await existing_roles(connection)
    missing = [role for role in Role if role not in existing]
    for role in missing:
        await connection.execute(_MAKE.format(role=role))
    if missing:
        await connection.execute(_JOIN)
    return missing


async def existing_roles(connection: AnyConnection) -> set[str]:
    """Those of our roles that the server has."""
    return {row[0] for row in await connection.fetch(_EXISTING, [str(role) for role in Role])}


async def give_rights(connection: AnyConnection) -> bool:
    """Make every role's rights on our tables what `rights.py` says, whatever they were.

    False, and nothing done, where the roles are not all there, or this login is no member of the migrator's.
    One transaction; safe to repeat. Raises asyncpg.InsufficientPrivilegeError where somebody else owns the
    tables.
    """
    if len(await existing_roles(connection)) < len(Role) or not await connection.fetchval(_MAY_GIVE_OVER):
        return False
    async with connection.transaction():
        schema = await connection.fetchval(_SCHEMA)
        await _open_schema(connection, schema)
        await _give_over(connection)
        await _grant(connection)
    return True


async def _open_schema(connection: AnyConnection, schema: str) -> None:
    for role in Role:
        wanted = ["USAGE", "CREATE"] if role is Role.MIGRATOR else ["USAGE"]
        for right in wanted:
            if not await connection.fetchval(
                "SELECT has_schema_privilege($1, $2, $3)", str(role), schema, right
            ):
                await connection.execute(f'GRANT {right} ON SCHEMA "{schema}" TO {role}')


async def _give_over(connection: AnyConnection) -> None:
    """The migrator's role owns it all, so that any login of that role can change it."""
    for row in await connection.fetch(_RELATIONS, list(TABLES)):
        if row["owner"] != Role.MIGRATOR:
            await connection.execute(f'ALTER TABLE "{row["name"]}" OWNER TO {Role.MIGRATOR}')
    for row in await connection.fetch(_OTHERS, list(OWNED)):
        await connection.execute(f"ALTER {row['name']} OWNER TO {Role.MIGRATOR}")


async def _grant(connection: AnyConnection) -> None:
    relations = await connection.fetch(_RELATIONS, list(TABLES))
    others = ", ".join(role for role in Role if role is not Role.MIGRATOR)
    for row in relations:
        await connection.execute(f'REVOKE ALL ON "{row["name"]}" FROM PUBLIC, {others}')
        if row["is_table"]:
            for role, rights in TABLES[row["name"]].items():
                await connection.execute(f'GRANT {rights} ON "{row["name"]}" TO {role}')
    for function, roles in FUNCTIONS.items():
        await connection.execute(f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC, {others}")
        await connection.execute(f"GRANT EXECUTE ON FUNCTION {function} TO {', '.join(roles)}")
