"""Looks for words in every column of every table that can hold one, also of tables this file has never heard of."""

from fte.pg.pool import Pool

_COLUMNS = """
select c.table_name, c.column_name, c.udt_name
  from information_schema.columns c join information_schema.tables t using (table_schema, table_name)
 where c.table_schema = 'public' and t.table_type = 'BASE TABLE'
   and (c.udt_name in ('text', 'varchar', 'bpchar', 'name', 'json', 'jsonb', 'bytea', 'tsvector', 'citext')
        or c.data_type = 'ARRAY')
"""


async def columns_with(pool: Pool, *words: str) -> set[str]:
    """Those columns, as `table.column`, in which one of the words stands, in any case."""
    found = set()
    for column in await pool.fetch(_COLUMNS):
        name = f'"{column["column_name"]}"'
        text = (
            f"encode({name}, 'escape') || ' ' || encode({name}, 'hex')"
            if column["udt_name"] == "bytea"
            else f"{name}::text"
        )
        query = (
            f'select exists (select from "{column["table_name"]}", unnest($1::text[]) as w (word)'
            f" where strpos(lower({text}), word) > 0)"
        )
        if await pool.fetchval(query, [word.lower() for word in words]):
            found.add(f"{column['table_name']}.{column['column_name']}")
    return found
