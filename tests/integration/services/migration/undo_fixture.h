// Two revisions whose undo takes tables and columns with rows in them.
#pragma once

#include <string>

#include "tests/integration/services/migration/engine_fixture.h"

namespace lockstep::migration {

class UndoTest : public EngineTest {
 protected:
  // aaaa makes core.parent and core.child (with a foreign key, an index, an identity); bbbb adds
  // two columns.
  void WriteTables(const std::string& more = "") {
    WriteRevision(
        "aaaa", "",
        {{"up.sql",
          "CREATE TABLE core.parent (id int PRIMARY KEY, name text);\n"
          "CREATE TABLE core.child (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, parent int "
          "REFERENCES"
          " core.parent, note text);\nCREATE INDEX child_note_idx ON core.child (note);\n"},
         {"down.sql", "DROP TABLE core.child;\nDROP TABLE core.parent;\n"},
         {"verify.sql", "SELECT id FROM core.child WHERE note = 'bad';"},
         {"guard.sql",
          "SELECT 'children' AS what, count(*) AS count FROM core.child;\n"
          "SELECT 'parents' AS what, count(*) AS count FROM core.parent;\n"}});
    WriteRevision(
        "bbbb", "down_revision: \"aaaa\"\n" + more,
        {{"up.sql", "ALTER TABLE core.parent ADD COLUMN a int, ADD COLUMN b int DEFAULT 7;\n"},
         {"down.sql", "ALTER TABLE core.parent DROP COLUMN a, DROP COLUMN b;\n"},
         {"verify.sql", "SELECT id FROM core.parent WHERE a < 0;"},
         {"guard.sql",
          "SELECT 'parents with a' AS what, count(*) AS count FROM core.parent WHERE a IS NOT "
          "NULL;\n"}});
  }
  void Fill() {
    db_.Execute(
        "INSERT INTO core.parent (id, name, a) VALUES (1, 'one', 10), (2, 'two', NULL);"
        " INSERT INTO core.child (parent, note) VALUES (1, 'x'), (2, 'y'), (2, 'z');");
  }
};

}  // namespace lockstep::migration
