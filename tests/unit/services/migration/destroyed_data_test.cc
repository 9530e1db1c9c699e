// What an undo's own UPDATE or DELETE destroys is declared, and the declaration can be run.
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/services/migration/folder.h"

namespace lockstep::migration {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

constexpr char kSteps[] = "steps { name: \"made\" }\nsteps { name: \"filled\" }\n";

class DestroyedDataTest : public ::testing::Test {
 protected:
  // Two steps; the first one's table goes with its undo; that of o000 stays.
  void Write(const std::string& more, const std::string& down) {
    folder_.AddRevision("catalog", "c001");
    folder_.AddRevision("orders", "o000");
    folder_.AddRevision("orders", "o001", "down_revision: \"o000\"\n" + std::string(kSteps) + more);
    folder_.Remove("orders/o001_x/up.sql");
    folder_.Remove("orders/o001_x/down.sql");
    folder_.Write("orders/o001_x/01_made.up.sql", "CREATE TABLE transactions.t_o001 (id int);");
    folder_.Write("orders/o001_x/01_made.down.sql", "DROP TABLE transactions.t_o001;");
    folder_.Write("orders/o001_x/02_filled.up.sql", "INSERT INTO transactions.t_o001 VALUES (1);");
    folder_.Write("orders/o001_x/02_filled.down.sql", down);
  }

  MigrationsFolder folder_;
};

TEST_F(DestroyedDataTest, UndeclaredRowsAreRefusedWithTheirLine) {
  Write("",
        "SELECT 1;\n-- all of them\nWITH gone AS (\n    DELETE FROM transactions.t_o000 RETURNING "
        "id\n)\nSELECT count(*) FROM gone;\nUPDATE transactions.t_o000 SET id = NULL;\n");

  EXPECT_THAT(folder_.Problems(),
              ElementsAre(StartsWith("orders/o001_x/02_filled.down.sql:3: this changes or deletes "
                                     "rows of transactions.t_o000")));
  EXPECT_THAT(folder_.Problems(), ElementsAre(HasSubstr("(DESTROYS_UNDECLARED)")));
}

TEST_F(DestroyedDataTest, DeclaredRowsAndThoseOfATableThatGoesAreFine) {
  Write(
      "destroys { table: \"transactions.t_o000\" key: \"id\" columns: \"id\" where: \"id <> 7\" "
      "}\n",
      "UPDATE transactions.t_o000 SET id = NULL;\nTRUNCATE transactions.t_o001;\n");

  EXPECT_THAT(folder_.Problems(), IsEmpty());
}

TEST_F(DestroyedDataTest, ConditionsAreReadLikeScripts) {
  struct Case {
    const char* where;
    const char* problem;
  };
  const Case cases[] = {
      {"id IN (", "where is no SQL condition"},
      {"true); DELETE FROM transactions.t_o000 WHERE (true", "where is no SQL condition"},
      {"id IN (SELECT id FROM nowhere)", "where: nowhere needs its schema in front"},
      {"id IN (SELECT id FROM core.t_c001)", "where: core.t_c001 belongs to catalog; declare it"},
  };
  for (const Case& c : cases) {
    Write("destroys {\n  table: \"transactions.t_o000\"\n  key: \"id\"\n  where: \"" +
              std::string(c.where) + "\"\n}\n",
          "DELETE FROM transactions.t_o000;");
    EXPECT_THAT(folder_.Problems(), ElementsAre(StartsWith("orders/o001_x/revision.textproto:12: " +
                                                           std::string(c.problem))))
        << c.where;
  }
}

TEST_F(DestroyedDataTest, ColumnsAreNames) {
  Write("destroys { table: \"transactions.t_o000\" key: \"id, n\" columns: \"n = 1\" }\n",
        "DELETE FROM transactions.t_o000;");

  EXPECT_THAT(folder_.Problems(), ElementsAre(HasSubstr("\"id, n\" must be the name of a column"),
                                              HasSubstr("\"n = 1\" must be the name of a column")));
}

}  // namespace
}  // namespace lockstep::migration
