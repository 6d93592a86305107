"""Makes version1.sqlite and version2.sqlite from a catalog of version 3: the later steps undone.
Usage: make.py CATALOG (main with two schemas and three commits; branch dev and tag v1 on the second)"""
import os
import shutil
import sqlite3
import sys

here = os.path.dirname(os.path.abspath(__file__))
for version in (2, 1):
    path = os.path.join(here, f"version{version}.sqlite")
    shutil.copy(sys.argv[1], path)
    database = sqlite3.connect(path)
    database.execute("DROP INDEX object_seen")
    database.execute("ALTER TABLE object DROP COLUMN seen_at")
    database.execute("DELETE FROM grdb_migrations WHERE identifier LIKE '3:%'")
    if version == 1:
        database.execute("ALTER TABLE ref DROP COLUMN options")
        database.execute("DELETE FROM grdb_migrations WHERE identifier LIKE '2:%'")
    database.commit()
    database.execute("VACUUM")
    database.close()
